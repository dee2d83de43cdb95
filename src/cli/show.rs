//! `impasto show`: how a picture was made.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use impasto::picture::Provenance;

use super::error::Error;

/// Tell how a picture was made that impasto wrote
///
/// PNG, JPEG, WebP and TIFF files say it, unless it was left out.
#[derive(Args)]
pub(super) struct Arguments {
    /// The picture
    picture: PathBuf,

    /// Print only the command that makes the picture again, for a shell
    #[arg(long)]
    as_command: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let path = &arguments.picture;
    let Some(made) = Provenance::read(path)? else {
        let why = "it does not say: another program wrote it, or the metadata were left out";
        return Err(Error::file("tell how it was made:", path, why));
    };
    let command = made.as_command();
    let mut lines = vec![command.clone()];
    if !arguments.as_command {
        lines = vec![format!("impasto    {}", made.version), format!("command    {command}")];
        lines.extend(made.weights.iter().map(|weights| format!("weights    {weights}")));
        lines.extend(made.settings.iter().map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{name:<10} {value}")
        }));
    }
    let text = lines.join("\n") + "\n";
    match io::stdout().write_all(text.as_bytes()) {
        // A closed pipe (`impasto show … | head -1`) is no error.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Failure(format!("cannot print: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
