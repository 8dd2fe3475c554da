//! The partials log of a process that runs alone: the same messages, in bounded queues.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use crate::aggregate::Pane;
use crate::model::{MergePartitionId, Offset};

/// Messages that may wait in one partition. At 64 KiB each at most, that is bounded memory; a full queue holds the
/// writer back.
const QUEUE_MAX: usize = 1_024;

/// No pane yet.
const NONE: i64 = i64::MIN;

/// The writing end, shared by all workers. It ends with the process, so whoever reads the flows again after a restart
/// has to begin at the oldest pane of a window that was not closed: see [`MemoryLog::windows_closed`].
#[derive(Clone, Debug)]
pub struct MemoryLog {
    senders: Vec<SyncSender<Vec<u8>>>,
    closed: Arc<Closed>,
}

#[derive(Debug)]
struct Closed {
    by_partition: Vec<AtomicI64>,
    resumed: AtomicI64,
}

/// The reading end of one partition, for the worker that merges it.
#[derive(Debug)]
pub struct MemoryLogReader {
    partition: MergePartitionId,
    receiver: Receiver<Vec<u8>>,
    next: Offset,
}

impl MemoryLog {
    /// Makes a log of `partitions` partitions.
    #[must_use]
    pub fn new(partitions: u32) -> (Self, Vec<MemoryLogReader>) {
        let (senders, readers) = (0..i32::try_from(partitions).unwrap_or(i32::MAX))
            .map(|partition| {
                let (sender, receiver) = sync_channel(QUEUE_MAX);
                let partition = MergePartitionId(partition);
                (sender, MemoryLogReader { partition, receiver, next: Offset(0) })
            })
            .unzip();
        let by_partition = (0..partitions).map(|_| AtomicI64::new(NONE)).collect();
        let closed = Arc::new(Closed { by_partition, resumed: AtomicI64::new(NONE) });
        (Self { senders, closed }, readers)
    }

    /// Appends a message.
    ///
    /// # Errors
    ///
    /// Gives the message back when the queue is full. When its reader is gone the process is ending, and the message
    /// is dropped: what it says is read again from the flows.
    pub fn append(&self, to: MergePartitionId, value: Vec<u8>) -> Result<(), Vec<u8>> {
        let Some(sender) = usize::try_from(to.0).ok().and_then(|it| self.senders.get(it)) else {
            return Ok(());
        };
        match sender.try_send(value) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
            Err(TrySendError::Full(value)) => Err(value),
        }
    }

    /// Notes that a partition's windows are closed and published up to `pane`.
    pub fn note_closed(&self, partition: MergePartitionId, pane: Pane) {
        let cell = usize::try_from(partition.0).ok().and_then(|it| self.closed.by_partition.get(it));
        if let Some(cell) = cell {
            cell.fetch_max(pane.0, Ordering::Relaxed);
        }
    }

    /// Notes that an earlier process had closed windows up to `pane`.
    pub fn note_resumed(&self, pane: Pane) {
        self.closed.resumed.fetch_max(pane.0, Ordering::Relaxed);
    }

    /// Returns the pane that windows are closed and published up to in every partition.
    #[must_use]
    pub fn windows_closed(&self) -> Option<Pane> {
        let lowest = self.closed.by_partition.iter().map(|it| it.load(Ordering::Relaxed)).min();
        let pane = lowest.unwrap_or(NONE).max(self.closed.resumed.load(Ordering::Relaxed));
        (pane != NONE).then_some(Pane(pane))
    }
}

impl MemoryLogReader {
    /// Returns the partition.
    #[must_use]
    pub const fn partition(&self) -> MergePartitionId {
        self.partition
    }

    /// Hands the messages that wait to `each`, at most as many as one queue holds.
    pub fn drain(&mut self, mut each: impl FnMut(MergePartitionId, Offset, &[u8])) {
        for value in self.receiver.try_iter().take(QUEUE_MAX) {
            each(self.partition, self.next, &value);
            self.next = self.next.next();
        }
    }
}
