//! `flowstage explain`: why flows are judged as they are.

mod shape;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::complaint::{Complaint, Exit};
use super::globals::Globals;
use super::judging::{Asked, Judging, SideBySide};
use super::records::{RecordFormat, Wanted, each_flow};
use crate::evaluate::{Explanation, explain};
use crate::model::Direction;
use shape::FlowShape;

/// Say why flows are judged as they are: tier by tier, rule by rule.
#[derive(ClapArgs, Debug)]
#[command(after_help = super::judging::SUPPOSED)]
pub(super) struct Args {
    #[command(flatten)]
    judging: Judging<SideBySide>,
    /// A file of flow records, one a line, plain or gzip or zstd; `-` for standard input
    #[arg(long, value_name = "FILE")]
    flows: PathBuf,
    /// The one flow that is meant, counted from 0; all of them if it is left out
    #[arg(long, value_name = "N")]
    flow: Option<u64>,
    /// What the records look like
    #[arg(long, value_enum, default_value_t = RecordFormat::Auto)]
    format: RecordFormat,
    /// How it is said; json is one object a line
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text)]
    output: OutputFormat,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum OutputFormat {
    Text,
    Json,
}

/// Writes an explanation for each end of each flow that is asked for.
pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    let rehearsal = args.judging.load(globals)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut has_rejects = false;
    let mut is_found = false;
    let count = each_flow(&args.flows, args.format, &mut |number, flow| {
        if args.flow.is_some_and(|it| it != number) {
            return Ok(Wanted::More);
        }
        is_found = true;
        match flow {
            Ok(flow) => {
                let asked = Asked::of(flow);
                let end = |direction| {
                    asked
                        .has_end(direction)
                        .then(|| explain(rehearsal.programs(), direction, &asked.connection()))
                };
                let (egress, ingress) = (end(Direction::Egress), end(Direction::Ingress));
                match args.output {
                    OutputFormat::Text => write_text(&mut out, number, egress.as_ref(), ingress.as_ref())?,
                    OutputFormat::Json => {
                        let shape = FlowShape::of(number, egress.as_ref(), ingress.as_ref());
                        serde_json::to_writer(&mut out, &shape).map_err(io::Error::from)?;
                        out.write_all(b"\n")?;
                    }
                }
            }
            Err(reject) => {
                has_rejects = true;
                match args.output {
                    OutputFormat::Text => writeln!(out, "flow {number} cannot be read: {reject}\n")?,
                    OutputFormat::Json => {
                        let object = serde_json::json!({ "flow": number, "error": reject.to_string() });
                        writeln!(out, "{object}")?;
                    }
                }
            }
        }
        Ok(if args.flow.is_some() { Wanted::NoMore } else { Wanted::More })
    })?;
    out.flush()?;
    match args.flow {
        Some(number) if !is_found => {
            Err(Complaint::failure(format!("there is no flow {number}: the file holds {count}"))
                .remedy("flows are counted from 0")
                .into())
        }
        Some(_) | None => Ok(if has_rejects { Exit::Partial } else { Exit::Fine }),
    }
}

fn write_text(
    to: &mut dyn Write,
    number: u64,
    egress: Option<&Explanation>,
    ingress: Option<&Explanation>,
) -> io::Result<()> {
    if egress.is_none() && ingress.is_none() {
        return writeln!(to, "flow {number}: neither end is an endpoint that policy applies to\n");
    }
    for explanation in egress.into_iter().chain(ingress) {
        writeln!(to, "flow {number}: {explanation}")?;
    }
    Ok(())
}
