//! Everything that is printed goes through here: notes on standard error, results on standard output.
//!
//! A closed or full standard stream never ends a run. Failures to write to standard error are ignored; [`finish`]
//! reports those to write to standard output at the end.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use impasto::escape::{escaped, is_hostile};

/// The first failure to print a result.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line on standard error if possible. Control characters are escaped, since file names and texts in pictures
/// may hold anything.
pub(super) fn note(line: impl Display) {
    let line = escaped(&line.to_string()) + "\n";
    // There is no other place to report a failure.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Prints a line on standard output, escaped as a note is.
pub(super) fn result(line: impl Display) {
    let line = escaped(&line.to_string()) + "\n";
    // `finish` reports a failure.
    let _ = Results.write_all(line.as_bytes()).and_then(|()| Results.flush());
}

/// Prints text with several lines on standard output, escaped except for line ends.
pub(super) fn results(text: &str) {
    text.lines().for_each(result);
}

/// Standard output for text that needs no escaping; colours are removed if no terminal shows them. Writing always
/// succeeds; [`finish`] reports failures.
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

/// Attempts to print unless that has failed before, and keeps the first failure.
fn kept(attempt: impl FnOnce() -> io::Result<()>) {
    let mut failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner);
    if failure.is_none() {
        *failure = attempt().err();
    }
}

/// The exit code of a command whose work ended with `code`. A closed pipe (`impasto plan … | head -1`) is not an error;
/// any other failure to print results is.
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

/// A JSON value on one line, with the escapes of JSON: control characters can occur only in strings.
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
