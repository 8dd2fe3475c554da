//! Brings raw records in: from Kafka as a member of a consumer group, or from files.
//!
//! Promises that every record of an assigned partition is delivered in offset order, from the offset that was left
//! by the owner before; that what was noted is committed while the partition is ours and never after; that nothing
//! is skipped in silence. Knows nothing of what is in a record.
//!
//! ```text
//!   flows topic    --\                  +-- flows queue ----\
//!                     >-- one member --+                     >-- next_batch --> borrowed records
//!   partials topic --/    (one client)  +-- partials queue --/
//!                               |
//!                               +-- rebalances: committed offset and metadata in, last commit out
//! ```

mod check;
mod file;
mod kafka;
mod lines;
mod native;
mod offsets;
mod port;
mod rebalance;
mod settings;
mod stats;
mod topic_reader;
mod topics;
mod unpack;
mod waker;

pub use check::{check_brokers, check_property, check_topic};
pub use file::FileConsumer;
pub use kafka::KafkaConsumer;
pub use native::keep_unpacked;
pub use port::{Committed, Consumer, Error, From, Log, LogPartition, Place, Rebalance, Record};
pub use settings::{KafkaConfig, Properties};
pub use stats::{CommitCounts, Delivered, KafkaSnapshot, KafkaStats, RebalanceCounts};
pub use topic_reader::{TopicReader, TopicRecord};
pub use topics::{Cleanup, Creation, TopicSpec, ensure_topics, find_partition_count, partition_count};
