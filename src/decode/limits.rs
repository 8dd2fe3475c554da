//! How much of anything a record may hold. Past a limit the record is rejected, never cut: a label set that lacks
//! its last label may be judged differently.

/// Bytes of one record. Real ones have 0.5 to 4 KiB; a record of more is no flow, and the limit bounds what one
/// record can cost.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// Containers inside each other. The schema needs four, envelopes one or two more.
pub(super) const DEPTH_MAX: usize = 16;

/// Members of an object, items of an array. The widest record known has some 60 members.
pub(super) const MEMBERS_MAX: usize = 256;

/// Labels of one endpoint; usual are fewer than 20.
pub(super) const LABELS_MAX: usize = 64;

/// Bytes of a label's key: a DNS subdomain of 253, a slash, and a name of 63 (Kubernetes, "Labels and Selectors").
pub(super) const LABEL_KEY_BYTES_MAX: usize = 317;

/// Bytes of a label's value (Kubernetes, "Labels and Selectors").
pub(super) const LABEL_VALUE_BYTES_MAX: usize = 63;

/// Bytes of all labels of one endpoint: 64 of usual size.
pub(super) const LABELS_BYTES_MAX: usize = 4 * 1024;

/// Bytes of a name: a DNS subdomain.
pub(super) const NAME_BYTES_MAX: usize = 253;

/// Bytes of one policy hit: three names, and the words and numbers between them.
pub(super) const HIT_BYTES_MAX: usize = 3 * NAME_BYTES_MAX + 64;

/// What a counter stays below. Sums of 2^24 such counters still fit 64 bits.
pub(super) const COUNTER_END: u64 = 1 << 40;

/// What a time in seconds stays below: above it a number is taken for milliseconds. As seconds it is the year 5138,
/// as milliseconds March 1973, so no record of either unit is mistaken for the other.
pub(super) const SECONDS_END: i64 = 100_000_000_000;

/// What a time in milliseconds stays below: the same moment as [`SECONDS_END`].
pub(super) const MILLIS_END: i64 = SECONDS_END * 1_000;
