//! A run: evaluate, step, tell, from one size to the next. The one loop of all jobs, and of yours.
//!
//! A user's own objective, minimised over the pixels of a picture:
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
//! A run that is to go on later gives its [`State`], which a run of the same job takes; a [`Checkpoint`] is a file of it.

mod canvas;
mod checkpoint;
mod forecast;
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
    /// Value or gradient became NaN or infinite, see [`Run::not_finite`]; the picture is the last whose value is known.
    NotFinite,
}

/// What is minimised at one size, and how.
pub struct Stage {
    /// The picture.
    pub canvas: Canvas,
    /// What it is optimised for.
    pub objective: Objective<f32>,
    /// The network that looks at it.
    pub network: Vgg19<f32>,
    /// How the network is executed.
    pub execution: Execution,
    /// What moves it.
    pub optimizer: Box<dyn Optimizer<f32>>,
    /// How many iterations.
    pub steps: usize,
    /// How far, in pixels, the window that the network sees moves at random in the canvas's margin; 0 leaves it.
    pub jitter: usize,
    /// The seed of that.
    pub seed: u64,
    /// Whether the optimiser of the stage before goes on here, if it can go on at another size.
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

    /// The same with the plan of the forecast.
    fn planned(self, forecast: &ScaleForecast) -> Self {
        Self { execution: self.execution.with_plan(forecast.plan.clone()), ..self }
    }

    /// Whether the network can look at the canvas as deep as the objective does.
    fn check(&self) -> Result<(), Error> {
        let check = |layer| self.network.check(self.canvas.size(), layer);
        Ok(self.objective.deepest().map_or(Ok(()), check)?)
    }
}

/// A job that goes through several sizes, from small to large.
pub trait Job {
    /// What the job takes at each of its sizes.
    fn work(&self) -> &Work;

    /// What is minimised at one of them. From the second on, `so_far` is the canvas of the one before; the run keeps its
    /// optimiser if that goes on at another size.
    ///
    /// # Errors
    /// If the network has not the layers that the job needs, or a picture is too small for them.
    fn stage(&self, index: usize, so_far: Option<&Canvas>) -> Result<Stage, Error>;

    /// The finished picture.
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
    /// Whether the next iteration is the first of the next size.
    scale_done: bool,
    tolerance: Tolerance,
    random: ChaCha8Rng,
    tape: Tape<f32>,
    begin: Instant,
    /// How long the run took before `begin`, from which it was restored.
    before: Duration,
    /// The objective's value and terms at the picture so far, once one was evaluated at this size.
    loss: Option<(f64, Vec<GroupValue>)>,
    /// The last values whose loss is known and finite, where the optimiser does not keep them itself.
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
            weighed: false,
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

    /// A run of a job, with its targets at the first size computed.
    ///
    /// # Errors
    /// If the network has not the layers that the job needs, or a picture is too small for them.
    pub fn of(job: impl Job + 'a) -> Result<Self, Error> {
        Self::within(job, usize::MAX)
    }

    /// The same with no more memory, of the whole process, than so many bytes: as [`Work::forecast`] says.
    ///
    /// # Errors
    /// As [`of`](Self::of), and if the memory does not do for one of the sizes.
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

    /// Makes the run be done with a size as soon as its lowest loss has fallen by less than the share `least` within ten
    /// iterations; 0, as it is at first, goes through all.
    pub fn tolerate(&mut self, least: f64) {
        self.tolerance = Tolerance::new(least);
    }

    /// Makes the picture the mean of the iterates, if the optimiser has one; see [`Optimizer::average`].
    pub fn average(&mut self, decay: f64) -> bool {
        self.stage.optimizer.average(decay)
    }

    /// What is minimised at the size being painted.
    pub fn objective(&self) -> &Objective<f32> {
        &self.stage.objective
    }

    /// Makes one iteration; `None` if the run has ended.
    ///
    /// # Errors
    /// If a picture is too small for the network's layers at the next size.
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
            // Unused memory is not to add up to more than what is in use at some time.
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
            (evaluated, evaluation.total, evaluation.groups, evaluation.scaled.backward().take(&point))
        };
        self.tape.clear();
        // Where all weights are 0, nothing depends on the picture.
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
            // The picture is still to be written, which takes memory too.
            self.tape = Tape::new();
        }
        Ok(Some(Progress { trial, settled, ..self.progress(lowest, at_lowest, step) }))
    }

    /// Makes all iterations that are left, telling `watcher` of each; the watcher may stop the run.
    ///
    /// # Errors
    /// If a picture is too small for the network's layers at one of the sizes, or a watcher failed. The picture so far is
    /// still there.
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

    /// The picture so far, at the size being painted; values may lie outside of 0..1.
    pub fn picture(&self) -> Picture {
        let values = self.stage.optimizer.result(self.stage.canvas.values());
        Picture::new(self.stage.canvas.rgb(values))
    }

    /// The picture so far as the job leaves it, at its own size.
    pub fn finished(&self) -> Picture {
        self.job.finished(self.picture())
    }

    /// How the run ended, if it did.
    pub fn outcome(&self) -> Option<Outcome> {
        self.ended
    }

    /// What became NaN or infinite, if that ended the run: a term, a group of terms, or the gradient.
    pub fn not_finite(&self) -> Option<&str> {
        self.not_finite.as_deref()
    }

    /// How long the run has taken, what was before its [state](Self::state) was kept with it.
    pub fn elapsed(&self) -> Duration {
        self.before + self.begin.elapsed()
    }

    /// How many iterations were made.
    pub fn iterations(&self) -> usize {
        self.iteration
    }

    /// The sizes of the run.
    pub fn scales(&self) -> &[Scale] {
        &self.job.work().scales
    }

    /// The forecast of the run.
    pub fn forecast(&self) -> &Forecast {
        &self.forecast
    }

    /// Carries the picture up to the next size.
    fn next_scale(&mut self) -> Result<(), Error> {
        // Arrays of the old size are of no use any more.
        self.tape = Tape::new();
        let old = &self.stage;
        let mut so_far = old.canvas.clone();
        so_far.values_mut().assign(old.optimizer.result(old.canvas.values()));
        let next = self.job.stage(self.scale + 1, Some(&so_far))?;
        let mut next = next.planned(&self.forecast.scales[self.scale + 1]);
        next.check()?;
        let shape = next.canvas.values().raw_dim();
        if next.carries && self.stage.optimizer.resample(&|values| canvas::resampled(values, &shape)) {
            next.optimizer = std::mem::replace(&mut self.stage.optimizer, Method::Lbfgs.optimizer(1.0, 0, None));
        }
        self.before_stage = next.follows.then_some(so_far);
        self.stage = next;
        self.sound = None;
        self.loss = None;
        self.scale += 1;
        (self.iteration_of_scale, self.scale_done) = (0, false);
        self.tolerance.restart();
        Ok(())
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
