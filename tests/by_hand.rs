//! The book's chapter 9: the loop written by hand has the losses that `PyTorch` computed in float64 for the notebook that
//! impasto began with.

use std::fs::File;
use std::path::Path;
use std::process::Command;

/// The total losses of twenty steps, by `PyTorch`: the first column of `adam.losses`.
fn expected(case: &Path) -> Vec<f64> {
    let mut archive = zip::ZipArchive::new(File::open(case.join("expected.npz")).unwrap()).unwrap();
    let array = npyz::NpyFile::new(archive.by_name("adam.losses.npy").unwrap()).unwrap();
    assert_eq!(array.shape(), [20, 3]);
    array.into_vec::<f64>().unwrap().into_iter().step_by(3).collect()
}

#[test]
fn the_losses_are_those_of_pytorch() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let case = data.join("thin-notebook-adam");
    // Cargo builds the examples of a package before it runs its tests: beside the folder of this test.
    let built = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples");
    let folder = tempfile::tempdir().unwrap();
    let mut program = Command::new(built.join("09_style_transfer"));
    program.arg(folder.path()).arg(case.join("content.png")).arg(case.join("style.png"));
    let output = program.env("IMPASTO_WEIGHTS", data.join("vgg19-thin.npz")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let expected = expected(&case);
    for step in [1, 10, 20] {
        let line = printed.lines().find_map(|line| line.strip_prefix(&format!("loss_{step} = ")));
        let (found, expected): (f64, f64) = (line.unwrap().parse().unwrap(), expected[step - 1]);
        assert!((found / expected - 1.0).abs() < 2e-4, "step {step}: {found:e}, but PyTorch has {expected:e}");
    }
}
