//! `impasto texture`: what its options do, and whether the result is a texture.

use image::RgbImage;
use image::imageops::{FilterType, resize, rotate90};

use crate::support::{Workshop, data, fails, levels_apart, number, style};

const JOB: &str = "texture style.png --example-size 24 --up-to pool1 --steps 8";

#[test]
fn the_gram_error_falls_by_a_thousand_and_the_histogram_is_the_examples() {
    let (texture, log) = Workshop::new().made("texture style.png --example-size 0 --up-to pool2 --steps 150");
    let totals = log.iter().map(|line| number(line, "gram"));
    let lowest = totals.fold(f64::INFINITY, f64::min);
    assert!(lowest < 1e-3 * number(&log[0], "gram"), "{:?} to {lowest}", log[0]);

    assert_eq!(texture.dimensions(), style().dimensions());
    for channel in 0..3 {
        let sorted = |picture: &RgbImage| {
            let mut levels: Vec<u8> = picture.pixels().map(|pixel| pixel[channel]).collect();
            levels.sort_unstable();
            levels
        };
        let worst = sorted(&texture).iter().zip(sorted(&style())).map(|(a, b)| a.abs_diff(b)).max().unwrap();
        assert!(worst <= 1, "channel {channel}: {worst} levels");
    }
}

/// How much larger the steps over the seam between two tiles side by side are than those between other columns.
fn seam(texture: &RgbImage) -> f64 {
    let width = texture.width();
    let step = |column: u32| {
        let next = (column + 1) % width;
        let steps = (0..texture.height()).flat_map(|row| {
            let (left, right) = (texture.get_pixel(column, row), texture.get_pixel(next, row));
            (0..3).map(|channel| f64::from(left[channel].abs_diff(right[channel])))
        });
        steps.sum::<f64>()
    };
    let inside = (0..width - 1).map(step).sum::<f64>() / f64::from(width - 1);
    step(width - 1) / inside
}

/// Waves are smooth: at a seam that does not fit the step is larger than elsewhere.
#[test]
fn a_seamless_texture_tiles_in_both_directions() {
    let shop = Workshop::new();
    let waves = RgbImage::from_fn(48, 48, |x, y| {
        let wave = |position: u32| (f64::from(position) * std::f64::consts::TAU / 16.0).sin();
        image::Rgb([110.0, 60.0, -100.0].map(|height| (120.0 + height * wave(x) * wave(y)) as u8))
    });
    waves.save(shop.path("waves.png")).unwrap();
    let seams = |words: &str| {
        let seeds = (0..3).map(|seed| {
            let job = "texture waves.png --example-size 0 --size 32 --layers relu1_1,pool1,pool2 --steps 60";
            let (texture, _) = shop.made(&format!("{job} --seed {seed} {words}"));
            [seam(&texture), seam(&rotate90(&texture))]
        });
        let seams: Vec<f64> = seeds.flatten().collect();
        seams.iter().sum::<f64>() / seams.len() as f64
    };
    let (seamless, plain) = (seams("--seamless"), seams(""));
    assert!(seamless < 1.3 && plain > 1.5, "{seamless} and {plain}");
}

#[test]
fn what_is_not_to_change_the_picture() {
    let shop = Workshop::new();
    let plain = shop.made(JOB).0;
    for words in ["", "--seed 0", "--optimizer lbfgs", "--pool avg", "--threads 3", "--size 24"] {
        assert_eq!(shop.made(&format!("{JOB} {words}")).0, plain, "{words}");
    }
    for algorithm in ["winograd", "im2col", "direct"] {
        let picture = shop.made(&format!("{JOB} --conv {algorithm}")).0;
        assert!(levels_apart(&picture, &plain) <= 2, "{algorithm}");
    }
}

#[test]
fn what_is_to_change_the_picture() {
    let shop = Workshop::new();
    let plain = shop.made(JOB).0;
    for words in
        ["--seed 1", "--no-histogram", "--clamp", "--pool max", "--seamless", "--optimizer adam", "--weights random"]
    {
        let picture = shop.made(&format!("{JOB} {words}")).0;
        assert_eq!(picture.dimensions(), plain.dimensions(), "{words}");
        assert_ne!(picture, plain, "{words}");
    }
    let adam = format!("{JOB} --optimizer adam");
    assert_ne!(shop.made(&format!("{adam} --lr 0.2")).0, shop.made(&adam).0);
    for words in ["--optimizer adam", "--optimizer lbfgs", "--clamp", "--seamless"] {
        let (_, log) = shop.made(&format!("{JOB} {words}"));
        assert!(number(&log[7], "total") < number(&log[0], "total"), "{words}");
        assert_eq!(log.len(), 8);
    }
}

#[test]
fn sizes_of_the_texture_and_of_its_example() {
    let shop = Workshop::new();
    let texture = |words: &str| shop.made(&format!("texture style.png --up-to pool1 --steps 1 {words}")).0;
    assert_eq!(texture("--example-size 0 --size 40,16").dimensions(), (40, 16));
    assert_eq!(texture("--example-size 0 --size 20").dimensions(), (20, 20));
    assert_eq!(texture("--example-size 0").dimensions(), (28, 28));
    assert_eq!(texture("--example-size 16").dimensions(), (16, 16));
    assert_eq!(texture("").dimensions(), (256, 256), "256 pixels are the default");
    // An example of the size asked for is used as it is.
    resize(&style(), 16, 16, FilterType::Triangle).save(shop.path("small.png")).unwrap();
    let small = |words: &str| shop.made(&format!("texture small.png --up-to pool1 --steps 3 {words}")).0;
    assert_eq!(small("--example-size 16"), small("--example-size 0"));
}

#[test]
fn layers_by_name_or_by_depth() {
    let shop = Workshop::new();
    let first =
        |words: &str| number(&shop.made(&format!("texture style.png --example-size 0 --steps 1 {words}")).1[0], "gram");
    assert_eq!(first("--up-to conv1_1"), first("--layers relu1_1"));
    assert_eq!(
        first("--up-to pool2"),
        first("--layers relu1_1=0.3333333333333333,pool1=0.3333333333333333,pool2=0.3333333333333333")
    );
    assert_eq!(first(""), first("--up-to pool4"), "the default");
    let (one, other, both) = (first("--layers pool1"), first("--layers pool3"), first("--layers pool1,pool3=0.5"));
    approx::assert_relative_eq!(both, one + 0.5 * other, max_relative = 1e-5);
}

#[test]
fn mistakes_are_named() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    let start = format!("texture style.png --weights {thin} -o out.png --log log.jsonl");
    for (words, code, said) in [
        ("--size 0", 2, "as in 256 or 512,256"),
        ("--size 12,x", 2, "as in 256 or 512,256"),
        ("--example-size 70000", 2, "--example-size"),
        ("--steps 0", 2, "--steps"),
        ("--optimizer sgd", 2, "adam, lbfgs, momentum"),
        ("--lr 0.1", 2, "--optimizer adam"),
        ("--up-to pool9", 2, "pool9"),
        ("--up-to fc6", 1, "the weights end before fc6"),
        ("--layers relu1_1,relu1_1", 2, "named twice"),
        ("--layers relu1_1 --up-to pool1", 2, "--up-to"),
        ("--seamless --size 40,33 --up-to pool2", 1, "--size 40,36"),
        ("--size 8", 1, "too small for pool4"),
        ("--example-size 8", 1, "too small for pool4"),
    ] {
        fails(&shop, &format!("{start} {words}"), code, &[said]);
    }
    fails(&shop, &format!("texture none.png --weights {thin} -o out.png"), 1, &["none.png"]);
    fails(&shop, &format!("texture style.png --weights {thin} -o none/out.png"), 1, &["there is no folder none"]);
}
