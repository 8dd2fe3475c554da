//! What a source of records looks like to a worker.

use std::fmt;
use std::time::Duration;

use crate::model::EventTime;

/// Which log a record comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Log {
    /// Flow records, to be decoded and folded.
    Flows,
    /// Partials, to be merged.
    Partials,
}

/// One partition of one of the two logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LogPartition {
    /// The log.
    pub log: Log,
    /// The partition's number.
    pub partition: i32,
}

/// Where a record stands in a file, as a person looks for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place<'a> {
    /// The file, as the user named it.
    pub file: &'a str,
    /// The line, counted from 1, of what the file holds when it is unpacked.
    pub line: u64,
}

/// Prints `flows.jsonl:17`.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One raw record, borrowed from the batch.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where it stands.
    pub source: LogPartition,
    /// Its offset.
    pub offset: i64,
    /// Its line, where it is read from a file.
    pub place: Option<Place<'a>>,
    /// The broker's timestamp; the reader of a file has none.
    pub timestamp: Option<EventTime>,
    /// The value; empty for a tombstone.
    pub value: &'a [u8],
}

/// Where a partition was left: what was committed for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The committed offset.
    pub offset: i64,
    /// The metadata that was committed with it; empty when there was none: then no state belongs to the offset, and
    /// folding begins anew there.
    pub metadata: String,
}

/// What changed in the assignment, in the order in which it happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rebalance {
    /// Partitions that are now ours, and where each was left; `None` when it begins elsewhere, because nothing was
    /// committed or [`From`] said so.
    Assigned(Vec<(LogPartition, Option<Committed>)>),
    /// Partitions that were handed over in order: what could be committed was.
    Revoked(Vec<LogPartition>),
    /// Partitions that were taken away; another member may have them already.
    Lost(Vec<LogPartition>),
}

/// Where to begin when nothing was committed, or in spite of it.
///
/// It decides at the first assignment of a process only, and is committed at once, so that a rebalance never reads
/// again what the group has read: later assignments begin at what was committed, or at the earliest record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    /// At what was committed; at the earliest record where nothing was.
    Committed,
    /// At the earliest record.
    Earliest,
    /// Behind the newest record.
    Latest,
    /// At the first record with this broker timestamp or a later one.
    Timestamp(EventTime),
}

/// What went wrong with a source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The broker or the client failed.
    #[error("{context}")]
    Kafka {
        /// What was being done, and what to try.
        context: String,
        /// The client's error.
        source: Option<rdkafka::error::KafkaError>,
    },
    /// A file could not be read.
    #[error("cannot read `{path}`")]
    File {
        /// The file.
        path: String,
        /// The system's error.
        source: std::io::Error,
    },
}

/// A source of records for one worker.
pub trait Consumer {
    /// Waits at most `wait` for records and hands each to `visit`, in offset order within a partition. Returns how
    /// many there were. An event of the group ends the wait early.
    ///
    /// Records of a partition are visited only after [`Consumer::rebalances`] has told of its assignment.
    ///
    /// # Errors
    ///
    /// When the source cannot go on. What a retry may heal is retried inside.
    fn next_batch(&mut self, wait: Duration, visit: &mut dyn FnMut(Record<'_>)) -> Result<usize, Error>;

    /// Serves the group protocol and returns what changed since the last call. To be called before each batch.
    ///
    /// # Errors
    ///
    /// When the member cannot go on.
    fn rebalances(&mut self) -> Result<Vec<Rebalance>, Error>;

    /// Notes what may be committed for a partition: it is committed soon, and at the latest when the partition is
    /// revoked. Notes for partitions that are not assigned are dropped.
    fn note_commit(&mut self, partition: LogPartition, committed: Committed);

    /// Stops or resumes the delivery of one log, for back-pressure. Delivery of the other goes on.
    ///
    /// # Errors
    ///
    /// When the client refuses.
    fn set_paused(&mut self, log: Log, paused: bool) -> Result<(), Error>;

    /// Tells whether everything that the log held when last looked at was delivered for `partition`.
    fn is_at_end(&self, partition: LogPartition) -> bool;

    /// Commits what was noted and leaves, within `deadline`.
    ///
    /// # Errors
    ///
    /// When the last commit did not succeed in time.
    fn close(&mut self, deadline: Duration) -> Result<(), Error>;
}
