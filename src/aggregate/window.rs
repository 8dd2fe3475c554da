//! Windows that may change no more.

use std::sync::Arc;

use super::totals::Totals;
use crate::model::{Edge, EventTime, Name};

/// One edge in a closed window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WindowEdge {
    /// The edge.
    pub edge: Arc<Edge>,
    /// Its counts over the window.
    pub totals: Totals,
}

/// The edges of one namespace's endpoints in a window that every input partition has passed.
///
/// Recommendations are made from nothing else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClosedWindow {
    /// The namespace whose endpoints are the subjects of all the edges.
    pub namespace: Name,
    /// Begin of the window.
    pub start: EventTime,
    /// End of the window; it names the window.
    pub end: EventTime,
    /// The edges, sorted by [`Edge`]'s own order.
    pub edges: Vec<WindowEdge>,
}
