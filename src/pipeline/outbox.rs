//! Where a worker's effects go.

use super::error::BoxError;
use crate::engine::{Effect, Ticket};
use crate::recommend::Recommendation;
use crate::sink::render::{DeadLetterRecord, RecommendationRecord};

/// The way out is full: the effect is given back, to be performed later.
#[derive(Debug)]
pub(super) struct Full(pub(super) Effect);

/// Performs effects that leave the worker. Commits are not among them: they go back to the consumer.
pub(super) trait Outbox: Send {
    /// Performs an effect, in order, without waiting.
    fn perform(&mut self, effect: Effect) -> Result<(), Full>;

    /// Returns the tickets that everything before is acknowledged for, in order.
    ///
    /// # Errors
    ///
    /// When something that was handed over cannot be delivered any more: the process has to end and read again.
    fn acknowledged(&mut self) -> Result<Vec<Ticket>, BoxError>;

    /// Returns how many records wait to be acknowledged.
    fn waiting(&self) -> usize;

    /// Sends a record that could not be read to where such records are kept. Dropped when the way out is full.
    fn dead_letter(&mut self, letter: &DeadLetterRecord);
}

/// Renders a recommendation. One that cannot be written is told of and left out: that would be a fault of ours.
pub(super) fn rendered(recommendation: &Recommendation) -> Option<RecommendationRecord> {
    RecommendationRecord::try_from(recommendation)
        .inspect_err(|error| tracing::error!(%error, "a recommended policy cannot be written"))
        .ok()
}
