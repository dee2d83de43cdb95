//! What the errors of a gradient have in common: a sign, a factor, an order of elements.

use std::collections::BTreeMap;
use std::fmt;

use ndarray::ArrayD;

use crate::report::{Entry, Place, Verdict};

/// What wrong slopes suggest about their cause.
#[derive(Clone, Debug, PartialEq)]
pub enum Hint {
    /// All slopes are the right ones times the same factor.
    Factor {
        /// The input; `None` if it is so of all inputs.
        input: Option<usize>,
        /// The factor.
        factor: f64,
        /// What has so many elements, if the factor is such a number or one divided by it.
        counts: Option<&'static str>,
    },
    /// All slopes by an input are 0 in the gradient, and not in the values.
    Zero {
        /// The input.
        input: usize,
    },
    /// The gradient of a square matrix is the transpose of the right one.
    Transposed {
        /// The input.
        input: usize,
    },
    /// The gradient's elements are those of the right one, so many places on.
    Shifted {
        /// The input.
        input: usize,
        /// By how many places.
        by: i64,
    },
    /// The gradients of two inputs are each other's.
    Swapped {
        /// Their numbers.
        inputs: [usize; 2],
    },
    /// The gradient is that of f32: each of its numbers is one.
    SinglePrecision,
    /// All slopes are off by a small amount of a like size.
    Tolerance {
        /// The largest relative error.
        error: f64,
    },
}

impl Hint {
    /// The input that it is of; `None` where it is of several.
    pub fn input(&self) -> Option<usize> {
        match self {
            Self::Factor { input, .. } => *input,
            Self::Zero { input } | Self::Transposed { input } | Self::Shifted { input, .. } => Some(*input),
            Self::Swapped { .. } | Self::SinglePrecision | Self::Tolerance { .. } => None,
        }
    }

    /// What is printed, with names for the inputs; an input without a name is called by its number.
    pub fn named(&self, names: &[String]) -> String {
        let name = |input: &usize| names.get(*input).cloned().unwrap_or_else(|| format!("input {input}"));
        match self {
            Self::Factor { input, factor, counts } => {
                let all = input
                    .as_ref()
                    .map_or_else(|| "all slopes".into(), |input| format!("all slopes by {}", name(input)));
                let cause = match (*factor, counts) {
                    (-1.0, _) => "have the wrong sign".into(),
                    (2.0, _) => "are twice the right ones".into(),
                    (0.5, _) => "are half the right ones".into(),
                    (factor, Some(counted)) if factor < 1.0 => {
                        format!("are the right ones divided by {:.0}, the number of {counted}", 1.0 / factor)
                    }
                    (factor, Some(counted)) => format!("are {factor:.0} times the right ones, the number of {counted}"),
                    (factor, None) => format!("are {} times the right ones", digits(factor)),
                };
                format!("{all} {cause}")
            }
            Self::Zero { input } => format!("there is no gradient at all for {}: was it detached?", name(input)),
            Self::Transposed { input } => format!("the gradient of {} is transposed", name(input)),
            Self::Shifted { input, by } => {
                format!(
                    "the gradient of {} is shifted by {} {}",
                    name(input),
                    by.abs(),
                    if by.abs() == 1 { "place" } else { "places" }
                )
            }
            Self::Swapped { inputs: [one, other] } => {
                format!("the gradients of {} and {} are swapped", name(one), name(other))
            }
            Self::SinglePrecision => "each number of the gradient is an f32: is it computed in f32?".into(),
            Self::Tolerance { error } => format!(
                "all slopes are off by {error:.0e} of their size or less: a solver's tolerance? rtol {:.0e} accepts it",
                10f64.powf((2.0 * error).log10().ceil())
            ),
        }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.named(&[]))
    }
}

/// A factor with enough digits to tell it from 1.
fn digits(factor: f64) -> String {
    let off = (factor - 1.0).abs();
    let places = if off < 1e-3 { (2.0 - off.log10().floor()) as usize } else { 6 };
    format!("{factor:.places$}")
}

/// How near to a pattern slopes must be, relative to the largest.
const NEAR: f64 = 1e-5;

/// How far from 1 a factor must be.
const LEAST: f64 = 1e-8;

/// The slopes of one output element by one input, in the order of the input's elements.
#[derive(Clone, Default)]
struct Row {
    analytic: Vec<f64>,
    numeric: Vec<f64>,
}

impl Row {
    fn is_right(&self) -> bool {
        same(&self.analytic, &self.numeric)
    }
}

/// Whether two lists are the same as far as differences can tell.
fn same(one: &[f64], other: &[f64]) -> bool {
    let size = other.iter().fold(0.0f64, |size, x| size.max(x.abs()));
    one.len() == other.len() && size > 0.0 && one.iter().zip(other).all(|(a, b)| (a - b).abs() <= NEAR * size)
}

/// What the entries of a check suggest. `inputs` have the shapes.
pub(crate) fn hints(entries: &[Entry], inputs: &[ArrayD<f64>]) -> Vec<Hint> {
    if !entries.iter().any(|entry| entry.verdict == Verdict::Wrong) {
        return Vec::new();
    }
    let mut rows = BTreeMap::<(usize, &[usize]), Row>::new();
    for entry in entries {
        if let Place::Element { output, .. } = &entry.place {
            let row = rows.entry((entry.input, output)).or_default();
            row.analytic.push(entry.analytic);
            row.numeric.push(entry.numeric);
        }
    }
    let outputs = rows.keys().map(|(_, output)| *output).collect::<std::collections::BTreeSet<_>>().len();
    let all_of =
        |input: usize| -> Vec<&Row> { rows.iter().filter(|((i, _), _)| *i == input).map(|(_, row)| row).collect() };
    let complete =
        (0..inputs.len()).all(|input| all_of(input).iter().all(|row| row.analytic.len() == inputs[input].len()));
    let is_wrong = |input| entries.iter().any(|entry| entry.input == input && entry.verdict == Verdict::Wrong);
    let wrong: Vec<usize> = (0..inputs.len()).filter(|&input| is_wrong(input)).collect();
    let mut hints = Vec::new();
    let pairs = |input: Option<usize>| {
        entries
            .iter()
            .filter(move |entry| input.is_none_or(|input| entry.input == input))
            .map(|e| (e.analytic, e.numeric))
    };
    let counted = |factor: f64| {
        let is =
            |count: usize| count > 1 && [factor, 1.0 / factor].iter().any(|f| (f / count as f64 - 1.0).abs() < NEAR);
        let input = inputs.iter().find_map(|x| {
            if is(x.len()) {
                Some("the input's elements")
            } else {
                x.shape().first().filter(|&&rows| is(rows)).map(|_| "its rows")
            }
        });
        input.or_else(|| is(outputs).then_some("outputs"))
    };
    let of_all = factor(pairs(None));
    if let Some(factor) = of_all {
        hints.push(Hint::Factor { input: None, factor, counts: counted(factor) });
    }
    for &input in wrong.iter().filter(|_| of_all.is_none()) {
        let rows = all_of(input);
        let is = |pattern: &dyn Fn(&Row) -> bool| {
            rows.iter().all(|row| pattern(row) || row.is_right())
                && rows.iter().any(|row| pattern(row) && !row.is_right())
        };
        let shape = inputs[input].shape();
        if pairs(Some(input)).all(|(analytic, _)| analytic == 0.0) {
            hints.push(Hint::Zero { input });
        } else if let Some(factor) = factor(pairs(Some(input))) {
            hints.push(Hint::Factor { input: Some(input), factor, counts: counted(factor) });
        } else if complete && shape.len() == 2 && is(&|row| same(&transposed(&row.analytic, shape), &row.numeric)) {
            hints.push(Hint::Transposed { input });
        } else if complete && inputs[input].len() > 2 {
            let shift = [1i64, -1, 2, -2].into_iter().find(|by| is(&|row| is_shifted(row, *by)));
            hints.extend(shift.map(|by| Hint::Shifted { input, by }));
        }
    }
    for (number, &one) in wrong.iter().enumerate() {
        for &other in &wrong[number + 1..] {
            let crossed = |(a, b): (&&Row, &&Row)| same(&a.analytic, &b.numeric) && same(&b.analytic, &a.numeric);
            let (a, b) = (all_of(one), all_of(other));
            if complete && !a.is_empty() && a.len() == b.len() && a.iter().zip(&b).all(crossed) {
                hints.push(Hint::Swapped { inputs: [one, other] });
            }
        }
    }
    if hints.is_empty() {
        hints.extend(of_precision(entries));
    }
    hints
}

/// The factor that all of some slopes have in common, if it is not 1.
fn factor(pairs: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = pairs.collect();
    let (analytic, numeric) = pairs.iter().copied().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
    let factor = analytic / numeric;
    let near = |value: f64| (factor / value - 1.0).abs() < NEAR;
    let factor = [-1.0, 2.0, 0.5].into_iter().find(|&simple| near(simple)).unwrap_or(factor);
    // Slopes must fit a factor near 1 much better than they fit 1.
    let off = (factor - 1.0).abs();
    let near = NEAR.min(0.02 * off);
    let fits = pairs.iter().all(|(a, n)| (a - factor * n).abs() <= near * (factor * numeric).abs());
    // One slope has a factor of any kind, and two may have one near 1 by chance.
    let least = if off > 1e-4 { 2 } else { 3 };
    let told = pairs.len() >= least || [-1.0, 2.0, 0.5].contains(&factor);
    (factor != 0.0 && factor.is_finite() && off > LEAST && fits && told).then_some(factor)
}

fn transposed(row: &[f64], shape: &[usize]) -> Vec<f64> {
    let [height, width] = [shape[0], shape[1]];
    // The gradient that was given has the matrix's shape, whatever its own numbers are.
    (0..height * width).map(|i| row[(i % width) * height + i / width]).collect()
}

/// Whether the gradient's elements stand so many places further on, but for those at the ends.
fn is_shifted(row: &Row, by: i64) -> bool {
    let length = row.numeric.len() as i64;
    let inner = |from: i64| usize::try_from(from).ok().filter(|&i| i < row.numeric.len());
    let pairs: Vec<(f64, f64)> =
        (0..length).filter_map(|i| Some((row.analytic[inner(i + by)?], row.numeric[inner(i)?]))).collect();
    let (analytic, numeric): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let varies = numeric.iter().any(|x| (x - numeric[0]).abs() > NEAR * numeric[0].abs());
    varies && same(&analytic, &numeric)
}

/// Errors that come of rounding or of a solver, and not of a formula.
fn of_precision(entries: &[Entry]) -> Option<Hint> {
    let off = |entry: &Entry| entry.absolute_error() / entry.analytic.abs().max(entry.numeric.abs());
    let slopes: Vec<&Entry> = entries.iter().filter(|entry| entry.analytic != 0.0).collect();
    let most = slopes.iter().map(|entry| off(entry)).fold(0.0, f64::max);
    let is_f32 = |entry: &&Entry| f64::from(entry.analytic as f32) == entry.analytic;
    let element = |entry: &&Entry| matches!(entry.place, Place::Element { .. });
    if !slopes.is_empty() && most < 1e-5 && slopes.iter().all(element) && slopes.iter().all(is_f32) {
        return Some(Hint::SinglePrecision);
    }
    let wrong: Vec<f64> = entries.iter().filter(|entry| entry.verdict == Verdict::Wrong).map(off).collect();
    let known = wrong.iter().all(|off| off.is_finite()) && most <= 1e-3;
    // One slope alone that is off by so little is no formula that is wrong.
    let mostly = 2 * wrong.len() >= slopes.len() && (wrong.len() > 1 || (slopes.len() == 1 && most <= 1e-6));
    (known && mostly).then_some(Hint::Tolerance { error: most })
}
