//! Provenance and EXIF: written, read, left out.

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

#[test]
fn more_text_than_a_format_holds_is_left_out_with_a_note() {
    let folder = tempdir().unwrap();
    let long = |len: usize| {
        let mut made = provenance();
        made.arguments.push("x".repeat(len));
        made
    };
    let copyright = |len: usize| metadata::from_texts(&[(0x8298, vec![b'c'; len])]);
    for (name, format) in
        [("a.jpg", Format::Jpeg), ("a.png", Format::Png), ("a.webp", Format::WebP), ("a.tiff", Format::Tiff)]
    {
        for (made, exif, left_out) in [
            (long(60_000), copyright(60_000), 0),
            (long(70_000), copyright(10), 1),
            (long(10), copyright(70_000), 1),
            (long(300_000), copyright(70_000), 2),
        ] {
            let path = folder.path().join(name);
            let picture = Picture { exif, ..sample() };
            let options = SaveOptions { provenance: Some(made.clone()), ..SaveOptions::default() };
            let notes = picture.left_out(format, &options);
            let expected = if format == Format::Jpeg { left_out } else { 0 };
            assert_eq!(notes.len(), expected, "{name}: {notes:?}");
            assert!(
                notes.iter().all(|note| note.contains("is left out") && note.contains("JPEG holds 65")),
                "{notes:?}"
            );
            picture.save_with(&path, &options).unwrap();
            let back = Picture::open(&path).unwrap();
            if expected == 0 {
                assert_eq!(Provenance::read(&path).unwrap(), Some(made), "{name}");
                assert!(back.exif.is_some(), "{name}");
            }
        }
    }
}

/// As many bytes as fit, to the byte.
#[test]
fn a_jpeg_s_segment_is_filled_to_the_last_byte() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    let mut made = provenance();
    let most = 65_533 - b"http://ns.adobe.com/xap/1.0/\0".len();
    made.arguments.push("x".repeat(most - made.to_xmp().len() - 3));
    for (more, fits) in [(0, true), (1, false)] {
        made.arguments.last_mut().unwrap().push_str(&"x".repeat(more));
        assert_eq!(made.to_xmp().len(), most + more);
        let options = SaveOptions { provenance: Some(made.clone()), ..SaveOptions::default() };
        assert_eq!(sample().left_out(Format::Jpeg, &options).is_empty(), fits);
        sample().save_with(&path, &options).unwrap();
        assert_eq!(Provenance::read(&path).unwrap().is_some(), fits);
    }
}
