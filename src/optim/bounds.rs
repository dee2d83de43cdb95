//! Box bounds on pixels.

use ndarray::ArrayD;
use rayon::prelude::*;

use super::vector::BLOCK;
use crate::kernels::Real;

/// A box that the point must stay in: a lower and an upper bound for each channel.
///
/// Channels are the last axis; a normalised image has other bounds in each of its three. A box of one channel bounds
/// every element alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    lower: Vec<f64>,
    upper: Vec<f64>,
}

impl Bounds {
    /// The box from `lower` to `upper`, one number per channel. Infinite bounds are allowed.
    ///
    /// # Panics
    /// If the lengths differ, are zero, or a lower bound is not at most its upper one.
    pub fn new(lower: Vec<f64>, upper: Vec<f64>) -> Self {
        assert!(!lower.is_empty() && lower.len() == upper.len(), "Bounds: one lower and one upper bound per channel");
        assert!(lower.iter().zip(&upper).all(|(l, u)| l <= u), "Bounds: {lower:?} is not below {upper:?}");
        Self { lower, upper }
    }

    /// Moves every element of `x` to the nearest value inside; whether any had to move.
    pub(super) fn project<T: Real>(&self, x: &mut [T]) -> bool {
        let limits = self.limits::<T>();
        let len = self.block();
        let project = |x: &mut [T]| {
            let mut moved = false;
            for (x, &(lower, upper)) in x.iter_mut().zip(limits.iter().cycle()) {
                let inside = if *x < lower {
                    lower
                } else if *x > upper {
                    upper
                } else {
                    *x
                };
                moved |= inside != *x;
                *x = inside;
            }
            moved
        };
        x.par_chunks_mut(len).map(project).reduce(|| false, |a, b| a | b)
    }

    /// Sets to zero every element of `direction` where `x` is at a bound and either −`gradient` leads out (the active set
    /// of Bertsekas 1982) or the direction itself does.
    pub(super) fn clear_active<T: Real>(&self, direction: &mut [T], x: &[T], gradient: &[T]) {
        let limits = self.limits::<T>();
        let len = self.block();
        let chunks = direction.par_chunks_mut(len).zip(x.par_chunks(len)).zip(gradient.par_chunks(len));
        chunks.for_each(|((direction, x), gradient)| {
            let limits = limits.iter().cycle();
            for (((d, &x), &g), &(lower, upper)) in direction.iter_mut().zip(x).zip(gradient).zip(limits) {
                let zero = T::zero();
                if (x <= lower && (g > zero || *d < zero)) || (x >= upper && (g < zero || *d > zero)) {
                    *d = zero;
                }
            }
        });
    }

    /// Panics unless the box has one channel or as many as `x` has.
    pub(super) fn check<T: Real>(&self, x: &ArrayD<T>) {
        let channels = x.shape().last().copied().unwrap_or(1);
        let own = self.lower.len();
        assert!(own == 1 || own == channels, "Bounds: {own} channels for a point of {channels}");
    }

    /// The bounds in `T`, in the order of channels.
    fn limits<T: Real>(&self) -> Vec<(T, T)> {
        self.lower.iter().zip(&self.upper).map(|(&l, &u)| (T::of(l), T::of(u))).collect()
    }

    /// A block's length that begins every block at the first channel.
    fn block(&self) -> usize {
        BLOCK / self.lower.len().min(BLOCK) * self.lower.len()
    }
}
