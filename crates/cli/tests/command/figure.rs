//! `impasto figure`: sizes, labels, no blank parts, and sheets that continue where they stopped.

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::time::SystemTime;

use image::RgbImage;

use crate::support::{Workshop, data, fails, interrupted};

/// Cells of 32 pixels with the thin network, after three iterations.
const SMALL: &str = "-o sheet.png --size 32 --steps 3 --quiet";

fn drawn(shop: &Workshop, words: &str) -> RgbImage {
    let weights =
        if words.contains("--weights") { String::new() } else { format!("--weights {}", data("vgg19-thin.npz")) };
    shop.impasto(&format!("figure {words} {weights}")).assert().success();
    shop.rgb("sheet.png")
}

/// The cells that a sheet has left beside it, and when each was written.
fn cells(shop: &Workshop) -> Vec<(PathBuf, SystemTime)> {
    let Ok(folder) = std::fs::read_dir(shop.path("sheet.cells")) else { return Vec::new() };
    let files = folder.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"));
    let mut cells: Vec<_> =
        files.map(|path| (path.clone(), std::fs::metadata(path).unwrap().modified().unwrap())).collect();
    cells.sort();
    cells
}

/// The cells, made to look old: one that is written again has another time, however coarse the file system's times are.
fn aged_cells(shop: &Workshop) -> Vec<(PathBuf, SystemTime)> {
    for (path, _) in cells(shop) {
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    cells(shop)
}

/// Where the pictures of the first line of cells begin under a title in the smallest font of 13 pixels.
const TOP: u32 = 2 * 8 + 16;

/// How many pictures stand side by side: columns that are not white after one that is, captions not being looked at.
fn pictures_across(sheet: &RgbImage) -> usize {
    let white = |column: u32| (TOP..TOP + 24).all(|row| sheet.get_pixel(column, row).0.iter().all(|&v| v > 252));
    (1..sheet.width()).filter(|&column| white(column - 1) && !white(column)).count()
}

fn dark(sheet: &RgbImage, mut rows: Range<u32>) -> bool {
    rows.any(|row| (0..sheet.width()).any(|column| sheet.get_pixel(column, row).0.iter().all(|&v| v < 100)))
}

#[test]
fn every_figure_has_its_cells_and_captions() {
    for (words, rows, columns) in [
        ("inversions content.png --layers relu1_1,pool1,conv2_1", 1, 4),
        ("lambda content.png --layers relu1_1 --values 0.1,10", 1, 3),
        ("lambda content.png", 1, 6),
        ("content content.png", 1, 6),
        ("style style.png", 1, 6),
        ("textures style.png", 1, 6),
        ("weights content.png style.png --values 0.01,1", 5, 2),
        ("weights content.png style.png", 5, 4),
        ("controls content.png style.png style.png", 6, 5),
    ] {
        let shop = Workshop::new();
        let sheet = drawn(&shop, &format!("{words} {SMALL}"));
        // The first row of `controls` has the photograph and the styles.
        let across = if words.starts_with("controls") { 3 } else { columns };
        assert_eq!(pictures_across(&sheet), across, "{words}: {}×{}", sheet.width(), sheet.height());
        // Rows of `controls` have 3, 5, 4, 3, 3 and 2 cells, and the same style given twice is one cell.
        let missing = if words.starts_with("controls") { 11 } else { 0 };
        assert_eq!(cells(&shop).len() + missing, rows * columns, "{words}");
        let height = sheet.height() as usize;
        assert!(height > rows * (24 + 16) && height < 40 + rows * (32 + 5 + 4 * 16 + 8), "{words}: {height}");
        assert!(dark(&sheet, 8..24) && dark(&sheet, sheet.height() - 30..sheet.height()), "{words}: title and caption");
        assert_eq!(shop.new_files(), ["sheet.cells", "sheet.png"]);
    }
}

#[test]
fn all_layers_are_inverted_unless_some_are_asked_for() {
    let shop = Workshop::new();
    drawn(&shop, "inversions content.png -o sheet.png --size 32 --steps 1 --quiet");
    // At 32×24 pixels: the original and all but pool5, which needs 32×32.
    assert_eq!(cells(&shop).len(), 1 + 36);
}

#[test]
fn images_are_rows_and_columns_can_be_broken() {
    let shop = Workshop::new();
    let layers = "--layers relu1_1,relu1_2,relu2_1";
    let one = drawn(&shop, &format!("inversions content.png {layers} {SMALL}"));
    let two = drawn(&shop, &format!("inversions content.png style.png {layers} {SMALL}"));
    assert!(two.width() == one.width() && two.height() > one.height() + 32);
    let broken = drawn(&shop, &format!("inversions content.png {layers} {SMALL} --columns 2"));
    assert_eq!(pictures_across(&broken), 2);
    assert!(broken.height() > one.height() + 24);
}

#[test]
fn options_that_change_a_cell_make_another_and_the_rest_do_not() {
    let shop = Workshop::new();
    let job = "inversions content.png --layers relu2_1 -o sheet.png --quiet";
    let mut sheets = vec![drawn(&shop, &format!("{job} --size 32 --steps 3"))];
    for words in [
        "--size 32 --steps 4",
        "--size 24 --steps 3",
        "--size 32 --steps 3 --seed 5",
        "--size 32 --steps 3 --pool avg",
        "--size 32 --steps 3 --weights random",
    ] {
        let sheet = drawn(&shop, &format!("{job} {words}"));
        assert!(!sheets.contains(&sheet), "{words}");
        sheets.push(sheet);
        assert_eq!(cells(&shop).len(), 2 * sheets.len(), "{words}");
    }
    let before = aged_cells(&shop);
    for words in ["", "--threads 2", "--conv direct", "--columns 2"] {
        drawn(&shop, &format!("{job} --size 32 --steps 3 {words}"));
    }
    assert_eq!(cells(&shop), before);
}

#[test]
fn a_lost_cell_alone_is_computed_again() {
    let shop = Workshop::new();
    let job = format!("inversions content.png --layers relu1_1,relu1_2,relu2_1 {SMALL}");
    let first = drawn(&shop, &job);
    let before = aged_cells(&shop);
    // As if killed while the cell was written: its terms, which come last, are missing.
    std::fs::remove_file(&before[1].0).unwrap();
    assert_eq!(drawn(&shop, &job), first);
    let after = cells(&shop);
    for index in 0..before.len() {
        assert_eq!(before[index] == after[index], index != 1);
    }
}

/// Ctrl-C in the middle, and the same command again.
#[cfg(unix)]
#[test]
fn an_interrupted_sheet_goes_on_where_it_stopped() {
    let words = format!(
        "figure inversions content.png --weights {} -o sheet.png --size 32 --steps 40 --quiet",
        data("vgg19-thin.npz")
    );
    let (shop, output) = interrupted(&words, |shop| cells(shop).len() >= 4);
    assert_eq!(output.status.code(), Some(130));
    let made = aged_cells(&shop);
    assert!((4..37).contains(&made.len()), "{}", made.len());
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = format!("interrupted after {} of 37 cells; run the same command again to continue\n", made.len());
    assert_eq!(said, expected);
    assert_eq!(shop.new_files(), ["sheet.cells"], "no sheet that is not whole");

    shop.impasto(&words).assert().success();
    let all = cells(&shop);
    assert_eq!(all.len(), 37);
    assert!(made.iter().all(|cell| all.contains(cell)), "what was made is made no second time");
    let sheet = shop.rgb("sheet.png");
    std::fs::remove_dir_all(shop.path("sheet.cells")).unwrap();
    shop.impasto(&words).assert().success();
    assert_eq!(shop.rgb("sheet.png"), sheet, "as if never interrupted");
}

#[test]
fn cells_move_are_logged_and_saved_as_in_the_other_commands() {
    let shop = Workshop::new();
    let words = format!("lambda content.png --layers relu1_1 --values 0.1,10 {SMALL}");
    let usual = drawn(&shop, &words);
    let other = format!("{words} --optimizer adam --lr 20 --clamp --log log.jsonl --save-every 2");
    assert_ne!(drawn(&shop, &other), usual, "cells of other options are other cells");
    let log = std::fs::read_to_string(shop.path("log.jsonl")).unwrap();
    let log: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rows: Vec<_> = log.iter().map(|row| (row["cell"].as_u64(), row["iteration"].as_u64())).collect();
    let expected = [2, 3].iter().flat_map(|&cell| [1, 2, 3].map(|iteration| (Some(cell), Some(iteration))));
    assert_eq!(rows, expected.collect::<Vec<_>>(), "the first cell is the image itself");
    for cell in [2, 3] {
        assert_eq!(shop.rgb(&format!("sheet-cell{cell}-0002.png")).dimensions(), (32, 24));
    }
    fails(&shop, &format!("figure {words} --lr 1"), 2, &["--lr", "--optimizer adam"]);
    fails(&shop, &format!("figure {words} --log sheet.png"), 2, &["--log", "sheet.png"]);
}

#[test]
fn losses_are_plotted_over_iterations_and_seconds() {
    let shop = Workshop::new();
    for (name, fall) in [("adam", 0.95_f64), ("lbfgs", 0.8)] {
        let lines = (1..40).map(|i| {
            let (total, seconds) = (fall.powi(i), f64::from(i * i));
            format!("{{\"iteration\":{i},\"elapsed\":{seconds},\"total\":{total},\"error\":{}}}\n", total.powi(2))
        });
        std::fs::write(shop.path(&format!("{name}.jsonl")), lines.collect::<String>()).unwrap();
    }
    let plot = |words: &str| drawn(&shop, &format!("loss adam.jsonl lbfgs.jsonl -o sheet.png {words}"));
    let over_iterations = plot("");
    assert_eq!(over_iterations.dimensions(), (900, 600));
    let coloured = over_iterations.pixels().filter(|pixel| pixel[0].abs_diff(pixel[2]) > 80).count();
    assert!(coloured > 500, "{coloured} pixels of curves");
    assert_eq!(plot("--over iterations --term total"), over_iterations, "the defaults");
    assert_ne!(plot("--over seconds"), over_iterations);
    assert_ne!(plot("--term error"), over_iterations);
    // The log of a run can be plotted.
    shop.made("invert content.png --layer relu1_1 --size 16 --steps 5");
    drawn(&shop, "loss log.jsonl -o sheet.png --over seconds --term error");
}

#[test]
fn mistakes_are_named() {
    let shop = Workshop::new();
    std::fs::write(shop.path("bad.jsonl"), "{\"iteration\":1,\"total\":1.5}\n{\"iteration\":2}\n").unwrap();
    std::fs::write(shop.path("zero.jsonl"), "{\"iteration\":1,\"total\":0}\n").unwrap();
    for (words, code, said) in [
        ("nothing content.png", 2, "inversions, lambda, content, style, textures, weights, controls, loss"),
        ("content", 2, "IMAGE"),
        ("weights content.png", 2, "CONTENT and STYLE"),
        ("controls content.png style.png", 2, "CONTENT, STYLE1 and STYLE2"),
        ("style style.png --layers relu1_1", 2, "--layers"),
        ("style style.png --values 1", 2, "--values"),
        ("lambda content.png --layers relu1_1,relu2_1", 2, "one layer"),
        ("lambda content.png --values x", 2, "--values"),
        ("style style.png --over seconds", 2, "--over"),
        ("style style.png --size 0", 2, "--size"),
        ("style style.png --steps 0", 2, "--steps"),
        ("style style.png --columns 0", 2, "--columns"),
        ("content none.png", 1, "none.png"),
        ("inversions content.png --layers relu1_1,pool5 --size 32", 1, "too small for pool5"),
        ("inversions content.png --layers relu1_1,fc6", 1, "the weights end before fc6"),
        ("loss none.jsonl", 1, "none.jsonl"),
        ("loss bad.jsonl", 1, "line 2 has no numbers `iteration` and `total`"),
        ("loss zero.jsonl", 1, "logarithmic"),
        ("loss content.png", 1, "content.png"),
    ] {
        fails(&shop, &format!("figure {words} -o sheet.png --weights {}", data("vgg19-thin.npz")), code, &[said]);
    }
    fails(&shop, "figure content content.png -o sheet.gif", 2, &["sheet.gif"]);
    fails(&shop, "figure content content.png -o none/sheet.png", 1, &["there is no folder none"]);
}
