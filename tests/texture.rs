//! `impasto texture` through the binary.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use impasto::picture::Picture;
use ndarray::{Axis, concatenate, s};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// `impasto texture` after a small picture with the thin network, writing `out.png` and `log.jsonl` into the folder.
fn texture(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("impasto").unwrap();
    command.arg("texture").arg(data("thin-notebook/style.png")).arg("--weights").arg(data("vgg19-thin.npz"));
    command.arg("-o").arg(folder.path().join("out.png")).arg("--log").arg(folder.path().join("log.jsonl"));
    command.args(["--quiet"]).args(arguments);
    command
}

fn totals(folder: &TempDir) -> Vec<f64> {
    let text = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line["total"].as_f64().unwrap()).collect()
}

fn picture(folder: &TempDir) -> Picture {
    Picture::open(&folder.path().join("out.png")).unwrap()
}

#[test]
fn the_gram_error_falls_by_a_thousand_and_the_histogram_is_the_examples() {
    let folder = tempdir().unwrap();
    texture(&folder, &["--example-size", "32", "--up-to", "pool2", "--steps", "150"]).assert().success();
    let totals = totals(&folder);
    let lowest = totals.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(lowest < 1e-3 * totals[0], "{} to {lowest}", totals[0]);

    let example = Picture::open(&data("thin-notebook/style.png")).unwrap().fitted(32);
    let texture = picture(&folder);
    assert_eq!(texture.rgb.dim(), example.rgb.dim());
    for channel in 0..3 {
        let sorted = |picture: &Picture| {
            let mut levels: Vec<i32> = Vec::new();
            levels.extend(picture.rgb.index_axis(Axis(2), channel).iter().map(|v| (v * 255.0).round() as i32));
            levels.sort_unstable();
            levels
        };
        let worst = sorted(&texture).iter().zip(sorted(&example)).map(|(a, b)| (a - b).abs()).max().unwrap();
        assert!(worst <= 1, "channel {channel}: {worst} levels");
    }
}

/// How much larger the steps between the two columns at the seam of two tiles are than those between other columns.
fn seam(texture: &Picture) -> f32 {
    let tiled = concatenate(Axis(1), &[texture.rgb.view(), texture.rgb.view()]).unwrap();
    let step = |column: usize| {
        let (left, right) = (tiled.slice(s![.., column, ..]), tiled.slice(s![.., column + 1, ..]));
        (&left - &right).mapv(f32::abs).mean().unwrap()
    };
    let width = texture.width();
    let inside = (0..width - 1).map(step).sum::<f32>() / (width - 1) as f32;
    step(width - 1) / inside
}

#[test]
fn a_seamless_texture_tiles_in_both_directions() {
    let folder = tempdir().unwrap();
    let arguments = ["--example-size", "32", "--size", "32", "--layers", "relu1_1,pool1,pool2", "--steps", "100"];
    let seams = |more: &[&str]| {
        texture(&folder, &[&arguments[..], more].concat()).assert().success();
        let mut picture = picture(&folder);
        let across = seam(&picture);
        picture.rgb.swap_axes(0, 1);
        picture.rgb = picture.rgb.as_standard_layout().into_owned();
        (across, seam(&picture))
    };
    let (across, down) = seams(&["--seamless"]);
    assert!(across < 1.3 && down < 1.3, "seamless: {across} {down}");
    let (plain_across, plain_down) = seams(&[]);
    assert!(plain_across > across && plain_down > down, "{plain_across} {plain_down} against {across} {down}");
}

#[test]
fn every_option_does_what_it_says() {
    let folder = tempdir().unwrap();
    let base = ["--example-size", "24", "--up-to", "pool1", "--steps", "8"];
    let run = |more: &[&str]| {
        texture(&folder, &[&base[..], more].concat()).assert().success();
        (picture(&folder), totals(&folder))
    };
    let (plain, plain_totals) = run(&[]);
    assert_eq!(plain_totals.len(), 8);
    assert_eq!(run(&[]).0, plain, "the same every time");
    assert_ne!(run(&["--seed", "1"]).0, plain);
    assert_ne!(run(&["--no-histogram"]).0, plain);
    assert_ne!(run(&["--clamp"]).0, plain);
    assert_ne!(run(&["--pool", "max"]).0, plain);
    let (wide, _) = run(&["--size", "40,16"]);
    assert_eq!((wide.width(), wide.height()), (40, 16));
    let (square, _) = run(&["--size", "20"]);
    assert_eq!((square.width(), square.height()), (20, 20));
    let (_, adam) = run(&["--optimizer", "adam"]);
    assert!(adam[7] < adam[0]);
    assert_ne!(run(&["--optimizer", "adam", "--lr", "0.2"]).1, adam);

    let layers = |layers: &[&str]| {
        let common = ["--example-size", "24", "--steps", "2"];
        texture(&folder, &[&common[..], layers].concat()).assert().success();
        totals(&folder)
    };
    let paper = layers(&["--up-to", "conv1_1"]);
    assert_eq!(paper, layers(&["--layers", "relu1_1"]));
    assert_ne!(paper, layers(&["--layers", "relu1_1,relu2_1=0.5"]));
    assert_eq!(layers(&[]), layers(&["--up-to", "pool4"]), "the default");
    let own_size = |size: &str| {
        texture(&folder, &["--example-size", size, "--up-to", "pool1", "--steps", "1"]).assert().success();
        (picture(&folder).width(), picture(&folder).height())
    };
    let example = Picture::open(&data("thin-notebook/style.png")).unwrap();
    assert_eq!(own_size("0"), (example.width(), example.height()));
}

#[test]
fn mistakes_are_named() {
    let folder = tempdir().unwrap();
    let fails = |arguments: &[&str], code: i32, message: &str| {
        let output = texture(&folder, arguments).assert().code(code).get_output().stderr.clone();
        let text = String::from_utf8(output).unwrap();
        assert!(text.starts_with("error:") && text.contains(message), "{arguments:?}: {text}");
    };
    fails(&["--size", "0"], 2, "as in 256 or 512,256");
    fails(&["--size", "12,x"], 2, "as in 256 or 512,256");
    fails(&["--lr", "0.1"], 2, "--optimizer adam");
    fails(&["--up-to", "pool9"], 2, "pool9");
    fails(&["--layers", "relu1_1", "--up-to", "pool1"], 2, "--up-to");
    fails(&["--seamless", "--size", "40,33", "--up-to", "pool2"], 1, "--size 40,36");
    fails(&["--size", "8"], 1, "too small for pool4");
}
