//! `impasto transfer`: the files it reads and writes.

use image::codecs::png::PngEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, Rgba, RgbaImage};
use impasto::Picture;
use impasto::picture::{Depth, SaveOptions};
use moxcms::ColorProfile;
use predicates::str::contains;

use crate::support::{Workshop, content, levels_apart};

#[test]
fn every_format_goes_in_and_out() {
    let shop = Workshop::new();
    for (extension, format) in [
        ("png", ImageFormat::Png),
        ("jpg", ImageFormat::Jpeg),
        ("webp", ImageFormat::WebP),
        ("tiff", ImageFormat::Tiff),
        ("bmp", ImageFormat::Bmp),
    ] {
        let name = format!("out.{extension}");
        shop.transfer(&format!("-o {name} --steps 1 --quiet")).assert().success();
        let bytes = std::fs::read(shop.path(&name)).unwrap();
        assert_eq!(image::guess_format(&bytes).unwrap(), format);
        // And in again, as the style.
        std::fs::copy(shop.path(&name), shop.path("style.png")).unwrap();
        shop.transfer("-o again.png --steps 1 --quiet").assert().success();
        assert_eq!(shop.rgb("again.png").dimensions(), (32, 24), "{extension}");
    }
}

/// Stored in Display P3, the same pictures are painted alike, and the result has the content's profile and its numbers.
#[test]
fn wide_colours_are_painted_as_they_are_meant_and_written_in_their_profile() {
    let shop = Workshop::new();
    let plain = shop.picture("");
    let profile = ColorProfile::new_display_p3().encode().ok();
    for name in ["content.png", "style.png"] {
        let picture = Picture { profile: profile.clone(), ..Picture::open(shop.path(name)).unwrap() };
        let options = SaveOptions { depth: Depth::Sixteen, ..SaveOptions::default() };
        picture.save_with(shop.path(name), &options).unwrap();
    }
    let painted = |name: &str, words: &str| {
        shop.transfer(&format!("-o {name} --steps 3 --quiet {words}")).assert().success();
        let seen = Picture::open(shop.path(name)).unwrap();
        let options = SaveOptions { srgb: true, ..SaveOptions::default() };
        seen.save_with(shop.path("seen.png"), &options).unwrap();
        (seen.profile, shop.rgb("seen.png"), shop.rgb(name))
    };
    for name in ["out.png", "out.webp", "out.tiff"] {
        let (own, seen, stored) = painted(name, "");
        assert_eq!(own, profile, "{name}");
        assert!(levels_apart(&seen, &plain) <= 4, "{name}: {}", levels_apart(&seen, &plain));
        assert!(levels_apart(&stored, &plain) > 10, "{name}");
    }
    let (own, _, stored) = painted("out.png", "--srgb");
    assert_eq!(own, None);
    assert!(levels_apart(&stored, &plain) <= 4, "{}", levels_apart(&stored, &plain));
}

#[test]
fn opacity_is_put_back_where_the_format_has_it() {
    let shop = Workshop::new();
    let opacity = |x: u32, y: u32| (x * 7 + y) as u8;
    let transparent = RgbaImage::from_fn(32, 24, |x, y| {
        let [r, g, b] = content().get_pixel(x, y).0;
        Rgba([r, g, b, opacity(x, y)])
    });
    transparent.save(shop.path("content.png")).unwrap();
    for name in ["out.png", "out.webp", "out.tiff"] {
        shop.transfer(&format!("-o {name} --steps 2 --quiet")).assert().success();
        let DynamicImage::ImageRgba8(out) = image::open(shop.path(name)).unwrap() else { panic!("{name} is not RGBA") };
        assert!(out.enumerate_pixels().all(|(x, y, pixel)| pixel.0[3] == opacity(x, y)), "{name}");
    }
    shop.transfer("-o out.jpg --steps 2 --quiet").assert().success();
    assert!(!image::open(shop.path("out.jpg")).unwrap().color().has_alpha());
}

#[test]
fn a_picture_that_the_camera_held_upright_stays_upright() {
    let shop = Workshop::new();
    let file = std::fs::File::create(shop.path("content.png")).unwrap();
    let mut encoder = PngEncoder::new(file);
    // TIFF header, one directory entry: orientation (0x0112), a short, value 6: turn by 90° clockwise.
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    encoder.set_exif_metadata(exif.to_vec()).unwrap();
    encoder.write_image(&content(), 32, 24, ExtendedColorType::Rgb8).unwrap();
    let out = shop.picture("--lr 1e-9");
    assert_eq!(out, image::imageops::rotate90(&content()));
}

#[test]
fn pictures_on_the_way_are_numbered() {
    let shop = Workshop::new();
    shop.transfer("-o out.png --steps 5 --save-every 2 --quiet").assert().success();
    assert_eq!(shop.new_files(), ["out-0002.png", "out-0004.png", "out.png"]);
    let second = shop.rgb("out-0002.png");
    shop.transfer("-o two.png --steps 2 --quiet").assert().success();
    assert_eq!(shop.rgb("two.png"), second, "the picture after two iterations is the same whether more follow or not");
}

#[test]
fn what_cannot_be_written_leaves_nothing_half_written() {
    let shop = Workshop::new();
    std::fs::create_dir(shop.path("folder.png")).unwrap();
    shop.transfer("-o folder.png --steps 1 --quiet").assert().code(1).stderr(contains("folder.png"));
    shop.transfer("-o none/out.png --steps 1").assert().code(1).stderr(contains("there is no folder none"));
    shop.transfer("-o out.png --log none/log.jsonl --steps 1").assert().code(1).stderr(contains("none/log.jsonl"));
    assert_eq!(shop.new_files(), ["folder.png"]);
}

#[test]
fn an_older_picture_stays_until_the_new_one_is_whole() {
    let shop = Workshop::new();
    std::fs::write(shop.path("out.png"), "an older file").unwrap();
    shop.transfer("-o out.png --style-layers relu9_9").assert().code(2);
    shop.transfer("-o out.png --init none.png").assert().code(1);
    assert_eq!(std::fs::read(shop.path("out.png")).unwrap(), b"an older file");
    shop.transfer("-o out.png --steps 1 --quiet").assert().success();
    assert_eq!(shop.rgb("out.png").dimensions(), (32, 24));
}
