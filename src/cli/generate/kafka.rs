//! Records to a topic.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::Output;
use crate::cli::complaint::Complaint;
use crate::config::Kafka;
use crate::generate::GeneratedRecord;

/// For the last records. Longer than the client's own timeout of a message would only wait for errors.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// For the topic to be made.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(20);

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
    pub(super) fn connect(kafka: &Kafka, partitions_create: Option<i32>) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config
            // The key decides the partition as it does for Java's clients, so that records of a node stay in order.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "20")
            .set("compression.type", "lz4")
            .set("enable.idempotence", "true");
        for (name, value) in &kafka.properties.0 {
            config.set(name, value);
        }
        config
            .set("bootstrap.servers", &kafka.brokers)
            .set("client.id", format!("{}-generate", kafka.client_id));
        let topic = kafka.topics.flows.clone();
        let unusable = |source: KafkaError| {
            Complaint::failure(format!("the client for `{}` cannot be set up", kafka.brokers))
                .caused_by(source)
                .remedy("check `kafka.properties` in the configuration")
        };
        if let Some(partitions) = partitions_create {
            create_topic(&config, &kafka.brokers, &topic, partitions)?;
        }
        let deliveries = Arc::new(Deliveries::default());
        let producer = config.create_with_context(Context(Arc::clone(&deliveries))).map_err(unusable)?;
        Ok(Self { producer, deliveries, topic })
    }

    fn check(&self) -> Result<(), Complaint> {
        match self.deliveries.first_error.get() {
            None => Ok(()),
            Some(error) => {
                let failed = self.deliveries.failed.load(Ordering::Relaxed);
                Err(Complaint::failure(format!("{failed} records did not reach the topic `{}`", self.topic))
                    .caused_by(error.clone())
                    .remedy(
                        "check brokers and topic; `--partitions-create N` makes a topic that is not there",
                    ))
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
