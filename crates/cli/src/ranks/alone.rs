//! The only process: what there is without MPI.

use std::process::ExitCode;
use std::time::Duration;

use impasto::comm::Communicator;

/// Never: nobody has started others.
pub(super) fn is_launched() -> bool {
    false
}

/// Runs the command.
pub(super) fn within(work: impl FnOnce() -> ExitCode) -> ExitCode {
    work()
}

/// There is nobody to wait for.
pub(super) fn meet(_: &dyn Communicator, _: Option<Duration>) -> bool {
    true
}

/// Ends the process.
pub(super) fn abort(code: u8) -> ! {
    std::process::exit(i32::from(code))
}

/// Nothing is sent.
pub(super) fn sent() -> u64 {
    0
}
