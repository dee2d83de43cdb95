//! Distances of distributions: functions of the means and second moments of features that compute their own gradient instead of
//! recording operations.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use super::{Place, Seen, Term};
use crate::tape::{Real, Var};
use crate::vgg::Layer;

/// A distance between features that depends only on their moments. Each distance is a [`Term`]; several are computed in parallel.
pub trait Distance: Send + Sync {
    /// The name of the operation on the tape.
    fn operation(&self) -> &'static str;

    /// The layer of the features.
    fn layer(&self) -> Layer;

    /// The distance, and its derivatives if `wanted` (otherwise they may hold anything).
    fn derived(&self, moments: &Moments, wanted: bool) -> Derived;
}

impl<T: Real, D: Distance> Term<T> for D {
    fn name(&self) -> String {
        self.layer().to_string()
    }

    fn place(&self) -> Place {
        Place::Moments(self.layer())
    }

    fn score<'t>(&self, seen: &Seen<'t, T>, weight: f64) -> Var<'t, T> {
        let derived = self.derived(&Moments::of(seen), seen.value.needs_gradient());
        derived.on_tape(self.operation(), seen, weight)
    }

    fn distance<'t>(&self, seen: &Seen<'t, T>) -> Option<(Seen<'t, T>, &dyn Distance)> {
        Some((Seen { value: seen.value.clone(), positions: seen.positions }, self))
    }
}

/// The means of features and of their products over positions.
#[derive(Clone, Debug)]
pub struct Moments {
    /// μ, (channels).
    pub mean: Array1<f64>,
    /// E[f·fᵀ], (channels, channels), symmetric.
    pub second: Array2<f64>,
    /// The number of positions, or the sum of their weights.
    pub positions: f64,
}

impl Moments {
    /// The moments of an observation at [`Place::Moments`](super::Place::Moments).
    pub(super) fn of<T: Real>(seen: &Seen<'_, T>) -> Self {
        let sums = seen.value.value().mapv(|v| Real::to_f64(v) / seen.positions);
        let sums: Array2<f64> = sums.into_dimensionality().expect("a matrix");
        let (second, mean) = sums.view().split_at(Axis(0), sums.ncols());
        Self { mean: mean.row(0).to_owned(), second: (&second + &second.t()) * 0.5, positions: seen.positions }
    }

    /// The moments of a mixture; weights should sum to 1.
    ///
    /// # Panics
    /// If the mixture is empty, or shapes differ.
    pub(super) fn blended<T: Real>(parts: &[(f64, Seen<'_, T>)]) -> Self {
        let weighted = parts.iter().map(|(weight, seen)| {
            let Self { mean, second, positions } = Self::of(seen);
            Self { mean: mean * *weight, second: second * *weight, positions: positions * weight }
        });
        let sum = weighted.reduce(|a, b| Self {
            mean: a.mean + b.mean,
            second: a.second + b.second,
            positions: a.positions + b.positions,
        });
        sum.expect("at least one style")
    }

    /// The covariance E[f·fᵀ] − μμᵀ.
    pub fn covariance(&self) -> Array2<f64> {
        let column = self.mean.view().insert_axis(Axis(1));
        &self.second - &column.dot(&column.t())
    }

    /// The share of a channel's second moment that may be rounding, for numbers of type `T`.
    pub(super) fn rounding<T: Real>() -> f64 {
        4.0 * Real::to_f64(T::epsilon())
    }
}

/// A function's value, and its derivatives with respect to mean and second moments.
pub struct Derived {
    /// The value.
    pub value: f64,
    /// With respect to μ, (channels).
    pub d_mean: Array1<f64>,
    /// With respect to E[f·fᵀ], (channels, channels), as if its elements were independent of each other.
    pub d_second: Array2<f64>,
}

impl Derived {
    /// `weight` times the function, recorded on the tape of its argument.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::{image, network};
    use crate::objective::{
        Divisor, FeaturesError, GramNorm, MomentsError, Objective, Selection, TotalVariation, Wasserstein,
    };
    use crate::tape::Tape;

    #[test]
    fn an_objective_gives_each_distance_to_its_own_term() {
        let (network, tape) = (network(), Tape::new());
        let map = |image: ndarray::Array3<f64>, layer: Layer| {
            let image = tape.constant(image);
            network.features(&image, [layer]).unwrap().remove(&layer).unwrap()
        };
        let [first, second]: [Layer; 2] = ["relu1_1", "relu2_1"].map(|name| name.parse().unwrap());
        let targets = |layer| crate::objective::moments(&map(image(9, 8, 2), layer));
        let terms = || -> Vec<(f64, Box<dyn Term<f64>>)> {
            let content = map(image(12, 10, 3), second);
            vec![
                (0.5, Box::new(Wasserstein::new(second, &targets(second), GramNorm::Relative))),
                (2.0, Box::new(FeaturesError::new(second, &content, Selection::default(), Divisor::Size))),
                (3.0, Box::new(MomentsError::new(first, &targets(first), GramNorm::Relative))),
                (1.0, Box::new(TotalVariation { beta: 2.0, divisor: 9.0 })),
                (0.25, Box::new(Wasserstein::new(first, &targets(first), GramNorm::Mean))),
            ]
        };
        let x = tape.constant(image(12, 10, 1));
        let objective = Objective::new().group("all", 1.0, terms());
        let found = objective.evaluate(&network, &x, &x).unwrap().groups.remove(0).terms;
        for ((weight, term), (name, value)) in terms().into_iter().zip(found) {
            let alone = Objective::new().group("alone", 1.0, vec![(weight, term)]);
            let alone = alone.evaluate(&network, &x, &x).unwrap().groups.remove(0).terms.remove(0);
            assert_eq!((alone.0, alone.1), (name, value));
            assert!(value > 0.0);
        }
    }
}
