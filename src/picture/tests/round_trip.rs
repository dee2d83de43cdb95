//! What is written comes back; sizes, depths, orientation.

use image::{ExtendedColorType, ImageBuffer, ImageEncoder, Luma, Rgb, Rgba, codecs::png::PngEncoder};
use tempfile::tempdir;

use super::*;

#[test]
fn eight_bits_come_back_as_they_were_with_alpha_where_the_format_has_it() {
    let folder = tempdir().unwrap();
    for name in ["a.png", "a.webp", "a.tiff", "a.TIF", "a.bmp"] {
        let path = folder.path().join(name);
        sample().save(&path).unwrap();
        assert_eq!(Picture::open(&path).unwrap(), sample(), "{name}");
    }
    let path = folder.path().join("a.jpeg");
    sample().save(&path).unwrap();
    let back = Picture::open(&path).unwrap();
    assert!(back.alpha.is_none());
    approx::assert_abs_diff_eq!(back.rgb, sample().rgb, epsilon = 0.05);
}

#[test]
fn sixteen_bits_come_back_in_png_and_tiff_and_are_refused_elsewhere() {
    let folder = tempdir().unwrap();
    let deep = |i: usize| (i * 977 % 65536) as f32 / 65535.0;
    let rgb = Array3::from_shape_fn((5, 7, 3), |(i, j, c)| deep(i * 21 + j * 3 + c));
    let opaque = Picture::new(rgb.clone());
    let alpha = Picture { alpha: Some(Array2::from_shape_fn((5, 7), |(i, j)| deep(i * 7 + j))), ..Picture::new(rgb) };
    let options = SaveOptions { depth: Depth::Sixteen, ..SaveOptions::default() };
    for name in ["a.png", "a.tiff"] {
        let path = folder.path().join(name);
        for picture in [&opaque, &alpha] {
            picture.save_with(&path, &options).unwrap();
            assert_eq!(Picture::open(&path).unwrap(), *picture, "{name}");
        }
    }
    for name in ["a.jpg", "a.webp", "a.bmp"] {
        let path = folder.path().join(name);
        let error = opaque.save_with(&path, &options).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("choose PNG or TIFF"), "{error}");
        assert_eq!(options.check(&path, [5, 7], &[]).unwrap_err().to_string(), error);
        assert!(!path.exists());
    }
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
    approx::assert_abs_diff_eq!(Picture::open(&path).unwrap().rgb, Array3::from_elem((1, 2, 3), 0.2), epsilon = 1e-7);
    let path = folder.path().join("alpha.png");
    ImageBuffer::from_pixel(2, 1, Rgba([0u16, 0, 0, 65535])).save(&path).unwrap();
    assert_eq!(Picture::open(&path).unwrap().alpha, Some(Array2::ones((1, 2))));
}

/// Where EXIF 2.3 (tag 0x0112) puts the stored picture's corners: 1 2 above, 3 4 below.
#[test]
fn the_camera_s_orientation_is_applied_stored_short_or_long() {
    let stored = [1_u8, 2, 3, 4].map(|n| n * 10);
    let seen = [
        [1, 2, 3, 4],
        [2, 1, 4, 3],
        [4, 3, 2, 1],
        [3, 4, 1, 2],
        [1, 3, 2, 4],
        [3, 1, 4, 2],
        [4, 2, 3, 1],
        [2, 4, 1, 3],
    ];
    for (orientation, seen) in (1..).zip(seen) {
        for long in [false, true] {
            let mut file = Vec::new();
            let mut encoder = PngEncoder::new(&mut file);
            encoder.set_exif_metadata(turned_by(orientation, long)).unwrap();
            encoder.write_image(&stored, 2, 2, ExtendedColorType::L8).unwrap();
            let picture = read(&file).unwrap();
            let corners = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(i, j)| levels(&picture, i, j)[0]);
            assert_eq!(corners, seen.map(|n: u8| n * 10), "{orientation}");
        }
    }
}

#[test]
fn opacity_is_turned_with_the_colours() {
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    encoder.set_exif_metadata(turned_by(6, false)).unwrap();
    encoder.write_image(&[9, 255, 9, 51], 2, 1, ExtendedColorType::La8).unwrap();
    let picture = read(&file).unwrap();
    assert_eq!((picture.height(), picture.width()), (2, 1));
    assert_eq!(picture.alpha.unwrap().into_raw_vec_and_offset().0, [1.0, 0.2]);
}

/// Fitted while it is decoded, a picture is what it is when it is fitted afterwards: the same bits.
#[test]
fn fitting_while_reading_is_fitting_after_it() {
    let folder = tempdir().unwrap();
    let rgb = Array3::from_shape_fn((70, 101, 3), |(i, j, c)| ((i * 13 + j * 7 + c * 50) % 256) as f32 / 255.0);
    let alpha = Array2::from_shape_fn((70, 101), |(i, j)| if i > j { 1.0 } else { (j % 6) as f32 / 5.0 });
    let picture = Picture { alpha: Some(alpha), ..Picture::new(rgb) };
    for name in ["a.png", "a.webp", "a.tiff", "a.bmp", "a.jpg"] {
        let path = folder.path().join(name);
        picture.save(&path).unwrap();
        for longest in [20, 101, 150] {
            let fitted = Picture::open_fitted(&path, longest).unwrap();
            assert_eq!(fitted, Picture::open(&path).unwrap().fitted(longest), "{name} at {longest}");
        }
    }
}

#[test]
fn pictures_of_phones_and_of_the_web_are_read() {
    let pixels = [200, 100, 50].repeat(64 * 48);
    let options = heifer::EncodeOptions::default();
    let heic = heifer::encode_rgb8(64, 48, &pixels, &options).unwrap();
    let picture = read(&heic).unwrap();
    assert_eq!((picture.height(), picture.width()), (48, 64));
    assert!(levels(&picture, 20, 20).iter().zip([200, 100, 50]).all(|(a, b): (&u8, u8)| a.abs_diff(b) < 5));
    let mut gif = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut gif);
    for level in [200_u8, 20] {
        let frame = image::RgbaImage::from_pixel(4, 3, Rgba([level, 0, 0, 255]));
        encoder.encode_frame(image::Frame::new(frame)).unwrap();
    }
    drop(encoder);
    let picture = read(&gif).unwrap();
    assert_eq!(levels(&picture, 2, 3), [200, 0, 0], "the first frame");
}
