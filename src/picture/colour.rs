//! Colour profiles (ICC) applied: from a file's colours to sRGB and back.

use std::sync::Arc;

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformF32Executor, TransformOptions};
use rayon::prelude::*;

use super::error::Fault;

/// What the colours of a file's pixels stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    /// Grey, 0 black.
    Grey,
    /// Red, green, blue.
    Rgb,
    /// Cyan, magenta, yellow, black: 0 is no ink.
    Cmyk,
}

impl Colour {
    /// How many numbers a pixel has.
    pub(super) fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
            Self::Cmyk => 4,
        }
    }

    fn space(self) -> DataColorSpace {
        match self {
            Self::Grey => DataColorSpace::Gray,
            Self::Rgb => DataColorSpace::Rgb,
            Self::Cmyk => DataColorSpace::Cmyk,
        }
    }

    fn layout(self) -> Layout {
        match self {
            Self::Grey => Layout::Gray,
            Self::Rgb => Layout::Rgb,
            Self::Cmyk => Layout::Rgba,
        }
    }
}

/// Steps on each axis at which a transform is looked at to see whether it does anything.
const PROBES: usize = 9;

/// The largest difference, in levels of 255, that counts as none.
const SAME: f32 = 0.5;

/// Pixels that are converted together.
const RUN: usize = 1 << 12;

/// The way from one colour space to another.
struct Transform {
    executor: Arc<TransformF32Executor>,
    from: usize,
}

impl Transform {
    fn new(from: &ColorProfile, layout: Layout, colours: usize, to: &ColorProfile) -> Result<Self, Fault> {
        let options = TransformOptions { prefer_fixed_point: false, ..TransformOptions::default() };
        let executor = from.create_transform_f32(layout, to, Layout::Rgb, options);
        executor.map(|executor| Self { executor, from: colours }).map_err(|why| Fault::Profile(why.to_string()))
    }

    /// The colours of all pixels, 0 to 1; what the other space cannot show is clipped.
    fn apply(&self, values: &[f32]) -> Result<Vec<f32>, Fault> {
        let mut result = vec![0.0; values.len() / self.from * 3];
        let runs = result.par_chunks_mut(3 * RUN).zip(values.par_chunks(self.from * RUN));
        runs.try_for_each(|(to, from)| {
            self.executor.transform(from, to).map_err(|why| Fault::Profile(why.to_string()))?;
            for value in to {
                *value = value.clamp(0.0, 1.0);
            }
            Ok::<_, Fault>(())
        })?;
        Ok(result)
    }

    /// Whether RGB values stay what they are, to half a level of 8 bits.
    fn is_identity(&self) -> Result<bool, Fault> {
        let level = |i: usize| i as f32 / (PROBES - 1) as f32;
        let probes = (0..PROBES.pow(3)).flat_map(|i| [i / (PROBES * PROBES), i / PROBES % PROBES, i % PROBES]);
        let probes = probes.map(level).collect::<Vec<_>>();
        let same = |(a, b): (&f32, &f32)| (a - b).abs() * 255.0 < SAME;
        Ok(self.apply(&probes)?.iter().zip(&probes).all(same))
    }
}

/// A file's colours in sRGB.
pub(super) struct Converted {
    /// Red, green, blue of each pixel.
    pub(super) rgb: Vec<f32>,
    /// The profile, if it is one that RGB values can be written in again.
    pub(super) profile: Option<Vec<u8>>,
}

/// Converts a file's colours to sRGB by its profile. Without one, or with one for other colours than the file has, RGB
/// and grey are taken for sRGB, and CMYK for ideal inks. A profile that does not differ from sRGB by half a level of 8
/// bits changes nothing.
pub(super) fn to_srgb(values: Vec<f32>, colour: Colour, profile: Option<Vec<u8>>) -> Result<Converted, Fault> {
    let Some((bytes, parsed)) = profile.map(|bytes| parse(&bytes).map(|parsed| (bytes, parsed))).transpose()? else {
        return Ok(Converted { rgb: plain(values, colour), profile: None });
    };
    let srgb = ColorProfile::new_srgb();
    match (colour, parsed.color_space) {
        (Colour::Rgb | Colour::Grey, DataColorSpace::Rgb) => {
            let rgb = plain(values, colour);
            let transform = Transform::new(&parsed, Layout::Rgb, 3, &srgb)?;
            let rgb = if transform.is_identity()? { rgb } else { transform.apply(&rgb)? };
            let profile = (colour == Colour::Rgb && back(&parsed).is_ok()).then_some(bytes);
            Ok(Converted { rgb, profile })
        }
        (_, space) if space == colour.space() => {
            let transform = Transform::new(&parsed, colour.layout(), colour.count(), &srgb)?;
            Ok(Converted { rgb: transform.apply(&values)?, profile: None })
        }
        // A profile for other colours cannot be meant.
        _ => Ok(Converted { rgb: plain(values, colour), profile: None }),
    }
}

/// sRGB values in the colours of an RGB profile; none if they stay what they are.
pub(super) fn from_srgb(rgb: &[f32], profile: &[u8]) -> Result<Option<Vec<f32>>, Fault> {
    let profile = parse(profile)?;
    let transform = back(&profile)?;
    // The way there decides, as it did when the file was read.
    if Transform::new(&profile, Layout::Rgb, 3, &ColorProfile::new_srgb())?.is_identity()? {
        return Ok(None);
    }
    transform.apply(rgb).map(Some)
}

fn parse(profile: &[u8]) -> Result<ColorProfile, Fault> {
    ColorProfile::new_from_slice(profile).map_err(|why| Fault::Profile(why.to_string()))
}

fn back(profile: &ColorProfile) -> Result<Transform, Fault> {
    Transform::new(&ColorProfile::new_srgb(), Layout::Rgb, 3, profile)
}

/// Colours that no profile tells of.
fn plain(values: Vec<f32>, colour: Colour) -> Vec<f32> {
    match colour {
        Colour::Rgb => values,
        Colour::Grey => values.iter().flat_map(|&grey| [grey; 3]).collect(),
        Colour::Cmyk => {
            let pixels = values.chunks_exact(4);
            pixels.flat_map(|ink| [0, 1, 2].map(|c| (1.0 - ink[c]) * (1.0 - ink[3]))).collect()
        }
    }
}
