//! What becomes of a flow.

/// What became of a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Observed {
    /// It was counted into an edge.
    Counted,
    /// It was counted before a restart, and is read again to build what is still open.
    Repeated,
    /// It came after its pane was shut.
    Late,
    /// Its event time lies too far ahead of the broker's timestamp.
    Skewed,
    /// It speaks of no endpoint's policy.
    Filtered(crate::aggregate::Filtered),
    /// Its partition is not ours, or its offset was folded before.
    NotOurs,
}
