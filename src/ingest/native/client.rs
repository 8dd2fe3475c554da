//! What the client knows, without asking a broker.

use std::ffi::{CStr, CString};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::list::elements;

/// Returns the low and high watermark that the client learned with its last fetch; asks no broker.
pub(in crate::ingest) fn cached_watermarks<C: ConsumerContext>(
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

/// Returns the offset behind the last thing that was polled from a partition: a record, or a mark of a transaction,
/// which is not handed over.
pub(in crate::ingest) fn position<C: ConsumerContext>(
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
pub(in crate::ingest) fn fatal_error<C: ConsumerContext>(
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
