//! Ctrl-C in the middle of a run.
#![cfg(unix)]

use crate::support::{data, interrupted};

#[test]
fn the_iteration_is_finished_and_the_picture_so_far_written() {
    let words = "--size 0 --optimizer adam --quiet -o out.png --steps 1000000 --log log.jsonl";
    let words = format!("transfer content.png style.png --weights {} {words}", data("vgg19-thin.npz"));
    let (shop, output) = interrupted(&words, |shop| shop.log_lines() >= 3);
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
