//! `--taylor`: the order of the Taylor remainder.

use std::io::{self, Write};
use std::process::ExitCode;

use impasto::gradcheck::registry::Case;
use impasto::gradcheck::{Failure, GradCheck, TaylorTable, TaylorTest, Verdict};
use serde_json::{Map, Value, json};

use super::super::error::Error;
use super::super::print::Results;
use super::subject::Subject;
use super::{Outcome, in_words, printed, wrapped, write_json};

fn verdict(result: &Result<TaylorTest, Failure>) -> Verdict {
    result.as_ref().map_or_else(Failure::verdict, TaylorTest::verdict)
}

/// The tables of remainders, or why there are none.
fn text(result: &Result<TaylorTest, Failure>, names: &[String]) -> String {
    match result {
        Ok(test) => test.named(names),
        Err(failure) => format!("wrong: {}", wrapped(&failure.named(names))),
    }
}

/// An order as the table of cases has it.
fn order(result: &Result<TaylorTest, Failure>) -> String {
    match result.as_ref().map(TaylorTest::order) {
        Ok(Some(order)) => format!("{order:.2}"),
        // The function is linear, or the check broke off.
        Ok(None) | Err(_) => String::new(),
    }
}

/// Tests impasto's own operations: a line for each case, and with `tables` its remainders as well.
pub(super) fn list(cases: impl Iterator<Item = Case>, tables: bool, out: &mut impl Write) -> io::Result<Outcome> {
    writeln!(out, "{:<50} {:>6} verdict", "", "order")?;
    let (mut count, mut wrong, mut undecided, mut last) = (0, 0, 0, "");
    for case in cases {
        if case.operation != last {
            writeln!(out, "{}", case.operation)?;
            last = case.operation;
        }
        write!(out, "  {:<48} ", case.description)?;
        out.flush()?;
        let result = case.taylor();
        let (words, style) = in_words(verdict(&result));
        writeln!(out, "{:>6} {style}{words}{style:#}", order(&result))?;
        let outcome = Outcome::of_verdict(verdict(&result));
        count += 1;
        wrong += usize::from(outcome == Outcome::Wrong);
        undecided += usize::from(outcome == Outcome::Undecided);
        if tables || outcome == Outcome::Wrong {
            for line in text(&result, &[]).lines() {
                writeln!(out, "    {line}")?;
            }
        }
    }
    let rest = if undecided > 0 { format!(", {undecided} undecided") } else { String::new() };
    writeln!(out, "\n{count} cases, {wrong} wrong{rest}")?;
    Ok(match (wrong, undecided) {
        (0, 0) => Outcome::Right,
        (0, _) => Outcome::Undecided,
        _ => Outcome::Wrong,
    })
}

/// The same as JSON.
pub(super) fn json(cases: impl Iterator<Item = Case>, out: &mut impl Write) -> io::Result<Outcome> {
    let (mut rows, mut worst) = (Vec::new(), Outcome::Right);
    for case in cases {
        let result = case.taylor();
        worst = worst.max(Outcome::of_verdict(verdict(&result)));
        let mut row = json!({ "operation": case.operation, "case": case.description, "shapes": case.shapes });
        if let Some(row) = row.as_object_mut() {
            row.extend(as_json(&result, &[]));
        }
        rows.push(row);
    }
    write_json(&Value::Array(rows), out)?;
    Ok(worst)
}

/// Tests a program's gradient; `None` if the program broke.
pub(super) fn program(
    command: &str,
    subject: &Subject,
    check: &GradCheck,
    as_object: bool,
) -> Option<Result<ExitCode, Error>> {
    let result = check.taylor(subject, &subject.point());
    if subject.why_broken().is_some() {
        return None;
    }
    let (names, mut out) = (subject.names(), Results);
    let written = if as_object {
        let mut object = json!({ "program": command, "shapes": subject.shapes(), "inputs": names });
        if let Some(object) = object.as_object_mut() {
            object.extend(as_json(&result, &names));
        }
        write_json(&object, &mut out)
    } else {
        writeln!(out, "{}", text(&result, &names))
    };
    Some(printed(written.map(|()| Outcome::of_verdict(verdict(&result)))))
}

fn as_json(result: &Result<TaylorTest, Failure>, names: &[String]) -> Map<String, Value> {
    let verdict = verdict(result);
    let object = match result {
        Ok(test) => json!({
            "right": verdict <= Verdict::Subgradient,
            "verdict": verdict.word(),
            "order": test.order(),
            "evaluations": test.evaluations,
            "tables": test.tables.iter().map(table_as_json).collect::<Vec<_>>(),
        }),
        Err(failure) => json!({ "right": false, "verdict": verdict.word(), "failure": failure.named(names) }),
    };
    if let Value::Object(object) = object { object } else { Map::new() }
}

fn table_as_json(table: &TaylorTable) -> Value {
    let rows = table.rows.iter().map(|row| json!({ "h": row.step, "remainder": row.remainder, "order": row.order }));
    json!({
        "input": table.input,
        "order": table.order,
        "verdict": table.verdict.word(),
        "rows": rows.collect::<Vec<_>>(),
    })
}
