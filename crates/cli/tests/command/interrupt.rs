//! Ctrl-C in the middle of a run.
#![cfg(unix)]

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Workshop, data};

#[test]
fn the_iteration_is_finished_and_the_picture_so_far_written() {
    let shop = Workshop::new();
    let words = "--size 0 --optimizer adam --quiet";
    let start = format!("transfer content.png style.png --weights {} {words}", data("vgg19-thin.npz"));
    let mut command = shop.std(&format!("{start} -o out.png --steps 1000000 --log log.jsonl"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = || std::fs::read_to_string(shop.path("log.jsonl")).map_or(0, |log| log.lines().count());
    let begin = Instant::now();
    while lines() < 3 && begin.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let made = shop.log("log.jsonl").len();
    assert!((3..1_000_000).contains(&made));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, format!("interrupted after iteration {made}; the picture so far is in out.png\n"));
    assert_eq!(shop.new_files(), ["log.jsonl", "out.png"]);
    // It is the picture after exactly this number of iterations.
    if made <= 2000 {
        shop.transfer(&format!("-o same.png --steps {made} --optimizer adam --quiet")).assert().success();
        assert_eq!(shop.rgb("same.png"), shop.rgb("out.png"));
    }
}
