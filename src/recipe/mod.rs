//! Recipes: all settings of a transfer under one name.
//!
//! The book explains it in [chapter 9](../../../book/html/09-style-transfer.html) (`docs/book/src/09-style-transfer.md`).

mod changes;
mod finish;
mod layer_weights;
mod schedule;
mod settings;

use strum::{Display, EnumString, VariantArray, VariantNames};

pub use changes::Changes;
pub use finish::{Finish, Grid};
pub use layer_weights::{LayerWeights, LayerWeightsError};
pub use schedule::{Scale, Scales, ScheduleError, Steps};

use crate::optim::Method;
use crate::tape::Real;
use crate::vgg::{Layer, PaddingMode, Pooling, Vgg19};

/// The formulas of content and style terms. F are the picture's features and P the content's, G = FᵀF is the picture's
/// Gram matrix and A the style's; N is the number of channels, M that of positions, and `M_style` that of positions in
/// the style image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Formula {
    /// Content mean((F−P)²), style mean((G−A)²)/(N·M): the `PyTorch` notebook from which the project started.
    Notebook,
    /// Content ½Σ(F−P)² (Gatys, Ecker & Bethge 2016, equation 1), style Σ(G/M−A/M_style)²/(4N²) (their equation 4,
    /// with each Gram matrix divided by its own number of positions, so that the images may differ in size).
    Gatys,
    /// Content Σ(F−P)²/ΣP², style Σ(G/M−A/M_style)²/Σ(A/M_style)²: each term is divided by its target's own size, so
    /// a weight means the same at every image size and for every network.
    Balanced,
}

/// The style distance: what is compared of the distributions of features at each layer.
#[derive(Clone, Copy, Debug, Default, Display, EnumString, Eq, PartialEq, VariantArray, VariantNames)]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum StyleLoss {
    /// Gram matrices (Gatys, Ecker & Bethge 2016), by the recipe's [`Formula`].
    #[default]
    Gram,
    /// Gram matrices, means and standard deviations (Galerne, Raad, Lezama & Morel 2024).
    Moments,
    /// The Wasserstein distance between Gaussians (Dowson & Landau 1982).
    Wasserstein,
    /// Hypercolumns, at each place the squared error from the style's nearest (Kolkin et al. 2022, section 3.2, with another
    /// distance), and shallow Gram matrices beside them.
    #[strum(to_string = "neighbours", serialize = "neighbors")]
    Neighbours,
    /// Hypercolumns, at each place the cosine with the style's nearest (Kolkin et al. 2022, section 3.2).
    #[strum(to_string = "neighbours-cosine", serialize = "neighbors-cosine")]
    NeighboursCosine,
}

/// The names of the recipes.
#[derive(Clone, Copy, Debug, Default, Display, EnumString, Eq, PartialEq, VariantArray, VariantNames)]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum Preset {
    /// [`Formula::Balanced`], coarse to fine by L-BFGS: the default.
    #[default]
    Balanced,
    /// `Balanced` with about half the iterations and no finish: to try things out.
    Quick,
    /// [`Formula::Gatys`] with average pooling and L-BFGS, as in Gatys, Ecker & Bethge 2016.
    Gatys,
    /// Neural Neighbor Style Transfer, as far as the network allows (Kolkin et al. 2022): hypercolumn matching at each scale,
    /// then feature splitting.
    Nnst,
    /// [`Formula::Notebook`]: a thousand steps of Adam with rate 0.003 from the content image.
    Notebook,
}

/// The learning rate of an optimiser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// As a share of the spread of natural colours in the network's input; see
    /// [`Vgg19::spread`](crate::vgg::Vgg19::spread).
    OfSpread(f64),
    /// In units of the network's input.
    OfInput(f64),
}

impl Rate {
    /// The rate in units of an input of the given spread.
    pub fn for_spread(self, spread: f64) -> f64 {
        match self {
            Self::OfSpread(share) => share * spread,
            Self::OfInput(rate) => rate,
        }
    }

    /// The rate multiplied by a factor.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        match self {
            Self::OfSpread(share) => Self::OfSpread(factor * share),
            Self::OfInput(rate) => Self::OfInput(factor * rate),
        }
    }
}

/// All settings of a transfer. To change some: `Recipe { tv_weight: 0.1, ..preset.recipe(true) }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The formula of content and style terms.
    pub formula: Formula,
    /// The style distance.
    pub style_loss: StyleLoss,
    /// Content layers with the weights of their terms.
    pub content_layers: LayerWeights,
    /// Style layers with the weights of their terms; where [neighbours](StyleLoss::Neighbours) are matched, the layers of
    /// hypercolumns, with the factors of their features.
    pub style_layers: LayerWeights,
    /// α, the weight of the content terms.
    pub content_weight: f64,
    /// β, the weight of the style terms.
    pub style_weight: f64,
    /// The longer side in pixels at which `style_weight` applies. At smaller scales, where each feature covers more of the picture,
    /// it is multiplied by the square of the ratio of the sides, so that the content keeps its forms. `None`: the weight is the
    /// same at every scale.
    pub reference_side: Option<usize>,
    /// The weight of the total variation (exponent 2) per element of the normalised image; 0 leaves it out.
    pub tv_weight: f64,
    /// The network's pooling.
    pub pooling: Pooling,
    /// What the network's convolutions see beyond the edges of a picture.
    pub edges: PaddingMode,
    /// The optimiser.
    pub method: Method,
    /// The optimiser's learning rate.
    pub rate: Rate,
    /// Whether pixel values stay in 0..1 during optimisation; otherwise they are clamped between scales and at the end.
    pub clamp: bool,
    /// The scales, from small to large.
    pub scales: Scales,
    /// The number of iterations at each scale.
    pub steps: Steps,
    /// How the picture is finished; `None` leaves it as it is. It has weights of its own, but a picture whose style weight is 0
    /// is not finished.
    pub finish: Option<Finish>,
}

impl Recipe {
    /// The deepest layer that the objective needs.
    ///
    /// # Panics
    /// Never: there is at least one layer.
    pub fn deepest(&self) -> Layer {
        let finish = self.finish.iter().flat_map(|finish| finish.layers.layers().chain(finish.style_layers.layers()));
        let layers = self.content_layers.layers().chain(self.style_layers.layers());
        layers.chain(finish).max().expect("lists of layers are not empty")
    }

    /// The network with the recipe's pooling and edges.
    pub fn network<T: Real>(&self, network: &Vgg19<T>) -> Vgg19<T> {
        network.clone().with_pooling(self.pooling).with_edges(self.edges)
    }

    /// The recipe for a scale of the given longer side.
    pub(crate) fn at_side(mut self, side: usize) -> Self {
        self.style_weight *= self.share_at(side);
        self.reference_side = None;
        self
    }

    /// The factor of the weight of Gram matrices at a scale of the given longer side.
    pub(crate) fn share_at(&self, side: usize) -> f64 {
        self.reference_side.map_or(1.0, |reference| (side as f64 / reference as f64).min(1.0).powi(2))
    }

    /// The recipe with another style distance and the layers it is meant for: where neighbours are matched, the ten of Kolkin
    /// et al. 2022, relu1_1 to relu4_3, with equal weights.
    pub fn with_style_loss(self, style_loss: StyleLoss) -> Self {
        let columns = |loss| matches!(loss, StyleLoss::Neighbours | StyleLoss::NeighboursCosine);
        let style_layers = if columns(style_loss) && !columns(self.style_loss) {
            LayerWeights::given(NNST_LAYERS.map(|layer| (layer, 1.0)))
        } else {
            self.style_layers
        };
        Self { style_loss, style_layers, ..self }
    }

    /// The recipe for a strength s in 0..1: unchanged at ½, the content hardly touched at 0, a free painting at 1.
    /// How large its steps look was measured (docs/defaults.md).
    ///
    /// The style weight is multiplied by ten to the power of 4s − 2, plus 25·(s − 0.8)² above 0.8; below ½, where colours still
    /// change when forms no longer do, of −2u − 4u³ with u = 1 − 2s. The finish's content weight is divided by that factor. Below
    /// ½ the finish also takes smaller steps, in proportion to s, if it has a content weight: Adam's steps have the same size
    /// however small the weights are.
    pub fn with_strength(mut self, strength: f64) -> Self {
        let factor = 10f64.powf(power_of(strength));
        self.style_weight *= factor;
        if let Some(finish) = &mut self.finish {
            // Where no content holds the picture, as in `nnst`, there is nothing to weigh.
            if finish.content_weight > 0.0 {
                finish.rate = finish.rate.scaled((2.0 * strength).clamp(LEAST_RATE, 1.0));
            }
            finish.content_weight /= factor;
        }
        self
    }
}

/// A strength multiplies the style weight by ten to this power.
fn power_of(strength: f64) -> f64 {
    if strength < 0.5 {
        let below = 1.0 - 2.0 * strength;
        -2.0 * below - 4.0 * below.powi(3)
    } else {
        4.0 * (strength - 0.5) + 25.0 * (strength - 0.8).max(0.0).powi(2)
    }
}

/// The share of the finish's rate at strength 0.
const LEAST_RATE: f64 = 0.02;

/// The layers of Kolkin et al. 2022.
const NNST_LAYERS: [&str; 10] =
    ["relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_2", "relu3_3", "relu4_1", "relu4_2", "relu4_3"];

impl Preset {
    /// The preset's settings. Those of `Balanced` were chosen by comparing pictures. `Balanced` and `Quick` have other
    /// settings for networks with `trained` weights ([`Vgg19::is_trained`](crate::vgg::Vgg19::is_trained)) than for
    /// random ones, whose deep layers represent little of the content.
    pub fn recipe(self, trained: bool) -> Recipe {
        let gatys_layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"];
        let notebook = Recipe {
            formula: Formula::Notebook,
            style_loss: StyleLoss::Gram,
            content_layers: LayerWeights::given([("relu4_2", 1.0)]),
            style_layers: LayerWeights::given(gatys_layers.into_iter().zip([0.9, 0.8, 0.5, 0.3, 0.1])),
            content_weight: 1.0,
            style_weight: 1e6,
            reference_side: None,
            tv_weight: 0.0,
            pooling: Pooling::Max,
            edges: PaddingMode::Zeros,
            method: Method::Adam,
            // Relative to the spread: with an input of 0..255, a thousand steps of 0.003 would change a pixel by three
            // levels.
            rate: Rate::OfSpread(0.003),
            clamp: false,
            scales: Scales::Count(1),
            steps: Steps::last(1000),
            finish: None,
        };
        match self {
            Self::Notebook => notebook,
            Self::Gatys => Recipe {
                formula: Formula::Gatys,
                style_layers: LayerWeights::equal(&gatys_layers),
                content_weight: 1e-3,
                style_weight: 1.0,
                pooling: Pooling::Average,
                method: Method::Lbfgs,
                steps: Steps::last(500),
                ..notebook
            },
            Self::Quick => Recipe { steps: Steps::Half, finish: None, ..Self::Balanced.recipe(trained) },
            Self::Nnst => {
                // 0.002 of pixels in 0..1.
                let rate = Rate::OfSpread(0.002 / 0.226);
                let recipe = Recipe {
                    formula: Formula::Balanced,
                    content_layers: LayerWeights::given([("relu4_1", 1.0)]),
                    content_weight: 0.0,
                    style_weight: 1.0,
                    method: Method::PyramidAdam,
                    rate,
                    scales: Scales::From(64),
                    steps: Steps::Each(200),
                    finish: Some(Finish {
                        halves_last_scale: false,
                        layers: LayerWeights::given(NNST_LAYERS.map(|layer| (layer, 1.0))),
                        content_weight: 0.0,
                        style_weight: 0.0,
                        rate,
                        grid: Grid::of(64),
                        rate_falls: false,
                        damping: None,
                        ..Finish::of(200)
                    }),
                    ..notebook
                };
                recipe.with_style_loss(StyleLoss::NeighboursCosine)
            }
            Self::Balanced => {
                // See docs/defaults.md.
                let balanced = Recipe {
                    formula: Formula::Balanced,
                    content_layers: LayerWeights::given([("relu4_1", 1.0)]),
                    style_layers: LayerWeights::falling(),
                    content_weight: 1.0,
                    style_weight: 220.0,
                    reference_side: Some(512),
                    edges: PaddingMode::Replicate,
                    method: Method::Lbfgs,
                    rate: Rate::OfSpread(0.02),
                    clamp: true,
                    scales: Scales::Auto,
                    steps: Steps::Auto,
                    ..notebook
                };
                if trained {
                    return Recipe { finish: Some(Finish::default()), ..balanced };
                }
                let shallow = ["relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_3"];
                Recipe {
                    content_layers: LayerWeights::given([("relu3_1", 1.0)]),
                    style_layers: LayerWeights::equal(&shallow),
                    style_weight: 1800.0,
                    reference_side: None,
                    ..balanced
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_balanced_recipes_depend_on_training_and_every_rate_on_the_networks_input() {
        for preset in [Preset::Notebook, Preset::Gatys] {
            assert_eq!(preset.recipe(true), preset.recipe(false));
        }
        let rate = |preset: Preset, spread| preset.recipe(true).rate.for_spread(spread);
        assert_eq!([rate(Preset::Notebook, 1.0), rate(Preset::Notebook, 50.0)], [0.003, 0.15]);
        assert_eq!([rate(Preset::Balanced, 1.0), rate(Preset::Balanced, 50.0)], [0.02, 1.0]);
        assert_eq!(Rate::OfInput(0.3).for_spread(50.0), 0.3);
        let (trained, random) = (Preset::Balanced.recipe(true), Preset::Balanced.recipe(false));
        assert!(trained.deepest() > random.deepest());
    }

    #[test]
    fn quick_is_balanced_with_less_work() {
        for trained in [true, false] {
            let (quick, balanced) = (Preset::Quick.recipe(trained), Preset::Balanced.recipe(trained));
            assert_eq!(Recipe { steps: quick.steps.clone(), finish: None, ..balanced.clone() }, quick);
            let steps = |recipe: &Recipe, side| -> Vec<usize> {
                recipe.scales.schedule(&recipe.steps, side).unwrap().iter().map(|scale| scale.steps).collect()
            };
            assert_eq!(steps(&quick, 512), [25, 13, 6]);
            for side in 16..3000 {
                let pairs = steps(&quick, side).into_iter().zip(steps(&balanced, side));
                assert!(
                    pairs.into_iter().all(|(quick, whole)| quick > 0 && (2 * quick).abs_diff(whole) <= 1),
                    "{side}"
                );
            }
        }
    }

    #[test]
    fn the_sources_recipes_are_theirs() {
        let (notebook, gatys) = (Preset::Notebook.recipe(true), Preset::Gatys.recipe(true));
        assert_eq!((notebook.method, notebook.pooling, gatys.pooling), (Method::Adam, Pooling::Max, Pooling::Average));
        assert_eq!((notebook.steps, notebook.scales), (Steps::last(1000), Scales::Count(1)));
        let edges = [Preset::Notebook, Preset::Gatys, Preset::Nnst].map(|preset| preset.recipe(true).edges);
        assert_eq!(edges, [PaddingMode::Zeros; 3]);
    }

    #[test]
    fn strength_is_the_preset_in_the_middle_and_changes_weights_steadily() {
        let recipe = Preset::Balanced.recipe(true);
        assert_eq!(recipe.clone().with_strength(0.5), recipe);
        let nnst = Preset::Nnst.recipe(true);
        assert_eq!(nnst.clone().with_strength(0.1).finish, nnst.finish, "no content holds it");
        let weight = |strength| recipe.clone().with_strength(strength).style_weight / recipe.style_weight;
        for (strength, power) in [(0.0, -6.0), (0.25, -1.5), (0.75, 1.0), (0.8, 1.2), (1.0, 3.0)] {
            approx::assert_relative_eq!(weight(strength), 10f64.powf(power), max_relative = 1e-12);
        }
        let held = |strength| recipe.clone().with_strength(strength).finish.unwrap();
        let rate = |strength| held(strength).rate.for_spread(1.0) / held(0.5).rate.for_spread(1.0);
        for step in 0..100 {
            let strength = f64::from(step) / 100.0;
            let ratio = weight(strength + 0.01) / weight(strength);
            assert!(ratio > 1.04 && ratio < 2.1, "{strength}: {ratio}");
            // The finish keeps the same ratio of style and content.
            let same = held(strength).content_weight * weight(strength);
            approx::assert_relative_eq!(same, held(0.5).content_weight, max_relative = 1e-12);
            assert!(rate(strength) > 0.0 && rate(strength) <= rate(strength + 0.01));
        }
        approx::assert_relative_eq!(rate(0.25), 0.5, max_relative = 1e-12);
        assert_eq!(rate(0.8), 1.0);
    }

    #[test]
    fn smaller_scales_than_the_reference_have_less_style() {
        let recipe = Preset::Balanced.recipe(true);
        let weight = |side| recipe.clone().at_side(side).style_weight / recipe.style_weight;
        assert_eq!([weight(128), weight(256), weight(512), weight(2048)], [1.0 / 16.0, 0.25, 1.0, 1.0]);
        let gatys = Preset::Gatys.recipe(true);
        assert_eq!(gatys.clone().at_side(64), gatys);
    }

    #[test]
    fn presets_are_written_as_they_are_read() {
        for preset in <Preset as VariantArray>::VARIANTS {
            assert_eq!(preset.to_string().parse(), Ok(*preset));
        }
        assert_eq!("notebook".parse(), Ok(Preset::Notebook));
    }
}
