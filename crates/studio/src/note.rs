//! Notes to the person who started the studio.

use std::fmt::Display;
use std::io::Write;

use impasto::escape::escaped;

/// Prints a line on standard error, in which what commands a terminal is escaped. A note that cannot be printed is lost.
pub(crate) fn note(line: impl Display) {
    let line = escaped(&line.to_string()) + "\n";
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}
