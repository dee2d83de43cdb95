//! What the distances of distributions have in common: means and second moments of features, and a function of them that is
//! no sum of operations but comes with its gradient.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use super::Seen;
use crate::tape::{Real, Var};

/// The mean of features and of their products, over positions.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    /// μ, (channels).
    pub(super) mean: Array1<f64>,
    /// E[f·fᵀ], (channels, channels), symmetric.
    pub(super) second: Array2<f64>,
}

impl Moments {
    /// Those of what is seen at [`Place::Moments`](super::Place::Moments).
    pub(super) fn of<T: Real>(seen: &Seen<'_, T>) -> Self {
        let sums = seen.value.value().mapv(|v| Real::to_f64(v) / seen.positions);
        let sums: Array2<f64> = sums.into_dimensionality().expect("a matrix");
        let (second, mean) = sums.view().split_at(Axis(0), sums.ncols());
        Self { mean: mean.row(0).to_owned(), second: (&second + &second.t()) * 0.5 }
    }

    /// Those of a mixture; weights should sum to 1.
    ///
    /// # Panics
    /// If there is nothing, or shapes differ.
    pub(super) fn blended<T: Real>(parts: &[(f64, Seen<'_, T>)]) -> Self {
        let weighted = parts.iter().map(|(weight, seen)| {
            let Self { mean, second } = Self::of(seen);
            Self { mean: mean * *weight, second: second * *weight }
        });
        let sum = weighted.reduce(|a, b| Self { mean: a.mean + b.mean, second: a.second + b.second });
        sum.expect("at least one style")
    }

    /// The covariance E[f·fᵀ] − μμᵀ.
    pub(super) fn covariance(&self) -> Array2<f64> {
        let column = self.mean.view().insert_axis(Axis(1));
        &self.second - &column.dot(&column.t())
    }

    /// How much of a channel's second moment may be rounding of numbers of type `T`, as a share.
    pub(super) fn rounding<T: Real>() -> f64 {
        4.0 * Real::to_f64(T::epsilon())
    }
}

/// A function's value, and its derivatives with respect to mean and second moments.
pub(super) struct Derived {
    pub(super) value: f64,
    pub(super) d_mean: Array1<f64>,
    pub(super) d_second: Array2<f64>,
}

impl Derived {
    /// `weight` times the function, on the tape of what it is a function of.
    pub(super) fn on_tape<'t, T: Real>(self, name: &'static str, seen: &Seen<'t, T>, weight: f64) -> Var<'t, T> {
        let channels = self.d_mean.len();
        let mut gradient = Array2::<T>::zeros((channels + 1, channels));
        let factor = weight / seen.positions;
        let fill = |mut to: ndarray::ArrayViewMut2<'_, T>, from: ArrayView2<'_, f64>| {
            to.zip_mut_with(&from, |to, &from| *to = T::of(factor * from));
        };
        fill(gradient.slice_mut(s![..channels, ..]), self.d_second.view());
        fill(gradient.slice_mut(s![channels.., ..]), self.d_mean.view().insert_axis(Axis(0)));
        let kept = gradient.len() * size_of::<T>();
        let value = ndarray::arr0(T::of(weight * self.value));
        seen.value.tape().record(name, &[&seen.value], value, kept, move |dy, inputs| {
            let dy = dy.first().copied().expect("a scalar");
            inputs.add(0, gradient * dy);
        })
    }
}
