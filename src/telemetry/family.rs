//! Handles and families: the metrics crate's types, narrowed to what is used and bounded in their labels.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

/// The label value of everything that did not fit into a family's bound.
pub const OTHER: &str = "_other";

/// A number that only grows.
#[derive(Clone, Debug)]
pub struct Counter(IntCounter);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.0.inc();
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.inc_by(n);
    }

    /// Returns the count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// A number that goes up and down.
#[derive(Clone, Debug)]
pub struct Gauge(prometheus::Gauge);

impl Gauge {
    /// Replaces the value.
    pub fn set(&self, value: f64) {
        self.0.set(value);
    }

    /// Replaces the value by a count; exact up to 2^53.
    #[expect(clippy::cast_precision_loss, reason = "the text format carries floating-point numbers only")]
    pub fn set_count(&self, value: u64) {
        self.0.set(value as f64);
    }

    /// Replaces the value by 1 or 0.
    pub fn set_flag(&self, value: bool) {
        self.0.set(f64::from(u8::from(value)));
    }

    /// Adds `difference`, which may be negative.
    pub fn add(&self, difference: f64) {
        self.0.add(difference);
    }

    /// Replaces the value if `value` is larger.
    pub fn raise_to(&self, value: f64) {
        // Two writers may race; the loser's value is then shown until its next call, which a timestamp can bear.
        if value > self.0.get() {
            self.0.set(value);
        }
    }

    /// Returns the value.
    #[must_use]
    pub fn get(&self) -> f64 {
        self.0.get()
    }
}

/// A distribution in classic buckets.
#[derive(Clone, Debug)]
pub struct Histogram(prometheus::Histogram);

impl Histogram {
    /// Counts one value, in the unit of the family's name.
    pub fn observe(&self, value: f64) {
        self.0.observe(value);
    }

    /// Returns how many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.get_sample_count()
    }
}

/// Counters that differ in `N` labels.
#[derive(Clone)]
pub struct Counters<const N: usize> {
    vec: IntCounterVec,
    bound: Bound<N>,
}

impl<const N: usize> Counters<N> {
    /// Returns the counter with these label values and creates it at 0 if it is new. Beyond the family's bound it is
    /// the one whose labels are all [`OTHER`].
    #[must_use]
    pub fn with(&self, labels: [&str; N]) -> Counter {
        Counter(self.vec.with_label_values(&self.bound.admit(labels)))
    }

    /// Creates counters at 0, so that the first increment already has a rate.
    pub(super) fn preset<const M: usize>(&self, series: [[&str; N]; M]) {
        for labels in series {
            self.with(labels).add(0);
        }
    }

    /// Forgets the counter with these label values.
    pub fn remove(&self, labels: [&str; N]) {
        if self.bound.release(labels) {
            // It fails only where the series is absent already.
            drop(self.vec.remove_label_values(&labels));
        }
    }
}

/// Gauges that differ in `N` labels.
#[derive(Clone)]
pub struct Gauges<const N: usize> {
    vec: GaugeVec,
    bound: Bound<N>,
}

impl<const N: usize> Gauges<N> {
    /// Returns the gauge with these label values and creates it at 0 if it is new. Beyond the family's bound it is the
    /// one whose labels are all [`OTHER`].
    #[must_use]
    pub fn with(&self, labels: [&str; N]) -> Gauge {
        Gauge(self.vec.with_label_values(&self.bound.admit(labels)))
    }

    /// Creates gauges at 0.
    pub(super) fn preset<const M: usize>(&self, series: [[&str; N]; M]) {
        for labels in series {
            self.with(labels).add(0.0);
        }
    }

    /// Forgets the gauge with these label values.
    pub fn remove(&self, labels: [&str; N]) {
        if self.bound.release(labels) {
            // It fails only where the series is absent already.
            drop(self.vec.remove_label_values(&labels));
        }
    }
}

/// Histograms that differ in `N` labels.
#[derive(Clone)]
pub struct Histograms<const N: usize> {
    vec: HistogramVec,
    bound: Bound<N>,
}

impl<const N: usize> Histograms<N> {
    /// Returns the histogram with these label values. Beyond the family's bound it is the one whose labels are all
    /// [`OTHER`].
    #[must_use]
    pub fn with(&self, labels: [&str; N]) -> Histogram {
        Histogram(self.vec.with_label_values(&self.bound.admit(labels)))
    }
}

impl<const N: usize> fmt::Debug for Counters<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counters({})", self.bound.family)
    }
}

impl<const N: usize> fmt::Debug for Gauges<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gauges({})", self.bound.family)
    }
}

impl<const N: usize> fmt::Debug for Histograms<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Histograms({})", self.bound.family)
    }
}

/// One line of the table of families.
#[derive(Clone, Copy, Debug)]
pub(super) struct Definition<const N: usize> {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) labels: [&'static str; N],
    /// The most label sets; the one that is all [`OTHER`] comes on top.
    pub(super) series_max: usize,
}

/// Where families are made: the registry, and the counter of what did not fit.
#[derive(Clone, Debug)]
pub(super) struct Workshop {
    pub(super) registry: Registry,
    pub(super) dropped: IntCounterVec,
}

impl Workshop {
    /// Registers the counter of what did not fit; its label values are the table's own names.
    pub(super) fn series_dropped(&self) -> Counters<1> {
        self.register(self.dropped.clone());
        let bound = Bound {
            family: "flowstage_metric_series_dropped_total",
            series_max: usize::MAX,
            known: Arc::default(),
            dropped: self.dropped.clone(),
        };
        Counters { vec: self.dropped.clone(), bound }
    }

    fn register(&self, collector: impl Collector + 'static) {
        self.registry.register(Box::new(collector)).expect("each family stands in the table once");
    }

    fn bound<const N: usize>(&self, definition: &Definition<N>) -> Bound<N> {
        Bound {
            family: definition.name,
            series_max: definition.series_max,
            known: Arc::default(),
            dropped: self.dropped.clone(),
        }
    }
}

/// A metric type that can be made from its line in the table.
pub(super) trait Create<const N: usize> {
    /// Makes the family and registers it.
    fn create(workshop: &Workshop, definition: Definition<N>) -> Self;
}

const WELL_FORMED: &str = "names and labels of the table are well formed";

impl Create<0> for Counter {
    fn create(workshop: &Workshop, definition: Definition<0>) -> Self {
        let counter = IntCounter::new(definition.name, definition.help).expect(WELL_FORMED);
        workshop.register(counter.clone());
        Self(counter)
    }
}

impl Create<0> for Gauge {
    fn create(workshop: &Workshop, definition: Definition<0>) -> Self {
        let gauge = prometheus::Gauge::new(definition.name, definition.help).expect(WELL_FORMED);
        workshop.register(gauge.clone());
        Self(gauge)
    }
}

impl Create<0> for Histogram {
    fn create(workshop: &Workshop, definition: Definition<0>) -> Self {
        let options = HistogramOpts::new(definition.name, definition.help).buckets(DURATION_BUCKETS.to_vec());
        let histogram = prometheus::Histogram::with_opts(options).expect(WELL_FORMED);
        workshop.register(histogram.clone());
        Self(histogram)
    }
}

impl<const N: usize> Create<N> for Counters<N> {
    fn create(workshop: &Workshop, definition: Definition<N>) -> Self {
        let vec = IntCounterVec::new(Opts::new(definition.name, definition.help), &definition.labels)
            .expect(WELL_FORMED);
        workshop.register(vec.clone());
        Self { vec, bound: workshop.bound(&definition) }
    }
}

impl<const N: usize> Create<N> for Gauges<N> {
    fn create(workshop: &Workshop, definition: Definition<N>) -> Self {
        let vec = GaugeVec::new(Opts::new(definition.name, definition.help), &definition.labels)
            .expect(WELL_FORMED);
        workshop.register(vec.clone());
        Self { vec, bound: workshop.bound(&definition) }
    }
}

impl<const N: usize> Create<N> for Histograms<N> {
    fn create(workshop: &Workshop, definition: Definition<N>) -> Self {
        let options = HistogramOpts::new(definition.name, definition.help).buckets(DURATION_BUCKETS.to_vec());
        let vec = HistogramVec::new(options, &definition.labels).expect(WELL_FORMED);
        workshop.register(vec.clone());
        Self { vec, bound: workshop.bound(&definition) }
    }
}

/// Upper bounds in seconds, a factor of about 2.5 apart: 1 ms is a fast request, 10 s is a time-out. Twice as many
/// would double the series of the widest families for no better alert.
pub(super) const DURATION_BUCKETS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The label sets that a family has given out.
///
/// The lock is taken when a handle is asked for, which is once per label set or per batch, never per flow.
#[derive(Clone)]
struct Bound<const N: usize> {
    family: &'static str,
    series_max: usize,
    known: Arc<Mutex<HashSet<[String; N]>>>,
    dropped: IntCounterVec,
}

impl<const N: usize> Bound<N> {
    fn admit<'a>(&self, labels: [&'a str; N]) -> [&'a str; N] {
        let owned = labels.map(str::to_owned);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&owned) {
            return labels;
        }
        if known.len() < self.series_max {
            known.insert(owned);
            return labels;
        }
        self.dropped.with_label_values(&[self.family]).inc();
        [OTHER; N]
    }

    fn release(&self, labels: [&str; N]) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&labels.map(str::to_owned))
    }
}
