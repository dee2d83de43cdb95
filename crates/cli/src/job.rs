//! What the commands have in common that run a job.

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

    /// What the job will take within so many bytes of memory, priced without reading more than sizes.
    fn forecast(&self, memory: usize) -> Result<(Forecast, Work), Error>;

    /// The options of every job.
    fn common(&self) -> &Common;

    /// The same, to change them.
    fn common_mut(&mut self) -> &mut Common;

    /// The paths of its pictures, any of which may be standard input.
    fn pictures_mut(&mut self) -> Vec<&mut PathBuf>;

    /// What the picture is called where `--output` does not say, without extension.
    fn stem(&self) -> String;
}

/// Decides what the command line leaves open before a run: the name of the picture, and a random seed. The invocation then
/// says so, as if both had been given.
pub(super) fn settle(job: &mut dyn JobCommand, invocation: &mut Invocation) {
    let stem = job.stem();
    if let Some(name) = job.common_mut().choose_output(|| stem) {
        let name = name.to_string_lossy().into_owned();
        invocation.give("output", &name);
    }
    let run = &mut job.common_mut().run;
    if run.seed == Seed::Random {
        // A run that is continued keeps the seed it began with.
        let drawn = || ranks::least(Seed::draw() as usize) as u64;
        let seed = run.seed_of_checkpoint().unwrap_or_else(drawn);
        run.seed = Seed::Given(seed);
        invocation.give("seed", &seed.to_string());
        if !run.verbosity.quiet {
            note(format_args!("seed {seed}"));
        }
    }
}
