//! The finishing stage: feature splitting (Kolkin et al. 2022, "Neural Neighbor Style Transfer"), tethered.

use super::{LayerWeights, Rate};

/// How a picture is finished after its last scale: at each position of each layer the features are drawn towards those of
/// the style's that are most like them, by an Adam on a Laplacian pyramid. Two tethers hold what the cosine of features does
/// not see: features of the content hold the scene, and Gram matrices of shallow layers palette and contrast.
///
/// L = Σ over `layers` of w·(1 − mean cosine) + `content_weight`·L_content + `style_weight`·L_style
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// How many iterations.
    pub steps: usize,
    /// Layers whose features are matched, and the weights of their terms.
    pub layers: LayerWeights,
    /// The longer side, in positions, of the grid that is matched at each layer. Of a larger map every n-th position is
    /// taken, of the picture's others at each iteration.
    pub grid: usize,
    /// The weight of the content terms, which are the recipe's.
    pub content_weight: f64,
    /// Layers whose Gram matrices are compared.
    pub style_layers: LayerWeights,
    /// The weight of the Gram matrices.
    pub style_weight: f64,
    /// The rate of Adam.
    pub rate: Rate,
}

impl Finish {
    /// The usual finish, of so many iterations.
    pub fn of(steps: usize) -> Self {
        Self { steps, ..Self::default() }
    }
}

impl Default for Finish {
    /// Chosen by looking, see docs/defaults.md.
    fn default() -> Self {
        let layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1"];
        Self {
            steps: 20,
            layers: LayerWeights::given(layers.map(|layer| (layer, 2.5))),
            grid: 64,
            content_weight: 1.0,
            style_layers: LayerWeights::given([("relu1_1", 0.75), ("relu2_1", 0.19), ("relu3_1", 0.06)]),
            style_weight: 10.0,
            rate: Rate::OfSpread(0.044),
        }
    }
}
