//! `impasto resume`: go on with a run from its checkpoint.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use impasto::run::Checkpoint;
use serde_json::Value;

use super::error::Error;
use super::jobs;

/// Continue a run from its checkpoint
///
/// The checkpoint holds the command, its folder, and the state of the run. The picture is the same as that of an uninterrupted
/// run. Do not resume checkpoints from people you do not trust: the command decides which files are read and written.
#[derive(Args)]
pub(super) struct Arguments {
    /// A file written by --checkpoint
    #[arg(value_name = "FILE")]
    checkpoint: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let path = &arguments.checkpoint;
    let checkpoint = Checkpoint::open(path).map_err(impasto::Error::from)?;
    let wrong = || Error::file("go on from", path, "it holds no command that can be resumed");
    let about = checkpoint.about();
    let text = |name: &str| about.get(name).and_then(Value::as_str);
    let words = about.get("arguments").and_then(Value::as_array).ok_or_else(wrong)?;
    let words: Vec<&str> = words.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?;
    if !words.first().is_some_and(|command| jobs::names().iter().any(|job| job == command)) {
        return Err(wrong());
    }
    let path = std::path::absolute(path).map_err(|why| Error::file("find", path, why))?;
    // A folder that was moved, with the checkpoint and everything, is as good.
    if let Some(folder) = text("folder").map(Path::new).filter(|folder| folder.is_dir()) {
        std::env::set_current_dir(folder).map_err(|why| Error::file("go to the folder", folder, why))?;
    }
    let mut parsed: Vec<OsString> = words.iter().map(OsString::from).collect();
    let weights = about.get("settings").and_then(|settings| settings.get("weights")).and_then(Value::as_str);
    // The environment, or what is in the cache folder, may have changed.
    if let Some(weights) = weights.filter(|_| !words.iter().any(|word| word.starts_with("--weights"))) {
        parsed.insert(1, format!("--weights={weights}").into());
    }
    let (command, mut invocation) = super::parse(&parsed).map_err(|_| wrong())?;
    invocation.words = words.into_iter().map(str::to_owned).collect();
    invocation.resumed = Some(path);
    super::run(command, &invocation)
}
