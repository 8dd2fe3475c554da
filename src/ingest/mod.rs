//! Brings raw records in: from Kafka as a member of a consumer group, or from files.
mod port;
pub use port::{Committed, Consumer, Error, From, Log, LogPartition, Rebalance, Record};
