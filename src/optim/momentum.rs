//! Gradient descent with momentum, as in Mahendran & Vedaldi, "Understanding deep image representations by inverting
//! them", 2014, section 3.3.

use ndarray::ArrayD;
use rayon::prelude::*;

use super::state::count;
use super::vector::{BLOCK, all_finite};
use super::{Bounds, Optimizer, State, StateError, Step, check_shapes};
use crate::kernels::Real;

/// m ← μm − rate·g, x ← x + m, with a learning rate that falls in phases. Each phase starts with m = 0.
#[derive(Debug, Clone)]
pub struct Momentum<T> {
    decay: f64,
    schedule: Vec<(f64, usize)>,
    bounds: Option<Bounds>,
    /// The phase of the next step.
    phase: usize,
    /// Steps already made in that phase.
    steps: usize,
    m: Vec<T>,
}

impl<T: Real> Momentum<T> {
    /// Descent with the given momentum μ, usually 0.9, and phases of (learning rate, number of steps). The last rate
    /// continues indefinitely; phases without steps are skipped.
    ///
    /// # Panics
    /// If the schedule is empty.
    pub fn new(momentum: f64, schedule: Vec<(f64, usize)>) -> Self {
        assert!(!schedule.is_empty(), "Momentum: the schedule of learning rates is empty");
        Self { decay: momentum, schedule, bounds: None, phase: 0, steps: 0, m: Vec::new() }
    }

    /// The published procedure's momentum 0.9 and rates: 4e-3 for 100 steps, 4e-4 for 200, 4e-5 for 100.
    ///
    /// The rates assume the objective and the σ² scaling of that paper: the gradient must be that of the prior plus σ²/‖Φ₀‖² times
    /// that of ‖Φ(x)−Φ₀‖².
    pub fn mahendran() -> Self {
        Self::new(0.9, vec![(4e-3, 100), (4e-4, 200), (4e-5, 100)])
    }

    /// Keeps the point inside a box by projection after each update.
    pub fn bounds(self, bounds: Bounds) -> Self {
        Self { bounds: Some(bounds), ..self }
    }

    /// The learning rate of the phase that the last step belonged to (before the first step, of the first).
    pub fn rate(&self) -> f64 {
        self.schedule[self.phase].0
    }
}

impl<T: Real> Optimizer<T> for Momentum<T> {
    fn step(&mut self, x: &mut ArrayD<T>, value: f64, gradient: &ArrayD<T>) -> Step {
        check_shapes("Momentum", x, gradient);
        let gradient = gradient.as_standard_layout();
        let gradient = gradient.as_slice().expect("standard layout");
        if !value.is_finite() || !all_finite(gradient) {
            return Step::NotFinite;
        }
        if self.m.is_empty() {
            self.m = vec![T::zero(); gradient.len()];
        }
        assert_eq!(self.m.len(), gradient.len(), "Momentum: the point's size is not that of the steps before");
        if let Some(bounds) = &self.bounds {
            bounds.check(x);
        }
        while self.steps >= self.schedule[self.phase].1 && self.phase + 1 < self.schedule.len() {
            self.phase += 1;
            self.steps = 0;
            self.m.fill(T::zero());
        }
        self.steps += 1;

        let (decay, rate) = (T::of(self.decay), T::of(self.rate()));
        // A smaller velocity has no effect and would decay into slow denormal numbers.
        let tiny = T::min_positive_value() / T::epsilon();
        let x = x.as_slice_mut().expect("standard layout");
        let blocks = x.par_chunks_mut(BLOCK).zip(gradient.par_chunks(BLOCK)).zip(self.m.par_chunks_mut(BLOCK));
        blocks.for_each(|((x, gradient), m)| {
            for ((x, &g), m) in x.iter_mut().zip(gradient).zip(m) {
                let velocity = decay * *m - rate * g;
                *m = if velocity.abs() < tiny { T::zero() } else { velocity };
                *x += *m;
            }
        });
        if let Some(bounds) = &self.bounds {
            bounds.project(x);
        }
        Step::Moved
    }

    fn state(&self) -> State<'_, T> {
        if self.m.is_empty() {
            return State::default();
        }
        State::default().with_numbers("momentum", [self.phase as f64, self.steps as f64]).with_array("m", &self.m)
    }

    fn restore(&mut self, mut state: State<'_, T>, shape: &[usize]) -> Result<(), StateError> {
        if state.is_empty() {
            (self.phase, self.steps, self.m) = (0, 0, Vec::new());
            return Ok(());
        }
        let [phase, steps] = state.take_numbers("momentum")?;
        let (phase, steps) = (count("momentum", phase)?, count("momentum", steps)?);
        if phase >= self.schedule.len() {
            return Err(StateError::Value { name: "momentum".into() });
        }
        let m = state.take_array("m", shape.iter().product())?;
        state.end()?;
        (self.phase, self.steps, self.m) = (phase, steps, m);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    #[test]
    fn agrees_with_a_computation_by_hand() {
        // Gradient always 1; m: −½, −¾ (½·½ + ½), then from zero at rate ¼: −¼, −⅜, −7/16.
        let mut momentum = Momentum::new(0.5, vec![(0.5, 2), (9.0, 0), (0.25, 1)]);
        assert_eq!(momentum.rate(), 0.5);
        let mut x = arr1(&[0.0]).into_dyn();
        let mut xs = Vec::new();
        for _ in 0..5 {
            assert_eq!(momentum.step(&mut x, 0.0, &arr1(&[1.0]).into_dyn()), Step::Moved);
            xs.push(x[0]);
        }
        assert_eq!(xs, [-0.5, -1.25, -1.5, -1.875, -2.3125], "the last rate goes on");
        assert_eq!(momentum.rate(), 0.25);
    }

    #[test]
    fn the_published_schedule() {
        let mut momentum = Momentum::<f32>::mahendran();
        let mut x = arr1(&[0.0]).into_dyn();
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..400 {
            momentum.step(&mut x, 0.0, &arr1(&[0.0]).into_dyn());
            *counts.entry(format!("{:e}", momentum.rate())).or_insert(0) += 1;
        }
        assert_eq!(
            counts.into_iter().collect::<Vec<_>>(),
            [("4e-3", 100), ("4e-4", 200), ("4e-5", 100)].map(|(r, n)| (r.to_owned(), n))
        );
        assert_eq!(momentum.decay, 0.9);
    }

    #[test]
    fn bounds_hold_and_what_is_not_finite_changes_nothing() {
        let mut momentum = Momentum::new(0.9, vec![(1.0, 1)]).bounds(Bounds::new(vec![-1.0, -2.0], vec![1.0, 2.0]));
        let mut x = arr1(&[0.0, 0.0]).into_dyn();
        assert_eq!(momentum.step(&mut x, f64::INFINITY, &arr1(&[1.0, 1.0]).into_dyn()), Step::NotFinite);
        assert_eq!(momentum.step(&mut x, 0.0, &arr1(&[f64::NAN, 1.0]).into_dyn()), Step::NotFinite);
        assert_eq!(x, arr1(&[0.0, 0.0]).into_dyn());
        momentum.step(&mut x, 0.0, &arr1(&[5.0, -5.0]).into_dyn());
        assert_eq!(x, arr1(&[-1.0, 2.0]).into_dyn());
    }

    #[test]
    fn no_denormal_velocity() {
        let mut momentum = Momentum::<f32>::new(0.9, vec![(1e-3, 1)]);
        let mut x = arr1(&[1.0_f32]).into_dyn();
        for step in 0..2000 {
            momentum.step(&mut x, 0.0, &arr1(&[if step == 0 { 1.0 } else { 0.0 }]).into_dyn());
            assert!(!(0.9 * momentum.m[0]).is_subnormal(), "what is kept is large enough to decay once more");
        }
        assert_eq!(momentum.m[0], 0.0);
    }

    #[test]
    #[should_panic(expected = "schedule of learning rates is empty")]
    fn a_schedule_is_needed() {
        Momentum::<f32>::new(0.9, Vec::new());
    }
}
