//! BMP, decoded by the crate `image`. This module reads the colour information of headers 4 and 5 (BITMAPV4HEADER and
//! BITMAPV5HEADER of Windows).

use std::io::{Read, Seek, SeekFrom};

use image::codecs::bmp::BmpDecoder;

use super::super::colour::{Calibrated, Declared};
use super::Fault;
use super::input::Stream;
use super::target::{Extras, Target};
use super::whole::{fault, give, size};

/// Bytes before the header, which begins with its own length.
const FILE_HEADER: u64 = 14;

// Lengths of the header.
const V4: u32 = 108;
const V5: u32 = 124;

// Places in the header.
const KIND: usize = 56;
const ENDPOINTS: usize = 60;
const GAMMAS: usize = 96;
const PROFILE: usize = 112;

/// The most bytes of a profile.
const LONGEST_PROFILE: u32 = 16 << 20;

/// Height and width.
pub(in super::super) fn shape(stream: Box<dyn Stream>) -> Result<([usize; 2], Option<u32>), Fault> {
    Ok((size(&BmpDecoder::new(stream).map_err(fault)?), None))
}

pub(in super::super) fn read(mut stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    let colours = colours(&mut stream)?;
    let extras = give(BmpDecoder::new(stream).map_err(fault)?, target)?;
    Ok(Extras { colours, ..extras })
}

/// The file's colour information. Rewinds the stream.
fn colours(stream: &mut (impl Read + Seek)) -> Result<Vec<Declared>, Fault> {
    stream.seek(SeekFrom::Start(FILE_HEADER))?;
    let mut header = Vec::new();
    stream.by_ref().take(u64::from(V5)).read_to_end(&mut header)?;
    let number =
        |at: usize| header.get(at..at + 4).and_then(|bytes| bytes.first_chunk()).map(|n| u32::from_le_bytes(*n));
    let len = number(0).unwrap_or(0);
    let declared = match number(KIND).filter(|_| len >= V4).map(u32::to_be_bytes).as_ref() {
        Some(&[0, 0, 0, 0]) => calibrated(|at| number(at).unwrap_or(0)).map(Declared::Calibrated),
        Some(b"sRGB" | b"Win ") => Some(Declared::Srgb),
        Some(b"LINK") if len >= V5 => Some(Declared::Unusable("it is a link to another file".into())),
        Some(b"MBED") if len >= V5 => {
            let (place, size) = (number(PROFILE).unwrap_or(0), number(PROFILE + 4).unwrap_or(0));
            stream.seek(SeekFrom::Start(FILE_HEADER + u64::from(place)))?;
            let mut profile = Vec::new();
            stream.take(u64::from(size.min(LONGEST_PROFILE))).read_to_end(&mut profile)?;
            Some(Declared::Profile(profile))
        }
        Some(_) => Some(Declared::Unusable("its kind is unknown".into())),
        None => None,
    };
    stream.rewind()?;
    Ok(declared.into_iter().collect())
}

/// Endpoints and exponents in numbers; none where they are zero, as many writers leave them.
fn calibrated(number: impl Fn(usize) -> u32) -> Option<Calibrated> {
    // 2 bits before the point, and 16 before it.
    let endpoint = |i: usize| [0, 1, 2].map(|c| f64::from(number(ENDPOINTS + 12 * i + 4 * c)) / f64::from(1 << 30));
    let gammas = [0, 1, 2].map(|i| f64::from(number(GAMMAS + 4 * i)) / 65536.0);
    let endpoints = [0, 1, 2].map(endpoint);
    let sums = endpoints.map(|xyz| xyz.iter().sum::<f64>());
    let gammas = gammas.iter().all(|&gamma| gamma > 0.0).then_some(gammas);
    if sums.contains(&0.0) {
        return gammas.map(|_| Calibrated { gammas, chromaticities: Calibrated::BT709 });
    }
    let chromaticity = |xyz: [f64; 3]| [xyz[0], xyz[1]].map(|value| value / xyz.iter().sum::<f64>());
    // Some writers store chromaticities x, y, z there, which do not determine white.
    let white = if sums.iter().all(|sum| (sum - 1.0).abs() < 0.01) {
        Calibrated::BT709[0]
    } else {
        chromaticity([0, 1, 2].map(|c| endpoints.iter().map(|xyz| xyz[c]).sum()))
    };
    let [red, green, blue] = endpoints.map(chromaticity);
    Some(Calibrated { gammas, chromaticities: [white, red, green, blue] })
}
