//! Colour profiles (ICC): converts a file's colours to sRGB and back.

use std::sync::Arc;

use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, Layout,
    MatrixCoefficients, ToneReprCurve, TransferCharacteristics, TransformF32Executor, TransformOptions, XyY,
};
use rayon::prelude::*;

use super::error::Fault;

/// The colour model of a file's pixels.
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
    /// The number of channels.
    pub(super) fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
            Self::Cmyk => 4,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Grey => "grey",
            Self::Rgb => "RGB",
            Self::Cmyk => "CMYK",
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

/// Samples on each axis for testing whether a transform changes anything.
const PROBES: usize = 9;

/// The largest difference, in levels of 255, that counts as unchanged.
const SAME: f32 = 0.5;

/// Pixels per conversion.
const RUN: usize = 1 << 12;

/// A transform from one colour space to another.
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

    /// The colours of all pixels, 0 to 1; colours outside the other space are clipped.
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

    /// Whether RGB values stay unchanged, to half a level of 8 bits.
    fn is_identity(&self) -> Result<bool, Fault> {
        let level = |i: usize| i as f32 / (PROBES - 1) as f32;
        let probes = (0..PROBES.pow(3)).flat_map(|i| [i / (PROBES * PROBES), i / PROBES % PROBES, i % PROBES]);
        let probes = probes.map(level).collect::<Vec<_>>();
        let same = |(a, b): (&f32, &f32)| (a - b).abs() * 255.0 < SAME;
        Ok(self.apply(&probes)?.iter().zip(&probes).all(same))
    }
}

/// A file's colour information.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Declared {
    /// A profile (ICC.1).
    Profile(Vec<u8>),
    /// Code points for coding-independent colours (ITU-T H.273).
    Points(Points),
    /// sRGB.
    Srgb,
    /// Curves and primaries in numbers.
    Calibrated(Calibrated),
    /// Unusable information, with the reason.
    Unusable(String),
}

/// Code points of ITU-T H.273, as PNG's cICP has them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Points {
    /// Colour primaries, table 2.
    pub(super) primaries: u8,
    /// Transfer characteristics, table 3.
    pub(super) transfer: u8,
    /// Matrix coefficients, table 4; RGB has 0.
    pub(super) matrix: u8,
    /// Whether black is 0 and white the largest number; else they are 16 and 235 of 8 bits.
    pub(super) full_range: bool,
    /// The largest number of a sample, in units of 8 bits: 255, or of 16 bits 65535/256.
    pub(super) largest: f32,
}

/// Curves and primaries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Calibrated {
    /// The exponents that make light of red, green and blue; sRGB's curve where the file has none.
    pub(super) gammas: Option<[f64; 3]>,
    /// Chromaticities (x, y) of white, red, green and blue (CIE 1931).
    pub(super) chromaticities: [[f64; 2]; 4],
}

impl Calibrated {
    /// sRGB's white and primaries (ITU-R BT.709).
    pub(super) const BT709: [[f64; 2]; 4] = [[0.3127, 0.3290], [0.64, 0.33], [0.30, 0.60], [0.15, 0.06]];

    fn profile(&self) -> Result<ColorProfile, String> {
        let sensible = |[x, y]: &[f64; 2]| *x >= 0.0 && *y > 0.0 && x + y <= 1.0;
        // Twice the area of the triangle of the primaries.
        let [_, red, green, blue] = self.chromaticities;
        let area = (green[0] - red[0]) * (blue[1] - red[1]) - (blue[0] - red[0]) * (green[1] - red[1]);
        if !self.chromaticities.iter().all(sensible) || area.abs() < 1e-4 {
            return Err("its primaries are no colours".into());
        }
        let mut profile = ColorProfile::new_srgb();
        // Rounded values of sRGB's primaries count as sRGB.
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1.5e-3;
        if !self.chromaticities.iter().flatten().zip(Self::BT709.iter().flatten()).all(near) {
            let [white, red, green, blue] = self.chromaticities;
            let [red, green, blue] = [red, green, blue].map(|[x, y]| Chromaticity::new(x as f32, y as f32));
            let white = XyY { x: white[0], y: white[1], yb: 1.0 };
            profile.update_rgb_colorimetry(white, ColorPrimaries { red, green, blue });
        }
        if let Some(gammas) = self.gammas {
            if !gammas.iter().all(|gamma| (0.1..=10.0).contains(gamma)) {
                return Err("its gamma is not a valid exponent".into());
            }
            let curve = |gamma: f64| Some(ToneReprCurve::Parametric(vec![gamma as f32]));
            [profile.red_trc, profile.green_trc, profile.blue_trc] = gammas.map(curve);
            profile.cicp = None;
        }
        Ok(profile)
    }
}

impl Points {
    fn profile(self) -> Result<ColorProfile, String> {
        use TransferCharacteristics::{Hlg, Smpte2084, Unspecified};
        if self.primaries == 2 || self.transfer == 2 {
            return Err("its code points are \"unspecified\"".into());
        }
        if self.matrix != 0 {
            return Err(format!("its code points have matrix {}, where RGB has 0", self.matrix));
        }
        let unknown = || format!("its code points {} and {} are not known", self.primaries, self.transfer);
        if (self.primaries, self.transfer) == (1, 13) {
            return Ok(ColorProfile::new_srgb());
        }
        let color_primaries = CicpColorPrimaries::try_from(self.primaries).map_err(|_| unknown())?;
        let transfer_characteristics = TransferCharacteristics::try_from(self.transfer).map_err(|_| unknown())?;
        match transfer_characteristics {
            Smpte2084 | Hlg => return Err("high dynamic range (PQ or HLG) is not supported".into()),
            Unspecified => return Err(unknown()),
            _ => {}
        }
        let matrix_coefficients = MatrixCoefficients::Identity;
        let points = CicpProfile { color_primaries, transfer_characteristics, matrix_coefficients, full_range: true };
        let profile = ColorProfile::new_from_cicp(points);
        if profile.red_trc.is_some() && profile.colorant_matrix().determinant().is_some_and(|d| d.abs() > 1e-6) {
            Ok(profile)
        } else {
            Err(unknown())
        }
    }

    /// Numbers from 0 to 1 as if their range were full.
    fn expanded(self, values: &[f32]) -> Vec<f32> {
        values.iter().map(|value| ((value * self.largest - 16.0) / 219.0).clamp(0.0, 1.0)).collect()
    }
}

/// A file's colours in sRGB.
pub(super) struct Converted {
    /// Red, green, blue of each pixel.
    pub(super) rgb: Vec<f32>,
    /// The profile, if RGB values can be written in it.
    pub(super) profile: Option<Vec<u8>>,
    /// Why the file's colour information was ignored.
    pub(super) notes: Vec<String>,
}

/// Converts a file's colours to sRGB with its first usable colour information. Without any, RGB and grey count as sRGB and CMYK as
/// ideal inks. Differences from sRGB below half a level of 8 bits change nothing.
pub(super) fn to_srgb(values: Vec<f32>, colour: Colour, declared: &[Declared]) -> Converted {
    let mut notes = Vec::new();
    for one in declared {
        let converted = match one {
            Declared::Srgb => break,
            Declared::Unusable(why) => Err(why.clone()),
            Declared::Profile(bytes) => by_profile(&values, colour, bytes),
            Declared::Points(points) => points.profile().and_then(|profile| {
                let expanded = (!points.full_range).then(|| points.expanded(&values));
                let values = expanded.as_deref().unwrap_or(&values);
                let bytes = profile.encode().ok().filter(|_| colour == Colour::Rgb);
                Ok((by_rgb(values, colour, &profile)?, bytes))
            }),
            // Written again as sRGB: colours beyond it were clipped.
            Declared::Calibrated(calibrated) => {
                calibrated.profile().and_then(|profile| Ok((by_rgb(&values, colour, &profile)?, None)))
            }
        };
        match converted {
            Ok((rgb, profile)) => return Converted { rgb, profile, notes },
            Err(why) => notes.push(format!("its colour profile is ignored: {why}")),
        }
    }
    Converted { rgb: plain(values, colour), profile: None, notes }
}

/// Converts to sRGB by a profile. Also returns the profile, if RGB values can be written in it.
fn by_profile(values: &[f32], colour: Colour, bytes: &[u8]) -> Result<(Vec<f32>, Option<Vec<u8>>), String> {
    let mut profile = parse(bytes).map_err(reason)?;
    match (colour, profile.color_space) {
        (Colour::Rgb | Colour::Grey, DataColorSpace::Rgb) => {
            let rgb = by_rgb(values, colour, &profile)?;
            Ok((rgb, (colour == Colour::Rgb && back(&profile).is_ok()).then(|| bytes.to_vec())))
        }
        (_, space) if space == colour.space() => {
            if colour == Colour::Grey && profile.pcs == DataColorSpace::Lab {
                lightness_as_light(&mut profile)?;
            }
            let transform = Transform::new(&profile, colour.layout(), colour.count(), &ColorProfile::new_srgb());
            let rgb = transform.and_then(|transform| transform.apply(values)).map_err(reason)?;
            Ok((rgb, None))
        }
        (_, space) => {
            let space = match space {
                DataColorSpace::Rgb => "RGB".to_owned(),
                DataColorSpace::Gray => "grey".to_owned(),
                DataColorSpace::Cmyk => "CMYK".to_owned(),
                other => format!("{other:?}"),
            };
            Err(format!("it is for {space}, and the pixels are {}", colour.name()))
        }
    }
}

/// The reason why a profile cannot be applied.
fn reason(fault: Fault) -> String {
    match fault {
        Fault::Profile(why) => why,
        other => other.to_string(),
    }
}

/// Converts RGB or grey values to sRGB by a profile of RGB.
fn by_rgb(values: &[f32], colour: Colour, profile: &ColorProfile) -> Result<Vec<f32>, String> {
    let rgb = plain(values.to_vec(), colour);
    if colour == Colour::Cmyk {
        return Err("it is for RGB, and the pixels are CMYK".into());
    }
    let converted = || {
        let transform = Transform::new(profile, Layout::Rgb, 3, &ColorProfile::new_srgb())?;
        if transform.is_identity()? { Ok(None) } else { transform.apply(&rgb).map(Some) }
    };
    let converted = converted().map_err(reason)?;
    Ok(converted.unwrap_or(rgb))
}

/// Makes a profile of grey whose curve gives lightness (L* of CIELAB) one whose curve gives light (Y of CIE XYZ), which
/// `moxcms` takes all curves of grey for (ICC.1:2022, 8.3.4: the curve gives the achromatic channel of the PCS).
fn lightness_as_light(profile: &mut ColorProfile) -> Result<(), String> {
    /// Points of the curve.
    const POINTS: u16 = 4096;
    let curve = profile.gray_trc.as_ref().ok_or("it has no curve")?;
    let curve = curve.make_linear_evaluator().map_err(|why| why.to_string())?;
    let light = |i: u16| {
        let lightness = 100.0 * f64::from(curve.evaluate_value(f32::from(i) / f32::from(POINTS - 1)).clamp(0.0, 1.0));
        // CIE 15:2004, 8.2.1.
        let y = if lightness > 8.0 { ((lightness + 16.0) / 116.0).powi(3) } else { lightness * 27.0 / 24389.0 };
        (y * 65535.0).round() as u16
    };
    profile.gray_trc = Some(ToneReprCurve::Lut((0..POINTS).map(light).collect()));
    profile.pcs = DataColorSpace::Xyz;
    Ok(())
}

/// Converts sRGB values to an RGB profile; `None` if they stay unchanged.
pub(super) fn from_srgb(rgb: &[f32], profile: &[u8]) -> Result<Option<Vec<f32>>, Fault> {
    let profile = parse(profile)?;
    let transform = back(&profile)?;
    // The conversion to sRGB decides, as when the file was read.
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

/// Colours without a profile.
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
