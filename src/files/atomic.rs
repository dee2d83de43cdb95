//! Atomic writes: a file is complete or unchanged.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// The largest number of symbolic links followed in a row, as in Linux.
const LINKS: usize = 40;

/// The number of random letters at the end of a temporary file's name.
const RANDOM: usize = 8;

/// File systems allow 255 bytes.
const LONGEST_NAME: usize = 200;

/// Writes a temporary file beside `path` and renames it when it is complete: whatever goes wrong, `path` holds either
/// the old file or the complete new one. A symbolic link stays, and its target is written.
///
/// A file that cannot be replaced this way, such as a mount point or a file in a protected folder, is first completed
/// elsewhere and then written in place. Devices, pipes and open descriptors such as `/dev/stdout` are written directly.
///
/// # Errors
/// Errors of `write` and of the file system. None of them names the temporary file.
pub fn write_atomically<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> Result<(), E>,
) -> Result<(), E> {
    if is_stream(path) {
        // Keep what the descriptor's file already contains.
        let file = OpenOptions::new().append(true).open(path)?;
        let mut writer = BufWriter::new(&file);
        write(&mut writer)?;
        return Ok(writer.flush()?);
    }
    let path = &followed(path)?;
    let (temporary, is_beside) = match beside(path) {
        Ok(temporary) => (temporary, true),
        Err(why) if path.is_file() => (NamedTempFile::new().map_err(|_| why)?, false),
        Err(why) => return Err(why.into()),
    };
    let mut writer = BufWriter::new(temporary.as_file());
    write(&mut writer)?;
    writer.flush()?;
    drop(writer);
    if !is_beside {
        return Ok(write_in_place(path, temporary.path())?);
    }
    // Without this, a machine that loses power may have renamed a file whose bytes were not written yet.
    temporary.as_file().sync_all()?;
    if let Ok(old) = path.metadata() {
        temporary.as_file().set_permissions(old.permissions())?;
    }
    match temporary.persist(path) {
        Ok(_) => Ok(()),
        Err(refused) if path.is_file() => Ok(write_in_place(path, refused.file.path()).map_err(|_| refused.error)?),
        Err(refused) => Err(refused.error.into()),
    }
}

/// Copies the bytes of `complete` into an existing file. If that fails, restores the old bytes.
fn write_in_place(path: &Path, complete: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let old = fs::read(path);
    let mut fill = |bytes: &[u8]| {
        file.rewind()?;
        file.write_all(bytes)?;
        file.set_len(bytes.len() as u64)?;
        file.sync_all()
    };
    fill(&fs::read(complete)?).inspect_err(|_| {
        if let Ok(old) = old {
            let _ = fill(&old);
        }
    })
}

/// Checks before a long computation whether [`write_atomically`] can write a file: its folder accepts new files, or the
/// file exists and can be written. Folders and protected files are refused. Leaves nothing behind and does not touch
/// the file.
///
/// # Errors
/// The system's error, or the reason.
pub fn check_writable(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder; give the name of a file"));
    }
    if is_stream(path) {
        // Do not open a pipe: its reader might see the end of the data.
        return Ok(());
    }
    let path = &followed(path)?;
    let folder = folder(path);
    if !folder.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no folder {}", folder.display())));
    }
    let Ok(old) = path.metadata() else { return beside(path).map(drop) };
    if old.permissions().readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it exists and is write-protected"));
    }
    // If it can be opened, it can at least be written in place.
    let Err(why) = OpenOptions::new().write(true).open(path) else { return Ok(()) };
    let replaceable = why.kind() == io::ErrorKind::PermissionDenied && !is_restricted(folder) && !is_immutable(&why);
    if replaceable || why.kind() == io::ErrorKind::ExecutableFileBusy { beside(path).map(drop) } else { Err(why) }
}

/// Whether only the owner of a file in a folder can replace it.
fn is_restricted(folder: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        const STICKY: u32 = 0o1000;
        folder.metadata().is_ok_and(|folder| folder.permissions().mode() & STICKY != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        false
    }
}

/// Whether a file is immutable, so that even its owner cannot replace it.
fn is_immutable(why: &io::Error) -> bool {
    const EPERM: i32 = 1;
    cfg!(unix) && why.raw_os_error() == Some(EPERM)
}

/// Removes temporary files that a killed [`write_atomically`] left beside `path`. No other process may be writing the
/// file.
///
/// # Errors
/// If the file system reports an error.
pub fn remove_left_behind(path: &Path) -> io::Result<()> {
    if is_stream(path) {
        return Ok(());
    }
    let path = &followed(path)?;
    let Some(prefix) = prefix(path) else { return Ok(()) };
    for entry in folder(path).read_dir()? {
        let entry = entry?;
        let is_left = entry.file_name().to_str().is_some_and(|name| {
            name.strip_prefix(&prefix)
                .is_some_and(|rest| rest.len() == RANDOM && rest.chars().all(char::is_alphanumeric))
        });
        if is_left && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The prefix of the temporary file's name; `None` if the file's own name is too long to be part of it.
fn prefix(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str().filter(|name| name.len() <= LONGEST_NAME)?;
    Some(format!(".impasto-{name}-"))
}

/// The target of symbolic links, which need not exist.
pub(super) fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match path.read_link() {
            Ok(target) => path = folder(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("its symbolic links form a circle"))
}

/// Whether a path is written directly: a device, a pipe, or an open descriptor of any kind.
fn is_stream(path: &Path) -> bool {
    is_special(path) || path.exists() && is_descriptor(path)
}

/// Whether a path uses the links in `/proc` to a process's open files.
fn is_descriptor(path: &Path) -> bool {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        if folder(&path).canonicalize().is_ok_and(|folder| folder.starts_with("/proc") && folder.ends_with("fd")) {
            return true;
        }
        match path.read_link() {
            Ok(target) => path = folder(&path).join(target),
            Err(_) => return false,
        }
    }
    false
}

/// Whether a path exists but is neither a file nor a folder.
pub(super) fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new temporary file beside `path`, deleted when dropped.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    let prefix = prefix(path);
    builder.prefix(prefix.as_deref().unwrap_or(".impasto-")).rand_bytes(RANDOM);
    #[cfg(unix)]
    {
        // Readable as the user's umask allows, like any other new file.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder(path)).map_err(|error| {
        // The outer error names the temporary file; use the system's error inside.
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
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_has_the_permissions_of_any_new_file_or_those_it_had() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write_atomically(&ours, |file| file.write_all(b"x")).unwrap();
        fs::write(&plain, b"x").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o640)).unwrap();
        write_atomically(&ours, |file| file.write_all(b"y")).unwrap();
        assert_eq!(mode(&ours) & 0o777, 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_are_followed_even_to_what_is_not_there_yet() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("elsewhere")).unwrap();
        symlink("elsewhere/file", at("link")).unwrap();
        symlink("link", at("link to link")).unwrap();
        check_writable(&at("link to link")).unwrap();
        for text in ["first", "second"] {
            write_atomically(&at("link to link"), |file| file.write_all(text.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(at("elsewhere/file")).unwrap(), text);
        }
        assert!(at("link").is_symlink() && at("link to link").is_symlink());
        assert_eq!(at("elsewhere").read_dir().unwrap().count(), 1);
        symlink("circle", at("circle")).unwrap();
        let error = check_writable(&at("circle")).unwrap_err().to_string();
        assert!(error.contains("form a circle"), "{error}");
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
        fs::write(at("file"), "kept").unwrap();
        let mut protected = at("file").metadata().unwrap().permissions();
        protected.set_readonly(true);
        fs::set_permissions(at("file"), protected).unwrap();
        let error = check_writable(&at("file")).unwrap_err().to_string();
        assert!(error.contains("protected"), "{error}");
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "kept");
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
            fs::write(at(name), "kept").unwrap();
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
    fn an_open_descriptor_is_written_after_what_it_has() {
        use std::os::fd::AsRawFd;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"head ").unwrap();
        let descriptor = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        check_writable(&descriptor).unwrap();
        write_atomically(&descriptor, |file| file.write_all(b"and rest")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"head and rest");
        let (mut reader, writer) = io::pipe().unwrap();
        let pipe = PathBuf::from(format!("/dev/fd/{}", writer.as_raw_fd()));
        check_writable(&pipe).unwrap();
        write_atomically(&pipe, |file| file.write_all(b"through")).unwrap();
        drop(writer);
        let mut read = String::new();
        io::Read::read_to_string(&mut reader, &mut read).unwrap();
        assert_eq!(read, "through");
    }

    #[test]
    fn a_file_written_in_place_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let [place, complete] = ["place", "complete"].map(|name| folder.path().join(name));
        for (old, new) in [("a longer one", "short"), ("short", "a longer one")] {
            fs::write(&place, old).unwrap();
            fs::write(&complete, new).unwrap();
            let link = folder.path().join("same file");
            fs::hard_link(&place, &link).unwrap();
            write_in_place(&place, &complete).unwrap();
            assert_eq!(fs::read_to_string(&link).unwrap(), new);
            fs::remove_file(link).unwrap();
        }
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
