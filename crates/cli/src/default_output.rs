//! Default names of pictures: `photo-in-painting.png` in the working folder, or if that exists,
//! `photo-in-painting-2.png` and so on.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The largest number of bytes taken from an input's name; file systems allow 255 in all.
const LONGEST_STEM: usize = 80;

/// The largest number of styles named in an output's name; of more, only the first and the number are given.
const NAMED_STYLES: usize = 2;

/// A name that was free when it was chosen.
#[derive(Clone)]
pub(super) struct DefaultOutput {
    stem: String,
    extension: &'static str,
    path: PathBuf,
}

impl DefaultOutput {
    /// The first free name.
    pub(super) fn new(stem: String, extension: &'static str) -> Self {
        let names = (1..).map(|number| numbered(&stem, extension, number));
        // A dangling link occupies its name too.
        let free = names.into_iter().find(|path| path.symlink_metadata().is_err());
        Self { path: free.expect("numbers do not end"), stem, extension }
    }

    /// The path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates an empty file under the name, or if another program has taken it meanwhile, under the next free name.
    ///
    /// # Errors
    /// If the file system reports an error.
    pub(super) fn claim(&self) -> io::Result<PathBuf> {
        let names = (1..).map(|number| numbered(&self.stem, self.extension, number));
        let mut claims =
            std::iter::once(self.path.clone()).chain(names).map(|path| File::create_new(&path).map(|_| path));
        claims
            .find(|claim| !matches!(claim, Err(why) if why.kind() == ErrorKind::AlreadyExists))
            .expect("numbers do not end")
    }
}

/// `stem.png`, `stem-2.png`, `stem-3.png`, …
fn numbered(stem: &str, extension: &str, number: u64) -> PathBuf {
    match number {
        1 => format!("{stem}.{extension}").into(),
        _ => format!("{stem}-{number}.{extension}").into(),
    }
}

/// The stem of an input's name: `photo` of `photos/photo.jpg`, and `picture` for standard input.
pub(super) fn stem(path: &Path) -> String {
    // A folder's name has no extension, and `..` has no name.
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    let name = name.filter(|_| path != Path::new("-")).unwrap_or("picture".as_ref()).to_string_lossy();
    let fits = |(start, letter): &(usize, char)| start + letter.len_utf8() <= LONGEST_STEM;
    name.char_indices().take_while(fits).map(|(_, letter)| letter).collect()
}

/// `photo-in-painting`, `photo-in-swirls-and-tiles`, `photo-in-swirls-and-3-others`.
pub(super) fn of_transfer<'a>(content: &Path, styles: impl Iterator<Item = &'a Path>) -> String {
    let styles: Vec<String> = styles.map(stem).collect();
    let styles = match &styles[..] {
        all if all.len() <= NAMED_STYLES => all.join("-and-"),
        all => format!("{}-and-{}-others", all[0], all.len() - 1),
    };
    format!("{}-in-{styles}", stem(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_named_for_those_they_are_made_of() {
        let name = |content: &str, styles: &[&str]| of_transfer(Path::new(content), styles.iter().map(Path::new));
        assert_eq!(name("photos/photo.jpg", &["painting.v2.png"]), "photo-in-painting.v2");
        assert_eq!(name("-", &["/dev/stdin"]), "picture-in-stdin");
        assert_eq!(name("a.png", &["b.png", "c.png"]), "a-in-b-and-c");
        assert_eq!(name("a.png", &["b.png", "c.png", "d.png", "e.png"]), "a-in-b-and-3-others");
        assert_eq!(name("..", &["."]), "picture-in-picture");
        let long = format!("{}.png", "語".repeat(60));
        assert!(name(&long, &[&long]).len() <= 2 * LONGEST_STEM + 4);
    }
}
