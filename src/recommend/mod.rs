//! Proposes staged policies from what was seen to be needed.

#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod recommendation;

pub use recommendation::{PeerClass, Recommendation, RuleEvidence, Status};
