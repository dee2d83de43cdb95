//! Untrusted file names and texts in pictures: no output contains commands for the terminal.

use impasto::Picture;
use impasto::picture::{Provenance, SaveOptions};
use ndarray::Array3;

use crate::support::{Workshop, data};

/// A new title for the terminal, a forged line, a C1 command, and text in another direction.
const HOSTILE: &str = "a\u{1b}]0;x\u{7}\nerror: forged\r\u{9b}31m\u{202e}gnp";

/// Whether a terminal only shows a text.
fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !impasto::escape::is_hostile(c))
}

#[test]
fn what_a_picture_says_of_itself_is_shown_as_text() {
    let shop = Workshop::new();
    let mut made = Provenance::new(["transfer", HOSTILE, "style.png", "-o", "out.png"]);
    made.weights = Some(HOSTILE.into());
    made.version = format!("9{HOSTILE}");
    made.settings.insert(HOSTILE.into(), HOSTILE.into());
    made.settings.insert("list".into(), serde_json::json!([HOSTILE]));
    let options = SaveOptions { provenance: Some(made), ..SaveOptions::default() };
    Picture::new(Array3::zeros((3, 4, 3))).save_with(shop.path("out.png"), &options).unwrap();
    for (words, lines) in [("show out.png", 5), ("show --as-command out.png", 1)] {
        let output = shop.impasto(words).assert().success().get_output().stdout.clone();
        let text = String::from_utf8(output).unwrap();
        assert!(is_harmless(&text), "{text:?}");
        assert_eq!(text.lines().count(), lines, "{text}");
    }
    // For a shell, the command is still the command.
    #[cfg(unix)]
    {
        let output = shop.impasto("show --as-command out.png").assert().success().get_output().stdout.clone();
        let line = String::from_utf8(output).unwrap().replacen("impasto", "printf '%s|'", 1);
        let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        let expected = format!("transfer|{HOSTILE}|style.png|-o|out.png|");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }
}

#[cfg(unix)]
#[test]
fn names_of_files_are_printed_as_text() {
    let shop = Workshop::new();
    let name = format!("{HOSTILE}.png");
    std::fs::copy(shop.path("content.png"), shop.path(&name)).unwrap();
    std::fs::create_dir(shop.path("folder\u{1b}[2J")).unwrap();
    std::fs::copy(shop.path("style.png"), shop.path("folder\u{1b}[2J/style.png")).unwrap();
    std::fs::write(shop.path(&format!("folder\u{1b}[2J/{HOSTILE}.txt")), "no picture").unwrap();
    let out = format!("{HOSTILE}-out.png");
    let within = format!("{HOSTILE}/x.png");
    let thin = data("vgg19-thin.npz");
    let rest = ["--weights", &thin, "--size", "24", "--scales", "1", "--steps", "1"];
    let cases: Vec<(Vec<&str>, i32)> = vec![
        ([&["transfer", &name, "folder\u{1b}[2J", "-o", &out, "--verbose"], &rest[..]].concat(), 0),
        ([&["batch", &name, "--style", "style.png", "-o", "folder\u{1b}[2J", "--json"], &rest[..]].concat(), 0),
        ([&["transfer", &name, &name, "-o", &name], &rest[..]].concat(), 1),
        ([&["transfer", &out, "none\u{1b}[2J.png", "-o", "x.png"], &rest[..]].concat(), 1),
        ([&["transfer", "content.png", "style.png", "-o", &within], &rest[..]].concat(), 1),
        (vec!["show", &name], 1),
        (vec!["weights", "info", &name], 1),
        (vec!["resume", &name], 1),
        (vec!["gradcheck", "--exec", &name], 4),
        (vec!["gradcheck", HOSTILE], 2),
        (vec!["transfer", "--size", HOSTILE], 2),
        (vec![HOSTILE], 2),
    ];
    for (words, code) in cases {
        let mut command = shop.impasto("");
        let output = command.args(&words).assert().code(code).get_output().clone();
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8(text).unwrap();
            assert!(is_harmless(&text), "{words:?}: {text:?}");
            assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{words:?}: {text:?}");
        }
    }
}
