//! Those who watch a run: a bar, a log, saved frames, a page.

use std::error::Error;
use std::ops::ControlFlow;
use std::time::Duration;

use super::Run;
use crate::objective::GroupValue;
use crate::optim::Step;
use crate::recipe::Scale;

/// One iteration, as those who watch see it.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Which iteration of the run, from 1. Each evaluates the objective once.
    pub iteration: usize,
    /// How many there will be at most.
    pub iterations: usize,
    /// The size being painted.
    pub scale: Scale,
    /// Which of the sizes that is, from 0.
    pub scale_index: usize,
    /// How many sizes there are.
    pub scales: usize,
    /// Which iteration of the size, from 1.
    pub iteration_of_scale: usize,
    /// Time since the run began.
    pub elapsed: Duration,
    /// The share of the run's time that is over, 0 to 1, as foreseen by its [`Forecast`](super::Forecast).
    pub done: f64,
    /// The objective's value at the iterate, before this iteration's update: the loss of the picture so far. During a line
    /// search (L-BFGS) that is the lowest point found at this size, so it never rises.
    pub total: f64,
    /// Its groups of terms and the terms there: for a transfer `content`, `style` and `tv`.
    pub groups: Vec<GroupValue>,
    /// The objective's value at the point that this iteration evaluated, if that was a trial of a line search which did not
    /// become the picture so far.
    pub trial: Option<f64>,
    /// What the optimiser did.
    pub step: Step,
    /// By what share the loss fell within the last iterations, if that ends the size before its time; see
    /// [`Run::tolerate`].
    pub settled: Option<f64>,
}

impl Progress {
    /// The value of a group of terms, by name.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.groups.iter().find(|group| group.name == name).map(|group| group.value)
    }

    /// How long the rest takes if the speed stays what it was; `None` before anything is done.
    pub fn time_left(&self) -> Option<Duration> {
        (self.done > 0.0).then(|| self.elapsed.mul_f64((1.0 - self.done).max(0.0) / self.done))
    }
}

/// Why a watcher stops a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stop {
    /// Somebody asked for it.
    Asked,
    /// What the watcher does failed.
    Failed(Box<dyn Error + Send + Sync>),
}

/// Watches a run.
pub trait Watcher {
    /// Called after every iteration. The picture so far is [`Run::picture`], which costs its conversion only when asked
    /// for.
    fn see(&mut self, run: &Run<'_>, progress: &Progress) -> ControlFlow<Stop>;
}

/// A function of the progress watches; what it breaks with does not matter.
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
