//! The distance of Gram matrices: Gatys, Ecker & Bethge 2015, equations 3 and 4; 2016, equations 4 and 5.

use super::{Divisor, Place, Seen, Term};
use crate::ops::squared_error;
use crate::tape::{Real, Value, Var};
use crate::vgg::Layer;

/// How a Gram matrix G = FᵀF of M positions and N channels is compared with a target A of M₀ positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GramNorm {
    /// Σ(G−A)²/(N³·M): the mean over the matrix, divided by the picture's number of features N·M, as in the notebook. G grows
    /// with the picture, so picture and style should have the same size.
    Sum,
    /// Σ(G/M−A/M₀)²/(4N²).
    Mean,
    /// Σ(G/M−A/M₀)²/Σ(A/M₀)².
    Relative,
}

/// The squared difference between the Gram matrix at a layer and a given one.
pub struct GramError<T: Real> {
    layer: Layer,
    norm: GramNorm,
    /// A, or A/M₀.
    target: Value<T>,
    /// The divisor without M.
    divisor: f64,
}

impl<T: Real> GramError<T> {
    /// The error from a weighted sum of Gram matrices; weights that sum to 1 blend them.
    ///
    /// # Panics
    /// If there are no matrices, or they differ in shape.
    pub fn new(layer: Layer, grams: &[(f64, Seen<'_, T>)], norm: GramNorm) -> Self {
        // In f64, so that a blend of equal matrices is exactly that matrix for any weights.
        let weighted =
            grams.iter().map(|(weight, seen)| norm.normalised(seen).value().mapv(|g| Real::to_f64(g) * weight));
        let blend = weighted.reduce(|sum, gram| sum + gram).expect("at least one Gram matrix");
        // Copy, so that the target does not keep the tape's memory.
        let target = Value::from(blend.mapv(T::of));
        let channels = target.shape()[0] as f64;
        let divisor = match norm {
            GramNorm::Sum => channels.powi(3),
            GramNorm::Mean => 4.0 * channels.powi(2),
            GramNorm::Relative => Divisor::Size.of(&target),
        };
        Self { layer, norm, target, divisor }
    }
}

impl GramNorm {
    /// G, or G/M.
    fn normalised<'t, T: Real>(self, seen: &Seen<'t, T>) -> Var<'t, T> {
        match self {
            Self::Sum => seen.value.clone(),
            Self::Mean | Self::Relative => &seen.value * (1.0 / seen.positions),
        }
    }
}

impl<T: Real> Term<T> for GramError<T> {
    fn name(&self) -> String {
        self.layer.to_string()
    }

    fn place(&self) -> Place {
        Place::Gram(self.layer)
    }

    fn score<'t>(&self, seen: &Seen<'t, T>, weight: f64) -> Var<'t, T> {
        let error = squared_error(&self.norm.normalised(seen), &seen.value.tape().constant(&self.target));
        let divisor = match self.norm {
            GramNorm::Sum => self.divisor * seen.positions,
            GramNorm::Mean | GramNorm::Relative => self.divisor,
        };
        error * (weight / divisor)
    }
}
