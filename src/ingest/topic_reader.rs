//! Reads whole topics, without a group: what processes publish for each other and for their readers.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tracing::warn;

use super::native::{self, Buffer, Entry, FetchQueue};
use super::port::Error;
use super::settings::KafkaConfig;
use super::topics;
use super::waker::Waker;
use crate::model::EventTime;

/// The most records of one topic in one call.
const BATCH_RECORDS: usize = 2_048;

/// How long the broker may take to tell where the topics end.
const ENDS_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads every partition of some topics from the beginning, and goes on with what comes.
///
/// Commits nothing and joins no group: every process reads everything. Meant for compacted topics whose records may
/// be read again without harm; where the broker removed what was next, reading goes on at the earliest record.
/// Partitions that are added to a topic later are not read before the next start.
pub struct TopicReader {
    queues: Vec<FetchQueue<Reading>>,
    consumer: Arc<BaseConsumer<Reading>>,
    waker: Arc<Waker>,
    buffer: Buffer,
    /// Partitions that have not come to the end that they had at the start.
    behind: Vec<Behind>,
}

/// One record of one of the topics.
#[derive(Clone, Copy, Debug)]
pub struct TopicRecord<'a> {
    /// Which of the topics, in the order in which they were given.
    pub topic: usize,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The broker's timestamp.
    pub timestamp: Option<EventTime>,
    /// The key; empty where there is none.
    pub key: &'a [u8],
    /// The value; `None` is a tombstone: the key is gone.
    pub value: Option<&'a [u8]>,
}

#[derive(Debug)]
struct Behind {
    topic: String,
    partition: i32,
    end: i64,
}

/// What the client calls back with.
#[derive(Debug)]
struct Reading;

impl ClientContext for Reading {
    fn error(&self, error: KafkaError, reason: &str) {
        warn!(%error, reason, "kafka reader");
    }
}

impl ConsumerContext for Reading {}

impl fmt::Debug for TopicReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicReader").field("behind", &self.behind).finish_non_exhaustive()
    }
}

impl TopicReader {
    /// Connects, sees where the topics end, and begins to read them.
    ///
    /// # Errors
    ///
    /// When a property is not acceptable, no broker answers, or a topic does not exist.
    pub fn new(config: &KafkaConfig, topics: &[&str]) -> Result<Self, Error> {
        let mut client = config.reader()?;
        // Whatever is left is what there is to read.
        client.set("auto.offset.reset", "earliest");
        let mut consumer: BaseConsumer<Reading> =
            client.create_with_context(Reading).map_err(|source| Error::Kafka {
                context: "the settings of the Kafka reader are not valid".to_owned(),
                source: Some(source),
            })?;
        let mut all = Vec::new();
        for &topic in topics {
            let count = topics::partitions(consumer.client(), &config.brokers, topic)?;
            all.extend((0..i32::try_from(count).unwrap_or(i32::MAX)).map(|partition| (topic, partition)));
        }
        let behind = behind_when_led(&consumer, &all).map_err(|source| Error::Kafka {
            context: format!("the broker did not tell where {topics:?} end"),
            source: Some(source),
        })?;

        let waker = Arc::new(Waker::default());
        let events = Arc::clone(&waker);
        consumer.set_nonempty_callback(move || events.wake());
        let consumer = Arc::new(consumer);
        let queues: Vec<_> =
            topics.iter().map(|_| FetchQueue::new(Arc::clone(&consumer), Arc::clone(&waker))).collect();
        begin(&consumer, topics, &queues, &all).map_err(|source| Error::Kafka {
            context: format!("cannot begin to read {topics:?}"),
            source: Some(source),
        })?;
        Ok(Self { queues, consumer, waker, buffer: Buffer::new(BATCH_RECORDS), behind })
    }

    /// Waits at most `wait` for records and hands each to `visit`, in offset order within a partition. Returns how
    /// many there were.
    ///
    /// # Errors
    ///
    /// When a topic cannot be read any more.
    pub fn next(&mut self, wait: Duration, visit: &mut dyn FnMut(TopicRecord<'_>)) -> Result<usize, Error> {
        // Errors of the connection are logged by the context and healed by the client.
        for _ in 0..8 {
            drop(self.consumer.poll(Duration::ZERO));
        }
        if let Some((_, text)) = native::fatal_error(&self.consumer) {
            return Err(Error::Kafka {
                context: format!("the Kafka client cannot go on: {text}"),
                source: None,
            });
        }
        let count = self.drain(visit)?;
        if count > 0 || wait.is_zero() {
            return Ok(count);
        }
        self.waker.wait(wait);
        self.drain(visit)
    }

    /// Tells whether everything was delivered that was there at the start.
    pub fn has_caught_up(&mut self) -> bool {
        let consumer = &self.consumer;
        self.behind.retain(|it| native::position(consumer, &it.topic, it.partition) < Some(it.end));
        self.behind.is_empty()
    }

    fn drain(&mut self, visit: &mut dyn FnMut(TopicRecord<'_>)) -> Result<usize, Error> {
        let mut count = 0;
        for (topic, queue) in self.queues.iter().enumerate() {
            for entry in queue.poll(&mut self.buffer).iter() {
                match entry {
                    Entry::Record { partition, offset, timestamp, key, value } => {
                        let timestamp = timestamp.map(EventTime::from_millis);
                        visit(TopicRecord { topic, partition, offset, timestamp, key, value });
                        count += 1;
                    }
                    Entry::Failed { partition, offset, code, text } => {
                        return Err(Error::Kafka {
                            context: format!(
                                "partition {partition} of a result topic cannot be read at offset {offset}: {text}"
                            ),
                            source: Some(KafkaError::MessageConsumption(code)),
                        });
                    }
                }
            }
        }
        Ok(count)
    }
}

/// As [`behind`], but gives partitions that were made a moment ago the time to find their leaders.
fn behind_when_led(consumer: &BaseConsumer<Reading>, all: &[(&str, i32)]) -> KafkaResult<Vec<Behind>> {
    let deadline = Instant::now() + ENDS_TIMEOUT;
    loop {
        match behind(consumer, all) {
            Err(error) if is_leaderless(&error) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(100));
            }
            found => return found,
        }
    }
}

fn is_leaderless(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        error.rdkafka_error_code(),
        Some(E::NotLeaderForPartition | E::LeaderNotAvailable | E::UnknownTopicOrPartition)
    )
}

/// Lists the partitions that hold records, and where they end.
fn behind(consumer: &BaseConsumer<Reading>, all: &[(&str, i32)]) -> KafkaResult<Vec<Behind>> {
    let edge = |what| -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for &(topic, partition) in all {
            list.add_partition_offset(topic, partition, what)?;
        }
        let found = consumer.offsets_for_times(list, ENDS_TIMEOUT)?;
        found.elements().iter().try_for_each(|it| it.error())?;
        Ok(found)
    };
    let (lows, ends) = (edge(Offset::Beginning)?, edge(Offset::End)?);
    let mut behind = Vec::new();
    for end in ends.elements() {
        let low = lows.find_partition(end.topic(), end.partition()).and_then(|it| it.offset().to_raw());
        if let Offset::Offset(offset) = end.offset()
            && low < Some(offset)
        {
            behind.push(Behind { topic: end.topic().to_owned(), partition: end.partition(), end: offset });
        }
    }
    Ok(behind)
}

fn begin(
    consumer: &BaseConsumer<Reading>,
    topics: &[&str],
    queues: &[FetchQueue<Reading>],
    all: &[(&str, i32)],
) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    for &(topic, partition) in all {
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
        if let Some(queue) = topics.iter().position(|it| *it == topic).and_then(|it| queues.get(it)) {
            queue.forward(topic, partition)?;
        }
    }
    consumer.assign(&list)
}
