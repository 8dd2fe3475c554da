//! The hot path: one thread, one member of the group, one private set of tables.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::Error;
use super::memory_log::{MemoryLog, MemoryLogReader};
use super::outbox::{Full, Outbox};
use super::results::Results;
use super::shared::{PartitionStatus, Shared};
use super::state::{PartitionState, State, apply, fold_record, mark_alive, merge_record};
use crate::aggregate::{Checkpoint, Pane, Settings};
use crate::engine::{Effect, Event};
use crate::ingest::{Committed, Consumer, Log, LogPartition, Rebalance};
use crate::model::{EventTime, MergePartitionId, Offset, PartitionId};
use crate::telemetry::{Pulse, Stage};

/// How a worker keeps time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two publications of partials.
    pub flush: Duration,
    /// Between two publications of results.
    pub publish: Duration,
    /// Without new records for so long, at the end of its log, a partition is idle.
    pub idle: Duration,
    /// For the last flush and commit when the process ends.
    pub drain: Duration,
}

impl Default for Pace {
    /// 1 s, 2 s, 10 s and 20 s.
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { flush: secs(1), publish: secs(2), idle: secs(10), drain: secs(20) }
    }
}

/// How long one poll waits for records. Timers and rebalances are served between polls, so no longer than this late.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// One worker. Everything in it is its own; what it shares is behind [`Shared`].
pub(super) struct Worker {
    pub(super) number: usize,
    pub(super) consumer: Box<dyn Consumer + Send>,
    pub(super) outbox: Box<dyn Outbox>,
    pub(super) memory_log: Option<MemoryLog>,
    pub(super) readers: Vec<MemoryLogReader>,
    pub(super) settings: Settings,
    pub(super) pace: Pace,
    pub(super) flows_topic: String,
    pub(super) shared: Arc<Shared>,
    pub(super) results: Arc<Results>,
    pub(super) pulse: Pulse,
    pub(super) state: State,
}

impl Worker {
    /// Works until the process is told to end, then hands over in order.
    ///
    /// # Errors
    ///
    /// When the source or the sinks cannot go on. Nothing is lost: the next owner reads again.
    pub(super) fn run(mut self) -> Result<(), Error> {
        for reader in &self.readers {
            let (partition, learned) = (reader.partition(), self.results.learned());
            apply(&mut self.state, Event::PartialsAssigned { partition, closed_to: None, learned });
        }
        while !self.shared.is_ending() {
            self.turn()?;
            if self.shared.ends_at_end_of_input && self.is_done() {
                break;
            }
        }
        self.drain()
    }

    /// One turn of the loop: policies, rebalances, a batch, timers, effects.
    fn turn(&mut self) -> Result<(), Error> {
        self.adopt_policies();
        for change in self.consumer.rebalances()? {
            self.rebalance(change)?;
        }
        let began = Instant::now();
        self.read_batch()?;
        self.read_memory_log();
        let now = Instant::now();
        self.state.stages.record(Stage::Aggregate, now - began);
        self.move_counts();
        self.note_idle(now);
        if now - self.state.flushed >= self.pace.flush {
            self.flush(now);
        }
        if now - self.state.published >= self.pace.publish {
            self.publish(now);
        }
        self.perform()?;
        self.pulse.tick();
        Ok(())
    }

    fn adopt_policies(&mut self) {
        let loaded = self.shared.loaded();
        if !Arc::ptr_eq(&loaded, &self.state.loaded) {
            // What was counted under the old programs belongs to their policies.
            self.move_counts();
            apply(&mut self.state, Event::CatalogChanged(Arc::clone(loaded.programs())));
            self.state.loaded = loaded;
        }
    }

    fn rebalance(&mut self, change: Rebalance) -> Result<(), Error> {
        match change {
            Rebalance::Assigned(partitions) => {
                for (partition, committed) in partitions {
                    self.assigned(partition, committed)?;
                }
            }
            Rebalance::Revoked(partitions) | Rebalance::Lost(partitions) => {
                for partition in partitions {
                    self.released(partition);
                }
            }
        }
        Ok(())
    }

    fn assigned(&mut self, partition: LogPartition, committed: Option<Committed>) -> Result<(), Error> {
        let number = partition.partition;
        match partition.log {
            Log::Flows => {
                let from = committed.filter(|it| !it.metadata.is_empty());
                let from = from.map(|it| {
                    Checkpoint::from_metadata(Offset(it.offset), &it.metadata, self.settings.fingerprint())
                        .map_err(|source| Error::Checkpoint { partition: number, source })
                });
                let from = from.transpose()?;
                if let (Some(log), Some(from)) = (&self.memory_log, &from) {
                    let closed = from.resume_from.0.saturating_add(self.settings.spec.panes_per_window() - 1);
                    log.note_resumed(Pane(closed));
                }
                let state = PartitionState {
                    last_record: Instant::now(),
                    last_read: None,
                    idle: false,
                    committed: None,
                };
                self.state.partitions.insert(PartitionId(number), state);
                apply(&mut self.state, Event::FlowsAssigned { partition: PartitionId(number), from });
            }
            Log::Partials => {
                let closed_to = committed.and_then(|it| it.metadata.parse().ok()).map(Pane);
                let (partition, learned) = (MergePartitionId(number), self.results.learned());
                apply(&mut self.state, Event::PartialsAssigned { partition, closed_to, learned });
            }
        }
        tracing::info!(worker = self.number, log = ?partition.log, partition = number, "partition assigned");
        Ok(())
    }

    fn released(&mut self, partition: LogPartition) {
        let number = partition.partition;
        match partition.log {
            Log::Flows => {
                self.state.partitions.remove(&PartitionId(number));
                apply(&mut self.state, Event::FlowsReleased(PartitionId(number)));
                self.shared.forget_partition(self.number, PartitionId(number));
            }
            Log::Partials => apply(&mut self.state, Event::PartialsReleased(MergePartitionId(number))),
        }
        tracing::info!(worker = self.number, log = ?partition.log, partition = number, "partition released");
    }

    fn read_batch(&mut self) -> Result<(), Error> {
        let wait = if self.state.paused { POLL_WAIT / 10 } else { POLL_WAIT };
        let Self { consumer, outbox, state, flows_topic, .. } = self;
        let now = Instant::now();
        let mut run: Option<(PartitionId, Option<EventTime>)> = None;
        consumer.next_batch(wait, &mut |record| match record.source.log {
            Log::Flows => {
                fold_record(state, outbox.as_mut(), flows_topic, now, &record);
                let partition = PartitionId(record.source.partition);
                if let Some((before, last_read)) = run
                    && before != partition
                {
                    mark_alive(&mut state.partitions, before, last_read, now);
                }
                run = Some((partition, record.timestamp));
            }
            Log::Partials => merge_record(state, record.source.partition, record.offset, record.value),
        })?;
        if let Some((partition, last_read)) = run {
            mark_alive(&mut self.state.partitions, partition, last_read, now);
        }
        Ok(())
    }

    fn read_memory_log(&mut self) {
        let Self { readers, state, .. } = self;
        for reader in readers {
            reader.drain(|partition, offset, value| merge_record(state, partition.0, offset.0, value));
        }
    }

    /// Moves the plain numbers of the batch into the metrics.
    fn move_counts(&mut self) {
        let State { engine, loaded, counts, comparisons, newest, decoder, .. } = &mut self.state;
        counts.publish(decoder.envelopes(), decoder.paths());
        let seconds = seconds(*newest);
        engine.drain_tally(|judgement, tallied| loaded.count(judgement, tallied, seconds));
        engine.drain_compared(|compared, flows| comparisons.add(compared, flows));
        self.shared.metrics.judge_resets.add(engine.take_judge_resets());
    }

    /// Tells the engine which partitions have nothing new to say.
    fn note_idle(&mut self, now: Instant) {
        let Self { consumer, state, pace, .. } = self;
        let mut changes = Vec::new();
        for (&partition, it) in &mut state.partitions {
            let source = LogPartition { log: Log::Flows, partition: partition.0 };
            let idle = now - it.last_record >= pace.idle && consumer.is_at_end(source);
            if idle != it.idle {
                it.idle = idle;
                changes.push(Event::Idle(partition, idle));
            }
        }
        changes.into_iter().for_each(|it| apply(state, it));
    }

    fn flush(&mut self, now: Instant) {
        if !self.state.effects.is_empty() {
            // The way out is full: flushing again would only grow the queue.
            return;
        }
        self.state.flushed = now;
        self.note_windows_closed();
        apply(&mut self.state, Event::Flush);
        self.show_partitions();
    }

    fn note_windows_closed(&mut self) {
        if let Some(pane) = self.memory_log.as_ref().and_then(MemoryLog::windows_closed) {
            apply(&mut self.state, Event::WindowsClosed(pane));
        }
    }

    fn publish(&mut self, now: Instant) {
        if self.state.effects.is_empty() {
            self.state.published = now;
            self.note_windows_closed();
            apply(&mut self.state, Event::Publish);
        }
    }

    /// Performs what is due, as far as the way out takes it, and reports back what is acknowledged.
    fn perform(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        self.perform_queue()?;
        for ticket in self.outbox.acknowledged().map_err(Error::Sink)? {
            apply(&mut self.state, Event::Acknowledged(ticket));
        }
        self.perform_queue()?;
        self.state.stages.record(Stage::Publish, began.elapsed());
        let full = !self.state.effects.is_empty();
        if full != self.state.paused {
            self.state.paused = full;
            self.consumer.set_paused(Log::Flows, full)?;
            tracing::info!(worker = self.number, paused = full, "reading of flows held back by the sinks");
        }
        Ok(())
    }

    fn perform_queue(&mut self) -> Result<(), Error> {
        while let Some(effect) = self.state.effects.pop_front() {
            match effect {
                Effect::CommitFlows { partition, offset, metadata } => {
                    if let Some(it) = self.state.partitions.get_mut(&partition) {
                        it.committed = Some(offset);
                    }
                    let source = LogPartition { log: Log::Flows, partition: partition.0 };
                    self.consumer.note_commit(source, Committed { offset: offset.0, metadata });
                }
                Effect::CommitPartials { partition, offset, closed_to } => match &self.memory_log {
                    Some(log) => closed_to.into_iter().for_each(|it| log.note_closed(partition, it)),
                    None => {
                        let metadata = closed_to.map(|it| it.0.to_string()).unwrap_or_default();
                        let source = LogPartition { log: Log::Partials, partition: partition.0 };
                        self.consumer.note_commit(source, Committed { offset: offset.0, metadata });
                    }
                },
                Effect::Withhold(withheld) => {
                    let reason = withheld.reason.as_str();
                    self.shared.metrics.recommendation_runs.with([reason]).inc();
                    tracing::info!(namespace = %withheld.namespace, reason = %withheld.reason, "recommendation withheld");
                }
                effect => {
                    if let Effect::Recommend(_) = &effect {
                        self.shared.metrics.recommendation_runs.with(["published"]).inc();
                    }
                    if let Err(Full(effect)) = self.outbox.perform(effect) {
                        self.state.effects.push_front(effect);
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn show_partitions(&self) {
        let state = &self.state;
        for fold in state.engine.folds() {
            let frontier = fold.frontier();
            let known = state.partitions.get(&fold.partition());
            self.shared.show_partition(
                fold.partition(),
                PartitionStatus {
                    worker: self.number,
                    frontier,
                    committed: known.and_then(|it| it.committed),
                    idle: known.is_some_and(|it| it.idle),
                    last_read: known.and_then(|it| it.last_read),
                },
            );
        }
        self.shared.show_worker(self.number, state.engine.edges(), self.outbox.waiting());
    }

    /// Tells whether the input is read to its end and nothing waits.
    fn is_done(&self) -> bool {
        let at_end =
            |it: &PartitionId| self.consumer.is_at_end(LogPartition { log: Log::Flows, partition: it.0 });
        !self.state.partitions.is_empty()
            && self.state.partitions.keys().all(at_end)
            && self.state.effects.is_empty()
    }

    /// Publishes and commits what is at hand, within the budget, and leaves the group.
    fn drain(&mut self) -> Result<(), Error> {
        // The budget is that of the whole process: what a broker that does not answer has held up is taken from it, but
        // for a little to leave with.
        let now = Instant::now();
        let told = self.shared.ending_since().unwrap_or(now);
        let deadline = (told + self.pace.drain).max(now + self.pace.drain / 10);
        self.move_counts();
        let idle: Vec<_> = self.state.partitions.keys().copied().collect();
        if self.shared.ends_at_end_of_input {
            idle.into_iter().for_each(|it| apply(&mut self.state, Event::Idle(it, true)));
        }
        self.settle(Event::Flush, deadline)?;
        self.read_memory_log();
        self.note_windows_closed();
        self.settle(Event::Publish, deadline)?;
        self.show_partitions();
        let left = deadline.saturating_duration_since(Instant::now());
        self.consumer.close(left)?;
        Ok(())
    }

    /// Applies an event and performs what follows until all of it is acknowledged, or time is up.
    fn settle(&mut self, event: Event, deadline: Instant) -> Result<(), Error> {
        apply(&mut self.state, event);
        loop {
            self.perform_queue()?;
            let tickets = self.outbox.acknowledged().map_err(Error::Sink)?;
            tickets.into_iter().for_each(|it| apply(&mut self.state, Event::Acknowledged(it)));
            self.read_memory_log();
            if self.state.effects.is_empty() && !self.state.engine.awaits_acknowledgement() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                tracing::warn!(
                    worker = self.number,
                    effects = self.state.effects.len(),
                    "time is up: what is not acknowledged is read again by the next owner"
                );
                return Ok(());
            }
            // Acknowledgements come from other threads; there is nothing to do until the next.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Unix seconds, for a gauge.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of this century fit a double exactly")]
fn seconds(time: EventTime) -> f64 {
    time.as_millis() as f64 / 1_000.0
}
