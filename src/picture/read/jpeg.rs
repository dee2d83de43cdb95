//! JPEG: its segments are sorted here, what is left is decoded by `zune-jpeg`.
//!
//! That decoder paints grey what is missing from a file. So that missing data shows, a run of one bits is put after the
//! last of the data: no Huffman code is all ones (ITU-T T.81, annex C), and complete data end before it.

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::super::metadata::orientation;
use super::input::Stream;
use super::target::{Extras, Layout, Opacity, Target};
use super::{Colour, Fault, bytes, whole};

/// One bits, as entropy-coded data: a byte of them is followed by a zero byte.
const ONES: [u8; 64] = {
    let mut ones = [0xff; 64];
    let mut i = 1;
    while i < ones.len() {
        ones[i] = 0;
        i += 2;
    }
    ones
};

const EXIF: &[u8] = b"Exif\0\0";
const ICC: &[u8] = b"ICC_PROFILE\0";

// Markers, ITU-T T.81 table B.1.
const DHT: u8 = 0xc4;
const DAC: u8 = 0xcc;
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
const DNL: u8 = 0xdc;
const DRI: u8 = 0xdd;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const APP14: u8 = 0xee;

pub(super) fn read(stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    let file = whole(stream)?;
    let sorted = Sorted::new(&file)?;
    drop(file);
    let frame = &sorted.frame;
    let (height, width) = (frame.height, frame.width);
    let (colour, to) = match frame.components.len() {
        1 => (Colour::Grey, ColorSpace::Luma),
        3 => (Colour::Rgb, ColorSpace::RGB),
        4 if sorted.transform == Some(2) => (Colour::Cmyk, ColorSpace::YCCK),
        4 => (Colour::Cmyk, ColorSpace::CMYK),
        other => return Err(Fault::unsupported(format!("{other} components of JPEG"))),
    };
    target.begin([height, width], Layout { colour, opacity: Opacity::None }, 1)?;
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(1000)
        .jpeg_set_out_colorspace(to);
    let row_len = width * colour.count();
    let mut pixels = super::reserve::<u8>(height * row_len, [height, width])?;
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&sorted.clean), options);
    decoder.decode_into(&mut pixels).map_err(|error| fault(&error, sorted.ended))?;
    let mut row = Vec::with_capacity(row_len);
    for data in pixels.chunks_exact_mut(row_len) {
        if to == ColorSpace::YCCK {
            data.as_chunks_mut::<4>().0.iter_mut().for_each(ycck_to_cmyk);
        }
        if colour == Colour::Cmyk {
            // Adobe's convention, which all follow: 255 is no ink.
            for ink in data.iter_mut() {
                *ink = 255 - *ink;
            }
        }
        row.clear();
        bytes(data, &mut row);
        target.row(&row);
    }
    Ok(Extras { profile: sorted.profile, exif: sorted.exif, orientation: None })
}

/// Height and width as stored, and which way is up.
pub(super) fn shape(stream: Box<dyn Stream>) -> Result<([usize; 2], Option<u32>), Fault> {
    let sorted = Sorted::new(&whole(stream)?)?;
    Ok(([sorted.frame.height, sorted.frame.width], sorted.exif.as_deref().and_then(orientation)))
}

/// Y, Cb, Cr, K to Adobe's C, M, Y, K: JFIF's conversion to RGB, whose complements the inks are.
fn ycck_to_cmyk(pixel: &mut [u8; 4]) {
    let [y, cb, cr] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
    let (cb, cr) = (cb - 128.0, cr - 128.0);
    let rgb = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
    for (ink, light) in pixel.iter_mut().zip(rgb) {
        *ink = 255 - light.round().clamp(0.0, 255.0) as u8;
    }
}

fn fault(error: &DecodeErrors, ended: bool) -> Fault {
    let text = error.to_string();
    // The ones at the end were read, or nothing was left.
    if !ended || text.contains("Bad Huffman") && text.contains("FFFF") {
        return Fault::CutShort;
    }
    match error {
        DecodeErrors::Unsupported(_) => Fault::Unsupported(text),
        _ => Fault::Damaged(text),
    }
}

/// A frame header, T.81 B.2.2.
struct Frame {
    width: usize,
    height: usize,
    progressive: bool,
    /// Identifiers of the components.
    components: Vec<u8>,
    /// Whether some have fewer samples than others.
    subsampled: bool,
}

/// A JPEG file taken apart.
struct Sorted {
    frame: Frame,
    /// What a decoder of pixels needs, and nothing else.
    clean: Vec<u8>,
    /// Adobe's word on how colours are stored: 0 as they are, 1 YCbCr, 2 YCCK.
    transform: Option<u8>,
    exif: Option<Vec<u8>>,
    profile: Option<Vec<u8>>,
    /// Whether the end was marked.
    ended: bool,
}

impl Sorted {
    fn new(file: &[u8]) -> Result<Self, Fault> {
        let mut clean = vec![0xff, SOI];
        let mut frame: Option<Frame> = None;
        let (mut jfif, mut transform, mut exif, mut ended) = (false, None, None, false);
        let mut icc: Vec<(u8, &[u8])> = Vec::new();
        let mut scans = Scans::default();
        let mut data_end = None;
        let mut at = 2;
        while let Some(marker) = next_marker(file, &mut at) {
            if marker == EOI {
                ended = true;
                break;
            }
            // Those without a length: a stray start, restart or TEM.
            if marker == SOI || (0xd0..=0xd7).contains(&marker) || marker == 0x01 {
                continue;
            }
            let Some(body) = segment(file, &mut at) else { break };
            let mut copy = |body: &[u8]| {
                clean.extend([0xff, marker]);
                clean.extend(((body.len() + 2) as u16).to_be_bytes());
                clean.extend(body);
            };
            match marker {
                DHT | DQT | DRI => copy(body),
                DNL => return Err(Fault::unsupported("its height after its pixels (DNL)")),
                APP0 => jfif |= body.starts_with(b"JFIF\0"),
                APP1 if exif.is_none() => exif = body.strip_prefix(EXIF).map(<[u8]>::to_vec),
                APP2 => {
                    if let Some([number, _, data @ ..]) = body.strip_prefix(ICC) {
                        icc.push((*number, data));
                    }
                }
                APP14 if body.starts_with(b"Adobe") && body.len() >= 12 => transform = Some(body[11]),
                SOS => {
                    let frame = frame.as_ref().ok_or_else(|| Fault::damaged("pixels come before their header"))?;
                    if frame.subsampled && !frame.progressive && body.first() != Some(&(frame.components.len() as u8)) {
                        return Err(Fault::unsupported("subsampled components of JPEG in scans of their own"));
                    }
                    scans.note(body);
                    copy(&renamed(body, (1, 2), &frame.components, frame.is_rgb(jfif, transform)));
                    let end = entropy_end(file, at);
                    clean.extend(&file[at..end]);
                    at = end;
                    data_end = Some(clean.len());
                }
                0xc0..=0xcf if marker != DAC && marker != 0xc8 => {
                    let parsed = Frame::new(marker, body)?;
                    let rgb = parsed.is_rgb(jfif, transform);
                    copy(&renamed(&body[..6 + 3 * parsed.components.len()], (6, 3), &parsed.components, rgb));
                    if frame.replace(parsed).is_some() {
                        return Err(Fault::unsupported("several frames in one JPEG"));
                    }
                }
                _ => {}
            }
        }
        let (Some(frame), Some(data_end)) = (frame, data_end) else { return Err(Fault::CutShort) };
        if !ended && frame.progressive && !scans.are_complete(&frame) {
            return Err(Fault::CutShort);
        }
        clean.truncate(data_end);
        clean.extend(ONES);
        clean.extend([0xff, EOI]);
        if frame.components.len() == 4 {
            // Right after the start, as decoders expect it; Adobe's version and flags say nothing.
            let adobe = [0xff, APP14, 0, 14, b'A', b'd', b'o', b'b', b'e', 0, 100, 0, 0, 0, 0, transform.unwrap_or(0)];
            clean.splice(2..2, adobe);
        }
        icc.sort_by_key(|(number, _)| *number);
        let profile = (!icc.is_empty()).then(|| icc.iter().flat_map(|(_, data)| data.iter().copied()).collect());
        Ok(Self { frame, clean, transform, exif, profile, ended })
    }
}

/// Moves behind the next marker.
fn next_marker(file: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        *at += file.get(*at..)?.iter().position(|&byte| byte == 0xff)?;
        while *file.get(*at)? == 0xff {
            *at += 1;
        }
        *at += 1;
        if file[*at - 1] != 0 {
            return Some(file[*at - 1]);
        }
    }
}

/// Moves behind a segment with a length.
fn segment<'a>(file: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let len = usize::from(u16::from_be_bytes([*file.get(*at)?, *file.get(*at + 1)?]));
    let body = file.get(*at + 2..*at + len)?;
    *at += len;
    Some(body)
}

/// Where entropy-coded data end: at the next marker that is no restart.
fn entropy_end(file: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(step) = file[at..].iter().position(|&byte| byte == 0xff) {
        at += step;
        match file.get(at + 1) {
            Some(0 | 0xd0..=0xd7) => at += 2,
            Some(0xff) => at += 1,
            Some(_) | None => return at,
        }
    }
    file.len()
}

impl Frame {
    fn new(marker: u8, body: &[u8]) -> Result<Self, Fault> {
        match marker {
            0xc0..=0xc2 => {}
            0xc3 => return Err(Fault::unsupported("lossless JPEG compression")),
            0xc9..=0xcb => return Err(Fault::unsupported("arithmetic-coded JPEG compression")),
            _ => return Err(Fault::unsupported("hierarchical JPEG compression")),
        }
        let &[precision, h1, h0, w1, w0, count, ref components @ ..] = body else { return Err(Fault::CutShort) };
        if precision != 8 {
            return Err(Fault::unsupported(format!("{precision}-bit JPEG compression")));
        }
        if components.len() < 3 * usize::from(count) || count == 0 {
            return Err(Fault::damaged("its header of components"));
        }
        let components = components.chunks_exact(3).take(usize::from(count));
        // T.81 A.1.1: sampling factors are 1 to 4.
        if components.clone().any(|c| !(1..=4).contains(&(c[1] >> 4)) || !(1..=4).contains(&(c[1] & 15))) {
            return Err(Fault::damaged("its sampling factors"));
        }
        // The decoder gets these wrong, or refuses them: powers of two are usual, and the first component the finest.
        let factors = || components.clone().flat_map(|c| [c[1] >> 4, c[1] & 15]);
        let most = |place: usize| factors().skip(place).step_by(2).max();
        let first = factors().take(2).map(Some);
        if count > 1 && (factors().any(|factor| factor == 3) || !first.eq([most(0), most(1)])) {
            return Err(Fault::unsupported("an unusual sampling of JPEG's components"));
        }
        let subsampled = count > 1 && factors().any(|factor| factor != 1);
        let side = |high, low| usize::from(u16::from_be_bytes([high, low]));
        let (height, width) = (side(h1, h0), side(w1, w0));
        if height == 0 || width == 0 {
            return Err(Fault::damaged("it says it has no pixels"));
        }
        Ok(Self {
            width,
            height,
            progressive: marker == 0xc2,
            components: components.map(|c| c[0]).collect(),
            subsampled,
        })
    }

    /// Whether components are red, green and blue: by Adobe's word or their names. JFIF has none such.
    fn is_rgb(&self, jfif: bool, transform: Option<u8>) -> bool {
        let named = transform.map_or(self.components == b"RGB", |transform| transform == 0);
        self.components.len() == 3 && !jfif && named
    }
}

/// The body of a header in which components are named so that the decoder takes them for what they are: R, G, B, or the
/// numbers of YCbCr. Their count is before `first`, their names are there and every `step` bytes after.
fn renamed(body: &[u8], (first, step): (usize, usize), components: &[u8], rgb: bool) -> Vec<u8> {
    let mut body = body.to_vec();
    let names: &[u8] = if rgb { b"RGB" } else { &[1, 2, 3, 4] };
    let count = body.get(first - 1).copied().map_or(0, usize::from);
    for at in (first..body.len()).step_by(step).take(count) {
        if let Some(number) = components.iter().position(|&name| name == body[at]) {
            body[at] = names.get(number).copied().unwrap_or(body[at]);
        }
    }
    body
}

/// Which scans of a progressive picture came, as (component, first coefficient, last, bits still missing).
#[derive(Default)]
struct Scans(Vec<(u8, u8, u8, u8)>);

impl Scans {
    fn note(&mut self, body: &[u8]) {
        let Some(&count) = body.first() else { return };
        let components = body.get(1..).unwrap_or_default().chunks_exact(2).take(usize::from(count));
        if let [.., first, last, bits] = *body {
            self.0.extend(components.map(|c| (c[0], first, last, bits & 15)));
        }
    }

    /// Whether every coefficient of every component came to its last bit.
    fn are_complete(&self, frame: &Frame) -> bool {
        let came = |name: u8, k: u8| {
            let mut scans = self.0.iter();
            scans.any(|&(of, first, last, missing)| of == name && missing == 0 && (first..=last).contains(&k))
        };
        frame.components.iter().all(|&name| (0..64).all(|k| came(name, k)))
    }
}
