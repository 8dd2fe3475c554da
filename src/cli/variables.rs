//! The variables of the environment.

use clap::Command;

use super::records::tell;
use crate::config::unknown_variables;

/// Returns the variables, without those that are no text.
pub(super) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Says on standard error which variables look like ours and are read by nothing; those that stand for a flag of
/// `command`, or of a subcommand, are read.
pub(super) fn tell_unknown(command: &Command) {
    for unknown in unknown_variables(&environment(), &of_flags(command)) {
        tell(&format!("warning: {unknown}"));
    }
}

fn of_flags(command: &Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|it| it.get_env()?.to_str().map(str::to_owned));
    own.chain(command.get_subcommands().flat_map(of_flags)).collect()
}
