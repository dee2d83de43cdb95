//! The finishing stage: feature splitting (Kolkin et al. 2022, "Neural Neighbor Style Transfer") with content and Gram
//! terms.

use super::{LayerWeights, Rate, Scale};

/// How a picture is finished after its last scale: Adam on a Laplacian pyramid draws the features at each position of
/// each layer towards the most similar features of the style. Two more terms preserve what the cosine of features does
/// not see: features of the content preserve the scene, and Gram matrices of shallow layers palette and contrast.
///
/// L = Σ over `layers` of w·(1 − mean cosine) + `content_weight`·L_content + `style_weight`·L_style
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// The number of iterations; `None` for 14, or fewer for pictures above 512 pixels: see
    /// [`steps_at`](Self::steps_at).
    pub steps: Option<usize>,
    /// Whether the last of three scales or more, just before the finish, makes only half of its
    /// [automatic](super::Steps::Auto) iterations.
    pub halves_last_scale: bool,
    /// Layers whose features are matched, and the weights of their terms.
    pub layers: LayerWeights,
    /// The longer side, in positions, of the grid that is matched at each layer. Of a larger map, every n-th position
    /// is taken; in the picture's map, the grid moves from iteration to iteration.
    pub grid: usize,
    /// The weight of the recipe's content terms.
    pub content_weight: f64,
    /// Layers whose Gram matrices are compared.
    pub style_layers: LayerWeights,
    /// The weight of the Gram matrices.
    pub style_weight: f64,
    /// Adam's learning rate.
    pub rate: Rate,
    /// Whether the rate falls in the second half of the iterations, which settles the grain that changing matches leave.
    pub rate_falls: bool,
    /// Adam's damping, which keeps grain out of even areas: see [`PyramidAdam::damped`](crate::optim::PyramidAdam::damped);
    /// `None` for none.
    pub damping: Option<f64>,
}

impl Finish {
    /// The default finish with this number of iterations.
    pub fn of(steps: usize) -> Self {
        Self { steps: Some(steps), ..Self::default() }
    }

    /// The number of iterations for a picture of this longer side in pixels. Unless `steps` is set: 14 up to 512
    /// pixels, and above that 14·√(512/side), which is 10 at 1024 and 7 at 2048.
    pub fn steps_at(&self, side: usize) -> usize {
        self.steps.unwrap_or_else(|| (14.0 * (512.0 / side as f64).sqrt().min(1.0)).round() as usize)
    }

    /// A transfer's scales with the finish appended. `automatic` says whether their numbers of steps are
    /// [automatic](super::Steps::Auto).
    pub(crate) fn added_to(&self, mut scales: Vec<Scale>, automatic: bool) -> Vec<Scale> {
        let three = scales.len() >= 3;
        let Some(last) = scales.last_mut() else { return scales };
        if self.halves_last_scale && automatic && three {
            last.steps = last.steps.div_ceil(2);
        }
        let finish = Scale { steps: self.steps_at(last.side), finish: true, ..*last };
        scales.push(finish);
        scales
    }
}

impl Default for Finish {
    /// Chosen by comparing pictures; see docs/defaults.md.
    fn default() -> Self {
        let layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1"];
        Self {
            steps: None,
            halves_last_scale: true,
            layers: LayerWeights::given(layers.map(|layer| (layer, 2.5))),
            grid: 64,
            content_weight: 1.0,
            style_layers: LayerWeights::given([("relu1_1", 0.75), ("relu2_1", 0.19), ("relu3_1", 0.06)]),
            style_weight: 10.0,
            rate: Rate::OfSpread(0.044),
            rate_falls: true,
            damping: Some(2.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_have_fewer_iterations_unless_they_are_given() {
        let steps = |finish: &Finish| [16, 512, 1024, 2048].map(|side| finish.steps_at(side));
        assert_eq!(steps(&Finish::default()), [14, 14, 10, 7]);
        assert_eq!(steps(&Finish::of(7)), [7; 4]);
    }

    #[test]
    fn the_last_of_three_scales_or_more_makes_half_of_its_automatic_iterations() {
        let added = |finish: &Finish, sides: &[usize], automatic| -> Vec<_> {
            let scales = sides.iter().map(|&side| Scale { side, steps: side / 8 + 1, finish: false }).collect();
            let scales = finish.added_to(scales, automatic);
            scales.iter().map(|scale| (scale.side, scale.steps, scale.finish)).collect()
        };
        let finish = Finish::of(7);
        assert_eq!(added(&finish, &[96], true), [(96, 13, false), (96, 7, true)]);
        assert_eq!(added(&finish, &[96, 192], true), [(96, 13, false), (192, 25, false), (192, 7, true)]);
        let three = |last| vec![(96, 13, false), (192, 25, false), (384, last, false), (384, 7, true)];
        assert_eq!(added(&finish, &[96, 192, 384], true), three(25));
        assert_eq!(added(&finish, &[96, 192, 384], false), three(49), "steps that are given are made");
        assert_eq!(added(&Finish { halves_last_scale: false, ..finish }, &[96, 192, 384], true), three(49));
    }
}
