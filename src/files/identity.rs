//! The identity of files, which reveals whether a file to write is one that is read.
//!
//! All spellings of a file are equal: relative and absolute, through hard or symbolic links, and in another case or
//! Unicode normal form if the file system treats those as the same.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata, OpenOptions};
use std::path::{Component, Path, PathBuf};

use super::atomic::{followed, is_special};

/// The system's identity of an existing file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key(#[cfg(unix)] (u64, u64), #[cfg(not(unix))] PathBuf);

/// The file that a path leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Identity {
    /// An existing file.
    Existing(Key),
    /// A new file: the innermost existing folder, and the names below it.
    New(Key, PathBuf),
}

/// A file that would be overwritten, by its index in the lists given to [`first_clash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// A file to write is one that is read.
    Read {
        /// The index of the file to write.
        written: usize,
        /// The index of the file that is read.
        read: usize,
    },
    /// A file would be written twice.
    Written {
        /// The index of the file to write.
        written: usize,
        /// The index of an earlier file to write.
        earlier: usize,
    },
}

/// The first of the `written` paths that leads to the same file as an earlier one, or as one of those `read`.
///
/// Existing files are compared by device and inode (on other systems than Unix, by canonical path), new files by folder
/// and name. To find out whether a folder treats two names as the same, for example in another case, files of these
/// names are created in a temporary folder within it. Devices, pipes and `-` never clash: nothing in them is lost.
pub fn first_clash(written: &[&Path], read: &[&Path]) -> Option<Clash> {
    let known: HashMap<Identity, usize> =
        read.iter().enumerate().rev().filter_map(|(index, path)| Some((identity(path)?, index))).collect();
    let identities: Vec<Option<Identity>> = written.iter().map(|path| identity(path)).collect();
    let identities = unified(written, identities);
    let mut seen = HashMap::new();
    for (written, identity) in identities.into_iter().enumerate() {
        let Some(identity) = identity else { continue };
        if let Some(&read) = known.get(&identity) {
            return Some(Clash::Read { written, read });
        }
        if let Some(&earlier) = seen.get(&identity) {
            return Some(Clash::Written { written, earlier });
        }
        seen.insert(identity, written);
    }
    None
}

/// Whether two paths lead to the same existing or new file; see [`first_clash`].
#[cfg(test)]
fn same_file(one: &Path, other: &Path) -> bool {
    first_clash(&[one, other], &[]).is_some()
}

/// The file that a path leads to; `None` if it is neither a file nor a folder, or if the path is invalid.
fn identity(path: &Path) -> Option<Identity> {
    if path == Path::new("-") || is_special(path) {
        return None;
    }
    if let Ok(there) = path.metadata() {
        return Some(Identity::Existing(key(path, &there)?));
    }
    // A link may lead to a file that does not exist yet.
    let path = std::path::absolute(followed(path).ok()?).ok()?;
    // Folders that do not exist contain no links, so `..` removes the name before it.
    let (folder, there) = path.ancestors().skip(1).find_map(|folder| Some((folder, folder.metadata().ok()?)))?;
    let names = path.strip_prefix(folder).ok()?;
    if !names.components().any(|name| name == Component::ParentDir) {
        return Some(Identity::New(key(folder, &there)?, names.into()));
    }
    let mut kept = PathBuf::new();
    for name in names {
        if name != ".." {
            kept.push(name);
        } else if !kept.pop() {
            return None;
        }
    }
    identity(&folder.join(kept))
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there may be none")]
fn key(_: &Path, there: &Metadata) -> Option<Key> {
    use std::os::unix::fs::MetadataExt;
    Some(Key((there.dev(), there.ino())))
}

#[cfg(not(unix))]
fn key(path: &Path, _: &Metadata) -> Option<Key> {
    path.canonicalize().ok().map(Key)
}

/// Unifies the identities of new files whose names the file system treats as the same.
fn unified(paths: &[&Path], mut identities: Vec<Option<Identity>>) -> Vec<Option<Identity>> {
    let mut alike: HashMap<(Key, OsString), Vec<usize>> = HashMap::new();
    for (index, identity) in identities.iter().enumerate() {
        if let Some(Identity::New(folder, names)) = identity {
            alike.entry((folder.clone(), folded(names.as_os_str()))).or_default().push(index);
        }
    }
    for indices in alike.into_values() {
        let mut names: Vec<&PathBuf> = Vec::new();
        for &index in &indices {
            if let Some(Identity::New(_, name)) = &identities[index]
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        if names.len() < 2 {
            continue;
        }
        let Some(first) = folder_of(paths[indices[0]]).and_then(|folder| as_one(&folder, &names)) else { continue };
        let first: HashMap<PathBuf, PathBuf> = names.into_iter().cloned().zip(first).collect();
        for index in indices {
            if let Some(Identity::New(_, name)) = &mut identities[index] {
                name.clone_from(&first[name]);
            }
        }
    }
    identities
}

/// The innermost existing folder of a path.
fn folder_of(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(followed(path).ok()?).ok()?;
    path.ancestors().skip(1).find(|folder| folder.is_dir()).map(Path::to_owned)
}

/// For each name within a folder, the first one that the file system treats as the same; `None` if no files can be
/// created in the folder to find out.
fn as_one(folder: &Path, names: &[&PathBuf]) -> Option<Vec<PathBuf>> {
    let place = tempfile::Builder::new().prefix(".impasto-").tempdir_in(folder).ok()?;
    let mut made: Vec<(Identity, &PathBuf)> = Vec::new();
    let mut first = Vec::new();
    for name in names {
        let path = place.path().join(name);
        path.parent().map(fs::create_dir_all)?.ok()?;
        let _ = OpenOptions::new().write(true).create_new(true).open(&path);
        let here = identity(&path)?;
        let same = made.iter().find(|(known, _)| *known == here).map_or(*name, |(_, name)| name);
        first.push(same.clone());
        made.push((here, name));
    }
    Some(first)
}

/// A key that is equal for names that a file system might treat as the same: their ASCII letters and digits in lower
/// case.
fn folded(name: &OsStr) -> OsString {
    let name = name.to_string_lossy().to_lowercase();
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().into()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_spelling_of_a_file_is_that_file_whether_it_is_there_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        symlink(at("a"), at("linked")).unwrap();
        symlink("b/../new.png", at("a/dangling.png")).unwrap();
        let spellings = ["a/new.png", "a/./new.png", "a/b/../new.png", "linked/new.png", "none/../a/new.png"];
        let others = ["a/b/new.png", "new.png", "a/other.png", "a/new.jpg", "a"];
        for is_there in [false, true] {
            for one in spellings.iter().chain(&["a/dangling.png"]) {
                for other in spellings {
                    // There is no folder `none`, through which the system would find what is there.
                    if !(is_there && [one, &other].iter().any(|name| name.starts_with("none"))) {
                        assert!(same_file(&at(one), &at(other)), "{one} {other}");
                    }
                }
                for other in others {
                    assert!(!same_file(&at(one), &at(other)), "{one} {other}");
                }
            }
            fs::write(at("a/new.png"), "x").unwrap();
        }
        fs::hard_link(at("a/new.png"), at("hard.png")).unwrap();
        assert!(same_file(&at("hard.png"), &at("linked/dangling.png")));
        assert!(
            !same_file(Path::new("/dev/null"), Path::new("/dev/null")) && !same_file(Path::new("-"), Path::new("-"))
        );
    }

    #[test]
    fn a_path_from_the_working_folder_is_the_same_as_from_the_root() {
        let here = std::env::current_dir().unwrap();
        assert!(same_file(Path::new("Cargo.toml"), &here.join("src/../Cargo.toml")));
        assert!(same_file(Path::new("not there.png"), &here.join("./not there.png")));
    }

    #[test]
    fn the_first_clash_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
        fs::write(&a, "x").unwrap();
        assert_eq!(first_clash(&[&b, &c], &[&a]), None);
        assert_eq!(first_clash(&[&b, &a], &[&c, &a]), Some(Clash::Read { written: 1, read: 1 }));
        assert_eq!(first_clash(&[&b, &c, &b], &[&a]), Some(Clash::Written { written: 2, earlier: 0 }));
    }

    #[test]
    fn capitals_are_told_apart_exactly_where_the_file_system_does() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("PROBE"), "x").unwrap();
        assert_eq!(same_file(&at("Out.png"), &at("out.PNG")), at("probe").exists());
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "nothing is left behind");
    }
}
