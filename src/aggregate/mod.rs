//! Flows in, edges out: event time cut into panes, counts that are exact across crashes.
//!
//! ```text
//!   Flow -- reporter --> Observation -- Fold (one an input partition) --> absolute counts per (pane, edge)
//!                                                                            | every flush
//!                                                            partials log: Kafka topic, or memory when alone
//!                                                                            |
//!   EdgeReport, ClosedWindow <-- Merge (one a partials partition): highest `upto` per slot, sum over partitions
//!        |
//!   EdgeStore: per-endpoint edge sets in the live window, for readers
//! ```
//!
//! The design is *offset-versioned partials*: what a fold publishes is absolute and stamped with the offset that it is
//! complete up to, so a repetition changes nothing and a writer that was thought dead can only repeat truths.
//!
//! Invariants:
//!
//! - A fold is a function of its partition's log: record bytes, offset, broker timestamp. No clock, no memory
//!   pressure, no policy, no worker count, no hash seed.
//! - Every offset is in exactly one counter of the [`Ledger`].
//! - The committed offset is never above the first offset of an open pane.
//! - A [`Partial`] holds absolute counts and cannot be added to; only [`Merge`] sums, over partitions.
//! - Only [`EdgeStore`] locks. No guard outlives one expression or leaves this room.

#![deny(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod checkpoint;
mod digest;
mod edges;
mod finality;
mod fold;
mod intern;
#[cfg(test)]
mod laws;
mod limits;
mod merge;
mod pane;
mod pane_table;
mod partial;
mod policy_counts;
mod report;
mod reporter;
mod spelling;
mod store;
mod totals;
mod watermark;
mod window;

pub use checkpoint::{Checkpoint, CheckpointError, Ledger};
pub use edges::EdgeTable;
pub(crate) use edges::{EdgeIdx, EdgeKey};
pub(crate) use fold::{DirtySlot, Folded};
pub use fold::{Fold, Frontier, Retain};
pub(crate) use intern::EndpointIdx;
pub use limits::{Limits, Settings};
pub use merge::{Absorbed, Merge};
pub use pane::{Pane, Spec, SpecError};
pub use partial::{Body, Counts, Head, Partial, PartialError};
pub(crate) use partial::{encode_counts, encode_frontier};
pub use policy_counts::{PolicyCounts, PolicyTotals};
pub use report::{EdgeDigest, EdgeReport, Finality};
pub use reporter::{Filtered, Observation};
pub use store::{EdgeStore, StoreLimits, StoredEdge};
pub use totals::Totals;
pub use watermark::Watermark;
pub use window::{ClosedWindow, WindowEdge};
