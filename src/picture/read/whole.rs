//! Decoders that return all pixels at once, and those of the crate `image`.

use image::{ColorType, ImageDecoder, ImageError, Limits};

use super::super::colour::Declared;
use super::target::{Extras, Layout, Opacity, Target};
use super::{Colour, Fault, LARGEST, bytes};

/// Height and width.
pub(super) fn size(decoder: &impl ImageDecoder) -> [usize; 2] {
    let (width, height) = decoder.dimensions();
    [height as usize, width as usize]
}

/// Passes the pixels of a decoder to a target.
pub(super) fn give(mut decoder: impl ImageDecoder, target: &mut Target) -> Result<Extras, Fault> {
    let size = size(&decoder);
    let (colour, opacity) = match decoder.color_type() {
        ColorType::L8 => (Colour::Grey, Opacity::None),
        ColorType::La8 => (Colour::Grey, Opacity::Straight),
        ColorType::Rgb8 => (Colour::Rgb, Opacity::None),
        ColorType::Rgba8 => (Colour::Rgb, Opacity::Straight),
        other => return Err(Fault::unsupported(format!("pixels of the kind {other:?}"))),
    };
    let layout = Layout { colour, opacity };
    target.begin(size, layout, 1)?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(2 * LARGEST);
    decoder.set_limits(limits).map_err(fault)?;
    let extras = Extras {
        colours: decoder.icc_profile().ok().flatten().map(Declared::Profile).into_iter().collect(),
        exif: decoder.exif_metadata().ok().flatten(),
        ..Extras::default()
    };
    rows(size, layout, target, |pixels| decoder.read_image(pixels).map_err(fault))?;
    Ok(extras)
}

/// Decodes all pixels and passes on the rows.
pub(super) fn rows(
    size: [usize; 2],
    layout: Layout,
    target: &mut Target,
    decode: impl FnOnce(&mut [u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let row_len = size[1] * layout.samples();
    let mut whole = super::reserve::<u8>(size[0] * row_len, size)?;
    decode(&mut whole)?;
    let mut row = Vec::with_capacity(row_len);
    for data in whole.chunks_exact(row_len) {
        row.clear();
        bytes(data, &mut row);
        target.row(&row);
    }
    Ok(())
}

/// Converts an error of the crate `image`.
pub(super) fn fault(error: ImageError) -> Fault {
    match error {
        ImageError::IoError(error) => error.into(),
        ImageError::Unsupported(error) => Fault::unsupported(error.to_string()),
        error => {
            // Decoders wrap errors of the stream.
            let text = error.to_string();
            if text.contains("fill whole buffer") || text.contains("unexpected end") {
                Fault::CutShort
            } else {
                Fault::Damaged(text)
            }
        }
    }
}
