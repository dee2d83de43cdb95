//! The SHA-256 of the pixels of some forty outputs, to detect unintended changes of a single bit.
//!
//! Bits depend on the instruction set and on BLAS, so `tests/data/golden` has hashes for each known kind of machine. On
//! other machines the outputs are made but not compared, and the test says so. `GOLDEN_UPDATE=1` writes the file of
//! this machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use image::{ImageBuffer, Rgb, RgbImage, Rgba, RgbaImage};
use ndarray::Array2;
use sha2::{Digest, Sha256};

use crate::support::{MOST_TRIES, Workshop, content, data, style, wait_until};

/// Names of outputs, and the command that makes `out.png` of each, without its weights.
const JOBS: [(&str, &str); 39] = [
    ("balanced", "transfer content.png style.png --size 0 --steps 4"),
    ("gatys", "transfer content.png style.png --size 0 --steps 4 --preset gatys"),
    ("notebook", "transfer content.png style.png --size 0 --steps 4 --preset notebook"),
    ("moments", "transfer content.png style.png --size 0 --steps 4 --style-loss moments"),
    ("wasserstein", "transfer content.png style.png --size 0 --steps 4 --style-loss wasserstein"),
    ("adam", "transfer content.png style.png --size 0 --steps 4 --optimizer adam"),
    ("adam-average", "transfer content.png style.png --size 0 --steps 6 --optimizer adam --average"),
    ("lbfgs", "transfer content.png style.png --size 0 --steps 6 --optimizer lbfgs"),
    ("pyramid-adam", "transfer content.png style.png --size 0 --steps 4 --optimizer pyramid-adam"),
    ("neighbours", "transfer content.png style.png --size 48 --scales 2 --steps 4 --style-loss neighbours"),
    (
        "neighbours-cosine",
        "transfer content.png style.png --size 0 --steps 4 --style-loss neighbours-cosine --finish 0",
    ),
    ("nnst", "transfer content.png style.png --size 140 --preset nnst --steps 2 --finish 3"),
    ("finish", "transfer content.png style.png other.png --size 96 --scales 1 --steps 2 --finish 5 --seed 3"),
    ("momentum", "transfer content.png style.png --size 0 --steps 4 --optimizer momentum --lr 0.01"),
    ("no-clamp", "transfer content.png style.png --size 0 --steps 4 --no-clamp --tv-weight 3"),
    ("strength", "transfer content.png style.png --size 0 --steps 4 --strength 0.8"),
    (
        "layers",
        "transfer content.png style.png --size 0 --steps 4 --content-layers relu1_2=2 --style-layers relu2_1,pool2=3",
    ),
    ("average-pooling", "transfer content.png style.png --size 0 --steps 4 --pool avg"),
    ("edges", "transfer content.png style.png --size 0 --steps 4 --edges zeros"),
    ("scales", "transfer content.png style.png --size 96 --scales 3 --steps 3 --style-size 64"),
    ("narrow", "transfer narrow.png style.png --size 300 --steps 2"),
    ("tolerance", "transfer content.png style.png --size 48 --scales 2 --steps 30 --tolerance 0.9"),
    ("noise", "transfer content.png style.png --size 0 --steps 4 --init noise --seed 7"),
    ("from-style", "transfer content.png style.png --size 0 --steps 4 --init style"),
    ("two-styles", "transfer content.png style.png other.png --blend 2,1 --size 0 --steps 4"),
    ("colors-content", "transfer content.png style.png --size 0 --steps 4 --colors content"),
    ("colors-match", "transfer content.png style.png --size 0 --steps 4 --colors match"),
    ("colors-cholesky", "transfer content.png style.png --size 0 --steps 4 --colors match --color-map cholesky"),
    ("colors-only", "transfer content.png style.png --size 0 --colors only"),
    ("masks", "transfer content.png style.png --size 0 --steps 4 --content-mask halves.png --style-mask halves.png"),
    ("transparent", "transfer transparent.png style.png --size 0 --steps 4"),
    ("paint-transparent", "transfer transparent.png style.png --size 0 --steps 4 --paint-transparent"),
    ("texture", "texture style.png --steps 6"),
    ("texture-seamless", "texture style.png --steps 4 --size 48,32 --seamless --scales 1 --no-histogram --up-to pool3"),
    ("texture-scales", "texture style.png --steps 4 --size 64 --scales 2 --optimizer adam"),
    ("invert", "invert content.png --layer relu3_1 --size 64 --steps 6"),
    ("invert-mahendran", "invert content.png --layer relu2_1 --size 0 --steps 6 --preset mahendran --seed 3"),
    ("invert-jitter", "invert content.png --layer relu2_2 --size 48 --steps 5 --jitter 4 --channels 2..6 --crop 5"),
    ("invert-repeats", "invert content.png --layer relu1_2 --size 0 --steps 4 --repeats 3 --init noise"),
];

/// A job of VGG19's full width, which is computed in bands if memory is short. Memory depends on the number of threads.
const LARGE: &str =
    "transfer content.png style.png --size 256 --scales 1 --steps 2 --optimizer adam --threads 2 --weights random";

#[test]
fn outputs_have_the_bits_that_they_had() {
    let shop = workshop();
    let thin = data("vgg19-thin.npz");
    let mut made = BTreeMap::new();
    let mut make = |name: &str, words: &str| {
        shop.impasto(&format!("{words} -o out.png --quiet")).assert().success().stderr("");
        made.insert(name.to_owned(), pixels(&shop.rgb("out.png")));
    };
    for (name, words) in JOBS {
        make(name, &format!("{words} --weights {thin}"));
    }
    make("large", LARGE);
    make("large-in-bands", &format!("{LARGE} --memory {}", tight(&shop)));
    make("resumed", &resumed(&shop, &thin));
    assert_eq!(made["large"], made["large-in-bands"]);
    compare(&made);
}

/// The command that continues a run whose checkpoint stands at an earlier iteration.
fn resumed(shop: &Workshop, thin: &str) -> String {
    let words = format!("transfer content.png style.png --size 64 --scales 2 --steps 40 --weights {thin}");
    let kept = format!("{words} --checkpoint state --resume --checkpoint-every 1 --log log.jsonl");
    for _ in 0..MOST_TRIES {
        let mut child = shop.std(&format!("{kept} -o out.png --quiet")).spawn().unwrap();
        wait_until(&mut child, || shop.log_lines() >= 10);
        child.kill().unwrap();
        child.wait().unwrap();
        if shop.log_lines() < 80 {
            return kept;
        }
        for name in ["state", "log.jsonl"] {
            std::fs::remove_file(shop.path(name)).unwrap();
        }
    }
    panic!("the run ends before it can be killed");
}

/// Less memory than the large job takes undivided.
fn tight(shop: &Workshop) -> u64 {
    let words = LARGE.replacen("transfer", "plan", 1);
    let output = shop.impasto(&format!("{words} --json --quiet")).assert().success().get_output().clone();
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    plan["peak_memory_bytes"].as_u64().unwrap() - (8 << 20)
}

fn workshop() -> Workshop {
    let shop = Workshop::new();
    image::imageops::rotate90(&content()).save(shop.path("other.png")).unwrap();
    RgbImage::from_fn(90, 6, |x, y| Rgb([2 * x as u8, 30 * y as u8, 90])).save(shop.path("narrow.png")).unwrap();
    RgbImage::from_fn(32, 24, |x, _| Rgb(if x < 16 { [255, 0, 0] } else { [0, 0, 255] }))
        .save(shop.path("halves.png"))
        .unwrap();
    let style = style();
    let opaque = |x: u32, y: u32| if x * x + y * y < 500 { 255 } else { 0 };
    let transparent: RgbaImage = ImageBuffer::from_fn(28, 28, |x, y| {
        let [r, g, b] = style.get_pixel(x, y).0;
        Rgba([r, g, b, opaque(x, y)])
    });
    transparent.save(shop.path("transparent.png")).unwrap();
    shop
}

fn pixels(picture: &RgbImage) -> String {
    let mut hash = Sha256::new();
    hash.update(picture.width().to_le_bytes());
    hash.update(picture.height().to_le_bytes());
    hash.update(picture.as_raw());
    format!("{:x}", hash.finalize())
}

/// The key of this machine's arithmetic: its instruction set, and the bits of some products by BLAS and of some
/// functions of the C library.
fn machine() -> String {
    let mut hash = Sha256::new();
    for (m, k, n) in [(5, 64, 7), (64, 300, 48), (130, 27, 513), (512, 256, 3)] {
        let matrix = |rows, columns, step: u32| {
            let value = |(i, j)| ((i as u32 * 7919 + j as u32 * 104_729) * step % 10_007) as f32 / 10_007.0 - 0.5;
            Array2::from_shape_fn((rows, columns), value)
        };
        matrix(m, k, 1).dot(&matrix(k, n, 3)).iter().for_each(|value| hash.update(value.to_le_bytes()));
    }
    for n in 1..200 {
        let x = n as f32 / 37.0;
        for value in [x.exp(), x.ln(), x.powf(0.41), x.sin(), x.cbrt()] {
            hash.update(value.to_le_bytes());
        }
    }
    #[cfg(target_arch = "x86_64")]
    let set = match (is_x86_feature_detected!("avx512f"), is_x86_feature_detected!("avx2")) {
        (true, _) => "-avx512",
        (_, true) => "-avx2",
        _ => "",
    };
    #[cfg(not(target_arch = "x86_64"))]
    let set = "";
    format!("{}{set}-{}", std::env::consts::ARCH, &format!("{:x}", hash.finalize())[..8])
}

/// Compares hashes with those stored for this machine.
fn compare(made: &BTreeMap<String, String>) {
    let machine = machine();
    let path = PathBuf::from(data(&format!("golden/{machine}.txt")));
    if std::env::var_os("GOLDEN_UPDATE").is_some() {
        let text = made.iter().fold(String::new(), |mut text, (name, hash)| {
            writeln!(text, "{hash}  {name}").unwrap();
            text
        });
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let Ok(kept) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no hashes are kept for {machine}; on a commit that is right, GOLDEN_UPDATE=1 writes them");
        return;
    };
    let kept: BTreeMap<_, _> =
        kept.lines().filter_map(|line| line.split_once("  ")).map(|(hash, name)| (name, hash)).collect();
    let differing: Vec<&String> = made
        .iter()
        .filter(|(name, hash)| kept.get(name.as_str()) != Some(&hash.as_str()))
        .map(|(name, _)| name)
        .collect();
    assert!(differing.is_empty() && kept.len() == made.len(), "other pixels than on {machine} before: {differing:?}");
}
