//! `--taylor`: the order of the Taylor remainder.

use std::io::{self, Write};
use std::process::ExitCode;

use impasto::gradcheck::registry::Case;
use impasto::gradcheck::{Failure, GradCheck, TaylorTable, TaylorTest, Verdict};
use serde_json::{Map, Value, json};

use super::super::error::Error;
use super::super::print::Results;
use super::list::Tally;
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
    let mut tally = Tally::default();
    for case in cases {
        tally.begin(&case, out)?;
        let result = case.taylor();
        let (words, style) = in_words(verdict(&result));
        writeln!(out, "{:>6} {style}{words}{style:#}", order(&result))?;
        let outcome = Outcome::of_verdict(verdict(&result));
        tally.add(outcome);
        if tables || outcome == Outcome::Wrong {
            for line in text(&result, &[]).lines() {
                writeln!(out, "    {line}")?;
            }
        }
    }
    tally.end(out)
}

/// The same of one case as JSON.
pub(super) fn of_case(case: &Case) -> (Outcome, Map<String, Value>) {
    let result = case.taylor();
    (Outcome::of_verdict(verdict(&result)), as_json(&result, &[]))
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
