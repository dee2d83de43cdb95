//! HEIC, the format of phones' photographs.

use heifer::heifer_isobmff::HeifFile;
use heifer::heifer_isobmff::boxes::Property;
use heifer::{Options, decode_rgba8, decode_srgb_rgba8, read_metadata};

use super::super::colour::Declared;
use super::input::Stream;
use super::target::{Extras, Layout, Opacity, Target};
use super::{Colour, Fault, LARGEST, bytes, whole};

/// Bytes for a pixel within the decoder: RGBA, and the planes it is made from.
const BYTES: u64 = 8;

pub(in super::super) fn read(stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    let file = whole(stream)?;
    // On this thread, where the guard catches panics silently.
    let options = Options { max_threads: 1, max_pixels: LARGEST / BYTES };
    let metadata = read_metadata(&file).map_err(fault)?;
    let mut notes = Vec::new();
    // Without a profile, use the colour information of the container or of the video.
    let image = if metadata.icc_profile.is_some() {
        decode_rgba8(&file, &options).map_err(fault)?
    } else {
        match decode_srgb_rgba8(&file, &options) {
            Err(heifer::Error::Unsupported(why)) => {
                let image = decode_rgba8(&file, &options).map_err(fault)?;
                notes.push(format!("its colour information is ignored: {why}"));
                image
            }
            image => image.map_err(fault)?,
        }
    };
    let (height, width) = (image.height as usize, image.width as usize);
    let said = size(&file)?;
    if said != [height, width] {
        let [h, w] = said;
        return Err(Fault::damaged(format!("it claims {w}×{h} pixels but has {width}×{height}")));
    }
    let layout =
        Layout { colour: Colour::Rgb, opacity: if image.has_alpha { Opacity::Straight } else { Opacity::None } };
    target.begin([height, width], layout, 1)?;
    let mut row = Vec::new();
    for data in image.data.chunks_exact(4 * width) {
        row.clear();
        if image.has_alpha {
            bytes(data, &mut row);
        } else {
            data.chunks_exact(4).for_each(|pixel| bytes(&pixel[..3], &mut row));
        }
        target.row(&row);
    }
    // The decoder has applied the container's rotation; EXIF's must not be applied as well.
    let colours = metadata.icc_profile.map(Declared::Profile).into_iter().collect();
    Ok(Extras { colours, exif: metadata.exif, notes, orientation: Some(1) })
}

/// Height and width after the container's rotation.
pub(in super::super) fn shape(stream: Box<dyn Stream>) -> Result<([usize; 2], Option<u32>), Fault> {
    Ok((size(&whole(stream)?)?, None))
}

/// Height and width of the primary picture, after its cropping and turns (ISO/IEC 23008-12, 6.5).
fn size(file: &[u8]) -> Result<[usize; 2], Fault> {
    let file = HeifFile::parse(file).map_err(Fault::damaged)?;
    let said = file.image_size(file.primary_id).map_err(Fault::damaged)?;
    let (mut width, mut height) = said.ok_or_else(|| Fault::damaged("it does not say its size"))?;
    for property in file.item_properties(file.primary_id).map_err(Fault::damaged)? {
        match *property {
            // Crop as the decoder does; the crop cannot exceed the picture.
            Property::CleanAperture { width: w, height: h, horiz_offset: x, vert_offset: y } => {
                width = cropped(width, w, x);
                height = cropped(height, h, y);
            }
            Property::Rotation(quarters) if quarters % 2 == 1 => (width, height) = (height, width),
            _ => {}
        }
    }
    Ok([height as usize, width as usize])
}

/// Pixels that are left of `side` by a crop to a length around an offset from the middle, both fractions (ISO/IEC
/// 14496-12, 12.1.4).
fn cropped(side: u32, (length, parts): (u32, u32), (offset, offset_parts): (i32, u32)) -> u32 {
    let length = f64::from(length) / f64::from(parts);
    let middle = f64::from(offset) / f64::from(offset_parts) + (f64::from(side) - 1.0) / 2.0;
    let start = (middle - (length - 1.0) / 2.0).round().max(0.0) as u32;
    (length.round() as u32).min(side.saturating_sub(start))
}

fn fault(error: heifer::Error) -> Fault {
    match error {
        heifer::Error::Unsupported(what) => Fault::Unsupported(what),
        error => Fault::damaged(error),
    }
}
