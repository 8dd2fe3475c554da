//! Why the pipeline ends.

use crate::aggregate::CheckpointError;

/// Any cause, where the caller only reports it.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What ends the process. Nothing is lost by it: the next start reads again from what was committed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source of records cannot go on.
    #[error(transparent)]
    Ingest(#[from] crate::ingest::Error),
    /// A listener cannot be opened.
    #[error(transparent)]
    Bind(#[from] crate::http::BindError),
    /// What was committed for a partition cannot be continued.
    #[error(
        "partition {partition} cannot be continued from its commit: use the settings that it was written under, another consumer group, or `--from earliest`"
    )]
    Checkpoint {
        /// The partition of the flows topic.
        partition: i32,
        /// Why.
        source: CheckpointError,
    },
    /// A sink cannot go on.
    #[error("results cannot be published")]
    Sink(#[source] BoxError),
    /// The policies cannot be loaded at start.
    #[error("policies cannot be loaded")]
    Policies(#[source] super::policies::PolicyErrors),
    /// The policies take too much memory at start.
    #[error(transparent)]
    PoliciesTooLarge(#[from] super::policies::TooLarge),
    /// A listener cannot be opened, or the system refuses a thread.
    #[error("cannot start {what}")]
    Start {
        /// What was to be started.
        what: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// A worker ended by a panic.
    #[error("worker {0} ended unexpectedly: this is a bug")]
    Worker(usize),
}
