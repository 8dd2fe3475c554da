//! `flowstage replay`: what staged policies would deny of the flows in files.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};

use super::build::build_info;
use super::calico_version::VersionFlag;
use super::complaint::{Complaint, Exit, unless_closed};
use super::denies::{DenyRow, rows_of, write_csv, write_json, write_table};
use super::globals::Globals;
use super::policies;
use super::records::{RecordFormat, tell};
use crate::aggregate::{Ledger, Limits, Settings, Spec, StoreLimits};
use crate::decode::{Format, RECORD_BYTES_MAX};
use crate::evaluate::Programs;
use crate::ingest::{Consumer, FileConsumer};
use crate::pipeline::{self, Outputs, Pace, Pipeline, Results, Shared, TruthTally};
use crate::telemetry::{Health, Metrics};

/// Replay flow records from files against a folder of policies.
#[derive(ClapArgs, Debug)]
#[command(after_help = super::judging::SUPPOSED)]
pub(super) struct Args {
    /// A folder or file of policies, namespaces and other manifests
    #[arg(long, value_name = "PATH")]
    policies: PathBuf,
    /// Files of flow records, one a line, plain or gzip or zstd; `-` for standard input
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    flows: Vec<PathBuf>,
    /// What the records look like
    #[arg(long, value_enum, default_value_t = RecordFormat::Auto)]
    format: RecordFormat,
    /// How the would-be denies are written
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    output: OutputFormat,
    /// End with exit code 3 when there is any of these
    #[arg(long, value_enum, value_name = "FINDING")]
    fail_on: Option<FailOn>,
    #[command(flatten)]
    version: VersionFlag,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum OutputFormat {
    Table,
    Json,
    Csv,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum FailOn {
    WouldDeny,
}

/// Replays, writes the would-be denies to standard output and a summary to standard error.
pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    let loaded = globals.load_with(&[args.version.flag()])?;
    Globals::init_logging(&loaded)?;
    let programs = policies::load(Some(&args.policies), &loaded.config)?;
    if let Err(error) = pipeline::weigh(&programs, None, loaded.config.policies_bytes_max()) {
        tell(&format!("warning: {error}; `flowstage run` refuses them"));
    }
    let consumer = FileConsumer::open(args.flows.clone(), RECORD_BYTES_MAX).map_err(|source| {
        Complaint::failure("the flows cannot be read")
            .caused_by(source)
            .remedy("`--flows` takes files of records, one JSON object a line, or `-` for standard input")
    })?;
    let (results, shared) = replay(programs, args.format.into(), Box::new(consumer))?;
    let rows = rows_of(&results);
    // Who reads no further still wants to know what was found.
    unless_closed(write_rows(args.output, &rows))?;
    let ledger = shared.partitions().values().next().map(|it| it.frontier.ledger).unwrap_or_default();
    summarize(&mut io::stderr().lock(), &ledger, &shared, &results, &rows)?;
    Ok(match args.fail_on {
        Some(FailOn::WouldDeny) if !rows.is_empty() => Exit::Findings,
        Some(FailOn::WouldDeny) | None if ledger.rejected > 0 => Exit::Partial,
        Some(FailOn::WouldDeny) | None => Exit::Fine,
    })
}

fn write_rows(output: OutputFormat, rows: &[DenyRow]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match output {
        OutputFormat::Table => write_table(&mut out, rows)?,
        OutputFormat::Json => write_json(&mut out, rows)?,
        OutputFormat::Csv => write_csv(&mut out, rows)?,
    }
    out.flush()
}

/// Runs one worker over the input, through the same stages as a member of a group.
fn replay(
    programs: Arc<Programs>,
    format: Format,
    consumer: Box<dyn Consumer + Send>,
) -> anyhow::Result<(Arc<Results>, Arc<Shared>)> {
    // One pane holds everything: files have no arrival times, so nothing in them can be late.
    let decade = Duration::from_hours(24 * 3_652);
    let settings = Settings {
        spec: Spec::new(decade, decade, 30 * decade, decade)?,
        limits: Limits { edges_per_subject: u32::MAX, edges_per_pane: u32::MAX },
        merge_partitions: 1,
    };
    let config = pipeline::Config {
        settings,
        pace: Pace {
            flush: Duration::from_secs(3_600),
            publish: Duration::from_secs(3_600),
            ..Pace::default()
        },
        format,
        store: StoreLimits { edges_max: u64::MAX, deny_retention: 31 * decade },
        recommend: Default::default(),
        flows_topic: "files".to_owned(),
        partitions: 1,
        incarnation: 1,
        ends_at_end_of_input: true,
    };
    let metrics = Metrics::new(&build_info());
    let health = Health::new(&metrics, &[]);
    let results = Arc::new(Results::new(settings.spec, config.store));
    let pipeline =
        Pipeline::start(&config, programs, &metrics, &health, results, vec![consumer], Outputs::Local)?;
    let shared = Arc::clone(pipeline.shared());
    Ok((pipeline.join()?, shared))
}

fn summarize(
    to: &mut dyn Write,
    ledger: &Ledger,
    shared: &Shared,
    results: &Results,
    rows: &[DenyRow],
) -> io::Result<()> {
    let denied: u64 = rows.iter().map(|it| it.totals.flows).sum();
    let undetermined: u64 = results
        .edges()
        .edges()
        .iter()
        .filter(|it| matches!(it.judgement.outcome, crate::evaluate::Outcome::Undetermined { .. }))
        .filter_map(crate::aggregate::StoredEdge::totals)
        .map(|it| it.flows)
        .sum();
    writeln!(
        to,
        "{} flows judged on {} edges; {} rejected, {} filtered",
        ledger.accepted,
        results.edges().len(),
        ledger.rejected,
        ledger.filtered,
    )?;
    writeln!(to, "{denied} would be denied, on {} edges; {undetermined} undetermined", rows.len())?;
    writeln!(to, "{}", truth_line(&TruthTally::of(&shared.metrics)))
}

/// Says how what was recorded stands to what was judged.
fn truth_line(tally: &TruthTally) -> String {
    let TruthTally { agree, differ, not_recorded, skipped, by_cause } = tally;
    let mut line = format!("{agree} agree with the traces that were recorded, {differ} differ");
    for (idx, (cause, flows)) in by_cause.iter().enumerate() {
        let before = if idx == 0 { " (" } else { ", " };
        line.push_str(&format!("{before}{cause}: {flows}"));
    }
    if !by_cause.is_empty() {
        line.push(')');
    }
    line.push_str(&format!(", {not_recorded} have none"));
    if *skipped > 0 {
        line.push_str(&format!(", {skipped} not compared"));
    }
    line
}
