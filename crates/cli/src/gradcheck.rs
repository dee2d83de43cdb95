//! `impasto gradcheck`: checks gradients of impasto's operations, or of a program in any language, by finite
//! differences.

mod exec;
mod explain;
mod list;
mod program;
mod structure;
mod subject;
mod taylor;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::styling::{AnsiColor, Style};
use impasto::gradcheck::{Entry, Failure, Place, Report, Verdict};
use serde_json::{Value, json};

use super::address_space;
use super::error::Error;

/// Check gradients of all operations and objectives, or of your own program, by finite differences
///
/// --exec starts a program and asks it over pipes, with one line of JSON for each question and answer:
/// docs/gradcheck-protocol.md describes the protocol, examples/gradcheck has programs in Python, C and R. The exit code is 0
/// if every gradient is right; 1 if one is wrong; 2 for wrong usage; 3 if nothing is wrong but something cannot be decided,
/// at a kink or because values are rounded too coarsely; 4 if the program broke.
#[derive(Args)]
pub(super) struct Arguments {
    /// Operations and objectives to check, as in `conv2d relu` or `style_transfer` [default: all]
    #[arg(value_name = "OP", conflicts_with = "exec")]
    operations: Vec<String>,

    /// Seed of random inputs and directions
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Show the order of the Taylor remainder: 2 for a right gradient, 1 for a wrong one
    ///
    /// |f(x + hv) − f(x) − h⟨gradient, v⟩| shrinks as h² along a random direction v if the gradient is right, and as h if it
    /// is wrong: a verdict that needs no tolerance, with a few evaluations for each input. It does not see errors below
    /// about 1e-6 of the slope, nor which element is wrong. Of operations that are named, and of a program, a table shows h,
    /// the remainder and the order at each step.
    #[arg(long, conflicts_with_all = ["rtol", "atol", "eps", "directions", "every_element", "explain", "picture"])]
    taylor: bool,

    /// Print JSON instead of a table: an array with an object for each case, or one object for a program
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    program: ProgramArguments,
}

/// Options for checking a program.
#[derive(Args)]
#[command(next_help_heading = "A program's gradient")]
struct ProgramArguments {
    /// Check the gradient that a program computes, as in `--exec "python my_loss.py"`
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,

    /// Time limit for each answer of the program
    #[arg(long, value_name = "SECONDS", requires = "exec", default_value_t = 60.0, value_parser = seconds)]
    timeout: f64,

    /// Allowed relative error [default: 1e-8]
    #[arg(long, value_name = "ERROR", requires = "exec", value_parser = error)]
    rtol: Option<f64>,

    /// Absolute error allowed in any case [default: 0]
    #[arg(long, value_name = "ERROR", requires = "exec", value_parser = positive)]
    atol: Option<f64>,

    /// First step of the finite differences [default: 1 % of each input's size]
    #[arg(long, value_name = "STEP", requires = "exec", value_parser = step)]
    eps: Option<f64>,

    /// Allowed relative difference between two evaluations of the same point [default: 0]
    #[arg(long, value_name = "TOL", requires = "exec", value_parser = error)]
    nondeterminism: Option<f64>,

    /// Compare slopes along N random directions instead of every element [default: 8 for large functions]
    #[arg(long, value_name = "N", requires = "exec", conflicts_with = "every_element", value_parser = clap::value_parser!(u16).range(1..))]
    directions: Option<u16>,

    /// Compare every element, even of large functions
    #[arg(long, requires = "exec")]
    every_element: bool,

    /// At a kink, as of |x| at 0, accept any slope between the left and the right one
    #[arg(long, requires = "exec")]
    subgradients: bool,

    /// The program computes in f32: allow for f32 rounding
    #[arg(long, requires = "exec")]
    f32: bool,

    /// Show the estimates of one slope by step, as in `0[3,1]` or `w[2] -> [0]`
    #[arg(long, value_name = "SLOPE", requires = "exec", conflicts_with_all = ["picture", "json"], value_parser = explain::slope)]
    explain: Option<explain::Slope>,

    /// Draw a heat map of each element's relative error
    #[arg(long, value_name = "FILE", requires = "exec")]
    picture: Option<PathBuf>,
}

/// Runs the requested checks and prints the results.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    address_space::ensure(address_space::default_threads())?;
    match &arguments.program.exec {
        Some(command) => exec::run(command, arguments),
        None => list::run(arguments),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|seconds| (1e-3..=1e6).contains(seconds)).ok_or_else(|| "give seconds, as in 10".into())
}

fn error(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|error| (0.0..=1.0).contains(error)).ok_or_else(|| "give 0 to 1, as in 1e-6".into())
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| *number >= 0.0 && number.is_finite());
    number.ok_or_else(|| "give 0 or more, as in 1e-9".into())
}

fn step(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| *number > 0.0 && number.is_finite());
    number.ok_or_else(|| "give a positive number, as in 1e-3".into())
}

/// The outcomes, which are also exit codes, from best to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Right,
    Undecided,
    Wrong,
}

impl Outcome {
    fn of(result: &Result<Report, Failure>) -> Self {
        result.as_ref().map_or_else(|failure| Self::of_verdict(failure.verdict()), |_| Self::Right)
    }

    fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Agrees | Verdict::Subgradient => Self::Right,
            Verdict::Wrong => Self::Wrong,
            Verdict::NotDifferentiable | Verdict::Coarse | Verdict::Undecided => Self::Undecided,
        }
    }

    fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Right => 0,
            Self::Undecided => 3,
            Self::Wrong => 1,
        })
    }
}

/// The verdict in words, and its colour.
fn verdict(result: &Result<Report, Failure>) -> (&'static str, Style) {
    in_words(match result {
        Ok(report) if report.subgradients.is_empty() => Verdict::Agrees,
        Ok(_) => Verdict::Subgradient,
        Err(failure) => failure.verdict(),
    })
}

/// A verdict in words, and its colour.
fn in_words(verdict: Verdict) -> (&'static str, Style) {
    match verdict {
        Verdict::Agrees => ("right", AnsiColor::Green.on_default()),
        Verdict::Subgradient => ("right, at a kink", AnsiColor::Green.on_default()),
        Verdict::Wrong => ("WRONG", AnsiColor::Red.on_default().bold()),
        other => (other.word(), AnsiColor::Yellow.on_default()),
    }
}

/// A result as JSON.
fn as_json(result: &Result<Report, Failure>, names: &[String]) -> serde_json::Map<String, Value> {
    let object = match result {
        Ok(report) => json!({
            "right": true,
            "verdict": "right",
            "compared": report.compared,
            "evaluations": report.evaluations,
            "kinks": report.subgradients.len(),
            "worst_relative_error": worst_error(report),
            "f32_relative_error": single_error(report),
        }),
        Err(failure) => json!({
            "right": false,
            "verdict": failure.verdict().word(),
            "failure": failure.named(names),
            "by_input": failure.by_input(names),
            "hints": failure.hints().iter().map(|hint| hint.named(names)).collect::<Vec<_>>(),
            "at_fault": failure.operations(),
            "slopes": failure.entries().iter().map(slope_as_json).collect::<Vec<_>>(),
        }),
    };
    if let Value::Object(object) = object { object } else { serde_json::Map::new() }
}

fn slope_as_json(entry: &Entry) -> Value {
    let (element, elements, output, direction) = match &entry.place {
        Place::Element { input, output } => (Some(input), None, Some(output), None),
        Place::Joint { inputs, output } => (None, Some(inputs), Some(output), None),
        Place::Direction(number) => (None, None, None, Some(number)),
    };
    json!({
        "input": entry.input,
        "element": element,
        "elements": elements,
        "output": output,
        "direction": direction,
        "verdict": entry.verdict.word(),
        "analytic": entry.analytic,
        "numeric": entry.numeric,
        "uncertainty": entry.uncertainty,
        "sides": entry.sides,
        "error": entry.absolute_error(),
        "allowed": entry.tolerance,
    })
}

fn worst_error(report: &Report) -> f64 {
    report.worst.as_ref().map_or(0.0, Entry::relative_error)
}

fn single_error(report: &Report) -> Option<f64> {
    report.single.as_ref().map(|single| single.relative_error)
}

/// The width that every terminal has.
const COLUMNS: usize = 80;

/// Wraps long lines at spaces; continuation lines are indented a little more.
fn wrapped(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let mut current = line.to_owned();
        while let Some((end, _)) = current.char_indices().nth(COLUMNS) {
            let Some(space) = current[..end].rfind(' ').filter(|&space| space > indent + 4) else { break };
            let rest = format!("{:1$}{2}", "", indent + 4, &current[space + 1..]);
            current.truncate(space);
            lines.push(std::mem::replace(&mut current, rest));
        }
        lines.push(current);
    }
    lines.join("\n")
}

/// The exit code after printing. It is the verdict's even if the output was not read, because
/// [`Results`](super::print::Results) never fails.
fn printed(result: io::Result<Outcome>) -> Result<ExitCode, Error> {
    result.map(Outcome::code).map_err(|why| Error::Failure(format!("cannot write to standard output: {why}")))
}

fn write_json(value: &Value, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_and_short_ones_left() {
        let long = format!("  {} end", "word ".repeat(20).trim_end());
        let text = wrapped(&format!("short\n{long}\n{}", "x".repeat(100)));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[3].len()), (4, "short", 100));
        assert!(lines[1].len() <= 80 && lines[2].starts_with("      word") && lines[2].ends_with("end"), "{text}");
    }
}
