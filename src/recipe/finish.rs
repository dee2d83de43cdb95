//! The finishing stage: feature splitting (Kolkin et al. 2022, "Neural Neighbor Style Transfer") with content and Gram
//! terms.

use super::{LayerWeights, Rate, Scale};
use crate::vgg::Layer;

/// The longer side in pixels up to which the finish treats all pictures alike.
const LARGE: usize = 512;

/// How a picture is finished after a scale: Adam on a Laplacian pyramid draws the features at each position of
/// each layer towards the most similar features of the style. Two more terms preserve what the cosine of features does
/// not see: features of the content preserve the scene, and Gram matrices of shallow layers palette and contrast.
///
/// L = Σ over `layers` of w·(1 − mean cosine) + `content_weight`·L_content + `style_weight`·L_style
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// The number of iterations.
    pub steps: usize,
    /// The longer side in pixels up to which a scale is finished: the finish follows the largest such scale, and larger scales
    /// go on from its picture. `None` to finish the last scale, whatever its size.
    pub largest: Option<usize>,
    /// Whether the scale before the finish, if it is at least the third, makes only half of its
    /// [automatic](super::Steps::Auto) iterations.
    pub halves_last_scale: bool,
    /// Layers whose features are matched, and the weights of their terms.
    pub layers: LayerWeights,
    /// The positions that are matched at each layer.
    pub grid: Grid,
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
    /// Adam's damping for pictures up to 512 pixels, which keeps grain out of even areas: see [`damping_at`](Self::damping_at)
    /// and [`PyramidAdam::damped`](crate::optim::PyramidAdam::damped); `None` for none.
    pub damping: Option<f64>,
    /// The level of the pyramid from which on pictures above 512 pixels keep theirs: see
    /// [`PyramidAdam::holding`](crate::optim::PyramidAdam::holding). The layers see no more than some hundred pixels at a time, and the
    /// cosine no colour, so the finish would change the colours of large even areas; `None` to let it.
    pub held_level: Option<usize>,
}

/// The positions of a layer's map that are matched: every n-th row and column. In the picture's map, the grid moves from
/// iteration to iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The longer side in positions, about; a smaller map is taken whole.
    pub side: usize,
    /// The largest distance in pixels between positions in the picture, which then has more of them than `side` says. If few
    /// positions are seen in each iteration, even areas of large pictures get mottled. `None` for no limit.
    pub spacing: Option<usize>,
}

impl Grid {
    /// A grid of this side in any picture.
    pub const fn of(side: usize) -> Self {
        Self { side, spacing: None }
    }

    /// The distance, in positions, between the positions that are taken of a style's map of this height and width.
    pub(crate) fn stride_in_style(&self, [height, width]: [usize; 2]) -> usize {
        (height.max(width) / self.side).max(1)
    }

    /// The same of the picture's map at this layer.
    pub(crate) fn stride_in_picture(&self, layer: Layer, size: [usize; 2]) -> usize {
        let largest = self.spacing.map_or(usize::MAX, |pixels| (pixels / layer.stride()).max(1));
        self.stride_in_style(size).min(largest)
    }
}

impl Finish {
    /// The default finish, but with this number of iterations and after the last scale.
    pub fn of(steps: usize) -> Self {
        Self::default().with_steps(steps)
    }

    /// The same finish with this number of iterations and after the last scale.
    pub fn with_steps(self, steps: usize) -> Self {
        Self { steps, largest: None, ..self }
    }

    /// Adam's damping for a picture of this longer side in pixels: that of small pictures times (side/512)², but no less than
    /// once and no more than four times it.
    pub fn damping_at(&self, side: usize) -> Option<f64> {
        self.damping.map(|damping| damping * (side as f64 / LARGE as f64).clamp(1.0, 2.0).powi(2))
    }

    /// The first held level for a picture of this longer side in pixels.
    pub fn held_level_at(&self, side: usize) -> Option<usize> {
        self.held_level.filter(|_| side > LARGE)
    }

    /// A transfer's scales with the finish among them. `automatic` says whether their numbers of steps are
    /// [automatic](super::Steps::Auto).
    pub(crate) fn added_to(&self, mut scales: Vec<Scale>, automatic: bool) -> Vec<Scale> {
        let fits = |scale: &Scale| self.largest.is_none_or(|largest| scale.side <= largest);
        let Some(before) = scales.iter().rposition(fits).filter(|_| self.steps > 0) else { return scales };
        if self.halves_last_scale && automatic && before >= 2 {
            scales[before].steps = scales[before].steps.div_ceil(2);
        }
        scales.insert(before + 1, Scale { steps: self.steps, finish: true, ..scales[before] });
        scales
    }
}

impl Default for Finish {
    /// Chosen by comparing pictures; see docs/defaults.md.
    fn default() -> Self {
        let layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1"];
        Self {
            steps: 14,
            largest: Some(LARGE),
            halves_last_scale: true,
            layers: LayerWeights::given(layers.map(|layer| (layer, 2.5))),
            grid: Grid { side: 64, spacing: Some(8) },
            content_weight: 1.0,
            style_layers: LayerWeights::given([("relu1_1", 0.75), ("relu2_1", 0.19), ("relu3_1", 0.06)]),
            style_weight: 10.0,
            rate: Rate::OfSpread(0.044),
            rate_falls: true,
            damping: Some(2.0),
            held_level: Some(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_keep_large_forms() {
        assert_eq!(
            [16, 512, 513, 4096].map(|side| Finish::default().held_level_at(side)),
            [None, None, Some(5), Some(5)]
        );
        assert_eq!(Finish { held_level: None, ..Finish::default() }.held_level_at(1024), None);
    }

    #[test]
    fn large_pictures_are_damped_more() {
        let finish = Finish { damping: Some(3.0), ..Finish::default() };
        assert_eq!(
            [16, 512, 768, 1024, 4096].map(|side| finish.damping_at(side)),
            [3.0, 3.0, 6.75, 12.0, 12.0].map(Some)
        );
        assert_eq!(Finish { damping: None, ..finish }.damping_at(1024), None);
    }

    #[test]
    fn positions_in_the_picture_are_no_farther_apart_than_the_spacing() {
        let grid = Grid { side: 64, spacing: Some(8) };
        let strides = |grid: Grid, pixels: usize| {
            [0, 2, 4, 8].map(|convolution| {
                let layer = Layer::of_convolution(convolution).1;
                let map = [pixels / layer.stride(), pixels / layer.stride() / 2];
                (layer.stride(), grid.stride_in_style(map), grid.stride_in_picture(layer, map))
            })
        };
        assert_eq!(strides(grid, 256), [(1, 4, 4), (2, 2, 2), (4, 1, 1), (8, 1, 1)]);
        assert_eq!(strides(grid, 512), [(1, 8, 8), (2, 4, 4), (4, 2, 2), (8, 1, 1)]);
        assert_eq!(strides(grid, 2048), [(1, 32, 8), (2, 16, 4), (4, 8, 2), (8, 4, 1)]);
        assert_eq!(strides(Grid::of(64), 2048), [(1, 32, 32), (2, 16, 16), (4, 8, 8), (8, 4, 4)]);
        assert_eq!(strides(Grid { side: 64, spacing: Some(3) }, 1024), [(1, 16, 3), (2, 8, 1), (4, 4, 1), (8, 2, 1)]);
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

    #[test]
    fn large_pictures_are_finished_on_the_way() {
        let sides = |finish: Finish, sides: &[usize]| -> Vec<_> {
            let scales = sides.iter().map(|&side| Scale { side, steps: 20, finish: false }).collect();
            finish.added_to(scales, true).iter().map(|scale| (scale.side, scale.steps, scale.finish)).collect()
        };
        let (given, automatic) = (Finish::of(6), Finish::default());
        assert_eq!(
            sides(automatic.clone(), &[128, 256, 512, 1024]),
            [(128, 20, false), (256, 20, false), (512, 10, false), (512, 14, true), (1024, 20, false)]
        );
        assert_eq!(
            sides(given, &[256, 512, 1024]),
            [(256, 20, false), (512, 20, false), (1024, 10, false), (1024, 6, true)]
        );
        assert_eq!(sides(automatic.clone(), &[257, 513]), [(257, 20, false), (257, 14, true), (513, 20, false)]);
        assert_eq!(sides(automatic.clone(), &[513]), [(513, 20, false)], "no scale is small enough");
        assert_eq!(sides(automatic, &[]), []);
    }
}
