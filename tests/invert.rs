//! `impasto invert` through the binary.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use impasto::picture::Picture;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// `impasto invert` on a small picture and the thin network, writing `out.png` and `log.jsonl` into the folder.
fn invert(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("impasto").unwrap();
    command.arg("invert").arg(data("thin-notebook/content.png")).arg("--weights").arg(data("vgg19-thin.npz"));
    command.arg("-o").arg(folder.path().join("out.png")).arg("--log").arg(folder.path().join("log.jsonl"));
    command.args(["--quiet"]).args(arguments);
    command
}

fn log(folder: &TempDir) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn picture(folder: &TempDir) -> Picture {
    Picture::open(&folder.path().join("out.png")).unwrap()
}

fn original(size: usize) -> Picture {
    Picture::open(&data("thin-notebook/content.png")).unwrap().fitted(size)
}

/// Mean squared difference of two pictures of values in 0..1.
fn mean_square(a: &Picture, b: &Picture) -> f32 {
    (&a.rgb - &b.rgb).mapv(|d| d * d).mean().unwrap()
}

#[test]
fn relu1_1_keeps_nearly_all_of_the_picture() {
    let folder = tempdir().unwrap();
    invert(&folder, &["--layer", "relu1_1", "--size", "32", "--steps", "200"]).assert().success();
    let last = log(&folder).pop().unwrap();
    assert!(last["error"].as_f64().unwrap() < 0.015, "{last}");
    let error = mean_square(&picture(&folder), &original(32));
    assert!(error.sqrt() < 0.06, "root mean square difference {} of 0..1", error.sqrt());
}

#[test]
fn the_default_reaches_a_lower_error_than_the_published_procedure() {
    let folder = tempdir().unwrap();
    let arguments = ["--layer", "relu2_1", "--size", "24", "--steps", "100"];
    let error = |more: &[&str]| {
        invert(&folder, &[&arguments[..], more].concat()).assert().success();
        log(&folder).pop().unwrap()["error"].as_f64().unwrap()
    };
    let (fast, published) = (error(&[]), error(&["--preset", "mahendran"]));
    assert!(fast < 0.5 * published, "{fast} {published}");
}

#[test]
fn the_log_has_the_terms_of_every_iteration() {
    let folder = tempdir().unwrap();
    invert(&folder, &["--layer", "conv2_1", "--size", "16", "--steps", "5"]).assert().success();
    let log = log(&folder);
    assert_eq!(log.len(), 5);
    for (index, line) in log.iter().enumerate() {
        let number = |name: &str| line[name].as_f64().unwrap_or_else(|| panic!("no {name} in {line}"));
        assert_eq!(line["iteration"], index + 1);
        assert!(number("elapsed") >= 0.0);
        let sum = number("error") + number("tv") + number("alpha");
        approx::assert_relative_eq!(number("total"), sum, max_relative = 1e-5);
    }
}

#[test]
fn every_option_does_what_it_says() {
    let folder = tempdir().unwrap();
    let base = ["--layer", "pool1", "--size", "16", "--steps", "6"];
    let run = |more: &[&str]| {
        invert(&folder, &[&base[..], more].concat()).assert().success();
        (picture(&folder), log(&folder))
    };
    let (plain, plain_log) = run(&[]);
    assert_eq!(run(&[]).0, plain, "the same every time");
    assert_ne!(run(&["--seed", "1"]).0, plain);
    for optimizer in ["momentum", "adam", "lbfgs"] {
        let (_, log) = run(&["--optimizer", optimizer]);
        let error = |line: &Value| line["total"].as_f64().unwrap();
        assert!(error(&log[5]) < error(&log[0]), "{optimizer}");
    }
    assert_ne!(run(&["--optimizer", "adam", "--lr", "1"]).0, run(&["--optimizer", "adam"]).0);
    assert_ne!(run(&["--lambda-tv", "1000"]).0, plain);
    assert_ne!(run(&["--lambda-alpha", "1e-6"]).0, plain);
    assert_ne!(run(&["--alpha", "2"]).1[0]["alpha"], plain_log[0]["alpha"]);
    assert_ne!(run(&["--beta", "1"]).1[0]["tv"], plain_log[0]["tv"]);
    assert_eq!(run(&["--lambda-tv", "0", "--lambda-alpha", "0"]).1[5]["tv"], 0.0);
    assert_ne!(run(&["--channels", "0..3"]).0, plain);
    assert_ne!(run(&["--crop", "2"]).0, plain);
    assert_eq!(run(&["--crop", "3,3,2,2"]).0, run(&["--crop", "2"]).0, "the middle of 8×8 positions");
    assert_ne!(run(&["--clamp"]).0, plain);
    let (jittered, _) = run(&["--jitter", "4"]);
    assert_eq!(jittered.rgb.dim(), plain.rgb.dim(), "the margin is cut off");

    let (strip, log) = run(&["--repeats", "3"]);
    assert_eq!((strip.height(), strip.width()), (16, 48));
    assert_eq!(strip.rgb.slice(ndarray::s![.., ..16, ..]), plain.rgb, "the first is that of the seed");
    assert_eq!(log.len(), 18);
    assert_eq!((&log[0]["repeat"], &log[17]["repeat"]), (&1.into(), &3.into()));

    let start = folder.path().join("start.png");
    original(16).save(&start).unwrap();
    let (_, log) = run(&["--init", start.to_str().unwrap()]);
    assert!(log[0]["error"].as_f64().unwrap() < 1e-4, "starts at the picture itself: {}", log[0]);
}

#[test]
fn mistakes_are_named() {
    let folder = tempdir().unwrap();
    let fails = |arguments: &[&str], code: i32, message: &str| {
        let output = invert(&folder, arguments).assert().code(code).get_output().stderr.clone();
        let text = String::from_utf8(output).unwrap();
        assert!(text.starts_with("error:") && text.contains(message), "{arguments:?}: {text}");
    };
    fails(&[], 2, "--layer");
    fails(&["--layer", "relu9"], 2, "relu9");
    fails(&["--layer", "relu1_1", "--channels", "5..2"], 2, "as in 0..16");
    fails(&["--layer", "relu1_1", "--crop", "1,2"], 2, "X,Y,WIDTH,HEIGHT");
    fails(&["--layer", "relu1_1", "--alpha", "0.5"], 2, "1 or more");
    fails(&["--layer", "relu1_1", "--lr", "1"], 2, "--optimizer");
    fails(&["--layer", "relu1_1", "--jitter", "1", "--optimizer", "lbfgs"], 2, "--jitter");
    fails(&["--layer", "relu1_1", "--size", "16", "--channels", "0..999"], 1, "relu1_1 has 16 × 16 positions of 8");
    fails(&["--layer", "relu1_1", "--size", "16", "--crop", "17"], 1, "--crop");
    fails(&["--layer", "relu5_1", "--size", "8"], 1, "too small");
    fails(&["--layer", "relu1_1", "--init", "none.png"], 1, "none.png");
}
