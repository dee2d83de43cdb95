//! `impasto batch`: many pictures.

use std::path::Path;

use serde_json::Value;

use crate::support::{Workshop, content, data, fails, style};

/// A folder with photos/{one,two}.png and styles/{stripes,turned}.png.
fn shop() -> Workshop {
    let shop = Workshop::new();
    for folder in ["photos", "styles"] {
        std::fs::create_dir(shop.path(folder)).unwrap();
    }
    content().save(shop.path("photos/one.png")).unwrap();
    image::imageops::flip_horizontal(&content()).save(shop.path("photos/two.png")).unwrap();
    style().save(shop.path("styles/stripes.png")).unwrap();
    image::imageops::rotate90(&style()).save(shop.path("styles/turned.png")).unwrap();
    std::fs::write(shop.path("photos/notes.txt"), "no picture").unwrap();
    shop
}

/// Options for the fastest possible picture.
fn options() -> String {
    format!("--size 0 --steps 2 --weights {}", data("vgg19-thin.npz"))
}

/// Runs a batch that ends with this exit code, and returns the lines of `--json`.
fn batch(shop: &Workshop, words: &str, code: i32) -> Vec<Value> {
    let words = format!("batch {words} {} --json", options());
    let output = shop.impasto(&words).assert().code(code).get_output().clone();
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The output and the outcome of each job.
fn states(lines: &[Value]) -> Vec<(&str, &str)> {
    let text = |line: &'_ Value, name: &str| -> &'static str { line[name].as_str().unwrap().to_owned().leak() };
    lines.iter().map(|line| (text(line, "output"), text(line, "state"))).collect()
}

fn modified(path: &Path) -> std::time::SystemTime {
    path.metadata().unwrap().modified().unwrap()
}

#[test]
fn every_content_in_every_style_as_transfer_makes_it() {
    let shop = shop();
    let outputs =
        ["one-stripes.png", "one-turned.png", "two-stripes.png", "two-turned.png"].map(|name| format!("out/{name}"));
    let all = |state| outputs.iter().map(|output| (output.as_str(), state)).collect::<Vec<_>>();
    assert_eq!(states(&batch(&shop, "photos -o out --style styles/*.png --dry-run", 0)), all("planned"));
    assert!(!shop.path("out").exists());
    assert_eq!(states(&batch(&shop, "photos -o out --style styles/*.png --quiet", 0)), all("painted"));
    let alone = format!("transfer photos/two.png styles/turned.png -o alone.png --quiet {}", options());
    shop.impasto(&alone).assert().success();
    assert_eq!(shop.rgb("alone.png"), shop.rgb("out/two-turned.png"), "whatever else is in the batch");
    // The picture says how it can be made again.
    let line = shop.impasto("show out/two-turned.png --as-command").assert().success().get_output().stdout.clone();
    let line = String::from_utf8(line).unwrap();
    assert!(line.starts_with("impasto transfer photos/two.png styles/turned.png -o out/two-turned.png"), "{line}");
    std::fs::remove_file(shop.path("out/two-turned.png")).unwrap();
    shop.impasto(line.trim().strip_prefix("impasto ").unwrap()).assert().success();
    assert_eq!(shop.rgb("alone.png"), shop.rgb("out/two-turned.png"));
}

#[test]
fn what_is_done_is_not_done_again_until_something_changes() {
    let shop = shop();
    let words = "photos/one.png photos/two.png --style styles/stripes.png -o out";
    let both = |first, second| vec![("out/one-stripes.png", first), ("out/two-stripes.png", second)];
    assert_eq!(states(&batch(&shop, words, 0)), both("painted", "painted"));
    let before = modified(&shop.path("out/one-stripes.png"));
    assert_eq!(states(&batch(&shop, &format!("{words} --threads 1"), 0)), both("present", "present"));
    assert_eq!(modified(&shop.path("out/one-stripes.png")), before);
    // Another option, and other pixels in an input of the same name.
    assert_eq!(states(&batch(&shop, &format!("{words} --strength 0.9"), 0)), both("painted", "painted"));
    style().save(shop.path("photos/two.png")).unwrap();
    assert_eq!(states(&batch(&shop, &format!("{words} --strength 0.9"), 0)), both("present", "painted"));
    // A picture made by another program does not count as done.
    content().save(shop.path("out/one-stripes.png")).unwrap();
    assert_eq!(states(&batch(&shop, &format!("{words} --strength 0.9"), 0)), both("painted", "present"));
}

#[test]
fn two_bad_ones_among_several() {
    let shop = shop();
    std::fs::write(shop.path("photos/broken.png"), "this is no picture").unwrap();
    let rows = "content,style,output,strength,clamp\n\
                photos/one.png,styles/stripes.png,a.png,0.8,\n\
                photos/broken.png,styles/stripes.png,b.png,,\n\
                photos/one.png,styles/turned.png,\"c, d.png\",,true\n\
                photos/two.png,styles/turned.png,e.png,7,false\n\
                photos/two.png,styles/turned.png,,,no\n";
    std::fs::write(shop.path("jobs.csv"), rows).unwrap();
    let lines = batch(&shop, "jobs.csv -o out", 1);
    let outputs = ["out/a.png", "out/b.png", "out/c, d.png", "out/e.png", "out/two-turned.png"];
    let expected = outputs.into_iter().zip(["painted", "failed", "painted", "failed", "painted"]);
    assert_eq!(states(&lines), expected.collect::<Vec<_>>());
    assert!(lines[1]["error"].as_str().unwrap().contains("photos/broken.png"));
    assert!(lines[3]["error"].as_str().unwrap().contains("--strength"));
    assert_eq!(std::fs::read_dir(shop.path("out")).unwrap().count(), 3);
    let alone = "transfer photos/one.png styles/turned.png -o alone.png --quiet --clamp";
    shop.impasto(&format!("{alone} {}", options())).assert().success();
    assert_eq!(shop.rgb("alone.png"), shop.rgb("out/c, d.png"));
    // At the end, all failures are reported, one paragraph each.
    let words = format!("batch jobs.csv -o out {}", options());
    let said = shop.impasto(&words).assert().code(1).stdout("").get_output().stderr.clone();
    let said = String::from_utf8(said).unwrap();
    let end: Vec<&str> = said.lines().rev().take(3).collect();
    assert_eq!(end[2], "0 painted, 3 already there, 2 failed");
    assert!(end[1].starts_with("error: photos/broken.png with styles/stripes.png: cannot read"), "{said}");
    assert!(
        end[0].starts_with("error: photos/two.png with styles/turned.png: ") && end[0].contains("--strength"),
        "{said}"
    );
}

#[test]
fn what_is_wrong_with_the_whole_is_told_before_it_starts() {
    let shop = shop();
    let csv = |name: &str, text: &str| std::fs::write(shop.path(name), text).unwrap();
    csv("no-style.csv", "content,output\na.png,b.png\n");
    csv("typo.csv", "content,style,strenght\ncontent.png,style.png,1\n");
    csv("short.csv", "content,style,output\ncontent.png,style.png\n");
    csv("empty.csv", "content,style,output\ncontent.png,,a.png\n");
    csv("twice.csv", "content,style,output\ncontent.png,style.png,a.png\nstyle.png,content.png,a.png\n");
    csv("over.csv", "content,style,output\ncontent.png,style.png,a.png\na.png,style.png,b.png\n");
    csv("nowhere.csv", "content,style\ncontent.png,style.png\n");
    for (words, code, said) in [
        ("batch photos -o out", 2, &["--style"][..]),
        ("batch photos --style styles", 2, &["--output"]),
        ("batch -o out --style styles", 2, &["CONTENT"]),
        ("batch none.png* --style styles -o out", 1, &["no pictures", "none.png*"]),
        ("batch no-style.csv", 1, &["no-style.csv", "`style`"]),
        ("batch typo.csv -o out", 2, &["--strenght", "--strength"]),
        ("batch short.csv", 1, &["short.csv", "line: 2"]),
        ("batch empty.csv", 1, &["empty.csv", "line 2", "style"]),
        ("batch none.csv", 1, &["none.csv"]),
        ("batch twice.csv", 2, &["a.png", "twice"]),
        ("batch over.csv", 2, &["a.png", "overwritten"]),
        ("batch nowhere.csv", 1, &["line 2", "--output"]),
        ("batch typo.csv photos", 2, &["CSV", "alone"]),
        ("batch typo.csv --style styles", 2, &["--style"]),
        ("batch photos --style styles -o out --strength 7", 2, &["--strength"]),
    ] {
        fails(&shop, words, code, said);
    }
}
