//! PNG, decoded row by row; interlaced pictures as a whole.

use png::{BitDepth, ColorType, Decoder, DecodingError, Limits, Transformations};

use super::super::metadata::orientation;
use super::chunks::{Chunks, Pixels};
use super::input::Stream;
use super::target::{Extras, Layout, Opacity, Target};
use super::{Colour, Fault, LARGEST, bytes, words};

/// Height and width as stored, and which way is up.
pub(in super::super) fn shape(mut stream: Box<dyn Stream>) -> Result<([usize; 2], Option<u32>), Fault> {
    let chunks = Chunks::walk(&mut stream, false)?;
    let mut decoder = decoder(&chunks, stream);
    let info = decoder.read_header_info().map_err(fault)?;
    let size = [info.height as usize, info.width as usize];
    Ok((size, chunks.exif.as_deref().and_then(orientation)))
}

fn decoder(chunks: &Chunks, stream: Box<dyn Stream>) -> Decoder<Pixels<'static>> {
    Decoder::new_with_limits(chunks.pixels(stream), Limits { bytes: LARGEST as usize })
}

pub(in super::super) fn read(mut stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    let chunks = Chunks::walk(&mut stream, true)?;
    let mut decoder = decoder(&chunks, stream);
    decoder.set_transformations(Transformations::EXPAND);
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
        // After the last row, the reader would search for the end of the file.
        for _ in 0..height {
            let data = reader.next_row().map_err(fault)?.ok_or(Fault::CutShort)?;
            give(data.data(), target);
        }
    }
    Ok(Extras { colours: chunks.colours(wide), exif: chunks.exif, ..Extras::default() })
}

fn fault(error: DecodingError) -> Fault {
    match error {
        DecodingError::IoError(error) => error.into(),
        DecodingError::LimitsExceeded => Fault::damaged("it asks for more memory than its size explains"),
        error => Fault::damaged(error),
    }
}
