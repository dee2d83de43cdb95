//! Resizing with Lanczos's filter.

use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma, Pixel, Rgb};
use ndarray::{Array2, Array3, Axis, Zip};

use super::Picture;

/// Below this opacity, half a level of 8 bits, a pixel has no colour of its own.
const INVISIBLE: f32 = 0.5 / 255.0;

impl Picture {
    /// The picture at the size at which its longer side is `longest` pixels, aspect kept; itself if it is that already.
    ///
    /// # Panics
    /// If `longest` is 0.
    pub fn fitted(self, longest: usize) -> Self {
        let side = self.height().max(self.width());
        let scaled = |n: usize| ((n * longest) as f64 / side as f64).round().max(1.0) as usize;
        let (height, width) = (scaled(self.height()), scaled(self.width()));
        self.resized(height, width)
    }

    /// The picture at another size in pixels, by Lanczos's filter with three lobes. Transparent pixels do not bleed
    /// their colour into opaque ones.
    ///
    /// # Panics
    /// If a side is 0.
    pub fn resized(self, height: usize, width: usize) -> Self {
        assert!(height > 0 && width > 0, "a picture of {width}×{height} pixels");
        if (height, width) == (self.height(), self.width()) {
            return self;
        }
        let profile = self.profile;
        let plain = || filtered_colours(&self.rgb, height, width);
        let Some(alpha) = &self.alpha else {
            return Self { rgb: plain(), alpha: None, profile };
        };
        // Colours are averaged with their opacity as weight, so that those of transparent pixels do not bleed.
        let old_size = [self.rgb.dim().0, self.rgb.dim().1];
        let opacity =
            filtered::<Luma<f32>>(FilterType::Lanczos3, alpha.iter().copied().collect(), old_size, [height, width]);
        let opacity = Array2::from_shape_vec((height, width), opacity).expect("as asked");
        let mut rgb = filtered_colours(&(&self.rgb * &alpha.view().insert_axis(Axis(2))), height, width);
        Zip::from(rgb.rows_mut()).and(plain().rows()).and(&opacity).for_each(|mut rgb, plain, &opacity| {
            if opacity < INVISIBLE {
                rgb.assign(&plain);
            } else {
                rgb.mapv_inplace(|value| (value / opacity).min(1.0));
            }
        });
        Self { rgb, alpha: Some(opacity), profile }
    }
}

/// Three channels of numbers in 0..1 (height, width, 3) at another size, by linear interpolation.
pub(crate) fn resize_linear(values: &Array3<f32>, [height, width]: [usize; 2]) -> Array3<f32> {
    filtered_colours_by(FilterType::Triangle, values, height, width)
}

fn filtered_colours(rgb: &Array3<f32>, height: usize, width: usize) -> Array3<f32> {
    filtered_colours_by(FilterType::Lanczos3, rgb, height, width)
}

fn filtered_colours_by(filter: FilterType, rgb: &Array3<f32>, height: usize, width: usize) -> Array3<f32> {
    let size = [rgb.dim().0, rgb.dim().1];
    let colours = filtered::<Rgb<f32>>(filter, rgb.iter().copied().collect(), size, [height, width]);
    Array3::from_shape_vec((height, width, 3), colours).expect("as asked")
}

fn filtered<P: Pixel<Subpixel = f32> + 'static>(
    filter: FilterType,
    values: Vec<f32>,
    [height, width]: [usize; 2],
    [new_height, new_width]: [usize; 2],
) -> Vec<f32> {
    let buffer = ImageBuffer::<P, Vec<f32>>::from_raw(width as u32, height as u32, values).expect("as long");
    resize(&buffer, new_width as u32, new_height as u32, filter).into_raw()
}

#[cfg(test)]
#[expect(clippy::reversed_empty_ranges, reason = "negative ends of slices count from the end")]
mod tests {
    use super::*;

    fn gradient(height: usize, width: usize) -> Picture {
        let mut picture = Picture::new(Array3::from_shape_fn((height, width, 3), |(_, j, c)| {
            (j as f32 + 0.5) / width as f32 * (c + 1) as f32 / 3.0
        }));
        picture.alpha = Some(Array2::from_shape_fn((height, width), |(i, _)| (i as f32 + 0.5) / height as f32));
        picture
    }

    #[test]
    fn a_smooth_picture_stays_what_it_was_at_another_size() {
        for (height, width) in [(20, 30), (80, 120)] {
            let resized = gradient(40, 60).resized(height, width);
            let expected = gradient(height, width);
            let inner = ndarray::s![3..-3, 3..-3, ..];
            approx::assert_abs_diff_eq!(resized.rgb.slice(inner), expected.rgb.slice(inner), epsilon = 0.01);
            let (alpha, expected) = (resized.alpha.unwrap(), expected.alpha.unwrap());
            let inner = ndarray::s![3..-3, 3..-3];
            approx::assert_abs_diff_eq!(alpha.slice(inner), expected.slice(inner), epsilon = 0.02);
        }
    }

    #[test]
    fn transparent_pixels_do_not_bleed_into_visible_ones() {
        // The left half is opaque red, the right half invisible green.
        let mut picture =
            Picture::new(Array3::from_shape_fn((16, 16, 3), |(_, j, c)| f32::from(u8::from(c == usize::from(j >= 8)))));
        picture.alpha = Some(Array2::from_shape_fn((16, 16), |(_, j)| f32::from(u8::from(j < 8))));
        let resized = picture.resized(5, 5);
        let alpha = resized.alpha.unwrap();
        assert!((0.2..0.8).contains(&alpha[[2, 2]]), "the middle is half transparent: {}", alpha[[2, 2]]);
        for (rgb, &alpha) in resized.rgb.rows().into_iter().zip(&alpha) {
            if alpha >= INVISIBLE {
                approx::assert_abs_diff_eq!(rgb, ndarray::aview1(&[1.0, 0.0, 0.0]), epsilon = 1e-3);
            }
        }
    }

    #[test]
    fn fitting_keeps_the_aspect_and_at_least_a_pixel() {
        let size = |height, width, longest| {
            let picture = Picture::new(Array3::zeros((height, width, 3))).fitted(longest);
            (picture.height(), picture.width())
        };
        assert_eq!(size(30, 40, 20), (15, 20));
        assert_eq!(size(40, 30, 80), (80, 60));
        assert_eq!(size(1, 500, 50), (1, 50));
        assert_eq!(size(7, 7, 7), (7, 7));
    }
}
