//! The terms of an objective: each is a scalar function of one observation.

use super::{Distance, LayerSet};
use crate::tape::{Real, Value, Var};
use crate::vgg::Layer;

/// The place that a term observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Place {
    /// The picture that is optimised, in the units of its canvas.
    Pixels,
    /// The features at a layer: the whole map, (height, width, channels).
    Features(Layer),
    /// The Gram matrix FᵀF of the features F at a layer, (channels, channels). The map itself need not be held.
    Gram(Layer),
    /// The Gram matrix and below it the sums ΣF of each channel, (channels + 1, channels).
    Moments(Layer),
    /// The hypercolumns of some layers: their features, each divided by its number of channels, on a grid of a quarter of
    /// the picture's height and width, (positions, Σ channels).
    Hypercolumns(LayerSet),
}

impl Place {
    /// The layer, the deepest of several; `None` for pixels.
    pub fn layer(self) -> Option<Layer> {
        match self {
            Self::Pixels => None,
            Self::Features(layer) | Self::Gram(layer) | Self::Moments(layer) => Some(layer),
            Self::Hypercolumns(layers) => layers.layers().next_back(),
        }
    }

    /// The layers whose features must be there as whole maps, because others are made of them or the term sees them.
    pub(crate) fn maps(self) -> LayerSet {
        match self {
            Self::Pixels | Self::Gram(_) => LayerSet::default(),
            Self::Features(layer) | Self::Moments(layer) => LayerSet::from_iter([layer]),
            Self::Hypercolumns(layers) => layers,
        }
    }
}

/// An observation at a [`Place`].
pub struct Seen<'t, T: Real> {
    /// The pixels, the features, or their sums.
    pub value: Var<'t, T>,
    /// M, the number of positions (height times width), or the sum of their weights.
    pub positions: f64,
}

/// A term of an [`Objective`](super::Objective): a scalar function of one observation.
///
/// Adding a term takes one file with an implementation of this trait and one line in `objective::registered`, through which
/// gradcheck finds it.
pub trait Term<T: Real>: Send + Sync {
    /// The term's name within its group, as in logs; for most terms, their layer.
    fn name(&self) -> String;

    /// The place it observes.
    fn place(&self) -> Place;

    /// Called before each evaluation with its number at this scale, from 0, for terms that observe other positions each
    /// time.
    fn turn(&mut self, _turn: usize) {}

    /// `weight` times the term, a scalar on the tape of `seen`.
    fn score<'t>(&self, seen: &Seen<'t, T>, weight: f64) -> Var<'t, T>;

    /// The term as a `Distance` and the moments it takes, if it is one. Distances of several terms are computed in
    /// parallel instead of their scores.
    fn distance<'t>(&self, _seen: &Seen<'t, T>) -> Option<(Seen<'t, T>, &dyn Distance)> {
        None
    }

    /// The target P and the divisor d, if the term is Σ(F − P)²/d over all of the features F that it sees. Such a term can be
    /// summed over parts of the features.
    fn squared_error(&self) -> Option<(&Value<T>, f64)> {
        None
    }
}
