//! The comparison of slopes: what the vector-Jacobian product says, against what the values do.

mod directions;
mod joint;
mod lines;
mod rules;
mod search;
mod steps;
mod verdict;

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{ArrayD, Dimension, IxDyn};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use self::joint::Joint;
pub(crate) use self::lines::{along, column, column_explained};
use self::verdict::coarse_throughout;
use crate::check::{Extent, GradCheck};
use crate::function::{Function, each, is_single};
use crate::noise::COARSE;
use crate::report::{Entry, Place, Verdict};
use crate::slope::{Found, Slope, root_mean_square};

/// Entries of a Jacobian, above which random directions are compared unless every element is asked for.
pub(crate) const LARGE: usize = 20_000;

/// Elements above which each changes a function's value too little to be seen in f32.
const MANY: usize = 100;

/// Elements that are measured again at most where all are plainly wrong.
const PLAIN: usize = 64;

/// Directions that are compared where nothing else is asked for.
const DIRECTIONS: usize = 8;

/// One check under way.
pub(crate) struct Run<'a> {
    pub(crate) check: &'a GradCheck,
    pub(crate) subject: &'a dyn Function,
    pub(crate) inputs: &'a [ArrayD<f64>],
    lines: Lines,
}

/// The number of lines to measure, as far as it is known, and of those measured so far.
#[derive(Default)]
struct Lines {
    all: AtomicUsize,
    done: AtomicUsize,
}

impl Lines {
    fn expect(&self, more: usize) {
        self.all.fetch_add(more, Ordering::Relaxed);
    }

    /// Tells the function that one more has been measured.
    fn measured(&self, subject: &dyn Function) {
        let done = 1 + self.done.fetch_add(1, Ordering::Relaxed);
        subject.progress(done, self.all.load(Ordering::Relaxed));
    }
}

/// A slope and what the VJP says of it.
struct Compared {
    place: Place,
    analytic: f64,
    slope: Slope,
    /// How far rounding may have moved `analytic`.
    off: f64,
}

/// The entries of a Jacobian that are compared.
struct Chosen {
    /// Of the output's elements.
    rows: Vec<usize>,
    /// Of each input's elements.
    elements: Vec<Vec<usize>>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(check: &'a GradCheck, subject: &'a dyn Function, inputs: &'a [ArrayD<f64>]) -> Self {
        Self { check, subject, inputs, lines: Lines::default() }
    }

    /// Compares as many slopes as the options say; also says how often the function was evaluated.
    pub(crate) fn entries(&self) -> (Vec<Entry>, usize) {
        let output = self.subject.value(self.inputs);
        let elements = self.inputs.iter().map(ArrayD::len).sum::<usize>();
        let single = is_single(self.subject.unit());
        let (mut entries, evaluations) = match self.check.extent {
            Extent::Directions(directions) => self.directions(&output, directions),
            Extent::Auto if output.len() * elements > LARGE || (single && elements > MANY) => {
                self.directions(&output, DIRECTIONS)
            }
            Extent::Auto | Extent::EveryElement => self.elements(&output, &self.chosen(&output, usize::MAX)),
            Extent::Sample(number) => {
                let chosen = self.chosen(&output, number);
                let (mut entries, evaluations) = self.directions(&output, DIRECTIONS);
                let (more, of_more) = self.elements(&output, &chosen);
                entries.extend(more);
                (entries, evaluations + of_more)
            }
        };
        if !single {
            coarse_throughout(&mut entries);
        }
        (entries, evaluations)
    }

    /// Judges the slopes of all components along one line, of which `place` says what moves.
    pub(crate) fn of_components(
        &self,
        input: usize,
        place: &Place,
        analytic: &ArrayD<f64>,
        slopes: &[Slope],
    ) -> Vec<Entry> {
        let typical = typical(slopes);
        let judged = |((index, &analytic), &slope): ((IxDyn, &f64), &Slope)| {
            let place = match place {
                Place::Element { input, .. } => Place::Element { input: input.clone(), output: index.slice().to_vec() },
                other => other.clone(),
            };
            let compared = Compared { place, analytic, slope, off: 0.0 };
            self.check.judged(self.subject.unit(), input, compared, typical)
        };
        analytic.indexed_iter().zip(slopes).map(judged).collect()
    }

    /// The elements to measure: at most `number` of the output and of each input, drawn at random, in order.
    fn chosen(&self, output: &ArrayD<f64>, number: usize) -> Chosen {
        let mut rng = self.rng(1 << 51);
        let mut some = |of: usize| {
            let mut all: Vec<usize> = (0..of).collect();
            if of <= number {
                return all;
            }
            let mut drawn = all.partial_shuffle(&mut rng, number).0.to_vec();
            drawn.sort_unstable();
            drawn
        };
        let chosen = Chosen { rows: some(output.len()), elements: self.inputs.iter().map(|x| some(x.len())).collect() };
        self.lines.expect(chosen.elements.iter().map(Vec::len).sum());
        chosen
    }

    pub(crate) fn rng(&self, stream: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.check.seed);
        rng.set_stream(stream);
        rng
    }

    /// Element by element: the Jacobian row by row from VJPs, column by column from differences.
    fn elements(&self, output: &ArrayD<f64>, chosen: &Chosen) -> (Vec<Entry>, usize) {
        let (inputs, check, unit) = (self.inputs, self.check, self.subject.unit());
        let places = indices(output);
        let at_zero: Vec<f64> = output.iter().copied().collect();
        let row = |subject: &dyn Function, number: usize, factor: f64| {
            let mut cotangent = ArrayD::zeros(output.shape());
            cotangent[&places[chosen.rows[number]][..]] = factor;
            subject.pull_back(inputs, &cotangent)
        };
        let rows = each(self.subject, chosen.rows.len(), |subject, number| row(subject, number, 1.0));
        let mut entries = Vec::new();
        let mut evaluations = 2 * rows.len();
        for (input, x) in inputs.iter().enumerate() {
            let indices = indices(x);
            let elements = &chosen.elements[input];
            let analytic = |row: usize, number: usize| rows[row][input][&indices[elements[number]][..]];
            let (columns, typical) = self.columns(input, chosen, &at_zero, &analytic);
            let verdict = |row: usize, number: usize, slope: &Slope| {
                check.verdict(unit, analytic(row, number), slope, typical, 0.0)
            };
            // Rounding within the VJP shows when the same row is asked for in other units.
            let is_off = |k: &usize| !(0..elements.len()).all(|i| is_right(verdict(*k, i, &columns[i].slopes[*k])));
            let doubtful: Vec<usize> = (0..rows.len()).filter(is_off).collect();
            let mut off = vec![None; rows.len()];
            let rounding = each(self.subject, doubtful.len(), |subject, number| {
                let again = &row(subject, doubtful[number], UNITS)[input];
                let difference = again / UNITS - &rows[doubtful[number]][input];
                difference.mapv(|difference| if difference.is_finite() { 8.0 * difference.abs() } else { 0.0 })
            });
            evaluations += doubtful.len();
            for (k, rounding) in doubtful.into_iter().zip(rounding) {
                off[k] = Some(rounding);
            }
            for (i, column) in columns.into_iter().enumerate() {
                evaluations += column.calls;
                let index = &indices[elements[i]];
                for (k, slope) in column.slopes.into_iter().enumerate() {
                    let place = Place::Element { input: index.clone(), output: places[chosen.rows[k]].clone() };
                    let off = off[k].as_ref().map_or(0.0, |off| off[&index[..]]);
                    let compared = Compared { place, analytic: analytic(k, i), slope, off };
                    entries.push(check.judged(unit, input, compared, typical));
                }
            }
            if chosen.rows.len() == output.len() {
                let mut joint = Joint { run: self, output, input, entries: &mut entries, calls: 0 };
                joint.judge(|k| &rows[k][input]);
                evaluations += joint.calls;
            }
        }
        (entries, evaluations)
    }

    /// The slopes of the chosen rows by the chosen elements of one input, and their typical size. What does not agree with
    /// `analytic` at once is measured again with care.
    fn columns(
        &self,
        input: usize,
        chosen: &Chosen,
        at_zero: &[f64],
        analytic: &(dyn Fn(usize, usize) -> f64 + Sync),
    ) -> (Vec<Found>, f64) {
        let (inputs, check, unit, lines) = (self.inputs, self.check, self.subject.unit(), &self.lines);
        let elements = &chosen.elements[input];
        let measured = |numbers: &[usize], with_care: bool| {
            each(self.subject, numbers.len(), |subject, i| {
                let mut found = column(subject, check, inputs, input, elements[numbers[i]], at_zero, with_care);
                found.slopes = chosen.rows.iter().map(|&k| found.slopes[k]).collect();
                lines.measured(subject);
                found
            })
        };
        let numbers: Vec<usize> = (0..elements.len()).collect();
        let mut columns = measured(&numbers, false);
        let size = typical(columns.iter().flat_map(|column| &column.slopes));
        let verdicts = |number: usize, column: &Found| -> Vec<Verdict> {
            let of_row = |(row, slope)| check.verdict(unit, analytic(row, number), slope, size, 0.0).0;
            column.slopes.iter().enumerate().map(of_row).collect()
        };
        let (mut plain, mut unclear) = (Vec::new(), Vec::new());
        for &number in &numbers {
            let verdicts = verdicts(number, &columns[number]);
            let is_plain = |verdict: &Verdict| matches!(verdict, Verdict::Agrees | Verdict::Wrong);
            if !columns[number].swift || !verdicts.iter().all(is_plain) {
                unclear.push(number);
            } else if verdicts.contains(&Verdict::Wrong) {
                plain.push(number);
            }
        }
        let mut measure_again = |numbers: &[usize]| {
            lines.expect(numbers.len());
            for (&number, second) in numbers.iter().zip(measured(numbers, true)) {
                let calls = columns[number].calls + second.calls;
                columns[number] = Found { calls, ..second };
            }
            let is_wrong = |&number: &usize| {
                let column = &columns[number];
                let is_fine = column.slopes.iter().all(|slope| slope.noise <= COARSE);
                is_fine && verdicts(number, column).contains(&Verdict::Wrong)
            };
            numbers.iter().all(is_wrong)
        };
        measure_again(&unclear);
        // If very many are plainly wrong, and those that are measured again stay so, that is enough.
        let stride = plain.len().div_ceil(PLAIN).max(1);
        let some: Vec<usize> = plain.iter().copied().step_by(stride).collect();
        if !measure_again(&some) {
            let rest: Vec<usize> = plain.into_iter().filter(|number| !some.contains(number)).collect();
            measure_again(&rest);
        }
        // Slopes that were measured again may have been far off.
        let size = typical(columns.iter().flat_map(|column| &column.slopes));
        (columns, size)
    }
}

/// The power of two next to a number, with its sign; 0 of 0.
fn power_of_two(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() { x } else { x.abs().log2().round().exp2().copysign(x) }
}

/// A direction with the signs of a gradient.
fn uphill(mut u: ArrayD<f64>, gradient: &ArrayD<f64>) -> ArrayD<f64> {
    u.zip_mut_with(gradient, |u, &g| *u = if g == 0.0 { *u } else { u.abs().copysign(g) });
    u
}

/// The factor by which a cotangent is scaled to see the rounding of a VJP.
const UNITS: f64 = 1.234_567;

fn flat_at(array: &ArrayD<f64>, i: usize) -> f64 {
    array.as_slice().expect("row-major")[i]
}

fn indices(array: &ArrayD<f64>) -> Vec<Vec<usize>> {
    array.indexed_iter().map(|(index, _)| index.slice().to_vec()).collect()
}

fn is_right((verdict, _): (Verdict, f64)) -> bool {
    verdict == Verdict::Agrees
}

/// The root mean square of all slopes that are known.
fn typical<'a>(slopes: impl IntoIterator<Item = &'a Slope>) -> f64 {
    let known: Vec<f64> = slopes.into_iter().map(|slope| slope.value).filter(|value| value.is_finite()).collect();
    root_mean_square(known)
}

/// A direction with all but some of its elements 0.
fn only(u: &ArrayD<f64>, elements: &[usize]) -> ArrayD<f64> {
    let mut part = ArrayD::zeros(u.shape());
    let flat = part.as_slice_mut().expect("row-major");
    for &i in elements {
        flat[i] = flat_at(u, i);
    }
    part
}

/// An array of zeros with a one in it.
pub(crate) fn basis(shape: &[usize], index: &[usize]) -> ArrayD<f64> {
    let mut array = ArrayD::zeros(IxDyn(shape));
    array[index] = 1.0;
    array
}
