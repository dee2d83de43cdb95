//! `impasto demo`: two drawn pictures, and one repainted in the style of the other.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use impasto_drawing::demo;

use super::error::Error;

/// Draw two pictures and repaint one in the style of the other
///
/// Writes content.png, style.png and out.png into FOLDER, and prints the command that makes out.png.
#[derive(Args)]
pub(super) struct Arguments {
    /// The folder to write to, created if missing
    #[arg(default_value = "demo")]
    folder: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).map_err(|why| Error::file("make the folder", folder, why))?;
    let [content, style, out] = ["content.png", "style.png", "out.png"].map(|name| folder.join(name));
    demo::content(384, 512).save(&content)?;
    demo::style(512).save(&style)?;
    eprintln!("drew {} and {}", content.display(), style.display());
    eprintln!("impasto transfer {} {} -o {}", content.display(), style.display(), out.display());
    let words =
        ["transfer".into(), content.into_os_string(), style.into_os_string(), "-o".into(), out.into_os_string()];
    let (command, invocation) = super::parse(&words)?;
    super::run(command, &invocation)
}
