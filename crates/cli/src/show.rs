//! `impasto show`: shows how a picture was made.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use impasto::escape::escaped;
use impasto::picture::Provenance;
use serde_json::Value;

use super::error::Error;
use super::print::result;

/// Show how a picture was made
///
/// impasto records this in PNG, JPEG, WebP and TIFF files, unless --no-metadata left it out.
#[derive(Args)]
pub(super) struct Arguments {
    /// The picture
    picture: PathBuf,

    /// Print only the shell command that makes the picture again
    #[arg(long)]
    as_command: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let path = &arguments.picture;
    let Some(made) = Provenance::read(path)? else {
        let why = "it holds none; another program wrote it, or --no-metadata left it out";
        return Err(Error::file("read the record of", path, why));
    };
    let lines = if arguments.as_command { vec![made.as_command()] } else { told(&made) };
    lines.iter().for_each(result);
    Ok(ExitCode::SUCCESS)
}

/// A picture's record, with a name and a value on each line.
fn told(made: &Provenance) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut all = vec![("impasto", made.version.clone()), ("command", made.as_command())];
    let source = made.settings.get("weights").map(text);
    all.extend(match (made.weights.clone(), source) {
        (Some(hash), Some(source)) if hash != source => Some(("weights", format!("{hash} ({source})"))),
        (hash, source) => hash.or(source).map(|either| ("weights", either)),
    });
    let others = made.settings.iter().filter(|(name, _)| *name != "weights");
    all.extend(others.map(|(name, value)| (name.as_str(), text(value))));
    let all: Vec<_> = all.into_iter().map(|(name, value)| (escaped(name), value)).collect();
    let width = all.iter().map(|(name, _)| name.chars().count()).fold(10, usize::max);
    all.into_iter().map(|(name, value)| format!("{name:<width$} {value}")).collect()
}
