//! `impasto invert`: what its options do, and what a layer keeps.

use image::imageops::crop_imm;
use impasto::picture::Picture;
use ndarray::ArrayD;

use crate::support::{Workshop, arrays, content, data, fails, levels_apart, number, write_arrays};

const JOB: &str = "invert content.png --layer pool1 --size 16 --steps 6";

#[test]
fn relu1_1_keeps_nearly_all_of_the_picture() {
    let shop = Workshop::new();
    let original = Picture::open(data("thin-notebook/content.png")).unwrap().fitted(32);
    original.save(shop.path("original.png")).unwrap();
    let (picture, log) = shop.made("invert original.png --layer relu1_1 --size 0 --steps 200");
    let error = number(log.last().unwrap(), "error");
    assert!(error < 0.015, "{error}");
    let pairs = picture.iter().zip(original.rgb.iter());
    let squares: f64 = pairs.map(|(&a, &b)| (f64::from(a) / 255.0 - f64::from(b)).powi(2)).sum();
    let difference = (squares / picture.len() as f64).sqrt();
    assert!(difference < 0.06, "root mean square difference {difference} of 0..1");
}

#[test]
fn the_default_reaches_a_lower_error_than_the_published_procedure() {
    let shop = Workshop::new();
    let error = |words: &str| {
        let (_, log) = shop.made(&format!("invert content.png --layer relu2_1 --size 24 --steps 100 {words}"));
        assert_eq!(log.len(), 100, "an iteration is an evaluation");
        number(&log[99], "error")
    };
    let (fast, published) = (error(""), error("--preset mahendran"));
    assert!(fast < 0.5 * published, "{fast} {published}");
}

#[test]
fn the_log_has_the_terms_of_every_iteration() {
    let (_, log) = Workshop::new().made("invert content.png --layer conv2_1 --size 16 --steps 5");
    assert_eq!(log.len(), 5);
    for (index, line) in log.iter().enumerate() {
        let names: Vec<&str> = line.keys().map(String::as_str).collect();
        assert_eq!(names, ["iteration", "scale", "elapsed", "total", "error", "tv", "alpha"]);
        assert_eq!(line["iteration"], index + 1);
        let sum = number(line, "error") + number(line, "tv") + number(line, "alpha");
        approx::assert_relative_eq!(number(line, "total"), sum, max_relative = 1e-5);
    }
}

#[test]
fn what_is_not_to_change_the_picture() {
    let shop = Workshop::new();
    let plain = shop.made(JOB).0;
    for words in ["", "--seed 0", "--init noise", "--preset fast", "--optimizer lbfgs", "--threads 3", "--pool max"] {
        assert_eq!(shop.made(&format!("{JOB} {words}")).0, plain, "{words}");
    }
    for algorithm in ["winograd", "im2col", "direct"] {
        let picture = shop.made(&format!("{JOB} --conv {algorithm}")).0;
        assert!(levels_apart(&picture, &plain) <= 2, "{algorithm}");
    }
    assert_eq!(shop.made(&format!("{JOB} --crop 3,2,2,2")).0, shop.made(&format!("{JOB} --crop 2")).0, "the middle");
}

#[test]
fn what_is_to_change_the_picture() {
    let shop = Workshop::new();
    let plain = shop.made(JOB).0;
    for words in [
        "--seed 1",
        "--preset mahendran",
        "--optimizer adam",
        "--optimizer adam --lr 1",
        "--optimizer momentum",
        "--optimizer momentum --lr 0.001",
        "--lambda-tv 1000",
        "--lambda-alpha 1e-4",
        "--alpha 7",
        "--beta 1.5",
        "--channels 0..3",
        "--crop 2",
        "--clamp",
        "--jitter 4",
        "--pool avg",
        "--weights random",
    ] {
        let picture = shop.made(&format!("{JOB} {words}")).0;
        assert_eq!(picture.dimensions(), (16, 12), "{words}");
        assert_ne!(picture, plain, "{words}");
    }
    // Rates: not those of the same optimiser's default.
    for optimiser in ["adam", "momentum"] {
        let job = format!("{JOB} --optimizer {optimiser}");
        assert_ne!(shop.made(&format!("{job} --lr 0.002")).0, shop.made(&job).0, "{optimiser}");
    }
}

#[test]
fn every_optimiser_goes_down() {
    let shop = Workshop::new();
    for words in ["--optimizer momentum", "--optimizer adam", "--optimizer lbfgs", "--jitter 3", "--clamp"] {
        let (_, log) = shop.made(&format!("{JOB}0 {words}"));
        let (first, last) = (number(&log[0], "total"), number(&log[59], "total"));
        assert!(last < 0.6 * first, "{words}: from {first} to {last}");
    }
}

#[test]
fn the_priors_are_what_their_weights_make_of_them() {
    let shop = Workshop::new();
    let first = |words: &str| shop.made(&format!("{JOB} {words}")).1.swap_remove(0);
    let plain = first("");
    for (words, term, factor) in [
        ("--lambda-tv 0", "tv", 0.0),
        ("--lambda-tv 3", "tv", 10.0),
        ("--preset mahendran", "tv", 1.0 / 0.3),
        ("--lambda-alpha 0", "alpha", 0.0),
        ("--lambda-alpha 1.6e-9", "alpha", 2.0),
    ] {
        let expected = factor * number(&plain, term);
        approx::assert_relative_eq!(number(&first(words), term), expected, max_relative = 1e-4);
    }
}

#[test]
fn repeats_stand_side_by_side() {
    let shop = Workshop::new();
    let (strip, log) = shop.made(&format!("{JOB} --repeats 3 --save-every 4"));
    assert_eq!(strip.dimensions(), (48, 12));
    for seed in 0..3 {
        let alone = shop.made(&format!("{JOB} --seed {seed}")).0;
        assert_eq!(crop_imm(&strip, 16 * seed, 0, 16, 12).to_image(), alone, "repeat {seed}");
    }
    let repeats: Vec<u64> = log.iter().map(|line| line["repeat"].as_u64().unwrap()).collect();
    assert_eq!(repeats, [[1; 6], [2; 6], [3; 6]].concat());
    let frames = [1, 2, 3].map(|repeat| shop.rgb(&format!("out-repeat{repeat}-0004.png")));
    assert!(frames[0] != frames[1] && frames[1] != frames[2], "each has its own pictures on the way");
}

#[test]
fn it_can_start_from_a_picture() {
    let shop = Workshop::new();
    let (picture, log) = shop.made("invert content.png --layer pool1 --size 0 --steps 1 --init content.png");
    assert!(number(&log[0], "error") < 1e-9, "it is the picture sought: {:?}", log[0]);
    assert!(levels_apart(&picture, &content()) <= 1);
    let (_, log) = shop.made("invert content.png --layer pool1 --size 0 --steps 1 --init style.png");
    assert!(number(&log[0], "error") > 0.1, "resized to fit, another: {:?}", log[0]);
}

/// At 224×224 pixels, whatever --size says.
#[test]
fn the_classifiers_layers_where_the_weights_have_them() {
    let shop = Workshop::new();
    let mut thin = arrays(data("vgg19-thin.npz").as_ref());
    let mut inputs = 7 * 7 * thin["conv5_4.bias"].len();
    for (layer, outputs) in [("fc6", 6), ("fc7", 5), ("fc8", 4)] {
        let weight =
            ArrayD::from_shape_fn(vec![outputs, inputs], |at| ((at[0] * 31 + at[1] * 17) % 23) as f64 / 11.0 - 1.0);
        thin.extend([(format!("{layer}.weight"), weight), (format!("{layer}.bias"), ArrayD::zeros(vec![outputs]))]);
        inputs = outputs;
    }
    write_arrays(&shop.path("whole.npz"), &thin);
    for layer in ["fc6", "relu6", "fc7", "relu7", "fc8"] {
        let (picture, log) =
            shop.made(&format!("invert content.png --layer {layer} --size 32 --steps 4 --weights whole.npz"));
        assert_eq!(picture.dimensions(), (224, 224));
        assert!(number(&log[3], "total") < number(&log[0], "total"), "{layer}");
    }
}

#[test]
fn mistakes_are_named() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    let start = format!("invert content.png --weights {thin} -o out.png --log log.jsonl");
    for (words, code, said) in [
        ("", 2, "--layer"),
        ("--layer relu9", 2, "relu9"),
        ("--layer relu1_1 --channels 5..2", 2, "as in 0..16"),
        ("--layer relu1_1 --crop 1,2", 2, "X,Y,WIDTH,HEIGHT"),
        ("--layer relu1_1 --alpha 0.5", 2, "1 or more"),
        ("--layer relu1_1 --beta 0", 2, "--beta"),
        ("--layer relu1_1 --lambda-tv=-1", 2, "--lambda-tv"),
        ("--layer relu1_1 --lambda-alpha x", 2, "--lambda-alpha"),
        ("--layer relu1_1 --steps 0", 2, "--steps"),
        ("--layer relu1_1 --repeats 0", 2, "--repeats"),
        ("--layer relu1_1 --jitter 257", 2, "--jitter"),
        ("--layer relu1_1 --preset slow", 2, "fast, mahendran"),
        ("--layer relu1_1 --optimizer sgd", 2, "adam, lbfgs, momentum"),
        ("--layer relu1_1 --lr 1", 2, "--optimizer"),
        ("--layer relu1_1 --jitter 1 --optimizer lbfgs", 2, "--jitter"),
        ("--layer relu1_1 --size 16 --channels 0..999", 1, "relu1_1 has 12 × 16 positions of 8"),
        ("--layer relu1_1 --size 16 --crop 17", 1, "--crop"),
        ("--layer relu5_1 --size 8", 1, "too small"),
        ("--layer fc6", 1, "the weights end before fc6"),
        ("--layer relu1_1 --init none.png", 1, "none.png"),
    ] {
        fails(&shop, &format!("{start} {words}"), code, &[said]);
    }
    let start = format!("invert content.png --layer relu1_1 --weights {thin}");
    fails(&shop, &format!("{start} -o out.gif"), 2, &["out.gif"]);
    fails(&shop, &format!("{start} -o none/out.png"), 1, &["there is no folder none"]);
    fails(&shop, &format!("{start} -o out.png --log none/log.jsonl"), 1, &["there is no folder none"]);
}
