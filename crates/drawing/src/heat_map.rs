//! Heat maps of relative errors: right elements are dark, so a wrong border or a transposed axis stands out.

use ndarray::{Array2, Array3, ArrayD, ArrayView2, Axis, Ix3};

use super::{Sheet, Tile};
use impasto::picture::Picture;

/// The errors of the darkest and the brightest colour, as powers of ten.
const POWERS: (i32, i32) = (-12, 0);

/// The target length of a panel's longer side, in pixels.
const SIDE: usize = 320;

/// The largest cell, in pixels.
const CELL: usize = 32;

/// The longest list drawn as a single row.
const LIST: usize = 40;

/// The largest number of panels, in total and per row.
const PANELS: (usize, usize) = (24, 6);

/// Equally spaced colours from dark to bright: black, violet, red, orange, pale yellow.
const COLOURS: [[f32; 3]; 5] =
    [[0.0, 0.0, 0.02], [0.34, 0.06, 0.43], [0.73, 0.21, 0.33], [0.98, 0.56, 0.04], [0.99, 1.0, 0.64]];

/// A heat map of each array, on a logarithmic scale from 1e-12 (dark) to 1 (bright), with the scale below.
///
/// A list is drawn as a row, or as several rows if it is long; a matrix as a rectangle with its first index pointing down. An array
/// with more axes becomes panels of its last two axes, or, if it is (height, width, up to 4 channels), a panel for each channel.
/// At most 24 panels are drawn. NaN is white.
pub fn heat_map(title: &str, errors: &[ArrayD<f64>]) -> Picture {
    let mut rows = Vec::new();
    for (number, array) in errors.iter().enumerate() {
        let panels = panels(array);
        let (count, shape) = (panels.len_of(Axis(0)), array.shape());
        let tiles: Vec<Tile> = panels
            .outer_iter()
            .take(PANELS.0)
            .enumerate()
            .map(|(panel, errors)| {
                let name = if count > 1 { format!("panel {panel} of {count}") } else { format!("{shape:?}") };
                Tile {
                    picture: drawn(errors),
                    caption: vec![format!("input {number}, {name}"), worst(errors, shape.len() == 1)],
                }
            })
            .collect();
        rows.extend(tiles.chunks(PANELS.1).map(<[Tile]>::to_vec));
    }
    rows.push(vec![scale()]);
    Sheet { title: title.into(), rows }.draw()
}

/// (panels, down, across).
fn panels(array: &ArrayD<f64>) -> Array3<f64> {
    let array = array.as_standard_layout();
    let shape = match *array.shape() {
        [] => [1, 1, 1],
        [n] => {
            let across = if n <= LIST { n } else { n.isqrt() + 1 };
            let padded =
                array.iter().copied().chain(std::iter::repeat(f64::NAN)).take(n.div_ceil(across.max(1)) * across);
            return Array3::from_shape_vec([1, n.div_ceil(across.max(1)), across], padded.collect()).expect("as many");
        }
        [h, w] => [1, h, w],
        [h, w, c] if c <= 4 && h.max(w) > c => {
            let channels_last = array.into_dimensionality::<Ix3>().expect("three axes");
            return channels_last
                .permuted_axes([2, 0, 1])
                .as_standard_layout()
                .into_owned()
                .into_shape_with_order([c, h, w])
                .expect("the same");
        }
        [ref outer @ .., h, w] => [outer.iter().product(), h, w],
    };
    array.to_shape(shape).expect("as many elements").into_owned()
}

/// The worst element, in words.
fn worst(errors: ArrayView2<'_, f64>, is_list: bool) -> String {
    // The padding of a list's last row is NaN, not an error.
    let known = errors.indexed_iter().filter(|(_, error)| !error.is_nan());
    match known.max_by(|(_, a), (_, b)| a.total_cmp(b)) {
        Some(((i, j), &error)) if error > 0.0 && is_list => format!("worst {error:.0e} at {}", i * errors.ncols() + j),
        Some(((i, j), &error)) if error > 0.0 => format!("worst {error:.0e} at {i}, {j}"),
        _ => "no error seen".into(),
    }
}

fn drawn(errors: ArrayView2<'_, f64>) -> Picture {
    let (height, width) = errors.dim();
    let cell = (SIDE / height.max(width).max(1)).clamp(1, CELL);
    Picture::new(Array3::from_shape_fn((height * cell, width * cell, 3), |(y, x, channel)| {
        colour(errors[[y / cell, x / cell]])[channel]
    }))
}

/// The colour scale with its errors.
fn scale() -> Tile {
    let level = |x: usize| 10f64.powf(f64::from(POWERS.0) * (1.0 - x as f64 / (SIDE - 1) as f64));
    let errors = Array2::from_shape_fn((1, SIDE), |(_, x)| level(x));
    let bar = Array3::from_shape_fn((16, SIDE, 3), |(_, x, channel)| colour(errors[[0, x]])[channel]);
    let caption = String::from("from 1e-12 (left) to 1 (right)");
    Tile { picture: Picture::new(bar), caption: vec![caption] }
}

/// The colour of a relative error; white for NaN.
fn colour(error: f64) -> [f32; 3] {
    if error.is_nan() {
        return [1.0; 3];
    }
    let (low, high) = (f64::from(POWERS.0), f64::from(POWERS.1));
    let place = ((error.log10() - low) / (high - low)).clamp(0.0, 1.0) as f32 * (COLOURS.len() - 1) as f32;
    let below = (place as usize).min(COLOURS.len() - 2);
    let part = place - below as f32;
    std::array::from_fn(|c| COLOURS[below][c] * (1.0 - part) + COLOURS[below + 1][c] * part)
}

#[cfg(test)]
mod tests {
    use ndarray::{array, s};

    use super::*;

    #[test]
    fn errors_are_bright_and_the_rest_is_dark() {
        let (dark, middle, bright) = (colour(0.0), colour(1e-6), colour(2.0));
        assert_eq!((dark, bright), (COLOURS[0], COLOURS[4]));
        assert!((0..3).all(|c| (middle[c] - COLOURS[2][c]).abs() < 1e-6), "{middle:?}");
        assert_eq!(colour(f64::NAN), [1.0; 3]);
        assert!(colour(1e-3)[0] > colour(1e-9)[0]);
    }

    #[test]
    fn matrices_stand_as_they_are_written() {
        let picture = drawn(array![[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]].view());
        assert_eq!((picture.height(), picture.width()), (64, 96));
        let at = |i: usize, j: usize| picture.rgb.slice(s![i * 32 + 5, j * 32 + 5, ..]).to_vec();
        assert_eq!((at(0, 1), at(1, 0), at(0, 0)), (COLOURS[4].to_vec(), COLOURS[0].to_vec(), COLOURS[0].to_vec()));
        assert_eq!(worst(array![[0.0, 0.5], [2.0, 0.0]].view(), false), "worst 2e0 at 1, 0");
        assert_eq!(worst(array![[0.0, 0.5], [2.0, f64::NAN]].view(), true), "worst 2e0 at 2");
        assert_eq!(worst(array![[0.0]].view(), false), "no error seen");
    }

    #[test]
    fn more_axes_are_panels() {
        let shape = |shape: &[usize]| panels(&ArrayD::zeros(shape)).dim();
        assert_eq!([shape(&[]), shape(&[5]), shape(&[4, 5])], [(1, 1, 1), (1, 1, 5), (1, 4, 5)]);
        assert_eq!([shape(&[6, 5, 3]), shape(&[6, 5, 7]), shape(&[2, 3, 4, 5])], [(3, 6, 5), (6, 5, 7), (6, 4, 5)]);
        assert_eq!((shape(&[100]), shape(&[0])), ((1, 10, 11), (1, 0, 0)));
        let picture = ArrayD::from_shape_fn(vec![6, 5, 3], |i| (i[0] * 100 + i[1] * 10 + i[2]) as f64);
        assert_eq!(panels(&picture)[[2, 4, 3]], 432.0);
    }

    #[test]
    fn a_map_has_a_place_for_every_array_and_the_scale() {
        let one = heat_map("errors", &[ArrayD::zeros(vec![4, 5])]);
        let two = heat_map("errors", &[ArrayD::zeros(vec![4, 5]), ArrayD::from_elem(vec![4, 5], 1.0)]);
        assert!(two.height() > one.height() + 4 * CELL);
        let bright =
            |picture: &Picture| picture.rgb.lanes(Axis(2)).into_iter().filter(|p| p[1] > 0.95 && p[2] < 0.7).count();
        assert!(bright(&two) > bright(&one) + 19 * CELL * CELL);
        assert!(heat_map("", &[ArrayD::zeros(vec![100, 8, 8])]).height() < 4 * 8 * CELL + 400);
    }
}
