//! Large Jacobians: vᵀJu for random directions u and v.
//!
//! What is small beside others hardly changes vᵀJu if all elements of u and v are of one size. So every second pair has a v
//! in which outputs count alike, whatever their slopes; every second u is in proportion to the input's elements; and in every
//! second pair of pairs u is larger where the gradient is small.

use std::sync::OnceLock;

use ndarray::ArrayD;

use super::lines::{Line, along};
use super::search::Search;
use super::{Compared, Run, UNITS, is_right, power_of_two, typical, uphill};
use crate::function::{each, is_single};
use crate::report::{Entry, Place, Verdict};
use crate::slope::{Found, Slope, root_mean_square};
use crate::{direction, dot};

/// How much more what is small counts at most.
const UNEVEN: f64 = 1e4;

/// A random direction in the output's space, and the gradients of ⟨v, value⟩.
pub(crate) struct Pulled {
    v: ArrayD<f64>,
    gradients: Vec<ArrayD<f64>>,
}

impl Run<'_> {
    /// vᵀJu for random u in each input's space and v in the output's: v backward, u by differences.
    pub(super) fn directions(&self, output: &ArrayD<f64>, directions: usize) -> (Vec<Entry>, usize) {
        let (inputs, check) = (self.inputs, self.check);
        let sizes = OnceLock::new();
        let pulled: Vec<Pulled> = (0..directions).map(|number| self.pulled(output, number, &sizes)).collect();
        let mut entries = Vec::new();
        let mut evaluations = directions + sizes.get().map_or(0, |(_, calls)| *calls);
        let lines = &self.lines;
        // Each direction is measured, and then judged, for which it may be measured again.
        lines.expect(2 * directions * inputs.iter().filter(|x| !x.is_empty()).count());
        for (input, x) in inputs.iter().enumerate() {
            if x.is_empty() {
                continue;
            }
            let ways: Vec<_> = (0..directions).map(|number| self.direction(input, number, &pulled[number])).collect();
            let found = each(self.subject, directions, |subject, number| {
                let line = Line { subject, check, inputs, input, output };
                let found = line.slope(&ways[number], &pulled[number].v, false);
                lines.measured(subject);
                found
            });
            let all = typical(found.iter().flat_map(|found| &found.slopes));
            let judged = each(self.subject, directions, |subject, number| {
                let line = Line { subject, check, inputs, input, output };
                // Slopes along directions of different kinds are of different sizes.
                let alike = found.iter().skip(number % KINDS).step_by(KINDS);
                let typical = typical(alike.flat_map(|found| &found.slopes)).min(all);
                let first = &found[number];
                let (entry, calls) =
                    judge(line, (number, directions), (&pulled[number], &ways[number]), first, typical);
                lines.measured(subject);
                (entry, calls, typical)
            });
            for (number, (mut entry, calls, typical)) in judged.into_iter().enumerate() {
                evaluations += calls;
                // A slope that is too small to be known proves nothing: another takes its place.
                for again in 1..=OTHERS {
                    let off = (entry.analytic - entry.numeric).abs();
                    if entry.verdict != Verdict::Undecided || off > entry.uncertainty {
                        break;
                    }
                    let other = number + again * KINDS * directions;
                    let pulled = self.pulled(output, other, &sizes);
                    let way = self.direction(input, other, &pulled);
                    let line = Line { subject: self.subject, check, inputs, input, output };
                    let first = line.slope(&way, &pulled.v, false);
                    let (found, calls) = judge(line, (number, directions), (&pulled, &way), &first, typical);
                    evaluations += calls + 1;
                    if matches!(found.verdict, Verdict::Agrees | Verdict::Coarse | Verdict::Wrong) {
                        entry = found;
                    }
                }
                entries.push(entry);
            }
        }
        (entries, evaluations)
    }

    /// The direction v of pair number `number`, and the gradients of ⟨v, value⟩. `sizes` keeps the sizes of the outputs'
    /// slopes, once they are known.
    fn pulled(&self, output: &ArrayD<f64>, number: usize, sizes: &OnceLock<(ArrayD<f64>, usize)>) -> Pulled {
        let mut v = direction(output.shape(), &mut self.rng(1 + number as u64));
        if number % 2 == 1 && output.len() > 1 && !is_single(self.subject.unit()) {
            let (sizes, _) = sizes.get_or_init(|| self.sizes(output));
            v = even(v, sizes);
        }
        let gradients = self.subject.pull_back(self.inputs, &v);
        Pulled { v, gradients }
    }

    /// The sizes of the outputs' slopes when all inputs move, and how often the function was evaluated for them.
    fn sizes(&self, output: &ArrayD<f64>) -> (ArrayD<f64>, usize) {
        let ways: Vec<_> =
            self.inputs.iter().map(|x| direction(x.shape(), &mut self.rng(1 << 50)) * scale(x)).collect();
        let at_zero: Vec<f64> = output.iter().copied().collect();
        let found = along(self.subject, self.check, self.inputs, &ways, &at_zero, false);
        let size = |(slope, y): (&Slope, &f64)| {
            // Of a large number that hardly changes rounding would be left.
            if slope.value.is_finite() { slope.value.abs().max(1e-3 * y.abs()) } else { 0.0 }
        };
        let sizes = found.slopes.iter().zip(output).map(size).collect();
        (ArrayD::from_shape_vec(output.raw_dim(), sizes).expect("a slope for each output"), found.calls)
    }

    /// Direction number `number` in the space of one input.
    fn direction(&self, input: usize, number: usize, pulled: &Pulled) -> ArrayD<f64> {
        let stream = (1 << 32) * (1 + input as u64) + number as u64;
        let (x, gradient) = (&self.inputs[input], &pulled.gradients[input]);
        let mut u = direction(x.shape(), &mut self.rng(stream));
        let size = root_mean_square(x.iter().copied());
        if number % 2 == 1 && size > 0.0 {
            u.zip_mut_with(x, |u, x| *u *= if *x == 0.0 { 1.0 } else { x.abs() / size });
            let now = root_mean_square(u.iter().copied());
            u /= if now > 0.0 { now } else { 1.0 };
        }
        if is_single(self.subject.unit()) {
            // Rounding in f32 would hide a slope to which elements contribute with all signs.
            return uphill(u.mapv(power_of_two), gradient);
        }
        if number % KINDS >= 2 && gradient.len() > 1 { even(u, gradient) } else { u }
    }

    /// Direction number `number` of a check, in the space of one input.
    pub(crate) fn direction_again(&self, input: usize, number: usize) -> ArrayD<f64> {
        let output = self.subject.value(self.inputs);
        self.direction(input, number, &self.pulled(&output, number, &OnceLock::new()))
    }
}

/// After so many pairs their kinds are repeated.
const KINDS: usize = 4;

/// The size of an array's elements, 1 if they are all 0.
fn scale(x: &ArrayD<f64>) -> f64 {
    let size = root_mean_square(x.iter().copied());
    if size > 0.0 { size } else { 1.0 }
}

/// A direction whose elements are in inverse proportion to some sizes, within limits; its root mean square is 1.
fn even(mut u: ArrayD<f64>, sizes: &ArrayD<f64>) -> ArrayD<f64> {
    let largest = sizes.iter().fold(0.0f64, |largest, size| largest.max(size.abs()));
    if u.shape() != sizes.shape() || largest == 0.0 || !largest.is_finite() {
        return u;
    }
    u.zip_mut_with(sizes, |u, size| *u *= (largest / size.abs()).min(UNEVEN));
    let now = root_mean_square(u.iter().copied());
    if now > 0.0 { u / now } else { u }
}

/// Directions that are tried in place of one along which the slope cannot be known.
const OTHERS: usize = 2;

/// The result for the slope along u, with the direction's number and the count of directions, and the number of evaluations
/// it took. `first` is a first look.
fn judge(
    line: Line<'_>,
    (number, directions): (usize, usize),
    (pulled, u): (&Pulled, &ArrayD<f64>),
    first: &Found,
    typical: f64,
) -> (Entry, usize) {
    let Line { subject, check, inputs, input, .. } = line;
    let (unit, v) = (subject.unit(), &pulled.v);
    let analytic = dot(&pulled.gradients[input], u);
    let mut calls = first.calls;
    let (mut slope, mut off) = (first.slopes[0], 0.0);
    let verdict = |slope: &Slope, off| check.verdict(unit, analytic, slope, typical, off);
    if !(first.swift && is_right(verdict(&slope, 0.0))) {
        let second = line.slope(u, v, true);
        calls += second.calls;
        slope = second.slopes[0];
    }
    if !is_right(verdict(&slope, off)) {
        let again = dot(&subject.pull_back(inputs, &(v * UNITS))[input], u) / UNITS;
        off = 8.0 * (again - analytic).abs();
        calls += 1;
    }
    let compared = Compared { place: Place::Direction(number), analytic, slope, off };
    let mut entry = check.judged(unit, input, compared, typical);
    if !matches!(entry.verdict, Verdict::Agrees | Verdict::Coarse) {
        let mut search = Search { line, turn: (number, directions), calls: 0 };
        entry.verdict = search.at_kinks(u, v).unwrap_or(entry.verdict);
        calls += search.calls;
    }
    (entry, calls)
}
