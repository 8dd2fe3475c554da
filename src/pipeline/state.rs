//! What a worker carries from turn to turn, and what it does with one record.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::comparisons::Comparisons;
use super::loaded::Loaded;
use super::outbox::Outbox;
use super::shared::Shared;
use super::tallies::BatchCounts;
use crate::decode::{Decoder, Reject};
use crate::engine::{Effect, Engine, Event, Observed};
use crate::ingest::Record;
use crate::model::{EventTime, MergePartitionId, Offset, PartitionId};
use crate::sink::render::DeadLetterRecord;
use crate::telemetry::{Excerpt, Sample, Sampler, StageRecorder};

/// Samples of bad input in the log, and records to the dead-letter topic, a second and reason.
const SAMPLES_PER_SECOND: u32 = 5;
const DEAD_LETTERS_PER_SECOND: u32 = 100;

/// What the worker's loop carries from turn to turn.
pub(super) struct State {
    pub(super) engine: Engine,
    pub(super) decoder: Decoder,
    pub(super) loaded: Arc<Loaded>,
    pub(super) effects: VecDeque<Effect>,
    pub(super) counts: BatchCounts,
    pub(super) comparisons: Comparisons,
    pub(super) partitions: BTreeMap<PartitionId, PartitionState>,
    pub(super) samples: Sampler,
    pub(super) letters: Sampler,
    pub(super) stages: StageRecorder,
    pub(super) flushed: Instant,
    pub(super) published: Instant,
    pub(super) paused: bool,
    pub(super) newest: EventTime,
}

#[derive(Debug)]
pub(super) struct PartitionState {
    pub(super) last_record: Instant,
    pub(super) last_read: Option<EventTime>,
    pub(super) idle: bool,
    pub(super) committed: Option<Offset>,
}

impl State {
    pub(super) fn new(engine: Engine, decoder: Decoder, shared: &Shared) -> Self {
        let now = Instant::now();
        Self {
            engine,
            decoder,
            loaded: shared.loaded(),
            effects: VecDeque::new(),
            counts: BatchCounts::new(&shared.metrics),
            comparisons: Comparisons::new(&shared.metrics),
            partitions: BTreeMap::new(),
            samples: Sampler::new(SAMPLES_PER_SECOND),
            letters: Sampler::new(DEAD_LETTERS_PER_SECOND),
            stages: shared.metrics.stage_recorder(),
            flushed: now,
            published: now,
            paused: false,
            newest: EventTime::MIN,
        }
    }
}

/// Decodes and folds one flow record, or counts why not.
pub(super) fn fold_record(
    state: &mut State,
    outbox: &mut dyn Outbox,
    topic: &str,
    now: Instant,
    record: &Record<'_>,
) {
    let (partition, offset) = (PartitionId(record.source.partition), Offset(record.offset));
    let State { engine, decoder, counts, samples, letters, newest, .. } = state;
    let flow = match decoder.decode(record.value) {
        Ok(flow) => flow,
        Err(reject) => {
            if engine.reject(partition, offset) {
                let reason = reject.reason.as_str();
                counts.rejected(reject.reason);
                if samples.admit(reason, now) == Sample::Log {
                    tell_rejected(topic, &reject, record);
                }
                if letters.admit(reason, now) == Sample::Log {
                    let detail = reject.to_string();
                    let letter =
                        DeadLetterRecord::new(topic, partition.0, offset.0, reason, &detail, record.value);
                    outbox.dead_letter(&letter);
                }
            }
            return;
        }
    };
    match engine.observe(partition, offset, record.timestamp, &flow) {
        Observed::Counted => {
            *newest = (*newest).max(flow.end);
            counts.counted(&flow);
        }
        Observed::Late => counts.late(&flow),
        Observed::Skewed => counts.skewed(&flow),
        Observed::Filtered(reason) => counts.filtered(&flow, reason),
        Observed::Repeated | Observed::NotOurs => {}
    }
}

/// Logs a record that cannot be read: one of a file by its line, which a person can go to, others by their offset.
fn tell_rejected(topic: &str, reject: &Reject, record: &Record<'_>) {
    let reason = reject.reason.as_str();
    let value = Excerpt(record.value.get(..256).unwrap_or(record.value));
    match record.place {
        Some(place) => tracing::warn!(reason, %value, "{place}: {reject}"),
        None => {
            let (partition, offset) = (PartitionId(record.source.partition), Offset(record.offset));
            tracing::warn!(topic, %partition, %offset, reason, error = %reject, %value, "record rejected");
        }
    }
}

pub(super) fn merge_record(state: &mut State, partition: i32, offset: i64, value: &[u8]) {
    let State { engine, counts, .. } = state;
    match engine.absorb(MergePartitionId(partition), Offset(offset), value) {
        Ok(absorbed) => counts.absorbed(absorbed),
        Err(error) => {
            counts.malformed_partial();
            tracing::warn!(partition, offset, %error, "partial passed over");
        }
    }
}

/// Notes that a partition has new records; once a run of them, not for each.
pub(super) fn mark_alive(
    partitions: &mut BTreeMap<PartitionId, PartitionState>,
    partition: PartitionId,
    last_read: Option<EventTime>,
    now: Instant,
) {
    if let Some(it) = partitions.get_mut(&partition) {
        it.last_record = now;
        it.last_read = last_read;
    }
}

pub(super) fn apply(state: &mut State, event: Event) {
    let mut effects = Vec::new();
    state.engine.apply(event, &mut effects);
    state.effects.extend(effects);
}
