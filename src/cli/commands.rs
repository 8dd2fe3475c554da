//! All subcommands.

use clap::{Parser, Subcommand};

use super::complaint::Exit;
use super::globals::Globals;
use super::{completions, configuration, demo, evaluate, explain, generate, lint, replay, run, version};

/// Rehearses network policies against real flow logs.
#[derive(Parser, Debug)]
#[command(name = "flowstage", version, about, long_about = None, subcommand_required = true)]
#[command(
    after_help = "Exit codes: 0 fine, 1 failure, 2 wrong use, 3 findings, 4 records that cannot be read."
)]
pub(super) struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// What can be done. Each variant's arguments and work stand in a file of its name.
#[derive(Subcommand, Debug)]
enum Command {
    /// Watch the whole way at work on this machine, with nothing installed
    Demo(demo::Args),
    /// Read flows from Kafka and publish what staged policies would deny
    Run(run::Args),
    /// Replay flow records from files against a folder of policies
    Replay(replay::Args),
    /// Judge flow records one by one, with the traces that lead to each verdict
    Evaluate(evaluate::Args),
    /// Say why flows are judged as they are: tier by tier, rule by rule
    Explain(explain::Args),
    /// Look at policies themselves
    #[command(subcommand)]
    Policies(lint::Action),
    /// The same as `policies lint`, where it is looked for by those who forget the first word
    #[command(hide = true)]
    Lint(lint::Args),
    /// Write flow records of well-known applications to a file or to Kafka
    Generate(Box<generate::Args>),
    /// Check or print the configuration
    #[command(subcommand)]
    Config(configuration::Action),
    /// Print the version of the program and of what it is built with
    Version,
    /// Print a script that completes this program's commands in a shell
    Completions(completions::Args),
}

impl Cli {
    /// Does what was asked.
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let Self { globals, command } = self;
        match command {
            Command::Demo(args) => demo::run(&args, &globals),
            Command::Run(args) => run::run(&args, &globals),
            Command::Replay(args) => replay::run(&args, &globals),
            Command::Evaluate(args) => evaluate::run(&args, &globals),
            Command::Explain(args) => explain::run(&args, &globals),
            Command::Policies(action) => lint::run(&action, &globals),
            Command::Lint(args) => lint::lint(&args, &globals),
            Command::Generate(args) => generate::run(&args, &globals),
            Command::Config(action) => configuration::run(&action, &globals),
            Command::Version => version::run(),
            Command::Completions(args) => completions::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_sound() {
        super::Cli::command().debug_assert();
    }
}
