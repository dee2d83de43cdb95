//! The end of runs: `--tolerance`, `--average` and `--finish`; and the objective as shown by `--verbose`.

use predicates::prelude::*;
use predicates::str::contains;

use crate::support::{Workshop, content, data, fails, levels_apart, number};

#[test]
fn a_scale_is_done_when_its_loss_falls_no_more() {
    let shop = Workshop::new();
    // Nothing falls by 99.9 % in ten iterations twice.
    let said = contains("24 px: done after 11 of 40 iterations, the last ten of which lowered the loss by ")
        .and(contains("32 px: done after 11 of 60 iterations"))
        .and(contains("out.png: 32×24 pixels"));
    shop.transfer("-o out.png --scales 24,32 --steps 40,60 --tolerance 0.999 --log log.jsonl")
        .assert()
        .success()
        .stderr(said);
    let log = shop.log("log.jsonl");
    assert_eq!(log.iter().filter(|line| line["scale"] == 24).count(), 11);
    assert_eq!(log.len(), 22);
    let fall = |log: &[serde_json::Map<String, serde_json::Value>], from: usize| {
        let lowest =
            |lines: &[serde_json::Map<_, _>]| lines.iter().map(|line| number(line, "total")).fold(f64::MAX, f64::min);
        1.0 - lowest(&log[..from + 10]) / lowest(&log[..from])
    };
    // A smaller tolerance continues until the loss falls by less within a window.
    shop.transfer("-o out.png --scales 1 --steps 200 --tolerance 0.1 --log log.jsonl --quiet")
        .assert()
        .success()
        .stderr("");
    let log = shop.log("log.jsonl");
    assert!((12..200).contains(&log.len()), "{}", log.len());
    assert!(fall(&log, log.len() - 10) < 0.1 && fall(&log, log.len() - 11) >= 0.1);
    // A run whose loss falls fast enough makes all iterations, without a message.
    shop.transfer("-o out.png --steps 12 --tolerance 1e-9").assert().success().stderr(contains("done after").not());
    let thin = data("vgg19-thin.npz");
    for job in ["texture style.png --example-size 28", "invert content.png --layer relu2_1 --size 24"] {
        let words = format!("{job} -o out.png --weights {thin} --steps 60 --tolerance 0.999999");
        shop.impasto(&words).assert().success().stderr(contains("done after 11 of 60"));
    }
}

#[test]
fn the_mean_of_adams_pictures() {
    let shop = Workshop::new();
    let last = shop.picture("--lr 0.05");
    let mean = shop.picture("--lr 0.05 --average");
    let apart = levels_apart(&mean, &last);
    // Three steps away at most, each of about 3 levels.
    assert!((1..=10).contains(&apart), "{apart}");
    // The mean of one picture is that picture.
    let after = |words: &str| {
        shop.transfer(&format!("-o out.png --optimizer adam --quiet {words}")).assert().success();
        shop.rgb("out.png")
    };
    assert_eq!(after("--steps 1 --average"), after("--steps 1"));
    let [ones, threes] = ["--scales 24,32 --steps 1,1", "--scales 24,32 --steps 3,3"];
    assert_eq!(after(&format!("{ones} --average")), after(ones));
    assert_ne!(after(&format!("{threes} --average")), after(threes));
}

#[test]
fn weights_are_told_term_by_term() {
    let shop = Workshop::new();
    let words = "--content-weight 2 --style-weight 3 --tv-weight 0.1 --style-layers relu1_1=0.25,relu2_1";
    let said = contains(
        "24 px, weights: content 2.00 (relu4_1 1.00), style 3.00 (relu1_1 0.250, relu2_1 1.00), tv 1.00 (tv 0.100)",
    );
    shop.transfer(&format!("-o out.png --scales 24,32 --steps 1,1 --verbose {words}"))
        .assert()
        .success()
        .stderr(said.and(contains("32 px, weights: content ")));
}

#[test]
fn mistakes_are_named() {
    let shop = Workshop::new();
    let rest = format!("-o out.png --weights {}", data("vgg19-thin.npz"));
    for (words, said) in [
        ("transfer content.png style.png --average", &["--average", "adam", "lbfgs"][..]),
        ("transfer content.png style.png --average --optimizer momentum", &["--average", "adam", "momentum"]),
        ("texture style.png --average", &["--average", "--optimizer adam"]),
        ("invert content.png --layer relu1_1 --average", &["--average", "--optimizer adam"]),
        ("transfer content.png style.png --tolerance 0", &["--tolerance", "between 0 and 1"]),
        ("transfer content.png style.png --tolerance 1", &["--tolerance", "between 0 and 1"]),
    ] {
        fails(&shop, &format!("{words} {rest}"), 2, said);
    }
}

/// With a line search, the log gives the loss of the picture so far, which never rises at one scale; rejected trials
/// have a separate field.
#[test]
fn the_loss_that_is_told_never_rises_with_lbfgs() {
    let mut trials = 0;
    for words in [
        "transfer content.png style.png --size 32 --scales 16,32 --steps 40,40 --optimizer lbfgs --preset gatys \
         --content-layers relu2_1 --style-layers relu1_1,relu2_1",
        "transfer content.png style.png --size 32 --scales 1 --steps 60 --init noise",
        "texture style.png --size 32 --example-size 28 --steps 60 --seed 3",
        "invert content.png --layer relu3_1 --size 32 --steps 60",
    ] {
        let shop = Workshop::new();
        let (_, log) = shop.made(words);
        for pair in log.windows(2).filter(|pair| pair[0]["scale"] == pair[1]["scale"]) {
            let [before, after] = [&pair[0], &pair[1]].map(|line| number(line, "total"));
            assert!(after <= before, "{words}: {before} {after}");
            if let Some(trial) = pair[1].get("trial") {
                assert!(trial.as_f64().is_none_or(|trial| trial > after) && before == after, "{words}: {pair:?}");
                trials += 1;
            }
        }
    }
    assert!(trials > 3, "{trials}");
    // Adam has no line search: each evaluation is logged.
    let shop = Workshop::new();
    let (_, log) =
        shop.made("transfer content.png style.png --size 32 --optimizer adam --lr 0.5 --scales 1 --steps 20");
    assert!(log.iter().all(|line| !line.contains_key("trial")));
}

#[test]
fn a_picture_is_finished_at_its_last_size() {
    let shop = Workshop::new();
    let words = "-o out.png --scales 24,32 --steps 4,3 --quiet --log log.jsonl";
    let made = |finish: &str| {
        shop.transfer(&format!("{words} {finish}")).assert().success();
        (shop.rgb("out.png"), shop.log("log.jsonl"))
    };
    let (plain, short) = made("--finish 0");
    let (finished, long) = made("--finish 6");
    assert!(levels_apart(&plain, &finished) > 2);
    assert_eq!((short.len(), long.len()), (7, 13));
    for (one, other) in short.iter().zip(&long) {
        assert_eq!(one["total"], other["total"], "what is before the finish is the same");
    }
    let (before, finish) = long.split_at(7);
    assert!(before.iter().all(|line| !line.contains_key("finish") && !line.contains_key("neighbours")));
    assert!(finish.iter().all(|line| line["finish"] == true && line["scale"] == 32));
    let neighbours = |line: &serde_json::Map<String, serde_json::Value>| number(line, "neighbours");
    assert!(neighbours(&finish[5]) < 0.95 * neighbours(&finish[0]), "features come nearer to the style's");
    fails(
        &shop,
        "transfer content.png style.png -o out.png --finish few",
        2,
        &["give auto, or a number of iterations"],
    );
}

/// Width, iterations and whether it is the finish, of each scale of a transfer.
fn planned(shop: &Workshop, words: &str) -> Vec<(u64, u64, bool)> {
    let mut plan = shop.impasto(&format!("plan content.png style.png --json {words}"));
    let output = plan.assert().success().get_output().stdout.clone();
    let plan: serde_json::Value = serde_json::from_slice(&output).unwrap();
    let number = |scale: &serde_json::Value, name: &str| scale[name].as_u64().unwrap();
    let scale = |scale| (number(scale, "width"), number(scale, "steps"), scale["finish"] == true);
    plan["scales"].as_array().unwrap().iter().map(scale).collect()
}

#[test]
fn larger_pictures_than_512_pixels_are_finished_on_the_way() {
    let shop = Workshop::new();
    let weights = format!("--weights {}", data("vgg19-thin.npz"));
    let at = |words: &str| planned(&shop, &format!("{weights} {words}"));
    let usual = at("--size 512");
    assert_eq!(usual[usual.len() - 2..], [(512, 7, false), (512, 14, true)]);
    let large = at("--size 1024");
    assert_eq!(large[..usual.len()], usual, "up to 512 pixels it is the smaller picture");
    let [rest] = &large[usual.len()..] else { panic!("{large:?}") };
    assert_eq!((rest.0, rest.2, rest.1 > 7), (1024, false, true));
    let places = |plan: &[(u64, u64, bool)]| plan.iter().position(|scale| scale.2);
    assert_eq!(places(&at("--size 1024 --scales 1")), None);
    assert_eq!(places(&at("--size 1024 --finish 0")), None);
    assert_eq!(places(&at("--size 1024 --finish 6")), Some(4), "at the last size, if the iterations are given");
}

#[test]
fn nothing_of_the_style_is_asked_for_and_nothing_is_painted() {
    let shop = Workshop::new();
    for words in
        ["--steps 3 --finish 3 --content-weight 0", "--steps 3 --finish 3", "--preset nnst --steps 2 --finish 2"]
    {
        shop.transfer(&format!("-o out.png --scales 1 --style-weight 0 --quiet --log log.jsonl {words}"))
            .assert()
            .success();
        assert!(levels_apart(&shop.rgb("out.png"), &content()) <= 1, "{words}");
        assert!(shop.log("log.jsonl").iter().all(|line| !line.contains_key("finish")), "{words}");
    }
    shop.impasto("plan content.png style.png --size 0 --colors only --finish 5")
        .assert()
        .success()
        .stdout("only colours are changed, which takes a moment\n");
    fails(&shop, "transfer content.png style.png --strength -1", 2, &["--strength", "from 0 to 1"]);
    fails(&shop, "transfer content.png style.png --finish -1", 2, &["--finish", "a number of iterations"]);
}

#[test]
fn the_finish_halves_the_iterations_of_the_last_of_three_scales() {
    let shop = Workshop::new();
    let planned = |words: &str| planned(&shop, &format!("--size 64 --weights random {words}"));
    let two = planned("--scales 2 --finish 6");
    assert_eq!((two.len(), two[2]), (3, (64, 6, true)), "{two:?}");
    let three = planned("--scales 3 --finish 6");
    let plain = planned("--scales 3 --finish 0");
    assert_eq!((plain.len(), &three[..2]), (3, &plain[..2]), "{three:?}");
    assert_eq!(three[2..], [(64, plain[2].1.div_ceil(2), false), (64, 6, true)]);
    let given = planned("--scales 3 --steps 3,2,1 --finish 6");
    assert_eq!(given[1..], [(32, 2, false), (64, 1, false), (64, 6, true)], "steps that are given are made");
}
