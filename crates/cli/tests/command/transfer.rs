//! `impasto transfer`: what its options do.

use image::imageops::{FilterType, resize};
use predicates::prelude::*;
use predicates::str::{contains, is_match};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{Workshop, content, data, fails, levels_apart, number, style};

#[test]
fn the_loss_falls_and_the_log_tells_of_every_iteration() {
    let shop = Workshop::new();
    for optimizer in ["adam --lr 0.05", "lbfgs"] {
        let words = format!(
            "-o out.png --steps 30 --optimizer {optimizer} --log log.jsonl --tv-weight 0.01 --content-weight 2 --style-weight 5"
        );
        shop.transfer(&words).assert().success().stdout("");
        let log = shop.log("log.jsonl");
        assert_eq!(log.len(), 30);
        let mut before = 0.0;
        for (index, line) in log.iter().enumerate() {
            let names: Vec<&str> = line.keys().map(String::as_str).collect();
            assert_eq!(names[..7], ["iteration", "scale", "elapsed", "total", "content", "style", "tv"]);
            assert!(names[7..].iter().all(|name| name.starts_with("style.relu")) && names.len() > 8, "{names:?}");
            assert_eq!(line["iteration"], index + 1);
            assert!(number(line, "elapsed") >= before);
            before = number(line, "elapsed");
            let sum = 2.0 * number(line, "content") + 5.0 * number(line, "style") + number(line, "tv");
            approx::assert_relative_eq!(number(line, "total"), sum, max_relative = 1e-5);
        }
        assert_eq!(number(&log[0], "content"), 0.0, "each line is evaluated before the iteration's update");
        let (first, last) = (number(&log[0], "total"), number(&log[29], "total"));
        assert!(last < 0.8 * first, "{optimizer}: from {first} to {last}");
        assert_eq!(shop.rgb("out.png").dimensions(), (32, 24));
        assert_eq!(shop.new_files(), ["log.jsonl", "out.png"]);
    }
}

#[test]
fn what_it_says() {
    let shop = Workshop::new();
    shop.transfer("-o out.png --steps 2 --quiet").assert().success().stdout("").stderr("");
    // No terminal, no bar: plain lines.
    let plain = is_match(
        r"^32 px, iteration 1:  \d+ %  \d+ s left  style \S+\n32 px, iteration 2: 100 %  .*\nout.png: 32×24 pixels, \S+ s\n$",
    );
    shop.transfer("-o out.png --steps 2").assert().success().stdout("").stderr(plain.unwrap());
    let verbose = contains("content 32×24, style 28×28").and(contains("iteration 2:")).and(contains("style: relu1_1 "));
    shop.transfer("-o out.png --steps 3 --verbose").assert().success().stdout("").stderr(verbose);
}

#[test]
fn balanced_keeps_pixels_within_black_and_white_and_the_sources_presets_do_not() {
    let shop = Workshop::new();
    for (preset, own, other) in [
        ("balanced", "--clamp", "--no-clamp"),
        ("gatys", "--no-clamp", "--clamp"),
        ("notebook", "--no-clamp", "--clamp"),
    ] {
        // Steps that go far beyond.
        let picture = |words: &str| shop.picture(&format!("--preset {preset} --lr 1 {words}"));
        assert_eq!(picture(""), picture(own), "{preset}");
        assert_ne!(picture(""), picture(other), "{preset}");
    }
    fails(&shop, "transfer content.png style.png -o out.png --clamp --no-clamp", 2, &["--clamp", "--no-clamp"]);
}

/// Which notes it prints before painting, by sizes drawn at random: the photograph's, the style's, and the one asked for.
#[test]
fn it_says_once_what_would_help() {
    let mut rng = ChaCha8Rng::seed_from_u64(271);
    let (mut enlarged, mut tiny, mut silent) = (0, 0, 0);
    let thin = data("vgg19-thin.npz");
    for _ in 0..24 {
        let shop = Workshop::new();
        let [photo, painting, size] = [(20, 80), (10, 60), (24, 80)].map(|(least, most)| rng.random_range(least..most));
        resize(&content(), photo, photo * 3 / 4, FilterType::Triangle).save(shop.path("photo.png")).unwrap();
        resize(&style(), painting, painting, FilterType::Triangle).save(shop.path("painting.png")).unwrap();
        let words =
            format!("transfer photo.png painting.png --weights {thin} -o out.png --steps 1 --scales 1 --size {size}");
        shop.impasto(&format!("{words} --quiet")).assert().success().stderr("");
        let output = shop.impasto(&words).assert().success().get_output().clone();
        let said = String::from_utf8(output.stderr).unwrap();
        let notes: Vec<&str> = said.lines().filter(|line| line.starts_with("note:")).collect();
        let (large, small) = (photo < size, 2 * painting <= size);
        assert_eq!(notes.len(), usize::from(large) + usize::from(small), "{photo} {painting} {size}: {said}");
        if large {
            assert!(
                notes[0].starts_with("note: photo.png has ") && notes[0].contains(&format!("--size {photo} ")),
                "{said}"
            );
        }
        if small {
            let words = format!("note: painting.png has only {painting}×{painting} pixels");
            assert!(notes.last().unwrap().starts_with(&words), "{said}");
        }
        (enlarged, tiny, silent) =
            (enlarged + u32::from(large), tiny + u32::from(small), silent + u32::from(notes.is_empty()));
    }
    assert!(enlarged > 3 && tiny > 0 && silent > 3, "{enlarged} {tiny} {silent}");
    // Own sizes enlarge nothing; random weights that nobody asked for are told, once.
    let shop = Workshop::new();
    shop.transfer("-o out.png --steps 1").assert().success().stderr(contains("note:").not());
    let words = "transfer content.png style.png --size 0 -o out.png --steps 1";
    let output = shop.impasto(words).assert().success().get_output().clone();
    assert_eq!(String::from_utf8(output.stderr).unwrap().matches("note: no trained weights were found").count(), 1);
}

#[test]
fn sizes() {
    let shop = Workshop::new();
    let dimensions = |words: &str| {
        let thin = data("vgg19-thin.npz");
        let words =
            format!("transfer content.png style.png --weights {thin} -o out.png --steps 1 --scales 1 --quiet {words}");
        shop.impasto(&words).assert().success();
        shop.rgb("out.png").dimensions()
    };
    assert_eq!(dimensions("--size 0"), (32, 24));
    assert_eq!(dimensions("--size 24"), (24, 18));
    assert_eq!(dimensions(""), (512, 384), "512 pixels are the default");
}

#[test]
fn where_it_starts() {
    let shop = Workshop::new();
    let default = shop.picture("");
    assert_eq!(shop.picture("--init content"), default);
    assert_eq!(shop.picture("--init content.png"), default);
    let noise = shop.picture("--init noise");
    assert_ne!(noise, default);
    assert_eq!(shop.picture("--init noise --seed 0"), noise, "the default seed is 0");
    assert_ne!(shop.picture("--init noise --seed 1"), noise);
    // A tiny rate leaves the start as it was; the style image is resized to the content's size.
    style().save(shop.path("content.png")).unwrap();
    assert!(levels_apart(&shop.picture("--init style --lr 1e-9"), &style()) <= 1);
}

#[test]
fn the_rate_is_how_far_adam_goes() {
    let shop = Workshop::new();
    assert!(levels_apart(&shop.picture("--lr 1e-9"), &content()) == 0);
    let moved = |words: &str| levels_apart(&shop.picture(words), &content());
    let (little, much) = (moved("--lr 0.01"), moved("--lr 0.2"));
    // Three steps of Adam are at most three rates each, in standard deviations of about 58 levels.
    assert!((1..=3).contains(&little) && (10..=40).contains(&much), "{little} and {much} levels");
}

#[test]
fn presets_layers_weights_and_pooling_change_the_picture() {
    let shop = Workshop::new();
    let default = shop.picture("--lr 0.02");
    assert_eq!(shop.picture("--lr 0.02 --preset balanced"), default);
    for words in [
        "--preset notebook",
        "--preset gatys",
        "--content-layers conv1_1 --content-weight 1000",
        "--style-layers relu1_1=0.2,relu5_4=3",
        "--style-weight 0 --tv-weight 1",
        "--content-weight 10000",
        "--tv-weight 100",
        "--pool avg",
        "--edges zeros",
    ] {
        assert_ne!(shop.picture(&format!("--lr 0.02 {words}")), default, "{words}");
    }
    assert_eq!(shop.picture("--preset gatys --pool avg --edges zeros"), shop.picture("--preset gatys"));
    let light = shop.picture("--style-weight 10");
    for algorithm in ["winograd", "im2col", "direct"] {
        let picture = shop.picture(&format!("--style-weight 10 --conv {algorithm}"));
        assert!(levels_apart(&picture, &light) <= 1, "{algorithm}");
    }
}

#[test]
fn the_embedded_network_says_that_it_is_random_unless_it_was_asked_for() {
    let shop = Workshop::new();
    let words = "transfer content.png style.png -o out.png --size 32 --steps 2 --optimizer adam";
    let shallow = "--content-layers relu1_2 --style-layers relu1_1,relu2_1";
    let note = contains("note: no trained weights").and(contains("impasto weights fetch"));
    shop.impasto(&format!("{words} {shallow}")).assert().success().stderr(note);
    let unasked = shop.rgb("out.png");
    shop.impasto(&format!("{words} {shallow} --weights random")).assert().success().stderr(contains("note:").not());
    assert_eq!(shop.rgb("out.png"), unasked, "they are the same network");
    shop.impasto(&format!("{words} {shallow} --weights random:1 --quiet")).assert().success().stderr("");
    assert_ne!(shop.rgb("out.png"), unasked);
}

#[test]
fn from_coarse_to_fine() {
    let shop = Workshop::new();
    for optimizer in ["lbfgs", "adam"] {
        let words =
            format!("-o out.png --scales 22,27,32 --steps 3,2,4 --optimizer {optimizer} --log log.jsonl --quiet");
        shop.transfer(&words).assert().success();
        let scales: Vec<_> = shop.log("log.jsonl").iter().map(|line| number(line, "scale")).collect();
        assert_eq!(scales, [22., 22., 22., 27., 27., 32., 32., 32., 32.], "{optimizer}");
        assert_eq!(shop.rgb("out.png").dimensions(), (32, 24));
        let three = shop.rgb("out.png");
        shop.transfer(&format!("{words} --threads 1")).assert().success();
        assert_eq!(shop.rgb("out.png"), three, "the same on one thread");
        shop.transfer(&words.replace("--scales 22,27,32 --steps 3,2,4", "--scales 1 --steps 4")).assert().success();
        assert_ne!(shop.rgb("out.png"), three, "{optimizer}: the smaller scales count");
    }
    // Frames on the way have the size of the picture.
    shop.transfer("-o out.png --scales 24,32 --steps 2,2 --save-every 1 --quiet").assert().success();
    assert_eq!(shop.rgb("out-0001.png").dimensions(), (32, 24));
    shop.transfer("-o out.png --scales 2 --steps 2,2,2").assert().code(2).stderr(contains("for 2 scales"));
}

#[test]
fn adam_does_not_depend_on_the_losss_scale() {
    let shop = Workshop::new();
    let picture = |factor: f64| {
        let (content, style) = (factor, 50.0 * factor);
        shop.picture(&format!("--lr 0.05 --content-weight {content:e} --style-weight {style:e}"))
    };
    let usual = picture(1.0);
    for factor in [1e-9, 1e-30, 1e30, 1e-3] {
        assert!(levels_apart(&picture(factor), &usual) <= 1, "{factor}");
    }
}
