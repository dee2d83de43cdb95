//! The interface of commands that run a job.

use std::path::PathBuf;
use std::process::ExitCode;

use impasto::run::{Forecast, Work};

use super::common::Common;
use super::error::Error;
use super::invocation::Invocation;
use super::print::note;
use super::ranks;
use super::seed::Seed;

/// A command that runs a job: it can be planned, continued from a checkpoint, and divided among processes.
pub(super) trait JobCommand: Sync {
    /// Runs the job.
    fn run(&self, invocation: &Invocation) -> Result<ExitCode, Error>;

    /// The forecast of the job within a memory limit in bytes. Reads no more of the pictures than their sizes.
    fn forecast(&self, memory: usize) -> Result<(Forecast, Work), Error>;

    /// The options of every job.
    fn common(&self) -> &Common;

    /// The options of every job, mutable.
    fn common_mut(&mut self) -> &mut Common;

    /// The paths of the job's pictures, any of which may be standard input.
    fn pictures_mut(&mut self) -> Vec<&mut PathBuf>;

    /// The default name of the output, without extension.
    fn stem(&self) -> String;
}

/// Settles what the command line leaves open before a run: the name of the picture and a random seed. The invocation
/// then contains both, as if they had been given.
pub(super) fn settle(job: &mut dyn JobCommand, invocation: &mut Invocation) {
    let stem = job.stem();
    if let Some(name) = job.common_mut().choose_output(|| stem) {
        let name = name.to_string_lossy().into_owned();
        invocation.give("output", &name);
    }
    let run = &mut job.common_mut().run;
    if run.seed == Seed::Random {
        // A continued run keeps its seed.
        let drawn = || ranks::least(Seed::draw() as usize) as u64;
        let seed = run.seed_of_checkpoint().unwrap_or_else(drawn);
        run.seed = Seed::Given(seed);
        invocation.give("seed", &seed.to_string());
        if !run.verbosity.quiet {
            note(format_args!("seed {seed}"));
        }
    }
}
