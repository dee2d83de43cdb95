//! Runs that are killed at any moment and continue, and checkpoints that are refused.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Workshop, data, fails, interrupted, press_ctrl_c, wait_until};

/// The results of a run: the picture's bytes, and the lines of its log without the time.
type Left = (Vec<u8>, Vec<serde_json::Map<String, serde_json::Value>>);

fn words(job: &str) -> String {
    format!("{job} --weights {} -o out.png --log log.jsonl --quiet --threads 1", data("vgg19-thin.npz"))
}

fn left(shop: &Workshop) -> Left {
    let mut log = shop.log("log.jsonl");
    for line in &mut log {
        line.remove("elapsed");
    }
    (std::fs::read(shop.path("out.png")).unwrap(), log)
}

fn whole(job: &str) -> Left {
    let shop = Workshop::new();
    shop.impasto(&words(job)).assert().success().stderr("");
    left(&shop)
}

/// Starts a command, and kills it some time after the log has some lines. Returns whether it was still running.
fn kill_after(shop: &Workshop, words: &str, lines: usize, pause: Duration) -> bool {
    let mut child = shop.std(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until(&mut child, || shop.log_lines() >= lines);
    std::thread::sleep(pause);
    child.kill().unwrap();
    child.wait().unwrap().signal() == Some(9)
}

/// Kills a job at several points, continues it, and checks that the results are bit-identical to those of an
/// uninterrupted run.
fn survives(job: &str) {
    const POINTS: usize = 8;
    let expected = whole(job);
    let mut point = 0;
    let mut tries = 0;
    let mut missed = 0;
    while point < POINTS {
        tries += 1;
        assert!(tries < 2000, "{job}: it ends too soon to be killed");
        let shop = Workshop::new();
        let every = 1 + point % 3;
        let words = words(job) + &format!(" --checkpoint state --checkpoint-every {every} --resume");
        // A slow machine may have no time for a pause.
        let pause = if missed < 20 { Duration::from_micros(700 * (tries * 7 % 23)) } else { Duration::ZERO };
        if !kill_after(&shop, &words, point, pause) {
            missed += 1;
            continue;
        }
        missed = 0;
        // The last one is killed again at a later iteration.
        let mut further = point;
        while point + 1 == POINTS && further < point + 3 {
            further += 1;
            kill_after(&shop, &words, further, pause);
        }
        let there = shop.path("state").exists();
        let words = if there && point % 2 == 0 { "resume state".into() } else { words };
        shop.impasto(&words).assert().success().stderr("");
        assert!(left(&shop) == expected, "{job}: killed after {point} iterations and {pause:?}");
        assert_eq!(shop.new_files(), ["log.jsonl", "out.png", "state"], "{job}: nothing half-written is left");
        point += 1;
    }
}

const TRANSFER: &str = "transfer content.png style.png --size 0";
const TEXTURE: &str = "texture style.png --example-size 0 --size 32";
const INVERT: &str = "invert content.png --layer relu2_1 --size 0";

#[test]
fn transfer_by_lbfgs_at_several_scales() {
    survives(&format!("{TRANSFER} --scales 22,32 --steps 6,8"));
}

#[test]
fn transfer_with_a_finish() {
    survives(&format!("{TRANSFER} --scales 22,32 --steps 2,3 --finish 9"));
}

#[test]
fn transfer_by_hypercolumns_matched_at_each_scale() {
    survives(&format!("{TRANSFER} --scales 22,32 --steps 4,9 --style-loss neighbours"));
}

#[test]
fn transfer_by_the_preset_nnst() {
    survives(&format!("{TRANSFER} --preset nnst --scales 22,32 --steps 3 --finish 6"));
}

#[test]
fn transfer_by_lbfgs_within_bounds() {
    survives(&format!("{TRANSFER} --scales 1 --steps 14 --clamp --init noise --seed 3 --strength 0.9"));
}

#[test]
fn transfer_by_adam_at_several_scales() {
    survives(&format!("{TRANSFER} --optimizer adam --scales 22,27,32 --steps 5,4,5"));
}

#[test]
fn transfer_by_adam_whose_pictures_are_averaged() {
    survives(&format!("{TRANSFER} --optimizer adam --average --scales 22,32 --steps 6,8"));
}

#[test]
fn transfer_by_momentum() {
    survives(&format!("{TRANSFER} --optimizer momentum --lr 0.001 --scales 1 --steps 14"));
}

#[test]
fn texture_by_lbfgs_at_several_scales() {
    survives(&format!("{TEXTURE} --scales 20,32 --steps 6,8"));
}

#[test]
fn texture_by_adam() {
    survives(&format!("{TEXTURE} --optimizer adam --seamless --no-histogram --steps 14 --seed 5"));
}

#[test]
fn inversion_by_lbfgs() {
    survives(&format!("{INVERT} --steps 14"));
}

#[test]
fn inversion_by_momentum_through_a_moving_window() {
    survives(&format!("{INVERT} --preset mahendran --jitter 4 --steps 14"));
}

/// A shop in which a transfer was interrupted by Ctrl-C.
fn interrupted_shop(job: &str) -> Workshop {
    let words = words(job) + " --checkpoint state";
    let (shop, output) = interrupted(&words, |shop| shop.log_lines() >= 3);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("the picture so far is in out.png; continue with `impasto resume state`"), "{said}");
    assert_eq!(shop.new_files(), ["log.jsonl", "out.png", "state"]);
    shop
}

#[test]
fn ctrl_c_writes_checkpoint_and_picture_and_the_rest_follows() {
    let job = format!("{TRANSFER} --scales 22,32 --steps 400,400 --optimizer adam");
    let shop = interrupted_shop(&job);
    let lines = shop.log("log.jsonl").len();
    assert!(shop.rgb("out.png").dimensions() == (32, 24) && lines < 800, "{lines}");
    // From another folder: the checkpoint knows its own.
    let elsewhere = Workshop::new();
    let state = shop.path("state");
    elsewhere.impasto("resume").arg(&state).assert().success().stderr("");
    assert!(left(&shop) == whole(&job));
    assert!(elsewhere.new_files().is_empty());
    // A run that is complete makes its picture again, and nothing else.
    std::fs::remove_file(shop.path("out.png")).unwrap();
    shop.impasto("resume state").assert().success().stderr("");
    assert!(left(&shop) == whole(&job));
}

/// The first iteration never ends, as its log is a pipe that nobody reads.
#[test]
fn a_second_ctrl_c_ends_at_once() {
    let shop = Workshop::new();
    assert!(Command::new("mkfifo").arg(shop.path("log.jsonl")).status().unwrap().success());
    let words =
        words(&format!("{TRANSFER} --scales 1 --steps 1000 --checkpoint state")).replace("--quiet", "--verbose");
    let mut child = shop.std(&words).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("iteration 1")), "the first iteration is made");
    press_ctrl_c(&child);
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none(), "the first one lets the iteration end");
    let begin = Instant::now();
    // Signals that follow each other at once may count as one.
    let code = loop {
        press_ctrl_c(&child);
        std::thread::sleep(Duration::from_millis(50));
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        assert!(begin.elapsed() < PATIENCE);
    };
    assert_eq!(code, Some(130));
    assert!(!shop.path("out.png").exists() && !shop.path("state").exists(), "neither picture nor checkpoint");
}

#[test]
fn a_checkpoint_of_another_run_is_refused_with_the_difference() {
    let job = format!("{TRANSFER} --scales 1 --steps 100000000 --optimizer adam");
    let shop = interrupted_shop(&job);
    let state = std::fs::read(shop.path("state")).unwrap();
    let picture = std::fs::read(shop.path("out.png")).unwrap();
    let again = |change: &dyn Fn(String) -> String| change(words(&job)) + " --checkpoint state --resume";
    let refused = |words: String, said: &[&str]| {
        fails(&shop, &words, 1, &[&["checkpoint state is of another run"], said].concat());
        assert!(std::fs::read(shop.path("state")).unwrap() == state, "{words}");
        assert!(std::fs::read(shop.path("out.png")).unwrap() == picture, "{words}");
    };
    refused(again(&|w| w.replace("--steps 100000000", "--steps 7")), &["--steps was 100000000 and is 7"]);
    refused(again(&|w| w + " --seed 4"), &["--seed was 0 and is 4"]);
    refused(again(&|w| w + " --clamp"), &["--clamp was not given and is given"]);
    refused(again(&|w| w + " --style-weight 3"), &["--style-weight was ", " and is 3"]);
    refused(again(&|w| w + " --conv im2col"), &["--conv was auto and is im2col"]);
    refused(again(&|w| w.replace("adam", "momentum")), &["--optimizer was adam and is momentum"]);
    refused(again(&|w| w.replace(&data("vgg19-thin.npz"), "random:3")), &["the weights differ"]);
    std::fs::copy(shop.path("content.png"), shop.path("kept.png")).unwrap();
    std::fs::copy(shop.path("style.png"), shop.path("content.png")).unwrap();
    refused(again(&|w| w), &["content.png has changed"]);
    fails(&shop, "resume state", 1, &["state is of another run: content.png has changed"]);
    refused(
        again(&|w| w.replace("content.png", "kept.png").replace("style.png", "kept.png")),
        &["kept.png is not the style.png with which the run began"],
    );
    std::fs::remove_file(shop.path("content.png")).unwrap();
    fails(&shop, "resume state", 1, &["content.png"]);
}

#[test]
fn what_is_no_whole_checkpoint_is_refused_and_left_as_it_is() {
    let job = format!("{TRANSFER} --scales 1 --steps 3");
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    shop.impasto(&(words(&job) + " --checkpoint state")).assert().success();
    let state = std::fs::read(shop.path("state")).unwrap();
    let mut flipped = state.clone();
    flipped[state.len() / 2] ^= 1;
    // Header and checksum are right, but what it says is not.
    let about = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = state.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let mut other = state.clone();
        other[at..at + to.len()].copy_from_slice(to.as_bytes());
        let end = other.len() - 32;
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&other[..end]);
        other[end..].copy_from_slice(&digest);
        other
    };
    for (bytes, said) in [
        (flipped, "is damaged (its checksum does not match)"),
        (state[..state.len() - 7].to_vec(), "is damaged (it has"),
        (state[..9].to_vec(), "damaged"),
        ([&state[..], b"more"].concat(), "is damaged (it has"),
        (b"this is no checkpoint".to_vec(), "is not a checkpoint of impasto"),
        (Vec::new(), "is not a checkpoint of impasto"),
        (std::fs::read(&thin).unwrap(), "is not a checkpoint of impasto"),
        (about(r#"\"format\":1"#, r#"\"format\":9"#), "a later version"),
        (about(r#"\"scale\":0"#, r#"\"scale\":7"#), "this run has no iteration"),
        (about(r#"\"iteration_of_scale\":3"#, r#"\"iteration_of_scale\":9"#), "this run has no iteration"),
        (about(r#"\"random\":\"0"#, r#"\"random\":\"x"#), "no `random`"),
        (about(r#""picture""#, r#""pictura""#), "no `picture`"),
        (about("[24,32,3]", "[32,24,3]"), "does not fit this run"),
        (about(r#"[\"transfer\""#, r#"[\"features\""#), ""),
        (about("--scales", "--scalex"), ""),
    ] {
        std::fs::write(shop.path("state"), &bytes).unwrap();
        fails(&shop, "resume state", 1, &["state", said]);
        let not_about_words = !said.is_empty();
        if not_about_words {
            fails(&shop, &(words(&job) + " --checkpoint state --resume"), 1, &["state", said]);
        }
        assert!(std::fs::read(shop.path("state")).unwrap() == bytes, "{said}");
    }
    // Nothing else is replaced by a checkpoint.
    std::fs::write(shop.path("state"), "a letter").unwrap();
    fails(&shop, &(words(&job) + " --checkpoint state"), 1, &["state is not a checkpoint of impasto"]);
    fails(&shop, &(words(&job) + " --checkpoint content.png"), 2, &["--checkpoint content.png", "another name"]);
    fails(&shop, &(words(&job) + " --checkpoint ./out.png"), 2, &["--checkpoint ./out.png", "another name"]);
    fails(&shop, &(words(&job) + " --checkpoint none/state"), 1, &["there is no folder none"]);
    fails(&shop, &(words(&job) + " --resume"), 2, &["--checkpoint"]);
    fails(&shop, &(words(&job) + " --checkpoint-every 3"), 2, &["--checkpoint"]);
    fails(&shop, &(words(&job) + " --checkpoint new --checkpoint-every 0"), 2, &["--checkpoint-every"]);
    fails(&shop, &(words(INVERT) + " --repeats 2 --checkpoint new"), 2, &["--repeats", "--seed"]);
    fails(
        &shop,
        &words(&job).replace("content.png", "-").replace("--quiet", "--quiet --checkpoint new"),
        2,
        &["give a file"],
    );
    fails(&shop, "resume none", 1, &["none"]);
    fails(&shop, "resume .", 1, &["is not a checkpoint"]);
    fails(&shop, &(words(&job) + " --checkpoint /dev/null"), 1, &["/dev/null is not a checkpoint"]);
}

/// With a file size limit of 20 kB (or 40, as some shells count), the picture fits but the checkpoint does not.
#[test]
fn a_checkpoint_that_cannot_be_written_ends_the_run_with_its_picture() {
    let shop = Workshop::new();
    let words = words(&format!("{TRANSFER} --scales 1 --steps 9")) + " --checkpoint state --checkpoint-every 4";
    let plain = shop.std(&words);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args());
    let output = limited.current_dir(shop.folder()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("error: cannot write the checkpoint state: File too large"), "{stderr}");
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert_eq!(shop.new_files(), ["log.jsonl", "out.png"]);
    assert_eq!(shop.rgb("out.png").dimensions(), (32, 24));
}

/// Neither the picture nor the checkpoint reveals the folders of weights and pictures. The run continues with weights
/// found by their hash in any of the usual places.
#[test]
fn weights_are_told_by_name_and_hash_and_found_again() {
    let shop = Workshop::new();
    let home = shop.folder().canonicalize().unwrap().to_str().unwrap().to_owned();
    let weights = shop.path("secret-login/vgg19.npz");
    std::fs::create_dir(shop.path("secret-login")).unwrap();
    std::fs::copy(data("vgg19-thin.npz"), &weights).unwrap();
    let words = "transfer content.png style.png --size 24 --scales 1 --optimizer adam --steps 4 --quiet";
    let by_environment = |words: &str| {
        let mut command = shop.impasto(words);
        command.env("IMPASTO_WEIGHTS", &weights);
        command
    };
    by_environment(&format!("{words} -o whole.png")).assert().success();
    std::fs::create_dir(shop.path("kept")).unwrap();
    by_environment(&format!("{words} -o out.png --checkpoint kept/state --checkpoint-every 2")).assert().success();
    for name in ["kept/state", "out.png"] {
        let bytes = std::fs::read(shop.path(name)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("secret-login") && !text.contains(&home), "{name}");
        assert!(text.contains("vgg19.npz") && text.contains("sha256:"), "{name}");
    }
    // Weights named by the environment, missing, and found in the working folder.
    by_environment("resume kept/state").assert().success();
    shop.impasto("resume kept/state").assert().code(1).stderr(predicates::str::contains("vgg19.npz (sha256:"));
    std::fs::create_dir(shop.path("weights")).unwrap();
    std::fs::rename(&weights, shop.path("weights/vgg19.npz")).unwrap();
    shop.impasto("resume kept/state").assert().success();
    let mut other = shop.impasto("resume kept/state");
    other.env("IMPASTO_WEIGHTS", "random:3").assert().success();
    assert_eq!(shop.rgb("out.png"), shop.rgb("whole.png"));
    // The folder was moved with all its files.
    std::fs::create_dir(shop.path("moved")).unwrap();
    for name in ["kept", "weights", "content.png", "style.png"] {
        std::fs::rename(shop.path(name), shop.path("moved").join(name)).unwrap();
    }
    shop.impasto("resume moved/kept/state").assert().success();
    assert_eq!(shop.rgb("moved/out.png"), shop.rgb("whole.png"));
}
