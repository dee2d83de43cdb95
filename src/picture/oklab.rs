//! OkLab, a perceptual colour space: Ottosson 2020, "A perceptual color space for image processing".

use ndarray::{Array3, Axis, Zip};

/// Linear red, green and blue to the responses of the eye's cones.
const CONES: [[f64; 3]; 3] = [
    [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
    [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
    [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
];
/// Their cube roots to lightness, green to red, blue to yellow.
const LAB: [[f64; 3]; 3] = [
    [0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8],
    [1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9],
    [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0],
];
/// The inverse of `LAB`.
const CUBE_ROOTS: [[f64; 3]; 3] = [
    [1.0, 0.396_337_777_4, 0.215_803_757_3],
    [1.0, -0.105_561_345_8, -0.063_854_172_8],
    [1.0, -0.089_484_177_5, -1.291_485_548_0],
];
/// The inverse of `CONES`.
const LINEAR: [[f64; 3]; 3] = [
    [4.076_741_662_1, -3.307_711_591_3, 0.230_969_929_2],
    [-1.268_438_004_6, 2.609_757_401_1, -0.341_319_396_5],
    [-0.004_196_086_3, -0.703_418_614_7, 1.707_614_701_0],
];

/// How often the share of a colour that sRGB can show is halved: to a thousandth.
const HALVINGS: usize = 10;

/// `painting` (height, width, 3) with its own lightness and the colours of `photograph`, which has the same size.
/// Colours outside sRGB at that lightness are made paler until they are inside.
///
/// # Panics
/// If the shapes differ.
pub fn coloured_like(painting: &Array3<f32>, photograph: &Array3<f32>) -> Array3<f32> {
    let mut result = painting.clone();
    Zip::from(result.lanes_mut(Axis(2))).and(photograph.lanes(Axis(2))).par_for_each(|mut pixel, colour| {
        let lightness = to_oklab([pixel[0], pixel[1], pixel[2]].map(within))[0];
        let [_, a, b] = to_oklab([colour[0], colour[1], colour[2]].map(within));
        shown([lightness, a, b]).into_iter().zip(&mut pixel).for_each(|(value, channel)| *channel = value as f32);
    });
    result
}

fn within(value: f32) -> f64 {
    f64::from(value.clamp(0.0, 1.0))
}

/// The sRGB values of an OkLab colour, as colourful as they can be.
fn shown([lightness, a, b]: [f64; 3]) -> [f64; 3] {
    let at = |share: f64| from_oklab([lightness, share * a, share * b]);
    let fits = |rgb: &[f64; 3]| rgb.iter().all(|v| (-1e-6..=1.0 + 1e-6).contains(v));
    let whole = at(1.0);
    if fits(&whole) {
        return whole;
    }
    let (mut share, mut step) = (0.0, 0.5);
    for _ in 0..HALVINGS {
        if fits(&at(share + step)) {
            share += step;
        }
        step /= 2.0;
    }
    at(share)
}

/// The OkLab colour (lightness, green to red, blue to yellow) of sRGB values in 0..1.
fn to_oklab(rgb: [f64; 3]) -> [f64; 3] {
    times(&LAB, times(&CONES, rgb.map(to_linear)).map(f64::cbrt))
}

/// The sRGB values of an OkLab colour; they may lie outside of 0..1.
fn from_oklab(lab: [f64; 3]) -> [f64; 3] {
    times(&LINEAR, times(&CUBE_ROOTS, lab).map(|v| v.powi(3))).map(from_linear)
}

fn times(matrix: &[[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

/// An sRGB value's linear light (IEC 61966-2-1).
fn to_linear(value: f64) -> f64 {
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

fn from_linear(light: f64) -> f64 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_red_green_and_blue_are_where_others_have_them() {
        for (rgb, expected) in [
            ([1.0, 1.0, 1.0], [1.0, 0.0, 0.0]),
            ([1.0, 0.0, 0.0], [0.627_955, 0.224_863, 0.125_846]),
            ([0.0, 1.0, 0.0], [0.866_440, -0.233_888, 0.179_498]),
            ([0.0, 0.0, 1.0], [0.452_014, -0.032_457, -0.311_528]),
            ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ] {
            let lab = to_oklab(rgb);
            assert!(lab.iter().zip(expected).all(|(v, e)| (v - e).abs() < 2e-6), "{lab:?} for {expected:?}");
        }
    }

    #[test]
    fn there_and_back_and_lightness_is_kept_in_other_colours() {
        let picture = |seed: usize| {
            Array3::from_shape_fn((9, 7, 3), |(i, j, c)| ((i * 31 + j * 17 + c * 47 + seed * 13) % 101) as f32 / 100.0)
        };
        let (painting, photograph) = (picture(1), picture(5));
        approx::assert_abs_diff_eq!(coloured_like(&painting, &painting), painting, epsilon = 1e-5);
        let coloured = coloured_like(&painting, &photograph);
        let lab = |picture: &Array3<f32>, i, j| to_oklab([0, 1, 2].map(|c| f64::from(picture[[i, j, c]])));
        let mut whole = 0;
        for (i, j) in (0..9).flat_map(|i| (0..7).map(move |j| (i, j))) {
            let (result, painted, colour) = (lab(&coloured, i, j), lab(&painting, i, j), lab(&photograph, i, j));
            assert!((result[0] - painted[0]).abs() < 1e-4, "{result:?} as light as {painted:?}");
            // The same hue; where sRGB has it, as colourful too.
            assert!((result[1] * colour[2] - result[2] * colour[1]).abs() < 1e-4, "{result:?} in {colour:?}");
            let share = result[1].hypot(result[2]) / colour[1].hypot(colour[2]);
            assert!(share < 1.001, "{share}");
            whole += usize::from(share > 0.999);
        }
        assert!((10..60).contains(&whole), "{whole} of 63");
        assert!(coloured.iter().all(|v| (-1e-5..=1.0 + 1e-5).contains(v)));
    }
}
