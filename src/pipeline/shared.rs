//! What workers, the catalog watcher and the listeners share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::loaded::Loaded;
use crate::aggregate::Frontier;
use crate::model::{EventTime, Offset, PartitionId};
use crate::telemetry::Metrics;

/// Where one input partition stands.
#[derive(Clone, Copy, Debug)]
pub struct PartitionStatus {
    /// The worker that reads it.
    pub worker: usize,
    /// How far it has come.
    pub frontier: Frontier,
    /// What was committed last.
    pub committed: Option<Offset>,
    /// Whether it has nothing new to say.
    pub idle: bool,
    /// The broker's timestamp of the record that was read last.
    pub last_read: Option<EventTime>,
}

/// Shared by reference; written seldom, never for a flow.
#[derive(Debug)]
pub struct Shared {
    /// The metrics.
    pub metrics: Metrics,
    /// Whether the process ends when its input does.
    pub(super) ends_at_end_of_input: bool,
    loaded: ArcSwap<Loaded>,
    // Since when it ends.
    ending: OnceLock<Instant>,
    // Wakes those who wait for the end.
    end: (Mutex<()>, Condvar),
    // What each worker holds: edges, and records that wait for the way out.
    edges: Vec<AtomicU64>,
    waiting: Vec<AtomicU64>,
    partitions: Mutex<BTreeMap<PartitionId, PartitionStatus>>,
}

impl Shared {
    pub(super) fn new(metrics: Metrics, loaded: Loaded, workers: usize, ends_at_end_of_input: bool) -> Self {
        Self {
            metrics,
            ends_at_end_of_input,
            loaded: ArcSwap::from_pointee(loaded),
            ending: OnceLock::new(),
            end: Default::default(),
            edges: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            waiting: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            partitions: Mutex::default(),
        }
    }

    /// Returns the policies in force.
    #[must_use]
    pub fn loaded(&self) -> Arc<Loaded> {
        self.loaded.load_full()
    }

    /// Puts policies into force.
    pub fn install(&self, loaded: Loaded) {
        self.loaded.store(Arc::new(loaded));
    }

    /// Tells every worker to hand over and end.
    pub fn end(&self) {
        self.ending.get_or_init(Instant::now);
        let guard = self.end.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.end.1.notify_all();
        drop(guard);
    }

    /// Waits at most `interval`, less when the process ends.
    pub fn rest(&self, interval: Duration) {
        self.wait_for_end(interval);
    }

    /// Waits at most `interval`. Returns whether the process goes on.
    pub(super) fn wait_for_end(&self, interval: Duration) -> bool {
        let guard = self.end.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.end.1.wait_timeout_while(guard, interval, |()| !self.is_ending());
        drop(waited);
        !self.is_ending()
    }

    /// Tells whether the process is ending.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.get().is_some()
    }

    /// Returns when the process was told to end.
    pub(super) fn ending_since(&self) -> Option<Instant> {
        self.ending.get().copied()
    }

    /// Returns where the input partitions of this process stand.
    #[must_use]
    pub fn partitions(&self) -> BTreeMap<PartitionId, PartitionStatus> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.edges.len()
    }

    /// Returns how many edges the workers know.
    #[must_use]
    pub fn edges(&self) -> u64 {
        self.edges.iter().map(|it| it.load(Ordering::Relaxed)).sum()
    }

    pub(super) fn show_partition(&self, partition: PartitionId, status: PartitionStatus) {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, status);
    }

    /// Forgets a partition that moved away, unless another worker of this process shows it already.
    pub(super) fn forget_partition(&self, worker: usize, partition: PartitionId) {
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        if partitions.get(&partition).is_some_and(|it| it.worker == worker) {
            partitions.remove(&partition);
        }
    }

    /// Returns how many records of ours wait for the way out.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.iter().map(|it| it.load(Ordering::Relaxed)).sum()
    }

    pub(super) fn show_worker(&self, worker: usize, edges: usize, waiting: usize) {
        for (all, now) in [(&self.edges, edges), (&self.waiting, waiting)] {
            if let Some(it) = all.get(worker) {
                it.store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        }
    }
}
