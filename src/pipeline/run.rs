//! Starts the workers of one process and waits for them.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::error::Error;
use super::kafka_outbox::{Alone, KafkaOutbox};
use super::loaded::Loaded;
use super::local_outbox::LocalOutbox;
use super::memory_log::{MemoryLog, MemoryLogReader};
use super::outbox::Outbox;
use super::results::Results;
use super::shared::Shared;
use super::state::State;
use super::worker::{Pace, Worker};
use crate::aggregate::{Retain, Settings, StoreLimits};
use crate::decode::{Decoder, Format, parse_trace};
use crate::engine::{self, Engine, LOOKS_LIVE, Ticket};
use crate::evaluate::Programs;
use crate::ingest::Consumer;
use crate::recommend;
use crate::sink::{KafkaProducer, Topics};
use crate::telemetry::{Health, Metrics};

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
    /// How policies are recommended.
    pub recommend: recommend::Config,
    /// The name of the flows topic, for messages.
    pub flows_topic: String,
    /// How many partitions the flows topic has.
    pub partitions: u32,
    /// A random number that marks this process's writes.
    pub incarnation: u64,
    /// Whether the process ends when its input does.
    pub ends_at_end_of_input: bool,
}

/// Where partials and results go.
#[derive(Debug)]
pub enum Outputs {
    /// The process runs alone: partials stay in memory, results go to the readers of this process only.
    Local,
    /// The process runs alone, and publishes its results. One producer a worker.
    Published(Vec<KafkaProducer<Ticket>>, Topics),
    /// The process is one of a group: partials and results go to Kafka, and its readers are fed from there.
    Group(Vec<KafkaProducer<Ticket>>, Topics),
}

/// The workers of one process, at work.
#[derive(Debug)]
pub struct Pipeline {
    shared: Arc<Shared>,
    results: Arc<Results>,
    threads: Vec<JoinHandle<Result<(), Error>>>,
}

impl Pipeline {
    /// Starts one worker for each consumer. `results` are what the readers of this process see.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread.
    pub fn start(
        config: &Config,
        programs: Arc<Programs>,
        metrics: &Metrics,
        health: &Health,
        results: Arc<Results>,
        consumers: Vec<Box<dyn Consumer + Send>>,
        outputs: Outputs,
    ) -> Result<Self, Error> {
        let loaded = Loaded::install(programs, metrics);
        results.edges().set_current(loaded.programs().revision());
        let workers = consumers.len();
        let shared = Arc::new(Shared::new(metrics.clone(), loaded, workers, config.ends_at_end_of_input));
        let mut pipeline = Self { shared, results, threads: Vec::new() };
        let exits = pipeline.exits(config, outputs, workers, metrics);
        for (number, (consumer, exit)) in consumers.into_iter().zip(exits).enumerate() {
            pipeline.spawn(config, health, number, consumer, exit)?;
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

    /// Makes the way out of each worker.
    fn exits(&self, config: &Config, outputs: Outputs, workers: usize, metrics: &Metrics) -> Vec<Exit> {
        let alone = || {
            let (log, readers) = MemoryLog::new(config.settings.merge_partitions);
            (log, share_out(readers, workers))
        };
        match outputs {
            Outputs::Local => {
                let (log, shares) = alone();
                let exit = |readers| Exit {
                    outbox: Box::new(LocalOutbox::new(log.clone(), Arc::clone(&self.results))),
                    memory_log: Some(log.clone()),
                    readers,
                };
                shares.into_iter().map(exit).collect()
            }
            Outputs::Published(producers, topics) => {
                let (log, shares) = alone();
                let exit = |(readers, producer)| {
                    let alone = Alone { log: log.clone(), results: Arc::clone(&self.results) };
                    Exit {
                        outbox: Box::new(KafkaOutbox::new(producer, topics.clone(), Some(alone), metrics)),
                        memory_log: Some(log.clone()),
                        readers,
                    }
                };
                shares.into_iter().zip(producers).map(exit).collect()
            }
            Outputs::Group(producers, topics) => {
                let exit = |producer| Exit {
                    outbox: Box::new(KafkaOutbox::new(producer, topics.clone(), None, metrics)),
                    memory_log: None,
                    readers: Vec::new(),
                };
                producers.into_iter().map(exit).collect()
            }
        }
    }

    fn spawn(
        &mut self,
        config: &Config,
        health: &Health,
        number: usize,
        consumer: Box<dyn Consumer + Send>,
        exit: Exit,
    ) -> Result<(), Error> {
        let Exit { outbox, memory_log, readers } = exit;
        let retain = if memory_log.is_some() { Retain::Windows } else { Retain::OpenPanes };
        let spec = engine::Spec {
            settings: config.settings,
            retain,
            partitions: config.partitions,
            incarnation: config.incarnation.wrapping_add(u64::try_from(number).unwrap_or(0)),
            message_bytes_max: MESSAGE_BYTES_MAX,
        };
        let programs = Arc::clone(self.shared.loaded().programs());
        let mut engine = Engine::new(spec, config.recommend.clone(), programs);
        // Where the input ends nobody waits for the next flow, and one that is passed over may not come again.
        let looks_max = if config.ends_at_end_of_input { u32::MAX } else { LOOKS_LIVE };
        engine.compare_traces(|text| parse_trace(text).ok(), looks_max);
        let name = format!("worker-{number}");
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
            results: Arc::clone(&self.results),
            pulse: health.pulse(&name),
            state: State::new(engine, Decoder::new(config.format), &self.shared),
        };
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name(name)
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

/// The way out of one worker, and what it reads back in memory.
struct Exit {
    outbox: Box<dyn Outbox>,
    memory_log: Option<MemoryLog>,
    readers: Vec<MemoryLogReader>,
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
