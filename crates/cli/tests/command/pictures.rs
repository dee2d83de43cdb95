//! Pictures in and out of the command: streams, links, devices, and a table of bad inputs.

use std::io::Cursor;
use std::process::Stdio;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat};
use predicates::str::contains;

use crate::support::{Workshop, content, data, fails};

/// `impasto features` of a picture: the shortest way through a reader.
fn features(picture: &str) -> String {
    format!("features {picture} --layers relu1_1 -o f.npz --size 16 --weights {}", data("vgg19-thin.npz"))
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(content()).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn standard_input_is_a_picture_too() {
    let shop = Workshop::new();
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff, ImageFormat::WebP] {
        let mut arrays = Vec::new();
        std::fs::write(shop.path("same"), encoded(format)).unwrap();
        shop.impasto(&features("same")).assert().success();
        arrays.push(shop.arrays("f.npz"));
        shop.impasto(&features("-")).write_stdin(encoded(format)).assert().success();
        arrays.push(shop.arrays("f.npz"));
        #[cfg(unix)]
        {
            shop.impasto(&features("/dev/stdin")).write_stdin(encoded(format)).assert().success();
            arrays.push(shop.arrays("f.npz"));
        }
        assert!(arrays.iter().all(|other| *other == arrays[0]), "{format:?}");
    }
    shop.impasto(&features("-")).write_stdin("").assert().code(1).stderr(contains("it is empty"));
    shop.impasto(&features("-")).write_stdin("text").assert().code(1).stderr(contains("standard stream"));
}

/// A pipe can be read only once.
#[cfg(unix)]
#[test]
fn a_transfer_reads_pipes() {
    let shop = Workshop::new();
    for pictures in ["/dev/stdin style.png", "content.png /dev/stdin"] {
        let words = format!("transfer {pictures} -o out.png --size 48 --steps 1 --weights random");
        shop.impasto(&words).write_stdin(encoded(ImageFormat::Png)).assert().success();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn endless_devices_are_no_pictures() {
    let shop = Workshop::new();
    for device in ["/dev/zero", "/dev/urandom", "/dev/null"] {
        shop.impasto(&features(device)).assert().code(1).stderr(contains(device));
    }
}

#[cfg(unix)]
#[test]
fn a_link_as_output_is_followed_and_stays() {
    let shop = Workshop::new();
    std::fs::create_dir(shop.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere/real.png", shop.path("link.png")).unwrap();
    for _ in 0..2 {
        shop.transfer("-o link.png --steps 1 --quiet").assert().success();
        assert!(shop.path("link.png").is_symlink());
        assert_eq!(shop.rgb("elsewhere/real.png").dimensions(), (32, 24));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_is_known_before_the_first_step() {
    let shop = Workshop::new();
    std::fs::write(shop.path("protected.png"), "kept").unwrap();
    let mut permissions = shop.path("protected.png").metadata().unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(shop.path("protected.png"), permissions).unwrap();
    for (output, said) in [("/proc/out.png", "/proc/out.png"), ("protected.png", "protected")] {
        // So many steps would not end within this test.
        let output = shop.transfer(&format!("-o {output} --steps 100000000")).assert().code(1).get_output().clone();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(said) && !stderr.contains(".impasto-") && stderr.lines().count() == 1, "{stderr}");
    }
    assert_eq!(std::fs::read(shop.path("protected.png")).unwrap(), b"kept");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_with_the_name_that_the_user_gave() {
    let shop = Workshop::new();
    std::os::unix::fs::symlink("/dev/full", shop.path("full.png")).unwrap();
    let kept = tempfile::tempdir().unwrap();
    let mut transfer = shop.transfer("-o full.png --steps 1 --quiet");
    let output = transfer.env("TMPDIR", kept.path()).assert().code(1).get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("error: cannot write the picture full.png: No space left"), "{stderr}");
    assert_eq!(shop.new_files(), ["full.png"]);
}

/// Where files may not become longer than some kilobytes.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_in_the_end_keeps_the_older_picture() {
    let shop = Workshop::new();
    let noise = |x: u32, y: u32| image::Rgb([x * 97 + y * 31, x * x * 7 + y * 3, x * y].map(|v| v as u8));
    image::RgbImage::from_fn(160, 160, noise).save(shop.path("content.png")).unwrap();
    std::fs::write(shop.path("out.png"), "an older picture").unwrap();
    let thin = data("vgg19-thin.npz");
    let words =
        format!("transfer content.png style.png --weights {thin} --size 0 -o out.png --scales 1 --steps 1 --quiet");
    let plain = shop.std(&words);
    let mut limited = std::process::Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 20; exec \"$0\" \"$@\"";
    limited.args(["-c", script]).arg(plain.get_program()).args(plain.get_args()).current_dir(shop.folder());
    let output = limited.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("error: cannot write the picture out.png: File too large"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1);
    assert_eq!(std::fs::read(shop.path("out.png")).unwrap(), b"an older picture");
    assert_eq!(shop.new_files(), ["out.png"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_that_nobody_reads_any_more_ends_in_one_sentence() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    let words = format!("transfer content.png style.png --weights {thin} --size 0 -o - --format png --steps 2 --quiet");
    let kept = tempfile::tempdir().unwrap();
    let mut command = shop.std(&words);
    let mut child = command.env("TMPDIR", kept.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("error: cannot write the picture - (the standard stream): Broken pipe"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    // Read to the end, it is the picture.
    let picture = shop.impasto(&words).assert().success().stderr("").get_output().stdout.clone();
    shop.impasto(&words.replace("-o - --format png", "-o out.png")).assert().success();
    assert_eq!(image::load_from_memory(&picture).unwrap().into_rgb8(), shop.rgb("out.png"));
}

#[test]
fn no_file_that_is_read_is_written() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    std::fs::copy(&thin, shop.path("w.npz")).unwrap();
    std::fs::copy(shop.path("style.png"), shop.path("start.png")).unwrap();
    std::fs::create_dir(shop.path("folder")).unwrap();
    let mut names = vec!["content.png", "./style.png", "folder/../start.png"];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("content.png", shop.path("link.png")).unwrap();
        names.push("link.png");
    }
    let held =
        ["content.png", "style.png", "start.png", "w.npz"].map(|name| (name, std::fs::read(shop.path(name)).unwrap()));
    let transfer = "transfer content.png style.png --init start.png --weights w.npz --size 0 --steps 1";
    for name in names {
        fails(&shop, &format!("{transfer} -o {name}"), 1, &[name, "it is the input"]);
        fails(&shop, &format!("{transfer} -o out.png --log {name}"), 2, &["--log", name, "would overwrite"]);
        fails(
            &shop,
            &format!("{transfer} -o out.png --checkpoint {name}"),
            2,
            &["--checkpoint", name, "would overwrite"],
        );
    }
    fails(&shop, &format!("{transfer} -o out.png --log out.png"), 2, &["--log out.png would overwrite out.png"]);
    fails(&shop, &format!("{transfer} -o out.png --log s --checkpoint s"), 2, &["--log s would overwrite s"]);
    fails(&shop, "texture style.png -o style.png --weights w.npz", 1, &["style.png"]);
    fails(&shop, "invert style.png --layer relu1_1 -o style.png --weights w.npz", 1, &["style.png"]);
    fails(&shop, "features style.png --layers relu1_1 --weights w.npz -o ./w.npz", 2, &["would overwrite w.npz"]);
    fails(
        &shop,
        "loss style.png --content style.png --style style.png --weights w.npz -o w.npz",
        2,
        &["would overwrite"],
    );
    fails(&shop, "weights import w.npz -o w.npz", 2, &["would overwrite w.npz"]);
    for (name, bytes) in held {
        assert!(std::fs::read(shop.path(name)).unwrap() == bytes, "{name}");
    }
}

/// Weights of all kinds, cut and changed.
#[test]
fn bad_weights_end_in_one_paragraph() {
    let shop = Workshop::new();
    let thin = std::fs::read(data("vgg19-thin.npz")).unwrap();
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for (i, len) in [0, 1, 2, 4, 9, 30, 64, 1000].into_iter().chain((1..10).map(|k| thin.len() * k / 10)).enumerate() {
        all.push((format!("cut-{i}.npz"), thin[..len].to_vec()));
    }
    for (i, at) in (0..12).map(|k| 30 + thin.len() * k / 13).enumerate() {
        let mut bytes = thin.clone();
        bytes[at..at + 24].fill(0xff);
        all.push((format!("changed-{i}.npz"), bytes));
    }
    let header = |json: &str| [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat();
    for (i, json) in [
        "{}",
        r#"{"a":1}"#,
        r#"{"features.0.weight":{"dtype":"F32","shape":[64,3,3,3],"data_offsets":[0,6912]}}"#,
        r#"{"features.0.weight":{"dtype":"F32","shape":[18446744073709551615,3,3,3],"data_offsets":[0,8]}}"#,
        r#"{"features.0.weight":{"dtype":"F32","shape":[64,3,3,3],"data_offsets":[6912,0]}}"#,
        r#"{"conv1_1.weight":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#,
    ]
    .into_iter()
    .enumerate()
    {
        all.push((format!("header-{i}.safetensors"), header(json)));
    }
    for (i, bytes) in [
        &b"\x80\x02}q\x00."[..],
        b"\x80\x02c__builtin__\neval\n.",
        b"\x89HDF\r\n\x1a\n",
        b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0\x04\0\x10\0\0\0\0\0",
        b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"PK\x03\x04",
        b"<!DOCTYPE html>",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"\xff\xff\xff\xff\xff\xff\xff\x7f{",
    ]
    .into_iter()
    .enumerate()
    {
        all.push((format!("other-{i}.pth"), bytes.to_vec()));
    }
    assert!(all.len() >= 44, "{}", all.len());
    let words = format!("features content.png --layers relu5_4 -o f.npz --size 0 --weights {}", data("vgg19-thin.npz"));
    shop.impasto(&words).assert().success();
    let whole = shop.arrays("f.npz");
    std::fs::remove_file(shop.path("f.npz")).unwrap();
    let mut harmless = 0;
    for (name, bytes) in all {
        std::fs::write(shop.path("bad"), bytes).unwrap();
        std::fs::rename(shop.path("bad"), shop.path(&name)).unwrap();
        let words = format!("features content.png --layers relu5_4 -o f.npz --size 0 --weights {name}");
        if name.starts_with("changed") && shop.impasto(&words).output().unwrap().status.success() {
            // Not all bytes of an archive mean something; what is read is right.
            assert_eq!(shop.arrays("f.npz"), whole, "{name}");
            std::fs::remove_file(shop.path("f.npz")).unwrap();
            harmless += 1;
        } else {
            fails(&shop, &words, 1, &[&name]);
        }
        std::fs::remove_file(shop.path(&name)).unwrap();
    }
    assert!(
        harmless <= 1,
        "{harmless} of 12 changes were not noticed; the name within the first entry is read elsewhere"
    );
}

#[test]
fn two_runs_on_one_file_leave_one_whole_picture() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    let words = format!("transfer content.png style.png --weights {thin} --size 0 -o out.png --steps 3 --quiet");
    let runs = [0, 1].map(|_| shop.std(&words).stdout(Stdio::null()).spawn().unwrap());
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    assert_eq!(shop.rgb("out.png").dimensions(), (32, 24));
    assert_eq!(shop.new_files(), ["out.png"]);
}

/// Files of many kinds, each with the words that its error must have.
#[expect(clippy::too_many_lines, reason = "a table")]
fn bad_inputs() -> Vec<(String, Vec<u8>, &'static str)> {
    let mut all = Vec::new();
    let mut heic = Vec::new();
    heic.extend(
        heifer::encode_rgb8(64, 48, &[200, 100, 50].repeat(64 * 48), &heifer::EncodeOptions::default()).unwrap(),
    );
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 95).encode_image(&content()).unwrap();
    let wholes = [
        ("png", encoded(ImageFormat::Png)),
        ("jpg", jpeg.clone()),
        ("webp", encoded(ImageFormat::WebP)),
        ("tiff", encoded(ImageFormat::Tiff)),
        ("bmp", encoded(ImageFormat::Bmp)),
        ("gif", encoded(ImageFormat::Gif)),
        ("heic", heic),
    ];
    // Cut at any place.
    for (extension, whole) in &wholes {
        for (i, len) in
            [1, 2, 4, 8, 12, 16, 24, 33].into_iter().chain((1..10).map(|k| whole.len() * k / 10)).enumerate()
        {
            all.push((format!("cut-{i}.{extension}"), whole[..len].to_vec(), ""));
        }
        // Only the mark of the format, then nothing but zeros.
        let mut zeros = whole.clone();
        zeros[12..].fill(0);
        all.push((format!("zeros.{extension}"), zeros, ""));
        let mut ones = whole.clone();
        ones[16..].fill(0xff);
        all.push((format!("ones.{extension}"), ones, ""));
    }
    // Sizes that cannot be.
    for (i, side) in [0_u32, 65_000, i32::MAX as u32, u32::MAX].into_iter().enumerate() {
        let mut png = wholes[0].1.clone();
        png[16..24].copy_from_slice(&[side.to_be_bytes(), side.to_be_bytes()].concat());
        all.push((format!("size-{i}.png"), png, ""));
        let mut bmp = wholes[4].1.clone();
        bmp[18..26].copy_from_slice(&[side.to_le_bytes(), side.to_le_bytes()].concat());
        all.push((format!("size-{i}.bmp"), bmp, ""));
    }
    // Frames of JPEG that are not read.
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    for (marker, said) in [
        (0xc3, "lossless"),
        (0xc5, "hierarchical"),
        (0xc7, "hierarchical"),
        (0xc9, "arithmetic"),
        (0xca, "arithmetic"),
        (0xcd, "hierarchical"),
    ] {
        let mut other = jpeg.clone();
        other[frame + 1] = marker;
        all.push((format!("frame-{marker:x}.jpg"), other, said));
    }
    for (i, (at, value)) in
        [(4, 12), (5, 0), (9, 0), (9, 2), (9, 255), (11, 0x33), (11, 0), (11, 0xff)].into_iter().enumerate()
    {
        let mut other = jpeg.clone();
        other[frame + at] = value;
        if at == 5 {
            other[frame + 6] = 0;
        }
        all.push((format!("header-{i}.jpg"), other, ""));
    }
    // A colour profile of nearly 4 GiB, in a file without it.
    let mut webp = b"RIFF\xf0\xff\xff\xffWEBPVP8X\x0a\0\0\0\x20\0\0\0".to_vec();
    let (width, height) = content().dimensions();
    webp.extend([width - 1, height - 1].iter().flat_map(|side| side.to_le_bytes()[..3].to_vec()));
    webp.extend(&wholes[2].1[12..]);
    webp.extend(b"ICCP\0\0\0\xf0");
    all.push(("profile.webp".into(), webp, "more metadata"));
    // A text of 4 GiB, in place of the first number.
    let mut tiff = wholes[3].1.clone();
    let directory = u32::from_le_bytes(tiff[4..8].try_into().unwrap()) as usize;
    tiff[directory + 4..directory + 10].copy_from_slice(&[2, 0, 255, 255, 255, 255]);
    all.push(("text.tiff".into(), tiff, "a text in it is longer than the file"));
    // What is no picture at all.
    for (i, (bytes, said)) in [
        (&b""[..], "empty"),
        (b"this is no picture", "unknown image format"),
        (b"{\"a\": 1}", "unknown image format"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        (b"<html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS"),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "SVG"),
        (b"%PDF-1.4\n", "PDF"),
        (b"8BPS\0\x01\0\0\0\0\0\0", "Photoshop"),
        (b"PK\x03\x04\x14\0", "ZIP"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "AVIF"),
        (b"\0\0\0\x18ftypqt  \0\0\0\0qt  ", "video"),
        (b"\xff\x0a\0\0", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"P6 1 1 255 abc", "PNM"),
        (b"\x76\x2f\x31\x01\x02\0\0\0", "OpenEXR"),
        (b"#?RADIANCE\n", "Radiance"),
        (b"qoif\0\0\0\x01", "QOI"),
        (b"\x93NUMPY\x01\0", "NumPy"),
        (b"\x7fELF\x02\x01", "program"),
        (b"FUJIFILMCCD-RAW 0201", "raw"),
        (b"II*\0\x10\0\0\0CR\x02\0", "raw"),
        (b"II*\0\xff\xff\xff\xff", ""),
        (b"MM\0*\0\0\0\x08\0\0", ""),
        (b"II+\0\x08\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f", ""),
        (b"RIFF\0\0\0\0WEBP", ""),
        (b"RIFF\xff\xff\xff\xffWEBPVP8 \xff\xff\xff\xff", ""),
        (b"GIF89a\0\0\0\0\0\0\0", ""),
        (b"BM", ""),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", ""),
        (b"\xff\xd8\xff\xd9", ""),
        (b"\xff\xd8\xff\xda\0\x02", ""),
    ]
    .into_iter()
    .enumerate()
    {
        all.push((format!("other-{i}.jpg"), bytes.to_vec(), said));
    }
    all
}

/// Each bad input: exit code 1, one paragraph that names it, nothing left behind, within 1 GiB of address space.
#[test]
fn bad_inputs_end_in_one_paragraph() {
    let shop = Workshop::new();
    let inputs = bad_inputs();
    assert!(inputs.len() >= 150, "{}", inputs.len());
    std::fs::create_dir(shop.path("bad")).unwrap();
    let before = shop.new_files();
    for (name, bytes, said) in &inputs {
        let path = format!("bad/{name}");
        std::fs::write(shop.path(&path), bytes).unwrap();
        let words = features(&path) + " --threads 2";
        let mut command = if cfg!(target_os = "linux") {
            let plain = shop.std(&words);
            let mut limited = std::process::Command::new("sh");
            limited
                .args(["-c", "ulimit -v 1048576; exec \"$0\" \"$@\""])
                .arg(plain.get_program())
                .args(plain.get_args());
            limited.current_dir(shop.folder()).env_remove("IMPASTO_WEIGHTS").env("OPENBLAS_NUM_THREADS", "1");
            limited
        } else {
            shop.std(&words)
        };
        let output = command.stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.trim_end().lines().count() == 1, "{name}: {stderr}");
        assert!(stderr.contains(name.as_str()) && stderr.contains(said), "{name}: {stderr}");
        assert_eq!(shop.new_files(), before, "{name}");
    }
}
