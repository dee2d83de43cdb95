//! A single process: the implementation without MPI.

use std::process::ExitCode;
use std::time::Duration;

use impasto::comm::Communicator;

/// Always false: there is no MPI launcher.
pub(super) fn is_launched() -> bool {
    false
}

/// Runs the command.
pub(super) fn within(work: impl FnOnce() -> ExitCode) -> ExitCode {
    work()
}

/// There are no other processes to wait for.
pub(super) fn meet(_: &dyn Communicator, _: Option<Duration>) -> bool {
    true
}

/// Ends the process.
pub(super) fn abort(code: u8) -> ! {
    std::process::exit(i32::from(code))
}

/// Always 0: nothing is sent.
pub(super) fn sent() -> u64 {
    0
}
