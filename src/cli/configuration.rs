//! `flowstage config`: check it, print it.

use std::io::{self, Write};

use clap::Subcommand;

use super::complaint::Exit;
use super::globals::Globals;
use crate::config::Origins;

/// What to do with the configuration.
#[derive(Subcommand, Debug)]
pub(super) enum Action {
    /// Read file, environment and flags, and say everything that is wrong
    ///
    /// The settings alone are checked: no broker is asked, and no policies are read. `flowstage policies lint` checks those.
    Check,
    /// Print what is in force as YAML, secrets left out
    Print {
        /// Say behind each setting where it comes from
        #[arg(long)]
        show_origin: bool,
    },
}

/// Checks or prints.
pub(super) fn run(action: &Action, globals: &Globals) -> anyhow::Result<Exit> {
    let loaded = globals.load()?;
    let mut out = io::stdout().lock();
    match action {
        Action::Check => {
            let count = loaded.origins.len();
            writeln!(out, "the configuration is sound ({count} settings made, the rest are defaults)")?;
        }
        Action::Print { show_origin } => {
            let origins = if *show_origin { Origins::Shown } else { Origins::Hidden };
            out.write_all(loaded.to_yaml(origins).as_bytes())?;
        }
    }
    out.flush()?;
    Ok(Exit::Fine)
}
