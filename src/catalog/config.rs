//! Settings of the catalog.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::CalicoVersion;

/// Where manifests are, and how often they are looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The folder, or one file.
    pub path: PathBuf,
    /// The time between two looks. A look at an unchanged folder costs one `stat` a file.
    pub poll_interval: Duration,
    /// The release of Calico whose rules for names and tiers hold.
    pub calico_version: CalicoVersion,
}
