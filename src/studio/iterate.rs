//! The loop of all jobs: evaluate, step, tell.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ndarray::{ArrayD, ArrayView3, Ix3};

use crate::optim::{Optimizer, Step};
use crate::tape::{Tape, Var};
use crate::vgg::NetworkError;

/// One iteration, as those who watch see it.
pub struct Progress<'a> {
    /// Which iteration, from 1. Each evaluates the objective once.
    pub iteration: usize,
    /// How many there will be at most.
    pub steps: usize,
    /// Time since the first iteration began.
    pub elapsed: Duration,
    /// The objective's value before this iteration's update.
    pub total: f64,
    /// Its terms by name, before this iteration's update: for a transfer `content`, `style` and `tv`.
    pub terms: &'a [(&'static str, f64)],
    /// What the optimiser did.
    pub step: Step,
    /// The picture so far (height, width, 3), normalised as the network's input.
    pub image: ArrayView3<'a, f32>,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All iterations were made.
    Complete,
    /// Whoever watched asked to stop.
    Stopped,
    /// The optimiser has nothing left to improve.
    Converged,
    /// Value or gradient became NaN or infinite; the image is the last one before.
    NotFinite,
}

/// What a job leaves.
#[derive(Clone, Debug)]
pub struct Outcome<P> {
    /// The result.
    pub picture: P,
    /// Iterations made.
    pub iterations: usize,
    /// Why it ended.
    pub ended: Ended,
}

/// An objective's value, which carries the gradient, and its terms.
pub(super) struct Evaluation<'t> {
    pub(super) total: Var<'t, f32>,
    pub(super) terms: Vec<(&'static str, f64)>,
}

/// Minimises `evaluate` from `image` on.
pub(super) fn iterate(
    mut image: ArrayD<f32>,
    steps: usize,
    optimizer: &mut dyn Optimizer<f32>,
    evaluate: impl for<'t> Fn(&Var<'t, f32>) -> Result<Evaluation<'t>, NetworkError>,
    mut watch: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
) -> Result<Outcome<ArrayD<f32>>, NetworkError> {
    let mut tape = Tape::new();
    let begin = Instant::now();
    let mut ended = Ended::Complete;
    let mut iterations = 0;
    while iterations < steps && ended == Ended::Complete {
        let (total, terms, gradient) = {
            let mut point = tape.tensor(image.shape());
            point.assign(&image);
            let point = tape.variable(point);
            let Evaluation { total, terms } = evaluate(&point)?;
            let mut gradients = total.backward();
            (f64::from(total.scalar()), terms, gradients.take(&point).expect("the objective depends on the image"))
        };
        tape.clear();
        let step = optimizer.step(&mut image, total, &gradient);
        drop(gradient);
        iterations += 1;
        let result = optimizer.result(&image).view().into_dimensionality::<Ix3>().expect("an image");
        let progress = Progress {
            iteration: iterations,
            steps,
            elapsed: begin.elapsed(),
            total,
            terms: &terms,
            step,
            image: result,
        };
        ended = match (watch(&progress), step) {
            (_, Step::NotFinite) => Ended::NotFinite,
            (_, Step::Converged) => Ended::Converged,
            (ControlFlow::Break(()), _) => Ended::Stopped,
            _ => Ended::Complete,
        };
    }
    let picture = optimizer.result(&image).clone();
    Ok(Outcome { picture, iterations, ended })
}
