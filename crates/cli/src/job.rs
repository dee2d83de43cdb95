//! What the commands have in common that run a job.

use std::path::PathBuf;
use std::process::ExitCode;

use impasto::run::{Forecast, Work};

use super::arguments::NetworkArguments;
use super::drive::RunArguments;
use super::error::Error;
use super::invocation::Invocation;

/// A command that runs a job: it can be planned, continued from a checkpoint, and divided among processes.
pub(super) trait JobCommand: Sync {
    /// Runs the job.
    fn run(&self, invocation: &Invocation) -> Result<ExitCode, Error>;

    /// What the job will take within so many bytes of memory, priced without reading more than sizes.
    fn forecast(&self, memory: usize) -> Result<(Forecast, Work), Error>;

    /// Options of the network.
    fn network_arguments(&self) -> &NetworkArguments;

    /// Options of the run.
    fn run_arguments(&self) -> &RunArguments;

    /// The same, to change them.
    fn run_arguments_mut(&mut self) -> &mut RunArguments;

    /// The paths of its pictures, any of which may be standard input.
    fn pictures_mut(&mut self) -> Vec<&mut PathBuf>;
}
