//! Everything that is printed goes through here: notes on standard error, results on standard output.
//!
//! A standard stream that is closed or full never ends a run. What does not reach standard error is lost; that a result
//! did not reach standard output is known at the end, and [`finish`] says so.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use impasto::escape::{escaped, is_hostile};

/// Why a result could not be printed, first of all.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line on standard error, if that can be. Names of files and texts in pictures may hold anything: what commands a
/// terminal is escaped.
pub(super) fn note(line: impl Display) {
    let line = escaped(&line.to_string()) + "\n";
    // There is no other place to say it.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Prints a line on standard output, escaped as a note is.
pub(super) fn result(line: impl Display) {
    let line = escaped(&line.to_string()) + "\n";
    // A failure is kept for the end.
    let _ = Results.write_all(line.as_bytes()).and_then(|()| Results.flush());
}

/// Prints lines on standard output, in which a line end is meant as one.
pub(super) fn results(text: &str) {
    text.lines().for_each(result);
}

/// Standard output, for text that holds nothing of a stranger's: colours are taken out where no terminal shows them. It
/// takes everything; whether that arrived, [`finish`] tells.
pub(super) struct Results;

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        kept(|| anstream::stdout().lock().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        kept(|| anstream::stdout().lock().flush());
        Ok(())
    }
}

/// Does something with standard output unless that has failed before, and keeps the failure.
fn kept(attempt: impl FnOnce() -> io::Result<()>) {
    let mut failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner);
    if failure.is_none() {
        *failure = attempt().err();
    }
}

/// The exit code of a command whose work deserves `code`. A reader who has gone (`impasto plan … | head -1`) has seen
/// enough; results that could not be written for another reason are an error.
pub(super) fn finish(code: ExitCode) -> ExitCode {
    let _ = Results.flush();
    let failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner).take();
    match failure.filter(|why| why.kind() != io::ErrorKind::BrokenPipe) {
        Some(why) => {
            note(format_args!("error: cannot write to standard output: {why}"));
            if code == ExitCode::SUCCESS { ExitCode::FAILURE } else { code }
        }
        None => code,
    }
}

/// A JSON value in one line, which stays the same value: hostile characters stand within strings alone.
pub(super) fn json_line(value: &serde_json::Value) -> String {
    let mut units = [0; 2];
    let mut escape = |c: char| match c {
        _ if is_hostile(c) => {
            let units = c.encode_utf16(&mut units).iter();
            units.fold(String::new(), |text, unit| text + &format!("\\u{unit:04x}"))
        }
        _ => c.to_string(),
    };
    value.to_string().chars().map(&mut escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_the_same_value_in_harmless_characters() {
        let value = serde_json::json!({"n\u{1b}": ["\u{202e}", "\u{9b}\n", "\u{e0041}", "日本\\u"]});
        let line = json_line(&value);
        assert!(!line.contains(is_hostile), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }
}
