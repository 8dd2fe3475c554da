//! Flow records of a file, for subcommands that answer one by one.

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;

use super::complaint::Complaint;
use crate::decode::{Decoder, Format, RECORD_BYTES_MAX, Reject};
use crate::ingest::{Consumer, FileConsumer, Log, LogPartition};
use crate::model::Flow;

/// What records look like.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RecordFormat {
    Auto,
    Calico,
    Goldmane,
}

impl From<RecordFormat> for Format {
    fn from(format: RecordFormat) -> Self {
        match format {
            RecordFormat::Auto => Self::Auto,
            RecordFormat::Calico => Self::Calico,
            RecordFormat::Goldmane => Self::Goldmane,
        }
    }
}

/// What is called with each record: its number, and the flow or why there is none.
type Visit<'v> = dyn FnMut(u64, Result<&Flow<'_>, &Reject>) -> anyhow::Result<Wanted> + 'v;

/// Hands every record of a file to `visit`, in order and numbered from 0, until `visit` says that it has enough; `-`
/// is standard input. Says on standard error where a record stands that cannot be read. Returns how many there were.
pub(super) fn each_flow(path: &Path, format: RecordFormat, visit: &mut Visit<'_>) -> anyhow::Result<u64> {
    let mut consumer = FileConsumer::open(vec![path.to_owned()], RECORD_BYTES_MAX).map_err(|source| {
        Complaint::failure("the flows cannot be read")
            .caused_by(source)
            .remedy("`--flows` takes a file of records, one JSON object a line, or `-` for standard input")
    })?;
    // Nothing is read before the assignment was told.
    drop(consumer.rebalances()?);
    let mut decoder = Decoder::new(format.into());
    let mut number = 0;
    let mut wanted: anyhow::Result<Wanted> = Ok(Wanted::More);
    while !consumer.is_at_end(LogPartition { log: Log::Flows, partition: 0 }) {
        let mut rejects = Vec::new();
        consumer.next_batch(Duration::from_secs(1), &mut |record| {
            if !matches!(wanted, Ok(Wanted::More)) {
                return;
            }
            wanted = match decoder.decode(record.value) {
                Ok(flow) => visit(number, Ok(&flow)),
                Err(reject) => {
                    let answer = visit(number, Err(&reject));
                    rejects.push((number, record.place.map(|it| it.to_string()).unwrap_or_default(), reject));
                    answer
                }
            };
            number += 1;
        })?;
        for (number, place, reject) in rejects {
            tell(&format!("note: flow {number} at {place} cannot be read: {reject}"));
        }
        match wanted {
            Ok(Wanted::More) => {}
            Ok(Wanted::NoMore) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(number)
}

/// Whether a visitor wants more flows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    More,
    NoMore,
}

/// Writes a line to standard error. Where that is closed there is nobody to tell.
pub(super) fn tell(line: &str) {
    use std::io::Write as _;
    let _ignored: std::io::Result<()> = writeln!(std::io::stderr().lock(), "{line}");
}
