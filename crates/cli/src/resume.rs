//! `impasto resume`: continues a run from its checkpoint.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use impasto::run::Checkpoint;
use impasto::vgg::{FoundWeights, WeightSource};
use serde_json::Value;

use super::error::Error;
use super::{jobs, record};

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
    let wrong = || Error::file("continue from", path, "it holds no command that can be resumed");
    let about = checkpoint.about();
    let text = |name: &str| about.get(name).and_then(Value::as_str);
    let words = about.get("arguments").and_then(Value::as_array).ok_or_else(wrong)?;
    let words: Vec<&str> = words.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?;
    if !words.first().is_some_and(|command| jobs::names().iter().any(|job| job == command)) {
        return Err(wrong());
    }
    let path = std::path::absolute(path).map_err(|why| Error::file("find", path, why))?;
    // The folder may have been moved together with the checkpoint.
    let folder = text("folder").map(|folder| path.parent().unwrap_or(&path).join(folder));
    if let Some(folder) = folder.filter(|folder| folder.is_dir()) {
        std::env::set_current_dir(&folder).map_err(|why| Error::file("enter the folder", &folder, why))?;
    }
    let mut parsed: Vec<OsString> = words.iter().map(OsString::from).collect();
    // The environment or the cache folder may have changed.
    let weights = about.get("settings").and_then(|settings| settings.get("weights")).and_then(Value::as_str);
    if let Some(name) = weights.filter(|_| !words.iter().any(|word| word.starts_with("--weights"))) {
        let mut option = OsString::from("--weights=");
        option.push(find(name, text("weights")).ok_or_else(|| {
            let hash = text("weights").unwrap_or_default();
            let why = format!("its weights {name} ({hash}) are missing; set IMPASTO_WEIGHTS to their path");
            Error::file("continue from", &path, why)
        })?);
        parsed.insert(1, option);
    }
    let (command, mut invocation) = super::parse(&parsed).map_err(|_| wrong())?;
    invocation.words = words.into_iter().map(str::to_owned).collect();
    invocation.resumed = Some(path);
    super::run(command, invocation)
}

/// The weights of a checkpoint, as a value of `--weights`: random ones by name, a file by its hash, wherever weights
/// are looked for.
fn find(name: &str, hash: Option<&str>) -> Option<OsString> {
    if let Ok(WeightSource::Random { .. }) = name.parse() {
        return Some(name.into());
    }
    let found = FoundWeights::find(None).ok().map(|found| found.source);
    let places = [found, Some(WeightSource::File(FoundWeights::in_working_folder().into()))];
    let places = places.into_iter().flatten().filter_map(|source| match source {
        WeightSource::File(path) => Some(path),
        WeightSource::Random { .. } => None,
    });
    // Checkpoints of earlier versions have the path.
    let mut places = places.chain(FoundWeights::in_cache_folder()).chain([PathBuf::from(name)]);
    places.find(|path| record::hash("read", path).ok().as_deref() == hash).map(PathBuf::into_os_string)
}
