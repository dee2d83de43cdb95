//! Hypercolumn matching: each place of the picture is drawn towards the style's hypercolumn that is nearest to the content's
//! there (Kolkin et al. 2022, "Neural Neighbor Style Transfer", sections 3.1 and 3.2).

use std::collections::BTreeSet;

use ndarray::{Array1, Array2, Array3, Axis, Ix2, Zip};

use super::evaluate::{quarter, see};
use super::neighbours::{joined, offer};
use super::{Divisor, LayerSet, Place, Region, RegionError, Seen, Term};
use crate::kernels::bilinear::{Corners, resize};
use crate::kernels::nearest::{centre_and_normalise, gather_rows, nearest_rows};
use crate::ops::{LEAST_LENGTH, cosine, mul, squared_error};
use crate::recipe::{Grid, LayerWeights};
use crate::tape::{Real, Tape, Value, Var};
use crate::vgg::{Execution, Layer, Vgg19};

/// How hypercolumns H are compared with those T that they were matched with, at positions p of weights w.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnDistance {
    /// Σ wₚ·‖Hₚ − Tₚ‖² / Σ wₚ·‖Tₚ‖², the mean of that over regions by their areas.
    SquaredError,
    /// 1 − the mean cosine of Hₚ and Tₚ, as in the paper. It does not see how strong features are.
    Cosine,
}

/// The distance of the picture's hypercolumns from given ones.
pub struct MatchedColumns<T: Real> {
    layers: LayerSet,
    distance: ColumnDistance,
    /// By what each column is multiplied; `None` where that is 1.
    factors: Option<Array1<T>>,
    /// T of each position, times the factors; for the squared error by weights times the root of the position's.
    target: Value<T>,
    /// The positions' weights, which for the squared error hold its divisors; `None` where they are equal.
    weights: Option<Vec<f64>>,
}

impl<T: Real> MatchedColumns<T> {
    /// The term for hypercolumns of some layers, whose features count by the layers' relative weights. Each position takes the
    /// style's hypercolumn that is nearest to that of the image `query` by cosine, where those of a region and of the style's
    /// same region are centred by their own means. Where regions meet, a position is compared with the mean of their matches,
    /// which has the gradient of the mean of the distances. Of a style with half the share of another, half as many hypercolumns
    /// are candidates.
    ///
    /// # Errors
    /// If the network lacks a layer, an image is too small for one, or nothing of a region is left.
    ///
    /// # Panics
    /// If there is no style for a region, or its number is none of the styles'.
    pub(super) fn new(
        layers: &LayerWeights,
        distance: ColumnDistance,
        (execution, network): (&Execution, &Vgg19<T>),
        query: &Array3<T>,
        styles: &[(Array3<T>, f64)],
        regions: &[Region],
    ) -> Result<Self, RegionError> {
        let set: LayerSet = layers.layers().collect();
        let factors = factors(layers, network);
        let columns = |image: &Array3<T>| -> Result<Array2<T>, RegionError> {
            let tape = Tape::new();
            let (place, image) = (Place::Hypercolumns(set), tape.constant(image.clone()));
            let seen = see(execution, network, (&BTreeSet::from([place]), &BTreeSet::new()), &image, &image)?;
            let mut columns = seen[&place].value.of_rank::<Ix2>("hypercolumns").to_owned();
            if let Some(factors) = &factors {
                columns *= factors;
            }
            Ok(columns)
        };
        let query = columns(query)?;
        let mut target = Array2::zeros(query.dim());
        let mut sums = vec![0.0; query.nrows()];
        let mut area = 0.0;
        let shares: Vec<f64> = styles.iter().map(|(_, share)| *share).collect();
        for region in regions {
            let mut offers = Vec::new();
            for &(style, _) in &region.styles {
                let seen = &styles[style].0;
                let [height, width] = quarter([seen.dim().0, seen.dim().1]);
                let columns = columns(seen)?;
                let shape = (height, width, columns.ncols());
                let columns = columns.into_shape_with_order(shape).expect("a row for each position").into();
                offers.extend(offer(region, style, on_grid(), Grid::of(usize::MAX), &shares, &columns)?);
            }
            let candidates = joined(region, on_grid(), &offers)?;
            let guide = region.guide::<T>(region.picture.as_ref(), "of the picture", on_grid())?;
            let weight = |p: usize| guide.as_ref().map_or(1.0, |guide| guide.weight(p));
            let positions: Vec<usize> = (0..query.nrows()).filter(|&p| weight(p) > 0.0).collect();
            area += positions.iter().map(|&p| weight(p)).sum::<f64>();
            let matches = matches(&query, &positions, &candidates, distance);
            let scale = match distance {
                ColumnDistance::Cosine => 1.0,
                ColumnDistance::SquaredError => relative(&positions, &matches, &weight),
            };
            for (&position, matched) in positions.iter().zip(matches.outer_iter()) {
                let weight = weight(position) * scale;
                sums[position] += weight;
                target.row_mut(position).scaled_add(T::of(weight), &matched);
            }
        }
        if distance == ColumnDistance::SquaredError {
            for sum in &mut sums {
                *sum /= area;
            }
            target.mapv_inplace(|v| v * T::of(1.0 / area));
        }
        let whole = regions.iter().all(|region| region.picture.is_none());
        let rooted = distance == ColumnDistance::SquaredError && !whole;
        for (mut row, &sum) in target.outer_iter_mut().zip(&sums) {
            let by = if sum > 0.0 { 1.0 / sum } else { 0.0 };
            let by = if rooted { by * sum.sqrt() } else { by };
            row.mapv_inplace(|v| v * T::of(by));
        }
        Ok(Self { layers: set, distance, factors, target: target.into(), weights: (!whole).then_some(sums) })
    }
}

/// What the weights of a region's positions are multiplied by to make its squared error relative to its matches, and its area
/// the weight of that. Areas are relative to each other.
fn relative<T: Real>(positions: &[usize], matches: &Array2<T>, weight: &dyn Fn(usize) -> f64) -> f64 {
    let square = |row: ndarray::ArrayView1<'_, T>| row.iter().map(|&v| Real::to_f64(v).powi(2)).sum::<f64>();
    let rows = positions.iter().zip(matches.outer_iter());
    let size: f64 = rows.map(|(&position, row)| weight(position) * square(row)).sum();
    let area: f64 = positions.iter().map(|&position| weight(position)).sum();
    // Where matches are silent, as a style that is black, the mean square is taken.
    if size > 0.0 { area / size } else { 1.0 / matches.ncols() as f64 }
}

/// A layer whose positions are those of the grid of hypercolumns.
fn on_grid() -> Layer {
    Layer::of_convolution(4).1
}

/// The weight of each column, where the largest is 1; `None` if all are.
fn factors<T: Real>(layers: &LayerWeights, network: &Vgg19<T>) -> Option<Array1<T>> {
    let largest = layers.iter().map(|(_, weight)| weight).fold(f64::MIN_POSITIVE, f64::max);
    let factors =
        layers.iter().flat_map(|(layer, weight)| std::iter::repeat_n(T::of(weight / largest), network.channels(layer)));
    let factors: Array1<T> = factors.collect();
    factors.iter().any(|&factor| factor != T::one()).then_some(factors)
}

/// For each of some rows of `query` the candidate that is nearest to it by centred cosine; for a cosine at length 1.
fn matches<T: Real>(
    query: &Array2<T>,
    positions: &[usize],
    candidates: &Array2<T>,
    distance: ColumnDistance,
) -> Array2<T> {
    let floor = T::of(LEAST_LENGTH);
    let nearest = {
        let mut centred = Array2::zeros((positions.len(), query.ncols()));
        gather_rows(&query.view(), positions, &mut centred.view_mut());
        centre_and_normalise(&mut centred.view_mut(), floor);
        let mut among = candidates.clone();
        centre_and_normalise(&mut among.view_mut(), floor);
        nearest_rows(&centred.view(), &among.view())
    };
    let mut matches = Array2::zeros((positions.len(), query.ncols()));
    gather_rows(&candidates.view(), &nearest, &mut matches.view_mut());
    if distance == ColumnDistance::Cosine {
        for mut row in matches.outer_iter_mut() {
            let length = row.iter().map(|&v| Real::to_f64(v).powi(2)).sum::<f64>().sqrt().max(LEAST_LENGTH);
            row.mapv_inplace(|v| T::of(Real::to_f64(v) / length));
        }
    }
    matches
}

/// The image whose hypercolumns find the matches: a quarter is the content's detail at this size on the forms of the picture
/// painted `so_far`, the rest the content itself (Kolkin et al. 2022, section 3.2 with α = 0.75).
pub(super) fn query<T: Real>(content: &Array3<T>, so_far: &Array3<T>) -> Array3<T> {
    const ALPHA: f64 = 0.75;
    let forms = |image: &Array3<T>| {
        let (height, width, channels) = image.dim();
        let mut half = Array3::zeros(((height / 2).max(1), (width / 2).max(1), channels));
        resize(&image.view(), Corners::Edges, &mut half.view_mut());
        let mut forms = Array3::zeros(image.dim());
        resize(&half.view(), Corners::Edges, &mut forms.view_mut());
        forms
    };
    let mut query = forms(so_far);
    let own = T::of(1.0 - ALPHA);
    Zip::from(&mut query).and(content).and(&forms(content)).for_each(|q, &c, &forms| *q = c + own * (*q - forms));
    query
}

/// A term for gradcheck: six positions of columns of two layers, alike or by weights.
pub(super) fn example<T: Real>(distance: ColumnDistance, weighed: bool) -> MatchedColumns<T> {
    let target = Array2::from_shape_fn((6, 5), |(p, c)| T::of(((p * 7 + c * 3) % 11) as f64 / 20.0 - 0.1));
    MatchedColumns {
        layers: [0, 2].map(|index| Layer::of_convolution(index).1).into_iter().collect(),
        distance,
        factors: weighed.then(|| Array1::from_iter([1.0, 1.0, 0.5, 0.5, 0.5].map(T::of))),
        target: target.into(),
        weights: weighed.then(|| vec![1.0, 0.0, 0.25, 1.0, 0.5, 1.0]),
    }
}

impl<T: Real> Term<T> for MatchedColumns<T> {
    fn name(&self) -> String {
        "hypercolumns".into()
    }

    fn place(&self) -> Place {
        Place::Hypercolumns(self.layers)
    }

    fn score<'t>(&self, seen: &Seen<'t, T>, weight: f64) -> Var<'t, T> {
        let tape = seen.value.tape();
        let columns = match &self.factors {
            Some(factors) => mul(&seen.value, &tape.constant(factors.clone())),
            None => seen.value.clone(),
        };
        match self.distance {
            ColumnDistance::SquaredError => {
                let (columns, divisor) = match &self.weights {
                    Some(weights) => {
                        let roots: Array1<T> = weights.iter().map(|w| T::of(w.sqrt())).collect();
                        (mul(&columns, &tape.constant(roots.insert_axis(Axis(1)))), 1.0)
                    }
                    None => (columns, Divisor::Size.of(&self.target)),
                };
                squared_error(&columns, &tape.constant(&self.target)) * (weight / divisor)
            }
            ColumnDistance::Cosine => {
                let positions = self.target.shape()[0];
                let weights = self.weights.clone().unwrap_or_else(|| vec![1.0; positions]);
                let sum: f64 = weights.iter().sum();
                let weights: Vec<T> = weights.iter().map(|w| T::of(-weight * w / sum)).collect();
                cosine(&columns, &self.target, &weights) + weight
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use ndarray::ArrayD;

    use super::*;
    use crate::Picture;
    use crate::objective::testing::{image, network};
    use crate::objective::{Neighbours, Objective};
    use crate::optim::Method;
    use crate::recipe::{Preset, Recipe};
    use crate::vgg::{WeightSource, Weights};

    fn layers() -> LayerWeights {
        "relu1_1,relu1_2=0.5,relu3_1".parse().unwrap()
    }

    /// Hypercolumns by the definition, of layers of which the deepest has the grid's size.
    fn plain(image: &Array3<f64>) -> Array2<f64> {
        let (height, width, _) = image.dim();
        let (network, tape) = (network(), Tape::new());
        let maps = network.features(&tape.constant(image.clone()), layers().layers()).unwrap();
        let columns = |(i, j): (usize, usize)| -> Vec<f64> {
            let one = |(layer, weight): (Layer, f64)| {
                let map = maps[&layer].to_array().into_dimensionality::<ndarray::Ix3>().unwrap();
                let (rows, cells, channels) = map.dim();
                let at = |i: usize, n: usize, m: usize| i as f64 * (m - 1) as f64 / (n - 1) as f64;
                let (y, x) = (at(i, height / 4, rows), at(j, width / 4, cells));
                let value = move |c: usize| {
                    let row = |i: usize| {
                        let next = (x as usize + 1).min(cells - 1);
                        map[[i, x as usize, c]] * (1.0 - x.fract()) + map[[i, next, c]] * x.fract()
                    };
                    let next = (y as usize + 1).min(rows - 1);
                    weight * (row(y as usize) * (1.0 - y.fract()) + row(next) * y.fract()) / channels as f64
                };
                (0..channels).map(value).collect::<Vec<_>>()
            };
            layers().iter().flat_map(one).collect()
        };
        let rows: Vec<f64> =
            (0..height / 4).flat_map(|i| (0..width / 4).map(move |j| (i, j))).flat_map(columns).collect();
        let positions = (height / 4) * (width / 4);
        Array2::from_shape_vec((positions, rows.len() / positions), rows).unwrap()
    }

    /// The nearest of some rows for each of others, by centred cosine.
    fn plain_matches(query: &Array2<f64>, style: &Array2<f64>) -> Array2<f64> {
        let unit = |rows: &Array2<f64>| {
            let mut rows = rows - &rows.mean_axis(Axis(0)).unwrap();
            rows.outer_iter_mut().for_each(|mut row| row /= row.dot(&row).sqrt());
            rows
        };
        let cosines = unit(query).dot(&unit(style).t());
        let best = |row: ndarray::ArrayView1<'_, f64>| {
            (0..row.len()).fold(0, |best, j| if row[j] > row[best] { j } else { best })
        };
        let mut matches = Array2::zeros(query.dim());
        matches.outer_iter_mut().zip(cosines.outer_iter()).for_each(|(mut to, row)| to.assign(&style.row(best(row))));
        matches
    }

    fn score(term: &MatchedColumns<f64>, picture: &Array3<f64>) -> f64 {
        let (network, tape) = (network(), Tape::new());
        let x = tape.constant(picture.clone());
        let places = BTreeSet::from([term.place()]);
        let seen = see(&Execution::default(), &network, (&places, &BTreeSet::new()), &x, &x).unwrap();
        term.score(&seen[&term.place()], 2.0).scalar()
    }

    fn term(
        distance: ColumnDistance,
        query: &Array3<f64>,
        styles: &[(Array3<f64>, f64)],
        regions: &[Region],
    ) -> MatchedColumns<f64> {
        MatchedColumns::new(&layers(), distance, (&Execution::default(), &network()), query, styles, regions).unwrap()
    }

    fn squared(rows: &Array2<f64>) -> f64 {
        rows.iter().map(|v| v * v).sum()
    }

    fn mean_cosine(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
        let cosine = |(a, b): (ndarray::ArrayView1<'_, f64>, ndarray::ArrayView1<'_, f64>)| {
            a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt()
        };
        a.outer_iter().zip(b.outer_iter()).map(cosine).sum::<f64>() / a.nrows() as f64
    }

    #[test]
    fn both_distances_are_those_of_the_nearest_hypercolumns() {
        let (query, style, picture) = (image(17, 21, 1), image(14, 19, 2), image(17, 21, 3));
        let (own, matches) = (plain(&picture), plain_matches(&plain(&query), &plain(&style)));
        let (styles, whole) = ([(style.clone(), 1.0)], [Region::whole(1)]);
        let error = score(&term(ColumnDistance::SquaredError, &query, &styles, &whole), &picture);
        approx::assert_relative_eq!(error, 2.0 * squared(&(&own - &matches)) / squared(&matches), max_relative = 1e-9);
        let angle = score(&term(ColumnDistance::Cosine, &query, &styles, &whole), &picture);
        approx::assert_relative_eq!(angle, 2.0 - 2.0 * mean_cosine(&own, &matches), max_relative = 1e-9);
        for distance in [ColumnDistance::SquaredError, ColumnDistance::Cosine] {
            let own = term(distance, &style, &[(style.clone(), 1.0)], &whole);
            assert!(score(&own, &style).abs() < 1e-12, "a style is nearest to itself");
        }
    }

    #[test]
    fn a_region_is_matched_in_its_own_style_alone() {
        let (query, picture) = (image(16, 32, 1), image(16, 32, 3));
        let styles = [(image(16, 16, 2), 1.0), (image(12, 20, 4), 0.1)];
        let half = |left: bool| Array2::from_shape_fn((16, 32), |(_, j)| f32::from(u8::from((j < 16) == left)));
        let region =
            |left, style| Region { name: String::new(), picture: Some(half(left)), styles: vec![(style, None)] };
        let part = |rows: &Array2<f64>, left: bool| {
            let of = |p: &usize| (p % 8 < 4) == left;
            rows.select(Axis(0), &(0..rows.nrows()).filter(of).collect::<Vec<_>>())
        };
        let (own, asked) = (plain(&picture), plain(&query));
        let matches = |left, style: usize| plain_matches(&part(&asked, left), &plain(&styles[style].0));
        let both = [region(true, 0), region(false, 1)];
        let parts = [(true, matches(true, 0)), (false, matches(false, 1))];
        let sums = parts.each_ref().map(|(left, matches)| (squared(&(&part(&own, *left) - matches)), squared(matches)));
        approx::assert_relative_eq!(
            score(&term(ColumnDistance::SquaredError, &query, &styles, &both), &picture),
            sums[0].0 / sums[0].1 + sums[1].0 / sums[1].1,
            max_relative = 1e-6
        );
        let cosines = parts.each_ref().map(|(left, matches)| mean_cosine(&part(&own, *left), matches));
        approx::assert_relative_eq!(
            score(&term(ColumnDistance::Cosine, &query, &styles, &both), &picture),
            2.0 - (cosines[0] + cosines[1]),
            max_relative = 1e-6
        );
        // What is outside of the only region does not count.
        approx::assert_relative_eq!(
            score(&term(ColumnDistance::Cosine, &query, &styles, &both[..1]), &picture),
            2.0 - 2.0 * cosines[0],
            max_relative = 1e-6
        );
        let nothing = Region { styles: vec![(0, Some(Array2::zeros((16, 16))))], ..Region::whole(1) };
        let network = network();
        let made = MatchedColumns::new(
            &layers(),
            ColumnDistance::Cosine,
            (&Execution::default(), &network),
            &query,
            &styles,
            &[nothing],
        );
        assert!(matches!(made, Err(RegionError::Empty { .. })));
    }

    /// Where a position is half in each of two regions, the gradient is that of the mean of both distances.
    #[test]
    fn where_regions_meet_gradients_are_means() {
        let styles = [(image(16, 16, 2), 1.0), (image(12, 20, 4), 1.0)];
        let (query, picture) = (image(16, 20, 1), image(16, 20, 3));
        let region = |share: f32, style| Region {
            name: String::new(),
            picture: Some(Array2::from_elem((16, 20), share)),
            styles: vec![(style, None)],
        };
        for distance in [ColumnDistance::SquaredError, ColumnDistance::Cosine] {
            let gradient = |regions: &[Region]| {
                let objective = Objective::new().term("columns", 1.0, term(distance, &query, &styles, regions));
                let (network, tape) = (network(), Tape::new());
                let x = tape.variable(picture.clone());
                objective.evaluate(&network, &x, &x).unwrap().scaled.backward().take(&x).unwrap().into_array()
            };
            let both = gradient(&[region(0.25, 0), region(0.75, 1)]);
            let mean = gradient(&[region(1.0, 0)]) * 0.25 + gradient(&[region(1.0, 1)]) * 0.75;
            let size = mean.iter().fold(0.0f64, |most, v| most.max(v.abs()));
            approx::assert_abs_diff_eq!(both, mean, epsilon = 1e-6 * size);
        }
    }

    #[test]
    fn what_is_asked_for_is_mostly_the_content() {
        let (content, so_far) = (image(9, 14, 1), image(9, 14, 2));
        approx::assert_abs_diff_eq!(query(&content, &content), content, epsilon = 1e-12);
        let asked = query(&content, &so_far);
        // Detail is the content's, whatever was painted.
        let flat = Array3::from_elem((9, 14, 3), 5.0);
        let lifted = query(&content, &(&so_far + &flat));
        approx::assert_abs_diff_eq!(lifted, &asked + 0.25 * 5.0, epsilon = 1e-12);
        // One row or column has no half, so that all of it are forms.
        let (content, so_far) = (image(1, 2, 1), image(1, 2, 2));
        let means = [&content, &so_far].map(|image| image.mean_axis(Axis(1)).unwrap().insert_axis(Axis(1)));
        let expected = &content + &((&means[1] - &means[0]) * 0.25);
        approx::assert_abs_diff_eq!(query(&content, &so_far), expected, epsilon = 1e-12);
    }

    #[test]
    fn factors_are_relative_to_the_largest() {
        let (found, network) = (|text: &str| factors(&text.parse().unwrap(), &network()), network());
        let counts = ["relu1_1", "relu2_1"].map(|layer| network.channels(layer.parse().unwrap()));
        let expected: Array1<f64> = [vec![0.25; counts[0]], vec![1.0; counts[1]]].concat().into();
        assert_eq!(found("relu1_1=0.5,relu2_1=2"), Some(expected));
        assert_eq!(found("relu1_1=3,relu2_1=3"), None);
    }

    #[test]
    fn silent_matches_are_compared_by_the_mean_square() {
        let weight = |position: usize| [0.0, 0.5, 1.0][position];
        let matches = ndarray::array![[3.0, 0.0, 4.0], [0.0, 1.0, 0.0]];
        approx::assert_relative_eq!(relative(&[1, 2], &matches, &weight), 1.5 / 13.5, max_relative = 1e-12);
        approx::assert_relative_eq!(relative(&[1, 2], &(matches * 0.0), &weight), 1.0 / 3.0, max_relative = 1e-12);
    }

    /// Both stages of the published recipe, on the pictures of tests/data/thin-nnst.
    struct Case<T: Real> {
        network: Vgg19<T>,
        recipe: Recipe,
        so_far: ArrayD<T>,
        /// What each position was matched with, and the style's columns themselves.
        targets: [Array2<T>; 2],
        matching: Objective<T>,
        splitting: Objective<T>,
    }

    impl<T: Real> Case<T> {
        fn new(weights: &Path) -> Self {
            let weights = Weights::load(&WeightSource::File(weights.into()), Some("relu4_3".parse().unwrap())).unwrap();
            let network = Vgg19::<T>::new(weights);
            let input = |name: &str| -> Array3<T> {
                network.normalise(&Picture::open(data().join("thin-nnst").join(name)).unwrap().rgb.view())
            };
            let (content, so_far, style) = (input("content.png"), input("so_far.png"), input("style.png"));
            let recipe = Preset::Nnst.recipe(true);
            let (layers, distance) = recipe.matched().unwrap();
            let (whole, styles) = ([Region::whole(1)], [(style.clone(), 1.0)]);
            let matched = |query: &Array3<T>| {
                MatchedColumns::new(layers, distance, (&Execution::default(), &network), query, &styles, &whole)
                    .unwrap()
            };
            let (term, itself) = (matched(&query(&content, &so_far)), matched(&style));
            let targets = [&term, &itself].map(|term| term.target.of_rank::<Ix2>("").to_owned());
            let finish = recipe.finish.as_ref().unwrap();
            let tape = Tape::new();
            let maps = network.features(&tape.constant(style), finish.layers.layers()).unwrap();
            let terms = finish.layers.iter().map(|(layer, weight)| -> (f64, Box<dyn Term<T>>) {
                let styles = [(maps[&layer].value().clone(), 1.0)];
                (weight, Box::new(Neighbours::of_styles(layer, &styles, &whole, finish.grid, 1).unwrap()))
            });
            let splitting = Objective::new().group("neighbours", 1.0, terms.collect());
            let matching = Objective::new().term("style", 1.0, term);
            drop(maps);
            Self { so_far: so_far.into_dyn(), targets, matching, splitting, recipe, network }
        }

        fn evaluated(&self, objective: &Objective<T>, x: &ArrayD<T>) -> (f64, ArrayD<T>) {
            let tape = Tape::new();
            let point = tape.variable(x.clone());
            let evaluation = objective.evaluate(&self.network, &point, &point).unwrap();
            (evaluation.total, evaluation.scaled.backward().take(&point).unwrap().into_array())
        }

        /// The pictures of 50 steps of the matching stage and of 50 of the splitting stage after it, with their losses.
        fn painted(&self) -> [Vec<(ArrayD<T>, f64)>; 2] {
            const STEPS: usize = 50;
            let mut x = self.so_far.clone();
            [&self.matching, &self.splitting].map(|objective| {
                let rate = self.recipe.rate.for_spread(self.network.spread());
                let mut optimizer = Method::PyramidAdam.optimizer::<T>(rate, STEPS, None);
                let step = |_| {
                    let (before, (loss, gradient)) = (x.clone(), self.evaluated(objective, &x));
                    optimizer.step(&mut x, loss, &gradient);
                    (before, loss)
                };
                (0..STEPS).map(step).collect()
            })
        }

        /// The largest relative difference from the losses of a file made by tests/data/nnst.py, for each stage. The matches must
        /// be the same.
        fn differences(&self, file: &str) -> [f64; 2] {
            let expected = |name: &str| -> Vec<f64> {
                let file = std::fs::File::open(data().join("thin-nnst").join(file)).unwrap();
                let mut archive = zip::ZipArchive::new(file).unwrap();
                let array = npyz::NpyFile::new(archive.by_name(&format!("{name}.npy")).unwrap()).unwrap();
                if name == "matches" {
                    array.into_vec::<i64>().unwrap().into_iter().map(|index| index as f64).collect()
                } else {
                    array.into_vec().unwrap()
                }
            };
            let ([targets, all], wanted) = (&self.targets, expected("matches"));
            assert_eq!(targets.nrows(), wanted.len());
            for (p, (target, wanted)) in targets.outer_iter().zip(wanted).enumerate() {
                let same = target.iter().zip(all.row(wanted as usize)).all(|(a, b)| Real::to_f64(*a - *b).abs() < 1e-6);
                assert!(same, "{} at position {p}: another match", T::NAME);
            }
            let [matching, splitting] = self.painted();
            let found = [("matching", matching), ("splitting", splitting)].map(|(name, found)| {
                let pairs = found.iter().zip(expected(name));
                pairs.map(|((_, loss), wanted)| (loss / wanted - 1.0).abs()).fold(0.0, f64::max)
            });
            println!("{}, {file}: losses differ by {:.1e} and {:.1e}", T::NAME, found[0], found[1]);
            found
        }
    }

    fn data() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
    }

    #[test]
    fn the_published_recipe_agrees_with_pytorch() {
        let thin = data().join("vgg19-thin.npz");
        assert!(Case::<f64>::new(&thin).differences("expected.npz").into_iter().all(|difference| difference < 1e-6));
        assert!(Case::<f32>::new(&thin).differences("expected.npz").into_iter().all(|difference| difference < 1e-3));
    }

    /// With the published weights f64 agrees too. In f32 the loss of a picture is the same, but Adam moves every coefficient by
    /// about its rate, also where the gradient is no larger than its rounding, so that pictures and their losses drift apart in
    /// the splitting stage, as they do in `PyTorch`.
    #[test]
    fn the_published_recipe_agrees_with_pytorch_on_trained_weights() {
        let weights = std::env::var("IMPASTO_WEIGHTS").unwrap_or_default();
        if weights.is_empty() || weights.starts_with("random") {
            println!("skipped: no trained weights in IMPASTO_WEIGHTS");
            return;
        }
        let (double, single) = (Case::<f64>::new(Path::new(&weights)), Case::<f32>::new(Path::new(&weights)));
        let [matching, splitting] = double.differences("trained.npz");
        assert!(matching < 1e-6 && splitting < 1e-6, "f64: {matching:.1e} {splitting:.1e}");
        let [matching, splitting] = single.differences("trained.npz");
        assert!(matching < 1e-3 && splitting < 1e-2, "f32: {matching:.1e} {splitting:.1e}");
        let [_, splitting] = single.painted();
        let same_picture = splitting
            .iter()
            .map(|(x, loss)| (loss / double.evaluated(&double.splitting, &x.mapv(f64::from)).0 - 1.0).abs());
        let worst = same_picture.fold(0.0, f64::max);
        println!("f32 and f64 at the same pictures: {worst:.1e}");
        assert!(worst < 1e-4, "{worst:.1e}");
    }
}
