//! What the merge says of one edge in one pane.

use std::fmt;
use std::sync::Arc;

use super::pane::Pane;
use super::totals::Totals;
use crate::evaluate::Judgement;
use crate::model::{Edge, EventTime};
use crate::policy::Revision;

/// A short name for an edge, equal on every process: the first 128 bits of a digest over its canonical bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeDigest(pub u128);

/// Prints thirty-two hexadecimal digits.
impl fmt::Display for EdgeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for EdgeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Whether counts may still grow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Finality {
    /// Some input partition has not passed the pane yet.
    Provisional,
    /// Every input partition has passed the pane, or has declared itself idle.
    Final,
}

/// The counts of one edge in one pane, summed over the input partitions, and its judgement.
///
/// A report repeats its predecessor for the same policy set, pane and edge: it is absolute, and the one with the
/// higher revision holds.
#[derive(Clone, PartialEq, Debug)]
pub struct EdgeReport {
    /// The policy set that it was judged by.
    pub policy_set: Revision,
    /// The pane.
    pub pane: Pane,
    /// Begin of the pane.
    pub start: EventTime,
    /// End of the pane.
    pub end: EventTime,
    /// The edge.
    pub edge: Arc<Edge>,
    /// The edge's short name.
    pub digest: EdgeDigest,
    /// Its counts in the pane.
    pub totals: Totals,
    /// Sum over the input partitions of the offset that each partition's counts are complete up to. It only grows.
    pub revision: u64,
    /// Whether the counts may still grow.
    pub finality: Finality,
    /// What the policies say.
    pub judgement: Arc<Judgement>,
}
