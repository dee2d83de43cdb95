//! How a command that iterates ends.

use std::path::Path;
use std::process::ExitCode;

use impasto::studio::Ended;

use super::error::Error;
use super::interrupt;

/// The exit code for how a job ended after some iterations, its picture being in `output` already.
pub(super) fn finish(ended: Ended, iterations: usize, output: &Path) -> Result<ExitCode, Error> {
    let output = output.display();
    match ended {
        Ended::NotFinite => Err(Error::Failure(format!(
            "the loss or its gradient became infinite or NaN at iteration {iterations}; {output} holds the picture before \
             it; a smaller --lr or smaller weights help"
        ))),
        Ended::Stopped => {
            eprintln!("interrupted after iteration {iterations}; the picture so far is in {output}");
            Ok(ExitCode::from(interrupt::EXIT_CODE))
        }
        Ended::Complete | Ended::Converged => Ok(ExitCode::SUCCESS),
    }
}
