//! The way out of a process that runs alone and publishes to nobody else.

use std::sync::Arc;

use super::error::BoxError;
use super::memory_log::MemoryLog;
use super::outbox::{Full, Outbox, rendered};
use super::results::Results;
use crate::engine::{Effect, Ticket};
use crate::sink::render::DeadLetterRecord;

/// Partials go to the log in memory, results straight to the readers. What is performed is acknowledged.
#[derive(Debug)]
pub(super) struct LocalOutbox {
    log: MemoryLog,
    results: Arc<Results>,
    acknowledged: Vec<Ticket>,
}

impl LocalOutbox {
    pub(super) fn new(log: MemoryLog, results: Arc<Results>) -> Self {
        Self { log, results, acknowledged: Vec::new() }
    }
}

impl Outbox for LocalOutbox {
    fn perform(&mut self, effect: Effect) -> Result<(), Full> {
        match effect {
            Effect::Append { to, value } => {
                return self.log.append(to, value).map_err(|value| Full(Effect::Append { to, value }));
            }
            Effect::Report(report) => self.results.apply(&report),
            Effect::Recommend(recommendation) => {
                rendered(&recommendation).into_iter().for_each(|it| self.results.recommend(it));
            }
            Effect::Barrier(ticket) => self.acknowledged.push(ticket),
            Effect::Withhold(_) | Effect::CommitFlows { .. } | Effect::CommitPartials { .. } => {}
        }
        Ok(())
    }

    fn acknowledged(&mut self) -> Result<Vec<Ticket>, BoxError> {
        Ok(std::mem::take(&mut self.acknowledged))
    }

    fn waiting(&self) -> usize {
        0
    }

    fn dead_letter(&mut self, _letter: &DeadLetterRecord) {}
}
