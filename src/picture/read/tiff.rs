//! TIFF: the crate `tiff` decodes strips and tiles; this module assembles them.
//!
//! That crate does not support palettes, and inverts only some pictures that store white as 0. It decodes both as grey,
//! and this module interprets them.

use std::io::{self, Read, Seek, SeekFrom};

use tiff::decoder::ifd::Value;
use tiff::decoder::{ChunkType, Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{TiffError, TiffFormatError};

use super::super::colour::Declared;
use super::super::metadata::from_texts;
use super::directory::Directory;
use super::input::Stream;
use super::kind::RAW;
use super::target::{Extras, Layout, Opacity, Target};
use super::{Colour, Fault, LARGEST};

/// The most bytes of a tag's value, such as a colour profile.
const LONGEST_TAG: usize = 16 << 20;

// TIFF 6.0, section 8 and 12: PhotometricInterpretation.
const WHITE_IS_ZERO: u16 = 0;
const BLACK_IS_ZERO: u16 = 1;
const RGB: u16 = 2;
const PALETTE: u16 = 3;
const SEPARATED: u16 = 5;
const YCBCR: u16 = 6;

/// DNG's version: such a file begins with a small preview.
const DNG_VERSION: Tag = Tag::Unknown(0xc612);

/// Filters may produce values up to 1.5; if there are larger ones, white is not 1.
const BEYOND_WHITE: f32 = 1.5;

/// A file whose page and its kind of pixels are known.
struct Opened {
    decoder: Decoder<Patched>,
    picture: Described,
    directory: Directory,
}

impl Opened {
    fn new(mut stream: Box<dyn Stream>) -> Result<Self, Fault> {
        let (directory, numbers) = Directory::of_picture(&mut stream)?;
        let photometric = directory.number(Tag::PhotometricInterpretation.to_u16());
        let (place, photometric) = photometric.ok_or_else(|| Fault::damaged("it does not say what its colours are"))?;
        let len = stream.seek(SeekFrom::End(0))?;
        directory.check_texts(len)?;
        stream.rewind()?;
        // Make this page the first one for the decoder.
        let mut patches = vec![(numbers.first(), numbers.place(directory.start))];
        let photometric = photometric as u16;
        if matches!(photometric, PALETTE | WHITE_IS_ZERO) {
            let grey = if numbers.little { BLACK_IS_ZERO.to_le_bytes() } else { BLACK_IS_ZERO.to_be_bytes() };
            patches.push((place, grey.to_vec()));
        }
        let mut limits = Limits::default();
        limits.decoding_buffer_size = LARGEST as usize;
        limits.intermediate_buffer_size = LARGEST as usize;
        limits.ifd_value_size = LONGEST_TAG;
        let mut decoder = Decoder::new(Patched { stream, patches }).map_err(fault)?.with_limits(limits);
        let raw = Fault::Other { what: RAW, advice: Some("develop it into one of these first") };
        if directory.is_reduced() || decoder.find_tag(DNG_VERSION).map_err(fault)?.is_some() {
            return Err(raw);
        }
        let picture = Described::new(&mut decoder, photometric)?;
        complete(&mut decoder, len)?;
        Ok(Self { decoder, picture, directory })
    }

    /// The orientation; the tag may be stored as a LONG as well as a SHORT.
    fn orientation(&mut self) -> Result<u32, Fault> {
        Ok(number(&mut self.decoder, Tag::Orientation)?.unwrap_or(1))
    }
}

/// Height and width as stored, and EXIF's orientation.
pub(in super::super) fn shape(stream: Box<dyn Stream>) -> Result<([usize; 2], Option<u32>), Fault> {
    let mut opened = Opened::new(stream)?;
    Ok((opened.picture.size, Some(opened.orientation()?)))
}

pub(in super::super) fn read(stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    let mut opened = Opened::new(stream)?;
    let Opened { decoder, picture, .. } = &mut opened;
    let [height, width] = picture.size;
    let bytes = usize::from(picture.bits.div_ceil(8));
    target.begin(picture.size, picture.layout, bytes)?;

    let (chunk_width, chunk_height) = decoder.chunk_dimensions();
    let (chunk_width, chunk_height) = (chunk_width as usize, chunk_height as usize);
    let strips = decoder.get_chunk_type() == ChunkType::Strip;
    let across = if strips { 1 } else { width.div_ceil(chunk_width) };
    let down = height.div_ceil(chunk_height);
    let planes = if picture.planar { picture.used() } else { 1 };
    // What a place of the decoder's chunks holds.
    let stored = if picture.planar { 1 } else { usize::from(decoder.colortype().map_err(fault)?.num_samples()) };
    if !picture.planar && stored < picture.used() {
        return Err(Fault::damaged("its pixels have too few samples"));
    }
    let (mut row, mut samples) = (vec![0.0; width * picture.used()], Vec::new());
    let mut largest = 0.0_f32;
    for band in 0..down {
        let mut chunks = Vec::new();
        for plane in 0..planes {
            for column in 0..across {
                let index = ((plane * down + band) * across + column) as u32;
                let size = decoder.chunk_data_dimensions(index);
                chunks.push((plane, column, size.0 as usize, decoder.read_chunk(index).map_err(fault)?));
            }
        }
        for y in 0..chunk_height.min(height - band * chunk_height) {
            for (plane, column, chunk_width_here, chunk) in &chunks {
                samples.clear();
                picture.row_of(chunk, y, chunk_width_here * stored, &mut samples)?;
                let pixels = samples.chunks_exact(stored);
                let first = column * chunk_width * picture.used();
                for (to, from) in row[first..].chunks_exact_mut(picture.used()).zip(pixels) {
                    if picture.planar {
                        to[*plane] = from[0];
                    } else {
                        to.copy_from_slice(&from[..picture.used()]);
                    }
                }
            }
            if picture.floats {
                for value in &mut row {
                    if !value.is_finite() {
                        return Err(Fault::NotFinite);
                    }
                    largest = largest.max(*value);
                    *value = value.clamp(0.0, 1.0);
                }
            }
            picture.give(&mut row, target)?;
        }
    }
    if largest > BEYOND_WHITE {
        return Err(Fault::BeyondWhite(largest));
    }
    extras(opened)
}

/// The description of the pixels by the tags.
struct Described {
    size: [usize; 2],
    photometric: u16,
    bits: u8,
    floats: bool,
    planar: bool,
    /// The layout for the target; RGB for a palette.
    layout: Layout,
    palette: Vec<[f32; 3]>,
}

impl Described {
    fn new(decoder: &mut Decoder<Patched>, photometric: u16) -> Result<Self, Fault> {
        let (width, height) = decoder.dimensions().map_err(fault)?;
        let samples = number(decoder, Tag::SamplesPerPixel)?.unwrap_or(1);
        let colour = match photometric {
            WHITE_IS_ZERO | BLACK_IS_ZERO | PALETTE => Colour::Grey,
            RGB | YCBCR => Colour::Rgb,
            SEPARATED => Colour::Cmyk,
            4 => return Err(Fault::unsupported("a mask instead of colours")),
            8..=10 => return Err(Fault::unsupported("CIE L*a*b* colours")),
            32803 | 34892 => return Err(Fault::Other { what: RAW, advice: None }),
            other => return Err(Fault::unsupported(format!("TIFF's colour kind {other}"))),
        };
        if photometric == SEPARATED && number(decoder, Tag::Unknown(332))?.unwrap_or(1) != 1 {
            return Err(Fault::unsupported("inks that are not CMYK"));
        }
        let extra = samples.checked_sub(colour.count() as u32);
        let extra = extra.ok_or_else(|| Fault::damaged("its pixels have too few samples"))?;
        let meaning = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).map_err(fault)?;
        // TIFF 6.0, section 18. Without the tag, what follows the colours is opacity to most writers.
        let opacity = match (extra, meaning.as_deref()) {
            (0, _) | (_, Some([0, ..])) => Opacity::None,
            (_, Some([1, ..])) => Opacity::Premultiplied,
            (1, _) | (_, Some([2, ..])) => Opacity::Straight,
            _ => Opacity::None,
        };
        let bits = decoder.find_tag_unsigned_vec::<u16>(Tag::BitsPerSample).map_err(fault)?;
        let bits = bits.and_then(|bits| bits.first().copied()).unwrap_or(1);
        let formats = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).map_err(fault)?;
        // TIFF 6.0, section 19: 1 unsigned, 2 signed, 3 floating point, 4 undefined.
        let floats = match formats.and_then(|formats| formats.first().copied()).unwrap_or(1) {
            1 | 4 => false,
            3 => true,
            2 => return Err(Fault::unsupported("signed numbers for colours")),
            _ => return Err(Fault::unsupported("complex numbers for colours")),
        };
        let bits = u8::try_from(bits).ok().filter(|bits| [1, 2, 4, 8, 16, 32, 64].contains(bits));
        let bits = bits.ok_or_else(|| Fault::unsupported("an unusual number of bits for a colour"))?;
        // TIFF 6.0, section 8 and technical note 2 (JPEG): the decoder would take these for something else.
        if number(decoder, Tag::FillOrder)?.unwrap_or(1) != 1 {
            return Err(Fault::unsupported("bits in the order of FillOrder 2"));
        }
        if number(decoder, Tag::Compression)? == Some(7) && extra > 0 {
            return Err(Fault::unsupported("opacity within JPEG compression"));
        }
        if photometric == YCBCR {
            ycbcr_as_usual(decoder, bits)?;
        }
        let palette = if photometric == PALETTE { palette(decoder, bits)? } else { Vec::new() };
        let planar = number(decoder, Tag::PlanarConfiguration)?.unwrap_or(1) == 2 && samples > 1;
        let layout = Layout { colour, opacity };
        Ok(Self { size: [height as usize, width as usize], photometric, bits, floats, planar, layout, palette }
            .expanded())
    }

    /// A picture with a palette becomes RGB.
    fn expanded(mut self) -> Self {
        if self.photometric == PALETTE {
            self.layout.colour = Colour::Rgb;
        }
        self
    }

    /// The number of stored samples of a pixel that are used.
    fn used(&self) -> usize {
        let opacity = usize::from(self.layout.opacity != Opacity::None);
        if self.photometric == PALETTE { 1 + opacity } else { self.layout.samples() }
    }

    /// Row `y` of a chunk, of `len` samples a row, as numbers from 0 to 1; of a palette's picture, as stored.
    fn row_of(&self, chunk: &DecodingResult, y: usize, len: usize, to: &mut Vec<f32>) -> Result<(), Fault> {
        fn cut<T>(all: &[T], y: usize, len: usize) -> Result<&[T], Fault> {
            all.get(y * len..(y + 1) * len).ok_or(Fault::CutShort)
        }
        let indices = self.photometric == PALETTE;
        match chunk {
            DecodingResult::U8(all) if self.bits < 8 => {
                let bits = usize::from(self.bits);
                let row = cut(all, y, (len * bits).div_ceil(8))?;
                let most = (1_u16 << bits) - 1;
                let scale = if indices { 1.0 } else { f32::from(most) };
                to.extend((0..len).map(|i| {
                    let shift = 8 - bits - i * bits % 8;
                    f32::from(u16::from(row[i * bits / 8]) >> shift & most) / scale
                }));
            }
            DecodingResult::U8(all) => {
                let scale = if indices { 1.0 } else { 255.0 };
                to.extend(cut(all, y, len)?.iter().map(|&value| f32::from(value) / scale));
            }
            DecodingResult::U16(all) => {
                let scale = if indices { 1.0 } else { 65535.0 };
                to.extend(cut(all, y, len)?.iter().map(|&value| f32::from(value) / scale));
            }
            DecodingResult::U32(all) => {
                to.extend(cut(all, y, len)?.iter().map(|&value| (f64::from(value) / f64::from(u32::MAX)) as f32));
            }
            DecodingResult::U64(all) => {
                to.extend(cut(all, y, len)?.iter().map(|&value| (value as f64 / u64::MAX as f64) as f32));
            }
            DecodingResult::F16(all) => to.extend(cut(all, y, len)?.iter().map(|value| value.to_f32())),
            DecodingResult::F32(all) => to.extend(cut(all, y, len)?),
            DecodingResult::F64(all) => to.extend(cut(all, y, len)?.iter().map(|&value| value as f32)),
            _ => return Err(Fault::unsupported("signed numbers for colours")),
        }
        Ok(())
    }

    /// Interprets stored samples and passes them to the target.
    fn give(&self, row: &mut [f32], target: &mut Target) -> Result<(), Fault> {
        let used = self.used();
        match self.photometric {
            WHITE_IS_ZERO => row.iter_mut().step_by(used).for_each(|value| *value = 1.0 - *value),
            YCBCR => row.chunks_exact_mut(used).for_each(|pixel| {
                let [y, cb, cr] = [pixel[0], pixel[1] - 128.0 / 255.0, pixel[2] - 128.0 / 255.0];
                let rgb = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
                pixel[..3].copy_from_slice(&rgb.map(|value| value.clamp(0.0, 1.0)));
            }),
            PALETTE => {
                let mut expanded = Vec::with_capacity(row.len() / used * self.layout.samples());
                for pixel in row.chunks_exact(used) {
                    let colour = self.palette.get(pixel[0] as usize);
                    expanded.extend(colour.ok_or_else(|| Fault::damaged("its palette has too few colours"))?);
                    // Undo the scaling of opacity as an index.
                    expanded.extend(pixel[1..].iter().map(|alpha| alpha / ((1_u32 << self.bits) - 1) as f32));
                }
                target.row(&expanded);
                return Ok(());
            }
            _ => {}
        }
        target.row(row);
        Ok(())
    }
}

/// YCbCr is read with JPEG's coefficients and full range alone.
fn ycbcr_as_usual(decoder: &mut Decoder<Patched>, bits: u8) -> Result<(), Fault> {
    let coefficients = decoder.find_tag(Tag::Unknown(529)).map_err(fault)?;
    let coefficients = coefficients.map(Value::into_f32_vec).transpose();
    let usual = |values: &[f32], usual: &[f32]| values.iter().zip(usual).all(|(a, b)| (a - b).abs() < 2e-3);
    // Skip the comparison if rationals cannot be read as floats.
    if let Ok(Some(values)) = coefficients
        && !usual(&values, &[0.299, 0.587, 0.114])
    {
        return Err(Fault::unsupported("YCbCr colours with unusual coefficients"));
    }
    if bits == 8 { Ok(()) } else { Err(Fault::unsupported("YCbCr colours that have not 8 bits")) }
}

fn palette(decoder: &mut Decoder<Patched>, bits: u8) -> Result<Vec<[f32; 3]>, Fault> {
    let map = decoder.find_tag_unsigned_vec::<u16>(Tag::ColorMap).map_err(fault)?;
    let map = map.ok_or_else(|| Fault::damaged("it has no palette"))?;
    let colours = 1_usize << bits.min(16);
    if map.len() < 3 * colours {
        return Err(Fault::damaged("its palette has too few colours"));
    }
    // Values have 16 bits; some writers give 8, as libtiff knows too.
    let white = if map.iter().all(|&value| value < 256) { 255.0 } else { 65535.0 };
    Ok((0..colours).map(|i| [0, 1, 2].map(|c| f32::from(map[c * colours + i]) / white)).collect())
}

/// Whether all strips or tiles are in the file: decoders of JPEG strips would paint the rest grey.
fn complete(decoder: &mut Decoder<Patched>, len: u64) -> Result<(), Fault> {
    let (places, counts) = match decoder.get_chunk_type() {
        ChunkType::Strip => (Tag::StripOffsets, Tag::StripByteCounts),
        ChunkType::Tile => (Tag::TileOffsets, Tag::TileByteCounts),
    };
    let places = decoder.get_tag_u64_vec(places).map_err(fault)?;
    let counts = decoder.get_tag_u64_vec(counts).map_err(fault)?;
    let within = |(place, count): (&u64, &u64)| place.checked_add(*count).is_some_and(|end| end <= len);
    if places.iter().zip(&counts).all(within) { Ok(()) } else { Err(Fault::CutShort) }
}

fn extras(mut opened: Opened) -> Result<Extras, Fault> {
    let orientation = opened.orientation()?;
    let stream = opened.decoder.inner();
    let profile = opened.directory.bytes(Tag::IccProfile.to_u16(), stream).map(Declared::Profile);
    let tags = [Tag::Make, Tag::Model, Tag::DateTime, Tag::Artist, Tag::Copyright].map(|tag| tag.to_u16());
    let texts = tags.into_iter().filter_map(|tag| Some((tag, opened.directory.text(tag, stream)?))).collect::<Vec<_>>();
    Ok(Extras {
        colours: profile.into_iter().collect(),
        exif: from_texts(&texts),
        orientation: Some(orientation),
        ..Extras::default()
    })
}

fn number(decoder: &mut Decoder<Patched>, tag: Tag) -> Result<Option<u32>, Fault> {
    decoder.find_tag_unsigned(tag).map_err(fault)
}

fn fault(error: TiffError) -> Fault {
    match error {
        TiffError::IoError(error) if error.to_string().contains("lzw") => {
            // The crate reports the same error for tiles of grey that extend beyond the picture.
            Fault::damaged("its LZW data do not end, or are tiles of a kind that is not read")
        }
        TiffError::IoError(error) => error.into(),
        TiffError::FormatError(TiffFormatError::TiffSignatureNotFound) => Fault::Unknown,
        TiffError::UnsupportedError(what) => Fault::Unsupported(format!("a kind of TIFF ({what})")),
        TiffError::LimitsExceeded => Fault::damaged("it asks for more memory than its size explains"),
        error => Fault::damaged(error),
    }
}

/// A file with some bytes replaced, each from a position on.
struct Patched {
    stream: Box<dyn Stream>,
    patches: Vec<(u64, Vec<u8>)>,
}

impl Read for Patched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = self.stream.stream_position()?;
        let read = self.stream.read(buffer)?;
        for (place, bytes) in &self.patches {
            for (byte, at) in bytes.iter().zip(*place..) {
                if let Some(there) = at.checked_sub(start).and_then(|at| buffer[..read].get_mut(at as usize)) {
                    *there = *byte;
                }
            }
        }
        Ok(read)
    }
}

impl Seek for Patched {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.stream.seek(place)
    }
}
