//! How a picture was made and what its photograph told: written, read, left out.

use exif::{In, Tag};
use tempfile::tempdir;

use super::*;

fn provenance() -> Provenance {
    let mut made = Provenance::new(["transfer", "a b.png", "<style>.jpg", "-o", "out.png"]);
    made.weights = Some("sha256:0123".into());
    made.settings.insert("size".into(), 512.into());
    made
}

/// EXIF of a camera in a place, turned.
fn photograph() -> Vec<u8> {
    use exif::{Field, Rational, Value};
    let text = |tag, text: &str| Field { tag, ifd_num: In::PRIMARY, value: Value::Ascii(vec![text.into()]) };
    let fields = [
        text(Tag::Make, "Maker"),
        text(Tag::Copyright, "Someone"),
        text(Tag::DateTimeOriginal, "2026:01:02 03:04:05"),
        text(Tag::Software, "an editor"),
        Field { tag: Tag::Orientation, ifd_num: In::PRIMARY, value: Value::Short(vec![6]) },
        Field { tag: Tag::PixelXDimension, ifd_num: In::PRIMARY, value: Value::Long(vec![4000]) },
        Field {
            tag: Tag::GPSLatitude,
            ifd_num: In::PRIMARY,
            value: Value::Rational(vec![Rational { num: 52, denom: 1 }; 3]),
        },
    ];
    let mut writer = exif::experimental::Writer::new();
    for field in &fields {
        writer.push_field(field);
    }
    let mut out = std::io::Cursor::new(Vec::new());
    writer.write(&mut out, true).unwrap();
    out.into_inner()
}

#[test]
fn every_format_but_bmp_says_how_it_was_made() {
    let folder = tempdir().unwrap();
    let profile = moxcms::ColorProfile::new_display_p3().encode().ok();
    let picture = Picture { exif: Some(photograph()), profile, ..sample() };
    let options = SaveOptions { provenance: Some(provenance()), ..SaveOptions::default() };
    for name in ["a.png", "a.jpg", "a.webp", "a.tiff"] {
        let path = folder.path().join(name);
        picture.save_with(&path, &options).unwrap();
        assert_eq!(Provenance::read(&path).unwrap(), Some(provenance()), "{name}");
        let back = Picture::open(&path).unwrap();
        assert_eq!((back.height(), back.width(), back.profile.is_some()), (5, 7, true), "{name}");
        picture.save_with(&path, &SaveOptions { no_metadata: true, ..options.clone() }).unwrap();
        assert_eq!(Provenance::read(&path).unwrap(), None, "{name}");
        assert_eq!(Picture::open(&path).unwrap().exif, None, "{name}");
    }
    let path = folder.path().join("a.bmp");
    picture.save_with(&path, &options).unwrap();
    assert_eq!(Provenance::read(&path).unwrap(), None);
}

#[test]
fn the_camera_the_date_and_the_copyright_stay_and_the_place_if_asked_for() {
    let folder = tempdir().unwrap();
    let picture = Picture { exif: Some(photograph()), ..sample() };
    for (name, location) in [("a.png", false), ("a.jpg", false), ("a.webp", false), ("a.png", true), ("a.jpg", true)] {
        let path = folder.path().join(name);
        picture.save_with(&path, &SaveOptions { keep_location: location, ..SaveOptions::default() }).unwrap();
        let back = Picture::open(&path).unwrap();
        assert_eq!((back.height(), back.width()), (5, 7), "upright already");
        let exif = exif::Reader::new().read_raw(back.exif.unwrap()).unwrap();
        let has = |tag| exif.get_field(tag, In::PRIMARY).is_some();
        assert!(has(Tag::Make) && has(Tag::Copyright) && has(Tag::DateTimeOriginal), "{name}");
        assert!(!has(Tag::Software) && !has(Tag::Orientation) && !has(Tag::PixelXDimension), "{name}");
        assert_eq!(has(Tag::GPSLatitude), location, "{name}");
    }
    let path = folder.path().join("a.tiff");
    picture.save(&path).unwrap();
    let exif = exif::Reader::new().read_raw(Picture::open(&path).unwrap().exif.unwrap()).unwrap();
    let copyright = exif.get_field(Tag::Copyright, In::PRIMARY).unwrap();
    assert_eq!(copyright.display_value().to_string(), "\"Someone\"");
}

#[test]
fn other_programs_pictures_say_nothing() {
    let folder = tempdir().unwrap();
    for name in ["a.png", "a.jpg", "a.webp", "a.tiff", "a.gif"] {
        let path = folder.path().join(name);
        image::RgbImage::new(3, 3).save(&path).unwrap();
        assert_eq!(Provenance::read(&path).unwrap(), None, "{name}");
    }
    std::fs::write(folder.path().join("text.png"), "text").unwrap();
    assert!(Provenance::read(&folder.path().join("text.png")).is_err());
}
