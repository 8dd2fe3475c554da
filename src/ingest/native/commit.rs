//! Commits with a deadline, and commits that are answered.

use std::ffi::CStr;
use std::fmt;
use std::os::raw::c_int;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::list::{elements, metadata_of};

/// Commits `offsets` and waits for the answer, at most `wait`.
///
/// The wrapper's synchronous commit waits without end, and was seen to hold a poll thread for seconds in a rebalance.
///
/// # Errors
///
/// When the broker refuses, or does not answer in time.
pub(in crate::ingest) fn commit_within<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    offsets: &TopicPartitionList,
    wait: Duration,
) -> Result<(), KafkaError> {
    let client = consumer.client().native_ptr();
    // SAFETY: the client lives through the call. The answer comes to a queue of our own; an answer that comes after
    // the queue was destroyed is dropped by librdkafka, which counts references to it.
    let code = unsafe {
        let queue = sys::rd_kafka_queue_new(client);
        let mut code = sys::rd_kafka_commit_queue(client, offsets.ptr(), queue, None, ptr::null_mut());
        if code == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            let event = sys::rd_kafka_queue_poll(queue, millis(wait));
            // Both calls take a null event: it has no error and needs no destroying.
            code = if event.is_null() {
                Code::RD_KAFKA_RESP_ERR__TIMED_OUT
            } else {
                sys::rd_kafka_event_error(event)
            };
            sys::rd_kafka_event_destroy(event);
        }
        sys::rd_kafka_queue_destroy(queue);
        code
    };
    match code {
        Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(KafkaError::ConsumerCommit(code.into())),
    }
}

/// Sends commits and takes their answers, without ever waiting.
///
/// The wrapper's asynchronous commit has no answer: its callback is only made where the client's configuration holds
/// one, and the wrapper leaves that empty.
pub(in crate::ingest) struct CommitQueue<C: ConsumerContext> {
    // INVARIANT: made by `rd_kafka_queue_new` on the client of `consumer`, and destroyed once, in `drop`, which runs
    // while `consumer` still holds that client.
    queue: *mut sys::rd_kafka_queue_t,
    consumer: Arc<BaseConsumer<C>>,
}

// SAFETY: librdkafka's queues may be used from any thread; each locks itself.
unsafe impl<C: ConsumerContext> Send for CommitQueue<C> {}

impl<C: ConsumerContext> fmt::Debug for CommitQueue<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitQueue").finish_non_exhaustive()
    }
}

/// The answer to one commit: its outcome, and the partitions that the broker has it for.
#[derive(Debug)]
pub(in crate::ingest) struct CommitAnswer {
    pub(in crate::ingest) outcome: Result<(), KafkaError>,
    pub(in crate::ingest) accepted: Vec<Offsets>,
}

/// One partition's part of a commit.
#[derive(Debug)]
pub(in crate::ingest) struct Offsets {
    pub(in crate::ingest) topic: String,
    pub(in crate::ingest) partition: i32,
    pub(in crate::ingest) offset: i64,
    pub(in crate::ingest) metadata: String,
}

impl<C: ConsumerContext> CommitQueue<C> {
    /// Makes a queue for the answers.
    pub(in crate::ingest) fn new(consumer: Arc<BaseConsumer<C>>) -> Self {
        // SAFETY: the client's pointer is valid while `consumer` lives.
        let queue = unsafe { sys::rd_kafka_queue_new(consumer.client().native_ptr()) };
        assert!(!queue.is_null(), "librdkafka makes a queue or aborts");
        Self { queue, consumer }
    }

    /// Sends a commit.
    ///
    /// # Errors
    ///
    /// When the client cannot send it.
    pub(in crate::ingest) fn send(&self, offsets: &TopicPartitionList) -> Result<(), KafkaError> {
        let client = self.consumer.client().native_ptr();
        // SAFETY: client and queue live; the list is copied by the call.
        match unsafe { sys::rd_kafka_commit_queue(client, offsets.ptr(), self.queue, None, ptr::null_mut()) }
        {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            code => Err(KafkaError::ConsumerCommit(code.into())),
        }
    }

    /// Takes the next answer, if one has come.
    pub(in crate::ingest) fn answer(&self) -> Option<CommitAnswer> {
        // SAFETY: the event is ours until destroyed, and owns its list, from which everything is copied.
        unsafe {
            let event = sys::rd_kafka_queue_poll(self.queue, 0);
            if event.is_null() {
                return None;
            }
            let code = sys::rd_kafka_event_error(event);
            let outcome = match code {
                Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
                code => Err(KafkaError::ConsumerCommit(code.into())),
            };
            let list = sys::rd_kafka_event_topic_partition_list(event);
            let accepted = elements(list)
                .iter()
                .filter(|it| outcome.is_ok() && it.err == Code::RD_KAFKA_RESP_ERR_NO_ERROR)
                .map(|it| Offsets {
                    topic: CStr::from_ptr(it.topic).to_string_lossy().into_owned(),
                    partition: it.partition,
                    offset: it.offset,
                    metadata: metadata_of(it),
                })
                .collect();
            sys::rd_kafka_event_destroy(event);
            Some(CommitAnswer { outcome, accepted })
        }
    }
}

impl<C: ConsumerContext> Drop for CommitQueue<C> {
    fn drop(&mut self) {
        // SAFETY: see the invariant of `queue`; answers still to come are dropped by librdkafka.
        unsafe { sys::rd_kafka_queue_destroy(self.queue) };
    }
}

fn millis(wait: Duration) -> c_int {
    c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX)
}
