//! No command overwrites a file that it reads, however the path is spelt, or loses a result.

use std::path::Path;

use crate::support::{Workshop, data, fails};
#[cfg(unix)]
use crate::support::{press_ctrl_c, wait_until};

/// Names of a file in the workshop: as it is, from `.`, from the root, through a folder and out of it
/// again, and through a linked folder; by a link of either kind.
fn spellings(shop: &Workshop, name: &str) -> Vec<String> {
    let folder = shop.folder().canonicalize().unwrap();
    let mut all = vec![
        name.to_owned(),
        format!("./{name}"),
        format!("folder/../{name}"),
        folder.join(name).to_str().unwrap().to_owned(),
    ];
    #[cfg(unix)]
    {
        let extension = Path::new(name).extension().unwrap().to_str().unwrap();
        let [hard, soft] = ["hard", "soft"].map(|kind| format!("{kind}-{}.{extension}", name.replace(['.', '/'], "-")));
        if !shop.path(&hard).exists() {
            std::fs::hard_link(shop.path(name), shop.path(&hard)).unwrap();
            std::os::unix::fs::symlink(name, shop.path(&soft)).unwrap();
        }
        all.extend([format!("linked/{name}"), hard, soft]);
    }
    all
}

/// content.png, style.png, and everything else that commands read.
fn shop() -> Workshop {
    let shop = Workshop::new();
    std::fs::create_dir(shop.path("folder")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(".", shop.path("linked")).unwrap();
    std::fs::create_dir(shop.path("styles")).unwrap();
    for name in
        ["init.png", "mask.png", "mask2.png", "o-0001.png", "o-0002.png", "o-cell1-0001.png", "o-repeat2-0001.png"]
    {
        std::fs::copy(shop.path("content.png"), shop.path(name)).unwrap();
    }
    std::fs::copy(shop.path("style.png"), shop.path("styles/one.png")).unwrap();
    std::fs::copy(data("vgg19-thin.npz"), shop.path("w.npz")).unwrap();
    // Weights and tables under names that pictures may have.
    std::fs::copy(data("vgg19-thin.npz"), shop.path("w.png")).unwrap();
    std::fs::write(shop.path("run.jsonl"), "{\"iteration\":1,\"total\":3.0}\n{\"iteration\":2,\"total\":2.0}\n")
        .unwrap();
    std::fs::copy(shop.path("run.jsonl"), shop.path("log.png")).unwrap();
    std::fs::write(shop.path("program.png"), "#!/bin/sh\n").unwrap();
    shop
}

/// Every command that writes, with each of its outputs set to each of its inputs in turn.
#[test]
fn no_file_that_is_read_is_written_in_any_spelling() {
    let shop = shop();
    let transfer = "transfer content.png style.png --init init.png --content-mask mask.png --style-mask mask2.png \
                    --weights w.npz --size 0 --scales 1 --steps 3";
    let all = ["content.png", "style.png", "init.png", "mask.png", "mask2.png", "w.npz"];
    let pictures = &all[..5];
    let short = "--size 24 --steps 3 --weights w.npz";
    let cases: &[(String, &[&str])] = &[
        (format!("{transfer} -o OUT"), pictures),
        (format!("{transfer} --weights w.png -o OUT").replacen("--weights w.npz ", "", 1), &["w.png"]),
        (format!("{transfer} -o out.png --log OUT"), &all),
        (format!("{transfer} -o out.png --checkpoint OUT"), &all),
        (format!("transfer content.png styles -o OUT {short}"), &["styles/one.png"]),
        (format!("transfer content.png style.png --colors only -o OUT {short}"), &["content.png", "style.png"]),
        (format!("texture style.png -o OUT {short}"), &["style.png"]),
        (format!("texture style.png -o out.png --log OUT {short}"), &["style.png", "w.npz"]),
        (format!("texture style.png -o out.png --checkpoint OUT {short}"), &["style.png", "w.npz"]),
        (format!("invert content.png --init init.png --layer relu1_1 -o OUT {short}"), &["content.png", "init.png"]),
        (format!("invert content.png --layer relu1_1 -o out.png --log OUT {short}"), &["content.png", "w.npz"]),
        (format!("invert content.png --layer relu1_1 -o out.png --checkpoint OUT {short}"), &["content.png", "w.npz"]),
        (format!("figure content content.png style.png -o OUT {short}"), &["content.png", "style.png"]),
        (
            format!("figure weights content.png style.png -o out.png --log OUT {short}"),
            &["content.png", "style.png", "w.npz"],
        ),
        ("figure loss run.jsonl log.png -o OUT".into(), &["log.png"]),
        ("features content.png --layers relu1_1 --weights w.npz -o OUT".into(), &["w.npz"]),
        ("loss content.png --content content.png --style style.png --weights w.npz -o OUT".into(), &["w.npz"]),
        ("weights import w.npz -o OUT".into(), &["w.npz"]),
        ("gradcheck --exec program.png --picture OUT".into(), &["program.png"]),
    ];
    let mut tried = 0;
    for (words, inputs) in cases {
        for input in *inputs {
            let before = std::fs::read(shop.path(input)).unwrap();
            for spelling in spellings(&shop, input) {
                let words = words.replace("OUT", &spelling);
                let code = if words.contains(&format!("-o {spelling}"))
                    && Path::new(&spelling).extension().unwrap() == "png"
                    || words.contains("--picture")
                {
                    1
                } else {
                    2
                };
                fails(&shop, &words, code, &[&spelling]);
                assert!(std::fs::read(shop.path(input)).unwrap() == before, "{words}");
                tried += 1;
            }
        }
    }
    assert!(tried >= 50 * spellings(&shop, "content.png").len() / 2, "{tried}");
}

/// Intermediate pictures have names that are known before the run.
#[test]
fn pictures_on_the_way_overwrite_nothing_that_is_read() {
    let shop = shop();
    for (words, input) in [
        ("transfer o-0001.png style.png --save-every 1 --scales 1", "o-0001.png"),
        ("transfer content.png o-0002.png --save-every 2 --scales 1", "o-0002.png"),
        ("transfer content.png style.png --init o-0002.png --save-every 1 --scales 1", "o-0002.png"),
        ("transfer content.png style.png --scales 24,32 --init o-0002.png --save-every 1", "o-0002.png"),
        ("texture o-0001.png --save-every 1", "o-0001.png"),
        ("invert o-0002.png --layer relu1_1 --save-every 1", "o-0002.png"),
        ("invert o-repeat2-0001.png --layer relu1_1 --repeats 3 --save-every 1", "o-repeat2-0001.png"),
        ("figure content o-cell1-0001.png --save-every 1", "o-cell1-0001.png"),
    ] {
        let before = std::fs::read(shop.path(input)).unwrap();
        for output in spellings(&shop, input).iter().filter(|name| name.contains(input)) {
            let output = output.replace(input, "o.png");
            let words = format!("{words} -o {output} --steps 3 --weights w.npz --size 32 --quiet");
            // `--scales 24,32` has six iterations.
            fails(&shop, &words, 1, &[input, "it is the input"]);
            assert!(std::fs::read(shop.path(input)).unwrap() == before, "{words}");
        }
    }
    // An intermediate picture after the last iteration is not written.
    let words =
        "transfer o-0002.png style.png --scales 1 --steps 2 --size 24 --weights w.npz --save-every 2 -o o.png -q";
    shop.impasto(words).assert().success().stderr("");
    // Nor may they overwrite the log.
    let words =
        "transfer content.png style.png -o p.png --save-every 1 --log p-0001.png --steps 3 --size 24 --weights w.npz";
    fails(&shop, words, 2, &["p-0001.png", "would overwrite", "--log"]);
}

#[test]
fn pictures_on_the_way_to_standard_output_have_names_of_their_own() {
    let shop = Workshop::new();
    let words = "-o - --format png --scales 1 --steps 3 --save-every 1 --quiet";
    let bytes = shop.transfer(words).assert().success().stderr("").get_output().stdout.clone();
    assert_eq!(image::load_from_memory(&bytes).unwrap().width(), 32);
    assert_eq!(shop.new_files(), ["out-0001.png", "out-0002.png"]);
    assert_eq!(shop.rgb("out-0002.png").dimensions(), (32, 24));
    shop.transfer("-o bare --format tiff --scales 1 --steps 3 --save-every 2 --quiet").assert().success();
    assert_eq!(shop.new_files(), ["bare", "bare-0002.tiff", "out-0001.png", "out-0002.png"]);
    assert_eq!(shop.rgb("bare-0002.tiff").dimensions(), (32, 24));
}

#[test]
fn a_batch_tells_files_from_their_spellings() {
    let shop = shop();
    let write = |text: &str| std::fs::write(shop.path("jobs.csv"), text).unwrap();
    let options = "--size 24 --steps 2 --scales 1 --weights w.npz";
    let before = std::fs::read(shop.path("init.png")).unwrap();
    for spelling in spellings(&shop, "init.png") {
        // Another job reads what one would write: as its content, its style, or one of its options.
        for (columns, other) in [
            ("content,style,output", "init.png,style.png,x.png"),
            ("content,style,output", "content.png,init.png,x.png"),
            ("content,style,output,init", "content.png,style.png,x.png,init.png"),
        ] {
            let rest = if columns.ends_with("init") { "," } else { "" };
            write(&format!("{columns}\ncontent.png,style.png,{spelling}{rest}\n{other}\n"));
            fails(&shop, &format!("batch jobs.csv {options}"), 2, &[&spelling, "is read"]);
            assert!(std::fs::read(shop.path("init.png")).unwrap() == before);
        }
    }
    for (one, other) in
        [("x.png", "./x.png"), ("folder/../x.png", "x.png"), ("new/x.png", "new/./x.png"), ("linked/x.png", "x.png")]
    {
        write(&format!("content,style,output\ncontent.png,style.png,{one}\ninit.png,style.png,{other}\n"));
        fails(&shop, &format!("batch jobs.csv {options}"), 2, &["would be written twice"]);
    }
    // The intermediate pictures of one job are no other's.
    write("content,style,output\ncontent.png,style.png,o.png\no-0001.png,style.png,x.png\n");
    let read = std::fs::read(shop.path("o-0001.png")).unwrap();
    shop.impasto(&format!("batch jobs.csv {options} --steps 3 --save-every 1").replacen("--steps 2 ", "", 1))
        .assert()
        .code(1)
        .stderr(predicates::str::contains("cannot write o-0001.png: it is the input"));
    assert!(std::fs::read(shop.path("o-0001.png")).unwrap() == read);
}

#[test]
fn the_largest_picture_of_another_memory_is_another() {
    let shop = shop();
    let batch = |memory: &str| {
        let words = format!(
            "batch content.png --style style.png -o out --steps 1 --scales 1 --size max --weights w.npz --memory {memory}"
        );
        let output = shop.impasto(&words).assert().success().get_output().clone();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(batch("2G").contains("1 painted"));
    assert!(batch("2G").contains("1 already there"));
    assert!(batch("1G").contains("1 painted"));
}

#[test]
fn the_demo_draws_over_no_other_picture() {
    let shop = Workshop::new();
    let before = std::fs::read(shop.path("content.png")).unwrap();
    fails(&shop, "demo .", 1, &["content.png", "another picture"]);
    assert!(std::fs::read(shop.path("content.png")).unwrap() == before);
}

/// The folder of the picture disappears during the run.
#[cfg(unix)]
#[test]
fn a_picture_whose_place_has_gone_is_kept_elsewhere() {
    let shop = Workshop::new();
    for folder in ["gone", "temporary"] {
        std::fs::create_dir(shop.path(folder)).unwrap();
    }
    let words = format!(
        "transfer content.png style.png --weights {} --size 0 -o gone/out.png --scales 1 --steps 100000000 --optimizer adam --log log.jsonl --quiet",
        data("vgg19-thin.npz")
    );
    let mut command = shop.std(&words);
    let mut child = command.env("TMPDIR", shop.path("temporary")).stderr(std::process::Stdio::piped()).spawn().unwrap();
    wait_until(&mut child, || shop.path("log.jsonl").exists());
    std::fs::remove_dir(shop.path("gone")).unwrap();
    press_ctrl_c(&child);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.starts_with("error: cannot write the picture gone/out.png") && stderr.lines().count() == 1,
        "{stderr}"
    );
    let place = stderr.trim_end().rsplit_once("the picture is in ").unwrap().1;
    assert_eq!(image::open(place).unwrap().into_rgb8().dimensions(), (32, 24));
    let place = Path::new(place);
    assert!(place.starts_with(shop.path("temporary")) && place.extension().unwrap() == "png", "{place:?}");
}

/// A full device, a pipe without a reader: errors that occur only when the picture is written.
#[cfg(target_os = "linux")]
#[test]
fn a_picture_that_a_stream_does_not_take_is_kept_elsewhere() {
    let shop = Workshop::new();
    std::fs::create_dir(shop.path("temporary")).unwrap();
    for (words, redirected) in [("-o /dev/full --format png", ""), ("-o - --format webp", ">/dev/full")] {
        let plain = shop.transfer(&format!("{words} --scales 1 --steps 2 --quiet"));
        let script = format!("exec \"$0\" \"$@\" {redirected}");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).arg(plain.get_program()).args(plain.get_args()).current_dir(shop.folder());
        let output = shell.env("TMPDIR", shop.path("temporary")).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("No space left") && stderr.lines().count() == 1, "{stderr}");
        let place = stderr.trim_end().rsplit_once("the picture is in ").unwrap().1;
        assert_eq!(image::open(place).unwrap().into_rgb8().dimensions(), (32, 24));
    }
}

/// A file that may not grow (`ulimit -f`) is an error like a full disk, not the end of the process.
#[cfg(target_os = "linux")]
#[test]
fn a_limit_of_file_sizes_is_told() {
    let shop = Workshop::new();
    let plain = shop.transfer("-o out.bmp --scales 1 --steps 2 --quiet");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -f 1; exec \"$0\" \"$@\""]).arg(plain.get_program()).args(plain.get_args());
    let output = shell.current_dir(shop.folder()).env("TMPDIR", shop.folder()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr} {:?}", output.status);
    assert!(stderr.starts_with("error: cannot write the picture out.bmp: File too large"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

/// A file that is a mount of its own, as a container's `-v FILE:FILE` makes it: it can be written, but not replaced. Where
/// nobody may mount, `write_in_place`'s own test has to do.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_a_mount_is_written_in_place() {
    let shop = Workshop::new();
    for name in ["host.png", "out.png"] {
        std::fs::write(shop.path(name), "an older and, with all of its letters, much longer file").unwrap();
    }
    let mount = |words: &[&str]| {
        let mut command = std::process::Command::new(words[0]);
        command.args(&words[1..]).current_dir(shop.folder()).stderr(std::process::Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !mount(&["mount", "--bind", "host.png", "out.png"]) {
        return;
    }
    let result = shop.transfer("-o out.png --scales 1 --steps 1 --quiet").output();
    assert!(mount(&["umount", "out.png"]));
    let output = result.unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
    assert_eq!(shop.rgb("host.png").dimensions(), (32, 24));
    assert_eq!(shop.new_files(), ["host.png", "out.png"]);
}
