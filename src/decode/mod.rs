//! Reads one record's bytes into one [`Flow`](crate::model::Flow), or says in one [`Reject`] why it cannot.
//!
//! Promises: no input panics, recurses or grows memory past the limits; a field that cannot be read is never
//! guessed; in steady state a flow costs no heap allocation. It knows the wire formats and nothing else: not Kafka,
//! not panes, not what policies mean.
//!
//! ```text
//!   value --scan-----------------------------------------------------> Draft --complete--> Flow
//!     |  bare records of Calico Enterprise, in one pass; anything unusual goes the other way:
//!     |
//!     +---envelope--> payload --strict--> tape of nodes --calico--> Draft --complete--> Flow
//!     |  Confluent prefix, syslog header,     (simd-json,   goldmane    + Scratch: labels and traces,
//!     |  `log`, `message`, `payload`, ...      reused)      traces        one entry a line
//!     |                                                     labels
//!     +-> a string that holds the payload goes round once more
//! ```
//!
//! | What | Holds |
//! |---|---|
//! | Unknown is not empty | what a record leaves out, or writes as `null`, `""`, `-` or port 0, is `None` |
//! | One spelling | a member that stands twice, also under two spellings of one field, rejects the record |
//! | Strict to the last byte | bad UTF-8 and bad syntax reject the record even in members that are not read |
//! | One answer | the quick path takes a record only where the strict one takes it, with the same flow |
//! | Skipped is skipped | the inside of a member that is not read is not searched for duplicate keys |

#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod draft;
mod error;
mod field;
mod goldmane;
mod hit;
mod labels;
mod limits;
mod scalar;
mod strict;
mod tape;
mod traces;

mod containers;
mod cursor;
mod keys;
mod scan;

#[cfg(test)]
mod agreement;

mod calico;
mod decoder;
mod envelope;
pub use decoder::{Decoder, Format, PathCounts};
pub use envelope::{Envelope, EnvelopeCounts};
pub use error::{Reason, Reject};
pub use hit::{HitError, RecordedHit, parse_hit, parse_single_trace, parse_trace};
pub use limits::RECORD_BYTES_MAX;
