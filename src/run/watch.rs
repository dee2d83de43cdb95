//! Watchers of a run, such as a progress bar or a log.

use std::error::Error;
use std::ops::ControlFlow;
use std::time::Duration;

use super::Run;
use crate::objective::GroupValue;
use crate::optim::Step;
use crate::recipe::Scale;

/// One iteration, as watchers see it.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The iteration of the run, from 1; each evaluates the objective once.
    pub iteration: usize,
    /// The largest number of iterations.
    pub iterations: usize,
    /// The current scale.
    pub scale: Scale,
    /// The number of the scale, from 0.
    pub scale_index: usize,
    /// The number of scales.
    pub scales: usize,
    /// The iteration of the scale, from 1.
    pub iteration_of_scale: usize,
    /// Time since the run began.
    pub elapsed: Duration,
    /// The elapsed share of the run's time, 0 to 1, estimated by its [`Forecast`](super::Forecast).
    pub done: f64,
    /// The objective's value at the iterate, before this iteration's update: the loss of the picture so far. During a line
    /// search (L-BFGS) that is the lowest point found at this scale, so it never rises.
    pub total: f64,
    /// Its groups of terms and the terms there: for a transfer `content`, `style` and `tv`.
    pub groups: Vec<GroupValue>,
    /// The objective's value at the point that this iteration evaluated, if that was a trial of a line search which did not
    /// become the picture so far.
    pub trial: Option<f64>,
    /// What the optimiser did.
    pub step: Step,
    /// The relative decrease of the loss within the last iterations, if it ends the scale early; see [`Run::tolerate`].
    pub settled: Option<f64>,
}

impl Progress {
    /// The value of a group of terms, by name.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.groups.iter().find(|group| group.name == name).map(|group| group.value)
    }

    /// The remaining time at the current speed; `None` at the start.
    pub fn time_left(&self) -> Option<Duration> {
        (self.done > 0.0).then(|| self.elapsed.mul_f64((1.0 - self.done).max(0.0) / self.done))
    }
}

/// Why a watcher stops a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stop {
    /// On request.
    Asked,
    /// The watcher failed.
    Failed(Box<dyn Error + Send + Sync>),
}

/// Watches a run.
pub trait Watcher {
    /// Called after every iteration. [`Run::picture`] is the picture so far; the conversion happens only on that call.
    fn see(&mut self, run: &Run<'_>, progress: &Progress) -> ControlFlow<Stop>;
}

/// A function of the progress is a watcher that stops the run by `Break`.
impl<F: FnMut(&Progress) -> ControlFlow<()>> Watcher for F {
    fn see(&mut self, _: &Run<'_>, progress: &Progress) -> ControlFlow<Stop> {
        match self(progress) {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            ControlFlow::Break(()) => ControlFlow::Break(Stop::Asked),
        }
    }
}

/// Several watchers, in their order, until one stops the run.
impl Watcher for Vec<Box<dyn Watcher + '_>> {
    fn see(&mut self, run: &Run<'_>, progress: &Progress) -> ControlFlow<Stop> {
        self.iter_mut().try_for_each(|watcher| watcher.see(run, progress))
    }
}
