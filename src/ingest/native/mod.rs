//! What librdkafka offers and its safe wrapper does not: polling many records at once, commits with a deadline and with
//! answers, cached watermarks; and what the memory of records needs to be quick.
//!
//! This is the only folder of the crate with `unsafe` in it. Its interface is safe: a queue keeps its client alive, a
//! batch borrows its queue, and what a batch hands out borrows the batch.
#![expect(
    unsafe_code,
    reason = "the safe wrapper offers no batch poll and no commit with a deadline, and the standard library no prefetch"
)]

mod batch;
mod client;
mod commit;
mod list;
mod memory;

pub(super) use batch::{Batch, Buffer, Entry, FetchQueue};
pub(super) use client::{cached_watermarks, fatal_error, position};
pub(super) use commit::{CommitAnswer, CommitQueue, Offsets, commit_within};
pub(super) use list::metadata;
pub use memory::keep_unpacked;
