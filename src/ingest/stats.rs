//! What a consumer counts, for whoever shows it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use rdkafka::error::RDKafkaErrorCode;

use super::port::{Log, LogPartition};

/// Counters of one consumer, shared with the thread that exports them. Counted once a batch, never once a record.
#[derive(Debug, Default)]
pub struct KafkaStats {
    flows: LogCounters,
    partials: LogCounters,
    assigned: AtomicU64,
    revoked: AtomicU64,
    lost: AtomicU64,
    commits_ok: AtomicU64,
    commits_fenced: AtomicU64,
    commits_failed: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
    lag: Mutex<BTreeMap<LogPartition, i64>>,
}

#[derive(Debug, Default)]
struct LogCounters {
    records: AtomicU64,
    bytes: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KafkaSnapshot {
    /// What was delivered from the flows topic.
    pub flows: Delivered,
    /// What was delivered from the partials topic.
    pub partials: Delivered,
    /// Rebalances by kind.
    pub rebalances: RebalanceCounts,
    /// Commits by outcome.
    pub commits: CommitCounts,
    /// Errors that the client told of, by the name of their code; librdkafka's list of codes bounds it.
    pub errors: BTreeMap<String, u64>,
    /// Records between the next one to deliver and the end of the log that the client last saw, for each partition
    /// that is assigned.
    pub lag_records: BTreeMap<LogPartition, i64>,
}

/// Records and bytes delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Delivered {
    /// Records.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
}

/// Rebalances by kind; one that moves no partition is not counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RebalanceCounts {
    /// Partitions came.
    pub assigned: u64,
    /// Partitions were handed over.
    pub revoked: u64,
    /// Partitions were taken away.
    pub lost: u64,
}

/// Commits by outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CommitCounts {
    /// Accepted.
    pub ok: u64,
    /// Refused because the group is moving or has moved on; tried again where the partition stays ours.
    pub fenced: u64,
    /// Failed for another reason; tried again.
    pub failed: u64,
}

/// How a commit ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CommitOutcome {
    Ok,
    Fenced,
    Failed,
}

impl CommitOutcome {
    /// Sorts a refusal.
    pub(super) fn of(code: RDKafkaErrorCode) -> Self {
        use RDKafkaErrorCode as E;
        match code {
            E::NoError => Self::Ok,
            E::RebalanceInProgress | E::IllegalGeneration | E::UnknownMemberId | E::AssignmentLost => {
                Self::Fenced
            }
            _ => Self::Failed,
        }
    }
}

impl KafkaStats {
    /// Returns all counters as they stand.
    #[must_use]
    pub fn snapshot(&self) -> KafkaSnapshot {
        KafkaSnapshot {
            flows: self.flows.read(),
            partials: self.partials.read(),
            rebalances: RebalanceCounts {
                assigned: self.assigned.load(Relaxed),
                revoked: self.revoked.load(Relaxed),
                lost: self.lost.load(Relaxed),
            },
            commits: CommitCounts {
                ok: self.commits_ok.load(Relaxed),
                fenced: self.commits_fenced.load(Relaxed),
                failed: self.commits_failed.load(Relaxed),
            },
            errors: self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            lag_records: self.lag.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    pub(super) fn delivered(&self, log: Log, records: u64, bytes: u64) {
        let counters = match log {
            Log::Flows => &self.flows,
            Log::Partials => &self.partials,
        };
        counters.records.fetch_add(records, Relaxed);
        counters.bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn assigned(&self) {
        self.assigned.fetch_add(1, Relaxed);
    }

    pub(super) fn revoked(&self) {
        self.revoked.fetch_add(1, Relaxed);
    }

    pub(super) fn lost(&self) {
        self.lost.fetch_add(1, Relaxed);
    }

    pub(super) fn committed(&self, outcome: CommitOutcome) {
        let counter = match outcome {
            CommitOutcome::Ok => &self.commits_ok,
            CommitOutcome::Fenced => &self.commits_fenced,
            CommitOutcome::Failed => &self.commits_failed,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn error(&self, code: RDKafkaErrorCode) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        *errors.entry(format!("{code:?}")).or_default() += 1;
    }

    pub(super) fn set_lag(&self, lag: BTreeMap<LogPartition, i64>) {
        *self.lag.lock().unwrap_or_else(PoisonError::into_inner) = lag;
    }
}

impl LogCounters {
    fn read(&self) -> Delivered {
        Delivered { records: self.records.load(Relaxed), bytes: self.bytes.load(Relaxed) }
    }
}
