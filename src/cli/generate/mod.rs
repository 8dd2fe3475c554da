//! `flowstage generate`: flow records of well-known applications, to a file or to Kafka.

mod arguments;
mod expected;
mod file;
mod kafka;

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

pub(super) use arguments::Args;

use super::complaint::{Complaint, Exit};
use super::globals::Globals;
use super::policies;
use crate::generate::{GeneratedRecord, Traffic, recorded_verdicts_of};

/// Where records go.
trait Output {
    /// Takes one record.
    fn put(&mut self, record: &GeneratedRecord) -> anyhow::Result<()>;

    /// Makes sure that all of them arrived.
    fn finish(self: Box<Self>) -> anyhow::Result<()>;
}

/// Records between two looks at the progress bar: it costs more than a record.
const PROGRESS_EVERY: u64 = 4_096;

/// Generates.
pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    let loaded = globals.load_with(&[
        ("--brokers", "kafka.brokers", args.brokers.as_deref()),
        ("--topic", "kafka.topics.flows", args.topic.as_deref()),
        args.version.flag(),
    ])?;
    Globals::init_logging(&loaded)?;
    let programs = policies::load(args.policies.as_deref(), &loaded.config)?;
    let settings = args.settings();
    let flows = settings.flows;
    let mut traffic = Traffic::new(settings, recorded_verdicts_of(&programs))
        .map_err(|source| Complaint::usage("these settings cannot be generated from").caused_by(source))?;
    if args.expected.is_some() {
        traffic = traffic.with_account();
    }
    let mut output: Box<dyn Output> = if args.brokers.is_some() || args.topic.is_some() {
        Box::new(kafka::KafkaOutput::connect(&loaded.config, args.partitions_create)?)
    } else {
        file::open(args.output.as_deref(), args.compress)?
    };
    let bar = progress(flows);
    for (place, record) in (1_u64..).zip(traffic.by_ref()) {
        output.put(&record)?;
        if place.is_multiple_of(PROGRESS_EVERY) {
            bar.set_position(place);
        }
    }
    output.finish()?;
    bar.finish_and_clear();
    if let Some(path) = &args.expected {
        expected::write(path, &mut traffic)?;
    }
    tracing::info!(
        records = traffic.tally().records,
        edges = traffic.edges(),
        late = traffic.tally().late,
        repeated = traffic.tally().repeated,
        poison = traffic.tally().poison,
        "all records are written"
    );
    Ok(Exit::Fine)
}

/// Makes a bar on standard error; where that is no terminal, one that shows nothing.
fn progress(flows: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(flows);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} records, {per_sec}, {eta}")
    {
        bar.set_style(style);
    }
    bar
}
