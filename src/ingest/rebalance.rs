//! One member's side of the group protocol: what comes, where it begins, what is handed over and what is lost.
//!
//! Runs inside the poll that met the rebalance, on the worker's thread. Nothing is fetched for a partition before its
//! start is known for certain, and nothing is committed for one that may have another owner.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use tracing::{debug, info, warn};

use super::native::{self, CommitAnswer, FetchQueue, Offsets};
use super::offsets::{Ledger, Start};
use super::port::{Committed, Error, From, Log, LogPartition, Rebalance};
use super::stats::{CommitOutcome, KafkaStats};

/// How long the committed offsets are asked for before the member gives up. Half of what the broker waits for the
/// next poll, so that giving up is still in order.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// How long one question to the broker may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the last commit of revoked partitions may take. The whole group waits for it; what it misses is only
/// folded again by the next owner.
const REVOKE_COMMIT_DEADLINE: Duration = Duration::from_secs(3);

/// The topics of the two logs.
#[derive(Clone, Debug)]
pub(super) struct Topics {
    pub(super) flows: String,
    pub(super) partials: Option<String>,
}

impl Topics {
    /// Returns the name of a log's topic.
    pub(super) fn name(&self, log: Log) -> &str {
        match log {
            Log::Flows => &self.flows,
            Log::Partials => self.partials.as_deref().unwrap_or_default(),
        }
    }

    /// Returns which log a topic carries.
    pub(super) fn log(&self, topic: &str) -> Option<Log> {
        if topic == self.flows {
            Some(Log::Flows)
        } else {
            (self.partials.as_deref() == Some(topic)).then_some(Log::Partials)
        }
    }

    /// Writes what is known of some partitions as the client's list.
    pub(super) fn list<'a>(
        &self,
        commits: impl IntoIterator<Item = &'a (LogPartition, Committed)>,
    ) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for (it, committed) in commits {
            let mut elem = list.add_partition(self.name(it.log), it.partition);
            elem.set_offset(Offset::Offset(committed.offset))?;
            elem.set_metadata(&committed.metadata);
        }
        Ok(list)
    }

    /// Reads the client's list; what is of neither topic is left out.
    fn read(&self, list: &TopicPartitionList) -> Vec<LogPartition> {
        let elems = list.elements();
        elems
            .iter()
            .filter_map(|it| Some(LogPartition { log: self.log(it.topic())?, partition: it.partition() }))
            .collect()
    }
}

/// The queues that records go to, one a log, so that one can wait while the other is read.
#[derive(Debug)]
pub(super) struct Queues {
    pub(super) flows: FetchQueue<Member>,
    pub(super) partials: FetchQueue<Member>,
}

impl Queues {
    /// Returns a log's queue.
    pub(super) fn of(&self, log: Log) -> &FetchQueue<Member> {
        match log {
            Log::Flows => &self.flows,
            Log::Partials => &self.partials,
        }
    }
}

/// What the client calls back with.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) topics: Topics,
    pub(super) stats: Arc<KafkaStats>,
    // Weak, because the queues hold the client, which holds this. Set once, before the group is joined.
    queues: OnceLock<Weak<Queues>>,
    state: Mutex<State>,
}

/// What has happened since it was last looked at, and what may be committed.
#[derive(Debug)]
pub(super) struct State {
    pub(super) ledger: Ledger,
    pub(super) changes: Vec<Change>,
    pub(super) failure: Option<Error>,
    from: From,
    first: bool,
}

/// A change of the assignment, and for an assignment what each partition holds.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) rebalance: Rebalance,
    pub(super) spans: Vec<Span>,
}

/// From the first offset to deliver to the end of the log, when the partition was assigned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) next: i64,
    pub(super) end: i64,
}

impl Member {
    /// Makes a member that has not joined yet.
    pub(super) fn new(topics: Topics, from: From, stats: Arc<KafkaStats>) -> Self {
        let state =
            State { ledger: Ledger::default(), changes: Vec::new(), failure: None, from, first: true };
        Self { topics, stats, queues: OnceLock::new(), state: Mutex::new(state) }
    }

    /// Tells where records are to go.
    pub(super) fn set_queues(&self, queues: &Arc<Queues>) {
        self.queues.get_or_init(|| Arc::downgrade(queues));
    }

    /// Opens the state. Never to be held over a call of the client, which may call back.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, list: &mut TopicPartitionList) {
        let assigned = self.starts(consumer, list).and_then(|starts| {
            self.take(consumer, list, &starts)?;
            Ok(starts)
        });
        match assigned {
            Ok(starts) if starts.is_empty() => {}
            Ok(starts) => self.open(starts),
            Err(error) => {
                // The rebalance is answered all the same, without taking anything, so that leaving the group works.
                if let Err(source) = consumer.incremental_assign(&TopicPartitionList::new()) {
                    debug!(%source, "the assignment could not be refused");
                }
                self.fail(error);
            }
        }
    }

    /// Finds where each partition of `list` begins.
    fn starts(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &TopicPartitionList,
    ) -> Result<Vec<Beginning>, Error> {
        if list.count() == 0 {
            return Ok(Vec::new());
        }
        let deadline = Instant::now() + START_DEADLINE;
        let committed = ask(deadline, "the committed offsets of the group", || {
            whole(consumer.committed_offsets(list.clone(), ASK_TIMEOUT)?)
        })?;
        let (from, first) = {
            let state = self.state();
            (state.from, state.first)
        };
        let mut planned = Vec::with_capacity(list.count());
        for (elem, metadata) in committed.elements().iter().zip(native::metadata(&committed)) {
            let Some(log) = self.topics.log(elem.topic()) else { continue };
            let committed = match elem.offset() {
                Offset::Offset(offset) => Some(Committed { offset, metadata }),
                // No commit, or none any more.
                Offset::Invalid
                | Offset::Beginning
                | Offset::End
                | Offset::Stored
                | Offset::OffsetTail(_) => None,
            };
            let partition = LogPartition { log, partition: elem.partition() };
            planned.push((partition, Start::decide(log, committed, from, first)));
        }
        let edge = |what| {
            let all: Vec<_> = planned.iter().map(|it| (it.0, what)).collect();
            self.find(consumer, &all, deadline)
        };
        let (lows, ends) = (edge(Offset::Beginning)?, edge(Offset::End)?);
        let asked: Vec<_> = planned
            .iter()
            .filter_map(|(it, start)| match start {
                Start::Ask(what) => Some((*it, *what)),
                Start::Committed(_) | Start::Beginning => None,
            })
            .collect();
        let answers = self.find(consumer, &asked, deadline)?;
        planned
            .into_iter()
            .map(|(partition, start)| {
                let (Some(&low), Some(&end)) = (lows.get(&partition), ends.get(&partition)) else {
                    return Err(Error::Kafka {
                        context: format!("the broker did not tell where {partition:?} begins and ends"),
                        source: None,
                    });
                };
                let (at, next, left, anchor) = match start {
                    Start::Committed(left) => (Offset::Offset(left.offset), left.offset, Some(left), None),
                    Start::Beginning => (Offset::Beginning, low, None, None),
                    Start::Ask(_) => {
                        // No record is as late as the timestamp: what comes next will be.
                        let offset = answers.get(&partition).copied().unwrap_or(end);
                        let anchor = Committed { offset, metadata: String::new() };
                        (Offset::Offset(offset), offset, None, Some(anchor))
                    }
                };
                Ok(Beginning { partition, at, span: Span { next, end }, left, anchor })
            })
            .collect()
    }

    /// Asks the broker which offsets these are: the edges of the logs, or timestamps in the place of offsets. What
    /// has no answer is left out.
    fn find(
        &self,
        consumer: &BaseConsumer<Self>,
        what: &[(LogPartition, Offset)],
        deadline: Instant,
    ) -> Result<BTreeMap<LogPartition, i64>, Error> {
        if what.is_empty() {
            return Ok(BTreeMap::new());
        }
        let found = ask(deadline, "the offsets of assigned partitions", || {
            let mut list = TopicPartitionList::new();
            for (it, offset) in what {
                list.add_partition_offset(self.topics.name(it.log), it.partition, *offset)?;
            }
            whole(consumer.offsets_for_times(list, ASK_TIMEOUT)?)
        })?;
        let elems = found.elements();
        let pairs = elems.iter().filter_map(|it| {
            let partition = LogPartition { log: self.topics.log(it.topic())?, partition: it.partition() };
            let Offset::Offset(offset) = it.offset() else { return None };
            Some((partition, offset))
        });
        Ok(pairs.collect())
    }

    /// Takes the partitions: first where their records go, then from where, then the assignment itself.
    fn take(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &mut TopicPartitionList,
        starts: &[Beginning],
    ) -> Result<(), Error> {
        let refused = |source| Error::Kafka {
            context: "the client refused an assignment of partitions".to_owned(),
            source: Some(source),
        };
        // None only while the consumer is being dropped: nobody is left to read.
        let queues = self.queues.get().and_then(Weak::upgrade);
        for Beginning { partition, at, .. } in starts {
            let topic = self.topics.name(partition.log);
            if let Some(queues) = &queues {
                queues.of(partition.log).forward(topic, partition.partition).map_err(refused)?;
            }
            list.set_partition_offset(topic, partition.partition, *at).map_err(refused)?;
        }
        consumer.incremental_assign(list).map_err(refused)
    }

    fn open(&self, starts: Vec<Beginning>) {
        self.stats.assigned();
        let mut state = self.state();
        let mut change = Change { rebalance: Rebalance::Assigned(Vec::new()), spans: Vec::new() };
        let mut assigned = Vec::with_capacity(starts.len());
        for Beginning { partition, at: _, span, left, anchor } in starts {
            state.first &= partition.log != Log::Flows;
            state.ledger.open(partition, left.clone());
            if let Some(anchor) = anchor {
                // Whoever gets the partition next begins here too, even if nothing is committed before.
                state.ledger.note(partition, anchor);
            }
            change.spans.push(span);
            assigned.push((partition, left));
        }
        info!(partitions = ?assigned.iter().map(|it| it.0).collect::<Vec<_>>(), "partitions were assigned");
        change.rebalance = Rebalance::Assigned(assigned);
        state.changes.push(change);
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let gone = self.topics.read(list);
        let mut due = self.state().ledger.due();
        due.retain(|(it, _)| gone.contains(it));
        if let Err(error) = self.commit_now(consumer, &due, REVOKE_COMMIT_DEADLINE) {
            // Not a failure: the next owner begins at the commit before and folds again.
            warn!(%error, "revoked partitions could not be committed");
        }
        self.release(consumer, list, &gone, Rebalance::Revoked);
        if !gone.is_empty() {
            self.stats.revoked();
        }
    }

    fn lose(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let gone = self.topics.read(list);
        self.release(consumer, list, &gone, Rebalance::Lost);
        if !gone.is_empty() {
            self.stats.lost();
        }
    }

    fn release(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &TopicPartitionList,
        gone: &[LogPartition],
        kind: fn(Vec<LogPartition>) -> Rebalance,
    ) {
        if let Err(source) = consumer.incremental_unassign(list) {
            self.fail(Error::Kafka {
                context: "the client refused to give partitions up".to_owned(),
                source: Some(source),
            });
        }
        if gone.is_empty() {
            return;
        }
        let rebalance = kind(gone.to_vec());
        info!(change = ?rebalance, "partitions went");
        let mut state = self.state();
        for &partition in gone {
            state.ledger.close(partition);
        }
        state.changes.push(Change { rebalance, spans: Vec::new() });
    }

    /// Commits and waits for the answer, at most `wait`.
    ///
    /// # Errors
    ///
    /// When the broker refuses, or does not answer in time.
    pub(super) fn commit_now(
        &self,
        consumer: &BaseConsumer<Self>,
        due: &[(LogPartition, Committed)],
        wait: Duration,
    ) -> KafkaResult<()> {
        if due.is_empty() {
            return Ok(());
        }
        let answer = self.topics.list(due).and_then(|list| native::commit_within(consumer, &list, wait));
        self.stats.committed(outcome(&answer));
        if answer.is_ok() {
            let mut state = self.state();
            state.ledger.sent(due);
            for (partition, committed) in due {
                state.ledger.confirm(*partition, committed);
            }
        }
        answer
    }

    /// Notes the answer to a commit.
    pub(super) fn committed(&self, answer: CommitAnswer) {
        let CommitAnswer { outcome: result, accepted } = answer;
        self.stats.committed(outcome(&result));
        if let Err(error) = &result {
            debug!(%error, "a commit was refused and will be tried again");
        }
        let mut state = self.state();
        for Offsets { topic, partition, offset, metadata } in accepted {
            if let Some(log) = self.topics.log(&topic) {
                state.ledger.confirm(LogPartition { log, partition }, &Committed { offset, metadata });
            }
        }
    }

    fn fail(&self, error: Error) {
        self.state().failure.get_or_insert(error);
    }
}

/// Where one partition begins.
#[derive(Debug)]
struct Beginning {
    partition: LogPartition,
    at: Offset,
    span: Span,
    /// What was committed for it, when that is where it begins.
    left: Option<Committed>,
    /// What is to be committed at once.
    anchor: Option<Committed>,
}

/// Asks until there is an answer.
fn ask<T>(deadline: Instant, what: &str, mut question: impl FnMut() -> KafkaResult<T>) -> Result<T, Error> {
    loop {
        let source = match question() {
            Ok(answer) => return Ok(answer),
            Err(source) => source,
        };
        let hopeless = matches!(
            source.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::GroupAuthorizationFailed
                    | RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::ClusterAuthorizationFailed
                    | RDKafkaErrorCode::Fatal
            )
        );
        if hopeless || Instant::now() >= deadline {
            return Err(Error::Kafka {
                context: format!("the broker did not tell {what}"),
                source: Some(source),
            });
        }
        warn!(%source, "asking the broker again for {what}");
        // The client may have failed at once; leave it time to connect.
        thread::sleep(Duration::from_millis(100));
    }
}

/// Makes the first error of any element the error of the list.
fn whole(list: TopicPartitionList) -> KafkaResult<TopicPartitionList> {
    list.elements().iter().try_for_each(|it| it.error())?;
    Ok(list)
}

fn outcome(answer: &KafkaResult<()>) -> CommitOutcome {
    match answer {
        Ok(()) => CommitOutcome::Ok,
        Err(error) => error.rdkafka_error_code().map_or(CommitOutcome::Failed, CommitOutcome::of),
    }
}

impl ClientContext for Member {
    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.stats.error(code);
        }
        warn!(%error, reason, "kafka client");
    }
}

impl ConsumerContext for Member {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, list),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS if consumer.assignment_lost() => {
                self.lose(consumer, list);
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => self.revoke(consumer, list),
            other => self.fail(Error::Kafka {
                context: "the consumer group failed".to_owned(),
                source: Some(KafkaError::Rebalance(other.into())),
            }),
        }
    }
}

impl State {
    /// Takes what has changed.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        mem::take(&mut self.changes)
    }
}
