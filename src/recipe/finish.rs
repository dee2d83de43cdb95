//! The finishing stage: feature splitting (Kolkin et al. 2022, "Neural Neighbor Style Transfer"), tethered.

use super::{LayerWeights, Rate, Scale};

/// How a picture is finished at its last scales: at each position of each layer the features are drawn towards those of
/// the style's that are most like them, by an Adam on a Laplacian pyramid. Two tethers hold what the cosine of features does
/// not see: features of the content hold the scene, and Gram matrices of shallow layers palette and contrast.
///
/// L = Σ over `layers` of w·(1 − mean cosine) + `content_weight`·L_content + `style_weight`·L_style
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// How many iterations at the last scale; `None` for 16, and fewer where the picture's longer side is more than 512 pixels:
    /// see [`steps_at`](Self::steps_at).
    pub steps: Option<usize>,
    /// How many at the scale before, if there are three scales or more and the recipe's [`Steps`](super::Steps) are automatic. The finish
    /// then takes the place of the style transfer at the last scale. 0 leaves that as it is, and finishes the picture after it.
    pub steps_before: usize,
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
    /// The usual finish, with so many iterations at the last scale.
    pub fn of(steps: usize) -> Self {
        Self { steps: Some(steps), ..Self::default() }
    }

    /// The iterations for a picture of that longer side in pixels: where none are given 16, and above 512 pixels fewer in the
    /// proportion of the root of the side, 11 at 1024 and 8 at 2048.
    pub fn steps_at(&self, side: usize) -> usize {
        self.steps.unwrap_or_else(|| (16.0 * (512.0 / side as f64).sqrt().min(1.0)).round() as usize)
    }

    /// A transfer's scales, with those that finish it; `automatic` if the numbers of steps are.
    pub(crate) fn added_to(&self, mut scales: Vec<Scale>, automatic: bool) -> Vec<Scale> {
        let Some(last) = scales.last().copied() else { return scales };
        if let [_, .., before, _] = scales[..]
            && automatic
            && self.steps_before > 0
        {
            scales.pop();
            scales.push(Scale { steps: self.steps_before, finish: true, ..before });
        }
        scales.push(Scale { steps: self.steps_at(last.side), finish: true, ..last });
        scales
    }
}

impl Default for Finish {
    /// Chosen by looking, see docs/defaults.md.
    fn default() -> Self {
        let layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1"];
        Self {
            steps: None,
            steps_before: 20,
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
        assert_eq!(steps(&Finish::default()), [16, 16, 11, 8]);
        assert_eq!(steps(&Finish::of(7)), [7; 4]);
    }

    #[test]
    fn it_takes_the_place_of_the_last_of_three_scales_or_more() {
        let scale = |side| Scale { side, steps: side / 8, finish: false };
        let added = |finish: &Finish, sides: &[usize], automatic| -> Vec<_> {
            let scales = finish.added_to(sides.iter().copied().map(scale).collect(), automatic);
            scales.iter().map(|scale| (scale.side, scale.steps, scale.finish)).collect()
        };
        let finish = Finish { steps_before: 5, ..Finish::of(7) };
        let after = |sides: &[usize]| -> Vec<_> {
            let last = *sides.last().unwrap();
            sides.iter().map(|&side| (side, side / 8, false)).chain([(last, 7, true)]).collect()
        };
        for sides in [&[96][..], &[96, 192]] {
            assert_eq!(added(&finish, sides, true), after(sides));
        }
        let sides = [96, 192, 384];
        let expected = vec![(96, 12, false), (192, 24, false), (192, 5, true), (384, 7, true)];
        assert_eq!(added(&finish, &sides, true), expected);
        assert_eq!(added(&finish, &sides, false), after(&sides), "steps that are given are made");
        assert_eq!(added(&Finish { steps_before: 0, ..finish }, &sides, true), after(&sides));
    }
}
