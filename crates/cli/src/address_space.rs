//! Checks that the computing threads fit into a limited address space (`ulimit -v`).
//!
//! OpenBLAS maps a buffer for each thread that calls it, and if the system refuses, it tries again forever
//! (0.3.21, `blas_memory_alloc`). This module checks in advance whether the buffers fit.

use impasto::run::address_space_left;

use super::error::Error;
use super::memory::shown;

/// OpenBLAS's buffer for a thread (`BUFFER_SIZE`).
const BLAS_BUFFER: usize = if cfg!(feature = "openblas") { 128 << 20 } else { 0 };

/// The C library's reservation for a thread that allocates (`HEAP_MAX_SIZE`), and the thread's stack.
const ARENA: usize = 64 << 20;
const STACK: usize = 2 << 20;

/// Bytes of address space that a thread takes in addition to its data.
pub(super) const OF_THREAD: usize = BLAS_BUFFER + ARENA + STACK;

/// The default number of computing threads.
pub(super) fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Fails if the address space is limited and has no room for `threads` more threads.
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
