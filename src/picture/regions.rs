//! Regions of a picture: the flat colours of another picture, its mask.

use std::collections::BTreeMap;
use std::fmt;

use ndarray::Array2;

use super::Picture;

/// Colours that differ by at most this many levels of 255 in each channel are the same: JPEG varies flat colours that much.
const NEAR: u8 = 24;

/// The smallest share of a mask that counts as a region. Smaller areas, such as blurred edges between regions, join the nearest.
const LEAST: f64 = 0.005;

/// The colour of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegionColour(pub [u8; 3]);

/// The regions of a mask: the pixels of each colour.
#[derive(Clone, Debug, PartialEq)]
pub struct Regions {
    colours: Vec<RegionColour>,
    /// The index of each pixel's colour.
    labels: Array2<usize>,
}

impl Regions {
    /// The regions of a mask, a picture in a few flat colours, the most frequent first.
    pub fn of(mask: &Picture) -> Self {
        let pixels: Vec<RegionColour> = mask
            .rgb
            .rows()
            .into_iter()
            .map(|rgb| RegionColour([0, 1, 2].map(|c| (rgb[c].clamp(0.0, 1.0) * 255.0).round() as u8)))
            .collect();
        let mut counts = BTreeMap::new();
        for pixel in &pixels {
            *counts.entry(*pixel).or_insert(0usize) += 1;
        }
        let mut by_count: Vec<_> = counts.into_iter().collect();
        by_count.sort_by_key(|(colour, count)| (std::cmp::Reverse(*count), *colour));
        let mut found: Vec<(RegionColour, usize)> = Vec::new();
        for (colour, count) in &by_count {
            match found.iter_mut().find(|(known, _)| known.is_near(*colour)) {
                Some((_, sum)) => *sum += count,
                None => found.push((*colour, *count)),
            }
        }
        let large = |(_, count): &&(RegionColour, usize)| *count as f64 >= LEAST * pixels.len() as f64;
        let colours: Vec<_> = found.iter().filter(large).map(|(colour, _)| *colour).collect();
        // If no area is large, as in a photograph, everything is one region of the most frequent colour.
        let colours = if colours.is_empty() { vec![by_count[0].0] } else { colours };
        let nearest = |pixel: RegionColour| {
            let distance = |index: &usize| colours[*index].distance(pixel);
            (0..colours.len()).min_by_key(distance).expect("at least one region")
        };
        let known: BTreeMap<_, _> = by_count.iter().map(|(colour, _)| (*colour, nearest(*colour))).collect();
        let labels = pixels.iter().map(|pixel| known[pixel]).collect();
        let labels = Array2::from_shape_vec((mask.height(), mask.width()), labels).expect("one for each pixel");
        Self { colours, labels }
    }

    /// The colours of the regions, the most frequent first.
    pub fn colours(&self) -> &[RegionColour] {
        &self.colours
    }

    /// The share of each pixel of a picture of the given height and width that is in the region of about that colour; `None`
    /// if there is none.
    pub fn shares(&self, colour: RegionColour, size: [usize; 2]) -> Option<Array2<f32>> {
        let region = self.colours.iter().position(|own| own.is_near(colour))?;
        Some(averaged(&self.labels.mapv(|label| f32::from(u8::from(label == region))), size))
    }
}

impl RegionColour {
    /// Whether two colours stand for the same region.
    pub fn is_near(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(a, b)| a.abs_diff(b) <= NEAR)
    }

    fn distance(self, other: Self) -> u32 {
        self.0.iter().zip(other.0).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    }
}

impl fmt::Display for RegionColour {
    /// As in `#ff8000`; black and white by name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        match self.0 {
            [0, 0, 0] => f.write_str("black"),
            [255, 255, 255] => f.write_str("white"),
            _ => write!(f, "#{red:02x}{green:02x}{blue:02x}"),
        }
    }
}

/// Resamples values: each pixel is the average of the area that it covers.
fn averaged(values: &Array2<f32>, [height, width]: [usize; 2]) -> Array2<f32> {
    if values.dim() == (height, width) {
        return values.clone();
    }
    let (rows, columns) = (coverage(values.nrows(), height), coverage(values.ncols(), width));
    rows.dot(values).dot(&columns.t())
}

/// The share of each of `to` pixels that covers each of `from` pixels.
fn coverage(from: usize, to: usize) -> Array2<f32> {
    let length = from as f64 / to as f64;
    Array2::from_shape_fn((to, from), |(i, j)| {
        let (start, end) = (i as f64 * length, (i + 1) as f64 * length);
        let common = end.min((j + 1) as f64) - start.max(j as f64);
        (common.max(0.0) / length) as f32
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    fn mask(height: usize, width: usize, colour: impl Fn(usize, usize) -> [u8; 3]) -> Picture {
        Picture::new(Array3::from_shape_fn((height, width, 3), |(i, j, c)| f32::from(colour(i, j)[c]) / 255.0))
    }

    const SKY: RegionColour = RegionColour([0, 0, 255]);
    const ROCK: RegionColour = RegionColour([255, 0, 0]);

    #[test]
    fn flat_colours_are_regions_and_their_noise_and_blurred_edges_are_not() {
        // A third of sky with noise over rock, and an edge of five pixels between.
        let noisy = mask(30, 60, |i, j| match (i, j) {
            (10, 0..5) => [120, 0, 130],
            (0..=10, _) => [(i * j % 11) as u8, 0, 250],
            _ => [255, 3, (j % 7) as u8],
        });
        let regions = Regions::of(&noisy);
        assert_eq!(regions.colours().len(), 2);
        let (sky, rock) = (regions.shares(SKY, [30, 60]).unwrap(), regions.shares(ROCK, [30, 60]).unwrap());
        assert_eq!(&sky + &rock, Array2::<f32>::ones((30, 60)));
        assert_eq!((sky[[0, 0]], sky[[10, 19]], rock[[11, 0]]), (1.0, 1.0, 1.0));
        assert_eq!(regions.shares(RegionColour([0, 255, 0]), [30, 60]), None);
    }

    #[test]
    fn shares_at_other_sizes_are_averages() {
        let regions = Regions::of(&mask(4, 6, |_, j| if j < 3 { SKY.0 } else { ROCK.0 }));
        let smaller = regions.shares(SKY, [2, 4]).unwrap();
        approx::assert_abs_diff_eq!(smaller, ndarray::arr2(&[[1.0, 1.0, 0.0, 0.0]; 2]), epsilon = 1e-6);
        let odd = regions.shares(ROCK, [3, 5]).unwrap();
        approx::assert_abs_diff_eq!(odd, ndarray::arr2(&[[0.0, 0.0, 0.5, 1.0, 1.0]; 3]), epsilon = 1e-6);
        let larger = regions.shares(SKY, [8, 12]).unwrap();
        approx::assert_abs_diff_eq!(
            larger,
            Array2::from_shape_fn((8, 12), |(_, j)| f32::from(u8::from(j < 6))),
            epsilon = 1e-6
        );
    }

    #[test]
    fn names() {
        let names = [[0; 3], [255; 3], [255, 128, 0]].map(|colour| RegionColour(colour).to_string());
        assert_eq!(names, ["black", "white", "#ff8000"]);
    }
}
