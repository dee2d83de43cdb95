//! This crate's own operations and objectives.

use std::io::{self, Write};
use std::process::ExitCode;

use impasto::gradcheck::Report;
use impasto::gradcheck::registry::{self, Case};
use serde_json::{Value, json};

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
        (false, true) => json(cases, &mut out),
        (true, false) => taylor::list(cases, !arguments.operations.is_empty(), &mut out),
        (true, true) => taylor::json(cases, &mut out),
    })
}

/// A line for each case under the name of its operation, 80 columns wide.
fn table(cases: impl Iterator<Item = Case>, out: &mut impl Write) -> io::Result<Outcome> {
    writeln!(out, "{:<50} {:>6} {:>6} {:>6} verdict", "", "slopes", "error", "f32")?;
    let (mut count, mut wrong, mut worst, mut failures, mut last) = (0, 0, Outcome::Right, Vec::new(), "");
    for case in cases {
        if case.operation != last {
            writeln!(out, "{}", case.operation)?;
            last = case.operation;
        }
        write!(out, "  {:<48} ", case.description)?;
        out.flush()?;
        count += 1;
        let result = case.check();
        let (verdict, style) = verdict(&result);
        let [compared, error, single] = result.as_ref().map_or_else(|_| Default::default(), numbers);
        // "at a kink" would not fit.
        let verdict = verdict.split(',').next().unwrap_or(verdict);
        writeln!(out, "{compared:>6} {error:>6} {single:>6} {style}{verdict}{style:#}")?;
        let outcome = Outcome::of(&result);
        worst = worst.max(outcome);
        wrong += usize::from(outcome == Outcome::Wrong);
        if let Err(failure) = result {
            failures.push((case, failure));
        }
    }
    for (case, failure) in &failures {
        let text = format!("{}, {}, shapes {:?}:\n{failure}", case.operation, case.description, case.shapes);
        writeln!(out, "\n{}", wrapped(&text))?;
    }
    let undecided = match failures.len() - wrong {
        0 => String::new(),
        undecided => format!(", {undecided} undecided"),
    };
    writeln!(out, "\n{count} cases, {wrong} wrong{undecided}")?;
    Ok(worst)
}

/// The columns of the table for a right gradient.
fn numbers(report: &Report) -> [String; 3] {
    let single = single_error(report).unwrap_or_default();
    [report.compared.to_string(), format!("{:.0e}", worst_error(report)), format!("{single:.0e}")]
}

fn json(cases: impl Iterator<Item = Case>, out: &mut impl Write) -> io::Result<Outcome> {
    let (mut rows, mut worst) = (Vec::new(), Outcome::Right);
    for case in cases {
        let result = case.check();
        worst = worst.max(Outcome::of(&result));
        let mut row = json!({ "operation": case.operation, "case": case.description, "shapes": case.shapes });
        if let Some(row) = row.as_object_mut() {
            row.extend(as_json(&result, &[]));
        }
        rows.push(row);
    }
    write_json(&Value::Array(rows), out)?;
    Ok(worst)
}
