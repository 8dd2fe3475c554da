//! What librdkafka offers and its safe wrapper does not: polling many records at once, commits with a deadline,
//! and cached watermarks.
//!
//! One call to `rd_kafka_consume_batch_queue` hands over up to a whole batch, which costs the polling thread less
//! than half of what one call a record costs. It must not be made on the consumer's own queue: a rebalance that it
//! met there would be answered with a dummy assignment (`rd_kafka_poll_cb` in librdkafka's `rdkafka.c`). So records
//! get a queue of their own, to which the queue of each assigned partition is forwarded, and everything else stays
//! on the consumer's queue, where [`BaseConsumer::poll`] serves it:
//!
//! ```text
//!   partition queue --forward--> FetchQueue (records and partition errors)   --poll-->  Batch
//!   group, client   ---------->  the consumer's queue (rebalances, commits)  --BaseConsumer::poll
//! ```
//!
//! One more trap: the batch poll counts an error that it hands over as a record and moves the client's position past
//! it (`rd_kafka_q_serve_rkmessages` in `rdkafka_queue.c`). With `enable.partition.eof`, the report of an end at offset
//! 7 moves it to 8, and when the client stops and resumes fetching, as it does in every rebalance, record 7 is skipped
//! in silence. So that property stays off, the end is known from the watermarks, and every error in a batch is final.
//!
//! This is the only file of the crate with `unsafe` in it. Its interface is safe: a queue keeps its client alive, a
//! batch borrows its queue, and what a batch hands out borrows the batch.
#![expect(unsafe_code, reason = "the safe wrapper offers no batch poll and no commit with a deadline")]

use std::ffi::{CStr, CString, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::os::raw::c_int;
use std::ptr;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::waker::Waker;

/// A queue of its own for the records of some partitions of one consumer.
pub(super) struct FetchQueue<C: ConsumerContext> {
    // INVARIANT: made by `rd_kafka_queue_new` on the client of `consumer`, and destroyed once, in `drop`, which runs
    // while `consumer` still holds that client.
    queue: *mut sys::rd_kafka_queue_t,
    consumer: Arc<BaseConsumer<C>>,
    // The queue's callback points into it until `drop` takes the callback away.
    waker: Arc<Waker>,
}

// SAFETY: librdkafka's queues may be used from any thread, from several at once; each locks itself.
unsafe impl<C: ConsumerContext> Send for FetchQueue<C> {}
// SAFETY: as above.
unsafe impl<C: ConsumerContext> Sync for FetchQueue<C> {}

impl<C: ConsumerContext> fmt::Debug for FetchQueue<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchQueue").finish_non_exhaustive()
    }
}

unsafe extern "C" fn wake(_: *mut sys::rd_kafka_t, waker: *mut c_void) {
    // SAFETY: `FetchQueue::new` passed a pointer to the waker that the queue keeps alive until the callback is off.
    unsafe { &*waker.cast_const().cast::<Waker>() }.wake();
}

impl<C: ConsumerContext> FetchQueue<C> {
    /// Makes an empty queue; `waker` is woken whenever it stops being empty.
    pub(super) fn new(consumer: Arc<BaseConsumer<C>>, waker: Arc<Waker>) -> Self {
        // SAFETY: the client's pointer is valid while `consumer` lives. The callback's argument lives as long as the
        // queue, which `Drop` ends after the callback.
        let queue = unsafe {
            let queue = sys::rd_kafka_queue_new(consumer.client().native_ptr());
            assert!(!queue.is_null(), "librdkafka makes a queue or aborts");
            sys::rd_kafka_queue_cb_event_enable(queue, Some(wake), Arc::as_ptr(&waker).cast_mut().cast());
            queue
        };
        Self { queue, consumer, waker }
    }

    /// Sends the records of one partition here from now on.
    ///
    /// To be called before the partition is assigned: fetching starts with the assignment, and an application's
    /// forward is the one thing that the start of fetching leaves alone. Stopping to fetch takes the forward away,
    /// so it has to be made again with every assignment.
    ///
    /// # Errors
    ///
    /// When the client does not know what a partition of that name could be.
    pub(super) fn forward(&self, topic: &str, partition: i32) -> Result<(), KafkaError> {
        let name = CString::new(topic).map_err(KafkaError::Nul)?;
        // SAFETY: both queues belong to the same living client; the handle of the partition's queue is ours to
        // destroy, and destroying it leaves the forward in place.
        unsafe {
            let source = sys::rd_kafka_queue_get_partition(
                self.consumer.client().native_ptr(),
                name.as_ptr(),
                partition,
            );
            if source.is_null() {
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownPartition));
            }
            sys::rd_kafka_queue_forward(source, self.queue);
            sys::rd_kafka_queue_destroy(source);
        }
        Ok(())
    }

    /// Takes what is there, at most `buffer` full; does not wait.
    pub(super) fn poll<'q>(&'q self, buffer: &'q mut Buffer) -> Batch<'q> {
        let room = buffer.room;
        buffer.messages.clear();
        buffer.messages.reserve(room);
        // SAFETY: there is room for `room` pointers, and librdkafka says how many it wrote; it hands them over to us.
        unsafe {
            let taken = sys::rd_kafka_consume_batch_queue(self.queue, 0, buffer.messages.as_mut_ptr(), room);
            // Negative is an error of the call itself, of which this call has none: an empty batch.
            buffer.messages.set_len(usize::try_from(taken).unwrap_or(0).min(room));
        }
        Batch { messages: &mut buffer.messages, queue: PhantomData }
    }
}

impl<C: ConsumerContext> Drop for FetchQueue<C> {
    fn drop(&mut self) {
        // SAFETY: see the invariant of `queue`. No batch is left, for a batch borrows the queue.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue, None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue);
        }
        // The callback ran under the queue's lock, so none is running now and the waker may go.
        debug_assert!(Arc::strong_count(&self.waker) >= 1);
    }
}

/// Room for one batch, used again for the next.
pub(super) struct Buffer {
    messages: Vec<*mut sys::rd_kafka_message_t>,
    room: usize,
}

// SAFETY: between polls the buffer is empty or holds pointers that nobody reads again.
unsafe impl Send for Buffer {}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("room", &self.room).finish_non_exhaustive()
    }
}

impl Buffer {
    /// Makes room for `room` records.
    pub(super) fn new(room: usize) -> Self {
        Self { messages: Vec::with_capacity(room), room }
    }
}

/// What one poll took; given back when dropped.
pub(super) struct Batch<'q> {
    // INVARIANT: each pointer is valid and ours until it is destroyed in `drop`.
    messages: &'q mut Vec<*mut sys::rd_kafka_message_t>,
    // The messages refer to the client, which the queue keeps alive.
    queue: PhantomData<&'q ()>,
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.messages.len()).finish_non_exhaustive()
    }
}

/// One entry of a batch.
#[derive(Debug)]
pub(super) enum Entry<'b> {
    /// A record.
    Record {
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
        /// The broker's timestamp in milliseconds.
        timestamp: Option<i64>,
        /// The key; empty where there is none.
        key: &'b [u8],
        /// The value; none for a tombstone.
        value: Option<&'b [u8]>,
    },
    /// Fetching the partition failed.
    Failed {
        /// The partition.
        partition: i32,
        /// The offset that was asked for, where there is one.
        offset: i64,
        /// The reason.
        code: RDKafkaErrorCode,
        /// The client's words.
        text: String,
    },
}

impl Batch<'_> {
    /// Returns how many entries there are.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Returns the entries in the order of the queue, which is offset order within a partition.
    pub(super) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.messages.iter().enumerate().map(|(at, &message)| {
            self.announce(at);
            // SAFETY: by the invariant of `messages`; nothing writes to them while the batch is borrowed.
            let it = unsafe { &*message };
            match it.err {
                Code::RD_KAFKA_RESP_ERR_NO_ERROR => Entry::Record {
                    partition: it.partition,
                    offset: it.offset,
                    timestamp: timestamp(it),
                    // SAFETY: librdkafka gives `key_len` readable bytes at `key`, which live as long as the message.
                    key: unsafe { bytes(it.key, it.key_len) }.unwrap_or_default(),
                    // SAFETY: likewise.
                    value: unsafe { bytes(it.payload, it.len) },
                },
                code => Entry::Failed {
                    partition: it.partition,
                    offset: it.offset,
                    code: code.into(),
                    // SAFETY: likewise; the payload of an error is its text.
                    text: String::from_utf8_lossy(unsafe { bytes(it.payload, it.len) }.unwrap_or_default())
                        .into_owned(),
                },
            }
        })
    }

    /// Tells the processor which memory is read after the entry at a place. The client's threads wrote it on another
    /// core: without this the reader waits for the begin and the end of every record.
    #[inline]
    fn announce(&self, at: usize) {
        if let Some(&message) = self.messages.get(at + MESSAGES_AHEAD) {
            prefetch(message.cast(), size_of::<sys::rd_kafka_message_t>());
        }
        if let Some(&message) = self.messages.get(at + 1) {
            // SAFETY: by the invariant of `messages`.
            let next = unsafe { &*message };
            prefetch(next.payload.cast(), next.len.min(PREFETCHED_BYTES_MAX));
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for message in self.messages.drain(..) {
            // SAFETY: by the invariant of `messages`; `drain` lets each go once.
            unsafe { sys::rd_kafka_message_destroy(message) };
        }
    }
}

/// How many entries ahead a message's own fields are fetched: before its payload can be, they must be there.
const MESSAGES_AHEAD: usize = 4;

/// Bytes of a payload that are fetched ahead. Longer ones are rare, and read in order, which the processor foresees.
const PREFETCHED_BYTES_MAX: usize = 2_048;

/// Asks for memory that is read soon. Nothing is read here: a place that is not ours, or null, is no harm.
#[cfg(target_arch = "x86_64")]
#[inline]
fn prefetch(start: *const i8, len: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    const LINE: usize = 64;
    for line in 0..=len / LINE {
        // SAFETY: every processor of this architecture has the instruction, and it never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line * LINE)) };
    }
}

/// The standard library offers it on no other processor.
#[cfg(not(target_arch = "x86_64"))]
fn prefetch(_: *const i8, _: usize) {}

/// Returns the bytes at a place, or none where it is null.
///
/// # Safety
///
/// Where it is not null, there are `len` readable bytes, for as long as the slice is used.
unsafe fn bytes<'b>(start: *const c_void, len: usize) -> Option<&'b [u8]> {
    // SAFETY: the caller says so.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast::<u8>(), len) })
}

fn timestamp(message: &sys::rd_kafka_message_t) -> Option<i64> {
    let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the message is valid, and `kind` is written before the call returns.
    let millis = unsafe { sys::rd_kafka_message_timestamp(message, &raw mut kind) };
    (kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && millis >= 0)
        .then_some(millis)
}

/// Commits `offsets` and waits for the answer, at most `wait`.
///
/// The wrapper's synchronous commit waits without end, and was seen to hold a poll thread for seconds in a rebalance.
///
/// # Errors
///
/// When the broker refuses, or does not answer in time.
pub(super) fn commit_within<C: ConsumerContext>(
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
pub(super) struct CommitQueue<C: ConsumerContext> {
    // INVARIANT: as that of `FetchQueue`.
    queue: *mut sys::rd_kafka_queue_t,
    consumer: Arc<BaseConsumer<C>>,
}

// SAFETY: as for `FetchQueue`.
unsafe impl<C: ConsumerContext> Send for CommitQueue<C> {}

impl<C: ConsumerContext> fmt::Debug for CommitQueue<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitQueue").finish_non_exhaustive()
    }
}

/// The answer to one commit: its outcome, and the partitions that the broker has it for.
#[derive(Debug)]
pub(super) struct CommitAnswer {
    pub(super) outcome: Result<(), KafkaError>,
    pub(super) accepted: Vec<Offsets>,
}

/// One partition's part of a commit.
#[derive(Debug)]
pub(super) struct Offsets {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) metadata: String,
}

impl<C: ConsumerContext> CommitQueue<C> {
    /// Makes a queue for the answers.
    pub(super) fn new(consumer: Arc<BaseConsumer<C>>) -> Self {
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
    pub(super) fn send(&self, offsets: &TopicPartitionList) -> Result<(), KafkaError> {
        let client = self.consumer.client().native_ptr();
        // SAFETY: client and queue live; the list is copied by the call.
        match unsafe { sys::rd_kafka_commit_queue(client, offsets.ptr(), self.queue, None, ptr::null_mut()) }
        {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            code => Err(KafkaError::ConsumerCommit(code.into())),
        }
    }

    /// Takes the next answer, if one has come.
    pub(super) fn answer(&self) -> Option<CommitAnswer> {
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

/// Returns the elements of a list.
///
/// # Safety
///
/// `list` is null, or valid for as long as the slice is used.
unsafe fn elements<'l>(
    list: *const sys::rd_kafka_topic_partition_list_t,
) -> &'l [sys::rd_kafka_topic_partition_t] {
    // SAFETY: a list owns `cnt` elements.
    unsafe {
        if list.is_null() || (*list).elems.is_null() {
            return &[];
        }
        slice::from_raw_parts((*list).elems, usize::try_from((*list).cnt).unwrap_or(0))
    }
}

fn metadata_of(element: &sys::rd_kafka_topic_partition_t) -> String {
    if element.metadata.is_null() {
        return String::new();
    }
    // SAFETY: an element owns `metadata_size` bytes of metadata.
    let bytes =
        unsafe { slice::from_raw_parts(element.metadata.cast::<u8>().cast_const(), element.metadata_size) };
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the low and high watermark that the client learned with its last fetch; asks no broker.
pub(super) fn cached_watermarks<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
) -> Option<(i64, i64)> {
    let name = CString::new(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client lives through the call, which only writes the two numbers.
    let code = unsafe {
        sys::rd_kafka_get_watermark_offsets(
            consumer.client().native_ptr(),
            name.as_ptr(),
            partition,
            &raw mut low,
            &raw mut high,
        )
    };
    (code == Code::RD_KAFKA_RESP_ERR_NO_ERROR && low >= 0 && high >= 0).then_some((low, high))
}

/// Returns the metadata of each element, in the order of the list. What is not UTF-8 was not written by us and is
/// returned with replacement characters; the wrapper's accessor would panic.
pub(super) fn metadata(list: &TopicPartitionList) -> Vec<String> {
    // SAFETY: the list lives through the call.
    unsafe { elements(list.ptr()) }.iter().map(metadata_of).collect()
}

/// Returns the offset behind the last thing that was polled from a partition: a record, or a mark of a transaction,
/// which is not handed over.
pub(super) fn position<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
) -> Option<i64> {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    // SAFETY: the client and the list live through the call, which only writes into the list.
    let code = unsafe { sys::rd_kafka_position(consumer.client().native_ptr(), list.ptr()) };
    // SAFETY: as above.
    let offset = unsafe { elements(list.ptr()) }.first().map(|it| it.offset);
    offset.filter(|&it| code == Code::RD_KAFKA_RESP_ERR_NO_ERROR && it >= 0)
}

/// Returns the client's own words on why it can never go on, where it cannot.
pub(super) fn fatal_error<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
) -> Option<(RDKafkaErrorCode, String)> {
    let mut text = [0; 512];
    // SAFETY: librdkafka writes at most `len` bytes, the last of them a zero.
    unsafe {
        match sys::rd_kafka_fatal_error(consumer.client().native_ptr(), text.as_mut_ptr(), text.len()) {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => None,
            code => Some((code.into(), CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned())),
        }
    }
}

fn millis(wait: Duration) -> c_int {
    c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX)
}
