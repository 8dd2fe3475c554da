//! Wires the stages together: workers, the partials log, the sinks, the policies in force.
//!
//! ```text
//!   Consumer --batch--> Worker (thread): decode, fold, merge, judge --effects--> Outbox
//!                          ^                                                       |-- partials log: memory or Kafka
//!                          '-- Loaded (programs and counters, swapped whole)       '-- results: readers, Kafka
//! ```
//!
//! A worker owns everything that it touches for a flow. What workers share is swapped whole or written once a flush.
//! The core's promises are kept here by doing what its effects say, in their order, and by reporting back no sooner
//! than it is true.

mod comparisons;
mod error;
mod housekeeping;
mod kafka_outbox;
mod listeners;
mod loaded;
mod local_outbox;
mod memory_log;
mod outbox;
mod policies;
mod results;
mod results_reader;
mod run;
mod shared;
mod state;
mod tallies;
mod view;
mod worker;

pub use comparisons::TruthTally;
pub use error::Error;
pub use housekeeping::keep_house;
pub use listeners::{ListenerConfig, Listeners};
pub use loaded::Loaded;
pub use memory_log::{MemoryLog, MemoryLogReader};
pub use policies::{PolicyErrors, TooLarge, load_policies, watch_policies, weigh};
pub use results::Results;
pub use results_reader::ResultsReader;
pub use run::{Config, Outputs, Pipeline};
pub use shared::{PartitionStatus, Shared};
pub use view::ReadView;
pub use worker::Pace;
