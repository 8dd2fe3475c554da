//! The demonstration's traffic: generated as time passes, produced to the embedded broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use crate::evaluate::Programs;
use crate::generate::{Settings, Traffic as Generated, recorded_verdicts_of};
use crate::model::EventTime;
use crate::sink::KafkaProducer;

/// Records that are produced at once; then it is looked at the clock again.
const BURST: Duration = Duration::from_millis(50);

/// A thread that produces until it is stopped.
pub(super) struct Traffic {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    produced: AtomicU64,
}

impl Traffic {
    /// Starts to produce `rate` records a second, their traces as `programs` give them.
    pub(super) fn start(
        brokers: &str,
        topic: &str,
        programs: &Programs,
        seed: u64,
        rate: u64,
    ) -> anyhow::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
        let settings = Settings {
            seed,
            rate,
            flows: u64::MAX,
            start: EventTime::from_millis(i64::try_from(now.as_millis())?),
            lateness: Duration::from_secs(10),
            poison_share: 0.000_1,
            ..Settings::default()
        };
        let generated = Generated::new(settings, recorded_verdicts_of(programs))?;
        let producer = KafkaProducer::new(brokers, "flowstage-demo", [])?;
        let shared = Arc::new(Shared::default());
        let (own, topic) = (Arc::clone(&shared), topic.to_owned());
        let thread = std::thread::Builder::new()
            .name("traffic".to_owned())
            .spawn(move || produce(generated, producer, &topic, rate, &own))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Returns how many records were produced.
    pub(super) fn produced(&self) -> u64 {
        self.shared.produced.load(Ordering::Relaxed)
    }

    /// Asks the thread to stop.
    pub(super) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // A panic in there was reported by the panic hook.
            drop(thread.join());
        }
    }
}

fn produce(
    generated: impl Iterator<Item = crate::generate::GeneratedRecord>,
    mut producer: KafkaProducer<()>,
    topic: &str,
    rate: u64,
    shared: &Shared,
) {
    let began = Instant::now();
    let mut records = generated.peekable();
    while !shared.stop.load(Ordering::Relaxed) && records.peek().is_some() {
        let due = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_mul(rate) / 1_000;
        while shared.produced.load(Ordering::Relaxed) < due {
            let Some(record) = records.peek() else { break };
            let key = record.host.as_bytes();
            if producer.send(topic, None, Some(key), Some(&record.value)).is_err() {
                break;
            }
            records.next();
            shared.produced.fetch_add(1, Ordering::Relaxed);
        }
        if let Err(error) = producer.arrived() {
            tracing::error!(%error, "the traffic cannot be produced");
            return;
        }
        std::thread::sleep(BURST);
    }
    if let Err(error) = producer.flush(Duration::from_secs(5)) {
        tracing::warn!(%error, "the last of the traffic did not arrive");
    }
}
