//! Errors are one paragraph that names the file or option and what would be right. Exit code 2 for wrong usage, 1 for
//! other errors.

use std::collections::BTreeMap;

use crate::support::{Workshop, arrays, data, fails, write_arrays};

#[test]
fn wrong_usage() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    let transfer = format!("transfer content.png style.png --weights {thin}");
    let with = |words: &str| format!("{transfer} -o out.png {words}");
    for (words, said) in [
        ("transfer content.png -o out.png".into(), &["<STYLE>"][..]),
        (format!("{transfer} -o out.gif"), &["out.gif", "must end in .png, .jpg, .webp, .tiff or .bmp"]),
        (format!("{transfer} -o out"), &["out", "must end in .png"]),
        (with("--steps 0"), &["--steps", "0"]),
        (with("--steps many"), &["--steps", "many"]),
        (with("--size -1"), &["-1"]),
        (with("--size 70000"), &["--size", "70000"]),
        (with("--lr 0"), &["--lr", "a number above 0"]),
        (with("--lr nan"), &["--lr", "a number above 0"]),
        (with("--optimizer lbfgs --lr 1"), &["--lr", "lbfgs"]),
        (with("--optimizer sgd"), &["--optimizer", "sgd", "adam", "lbfgs"]),
        (with("--preset best"), &["--preset", "best", "balanced", "quick", "gatys", "nnst", "notebook"]),
        (with("--content-layers relu9_1"), &["--content-layers", "relu9_1"]),
        (with("--style-layers relu1_1=x"), &["--style-layers", "`x` is not a weight for relu1_1"]),
        (with("--style-layers relu1_1,relu1_1"), &["--style-layers", "named twice"]),
        (with("--content-weight -1"), &["-1"]),
        (with("--style-weight=-1"), &["--style-weight", "a number of 0 or more"]),
        (with("--tv-weight inf"), &["--tv-weight", "a number of 0 or more"]),
        (with("--seed -3"), &["-3", "a whole number from 0, or random"]),
        (with("--pool min"), &["--pool", "min", "max", "avg"]),
        (with("--conv fft"), &["--conv", "fft", "direct", "im2col"]),
        (with("--save-every 0"), &["--save-every", "0"]),
        (with("--threads 0"), &["--threads", "0"]),
        (with("--seed 1.5"), &["--seed", "1.5", "random"]),
        (with("--depth 12"), &["--depth", "12", "8", "16"]),
        // Tests have no terminal.
        (with("--preview"), &["--preview needs a terminal", "--save-every"]),
        (with("--quiet --verbose"), &["--quiet", "--verbose"]),
        ("network --weights random:x".into(), &["--weights", "random:x"]),
        (with("--stpes 3"), &["--stpes", "--steps"]),
        ("transfre".into(), &["transfre", "transfer"]),
        (format!("features content.png --layers relu1_1 -o out.npy --weights {thin}"), &["out.npy", ".npz"]),
        (format!("features content.png -o out.npz --weights {thin}"), &["--layers"]),
        (format!("features content.png --layers relu1 -o out.npz --weights {thin}"), &["--layers", "relu1"]),
        ("loss content.png --content content.png -o out.npz".into(), &["--style"]),
        ("network --size 0".into(), &["--size", "0"]),
    ] {
        fails(&shop, &words, 2, said);
    }
}

#[test]
fn files_that_are_not_as_they_should_be() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    std::fs::write(shop.path("text.png"), "this is no picture").unwrap();
    let whole = std::fs::read(shop.path("content.png")).unwrap();
    std::fs::write(shop.path("half.png"), &whole[..whole.len() / 2]).unwrap();
    image::RgbImage::new(8, 8).save(shop.path("tiny.png")).unwrap();
    let weights = std::fs::read(&thin).unwrap();
    std::fs::write(shop.path("half.npz"), &weights[..weights.len() / 2]).unwrap();
    std::fs::write(shop.path("text.npz"), "these are no weights").unwrap();
    let rest = format!("-o out.png --size 0 --steps 1 --weights {thin}");
    for (words, said) in [
        (format!("transfer none.png style.png {rest}"), &["none.png"][..]),
        (format!("transfer content.png none.png {rest}"), &["none.png"]),
        (format!("transfer content.png style.png --init none.png {rest}"), &["none.png"]),
        (format!("transfer text.png style.png {rest}"), &["text.png", "PNG, JPEG, WebP, TIFF and BMP"]),
        (format!("transfer half.png style.png {rest}"), &["half.png"]),
        (format!("transfer tiny.png style.png {rest}"), &["8×8", "16×16", "--size"]),
        (format!("transfer content.png tiny.png {rest}"), &["8×8", "16×16", "--size"]),
        ("transfer content.png style.png -o out.png --weights none.npz".into(), &["none.npz"]),
        ("transfer content.png style.png -o out.png --weights half.npz".into(), &["half.npz"]),
        ("transfer content.png style.png -o out.png --weights text.npz".into(), &["text.npz"]),
        ("network --weights text.npz".into(), &["text.npz"]),
        (format!("features none.png --layers relu1_1 -o f.npz --weights {thin}"), &["none.png"]),
        (format!("features content.png --layers relu1_1 -o none/f.npz --weights {thin}"), &["there is no folder none"]),
        (
            format!("loss content.png --content style.png --style style.png -o l.npz --size 0 --weights {thin}"),
            &["32×24", "28×28", "same size"],
        ),
    ] {
        fails(&shop, &words, 1, said);
    }
}

#[test]
fn the_environment_variable_is_held_to_account_too() {
    let shop = Workshop::new();
    for (value, code) in [("none.npz", 1), ("random:x", 2)] {
        let output = shop.impasto("network").env("IMPASTO_WEIGHTS", value).assert().get_output().clone();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("error: ") && stderr.contains(value), "{stderr}");
        assert!([1, 2].contains(&output.status.code().unwrap()), "{code}");
    }
}

/// A network that ends early names the last layer that it has.
#[test]
fn layers_that_the_weights_have_not() {
    let shop = Workshop::new();
    cut_short(&data("vgg19-thin.npz"), &shop.path("short.npz"), &["conv1_1", "conv1_2", "conv2_1"]);
    let words = "transfer content.png style.png -o out.png --weights short.npz --size 0 --steps 1";
    fails(&shop, words, 1, &["relu5_1", "relu2_1", "--style-layers"]);
    let fitting = "--content-layers relu2_1 --style-layers relu1_1,conv2_1 --quiet";
    shop.impasto(&format!("{words} {fitting}")).assert().success();
    std::fs::remove_file(shop.path("out.png")).unwrap();
    fails(
        &shop,
        "features content.png --layers pool2 -o f.npz --weights short.npz",
        1,
        &["pool2", "relu2_1", "--layers"],
    );
    let table = shop.impasto("network --weights short.npz").assert().success().get_output().clone();
    assert!(String::from_utf8(table.stdout).unwrap().contains("\nrelu2_1 "));
}

/// Copies some layers of a file of weights.
fn cut_short(from: &str, to: &std::path::Path, layers: &[&str]) {
    let wanted = |name: &str| name.starts_with("input") || layers.contains(&name.split('.').next().unwrap());
    let kept = arrays(from.as_ref()).into_iter().filter(|(name, _)| wanted(name));
    write_arrays(to, &kept.collect::<BTreeMap<_, _>>());
}

#[test]
fn help_of_a_command_and_british_spelling() {
    let shop = Workshop::new();
    for (asked, usual) in
        [("help", "--help"), ("help transfer", "transfer --help"), ("help weights fetch", "weights fetch --help")]
    {
        let said = |words: &str| shop.impasto(words).assert().success().get_output().stdout.clone();
        assert_eq!(said(asked), said(usual), "{asked}");
    }
    let american = shop.picture("--colors match --color-map cholesky");
    assert_eq!(shop.picture("--colours match --colour-map cholesky"), american);
    for loss in ["neighbours", "neighbours-cosine"] {
        let british = shop.picture(&format!("--style-loss {loss}"));
        assert_eq!(shop.picture(&format!("--style-loss {}", loss.replace("neighbours", "neighbors"))), british);
    }
}
