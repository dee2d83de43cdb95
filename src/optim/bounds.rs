//! Box bounds on pixels.

use ndarray::ArrayD;
use rayon::prelude::*;

use super::vector::BLOCK;
use crate::kernels::Real;

/// A box that the point must stay in: a lower and an upper bound for each channel.
///
/// Channels are the last axis; each channel of a normalised image has its own bounds. A box of one channel applies to every
/// element.
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

    /// Moves every element of `x` to the nearest value inside. Returns whether any moved.
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

    /// Panics unless the box has one channel or as many as `x`.
    pub(super) fn check<T: Real>(&self, x: &ArrayD<T>) {
        let channels = x.shape().last().copied().unwrap_or(1);
        let own = self.lower.len();
        assert!(own == 1 || own == channels, "Bounds: {own} channels for a point of {channels}");
    }

    /// The bounds in `T`, in the order of channels.
    fn limits<T: Real>(&self) -> Vec<(T, T)> {
        self.lower.iter().zip(&self.upper).map(|(&l, &u)| (T::of(l), T::of(u))).collect()
    }

    /// A block length that starts every block at the first channel.
    fn block(&self) -> usize {
        BLOCK / self.lower.len().min(BLOCK) * self.lower.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_each_channel_across_blocks() {
        // Five channels, which do not divide a block of vectors.
        let bounds = Bounds::new(vec![-1.0, -2.0, f64::NEG_INFINITY, 0.0, -9.0], vec![1.0, 2.0, 3.0, 0.0, 9.0]);
        let mut x: Vec<f32> = (0..3 * BLOCK).map(|i| if i % 2 == 0 { 9.0 } else { -9.0 }).collect();
        assert!(bounds.project(&mut x));
        for (i, &x) in x.iter().enumerate() {
            let expected = match (i % 5, i % 2) {
                (0, 0) => 1.0,
                (0, _) => -1.0,
                (1, 0) => 2.0,
                (1, _) => -2.0,
                (2, 0) => 3.0,
                (3, _) => 0.0,
                (_, 0) => 9.0,
                _ => -9.0,
            };
            assert_eq!(x, expected, "{i}");
        }
        assert!(!bounds.project(&mut x), "all are inside now");
    }

    #[test]
    fn clears_only_what_leads_out() {
        let bounds = Bounds::new(vec![0.0], vec![1.0]);
        // (x, gradient, direction), and whether the direction stays.
        for (x, g, d, stays) in [
            (0.0, 1.0, 2.0, false),
            (0.0, 1.0, -2.0, false),
            (0.0, 0.0, 2.0, true),
            (0.0, 0.0, -2.0, false),
            (0.0, -1.0, 2.0, true),
            (0.0, -1.0, -2.0, false),
            (1.0, 1.0, 2.0, false),
            (1.0, 1.0, -2.0, true),
            (1.0, 0.0, 2.0, false),
            (1.0, 0.0, -2.0, true),
            (1.0, -1.0, 2.0, false),
            (1.0, -1.0, -2.0, false),
            (0.5, 1.0, 2.0, true),
            (0.5, -1.0, -2.0, true),
        ] {
            let mut direction = [d];
            bounds.clear_active(&mut direction, &[x], &[g]);
            assert_eq!(direction, [if stays { d } else { 0.0 }], "at {x}, gradient {g}, direction {d}");
        }
    }

    #[test]
    #[should_panic(expected = "2 channels for a point of 3")]
    fn channels_must_agree() {
        Bounds::new(vec![0.0; 2], vec![1.0; 2]).check(&ArrayD::<f32>::zeros(vec![2, 3]));
    }

    #[test]
    #[should_panic(expected = "is not below")]
    fn a_box_must_not_be_inside_out() {
        Bounds::new(vec![0.0, 1.0], vec![1.0, 0.5]);
    }
}
