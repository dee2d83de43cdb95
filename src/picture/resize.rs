//! Resizing with Lanczos's filter.

use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma, Pixel, Rgb};
use ndarray::Array3;

use super::Picture;

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

    /// The picture at another size in pixels, by Lanczos's filter with three lobes.
    ///
    /// # Panics
    /// If a side is 0.
    pub fn resized(self, height: usize, width: usize) -> Self {
        assert!(height > 0 && width > 0, "a picture of {width}×{height} pixels");
        if (height, width) == (self.height(), self.width()) {
            return self;
        }
        let (old_height, old_width) = (self.height(), self.width());
        let colours = filtered::<Rgb<f32>>(self.rgb.into_iter().collect(), [old_height, old_width], [height, width]);
        let rgb = Array3::from_shape_vec((height, width, 3), colours).expect("as asked");
        let alpha = self.alpha.map(|alpha| {
            let opacity = filtered::<Luma<f32>>(alpha.into_iter().collect(), [old_height, old_width], [height, width]);
            ndarray::Array2::from_shape_vec((height, width), opacity).expect("as asked")
        });
        Self { rgb, alpha, profile: self.profile }
    }
}

fn filtered<P: Pixel<Subpixel = f32> + 'static>(
    values: Vec<f32>,
    [height, width]: [usize; 2],
    [new_height, new_width]: [usize; 2],
) -> Vec<f32> {
    let buffer = ImageBuffer::<P, Vec<f32>>::from_raw(width as u32, height as u32, values).expect("as long");
    resize(&buffer, new_width as u32, new_height as u32, FilterType::Lanczos3).into_raw()
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

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
