//! A program that computes values and gradients, asked over pipes. docs/gradcheck-protocol.md describes the protocol.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use super::super::interrupt;

/// The longest line that is read, in bytes: some ten million numbers.
const LONGEST: u64 = 1 << 28;

/// The time that a program has to exit after the last question.
const PARTING: Duration = Duration::from_secs(2);

/// A running program that answers questions. Dropping this ends the program and everything that it started: on Unix it
/// has a process group of its own.
pub(super) struct Program {
    command: String,
    child: Child,
    /// `None` after the last question.
    questions: Option<Sender<String>>,
    answers: Receiver<io::Result<String>>,
    timeout: Duration,
}

/// The reason why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The program reported an error, for example because its function is not defined at a point.
    Said(String),
    /// The program ended, did not answer in time, or gave an invalid answer.
    Broken(String),
}

impl Trouble {
    pub(super) fn into_message(self) -> String {
        let (Self::Said(message) | Self::Broken(message)) = self;
        message
    }
}

impl Program {
    /// Starts a program. It inherits standard error.
    pub(super) fn start(command: &str, timeout: Duration) -> Result<Self, String> {
        let words = shlex::split(command).filter(|words| !words.is_empty());
        let words = words.ok_or_else(|| format!("`{command}` is not a command: give a program and its arguments"))?;
        let mut start = Command::new(&words[0]);
        start.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut start, 0);
        let mut child = start.spawn().map_err(|why| format!("cannot start the program `{}`: {why}", words[0]))?;
        end_at_interrupt(&child);
        let mut to = child.stdin.take().expect("piped");
        let from = child.stdout.take().expect("piped");
        // Separate threads, so that a program that neither reads nor answers cannot block this process.
        let (questions, asked) = channel::<String>();
        thread::spawn(move || {
            for question in asked {
                if to.write_all(question.as_bytes()).and_then(|()| to.flush()).is_err() {
                    return;
                }
            }
        });
        let (heard, answers) = channel();
        thread::spawn(move || {
            let mut from = BufReader::new(from);
            loop {
                let mut line = Vec::new();
                let read = from.by_ref().take(LONGEST).read_until(b'\n', &mut line);
                let answer = match read {
                    Ok(0) => return,
                    Ok(_) => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
                    Err(why) => Err(why),
                };
                if heard.send(answer).is_err() {
                    return;
                }
            }
        });
        Ok(Self { command: command.into(), child, questions: Some(questions), answers, timeout })
    }

    /// The answer to one question: the value under `key`.
    pub(super) fn ask(&mut self, question: &Value, key: &str) -> Result<Value, Trouble> {
        let mut answer = self.answer(question, key)?;
        answer.get_mut(key).map(Value::take).ok_or_else(|| {
            let (asked, expected) = (&question["ask"], format!("a line as {{\"{key}\": …}} was expected"));
            let name = self.name();
            Trouble::Broken(format!("{name} answered {asked} with `{}`: {expected}", shortened(&answer.to_string())))
        })
    }

    /// The whole answer to one question, in which `key` is expected.
    pub(super) fn answer(&mut self, question: &Value, key: &str) -> Result<Value, Trouble> {
        let name = self.name();
        let asked = &question["ask"];
        let Some(questions) = &self.questions else {
            return Err(Trouble::Broken(format!("{name} ended before it was asked {asked}")));
        };
        // If the program has ended, reading its answer will show it.
        let _ = questions.send(format!("{question}\n"));
        let answer = self.answers.recv_timeout(self.timeout);
        while INTERRUPTED.load(Ordering::Relaxed) {
            // The handler is about to end this process; do not report a missing answer.
            thread::park();
        }
        let line = match answer {
            Ok(Ok(line)) => line,
            Ok(Err(why)) => return Err(Trouble::Broken(format!("cannot read from {name}: {why}"))),
            Err(RecvTimeoutError::Timeout) => {
                return Err(Trouble::Broken(format!(
                    "{name} did not answer {asked} within {} s; if it needs longer, give --timeout",
                    self.timeout.as_secs_f64()
                )));
            }
            Err(RecvTimeoutError::Disconnected) => {
                let how = self.end().map_or_else(String::new, |status| format!(" ({status})"));
                return Err(Trouble::Broken(format!(
                    "{name} ended{how} before it answered {asked}; what it wrote to standard error stands above"
                )));
            }
        };
        let Some(answer) = parsed(&line) else {
            return Err(Trouble::Broken(format!(
                "{name} answered {asked} with `{}`, which is not JSON: a line as {{\"{key}\": …}} was expected; what it prints \
                 for people belongs on standard error",
                shortened(&line)
            )));
        };
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(Trouble::Said(format!("{name} cannot answer {asked}: {error}"))),
            None => Ok(answer),
        }
    }

    fn name(&self) -> String {
        format!("the program `{}`", self.command)
    }

    /// Waits briefly for the program to exit, and ends it otherwise.
    fn end(&mut self) -> Option<std::process::ExitStatus> {
        self.questions = None;
        let start = Instant::now();
        while start.elapsed() < PARTING {
            if let Ok(Some(status)) = self.child.try_wait() {
                // Processes that it started may still be running.
                kill_group(self.child.id());
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        kill_group(self.child.id());
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

/// Ends a process group and its leader. Does nothing on systems without process groups.
fn kill_group(leader: u32) {
    #[cfg(unix)]
    {
        use nix::sys::signal::{Signal, killpg};
        // The group may be empty already.
        let _ = killpg(nix::unistd::Pid::from_raw(leader as i32), Signal::SIGKILL);
    }
    #[cfg(not(unix))]
    let _ = leader;
}

/// Whether Ctrl-C was pressed.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Lets Ctrl-C end the program too, which the terminal does not do for a group of its own.
fn end_at_interrupt(child: &Child) {
    if cfg!(unix) {
        let leader = child.id();
        // If no handler can be set, the program should exit when its standard input closes.
        let _ = ctrlc::set_handler(move || {
            INTERRUPTED.store(true, Ordering::Relaxed);
            kill_group(leader);
            std::process::exit(i32::from(interrupt::EXIT_CODE));
        });
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

/// The first 60 characters.
fn shortened(line: &str) -> String {
    match line.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.into(),
    }
}

/// A line of JSON, in which NaN and infinities may stand as Python or C write them: they become null, "Infinity" and
/// "-Infinity".
fn parsed(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok().or_else(|| serde_json::from_str(&without_nan(line)).ok())
}

/// The line with `NaN`, `inf`, `-Infinity` and the like outside of strings replaced by what JSON knows.
fn without_nan(line: &str) -> String {
    let (mut result, mut word, mut in_string, mut escaped) = (String::new(), String::new(), false, false);
    for c in line.chars().chain([' ']) {
        if !in_string && (c.is_ascii_alphabetic() || c == '-' || c == '+') {
            word.push(c);
            continue;
        }
        let name = word.trim_start_matches(['-', '+']).to_ascii_lowercase();
        result.push_str(match &name[..] {
            "nan" => "null",
            "inf" | "infinity" if word.starts_with('-') => "\"-Infinity\"",
            "inf" | "infinity" => "\"Infinity\"",
            _ => &word,
        });
        word.clear();
        result.push(c);
        (in_string, escaped) = match c {
            '"' if !escaped => (!in_string, false),
            '\\' => (in_string, !escaped),
            _ => (in_string, false),
        };
    }
    result
}

/// Numbers in nested lists, or one number, as an array; null is NaN.
pub(super) fn array(value: &Value) -> Result<ArrayD<f64>, String> {
    let mut shape = Vec::new();
    let mut first = value;
    while let Value::Array(list) = first {
        shape.push(list.len());
        match list.first() {
            Some(next) => first = next,
            None => break,
        }
    }
    let mut numbers = Vec::with_capacity(shape.iter().product());
    gather(value, &shape, &mut numbers)?;
    Ok(ArrayD::from_shape_vec(IxDyn(&shape), numbers).expect("as many as the shape says"))
}

fn gather(value: &Value, shape: &[usize], numbers: &mut Vec<f64>) -> Result<(), String> {
    match (value, shape) {
        (Value::Array(list), [length, rest @ ..]) if list.len() == *length => {
            list.iter().try_for_each(|value| gather(value, rest, numbers))
        }
        (Value::Number(number), []) => {
            numbers.push(number.as_f64().unwrap_or(f64::NAN));
            Ok(())
        }
        (Value::Null, []) => {
            numbers.push(f64::NAN);
            Ok(())
        }
        (Value::String(word), []) if ["NaN", "Infinity", "-Infinity"].contains(&&word[..]) => {
            numbers.push(word.parse().unwrap_or(f64::NAN));
            Ok(())
        }
        (Value::Array(_), _) => Err("has lists of different lengths in it".into()),
        (other, []) => Err(format!("has {} in it, which is not a number", shortened(&other.to_string()))),
        _ => Err("has numbers beside lists".into()),
    }
}

/// Numbers in nested lists of the given shape, or in one flat list of the same length.
pub(super) fn array_of_shape(value: &Value, shape: &[usize]) -> Result<ArrayD<f64>, String> {
    let array = array(value)?;
    if array.shape() == shape {
        return Ok(array);
    }
    match array.shape() {
        [length] if *length == shape.iter().product::<usize>() => {
            Ok(array.into_shape_with_order(IxDyn(shape)).expect("as many"))
        }
        found => Err(format!("has shape {found:?}, where {shape:?} was expected")),
    }
}

/// An array as nested lists.
pub(super) fn nested(array: &ArrayD<f64>) -> Value {
    fn lists(numbers: &mut dyn Iterator<Item = f64>, shape: &[usize]) -> Value {
        match shape {
            [] => numbers.next().map_or(Value::Null, Value::from),
            [length, rest @ ..] => (0..*length).map(|_| lists(numbers, rest)).collect(),
        }
    }
    lists(&mut array.iter().copied(), array.shape())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nan_and_infinities_are_read_as_others_write_them() {
        let line = r#"{"value": [NaN, -Infinity, -nan, inf, 1e-3], "say": "NaN \" inf", "t": true}"#;
        let value = parsed(line).unwrap();
        assert_eq!(
            value,
            json!({ "value": [null, "-Infinity", null, "Infinity", 1e-3], "say": "NaN \" inf", "t": true })
        );
        let numbers = array(&value["value"]).unwrap();
        assert!(numbers[0].is_nan() && numbers[1] == f64::NEG_INFINITY && numbers[3] == f64::INFINITY);
        assert!(parsed("nonsense").is_none() && parsed("").is_none() && parsed("{\"a\": None}").is_none());
    }

    #[test]
    fn arrays_are_nested_lists_and_back() {
        for value in
            [json!(3.0), json!([1.0, 2.0]), json!([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), json!([[[0.5]]]), json!([])]
        {
            assert_eq!(nested(&array(&value).unwrap()), value);
        }
        assert!(array(&json!([null, 1])).unwrap()[0].is_nan());
        for (value, said) in [
            (json!([[1.0], [2.0, 3.0]]), "lists of different lengths"),
            (json!([[1.0], 2.0]), "numbers beside lists"),
            (json!([1.0, [2.0]]), "lists of different lengths"),
            (json!(["a"]), "\"a\" in it, which is not a number"),
            (json!({}), "{} in it"),
        ] {
            let why = array(&value).unwrap_err();
            assert!(why.contains(said), "{value}: {why}");
        }
    }

    #[test]
    fn one_list_stands_for_any_shape_and_another_shape_does_not() {
        let flat = array_of_shape(&json!([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), &[2, 3]).unwrap();
        assert_eq!((flat.shape(), flat[[1, 0]]), (&[2, 3][..], 4.0));
        let turned = array_of_shape(&json!([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), &[2, 3]).unwrap_err();
        assert_eq!(turned, "has shape [3, 2], where [2, 3] was expected");
        assert!(array_of_shape(&json!([1.0]), &[2]).is_err());
    }
}
