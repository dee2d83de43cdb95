//! Several processes under `mpirun`: which of them reads, writes and shows, what they must agree on, and how they end.
//!
//! Without the feature `mpi`, or without `mpirun`, there is one process, and these functions do nothing.

#[cfg_attr(not(feature = "mpi"), path = "alone.rs")]
mod world;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use impasto::comm::{Communicator, all_gather};
use impasto::vgg::Execution;
use tempfile::NamedTempFile;

use super::error::Error;
use super::print::note;

/// How the processes share a command.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    /// All compute one picture; the first writes and shows it.
    Divided,
    /// Each computes some of the pictures, and the first reports.
    Jobs,
    /// The first does everything.
    First,
}

/// The processes, if they are several.
static WORLD: OnceLock<Arc<dyn Communicator>> = OnceLock::new();

/// The mode of the given command, not of commands that it runs.
static MODE: OnceLock<Mode> = OnceLock::new();

/// Whether the processes still make the same calls.
static STATE: AtomicU8 = AtomicU8::new(TOGETHER);

/// All make the same calls.
const TOGETHER: u8 = 0;
/// All have finished their common work.
const PARTED: u8 = 1;
/// This process has ended, others have not.
const SPLIT: u8 = 2;

/// The time that a failing process waits for others to fail too.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs the command as one of the processes that `mpirun` has started, or as the only one.
pub(super) fn within(work: impl FnOnce() -> ExitCode) -> ExitCode {
    if world::is_launched() { world::within(work) } else { work() }
}

/// Sets the mode. Returns whether this process takes part.
pub(super) fn enter(mode: Mode) -> bool {
    let mode = *MODE.get_or_init(|| mode);
    mode != Mode::First || is_first()
}

/// Whether this is the only process or the first.
pub(super) fn is_first() -> bool {
    rank() == 0
}

/// The number of this process, from 0.
pub(super) fn rank() -> usize {
    WORLD.get().map_or(0, |world| world.rank())
}

/// The number of processes.
pub(super) fn size() -> usize {
    WORLD.get().map_or(1, |world| world.size())
}

/// The processes that compute one picture, until they part.
fn together() -> Option<&'static Arc<dyn Communicator>> {
    WORLD.get().filter(|_| MODE.get() == Some(&Mode::Divided) && STATE.load(Ordering::Relaxed) == TOGETHER)
}

/// Whether this process writes what it computes.
pub(super) fn writes() -> bool {
    is_first() || MODE.get() == Some(&Mode::Jobs)
}

/// The execution of the network: sharded, if several processes compute one picture.
pub(super) fn execution() -> Execution {
    match together() {
        Some(world) => Execution::default().with_communicator(Arc::clone(world)),
        None => Execution::default(),
    }
}

/// Whether `here` is true in any process that computes the same picture.
pub(super) fn any(here: bool) -> bool {
    together().map_or(here, |world| all_gather(&**world, u64::from(here)).contains(&1))
}

/// The smallest `here` of the processes that compute the same picture.
pub(super) fn least(here: usize) -> usize {
    let least = together().and_then(|world| all_gather(&**world, here as u64).into_iter().min());
    least.map_or(here, |least| least as usize)
}

/// Distributes standard input, which only the first process receives, to all processes that compute one picture: as a
/// temporary file that replaces every `-` among the paths. The file is deleted when the result is dropped.
pub(super) fn stdin_for_all(paths: Vec<&mut PathBuf>) -> Result<Option<NamedTempFile>, Error> {
    let mut paths: Vec<_> = paths.into_iter().filter(|path| **path == Path::new("-")).collect();
    let Some(world) = together().filter(|_| !paths.is_empty()) else { return Ok(None) };
    let failed = |why| Error::Failure(format!("cannot read standard input: {why}"));
    let mut bytes = Vec::new();
    if is_first() {
        io::stdin().lock().read_to_end(&mut bytes).map_err(failed)?;
    }
    let mut length = (bytes.len() as u64).to_le_bytes();
    world.broadcast(0, &mut length);
    bytes.resize(u64::from_le_bytes(length) as usize, 0);
    world.broadcast(0, &mut bytes);
    let mut file = NamedTempFile::new().map_err(failed)?;
    file.write_all(&bytes).map_err(failed)?;
    for path in &mut paths {
        file.path().clone_into(path);
    }
    Ok(Some(file))
}

/// Ends the common work of the processes that compute one picture: waits until all have reached this point. If this
/// process has `failed`, others may not reach it, so the wait is short.
pub(super) fn part(failed: bool) {
    if together().is_some() {
        meet(failed);
    }
}

/// Waits for all processes, after a failure only briefly.
fn meet(failed: bool) {
    let Some(world) = WORLD.get().filter(|_| STATE.load(Ordering::Relaxed) == TOGETHER) else { return };
    let parted = world::meet(&**world, failed.then_some(PATIENCE));
    STATE.store(if parted { PARTED } else { SPLIT }, Ordering::Relaxed);
}

/// Reports the failure and ends the process; if the others do not fail too, ends all.
pub(super) fn fail(message: &str, code: u8) -> ExitCode {
    if MODE.get().is_some_and(|mode| *mode != Mode::First) {
        meet(true);
    }
    if STATE.load(Ordering::Relaxed) == SPLIT {
        let of = if is_first() { String::new() } else { format!("rank {}: ", rank()) };
        note(format_args!("error: {of}{message}"));
        world::abort(code);
    }
    if is_first() {
        note(format_args!("error: {message}"));
    }
    ExitCode::from(code)
}

/// Gathers the bytes of all processes at the first one, in order; the others get an empty list. Ends the common work.
pub(super) fn gather(own: Vec<u8>) -> Vec<Vec<u8>> {
    let Some(world) = WORLD.get() else { return vec![own] };
    let all = gathered(&**world, own);
    meet(false);
    all
}

fn gathered(world: &dyn Communicator, own: Vec<u8>) -> Vec<Vec<u8>> {
    let lengths = all_gather(world, own.len() as u64);
    if world.rank() > 0 {
        world.exchange(&[(0, &own)], &mut []);
        return Vec::new();
    }
    let mut all: Vec<Vec<u8>> = lengths.iter().map(|&length| vec![0; length as usize]).collect();
    let mut received: Vec<_> = all.iter_mut().map(|bytes| &mut bytes[..]).enumerate().skip(1).collect();
    world.exchange(&[], &mut received);
    all[0] = own;
    all
}

/// Bytes that this process has sent so far, if there are several.
pub(super) fn sent() -> Option<u64> {
    WORLD.get().map(|_| world::sent())
}
