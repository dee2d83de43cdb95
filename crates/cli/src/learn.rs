//! `impasto learn`: where the book is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::error::Error;
use super::print::result;

/// Where packages keep the book, from the folder of the command.
const INSTALLED: [&str; 2] = ["../share/doc/impasto/book/index.html", "book/index.html"];

/// Where the source has the book, from its root: as pages made by mdBook, and as text.
const SOURCE: [&str; 2] = ["target/book/html/index.html", "docs/book/src/SUMMARY.md"];

/// Print where the book is: from a tape to a painting, in twelve chapters
///
/// Open the file in a browser, or read the text in the source's folder docs/book.
#[derive(Args)]
pub(super) struct Arguments {}

pub(super) fn run(_: &Arguments) -> Result<ExitCode, Error> {
    let command = std::env::current_exe().and_then(|path| path.canonicalize());
    let Some(book) = command.ok().as_deref().and_then(book) else {
        let why = "the book is not installed beside this command; it is the folder docs/book of impasto's source, \
                   and `mdbook build docs/book` makes its pages";
        return Err(Error::Failure(why.into()));
    };
    result(book.display());
    Ok(ExitCode::SUCCESS)
}

/// The book that belongs to a command: the one installed with it, or that of the source it was built from.
fn book(command: &Path) -> Option<PathBuf> {
    let installed = command.parent().into_iter().flat_map(|folder| INSTALLED.map(|book| folder.join(book)));
    let source = command.ancestors().skip(1).filter(|folder| folder.join(SOURCE[1]).is_file());
    let source = source.flat_map(|root| SOURCE.map(|book| root.join(book)));
    let found = installed.chain(source).find(|book| book.is_file())?;
    Some(found.canonicalize().unwrap_or(found))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Makes an empty file.
    fn file(path: PathBuf) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        path.canonicalize().unwrap()
    }

    #[test]
    fn an_installed_command_has_its_book_beside_it() {
        for (bin, installed) in [("bin", "share/doc/impasto/book/index.html"), ("", "book/index.html")] {
            let folder = tempfile::tempdir().unwrap();
            let command = file(folder.path().join(bin).join("impasto"));
            assert_eq!(book(&command), None);
            let installed = file(folder.path().join(installed));
            assert_eq!(book(&command), Some(installed));
        }
    }

    #[test]
    fn a_command_that_was_just_built_has_the_book_of_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let command = file(folder.path().join("target/release/impasto"));
        let text = file(folder.path().join("docs/book/src/SUMMARY.md"));
        assert_eq!(book(&command), Some(text));
        let pages = file(folder.path().join("target/book/html/index.html"));
        assert_eq!(book(&command), Some(pages));
    }

    #[test]
    fn no_other_folder_named_book_is_taken_for_the_source() {
        let folder = tempfile::tempdir().unwrap();
        let command = file(folder.path().join("target/release/impasto"));
        file(folder.path().join("target/book/html/index.html"));
        assert_eq!(book(&command), None);
    }
}
