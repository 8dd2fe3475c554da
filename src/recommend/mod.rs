//! Proposes staged policies from what was seen to be needed.
//!
//! One policy a namespace, as Calico's own recommendation engine makes it: staged, in a tier of its own, learned until
//! it no longer changes. It promises that a policy is published only after it was put to the test on the window it was
//! made from and denied nothing there that was needed; that what could not be tested is counted and not passed over;
//! and that the same windows give the same bytes. It refuses to know of clocks, of files and of formats.
//!
//! ```text
//!   ClosedWindow --evidence--> needs of the window --+--> needs of the namespace (never fewer, unless they age)
//!                                                    |
//!            generalize (naming, addresses, ports) <-+
//!                 |
//!               forms --draft--> Policy --verify: replay on top of the whole set--> Recommendation
//!                                  |                          |
//!                              lifecycle                   Withheld, with the reason
//! ```
//!
//! Invariants: a flow that was denied is no evidence. A direction without evidence is not governed. A rule is wider
//! than its evidence only where the records or the bounds force it, and then says so. No name is random.

#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod config;
mod need;
mod recommendation;

mod form;

mod addresses;
mod draft;
mod evidence;
mod generalize;
mod lifecycle;
mod naming;
mod ports;
mod recommender;
mod verify;

pub use config::{Config, PublicFamilies, SameNamespace};
pub use need::{Need, NeedKey, Omitted, Peer, Seen};
pub use recommendation::{
    Fingerprint, Flag, Learned, PeerClass, Reason, Recommendation, RuleEvidence, Status, Withheld,
};
pub use recommender::Recommender;

#[cfg(test)]
mod tests;
