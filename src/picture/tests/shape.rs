//! The size that a file's header gives is the size that opening it gives.

use tempfile::tempdir;

use super::*;
use crate::picture::shape;

/// EXIF in a PNG's chunk, before or after the pixels.
fn with_exif(png: &[u8], exif: &[u8], after: bool) -> Vec<u8> {
    let mut chunk = (exif.len() as u32).to_be_bytes().to_vec();
    chunk.extend(b"eXIf");
    chunk.extend(exif);
    chunk.extend(crc32fast::hash(&chunk[4..]).to_be_bytes());
    let at = if after { png.len() - 12 } else { 33 };
    [&png[..at], &chunk, &png[at..]].concat()
}

/// A file of every format, and every orientation where the format has one.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let plain = sample();
    for format in [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff, Format::Bmp] {
        files.push((format!("plain.{format}"), plain.encoded(format, &SaveOptions::default()).unwrap()));
    }
    let png = plain.encoded(Format::Png, &SaveOptions::default()).unwrap();
    let rgb = [7_u8; 5 * 7 * 3];
    for turn in 0..=9 {
        for long in [false, true] {
            let exif = turned_by(turn, long);
            for after in [false, true] {
                files.push((format!("{turn}-{long}-{after}.png"), with_exif(&png, &exif, after)));
            }
            let mut jpeg = Vec::new();
            let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
            image::ImageEncoder::set_exif_metadata(&mut encoder, exif.clone()).unwrap();
            encoder.encode(&rgb, 7, 5, image::ExtendedColorType::Rgb8).unwrap();
            files.push((format!("{turn}-{long}.jpg"), jpeg));
            let mut webp = Vec::new();
            let mut encoder = image_webp::WebPEncoder::new(&mut webp);
            encoder.set_exif_metadata(exif);
            encoder.encode(&rgb, 7, 5, image_webp::ColorType::Rgb8).unwrap();
            files.push((format!("{turn}-{long}.webp"), webp));
            let mut tiff = std::io::Cursor::new(Vec::new());
            let mut encoder = ::tiff::encoder::TiffEncoder::new(&mut tiff).unwrap();
            let mut page = encoder.new_image::<::tiff::encoder::colortype::RGB8>(7, 5).unwrap();
            let tag = ::tiff::tags::Tag::Orientation;
            if long {
                page.encoder().write_tag(tag, u32::from(turn)).unwrap();
            } else {
                page.encoder().write_tag(tag, u16::from(turn)).unwrap();
            }
            page.write_data(&rgb).unwrap();
            files.push((format!("{turn}-{long}.tiff"), tiff.into_inner()));
        }
    }
    let pixels = [200, 100, 50].repeat(64 * 48);
    let heic = heifer::encode_rgb8(64, 48, &pixels, &heifer::EncodeOptions::default()).unwrap();
    files.push(("plain.heic".into(), heic));
    let mut gif = Vec::new();
    let frame = image::Frame::new(image::RgbaImage::from_pixel(4, 3, image::Rgba([9, 0, 0, 255])));
    image::codecs::gif::GifEncoder::new(&mut gif).encode_frame(frame).unwrap();
    files.push(("plain.gif".into(), gif));
    files
}

#[test]
fn the_header_s_size_is_the_opened_picture_s() {
    let folder = tempdir().unwrap();
    let mut turned = 0;
    for (name, bytes) in files() {
        let path = folder.path().join(&name);
        std::fs::write(&path, &bytes).unwrap();
        let picture = Picture::open(&path).unwrap();
        assert_eq!(shape(&path).unwrap(), [picture.height(), picture.width()], "{name}");
        turned += usize::from(picture.height() > picture.width());
    }
    // Four orientations, stored in two ways, in four formats, PNG's in two places.
    assert_eq!(turned, 4 * 2 * 5);
}

#[test]
fn only_the_header_is_read() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("cut.png");
    let whole = sample().encoded(Format::Png, &SaveOptions::default()).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(shape(&path).unwrap(), [5, 7]);
    assert!(Picture::open(&path).is_err());
    for (bytes, said) in [(&b""[..], "it is empty"), (b"text", "unknown image format"), (&whole[..20], "cut short")] {
        std::fs::write(&path, bytes).unwrap();
        let error = shape(&path).unwrap_err().to_string();
        assert!(error.contains("cut.png") && error.contains(said), "{error}");
    }
}

/// A pipe can be read only once.
#[cfg(unix)]
#[test]
fn a_pipe_is_kept_for_the_next_reader() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let bytes = sample().encoded(Format::Png, &SaveOptions::default()).unwrap();
    let writer = std::thread::spawn({
        let path = path.clone();
        move || std::fs::write(path, bytes).unwrap()
    });
    assert_eq!([shape(&path).unwrap(), shape(&path).unwrap()], [[5, 7]; 2]);
    assert_eq!(Picture::open(&path).unwrap(), sample());
    writer.join().unwrap();
}
