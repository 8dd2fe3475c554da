//! What the memory of fetched records needs to be quick.

/// Tells the allocator of the C library, once for the process, to keep the buffers that fetches are unpacked into.
///
/// A batch of records unpacks to some MiB. Left alone, the allocator gives such a buffer back to the system with each
/// batch that was folded, and asks for the next one anew, page by page: twice the work for unpacking, at times, as it
/// adapts to what it was asked for before.
#[cfg(target_env = "gnu")]
pub(super) fn keep_unpacked() {
    use std::os::raw::c_int;
    use std::sync::Once;
    // Buffers below the first come from memory that is used again; that much of it is kept when it is free.
    const POOLED_BYTES_MAX: c_int = 16 << 20;
    const FREE_BYTES_KEPT: c_int = 64 << 20;
    static ONCE: Once = Once::new();
    // SAFETY: both are settings of the process, which `mallopt` changes under the allocator's own lock. One that it
    // does not take changes nothing.
    ONCE.call_once(|| unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, POOLED_BYTES_MAX);
        libc::mallopt(libc::M_TRIM_THRESHOLD, FREE_BYTES_KEPT);
    });
}

/// Other C libraries have no such settings.
#[cfg(not(target_env = "gnu"))]
pub(super) fn keep_unpacked() {}

/// Asks for memory that is read soon. Nothing is read here: a place that is not ours, or null, is no harm.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn prefetch(start: *const i8, len: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    const LINE: usize = 64;
    for line in 0..=len / LINE {
        // SAFETY: every processor of this architecture has the instruction, and it never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line * LINE)) };
    }
}

/// The standard library offers it on no other processor.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn prefetch(_: *const i8, _: usize) {}
