//! Aggregates flows into edges, panes and windows.

#![deny(clippy::disallowed_methods, clippy::panic, clippy::unreachable, clippy::unwrap_used)]

mod pane;
mod report;
mod totals;
mod window;

pub use pane::{Pane, Spec, SpecError};
pub use report::{EdgeDigest, EdgeReport, Finality};
pub use totals::Totals;
pub use window::{ClosedWindow, WindowEdge};
