//! The optimisation loop of every job: evaluate the objective, step the optimiser, call the watchers, scale by scale.
//!
//! The book explains it in [chapter 12](../../../book/html/12-large-and-many.html) (`docs/book/src/12-large-and-many.md`).
//!
//! An objective of your own, minimised over the pixels of a picture:
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use impasto::objective::{Objective, TotalVariation};
//! use impasto::optim::Method;
//! use impasto::run::{Canvas, Run, Stage};
//! use impasto::{Picture, Vgg19, Weights};
//!
//! # fn main() -> Result<(), impasto::Error> {
//! let network = Vgg19::new(Weights::random(1, Some("relu1_1".parse()?)));
//! let canvas = Canvas::of(&Picture::new(ndarray::Array3::from_shape_fn((8, 8, 3), |(i, _, _)| (i % 2) as f32)), &network);
//! let smooth = Objective::new().term("tv", 1.0, TotalVariation { beta: 2.0, divisor: 192.0 });
//! let mut run = Run::new(Stage { optimizer: Method::Lbfgs.optimizer(1.0, 20, None), ..Stage::new(canvas, smooth, network, 20) });
//! run.finish(&mut |progress: &impasto::Progress| {
//!     println!("{}: {}", progress.iteration, progress.total);
//!     ControlFlow::Continue(())
//! })?;
//! let grey = run.picture();
//! # assert!(grey.rgb.iter().all(|v| (v - 0.5).abs() < 1e-3));
//! # Ok(())
//! # }
//! ```
//!
//! [`Run::state`] gives the [`State`] of a run, from which another run of the same job continues; a [`Checkpoint`]
//! stores it in a file.

mod canvas;
mod checkpoint;
mod forecast;
mod limits;
mod state;
#[cfg(test)]
mod tests;
mod tolerance;
mod watch;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ndarray::ArrayD;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use canvas::{Canvas, FAINT, Start, Units};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use forecast::{Bytes, Forecast, Load, MemoryError, ScaleForecast, Speed, Work};
pub use limits::{address_space, address_space_left, free_memory, largest_side};
pub use state::{State, StateError};
pub use watch::{Progress, Stop, Watcher};

use self::tolerance::Tolerance;
use crate::error::Error;
use crate::objective::{GroupValue, Objective};
use crate::optim::{Method, Optimizer, Step};
use crate::picture::Picture;
use crate::recipe::Scale;
use crate::tape::Tape;
use crate::vgg::{Execution, Vgg19};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All iterations were made.
    Complete,
    /// A watcher asked to stop.
    Stopped,
    /// The optimiser has nothing left to improve.
    Converged,
    /// The loss fell by less than the [tolerance](Run::tolerate).
    Settled,
    /// Value or gradient became NaN or infinite, see [`Run::not_finite`]; the picture is the last one with a known
    /// value.
    NotFinite,
}

/// What is minimised at one scale, and how.
pub struct Stage {
    /// The picture under optimisation.
    pub canvas: Canvas,
    /// The objective.
    pub objective: Objective<f32>,
    /// The network that observes the picture.
    pub network: Vgg19<f32>,
    /// How the network is executed.
    pub execution: Execution,
    /// The optimiser.
    pub optimizer: Box<dyn Optimizer<f32>>,
    /// The number of iterations.
    pub steps: usize,
    /// The largest random shift, in pixels, of the network's window within the canvas's margin; 0 for none.
    pub jitter: usize,
    /// The seed of the shifts.
    pub seed: u64,
    /// Whether the optimiser of the previous stage continues here, if it supports another size.
    pub carries: bool,
    /// Whether what is minimised depends on the picture of the size before; a [`State`] then keeps that.
    pub follows: bool,
}

impl Stage {
    /// A stage of that many iterations of L-BFGS.
    pub fn new(canvas: Canvas, objective: Objective<f32>, network: Vgg19<f32>, steps: usize) -> Self {
        let optimizer = Method::Lbfgs.optimizer(1.0, steps, None);
        Self {
            canvas,
            objective,
            network,
            execution: Execution::default(),
            optimizer,
            steps,
            jitter: 0,
            seed: 0,
            carries: true,
            follows: false,
        }
    }

    /// The same stage, executed by the plan of the forecast.
    fn planned(self, forecast: &ScaleForecast) -> Self {
        Self { execution: self.execution.with_plan(forecast.plan.clone()), ..self }
    }

    /// Checks that the canvas is large enough for the deepest layer of the objective.
    fn check(&self) -> Result<(), Error> {
        let check = |layer| self.network.check(self.canvas.size(), layer);
        Ok(self.objective.deepest().map_or(Ok(()), check)?)
    }
}

/// A job of several scales, from small to large.
pub trait Job {
    /// The work of the job at each of its scales.
    fn work(&self) -> &Work;

    /// The stage of scale number `index`. From the second on, `so_far` is the canvas of the previous scale.
    ///
    /// # Errors
    /// If the network lacks a layer that the job needs, or a picture is too small for it.
    fn stage(&self, index: usize, so_far: Option<&Canvas>) -> Result<Stage, Error>;

    /// Turns the picture of the last scale into the job's result.
    fn finished(&self, picture: Picture) -> Picture {
        picture
    }
}

/// A job of one stage.
struct Single(Work);

impl Job for Single {
    fn work(&self) -> &Work {
        &self.0
    }

    fn stage(&self, _: usize, _: Option<&Canvas>) -> Result<Stage, Error> {
        unreachable!("its only stage was given to the run")
    }
}

/// A run of a job: it owns the picture, the optimiser and the scale, and advances by one evaluation at a time.
pub struct Run<'a> {
    job: Box<dyn Job + 'a>,
    stage: Stage,
    forecast: Forecast,
    /// The canvas of the size before, if the stage follows from it.
    before_stage: Option<Canvas>,
    scale: usize,
    iteration: usize,
    iteration_of_scale: usize,
    /// Whether the next iteration is the first of the next scale.
    scale_done: bool,
    tolerance: Tolerance,
    /// The decay of the mean of iterates, if there is one.
    averaging: Option<f64>,
    random: ChaCha8Rng,
    tape: Tape<f32>,
    begin: Instant,
    /// The time that the run had taken before it was restored at `begin`.
    before: Duration,
    /// The objective's value and terms at the picture so far; `None` before the first evaluation at this scale.
    loss: Option<(f64, Vec<GroupValue>)>,
    /// The last values with a finite loss, if the optimiser does not keep them itself.
    sound: Option<ArrayD<f32>>,
    /// What became NaN or infinite.
    not_finite: Option<String>,
    ended: Option<Outcome>,
}

impl<'a> Run<'a> {
    /// A run of one stage.
    pub fn new(stage: Stage) -> Self {
        let [height, width] = stage.canvas.size();
        let load = Load {
            matched: None,
            guided: None,
            size: [height, width],
            margin: 0,
            examples: Vec::new(),
            places: stage.objective.places(),
            method: Method::Lbfgs,
            network: stage.network.clone(),
            ranks: stage.execution.ranks(),
        };
        let scale = Scale { side: height.max(width), steps: stage.steps, finish: false };
        let job = Single(Work { scales: vec![scale], loads: vec![load], held: 0 });
        let forecast = job.0.within(usize::MAX).expect("without limit");
        Self::from(Box::new(job), stage, forecast)
    }

    /// A run of a job. Computes the targets of the first scale.
    ///
    /// # Errors
    /// If the network lacks a layer that the job needs, or a picture is too small for it.
    pub fn of(job: impl Job + 'a) -> Result<Self, Error> {
        Self::within(job, usize::MAX)
    }

    /// [`of`](Self::of) with a memory limit for the whole process, in bytes; see [`Work::forecast`].
    ///
    /// # Errors
    /// As [`of`](Self::of), or if the memory is too little at some scale.
    pub fn within(job: impl Job + 'a, memory: usize) -> Result<Self, Error> {
        let forecast = job.work().forecast(memory)?;
        let stage = job.stage(0, None)?;
        stage.check()?;
        Ok(Self::from(Box::new(job), stage.planned(&forecast.scales[0]), forecast))
    }

    fn from(job: Box<dyn Job + 'a>, stage: Stage, forecast: Forecast) -> Self {
        let random = ChaCha8Rng::seed_from_u64(stage.seed.wrapping_add(1));
        let begin = Instant::now();
        Self {
            job,
            stage,
            forecast,
            before_stage: None,
            scale: 0,
            iteration: 0,
            iteration_of_scale: 0,
            scale_done: false,
            tolerance: Tolerance::default(),
            averaging: None,
            random,
            tape: Tape::new(),
            begin,
            before: Duration::ZERO,
            loss: None,
            sound: None,
            not_finite: None,
            ended: None,
        }
    }

    /// Ends a scale early once ten iterations have lowered its lowest loss by less than the share `least`. The default,
    /// 0, makes all iterations.
    pub fn tolerate(&mut self, least: f64) {
        self.tolerance = Tolerance::new(least);
    }

    /// Makes the picture the mean of the iterates. Returns whether the optimiser supports it; see
    /// [`Optimizer::average`].
    pub fn average(&mut self, decay: f64) -> bool {
        self.averaging = Some(decay);
        self.stage.optimizer.average(decay)
    }

    /// The objective at the current scale.
    pub fn objective(&self) -> &Objective<f32> {
        &self.stage.objective
    }

    /// Makes one iteration; `None` if the run has ended.
    ///
    /// # Errors
    /// If a picture is too small for the network's layers at the next scale.
    pub fn advance(&mut self) -> Result<Option<Progress>, Error> {
        if self.ended.is_some() {
            return Ok(None);
        }
        if self.scale_done {
            self.next_scale()?;
        }
        let stage = &mut self.stage;
        stage.objective.turn(self.iteration_of_scale);
        let (evaluated, total, groups, gradient) = {
            // Buffers in use and free ones together stay within the forecast.
            self.tape.buffers().limit(self.forecast.scales[self.scale].buffers);
            let mut point = self.tape.tensor(stage.canvas.values().shape());
            point.assign(stage.canvas.values());
            let point = self.tape.variable(point);
            let corner = std::array::from_fn(|_| match stage.jitter {
                0 => 0,
                jitter => self.random.random_range(0..=jitter),
            });
            let input = stage.canvas.input(&point, corner);
            let evaluation = stage.objective.evaluate_by(&stage.execution, &stage.network, &point, &input)?;
            let evaluated = f64::from(evaluation.scaled.scalar());
            let gradient = evaluation.gradient(&point);
            (evaluated, evaluation.total, evaluation.groups, gradient)
        };
        self.tape.clear();
        // If all weights are 0, nothing depends on the picture.
        let gradient = gradient.unwrap_or_else(|| ArrayD::zeros(stage.canvas.values().raw_dim()).into());
        let kept_here =
            |stage: &Stage| std::ptr::eq(stage.optimizer.result(stage.canvas.values()), stage.canvas.values());
        let evaluated_at = kept_here(stage).then(|| stage.canvas.values().clone());
        let step = stage.optimizer.step(stage.canvas.values_mut(), evaluated, &gradient);
        drop(gradient);
        if step == Step::NotFinite {
            self.not_finite = Some(if evaluated.is_finite() { "the gradient".into() } else { culprit(&groups) });
            if let Some(sound) = self.sound.take() {
                stage.canvas.values_mut().assign(&sound);
            }
        } else {
            self.sound = evaluated_at.filter(|_| kept_here(stage));
        }
        self.iteration += 1;
        self.iteration_of_scale += 1;
        let searches = !kept_here(&self.stage);
        let rises = self.loss.as_ref().is_some_and(|(lowest, _)| total.is_nan() || total > *lowest);
        let is_trial = step == Step::Projected || searches && rises;
        let trial = if is_trial {
            Some(total)
        } else {
            self.loss = Some((total, groups.clone()));
            None
        };
        let (lowest, at_lowest) = if is_trial { self.loss.clone() } else { None }.unwrap_or((total, groups));
        let last = self.scale + 1 == self.job.work().scales.len();
        let complete = self.iteration_of_scale == self.stage.steps;
        let settled = self.tolerance.settled(total).filter(|_| !complete);
        self.scale_done = step == Step::Converged || complete || settled.is_some();
        self.ended = match step {
            Step::NotFinite => Some(Outcome::NotFinite),
            Step::Converged if last => Some(Outcome::Converged),
            _ if settled.is_some() && last => Some(Outcome::Settled),
            _ if self.scale_done && last => Some(Outcome::Complete),
            _ => None,
        };
        if self.ended.is_some() {
            // Free memory for writing the picture.
            self.tape = Tape::new();
        }
        Ok(Some(Progress { trial, settled, ..self.progress(lowest, at_lowest, step) }))
    }

    /// Makes all remaining iterations and calls `watcher` after each; the watcher may stop the run.
    ///
    /// # Errors
    /// If a picture is too small for the network's layers at some scale, or a watcher failed. The picture so far
    /// remains available.
    pub fn finish(&mut self, watcher: &mut dyn Watcher) -> Result<Outcome, Error> {
        while let Some(progress) = self.advance()? {
            if let ControlFlow::Break(stop) = watcher.see(self, &progress) {
                self.ended = Some(self.ended.unwrap_or(Outcome::Stopped));
                if let Stop::Failed(why) = stop {
                    return Err(Error::Watcher(why));
                }
            }
        }
        Ok(self.ended.expect("the run has ended"))
    }

    /// The picture so far, at the current scale; values may lie outside 0..1.
    pub fn picture(&self) -> Picture {
        let values = self.stage.optimizer.result(self.stage.canvas.values());
        Picture::new(self.stage.canvas.rgb(values))
    }

    /// The job's result if it ended now: the picture so far, at the final size and with the job's last processing.
    pub fn finished(&self) -> Picture {
        self.job.finished(self.picture())
    }

    /// How the run ended; `None` if it has not.
    pub fn outcome(&self) -> Option<Outcome> {
        self.ended
    }

    /// What became NaN or infinite, if that ended the run: a term, a group of terms, or the gradient.
    pub fn not_finite(&self) -> Option<&str> {
        self.not_finite.as_deref()
    }

    /// The time that the run has taken, including the time before it was [restored](Self::restore).
    pub fn elapsed(&self) -> Duration {
        self.before + self.begin.elapsed()
    }

    /// The number of iterations made.
    pub fn iterations(&self) -> usize {
        self.iteration
    }

    /// The scales of the run.
    pub fn scales(&self) -> &[Scale] {
        &self.job.work().scales
    }

    /// The forecast of the run.
    pub fn forecast(&self) -> &Forecast {
        &self.forecast
    }

    /// Resizes the picture for the next scale.
    fn next_scale(&mut self) -> Result<(), Error> {
        // Arrays of the old size are no longer needed.
        self.tape = Tape::new();
        let old = &self.stage;
        let mut so_far = old.canvas.clone();
        so_far.values_mut().assign(old.optimizer.result(old.canvas.values()));
        let next = self.job.stage(self.scale + 1, Some(&so_far))?;
        let mut next = next.planned(&self.forecast.scales[self.scale + 1]);
        next.check()?;
        self.hand_on_to(&mut next);
        self.before_stage = next.follows.then_some(so_far);
        self.stage = next;
        self.sound = None;
        self.loss = None;
        self.scale += 1;
        (self.iteration_of_scale, self.scale_done) = (0, false);
        self.tolerance.restart();
        Ok(())
    }

    /// Gives a stage of another size the present optimiser, if that continues there, or else its options.
    fn hand_on_to(&mut self, next: &mut Stage) {
        let shape = next.canvas.values().raw_dim();
        if next.carries && self.stage.optimizer.resample(&|values| canvas::resampled(values, &shape)) {
            std::mem::swap(&mut next.optimizer, &mut self.stage.optimizer);
        } else if let Some(decay) = self.averaging {
            next.optimizer.average(decay);
        }
    }

    fn progress(&self, total: f64, groups: Vec<GroupValue>, step: Step) -> Progress {
        let scales = self.scales();
        Progress {
            iteration: self.iteration,
            iterations: scales.iter().map(|scale| scale.steps).sum(),
            scale: scales[self.scale],
            scale_index: self.scale,
            scales: scales.len(),
            iteration_of_scale: self.iteration_of_scale,
            elapsed: self.elapsed(),
            done: self.forecast.done(self.scale, self.iteration_of_scale),
            total,
            groups,
            trial: None,
            step,
            settled: None,
        }
    }
}

/// The first term that is NaN or infinite.
fn culprit(groups: &[GroupValue]) -> String {
    let bad = groups.iter().find(|group| !group.value.is_finite());
    bad.map_or_else(
        || "the loss".into(),
        |group| match group.terms.iter().find(|(_, value)| !value.is_finite()) {
            Some((term, _)) if group.terms.len() > 1 => format!("the term {}.{term}", group.name),
            _ => format!("the term {}", group.name),
        },
    )
}
