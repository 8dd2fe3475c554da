//! What the memory of fetched records needs to be quick.

/// Tells the allocator of the C library to keep the buffers that fetches are unpacked into. To be called at the begin of
/// the process, before it has a second thread. What `MALLOC_*` or `GLIBC_TUNABLES` say goes before it.
///
/// A batch of records unpacks to some MiB. Left alone, the allocator gives such a buffer back to the system with each
/// batch that was folded, and asks for the next one anew, page by page: twice the work for unpacking, at times, as it
/// adapts to what it was asked for before.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_unpacked() {
    use std::os::raw::c_int;
    // Buffers below the first come from memory that is used again; each arena keeps that much of it when it is free.
    const POOLED_BYTES_MAX: c_int = 16 << 20;
    const FREE_BYTES_KEPT: c_int = 64 << 20;
    let set = ["GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"];
    if set.iter().any(|it| std::env::var_os(it).is_some()) {
        return;
    }
    // SAFETY: both write one aligned number that the allocator reads. Before a second thread nobody reads them
    // meanwhile; behind one, glibc promises nothing, but a lost or an older number would be all that could be seen.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, POOLED_BYTES_MAX);
        libc::mallopt(libc::M_TRIM_THRESHOLD, FREE_BYTES_KEPT);
    }
}

/// Other C libraries have no such settings.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_unpacked() {}

/// Asks for memory that is read soon. Nothing is read here: a place that is not ours, or null, is no harm.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn prefetch(start: *const i8, len: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    const LINE: usize = 64;
    // From the begin of the first line, so that the last one is not missed.
    for at in (0..start.addr() % LINE + len).step_by(LINE) {
        // SAFETY: every processor of this architecture has the instruction, and it never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at)) };
    }
}

/// The standard library offers it on hardly any other processor.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn prefetch(_: *const i8, _: usize) {}
