//! The finishing stage: feature splitting (Kolkin et al. 2022, "Neural Neighbor Style Transfer"), tethered.

use super::{LayerWeights, Rate};

/// How a picture is finished after its last scale: at each position of each layer the features are drawn towards those of
/// the style's that are most like them, by an Adam on a Laplacian pyramid. Two tethers hold what the cosine of features does
/// not see: features of the content hold the scene, and Gram matrices of shallow layers palette and contrast.
///
/// L = Σ over `layers` of w·(1 − mean cosine) + `content_weight`·L_content + `style_weight`·L_style
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// How many iterations; `None` for 20, and fewer where the picture's longer side is more than 512 pixels: see
    /// [`steps_at`](Self::steps_at).
    pub steps: Option<usize>,
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
        Self { steps: Some(steps), ..Self::default() }
    }

    /// The iterations for a picture of that longer side in pixels: where none are given 20, and above 512 pixels fewer in the
    /// proportion of the root of the side, 14 at 1024 and 10 at 2048.
    pub fn steps_at(&self, side: usize) -> usize {
        self.steps.unwrap_or_else(|| (20.0 * (512.0 / side as f64).sqrt().min(1.0)).round() as usize)
    }
}

impl Default for Finish {
    /// Chosen by looking, see docs/defaults.md.
    fn default() -> Self {
        let layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1"];
        Self {
            steps: None,
            layers: LayerWeights::given(layers.map(|layer| (layer, 2.5))),
            grid: 64,
            content_weight: 1.0,
            style_layers: LayerWeights::given([("relu1_1", 0.75), ("relu2_1", 0.19), ("relu3_1", 0.06)]),
            style_weight: 10.0,
            rate: Rate::OfSpread(0.044),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_have_fewer_iterations_unless_they_are_given() {
        let steps = |finish: &Finish| [16, 512, 1024, 2048].map(|side| finish.steps_at(side));
        assert_eq!(steps(&Finish::default()), [20, 20, 14, 10]);
        assert_eq!(steps(&Finish::of(7)), [7; 4]);
    }
}
