//! The bytes of each format.

use std::borrow::Cow;
use std::io::{self, Cursor};

use image::codecs::{bmp::BmpEncoder, jpeg::JpegEncoder};
use image::{ExtendedColorType, ImageEncoder};
use image_webp::WebPEncoder;
use ndarray::Array2;
use tiff::encoder::colortype::{ColorType as TiffColour, RGB8, RGB16, RGBA8, RGBA16};
use tiff::encoder::{TiffEncoder, TiffValue};
use tiff::tags::{Tag, Type};

use super::super::metadata::texts;
use super::super::provenance::{KEYWORD, XMP_SEGMENT, XMP_TAG};
use super::{Depth, Made};

const JPEG_QUALITY: u8 = 95;

/// What goes into a file.
pub(in super::super) struct File<'a> {
    pub(super) size: [usize; 2],
    /// Red, green, blue of each pixel, in the colours of `profile`.
    pub(super) rgb: &'a [f32],
    pub(super) alpha: Option<&'a Array2<f32>>,
    pub(super) depth: Depth,
    pub(super) profile: Option<&'a [u8]>,
    pub(super) exif: Option<Vec<u8>>,
    pub(super) made: Option<Made>,
}

impl File<'_> {
    fn width(&self) -> u32 {
        self.size[1] as u32
    }

    fn height(&self) -> u32 {
        self.size[0] as u32
    }

    /// Pixels as numbers of a file.
    fn samples<T>(&self, rounded: impl Fn(f32) -> T) -> Vec<T> {
        match self.alpha {
            None => self.rgb.iter().map(|&value| rounded(value)).collect(),
            Some(alpha) => {
                let pixels = self.rgb.chunks_exact(3).zip(alpha);
                pixels.flat_map(|(rgb, &alpha)| [rgb[0], rgb[1], rgb[2], alpha]).map(rounded).collect()
            }
        }
    }
}

pub(in super::super) fn png(file: &File) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut info = png::Info::with_size(file.width(), file.height());
    info.color_type = if file.alpha.is_some() { png::ColorType::Rgba } else { png::ColorType::Rgb };
    info.bit_depth = if file.depth == Depth::Eight { png::BitDepth::Eight } else { png::BitDepth::Sixteen };
    info.icc_profile = file.profile.map(Into::into);
    info.exif_metadata = file.exif.as_deref().map(Into::into);
    let mut encoder = png::Encoder::with_info(&mut out, info)?;
    encoder.set_compression(png::Compression::Fast);
    if file.profile.is_none() {
        encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    }
    if let Some(made) = &file.made {
        encoder.add_itxt_chunk(KEYWORD.into(), made.json.clone())?;
    }
    let mut writer = encoder.write_header()?;
    match file.depth {
        Depth::Eight => writer.write_image_data(&file.samples(to_byte))?,
        Depth::Sixteen => {
            let bytes = file.samples(to_word).into_iter().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
            writer.write_image_data(&bytes)?;
        }
    }
    writer.finish()?;
    Ok(out)
}

pub(in super::super) fn jpeg(file: &File) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY);
    if let Some(profile) = file.profile {
        encoder.set_icc_profile(profile.to_vec()).map_err(io::Error::other)?;
    }
    if let Some(exif) = &file.exif {
        encoder.set_exif_metadata(exif.clone()).map_err(io::Error::other)?;
    }
    let encoded = encoder.write_image(&file.samples(to_byte), file.width(), file.height(), ExtendedColorType::Rgb8);
    encoded.map_err(io::Error::other)?;
    if let Some(made) = &file.made {
        let body = [XMP_SEGMENT, made.xmp.as_bytes()].concat();
        let len = (body.len() + 2) as u16;
        // After JFIF's segment, which comes first: its start, its marker, its length.
        let jfif = u16::from_be_bytes([out[4], out[5]]);
        let at = 4 + usize::from(jfif);
        let segment = [&[0xff, 0xe1][..], &len.to_be_bytes(), &body].concat();
        out.splice(at..at, segment);
    }
    Ok(out)
}

pub(in super::super) fn webp(file: &File) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut encoder = WebPEncoder::new(&mut out);
    if let Some(profile) = file.profile {
        encoder.set_icc_profile(profile.to_vec());
    }
    if let Some(exif) = &file.exif {
        encoder.set_exif_metadata(exif.clone());
    }
    if let Some(made) = &file.made {
        encoder.set_xmp_metadata(made.xmp.clone().into_bytes());
    }
    let colour = if file.alpha.is_some() { image_webp::ColorType::Rgba8 } else { image_webp::ColorType::Rgb8 };
    let encoded = encoder.encode(&file.samples(to_byte), file.width(), file.height(), colour);
    encoded.map_err(io::Error::other)?;
    Ok(out)
}

pub(in super::super) fn tiff(file: &File) -> io::Result<Vec<u8>> {
    match (file.depth, file.alpha.is_some()) {
        (Depth::Eight, false) => tiff_of::<RGB8>(file, &file.samples(to_byte)),
        (Depth::Eight, true) => tiff_of::<RGBA8>(file, &file.samples(to_byte)),
        (Depth::Sixteen, false) => tiff_of::<RGB16>(file, &file.samples(to_word)),
        (Depth::Sixteen, true) => tiff_of::<RGBA16>(file, &file.samples(to_word)),
    }
}

fn tiff_of<C: TiffColour>(file: &File, samples: &[C::Inner]) -> io::Result<Vec<u8>>
where
    [C::Inner]: TiffValue,
{
    let mut out = Cursor::new(Vec::new());
    let mut tiff = TiffEncoder::new(&mut out).map_err(io::Error::other)?;
    let mut image = tiff.new_image::<C>(file.width(), file.height()).map_err(io::Error::other)?;
    let tags = image.encoder();
    if let Some(profile) = file.profile {
        tags.write_tag(Tag::IccProfile, profile).map_err(io::Error::other)?;
    }
    for (number, text) in file.exif.as_deref().map(texts).unwrap_or_default() {
        tags.write_tag(Tag::Unknown(number), Text(&text)).map_err(io::Error::other)?;
    }
    if let Some(made) = &file.made {
        tags.write_tag(Tag::Unknown(XMP_TAG), made.xmp.as_bytes()).map_err(io::Error::other)?;
    }
    image.write_data(samples).map_err(io::Error::other)?;
    Ok(out.into_inner())
}

pub(in super::super) fn bmp(file: &File) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let colour = if file.alpha.is_some() { ExtendedColorType::Rgba8 } else { ExtendedColorType::Rgb8 };
    let encoder = BmpEncoder::new(&mut out);
    encoder.write_image(&file.samples(to_byte), file.width(), file.height(), colour).map_err(io::Error::other)?;
    Ok(out)
}

/// A text of TIFF. The crate's own type accepts only ASCII; EXIF also has Latin-1 and UTF-8, which stay unchanged.
struct Text<'a>(&'a [u8]);

impl TiffValue for Text<'_> {
    const BYTE_LEN: u8 = 1;
    const FIELD_TYPE: Type = Type::ASCII;

    fn count(&self) -> usize {
        self.0.len() + 1
    }

    fn data(&self) -> Cow<'_, [u8]> {
        // Ends with a zero.
        [self.0, &[0]].concat().into()
    }
}

fn to_byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn to_word(value: f32) -> u16 {
    (value.clamp(0.0, 1.0) * 65535.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_of_the_range_are_clamped_and_nan_is_black() {
        assert_eq!([-0.1, 0.0, 0.5, 1.0, 7.0, f32::NAN].map(to_byte), [0, 0, 128, 255, 255, 0]);
        assert_eq!([-0.1, 0.0, 0.5, 1.0, 7.0, f32::NAN].map(to_word), [0, 0, 32768, 65535, 65535, 0]);
    }
}
