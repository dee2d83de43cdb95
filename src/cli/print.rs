//! Everything that is printed goes through here: notes on standard error, results on standard output.
//!
//! A standard stream that is closed or full never ends a run. What does not reach standard error is lost; that a result
//! did not reach standard output is known at the end, and [`finish`] says so.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// Why a result could not be printed, first of all.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line on standard error, if that can be.
pub(super) fn note(line: impl Display) {
    let line = escaped(&line.to_string()) + "\n";
    // There is no other place to say it.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Prints a line on standard output.
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

/// Text in one line in which nothing commands a terminal or deceives a reader: names of files and texts in pictures may
/// hold anything. Line ends, other control characters, and those that reverse the direction of text are written as in
/// Rust, such as `\n` and `\u{1b}`.
pub(super) fn escaped(text: &str) -> String {
    if !text.contains(is_hostile) {
        return text.to_owned();
    }
    let escape = |c: char| if is_hostile(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// Whether a character does something else than to be seen.
fn is_hostile(c: char) -> bool {
    matches!(
        c,
        // Marks, embeddings, overrides and isolates of direction (Unicode Standard Annex 9), and line ends.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // What cannot be seen at all.
        | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    ) || c.is_control()
}

/// A JSON value in one line, which stays the same value: hostile characters stand within strings alone.
pub(super) fn json_line(value: &serde_json::Value) -> String {
    let mut units = [0; 2];
    let mut escape = |c: char| match c {
        _ if is_hostile(c) => c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        _ => c.to_string(),
    };
    value.to_string().chars().map(&mut escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_a_terminal_is_escaped_and_nothing_else() {
        let plain = "Größe 512×384, 日本語 naïve \u{301} 👩\u{200d}🎨 \\ 'q' \"d\"";
        assert_eq!(escaped(plain), plain);
        let cases = [
            ("a\nb\r\tc", r"a\nb\r\tc"),
            ("\u{1b}[31mred", r"\u{1b}[31mred"),
            ("\u{9b}31m\u{7f}\0", r"\u{9b}31m\u{7f}\u{0}"),
            ("\u{202e}gnp.exe\u{2069}", r"\u{202e}gnp.exe\u{2069}"),
            ("x\u{2028}y\u{e0041}", r"x\u{2028}y\u{e0041}"),
        ];
        for (text, expected) in cases {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn json_is_the_same_value_in_harmless_characters() {
        let value = serde_json::json!({"n\u{1b}": ["\u{202e}", "\u{9b}\n", "\u{e0041}", "日本\\u"]});
        let line = json_line(&value);
        assert!(!line.contains(is_hostile), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }
}
