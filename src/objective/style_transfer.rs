//! The objective of neural style transfer: L = α·L_content + β·L_style (Gatys, Ecker & Bethge 2016, equation 7), and an
//! optional total variation term.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{Array2, Array3};

use super::hypercolumns::query;
use super::region::Guide;
use super::{
    ColumnDistance, Divisor, FeaturesError, GramError, GramNorm, Guided, MatchedColumns, MomentsError, Objective,
    Place, Region, RegionError, Seen, Selection, Targets, Term, TotalVariation, Wasserstein,
};
use crate::recipe::{Formula, LayerWeights, Recipe, StyleLoss};
use crate::tape::{Real, Tape};
use crate::vgg::{Execution, Layer, NetworkError, Request, Vgg19};

/// The objective of a recipe, with the groups `content`, `style` and `tv`.
///
/// Targets are computed from `content` and from `styles`, normalised images (height, width, 3) of any size; the Gram
/// matrices of several styles are blended with the weights beside them, which should sum to 1. The objective is for images
/// of the content's size.
///
/// # Errors
/// If the network lacks a layer of the recipe, or an image is too small for one.
///
/// # Panics
/// If there is no style.
pub fn style_transfer<T: Real>(
    recipe: &Recipe,
    network: &Vgg19<T>,
    content: Array3<T>,
    styles: Vec<(Array3<T>, f64)>,
) -> Result<Objective<T>, NetworkError> {
    let (whole, none) = ([Region::whole(styles.len())], Targets::default());
    let network = (&Execution::default(), network);
    style_transfer_by(recipe, network, (content, None), styles, &whole, &none).map_err(|error| match error {
        RegionError::Network(error) => error,
        RegionError::Empty { .. } => unreachable!("all of a picture is not empty"),
    })
}

/// [`style_transfer`] with the caller's execution of the network, a cache of whole styles' features, and regions that
/// have their own styles. Each region is compared with its parts of the styles, and its weight is its share of the
/// picture. A single region that covers the whole picture gives the same bits as none. What hypercolumns are matched with is
/// made of the content and the picture so far, of the same size, if there is one.
///
/// # Errors
/// As [`style_transfer`], or if a region vanishes at a layer.
///
/// # Panics
/// If there is no style for a region.
pub(crate) fn style_transfer_by<T: Real>(
    recipe: &Recipe,
    (execution, network): (&Execution, &Vgg19<T>),
    (content, so_far): (Array3<T>, Option<Array3<T>>),
    styles: Vec<(Array3<T>, f64)>,
    regions: &[Region],
    targets: &Targets<T>,
) -> Result<Objective<T>, RegionError> {
    let elements = content.len() as f64;
    let side = content.dim().0.max(content.dim().1);
    let seen_by = (execution, network);
    let mut style: Terms<T> = Vec::new();
    if let Some((layers, distance)) = recipe.matched() {
        let mixed = so_far.map(|so_far| query(&content, &so_far));
        let query = mixed.as_ref().unwrap_or(&content);
        style.push((1.0, Box::new(MatchedColumns::new(layers, distance, seen_by, query, &styles, regions)?)));
    }
    if let Some((layers, weight)) = recipe.compared(side) {
        let terms = statistics((recipe, &layers), seen_by, content.dim(), &styles, regions, targets)?;
        style.extend(terms.into_iter().map(|(own, term)| (own * weight, term)));
    }
    let recipe = &recipe.clone().at_side(side);
    let content = content_terms(recipe, seen_by, content)?;
    let tv: Terms<T> = if recipe.tv_weight > 0.0 {
        vec![(recipe.tv_weight, Box::new(TotalVariation { beta: 2.0, divisor: elements }))]
    } else {
        Vec::new()
    };
    Ok(Objective::new()
        .group("content", recipe.content_weight, content)
        .group("style", recipe.style_weight, style)
        .group("tv", 1.0, tv))
}

/// Terms of sums over positions for each layer and region of a picture of that shape, weighed by the region's area.
fn statistics<T: Real>(
    (recipe, layers): (&Recipe, &LayerWeights),
    (execution, network): (&Execution, &Vgg19<T>),
    (height, width, _): (usize, usize, usize),
    styles: &[(Array3<T>, f64)],
    regions: &[Region],
    targets: &Targets<T>,
) -> Result<Terms<T>, RegionError> {
    let size = (height * width) as f64;
    let area = |region: &Region| region.picture.as_ref().map_or(size, |part| part.iter().map(|&w| f64::from(w)).sum());
    let areas: f64 = regions.iter().map(area).sum();
    let (loss, norm) = (recipe.style_loss, recipe.formula.gram_norm());
    let mut style: Terms<T> = Vec::new();
    for region in regions {
        let parts: Vec<_> =
            region.styles.iter().map(|(index, part)| (&styles[*index].0, styles[*index].1, part)).collect();
        let terms = style_terms(layers, loss, norm, (execution, network), &parts, &region.name, targets)?;
        for ((weight, term), layer) in terms.into_iter().zip(layers.layers()) {
            let term = match region.guide(region.picture.as_ref(), "of the picture", layer)? {
                None => term,
                Some(guide) => Box::new(Guided::new(&region.name, term, layer, guide)),
            };
            style.push((weight * (area(region) / areas), term));
        }
    }
    Ok(style)
}

type Terms<T> = Vec<(f64, Box<dyn Term<T>>)>;

fn content_terms<T: Real>(
    recipe: &Recipe,
    (execution, network): (&Execution, &Vgg19<T>),
    content: Array3<T>,
) -> Result<Terms<T>, NetworkError> {
    let (tape, layers) = (Tape::new(), &recipe.content_layers);
    let image = tape.constant(content);
    let seen = execution.observe(network, &image, &Request::new(layers.layers(), []))?.features;
    let term = |(layer, weight): (Layer, f64)| -> (f64, Box<dyn Term<T>>) {
        let features = &seen[&layer];
        let divisor = recipe.formula.content_divisor();
        let term = FeaturesError::new(layer, features, Selection::default(), divisor);
        (weight, Box::new(term))
    };
    Ok(layers.iter().map(term).collect())
}

/// A term for each layer that compares the picture with a blend of examples: images with their shares and the weights
/// of their pixels. Shares are relative to their sum.
pub(super) fn style_terms<T: Real>(
    layers: &LayerWeights,
    loss: StyleLoss,
    norm: GramNorm,
    (execution, network): (&Execution, &Vgg19<T>),
    examples: &[(&Array3<T>, f64, &Option<Array2<f32>>)],
    region: &str,
    targets: &Targets<T>,
) -> Result<Terms<T>, RegionError> {
    let places: BTreeSet<Place> = layers.layers().map(|layer| loss.place(layer)).collect();
    let tape = Tape::new();
    let sum: f64 = examples.iter().map(|(_, share, _)| share).sum();
    let mut seen = Vec::new();
    for (example, share, part) in examples {
        let seen_here = match part {
            None => targets.see((execution, network), &places, example, &tape)?,
            Some(part) => {
                let image = tape.constant((*example).clone());
                let mut sums = BTreeMap::new();
                let request = Request::new(layers.layers(), []);
                for (layer, features) in execution.observe(network, &image, &request)?.features {
                    let empty = || RegionError::Empty { region: region.into(), place: "of the style", layer };
                    let guide = Guide::new(part, layer).ok_or_else(empty)?;
                    sums.insert(loss.place(layer), guide.seen(&features, loss.place(layer)));
                }
                sums
            }
        };
        // Shares that sum to 1 stay unchanged.
        seen.push((if (sum - 1.0).abs() < 1e-9 { *share } else { share / sum }, seen_here));
    }
    let term = |(layer, weight): (Layer, f64)| -> (f64, Box<dyn Term<T>>) {
        let parts: Vec<_> = seen
            .iter_mut()
            .map(|(share, seen)| (*share, seen.remove(&loss.place(layer)).expect("as asked, each layer once")))
            .collect();
        (weight, loss.term(layer, &parts, norm))
    };
    Ok(layers.iter().map(term).collect())
}

impl Recipe {
    /// Layers whose hypercolumns are matched, and how they are compared; `None` if the style loss matches none.
    pub(crate) fn matched(&self) -> Option<(&LayerWeights, ColumnDistance)> {
        match self.style_loss {
            StyleLoss::Neighbours => Some((&self.style_layers, ColumnDistance::SquaredError)),
            StyleLoss::NeighboursCosine => Some((&self.style_layers, ColumnDistance::Cosine)),
            StyleLoss::Gram | StyleLoss::Moments | StyleLoss::Wasserstein => None,
        }
    }

    /// Layers whose sums over positions are compared, and the weight of their terms among the style's, at a scale of that longer
    /// side; `None` if there are none. Beside matched hypercolumns these are shallow Gram matrices, with twice their weight at
    /// the reference side and less below, where one covers more of the picture.
    pub(crate) fn compared(&self, side: usize) -> Option<(LayerWeights, f64)> {
        const BESIDE: f64 = 2.0;
        match self.style_loss {
            StyleLoss::Gram | StyleLoss::Moments | StyleLoss::Wasserstein => Some((self.style_layers.clone(), 1.0)),
            StyleLoss::NeighboursCosine => None,
            StyleLoss::Neighbours => {
                let deepest = self.style_layers.layers().max();
                let falling = LayerWeights::falling();
                // None if all that is matched is shallower.
                let layers = LayerWeights::new(falling.iter().filter(|(layer, _)| Some(*layer) <= deepest)).ok()?;
                Some((layers, BESIDE * self.share_at(side)))
            }
        }
    }
}

impl StyleLoss {
    /// The place that a term observes.
    fn place(self, layer: Layer) -> Place {
        match self {
            Self::Moments | Self::Wasserstein => Place::Moments(layer),
            // Beside matched hypercolumns there are Gram matrices, or nothing.
            Self::Gram | Self::Neighbours | Self::NeighboursCosine => Place::Gram(layer),
        }
    }

    /// The term for a layer, from the observations of the styles there.
    fn term<T: Real>(self, layer: Layer, styles: &[(f64, Seen<'_, T>)], norm: GramNorm) -> Box<dyn Term<T>> {
        match self {
            Self::Gram => Box::new(GramError::new(layer, styles, norm)),
            Self::Neighbours | Self::NeighboursCosine => Box::new(GramError::new(layer, styles, GramNorm::Relative)),
            Self::Moments => Box::new(MomentsError::new(layer, styles, norm)),
            Self::Wasserstein => Box::new(Wasserstein::new(layer, styles, norm)),
        }
    }
}

impl Formula {
    fn content_divisor(self) -> Divisor {
        match self {
            Self::Notebook => Divisor::Elements,
            Self::Gatys => Divisor::Fixed(2.0),
            Self::Balanced => Divisor::Size,
        }
    }

    fn gram_norm(self) -> GramNorm {
        match self {
            Self::Notebook => GramNorm::Sum,
            Self::Gatys => GramNorm::Mean,
            Self::Balanced => GramNorm::Relative,
        }
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;
    use crate::objective::testing::{features, gram, image, mean_gram, network, size};
    use crate::recipe::Preset;

    fn recipe(formula: Formula) -> Recipe {
        Recipe {
            formula,
            content_layers: LayerWeights::given([("relu2_1", 0.7), ("relu3_1", 0.3)]),
            style_layers: LayerWeights::given([("relu1_1", 0.25), ("relu2_1", 2.0)]),
            content_weight: 3.0,
            style_weight: 5.0,
            reference_side: None,
            tv_weight: 0.5,
            ..Preset::Balanced.recipe(true)
        }
    }

    /// The terms of a picture: total, content, style, tv, and each style layer's.
    fn terms(recipe: Recipe, content: &Array3<f64>, style: &Array3<f64>, picture: &Array3<f64>) -> [f64; 4] {
        let network = network();
        let transfer = style_transfer(&recipe, &network, content.clone(), vec![(style.clone(), 1.0)]).unwrap();
        let tape = Tape::new();
        let image = tape.constant(picture.clone());
        let losses = transfer.evaluate(&network, &image, &image).unwrap();
        for group in &losses.groups {
            let sum: f64 = group.terms.iter().map(|(_, term)| term).sum();
            assert_relative_eq!(sum, group.value, max_relative = 1e-12);
        }
        let value = |index: usize| losses.groups[index].value;
        [losses.total, value(0), value(1), value(2)]
    }

    #[test]
    fn every_formula_is_computed_as_it_is_defined() {
        let (content, style, picture) = (image(12, 10, 1), image(9, 14, 2), image(12, 10, 3));
        let content_term = |formula, f: Array2<f64>, p: Array2<f64>| match formula {
            Formula::Notebook => size(&(&f - &p)) / f.len() as f64,
            Formula::Gatys => 0.5 * size(&(&f - &p)),
            Formula::Balanced => size(&(&f - &p)) / size(&p),
        };
        let style_term = |formula, f: Array2<f64>, s: Array2<f64>| {
            let (positions, channels) = (f.nrows() as f64, f.ncols() as f64);
            let (g, a) = (mean_gram(&f), mean_gram(&s));
            match formula {
                Formula::Notebook => size(&(gram(&f) - gram(&s))) / channels.powi(2) / (channels * positions),
                Formula::Gatys => size(&(&g - &a)) / (4.0 * channels.powi(2)),
                Formula::Balanced => size(&(&g - &a)) / size(&a),
            }
        };
        // Σ of the squared differences to the right and below.
        let variation: f64 = picture
            .indexed_iter()
            .map(|((i, j, c), v)| {
                let difference = |i, j| picture.get((i, j, c)).map_or(0.0, |w| (w - v).powi(2));
                difference(i + 1, j) + difference(i, j + 1)
            })
            .sum();
        for formula in [Formula::Notebook, Formula::Gatys, Formula::Balanced] {
            let recipe = recipe(formula);
            let sum = |layers: &LayerWeights, term: &dyn Fn(Layer) -> f64| -> f64 {
                layers.iter().map(|(layer, weight)| weight * term(layer)).sum()
            };
            let expected_content = sum(&recipe.content_layers, &|layer| {
                content_term(formula, features(&picture, layer), features(&content, layer))
            });
            let expected_style = sum(&recipe.style_layers, &|layer| {
                style_term(formula, features(&picture, layer), features(&style, layer))
            });
            let expected_tv = 0.5 * variation / picture.len() as f64;
            let [total, content, style, tv] = terms(recipe, &content, &style, &picture);
            assert_relative_eq!(content, expected_content, max_relative = 1e-12);
            assert_relative_eq!(style, expected_style, max_relative = 1e-12);
            assert_relative_eq!(tv, expected_tv, max_relative = 1e-12);
            assert_relative_eq!(total, 3.0 * content + 5.0 * style + tv, max_relative = 1e-12);
        }
    }

    #[test]
    fn balanced_takes_the_mean_square_where_a_target_is_silent() {
        let (black, picture) = (image(8, 8, 1) * 0.0, image(8, 8, 2));
        let recipe = Recipe {
            content_layers: LayerWeights::given([("relu2_1", 1.0)]),
            style_layers: LayerWeights::given([("relu1_1", 1.0)]),
            tv_weight: 0.0,
            ..recipe(Formula::Balanced)
        };
        let mean_square = |a: Array2<f64>| size(&a) / a.len() as f64;
        let [_, content, style, tv] = terms(recipe, &black, &black, &picture);
        assert_relative_eq!(content, mean_square(features(&picture, "relu2_1".parse().unwrap())), max_relative = 1e-12);
        let gram = mean_gram(&features(&picture, "relu1_1".parse().unwrap()));
        assert_relative_eq!(style, mean_square(gram), max_relative = 1e-12);
        assert_eq!(tv, 0.0);
    }
}
