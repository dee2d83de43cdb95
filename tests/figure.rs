//! `impasto figure` through the binary: sizes, labels, and that nothing is blank.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use impasto::picture::Picture;
use ndarray::s;
use tempfile::{TempDir, tempdir};

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name).to_str().unwrap().to_owned()
}

fn content() -> String {
    data("thin-notebook/content.png")
}

fn style() -> String {
    data("thin-notebook/style.png")
}

/// `impasto figure` with the thin network and cells of 32 pixels, writing `sheet.png` into the folder.
fn figure(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("impasto").unwrap();
    command.arg("figure").args(arguments).arg("-o").arg(folder.path().join("sheet.png"));
    command
}

fn drawn(folder: &TempDir, arguments: &[&str]) -> Picture {
    let weights = data("vgg19-thin.npz");
    let common = ["--weights", &weights, "--quiet"];
    figure(folder, &[arguments, &common[..]].concat()).assert().success();
    Picture::open(&folder.path().join("sheet.png")).unwrap()
}

const SMALL: [&str; 4] = ["--size", "32", "--steps", "3"];

/// The cells that a sheet has left beside it.
fn cells(folder: &TempDir) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder.path().join("sheet.cells")).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "png")).collect()
}

/// The lefts of the pictures in a row of cells whose pictures begin at `top`: where a column that is not white follows
/// on one that is. Captions are not looked at.
fn pictures_at(sheet: &Picture, top: usize) -> usize {
    let white = |column: usize| sheet.rgb.slice(s![top..top + 30, column, ..]).iter().all(|&v| v > 0.99);
    (1..sheet.width()).filter(|&column| white(column - 1) && !white(column)).count()
}

/// Where pictures begin under a title in the smallest font of 13 pixels.
const TOP: usize = 2 * 8 + 16;

#[test]
fn every_figure_has_its_cells_and_captions() {
    let (content, style) = (content(), style());
    let cases: [(&[&str], usize, usize); 6] = [
        (&["inversions", &content, "--layers", "relu1_1,pool1,conv2_1"], 1, 4),
        (&["lambda", &content, "--layers", "relu1_1", "--values", "0.1,10"], 1, 3),
        (&["content", &content], 1, 6),
        (&["style", &style], 1, 6),
        (&["textures", &style], 1, 6),
        (&["weights", &content, &style, "--values", "0.01,1"], 5, 2),
    ];
    for (arguments, rows, columns) in cases {
        let folder = tempdir().unwrap();
        let sheet = drawn(&folder, &[arguments, &SMALL[..]].concat());
        assert_eq!(pictures_at(&sheet, TOP), columns, "{arguments:?}: {}×{}", sheet.width(), sheet.height());
        assert_eq!(cells(&folder).len(), rows * columns, "{arguments:?}");
        assert!(
            sheet.height() > rows * (32 + 16) && sheet.height() < 40 + rows * (32 + 5 + 4 * 16 + 8),
            "{arguments:?}"
        );
        // A title above, a caption below.
        let dark = |rows: std::ops::Range<usize>| sheet.rgb.slice(s![rows, .., ..]).iter().any(|&v| v < 0.4);
        assert!(dark(8..24) && dark(TOP + 38..TOP + 50), "{arguments:?}");
    }
}

#[test]
fn images_are_rows_and_columns_can_be_broken() {
    let (content, style) = (content(), style());
    let folder = tempdir().unwrap();
    let inversions = ["inversions", &content, "--layers", "relu1_1,relu1_2,relu2_1"];
    let one = drawn(&folder, &[&inversions[..], &SMALL].concat());
    let two = drawn(&folder, &[&inversions[..], &[&style], &SMALL].concat());
    assert!(two.width() == one.width() && two.height() > one.height() + 32);
    let broken = drawn(&folder, &[&inversions[..], &SMALL, &["--columns", "2"]].concat());
    assert_eq!(pictures_at(&broken, TOP), 2);
    assert!(broken.height() > one.height() + 32);
}

#[test]
fn what_was_computed_is_kept_and_only_the_rest_is_computed() {
    let content = content();
    let folder = tempdir().unwrap();
    let arguments = ["inversions", &content, "--layers", "relu1_1,relu1_2,relu2_1"];
    let first = drawn(&folder, &[&arguments[..], &SMALL].concat());
    let kept = cells(&folder);
    let times = |paths: &[PathBuf]| -> Vec<_> {
        paths.iter().map(|path| std::fs::metadata(path).unwrap().modified().unwrap()).collect()
    };
    let before = times(&kept);
    // As if interrupted before the last cell: its terms, which are written at the end, are missing.
    let lost = kept[1].with_extension("json");
    std::fs::remove_file(&lost).unwrap();
    let again = drawn(&folder, &[&arguments[..], &SMALL].concat());
    assert_eq!(again, first);
    let after = times(&kept);
    for index in 0..kept.len() {
        assert_eq!(before[index] == after[index], index != 1, "only the lost cell is computed again");
    }
    // Other settings are other cells.
    drawn(&folder, &[&arguments[..], &["--size", "32", "--steps", "4"]].concat());
    assert_eq!(cells(&folder).len(), 8);
    drawn(&folder, &[&arguments[..], &SMALL, &["--seed", "5"]].concat());
    assert_eq!(cells(&folder).len(), 12);
}

#[test]
fn losses_are_plotted_over_iterations_and_seconds() {
    let folder = tempdir().unwrap();
    let log = |name: &str, fall: f64| {
        let lines = (1..40).map(|i| {
            let total = fall.powi(i);
            format!(
                "{{\"iteration\":{i},\"elapsed\":{},\"total\":{total},\"error\":{}}}\n",
                0.1 * f64::from(i),
                total / 2.0
            )
        });
        let path = folder.path().join(name);
        std::fs::write(&path, lines.collect::<String>()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (adam, lbfgs) = (log("adam.jsonl", 0.95), log("lbfgs.jsonl", 0.8));
    let plot = |more: &[&str]| {
        figure(&folder, &[&["loss", &adam, &lbfgs], more].concat()).assert().success();
        Picture::open(&folder.path().join("sheet.png")).unwrap()
    };
    let over_iterations = plot(&[]);
    assert_eq!((over_iterations.width(), over_iterations.height()), (900, 600));
    let coloured =
        over_iterations.rgb.lanes(ndarray::Axis(2)).into_iter().filter(|p| (p[0] - p[2]).abs() > 0.3).count();
    assert!(coloured > 500, "{coloured} pixels of curves");
    assert_ne!(plot(&["--over", "seconds"]), over_iterations);
    assert_ne!(plot(&["--term", "error"]), over_iterations);
}

#[test]
fn mistakes_are_named() {
    let (content, folder) = (content(), tempdir().unwrap());
    let fails = |arguments: &[&str], code: i32, message: &str| {
        let output = figure(&folder, arguments).assert().code(code).get_output().stderr.clone();
        let text = String::from_utf8(output).unwrap();
        assert!(text.starts_with("error:") && text.contains(message), "{arguments:?}: {text}");
    };
    fails(&["nothing", &content], 2, "nothing");
    fails(&["content"], 2, "IMAGE");
    fails(&["weights", &content], 2, "CONTENT and STYLE");
    fails(&["style", &content, "--layers", "relu1_1"], 2, "--layers");
    fails(&["style", &content, "--values", "1"], 2, "--values");
    fails(&["lambda", &content, "--layers", "relu1_1,relu2_1"], 2, "one layer");
    fails(&["style", &content, "--over", "seconds"], 2, "--over");
    fails(&["content", "none.png"], 1, "none.png");
    fails(&["loss", "none.jsonl"], 1, "none.jsonl");
    let log = folder.path().join("bad.jsonl");
    std::fs::write(&log, "{\"iteration\":1,\"total\":1.5}\n{\"iteration\":2}\n").unwrap();
    fails(&["loss", log.to_str().unwrap()], 1, "line 2 has no numbers `iteration` and `total`");
    std::fs::write(&log, "{\"iteration\":1,\"total\":0}\n").unwrap();
    fails(&["loss", log.to_str().unwrap()], 1, "logarithmic");
}
