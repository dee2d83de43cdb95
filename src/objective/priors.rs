//! Image priors, which favour natural pictures (Mahendran & Vedaldi 2014, section 3.1).

use super::{Place, Seen, Term};
use crate::ops::{alpha_norm, total_variation};
use crate::tape::{Real, Var};

/// Σ(d₁² + d₂²)^(β/2) over the pixels' differences to the right and below, divided by `divisor`: see
/// [`ops::total_variation`](crate::ops::total_variation()).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TotalVariation {
    /// β, above 0.
    pub beta: f64,
    /// The divisor of the sum.
    pub divisor: f64,
}

impl<T: Real> Term<T> for TotalVariation {
    fn name(&self) -> String {
        "tv".into()
    }

    fn place(&self) -> Place {
        Place::Pixels
    }

    fn score<'t>(&self, seen: &Seen<'t, T>, weight: f64) -> Var<'t, T> {
        total_variation(&seen.value, self.beta) * (weight / self.divisor)
    }
}

/// Σ|x|^α over the pixels' values, divided by `divisor`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlphaNorm {
    /// α, at least 1.
    pub alpha: f64,
    /// The divisor of the sum.
    pub divisor: f64,
}

impl<T: Real> Term<T> for AlphaNorm {
    fn name(&self) -> String {
        "alpha".into()
    }

    fn place(&self) -> Place {
        Place::Pixels
    }

    fn score<'t>(&self, seen: &Seen<'t, T>, weight: f64) -> Var<'t, T> {
        alpha_norm(&seen.value, self.alpha) * (weight / self.divisor)
    }
}
