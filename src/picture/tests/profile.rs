//! Colour profiles: applied on the way in, and on the way out.

use image::{ExtendedColorType, ImageEncoder};
use moxcms::ColorProfile;
use tempfile::tempdir;

use super::*;

/// A PNG of one row in a profile's colours.
fn png(pixels: &[u8], colour: ExtendedColorType, profile: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let width = pixels.len() as u32 / u32::from(colour.channel_count());
    let mut encoder = image::codecs::png::PngEncoder::new(&mut out);
    encoder.set_icc_profile(profile.to_vec()).unwrap();
    encoder.write_image(pixels, width, 1, colour).unwrap();
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
fn a_profile_that_cannot_be_used_is_passed_over_with_a_note() {
    let grey = encoded(&ColorProfile::new_gray_with_gamma(1.0));
    let mut damaged = encoded(&ColorProfile::new_display_p3());
    damaged.truncate(140);
    for (profile, said) in [(grey, "for grey"), (damaged, "ICC"), (b"junk".repeat(99), "ICC")] {
        let picture = read(&png(&[1, 2, 3], ExtendedColorType::Rgb8, &profile)).unwrap();
        assert_eq!((levels(&picture, 0, 0), picture.profile), ([1, 2, 3], None));
        let [note] = &picture.notes[..] else { panic!("{:?}", picture.notes) };
        assert!(note.starts_with("its colour profile is ignored: ") && note.contains(said), "{note}");
    }
    assert!(
        read(&png(&[1, 2, 3], ExtendedColorType::Rgb8, &encoded(&ColorProfile::new_srgb()))).unwrap().notes.is_empty()
    );
}

/// A PNG of one grey pixel of half the level, with chunks.
pub(super) fn with_chunks(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    image::codecs::png::PngEncoder::new(&mut out).write_image(&[128; 3], 1, 1, ExtendedColorType::Rgb8).unwrap();
    let mut more = Vec::new();
    for (kind, body) in chunks {
        more.extend((body.len() as u32).to_be_bytes());
        let start = more.len();
        more.extend([*kind, *body].concat());
        more.extend(crc32fast::hash(&more[start..]).to_be_bytes());
    }
    out.splice(33..33, more);
    out
}

/// What light of half the level is in sRGB, if levels are light, and if they are its square root.
const LINEAR: u8 = 188;
const SQUARE: u8 = 137;

#[test]
fn what_a_png_declares_counts_in_the_standard_s_order() {
    // Each that is valid makes another level of the same pixel.
    let p3 = {
        let mut profile = b"name\0\0".to_vec();
        let mut encoder = flate2::write::ZlibEncoder::new(&mut profile, flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, &encoded(&ColorProfile::new_display_p3())).unwrap();
        encoder.finish().unwrap();
        profile
    };
    let iccp = (b"iCCP", &p3[..]);
    let junk = (b"iCCP", &b"name\0\0junk"[..]);
    let srgb = (b"sRGB", &[0][..]);
    let linear = (b"gAMA", &100_000_u32.to_be_bytes()[..]);
    let square = (b"gAMA", &50_000_u32.to_be_bytes()[..]);
    let points = |values: &'static [u8; 4]| (b"cICP", &values[..]);
    let chrm: Vec<u8> = [31270_u32, 32900, 64000, 33000, 30000, 60000, 15000, 6000].map(u32::to_be_bytes).concat();
    let chrm = (b"cHRM", &chrm[..]);
    for (chunks, level, notes) in [
        (&[][..], 128, 0),
        (&[linear], LINEAR, 0),
        (&[square], SQUARE, 0),
        (&[square, chrm], SQUARE, 0),
        (&[chrm], 128, 0),
        (&[srgb, linear, chrm], 128, 0),
        (&[iccp, linear], 128, 0),
        (&[junk, linear], LINEAR, 1),
        (&[junk, srgb, linear], 128, 1),
        // Linear light.
        (&[points(&[1, 8, 0, 1]), iccp, square], LINEAR, 0),
        (&[points(&[1, 13, 0, 1]), square], 128, 0),
        // 16 is black and 235 white.
        (&[points(&[1, 13, 0, 0])], 130, 0),
        // Unspecified, of high dynamic range, with a matrix, not known, too short.
        (&[points(&[2, 2, 0, 1]), square], SQUARE, 1),
        (&[points(&[9, 16, 0, 1]), square], SQUARE, 1),
        (&[points(&[9, 18, 0, 1])], 128, 1),
        (&[points(&[1, 8, 1, 1]), square], SQUARE, 1),
        (&[points(&[77, 99, 0, 1]), square], SQUARE, 1),
        (&[(b"cICP", &[1]), square], SQUARE, 1),
        // No exponent, no primaries.
        (&[(b"gAMA", &[0; 4])], 128, 1),
        (&[square, (b"cHRM", &[0; 32])], 128, 1),
    ] {
        let picture = read(&with_chunks(chunks)).unwrap();
        let names: Vec<_> = chunks.iter().map(|(kind, _)| String::from_utf8_lossy(*kind)).collect();
        assert_eq!((levels(&picture, 0, 0), picture.notes.len()), ([level; 3], notes), "{names:?} {:?}", picture.notes);
    }
    // A chunk whose checksum is wrong says nothing.
    let mut damaged = with_chunks(&[square]);
    damaged[42] ^= 1;
    assert_eq!(levels(&read(&damaged).unwrap(), 0, 0), [128; 3]);
}

/// A BMP of one pixel of half the level with a header of the fourth (108) or fifth (124) version.
pub(super) fn bmp(len: u32, kind: [u8; 4], endpoints: [[f64; 3]; 3], gamma: f64, profile: &[u8]) -> Vec<u8> {
    let fixed = |value: f64, one: f64| ((value * one).round() as u32).to_le_bytes();
    let mut file = [&b"BM\0\0\0\0\0\0\0\0"[..], &(14 + len).to_le_bytes(), &len.to_le_bytes()].concat();
    file.extend([1_i32, 1].map(i32::to_le_bytes).concat());
    file.extend([1, 0, 24, 0]);
    file.extend([0; 40]);
    file.extend(kind.iter().rev());
    file.extend(endpoints.iter().flatten().flat_map(|&value| fixed(value, f64::from(1 << 30))));
    file.extend([fixed(gamma, 65536.0); 3].concat());
    if len == 124 {
        file.extend([0, len + 4, profile.len() as u32, 0].map(u32::to_le_bytes).concat());
    }
    file.extend([128, 128, 128, 0]);
    file.extend(profile);
    file
}

#[test]
fn what_a_bmp_declares_is_applied() {
    let zeros = [[0.0; 3]; 3];
    // Chromaticities of ITU-R BT.709, and what they are in XYZ with its white.
    let xyz_chromaticities = [[0.64, 0.33, 0.03], [0.30, 0.60, 0.10], [0.15, 0.06, 0.79]];
    let xyz = [[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]];
    let linear = encoded(&ColorProfile::new_gray_with_gamma(1.0));
    let rgb = {
        let mut profile = ColorProfile::new_srgb();
        let line = Some(moxcms::curve_from_gamma(1.0));
        (profile.red_trc, profile.green_trc, profile.blue_trc, profile.cicp) = (line.clone(), line.clone(), line, None);
        encoded(&profile)
    };
    for len in [108, 124] {
        for (kind, endpoints, gamma, level) in [
            (*b"sRGB", xyz, 1.0, 128),
            (*b"Win ", xyz, 1.0, 128),
            ([0; 4], zeros, 0.0, 128),
            ([0; 4], xyz, 1.0, LINEAR),
            ([0; 4], xyz_chromaticities, 1.0, LINEAR),
            ([0; 4], xyz, 2.0, SQUARE),
            ([0; 4], zeros, 2.0, SQUARE),
            ([0; 4], xyz, 0.0, 128),
        ] {
            let picture = read(&bmp(len, kind, endpoints, gamma, &[])).unwrap();
            let found = (levels(&picture, 0, 0), picture.notes.len());
            assert_eq!(found, ([level; 3], 0), "{len} {kind:?} {endpoints:?} {gamma} {:?}", picture.notes);
        }
    }
    for (kind, profile, level, said) in [
        (b"MBED", &rgb[..], LINEAR, ""),
        (b"MBED", b"junk", 128, "ICC"),
        (b"MBED", &linear, 128, "for grey"),
        (b"LINK", b"C:\\a.icc\0", 128, "another file"),
        (b"ABCD", b"", 128, "unknown"),
    ] {
        let picture = read(&bmp(124, *kind, zeros, 0.0, profile)).unwrap();
        assert_eq!((levels(&picture, 0, 0), picture.notes.is_empty()), ([level; 3], said.is_empty()), "{kind:?}");
        assert!(picture.notes.iter().all(|note| note.contains(said)), "{:?}", picture.notes);
    }
}

/// Grey whose curve gives lightness: half of it is 18.4 % of the light, sRGB's level 119 (CIE 15:2004).
#[test]
fn a_curve_of_lightness_is_taken_for_that() {
    let mut profile = ColorProfile::new_gray_with_gamma(1.0);
    profile.pcs = moxcms::DataColorSpace::Lab;
    let picture = read(&png(&[0, 51, 128, 255], ExtendedColorType::L8, &encoded(&profile))).unwrap();
    for (column, level) in [0_u8, 51, 128, 255].into_iter().enumerate() {
        let lightness = f64::from(level) / 2.55;
        let y = if lightness > 8.0 { ((lightness + 16.0) / 116.0).powi(3) } else { lightness / 903.3 };
        let found = f64::from(picture.rgb[[0, column, 1]]);
        assert!((found - curved(y)).abs() < 0.2 / 255.0, "{level}: {found} {}", curved(y));
    }
    assert!(picture.notes.is_empty(), "{:?}", picture.notes);
}

#[test]
fn a_jpeg_s_profile_needs_all_its_parts() {
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 100)
        .write_image(&[128; 3], 1, 1, ExtendedColorType::Rgb8)
        .unwrap();
    let profile = {
        let mut profile = ColorProfile::new_srgb();
        let line = Some(moxcms::curve_from_gamma(1.0));
        (profile.red_trc, profile.green_trc, profile.blue_trc, profile.cicp) = (line.clone(), line.clone(), line, None);
        encoded(&profile)
    };
    let (one, two) = profile.split_at(profile.len() / 2);
    for (parts, count, level) in [
        (&[(1, one), (2, two)][..], 2, LINEAR),
        (&[(2, two), (1, one)], 2, LINEAR),
        (&[(1, one)], 2, 128),
        (&[(1, one), (2, two)], 3, 128),
        (&[(1, one), (1, two)], 2, 128),
        (&[(0, one), (1, two)], 2, 128),
    ] {
        let mut file = jpeg.clone();
        for (number, data) in parts.iter().rev() {
            let body = [b"ICC_PROFILE\0", &[*number, count][..], data].concat();
            file.splice(2..2, [&[0xff, 0xe2][..], &(body.len() as u16 + 2).to_be_bytes(), &body].concat());
        }
        let picture = read(&file).unwrap();
        let found = levels(&picture, 0, 0)[1];
        assert!(found.abs_diff(level) <= 1 && picture.notes.len() == usize::from(level == 128), "{found} {level}");
    }
}
