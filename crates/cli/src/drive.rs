//! The driver of all commands that iterate: displays, logs, saves and stops runs, and writes the results.

use std::fmt::Display;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;
use impasto::Picture;
use impasto::optim::Method;
use impasto::picture::{Format, Provenance, SaveOptions};
use impasto::recipe::{Rate, Scale, Steps};
use impasto::run::{Outcome, Progress, Run, Stop, Watcher};
use impasto::vgg::WeightSource;

use super::arguments::{NetworkArguments, names, rate};
use super::checkpoint::{CheckpointArguments, Keeper};
use super::common::Common;
use super::default_output::DefaultOutput;
use super::distinct::{Written, ensure_distinct};
use super::error::Error;
use super::frame_names::FrameNames;
use super::interrupt;
use super::invocation::Invocation;
use super::log::Log;
use super::memory::MemoryArguments;
use super::output::OutputArguments;
use super::preview::Preview;
use super::print::note;
use super::progress::{Display as Bar, Verbosity};
use super::ranks;
use super::record::Record;
use super::rescue;
use super::seed::Seed;

/// Options of the optimiser.
#[derive(Args, Clone, Copy)]
pub(super) struct OptimizerArguments {
    /// Optimiser: adam, lbfgs, momentum or pyramid-adam [default: the preset's]
    #[arg(long, value_name = "NAME", value_parser = names::<Method>(), hide_possible_values = true)]
    optimizer: Option<Method>,

    /// Learning rate of adam, momentum or pyramid-adam [default: the preset's]
    ///
    /// In units of the network's input; for invert, in levels of 0..255 (adam) or multiplied by σ² (momentum).
    #[arg(long, value_name = "R", value_parser = rate)]
    pub(super) lr: Option<f64>,

    /// Keep pixel values in range during optimisation [default: the preset's]
    #[arg(long, conflicts_with = "no_clamp")]
    clamp: bool,

    /// Let pixel values leave the range during optimisation [default: the preset's]
    #[arg(long)]
    no_clamp: bool,
}

/// Options for files written during a run.
#[derive(Args)]
pub(super) struct OnTheWayArguments {
    /// Write the picture so far every N iterations, numbered, next to OUT
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    save_every: Option<u32>,

    /// Write one JSON object per iteration to a file
    ///
    /// Its fields: iteration, scale (longer side in pixels), finish (true in the finish), elapsed (seconds), total and terms
    /// of the picture so far, and trial, the total at a rejected trial point of a line search.
    #[arg(long, value_name = "FILE.jsonl")]
    log: Option<PathBuf>,
}

/// Options of a run.
#[derive(Args)]
pub(super) struct RunArguments {
    /// Iterations at the last scale, or at each scale [default: the preset's]
    ///
    /// Several numbers are for the scales from small to large.
    #[arg(long, value_name = "N|A,B,C")]
    pub(super) steps: Option<Steps>,

    #[command(flatten)]
    pub(super) optimizer: OptimizerArguments,

    /// Stop a scale early below this progress, as in 0.01 [default: never]
    ///
    /// Progress is the relative decrease of the loss over the last ten iterations.
    #[arg(long, value_name = "X", value_parser = share)]
    tolerance: Option<f64>,

    /// Average about the last hundred pictures of adam, which reduces grain
    #[arg(long)]
    average: bool,

    /// Seed of all random numbers, or random [default: 0]
    ///
    /// random (or -1) draws a seed, prints it, and records it in the picture.
    #[arg(long, value_name = "N|random", default_value = "0", hide_default_value = true)]
    pub(super) seed: Seed,

    #[command(flatten)]
    on_the_way: OnTheWayArguments,

    /// Show the picture in the terminal while it is painted
    ///
    /// Uses the protocol of kitty, iTerm or sixel, or else coloured blocks.
    #[arg(long)]
    preview: bool,

    #[command(flatten)]
    pub(super) verbosity: Verbosity,

    #[command(flatten)]
    output: OutputArguments,

    #[command(flatten)]
    checkpoint: CheckpointArguments,

    #[command(flatten)]
    pub(super) memory: MemoryArguments,
}

impl OptimizerArguments {
    /// The requested method, or the job's own. A rate for a method that has none is a usage error.
    pub(super) fn method(self, own: Method) -> Result<Method, Error> {
        let method = self.optimizer.unwrap_or(own);
        if self.lr.is_some() && method == Method::Lbfgs {
            return Err(Error::Usage(
                "--lr is the rate of adam or momentum; lbfgs chooses its step lengths itself; give --optimizer adam, or leave \
                 --lr out"
                    .into(),
            ));
        }
        Ok(method)
    }

    /// Whether pixel values are kept in range, if an option says so.
    pub(super) fn clamp(self) -> Option<bool> {
        (self.clamp || self.no_clamp).then_some(self.clamp)
    }

    /// The requested rate, or the job's own.
    pub(super) fn rate(self, own: Rate) -> Rate {
        self.lr.map_or(own, Rate::OfInput)
    }
}

impl RunArguments {
    /// Prints, shows and writes nothing during the run, because another process does.
    pub(super) fn mute(&mut self) {
        self.verbosity = Verbosity { quiet: true, verbose: false };
        self.preview = false;
        self.on_the_way = OnTheWayArguments { save_every: None, log: None };
    }

    /// The requested method, or the job's own. Options that do not fit it are a usage error.
    pub(super) fn method(&self, own: Method) -> Result<Method, Error> {
        let method = self.optimizer.method(own)?;
        if self.average && method != Method::Adam {
            return Err(Error::Usage(format!(
                "--average is the mean of adam's pictures, and {method} leaves the best of its own; give --optimizer adam, or \
                 leave --average out"
            )));
        }
        Ok(method)
    }

    /// The requested format.
    pub(super) fn format(&self) -> Option<Format> {
        self.output.options().format
    }

    /// The seed of the checkpoint from which the run continues, if any.
    pub(super) fn seed_of_checkpoint(&self) -> Option<u64> {
        self.checkpoint.setting("seed")?.parse().ok()
    }

    /// Whether checkpoints are written.
    pub(super) fn keeps_checkpoint(&self) -> bool {
        self.checkpoint.file().is_some()
    }

    /// Refuses a checkpoint for several runs.
    pub(super) fn check_checkpoint(&self, runs: u16) -> Result<(), Error> {
        if runs > 1 && self.checkpoint.file().is_some() {
            let why =
                "--checkpoint saves one run, and --repeats makes several; give each its own command with its --seed";
            return Err(Error::Usage(why.into()));
        }
        Ok(())
    }

    /// The options for writing the picture.
    #[cfg(feature = "studio")]
    pub(super) fn save_options(&self) -> SaveOptions {
        self.output.options()
    }

    /// The options that end runs.
    pub(super) fn finish(&self) -> Finish {
        Finish { tolerance: self.tolerance, average: self.average }
    }
}

/// The largest number of intermediate pictures whose names are checked before the run.
const MOST_FRAMES: usize = 100_000;

/// The weight of an iterate in `--average`, relative to the next one.
const AVERAGE: f64 = 0.99;

/// `--tolerance` and `--average`.
#[derive(Clone, Copy, Default)]
pub(super) struct Finish {
    tolerance: Option<f64>,
    average: bool,
}

impl Finish {
    /// Applies the options to a run that has not begun.
    pub(super) fn apply(self, run: &mut Run<'_>) {
        run.tolerate(self.tolerance.unwrap_or(0.0));
        if self.average {
            run.average(AVERAGE);
        }
    }
}

/// A share: a number above 0 and below 1.
fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("give a number between 0 and 1, as in 0.01".into()),
    }
}

/// Runs jobs as the options say.
pub(super) struct Driver {
    output: PathBuf,
    /// The chosen output, if `--output` was not given.
    chosen: Option<DefaultOutput>,
    options: SaveOptions,
    save_every: Option<u32>,
    verbosity: Verbosity,
    preview: Option<Preview>,
    log: Option<Log>,
    /// The record of how the picture is made; `None` to record nothing.
    record: Option<Record>,
    checkpoints: Option<Keeper>,
    finish: Finish,
    /// All files that are read, and all that are written except intermediate pictures.
    read: Vec<PathBuf>,
    written: Vec<Written>,
    interrupted: Arc<AtomicBool>,
    begin: Instant,
}

impl Driver {
    /// Sets up Ctrl-C, the log and checkpoints. Checks that the output can be written, and that all files to write are
    /// distinct from the inputs, from the weights and from each other. Without an invocation, the picture does not
    /// record how it was made, unless [`made_by`](Self::made_by) says so.
    pub(super) fn new(invocation: Option<&Invocation>, common: &Common, inputs: &[&Path]) -> Result<Self, Error> {
        let (arguments, output) = (&common.run, common.output());
        let options = arguments.output.options();
        if ranks::writes() {
            options.check(output, [1, 1], inputs)?;
        }
        let preview = arguments.preview.then(Preview::new).transpose()?;
        let checkpoint = invocation.and_then(|invocation| invocation.resumed.as_deref());
        let checkpoint = checkpoint.or(arguments.checkpoint.file()).map(|path| Written::new("--checkpoint", path));
        let log = arguments.on_the_way.log.as_ref().map(|path| Written::new("--log", path));
        let written: Vec<_> = [Written::picture("--output", output)].into_iter().chain(checkpoint).chain(log).collect();
        let read = common.network.files(inputs);
        ensure_distinct(&written, &read)?;
        let log = arguments.on_the_way.log.as_deref().map(Log::new).transpose()?;
        let checkpoints = match invocation {
            Some(invocation) => Keeper::new(&arguments.checkpoint, invocation, output, inputs)?,
            None if arguments.checkpoint.file().is_some() => {
                return Err(Error::Usage(
                    "--checkpoint saves one run, and cannot be given for several pictures".into(),
                ));
            }
            None => None,
        };
        let (save_every, verbosity) = (arguments.on_the_way.save_every, arguments.verbosity);
        let record = invocation.map(Record::new);
        let own = Self::with(options, verbosity, output);
        let finish = arguments.finish();
        let chosen = common.chosen().cloned();
        Ok(Self { chosen, save_every, preview, log, record, checkpoints, finish, read, written, ..own })
    }

    /// Records how the picture is made, if not by this command line.
    pub(super) fn made_by(mut self, provenance: Provenance) -> Self {
        self.options.provenance = Some(provenance);
        self
    }

    /// Adds files of other jobs that intermediate pictures must not overwrite.
    pub(super) fn beside(mut self, others: impl IntoIterator<Item = PathBuf>) -> Self {
        self.read.extend(others);
        self
    }

    /// A driver for the cells of a sheet, which does not record how it was made.
    pub(super) fn of_cells(
        arguments: &OnTheWayArguments,
        verbosity: Verbosity,
        network: &NetworkArguments,
        output: &Path,
        inputs: &[&Path],
    ) -> Result<Self, Error> {
        Format::of(output)?;
        let log = arguments.log.as_ref().map(|path| Written::new("--log", path));
        let written: Vec<_> = [Written::picture("--output", output)].into_iter().chain(log).collect();
        let read = network.files(inputs);
        ensure_distinct(&written, &read)?;
        let log = arguments.log.as_deref().map(Log::new).transpose()?;
        let own = Self::with(SaveOptions::default(), verbosity, output);
        Ok(Self { log, save_every: arguments.save_every, read, written, ..own })
    }

    fn with(options: SaveOptions, verbosity: Verbosity, output: &Path) -> Self {
        let (interrupted, begin) = (interrupt::watch(), Instant::now());
        let (save_every, preview, log, record, checkpoints) = (None, None, None, None, None);
        Self {
            output: output.to_owned(),
            chosen: None,
            options,
            save_every,
            verbosity,
            preview,
            log,
            record,
            checkpoints,
            finish: Finish::default(),
            read: Vec::new(),
            written: Vec::new(),
            interrupted,
            begin,
        }
    }

    /// Records the value of a setting that the command line leaves open, in the picture and in checkpoints.
    pub(super) fn note(&mut self, name: &str, value: impl Display) {
        if let Some(record) = &mut self.record {
            record.set(name, value);
        }
    }

    /// Records the weights.
    pub(super) fn note_weights(&mut self, source: &WeightSource) {
        if let Some(record) = &mut self.record {
            record.set_weights(source);
        }
    }

    /// Whether Ctrl-C was pressed in any process.
    pub(super) fn interrupted(&self) -> bool {
        ranks::any(self.interrupted.load(Ordering::Relaxed))
    }

    /// Refuses runs whose intermediate pictures would overwrite a file of the command. `numbers` names each of several
    /// runs.
    pub(super) fn check_frames(
        &self,
        numbers: impl IntoIterator<Item = Option<(&'static str, usize)>>,
        iterations: usize,
    ) -> Result<(), Error> {
        let Some(every) = self.save_every.filter(|_| ranks::writes()) else { return Ok(()) };
        let names = numbers.into_iter().map(|number| FrameNames::new(&self.output, &self.options, number));
        let frames = names.flat_map(|names| {
            let due = (every as usize..iterations).step_by(every as usize);
            due.map(move |iteration| Written::picture("--save-every", names.at(iteration)))
        });
        let all: Vec<_> = self.written.iter().cloned().chain(frames.take(MOST_FRAMES)).collect();
        ensure_distinct(&all, &self.read)
    }

    /// Makes all iterations of a run. `number` names it if it is one of several; `also` is a further watcher.
    pub(super) fn drive(
        &mut self,
        run: &mut Run<'_>,
        number: Option<(&'static str, usize)>,
        also: Option<&mut dyn Watcher>,
    ) -> Result<Outcome, Error> {
        // Check the limits of the format before the first step.
        let side = run.scales().last().map_or(1, |scale| scale.side);
        if ranks::writes() {
            self.options.check(&self.output, [side, side], &[])?;
        }
        let iterations = run.scales().iter().map(|scale| scale.steps).sum();
        self.check_frames([number], iterations)?;
        self.finish.apply(run);
        self.prepare(run)?;
        agree_on_begin(run)?;
        let display = Bar::new(self.verbosity, self.preview.as_mut(), run);
        let mut watchers: Vec<Box<dyn Watcher + '_>> = vec![Box::new(display)];
        if let Some(log) = &mut self.log {
            watchers.push(Box::new(log.of(number)));
        }
        if let Some(every) = self.save_every {
            let names = FrameNames::new(&self.output, &self.options, number);
            watchers.push(Box::new(Frames { every: every as usize, names, options: &self.options }));
        }
        if let Some(also) = also {
            watchers.push(Box::new(Other(also)));
        }
        // Write the checkpoint last: files written before it may be ahead of it, never behind.
        if let Some(keeper) = self.checkpoints.as_mut().filter(|_| ranks::writes()) {
            watchers.push(Box::new(keeper));
        }
        watchers.push(Box::new(CtrlC(&self.interrupted)));
        let ended = run.finish(&mut watchers);
        drop(watchers);
        match self.checkpoints.as_mut().filter(|_| ranks::writes()) {
            // A state that led to a NaN is useless, and an earlier checkpoint exists.
            Some(keeper) if run.iterations() > 0 && run.outcome() != Some(Outcome::NotFinite) => {
                let written = keeper.write(run);
                // Report the first failure.
                let ended = ended?;
                written.map(|()| ended)
            }
            _ => Ok(ended?),
        }
    }

    /// Records what only the run knows, and restores a checkpoint.
    fn prepare(&mut self, run: &mut Run<'_>) -> Result<(), Error> {
        let Some(record) = &mut self.record else { return Ok(()) };
        let each = |number: fn(&Scale) -> usize| {
            run.scales()
                .iter()
                .filter(|scale| !scale.finish)
                .map(|scale| number(scale).to_string())
                .collect::<Vec<_>>()
                .join(",")
        };
        record.set("scales", each(|scale| scale.side));
        record.set("steps", each(|scale| scale.steps));
        let finish = run.scales().iter().filter(|scale| scale.finish);
        let finish: Vec<_> = finish.map(|scale| format!("{} at {}", scale.steps, scale.side)).collect();
        if !finish.is_empty() {
            record.set("finish", finish.join(", "));
        }
        self.options.provenance = Some(record.provenance()?);
        let Some(keeper) = &mut self.checkpoints else { return Ok(()) };
        if keeper.go_on(record, run)? {
            if !self.verbosity.quiet {
                note(format_args!("continuing from {} after iteration {}", keeper.file().display(), run.iterations()));
            }
            if let Some(log) = &mut self.log {
                log.go_on_after(run.iterations())?;
            }
        }
        Ok(())
    }

    /// Drives a run, writes its picture even after a failure, and reports the outcome.
    pub(super) fn complete(mut self, mut run: Run<'_>) -> Result<ExitCode, Error> {
        let ended = self.drive(&mut run, None, None);
        ranks::part(ended.is_err());
        if run.iterations() > 0 {
            self.write(&run.finished())?;
        }
        self.end(ended?, &run)
    }

    /// Writes the result; several processes end their common work here.
    pub(super) fn write(&mut self, picture: &Picture) -> Result<(), Error> {
        ranks::part(false);
        if !ranks::writes() {
            return Ok(());
        }
        let claimed = self.chosen.as_ref().and_then(|chosen| chosen.claim().ok());
        if let Some(path) = &claimed {
            self.output.clone_from(path);
        }
        rescue::save(picture, &self.output, &self.options).inspect_err(|_| {
            // The empty file that reserved the name.
            let _ = claimed.as_ref().map(std::fs::remove_file);
        })?;
        let format = self.options.format.or_else(|| Format::by_extension(&self.output));
        let left_out = format.map_or_else(Vec::new, |format| picture.left_out(format, &self.options));
        for left in left_out.iter().filter(|_| !self.verbosity.quiet) {
            note(format_args!("note: {}: {left}", self.output.display()));
        }
        if !self.verbosity.quiet {
            let (seconds, size) = (self.begin.elapsed().as_secs_f64(), (picture.width(), picture.height()));
            note(format_args!("{}: {}×{} pixels, {seconds:.1} s", self.output.display(), size.0, size.1));
        }
        Ok(())
    }

    /// The exit code for the outcome of a job whose picture is written. `run` is its last run.
    pub(super) fn end(&self, ended: Outcome, run: &Run<'_>) -> Result<ExitCode, Error> {
        let (output, iteration) = (self.output.display(), run.iterations());
        match ended {
            Outcome::NotFinite => Err(Error::Failure(format!(
                "{} became infinite or NaN at iteration {iteration}; {output} holds the last picture before that; a \
                 smaller --lr or smaller weights help",
                run.not_finite().unwrap_or("the loss")
            ))),
            Outcome::Stopped => {
                let checkpoint = self.checkpoints.as_ref().map_or_else(String::new, |keeper| {
                    format!("; continue with `impasto resume {}`", keeper.file().display())
                });
                if ranks::writes() {
                    note(format_args!(
                        "interrupted after iteration {iteration}; the picture so far is in {output}{checkpoint}"
                    ));
                }
                Ok(ExitCode::from(interrupt::EXIT_CODE))
            }
            _ => Ok(ExitCode::SUCCESS),
        }
    }
}

/// Checks that all processes begin at the same iteration.
fn agree_on_begin(run: &Run<'_>) -> Result<(), Error> {
    let least = ranks::least(run.iterations());
    if ranks::any(run.iterations() != least) {
        return Err(Error::Failure(format!(
            "the processes have different checkpoints: some begin after iteration {least}, others later; put the checkpoint \
             where all hosts read the same file"
        )));
    }
    Ok(())
}

/// Saves the intermediate pictures.
struct Frames<'a> {
    every: usize,
    names: FrameNames,
    options: &'a SaveOptions,
}

impl Watcher for Frames<'_> {
    fn see(&mut self, run: &Run<'_>, progress: &Progress) -> ControlFlow<Stop> {
        let due = progress.iteration.is_multiple_of(self.every) && progress.iteration < progress.iterations;
        if due && let Err(why) = run.finished().save_with(self.names.at(progress.iteration), self.options) {
            return ControlFlow::Break(Stop::Failed(why.into()));
        }
        ControlFlow::Continue(())
    }
}

/// Stops the run after Ctrl-C.
struct CtrlC<'a>(&'a AtomicBool);

impl Watcher for CtrlC<'_> {
    fn see(&mut self, _: &Run<'_>, _: &Progress) -> ControlFlow<Stop> {
        if ranks::any(self.0.load(Ordering::Relaxed)) {
            ControlFlow::Break(Stop::Asked)
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// A borrowed watcher.
struct Other<'a>(&'a mut dyn Watcher);

impl Watcher for Other<'_> {
    fn see(&mut self, run: &Run<'_>, progress: &Progress) -> ControlFlow<Stop> {
        self.0.see(run, progress)
    }
}
