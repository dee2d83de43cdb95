//! Several processes under `mpirun` on this machine: the same bits as one process, and how they end.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;
use impasto::Picture;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A folder with pictures whose heights do not divide, and the thin network's weights.
struct Workshop(TempDir);

impl Workshop {
    /// `None`, with the reason, where there is no `mpirun`.
    fn new() -> Option<Self> {
        if let Err(why) = std::process::Command::new("mpirun").arg("--version").output() {
            eprintln!("skipped: mpirun cannot be started ({why}); ./setup.sh --mpi installs it");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let save = |picture: Picture, name: &str| picture.save(folder.path().join(name)).unwrap();
        save(impasto_drawing::demo::content(101, 90), "content.png");
        save(impasto_drawing::demo::style(72), "style.png");
        // Left and right, and above and below, in two colours.
        let halves = |across: bool| {
            let half = move |(i, j, _)| f32::from(u8::from(if across { j > 40 } else { i > 30 }));
            Picture::new(ndarray::Array3::from_shape_fn((101, 90, 3), half))
        };
        save(halves(true), "left.png");
        save(halves(false), "upper.png");
        Some(Self(folder))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A command with the given words, in this folder, as one process or as several.
    fn command(&self, ranks: Option<usize>, words: &str) -> Command {
        self.command_of(&[assert_cmd::cargo::cargo_bin!("impasto").as_os_str()], ranks, words)
    }

    /// The same of another program, with its first words.
    fn command_of(&self, program: &[&OsStr], ranks: Option<usize>, words: &str) -> Command {
        let mut command = match ranks {
            None => Command::new(program[0]),
            Some(ranks) => {
                let mut command = Command::new("mpirun");
                command.args(["-n", &ranks.to_string()]).arg(program[0]);
                command
            }
        };
        command.args(&program[1..]);
        command.args(words.split_whitespace()).current_dir(self.0.path()).timeout(Duration::from_secs(600));
        command.env_remove("IMPASTO_WEIGHTS").env("HOME", self.0.path()).env("XDG_CACHE_HOME", self.path(".cache"));
        // Allow more processes than cores, and root.
        for name in ["OMPI_MCA_rmaps_base_oversubscribe", "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] {
            command.env(name, "1");
        }
        command.env("OMPI_MCA_mpi_yield_when_idle", "1");
        command
    }

    /// What a command leaves, which must succeed: the hash of out.png, and its losses.
    fn made(&self, ranks: Option<usize>, words: &str) -> (String, Vec<String>) {
        let _ = std::fs::remove_file(self.path("out.png"));
        let thin = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/vgg19-thin.npz");
        let words = format!("{words} --weights {thin} -o out.png --log log.jsonl --quiet --threads 1");
        let output = self.command(ranks, &words).output().unwrap();
        assert!(output.status.success(), "{words} by {ranks:?}: {}", String::from_utf8_lossy(&output.stderr));
        let log = std::fs::read_to_string(self.path("log.jsonl")).unwrap();
        let losses =
            log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["total"].to_string());
        (hash(&self.path("out.png")), losses.collect())
    }

    /// Several make what one makes.
    fn is_the_same(&self, words: &str) {
        let alone = self.made(None, words);
        assert!(!alone.1.is_empty());
        for ranks in [1, 2, 3] {
            assert_eq!(self.made(Some(ranks), words), alone, "{words} by {ranks}");
        }
    }

    /// Names of the files that the pictures in the beginning are not.
    fn new_files(&self) -> Vec<String> {
        let names = self.0.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let old = ["content.png", "style.png", "left.png", "upper.png"];
        names.filter(|name| !old.contains(&name.as_str()) && !name.starts_with('.')).collect()
    }
}

fn hash(path: &Path) -> String {
    Sha256::digest(std::fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn transfers() {
    let Some(shop) = Workshop::new() else { return };
    for words in [
        "--optimizer lbfgs --steps 4",
        "--optimizer adam --steps 4 --pool avg --scales 48,90 --average",
        "--preset notebook --steps 3 --init noise --size 0",
        // Whole maps of their own: moments, regions, and the raw result of a convolution.
        "--style-loss wasserstein --steps 2",
        "--content-mask left.png --style-mask upper.png --steps 2",
        "--content-layers conv3_1 --style-layers relu1_2,pool2,relu3_1 --steps 2 --tv-weight 1",
        // What each process matches by itself.
        "--scales 48,90 --steps 2 --finish 3",
        "--style-loss neighbours --optimizer pyramid-adam --steps 2 --finish 0",
        "--preset nnst --scales 48,90 --steps 2 --finish 2",
        "--edges zeros --steps 2",
        // What is not divided.
        "--conv im2col --steps 2",
    ] {
        shop.is_the_same(&format!("transfer content.png style.png {words}"));
    }
}

#[test]
fn textures_and_inversions() {
    let Some(shop) = Workshop::new() else { return };
    for words in [
        "texture style.png --size 90,101 --steps 4",
        "texture style.png --size 90,101 --steps 3 --pool max --optimizer adam",
        "texture style.png --size 64,96 --seamless --steps 3",
        "invert content.png --layer relu3_1 --steps 4",
        "invert content.png --layer pool2 --steps 3 --optimizer adam --jitter 4 --pool avg --repeats 2",
        "invert content.png --layer relu4_2 --preset mahendran --lr 1e-5 --steps 3 --crop 3 --channels 1..5",
    ] {
        shop.is_the_same(words);
    }
}

#[test]
fn standard_input_reaches_all() {
    let Some(shop) = Workshop::new() else { return };
    let thin = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/vgg19-thin.npz");
    let words = format!("transfer - style.png --steps 2 --weights {thin} -o out.png --quiet --threads 1");
    let pictures = [None, Some(2)].map(|ranks| {
        let content = std::fs::read(shop.path("content.png")).unwrap();
        shop.command(ranks, &words).write_stdin(content).assert().success();
        hash(&shop.path("out.png"))
    });
    assert_eq!(pictures[0], pictures[1]);
}

#[test]
fn a_run_that_goes_on() {
    let Some(shop) = Workshop::new() else { return };
    let words = "transfer content.png style.png --optimizer adam --steps 6";
    let (whole, _) = shop.made(None, words);
    let kept = "transfer content.png style.png --optimizer adam --steps 6 --checkpoint run.checkpoint";
    shop.made(Some(2), &format!("{kept} --save-every 4"));
    assert!(shop.path("run.checkpoint").is_file() && shop.path("out-0004.png").is_file());
    // A process that ended after three iterations: the picture is that of six all the same.
    std::fs::remove_file(shop.path("run.checkpoint")).unwrap();
    let every = format!("{kept} --checkpoint-every 3");
    let thin = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/vgg19-thin.npz");
    // The log cannot be written: the first process stops after its first iteration, and ends all.
    let failing = format!("{every} --weights {thin} -o out.png --log /dev/full --quiet");
    let output = shop.command(Some(2), &failing).output().unwrap();
    assert!(!output.status.success());
    assert_eq!(stderr(&output).matches("error: cannot write the log /dev/full").count(), 1, "{}", stderr(&output));
    let (resumed, _) = shop.made(Some(3), &format!("{every} --resume"));
    assert_eq!(resumed, whole);
}

#[test]
fn the_first_speaks_for_all_and_whoever_fails_ends_all() {
    let Some(shop) = Workshop::new() else { return };
    let thin = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/vgg19-thin.npz");
    let of = |ranks, words: &str| shop.command(Some(ranks), words).output().unwrap();

    // On a loaded machine one process may fail so late that another, which names itself, ends all: then once more.
    let output = (0..20)
        .map(|_| of(3, "transfer content.png nothing.png -o out.png"))
        .find(|output| !stderr(output).contains("error: rank "))
        .expect("the processes fail together");
    assert!(!output.status.success());
    assert_eq!(stderr(&output).matches("error: cannot open the picture nothing.png").count(), 1, "{}", stderr(&output));
    let output = of(2, "transfer content.png");
    assert_eq!(stderr(&output).matches("error: ").count(), 1, "{}", stderr(&output));
    let output = of(2, "network");
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("relu5_4").count(), 1);

    // NaN: all know it, the first writes the picture before it and tells.
    let words =
        format!("transfer content.png style.png -o out.png --optimizer adam --lr 1e38 --steps 9 --weights {thin}");
    let alone = shop.command(None, &words).output().unwrap();
    let expected = hash(&shop.path("out.png"));
    std::fs::remove_file(shop.path("out.png")).unwrap();
    let output = of(2, &words);
    assert!(alone.status.code() == Some(1) && !output.status.success());
    assert_eq!(stderr(&output).matches("became infinite or NaN").count(), 1, "{}", stderr(&output));
    assert_eq!(hash(&shop.path("out.png")), expected);
    std::fs::remove_file(shop.path("out.png")).unwrap();

    // One of two fails: a wrapper hides a picture from the second.
    let impasto = assert_cmd::cargo::cargo_bin!("impasto");
    let script = format!(
        "#!/bin/sh\n[ \"${{OMPI_COMM_WORLD_RANK:-$PMI_RANK}}\" = 1 ] && set -- transfer content.png gone.png -o out.png\n\
         exec {} \"$@\"\n",
        impasto.display()
    );
    std::fs::write(shop.path("wrapper"), script).unwrap();
    let words = format!("transfer content.png style.png -o out.png --quiet --steps 500 --weights {thin}");
    let program = ["sh", "wrapper"].map(OsStr::new);
    let output = shop.command_of(&program, Some(2), &words).output().unwrap();
    assert!(!output.status.success());
    assert!(stderr(&output).contains("error: rank 1: cannot open the picture gone.png"), "{}", stderr(&output));
    assert!(!shop.path("out.png").exists());
    let left: Vec<_> = shop.new_files().into_iter().filter(|name| name != "wrapper").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_batch_is_shared_out() {
    let Some(shop) = Workshop::new() else { return };
    let thin = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/vgg19-thin.npz");
    std::fs::write(
        shop.path("jobs.csv"),
        "content,style,output,optimizer\ncontent.png,style.png,a.png,adam\ncontent.png,gone.png,b.png,\n\
         style.png,content.png,c.png,\nstyle.png,style.png,d.png,adam\nleft.png,style.png,e.png,\n",
    )
    .unwrap();
    let run = |ranks, folder: &str| {
        let words =
            format!("batch jobs.csv -o {folder} --json --quiet --size 64 --steps 2 --threads 1 --weights {thin}");
        let output = shop.command(ranks, &words).output().unwrap();
        assert!(!output.status.success());
        let lines = String::from_utf8(output.stdout.clone()).unwrap();
        let lines: Vec<String> = lines
            .lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                let output = line["output"].as_str().unwrap().replace(folder, "FOLDER");
                format!("{output} {} {}", line["state"], line["error"])
            })
            .collect();
        let told = stderr(&output).matches("error: content.png with gone.png: ").count();
        let pictures = ["a", "c", "d", "e"].map(|name| {
            let picture = Picture::open(shop.path(folder).join(format!("{name}.png"))).unwrap();
            picture.rgb.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        });
        (lines, told, pictures)
    };
    let alone = run(None, "alone");
    assert_eq!((alone.0.len(), alone.1), (5, 1));
    for ranks in [2, 3] {
        assert_eq!(run(Some(ranks), &format!("by{ranks}")), alone, "{ranks}");
    }
}
