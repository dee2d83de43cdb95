//! The styles of a transfer: pictures and folders of pictures, with their shares in the blend.

use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::rate;
use super::error::Error;

/// Names that pictures end in, in a folder.
const PICTURES: [&str; 10] = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp", "gif", "heic", "heif"];

/// Which styles, and how much of each.
#[derive(Args)]
pub(super) struct StyleArguments {
    /// The picture whose style to take; of several the styles are blended. A folder stands for all pictures in it
    #[arg(required = true, value_name = "STYLE")]
    styles: Vec<PathBuf>,

    /// How much of each STYLE, as in 2,1; a folder's part is shared out among its pictures [default: as much of each picture]
    #[arg(long, value_name = "X,Y,…", value_delimiter = ',', value_parser = rate)]
    blend: Vec<f64>,
}

impl StyleArguments {
    /// The paths that were given.
    pub(super) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.styles.iter_mut()
    }

    /// The pictures and the share of each; the shares sum to 1. Tells on standard error, unless `quiet`, which files of a folder are passed over.
    pub(super) fn shares(&self, quiet: bool) -> Result<Vec<(PathBuf, f64)>, Error> {
        if !self.blend.is_empty() && self.blend.len() != self.styles.len() {
            return Err(Error::Usage(format!(
                "--blend has {}, but there {}; give one number for each STYLE, in their order",
                counted(self.blend.len(), "number"),
                if self.styles.len() == 1 { "is 1 STYLE".into() } else { format!("are {} STYLEs", self.styles.len()) },
            )));
        }
        let mut shares = Vec::new();
        for (index, path) in self.styles.iter().enumerate() {
            let pictures = if path.is_dir() { pictures_in(path, quiet)? } else { vec![path.clone()] };
            let each = self.blend.get(index).map_or(1.0, |part| part / pictures.len() as f64);
            shares.extend(pictures.into_iter().map(|picture| (picture, each)));
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        Ok(shares.into_iter().map(|(path, share)| (path, share / sum)).collect())
    }
}

/// The pictures in a folder, in the order of their names.
fn pictures_in(folder: &Path, quiet: bool) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |why| Error::file("read the folder", folder, why);
    let mut files = Vec::new();
    for entry in folder.read_dir().map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden {
            files.push(path);
        }
    }
    files.sort();
    let (pictures, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        extension.is_some_and(|extension| PICTURES.contains(&extension.as_str()))
    });
    if pictures.is_empty() {
        let why = format!("it has no file that ends in .{}", PICTURES.join(", ."));
        return Err(Error::file("take styles from the folder", folder, why));
    }
    if !others.is_empty() && !quiet {
        let names: Vec<_> = others.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy()).collect();
        eprintln!("note: passed over in {}, by their names no pictures: {}", folder.display(), names.join(", "));
    }
    Ok(pictures)
}

/// `1 number`, `2 numbers`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
