//! PNG: row by row; an interlaced one whole.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use png::{BitDepth, ColorType, DecodingError, Limits, Reader, Transformations};

use super::super::metadata::orientation;
use super::chunks::Chunks;
use super::input::Stream;
use super::target::{Extras, Layout, Opacity, Target};
use super::{Colour, Fault, LARGEST, bytes, words};
use moxcms::{CicpColorPrimaries, CicpProfile, ColorProfile, MatrixCoefficients, TransferCharacteristics};

/// Height and width as stored, and which way is up.
pub(super) fn shape(mut stream: Box<dyn Stream>) -> Result<([usize; 2], Option<u32>), Fault> {
    let chunks = Chunks::walk(&mut stream, false)?;
    let mut decoder = png::Decoder::new_with_limits(stream, Limits { bytes: LARGEST as usize });
    let info = decoder.read_header_info().map_err(fault)?;
    let size = [info.height as usize, info.width as usize];
    Ok((size, chunks.exif.as_deref().and_then(orientation)))
}

pub(super) fn read(mut stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    let chunks = Chunks::walk(&mut stream, true)?;
    let limits = Limits { bytes: LARGEST as usize };
    let mut decoder = png::Decoder::new_with_limits(Ended { stream, end: &END }, limits);
    decoder.set_transformations(Transformations::EXPAND);
    decoder.set_ignore_text_chunk(true);
    let mut reader = decoder.read_info().map_err(fault)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let (colour, depth) = reader.output_color_type();
    let layout = match colour {
        ColorType::Grayscale => Layout { colour: Colour::Grey, opacity: Opacity::None },
        ColorType::GrayscaleAlpha => Layout { colour: Colour::Grey, opacity: Opacity::Straight },
        ColorType::Rgb => Layout { colour: Colour::Rgb, opacity: Opacity::None },
        ColorType::Rgba => Layout { colour: Colour::Rgb, opacity: Opacity::Straight },
        ColorType::Indexed => return Err(Fault::unsupported("a palette that cannot be expanded")),
    };
    let wide = depth == BitDepth::Sixteen;
    target.begin([height, width], layout, 1 + usize::from(wide))?;
    let mut row = Vec::new();
    let mut give = |data: &[u8], target: &mut Target| {
        row.clear();
        if wide {
            words(data, &mut row);
        } else {
            bytes(data, &mut row);
        }
        target.row(&row);
    };
    if reader.info().interlaced {
        let len = reader.output_buffer_size().unwrap_or(usize::MAX);
        let mut whole = super::reserve::<u8>(len, [height, width])?;
        reader.next_frame(&mut whole).map_err(fault)?;
        for data in whole.chunks_exact(len / height) {
            give(data, target);
        }
    } else {
        // Asked for more rows than there are, the reader would look for the file's end.
        for _ in 0..height {
            let data = reader.next_row().map_err(fault)?.ok_or(Fault::CutShort)?;
            give(data.data(), target);
        }
    }
    extras(&reader, chunks)
}

fn extras(reader: &Reader<Ended>, chunks: Chunks) -> Result<Extras, Fault> {
    let info = reader.info();
    let mut profile = info.icc_profile.as_ref().map(|profile| profile.to_vec());
    // PNG, third edition, 4.3: code points come before a profile.
    if let Some(points) = info.coding_independent_code_points {
        let transfer = TransferCharacteristics::try_from(points.transfer_function);
        let primaries = CicpColorPrimaries::try_from(points.color_primaries);
        if let (Ok(color_primaries), Ok(transfer_characteristics)) = (primaries, transfer) {
            use TransferCharacteristics::{Hlg, Smpte2084};
            if matches!(transfer_characteristics, Smpte2084 | Hlg) {
                return Err(Fault::unsupported("colours of high dynamic range (PQ or HLG)"));
            }
            let matrix_coefficients = MatrixCoefficients::Identity;
            let points =
                CicpProfile { color_primaries, transfer_characteristics, matrix_coefficients, full_range: true };
            profile = ColorProfile::new_from_cicp(points).encode().ok();
        }
    }
    Ok(Extras { profile, exif: chunks.exif, orientation: None })
}

/// The chunk that ends a PNG. Without it all pixels may be there, but the decoder would keep the last rows to itself.
const END: [u8; 12] = *b"\0\0\0\0IEND\xae\x42\x60\x82";

/// A file with an end after its own end.
struct Ended {
    stream: Box<dyn Stream>,
    end: &'static [u8],
}

impl BufRead for Ended {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let there = self.stream.fill_buf()?;
        Ok(if there.is_empty() { self.end } else { there })
    }

    fn consume(&mut self, amount: usize) {
        if self.stream.fill_buf().is_ok_and(|there| !there.is_empty()) {
            self.stream.consume(amount);
        } else {
            self.end = &self.end[amount..];
        }
    }
}

impl Read for Ended {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl Seek for Ended {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.stream.seek(place)
    }
}

fn fault(error: DecodingError) -> Fault {
    match error {
        DecodingError::IoError(error) => error.into(),
        DecodingError::LimitsExceeded => Fault::damaged("it asks for more memory than its size explains"),
        error => Fault::damaged(error),
    }
}
