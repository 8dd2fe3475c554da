//! Reads the result topics back, so that every process of a group shows what all of them published.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::Error;
use super::results::Results;
use crate::aggregate::EdgeReport;
use crate::ingest::TopicReader;
use crate::sink::render::{EdgeRecord, RecommendationRecord, RecordError};

/// How long one poll waits.
const POLL_WAIT: Duration = Duration::from_millis(200);

/// How long the start waits for what was published before. Later, the workers begin with what is there: they are exact
/// all the same, only what was learned for recommendations may be learned again.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);

/// A thread that feeds the readers of this process.
#[derive(Debug)]
pub struct ResultsReader {
    state: Arc<State>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    stop: AtomicBool,
    caught_up: Mutex<bool>,
    signal: Condvar,
}

impl ResultsReader {
    /// Starts reading from the begin of the topics. `reader` reads the topics of edges and of recommendations, in this
    /// order.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread.
    pub fn start(reader: TopicReader, results: Arc<Results>) -> Result<Self, Error> {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("results".to_owned())
            .spawn(move || read(reader, &results, &shared))
            .map_err(|source| Error::Start { what: "the results reader", source })?;
        Ok(Self { state, thread })
    }

    /// Waits until what was published before the start has been read, or for a bounded time.
    pub fn wait_until_caught_up(&self) {
        let guard = self.state.caught_up.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.state.signal.wait_timeout_while(guard, CATCH_UP_MAX, |caught_up| !*caught_up);
        if waited.is_ok_and(|(_, timeout)| timeout.timed_out()) {
            tracing::warn!(
                seconds = CATCH_UP_MAX.as_secs(),
                "the result topics are not read to their end yet"
            );
        }
    }

    /// Ends the thread.
    pub fn stop(self) {
        self.state.stop.store(true, Ordering::Relaxed);
        // A panic in there was reported by the panic hook.
        drop(self.thread.join());
    }
}

fn read(mut reader: TopicReader, results: &Results, state: &State) {
    let mut told_of_foreign = false;
    while !state.stop.load(Ordering::Relaxed) {
        let read = reader.next(POLL_WAIT, &mut |record| {
            if let Some(value) = record.value
                && let Err(error) = apply(results, record.topic, value)
            {
                tracing::warn!(topic = record.topic, %error, "a published result cannot be read back");
            }
        });
        if results.edges().foreign() > 0 && !std::mem::replace(&mut told_of_foreign, true) {
            tracing::warn!(
                "the topic of edges holds results with another `windows.slide`; they are left out of what is shown"
            );
        }
        if let Err(error) = read {
            tracing::warn!(%error, "the result topics cannot be read");
            std::thread::sleep(POLL_WAIT);
        }
        if reader.has_caught_up() {
            let mut known = state.caught_up.lock().unwrap_or_else(PoisonError::into_inner);
            if !*known {
                *known = true;
                state.signal.notify_all();
            }
        }
    }
}

fn apply(results: &Results, topic: usize, value: &[u8]) -> Result<(), RecordError> {
    if topic == 0 {
        results.apply(&EdgeReport::try_from(EdgeRecord::from_json(value)?)?);
    } else {
        results.recommend(RecommendationRecord::from_json(value)?);
    }
    Ok(())
}
