//! Records to a topic.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::Output;
use crate::cli::complaint::Complaint;
use crate::config::Config;
use crate::generate::GeneratedRecord;
use crate::ingest::find_partition_count;

/// For the last records. Longer than the client's own timeout of a message would only wait for errors.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// For the topic to be made.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(20);

/// For a broker that makes topics by itself to make one that was asked for. One that does not answers the same for ever.
const AUTOMATIC_TIMEOUT: Duration = Duration::from_secs(3);

/// What may be done where the topic is not there.
const TOPIC_REMEDY: &str = "check brokers and topic; `--partitions-create N` makes a topic that is not there";

/// Counts what became of records.
#[derive(Default)]
struct Deliveries {
    failed: AtomicU64,
    first_error: OnceLock<KafkaError>,
}

struct Context(Arc<Deliveries>);

impl ClientContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.0.failed.fetch_add(1, Ordering::Relaxed);
            // Only the first is told; a second call changes nothing.
            self.0.first_error.get_or_init(|| error.clone());
        }
    }
}

/// A producer, and where it sends.
pub(super) struct KafkaOutput {
    producer: BaseProducer<Context>,
    deliveries: Arc<Deliveries>,
    topic: String,
}

impl KafkaOutput {
    /// Connects, and creates the topic if asked to and if it is not there.
    ///
    /// A broker that does not answer, and a topic that is not there, are told before anything is sent: the producer
    /// would wait for each long, and tell of every attempt.
    pub(super) fn connect(config: &Config, partitions_create: Option<i32>) -> anyhow::Result<Self> {
        let kafka = &config.kafka;
        let client = client(config);
        let topic = kafka.topics.flows.clone();
        let unusable = |source: KafkaError| {
            Complaint::failure(format!("the client for `{}` cannot be set up", kafka.brokers))
                .caused_by(source)
                .remedy("check `kafka.properties` in the configuration")
        };
        let found = find_partition_count(&config.ingest(), &topic).map_err(|source| {
            Complaint::failure(format!("records cannot be sent to `{}`", kafka.brokers))
                .caused_by(source)
                .remedy("give `--brokers` as host:port, and what else a client needs in `kafka.properties` of the configuration")
        })?;
        let deliveries = Arc::new(Deliveries::default());
        let producer = client.create_with_context(Context(Arc::clone(&deliveries))).map_err(unusable)?;
        let output = Self { producer, deliveries, topic };
        match (found, partitions_create) {
            (Some(_), _) => {}
            (None, Some(partitions)) => create_topic(&client, &kafka.brokers, &output.topic, partitions)?,
            (None, None) if output.is_made_by_broker() => {}
            (None, None) => {
                let message = format!("topic `{}` does not exist on `{}`", output.topic, kafka.brokers);
                return Err(Complaint::failure(message).remedy(TOPIC_REMEDY).into());
            }
        }
        Ok(output)
    }

    /// Tells whether the broker makes the topic because the producer asks for it (Kafka's `auto.create.topics.enable`).
    fn is_made_by_broker(&self) -> bool {
        let deadline = Instant::now() + AUTOMATIC_TIMEOUT;
        while Instant::now() < deadline {
            let asked = self.producer.client().fetch_metadata(Some(&self.topic), AUTOMATIC_TIMEOUT);
            let is_there = |it: &rdkafka::metadata::Metadata| {
                it.topics().iter().any(|it| it.name() == self.topic && !it.partitions().is_empty())
            };
            if asked.as_ref().is_ok_and(is_there) {
                return true;
            }
            thread::sleep(Duration::from_millis(100));
        }
        false
    }

    fn check(&self) -> Result<(), Complaint> {
        match self.deliveries.first_error.get() {
            None => Ok(()),
            Some(error) => {
                let failed = self.deliveries.failed.load(Ordering::Relaxed);
                Err(Complaint::failure(format!("{failed} records did not reach the topic `{}`", self.topic))
                    .caused_by(error.clone())
                    .remedy(TOPIC_REMEDY))
            }
        }
    }
}

impl Output for KafkaOutput {
    fn put(&mut self, record: &GeneratedRecord) -> anyhow::Result<()> {
        let mut next =
            BaseRecord::to(&self.topic).key(record.host.as_bytes()).payload(record.value.as_slice());
        loop {
            match self.producer.send(next) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    self.producer.poll(Duration::from_millis(50));
                    self.check()?;
                    next = back;
                }
                Err((error, _)) => {
                    let message = format!("a record cannot be sent to the topic `{}`", self.topic);
                    return Err(Complaint::failure(message).caused_by(error).into());
                }
            }
        }
        self.producer.poll(Duration::ZERO);
        Ok(self.check()?)
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        let flushed = self.producer.flush(FLUSH_TIMEOUT);
        self.check()?;
        flushed.map_err(|source| {
            Complaint::failure(format!("the last records did not reach the topic `{}` in time", self.topic))
                .caused_by(source)
        })?;
        Ok(())
    }
}

/// Makes the settings of the producer.
fn client(config: &Config) -> ClientConfig {
    let kafka = &config.kafka;
    let mut client = ClientConfig::new();
    client
        // The key decides the partition as it does for Java's clients, so that records of a node stay in order.
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "20")
        .set("compression.type", "lz4")
        .set("enable.idempotence", "true");
    for (name, value) in &kafka.properties.0 {
        client.set(name, value);
    }
    client.set("bootstrap.servers", &kafka.brokers).set("client.id", format!("{}-generate", kafka.client_id));
    client
}

fn create_topic(config: &ClientConfig, brokers: &str, topic: &str, partitions: i32) -> anyhow::Result<()> {
    let failed = |source: KafkaError| {
        Complaint::failure(format!("the topic `{topic}` cannot be created on `{brokers}`")).caused_by(source)
    };
    let admin: AdminClient<DefaultClientContext> = config.create().map_err(failed)?;
    // The broker's own default replication.
    let new = [NewTopic::new(topic, partitions, TopicReplication::Fixed(-1))];
    let options =
        AdminOptions::new().operation_timeout(Some(ADMIN_TIMEOUT)).request_timeout(Some(ADMIN_TIMEOUT));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for result in runtime.block_on(admin.create_topics(&new, &options)).map_err(failed)? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(failed(KafkaError::AdminOp(code)).into()),
        }
    }
    Ok(())
}
