//! Lists of partitions, as the client holds them.

use std::slice;

use rdkafka::TopicPartitionList;
use rdkafka_sys as sys;

/// Returns the metadata of each element, in the order of the list. What is not UTF-8 was not written by us and is
/// returned with replacement characters; the wrapper's accessor would panic.
pub(in crate::ingest) fn metadata(list: &TopicPartitionList) -> Vec<String> {
    // SAFETY: the list lives through the call.
    unsafe { elements(list.ptr()).iter().map(|it| metadata_of(it)).collect() }
}

/// Returns the elements of a list.
///
/// # Safety
///
/// `list` is null, or valid for as long as the slice is used.
pub(super) unsafe fn elements<'l>(
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

/// Returns the metadata of an element; empty where there is none.
///
/// # Safety
///
/// It is an element of a list that librdkafka filled.
pub(super) unsafe fn metadata_of(element: &sys::rd_kafka_topic_partition_t) -> String {
    if element.metadata.is_null() {
        return String::new();
    }
    // SAFETY: the caller says so, and such an element owns `metadata_size` bytes of metadata.
    let bytes =
        unsafe { slice::from_raw_parts(element.metadata.cast::<u8>().cast_const(), element.metadata_size) };
    String::from_utf8_lossy(bytes).into_owned()
}
