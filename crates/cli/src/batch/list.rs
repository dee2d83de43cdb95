//! The list of pictures that a batch makes: from folders, globs and files, or from a CSV.

use std::path::{Path, PathBuf};

use impasto::files::{Clash, first_clash};
use serde_json::Value;

use crate::error::Error;
use crate::settings::{self, Settings};

/// One picture to make.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    /// The picture to repaint.
    pub(super) content: String,
    /// The styles.
    pub(super) styles: Vec<String>,
    /// The picture to write.
    pub(super) output: PathBuf,
    /// Its own options.
    pub(super) settings: Settings,
}

/// Every content with every style; outputs are in `folder` with this extension.
pub(super) fn pairs(
    (contents, styles): (&[String], &[String]),
    folder: &Path,
    extension: &str,
    quiet: bool,
) -> Result<Vec<Job>, Error> {
    let (contents, styles) = (pictures(contents, quiet)?, pictures(styles, quiet)?);
    let job = |content: &String, style: &String| {
        let output = folder.join(named(content, std::slice::from_ref(style), extension));
        Job { content: content.clone(), styles: vec![style.clone()], output, settings: Settings::new() }
    };
    Ok(contents.iter().flat_map(|content| styles.iter().map(move |style| job(content, style))).collect())
}

/// The rows of a CSV with the columns `content`, `style` (one or more), `output`, and options by name. Outputs are
/// relative to `folder` if it is given; without an `output` they are named after content and style.
pub(super) fn rows(path: &Path, folder: Option<&Path>, extension: &str) -> Result<Vec<Job>, Error> {
    let fail = |why: String| Error::Failure(format!("cannot read the jobs in {}: {why}", path.display()));
    let wrong = |why: csv::Error| fail(why.to_string());
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(wrong)?;
    // Spreadsheets put a byte order mark before the text, which the reader removes.
    let columns = reader.headers().map_err(wrong)?.clone();
    for needed in ["content", "style"] {
        if !columns.iter().any(|column| column == needed) {
            return Err(fail(format!("its first line must name the columns, and none is named `{needed}`")));
        }
    }
    let options = columns.iter().filter(|column| !["content", "style", "output"].contains(column));
    settings::words(&options.map(|column| (column.to_owned(), Value::Null)).collect())?;
    let mut jobs = Vec::new();
    for row in reader.records() {
        let row = row.map_err(wrong)?;
        let line = row.position().map_or(0, csv::Position::line);
        let (mut content, mut output, mut styles, mut settings) = (None, None, Vec::new(), Settings::new());
        for (column, cell) in columns.iter().zip(&row).filter(|(_, cell)| !cell.is_empty()) {
            match column {
                "content" => content = Some(cell.to_owned()),
                "output" => output = Some(PathBuf::from(cell)),
                "style" => styles.push(cell.to_owned()),
                _ => drop(settings.insert(column.into(), Value::from(cell))),
            }
        }
        let content = content.ok_or_else(|| fail(format!("line {line} has no content")))?;
        if styles.is_empty() {
            return Err(fail(format!("line {line} has no style")));
        }
        let output = match (output, folder) {
            (Some(output), Some(folder)) => folder.join(output),
            (Some(output), None) => output,
            (None, Some(folder)) => folder.join(named(&content, &styles, extension)),
            (None, None) => {
                return Err(fail(format!("line {line} has no output; name it, or give the folder with --output")));
            }
        };
        jobs.push(Job { content, styles, output, settings });
    }
    Ok(jobs)
}

/// Checks that no two jobs write the same file, and that none writes a file that is `read`.
pub(super) fn check(jobs: &[Job], read: &[PathBuf]) -> Result<(), Error> {
    let written: Vec<&Path> = jobs.iter().map(|job| &*job.output).collect();
    let read: Vec<&Path> = read.iter().map(PathBuf::as_path).collect();
    let name = |job: &Job| format!("{} with {}", job.content, job.styles.join(" and "));
    Err(Error::Usage(match first_clash(&written, &read) {
        None => return Ok(()),
        Some(Clash::Written { written, earlier }) => format!(
            "{} would be written twice: from {} and from {}; name the outputs in a CSV",
            jobs[written].output.display(),
            name(&jobs[earlier]),
            name(&jobs[written])
        ),
        Some(Clash::Read { written, read: other }) => format!(
            "{} is read (as {}) and would be overwritten; give the output another name",
            jobs[written].output.display(),
            read[other].display()
        ),
    }))
}

/// The pictures that files, folders and patterns stand for; those of a folder or pattern are sorted by name.
fn pictures(given: &[String], quiet: bool) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for name in given {
        let path = Path::new(name);
        let before = found.len();
        if path.is_dir() {
            found.extend(crate::pictures::in_folder(path, quiet)?);
        } else if !path.exists() && name.contains(['*', '?', '[']) {
            let matching =
                glob::glob(name).map_err(|why| Error::Usage(format!("`{name}` is not a file pattern: {why}")))?;
            found.extend(matching.flatten().filter(|path| path.is_file()));
        } else {
            found.push(path.into());
        }
        if found.len() == before {
            return Err(Error::Failure(format!("there are no pictures in {name}")));
        }
        found[before..].sort();
    }
    let text = |path: PathBuf| match path.into_os_string().into_string() {
        Ok(text) => Ok(text),
        Err(path) => Err(Error::Failure(format!("the name of {} is not UTF-8; rename it", Path::new(&path).display()))),
    };
    found.into_iter().map(text).collect()
}

/// `photos/a.jpg` and `b.jpg` → `a-b.png`.
fn named(content: &str, styles: &[String], extension: &str) -> String {
    let stem = |path: &String| Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stems: Vec<String> = std::iter::once(&content.to_owned()).chain(styles).map(stem).collect();
    format!("{}.{extension}", stems.join("-"))
}
