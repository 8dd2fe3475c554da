//! Polling many records at once.
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

use std::ffi::{CString, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::slice;
use std::sync::Arc;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::memory::prefetch;
use crate::ingest::waker::Waker;

/// How many entries ahead a message's own fields are fetched: before its payload can be, they must be there.
const MESSAGES_AHEAD: usize = 4;

/// Bytes of a payload that are fetched ahead. Longer ones are rare, and read in order, which the processor foresees.
const PREFETCHED_BYTES_MAX: usize = 2_048;

/// A queue of its own for the records of some partitions of one consumer.
pub(in crate::ingest) struct FetchQueue<C: ConsumerContext> {
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
    pub(in crate::ingest) fn new(consumer: Arc<BaseConsumer<C>>, waker: Arc<Waker>) -> Self {
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
    pub(in crate::ingest) fn forward(&self, topic: &str, partition: i32) -> Result<(), KafkaError> {
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
    pub(in crate::ingest) fn poll<'q>(&'q self, buffer: &'q mut Buffer) -> Batch<'q> {
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
pub(in crate::ingest) struct Buffer {
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
    pub(in crate::ingest) fn new(room: usize) -> Self {
        Self { messages: Vec::with_capacity(room), room }
    }
}

/// What one poll took; given back when dropped.
pub(in crate::ingest) struct Batch<'q> {
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
pub(in crate::ingest) enum Entry<'b> {
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
    pub(in crate::ingest) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Returns the entries in the order of the queue, which is offset order within a partition.
    pub(in crate::ingest) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
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
            // SAFETY: by the invariant of `messages`; nothing writes to them while the batch is borrowed.
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
