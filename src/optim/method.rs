//! The names of the optimisers.

use strum::{Display, EnumString, VariantNames};

use super::{Adam, Bounds, Lbfgs, Momentum, Optimizer, PyramidAdam};
use crate::kernels::Real;

/// An optimiser.
#[derive(Clone, Copy, Debug, Display, EnumString, Eq, PartialEq, VariantNames)]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// [`Adam`].
    Adam,
    /// [`Lbfgs`], which chooses its own step lengths.
    Lbfgs,
    /// [`Momentum`] 0.9 at its rate for the first quarter of the steps, a tenth of it for the next half and a hundredth for
    /// the last quarter, as in Mahendran & Vedaldi 2014.
    Momentum,
    /// [`PyramidAdam`] on [eight levels](Self::LEVELS) and the rest, at a constant rate.
    PyramidAdam,
}

impl Method {
    /// The most levels of [`PyramidAdam`]'s pyramid, as in Kolkin et al. 2022.
    pub const LEVELS: usize = 8;

    /// The optimiser for that many `steps` within `bounds`, with a `rate` in units of the point (L-BFGS ignores it).
    pub fn optimizer<T: Real>(self, rate: f64, steps: usize, bounds: Option<Bounds>) -> Box<dyn Optimizer<T>> {
        match (self, bounds) {
            (Self::Adam, None) => Box::new(Adam::new(rate)),
            (Self::Adam, Some(bounds)) => Box::new(Adam::new(rate).bounds(bounds)),
            (Self::Lbfgs, None) => Box::new(Lbfgs::new()),
            (Self::Lbfgs, Some(bounds)) => Box::new(Lbfgs::new().bounds(bounds)),
            (Self::PyramidAdam, bounds) => {
                let adam = PyramidAdam::new(rate, Self::LEVELS);
                Box::new(if let Some(bounds) = bounds { adam.bounds(bounds) } else { adam })
            }
            (Self::Momentum, bounds) => {
                let quarter = steps / 4;
                let phases = vec![(rate, quarter), (rate / 10.0, steps - 2 * quarter), (rate / 100.0, quarter)];
                let momentum = Momentum::new(0.9, phases);
                Box::new(if let Some(bounds) = bounds { momentum.bounds(bounds) } else { momentum })
            }
        }
    }
}
