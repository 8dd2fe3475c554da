//! The producer of a worker: a bounded queue out, and marks that tell what has arrived.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use tracing::warn;

use super::port::{Error, SendError};

/// The topics that results go to.
#[derive(Clone, PartialEq, Eq, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Topics {
    /// Partials, from every worker to the merges.
    pub partials: String,
    /// Every edge's report.
    pub edges: String,
    /// The reports of edges that staged policies would deny.
    pub denies: String,
    /// Recommended policies.
    pub recommendations: String,
    /// Records that could not be read.
    pub dead_letters: String,
}

impl Default for Topics {
    fn default() -> Self {
        let name = |what| format!("flowstage.{what}");
        Self {
            partials: name("partials"),
            edges: name("edges"),
            denies: name("denies"),
            recommendations: name("recommendations"),
            dead_letters: name("dead-letters"),
        }
    }
}

/// Properties that exactness rests on. They are set after the user's.
const OWNED: &[(&str, &str)] = &[
    // A retry neither repeats a record nor changes the order, and a record counts once all replicas have it.
    ("enable.idempotence", "true"),
    ("acks", "all"),
    // Never give a record up: in an outage the queue fills, the input is held back, and nothing is lost. A record
    // that can never arrive, because it is too large or its topic is gone, still fails at once.
    ("message.timeout.ms", "0"),
    // As the Java client places keyed records, so that one key has one place whoever writes it.
    ("partitioner", "murmur2_random"),
];

/// Other names of what is in [`OWNED`] (librdkafka, CONFIGURATION.md).
const ALIASES: &[&str] = &["request.required.acks", "delivery.timeout.ms"];

/// Checks that a property of the client is a user's to set.
///
/// # Errors
///
/// When it is ours; the text says why.
pub fn check_property(name: &str) -> Result<(), String> {
    match OWNED.iter().any(|(it, _)| *it == name) || ALIASES.contains(&name) {
        true => Err("is set by this program: leave it out, exactness rests on it".to_owned()),
        false => Ok(()),
    }
}

/// Where librdkafka's own default is wrong for us. A user's property goes before these.
const DEFAULTS: &[(&str, &str)] = &[
    // The default of a gibibyte is no bound. Twice this is what a worker makes between two flushes at full rate.
    ("queue.buffering.max.kbytes", "32768"),
    // Partials and JSON repeat themselves: a third of the bytes for little time.
    ("compression.codec", "lz4"),
    // A flush sends many records at once; so short a wait fills the batches and is lost in the flush interval.
    ("queue.buffering.max.ms", "5"),
    ("reconnect.backoff.ms", "100"),
    ("reconnect.backoff.max.ms", "2000"),
];

/// Sends records in order, and tells when everything before a mark has arrived.
///
/// `M` is what the owner calls a mark. One producer has one owner, who calls [`KafkaProducer::arrived`] in every turn:
/// that is also what serves the client.
pub struct KafkaProducer<M> {
    producer: BaseProducer<Deliveries>,
    /// Counts what was sent since the last mark.
    current: Arc<Group>,
    sent: u64,
    /// Marks whose records are under way, oldest first.
    pending: VecDeque<Pending<M>>,
}

impl<M> fmt::Debug for KafkaProducer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaProducer").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Pending<M> {
    mark: M,
    group: Arc<Group>,
    sent: u64,
}

/// The records between two marks.
#[derive(Debug, Default)]
struct Group {
    arrived: AtomicU64,
}

/// What the client calls back with: it counts, and keeps the first failure.
#[derive(Debug, Default)]
struct Deliveries {
    failure: OnceLock<Failure>,
}

#[derive(Debug)]
struct Failure {
    topic: String,
    partition: i32,
    error: KafkaError,
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        warn!(%error, reason, "kafka producer");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Group>;

    fn delivery(&self, result: &DeliveryResult<'_>, group: Arc<Group>) {
        match result {
            Ok(_) => {
                group.arrived.fetch_add(1, Ordering::Release);
            }
            Err((error, record)) => {
                self.failure.get_or_init(|| Failure {
                    topic: record.topic().to_owned(),
                    partition: record.partition(),
                    error: error.clone(),
                });
            }
        }
    }
}

impl<M> KafkaProducer<M> {
    /// Makes a producer; connects when the first record is sent.
    ///
    /// # Errors
    ///
    /// When a property is not acceptable.
    pub fn new<'p>(
        brokers: &str,
        client_id: &str,
        properties: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Result<Self, Error> {
        let mut config = ClientConfig::new();
        for (name, value) in DEFAULTS {
            config.set(*name, *value);
        }
        for (name, value) in properties {
            check_property(name)
                .map_err(|why| Error::Kafka { context: format!("property `{name}` {why}"), source: None })?;
            config.set(name, value);
        }
        for (name, value) in OWNED {
            config.set(*name, *value);
        }
        config.set("bootstrap.servers", brokers).set("client.id", client_id);
        let producer = config.create_with_context(Deliveries::default()).map_err(|source| Error::Kafka {
            context: "the settings of the Kafka producer are not valid".to_owned(),
            source: Some(source),
        })?;
        Ok(Self { producer, current: Arc::default(), sent: 0, pending: VecDeque::new() })
    }

    /// Queues a record; does not wait. Without a `partition` the key chooses one; without a `value` it is a tombstone.
    ///
    /// # Errors
    ///
    /// When the queue is full, or the record can never be sent.
    pub fn send(
        &mut self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), SendError> {
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, Arc::clone(&self.current));
        (record.partition, record.key, record.payload) = (partition, key, value);
        match self.producer.send(record) {
            Ok(()) => {
                self.sent += 1;
                Ok(())
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Err(SendError::Full),
            Err((source, _)) => Err(SendError::Failed(Error::Kafka {
                context: match partition {
                    Some(partition) => {
                        format!("cannot send a record to partition {partition} of topic `{topic}`")
                    }
                    None => format!("cannot send a record to topic `{topic}`"),
                },
                source: Some(source),
            })),
        }
    }

    /// Marks everything that was sent so far.
    pub fn mark(&mut self, mark: M) {
        let group = std::mem::take(&mut self.current);
        self.pending.push_back(Pending { mark, group, sent: std::mem::take(&mut self.sent) });
    }

    /// Serves the client and returns the marks that everything before has arrived for, in order.
    ///
    /// # Errors
    ///
    /// When a record will never arrive: no mark behind it is ever returned.
    pub fn arrived(&mut self) -> Result<Vec<M>, Error> {
        // One call serves one event, and one event tells of many deliveries.
        for _ in 0..8 {
            self.producer.poll(Duration::ZERO);
        }
        self.check()?;
        let mut marks = Vec::new();
        // Records go to many partitions and arrive in any order; a mark waits for all marks before it.
        while let Some(first) = self.pending.front()
            && first.group.arrived.load(Ordering::Acquire) == first.sent
        {
            marks.extend(self.pending.pop_front().map(|it| it.mark));
        }
        Ok(marks)
    }

    /// Returns how many records are queued or under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.producer.in_flight_count()).unwrap_or(0)
    }

    /// Sends what is queued and waits until it has arrived, at most `deadline`.
    ///
    /// # Errors
    ///
    /// When something has not arrived.
    pub fn flush(&mut self, deadline: Duration) -> Result<(), Error> {
        let until = Instant::now() + deadline;
        let flushed = self.producer.flush(until.saturating_duration_since(Instant::now()));
        self.check()?;
        flushed.map_err(|source| Error::Kafka {
            context: format!("{} records did not arrive within {} s", self.in_flight(), deadline.as_secs()),
            source: Some(source),
        })
    }

    fn check(&self) -> Result<(), Error> {
        let Some(Failure { topic, partition, error }) = self.producer.context().failure.get() else {
            return Ok(());
        };
        let context = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                format!("topic `{topic}` is gone: create it again")
            }
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                format!(
                    "not allowed to write to topic `{topic}`: grant this user `Write` and `Describe` on it"
                )
            }
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                format!("topic `{topic}` does not take records of this size: raise its `max.message.bytes`")
            }
            _ => format!("a record for partition {partition} of topic `{topic}` did not arrive"),
        };
        Err(Error::Kafka { context, source: Some(error.clone()) })
    }
}
