//! Colour profiles: applied on the way in, and on the way out.

use image::{ExtendedColorType, ImageEncoder};
use moxcms::ColorProfile;
use tempfile::tempdir;

use super::*;

/// A PNG of one pixel in a profile's colours.
fn png(pixel: &[u8], colour: ExtendedColorType, profile: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut out);
    encoder.set_icc_profile(profile.to_vec()).unwrap();
    encoder.write_image(pixel, 1, 1, colour).unwrap();
    out
}

fn encoded(profile: &ColorProfile) -> Vec<u8> {
    profile.encode().unwrap()
}

/// The colour in linear light, of sRGB's curve (IEC 61966-2-1), which Display P3 has too.
fn linear(level: f64) -> f64 {
    if level <= 0.04045 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
}

fn curved(light: f64) -> f64 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

#[test]
fn display_p3_becomes_srgb_by_the_matrix_between_them() {
    // CSS Color 4, sample code: linear P3 to linear sRGB.
    let matrix =
        [[1.224_940_2, -0.224_940_2, 0.0], [-0.042_056_9, 1.042_056_9, 0.0], [-0.019_637_6, -0.078_636_0, 1.098_273_6]];
    let profile = encoded(&ColorProfile::new_display_p3());
    for pixel in [[128, 128, 128], [180, 120, 100], [90, 140, 110], [200, 180, 190]] {
        let picture = read(&png(&pixel, ExtendedColorType::Rgb8, &profile)).unwrap();
        let light = pixel.map(|level| linear(f64::from(level) / 255.0));
        for c in 0..3 {
            let expected = curved(matrix[c].iter().zip(light).map(|(m, v)| m * v).sum());
            let found = f64::from(picture.rgb[[0, 0, c]]);
            assert!((found - expected).abs() < 0.3 / 255.0, "{pixel:?} {c}: {found} {expected}");
        }
        assert_eq!(picture.profile.as_deref(), Some(&profile[..]));
    }
}

#[test]
fn what_is_within_srgb_comes_back_in_the_files_own_colours() {
    let folder = tempdir().unwrap();
    for profile in [ColorProfile::new_display_p3(), ColorProfile::new_adobe_rgb(), ColorProfile::new_pro_photo_rgb()] {
        let profile = encoded(&profile);
        let rgb = Array3::from_shape_fn((9, 9, 3), |(i, j, c)| [i * 31, j * 31, (i + j) * 15][c] as f32 / 255.0);
        let original = Picture { profile: Some(profile.clone()), ..Picture::new(rgb) };
        for (name, tolerance) in [("a.png", 0.25), ("a.tiff", 0.25), ("a.jpg", 60.0)] {
            let path = folder.path().join(name);
            let depth = if tolerance < 1.0 { Depth::Sixteen } else { Depth::Eight };
            original.save_with(&path, &SaveOptions { depth, ..SaveOptions::default() }).unwrap();
            let back = Picture::open(&path).unwrap();
            assert_eq!(back.profile.as_ref(), Some(&profile), "{name}");
            let most = (&back.rgb - &original.rgb).iter().fold(0.0_f32, |most, d| most.max(d.abs()));
            assert!(most * 255.0 <= tolerance, "{name}: {} levels", most * 255.0);
            // Saved again without a change, the file's numbers are the same.
            let bytes = image::load_from_memory(&std::fs::read(&path).unwrap()).unwrap().into_rgb8();
            if tolerance < 1.0 {
                let again = folder.path().join(format!("again-{name}"));
                back.save(&again).unwrap();
                let bytes_again = image::load_from_memory(&std::fs::read(&again).unwrap()).unwrap().into_rgb8();
                let most = bytes.iter().zip(bytes_again.iter()).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(most <= Some(1), "{name}: {most:?}");
            }
        }
        let path = folder.path().join("srgb.png");
        original.save_with(&path, &SaveOptions { srgb: true, ..SaveOptions::default() }).unwrap();
        let back = Picture::open(&path).unwrap();
        assert_eq!(back.profile, None);
        approx::assert_abs_diff_eq!(back.rgb, original.rgb, epsilon = 0.6 / 255.0);
    }
}

#[test]
fn an_srgb_profile_changes_no_bit() {
    let profile = encoded(&ColorProfile::new_srgb());
    let pixel = [13, 200, 77];
    let picture = read(&png(&pixel, ExtendedColorType::Rgb8, &profile)).unwrap();
    assert_eq!(picture.rgb.as_slice().unwrap(), pixel.map(|level| f32::from(level) / 255.0));
    assert_eq!(picture.profile.as_deref(), Some(&profile[..]));
}

#[test]
fn grey_is_read_by_a_profile_of_grey_and_written_as_srgb() {
    // Grey of gamma 1: half the light is sRGB's level 188.
    let profile = encoded(&ColorProfile::new_gray_with_gamma(1.0));
    let picture = read(&png(&[128], ExtendedColorType::L8, &profile)).unwrap();
    assert_eq!(levels(&picture, 0, 0), [188; 3]);
    assert_eq!(picture.profile, None);
}

#[test]
fn a_profile_for_other_colours_is_ignored_and_a_damaged_one_refused() {
    let grey = encoded(&ColorProfile::new_gray_with_gamma(1.0));
    let picture = read(&png(&[1, 2, 3], ExtendedColorType::Rgb8, &grey)).unwrap();
    assert_eq!((levels(&picture, 0, 0), picture.profile), ([1, 2, 3], None));
    let mut damaged = encoded(&ColorProfile::new_display_p3());
    damaged.truncate(140);
    let error = read(&png(&[1, 2, 3], ExtendedColorType::Rgb8, &damaged)).unwrap_err();
    assert!(matches!(error, Fault::Profile(_)), "{error}");
    assert!(error.to_string().contains("save it anew in sRGB"), "{error}");
}
