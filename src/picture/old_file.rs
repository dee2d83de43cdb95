//! Pictures from files and into files.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::codecs::{bmp::BmpEncoder, jpeg::JpegEncoder, png::PngEncoder, tiff::TiffEncoder, webp::WebPEncoder};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageReader, Limits};
use ndarray::{Array3, s};

use super::Picture;
use crate::atomic_file::write_atomically;

const JPEG_QUALITY: u8 = 95;

/// The most bytes of pixels that a file may decode to, so that a damaged or malicious one cannot exhaust the memory:
/// 358 million pixels of 8-bit RGB.
const LARGEST: u64 = 1 << 30;

/// Why a picture cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file cannot be opened.
    #[error("cannot open the picture {}: {why}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// The file is no picture that can be read.
    #[error("cannot read the picture {}: {why}; PNG, JPEG, WebP, TIFF and BMP files can be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        why: ImageError,
    },
    /// The file says that it holds more pixels than are accepted.
    #[error(
        "the picture {} says it is {width}×{height} pixels, {} MiB when decoded; at most {} MiB are accepted",
        path.display(), bytes >> 20, LARGEST >> 20
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// Its size when decoded.
        bytes: u64,
    },
    /// A picture of floating-point numbers holds infinities or NaNs.
    #[error("the picture {} holds values that are not finite numbers", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
    },
    /// The name's extension is no format that can be written.
    #[error("cannot write a picture named {}: the name must end in .png, .jpg, .webp, .tiff or .bmp", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// The folder that is to hold the file does not exist.
    #[error("cannot write {}: there is no folder {}", path.display(), folder.display())]
    Folder {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// The name of the file to write is that of a folder.
    #[error("cannot write {}: it is a folder; give the name of a file", path.display())]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write the picture {}: {why}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the encoder or the system says.
        why: ImageError,
    },
}

/// The formats that can be written, known by the file's extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.png`
    Png,
    /// `.jpg`, `.jpeg`: quality 95, no opacity.
    Jpeg,
    /// `.webp`: lossless.
    WebP,
    /// `.tif`, `.tiff`
    Tiff,
    /// `.bmp`
    Bmp,
}

impl Format {
    /// The format that a path's extension stands for. Asked before a long computation, it tells that the result can be
    /// written: the format is known, and the folder is there.
    ///
    /// # Errors
    /// If the extension is none of the known, the folder does not exist, or the path is itself a folder.
    pub fn of(path: &Path) -> Result<Self, PictureError> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let format = match extension.as_str() {
            "png" => Self::Png,
            "jpg" | "jpeg" => Self::Jpeg,
            "webp" => Self::WebP,
            "tif" | "tiff" => Self::Tiff,
            "bmp" => Self::Bmp,
            _ => return Err(PictureError::Extension { path: path.into() }),
        };
        if path.is_dir() {
            return Err(PictureError::IsFolder { path: path.into() });
        }
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
                Err(PictureError::Folder { path: path.into(), folder: folder.into() })
            }
            _ => Ok(format),
        }
    }

    fn holds_alpha(self) -> bool {
        self != Self::Jpeg
    }
}

impl Picture {
    /// Reads a PNG, JPEG, WebP, TIFF or BMP file of 8 or 16 bits a channel, or floats. The camera's orientation (EXIF)
    /// is applied, opacity kept aside; floats beyond 0..1 are clamped.
    ///
    /// # Errors
    /// If the file cannot be opened, is no such picture, is damaged, or holds more than 1 GiB of pixels.
    pub fn open(path: &Path) -> Result<Self, PictureError> {
        let open = |why| PictureError::Open { path: path.into(), why };
        let read = |why| PictureError::Read { path: path.into(), why };
        // What is in the file counts, not what its name says.
        let mut reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(open)?;
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(LARGEST);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(read)?;
        let ((width, height), bytes) = (decoder.dimensions(), decoder.total_bytes());
        if bytes > LARGEST {
            return Err(PictureError::TooLarge { path: path.into(), width, height, bytes });
        }
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let profile = decoder.icc_profile().ok().flatten().filter(|profile| describes_rgb(profile));
        let mut image = DynamicImage::from_decoder(decoder).map_err(read)?;
        image.apply_orientation(orientation);
        let mut picture = Self { profile, ..Self::from_image(image) };
        let mut values = picture.rgb.iter_mut().chain(picture.alpha.iter_mut().flatten());
        // NaN and infinities come from files of floats alone.
        let finite = values.all(|value| {
            let finite = value.is_finite();
            *value = value.clamp(0.0, 1.0);
            finite
        });
        if finite { Ok(picture) } else { Err(PictureError::NotFinite { path: path.into() }) }
    }

    fn from_image(image: DynamicImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        if !image.color().has_alpha() {
            let rgb = image.into_rgb32f().into_raw();
            return Self::new(Array3::from_shape_vec((height, width, 3), rgb).expect("three channels"));
        }
        let rgba = Array3::from_shape_vec((height, width, 4), image.into_rgba32f().into_raw()).expect("four channels");
        let rgb = rgba.slice(s![.., .., ..3]).as_standard_layout().into_owned();
        Self { alpha: Some(rgba.slice(s![.., .., 3]).to_owned()), ..Self::new(rgb) }
    }

    /// Writes the picture with 8 bits a channel, each value clamped to 0..1 and rounded, in the format that the
    /// extension names; opacity and colour profile where the format has them.
    ///
    /// # Errors
    /// If the extension is none of the known, or the file cannot be written. No half-written file is left behind.
    pub fn save(&self, path: &Path) -> Result<(), PictureError> {
        let format = Format::of(path)?;
        let write = |why| PictureError::Write { path: path.into(), why };
        let mut encoded = Cursor::new(Vec::new());
        self.encode(format, &mut encoded).map_err(write)?;
        write_atomically(path, |file| std::io::Write::write_all(file, encoded.get_ref()))
            .map_err(|why| write(ImageError::IoError(why)))
    }

    fn encode(&self, format: Format, out: &mut Cursor<Vec<u8>>) -> Result<(), ImageError> {
        match format {
            Format::Png => self.encode_with(PngEncoder::new(out), format),
            Format::Jpeg => self.encode_with(JpegEncoder::new_with_quality(out, JPEG_QUALITY), format),
            Format::WebP => self.encode_with(WebPEncoder::new_lossless(out), format),
            Format::Tiff => self.encode_with(TiffEncoder::new(out), format),
            Format::Bmp => self.encode_with(BmpEncoder::new(out), format),
        }
    }

    fn encode_with(&self, mut encoder: impl ImageEncoder, format: Format) -> Result<(), ImageError> {
        if let Some(profile) = &self.profile {
            // Formats without room for a profile do without.
            let _ = encoder.set_icc_profile(profile.clone());
        }
        let (bytes, colour) = match self.alpha.as_ref().filter(|_| format.holds_alpha()) {
            Some(alpha) => {
                let pixels = self.rgb.lanes(ndarray::Axis(2)).into_iter().zip(alpha);
                let bytes = pixels.flat_map(|(rgb, &alpha)| [rgb[0], rgb[1], rgb[2], alpha].map(to_byte)).collect();
                (bytes, ColorType::Rgba8)
            }
            None => (self.rgb.iter().copied().map(to_byte).collect::<Vec<u8>>(), ColorType::Rgb8),
        };
        encoder.write_image(&bytes, self.width() as u32, self.height() as u32, ExtendedColorType::from(colour))
    }
}

/// Whether an ICC profile describes RGB values; one of a grey or CMYK file no longer fits the RGB made from it.
fn describes_rgb(profile: &[u8]) -> bool {
    // ICC.1:2022, table 17: the header's bytes 16 to 19 are the data colour space.
    profile.get(16..20) == Some(b"RGB ")
}

fn to_byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Luma, Rgb, Rgba};
    use ndarray::Array2;
    use tempfile::tempdir;

    use super::*;

    fn picture() -> Picture {
        let rgb = Array3::from_shape_fn((5, 7, 3), |(i, j, c)| (i * 40 + j * 7 + c * 3) as f32 / 255.0);
        let alpha = Array2::from_shape_fn((5, 7), |(i, j)| (i * 7 + j) as f32 / 255.0);
        Picture { alpha: Some(alpha), ..Picture::new(rgb) }
    }

    #[test]
    fn eight_bits_come_back_as_they_were_with_alpha_where_the_format_has_it() {
        let folder = tempdir().unwrap();
        for name in ["a.png", "a.webp", "a.tiff", "a.TIF", "a.bmp"] {
            let path = folder.path().join(name);
            picture().save(&path).unwrap();
            assert_eq!(Picture::open(&path).unwrap(), picture(), "{name}");
        }
        let path = folder.path().join("a.jpeg");
        picture().save(&path).unwrap();
        let back = Picture::open(&path).unwrap();
        assert!(back.alpha.is_none());
        approx::assert_abs_diff_eq!(back.rgb, picture().rgb, epsilon = 0.05);
    }

    #[test]
    fn values_outside_of_the_range_are_clamped_and_nan_is_black() {
        assert_eq!([-0.1, 0.0, 0.5, 1.0, 7.0, f32::NAN].map(to_byte), [0, 0, 128, 255, 255, 0]);
    }

    #[test]
    fn sixteen_bits_are_read_as_such_and_grey_as_three_channels() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("deep.png");
        ImageBuffer::from_pixel(2, 1, Rgb([258u16, 1, 65535])).save(&path).unwrap();
        let deep = Picture::open(&path).unwrap().rgb;
        approx::assert_abs_diff_eq!(deep[[0, 1, 0]], 258.0 / 65535.0, epsilon = 1e-7);
        approx::assert_abs_diff_eq!(deep[[0, 1, 1]], 1.0 / 65535.0, epsilon = 1e-7);
        let path = folder.path().join("grey.png");
        ImageBuffer::from_pixel(2, 1, Luma([51u8])).save(&path).unwrap();
        approx::assert_abs_diff_eq!(
            Picture::open(&path).unwrap().rgb,
            Array3::from_elem((1, 2, 3), 0.2),
            epsilon = 1e-7
        );
        let path = folder.path().join("alpha.png");
        ImageBuffer::from_pixel(2, 1, Rgba([0u16, 0, 0, 65535])).save(&path).unwrap();
        assert_eq!(Picture::open(&path).unwrap().alpha, Some(Array2::ones((1, 2))));
    }

    #[test]
    fn the_camera_s_orientation_is_applied() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("turned.png");
        let file = std::fs::File::create(&path).unwrap();
        let mut encoder = PngEncoder::new(file);
        // TIFF header, one directory entry: orientation (0x0112), a short, value 6: turn by 90° clockwise.
        let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        encoder.set_exif_metadata(exif.to_vec()).unwrap();
        encoder.write_image(&[255, 0, 0, 0, 0, 255], 2, 1, ExtendedColorType::Rgb8).unwrap();
        let turned = Picture::open(&path).unwrap();
        assert_eq!((turned.height(), turned.width()), (2, 1));
        assert_eq!((turned.rgb[[0, 0, 0]], turned.rgb[[1, 0, 2]]), (1.0, 1.0));
    }

    /// Not a true profile: only as much of one as is looked at.
    fn profile(colour_space: &[u8; 4]) -> Vec<u8> {
        let mut profile = vec![7; 200];
        profile[16..20].copy_from_slice(colour_space);
        profile
    }

    #[test]
    fn the_colour_profile_is_passed_on_if_it_is_for_rgb() {
        let folder = tempdir().unwrap();
        for name in ["a.png", "a.jpg", "a.webp"] {
            let path = folder.path().join(name);
            for (space, kept) in [(b"RGB ", true), (b"CMYK", false), (b"GRAY", false)] {
                let black = Picture::new(Array3::zeros((2, 2, 3)));
                Picture { profile: Some(profile(space)), ..black }.save(&path).unwrap();
                assert_eq!(Picture::open(&path).unwrap().profile, kept.then(|| profile(space)), "{name}");
            }
        }
    }

    #[test]
    fn floats_are_clamped_and_must_be_finite() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("floats.tiff");
        DynamicImage::from(ImageBuffer::from_pixel(1, 1, Rgb([-0.5f32, 0.3, 2.0]))).save(&path).unwrap();
        assert_eq!(Picture::open(&path).unwrap().rgb.as_slice(), Some(&[0.0, 0.3, 1.0][..]));
        for wrong in [f32::NAN, f32::INFINITY] {
            DynamicImage::from(ImageBuffer::from_pixel(1, 1, Rgb([0.0, wrong, 0.0]))).save(&path).unwrap();
            let error = Picture::open(&path).unwrap_err().to_string();
            assert!(error.contains("floats.tiff") && error.contains("not finite"), "{error}");
        }
    }

    #[test]
    fn a_header_that_claims_a_huge_picture_is_an_error_before_anything_is_allocated() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("huge.bmp");
        // A bitmap's file header and its 40-byte information header: 100000×100000 pixels of 24 bits.
        let mut bytes = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        bytes.extend([100_000i32, 100_000].map(i32::to_le_bytes).concat());
        bytes.extend([1, 0, 24, 0]);
        bytes.extend([0; 24]);
        std::fs::write(&path, bytes).unwrap();
        let error = Picture::open(&path).unwrap_err().to_string();
        assert!(error.contains("huge.bmp"), "{error}");
    }

    #[test]
    fn files_cut_short_are_errors() {
        let folder = tempdir().unwrap();
        for name in ["a.png", "a.webp", "a.tiff", "a.bmp", "a.jpg"] {
            let path = folder.path().join(name);
            picture().save(&path).unwrap();
            let whole = std::fs::read(&path).unwrap();
            for len in [0, 1, 10, whole.len() / 4] {
                std::fs::write(&path, &whole[..len]).unwrap();
                let error = Picture::open(&path).unwrap_err().to_string();
                assert!(error.contains(name), "{error}");
            }
        }
    }

    #[test]
    fn errors_name_the_file_and_say_what_would_be_right() {
        let folder = tempdir().unwrap();
        let text = folder.path().join("text.png");
        std::fs::write(&text, "this is no picture").unwrap();
        let error = Picture::open(&text).unwrap_err().to_string();
        assert!(error.contains("text.png") && error.contains("PNG, JPEG, WebP, TIFF and BMP"), "{error}");
        let error = Picture::open(&folder.path().join("none.png")).unwrap_err().to_string();
        assert!(error.contains("cannot open the picture") && error.contains("none.png"), "{error}");
        let error = picture().save(&folder.path().join("a.gif")).unwrap_err().to_string();
        assert!(error.contains("a.gif") && error.contains("must end in .png"), "{error}");
        let error = picture().save(&folder.path().join("no/a.png")).unwrap_err().to_string();
        assert!(error.contains("there is no folder"), "{error}");
        std::fs::create_dir(folder.path().join("folder.png")).unwrap();
        let error = Format::of(&folder.path().join("folder.png")).unwrap_err().to_string();
        assert!(error.contains("it is a folder"), "{error}");
    }
}
