//! Adam: Kingma & Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1.

use ndarray::ArrayD;
use rayon::prelude::*;

use super::vector::{BLOCK, all_finite};
use super::{Bounds, Optimizer, Step, check_shapes};
use crate::kernels::Real;

/// Adam with bias-corrected first and second moments:
///
/// m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², x ← x − rate · m/(1−β₁ᵗ) / (√v/√(1−β₂ᵗ) + ε).
///
/// One pass over memory, in parallel. Moments too small to act are set to zero, so that denormal numbers, which
/// processors handle slowly, never arise where a gradient has vanished.
#[derive(Debug, Clone)]
pub struct Adam<T> {
    rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    bounds: Option<Bounds>,
    steps: i32,
    /// First moment, empty before the first step.
    m: Vec<T>,
    /// Second moment, likewise.
    v: Vec<T>,
}

impl<T: Real> Adam<T> {
    /// `PyTorch`'s default learning rate, the paper's too.
    pub const DEFAULT_RATE: f64 = 1e-3;

    /// Adam with the given learning rate, β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
    pub fn new(rate: f64) -> Self {
        Self { rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, bounds: None, steps: 0, m: Vec::new(), v: Vec::new() }
    }

    /// The decay rates of the first and the second moment, each in [0, 1).
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        Self { beta1, beta2, ..self }
    }

    /// What is added to the root of the second moment, so that nothing is divided by zero.
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// Keeps the point inside a box by projection after each update.
    pub fn bounds(self, bounds: Bounds) -> Self {
        Self { bounds: Some(bounds), ..self }
    }
}

impl<T: Real> Default for Adam<T> {
    fn default() -> Self {
        Self::new(Self::DEFAULT_RATE)
    }
}

impl<T: Real> Optimizer<T> for Adam<T> {
    fn step(&mut self, x: &mut ArrayD<T>, value: f64, gradient: &ArrayD<T>) -> Step {
        check_shapes("Adam", x, gradient);
        let gradient = gradient.as_standard_layout();
        let (x_shape, gradient) = (x.raw_dim(), gradient.as_slice().expect("standard layout"));
        if !value.is_finite() || !all_finite(gradient) {
            return Step::NotFinite;
        }
        if self.steps == 0 {
            self.m = vec![T::zero(); gradient.len()];
            self.v = vec![T::zero(); gradient.len()];
        }
        assert_eq!(self.m.len(), gradient.len(), "Adam: the point's shape {x_shape:?} is not that of the steps before");
        if let Some(bounds) = &self.bounds {
            bounds.check(x);
        }
        let x = x.as_slice_mut().expect("standard layout");

        self.steps += 1;
        let correction1 = 1.0 - self.beta1.powi(self.steps);
        let correction2 = 1.0 - self.beta2.powi(self.steps);
        let tiny = T::min_positive_value() / T::epsilon();
        let update = Update {
            beta1: T::of(self.beta1),
            new1: T::of(1.0 - self.beta1),
            beta2: T::of(self.beta2),
            new2: T::of(1.0 - self.beta2),
            rate: T::of(self.rate / correction1),
            root_scale: T::of(1.0 / correction2.sqrt()),
            epsilon: T::of(self.epsilon),
            tiny_moment: tiny,
            tiny_gradient: tiny.sqrt(),
        };
        let moments = self.m.par_chunks_mut(BLOCK).zip(self.v.par_chunks_mut(BLOCK));
        x.par_chunks_mut(BLOCK)
            .zip(gradient.par_chunks(BLOCK))
            .zip(moments)
            .for_each(|((x, gradient), (m, v))| update.block(x, gradient, m, v));
        if let Some(bounds) = &self.bounds {
            bounds.project(x);
        }
        Step::Moved
    }
}

/// The numbers of one step, the same for every element.
struct Update<T> {
    beta1: T,
    new1: T,
    beta2: T,
    new2: T,
    rate: T,
    root_scale: T,
    epsilon: T,
    /// Moments below this become zero: what is above stays a normal number after the decay of one step.
    tiny_moment: T,
    /// Gradients below this count as zero: what is above has a square that is normal. ε exceeds both by far.
    tiny_gradient: T,
}

impl<T: Real> Update<T> {
    fn block(&self, x: &mut [T], gradient: &[T], m: &mut [T], v: &mut [T]) {
        for (((x, &g), m), v) in x.iter_mut().zip(gradient).zip(m).zip(v) {
            let g = flush(g, self.tiny_gradient);
            *m = flush(self.beta1 * *m + self.new1 * g, self.tiny_moment);
            *v = flush(self.beta2 * *v + self.new2 * g * g, self.tiny_moment);
            *x -= self.rate * *m / (v.sqrt() * self.root_scale + self.epsilon);
        }
    }
}

/// `value`, or zero if it is nearer to zero than `tiny`.
fn flush<T: Real>(value: T, tiny: T) -> T {
    if value.abs() < tiny { T::zero() } else { value }
}
