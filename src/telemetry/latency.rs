//! How long each stage takes: one set of histograms a worker, merged when somebody looks.
//!
//! A worker records once per batch into histograms of its own behind a lock that nobody else wants, but for the moment
//! in which a scrape swaps them for empty ones.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto;

use super::family::DURATION_BUCKETS;

/// What a worker spends its time on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stage {
    /// Waiting for records and copying them.
    Poll,
    /// Reading records into flows.
    Decode,
    /// Asking the policies about edges.
    Evaluate,
    /// Folding flows, and merging partials.
    Aggregate,
    /// Making and verifying recommendations.
    Recommend,
    /// Handing partials, reports and recommendations to their sinks.
    Publish,
    /// Committing offsets.
    Commit,
}

impl Stage {
    /// Every stage, in the order the data runs.
    pub const ALL: [Self; 7] = [
        Self::Poll,
        Self::Decode,
        Self::Evaluate,
        Self::Aggregate,
        Self::Recommend,
        Self::Publish,
        Self::Commit,
    ];

    /// Returns the stage in lower case, as the label has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Decode => "decode",
            Self::Evaluate => "evaluate",
            Self::Aggregate => "aggregate",
            Self::Recommend => "recommend",
            Self::Publish => "publish",
            Self::Commit => "commit",
        }
    }
}

/// Micros are fine enough for a batch; a minute is longer than any stage may take before the group drops the member.
const MICROS_MAX: u64 = 60_000_000;
/// Three digits keep the error of a bucket edge below a thousandth, at 140 kB a stage and worker.
const DIGITS: u8 = 3;

type Histograms = [hdrhistogram::Histogram<u64>; Stage::ALL.len()];

fn empty() -> Histograms {
    Stage::ALL.map(|_| {
        hdrhistogram::Histogram::new_with_bounds(1, MICROS_MAX, DIGITS)
            .expect("the constants above are in range")
    })
}

/// What one worker has recorded since the last scrape.
struct Slot {
    histograms: Histograms,
    micros: [u64; Stage::ALL.len()],
}

/// Records durations for one worker. Dropping it keeps what was recorded.
pub struct StageRecorder {
    slot: Arc<Mutex<Slot>>,
    merged: Arc<Mutex<Merged>>,
}

impl StageRecorder {
    /// Counts one duration. Longer ones than a minute count as a minute.
    pub fn record(&self, stage: Stage, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).map_or(MICROS_MAX, |it| it.min(MICROS_MAX));
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.histograms[stage as usize].saturating_record(micros);
        slot.micros[stage as usize] += micros;
    }
}

impl Drop for StageRecorder {
    fn drop(&mut self) {
        self.merged.lock().unwrap_or_else(PoisonError::into_inner).take(&self.slot);
    }
}

impl fmt::Debug for StageRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StageRecorder")
    }
}

/// The sum over all workers, living and gone, as classic buckets.
struct Merged {
    spare: Histograms,
    counts: [[u64; DURATION_BUCKETS.len() + 1]; Stage::ALL.len()],
    micros: [u64; Stage::ALL.len()],
}

impl Merged {
    /// Swaps the worker's histograms for empty ones and adds them up.
    fn take(&mut self, slot: &Mutex<Slot>) {
        let micros = {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut slot.histograms, &mut self.spare);
            std::mem::take(&mut slot.micros)
        };
        for (stage, histogram) in self.spare.iter_mut().enumerate() {
            for it in histogram.iter_recorded() {
                // The slot of a value covers a range; its lower end decides, so that exact edges fall below them.
                let value = histogram.lowest_equivalent(it.value_iterated_to());
                self.counts[stage][bucket_of(value)] += it.count_since_last_iteration();
            }
            histogram.reset();
            self.micros[stage] += micros[stage];
        }
    }
}

/// Finds the first bucket whose upper bound is not below `micros`.
fn bucket_of(micros: u64) -> usize {
    let seconds = Duration::from_micros(micros).as_secs_f64();
    DURATION_BUCKETS.partition_point(|bound| *bound < seconds)
}

/// Exports the histograms of all workers as one family.
#[derive(Clone)]
pub(super) struct Latencies {
    desc: Desc,
    merged: Arc<Mutex<Merged>>,
    slots: Arc<Mutex<Vec<Weak<Mutex<Slot>>>>>,
}

impl Latencies {
    const NAME: &'static str = "flowstage_stage_duration_seconds";
    const HELP: &'static str = "Time that a worker spent in a stage for one batch.";

    pub(super) fn new() -> Self {
        let desc = Desc::new(Self::NAME.into(), Self::HELP.into(), vec!["stage".into()], Default::default())
            .expect("name and label are well formed");
        let merged = Merged { spare: empty(), counts: Default::default(), micros: Default::default() };
        Self { desc, merged: Arc::new(Mutex::new(merged)), slots: Arc::default() }
    }

    pub(super) fn recorder(&self) -> StageRecorder {
        let slot = Arc::new(Mutex::new(Slot { histograms: empty(), micros: Default::default() }));
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&slot));
        StageRecorder { slot, merged: Arc::clone(&self.merged) }
    }
}

impl Collector for Latencies {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|it| {
            let slot = it.upgrade();
            if let Some(slot) = &slot {
                merged.take(slot);
            }
            slot.is_some()
        });
        let mut family = proto::MetricFamily::default();
        family.set_name(Self::NAME.into());
        family.set_help(Self::HELP.into());
        family.set_field_type(proto::MetricType::HISTOGRAM);
        family.set_metric(Stage::ALL.map(|stage| classic(stage, &merged)).into());
        vec![family]
    }
}

fn classic(stage: Stage, merged: &Merged) -> proto::Metric {
    let counts = &merged.counts[stage as usize];
    let mut cumulative = 0;
    let mut buckets = Vec::with_capacity(DURATION_BUCKETS.len());
    for (bound, count) in DURATION_BUCKETS.iter().zip(counts) {
        cumulative += count;
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(cumulative);
        buckets.push(bucket);
    }
    let mut histogram = proto::Histogram::default();
    histogram.set_sample_count(counts.iter().sum());
    histogram.set_sample_sum(Duration::from_micros(merged.micros[stage as usize]).as_secs_f64());
    histogram.set_bucket(buckets);
    let mut label = proto::LabelPair::default();
    label.set_name("stage".into());
    label.set_value(stage.as_str().into());
    let mut metric = proto::Metric::from_label(vec![label]);
    metric.set_histogram(histogram);
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(latencies: &Latencies, stage: Stage, count: u64, up_to_2500_us: u64, seconds: f64) {
        let families = latencies.collect();
        let metric = &families[0].get_metric()[stage as usize];
        let histogram = metric.get_histogram();
        assert_eq!(histogram.get_sample_count(), count);
        assert_eq!(histogram.get_bucket()[1].cumulative_count(), up_to_2500_us);
        assert!((histogram.get_sample_sum() - seconds).abs() < 1e-9, "{}", histogram.get_sample_sum());
    }

    #[test]
    fn workers_are_summed_and_a_second_look_does_not_count_twice() {
        let latencies = Latencies::new();
        let (one, two) = (latencies.recorder(), latencies.recorder());
        one.record(Stage::Decode, Duration::from_micros(2500));
        two.record(Stage::Decode, Duration::from_micros(2504));
        two.record(Stage::Decode, Duration::from_secs(600));
        check(&latencies, Stage::Decode, 3, 1, 60.005_004);
        check(&latencies, Stage::Decode, 3, 1, 60.005_004);
        one.record(Stage::Decode, Duration::ZERO);
        check(&latencies, Stage::Decode, 4, 2, 60.005_004);
        check(&latencies, Stage::Poll, 0, 0, 0.0);
    }

    #[test]
    fn a_worker_that_ends_leaves_its_share() {
        let latencies = Latencies::new();
        let recorder = latencies.recorder();
        recorder.record(Stage::Commit, Duration::from_millis(1));
        drop(recorder);
        check(&latencies, Stage::Commit, 1, 1, 0.001);
        assert!(latencies.slots.lock().unwrap().is_empty());
    }
}
