//! Optimisers: functions of (point, value, gradient), independent of tapes, networks and pictures.
//!
//! The book explains it in [chapter 10](../../../book/html/10-optimisers.html) (`docs/book/src/10-optimisers.md`).
//!
//! All implement [`Optimizer`]: the caller evaluates a function and its gradient at `x`, passes both, and finds the next point
//! to evaluate in `x`. One iteration is therefore one evaluation for every optimiser, including the trials of a line search.
//!
//! | optimiser | source | use |
//! |---|---|---|
//! | [`Adam`] | Kingma & Ba 2015, algorithm 1 | robust; the notebook's choice |
//! | [`Momentum`] | Mahendran & Vedaldi 2014, section 3.3 | the paper's inversions |
//! | [`PyramidAdam`] | Kolkin et al. 2022, section 3 | moves large and fine forms at the same pace |
//! | [`Lbfgs`] | Nocedal & Wright 2006, algorithms 7.4, 3.5 and 3.6 | the fewest evaluations to a low loss |
//!
//! ```
//! use impasto::optim::{Lbfgs, Optimizer};
//! use ndarray::{ArrayD, arr1};
//!
//! // Minimise Σ(x − 3)².
//! let mut x: ArrayD<f64> = arr1(&[0.0, 10.0]).into_dyn();
//! let mut optimizer = Lbfgs::new();
//! for _ in 0..20 {
//!     let value = x.mapv(|x| (x - 3.0).powi(2)).sum();
//!     let gradient = x.mapv(|x| 2.0 * (x - 3.0));
//!     optimizer.step(&mut x, value, &gradient);
//! }
//! assert!(optimizer.result(&x).iter().all(|x| (x - 3.0).abs() < 1e-9));
//! ```

// Tests compare exact numbers.
#![cfg_attr(test, allow(clippy::float_cmp))]

mod adam;
mod bounds;
mod lbfgs;
mod line_search;
mod method;
mod momentum;
mod pyramid_adam;
mod state;
mod vector;

use std::fmt;

use ndarray::ArrayD;

use crate::kernels::Real;

pub use adam::Adam;
pub use bounds::Bounds;
pub use lbfgs::Lbfgs;
pub use method::Method;
pub use momentum::Momentum;
pub use pyramid_adam::PyramidAdam;
pub use state::{State, StateError};

/// Minimises a function of an array, one evaluation of value and gradient at a time.
pub trait Optimizer<T: Real>: Send {
    /// Takes the `value` and `gradient` of the function at `x` and replaces `x` by the next point to evaluate.
    ///
    /// # Panics
    /// If the shapes of `x` and `gradient` differ from each other or from those of the call before.
    fn step(&mut self, x: &mut ArrayD<T>, value: f64, gradient: &ArrayD<T>) -> Step;

    /// The best point if the caller stops now; `x` is what the last [`step`](Self::step) left.
    ///
    /// For Adam (unless it [averages](Self::average)) and momentum this is `x` itself. For L-BFGS it is the last accepted iterate,
    /// or a lower point of the current line search: `x` is then a trial that has not been evaluated.
    fn result<'a>(&'a self, x: &'a ArrayD<T>) -> &'a ArrayD<T> {
        x
    }

    /// From now on, makes the [`result`](Self::result) a mean of the iterates x₁ … xₜ, in which each counts `decay` times as much
    /// as the next: Σ decay^(t−i)·xᵢ / Σ decay^(t−i). Returns whether the optimiser supports it. Adam does, because its
    /// iterates circle around the minimum.
    fn average(&mut self, decay: f64) -> bool {
        let _ = decay;
        false
    }

    /// Continues with a point of another size, when a picture is resampled for the next scale. Returns whether the optimiser
    /// supports it. `resample` turns an array of the old shape into one of the new shape.
    ///
    /// Adam keeps its moments. The others do not: the curvature that L-BFGS has learned at one size says little about the next.
    fn resample(&mut self, resample: &dyn Fn(&ArrayD<T>) -> ArrayD<T>) -> bool {
        let _ = resample;
        false
    }

    /// Everything that the next steps depend on, except the options; empty before the first step.
    fn state(&self) -> State<'_, T>;

    /// Restores a state in an optimiser with the same options; its next steps are bit-identical to those of the optimiser that
    /// had the state. `shape` is the point's shape.
    ///
    /// # Errors
    /// If the state belongs to another kind of optimiser or to a point of another size. The optimiser is then unchanged.
    fn restore(&mut self, state: State<'_, T>, shape: &[usize]) -> Result<(), StateError>;
}

/// What one call of [`Optimizer::step`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The evaluated point became the new iterate, and `x` has moved on from it.
    Moved,
    /// The evaluated point was rejected; `x` is another point along the same direction (L-BFGS).
    Trial,
    /// `x` is the first point along the direction of steepest descent from the last iterate; the history of curvature was
    /// dropped (L-BFGS).
    Restarted(Restart),
    /// The very first point lay outside the bounds; `x` is now the nearest point inside, and must be evaluated again
    /// (L-BFGS).
    Projected,
    /// The iterate meets a tolerance, or its gradient is exactly zero; `x` is the result (L-BFGS).
    Converged,
    /// Value or gradient is NaN or infinite, and there is no earlier point to step back to; `x` is unchanged.
    NotFinite,
}

/// Why L-BFGS started again from steepest descent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restart {
    /// No point along the direction was lower than the iterate: rounding hides the predicted decrease.
    NoDecrease,
    /// The direction was not a descent direction.
    NotDescent,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved => f.write_str("moved"),
            Self::Trial => f.write_str("trial of the line search"),
            Self::Restarted(why) => write!(f, "restarted from steepest descent: {why}"),
            Self::Projected => f.write_str("starting point moved into the bounds"),
            Self::Converged => f.write_str("converged"),
            Self::NotFinite => f.write_str("value or gradient not finite"),
        }
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoDecrease => "no point along the direction was lower",
            Self::NotDescent => "the direction did not point downhill",
        })
    }
}

/// Checks that the arrays have the same shape, and brings `x` into standard layout.
fn check_shapes<T: Real>(optimizer: &str, x: &mut ArrayD<T>, gradient: &ArrayD<T>) {
    assert_eq!(x.shape(), gradient.shape(), "{optimizer}: the shapes of point and gradient differ");
    if !x.is_standard_layout() {
        *x = x.as_standard_layout().into_owned();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ndarray::{Ix2, arr2};

    use super::*;

    fn optimisers() -> [Box<dyn Optimizer<f64>>; 3] {
        [Box::new(Adam::new(0.1)), Box::new(Momentum::new(0.9, vec![(0.1, 1)])), Box::new(Lbfgs::new())]
    }

    #[test]
    fn a_point_is_moved_alike_in_any_layout() {
        let (point, gradient) = (arr2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), arr2(&[[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]]));
        for (mut one, mut other) in optimisers().into_iter().zip(optimisers()) {
            let mut rows = point.clone().into_dyn();
            let mut columns = point.t().as_standard_layout().into_owned().reversed_axes().into_dyn();
            assert!(!columns.is_standard_layout());
            one.step(&mut rows, 7.0, &gradient.clone().into_dyn());
            other.step(&mut columns, 7.0, &gradient.clone().into_dyn());
            assert_eq!(rows, columns);
            assert_ne!(rows.into_dimensionality::<Ix2>().unwrap(), point);
        }
    }

    #[test]
    fn without_a_line_search_the_result_is_the_point_itself() {
        let x = arr2(&[[1.0, 2.0]]).into_dyn();
        for optimiser in optimisers() {
            assert!(std::ptr::eq(optimiser.result(&x), &raw const x), "before the first step");
        }
        let mut moved = x.clone();
        let mut adam = Adam::new(0.1);
        adam.step(&mut moved, 1.0, &x);
        assert!(std::ptr::eq(adam.result(&moved), &raw const moved));
    }

    /// Σ of a quartic with several slopes, which makes line searches try more than once.
    fn wavy(x: &ArrayD<f32>) -> (f64, ArrayD<f32>) {
        let value = x.iter().map(|&x| f64::from(x.powi(4) + 3.0 * (4.0 * x).sin())).sum();
        (value, x.mapv(|x| 4.0 * x.powi(3) + 12.0 * (4.0 * x).cos()))
    }

    fn made(kind: usize) -> Box<dyn Optimizer<f32>> {
        let bounds = || Bounds::new(vec![-1.5, -2.0, -0.4], vec![1.0, 0.9, 2.0]);
        match kind {
            0 => Box::new(Adam::new(0.1)),
            1 => Box::new(Adam::new(0.3).bounds(bounds())),
            2 => Box::new(Momentum::new(0.9, vec![(0.01, 7), (0.002, 5), (1e-4, 5)])),
            3 => Box::new(Lbfgs::new().history(4)),
            _ => Box::new(Lbfgs::new().bounds(bounds())),
        }
    }

    /// A start, and the points after each of 40 steps; after `broken` of them the optimiser is another one.
    fn path(kind: usize, broken: Option<usize>) -> Vec<(ArrayD<f32>, ArrayD<f32>, Step)> {
        let mut optimizer = made(kind);
        let mut x = ArrayD::from_shape_fn(vec![3, 5, 3], |at| (at[0] * 15 + at[1] * 3 + at[2]) as f32 / 20.0 - 1.1);
        let mut path = Vec::new();
        for step in 0..40 {
            if broken == Some(step) {
                let mut other = made(kind);
                other.restore(optimizer.state(), &[3, 5, 3]).unwrap();
                assert_eq!(other.state(), optimizer.state());
                optimizer = other;
            }
            let (value, gradient) = wavy(&x);
            let step = optimizer.step(&mut x, value, &gradient);
            path.push((x.clone(), optimizer.result(&x).clone(), step));
        }
        path
    }

    #[test]
    fn one_that_gets_the_state_of_another_goes_on_as_that_one() {
        for kind in 0..5 {
            let whole = path(kind, None);
            for step in 0..40 {
                assert!(path(kind, Some(step)) == whole, "optimiser {kind}, after {step} steps");
            }
        }
        let steps: Vec<_> = path(3, None).into_iter().map(|(.., step)| step).collect();
        assert!(steps.contains(&Step::Trial) && steps.contains(&Step::Moved), "within line searches too: {steps:?}");
    }

    #[test]
    fn the_state_of_another_optimiser_or_size_is_refused() {
        let mut x = ArrayD::from_elem(vec![2, 2, 3], 0.5);
        let steps = |mut optimizer: Box<dyn Optimizer<f32>>| {
            for _ in 0..3 {
                let (value, gradient) = wavy(&x);
                optimizer.step(&mut x, value, &gradient);
            }
            optimizer
        };
        let stepped = [0, 2, 3].map(made).map(steps);
        for (i, one) in stepped.iter().enumerate() {
            for (j, kind) in [0, 2, 3].into_iter().enumerate() {
                let restored = made(kind).restore(one.state(), &[2, 2, 3]);
                assert_eq!(restored.is_ok(), i == j, "{restored:?}");
            }
            let smaller = made([0, 2, 3][i]).restore(one.state(), &[2, 1, 3]).unwrap_err();
            assert!(matches!(smaller, StateError::Length { found: 12, expected: 6, .. }), "{smaller}");
            let more = one.state().with_numbers("more", [1.0]);
            let unknown = made([0, 2, 3][i]).restore(more, &[2, 2, 3]).unwrap_err();
            assert_eq!(unknown, StateError::Unknown { name: "more".into() });
            for name in one.state().arrays.keys() {
                let mut state = one.state();
                state.arrays.get_mut(name).unwrap().to_mut()[3] = f32::NAN;
                let error = made([0, 2, 3][i]).restore(state, &[2, 2, 3]).unwrap_err();
                assert_eq!(error, StateError::Value { name: name.clone() });
            }
        }
    }

    #[test]
    fn each_step_is_told_in_other_words() {
        let restarts = [Restart::NoDecrease, Restart::NotDescent].map(Step::Restarted);
        let steps = [Step::Moved, Step::Trial, Step::Projected, Step::Converged, Step::NotFinite];
        let words: BTreeSet<String> = steps.into_iter().chain(restarts).map(|step| step.to_string()).collect();
        assert_eq!(words.len(), 7, "{words:?}");
        assert!(words.contains("restarted from steepest descent: the direction did not point downhill"), "{words:?}");
    }
}
