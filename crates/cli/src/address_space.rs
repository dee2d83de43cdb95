//! The limit of the address space (`ulimit -v`): whether the threads that compute fit into it.
//!
//! OpenBLAS maps a buffer for each thread that calls it, and if the system refuses, it tries again forever
//! (0.3.21, `blas_memory_alloc`). This module checks in advance whether the buffers fit.

use super::error::Error;
use super::memory::{address_space_left, shown};

/// OpenBLAS's buffer for a thread (`BUFFER_SIZE`).
const BLAS_BUFFER: usize = if cfg!(feature = "openblas") { 128 << 20 } else { 0 };

/// What the C library reserves for a thread that allocates (`HEAP_MAX_SIZE`), and its stack.
const ARENA: usize = 64 << 20;
const STACK: usize = 2 << 20;

/// Bytes of address space that a thread takes beside what it computes with.
pub(super) const OF_THREAD: usize = BLAS_BUFFER + ARENA + STACK;

/// How many threads compute where nobody says.
pub(super) fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Refuses so many threads more where the address space is limited and does not hold them.
pub(super) fn ensure(threads: usize) -> Result<(), Error> {
    let needed = threads * OF_THREAD;
    match address_space_left() {
        Some(left) if left < needed => Err(Error::Failure(format!(
            "the address space is limited (ulimit -v), and {} of it are left; {threads} {} {} beside the pictures: give {}a \
             higher limit, or none",
            shown(left),
            if threads == 1 { "thread takes" } else { "threads take" },
            shown(needed),
            if threads > 1 { "fewer --threads, " } else { "" }
        ))),
        _ => Ok(()),
    }
}
