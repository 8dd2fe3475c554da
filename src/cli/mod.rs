//! The command line.
//!
//! Data goes to standard output, talk to standard error. A closed pipe on standard output ends quietly. Exit codes:
//! 0 fine, 1 failure, 2 wrong use (flags or configuration), 3 findings, 4 records that cannot be read.
//!
//! One file a subcommand. To add one, add its `mod` line and its variant in `commands`.

mod apart;
mod build;
mod calico_version;
mod commands;
mod complaint;
mod completions;
mod configuration;
mod demo;
mod denies;
mod evaluate;
mod explain;
mod from;
mod generate;
mod globals;
mod judging;
mod lint;
mod policies;
mod records;
mod replay;
mod run;
mod signals;
mod variables;
mod version;
mod witness;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use commands::Cli;
use complaint::{Exit, is_broken_pipe, report};

use crate::ingest::keep_unpacked;

/// Runs the program and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    // Here there is one thread yet.
    keep_unpacked();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe under `--help` is no failure.
            let _ignored: io::Result<()> = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    variables::tell_unknown(&Cli::command());
    match cli.run() {
        Ok(exit) => exit.into(),
        Err(error) if is_broken_pipe(&error) => Exit::Fine.into(),
        Err(error) => report(&error, &mut io::stderr().lock()),
    }
}
