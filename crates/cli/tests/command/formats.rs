//! Picture files from the view of the command's user: colours, texts, pages, damage, folders.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, Rgba, RgbaImage};
use moxcms::{ColorProfile, DataColorSpace};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_empty};

use crate::support::{Workshop, content, data, fails, levels_apart, style};

/// EXIF of one text.
fn exif(tag: u16, text: &[u8]) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0".to_vec();
    exif.extend(tag.to_le_bytes());
    exif.extend(2_u16.to_le_bytes());
    exif.extend((text.len() as u32 + 1).to_le_bytes());
    exif.extend(26_u32.to_le_bytes());
    exif.extend([0; 4]);
    exif.extend(text);
    exif.push(0);
    exif
}

const ARTIST: u16 = 0x013b;
const COPYRIGHT: u16 = 0x8298;

/// The content as JPEG with EXIF.
fn photograph(exif: Vec<u8>) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 95);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.encode_image(&content()).unwrap();
    jpeg
}

/// The content as PNG with chunks before its pixels.
fn with_chunks(chunks: &[([u8; 4], &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let content = content();
    let mut encoder = png::Encoder::new(&mut out, content.width(), content.height());
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    for (kind, body) in chunks {
        writer.write_chunk(png::chunk::ChunkType(*kind), body).unwrap();
    }
    writer.write_image_data(content.as_raw()).unwrap();
    writer.finish().unwrap();
    out
}

/// `impasto transfer` of a picture in a step.
fn transfer(picture: &str, output: &str) -> String {
    let thin = data("vgg19-thin.npz");
    format!("transfer {picture} style.png -o {output} --size 0 --steps 1 --weights {thin}")
}

/// `impasto features` of a picture.
fn features(picture: &str) -> String {
    format!("features {picture} --layers relu1_1 -o f.npz --size 0 --weights {}", data("vgg19-thin.npz"))
}

#[test]
fn texts_of_any_letters_are_written_to_every_format() {
    let shop = Workshop::new();
    let utf8 = "© 2024 Zoë, 日本";
    for (tag, text) in [(COPYRIGHT, utf8.as_bytes()), (ARTIST, b"Jos\xe9 \xa9"), (ARTIST, b"plain")] {
        std::fs::write(shop.path("photo.jpg"), photograph(exif(tag, text))).unwrap();
        for output in ["out.tiff", "out.jpg", "out.png", "out.webp"] {
            shop.impasto(&format!("{} --quiet", transfer("photo.jpg", output))).assert().success().stderr("");
            let written = std::fs::read(shop.path(output)).unwrap();
            assert!(written.windows(text.len()).any(|part| part == text), "{output}");
        }
    }
    let thin = data("vgg19-thin.npz");
    let words =
        format!("invert photo.jpg --layer relu1_1 -o inverted.tiff --size 16 --steps 2 --weights {thin} --quiet");
    shop.impasto(&words).assert().success().stderr("");
    assert!(shop.path("inverted.tiff").is_file());
}

#[test]
fn more_text_than_a_jpeg_holds_is_left_out_with_a_word() {
    let shop = Workshop::new();
    let mut long = Vec::new();
    let mut encoder = PngEncoder::new(&mut long);
    encoder.set_exif_metadata(exif(COPYRIGHT, &b"c".repeat(70_000))).unwrap();
    encoder.write_image(content().as_raw(), 32, 24, ExtendedColorType::Rgb8).unwrap();
    std::fs::write(shop.path("long.png"), long).unwrap();
    let said = contains("note: out.jpg: its EXIF data is left out: it has 70");
    shop.impasto(&transfer("long.png", "out.jpg")).assert().success().stderr(said);
    for output in ["out.png", "out.webp", "out.tiff"] {
        shop.impasto(&transfer("long.png", output)).assert().success().stderr(contains("left out").not());
        assert!(std::fs::read(shop.path(output)).unwrap().windows(70_000).any(|part| part.iter().all(|&b| b == b'c')));
    }
    // The other metadata stay.
    shop.impasto("show out.jpg --as-command").assert().success().stdout(contains("transfer long.png"));
}

#[test]
fn a_folder_s_pictures_are_all_that_are_read_when_named() {
    let shop = Workshop::new();
    std::fs::create_dir(shop.path("photos")).unwrap();
    let jpeg = photograph(exif(ARTIST, b"x"));
    let heic = heifer::encode_rgb8(64, 48, &[200, 100, 50].repeat(64 * 48), &heifer::EncodeOptions::default()).unwrap();
    let mut bmp = std::io::Cursor::new(Vec::new());
    DynamicImage::from(content()).write_to(&mut bmp, image::ImageFormat::Bmp).unwrap();
    let bmp = bmp.into_inner();
    let names = ["a.jfif", "b.JPG", "c.jpe", "d.pjpeg", "e.hif", "f.dib", "g.heif"];
    for (name, bytes) in names.into_iter().zip([&jpeg, &jpeg, &jpeg, &jpeg, &heic, &bmp, &heic]) {
        std::fs::write(shop.path("photos").join(name), bytes).unwrap();
        shop.impasto(&features(&format!("photos/{name}"))).assert().success();
    }
    for name in ["x.avif", "y.txt"] {
        std::fs::write(shop.path("photos").join(name), "no picture").unwrap();
    }
    let thin = data("vgg19-thin.npz");
    let rest = format!("--size 24 --steps 1 --weights {thin}");
    let words = format!("batch photos --style style.png -o out {rest} --dry-run");
    let note = "note: skipped in photos, not pictures by their names: x.avif, y.txt\n";
    let output = shop.impasto(&format!("{words} --json")).assert().success().get_output().clone();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), names.len());
    assert_eq!(String::from_utf8(output.stderr).unwrap().matches(note).count(), 1);
    shop.impasto(&format!("{words} --quiet")).assert().success().stderr("");
    // The same folder of styles.
    let output = shop.impasto(&format!("transfer content.png photos -o out.png {rest}")).assert().success();
    assert_eq!(String::from_utf8(output.get_output().stderr.clone()).unwrap().matches(note).count(), 1);
    std::fs::create_dir(shop.path("other")).unwrap();
    std::fs::write(shop.path("other/x.avif"), "").unwrap();
    for words in ["batch other --style style.png -o out", "transfer content.png other -o out.png"] {
        fails(&shop, &format!("{words} {rest}"), 1, &["other", ".jfif", ".hif"]);
    }
}

#[test]
fn what_cannot_be_used_of_a_picture_s_colours_is_passed_over_with_a_note() {
    let shop = Workshop::new();
    std::fs::write(shop.path("plain.png"), with_chunks(&[])).unwrap();
    shop.impasto(&features("plain.png")).assert().success().stderr("");
    let plain = shop.arrays("f.npz");
    let mut junk = Vec::new();
    let mut encoder = PngEncoder::new(&mut junk);
    encoder.set_icc_profile(b"x".repeat(500)).unwrap();
    encoder.write_image(content().as_raw(), 32, 24, ExtendedColorType::Rgb8).unwrap();
    for (bytes, said) in [
        (junk, "ICC"),
        (with_chunks(&[(*b"cICP", &[2, 2, 0, 1])]), "unspecified"),
        (with_chunks(&[(*b"cICP", &[9, 16, 0, 1])]), "high dynamic range"),
        (with_chunks(&[(*b"gAMA", &[0; 4])]), "gamma"),
    ] {
        std::fs::write(shop.path("odd.png"), bytes).unwrap();
        let output = shop.impasto(&features("odd.png")).assert().success().get_output().clone();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("note: odd.png: its colour profile is ignored: "), "{stderr}");
        assert!(stderr.contains(said) && stderr.lines().count() == 1, "{stderr}");
        assert_eq!(shop.arrays("f.npz"), plain, "{said}");
        shop.impasto(&format!("{} --quiet", transfer("odd.png", "out.png"))).assert().success().stderr(is_empty());
        shop.impasto(&transfer("odd.png", "out.png")).assert().success().stderr(contains("note: odd.png"));
    }
}

#[test]
fn colours_are_what_a_file_declares() {
    let shop = Workshop::new();
    // Recolouring by itself leaves a picture as it was read.
    let read = |name: &str| {
        let words = format!("transfer {name} {name} --colors only --size 0 -o out.png --srgb --quiet");
        shop.impasto(&words).assert().success();
        shop.rgb("out.png")
    };
    let curved = |light: f64| if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    let by = |light: &dyn Fn(f64) -> f64, picture: &image::RgbImage| {
        let mut picture = picture.clone();
        for level in picture.iter_mut() {
            *level = (curved(light(f64::from(*level) / 255.0)) * 255.0).round() as u8;
        }
        picture
    };
    // Exponents 1 and 2, of PNG's 1 and 0.5.
    std::fs::write(shop.path("linear.png"), with_chunks(&[(*b"gAMA", &100_000_u32.to_be_bytes())])).unwrap();
    assert!(levels_apart(&read("linear.png"), &by(&|v| v, &content())) <= 1);
    std::fs::write(shop.path("square.png"), with_chunks(&[(*b"gAMA", &50_000_u32.to_be_bytes())])).unwrap();
    assert!(levels_apart(&read("square.png"), &by(&|v| v * v, &content())) <= 1);
    std::fs::write(shop.path("srgb.png"), with_chunks(&[(*b"sRGB", &[0]), (*b"gAMA", &100_000_u32.to_be_bytes())]))
        .unwrap();
    assert!(levels_apart(&read("srgb.png"), &content()) <= 1);
    // Grey by a curve of lightness.
    let grey = DynamicImage::from(content()).to_luma8();
    let mut profile = ColorProfile::new_gray_with_gamma(1.0);
    profile.pcs = DataColorSpace::Lab;
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    encoder.set_icc_profile(profile.encode().unwrap()).unwrap();
    encoder.write_image(grey.as_raw(), 32, 24, ExtendedColorType::L8).unwrap();
    std::fs::write(shop.path("grey.png"), file).unwrap();
    let lightness = |v: f64| if v > 0.08 { ((100.0 * v + 16.0) / 116.0).powi(3) } else { 100.0 * v / 903.3 };
    let expected = by(&lightness, &DynamicImage::from(grey).into_rgb8());
    assert!(levels_apart(&read("grey.png"), &expected) <= 1);
}

/// A changed byte of the pixels' data at some fifty places.
#[test]
fn a_png_whose_data_are_damaged_is_refused() {
    let shop = Workshop::new();
    let whole = with_chunks(&[]);
    let data = whole.windows(4).position(|kind| kind == b"IDAT").unwrap() + 4;
    let places = (data..whole.len() - 12).step_by((whole.len() - data) / 50 + 1);
    assert!(places.len() > 30, "{}", places.len());
    for place in places {
        let mut changed = whole.clone();
        changed[place] ^= 0x04;
        std::fs::write(shop.path("changed.png"), changed).unwrap();
        fails(&shop, &features("changed.png"), 1, &["changed.png", "checksum"]);
    }
}

/// The bits of a result do not depend on what transparent pixels hide: in a style, in a content, in an example.
#[test]
fn what_transparent_pixels_hide_does_not_matter() {
    let shop = Workshop::new();
    let holed = |picture: &image::RgbImage, hidden: [u8; 3], name: &str| {
        let pixel = |x: u32, y: u32| {
            let [r, g, b] = picture.get_pixel(x, y).0;
            let (x, y) = (x as i32 - 14, y as i32 - 12);
            if x * x + y * y < 60 { Rgba([hidden[0], hidden[1], hidden[2], 0]) } else { Rgba([r, g, b, 255]) }
        };
        RgbaImage::from_fn(picture.width(), picture.height(), pixel).save(shop.path(name)).unwrap();
    };
    let thin = data("vgg19-thin.npz");
    let painted = |words: &str, hidden: [u8; 3]| {
        holed(&style(), hidden, "hole-style.png");
        holed(&content(), hidden, "hole-content.png");
        shop.impasto(&format!("{words} --steps 2 --weights {thin} -o out.png --quiet")).assert().success();
        image::open(shop.path("out.png")).unwrap().into_rgba8()
    };
    for words in [
        "transfer content.png hole-style.png --size 0",
        "transfer content.png hole-style.png --size 24",
        "transfer content.png hole-style.png --size 0 --scales 24,32 --style-size 24",
        "transfer content.png hole-style.png --size 0 --colors match",
        "transfer content.png hole-style.png --size 0 --init style",
        "transfer content.png style.png --size 0 --init hole-content.png",
        "texture hole-style.png --size 20 --scales 1",
        "invert hole-content.png --layer relu2_1 --size 24",
    ] {
        assert_eq!(painted(words, [0, 0, 0]), painted(words, [0, 255, 0]), "{words}");
    }
    // Of a content the hidden pixels are left as they are; the others do not depend on them.
    let [black, green] =
        [[0, 0, 0], [0, 255, 0]].map(|hidden| painted("transfer hole-content.png style.png --size 0", hidden));
    for (a, b) in black.pixels().zip(green.pixels()).filter(|(a, _)| a[3] > 0) {
        assert_eq!(a, b);
    }
}

#[test]
fn jpegs_without_tables_and_with_odd_names_are_read() {
    let shop = Workshop::new();
    let whole = photograph(exif(ARTIST, b"x"));
    std::fs::write(shop.path("a.jpg"), &whole).unwrap();
    shop.impasto(&features("a.jpg")).assert().success().stderr("");
    let expected = shop.arrays("f.npz");
    let mut without = Vec::from(&whole[..2]);
    let mut at = 2;
    let mut named = whole.clone();
    loop {
        let end = at + 2 + usize::from(u16::from_be_bytes([whole[at + 2], whole[at + 3]]));
        match whole[at + 1] {
            0xc0 => (0..3).for_each(|i| named[at + 10 + 3 * i] = 1),
            0xda => (0..3).for_each(|i| named[at + 5 + 2 * i] = 1),
            _ => {}
        }
        if whole[at + 1] != 0xc4 {
            without.extend(&whole[at..end]);
        }
        let last = whole[at + 1] == 0xda;
        at = end;
        if last {
            break;
        }
    }
    without.extend(&whole[at..]);
    assert!(without.len() < whole.len());
    for bytes in [without, named] {
        std::fs::write(shop.path("b.jpg"), bytes).unwrap();
        shop.impasto(&features("b.jpg")).assert().success().stderr("");
        assert_eq!(shop.arrays("f.npz"), expected);
    }
}

#[test]
fn how_it_was_made_is_found_behind_fill_bytes() {
    let shop = Workshop::new();
    shop.impasto(&format!("{} --quiet", transfer("content.png", "out.jpg"))).assert().success();
    let whole = std::fs::read(shop.path("out.jpg")).unwrap();
    let packet = whole.windows(2).position(|pair| pair == [0xff, 0xe1]).unwrap();
    let mut filled = whole.clone();
    filled.splice(packet..packet, [0xff; 5]);
    std::fs::write(shop.path("filled.jpg"), filled).unwrap();
    let said = shop.impasto("show out.jpg").assert().success().get_output().stdout.clone();
    shop.impasto("show filled.jpg").assert().success().stdout(said);
}
