//! `impasto gradcheck`: every operation's gradient against finite differences.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use impasto::gradcheck::registry::{self, Case};
use impasto::gradcheck::{Entry, Failure, Report};

use super::error::Error;

/// Check the gradients of every operation, convolution algorithm and objective against finite differences
#[derive(Args)]
pub(super) struct Arguments {
    /// Operations and objectives to check, as in `conv2d relu` or `style_transfer` [default: all]
    #[arg(value_name = "OP")]
    operations: Vec<String>,

    /// Where random inputs and directions come from
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Print JSON, an array with an object for each case, instead of a table
    #[arg(long)]
    json: bool,
}

/// Checks what is asked for and prints the table; exit code 1 if a gradient is wrong.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let known = registry::operations();
    if let Some(name) = arguments.operations.iter().find(|name| !known.contains(&&name[..])) {
        return Err(Error::Usage(format!("`{name}` is no operation; there are {}", known.join(", "))));
    }
    let asked =
        |case: &Case| arguments.operations.is_empty() || arguments.operations.iter().any(|op| op == case.operation);
    let cases = registry::cases(arguments.seed).into_iter().filter(asked);
    let mut out = io::stdout().lock();
    let right = if arguments.json { write_json(cases, &mut out) } else { write_table(cases, &mut out) };
    match right {
        Ok(right) => Ok(ExitCode::from(u8::from(!right))),
        // Whoever reads (`impasto gradcheck | head`) has seen enough.
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(why) => Err(Error::Failure(format!("cannot write to standard output: {why}"))),
    }
}

fn write_table(cases: impl Iterator<Item = Case>, out: &mut impl Write) -> io::Result<bool> {
    writeln!(out, "{:<15}  {:<46} {:>6}  {:>7}  {:>7}  verdict", "operation", "case", "slopes", "error", "f32")?;
    let (mut count, mut failures, mut last) = (0, Vec::new(), "");
    for case in cases {
        let name = if case.operation == last { "" } else { case.operation };
        last = case.operation;
        write!(out, "{name:<15}  {:<46} ", case.description)?;
        out.flush()?;
        count += 1;
        match case.check() {
            Ok(report) => {
                let verdict = if report.subgradients.is_empty() { "right" } else { "right, at a kink" };
                let (error, single) = (worst_error(&report), single_error(&report).unwrap_or_default());
                writeln!(out, "{:>6}  {error:>7.0e}  {single:>7.0e}  {verdict}", report.compared)?;
            }
            Err(failure) => {
                writeln!(out, "{:>6}  {:>7}  {:>7}  WRONG", "", "", "")?;
                failures.push((case, failure));
            }
        }
    }
    for (case, failure) in &failures {
        writeln!(out, "\n{}, {}, shapes {:?}:\n{failure}", case.operation, case.description, case.shapes)?;
    }
    writeln!(out, "\n{count} cases, {} wrong", failures.len())?;
    Ok(failures.is_empty())
}

fn write_json(cases: impl Iterator<Item = Case>, out: &mut impl Write) -> io::Result<bool> {
    let (mut rows, mut right) = (Vec::new(), true);
    for case in cases {
        let result = case.check();
        right &= result.is_ok();
        rows.push(row(&case, &result));
    }
    serde_json::to_writer_pretty(&mut *out, &rows).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(right)
}

fn row(case: &Case, result: &Result<Report, Failure>) -> serde_json::Value {
    let mut row = serde_json::json!({
        "operation": case.operation,
        "case": case.description,
        "shapes": case.shapes,
        "right": result.is_ok(),
    });
    let more = match result {
        Ok(report) => serde_json::json!({
            "compared": report.compared,
            "evaluations": report.evaluations,
            "kinks": report.subgradients.len(),
            "worst_relative_error": worst_error(report),
            "f32_relative_error": single_error(report),
        }),
        Err(failure) => serde_json::json!({ "failure": failure.to_string(), "at_fault": failure.operations() }),
    };
    if let (Some(row), serde_json::Value::Object(more)) = (row.as_object_mut(), more) {
        row.extend(more);
    }
    row
}

fn worst_error(report: &Report) -> f64 {
    report.worst.as_ref().map_or(0.0, Entry::relative_error)
}

fn single_error(report: &Report) -> Option<f64> {
    report.single.as_ref().map(|single| single.relative_error)
}
