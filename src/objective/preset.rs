//! The named presets: which formula, which layers, which weights.

use super::LayerWeights;
use crate::vgg::{Layer, Pooling};

/// How content and style are measured. F are the picture's features and P the content's, G = FᵀF the picture's Gram
/// matrix and A the style's; N is the number of channels, M of positions, `M_style` of positions in the style image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formula {
    /// Content mean((F−P)²), style mean((G−A)²)/(N·M): the `PyTorch` notebook that the project starts from.
    Notebook,
    /// Content ½Σ(F−P)² (Gatys, Ecker & Bethge 2016, equation 1), style Σ(G/M−A/M_style)²/(4N²) (their equation 4,
    /// with each Gram matrix divided by its own number of positions, so that the images may differ in size).
    Gatys,
    /// Content Σ(F−P)²/ΣP², style Σ(G/M−A/M_style)²/Σ(A/M_style)²: each term is divided by its target's own size, so
    /// that a weight means the same at every image size and for every network.
    Balanced,
}

/// A named choice of formula, layers and weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// [`Formula::Notebook`] on relu4_2 and relu1_1 … relu5_1, Adam with rate 0.003 from the content image.
    Notebook,
    /// [`Formula::Gatys`] with average pooling, as in Gatys, Ecker & Bethge 2016.
    Gatys,
    /// [`Formula::Balanced`]: the default.
    #[default]
    Balanced,
}

/// Every number of the objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How content and style are measured.
    pub formula: Formula,
    /// Layers that the content is held to, and the weights of their terms.
    pub content_layers: LayerWeights,
    /// Layers that the style is taken from, and the weights of their terms.
    pub style_layers: LayerWeights,
    /// α, the weight of the content terms.
    pub content_weight: f64,
    /// β, the weight of the style terms.
    pub style_weight: f64,
    /// The weight of the total variation (exponent 2) per element of the normalised image; 0 leaves it out.
    pub tv_weight: f64,
}

impl Settings {
    /// The deepest layer that the objective needs.
    ///
    /// # Panics
    /// Never: there is at least one layer.
    pub fn deepest(&self) -> Layer {
        let layers = self.content_layers.layers().chain(self.style_layers.layers());
        layers.max().expect("lists of layers are not empty")
    }
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Notebook, Self::Gatys, Self::Balanced];

    /// The preset's numbers. Those of `Balanced` were chosen by looking at pictures, and differ between a network with
    /// `trained` weights and one with random weights, whose deep layers see little of the content.
    pub fn settings(self, trained: bool) -> Settings {
        let gatys_layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"];
        let settings = |formula, style_layers, content_weight, style_weight| Settings {
            formula,
            content_layers: LayerWeights::given([("relu4_2", 1.0)]),
            style_layers,
            content_weight,
            style_weight,
            tv_weight: 0.0,
        };
        match self {
            Self::Notebook => {
                let weights = [0.9, 0.8, 0.5, 0.3, 0.1];
                let style_layers = LayerWeights::given(gatys_layers.into_iter().zip(weights));
                settings(Formula::Notebook, style_layers, 1.0, 1e6)
            }
            Self::Gatys => settings(Formula::Gatys, LayerWeights::equal(&gatys_layers), 1e-3, 1.0),
            Self::Balanced if trained => settings(Formula::Balanced, LayerWeights::equal(&gatys_layers), 1.0, 50.0),
            Self::Balanced => {
                let shallow = ["relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_3"];
                let style_layers = LayerWeights::equal(&shallow);
                let content_layers = LayerWeights::given([("relu3_1", 1.0)]);
                Settings { content_layers, ..settings(Formula::Balanced, style_layers, 1.0, 1800.0) }
            }
        }
    }

    /// The pooling that goes with the preset.
    pub fn pooling(self) -> Pooling {
        if self == Self::Gatys { Pooling::Average } else { Pooling::Max }
    }

    /// Adam's rate in units of the network's input, in which natural colours have the given
    /// [`spread`](crate::vgg::Vgg19::spread). The notebook's 0.003 is for torchvision's networks, whose spread is 1; where
    /// the input is in grey levels of 0..255, a thousand steps of 0.003 would change a pixel by three levels.
    pub fn rate(self, spread: f64) -> f64 {
        if self == Self::Balanced { 0.02 * spread } else { 0.003 * spread }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_follows_the_networks_input_and_only_the_balanced_presets_numbers_its_training() {
        for preset in [Preset::Notebook, Preset::Gatys] {
            assert_eq!(preset.settings(true), preset.settings(false));
            assert_eq!([preset.rate(1.0), preset.rate(50.0)], [0.003, 0.15]);
        }
        let (trained, random) = (Preset::Balanced.settings(true), Preset::Balanced.settings(false));
        assert_eq!(
            (trained.content_layers.to_string(), trained.deepest().to_string()),
            ("relu4_2=1".into(), "relu5_1".into())
        );
        assert_eq!(
            (random.content_layers.to_string(), random.deepest().to_string()),
            ("relu3_1=1".into(), "relu3_3".into())
        );
        assert_eq!([Preset::Balanced.rate(1.0), Preset::Balanced.rate(50.0)], [0.02, 1.0]);
    }

    #[test]
    fn gatys_averages_as_in_the_paper() {
        let poolings = Preset::ALL.map(Preset::pooling);
        assert_eq!(poolings, [Pooling::Max, Pooling::Average, Pooling::Max]);
    }
}
