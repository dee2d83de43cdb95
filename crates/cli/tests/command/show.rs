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

/// Each picture is made, asked for its command, and made again by a shell that gets it: the same bytes.
#[cfg(unix)]
#[test]
fn the_line_makes_the_picture_again_to_the_bit() {
    let shop = Workshop::new();
    let thin = crate::support::data("vgg19-thin.npz");
    std::fs::create_dir(shop.path("bin")).unwrap();
    std::os::unix::fs::symlink(assert_cmd::cargo::cargo_bin!("impasto"), shop.path("bin/impasto")).unwrap();
    let content = "a photo, it's \"the\" $HOME one.png";
    std::fs::rename(shop.path("content.png"), shop.path(content)).unwrap();
    let hash = <sha2::Sha256 as sha2::Digest>::digest(std::fs::read(&thin).unwrap());
    let hash = format!("sha256:{hash:x} (vgg19-thin.npz)");
    let jobs: [(&[&str], &[&str]); 5] = [
        (
            &["transfer", content, "style.png", "--size", "32"],
            &[
                "scales 32",
                "preset balanced",
                "optimizer lbfgs",
                "content-layers relu4_1=1",
                "style-weight 220",
                "seed 0",
            ],
        ),
        (
            &[
                "transfer",
                content,
                "style.png",
                "--size=0",
                "--init=noise",
                "--seed",
                "7",
                "--preset",
                "notebook",
                "--steps=3",
            ],
            &["scales 32", "steps 3", "optimizer adam", "lr 0.003 of the spread", "seed 7", "init noise"],
        ),
        (
            &["texture", content, "--size", "24", "--steps", "4", "--scales", "16,24"],
            &["scales 16,24", "layers relu1_1=0.2", "pool avg"],
        ),
        (
            &["invert", content, "--layer", "relu2_1", "--steps", "4"],
            &["layer relu2_1", "optimizer lbfgs", "lambda-tv 0.3"],
        ),
        (&["invert", content, "--layer", "relu2_1", "--steps", "3", "--repeats", "2"], &["repeats 2"]),
    ];
    let names = ["it's out.png", "out \"2\".jpg", "-out.tiff", "o;u t.webp", "out.png"];
    for ((words, told), out) in jobs.into_iter().zip(names) {
        let output = format!("--output={out}");
        let make = || {
            let mut command = shop.impasto("");
            command.args(words).args([&output, "--weights", &thin, "--quiet"]);
            command
        };
        make().assert().success().stderr("");
        std::fs::rename(shop.path(out), shop.path("first")).unwrap();
        let line = shop.impasto("show first --as-command").assert().success().get_output().stdout.clone();
        let line = String::from_utf8(line).unwrap();
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", &line]).current_dir(shop.folder()).env("PATH", shop.path("bin"));
        assert!(shell.status().unwrap().success(), "{line}");
        let read = |name: &str| std::fs::read(shop.path(name)).unwrap();
        assert!(read(out) == read("first"), "{line}");
        let said = shop.impasto("show first").assert().success().get_output().stdout.clone();
        let said = String::from_utf8(said).unwrap();
        let lines: Vec<String> =
            said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        for told in told.iter().copied().chain([&*format!("weights {hash}")]) {
            assert!(lines.iter().any(|line| line.starts_with(told)), "{told} is not in {said}");
        }
        make().arg("--no-metadata").assert().success();
        std::fs::rename(shop.path(out), shop.path("first")).unwrap();
        fails(&shop, "show first", 1, &["first", "--no-metadata left it out"]);
    }
}
