//! The styles of a transfer: pictures and folders of pictures, with their shares in the blend.

use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::rate;
use super::error::Error;
use super::pictures;

/// The styles and their parts.
#[derive(Args)]
pub(super) struct StyleArguments {
    /// The painting; several are blended. A folder stands for its pictures
    #[arg(required = true, value_name = "STYLE")]
    styles: Vec<PathBuf>,

    /// Parts of several styles, as in 2,1 [default: equal parts]
    ///
    /// A folder's part is divided among its pictures.
    #[arg(long, value_name = "X,Y,…", value_delimiter = ',', value_parser = rate)]
    blend: Vec<f64>,
}

impl StyleArguments {
    /// The given paths, mutable.
    pub(super) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.styles.iter_mut()
    }

    /// The given paths.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.styles.iter().map(PathBuf::as_path)
    }

    /// The pictures and the share of each; the shares sum to 1. Reports skipped files of folders on standard error,
    /// unless `quiet`.
    pub(super) fn shares(&self, quiet: bool) -> Result<Vec<(PathBuf, f64)>, Error> {
        if !self.blend.is_empty() && self.blend.len() != self.styles.len() {
            return Err(Error::Usage(format!(
                "--blend has {}, but there {}; give one number for each STYLE, in the same order",
                counted(self.blend.len(), "number"),
                if self.styles.len() == 1 { "is 1 STYLE".into() } else { format!("are {} STYLEs", self.styles.len()) },
            )));
        }
        let mut shares = Vec::new();
        for (index, path) in self.styles.iter().enumerate() {
            let pictures = if path.is_dir() { pictures::in_folder(path, quiet)? } else { vec![path.clone()] };
            let each = self.blend.get(index).map_or(1.0, |part| part / pictures.len() as f64);
            shares.extend(pictures.into_iter().map(|picture| (picture, each)));
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        Ok(shares.into_iter().map(|(path, share)| (path, share / sum)).collect())
    }
}

/// `1 number`, `2 numbers`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
