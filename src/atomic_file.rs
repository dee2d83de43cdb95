//! Files that are either wholly there or not at all.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// The most symbolic links that are followed one after the other, as Linux has it.
const LINKS: usize = 40;

/// Random letters at the end of the name of a file beside its place.
const RANDOM: usize = 8;

/// File systems hold 255 bytes.
const LONGEST_NAME: usize = 200;

/// Writes a file beside its place and renames it when it is complete: whatever goes wrong, the place holds what it
/// held before, or the whole new file. A symbolic link stays, and what it points to is written. What is no plain file
/// (a device, a pipe) is written to as it is.
///
/// # Errors
/// Those of `write` and of the file system. None names the file beside the place.
pub fn write_atomically<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> Result<(), E>,
) -> Result<(), E> {
    let path = &followed(path)?;
    if is_special(path) {
        let file = OpenOptions::new().write(true).open(path)?;
        let mut writer = BufWriter::new(&file);
        write(&mut writer)?;
        return Ok(writer.flush()?);
    }
    let temporary = beside(path)?;
    let mut writer = BufWriter::new(temporary.as_file());
    write(&mut writer)?;
    writer.flush()?;
    drop(writer);
    // Without this, a machine that loses power may have renamed a file whose bytes were not written yet.
    temporary.as_file().sync_all()?;
    if let Ok(old) = path.metadata() {
        temporary.as_file().set_permissions(old.permissions())?;
    }
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Finds out whether [`write_atomically`] can write a file, before a long computation: its folder is there and takes
/// new files, and the file, if it is there, is no folder and not protected. Nothing is left behind, and the file is
/// not touched.
///
/// # Errors
/// What the system says, or why not.
pub fn check_writable(path: &Path) -> io::Result<()> {
    let path = &followed(path)?;
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder; give the name of a file"));
    }
    if is_special(path) {
        // A pipe is not opened: its reader might take that for the end.
        return Ok(());
    }
    let folder = folder(path);
    if !folder.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no folder {}", folder.display())));
    }
    if path.metadata().is_ok_and(|old| old.permissions().readonly()) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is there and protected against writing"));
    }
    beside(path).map(drop)
}

/// Removes what [`write_atomically`] left beside a place when its process was killed. Nobody else must be writing the file.
///
/// # Errors
/// Those of the file system.
pub fn remove_left_behind(path: &Path) -> io::Result<()> {
    let path = &followed(path)?;
    let Some(prefix) = prefix(path).filter(|_| !is_special(path)) else { return Ok(()) };
    for entry in folder(path).read_dir()? {
        let entry = entry?;
        let is_left = entry.file_name().to_str().is_some_and(|name| {
            name.strip_prefix(&prefix)
                .is_some_and(|rest| rest.len() == RANDOM && rest.chars().all(char::is_alphanumeric))
        });
        if is_left && entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// What the name of the file beside a place begins with; `None` if the place's own name is too long to be in it.
fn prefix(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str().filter(|name| name.len() <= LONGEST_NAME)?;
    Some(format!(".impasto-{name}-"))
}

/// Where symbolic links lead to, which need not be there.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match path.read_link() {
            Ok(target) => path = folder(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("its symbolic links lead in a circle"))
}

/// Whether something is there that is neither a file nor a folder.
fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file beside the place, which goes when it is dropped.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    let prefix = prefix(path);
    builder.prefix(prefix.as_deref().unwrap_or(".impasto-")).rand_bytes(RANDOM);
    #[cfg(unix)]
    {
        // As any other new file: readable by whom the user's umask allows.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder(path)).map_err(|error| {
        // The file's own error names it; what the system says is within.
        let system = error.get_ref().and_then(Error::source).and_then(|inner| inner.downcast_ref::<io::Error>());
        match system.and_then(io::Error::raw_os_error) {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::from(error.kind()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_atomically(&path, |file| file.write_all(b"old")).unwrap();
        let failed = write_atomically(&path, |file| {
            file.write_all(b"half of the n")?;
            Err(io::Error::other("the power fails"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "the power fails");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_has_the_permissions_of_any_new_file_or_those_it_had() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write_atomically(&ours, |file| file.write_all(b"x")).unwrap();
        std::fs::write(&plain, b"x").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
        std::fs::set_permissions(&ours, std::fs::Permissions::from_mode(0o640)).unwrap();
        write_atomically(&ours, |file| file.write_all(b"y")).unwrap();
        assert_eq!(mode(&ours) & 0o777, 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_are_followed_even_to_what_is_not_there_yet() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("elsewhere")).unwrap();
        symlink("elsewhere/file", at("link")).unwrap();
        symlink("link", at("link to link")).unwrap();
        check_writable(&at("link to link")).unwrap();
        for text in ["first", "second"] {
            write_atomically(&at("link to link"), |file| file.write_all(text.as_bytes())).unwrap();
            assert_eq!(std::fs::read_to_string(at("elsewhere/file")).unwrap(), text);
        }
        assert!(at("link").is_symlink() && at("link to link").is_symlink());
        assert_eq!(at("elsewhere").read_dir().unwrap().count(), 1);
        symlink("circle", at("circle")).unwrap();
        let error = check_writable(&at("circle")).unwrap_err().to_string();
        assert!(error.contains("in a circle"), "{error}");
    }

    #[test]
    fn what_cannot_be_written_is_known_before_and_names_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let error = check_writable(&at("none/file")).unwrap_err().to_string();
        assert!(error.contains("there is no folder"), "{error}");
        let error = check_writable(folder.path()).unwrap_err().to_string();
        assert!(error.contains("it is a folder"), "{error}");
        check_writable(&at("file")).unwrap();
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        std::fs::write(at("file"), "kept").unwrap();
        let mut protected = at("file").metadata().unwrap().permissions();
        protected.set_readonly(true);
        std::fs::set_permissions(at("file"), protected).unwrap();
        let error = check_writable(&at("file")).unwrap_err().to_string();
        assert!(error.contains("protected"), "{error}");
        assert_eq!(std::fs::read_to_string(at("file")).unwrap(), "kept");
        #[cfg(target_os = "linux")]
        for text in [
            check_writable(Path::new("/proc/impasto.png")).unwrap_err().to_string(),
            write_atomically(Path::new("/proc/impasto.png"), |_| Ok::<_, io::Error>(())).unwrap_err().to_string(),
        ] {
            assert!(!text.contains(".impasto-"), "{text}");
        }
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // A process that is killed does not drop.
        let left = std::mem::ManuallyDrop::new(beside(&at("a.png")).unwrap());
        let other = beside(&at("b.png")).unwrap();
        for name in ["a.png", ".impasto-a.png-short", ".impasto-a.png-abcd.txt", "impasto-a.png-12345678"] {
            std::fs::write(at(name), "kept").unwrap();
        }
        assert!(left.path().exists());
        remove_left_behind(&at("a.png")).unwrap();
        assert!(!left.path().exists() && other.path().exists());
        assert_eq!(folder.path().read_dir().unwrap().count(), 5);
        let long = at(&"x".repeat(250));
        write_atomically(&long, |file| file.write_all(b"x")).unwrap();
        remove_left_behind(&long).unwrap();
        assert!(long.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn devices_are_written_to_as_they_are() {
        write_atomically(Path::new("/dev/null"), |file| file.write_all(b"x")).unwrap();
        let full = write_atomically(Path::new("/dev/full"), |file| file.write_all(b"x")).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        use std::os::unix::fs::FileTypeExt;
        assert!(Path::new("/dev/null").metadata().unwrap().file_type().is_char_device());
    }
}
