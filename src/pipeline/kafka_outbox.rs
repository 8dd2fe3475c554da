//! The way out of a process that publishes to Kafka.

use std::sync::Arc;

use super::error::BoxError;
use super::memory_log::MemoryLog;
use super::outbox::{Full, Outbox, rendered};
use super::results::Results;
use crate::engine::{Effect, Ticket};
use crate::evaluate::Outcome;
use crate::recommend::Recommendation;
use crate::sink::render::{DeadLetterRecord, EdgeRecord};
use crate::sink::{KafkaProducer, SendError, Topics};
use crate::telemetry::{Counter, Metrics};

/// What only a process that runs alone has: a log of its own, and readers that are fed directly.
#[derive(Debug)]
pub(super) struct Alone {
    pub(super) log: MemoryLog,
    pub(super) results: Arc<Results>,
}

/// Partials, reports, recommendations and dead letters go to their topics. The readers of a group's processes are fed
/// from there; those of a process that runs alone directly.
#[derive(Debug)]
pub(super) struct KafkaOutbox {
    producer: KafkaProducer<Ticket>,
    topics: Topics,
    alone: Option<Alone>,
    failure: Option<BoxError>,
    counts: Counts,
}

#[derive(Debug)]
struct Counts {
    partials: Counter,
    edges: Counter,
    denies: Counter,
    recommendations: Counter,
    letters: Counter,
    letters_dropped: Counter,
}

impl KafkaOutbox {
    pub(super) fn new(
        producer: KafkaProducer<Ticket>,
        topics: Topics,
        alone: Option<Alone>,
        metrics: &Metrics,
    ) -> Self {
        let counts = Counts {
            partials: metrics.partials.with(["sent"]),
            edges: metrics.reports_published.with([&topics.edges]),
            denies: metrics.reports_published.with([&topics.denies]),
            recommendations: metrics.output_records.with(["recommendations", "ok"]),
            letters: metrics.output_records.with(["dead_letters", "ok"]),
            letters_dropped: metrics.output_records.with(["dead_letters", "dropped"]),
        };
        Self { producer, topics, alone, failure: None, counts }
    }

    /// Sends; remembers what can never be sent, which ends the process at the next turn. Returns whether it was taken.
    fn send(&mut self, topic: &str, partition: Option<i32>, key: Option<&str>, value: &[u8]) -> bool {
        match self.producer.send(topic, partition, key.map(str::as_bytes), Some(value)) {
            Ok(()) => true,
            Err(SendError::Full) => false,
            Err(SendError::Failed(error)) => {
                self.failure.get_or_insert(error.into());
                true
            }
        }
    }

    fn send_edge(&mut self, record: &EdgeRecord, denied: bool) -> bool {
        let (key, json) = (record.key(), record.to_json());
        let topic = self.topics.edges.clone();
        if !self.send(&topic, None, Some(&key), &json) {
            return false;
        }
        self.counts.edges.inc();
        if denied {
            // When only the second is refused both are sent again later: a repetition changes nothing.
            let topic = self.topics.denies.clone();
            if !self.send(&topic, None, Some(&key), &json) {
                return false;
            }
            self.counts.denies.inc();
        }
        true
    }
}

impl KafkaOutbox {
    fn send_recommendation(&mut self, recommendation: &Recommendation) -> bool {
        let Some(record) = rendered(recommendation) else { return true };
        let topic = self.topics.recommendations.clone();
        if !self.send(&topic, None, Some(&record.key()), &record.to_json()) {
            return false;
        }
        self.counts.recommendations.inc();
        if let Some(alone) = &self.alone {
            alone.results.recommend(record);
        }
        true
    }
}

impl Outbox for KafkaOutbox {
    fn perform(&mut self, effect: Effect) -> Result<(), Full> {
        let taken = match &effect {
            Effect::Append { to, value } => match &self.alone {
                Some(alone) => alone.log.append(*to, value.clone()).is_ok(),
                None => {
                    let topic = self.topics.partials.clone();
                    self.send(&topic, Some(to.0), None, value)
                }
            },
            Effect::Report(report) => {
                let denied = matches!(report.judgement.outcome, Outcome::WouldDeny { .. });
                let taken = self.send_edge(&EdgeRecord::from(&**report), denied);
                if let (true, Some(alone)) = (taken, &self.alone) {
                    alone.results.apply(report);
                }
                taken
            }
            Effect::Recommend(recommendation) => self.send_recommendation(recommendation),
            Effect::Barrier(ticket) => {
                self.producer.mark(*ticket);
                true
            }
            Effect::Withhold(_) | Effect::CommitFlows { .. } | Effect::CommitPartials { .. } => true,
        };
        if taken {
            if let Effect::Append { .. } = effect {
                self.counts.partials.inc();
            }
            Ok(())
        } else {
            Err(Full(effect))
        }
    }

    fn acknowledged(&mut self) -> Result<Vec<Ticket>, BoxError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        Ok(self.producer.arrived()?)
    }

    fn waiting(&self) -> usize {
        self.producer.in_flight()
    }

    fn dead_letter(&mut self, letter: &DeadLetterRecord) {
        let topic = self.topics.dead_letters.clone();
        if self.send(&topic, None, Some(&letter.key()), &letter.to_json()) {
            self.counts.letters.inc();
        } else {
            self.counts.letters_dropped.inc();
        }
    }
}
