//! What workers, the catalog watcher and the listeners share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::loaded::Loaded;
use crate::aggregate::Frontier;
use crate::model::{Offset, PartitionId};
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
}

/// Shared by reference; written seldom, never for a flow.
#[derive(Debug)]
pub struct Shared {
    /// The metrics.
    pub metrics: Metrics,
    /// Whether the process ends when its input does.
    pub(super) ends_at_end_of_input: bool,
    loaded: ArcSwap<Loaded>,
    ending: AtomicBool,
    began: Instant,
    // Milliseconds since `began` of each worker's last turn.
    ticks: Vec<AtomicU64>,
    edges: Vec<AtomicU64>,
    partitions: Mutex<BTreeMap<PartitionId, PartitionStatus>>,
}

impl Shared {
    pub(super) fn new(metrics: Metrics, loaded: Loaded, workers: usize, ends_at_end_of_input: bool) -> Self {
        let zeros = || (0..workers).map(|_| AtomicU64::new(0)).collect();
        Self {
            metrics,
            ends_at_end_of_input,
            loaded: ArcSwap::from_pointee(loaded),
            ending: AtomicBool::new(false),
            began: Instant::now(),
            ticks: zeros(),
            edges: zeros(),
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
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Tells whether the process is ending.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Returns how long ago the slowest worker took its last turn.
    #[must_use]
    pub fn slowest_turn(&self) -> Duration {
        let oldest = self.ticks.iter().map(|it| it.load(Ordering::Relaxed)).min().unwrap_or(0);
        self.began.elapsed().saturating_sub(Duration::from_millis(oldest))
    }

    /// Returns where the input partitions of this process stand.
    #[must_use]
    pub fn partitions(&self) -> BTreeMap<PartitionId, PartitionStatus> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how many edges the workers know.
    #[must_use]
    pub fn edges(&self) -> u64 {
        self.edges.iter().map(|it| it.load(Ordering::Relaxed)).sum()
    }

    pub(super) fn tick(&self, worker: usize) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(it) = self.ticks.get(worker) {
            it.store(now, Ordering::Relaxed);
        }
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

    pub(super) fn show_worker(&self, worker: usize, edges: usize) {
        if let Some(it) = self.edges.get(worker) {
            it.store(u64::try_from(edges).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}
