//! `--calico-version`, for subcommands that read policies.

use clap::Args;

use super::globals::Flag;

/// The key that the flag sets.
const KEY: &str = "policies.calico_version";

/// Which Calico the policies and the records are of.
#[derive(Args, Debug)]
pub(super) struct VersionFlag {
    /// The release of Calico whose rules for names, tiers and ties hold, as 3.31; without it, the configured one, which
    /// is the newest
    #[arg(long, value_name = "VERSION")]
    calico_version: Option<String>,
}

impl VersionFlag {
    /// Returns the flag as the configuration takes it.
    pub(super) fn flag(&self) -> Flag<'_> {
        ("--calico-version", KEY, self.calico_version.as_deref())
    }
}
