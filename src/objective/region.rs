//! Styles for parts of a picture: guided Gram matrices (Gatys, Ecker, Bethge, Hertzmann & Shechtman 2017, "Controlling
//! perceptual factors in neural style transfer", section 4.1), and guided moments.

use ndarray::{Array2, s};

use super::{Distance, Place, Seen, Term};
use crate::ops::{moments, weighted_gram_matrix};
use crate::tape::{Real, Value, Var};
use crate::vgg::{Layer, NetworkError};

/// A part of the picture, and the parts of the styles in which it is painted.
#[derive(Clone, Debug, Default)]
pub struct Region {
    /// Its name in the names of terms; empty if it is the only region.
    pub name: String,
    /// How much of each pixel of the picture (height, width) is in the region, 0 to 1; `None` for all of the picture.
    pub picture: Option<Array2<f32>>,
    /// Its styles by index, each with the share of every pixel that belongs to the region; `None` for the whole style.
    pub styles: Vec<(usize, Option<Array2<f32>>)>,
}

impl Region {
    /// The whole picture in this number of whole styles.
    pub fn whole(styles: usize) -> Self {
        Self { styles: (0..styles).map(|style| (style, None)).collect(), ..Self::default() }
    }

    /// The weights of a part of the picture or of a style at a layer; `None` if the part is the whole.
    ///
    /// # Errors
    /// If nothing of the part is left there; the error names the `place`.
    pub(super) fn guide<T: Real>(
        &self,
        part: Option<&Array2<f32>>,
        place: &'static str,
        layer: Layer,
    ) -> Result<Option<Guide<T>>, RegionError> {
        part.map(|part| Guide::new(part, layer).ok_or_else(|| self.empty(place, layer))).transpose()
    }

    pub(super) fn empty(&self, place: &'static str, layer: Layer) -> RegionError {
        RegionError::Empty { region: self.name.clone(), place, layer }
    }
}

/// An objective with regions cannot be made.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum RegionError {
    /// The network cannot compute a layer.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A region vanishes at a layer.
    #[error("the region {region} {place} is empty at {layer}: it is too small, or transparent")]
    Empty {
        /// The region.
        region: String,
        /// `of the picture` or `of the style`.
        place: &'static str,
        /// The layer.
        layer: Layer,
    },
}

/// The weight of each position of a layer in a region.
pub(super) struct Guide<T: Real> {
    /// The square roots of the weights (height, width).
    roots: Value<T>,
    /// The sum of the weights.
    positions: f64,
}

impl<T: Real> Guide<T> {
    /// The weights of an image's pixels averaged over the windows of the poolings before a layer. `None` if nothing is
    /// left.
    pub(super) fn new(weights: &Array2<f32>, layer: Layer) -> Option<Self> {
        let poolings = layer.stride().trailing_zeros();
        let weights = (0..poolings).fold(weights.mapv(f64::from), |weights, _| pooled(&weights));
        let positions = weights.sum();
        (positions > 0.0).then(|| Self { roots: weights.mapv(|w| T::of(w.max(0.0).sqrt())).into(), positions })
    }

    /// The weight of a position, counted row by row.
    pub(super) fn weight(&self, position: usize) -> f64 {
        let roots = self.roots.of_rank::<ndarray::Ix2>("guide");
        Real::to_f64(roots[[position / roots.ncols(), position % roots.ncols()]]).powi(2)
    }

    /// The observation of weighted features at a place of sums: Σ w·f·fᵀ.
    pub(super) fn seen<'t>(&self, features: &Var<'t, T>, place: Place) -> Seen<'t, T> {
        let value = match place {
            Place::Gram(_) => weighted_gram_matrix(features, &self.roots),
            Place::Moments(_) => moments(features, Some(&self.roots)),
            Place::Pixels | Place::Features(_) | Place::Hypercolumns(_) => {
                unreachable!("only sums over positions are guided")
            }
        };
        Seen { value, positions: self.positions }
    }
}

/// Averages of windows of 2×2; an odd last row or column is left out, as the network's poolings do.
fn pooled(weights: &Array2<f64>) -> Array2<f64> {
    let (height, width) = (weights.nrows() / 2 * 2, weights.ncols() / 2 * 2);
    let part = |i: usize, j: usize| weights.slice(s![i..height;2, j..width;2]);
    (&part(0, 0) + &part(0, 1) + part(1, 0) + part(1, 1)) * 0.25
}

/// A term of sums over positions, restricted to a region of its layer.
pub struct Guided<T: Real> {
    region: String,
    term: Box<dyn Term<T>>,
    layer: Layer,
    guide: Guide<T>,
}

impl<T: Real> Guided<T> {
    pub(super) fn new(region: &str, term: Box<dyn Term<T>>, layer: Layer, guide: Guide<T>) -> Self {
        Self { region: region.into(), term, layer, guide }
    }
}

impl<T: Real> Term<T> for Guided<T> {
    fn name(&self) -> String {
        let name = self.term.name();
        if self.region.is_empty() { name } else { format!("{name} {}", self.region) }
    }

    fn place(&self) -> Place {
        Place::Features(self.layer)
    }

    fn score<'t>(&self, seen: &Seen<'t, T>, weight: f64) -> Var<'t, T> {
        self.term.score(&self.guide.seen(&seen.value, self.term.place()), weight)
    }

    fn distance<'t>(&self, seen: &Seen<'t, T>) -> Option<(Seen<'t, T>, &dyn Distance)> {
        let place = self.term.place();
        matches!(place, Place::Moments(_))
            .then(|| self.guide.seen(&seen.value, place))
            .and_then(|seen| self.term.distance(&seen))
    }
}

/// A guided term for gradcheck, of half a map with small weights.
pub(super) fn example<T: Real>(term: Box<dyn Term<T>>, [height, width]: [usize; 2]) -> Guided<T> {
    let weights = Array2::from_shape_fn((height, width), |(i, j)| if j < 2 { (i + 1) as f32 / 8.0 } else { 0.0 });
    let layer = Layer::of_convolution(0).1;
    Guided::new("left", term, layer, Guide::new(&weights, layer).expect("not empty"))
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::objective::{GramError, GramNorm};
    use crate::ops::gram_matrix;
    use crate::tape::Tape;

    #[test]
    fn weights_are_carried_by_the_network_s_poolings() {
        let weights = Array2::from_shape_fn((7, 9), |(i, j)| (i * 9 + j) as f32);
        let layer = |name: &str| name.parse::<Layer>().unwrap();
        let roots = |name: &str| Guide::<f64>::new(&weights, layer(name)).unwrap().roots;
        assert_eq!(roots("relu1_2").shape(), [7, 9]);
        assert_eq!(roots("pool1").shape(), [3, 4]);
        assert_eq!(roots("relu3_1").shape(), [1, 2]);
        approx::assert_abs_diff_eq!(roots("pool1")[[0, 0]].powi(2), f64::from(1 + 9 + 10) / 4.0, epsilon = 1e-12);
        approx::assert_abs_diff_eq!(roots("relu3_1")[[0, 1]].powi(2), 5.5 + 13.5, epsilon = 1e-12);
    }

    #[test]
    fn what_is_outside_of_a_region_does_not_count() {
        let tape = Tape::<f64>::new();
        let map: Array3<f64> = crate::kernels::testing::random((4, 6, 3), 1);
        let left = map.slice(s![.., ..2, ..]).to_owned();
        let weights = Array2::from_shape_fn((4, 6), |(_, j)| f32::from(u8::from(j < 2)));
        let guide = Guide::<f64>::new(&weights, Layer::of_convolution(0).1).unwrap();
        for place in [Place::Gram(Layer::of_convolution(0).1), Place::Moments(Layer::of_convolution(0).1)] {
            let seen = guide.seen(&tape.constant(map.clone()), place);
            let cut = tape.constant(left.clone());
            let expected = if matches!(place, Place::Gram(_)) { gram_matrix(&cut) } else { moments(&cut, None) };
            approx::assert_abs_diff_eq!(seen.value.to_array(), expected.to_array(), epsilon = 1e-12);
            assert_eq!(seen.positions, 8.0);
        }
        assert!(Guide::<f64>::new(&Array2::zeros((4, 6)), Layer::of_convolution(0).1).is_none());
        let gram = Seen { value: gram_matrix(&tape.constant(left)), positions: 8.0 };
        let term = GramError::new(Layer::of_convolution(0).1, &[(1.0, gram)], GramNorm::Relative);
        let guided = Guided::new("left", Box::new(term), Layer::of_convolution(0).1, guide);
        let score = guided.score(&Seen { value: tape.constant(map), positions: 24.0 }, 1.0).scalar();
        assert!(score < 1e-20 && guided.name() == "relu1_1 left");
    }
}
