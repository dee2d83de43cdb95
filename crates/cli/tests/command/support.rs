//! Test support: a folder with pictures, commands, and readers of results.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use image::RgbImage;
use ndarray::{ArrayD, IxDyn};
use npyz::{NpyFile, WriterBuilder};
use serde_json::{Map, Value};
use tempfile::TempDir;
use zip::ZipArchive;
use zip::write::{SimpleFileOptions, ZipWriter};

/// Long enough for a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// How often a run is started again that ended before the test could act.
pub const MOST_TRIES: usize = 20;

/// The path of the thin network's weights, or of anything else in tests/data.
pub fn data(name: &str) -> String {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    format!("{}/tests/data/{name}", workspace.display())
}

/// A folder of its own for each test, with content.png (24×32) and style.png (28×28) in it.
pub struct Workshop(TempDir);

impl Workshop {
    pub fn new() -> Self {
        let shop = Self(tempfile::tempdir().unwrap());
        content().save(shop.path("content.png")).unwrap();
        style().save(shop.path("style.png")).unwrap();
        shop
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// `impasto` with the given words, in this folder, where nobody has trained weights.
    pub fn impasto(&self, words: &str) -> Command {
        let mut command = Command::from_std(self.std(words));
        command.timeout(PATIENCE);
        command
    }

    /// The same as the standard library's command, for those who send signals.
    pub fn std(&self, words: &str) -> std::process::Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("impasto"));
        command.args(words.split_whitespace()).current_dir(self.folder()).stdin(Stdio::null());
        command.env_remove("IMPASTO_WEIGHTS").env("HOME", self.folder()).env("XDG_CACHE_HOME", self.path(".cache"));
        command.env("COLUMNS", "100");
        command
    }

    /// `impasto transfer content.png style.png` with the thin network, at the pictures' own size, and `words`.
    pub fn transfer(&self, words: &str) -> Command {
        let thin = data("vgg19-thin.npz");
        self.impasto(&format!("transfer content.png style.png --weights {thin} --size 0 {words}"))
    }

    /// Transfers into out.png, and reads it.
    pub fn picture(&self, words: &str) -> RgbImage {
        let optimizer = if words.contains("--lr") { "--optimizer adam" } else { "" };
        self.transfer(&format!("-o out.png --steps 3 --quiet {optimizer} {words}")).assert().success();
        self.rgb("out.png")
    }

    /// Runs a job that writes a picture and a log, with the thin network if the words name no other, and reads both.
    pub fn made(&self, words: &str) -> (RgbImage, Vec<Map<String, Value>>) {
        let thin =
            if words.contains("--weights") { String::new() } else { format!("--weights {}", data("vgg19-thin.npz")) };
        self.impasto(&format!("{words} {thin} -o out.png --log log.jsonl --quiet")).assert().success().stderr("");
        (self.rgb("out.png"), self.log("log.jsonl"))
    }

    pub fn rgb(&self, name: &str) -> RgbImage {
        image::open(self.path(name)).unwrap().into_rgb8()
    }

    /// The arrays of an npz file.
    pub fn arrays(&self, name: &str) -> BTreeMap<String, ArrayD<f64>> {
        arrays(&self.path(name))
    }

    /// The lines of a log.
    pub fn log(&self, name: &str) -> Vec<Map<String, Value>> {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// How many lines `log.jsonl` has so far.
    pub fn log_lines(&self) -> usize {
        std::fs::read_to_string(self.path("log.jsonl")).map_or(0, |log| log.lines().count())
    }

    /// Names of the files in the folder, sorted, without the two pictures that were there before.
    pub fn new_files(&self) -> Vec<String> {
        let files = self.folder().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut new: Vec<String> =
            files.filter(|name| !["content.png", "style.png"].contains(&name.as_str())).collect();
        new.sort();
        new
    }
}

/// Waits until `is` holds or the process has ended. Returns whether it may still be running.
pub fn wait_until(child: &mut Child, is: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !is() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if begin.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the process neither gets there nor ends");
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    true
}

/// Presses Ctrl-C.
#[cfg(unix)]
pub fn press_ctrl_c(child: &Child) {
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
}

/// Runs a command in a new workshop until `is` holds, and presses Ctrl-C; again if it was done before.
#[cfg(unix)]
pub fn interrupted(words: &str, is: impl Fn(&Workshop) -> bool) -> (Workshop, std::process::Output) {
    for _ in 0..MOST_TRIES {
        let shop = Workshop::new();
        let mut child = shop.std(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        if wait_until(&mut child, || is(&shop)) {
            press_ctrl_c(&child);
        }
        let output = child.wait_with_output().unwrap();
        if !output.status.success() {
            return (shop, output);
        }
    }
    panic!("{words}: it ends before it can be interrupted");
}

/// A disc on a slope of grey, 32 wide and 24 high.
pub fn content() -> RgbImage {
    RgbImage::from_fn(32, 24, |x, y| {
        let inside = (x as i32 - 12).pow(2) + (y as i32 - 10).pow(2) < 50;
        image::Rgb(if inside { [220, 90, 40] } else { [3 * x as u8 + 40, 4 * y as u8 + 60, 150] })
    })
}

/// Slanting stripes, 28×28.
pub fn style() -> RgbImage {
    RgbImage::from_fn(28, 28, |x, y| {
        image::Rgb(if (x + 2 * y) % 7 < 3 { [240, 200, 30] } else { [20, 40, 5 * x as u8] })
    })
}

pub fn arrays(path: &Path) -> BTreeMap<String, ArrayD<f64>> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path).unwrap())).unwrap();
    let entries = archive.len();
    let read = |index| {
        let entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().trim_end_matches(".npy").to_string();
        let npy = NpyFile::new(entry).unwrap();
        let shape: Vec<usize> = npy.shape().iter().map(|&n| n as usize).collect();
        let single = matches!(npy.dtype(), npyz::DType::Plain(kind) if kind.to_string().ends_with("f4"));
        let values: Vec<f64> = if single {
            npy.into_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
        } else {
            npy.into_vec().unwrap()
        };
        (name, ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap())
    };
    (0..entries).map(read).collect()
}

/// Writes arrays of single precision into an npz file.
pub fn write_arrays(path: &Path, arrays: &BTreeMap<String, ArrayD<f64>>) {
    let mut npz = ZipWriter::new(File::create(path).unwrap());
    for (name, array) in arrays {
        let shape: Vec<u64> = array.shape().iter().map(|&n| n as u64).collect();
        npz.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
        let mut npy = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut npz).begin_nd().unwrap();
        npy.extend(array.iter().map(|&value| value as f32)).unwrap();
        npy.finish().unwrap();
    }
    npz.finish().unwrap();
}

/// A number in the line of a log.
pub fn number(line: &Map<String, Value>, name: &str) -> f64 {
    line[name].as_f64().unwrap_or_else(|| panic!("{name} in {line:?}"))
}

/// The largest difference of two arrays, relative to the largest magnitude of the second.
pub fn relative_error(ours: &ArrayD<f64>, expected: &ArrayD<f64>) -> f64 {
    assert_eq!(ours.shape(), expected.shape());
    let largest = |array: &ArrayD<f64>| {
        array.fold(0.0, |most: f64, value| if value.is_nan() { f64::NAN } else { most.max(value.abs()) })
    };
    largest(&(ours - expected)) / largest(expected).max(1e-12)
}

/// The largest difference of two pictures' values, in levels of 255.
pub fn levels_apart(one: &RgbImage, other: &RgbImage) -> u8 {
    assert_eq!(one.dimensions(), other.dimensions());
    one.iter().zip(other.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// Copies a program so that it can be run at once.
///
/// Another process writes it: a file that this process has open for writing is also open in a command that another test
/// starts at that moment, and cannot be run meanwhile ("text file busy").
pub fn copy_program(from: &Path, to: &Path) {
    if cfg!(unix) {
        let copied = std::process::Command::new("install").args(["-m", "755"]).args([from, to]).status().unwrap();
        assert!(copied.success());
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

/// Writes a script that can be run at once.
#[cfg(unix)]
pub fn write_script(path: &Path, text: &str) {
    let draft = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&draft, text).unwrap();
    copy_program(draft.path(), path);
}

/// Runs a command that must fail: with this code, in one paragraph that begins with `error:` and has these words, and
/// without a new file.
pub fn fails(shop: &Workshop, words: &str, code: i32, said: &[&str]) {
    let before = shop.new_files();
    let output = shop.impasto(words).assert().code(code).stdout("").get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("error: ") && stderr.trim_end().lines().count() == 1, "{words}: {stderr}");
    for part in said {
        assert!(stderr.contains(part), "{words}: `{part}` is not in: {stderr}");
    }
    assert_eq!(shop.new_files(), before, "{words}");
}
