//! Several processes under `mpirun`: which of them reads, writes and shows, on what all must agree, and how they end.
//!
//! Without the feature `mpi`, or without `mpirun`, there is one process, and all of this is nothing.

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

/// What the processes do with a command.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    /// All compute one picture; the first writes and shows it.
    Divided,
    /// Each computes some pictures by itself, and the first reports.
    Jobs,
    /// The first does everything.
    First,
}

/// The processes, if they are several.
static WORLD: OnceLock<Arc<dyn Communicator>> = OnceLock::new();

/// What they do, by the command that was given and not by one that it runs in turn.
static MODE: OnceLock<Mode> = OnceLock::new();

/// Whether they still go through the same calls.
static STATE: AtomicU8 = AtomicU8::new(TOGETHER);

/// All go through the same calls.
const TOGETHER: u8 = 0;
/// All have come to the end of what they do together.
const PARTED: u8 = 1;
/// This one has come to an end, and the others have not.
const SPLIT: u8 = 2;

/// How long a failing process waits for others to fail too.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs the command as one of the processes that `mpirun` has started, or as the only one.
pub(super) fn within(work: impl FnOnce() -> ExitCode) -> ExitCode {
    if world::is_launched() { world::within(work) } else { work() }
}

/// Says what the processes do with a command, and whether this one has a part in it.
pub(super) fn enter(mode: Mode) -> bool {
    let mode = *MODE.get_or_init(|| mode);
    mode != Mode::First || is_first()
}

/// Whether this is the only process or the first.
pub(super) fn is_first() -> bool {
    rank() == 0
}

/// Which process this is, from 0.
pub(super) fn rank() -> usize {
    WORLD.get().map_or(0, |world| world.rank())
}

/// How many there are.
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

/// How the network is executed: shared, if several processes compute one picture.
pub(super) fn execution() -> Execution {
    match together() {
        Some(world) => Execution::default().with_communicator(Arc::clone(world)),
        None => Execution::default(),
    }
}

/// Whether it is so at any of those that compute one picture.
pub(super) fn any(here: bool) -> bool {
    together().map_or(here, |world| all_gather(&**world, u64::from(here)).contains(&1))
}

/// The least of what those have that compute one picture.
pub(super) fn least(here: usize) -> usize {
    let least = together().and_then(|world| all_gather(&**world, here as u64).into_iter().min());
    least.map_or(here, |least| least as usize)
}

/// What comes on standard input, which reaches the first process alone, as a file at each of those that compute one picture:
/// in the place of every `-` among the paths, for as long as the file is held.
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

/// Ends what the processes that compute one picture do together: for good, once all have come to it. If this one has
/// `failed`, the others may not come, and it waits a little only.
pub(super) fn part(failed: bool) {
    if together().is_some() {
        meet(failed);
    }
}

/// Waits for all processes, or only a little.
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

/// Collects each process's bytes at the first, in their order; the others get nothing. Ends their common work.
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
