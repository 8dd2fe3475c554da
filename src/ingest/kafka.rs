//! The consumer of a worker: one member of the group, reading both logs.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use tracing::warn;

use super::native::{self, Batch, Buffer, CommitQueue, Entry, FetchQueue};
use super::offsets::{Position, Positions};
use super::port::{Committed, Consumer, Error, From, Log, LogPartition, Rebalance, Record};
use super::rebalance::{Change, Member, Queues, Span, Topics};
use super::settings::KafkaConfig;
use super::stats::KafkaStats;
use super::topics;
use super::waker::Waker;
use crate::model::EventTime;

/// The most records of one log in one batch: some milliseconds of work, after which the group is served again.
const BATCH_RECORDS: usize = 2_048;

/// How often what was noted is committed. A crash folds again what came since, so it bounds nothing that is wrong,
/// only what is repeated; each commit is one small request a group coordinator has to write.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// Events served in one call: rebalances and commits come one at a time, log lines of the client in bursts.
const EVENTS_PER_CALL: usize = 16;

/// A worker's member of the consumer group, reading the flows topic and the partials topic.
///
/// Two queues carry the records, one a log, so that one log can wait while the other is read. A log that is paused
/// is simply not read: the client stops fetching when its queue is full. That keeps what was fetched, where the
/// client's own pause would drop it and fetch it again.
pub struct KafkaConsumer {
    queues: Arc<Queues>,
    commits: CommitQueue<Member>,
    consumer: Arc<BaseConsumer<Member>>,
    waker: Arc<Waker>,
    buffer: Buffer,
    positions: Positions,
    paused: Paused,
    strays: VecDeque<Stray>,
    ticked: Instant,
}

impl fmt::Debug for KafkaConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConsumer").field("topics", &self.member().topics).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Paused {
    flows: bool,
    partials: bool,
}

impl Paused {
    fn of(&mut self, log: Log) -> &mut bool {
        match log {
            Log::Flows => &mut self.flows,
            Log::Partials => &mut self.partials,
        }
    }
}

/// A record that came to the consumer's own queue. None is expected there; one that comes is not lost.
#[derive(Debug)]
struct Stray {
    source: LogPartition,
    offset: i64,
    timestamp: Option<EventTime>,
    value: Vec<u8>,
}

impl KafkaConsumer {
    /// Connects, checks that the topics exist, and begins to join the group.
    ///
    /// # Errors
    ///
    /// When a property is not acceptable, no broker answers, or a topic is missing.
    pub fn new(config: &KafkaConfig, partials_topic: Option<&str>, from: From) -> Result<Self, Error> {
        let stats = Arc::new(KafkaStats::default());
        let topics =
            Topics { flows: config.flows_topic.clone(), partials: partials_topic.map(ToOwned::to_owned) };
        let names: Vec<&str> =
            [Some(config.flows_topic.as_str()), partials_topic].into_iter().flatten().collect();

        let member = Member::new(topics.clone(), from, stats);
        let mut consumer: BaseConsumer<Member> =
            config.client()?.create_with_context(member).map_err(|source| Error::Kafka {
                context: "the settings of the Kafka consumer are not valid".to_owned(),
                source: Some(source),
            })?;
        for name in &names {
            topics::partitions(consumer.client(), &config.brokers, name)?;
        }

        let waker = Arc::new(Waker::default());
        let events = Arc::clone(&waker);
        consumer.set_nonempty_callback(move || events.wake());
        let consumer = Arc::new(consumer);
        let queue = || FetchQueue::new(Arc::clone(&consumer), Arc::clone(&waker));
        let queues = Arc::new(Queues { flows: queue(), partials: queue() });
        consumer.context().set_queues(&queues);
        consumer.subscribe(&names).map_err(|source| Error::Kafka {
            context: format!("cannot subscribe to {names:?}"),
            source: Some(source),
        })?;
        Ok(Self {
            queues,
            commits: CommitQueue::new(Arc::clone(&consumer)),
            consumer,
            waker,
            buffer: Buffer::new(BATCH_RECORDS),
            positions: Positions::default(),
            paused: Paused::default(),
            strays: VecDeque::new(),
            ticked: Instant::now(),
        })
    }

    /// Returns what this consumer counts.
    #[must_use]
    pub fn stats(&self) -> Arc<KafkaStats> {
        Arc::clone(&self.member().stats)
    }

    fn member(&self) -> &Member {
        self.consumer.context()
    }

    /// Delivers what is there, partials first: they are few, and results wait for them.
    fn drain(&mut self, visit: &mut dyn FnMut(Record<'_>)) -> Result<usize, Error> {
        let mut count = 0;
        while let Some(stray) = self.strays.pop_front() {
            if self.positions.accept(stray.source, stray.offset) {
                let Stray { source, offset, timestamp, ref value } = stray;
                visit(Record { source, offset, place: None, timestamp, value });
                count += 1;
            }
        }
        for log in [Log::Partials, Log::Flows] {
            if !*self.paused.of(log) {
                let batch = self.queues.of(log).poll(&mut self.buffer);
                count += deliver(&batch, log, &mut self.positions, self.consumer.context(), visit)?;
            }
        }
        Ok(count)
    }

    /// Serves one event of the client.
    fn serve(&mut self) -> Result<(), Error> {
        match self.consumer.poll(Duration::ZERO) {
            None => Ok(()),
            Some(Ok(message)) => {
                if let Some(stray) = stray(&self.consumer.context().topics, &message) {
                    self.strays.push_back(stray);
                }
                Ok(())
            }
            // Counted and logged where the client reported it.
            Some(Err(source)) => match hopeless(&self.consumer, &source) {
                Some(context) => Err(Error::Kafka { context, source: Some(source) }),
                None => Ok(()),
            },
        }
    }

    fn follow(&mut self, Change { rebalance, spans }: Change) -> Rebalance {
        match &rebalance {
            Rebalance::Assigned(assigned) => {
                for ((partition, _), Span { next, end }) in assigned.iter().zip(spans) {
                    self.positions.open(*partition, Position { next, end });
                }
            }
            Rebalance::Revoked(gone) | Rebalance::Lost(gone) => {
                for &partition in gone {
                    self.positions.close(partition);
                }
            }
        }
        rebalance
    }

    /// Does what is due every now and then: commits, and the lag for whoever looks.
    fn tick(&mut self) {
        if self.ticked.elapsed() < COMMIT_INTERVAL {
            return;
        }
        self.ticked = Instant::now();
        let member = self.consumer.context();
        let lag: BTreeMap<_, _> = self
            .positions
            .iter()
            .filter_map(|(it, position)| {
                let (low, high) =
                    native::cached_watermarks(&self.consumer, member.topics.name(it.log), it.partition)?;
                Some((it, (high - position.next.max(low)).max(0)))
            })
            .collect();
        member.stats.set_lag(lag);
        let due = member.state().ledger.due();
        if due.is_empty() {
            return;
        }
        let sent = member.topics.list(&due).and_then(|list| self.commits.send(&list));
        match sent {
            Ok(()) => member.state().ledger.sent(&due),
            // Still due, so tried again with the next tick.
            Err(error) => warn!(%error, "a commit could not be sent"),
        }
    }
}

impl Consumer for KafkaConsumer {
    fn next_batch(&mut self, wait: Duration, visit: &mut dyn FnMut(Record<'_>)) -> Result<usize, Error> {
        let count = self.drain(visit)?;
        if count > 0 || wait.is_zero() {
            return Ok(count);
        }
        // An event of the group ends the wait too, so that it is served at once.
        self.waker.wait(wait);
        self.drain(visit)
    }

    fn rebalances(&mut self) -> Result<Vec<Rebalance>, Error> {
        for _ in 0..EVENTS_PER_CALL {
            self.serve()?;
        }
        let (changes, failure) = {
            let mut state = self.member().state();
            (state.take_changes(), state.failure.take())
        };
        if let Some(failure) = failure {
            return Err(failure);
        }
        let changes = changes.into_iter().map(|it| self.follow(it)).collect();
        while let Some(answer) = self.commits.answer() {
            self.consumer.context().committed(answer);
        }
        self.tick();
        Ok(changes)
    }

    fn note_commit(&mut self, partition: LogPartition, committed: Committed) {
        self.member().state().ledger.note(partition, committed);
    }

    fn set_paused(&mut self, log: Log, paused: bool) -> Result<(), Error> {
        *self.paused.of(log) = paused;
        Ok(())
    }

    fn is_at_end(&self, partition: LogPartition) -> bool {
        let Some(position) = self.positions.get(partition) else { return false };
        let topic = self.member().topics.name(partition.log);
        // What the assignment found and what the last fetch told; the former alone would age, and the latter may be
        // from before the assignment.
        let end = native::cached_watermarks(&self.consumer, topic, partition.partition)
            .map_or(position.end, |(_, high)| high.max(position.end));
        // The client's own position passes the marks of transactions, which nobody is given.
        position.next >= end || native::position(&self.consumer, topic, partition.partition) >= Some(end)
    }

    fn close(&mut self, deadline: Duration) -> Result<(), Error> {
        let until = Instant::now() + deadline;
        let left = || until.saturating_duration_since(Instant::now());
        let due = self.member().state().ledger.due();
        // Leave some of the time for leaving: a group that waits for us to time out stands still.
        let committed = self.member().commit_now(&self.consumer, &due, deadline / 2);
        // A client that failed for good has left already, and refuses.
        if self.consumer.close_queue().is_ok() {
            while !self.consumer.closed() && !left().is_zero() {
                // What comes here is the revocation of everything, and the answer to leaving.
                drop(self.consumer.poll(left().min(Duration::from_millis(50))));
            }
            if !self.consumer.closed() {
                warn!("the consumer group did not let go in time");
                // Dropping the client would wait for the group without end. The process is about to exit, and the
                // broker's session timeout does what leaving would have done.
                mem::forget(Arc::clone(&self.consumer));
            }
        }
        match committed {
            Ok(()) => Ok(()),
            // Whoever leaves while the partitions move has nothing to commit to: the next owner begins at the last
            // commit, and reads again what is behind it.
            Err(error) if is_rebalancing(&error) => {
                warn!(%error, "the last offsets were not committed, as the group is rebalancing");
                Ok(())
            }
            Err(source) => Err(Error::Kafka {
                context:
                    "the last offsets could not be committed; what they cover is read again at the next start"
                        .to_owned(),
                source: Some(source),
            }),
        }
    }
}

/// Tells whether a commit was refused because the group's members or partitions are changing.
fn is_rebalancing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::RebalanceInProgress
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::UnknownMemberId
        )
    )
}

/// Hands the records of a batch to `visit` and notes how far each partition is.
fn deliver(
    batch: &Batch<'_>,
    log: Log,
    positions: &mut Positions,
    member: &Member,
    visit: &mut dyn FnMut(Record<'_>),
) -> Result<usize, Error> {
    if batch.len() == 0 {
        return Ok(0);
    }
    let (mut records, mut total, mut failure) = (0, 0, None);
    for entry in batch.iter() {
        match entry {
            Entry::Record { partition, offset, timestamp, key: _, value } => {
                let source = LogPartition { log, partition };
                let value = value.unwrap_or_default();
                if positions.accept(source, offset) {
                    let timestamp = timestamp.map(EventTime::from_millis);
                    visit(Record { source, offset, place: None, timestamp, value });
                    records += 1;
                    total += value.len() as u64;
                }
            }
            Entry::Failed { partition, offset, code, text } => {
                member.stats.error(code);
                let topic = member.topics.name(log);
                warn!(topic, partition, offset, %code, text, "a partition cannot be read");
                let context = unreadable(topic, partition, offset, code);
                let source = Some(KafkaError::MessageConsumption(code));
                failure.get_or_insert(Error::Kafka { context, source });
            }
        }
    }
    member.stats.delivered(log, records, total);
    // What was read before the failure was delivered; the member stops after it.
    failure.map_or(Ok(usize::try_from(records).unwrap_or(usize::MAX)), Err)
}

/// Tells what to do about a partition that cannot be read.
///
/// Lost connections and moved leaders never come here: the client heals them on its own and tells only of what it
/// cannot heal. Going on after one is not safe either, for the batch poll has moved the client's position past it.
fn unreadable(topic: &str, partition: i32, offset: i64, code: RDKafkaErrorCode) -> String {
    let place = format!("partition {partition} of topic `{topic}`");
    match code {
        RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => format!(
            "{place} no longer has offset {offset}: its records were deleted before they were read, or the topic was \
             made anew; start once with `--from earliest` to go on with what there is"
        ),
        RDKafkaErrorCode::TopicAuthorizationFailed => {
            format!("not allowed to read {place}: grant this user `Read` and `Describe` on the topic")
        }
        _ => format!("{place} cannot be read at offset {offset}"),
    }
}

/// Tells why an error of the client means that the member cannot go on, where it does.
fn hopeless(consumer: &BaseConsumer<Member>, error: &KafkaError) -> Option<String> {
    if let Some((_, text)) = native::fatal_error(consumer) {
        return Some(format!("the Kafka client cannot go on: {text}"));
    }
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {
            Some("not allowed to join the consumer group: grant this user `Read` on the group".to_owned())
        }
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
            Some("not allowed to read the topics: grant this user `Read` and `Describe` on them".to_owned())
        }
        _ => None,
    }
}

fn stray(topics: &Topics, message: &BorrowedMessage<'_>) -> Option<Stray> {
    Some(Stray {
        source: LogPartition { log: topics.log(message.topic())?, partition: message.partition() },
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().map(EventTime::from_millis),
        value: message.payload().unwrap_or_default().to_vec(),
    })
}
