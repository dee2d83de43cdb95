//! Processes started by `mpirun`, through MPI.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use impasto::comm;
use mpi::Threading;
use mpi::point_to_point::{Destination, Source};
use mpi::request::WaitGuard;
use mpi::topology::{Communicator, SimpleCommunicator};
use mpi::traits::Root;

use super::WORLD;
use crate::print::note;

/// Environment variables that launchers set.
const LAUNCHERS: [&str; 5] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMIX_RANK", "MPI_LOCALNRANKS"];

/// Tags of messages: data, and the end of a process.
const DATA: i32 = 1;
const END: i32 = 2;

/// The longest message; lengths have 31 bits.
const LONGEST: usize = 1 << 30;

/// Rust's exit code of a process that panics.
const PANICKED: i32 = 101;

/// Bytes that were sent.
static SENT: AtomicU64 = AtomicU64::new(0);

/// Bytes that this process has sent so far; a broadcast counts where it arrives.
pub(super) fn sent() -> u64 {
    SENT.load(Ordering::Relaxed)
}

/// Whether this process is one of several that were started together.
pub(super) fn is_launched() -> bool {
    LAUNCHERS.iter().any(|name| std::env::var_os(name).is_some())
}

/// Runs the command as one of the processes.
pub(super) fn within(work: impl FnOnce() -> ExitCode) -> ExitCode {
    // Threads other than the main one call MPI, but only one at a time.
    let Some((universe, threading)) = mpi::initialize_with_threading(Threading::Serialized) else { return work() };
    let world = universe.world();
    if threading < Threading::Serialized {
        note(format_args!("error: this MPI library cannot be called from several threads; use another one"));
        world.abort(1);
    }
    let (rank, size) = (world.rank() as usize, world.size() as usize);
    if size > 1 {
        let _ = WORLD.set(Arc::new(World { rank, size }));
    }
    // Others may be waiting for a process that panics.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| world.abort(PANICKED))
}

/// Ends all processes.
pub(super) fn abort(code: u8) -> ! {
    SimpleCommunicator::world().abort(i32::from(code))
}

/// Waits until all processes have reached this point, but no longer than `patience`. Returns whether they have.
pub(super) fn meet(ranks: &dyn comm::Communicator, patience: Option<Duration>) -> bool {
    let (world, begin) = (SimpleCommunicator::world(), Instant::now());
    let others =
        || (0..ranks.size()).filter(|&rank| rank != ranks.rank()).map(|rank| world.process_at_rank(rank as i32));
    for other in others() {
        // So short that sending does not wait for the receiver.
        other.send_with_tag(&1u8, END);
    }
    others().all(|other| {
        loop {
            if other.immediate_probe_with_tag(END).is_some() {
                let _: (u8, _) = other.receive_with_tag(END);
                return true;
            }
            if patience.is_some_and(|patience| begin.elapsed() > patience) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    })
}

/// All processes that were started together.
struct World {
    rank: usize,
    size: usize,
}

impl comm::Communicator for World {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn exchange(&self, sent: &[(usize, &[u8])], received: &mut [(usize, &mut [u8])]) {
        let world = SimpleCommunicator::world();
        mpi::request::scope(|scope| {
            let mut waiting = Vec::new();
            for (rank, bytes) in received {
                for part in bytes.chunks_mut(LONGEST) {
                    let process = world.process_at_rank(*rank as i32);
                    waiting.push(WaitGuard::from(process.immediate_receive_into_with_tag(scope, part, DATA)));
                }
            }
            let mut sending = Vec::new();
            for (rank, bytes) in sent {
                SENT.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                for part in bytes.chunks(LONGEST) {
                    let process = world.process_at_rank(*rank as i32);
                    sending.push(WaitGuard::from(process.immediate_send_with_tag(scope, part, DATA)));
                }
            }
        });
    }

    fn broadcast(&self, from: usize, bytes: &mut [u8]) {
        if self.rank != from {
            SENT.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        for part in bytes.chunks_mut(LONGEST) {
            SimpleCommunicator::world().process_at_rank(from as i32).broadcast_into(part);
        }
    }
}
