//! What the cluster must have before anything can be read or written.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{Client, ClientContext, DefaultClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use tracing::info;

use super::port::Error;
use super::settings::KafkaConfig;

/// A topic of our own, and how it has to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// How many partitions it is made with.
    pub partitions: i32,
    /// Whether a topic with another number of partitions is an error. It is where records find their partition by a
    /// hash that more than one process must agree on.
    pub fixed: bool,
    /// How its records go.
    pub cleanup: Cleanup,
}

/// How the records of a topic go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cleanup {
    /// After some time.
    Delete(Duration),
    /// When a newer record has their key, and after some time.
    CompactDelete(Duration),
}

/// Whether missing topics may be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Creation {
    /// They may, with this many replicas.
    Allowed {
        /// Replicas of each partition; the brokers' default where none is given.
        replication: Option<i32>,
    },
    /// They may not: somebody else manages topics.
    Forbidden,
}

/// Checks that every topic of `specs` exists as it has to be, and makes the missing ones where that is allowed.
///
/// # Errors
///
/// When no broker answers, a topic is missing and may not or cannot be made, or has the wrong number of partitions.
pub fn ensure_topics(config: &KafkaConfig, creation: Creation, specs: &[TopicSpec]) -> Result<(), Error> {
    let admin = client(config)?;
    let client = admin.inner();
    let mut missing = Vec::new();
    for spec in specs {
        match find(client, &config.brokers, &spec.name)? {
            Some(count) => spec.check(count)?,
            None => missing.push(spec),
        }
    }
    match creation {
        _ if missing.is_empty() => Ok(()),
        Creation::Forbidden => Err(absent(&config.brokers, missing[0])),
        Creation::Allowed { replication } => {
            create(&admin, &missing, replication)?;
            missing.iter().try_for_each(|spec| await_topic(client, &config.brokers, spec))
        }
    }
}

fn client(config: &KafkaConfig) -> Result<AdminClient<DefaultClientContext>, Error> {
    config.plain_client()?.create().map_err(|source| Error::Kafka {
        context: "the settings of the Kafka client are not valid".to_owned(),
        source: Some(source),
    })
}

impl TopicSpec {
    fn check(&self, count: usize) -> Result<(), Error> {
        let wanted = usize::try_from(self.partitions).unwrap_or(0);
        if !self.fixed || count == wanted {
            return Ok(());
        }
        let name = &self.name;
        Err(Error::Kafka {
            context: format!(
                "topic `{name}` has {count} partitions and the configuration says {wanted}: the number cannot change \
                 while records are in it; configure {count}, or name a new topic"
            ),
            source: None,
        })
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let (policy, keep) = match self.cleanup {
            Cleanup::Delete(keep) => ("delete", keep),
            Cleanup::CompactDelete(keep) => ("compact,delete", keep),
        };
        vec![("cleanup.policy", policy.to_owned()), ("retention.ms", keep.as_millis().to_string())]
    }
}

fn create(
    admin: &AdminClient<DefaultClientContext>,
    specs: &[&TopicSpec],
    replication: Option<i32>,
) -> Result<(), Error> {
    let settings: Vec<_> = specs.iter().map(|it| it.settings()).collect();
    let new = specs.iter().zip(&settings).map(|(spec, settings)| {
        // Minus one is the brokers' default (KIP-464).
        let topic =
            NewTopic::new(&spec.name, spec.partitions, TopicReplication::Fixed(replication.unwrap_or(-1)));
        settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
    });
    let new: Vec<_> = new.collect();
    let options =
        AdminOptions::new().request_timeout(Some(REACH_TIMEOUT)).operation_timeout(Some(REACH_TIMEOUT));
    let failed = |name: &str, source| Error::Kafka {
        context: format!(
            "topic `{name}` cannot be created: grant this user `Create` on it, or create it beforehand and forbid \
             creation in the configuration"
        ),
        source: Some(source),
    };
    let answers = block_on(admin.create_topics(&new, &options))
        .map_err(|source| failed(specs.first().map_or("", |it| it.name.as_str()), source))?;
    for answer in answers {
        match answer {
            Ok(name) => info!(topic = name, "topic was created"),
            // Another process was faster.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(failed(&name, KafkaError::AdminOp(code))),
        }
    }
    Ok(())
}

/// Waits until a new topic is known to the broker that we ask; the one that made it may be another.
fn await_topic(client: &Client<DefaultClientContext>, brokers: &str, spec: &TopicSpec) -> Result<(), Error> {
    let deadline = Instant::now() + REACH_TIMEOUT;
    loop {
        match find(client, brokers, &spec.name)? {
            Some(count) => return spec.check(count),
            None if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
            None => return Err(absent(brokers, spec)),
        }
    }
}

fn absent(brokers: &str, spec: &TopicSpec) -> Error {
    let TopicSpec { name, partitions, .. } = spec;
    let settings: Vec<_> =
        spec.settings().into_iter().map(|(name, value)| format!(" --config {name}={value}")).collect();
    Error::Kafka {
        context: format!(
            "topic `{name}` does not exist on `{brokers}`: create it (`kafka-topics.sh --create --topic {name} \
             --partitions {partitions}{}`), or allow creation in the configuration",
            settings.concat()
        ),
        source: None,
    }
}

/// Waits for a future of the admin client on this thread: it is woken by the client's own thread.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// How long a broker may take to answer at the start.
const REACH_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns how many partitions a topic has, if it exists. It is not made by asking.
///
/// # Errors
///
/// When a property is not acceptable, no broker answers, or this user may not see the topic.
pub fn find_partition_count(config: &KafkaConfig, topic: &str) -> Result<Option<usize>, Error> {
    find(client(config)?.inner(), &config.brokers, topic)
}

/// Returns how many partitions a topic has.
///
/// # Errors
///
/// When a property is not acceptable, no broker answers, or the topic does not exist.
pub fn partition_count(config: &KafkaConfig, topic: &str) -> Result<usize, Error> {
    partitions(client(config)?.inner(), &config.brokers, topic)
}

/// Returns how many partitions a topic has.
///
/// # Errors
///
/// When no broker answers or the topic does not exist.
pub(super) fn partitions<C: ClientContext>(
    client: &Client<C>,
    brokers: &str,
    topic: &str,
) -> Result<usize, Error> {
    find(client, brokers, topic)?.ok_or_else(|| Error::Kafka {
        context: format!(
            "topic `{topic}` does not exist on `{brokers}`: create it, or name the right one in the configuration"
        ),
        source: None,
    })
}

/// Returns how many partitions a topic has, if it exists.
fn find<C: ClientContext>(client: &Client<C>, brokers: &str, topic: &str) -> Result<Option<usize>, Error> {
    let metadata = client.fetch_metadata(Some(topic), REACH_TIMEOUT).map_err(|source| Error::Kafka {
        context: format!(
            "cannot reach any broker of `{brokers}` within {} s: is it running, is the address right, and does it \
             want TLS or a password?",
            REACH_TIMEOUT.as_secs()
        ),
        source: Some(source),
    })?;
    let Some(found) = metadata.topics().iter().find(|it| it.name() == topic) else { return Ok(None) };
    match (found.error(), found.partitions().len()) {
        // A partition without a leader is there all the same.
        (None | Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE), count) if count > 0 => {
            Ok(Some(count))
        }
        (Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED), _) => Err(Error::Kafka {
            context: format!("not allowed to see topic `{topic}`: grant this user `Describe` on it"),
            source: None,
        }),
        _ => Ok(None),
    }
}
