//! The clusters, and the few verbs that scenarios are told in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use flowstage::ingest::{
    Cleanup, Committed, Consumer, Creation, From, KafkaConfig, KafkaConsumer, Log, LogPartition, Rebalance,
    TopicSpec, ensure_topics,
};
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

use crate::support::broker::{Broker, unique};

/// Reached only when something is broken: a join takes up to four seconds, on a busy machine a few more.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

/// Where a scenario runs.
pub(crate) enum Cluster<'a> {
    Mock(MockCluster<'static, DefaultProducerContext>),
    Real(&'a Broker),
}

/// Runs a scenario on the embedded broker.
pub(crate) fn on_mock(scenario: fn(&Cluster<'_>)) {
    scenario(&Cluster::Mock(MockCluster::new(1).unwrap()));
}

/// Runs a scenario on the real broker, where there is one.
pub(crate) fn on_real(test: &str, scenario: fn(&Cluster<'_>)) {
    if let Some(broker) = Broker::shared(test) {
        scenario(&Cluster::Real(broker));
    }
}

/// Makes the tests of scenarios, on both kinds of broker.
macro_rules! scenarios {
    ($($scenario:ident),* $(,)?) => {
        mod embedded {
            $(#[test] fn $scenario() { $crate::setup::on_mock(super::$scenario) })*
        }
        mod real {
            $(#[test] fn $scenario() { $crate::setup::on_real(stringify!($scenario), super::$scenario) })*
        }
    };
}
pub(crate) use scenarios;

impl Cluster<'_> {
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Mock(cluster) => cluster.bootstrap_servers(),
            Self::Real(broker) => broker.address(),
        }
    }

    /// Makes a topic and returns its name.
    pub(crate) fn topic(&self, what: &str, partitions: i32) -> String {
        let name = unique(what);
        match self {
            // The embedded broker knows no admin requests.
            Self::Mock(cluster) => cluster.create_topic(&name, partitions, 1).unwrap(),
            Self::Real(_) => {
                // Records of these tests are stamped years ago, and none may go of age.
                let keep = Duration::from_secs(50 * 365 * 24 * 3_600);
                let spec =
                    TopicSpec { name: name.clone(), partitions, fixed: true, cleanup: Cleanup::Delete(keep) };
                ensure_topics(&self.config(&name), Creation::Allowed { replication: Some(1) }, &[spec])
                    .unwrap();
            }
        }
        name
    }

    /// Returns the settings of a group of its own that reads `flows`.
    pub(crate) fn config(&self, flows: &str) -> KafkaConfig {
        KafkaConfig {
            brokers: self.address(),
            flows_topic: flows.to_owned(),
            group: unique("group"),
            ..KafkaConfig::default()
        }
    }

    /// Writes `values` to a partition, one after the other, and waits until they are there.
    pub(crate) fn produce(&self, topic: &str, partition: i32, values: &[String]) {
        produce(&self.address(), topic, partition, values);
    }
}

pub(crate) fn produce(address: &str, topic: &str, partition: i32, values: &[String]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        // Several batches, so that their borders are tested too.
        .set("batch.num.messages", "100")
        .create()
        .unwrap();
    for (idx, value) in (0..).zip(values) {
        let record: BaseRecord<'_, (), String> =
            BaseRecord::to(topic).partition(partition).timestamp(1_700_000_000_000 + idx);
        // An empty text stands for a tombstone.
        let record = if value.is_empty() { record } else { record.payload(value) };
        producer.send(record).map_err(|it| it.0).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
}

/// Returns `count` values that name themselves.
pub(crate) fn values(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|it| format!("{prefix}-{it}")).collect()
}

pub(crate) const fn flows(partition: i32) -> LogPartition {
    LogPartition { log: Log::Flows, partition }
}

pub(crate) const fn partials(partition: i32) -> LogPartition {
    LogPartition { log: Log::Partials, partition }
}

/// One delivered record: offset, timestamp, value.
pub(crate) type Got = (i64, Option<i64>, String);

/// A member, and everything that happened to it.
pub(crate) struct Worker {
    pub(crate) consumer: KafkaConsumer,
    /// What is ours now, and where it was left.
    pub(crate) assigned: BTreeMap<LogPartition, Option<Committed>>,
    pub(crate) got: BTreeMap<LogPartition, Vec<Got>>,
    pub(crate) revoked: usize,
    pub(crate) lost: usize,
}

impl Worker {
    pub(crate) fn join(config: &KafkaConfig, partials: Option<&str>, from: From) -> Self {
        let consumer = KafkaConsumer::new(config, partials, from).unwrap();
        Self { consumer, assigned: BTreeMap::new(), got: BTreeMap::new(), revoked: 0, lost: 0 }
    }

    /// Makes one turn of a worker's loop.
    pub(crate) fn turn(&mut self) -> Result<(), flowstage::ingest::Error> {
        for change in self.consumer.rebalances()? {
            match change {
                Rebalance::Assigned(assigned) => {
                    for (partition, left) in &assigned {
                        // As a fold does: what was read behind the commit is forgotten, and read again.
                        let next = left.as_ref().map_or(0, |it| it.offset);
                        self.got.entry(*partition).or_default().retain(|it| it.0 < next);
                    }
                    self.assigned.extend(assigned);
                }
                Rebalance::Revoked(gone) => {
                    self.revoked += gone.len();
                    self.assigned.retain(|it, _| !gone.contains(it));
                }
                Rebalance::Lost(gone) => {
                    self.lost += gone.len();
                    self.assigned.retain(|it, _| !gone.contains(it));
                }
            }
        }
        let Self { consumer, assigned, got, .. } = self;
        consumer.next_batch(Duration::from_millis(20), &mut |record| {
            assert!(assigned.contains_key(&record.source), "{:?} is not ours", record.source);
            let value = String::from_utf8(record.value.to_vec()).unwrap();
            let seen = got.entry(record.source).or_default();
            seen.push((record.offset, record.timestamp.map(|it| it.as_millis()), value));
        })?;
        Ok(())
    }

    /// Turns until `done`.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        turn_all(&mut [self], what, |all| done(all[0]));
    }

    pub(crate) fn offsets(&self, partition: LogPartition) -> Vec<i64> {
        self.got.get(&partition).map(|it| it.iter().map(|it| it.0).collect()).unwrap_or_default()
    }

    pub(crate) fn note(&mut self, partition: LogPartition, offset: i64, metadata: &str) {
        self.consumer.note_commit(partition, Committed { offset, metadata: metadata.to_owned() });
    }

    pub(crate) fn close(mut self) {
        self.consumer.close(Duration::from_secs(20)).unwrap();
    }
}

/// Lets all workers take turns until `done`.
#[track_caller]
pub(crate) fn turn_all(workers: &mut [&mut Worker], what: &str, done: impl Fn(&[&mut Worker]) -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done(workers) {
        if Instant::now() >= deadline {
            for it in workers.iter() {
                eprintln!("{:?} revoked {} lost {}", it.assigned, it.revoked, it.lost);
                eprintln!("{:?}", it.consumer.stats().snapshot());
            }
            panic!("never came to: {what}");
        }
        for worker in workers.iter_mut() {
            worker.turn().unwrap();
        }
    }
}
