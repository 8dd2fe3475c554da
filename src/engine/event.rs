//! What reaches the engine, and what it asks of the shell.

use std::sync::Arc;

use crate::aggregate::{Checkpoint, EdgeReport, Pane};
use crate::evaluate::Programs;
use crate::model::{MergePartitionId, Offset, PartitionId};
use crate::recommend::{Learned, Recommendation, Withheld};

/// Marks a place among the effects: everything before it is done when the shell reports it back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// What reaches the engine, beside records.
#[derive(Clone, Debug)]
pub enum Event {
    /// A partition of the flows topic is ours.
    FlowsAssigned {
        /// The partition.
        partition: PartitionId,
        /// From where it is continued; nothing when it is begun.
        from: Option<Checkpoint>,
    },
    /// A partition of the partials log is ours.
    PartialsAssigned {
        /// The partition.
        partition: MergePartitionId,
        /// The pane that its earlier owner had closed windows up to.
        closed_to: Option<Pane>,
        /// What was learned of namespaces before. Those of other partitions are passed over.
        learned: Vec<Learned>,
    },
    /// A partition of the flows topic is no longer ours. Its fold is dropped; the next owner folds again.
    FlowsReleased(PartitionId),
    /// A partition of the partials log is no longer ours.
    PartialsReleased(MergePartitionId),
    /// There is a new policy set.
    CatalogChanged(Arc<Programs>),
    /// A partition had no new record for some time (`true`), or has records again.
    Idle(PartitionId, bool),
    /// Windows up to this pane are closed and published, in every partition of a partials log in memory.
    WindowsClosed(Pane),
    /// It is time to publish partials.
    Flush,
    /// It is time to publish results.
    Publish,
    /// Everything before this ticket is done.
    Acknowledged(Ticket),
}

/// What the engine asks of the shell, in this order.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Append a message to the partials log.
    Append {
        /// The partition of the log.
        to: MergePartitionId,
        /// The message.
        value: Vec<u8>,
    },
    /// Publish a report.
    Report(Box<EdgeReport>),
    /// Publish a recommendation.
    Recommend(Box<Recommendation>),
    /// Tell of a recommendation that was made and must not be published.
    Withhold(Box<Withheld>),
    /// Report this ticket back once everything before it is acknowledged.
    Barrier(Ticket),
    /// Commit a partition of the flows topic.
    CommitFlows {
        /// The partition.
        partition: PartitionId,
        /// The offset to commit.
        offset: Offset,
        /// The metadata to commit with it.
        metadata: String,
    },
    /// Commit a partition of the partials log.
    CommitPartials {
        /// The partition.
        partition: MergePartitionId,
        /// The offset to commit.
        offset: Offset,
        /// The pane that windows are closed up to; to be given back when the partition is assigned again.
        closed_to: Option<Pane>,
    },
}
