//! `flowstage evaluate`: what policies say of flow records, one by one.

mod answer;
mod table;
mod yaml;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::complaint::Exit;
use super::globals::Globals;
use super::judging::{Judging, Mode, Rehearsal};
use super::records::{RecordFormat, Wanted, each_flow};
use crate::decode::Reject;
use crate::model::Flow;
use answer::FlowAnswer;
use table::{Csv, Table};

/// Judge flow records one by one, with the traces that lead to each verdict.
#[derive(ClapArgs, Debug)]
#[command(after_help = super::judging::SUPPOSED)]
pub(super) struct Args {
    #[command(flatten)]
    judging: Judging<Mode>,
    /// A file of flow records, one a line, plain or gzip or zstd; `-` for standard input
    #[arg(long, value_name = "FILE")]
    flows: PathBuf,
    /// What the records look like
    #[arg(long, value_enum, default_value_t = RecordFormat::Auto)]
    format: RecordFormat,
    /// How the answers are written; json is one object a line
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    output: OutputFormat,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum OutputFormat {
    Table,
    Csv,
    Yaml,
    Json,
}

/// Writes one answer for each record, in their order.
pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    let rehearsal = args.judging.load(globals)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut has_rejects = false;
    let mut each = |write: &mut dyn FnMut(FlowAnswer) -> anyhow::Result<()>| {
        each_flow(&args.flows, args.format, &mut |number, flow| {
            has_rejects |= flow.is_err();
            write(answer(&rehearsal, number, flow))?;
            Ok(Wanted::More)
        })
    };
    match args.output {
        OutputFormat::Json => drop(each(&mut |answer| {
            serde_json::to_writer(&mut out, &answer).map_err(io::Error::from)?;
            Ok(out.write_all(b"\n")?)
        })?),
        OutputFormat::Yaml => drop(each(&mut |answer| Ok(yaml::write(&mut out, &answer)?))?),
        OutputFormat::Csv => {
            let mut csv = Csv::begin(&mut out)?;
            each(&mut |answer| Ok(csv.write(&answer)?))?;
            csv.end()?;
        }
        OutputFormat::Table => {
            let mut table = Table::default();
            each(&mut |answer| {
                table.add(&answer);
                Ok(())
            })?;
            writeln!(out, "{table}")?;
        }
    }
    out.flush()?;
    Ok(if has_rejects { Exit::Partial } else { Exit::Fine })
}

fn answer(rehearsal: &Rehearsal, number: u64, flow: Result<&Flow<'_>, &Reject>) -> FlowAnswer {
    match flow {
        Ok(flow) => FlowAnswer::judged(rehearsal, number, flow),
        Err(reject) => FlowAnswer::unread(number, reject),
    }
}
