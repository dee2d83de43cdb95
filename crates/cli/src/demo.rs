//! `impasto demo`: draws two pictures and repaints one in the style of the other.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use impasto::Picture;
use impasto::picture::{Format, SaveOptions};
use impasto_drawing::demo;

use super::distinct::{Written, ensure_distinct};
use super::error::Error;
use super::print::note;

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
    std::fs::create_dir_all(folder).map_err(|why| Error::file("create the folder", folder, why))?;
    let [content, style, out] = ["content.png", "style.png", "out.png"].map(|name| folder.join(name));
    let written = [&content, &style, &out].map(|path| Written::picture("FOLDER", path));
    ensure_distinct(&written, &[] as &[&Path])?;
    draw(&demo::content(384, 512), &content)?;
    draw(&demo::style(512), &style)?;
    note(format_args!("drew {} and {}", content.display(), style.display()));
    note(format_args!("impasto transfer {} {} -o {}", content.display(), style.display(), out.display()));
    let words =
        ["transfer".into(), content.into_os_string(), style.into_os_string(), "-o".into(), out.into_os_string()];
    let (command, invocation) = super::parse(&words)?;
    super::run(command, invocation)
}

/// Writes a picture unless a different file has its name.
fn draw(picture: &Picture, path: &Path) -> Result<(), Error> {
    let encoded =
        picture.encoded(Format::Png, &SaveOptions::default()).map_err(|why| Error::file("draw", path, why))?;
    match std::fs::read(path) {
        Ok(there) if there == encoded => Ok(()),
        Ok(_) => Err(Error::file("draw", path, "another picture has this name; give another folder")),
        Err(_) => Ok(picture.save(path)?),
    }
}
