//! Generates flow records of a cluster that runs the well-known demonstration applications.
//!
//! ```text
//!   applications + filling  --topology-->  Link (two ends, port, Service), by its number
//!                                            |
//!   verdicts (the evaluator's, or any)  ---> Prepared: who denies it, and the text that never changes
//!                                            |
//!   seed --chance, skew--------------------> Traffic: records, both reporters, event times, late and repeated ones
//!                                            |
//!                                            `--> account: what an exact reader counts of every edge
//! ```
//!
//! Equal settings, an equal seed and equal verdicts give equal bytes, on every machine and in every release. The
//! recorded actions and traces are those of the verdicts: what is denied at its source leaves one record, what is
//! denied at its destination an allow and a deny. Memory grows with neither flows nor edges.
//!
//! It knows nothing of files, of Kafka or of the clock; it does not read what it writes.

#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod application;
mod chance;
mod demo;
mod expected;
mod identity;
mod link;
mod poison;
mod prepared;
mod record;
mod settings;
mod skew;
mod topology;
mod traffic;
mod verdicts;

pub use application::{
    APPLICATIONS, Application, Call, Controller, OUTSIDE_SETS, OutsideSet, PLATFORM, Party, Service, Workload,
};
pub use demo::DEMO_MANIFESTS;
pub use expected::{ExpectedEdge, Tally};
pub use settings::{Settings, SettingsError};
pub use traffic::{GeneratedRecord, Traffic};
pub use verdicts::{recorded_verdicts_of, verdicts_of};
