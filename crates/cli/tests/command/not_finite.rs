//! Runs in which a number becomes infinite or NaN.

use image::RgbImage;

use crate::support::{Workshop, content, data};

/// What is left of a run whose steps are far too long: its picture.
fn stopped(job: &str, culprit: &str, iteration: usize) -> RgbImage {
    let shop = Workshop::new();
    let words = format!("{job} --weights {} -o out.png --log log.jsonl --quiet", data("vgg19-thin.npz"));
    let output = shop.impasto(&words).assert().code(1).get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let expected = format!("error: {culprit}");
    assert!(stderr.starts_with(&expected), "{expected}: {stderr}");
    let told = format!(" became infinite or NaN at iteration {iteration}; out.png holds the last picture before that");
    assert!(stderr.contains(&told) && stderr.trim_end().lines().count() == 1, "{stderr}");
    assert_eq!(shop.log("log.jsonl").len(), iteration);
    assert_eq!(shop.new_files(), ["log.jsonl", "out.png"]);
    shop.rgb("out.png")
}

#[test]
fn the_last_sound_picture_is_kept_and_the_term_named() {
    let transfer = "transfer content.png style.png --size 0 --scales 1 --steps 9 --no-clamp";
    for (optimizer, culprit) in [("adam", "the term content"), ("momentum", "the term content")] {
        let picture = stopped(&format!("{transfer} --optimizer {optimizer} --lr 1e30"), culprit, 2);
        assert_eq!(picture, content(), "{optimizer}: the one before the first step");
    }
    stopped("texture style.png --example-size 0 --size 32 --optimizer adam --lr 1e30 --steps 9", "the term gram.", 2);
    for optimizer in ["adam", "momentum"] {
        let words = format!("invert content.png --layer relu2_1 --size 0 --steps 9 --optimizer {optimizer} --lr 1e30");
        stopped(&words, "the term ", 2);
    }
    let repeats = "invert content.png --layer relu2_1 --size 0 --steps 9 --repeats 2 --optimizer adam --lr 1e30";
    assert_eq!(RgbImage::width(&stopped_of_two(repeats)), 64);
}

/// The same of two runs, whose logs are in one file.
fn stopped_of_two(job: &str) -> RgbImage {
    let shop = Workshop::new();
    let words = format!("{job} --weights {} -o out.png --quiet", data("vgg19-thin.npz"));
    let output = shop.impasto(&words).assert().code(1).get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("became infinite or NaN") && stderr.trim_end().lines().count() == 1, "{stderr}");
    shop.rgb("out.png")
}
