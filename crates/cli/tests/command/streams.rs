//! Standard output and standard error that are closed, full, or pipes without a reader: no run ends for that reason,
//! and the exit code is that of the work.

#![cfg(unix)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::{Workshop, data};

/// The fault of a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Closed,
    Full,
    /// The reader has gone.
    Broken,
}

const FATES: &[Fate] =
    if cfg!(target_os = "linux") { &[Fate::Closed, Fate::Full, Fate::Broken] } else { &[Fate::Closed, Fate::Broken] };

/// A command whose standard output (1) or standard error (2) meets its fate.
fn redirected(plain: &Command, stream: u8, fate: Fate) -> Command {
    let redirection = match fate {
        Fate::Closed => format!("{stream}>&-"),
        Fate::Full => format!("{stream}>/dev/full"),
        Fate::Broken => String::new(),
    };
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec \"$0\" \"$@\" {redirection}")]).arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
        .current_dir(plain.get_current_dir().unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let other = if stream == 1 { 2 } else { 1 };
    let piped = |shell: &mut Command, stream: u8, to: Stdio| match stream {
        1 => drop(shell.stdout(to)),
        _ => drop(shell.stderr(to)),
    };
    piped(&mut shell, other, Stdio::piped());
    if fate == Fate::Broken {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        piped(&mut shell, stream, writer.into());
    }
    shell
}

/// Every command: its words, whether it prints results, its exit code, and what it writes.
fn commands() -> Vec<(String, bool, i32, Option<&'static str>)> {
    let thin = data("vgg19-thin.npz");
    let short = format!("--size 24 --steps 2 --weights {thin}");
    let [transfer, texture, invert] = [
        format!("content.png style.png {short} -o out.png"),
        format!("style.png --size 16 --example-size 16 --steps 2 --weights {thin} -o out.png"),
        format!("content.png --layer relu1_1 {short} -o out.png"),
    ];
    let out = Some("out.png");
    vec![
        (format!("transfer {transfer}"), false, 0, out),
        (format!("transfer {transfer} --verbose --log log.jsonl"), false, 0, out),
        (format!("texture {texture}"), false, 0, out),
        (format!("invert {invert}"), false, 0, out),
        (format!("invert {invert} --repeats 2"), false, 0, out),
        ("resume kept".into(), false, 0, Some("kept.png")),
        (
            format!("batch content.png --style style.png {short} -o folder --json"),
            true,
            0,
            Some("folder/content-style.png"),
        ),
        (format!("figure content content.png {short} -o out.png"), false, 0, out),
        ("figure loss kept.jsonl -o out.png".into(), false, 0, out),
        (format!("plan content.png style.png {short}"), true, 0, None),
        (format!("plan --json invert content.png --layer relu1_1 {short}"), true, 0, None),
        (format!("features content.png --layers relu1_1 --weights {thin} -o out.npz"), false, 0, Some("out.npz")),
        (
            format!("loss content.png --content content.png --style style.png --weights {thin} -o out.npz"),
            false,
            0,
            Some("out.npz"),
        ),
        (format!("weights info {thin}"), true, 0, None),
        ("weights info".into(), true, 0, None),
        (format!("weights import {thin} -o out.npz"), false, 0, Some("out.npz")),
        ("show kept.png".into(), true, 0, None),
        ("show --as-command kept.png".into(), true, 0, None),
        (format!("network --weights {thin}"), true, 0, None),
        ("gradcheck relu".into(), true, 0, None),
        ("gradcheck --json relu".into(), true, 0, None),
        ("completions bash".into(), true, 0, None),
        ("--help".into(), true, 0, None),
        ("transfer --help".into(), true, 0, None),
        ("--version".into(), true, 0, None),
        (String::new(), false, 2, None),
        ("transfer".into(), false, 2, None),
        ("show none.png".into(), false, 1, None),
        ("demo content.png".into(), false, 1, None),
        ("weights fetch torchvision --url http://127.0.0.1:1/none.npz -o out.npz".into(), false, 1, None),
        ("studio content.png".into(), false, 1, None),
    ]
}

#[test]
fn no_run_ends_because_nobody_can_be_told() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    let keep = format!(
        "transfer content.png style.png --size 24 --steps 2 --weights {thin} -o kept.png --checkpoint kept --log kept.jsonl"
    );
    shop.impasto(&keep).assert().success();
    for (words, prints, code, written) in commands() {
        // As it is with streams that are there.
        shop.impasto(&words).assert().code(code);
        let whole = written.map(|written| std::fs::read(shop.path(written)).unwrap());
        for stream in [1, 2] {
            for &fate in FATES {
                if let Some(written) = written {
                    let _ = std::fs::remove_file(shop.path(written));
                }
                let output = redirected(&shop.std(&words), stream, fate).output().unwrap();
                let told = String::from_utf8_lossy(&output.stderr);
                let case = format!("{words}: {stream} {fate:?}: {:?} {told}", output.status);
                // Results that a full disk did not take are lost.
                let is_lost = prints && stream == 1 && fate == Fate::Full;
                assert_eq!(output.status.code(), Some(if is_lost { 1 } else { code }), "{case}");
                assert_eq!(told.contains("cannot write to standard output"), is_lost, "{case}");
                if let Some(written) = written {
                    // A file that was opened where a closed stream should be would have got what is printed.
                    assert!(std::fs::read(shop.path(written)).ok() == whole, "{case}");
                }
            }
        }
    }
}

#[test]
fn a_run_goes_on_when_nobody_reads_its_log() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    let words = format!("transfer content.png style.png --size 24 --steps 9 --quiet --weights {thin}");
    shop.impasto(&format!("{words} -o whole.png")).assert().success();
    assert!(Command::new("mkfifo").arg(shop.path("log")).status().unwrap().success());
    let mut child = shop.std(&format!("{words} -o out.png --log log")).spawn().unwrap();
    // One line is read, then nobody is there.
    let mut line = String::new();
    BufReader::new(File::open(shop.path("log")).unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("iteration"), "{line}");
    assert!(child.wait().unwrap().success());
    assert_eq!(shop.rgb("out.png"), shop.rgb("whole.png"));
}

/// The picture is the same, and what is printed of the run is lost in the middle of it.
#[test]
fn a_run_goes_on_when_its_reader_goes() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    let words = format!("transfer content.png style.png --size 0 --scales 1 --steps 30 --verbose --weights {thin} -o");
    shop.impasto(&format!("{words} whole.png")).assert().success();
    let mut child = shop.std(&format!("{words} out.png")).stderr(Stdio::piped()).spawn().unwrap();
    // One byte is read, then nobody is there.
    let mut byte = [0];
    std::io::Read::read_exact(child.stderr.as_mut().unwrap(), &mut byte).unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(std::fs::read(shop.path("out.png")).is_ok());
    assert_eq!(shop.rgb("out.png"), shop.rgb("whole.png"));
}

/// The exit code of `gradcheck` is its verdict, even if nobody reads the output.
#[test]
fn a_wrong_gradient_is_wrong_whoever_reads() {
    let shop = Workshop::new();
    // The function is 1 everywhere.
    let program = r#"while read -r line; do case $line in
        *'"gradient"'*) echo '{"gradient":[[5,5]]}';;
        *'"value"'*) echo '{"value":1}';;
        *) echo '{"inputs":[[1,2]]}';;
    esac; done"#;
    std::fs::write(shop.path("program.sh"), program).unwrap();
    for words in ["gradcheck --exec sh§program.sh", "gradcheck --json --exec sh§program.sh"] {
        let mut plain = shop.std("");
        plain.args(words.split(' ').map(|word| word.replace('§', " ")));
        let alone = plain.output().unwrap();
        assert_eq!(alone.status.code(), Some(1), "{alone:?}");
        for &fate in FATES {
            for stream in [1, 2] {
                let output = redirected(&plain, stream, fate).output().unwrap();
                assert_eq!(output.status.code(), Some(1), "{words} {stream} {fate:?} {output:?}");
            }
        }
    }
}
