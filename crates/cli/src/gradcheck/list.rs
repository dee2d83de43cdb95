//! This crate's own operations and objectives.

use std::io::{self, Write};
use std::process::ExitCode;

use impasto::gradcheck::Report;
use impasto::gradcheck::registry::{self, Case};
use serde_json::{Map, Value, json};

use super::super::error::Error;
use super::super::print::Results;
use super::{Arguments, Outcome, as_json, printed, single_error, taylor, verdict, worst_error, wrapped, write_json};

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let known = registry::operations();
    if let Some(name) = arguments.operations.iter().find(|name| !known.contains(&&name[..])) {
        return Err(Error::Usage(format!("`{name}` is not an operation; there are {}", known.join(", "))));
    }
    let asked =
        |case: &Case| arguments.operations.is_empty() || arguments.operations.iter().any(|op| op == case.operation);
    let cases = registry::cases(arguments.seed).into_iter().filter(asked);
    let mut out = Results;
    printed(match (arguments.taylor, arguments.json) {
        (false, false) => table(cases, &mut out),
        (false, true) => json(cases, &mut out, |case| {
            let result = case.check();
            (Outcome::of(&result), as_json(&result, &[]))
        }),
        (true, false) => taylor::list(cases, !arguments.operations.is_empty(), &mut out),
        (true, true) => json(cases, &mut out, taylor::of_case),
    })
}

/// A line for each case under the name of its operation, 80 columns wide.
fn table(cases: impl Iterator<Item = Case>, out: &mut impl Write) -> io::Result<Outcome> {
    writeln!(out, "{:<50} {:>6} {:>6} {:>6} verdict", "", "slopes", "error", "f32")?;
    let (mut tally, mut failures) = (Tally::default(), Vec::new());
    for case in cases {
        tally.begin(&case, out)?;
        let result = case.check();
        let (verdict, style) = verdict(&result);
        let [compared, error, single] = result.as_ref().map_or_else(|_| Default::default(), numbers);
        // "at a kink" would not fit.
        let verdict = verdict.split(',').next().unwrap_or(verdict);
        writeln!(out, "{compared:>6} {error:>6} {single:>6} {style}{verdict}{style:#}")?;
        tally.add(Outcome::of(&result));
        if let Err(failure) = result {
            failures.push((case, failure));
        }
    }
    for (case, failure) in &failures {
        let text = format!("{}, {}, shapes {:?}:\n{failure}", case.operation, case.description, case.shapes);
        writeln!(out, "\n{}", wrapped(&text))?;
    }
    tally.end(out)
}

/// The cases of a table: the heading of each operation, the beginning of each line, and the outcomes.
#[derive(Default)]
pub(super) struct Tally {
    operation: &'static str,
    right: usize,
    undecided: usize,
    wrong: usize,
}

impl Tally {
    /// Begins a case's line, under its operation's name.
    pub(super) fn begin(&mut self, case: &Case, out: &mut impl Write) -> io::Result<()> {
        if case.operation != self.operation {
            writeln!(out, "{}", case.operation)?;
            self.operation = case.operation;
        }
        write!(out, "  {:<48} ", case.description)?;
        out.flush()
    }

    pub(super) fn add(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Right => &mut self.right,
            Outcome::Undecided => &mut self.undecided,
            Outcome::Wrong => &mut self.wrong,
        } += 1;
    }

    /// The last line, and the worst outcome.
    pub(super) fn end(&self, out: &mut impl Write) -> io::Result<Outcome> {
        let Self { right, undecided, wrong, .. } = *self;
        let rest = if undecided > 0 { format!(", {undecided} undecided") } else { String::new() };
        writeln!(out, "\n{} cases, {wrong} wrong{rest}", right + undecided + wrong)?;
        Ok(match (wrong, undecided) {
            (0, 0) => Outcome::Right,
            (0, _) => Outcome::Undecided,
            _ => Outcome::Wrong,
        })
    }
}

/// The columns of the table for a right gradient.
fn numbers(report: &Report) -> [String; 3] {
    let single = single_error(report).unwrap_or_default();
    [report.compared.to_string(), format!("{:.0e}", worst_error(report)), format!("{single:.0e}")]
}

/// An object for each case, with what `result` gives for it.
fn json(
    cases: impl Iterator<Item = Case>,
    out: &mut impl Write,
    result: impl Fn(&Case) -> (Outcome, Map<String, Value>),
) -> io::Result<Outcome> {
    let (mut rows, mut worst) = (Vec::new(), Outcome::Right);
    for case in cases {
        let (outcome, result) = result(&case);
        worst = worst.max(outcome);
        let mut row = json!({ "operation": case.operation, "case": case.description, "shapes": case.shapes });
        if let Some(row) = row.as_object_mut() {
            row.extend(result);
        }
        rows.push(row);
    }
    write_json(&Value::Array(rows), out)?;
    Ok(worst)
}
