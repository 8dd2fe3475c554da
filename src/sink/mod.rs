//! Carries results out: to Kafka, to a directory.
//!
//! It promises that what it writes can be read back to the same values, and that a file is either the old one or the
//! new one, never a part. It refuses to know how a result came about.
//!
//! ```text
//!   EdgeReport, Recommendation --render--> wire shapes (JSON) --> topics, HTTP
//!                                              |
//!                                              +--> the same values, on every process that reads the topics
//! ```

mod directory;
mod kafka;
mod port;
pub mod render;

pub use directory::{Directory, DirectoryError, Written};
pub use kafka::{KafkaProducer, Topics, check_property};
pub use port::{Error, SendError};
