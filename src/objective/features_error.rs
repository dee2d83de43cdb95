//! The distance of features from given ones: the content of Gatys, Ecker & Bethge 2016, equation 1, and the representation
//! error of Mahendran & Vedaldi 2014, equation 2.

use std::ops::Range;

use super::{Place, Seen, Term};
use crate::kernels::reduce;
use crate::ops::{slice, squared_error};
use crate::tape::{Real, Value, Var};
use crate::vgg::Layer;

/// The features of a layer that are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Rows and columns of a patch of neurons; `None` for the whole map.
    pub patch: Option<[Range<usize>; 2]>,
    /// The channels; `None` for all.
    pub channels: Option<Range<usize>>,
}

impl Selection {
    /// Rows, columns and channels of a feature map of the given shape; `None` if the selection is empty or exceeds the map.
    pub(crate) fn ranges(&self, shape: &[usize]) -> Option<[Range<usize>; 3]> {
        let [rows, columns] = self.patch.clone().unwrap_or([0..shape[0], 0..shape[1]]);
        let ranges = [rows, columns, self.channels.clone().unwrap_or(0..shape[2])];
        ranges.iter().zip(shape).all(|(range, &len)| !range.is_empty() && range.end <= len).then_some(ranges)
    }

    fn of<'t, T: Real>(&self, features: &Var<'t, T>) -> Var<'t, T> {
        if *self == Self::default() {
            return features.clone();
        }
        let [rows, columns, channels] = self.ranges(features.shape()).expect("checked at the target");
        slice(features, rows, columns, channels)
    }
}

/// The divisor of a sum of squared differences.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Divisor {
    /// The number of elements: the mean square.
    Elements,
    /// The target's sum of squares: the error relative to the target. The number of elements if the target is all zero, as for
    /// a black image.
    Size,
    /// A number.
    Fixed(f64),
}

impl Divisor {
    pub(super) fn of<T: Real>(self, target: &Value<T>) -> f64 {
        let elements = target.len() as f64;
        match self {
            Self::Elements => elements,
            Self::Fixed(number) => number,
            Self::Size => {
                let size = reduce::sum_of(&target.elements(), |v| v * v);
                if size > 0.0 { size } else { elements }
            }
        }
    }
}

/// Σ(F−P)² over the selected features F of a layer, for given features P, over the [`Divisor`].
pub struct FeaturesError<T: Real> {
    layer: Layer,
    selection: Selection,
    /// P.
    target: Value<T>,
    divisor: f64,
}

impl<T: Real> FeaturesError<T> {
    /// The error from the selected part of the given `features` (height, width, channels).
    ///
    /// # Panics
    /// If the selection is empty or exceeds the features.
    pub fn new(layer: Layer, features: &Var<'_, T>, selection: Selection, divisor: Divisor) -> Self {
        // Copy, so that the target does not keep the tape's memory.
        let target = Value::from(selection.of(features).to_array());
        Self { layer, selection, divisor: divisor.of(&target), target }
    }
}

impl<T: Real> Term<T> for FeaturesError<T> {
    fn name(&self) -> String {
        self.layer.to_string()
    }

    fn place(&self) -> Place {
        Place::Features(self.layer)
    }

    fn score<'t>(&self, seen: &Seen<'t, T>, weight: f64) -> Var<'t, T> {
        let error = squared_error(&self.selection.of(&seen.value), &seen.value.tape().constant(&self.target));
        error * (weight / self.divisor)
    }

    fn squared_error(&self) -> Option<(&Value<T>, f64)> {
        (self.selection == Selection::default()).then_some((&self.target, self.divisor))
    }
}
