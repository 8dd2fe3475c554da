//! The one owner of a worker's state: folds, merges, judgements, commit points.
//!
//! ```text
//!   records --observe, absorb-->  Engine  --apply(Event)--> Effects --> the shell performs them and reports back
//!                                 folds, merges, judge
//! ```
//!
//! The hot path is [`Engine::observe`]; everything else is an [`Event`]. The engine awaits nothing and asks for no
//! clock: the shell says when it is time to flush and to publish. Only the engine decides which offset may be
//! committed, and it says so only after the shell has reported that what was published before is acknowledged.

#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod comparing;
mod event;
mod judging;
mod member;
mod observed;
mod tally;

pub use comparing::{Compared, LOOKS_LIVE, ReadTrace};
pub use event::{Effect, Event, Ticket};
pub use member::{Engine, Spec};
pub use observed::Observed;
pub use tally::Tallied;
