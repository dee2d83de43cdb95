//! Saves a finished picture elsewhere if it cannot be written to its path.

use std::path::{Path, PathBuf};

use impasto::Picture;
use impasto::picture::{Format, PictureError, SaveOptions};

use super::error::Error;

/// Writes a picture. If that fails, writes it under another name in the same folder or into the temporary folder, and
/// the error says where it is.
pub(super) fn save(picture: &Picture, output: &Path, options: &SaveOptions) -> Result<(), Error> {
    let Err(why) = picture.save_with(output, options) else { return Ok(()) };
    if !matches!(why, PictureError::Write { .. }) {
        return Err(why.into());
    }
    Err(Error::Failure(match kept(picture, output, options) {
        Some(place) => format!("{why}; the picture is in {}", place.display()),
        None => why.to_string(),
    }))
}

/// Writes a picture to the first possible place, in the requested format and with metadata, or as a plain PNG.
fn kept(picture: &Picture, output: &Path, options: &SaveOptions) -> Option<PathBuf> {
    let plain = SaveOptions { format: Some(Format::Png), no_metadata: true, srgb: true, ..SaveOptions::default() };
    let asked = options.format_for(output).ok().map(|format| SaveOptions { format: Some(format), ..options.clone() });
    let places = [beside(output), Some(std::env::temp_dir())];
    let attempts =
        asked.iter().chain([&plain]).flat_map(|options| places.iter().flatten().map(move |at| (at, options)));
    attempts.into_iter().find_map(|(folder, options)| attempt(picture, output, folder, options))
}

/// The folder of an output that is a file.
fn beside(output: &Path) -> Option<PathBuf> {
    let is_stream = output == Path::new("-") || output.exists() && !output.is_file();
    let folder = output.parent().filter(|_| !is_stream)?;
    Some(if folder.as_os_str().is_empty() { ".".into() } else { folder.into() })
}

/// Writes a picture into a folder under a free name, and returns its path.
fn attempt(picture: &Picture, output: &Path, folder: &Path, options: &SaveOptions) -> Option<PathBuf> {
    let stem = output.file_stem().filter(|_| output != Path::new("-")).unwrap_or("impasto".as_ref());
    let mut prefix = stem.to_owned();
    prefix.push("-");
    let extension = format!(".{}", options.format?.extensions()[0]);
    let place = tempfile::Builder::new().prefix(&prefix).suffix(&extension).tempfile_in(folder).ok()?.into_temp_path();
    picture.save_with(&place, options).ok()?;
    place.keep().ok()
}
