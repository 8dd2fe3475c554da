//! Starts the workers of one process and waits for them.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::error::Error;
use super::loaded::Loaded;
use super::local_outbox::LocalOutbox;
use super::memory_log::{MemoryLog, MemoryLogReader};
use super::outbox::Outbox;
use super::results::Results;
use super::shared::Shared;
use super::worker::{Pace, State, Worker};
use crate::aggregate::{Retain, Settings, StoreLimits};
use crate::decode::{Decoder, Format};
use crate::engine::{self, Engine};
use crate::evaluate::Programs;
use crate::ingest::Consumer;
use crate::telemetry::Metrics;

/// Bytes after which a message of the partials log is closed: well below Kafka's usual limit of 1 MiB.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// What a pipeline is made of, beside its sources and its policies.
#[derive(Clone, Debug)]
pub struct Config {
    /// How the log is folded.
    pub settings: Settings,
    /// How workers keep time.
    pub pace: Pace,
    /// What the records look like.
    pub format: Format,
    /// How much readers see.
    pub store: StoreLimits,
    /// The name of the flows topic, for messages.
    pub flows_topic: String,
    /// How many partitions the flows topic has.
    pub partitions: u32,
    /// A random number that marks this process's writes.
    pub incarnation: u64,
    /// Whether the process ends when its input does.
    pub ends_at_end_of_input: bool,
}

/// The workers of one process, at work.
#[derive(Debug)]
pub struct Pipeline {
    shared: Arc<Shared>,
    results: Arc<Results>,
    threads: Vec<JoinHandle<Result<(), Error>>>,
}

impl Pipeline {
    /// Starts one worker for each consumer; the partials log lives in memory and results go straight to the readers.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread.
    pub fn start_alone(
        config: &Config,
        programs: Arc<Programs>,
        metrics: &Metrics,
        consumers: Vec<Box<dyn Consumer + Send>>,
    ) -> Result<Self, Error> {
        let loaded = Loaded::install(programs, metrics);
        let results = Arc::new(Results::new(config.settings.spec, config.store));
        results.edges().set_current(loaded.programs().revision());
        let ends = config.ends_at_end_of_input;
        let shared = Arc::new(Shared::new(metrics.clone(), loaded, consumers.len(), ends));
        let (log, readers) = MemoryLog::new(config.settings.merge_partitions);
        let mut pipeline = Self { shared, results, threads: Vec::new() };
        let shares = share_out(readers, consumers.len());
        for ((number, consumer), readers) in consumers.into_iter().enumerate().zip(shares) {
            let outbox = Box::new(LocalOutbox::new(log.clone(), Arc::clone(&pipeline.results)));
            pipeline.spawn(config, number, consumer, outbox, Some(log.clone()), readers)?;
        }
        Ok(pipeline)
    }

    /// Returns what workers share.
    #[must_use]
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns the results.
    #[must_use]
    pub const fn results(&self) -> &Arc<Results> {
        &self.results
    }

    /// Puts other policies into force.
    pub fn install(&self, programs: Arc<Programs>) {
        let loaded = Loaded::install(programs, &self.shared.metrics);
        self.results.edges().set_current(loaded.programs().revision());
        self.shared.install(loaded);
    }

    /// Tells whether a worker has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Waits for every worker. The first error is returned, after all have ended.
    ///
    /// # Errors
    ///
    /// When a worker could not go on.
    pub fn join(self) -> Result<Arc<Results>, Error> {
        let mut first = Ok(());
        for (number, thread) in self.threads.into_iter().enumerate() {
            let ended = thread.join().unwrap_or(Err(Error::Worker(number)));
            if first.is_ok() {
                first = ended;
            }
        }
        first.map(|()| self.results)
    }

    fn spawn(
        &mut self,
        config: &Config,
        number: usize,
        consumer: Box<dyn Consumer + Send>,
        outbox: Box<dyn Outbox>,
        memory_log: Option<MemoryLog>,
        readers: Vec<MemoryLogReader>,
    ) -> Result<(), Error> {
        let retain = if memory_log.is_some() { Retain::Windows } else { Retain::OpenPanes };
        let spec = engine::Spec {
            settings: config.settings,
            retain,
            partitions: config.partitions,
            incarnation: config.incarnation.wrapping_add(u64::try_from(number).unwrap_or(0)),
            message_bytes_max: MESSAGE_BYTES_MAX,
        };
        let engine = Engine::new(spec, Arc::clone(self.shared.loaded().programs()));
        let worker = Worker {
            number,
            consumer,
            outbox,
            memory_log,
            readers,
            settings: config.settings,
            pace: config.pace,
            flows_topic: config.flows_topic.clone(),
            shared: Arc::clone(&self.shared),
            state: State::new(engine, Decoder::new(config.format), &self.shared),
        };
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                let ended = worker.run();
                if ended.is_err() {
                    // One worker that cannot go on ends the process: half a process would look alive.
                    shared.end();
                }
                ended
            })
            .map_err(|source| Error::Start { what: "a worker thread", source })?;
        self.threads.push(thread);
        Ok(())
    }
}

/// Deals the partitions of the log in memory out to the workers.
fn share_out(readers: Vec<MemoryLogReader>, workers: usize) -> Vec<Vec<MemoryLogReader>> {
    let mut shares: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
    for (idx, reader) in readers.into_iter().enumerate() {
        if let Some(share) = shares.get_mut(idx % workers.max(1)) {
            share.push(reader);
        }
    }
    shares
}
