//! Names of files in a job's folder: derived from names that a browser sends, and checked when a record is read.

use std::fs::File;
use std::io;
use std::path::{Component, Path};

use crate::record;

/// The largest length of a stem in bytes. File systems allow names of 255 bytes, and derived names are longer: the
/// output's name has two stems; previews and temporary files have some twenty more bytes.
const LONGEST_STEM: usize = 80;

/// The largest length of an extension in characters.
const LONGEST_END: usize = 8;

/// A safe file name for a name that was sent: keeps letters, digits and `-_.`, replaces others by `_`, and shortens the
/// stem to 80 bytes.
pub(crate) fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    let plain = plain.trim_start_matches(['.', '-']);
    let (stem, end) = plain.rsplit_once('.').unwrap_or((plain, ""));
    let end: String = end.chars().filter(char::is_ascii_alphanumeric).take(LONGEST_END).collect();
    // Windows drops dots at the end of a name.
    let mut stem = shortened(stem).trim_end_matches('.').to_owned();
    let first = stem.split('.').next().unwrap_or_default().to_ascii_lowercase();
    if stem.is_empty() || is_device(&first) {
        stem.insert_str(0, "picture");
    }
    let name = if end.is_empty() { stem } else { format!("{stem}.{end}") };
    // The record's own name is reserved in any case: some file systems ignore case.
    if name.eq_ignore_ascii_case(record::FILE) { format!("picture-{name}") } else { name }
}

/// The longest prefix of whole characters with at most [`LONGEST_STEM`] bytes.
fn shortened(stem: &str) -> &str {
    let mut length = stem.len().min(LONGEST_STEM);
    while !stem.is_char_boundary(length) {
        length -= 1;
    }
    &stem[..length]
}

/// Whether a name up to its first dot is a device on Windows.
fn is_device(name: &str) -> bool {
    let numbered = |kind: &str| name.strip_prefix(kind).is_some_and(|rest| rest.len() == 1 && rest != "0");
    ["con", "prn", "aux", "nul", "conin_", "conout_"].contains(&name) || numbered("com") || numbered("lpt")
}

/// Whether a name is a plain file name, which cannot lead out of a folder.
pub(crate) fn is_plain(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(_)), None))
        && !name.contains(['/', '\\', ':', '\0'])
}

/// A free name for the picture of a content and a style in a job's folder.
pub(crate) fn of_picture(folder: &Path, content: &str, style: &str) -> String {
    let stem = |name| Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (stem, end) = (format!("{}-{}", stem(content), stem(style)), ".png");
    let mut names = candidates(&stem, end);
    // Ask the file system, which may treat differently spelt names as equal.
    names.find(|name| folder.join(name).symlink_metadata().is_err()).expect("names without end")
}

/// Creates a new file under the wanted name or a similar one.
pub(crate) fn create_free(folder: &Path, wanted: &str) -> io::Result<(String, File)> {
    let (stem, end) = wanted.rsplit_once('.').map_or((wanted, String::new()), |(stem, end)| (stem, format!(".{end}")));
    for name in candidates(stem, &end) {
        match File::create_new(folder.join(&name)) {
            Ok(file) => return Ok((name, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("names without end")
}

/// `stem.end`, `stem-2.end`, `stem-3.end`, …
fn candidates(stem: &str, end: &str) -> impl Iterator<Item = String> {
    std::iter::once(format!("{stem}{end}")).chain((2..).map(move |n| format!("{stem}-{n}{end}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_more_than_names() {
        for (name, safe) in [
            ("photo.jpg", "photo.jpg"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\a b.PNG", "a_b.PNG"),
            (".hidden.png", "hidden.png"),
            ("-rf.png", "rf.png"),
            ("", "picture"),
            ("..", "picture"),
            ("/", "picture"),
            ("nul.png", "picturenul.png"),
            ("COM9.tar.png", "pictureCOM9.tar.png"),
            ("com0.png", "com0.png"),
            ("a\0b\n.png", "a_b_.png"),
            ("Öl<script>.jpg", "Öl_script_.jpg"),
            ("x.jp/g", "g"),
            ("job.json", "picture-job.json"),
            ("Job.JSON", "picture-Job.JSON"),
            ("a...png", "a.png"),
            ("\u{202e}gnp.jpg", "_gnp.jpg"),
            ("🦀🦀.png", "__.png"),
        ] {
            assert_eq!(safe_name(name), safe, "{name}");
            assert_eq!(safe_name(safe), safe);
            assert!(is_plain(safe));
        }
        for letter in ["a", "ä", "猫", "𠮷", "🦀", "ك"] {
            let long = safe_name(&format!("{}.jpeg", letter.repeat(500)));
            assert!(
                long.len() <= LONGEST_STEM + 5 && long.rsplit('.').next() == Some("jpeg") && safe_name(&long) == long,
                "{long}"
            );
        }
    }

    #[test]
    fn plain_names_lead_nowhere_else() {
        for name in ["", ".", "..", "/", "a/b", "../a", "a/", "a\\b", "c:a", "a\0"] {
            assert!(!is_plain(name), "{name:?}");
        }
        assert!(is_plain(&"猫".repeat(70)) && is_plain("a b.png") && is_plain(".a"));
    }

    #[test]
    fn a_picture_takes_no_other_files_name() {
        let folder = tempfile::tempdir().unwrap();
        let (name, _) = create_free(folder.path(), "a-b.png").unwrap();
        assert_eq!(name, "a-b.png");
        assert_eq!(create_free(folder.path(), "a-b.png").unwrap().0, "a-b-2.png");
        assert_eq!(of_picture(folder.path(), "a.png", "b.png"), "a-b-3.png");
    }
}
