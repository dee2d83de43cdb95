//! The state of a run: all that it needs to continue later, with bit-identical results.

use std::time::Duration;

use ndarray::{ArrayD, CowArray, IxDyn};

use super::{Load, Outcome, Run};
use crate::error::Error;
use crate::objective::GroupValue;
use crate::optim;
use crate::recipe::Scale;

/// The state of a run between two iterations. A [`Run`] of the same job [continues](Run::restore) from it; its result
/// is bit-identical to that of an uninterrupted run.
#[derive(Clone, Debug)]
pub struct State<'a> {
    /// The current scale, from 0.
    pub scale: usize,
    /// The number of iterations made.
    pub iteration: usize,
    /// Those at this scale.
    pub iteration_of_scale: usize,
    /// Whether this scale is done.
    pub scale_done: bool,
    /// [`Outcome::Complete`] or [`Outcome::Converged`] if the run has ended.
    pub ended: Option<Outcome>,
    /// The number of words drawn from the random number generator.
    pub random: u128,
    /// The lowest losses of the last iterations, which a [tolerance](Run::tolerate) compares.
    pub lowest: Vec<f64>,
    /// The objective's value and terms at the picture so far, if it was evaluated at this scale.
    pub loss: Option<(f64, Vec<GroupValue>)>,
    /// The time that the run has taken.
    pub elapsed: Duration,
    /// The values of the canvas, including the margin.
    pub values: CowArray<'a, f32, IxDyn>,
    /// The last values with a finite loss, if the optimiser does not keep them itself.
    pub sound: Option<CowArray<'a, f32, IxDyn>>,
    /// The previous scale's canvas, if the objective depends on it.
    pub before: Option<CowArray<'a, f32, IxDyn>>,
    /// The optimiser's state.
    pub optimizer: optim::State<'a, f32>,
}

/// A state does not belong to the run's job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The optimiser refuses its part.
    #[error(transparent)]
    Optimizer(#[from] optim::StateError),
    /// Scale or iterations are not the job's.
    #[error("this run has no iteration {iteration} of scale {scale}, counted from 0")]
    Position {
        /// The scale, from 0.
        scale: usize,
        /// The iterations at this scale.
        iteration: usize,
    },
    /// The picture has another size, or numbers that are not finite.
    #[error("its picture does not fit this run: {found:?} finite values instead of {expected:?}")]
    Values {
        /// The shape of the values.
        found: Vec<usize>,
        /// The expected shape.
        expected: Vec<usize>,
    },
}

impl Run<'_> {
    /// The state of the run, without copying arrays.
    ///
    /// The state of a complete run has only the picture.
    pub fn state(&self) -> State<'_> {
        let ended =
            self.ended.filter(|ended| matches!(ended, Outcome::Complete | Outcome::Converged | Outcome::Settled));
        let (optimizer, values) = (&self.stage.optimizer, self.stage.canvas.values());
        State {
            scale: self.scale,
            iteration: self.iteration,
            iteration_of_scale: self.iteration_of_scale,
            scale_done: self.scale_done,
            ended,
            random: self.random.get_word_pos(),
            lowest: self.tolerance.lowest().to_vec(),
            loss: self.loss.clone(),
            elapsed: self.elapsed(),
            values: if ended.is_some() { optimizer.result(values) } else { values }.as_standard_layout(),
            sound: self.sound.as_ref().filter(|_| ended.is_none()).map(|sound| sound.as_standard_layout()),
            before: self
                .before_stage
                .as_ref()
                .filter(|_| ended.is_none())
                .map(|before| before.values().as_standard_layout()),
            optimizer: if ended.is_some() { optim::State::default() } else { optimizer.state() },
        }
    }

    /// Continues from the state of a run of the same job.
    ///
    /// # Errors
    /// If scales, iterations, pixels or optimiser do not match. Do not use the run after that.
    pub fn restore(&mut self, state: State<'_>) -> Result<(), Error> {
        let State { scale, iteration, iteration_of_scale, scale_done, ended, random, elapsed, .. } = state;
        let scales = self.scales();
        let before = || scales[..scale].iter().map(|scale| scale.steps).sum::<usize>();
        let possible = |this: &Scale| {
            iteration_of_scale <= this.steps
                && (iteration_of_scale..=before() + iteration_of_scale).contains(&iteration)
        };
        if !scales.get(scale).is_some_and(possible) {
            return Err(StateError::Position { scale, iteration: iteration_of_scale }.into());
        }
        if scale != self.scale {
            // The canvas has the right size then; its values are replaced.
            let kept = state.before.is_some();
            let so_far = match state.before {
                Some(values) => self.stage.canvas.with_values(fitting(values, &self.shape(scale.saturating_sub(1)))?),
                None => self.stage.canvas.clone(),
            };
            let stage = self.job.stage(scale, Some(&so_far))?;
            if stage.follows && !kept && ended.is_none() {
                return Err(StateError::Values {
                    found: Vec::new(),
                    expected: self.shape(scale.saturating_sub(1)).to_vec(),
                }
                .into());
            }
            self.before_stage = stage.follows.then_some(so_far);
            let mut stage = stage.planned(&self.forecast.scales[scale]);
            stage.check()?;
            self.hand_on_to(&mut stage);
            self.stage = stage;
        }
        let shape = self.stage.canvas.values().shape();
        let values = fitting(state.values, shape)?;
        self.sound = state.sound.map(|sound| fitting(sound, shape)).transpose()?;
        self.stage.optimizer.restore(state.optimizer, values.shape()).map_err(StateError::from)?;
        self.stage.canvas.values_mut().assign(&values);
        self.random.set_word_pos(random);
        self.tolerance.go_on(state.lowest);
        self.loss = state.loss;
        self.before = elapsed;
        (self.scale, self.iteration, self.iteration_of_scale) = (scale, iteration, iteration_of_scale);
        (self.scale_done, self.ended) = (scale_done, ended);
        Ok(())
    }

    /// The shape of the canvas at a size.
    fn shape(&self, scale: usize) -> [usize; 3] {
        let Load { size, margin, .. } = self.job.work().loads[scale];
        [size[0] + margin, size[1] + margin, 3]
    }
}

/// Values that may be those of a canvas of that shape.
fn fitting(values: CowArray<'_, f32, IxDyn>, expected: &[usize]) -> Result<ArrayD<f32>, StateError> {
    let found = values.shape();
    if found != expected || values.iter().any(|value| !value.is_finite()) {
        return Err(StateError::Values { found: found.to_vec(), expected: expected.to_vec() });
    }
    Ok(values.into_owned())
}
