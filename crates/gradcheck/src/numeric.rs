//! Derivatives by differences alone, for those who have no other: gradients, Jacobians, and products with a Hessian.

use ndarray::{ArrayD, IxDyn};

use crate::compare::{along, column};
use crate::float::Float;
use crate::function::{Function, each};
use crate::plain::{AtOnce, Numbers, Point, of_function};
use crate::slope::{Found, Slope, root_mean_square};
use crate::{GradCheck, Parallel};

/// Numbers that were estimated, and how far they may be off.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The estimates; NaN where no step gave finite values.
    pub values: ArrayD<f64>,
    /// For each an estimate of its absolute error. At a kink it is half the jump of the slope, and the value is the mean
    /// of the slopes to the left and to the right.
    pub errors: ArrayD<f64>,
    /// How often the function was called.
    pub evaluations: usize,
}

/// The gradient of `f` at `x` by central differences and Richardson extrapolation, with estimates of its error: in f64
/// some ten digits for smooth functions.
///
/// ```
/// use impasto_gradcheck::numeric_gradient;
///
/// let gradient = numeric_gradient(|x: &[f64]| x[0].sin() * x[1].exp(), &[0.3, 1.2][..]);
/// assert!((gradient.values[[0]] - 0.3f64.cos() * 1.2f64.exp()).abs() <= 4.0 * gradient.errors[[0]]);
/// assert!(gradient.errors.iter().all(|&error| error < 1e-8));
/// ```
///
/// The estimate has the shape of `x`; for several arrays it is one list.
pub fn numeric_gradient<X: Point + ?Sized, Y: Float>(f: impl Fn(&X) -> Y, x: &X) -> Estimate {
    GradCheck::new().numeric_gradient(f, x)
}

/// The Jacobian of `f` at `x`. Its shape is that of f(x) followed by that of `x`.
///
/// ```
/// use impasto_gradcheck::numeric_jacobian;
///
/// let jacobian = numeric_jacobian(|x: &[f64; 2]| [x[0] * x[1], x[1], 7.0], &[2.0, 5.0]);
/// assert_eq!(jacobian.values.shape(), [3, 2]);
/// assert!((jacobian.values[[0, 0]] - 5.0).abs() < 1e-9);
/// ```
pub fn numeric_jacobian<X: Point + ?Sized, Y: Numbers>(f: impl Fn(&X) -> Y, x: &X) -> Estimate {
    GradCheck::new().numeric_jacobian(f, x)
}

/// The product of a Hessian with `v`: the slope of `gradient` at `x` along `v`, in the shape of the gradient.
///
/// ```
/// use impasto_gradcheck::hessian_vector;
///
/// // f = x₀²x₁, whose Hessian is [[2x₁, 2x₀], [2x₀, 0]].
/// let gradient = |x: &[f64]| vec![2.0 * x[0] * x[1], x[0] * x[0]];
/// let product = hessian_vector(gradient, &[0.7, -1.1][..], &[1.0, 0.0][..]);
/// assert!((product.values[[0]] + 2.2).abs() < 1e-9 && (product.values[[1]] - 1.4).abs() < 1e-9);
/// ```
pub fn hessian_vector<X: Point + ?Sized, G: Numbers>(gradient: impl Fn(&X) -> G, x: &X, v: &X) -> Estimate {
    GradCheck::new().hessian_vector(gradient, x, v)
}

impl GradCheck {
    /// [`numeric_gradient`], with the first step and the precision that are set here.
    pub fn numeric_gradient<X: Point + ?Sized, Y: Float>(&self, f: impl Fn(&X) -> Y, x: &X) -> Estimate {
        jacobian(self, &of_function(x, &f), &x.arrays())
    }

    /// [`numeric_jacobian`], with the first step and the precision that are set here.
    pub fn numeric_jacobian<X: Point + ?Sized, Y: Numbers>(&self, f: impl Fn(&X) -> Y, x: &X) -> Estimate {
        jacobian(self, &of_function(x, &f), &x.arrays())
    }

    /// [`hessian_vector`], with the first step and the precision that are set here.
    pub fn hessian_vector<X: Point + ?Sized, G: Numbers>(&self, gradient: impl Fn(&X) -> G, x: &X, v: &X) -> Estimate {
        slope(self, &of_function(x, &gradient), &x.arrays(), v.arrays())
    }
}

impl Parallel {
    /// [`numeric_gradient`], its elements computed at the same time.
    pub fn numeric_gradient<X: Point + Sync + ?Sized, Y: Float>(&self, f: impl Fn(&X) -> Y + Sync, x: &X) -> Estimate {
        jacobian(&self.0, &AtOnce(of_function(x, &f)), &x.arrays())
    }

    /// [`numeric_jacobian`], its columns computed at the same time.
    pub fn numeric_jacobian<X: Point + Sync + ?Sized, Y: Numbers>(
        &self,
        f: impl Fn(&X) -> Y + Sync,
        x: &X,
    ) -> Estimate {
        jacobian(&self.0, &AtOnce(of_function(x, &f)), &x.arrays())
    }
}

fn jacobian(check: &GradCheck, subject: &dyn Function, inputs: &[ArrayD<f64>]) -> Estimate {
    let output = subject.value(inputs);
    let at_zero: Vec<f64> = output.iter().copied().collect();
    let places: Vec<(usize, usize)> =
        inputs.iter().enumerate().flat_map(|(input, x)| (0..x.len()).map(move |i| (input, i))).collect();
    let columns = each(subject, places.len(), |subject, number| {
        let (input, element) = places[number];
        best(|care| column(subject, check, inputs, input, element, &at_zero, care))
    });
    let mut shape = output.shape().to_vec();
    if let [x] = inputs {
        shape.extend(x.shape());
    } else {
        shape.push(places.len());
    }
    let number = |of: fn(&Slope) -> f64| {
        let rows = (0..output.len()).flat_map(|k| columns.iter().map(move |column| of(&column.slopes[k])));
        ArrayD::from_shape_vec(IxDyn(&shape), rows.collect()).expect("as many as the shape says")
    };
    let evaluations = 1 + columns.iter().map(|column| column.calls).sum::<usize>();
    Estimate { values: number(|slope| slope.value), errors: number(error), evaluations }
}

fn slope(check: &GradCheck, subject: &dyn Function, inputs: &[ArrayD<f64>], mut ways: Vec<ArrayD<f64>>) -> Estimate {
    let output = subject.value(inputs);
    let at_zero: Vec<f64> = output.iter().copied().collect();
    let size = root_mean_square(ways.iter().flatten().copied());
    if size > 0.0 {
        for way in &mut ways {
            *way /= size;
        }
    }
    let found = best(|care| along(subject, check, inputs, &ways, &at_zero, care));
    let number = |of: fn(&Slope) -> f64| {
        let numbers = found.slopes.iter().map(|slope| of(slope) * size).collect();
        ArrayD::from_shape_vec(output.raw_dim(), numbers).expect("as many as the shape says")
    };
    Estimate { values: number(|slope| slope.value), errors: number(error), evaluations: 1 + found.calls }
}

/// Few steps if they are enough, else steps of all sizes.
fn best(look: impl Fn(bool) -> Found) -> Found {
    let first = look(false);
    if first.swift {
        return first;
    }
    let second = look(true);
    Found { calls: first.calls + second.calls, ..second }
}

fn error(slope: &Slope) -> f64 {
    if slope.is_kink(1e-9 * slope.value.abs()) { slope.jump.abs() / 2.0 } else { slope.error }
}
