//! Resizing with Lanczos's filter, row by row, without holding the whole source or a whole intermediate picture.

use ndarray::{Array2, Array3, Axis};
use rayon::prelude::*;

use super::Picture;
use super::error::{Fault, reserve};

/// Below this opacity, half a level of 8 bits, a pixel's colour is ignored.
pub(super) const INVISIBLE: f32 = 0.5 / 255.0;

/// Rows that are filtered together.
const BAND: usize = 32;

/// Lobes of the filter to each side.
const LOBES: f64 = 3.0;

impl Picture {
    /// The picture scaled to a longer side of `longest` pixels, with its aspect ratio.
    ///
    /// # Panics
    /// If `longest` is 0.
    pub fn fitted(self, longest: usize) -> Self {
        let [height, width] = fitted_size([self.height(), self.width()], longest);
        self.resized(height, width)
    }

    /// The picture at another size in pixels, by Lanczos's filter with three lobes. Transparent pixels do not bleed
    /// their colour into opaque ones.
    ///
    /// # Panics
    /// If a side is 0, or memory for the picture cannot be allocated.
    pub fn resized(self, height: usize, width: usize) -> Self {
        assert!(height > 0 && width > 0, "a picture of {width}×{height} pixels");
        let (from, to) = ([self.height(), self.width()], [height, width]);
        if from == to {
            return self;
        }
        let mut filter = Filter::new(from, to, 3, self.alpha.is_some()).expect("memory for the resized picture");
        let mut row = Vec::with_capacity(4 * self.width());
        for i in 0..self.height() {
            row.clear();
            let colours = self.rgb.index_axis(Axis(0), i);
            match &self.alpha {
                None => row.extend(colours.iter()),
                Some(alpha) => {
                    let pixels = colours.rows().into_iter().zip(alpha.row(i));
                    row.extend(pixels.flat_map(|(rgb, &alpha)| [rgb[0], rgb[1], rgb[2], alpha]));
                }
            }
            filter.push(&row);
        }
        let (rgb, alpha) = filter.finish();
        let rgb = Array3::from_shape_vec((height, width, 3), rgb).expect("as asked");
        let alpha = alpha.map(|alpha| Array2::from_shape_vec((height, width), alpha).expect("as asked"));
        Self { rgb, alpha, ..self }
    }
}

/// Three channels of numbers in 0..1 (height, width, 3) at another size, by linear interpolation.
pub(crate) fn resize_linear(values: &Array3<f32>, [height, width]: [usize; 2]) -> Array3<f32> {
    let (old_height, old_width, _) = values.dim();
    let elements = values.iter().copied().collect();
    let buffer = image::Rgb32FImage::from_raw(old_width as u32, old_height as u32, elements).expect("as long");
    let resized = image::imageops::resize(&buffer, width as u32, height as u32, image::imageops::FilterType::Triangle);
    Array3::from_shape_vec((height, width, 3), resized.into_raw()).expect("as asked")
}

/// The size [height, width] at which the longer side is `longest`.
pub(super) fn fitted_size(size: [usize; 2], longest: usize) -> [usize; 2] {
    let side = size[0].max(size[1]);
    size.map(|n| ((n * longest) as f64 / side as f64).round().max(1.0) as usize)
}

/// Takes the rows of a picture from the top and resizes them.
pub(super) struct Filter {
    /// Height and width of the result.
    to: [usize; 2],
    /// Numbers in a row of the source: pixels times colours and opacity.
    row_len: usize,
    colours: usize,
    opacity: bool,
    /// The number of filtered planes: colours, and with opacity, colours weighted by it and the opacity itself.
    planes: usize,
    /// `None` if the size stays the same.
    taps: Option<Taps>,
    /// Rows waiting to be filtered, already weighted.
    band: Vec<f32>,
    /// The number of rows before these.
    done: usize,
    /// The result so far (height, width, planes); if the size stays the same, the rows so far.
    result: Vec<f32>,
}

struct Taps {
    columns: Vec<Window>,
    rows: Vec<Window>,
}

/// The filter's values for one position of the result.
struct Window {
    start: usize,
    weights: Vec<f32>,
}

impl Filter {
    /// A filter for pixels of `colours` colours (1, 3 or 4), followed by opacity if the picture has it.
    ///
    /// # Errors
    /// If memory for the result cannot be allocated.
    pub(super) fn new(from: [usize; 2], to: [usize; 2], colours: usize, opacity: bool) -> Result<Self, Fault> {
        let resized = from != to;
        let planes = colours + usize::from(opacity) * if resized { colours + 1 } else { 1 };
        let overflow = Fault::Memory { width: to[1], height: to[0], bytes: u64::MAX };
        let len = to[0].checked_mul(to[1]).and_then(|n| n.checked_mul(planes)).ok_or(overflow)?;
        let mut result = reserve::<f32>(len, to)?;
        if !resized {
            result.clear();
        }
        Ok(Self {
            to,
            row_len: from[1] * (colours + usize::from(opacity)),
            colours,
            opacity,
            planes,
            taps: resized.then(|| Taps { columns: windows(from[1], to[1]), rows: windows(from[0], to[0]) }),
            band: Vec::new(),
            done: 0,
            result,
        })
    }

    /// Takes the next row.
    ///
    /// # Panics
    /// If its length differs from that of the picture's rows.
    pub(super) fn push(&mut self, row: &[f32]) {
        assert_eq!(row.len(), self.row_len, "a row of the picture");
        if self.taps.is_none() {
            self.result.extend_from_slice(row);
            return;
        }
        if self.opacity {
            // Colours are averaged with their opacity as weight, so that those of transparent pixels do not bleed.
            for pixel in row.chunks_exact(self.colours + 1) {
                let (colours, alpha) = (&pixel[..self.colours], pixel[self.colours]);
                self.band.extend(colours.iter().map(|value| value * alpha));
                self.band.push(alpha);
                self.band.extend(colours);
            }
        } else {
            self.band.extend_from_slice(row);
        }
        if self.band.len() == BAND * self.row_len / (self.colours + usize::from(self.opacity)) * self.planes {
            self.filter_band();
        }
    }

    fn filter_band(&mut self) {
        let Some(taps) = &self.taps else { return };
        let planes = self.planes;
        let row_len = self.row_len / (self.colours + usize::from(self.opacity)) * planes;
        let rows = self.band.len() / row_len;
        let narrow_len = self.to[1] * planes;
        let mut narrow = vec![0.0; rows * narrow_len];
        narrow.par_chunks_mut(narrow_len).zip(self.band.par_chunks(row_len)).for_each(|(to, from)| match planes {
            1 => across::<1>(from, to, &taps.columns),
            3 => across::<3>(from, to, &taps.columns),
            4 => across::<4>(from, to, &taps.columns),
            7 => across::<7>(from, to, &taps.columns),
            9 => across::<9>(from, to, &taps.columns),
            _ => unreachable!("1, 3 or 4 colours, with opacity or without"),
        });
        let band = self.done..self.done + rows;
        self.result.par_chunks_mut(narrow_len).zip(&taps.rows).for_each(|(to, window)| {
            let reach = window.start.max(band.start)..(window.start + window.weights.len()).min(band.end);
            for row in reach {
                let weight = window.weights[row - window.start];
                let from = &narrow[(row - band.start) * narrow_len..][..narrow_len];
                for (to, from) in to.iter_mut().zip(from) {
                    *to += weight * from;
                }
            }
        });
        self.done = band.end;
        self.band.clear();
    }

    /// The result when all rows were taken: colours, and opacity if there is any, each 0 to 1.
    pub(super) fn finish(mut self) -> (Vec<f32>, Option<Vec<f32>>) {
        self.filter_band();
        let (colours, planes) = (self.colours, self.planes);
        if !self.opacity {
            if self.taps.is_some() {
                self.result.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
            }
            return (self.result, None);
        }
        let alpha = self.result.chunks_exact(planes).map(|pixel| pixel[colours].clamp(0.0, 1.0)).collect::<Vec<_>>();
        let pixels = self.to[0] * self.to[1];
        // In place: pixel by pixel, colours move to the front.
        for i in 0..pixels {
            let opacity = self.result[i * planes + colours].clamp(0.0, 1.0);
            for c in 0..colours {
                let value = self.result[i * planes + c];
                self.result[i * colours + c] = match &self.taps {
                    None => value,
                    Some(_) if opacity < INVISIBLE => self.result[i * planes + colours + 1 + c].clamp(0.0, 1.0),
                    Some(_) => (value / opacity).clamp(0.0, 1.0),
                };
            }
        }
        self.result.truncate(pixels * colours);
        self.result.shrink_to_fit();
        (self.result, Some(alpha))
    }
}

/// One row with `C` planes at another width.
fn across<const C: usize>(from: &[f32], to: &mut [f32], columns: &[Window]) {
    for (to, window) in to.chunks_exact_mut(C).zip(columns) {
        let mut sum = [0.0_f32; C];
        let reach = from[window.start * C..].chunks_exact(C);
        for (pixel, weight) in reach.zip(&window.weights) {
            for c in 0..C {
                sum[c] += weight * pixel[c];
            }
        }
        to.copy_from_slice(&sum);
    }
}

/// For each position of `to`, the window of `from` that contributes to it. The filter is widened when reducing.
fn windows(from: usize, to: usize) -> Vec<Window> {
    let ratio = from as f64 / to as f64;
    let stretch = ratio.max(1.0);
    let window = |i: usize| {
        let centre = (i as f64 + 0.5) * ratio;
        let start = (centre - LOBES * stretch).floor().clamp(0.0, (from - 1) as f64) as usize;
        let end = ((centre + LOBES * stretch).ceil() as usize).clamp(start + 1, from);
        let values = (start..end).map(|k| lanczos((k as f64 + 0.5 - centre) / stretch)).collect::<Vec<_>>();
        let sum = values.iter().sum::<f64>();
        Window { start, weights: values.iter().map(|value| (value / sum) as f32).collect() }
    };
    (0..to).map(window).collect()
}

/// Lanczos's kernel: a sinc within another, three lobes to each side.
fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) };
    if x.abs() < LOBES { sinc(x) * sinc(x / LOBES) } else { 0.0 }
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
