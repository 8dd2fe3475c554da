//! Brings raw records in: from Kafka as a member of a consumer group, or from files.
mod port;

mod lines;
mod unpack;

mod file;

pub use file::FileConsumer;
pub use port::{Committed, Consumer, Error, From, Log, LogPartition, Rebalance, Record};
