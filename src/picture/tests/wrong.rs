//! What is no picture, or only part of one.

use tempfile::tempdir;

use super::*;

#[test]
fn a_header_that_claims_a_huge_picture_is_an_error_before_anything_is_allocated() {
    // A bitmap's file header and its 40-byte information header: 100000×100000 pixels of 24 bits.
    let mut bytes = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bytes.extend([100_000i32, 100_000].map(i32::to_le_bytes).concat());
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    assert!(read(&bytes).is_err());
    // A PNG's header: 60000×60000 pixels of 16-bit RGB.
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x10\x02\0\0\0".to_vec();
    let crc = crc32(&png[12..]);
    png.extend(crc.to_be_bytes());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    let error = read(&png).unwrap_err();
    assert!(matches!(error, Fault::TooLarge { width: 60_000, .. }), "{error}");
    assert!(error.to_string().contains("60000×60000"), "{error}");
}

#[test]
fn a_file_of_gibibytes_is_not_read_into_memory() {
    let folder = tempdir().unwrap();
    for (name, start) in [("a.jpg", &b"\xff\xd8\xff\xe0"[..]), ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0heic")] {
        let path = folder.path().join(name);
        std::fs::write(&path, start).unwrap();
        // A hole takes no room.
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        let error = Picture::open(&path).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("larger than 1024 MiB"), "{error}");
    }
}

#[test]
fn a_webp_that_claims_a_huge_colour_profile_is_refused_before_it_is_allocated() {
    let mut plain = Vec::new();
    let encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut plain);
    encoder.encode(&[9; 18], 3, 2, image::ExtendedColorType::Rgb8).unwrap();
    // Extended, with a profile, 3×2 pixels; the picture; a profile that is not there.
    let extended = b"RIFF\xf0\xff\xff\xffWEBPVP8X\x0a\0\0\0\x20\0\0\0\x02\0\0\x01\0\0";
    let error = read(&[&extended[..], &plain[12..], b"ICCP\0\0\0\xf0"].concat()).unwrap_err();
    assert!(error.to_string().contains("more metadata"), "{error}");
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn files_cut_short_are_errors() {
    let folder = tempdir().unwrap();
    for name in ["a.png", "a.webp", "a.tiff", "a.bmp", "a.jpg"] {
        let path = folder.path().join(name);
        sample().save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for len in [0, 1, 10, whole.len() / 4, whole.len() / 2] {
            std::fs::write(&path, &whole[..len]).unwrap();
            let error = Picture::open(&path).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}

#[test]
fn a_png_without_its_end_has_all_its_pixels() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.png");
    sample().save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for missing in [12, 6, 1] {
        assert_eq!(read(&whole[..whole.len() - missing]).unwrap(), sample());
    }
    // More than the decoder holds back at once.
    let large = Picture::new(Array3::from_shape_fn((150, 200, 3), |(i, j, c)| ((i * 3 + j + c) % 256) as f32 / 255.0));
    large.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(read(&whole[..whole.len() - 12]).unwrap(), large);
    for missing in [200, 2000] {
        assert!(read(&whole[..whole.len() - missing]).is_err(), "{missing}");
    }
}

#[test]
fn other_files_are_named() {
    for (bytes, what) in [
        (&b"<!DOCTYPE html><html>"[..], "a web page (HTML)"),
        (b"\n  <html lang=en>", "a web page (HTML)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
        (b"<?xml version='1.0'?><svg xmlns=''>", "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"8BPS\0\x01", "Photoshop"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "AVIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0crx ", "raw"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isom", "video"),
        (b"\xff\x0a\xfa", "JPEG XL"),
        (b"PK\x03\x04", "ZIP"),
        (b"P6\n1 1\n255\n", "PNM"),
        (b"II*\0\x10\0\0\0CR\x02\0", "raw"),
    ] {
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("PNG, JPEG, WebP, TIFF and BMP"), "{what}: {error}");
    }
    assert_eq!(read(b""), Err(Fault::Empty));
    assert_eq!(read(b"this is no picture"), Err(Fault::Unknown));
}

#[test]
fn errors_name_the_file_and_say_what_would_be_right() {
    let folder = tempdir().unwrap();
    let text = folder.path().join("text.png");
    std::fs::write(&text, "this is no picture").unwrap();
    let error = Picture::open(&text).unwrap_err().to_string();
    assert!(error.contains("text.png") && error.contains("PNG, JPEG, WebP, TIFF and BMP"), "{error}");
    let error = Picture::open(folder.path().join("none.png")).unwrap_err().to_string();
    assert!(error.contains("cannot open the picture") && error.contains("none.png"), "{error}");
    let error = Picture::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("it is a folder"), "{error}");
    let error = sample().save(folder.path().join("a.gif")).unwrap_err().to_string();
    assert!(error.contains("a.gif") && error.contains("must end in .png"), "{error}");
    let error = Format::of(&folder.path().join("no/a.png")).unwrap_err().to_string();
    assert!(error.contains("there is no folder"), "{error}");
    std::fs::create_dir(folder.path().join("folder.png")).unwrap();
    let error = Format::of(&folder.path().join("folder.png")).unwrap_err().to_string();
    assert!(error.contains("it is a folder"), "{error}");
    let error = sample().save("-").unwrap_err().to_string();
    assert!(error.contains("name a format"), "{error}");
}

#[test]
fn what_a_format_cannot_hold_is_known_before() {
    let folder = tempdir().unwrap();
    let check = |name: &str, size| SaveOptions::default().check(&folder.path().join(name), size, &[]);
    check("a.webp", [16_383, 16_383]).unwrap();
    check("a.jpg", [65_535, 1]).unwrap();
    check("a.png", [70_000, 1]).unwrap();
    for (name, size) in [("a.webp", [16_384, 1]), ("a.webp", [1, 16_384]), ("a.jpg", [1, 65_536])] {
        let error = check(name, size).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("on a side"), "{error}");
    }
    let error = Picture::new(Array3::zeros((1, 16_384, 3))).save(folder.path().join("a.webp")).unwrap_err().to_string();
    assert!(error.contains("16383"), "{error}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn an_input_is_not_written_over() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    sample().save(at("in.png")).unwrap();
    let options = SaveOptions::default();
    std::fs::create_dir(at("sub")).unwrap();
    for same in ["in.png", "sub/../in.png"] {
        let error = options.check(&at(same), [1, 1], &[&at("other.png"), &at("in.png")]).unwrap_err().to_string();
        assert!(error.contains("it is the input") && error.contains("in.png"), "{error}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("in.png", at("link.png")).unwrap();
        assert!(options.check(&at("link.png"), [1, 1], &[&at("in.png")]).is_err());
        assert!(options.check(&at("in.png"), [1, 1], &[&at("link.png")]).is_err());
    }
    options.check(&at("out.png"), [1, 1], &[&at("in.png")]).unwrap();
}

/// Files with some bytes changed are pictures or errors: no panic, nothing beyond 0..1, no endless work.
#[test]
fn mutated_files_are_pictures_or_errors() {
    use rand::{RngExt, SeedableRng};
    let count = std::env::var("IMPASTO_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(2000_usize);
    let folder = tempdir().unwrap();
    let profile = moxcms::ColorProfile::new_display_p3().encode().ok();
    let picture = Picture { profile, exif: Some(turned_by(6, true)), ..sample() };
    let mut seeds = Vec::new();
    for name in ["a.png", "a.jpg", "a.webp", "a.tiff", "a.bmp"] {
        let path = folder.path().join(name);
        let made = Provenance::new(["transfer"]);
        picture.save_with(&path, &SaveOptions { provenance: Some(made), ..SaveOptions::default() }).unwrap();
        seeds.push(std::fs::read(&path).unwrap());
    }
    let pixels = [200, 100, 50].repeat(64 * 64);
    seeds.push(heifer::encode_rgb8(64, 64, &pixels, &heifer::EncodeOptions::default()).unwrap());
    let mut gif = Vec::new();
    let frame = image::Frame::new(image::RgbaImage::from_pixel(9, 7, image::Rgba([9, 8, 7, 255])));
    image::codecs::gif::GifEncoder::new(&mut gif).encode_frame(frame).unwrap();
    seeds.push(gif);
    seeds.push(profile::bmp(124, *b"MBED", [[0.0; 3]; 3], 0.0, &picture.profile.unwrap()));
    seeds.push(profile::bmp(108, [0; 4], [[0.64, 0.33, 0.03], [0.3, 0.6, 0.1], [0.15, 0.06, 0.79]], 2.0, &[]));
    seeds.push(tiff::pages(&[([3, 4], Some(1), 50), ([6, 8], None, 90), ([2, 2], None, 7)]));
    let (gamma, points) = (50_000_u32.to_be_bytes(), [1, 8, 0, 1]);
    seeds.push(profile::with_chunks(&[
        (b"cICP", &points),
        (b"gAMA", &gamma),
        (b"cHRM", &[9; 32]),
        (b"iCCP", b"a\0\0b"),
    ]));
    let path = folder.path().join("mutated");
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    for i in 0..count {
        let mut bytes = seeds[i % seeds.len()].clone();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..4) {
                0 => bytes[at] = random.random(),
                1 => bytes[at] ^= 1 << random.random_range(0..8),
                2 => bytes[at] = [0, 0xff, 0x7f, 0x80][random.random_range(0..4)],
                _ if bytes.len() > 40 => bytes.truncate(bytes.len() - random.random_range(0..20)),
                _ => {}
            }
        }
        if random.random() {
            mend_checksums(&mut bytes);
        }
        std::fs::write(&path, &bytes).unwrap();
        let shape = shape(&path);
        if let Ok(picture) = read(&bytes) {
            assert_eq!(shape.unwrap(), [picture.height(), picture.width()], "{i}");
            let alpha = picture.alpha.iter().flatten();
            assert!(picture.rgb.iter().chain(alpha).all(|value| (0.0..=1.0).contains(value)), "{i}");
        }
    }
}

/// Gives the chunks of a PNG their right checksums, so that what is in them is looked at.
fn mend_checksums(bytes: &mut [u8]) {
    let mut at = 8;
    while bytes.starts_with(b"\x89PNG")
        && let Some(size) = bytes.get(at..).and_then(<[u8]>::first_chunk).map(|size| u32::from_be_bytes(*size) as usize)
        && bytes.len() >= at + 12 + size
    {
        let checksum = crc32fast::hash(&bytes[at + 4..at + 8 + size]).to_be_bytes();
        bytes[at + 8 + size..at + 12 + size].copy_from_slice(&checksum);
        at += 12 + size;
    }
}

/// Every byte of what makes a PNG's pixels, and of its checksums.
#[test]
fn a_png_with_a_changed_byte_of_data_is_an_error() {
    let large = Picture::new(Array3::from_shape_fn((40, 50, 3), |(i, j, c)| ((i * j * 3 + c) % 256) as f32 / 255.0));
    let palette = {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, 4, 2);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(vec![9, 8, 7, 200, 100, 50]);
        encoder.set_trns(vec![255, 7]);
        encoder.write_header().unwrap().write_image_data(&[0, 1, 0, 1, 1, 1, 0, 0]).unwrap();
        out
    };
    let mut changed = 0;
    for whole in [large.encoded(Format::Png, &SaveOptions::default()).unwrap(), palette] {
        let mut at = 8;
        while &whole[at + 4..at + 8] != b"IEND" {
            let end = at + 12 + u32::from_be_bytes(*whole[at..].first_chunk().unwrap()) as usize;
            let pixels = [b"IHDR", b"PLTE", b"tRNS", b"IDAT"].iter().any(|kind| *kind == &whole[at + 4..at + 8]);
            for place in (at + 8..end).step_by(7).filter(|_| pixels) {
                let mut file = whole.clone();
                file[place] ^= 0x10;
                assert!(read(&file).is_err(), "{place}");
                changed += 1;
            }
            at = end;
        }
    }
    assert!(changed > 50, "{changed}");
}
