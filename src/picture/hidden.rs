//! The colour of transparent pixels. A network sees across their edge, so arbitrary colours left there must be
//! replaced.

use ndarray::Array3;

use super::Picture;
use super::resize::INVISIBLE;

/// The colour if no pixel is visible.
const NEUTRAL: f32 = 0.5;

/// Red, green, blue and a weight of each pixel: 0 where no colour is known.
struct Level {
    size: [usize; 2],
    pixels: Vec<[f32; 4]>,
}

impl Picture {
    /// This picture with the colours of transparent pixels replaced by those of the visible pixels around, more
    /// smoothly with distance (the pull-push algorithm of Gortler et al., The Lumigraph, 1996, section 4.2). The result
    /// does not depend on the hidden colours. Opacity stays.
    pub fn with_hidden_filled(mut self) -> Self {
        let Some(alpha) = self.alpha.as_ref().filter(|alpha| alpha.iter().any(|&a| a < INVISIBLE)) else { return self };
        let pixels = self.rgb.rows().into_iter().zip(alpha);
        let known = |alpha: f32| f32::from(u8::from(alpha >= INVISIBLE));
        let pixels =
            pixels.map(|(rgb, &alpha)| if known(alpha) > 0.0 { [rgb[0], rgb[1], rgb[2], 1.0] } else { [0.0; 4] });
        let mut levels = vec![Level { size: [self.height(), self.width()], pixels: pixels.collect() }];
        while let Some(level) = levels.last().filter(|level| level.size != [1, 1]) {
            levels.push(level.halved());
        }
        let mut filled = levels.pop().expect("one level at least");
        if filled.pixels[0][3] == 0.0 {
            filled.pixels[0] = [NEUTRAL, NEUTRAL, NEUTRAL, 1.0];
        }
        while let Some(mut level) = levels.pop() {
            level.fill(&filled);
            filled = level;
        }
        let colours = filled.pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
        self.rgb = Array3::from_shape_vec(self.rgb.dim(), colours).expect("three for each pixel");
        self
    }
}

impl Level {
    /// Half as large, rounded up: each pixel is the mean of the known ones among its four.
    fn halved(&self) -> Self {
        let [height, width] = self.size;
        let size = [height.div_ceil(2), width.div_ceil(2)];
        let pixel = |i: usize, j: usize| {
            let mut sum = [0.0_f32; 4];
            for row in 2 * i..(2 * i + 2).min(height) {
                for column in 2 * j..(2 * j + 2).min(width) {
                    let [r, g, b, weight] = self.pixels[row * width + column];
                    for (sum, value) in sum.iter_mut().zip([r * weight, g * weight, b * weight, weight]) {
                        *sum += value;
                    }
                }
            }
            let weight = sum[3];
            if weight > 0.0 { [sum[0] / weight, sum[1] / weight, sum[2] / weight, weight.min(1.0)] } else { [0.0; 4] }
        };
        let pixels = (0..size[0]).flat_map(|i| (0..size[1]).map(move |j| (i, j))).map(|(i, j)| pixel(i, j)).collect();
        Self { size, pixels }
    }

    /// Fills unknown colours from a level of half the size, by linear interpolation.
    fn fill(&mut self, coarse: &Self) {
        let [_, width] = self.size;
        for (at, pixel) in self.pixels.iter_mut().enumerate().filter(|(_, pixel)| pixel[3] == 0.0) {
            let near = |place: usize, side: usize| {
                let other =
                    if place.is_multiple_of(2) { (place / 2).saturating_sub(1) } else { (place / 2 + 1).min(side - 1) };
                [(place / 2, 0.75), (other, 0.25)]
            };
            *pixel = [0.0, 0.0, 0.0, 1.0];
            for (row, down) in near(at / width, coarse.size[0]) {
                for (column, across) in near(at % width, coarse.size[1]) {
                    let from = coarse.pixels[row * coarse.size[1] + column];
                    for c in 0..3 {
                        pixel[c] += down * across * from[c];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use approx::AbsDiffEq;
    use ndarray::{Array2, Axis};
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn picture(hidden: f32, alpha: &Array2<f32>) -> Picture {
        let (height, width) = alpha.dim();
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let mut rgb = Array3::from_shape_fn((height, width, 3), |_| random.random_range(0.2..0.6));
        for (mut pixel, _) in rgb.lanes_mut(Axis(2)).into_iter().zip(alpha).filter(|(_, alpha)| **alpha < INVISIBLE) {
            pixel.fill(hidden);
        }
        Picture { alpha: Some(alpha.clone()), ..Picture::new(rgb) }
    }

    #[test]
    fn what_was_hidden_does_not_matter_and_what_is_visible_stays() {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        for (height, width) in [(1, 1), (1, 9), (8, 8), (13, 21), (40, 31)] {
            for share in [0.1, 0.5, 0.9, 1.0] {
                let alpha = Array2::from_shape_fn((height, width), |_| {
                    if random.random::<f32>() < share { 0.0 } else { random.random_range(0.01..=1.0) }
                });
                let [black, green] = [0.0, 0.8].map(|hidden| picture(hidden, &alpha));
                let filled = black.clone().with_hidden_filled();
                assert_eq!(filled, green.with_hidden_filled(), "{height}×{width} {share}");
                let mut some = false;
                for ((new, old), &alpha) in filled.rgb.rows().into_iter().zip(black.rgb.rows()).zip(&alpha) {
                    if alpha > 0.0 {
                        assert_eq!(new, old);
                        some = true;
                    }
                }
                // No colour that is not around.
                let range = if some { 0.2..=0.6 } else { NEUTRAL..=NEUTRAL };
                assert!(filled.rgb.iter().all(|value| range.contains(value)), "{height}×{width} {share}");
            }
        }
    }

    #[test]
    fn one_colour_spreads_everywhere_and_opaque_pictures_stay() {
        let alpha = Array2::from_shape_fn((17, 30), |(i, j)| f32::from(u8::from(i == 3 && j == 20)));
        let mut one = picture(0.9, &alpha);
        let colour = one.rgb.slice(ndarray::s![3, 20, ..]).to_owned();
        one = one.with_hidden_filled();
        assert!(one.rgb.rows().into_iter().all(|pixel| pixel.abs_diff_eq(&colour, 1e-6)));
        let opaque = picture(0.0, &Array2::ones((4, 5)));
        assert_eq!(opaque.clone().with_hidden_filled(), opaque);
    }
}
