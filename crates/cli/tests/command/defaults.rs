//! Settings that the command line may leave open: the name of the picture, and a random seed.

use std::collections::BTreeSet;

use crate::support::{Workshop, data, style};

fn thin() -> String {
    format!("--size 0 --steps 1 --threads 1 --weights {}", data("vgg19-thin.npz"))
}

/// What is printed on standard error.
fn said(shop: &Workshop, words: &str) -> String {
    let output = shop.impasto(&format!("{words} {}", thin())).assert().success().stdout("").get_output().clone();
    String::from_utf8(output.stderr).unwrap()
}

/// A setting recorded in a picture.
fn setting(shop: &Workshop, picture: &str, name: &str) -> String {
    let shown = shop.impasto(&format!("show {picture}")).assert().success().get_output().stdout.clone();
    let shown = String::from_utf8(shown).unwrap();
    let value = shown.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    value.unwrap_or_else(|| panic!("no {name}: {shown}")).trim().to_owned()
}

#[test]
fn a_picture_without_a_name_never_takes_that_of_another() {
    let shop = Workshop::new();
    std::fs::create_dir(shop.path("sub")).unwrap();
    style().save(shop.path("sub/tiles.v2.png")).unwrap();
    let texture =
        format!("texture style.png --example-size 0 --size 32 --no-histogram {}", thin().replace("--size 0", ""));
    for (words, stem, extension) in [
        ("transfer content.png style.png", "content-in-style", "png"),
        ("transfer content.png style.png sub/tiles.v2.png", "content-in-style-and-tiles.v2", "png"),
        ("transfer content.png style.png --colors only --format jpeg", "content-in-style", "jpg"),
        ("invert content.png --layer relu2_1", "content-at-relu2_1", "png"),
    ] {
        for name in [format!("{stem}.{extension}"), format!("{stem}-2.{extension}"), format!("{stem}-3.{extension}")] {
            let before: Vec<_> = shop.new_files();
            let stderr = said(&shop, words);
            assert!(stderr.lines().last().unwrap().starts_with(&format!("{name}: ")), "{words}: {stderr}");
            let new = shop.new_files().into_iter().filter(|file| !before.contains(file)).collect::<Vec<_>>();
            assert_eq!(new, [name], "{words}");
        }
    }
    shop.impasto(&texture).assert().success();
    assert!(shop.path("style-texture.png").exists());
    // A given name is used unchanged.
    std::fs::write(shop.path("out.png"), "old").unwrap();
    said(&shop, "transfer content.png style.png -o out.png");
    shop.rgb("out.png");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_has_a_name_too_and_a_failure_leaves_no_file() {
    let shop = Workshop::new();
    std::os::unix::fs::symlink("elsewhere.png", shop.path("content-in-style.png")).unwrap();
    said(&shop, "transfer content.png style.png");
    assert!(shop.path("content-in-style-2.png").is_file());
    assert!(!shop.path("elsewhere.png").exists());
    let before = shop.new_files();
    shop.impasto(&format!("transfer content.png none.png {}", thin())).assert().code(1);
    assert_eq!(shop.new_files(), before);
}

/// Two runs at a time that chose the same name: the later one takes the next.
#[test]
fn a_name_that_was_taken_meanwhile_is_left_alone() {
    let shop = Workshop::new();
    let words = format!("transfer content.png style.png {}", thin().replace("--steps 1", "--steps 40"));
    let children: Vec<_> =
        (0..4).map(|seed| shop.std(&format!("{words} --init noise --seed {seed} --quiet")).spawn().unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let pictures: BTreeSet<Vec<u8>> =
        shop.new_files().iter().map(|name| std::fs::read(shop.path(name)).unwrap()).collect();
    assert_eq!(pictures.len(), 4, "{:?}", shop.new_files());
}

#[test]
fn a_run_that_is_continued_keeps_the_name_and_the_seed_it_began_with() {
    let shop = Workshop::new();
    let words = "transfer content.png style.png --init noise --seed random --checkpoint state";
    said(&shop, words);
    let whole = std::fs::read(shop.path("content-in-style.png")).unwrap();
    std::fs::remove_file(shop.path("content-in-style.png")).unwrap();
    shop.impasto("resume state").assert().success();
    assert_eq!(std::fs::read(shop.path("content-in-style.png")).unwrap(), whole);
    said(&shop, &format!("{words} --resume"));
    assert_eq!(shop.rgb("content-in-style-2.png"), shop.rgb("content-in-style.png"));
    assert_eq!(setting(&shop, "content-in-style-2.png", "seed"), setting(&shop, "content-in-style.png", "seed"));
}

#[test]
fn a_random_seed_is_said_recorded_and_makes_the_same_picture_again() {
    let shop = Workshop::new();
    let mut seeds = BTreeSet::new();
    for (number, word) in ["--seed random", "--seed -1", "--seed=-1", "--seed=random"].into_iter().enumerate() {
        let out = format!("out{number}.png");
        let stderr = said(&shop, &format!("transfer content.png style.png --init noise {word} -o {out}"));
        let seed = setting(&shop, &out, "seed");
        assert!(stderr.contains(&format!("seed {seed}\n")), "{stderr}");
        let line = shop.impasto(&format!("show {out} --as-command")).assert().success().get_output().stdout.clone();
        let line = String::from_utf8(line).unwrap();
        assert!(line.contains(&format!("--seed={seed}")) && !line.contains("random") && !line.contains("-1"), "{line}");
        said(&shop, &format!("transfer content.png style.png --init noise --seed {seed} -o again.png"));
        assert_eq!(shop.rgb("again.png"), shop.rgb(&out));
        seeds.insert(seed);
    }
    assert_eq!(seeds.len(), 4);
    for job in ["texture style.png --size 32", "invert content.png --layer relu2_1"] {
        let thin = format!("--steps 1 --weights {}", data("vgg19-thin.npz"));
        shop.impasto(&format!("{job} --seed -1 -o other.png {thin} --quiet")).assert().success().stderr("");
        setting(&shop, "other.png", "seed").parse::<u32>().unwrap();
    }
    // Time and memory do not depend on it.
    shop.impasto(&format!("plan content.png style.png --seed random {}", thin())).assert().success();
}

/// A repeated batch recognises its pictures with any seed.
#[test]
fn each_picture_of_a_batch_has_a_random_seed_of_its_own() {
    let shop = Workshop::new();
    let words = format!("batch content.png style.png --style style.png -o out --init noise --seed random {}", thin());
    let run = |state: &str| {
        let stderr = shop.impasto(&words).assert().success().get_output().stderr.clone();
        let stderr = String::from_utf8(stderr).unwrap();
        assert!(stderr.contains(state), "{stderr}");
        ["out/content-style.png", "out/style-style.png"].map(|picture| setting(&shop, picture, "seed"))
    };
    let seeds = run("2 painted");
    assert_ne!(seeds[0], seeds[1]);
    assert_eq!(run("2 already there"), seeds);
}
