//! `--explain`: the estimates of one slope, step by step.

use std::io::Write;
use std::process::ExitCode;

use impasto::gradcheck::{Fate, Function, GradCheck, Row};
use ndarray::ArrayD;

use super::super::error::Error;
use super::super::print::Results;
use super::subject::Subject;
use super::{Outcome, printed};

/// A slope: `w[3,1]`, `0[2]`, or with an element of the output `w[3,1]->[0]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Slope {
    input: String,
    element: Vec<usize>,
    output: Vec<usize>,
}

/// Parses the name of a slope, as a report prints it.
pub(super) fn slope(text: &str) -> Result<Slope, String> {
    let wrong = || "give a slope as reports name it, as in `0[3,1]` or `w[2] -> [0]`".to_owned();
    let list = |text: &str| -> Option<Vec<usize>> {
        let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
        let numbers = inner.split(',').filter(|number| !number.trim().is_empty());
        numbers.map(|number| number.trim().parse().ok()).collect()
    };
    let (place, output) = text.split_once("->").or_else(|| text.split_once('→')).unwrap_or((text, "[]"));
    let place = place.trim();
    let (input, element) = place.split_at(place.find('[').unwrap_or(place.len()));
    let input = input.trim();
    let input = input.strip_prefix("basis of ").or(input.strip_prefix("angles of ")).unwrap_or(input);
    let input = input.strip_prefix("input ").unwrap_or(input).to_owned();
    let element = if element.is_empty() { Some(Vec::new()) } else { list(element) };
    match (element, list(output)) {
        (Some(element), Some(output)) if !input.is_empty() => Ok(Slope { input, element, output }),
        _ => Err(wrong()),
    }
}

/// Prints the estimates of one slope.
pub(super) fn print(slope: &Slope, subject: &Subject, check: &GradCheck) -> Result<ExitCode, Error> {
    let (point, names) = (subject.point(), subject.names());
    let known = || format!("there are {}", names.join(", "));
    let is = |name: &String| {
        let name = name.strip_prefix("basis of ").or(name.strip_prefix("angles of ")).unwrap_or(name);
        *name == slope.input || *name == format!("input {}", slope.input)
    };
    let input = names.iter().position(is).ok_or_else(|| {
        Error::Usage(format!("--explain: `{}` is not an input with a gradient; {}", slope.input, known()))
    })?;
    let element = number(&slope.element, &point[input])
        .map_err(|why| Error::Usage(format!("--explain: {} {why}", names[input])))?;
    let output =
        number(&slope.output, subject.output()).map_err(|why| Error::Usage(format!("--explain: the value {why}")))?;
    let mut cotangent = subject.output() * 0.0;
    cotangent.as_slice_mut().expect("row-major")[output] = 1.0;
    let analytic = subject.pull_back(&point, &cotangent)[input].as_slice().expect("row-major")[element];
    let (found, rows) = check.explain(subject, &point, [input, element, output]);
    let mut text = format!("{:>9} {:>16} {:>9} {:>16} {:>9}\n", "step", "slope", "rounding", "extrapolated", "error");
    for row in &rows {
        text += &line(row);
    }
    let [left, right] = found.sides;
    text += &format!(
        "numeric {:.10e} ± {:.1e} ({left:.4e} to the left, {right:.4e} to the right)\nanalytic {analytic:.10e}\nnoise of the \
         values {:.0e} of their size\n",
        found.value, found.error, found.noise
    );
    printed(Results.write_all(text.as_bytes()).map(|()| Outcome::Right))
}

fn line(row: &Row) -> String {
    let fate = match row.fate {
        Fate::Believed => "believed: the least error that no smaller step contradicts",
        Fate::Surpassed => "",
        Fate::Contradicted => "a smaller step contradicts it",
        Fate::None if !row.difference.is_finite() => "not defined",
        Fate::None => "too few steps yet",
    };
    let line = format!(
        "{:>9.1e} {:>16.9e} {:>9.0e} {:>16.9e} {:>9.0e} {fate}",
        row.step, row.difference, row.rounding, row.extrapolated, row.error
    );
    line.trim_end().to_owned() + "\n"
}

/// The number of an element, in row-major order.
fn number(index: &[usize], array: &ArrayD<f64>) -> Result<usize, String> {
    let shape = array.shape();
    if index.len() != shape.len() || index.iter().zip(shape).any(|(i, length)| i >= length) {
        return Err(format!("has shape {shape:?}, in which {index:?} is no element"));
    }
    Ok(index.iter().zip(shape).fold(0, |number, (i, length)| number * length + i))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_named_as_reports_print_them() {
        let of = |input: &str, element: &[usize], output: &[usize]| Slope {
            input: input.into(),
            element: element.into(),
            output: output.into(),
        };
        assert_eq!(slope("input 0[3,1] → [2]"), Ok(of("0", &[3, 1], &[2])));
        assert_eq!(slope("w[4]->[0,1]"), Ok(of("w", &[4], &[0, 1])));
        assert_eq!((slope("0[]"), slope("0")), (Ok(of("0", &[], &[])), Ok(of("0", &[], &[]))));
        for wrong in ["", "[3]", "w[", "w[x]", "w[1]->2"] {
            assert!(slope(wrong).is_err(), "{wrong}");
        }
        let array = ArrayD::zeros(vec![3, 4]);
        assert_eq!(number(&[2, 1], &array), Ok(9));
        assert!(number(&[3, 0], &array).is_err() && number(&[1], &array).is_err());
    }
}
