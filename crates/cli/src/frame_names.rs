//! The names of intermediate pictures (`--save-every`), derived from the output's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use impasto::picture::SaveOptions;

/// The names of a run's intermediate pictures.
#[derive(Clone)]
pub(super) struct FrameNames {
    folder: PathBuf,
    stem: OsString,
    extension: OsString,
}

impl FrameNames {
    /// Names beside `output` with its stem and extension: `out.png` → `out-0100.png`, or for one of several runs
    /// `out-cell3-0100.png`. A name without extension gets that of the format; pictures of a stream are named `out` in
    /// the working folder.
    pub(super) fn new(output: &Path, options: &SaveOptions, number: Option<(&str, usize)>) -> Self {
        let output = if is_stream(output) { Path::new("out") } else { output };
        let extension = || options.format_for(output).map_or("png", |format| format.extensions()[0]).into();
        let mut stem = output.file_stem().unwrap_or_default().to_owned();
        if let Some((name, of)) = number {
            stem.push(format!("-{name}{of}"));
        }
        Self {
            folder: output.parent().unwrap_or(Path::new("")).to_owned(),
            stem,
            extension: output.extension().map_or_else(extension, Into::into),
        }
    }

    /// The name of the picture after an iteration.
    pub(super) fn at(&self, iteration: usize) -> PathBuf {
        let mut name = self.stem.clone();
        name.push(format!("-{iteration:04}."));
        name.push(&self.extension);
        self.folder.join(name)
    }
}

/// Whether a path is a stream, beside which no files can be created.
fn is_stream(path: &Path) -> bool {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    path == Path::new("-") || folder.is_some_and(|folder| folder.starts_with("/dev") || folder.starts_with("/proc"))
}

#[cfg(test)]
mod tests {
    use impasto::picture::Format;

    use super::*;

    #[test]
    fn frames_are_named_for_their_picture() {
        let name = |output: &str, format: Option<Format>, number| {
            let options = SaveOptions { format, ..SaveOptions::default() };
            FrameNames::new(Path::new(output), &options, number).at(25).to_string_lossy().into_owned()
        };
        assert_eq!(name("a/out.png", None, None), "a/out-0025.png");
        assert_eq!(name("out.JPG", None, Some(("cell", 3))), "out-cell3-0025.JPG");
        assert_eq!(name("v1.2/out", Some(Format::Png), None), "v1.2/out-0025.png");
        assert_eq!(name(".hidden", Some(Format::Jpeg), None), ".hidden-0025.jpg");
        assert_eq!(name("my.photo", Some(Format::Png), None), "my-0025.photo");
        assert_eq!(name("-", Some(Format::Png), None), "out-0025.png");
        assert_eq!(name("-", Some(Format::Tiff), Some(("repeat", 2))), "out-repeat2-0025.tiff");
        #[cfg(unix)]
        assert_eq!(name("/dev/stdout", Some(Format::WebP), None), "out-0025.webp");
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_unicode_are_kept() {
        use std::os::unix::ffi::OsStrExt;
        let output = std::ffi::OsStr::from_bytes(b"\xff\xfe.png");
        let name = FrameNames::new(Path::new(output), &SaveOptions::default(), None).at(1);
        assert_eq!(name.as_os_str().as_bytes(), b"\xff\xfe-0001.png");
    }
}
