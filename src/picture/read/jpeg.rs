//! JPEG: this module sorts the segments, and `zune-jpeg` decodes the pixels.
//!
//! That decoder fills missing data with grey. To detect missing data, a run of one bits is appended to the data: no
//! Huffman code is all ones (ITU-T T.81, annex C), and complete data end before it.

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::super::colour::Declared;
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

/// The Huffman tables of T.81, annex K.3: class and number, how many codes of each length, values. K.3 and K.4 are for DC,
/// K.5 and K.6 for AC.
const STANDARD_TABLES: [(u8, [u8; 16], &[u8]); 4] = [
    (0x00, [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &DC_VALUES),
    (0x01, [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &DC_VALUES),
    (0x10, [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125], &LUMINANCE_AC),
    (0x11, [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119], &CHROMINANCE_AC),
];

const DC_VALUES: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

#[rustfmt::skip]
const LUMINANCE_AC: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
    0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
    0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];

#[rustfmt::skip]
const CHROMINANCE_AC: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
    0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
    0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
    0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];

/// A segment with these tables.
fn standard_tables() -> Vec<u8> {
    let tables = STANDARD_TABLES.iter().flat_map(|(table, lengths, values)| [&[*table], &lengths[..], values].concat());
    let body: Vec<u8> = tables.collect();
    [&[0xff, DHT][..], &(body.len() as u16 + 2).to_be_bytes(), &body].concat()
}

const EXIF: &[u8] = b"Exif\0\0";
const ICC: &[u8] = b"ICC_PROFILE\0";

// Markers, ITU-T T.81 table B.1.
const DHT: u8 = 0xc4;
const DAC: u8 = 0xcc;
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
pub(super) const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
const DNL: u8 = 0xdc;
const DRI: u8 = 0xdd;
const APP0: u8 = 0xe0;
pub(super) const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const APP14: u8 = 0xee;

pub(in super::super) fn read(stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
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
            // Adobe's convention, which all programs follow: 255 is no ink.
            for ink in data.iter_mut() {
                *ink = 255 - *ink;
            }
        }
        row.clear();
        bytes(data, &mut row);
        target.row(&row);
    }
    Ok(Extras { colours: sorted.profile.into_iter().collect(), exif: sorted.exif, ..Extras::default() })
}

/// Height and width as stored, and EXIF's orientation.
pub(in super::super) fn shape(stream: Box<dyn Stream>) -> Result<([usize; 2], Option<u32>), Fault> {
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
    // The decoder reached the appended ones, or the end of the file.
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

/// The parts of a JPEG file.
struct Sorted {
    frame: Frame,
    /// The segments that the decoder needs, and no others.
    clean: Vec<u8>,
    /// Adobe's colour transform: 0 none, 1 YCbCr, 2 YCCK.
    transform: Option<u8>,
    exif: Option<Vec<u8>>,
    profile: Option<Declared>,
    /// Whether the end was marked.
    ended: bool,
}

impl Sorted {
    fn new(file: &[u8]) -> Result<Self, Fault> {
        let mut clean = vec![0xff, SOI];
        let mut frame: Option<Frame> = None;
        let (mut jfif, mut transform, mut exif, mut ended) = (false, None, None, false);
        let mut icc: Vec<(u8, u8, &[u8])> = Vec::new();
        let mut scans = Scans::default();
        let (mut data_end, mut begun, mut tables) = (None, Vec::new(), Vec::new());
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
                DHT => {
                    note_tables(body, &mut tables);
                    copy(body);
                }
                DQT | DRI => copy(body),
                DNL => return Err(Fault::unsupported("its height after its pixels (DNL)")),
                APP0 => jfif |= body.starts_with(b"JFIF\0"),
                APP1 if exif.is_none() => exif = body.strip_prefix(EXIF).map(<[u8]>::to_vec),
                APP2 => {
                    if let Some([number, count, data @ ..]) = body.strip_prefix(ICC) {
                        icc.push((*number, *count, data));
                    }
                }
                APP14 if body.starts_with(b"Adobe") && body.len() >= 12 => transform = Some(body[11]),
                SOS => {
                    let frame = frame.as_ref().ok_or_else(|| Fault::damaged("pixels come before their header"))?;
                    if frame.subsampled && !frame.progressive && body.first() != Some(&(frame.components.len() as u8)) {
                        return Err(Fault::unsupported("subsampled components of JPEG in scans of their own"));
                    }
                    scans.note(body);
                    let order = scanned(body, frame, &mut begun);
                    copy(&renamed(body, (1, 2), &order, frame.is_rgb(jfif, transform)));
                    let end = entropy_end(file, at);
                    clean.extend(&file[at..end]);
                    at = end;
                    data_end = Some(clean.len());
                }
                0xc0..=0xcf if marker != DAC && marker != 0xc8 => {
                    let parsed = Frame::new(marker, body)?;
                    let rgb = parsed.is_rgb(jfif, transform);
                    let order: Vec<_> = (0..parsed.components.len()).collect();
                    copy(&renamed(&body[..6 + 3 * parsed.components.len()], (6, 3), &order, rgb));
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
        if !frame.progressive && STANDARD_TABLES.iter().any(|(table, ..)| !tables.contains(table)) {
            // Frames of MJPEG lack tables; those that the file defines come later and take precedence.
            clean.splice(2..2, standard_tables());
        }
        clean.extend(ONES);
        clean.extend([0xff, EOI]);
        if frame.components.len() == 4 {
            // Right after the start, as decoders expect; Adobe's version and flags do not matter.
            let adobe = [0xff, APP14, 0, 14, b'A', b'd', b'o', b'b', b'e', 0, 100, 0, 0, 0, 0, transform.unwrap_or(0)];
            clean.splice(2..2, adobe);
        }
        Ok(Self { frame, clean, transform, exif, profile: joined(icc), ended })
    }
}

/// A colour profile by its parts: number, count of all, data (ICC.1:2022, B.4).
fn joined(mut parts: Vec<(u8, u8, &[u8])>) -> Option<Declared> {
    parts.sort_by_key(|(number, ..)| *number);
    let last = parts.last()?;
    let whole = parts.len() == usize::from(last.1)
        && parts.iter().zip(1..).all(|(part, number)| part.0 == number && part.1 == last.1);
    if !whole {
        return Some(Declared::Unusable("some of its parts are missing".into()));
    }
    Some(Declared::Profile(parts.iter().flat_map(|(.., data)| data.iter().copied()).collect()))
}

/// Moves past the next marker, which fill bytes may precede (T.81 B.1.1.2).
pub(super) fn next_marker(file: &[u8], at: &mut usize) -> Option<u8> {
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

/// Moves past a segment with a length.
pub(super) fn segment<'a>(file: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
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
        // The decoder misreads or refuses other factors: it expects powers of two, and the first component to be the
        // finest.
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
            return Err(Fault::damaged("it claims to have no pixels"));
        }
        Ok(Self {
            width,
            height,
            progressive: marker == 0xc2,
            components: components.map(|c| c[0]).collect(),
            subsampled,
        })
    }

    /// Whether components are red, green and blue, by Adobe's transform or by their names. JFIF has no RGB.
    fn is_rgb(&self, jfif: bool, transform: Option<u8>) -> bool {
        let named = transform.map_or(self.components == b"RGB", |transform| transform == 0);
        self.components.len() == 3 && !jfif && named
    }
}

/// The components of the frame in a scan, in order. Components with the same name follow one another, as in libjpeg.
fn scanned(body: &[u8], frame: &Frame, begun: &mut Vec<usize>) -> Vec<usize> {
    let names = &frame.components;
    let count = body.first().copied().map_or(0, usize::from);
    if count == names.len() {
        let in_order = names.iter().zip(body[1..].iter().step_by(2)).all(|(a, b)| a == b);
        if in_order {
            return (0..count).collect();
        }
    }
    let mut order: Vec<usize> = Vec::new();
    for name in body.iter().skip(1).step_by(2).take(count) {
        let free = |i: &usize| names[*i] == *name && !order.contains(i);
        let next = (0..names.len()).find(|i| free(i) && (frame.progressive || !begun.contains(i)));
        order.extend(next.or_else(|| (0..names.len()).find(free)));
    }
    begun.extend(&order);
    order
}

/// The body of a header whose components, with the numbers in `order`, are renamed so that the decoder interprets them
/// correctly: R, G, B, or the numbers of YCbCr. Names are at `first` and every `step` bytes after.
fn renamed(body: &[u8], (first, step): (usize, usize), order: &[usize], rgb: bool) -> Vec<u8> {
    let mut body = body.to_vec();
    let names: &[u8] = if rgb { b"RGB" } else { &[1, 2, 3, 4] };
    for (at, &number) in (first..body.len()).step_by(step).zip(order) {
        body[at] = names.get(number).copied().unwrap_or(body[at]);
    }
    body
}

/// The Huffman tables that a segment defines, by class and number.
fn note_tables(body: &[u8], tables: &mut Vec<u8>) {
    let mut rest = body;
    while let [table, after @ ..] = rest
        && let Some((lengths, values)) = after.split_at_checked(16)
    {
        tables.push(*table);
        rest = values.get(lengths.iter().map(|&n| usize::from(n)).sum()..).unwrap_or_default();
    }
}

/// The scans of a progressive picture that were seen, as (component, first coefficient, last, bits still missing).
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

    /// Whether every coefficient of every component is complete.
    fn are_complete(&self, frame: &Frame) -> bool {
        let came = |name: u8, k: u8| {
            let mut scans = self.0.iter();
            scans.any(|&(of, first, last, missing)| of == name && missing == 0 && (first..=last).contains(&k))
        };
        frame.components.iter().all(|&name| (0..64).all(|k| came(name, k)))
    }
}
