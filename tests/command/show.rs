//! `impasto show`: how a picture was made.

use impasto::Picture;
use impasto::picture::{Provenance, SaveOptions};
use ndarray::Array3;

use crate::support::{Workshop, fails};

#[test]
fn a_picture_tells_how_it_was_made() {
    let shop = Workshop::new();
    let mut made = Provenance::new(["transfer", "a photo.jpg", "style.png", "-o", "out.png", "--size", "0"]);
    made.weights = Some("sha256:0123".into());
    made.settings.insert("preset".into(), "balanced".into());
    made.settings.insert("steps".into(), 500.into());
    let options = SaveOptions { provenance: Some(made), ..SaveOptions::default() };
    let picture = Picture::new(Array3::zeros((3, 4, 3)));
    for name in ["out.png", "out.jpg", "out.webp", "out.tiff"] {
        picture.save_with(shop.path(name), &options).unwrap();
        let command = "impasto transfer 'a photo.jpg' style.png -o out.png --size 0\n";
        shop.impasto(&format!("show {name} --as-command")).assert().success().stdout(command).stderr("");
        let told = format!(
            "impasto    {}\ncommand    {command}weights    sha256:0123\npreset     balanced\nsteps      500\n",
            env!("CARGO_PKG_VERSION")
        );
        shop.impasto(&format!("show {name}")).assert().success().stdout(told).stderr("");
    }
}

#[test]
fn what_does_not_tell_is_an_error() {
    let shop = Workshop::new();
    std::fs::write(shop.path("text.png"), "this is no picture").unwrap();
    fails(&shop, "show content.png", 1, &["content.png", "another program"]);
    fails(&shop, "show none.png", 1, &["none.png"]);
    fails(&shop, "show text.png", 1, &["text.png"]);
    fails(&shop, "show .", 1, &["it is a folder"]);
}

/// The words of `--as-command` are those of the line, as a shell splits it: the picture is made again to the bit.
#[cfg(unix)]
#[test]
fn the_line_runs_in_a_shell() {
    let shop = Workshop::new();
    let thin = crate::support::data("vgg19-thin.npz");
    let words = [
        "transfer",
        "content.png",
        "style.png",
        "-o",
        "again it's.png",
        "--steps",
        "2",
        "--size",
        "0",
        "--quiet",
        "--weights",
        &thin,
    ];
    std::fs::copy(shop.path("content.png"), shop.path("made.png")).unwrap();
    let options = SaveOptions { provenance: Some(Provenance::new(words)), ..SaveOptions::default() };
    Picture::open(shop.path("content.png")).unwrap().save_with(shop.path("made.png"), &options).unwrap();
    let line = shop.impasto("show made.png --as-command").assert().success().get_output().stdout.clone();
    let line = String::from_utf8(line).unwrap();
    let program = assert_cmd::cargo::cargo_bin!("impasto");
    let line = line.replacen("impasto", &format!("'{}'", program.display()), 1);
    for _ in 0..2 {
        let status = std::process::Command::new("sh").args(["-c", &line]).current_dir(shop.folder()).status().unwrap();
        assert!(status.success());
    }
    shop.transfer("-o out.png --steps 2 --quiet").assert().success();
    assert_eq!(shop.rgb("again it's.png"), shop.rgb("out.png"));
}
