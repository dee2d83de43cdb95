//! Where a direction meets kinks.

use std::collections::HashMap;

use ndarray::ArrayD;

use super::lines::{Line, along};
use super::{flat_at, indices, only, typical};
use crate::dot;
use crate::report::Verdict;
use crate::slope::Slope;

/// Components that are looked at one by one where a direction meets kinks.
const KINKS: usize = 128;

/// Lines that are spent on finding the kinks of one component.
const SEARCH: usize = 64;

/// Elements at kinks that are looked at by themselves, for each direction.
const ALONE: usize = 16;

/// Where a direction meets kinks: vᵀJu need not lie between the slopes to the left and to the right if there are
/// several. So components are looked at one by one, and of a component with several kinks the inputs.
pub(super) struct Search<'a> {
    pub(super) line: Line<'a>,
    /// The number of the direction, and how many there are: each looks at other kinks, if there are many.
    pub(super) turn: (usize, usize),
    pub(super) calls: usize,
}

impl Search<'_> {
    /// What is to be said of vᵀJu; `None` where no component has a kink along u.
    pub(super) fn at_kinks(&mut self, u: &ArrayD<f64>, v: &ArrayD<f64>) -> Option<Verdict> {
        let (slopes, typical) = self.components(u);
        let is_kink =
            |slope: &Slope| slope.is_kink(self.line.check.precision(self.line.subject.unit()).relative * typical);
        let kinks: Vec<usize> = (0..slopes.len()).filter(|&k| is_kink(&slopes[k])).collect();
        if kinks.is_empty() {
            return None;
        }
        if let Some(verdict) = self.apart(u, v) {
            return Some(verdict);
        }
        // What has no kink is held to the usual standard.
        let mut smooth = v.clone();
        let flat = smooth.as_slice_mut().expect("row-major");
        for &k in &kinks {
            flat[k] = 0.0;
        }
        if kinks.len() < slopes.len() {
            let found = self.line.slope(u, &smooth, true);
            self.calls += found.calls + 1;
            let analytic = dot(&self.line.subject.pull_back(self.line.inputs, &smooth)[self.line.input], u);
            let verdict = self.line.check.verdict(self.line.subject.unit(), analytic, &found.slopes[0], typical, 0.0).0;
            if matches!(verdict, Verdict::Wrong | Verdict::Undecided) {
                return Some(verdict);
            }
        }
        let places = indices(self.line.output);
        let (number, directions) = self.turn;
        let mine = |position: usize| kinks.len() <= KINKS || position % directions == number;
        for (_, &k) in kinks.iter().enumerate().filter(|(position, _)| mine(*position)).take(KINKS) {
            let mut unit = ArrayD::zeros(self.line.output.shape());
            unit[&places[k][..]] = 1.0;
            let gradient = self.line.subject.pull_back(self.line.inputs, &unit)[self.line.input].clone();
            self.calls += 1;
            if !self.between(dot(&gradient, u), &slopes[k]) {
                let moving: Vec<usize> = (0..u.len()).filter(|&i| flat_at(u, i) != 0.0).collect();
                let (mut lines, mut seen) = (0, 0);
                match self.inside(&unit, &gradient, u, &moving, &mut lines, &mut seen) {
                    Some(verdict) => return Some(verdict),
                    None if lines >= SEARCH && seen == 0 => return Some(Verdict::Undecided),
                    None => {}
                }
            }
        }
        // Many kinks along one line leave much room between the two sides; one alone does not.
        let k = kinks[number % kinks.len()];
        let mut unit = ArrayD::zeros(self.line.output.shape());
        unit[&places[k][..]] = 1.0;
        let gradient = self.line.subject.pull_back(self.line.inputs, &unit)[self.line.input].clone();
        self.calls += 1;
        Some(self.alone(&unit, &gradient, u).unwrap_or(self.line.check.at_kink()))
    }

    /// Tells the elements that are at a kink from those that are not, where that shows in their values: kinks are where an
    /// element is 0, or as large as others. The rest, moved alone, is held to the usual standard, and some of these elements
    /// are looked at one by one. [`Verdict::Wrong`] if something is; `None` where nothing is known to be.
    fn apart(&mut self, u: &ArrayD<f64>, v: &ArrayD<f64>) -> Option<Verdict> {
        let line = self.line;
        let x = &line.inputs[line.input];
        let moving: Vec<usize> = (0..u.len()).filter(|&i| flat_at(u, i) != 0.0).collect();
        let mut numbers = HashMap::<u64, usize>::new();
        for &i in &moving {
            *numbers.entry(flat_at(x, i).to_bits()).or_default() += 1;
        }
        let is_zero = |i: usize| flat_at(x, i) == 0.0;
        let is_shared = |i: usize| is_zero(i) || numbers[&flat_at(x, i).to_bits()] > 1;
        let suspected: [&dyn Fn(usize) -> bool; 2] = [&is_zero, &is_shared];
        let gradient = line.subject.pull_back(line.inputs, v).swap_remove(line.input);
        self.calls += 1;
        let unit = line.subject.unit();
        for is_suspected in suspected {
            let (kinked, smooth): (Vec<usize>, Vec<usize>) = moving.iter().partition(|&&i| is_suspected(i));
            if kinked.is_empty() || smooth.is_empty() {
                continue;
            }
            let along = only(u, &smooth);
            let slope = self.part(v, &along, true);
            let analytic = dot(&gradient, &along);
            if slope.is_kink(line.check.precision(unit).relative * slope.value.abs().max(analytic.abs())) {
                continue;
            }
            if line.check.verdict(unit, analytic, &slope, slope.value.abs(), 0.0).0 == Verdict::Wrong {
                return Some(Verdict::Wrong);
            }
            let (number, directions) = self.turn;
            let stride = (kinked.len() / (ALONE * directions)).max(1);
            for &i in kinked.iter().skip(number * stride).step_by(stride * directions).take(ALONE) {
                let along = only(u, &[i]);
                let (slope, analytic) = (self.part(v, &along, true), dot(&gradient, &along));
                let verdict = line.check.verdict(unit, analytic, &slope, slope.value.abs(), 0.0).0;
                // Of one element among very many rounding may leave nothing.
                if verdict == Verdict::Wrong {
                    return Some(Verdict::Wrong);
                }
            }
            return None;
        }
        None
    }

    /// Finds one input that has a kink by itself, by halving those that move along u, another for each direction.
    /// [`Verdict::Wrong`] if the VJP's slope does not lie between its sides; `None` if it does, or there is none.
    fn alone(&mut self, unit: &ArrayD<f64>, gradient: &ArrayD<f64>, u: &ArrayD<f64>) -> Option<Verdict> {
        let (number, directions) = self.turn;
        let mut moving: Vec<usize> = (0..u.len()).filter(|&i| flat_at(u, i) != 0.0).collect();
        let first = moving.len() * number / directions;
        moving.rotate_left(first);
        while moving.len() > 1 {
            let halves = moving.chunks(moving.len().div_ceil(2));
            let half = halves.map(<[usize]>::to_vec).find(|half| {
                let slope = self.part(unit, &only(u, half), false);
                let [left, right] = slope.sides();
                slope
                    .is_kink(self.line.check.precision(self.line.subject.unit()).relative * left.abs().max(right.abs()))
            });
            moving = half?;
        }
        let along = only(u, &moving);
        let slope = self.part(unit, &along, true);
        let verdict =
            self.line.check.verdict(self.line.subject.unit(), dot(gradient, &along), &slope, slope.value.abs(), 0.0).0;
        (verdict == Verdict::Wrong).then_some(verdict)
    }

    /// The slope of ⟨unit, value⟩ when one input moves along a line.
    fn part(&mut self, unit: &ArrayD<f64>, along: &ArrayD<f64>, with_care: bool) -> Slope {
        let found = self.line.slope(along, unit, with_care);
        self.calls += found.calls;
        found.slopes[0]
    }

    /// The slopes of all components along u, and how large they are.
    fn components(&mut self, u: &ArrayD<f64>) -> (Vec<Slope>, f64) {
        let at_zero: Vec<f64> = self.line.output.iter().copied().collect();
        let mut ways: Vec<_> = self.line.inputs.iter().map(|x| ArrayD::zeros(x.shape())).collect();
        ways[self.line.input].assign(u);
        let found = along(self.line.subject, self.line.check, self.line.inputs, &ways, &at_zero, false);
        self.calls += found.calls;
        let typical = typical(&found.slopes);
        (found.slopes, typical)
    }

    /// Whether an analytic slope lies between the two sides of a kink.
    fn between(&self, analytic: f64, slope: &Slope) -> bool {
        let [left, right] = slope.sides();
        let precision = self.line.check.precision(self.line.subject.unit());
        let scale = left.abs().max(right.abs()).max(analytic.abs());
        let allowed = precision.absolute + precision.relative * scale + 4.0 * (slope.error + slope.jump_error);
        (left.min(right) - allowed..=left.max(right) + allowed).contains(&analytic)
    }

    /// Halves the moving inputs again and again, until each part has one kink with the VJP's slope within it, no
    /// kink, or a wrong slope. `seen` counts the parts that are right.
    fn inside(
        &mut self,
        unit: &ArrayD<f64>,
        gradient: &ArrayD<f64>,
        u: &ArrayD<f64>,
        moving: &[usize],
        lines: &mut usize,
        seen: &mut usize,
    ) -> Option<Verdict> {
        for part in moving.chunks(moving.len().div_ceil(2).max(1)) {
            if *lines >= SEARCH {
                return None;
            }
            *lines += 1;
            let along = only(u, part);
            let (slope, analytic) = (self.part(unit, &along, true), dot(gradient, &along));
            let verdict = self.line.check.verdict(self.line.subject.unit(), analytic, &slope, slope.value.abs(), 0.0).0;
            match verdict {
                Verdict::Agrees | Verdict::Coarse | Verdict::Subgradient | Verdict::NotDifferentiable => *seen += 1,
                _ if part.len() == 1 => return Some(verdict),
                _ => {
                    if let Some(verdict) = self.inside(unit, gradient, u, part, lines, seen) {
                        return Some(verdict);
                    }
                }
            }
        }
        None
    }
}
