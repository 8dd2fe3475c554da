//! Whether the process lives, and whether it is ready.
//!
//! *Live* is about this process alone: every thread that polls has ticked lately. *Ready* is about having come up: the
//! policies are loaded, the group was joined once. Neither asks whether the broker answers now, or an outage of Kafka
//! would make the cluster restart healthy processes; and neither looks at lag, or a rollout after an outage would
//! never end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::family::Gauges;
use super::metrics::Metrics;

/// What must have happened before the process is ready.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Check {
    /// The consumer group was joined at least once; a member without partitions is ready too.
    Kafka,
    /// A policy set is loaded.
    Policies,
    /// What was published before has been read back.
    State,
    /// The sinks are open.
    Sinks,
}

impl Check {
    /// Returns the check in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Policies => "policies",
            Self::State => "state",
            Self::Sinks => "sinks",
        }
    }
}

/// The answer to a probe: one line a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Whether every check passes.
    pub passes: bool,
    /// Each check by name, with the reason if it fails.
    pub checks: Vec<(String, Result<(), String>)>,
}

impl Probe {
    fn of(checks: Vec<(String, Result<(), String>)>) -> Self {
        Self { passes: checks.iter().all(|(_, result)| result.is_ok()), checks }
    }
}

/// Prints a line for each check, as the Kubernetes API server does: `[+]kafka ok`.
impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, result) in &self.checks {
            match result {
                Ok(()) => writeln!(f, "[+]{name} ok")?,
                Err(reason) => writeln!(f, "[-]{name} failed: {reason}")?,
            }
        }
        writeln!(f, "{}", if self.passes { "passed" } else { "failed" })
    }
}

/// The longest that a polling thread may go without a tick. A tick comes with every batch, many times a second; half a
/// minute is a stuck thread, and still half of the interval after which the group takes its partitions away.
const TICK_AGE_MAX: Duration = Duration::from_secs(30);

/// Health of the process. Clones share it.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
    // Both locks are taken by probes and at changes, never for a batch.
    ready: Mutex<Ready>,
    pulses: Mutex<Vec<(String, Weak<AtomicU64>)>>,
    gauges: Gauges<1>,
}

struct Ready {
    draining: bool,
    checks: BTreeMap<Check, Result<(), String>>,
}

impl Health {
    /// Begins with every one of `checks` waiting.
    #[must_use]
    pub fn new(metrics: &Metrics, checks: &[Check]) -> Self {
        let start = Instant::now();
        Self::with_clock(metrics, checks, move || start.elapsed())
    }

    /// Begins with a clock of the caller's: the time since some fixed point.
    #[must_use]
    pub fn with_clock(
        metrics: &Metrics,
        checks: &[Check],
        clock: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        let gauges = metrics.ready.clone();
        for check in checks {
            gauges.with([check.as_str()]).set_flag(false);
        }
        let checks = checks.iter().map(|it| (*it, Err("waiting".to_owned()))).collect();
        Self(Arc::new(Inner {
            clock: Box::new(clock),
            ready: Mutex::new(Ready { draining: false, checks }),
            pulses: Mutex::default(),
            gauges,
        }))
    }

    /// Notes that a check passes.
    pub fn pass(&self, check: Check) {
        self.note(check, Ok(()));
    }

    /// Notes that a check fails, and why.
    pub fn fail(&self, check: Check, reason: &str) {
        self.note(check, Err(reason.to_owned()));
    }

    fn note(&self, check: Check, result: Result<(), String>) {
        self.0.gauges.with([check.as_str()]).set_flag(result.is_ok());
        let mut ready = self.0.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.checks.insert(check, result);
    }

    /// Says that the process is about to end: it is not ready from now on.
    pub fn drain(&self) {
        self.0.ready.lock().unwrap_or_else(PoisonError::into_inner).draining = true;
    }

    /// Makes the pulse of one polling thread. It counts as ticked now; dropping it ends the watch.
    #[must_use]
    pub fn pulse(&self, thread: &str) -> Pulse {
        let pulse = Pulse { ticked: Arc::new(AtomicU64::new(0)), health: self.clone() };
        pulse.tick();
        let mut pulses = self.0.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        pulses.push((thread.to_owned(), Arc::downgrade(&pulse.ticked)));
        pulse
    }

    /// Answers whether every polling thread has ticked within 30 seconds.
    #[must_use]
    pub fn live(&self) -> Probe {
        let now = (self.0.clock)();
        let mut pulses = self.0.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        pulses.retain(|(_, ticked)| ticked.strong_count() > 0);
        let checks = pulses.iter().filter_map(|(thread, ticked)| {
            let ticked = Duration::from_millis(ticked.upgrade()?.load(Ordering::Relaxed));
            let age = now.saturating_sub(ticked);
            let result =
                if age > TICK_AGE_MAX { Err(format!("no tick for {} s", age.as_secs())) } else { Ok(()) };
            Some((thread.clone(), result))
        });
        Probe::of(checks.collect())
    }

    /// Answers whether the process has come up and is not about to end.
    #[must_use]
    pub fn ready(&self) -> Probe {
        let ready = self.0.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let shutdown = if ready.draining { Err("draining".to_owned()) } else { Ok(()) };
        let checks = ready.checks.iter().map(|(check, result)| (check.as_str().to_owned(), result.clone()));
        Probe::of(checks.chain([("shutdown".to_owned(), shutdown)]).collect())
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Health({:?}, {:?})", self.live(), self.ready())
    }
}

/// The pulse of one polling thread.
pub struct Pulse {
    ticked: Arc<AtomicU64>,
    health: Health,
}

impl Pulse {
    /// Says that the thread is at work. To be called once per batch, empty ones included.
    pub fn tick(&self) {
        let now = u64::try_from((self.health.0.clock)().as_millis()).unwrap_or(u64::MAX);
        self.ticked.store(now, Ordering::Relaxed);
    }
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pulse")
    }
}
