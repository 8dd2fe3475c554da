//! What can go wrong on the way out.

/// What ends a sink. What was not acknowledged is made again from what was committed, so nothing is lost by it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The broker or the client failed.
    #[error("{context}")]
    Kafka {
        /// What was being done, and what to try.
        context: String,
        /// The client's error.
        source: Option<rdkafka::error::KafkaError>,
    },
}

/// Why a record was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The queue is full. Not a failure: hold the input back, and send again when records were acknowledged.
    #[error("the output queue is full")]
    Full,
    /// The record can never be sent, or no record can.
    #[error(transparent)]
    Failed(#[from] Error),
}
