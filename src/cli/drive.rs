//! The one driver of all commands that iterate: shows, logs, saves, stops, and ends.

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
use impasto::recipe::{Rate, Steps};
use impasto::run::{Ended, Progress, Run, Stop, Watcher};

use super::arguments::{names, rate};
use super::error::Error;
use super::interrupt;
use super::log::Log;
use super::output::OutputArguments;
use super::preview::Preview;
use super::progress::{Display, Verbosity};

/// Options of a run.
#[derive(Args)]
pub(super) struct RunArguments {
    /// How many iterations: of the last scale, or of each from small to large [default: the preset's]
    #[arg(long, value_name = "N|A,B,C")]
    pub(super) steps: Option<Steps>,

    /// What moves the pixels: adam, lbfgs or momentum [default: the preset's]
    #[arg(long, value_name = "NAME", value_parser = names::<Method>(), hide_possible_values = true)]
    pub(super) optimizer: Option<Method>,

    /// The rate of adam or momentum, in units of the network's input; for invert in levels of 0..255, momentum's times σ²
    /// [default: the preset's]
    #[arg(long, value_name = "R", value_parser = rate)]
    pub(super) lr: Option<f64>,

    /// Keep pixels within black and white while they move, not only when the picture is written
    #[arg(long)]
    pub(super) clamp: bool,

    /// Seed of all random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,

    /// Write the picture so far every N iterations, numbered, beside OUT
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    save_every: Option<u32>,

    /// Write one JSON object per iteration: iteration, scale (longer side in pixels), elapsed (seconds), total, and the
    /// terms
    #[arg(long, value_name = "FILE.jsonl")]
    log: Option<PathBuf>,

    /// Show the picture in the terminal as it comes (kitty, iTerm, sixel, or coloured blocks)
    #[arg(long)]
    preview: bool,

    #[command(flatten)]
    pub(super) verbosity: Verbosity,

    #[command(flatten)]
    output: OutputArguments,
}

impl RunArguments {
    /// The method asked for, or the job's own; a rate for a method that has none is wrong usage.
    pub(super) fn method(&self, own: Method) -> Result<Method, Error> {
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

    /// How the picture is written.
    #[cfg(feature = "studio")]
    pub(super) fn save_options(&self) -> SaveOptions {
        self.output.options()
    }

    /// The rate asked for, or the job's own.
    pub(super) fn rate(&self, own: Rate) -> Rate {
        self.lr.map_or(own, Rate::OfInput)
    }
}

/// Runs jobs as the options say.
pub(super) struct Driver<'a> {
    output: &'a Path,
    options: SaveOptions,
    save_every: Option<u32>,
    verbosity: Verbosity,
    preview: Option<Preview>,
    log: Option<Log>,
    interrupted: Arc<AtomicBool>,
    begin: Instant,
}

impl<'a> Driver<'a> {
    /// Sets up Ctrl-C and the log, and checks that the output can be written and is none of the inputs.
    pub(super) fn new(arguments: &RunArguments, output: &'a Path, inputs: &[&Path]) -> Result<Self, Error> {
        let options = arguments.output.options();
        options.check(output, [1, 1], inputs)?;
        let preview = arguments.preview.then(Preview::new).transpose()?;
        let log = arguments.log.as_deref().map(Log::new).transpose()?;
        let RunArguments { save_every, verbosity, .. } = *arguments;
        Ok(Self { save_every, preview, log, ..Self::with(options, verbosity, output) })
    }

    /// The same, for a picture that was not made by this command line.
    pub(super) fn made_by(mut self, provenance: Provenance) -> Self {
        self.options.provenance = Some(provenance);
        self
    }

    /// The same without log and frames.
    pub(super) fn quietest(verbosity: Verbosity, output: &'a Path) -> Result<Self, Error> {
        Format::of(output)?;
        Ok(Self::with(SaveOptions::default(), verbosity, output))
    }

    fn with(options: SaveOptions, verbosity: Verbosity, output: &'a Path) -> Self {
        let (interrupted, begin) = (interrupt::watch(), Instant::now());
        Self { output, options, save_every: None, verbosity, preview: None, log: None, interrupted, begin }
    }

    /// Whether Ctrl-C was pressed.
    pub(super) fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Makes all iterations of a run. `number` names it where it is one of several; `also` watches too.
    pub(super) fn drive(
        &mut self,
        run: &mut Run<'_>,
        number: Option<(&str, usize)>,
        also: Option<&mut dyn Watcher>,
    ) -> Result<Ended, Error> {
        // All that the format allows is known before the first step.
        let side = run.scales().last().map_or(1, |scale| scale.side);
        self.options.check(self.output, [side, side], &[])?;
        let display = Display::new(self.verbosity, self.preview.as_mut(), run);
        let mut watchers: Vec<Box<dyn Watcher + '_>> = vec![Box::new(display)];
        if let Some(log) = &mut self.log {
            watchers.push(Box::new(log.of(number)));
        }
        if let Some(every) = self.save_every {
            watchers.push(Box::new(Frames { every: every as usize, output: self.output, options: &self.options }));
        }
        if let Some(also) = also {
            watchers.push(Box::new(Other(also)));
        }
        watchers.push(Box::new(CtrlC(&self.interrupted)));
        Ok(run.finish(&mut watchers)?)
    }

    /// Drives a run, writes its picture whatever happens, and tells how it ended.
    pub(super) fn complete(mut self, mut run: Run<'_>) -> Result<ExitCode, Error> {
        let ended = self.drive(&mut run, None, None);
        if run.iterations() > 0 {
            self.write(&run.finished())?;
        }
        self.end(ended?, run.iterations())
    }

    /// Writes the result.
    pub(super) fn write(&self, picture: &Picture) -> Result<(), Error> {
        picture.save_with(self.output, &self.options)?;
        if !self.verbosity.quiet {
            let (seconds, size) = (self.begin.elapsed().as_secs_f64(), (picture.width(), picture.height()));
            eprintln!("{}: {}×{} pixels, {seconds:.1} s", self.output.display(), size.0, size.1);
        }
        Ok(())
    }

    /// The exit code for how a job ended after some iterations, its picture being written already.
    pub(super) fn end(&self, ended: Ended, iterations: usize) -> Result<ExitCode, Error> {
        let output = self.output.display();
        match ended {
            Ended::NotFinite => Err(Error::Failure(format!(
                "the loss or its gradient became infinite or NaN at iteration {iterations}; {output} holds the picture \
                 before it; a smaller --lr or smaller weights help"
            ))),
            Ended::Stopped => {
                eprintln!("interrupted after iteration {iterations}; the picture so far is in {output}");
                Ok(ExitCode::from(interrupt::EXIT_CODE))
            }
            Ended::Complete | Ended::Converged => Ok(ExitCode::SUCCESS),
        }
    }
}

/// Saves the pictures on the way.
struct Frames<'a> {
    every: usize,
    output: &'a Path,
    options: &'a SaveOptions,
}

impl Watcher for Frames<'_> {
    fn see(&mut self, run: &Run<'_>, progress: &Progress) -> ControlFlow<Stop> {
        let due = progress.iteration.is_multiple_of(self.every) && progress.iteration < progress.iterations;
        let path = numbered(self.output, progress.iteration);
        if due && let Err(why) = run.finished().save_with(path, self.options) {
            return ControlFlow::Break(Stop::Failed(why.into()));
        }
        ControlFlow::Continue(())
    }
}

/// Stops the run after Ctrl-C.
struct CtrlC<'a>(&'a AtomicBool);

impl Watcher for CtrlC<'_> {
    fn see(&mut self, _: &Run<'_>, _: &Progress) -> ControlFlow<Stop> {
        if self.0.load(Ordering::Relaxed) { ControlFlow::Break(Stop::Asked) } else { ControlFlow::Continue(()) }
    }
}

/// A watcher that somebody else owns.
struct Other<'a>(&'a mut dyn Watcher);

impl Watcher for Other<'_> {
    fn see(&mut self, run: &Run<'_>, progress: &Progress) -> ControlFlow<Stop> {
        self.0.see(run, progress)
    }
}

/// `out.png` → `out-0100.png`.
fn numbered(path: &Path, iteration: usize) -> PathBuf {
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(format!("{}-{iteration:04}.{}", part(path.file_stem()), part(path.extension())))
}
