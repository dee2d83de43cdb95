//! Feature splitting: draws the features at each position towards the most similar features of the style (Kolkin et al.
//! 2022, "Neural Neighbor Style Transfer", section 3.3).

use std::sync::Arc;

use ndarray::{Array2, Array3, ArrayView2, Ix3, arr0};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::region::Guide;
use super::{Place, Region, RegionError, Seen, Term};
use crate::kernels::nearest::{centre_and_normalise, gather_rows, nearest_rows};
use crate::ops::{LEAST_LENGTH, centred_cosine, gather};
use crate::recipe::Grid;
use crate::tape::{Real, Value, Var};
use crate::vgg::Layer;

/// 1 − the mean cosine between the features at a grid of positions and the nearest features of the style. Both are
/// centred, the style's by the mean of its candidates and the picture's by the mean of the grid. Matches are found
/// again at every evaluation. If a layer has more positions than the grid, every n-th row and column is taken, from a
/// corner that is drawn for each [`turn`](Term::turn).
///
/// A region of the picture is matched within the styles' parts for it, and a position counts by its weight.
pub struct Neighbours<T: Real> {
    layer: Layer,
    grid: Grid,
    seed: u64,
    turn: usize,
    regions: Vec<Matched<T>>,
}

/// A region of the picture, and the candidates for its matches.
struct Matched<T: Real> {
    /// The weight of each position in the region; `None` if the region is the whole picture.
    guide: Option<Guide<T>>,
    /// The styles' features, centred and of length 1, (candidates, channels).
    candidates: Array2<T>,
}

impl<T: Real> Neighbours<T> {
    /// The term for a layer from what each style [offers](offer) each region: for each region the styles' rows. `seed`
    /// determines where the grid is in each turn.
    ///
    /// # Errors
    /// If a region vanishes at the layer.
    pub(super) fn new(
        layer: Layer,
        offers: &[Vec<Array2<T>>],
        regions: &[Region],
        grid: Grid,
        seed: u64,
    ) -> Result<Self, RegionError> {
        let matched = |(region, offers): (&Region, &Vec<Array2<T>>)| -> Result<Matched<T>, RegionError> {
            let mut candidates = joined(region, layer, offers)?;
            centre_and_normalise(&mut candidates.view_mut(), T::of(LEAST_LENGTH));
            Ok(Matched { guide: region.guide(region.picture.as_ref(), "of the picture", layer)?, candidates })
        };
        let regions = regions.iter().zip(offers).map(matched).collect::<Result<_, _>>()?;
        Ok(Self { layer, grid, seed, turn: 0, regions })
    }

    /// The same from the features (height, width, channels) of styles, each with its share.
    ///
    /// # Errors
    /// If a region vanishes at the layer.
    pub(super) fn of_styles(
        layer: Layer,
        styles: &[(Value<T>, f64)],
        regions: &[Region],
        grid: Grid,
        seed: u64,
    ) -> Result<Self, RegionError> {
        let shares: Vec<f64> = styles.iter().map(|(_, share)| *share).collect();
        let of_style = |region, style| offer(region, style, layer, grid, &shares, &styles[style].0).transpose();
        let offers = |region| (0..styles.len()).filter_map(|style| of_style(region, style)).collect();
        let offers: Vec<_> = regions.iter().map(offers).collect::<Result<_, _>>()?;
        Self::new(layer, &offers, regions, grid, seed)
    }

    /// The positions observed in this turn, row by row.
    fn positions(&self, [height, width]: [usize; 2]) -> Vec<usize> {
        let stride = self.grid.stride_in_picture(self.layer, [height, width]);
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(((self.turn as u64) << 8) + self.layer.convolution().unwrap_or(0) as u64);
        let [top, left] = [height, width].map(|side| random.random_range(0..stride.min(side)));
        every([height, width], stride, [top, left])
    }
}

/// Positions of a map, counted row by row: every `stride`-th row and column from `corner` on.
fn every([height, width]: [usize; 2], stride: usize, [top, left]: [usize; 2]) -> Vec<usize> {
    let row = |i: usize| (left..width).step_by(stride).map(move |j| i * width + j);
    (top..height).step_by(stride).flat_map(row).collect()
}

/// What a style offers for the matches of a region at a layer, one row each: its `features` (height, width, channels) at
/// positions of its part, as many as its share says; `None` if the region is painted without it. Shares are relative to the
/// largest in the region, so that a style alone offers all, and one with half the share of another half as many.
///
/// # Errors
/// If nothing of the style's part is left at the layer.
pub(super) fn offer<T: Real>(
    region: &Region,
    style: usize,
    layer: Layer,
    grid: Grid,
    shares: &[f64],
    features: &Value<T>,
) -> Result<Option<Array2<T>>, RegionError> {
    let Some((_, part)) = region.styles.iter().find(|(own, _)| *own == style) else { return Ok(None) };
    let largest = region.styles.iter().map(|(style, _)| shares[*style]).fold(0.0, f64::max);
    let guide = region.guide(part.as_ref(), "of the style", layer)?;
    let features = features.of_rank::<Ix3>("candidates");
    Ok(Some(offered(&features, guide.as_ref(), grid, shares[style] / largest)))
}

/// All that styles offer a region.
///
/// # Errors
/// If they offer nothing.
pub(super) fn joined<T: Real>(region: &Region, layer: Layer, offers: &[Array2<T>]) -> Result<Array2<T>, RegionError> {
    let views: Vec<_> = offers.iter().map(|rows| rows.view()).collect();
    let candidates = ndarray::concatenate(ndarray::Axis(0), &views).expect("of the same channels");
    if candidates.is_empty() { Err(region.empty("of the style", layer)) } else { Ok(candidates) }
}

/// Features of a style at a grid of positions in its region (or at all positions there if the grid misses it), thinned
/// evenly to the style's share.
fn offered<T: Real>(
    features: &ndarray::ArrayView3<'_, T>,
    guide: Option<&Guide<T>>,
    grid: Grid,
    share: f64,
) -> Array2<T> {
    const INSIDE: f64 = 0.5;
    let (height, width, channels) = features.dim();
    let size = [height, width];
    let stride = grid.stride_in_style(size);
    let inside = |positions: Vec<usize>, least: f64| -> Vec<usize> {
        positions.into_iter().filter(|&p| guide.is_none_or(|guide| guide.weight(p) >= least)).collect()
    };
    let mut positions =
        inside(every(size, stride, [(stride / 2).min(height - 1), (stride / 2).min(width - 1)]), INSIDE);
    if positions.is_empty() {
        positions = inside((0..height * width).collect(), INSIDE);
    }
    if positions.is_empty() {
        positions = inside((0..height * width).collect(), f64::MIN_POSITIVE);
    }
    let whole = |number: usize| (number as f64 * share).floor();
    let kept: Vec<_> = (0..positions.len()).filter(|&i| whole(i + 1) > whole(i)).map(|i| positions[i]).collect();
    let features = features.as_standard_layout();
    let rows = features.view().into_shape_with_order((height * width, channels)).expect("row-major");
    let mut gathered = Array2::zeros((kept.len(), channels));
    gather_rows(&rows, &kept, &mut gathered.view_mut());
    gathered
}

impl<T: Real> Term<T> for Neighbours<T> {
    fn name(&self) -> String {
        self.layer.to_string()
    }

    fn place(&self) -> Place {
        Place::Features(self.layer)
    }

    fn turn(&mut self, turn: usize) {
        self.turn = turn;
    }

    fn score<'t>(&self, seen: &Seen<'t, T>, weight: f64) -> Var<'t, T> {
        let shape = seen.value.shape();
        let positions = self.positions([shape[0], shape[1]]);
        let weighed = |region: &Matched<T>| -> Vec<(usize, f64)> {
            let weight = |p: usize| region.guide.as_ref().map_or(1.0, |guide| guide.weight(p));
            positions.iter().map(|&p| (p, weight(p))).filter(|(_, weight)| *weight > 0.0).collect()
        };
        let regions: Vec<_> = self.regions.iter().map(|region| (region, weighed(region))).collect();
        let sum: f64 = regions.iter().flat_map(|(_, positions)| positions).map(|(_, weight)| weight).sum();
        let scores = regions.into_iter().filter(|(_, positions)| !positions.is_empty()).map(|(region, positions)| {
            let weights: Vec<T> = positions.iter().map(|(_, w)| T::of(-weight * w / sum)).collect();
            let positions: Arc<[usize]> = positions.into_iter().map(|(position, _)| position).collect();
            let features = gather(&seen.value, &positions);
            centred_cosine(&features, &matches(&features, &region.candidates.view()), &weights)
        });
        let constant = seen.value.tape().constant(arr0(T::of(weight)));
        scores.fold(constant, |total, score| total + score)
    }
}

/// The nearest candidate for each row of features (positions, channels).
fn matches<T: Real>(features: &Var<'_, T>, candidates: &ArrayView2<'_, T>) -> Value<T> {
    let mut centred = features.of_rank::<ndarray::Ix2>("neighbours").to_owned();
    centre_and_normalise(&mut centred.view_mut(), T::of(LEAST_LENGTH));
    let nearest = nearest_rows(&centred.view(), candidates);
    let mut gathered = features.tape().tensor(features.shape());
    let mut rows = gathered.view_mut().into_dimensionality().expect("a matrix");
    gather_rows(candidates, &nearest, &mut rows);
    gathered.into()
}

/// A term for gradcheck with two regions and two styles, one with a share of a third.
pub(super) fn example<T: Real>([height, width]: [usize; 2]) -> Neighbours<T> {
    let style = |seed: u64| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Value::from(Array3::from_shape_simple_fn((6, 7, 3), || T::of(random.random_range(-1.0..1.0))))
    };
    let part =
        |left: bool| Array2::from_shape_fn((height, width), |(_, j)| f32::from(u8::from((j < width / 2) == left)));
    let region = |left, styles| Region { name: String::new(), picture: Some(part(left)), styles };
    let regions = [region(true, vec![(0, None), (1, None)]), region(false, vec![(1, None)])];
    Neighbours::of_styles(Layer::of_convolution(0).1, &[(style(1), 1.0), (style(2), 0.34)], &regions, Grid::of(4), 1)
        .expect("not empty")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::random;
    use crate::tape::Tape;

    fn layer() -> Layer {
        Layer::of_convolution(0).1
    }

    fn score(term: &Neighbours<f64>, map: &Array3<f64>) -> f64 {
        let tape = Tape::new();
        let value = tape.constant(map.clone());
        term.score(&Seen { positions: (map.dim().0 * map.dim().1) as f64, value }, 1.0).scalar()
    }

    /// The largest centred cosine of each position, by the definition.
    fn cosines(map: &Array3<f64>, style: &Array3<f64>) -> Vec<f64> {
        let rows = |map: &Array3<f64>| {
            let (height, width, channels) = map.dim();
            let rows = map.to_shape((height * width, channels)).unwrap().to_owned();
            let mut rows = &rows - &rows.mean_axis(ndarray::Axis(0)).unwrap();
            for mut row in rows.outer_iter_mut() {
                row /= row.dot(&row).sqrt();
            }
            rows
        };
        let cosines = rows(map).dot(&rows(style).t());
        cosines.outer_iter().map(|row| row.fold(f64::MIN, |a, &b| a.max(b))).collect()
    }

    /// 1 − their mean.
    fn plain(map: &Array3<f64>, style: &Array3<f64>) -> f64 {
        let cosines = cosines(map, style);
        1.0 - cosines.iter().sum::<f64>() / cosines.len() as f64
    }

    #[test]
    fn is_the_mean_distance_from_the_nearest() {
        let (map, style): (Array3<f64>, Array3<f64>) = (random((5, 7, 4), 1), random((6, 3, 4), 2));
        let term = Neighbours::of_styles(layer(), &[(style.clone().into(), 1.0)], &[Region::whole(1)], Grid::of(64), 1)
            .unwrap();
        approx::assert_relative_eq!(score(&term, &map), plain(&map, &style), max_relative = 1e-12);
        assert!(score(&term, &style).abs() < 1e-12, "the style is nearest to itself");
    }

    #[test]
    fn a_large_map_is_seen_on_a_grid_that_moves() {
        let map: Array3<f64> = random((40, 21, 3), 1);
        let mut term =
            Neighbours::of_styles(layer(), &[(map.clone().into(), 1.0)], &[Region::whole(1)], Grid::of(8), 3).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for turn in 0..200 {
            term.turn(turn);
            let positions = term.positions([40, 21]);
            assert!(positions.windows(2).all(|pair| pair[0] < pair[1]));
            assert!((8 * 4..=8 * 5).contains(&positions.len()), "the longer side has 8 positions");
            assert_eq!(positions, term.positions([40, 21]), "the same for the same turn");
            seen.extend(positions);
        }
        assert_eq!(seen.len(), 40 * 21, "every position has its turn");
        let deeper = "relu2_1".parse().unwrap();
        let mut deeper =
            Neighbours::of_styles(deeper, &[(map.into(), 1.0)], &[Region::whole(1)], Grid::of(8), 3).unwrap();
        let mut same = |turn: usize| {
            term.turn(turn);
            deeper.turn(turn);
            term.positions([40, 21]) == deeper.positions([40, 21])
        };
        assert!((0..200).filter(|&turn| same(turn)).count() < 40, "each layer's grid moves by itself");
    }

    #[test]
    fn a_large_picture_is_seen_on_a_finer_grid_than_the_style() {
        let map: Array3<f64> = random((40, 21, 3), 1);
        let grid = Grid { side: 4, spacing: Some(5) };
        let term = Neighbours::of_styles(layer(), &[(map.clone().into(), 1.0)], &[Region::whole(1)], grid, 3).unwrap();
        assert_eq!(term.regions[0].candidates.nrows(), 4 * 2, "every tenth position");
        assert!((8 * 4..=8 * 5).contains(&term.positions([40, 21]).len()), "every fifth");
    }

    #[test]
    fn a_large_style_offers_the_middles_of_the_grid() {
        let map = Array3::from_shape_fn((20, 11, 1), |(i, j, _)| (100 * i + j) as f64);
        let rows = offered(&map.view(), None, Grid::of(4), 1.0);
        let expected = [2, 7, 12, 17].map(|i| [2, 7].map(|j| f64::from(100 * i + j)));
        assert_eq!(rows.into_raw_vec_and_offset().0, expected.concat());
    }

    #[test]
    fn a_region_finds_its_own_styles_and_what_is_outside_does_not_count() {
        let (map, style): (Array3<f64>, Array3<f64>) = (random((4, 6, 3), 1), random((4, 6, 3), 2));
        let half = |left: bool| Array2::from_shape_fn((4, 6), |(_, j)| f32::from(u8::from((j < 3) == left)));
        let part = |map: &Array3<f64>, left: bool| {
            map.slice(if left { ndarray::s![.., ..3, ..] } else { ndarray::s![.., 3.., ..] }).to_owned()
        };
        let region =
            |left| Region { name: String::new(), picture: Some(half(left)), styles: vec![(0, Some(half(!left)))] };
        let styles = [(style.clone().into(), 1.0)];
        let one = Neighbours::of_styles(layer(), &styles, &[region(true)], Grid::of(64), 1).unwrap();
        let expected = |left| plain(&part(&map, left), &part(&style, !left));
        approx::assert_relative_eq!(score(&one, &map), expected(true), max_relative = 1e-12);
        let both = Neighbours::of_styles(layer(), &styles, &[region(true), region(false)], Grid::of(64), 1).unwrap();
        approx::assert_relative_eq!(
            score(&both, &map),
            0.5 * expected(true) + 0.5 * expected(false),
            max_relative = 1e-12
        );
        let nothing = Region { styles: vec![(0, Some(Array2::zeros((4, 6))))], ..Region::whole(1) };
        assert!(matches!(
            Neighbours::of_styles(layer(), &styles, &[nothing], Grid::of(64), 1),
            Err(RegionError::Empty { .. })
        ));
    }

    #[test]
    fn a_position_counts_by_its_weight() {
        let (map, style): (Array3<f64>, Array3<f64>) = (random((4, 6, 3), 1), random((4, 6, 3), 2));
        let faint = Array2::from_shape_fn((4, 6), |(i, _)| if i < 2 { 0.25 } else { 1.0 });
        let region = Region { picture: Some(faint.clone()), ..Region::whole(1) };
        let styles = [(style.clone().into(), 1.0)];
        let term = Neighbours::of_styles(layer(), &styles, &[region], Grid::of(64), 1).unwrap();
        let weights = faint.iter().map(|&w| f64::from(w));
        let sum: f64 = weights.clone().zip(cosines(&map, &style)).map(|(w, cosine)| w * (1.0 - cosine)).sum();
        approx::assert_relative_eq!(score(&term, &map), sum / weights.sum::<f64>(), max_relative = 1e-6);
    }

    #[test]
    fn styles_are_candidates_by_their_shares() {
        let styles =
            [(random::<f64, Ix3, _>((10, 10, 3), 1).into(), 0.8), (random::<f64, Ix3, _>((10, 10, 3), 2).into(), 0.2)];
        let term = Neighbours::of_styles(layer(), &styles, &[Region::whole(2)], Grid::of(64), 1).unwrap();
        assert_eq!(term.regions[0].candidates.nrows(), 125);
        let alone = Region { styles: vec![(1, None)], ..Region::whole(2) };
        let term = Neighbours::of_styles(layer(), &styles, &[alone], Grid::of(64), 1).unwrap();
        assert_eq!(term.regions[0].candidates.nrows(), 100, "its share is of a region without others");
    }
}
