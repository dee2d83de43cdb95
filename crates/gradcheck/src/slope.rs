//! Numeric slopes by central differences and Richardson extrapolation, with estimates of their own error.
//!
//! For a smooth f the central difference (f(h) − f(−h))/2h is f′(0) + a₂h² + a₄h⁴ + …; from values at steps that
//! shrink by a constant ratio, Neville's scheme removes one power of h after the other, and neighbouring entries of
//! its table tell the error (Ridders 1982, "Accurate computation of F′(x) and F′(x)F″(x)"; Press et al., *Numerical
//! Recipes*, section 5.7). Truncation shrinks with the step, rounding grows: the entry with the least estimate of
//! both wins.
//!
//! The same table, over the odd powers, extrapolates (f(h) − 2f(0) + f(−h))/h: the right slope minus the left one. It
//! is 0 where f is smooth, and what is left at a kink is the jump of the slope.
//!
//! There are two ways through the steps. [`quick`] begins with the largest, stops as soon as all is precise, and takes
//! rounding to be that of f64. A pair of values at a far smaller step confirms what it finds, since large steps jump over a
//! feature that is narrower than they are. Before anything else is said, [`careful`] looks at steps of all sizes, down to
//! the smallest by which the number moves exactly; measures how much noise the
//! values carry (a function that computes in f32 inside is flat over small steps, and has no slope there); and believes
//! an extrapolation from large steps only if the small steps do not contradict it (1/x has a pole that large steps
//! jump over).

use crate::noise::{self, COARSE};

/// By what the step shrinks from one row of the table to the next.
const RATIO: f64 = 4.0;

/// Rows of the table at most: from the first step down to a four-millionth of it.
const ROWS: usize = 12;

/// Rows before the table is believed: two rows of a steep function may agree by chance.
const LEAST: usize = 3;

/// Rows within which a smooth function becomes precise; what needs more is looked at with care.
const SWIFT: usize = 6;

/// The coarsest unit of rounding there is, in units of a number: that of bfloat16.
const GRAIN: f64 = 1.0 / 128.0;

/// The slope of one component of a function along a line.
#[derive(Clone, Copy, Debug)]
pub struct Slope {
    /// The mean of the slopes to the left and to the right; NaN where no step gave finite values.
    pub value: f64,
    /// Estimate of the error of `value`.
    pub error: f64,
    /// The slope to the right minus that to the left.
    pub jump: f64,
    /// Estimate of the error of `jump`.
    pub jump_error: f64,
    /// The noise of the values, in units of their size; 0 where it was not measured.
    pub noise: f64,
    /// Size of the values divided by the size of the point: what the slope is small or large against.
    pub natural: f64,
    /// Plain differences at steps far below the size of the point, each with how far rounding may move it.
    pub near: [(f64, f64); NEAR],
}

/// How many plain differences at small steps are kept.
const NEAR: usize = 6;

impl Slope {
    const UNKNOWN: Self = Self {
        value: f64::NAN,
        error: f64::INFINITY,
        jump: f64::NAN,
        jump_error: f64::INFINITY,
        noise: 0.0,
        natural: 0.0,
        near: [(f64::NAN, f64::INFINITY); NEAR],
    };

    /// The slopes to the left and to the right.
    pub fn sides(&self) -> [f64; 2] {
        [self.value - self.jump / 2.0, self.value + self.jump / 2.0]
    }

    /// Whether a difference at a small step says `slope`, and not `value`.
    pub fn is_supported(&self, slope: f64) -> bool {
        self.near.iter().any(|&(difference, rounding)| {
            let allowed = rounding + 0.1 * slope.abs();
            rounding <= 0.3 * slope.abs()
                && (difference - slope).abs() <= allowed
                && (difference - self.value).abs() > allowed
        })
    }

    /// Whether the two sides differ by more than what the estimates and `tolerance` allow.
    pub fn is_kink(&self, tolerance: f64) -> bool {
        self.jump.abs() > 2.0 * (self.jump_error + tolerance)
    }
}

/// What precision is asked of a slope.
#[derive(Clone, Copy, Debug)]
pub struct Precision {
    /// The error that is allowed in any case.
    pub absolute: f64,
    /// The error that is allowed for a slope of 1.
    pub relative: f64,
}

/// The steps that make sense along a line.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// The first step of `quick`.
    pub first: f64,
    /// A small step: a hundredth of the smallest number that moves.
    pub smallest: f64,
    /// Where careful steps end: about the least that moves the numbers exactly.
    pub floor: f64,
    /// What steps are multiples of, so that the number moves without rounding; 0 where there are several numbers.
    pub grid: f64,
    /// Steps far below the first, at which an agreement is confirmed; 0 stands for none.
    pub probes: [f64; 2],
    /// The rounding unit of the function's numbers.
    pub unit: f64,
}

impl Steps {
    /// The step next to the given one that moves the number exactly.
    pub(crate) fn exact(&self, step: f64) -> f64 {
        if self.grid > 0.0 && step > self.grid { (step / self.grid).round() * self.grid } else { step }
    }

    /// For lines along which both kinds of steps make sense.
    pub fn smaller(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            smallest: self.smallest.min(other.smallest),
            floor: self.floor.max(other.floor),
            grid: 0.0,
            ..self
        }
    }
}

/// What was found along a line.
pub struct Found {
    /// The slopes at 0, component by component.
    pub slopes: Vec<Slope>,
    /// How often the function was called.
    pub calls: usize,
    /// Whether the steps stopped early, with all components precise.
    pub swift: bool,
}

/// The slopes at 0 of all components of `f`, whose value there is `at_zero`. The steps begin with the first and
/// shrink until all components are precise enough, or no step is left. What is precise is looked at once more with far
/// smaller steps, which see what is too narrow for large ones.
pub(crate) fn quick(f: &mut dyn FnMut(f64) -> Vec<f64>, at_zero: &[f64], steps: Steps, precision: Precision) -> Found {
    let mut tables = vec![(Table::new(2), Table::new(1)); at_zero.len()];
    let mut best = vec![Slope::UNKNOWN; at_zero.len()];
    let mut natural = vec![0.0f64; at_zero.len()];
    let mut step = steps.first;
    for row in 1..=ROWS {
        let (left, right) = (f(-step), f(step));
        for (component, (central, difference)) in tables.iter_mut().enumerate() {
            let (left, here, right) = (left[component], at_zero[component], right[component]);
            let size = left.abs().max(right.abs()).max(here.abs());
            let rounding = steps.unit * size / step;
            central.push((right - left) / (2.0 * step), rounding);
            difference.push(((right - here) - (here - left)) / step, 4.0 * rounding);
            let ((value, error), (jump, jump_error)) = (central.best, difference.best);
            if row == 1 {
                natural[component] = natural_slope(here, left, right, steps);
            }
            let natural = natural[component];
            best[component] = Slope { value, error, jump, jump_error, noise: 0.0, natural, ..Slope::UNKNOWN };
        }
        if row >= LEAST && all_precise(&best, precision) {
            let (confirmed, more) = confirmed(f, at_zero, &best, steps);
            return Found { slopes: best, calls: 2 * row + more, swift: row <= SWIFT && confirmed };
        }
        step /= RATIO;
    }
    Found { slopes: best, calls: 2 * ROWS, swift: false }
}

/// The slope that is neither large nor small for values and a point of this size.
fn natural_slope(here: f64, left: f64, right: f64, steps: Steps) -> f64 {
    let moved = [left, right].into_iter().filter(|value| value.is_finite()).fold(0.0f64, |m, value| m.max(value.abs()));
    here.abs().max(moved) / (100.0 * steps.first)
}

/// Whether differences at the probes say the same, as far as rounding lets them. Also says how often `f` was called.
fn confirmed(f: &mut dyn FnMut(f64) -> Vec<f64>, at_zero: &[f64], slopes: &[Slope], steps: Steps) -> (bool, usize) {
    let mut calls = 0;
    for probe in steps.probes.into_iter().filter(|&probe| probe > 0.0) {
        let probe = steps.exact(probe);
        let (left, right) = (f(-probe), f(probe));
        calls += 2;
        for (component, slope) in slopes.iter().enumerate() {
            let (left, here, right) = (left[component], at_zero[component], right[component]);
            let size = left.abs().max(right.abs()).max(here.abs());
            let difference = (right - left) / (2.0 * probe);
            let allowed = PROBED * slope.value.abs() + slope.error + 8.0 * steps.unit * size / probe;
            // NaN is no confirmation.
            let off = (difference - slope.value).abs();
            if off.is_nan() || off > allowed {
                return (false, calls);
            }
        }
    }
    (true, calls)
}

/// How far a difference at a probe may be from the slope, relative to it, without being looked into.
const PROBED: f64 = 1e-6;

/// The same, from steps of all sizes and with the noise of the values measured.
pub fn careful(f: &mut dyn FnMut(f64) -> Vec<f64>, at_zero: &[f64], steps: Steps) -> Found {
    // Not the steps of `quick`, whose accidents are not to happen again; but powers of two where those must be.
    let is_single = steps.unit > f64::EPSILON;
    let top = steps.first.max(steps.smallest);
    let mut step = if is_single { 8.0 * top } else { 11.3 * top };
    // Along a line that moves several numbers the steps of their coarse rounding become rare before they end.
    let floor = if steps.grid > 0.0 { steps.floor } else { steps.floor.max(steps.smallest / 4096.0) };
    let mut rows = Vec::new();
    while rows.len() < 60 && (rows.len() < ROWS || step > floor) {
        let exact = steps.exact(step);
        rows.push((exact, f(-exact), f(exact)));
        step /= RATIO;
    }
    let (mut noise, mut calls) = noise::measure(f, at_zero, steps);
    for (component, noise) in noise.iter_mut().enumerate() {
        let here = at_zero[component];
        let rounding = steps.unit / 2.0 * here.abs();
        if let Some((flat, away)) = plateau(&rows, component, here) {
            let (jump, more) = noise::jump(&mut |s| f(s)[component], here, flat, away);
            calls += more;
            // A higher jump is one of the function, and none of its rounding.
            if jump == 0.0 {
                noise.near = rounding;
            } else if jump <= GRAIN * here.abs() {
                noise.near = noise.near.max(jump / 2.0);
            }
        }
    }
    if !is_single {
        for (component, noise) in noise.iter_mut().enumerate() {
            noise.near = noise.near.max(scatter(&rows, component));
        }
    }
    let slopes = (0..at_zero.len())
        .map(|component| {
            let (here, noise) = (at_zero[component], &noise[component]);
            let is_coarse = noise.near > COARSE * here.abs();
            let at = |(step, left, right): &(f64, Vec<f64>, Vec<f64>)| (*step, left[component], right[component]);
            let rounding = |step: f64, size: f64| {
                let noise = if is_coarse { noise.at(step, size / here.abs()) } else { noise.near };
                (steps.unit * size).max(2.0 * noise) / step
            };
            let (mut central, mut difference) = (Table::new(2), Table::new(1));
            let mut sides = [Table::one_sided(), Table::one_sided()];
            for (step, left, right) in rows.iter().map(at) {
                let rounding = rounding(step, left.abs().max(right.abs()).max(here.abs()));
                central.push((right - left) / (2.0 * step), rounding);
                difference.push(((right - here) - (here - left)) / step, 4.0 * rounding);
                sides[0].push((here - left) / step, 2.0 * rounding);
                sides[1].push((right - here) / step, 2.0 * rounding);
            }
            let mut near = Slope::UNKNOWN.near;
            let small = rows.iter().map(at).filter(|(step, ..)| *step <= 1e-5 * 100.0 * steps.smallest).take(4 * NEAR);
            for (number, (step, left, right)) in small.enumerate() {
                let size = left.abs().max(right.abs()).max(here.abs());
                near[number % NEAR] = ((right - left) / (2.0 * step), 4.0 * rounding(step, size));
            }
            let (step, left, right) = at(&rows[0]);
            let natural = natural_slope(here, left, right, Steps { first: step / 8.0, ..steps });
            let ((value, error), (jump, jump_error)) = (central.consistent(), difference.consistent());
            // What rounding of the argument does to a steep function is none of a coarser type.
            let steep = if value.is_finite() { value.abs() * 100.0 * steps.smallest } else { 0.0 };
            let noise = if here == 0.0 { 0.0 } else { noise.near / here.abs().max(steep) };
            if value.is_nan() && rows.iter().map(at).all(|(_, left, right)| !(left.is_finite() && right.is_finite())) {
                // The function is defined on one side alone.
                let [left, right] = sides.map(|table| table.consistent());
                let (value, error) = if left.1 < right.1 { left } else { right };
                return Slope { value, error, jump: 0.0, jump_error: 0.0, noise, natural, near };
            }
            // A kink shows in the differences themselves; an extrapolated jump alone may come of bends nearby.
            let jump_error = jump_error.max(difference.settled());
            Slope { value, error, jump, jump_error, noise, natural, near }
        })
        .collect();
    Found { slopes, calls: 2 * rows.len() + calls, swift: false }
}

/// The noise of a component that differences at the smallest steps show: what of them is slope is the same in two
/// neighbours, and what is bent is too small.
fn scatter(rows: &[(f64, Vec<f64>, Vec<f64>)], component: usize) -> f64 {
    let difference =
        |(step, left, right): &(f64, Vec<f64>, Vec<f64>)| (right[component] - left[component]) / (2.0 * step);
    let last = &rows[rows.len().saturating_sub(SMALLEST + 1)..];
    let pairs = last.windows(2).map(|pair| (difference(&pair[0]) - difference(&pair[1])).abs() * pair[1].0);
    let mut pairs: Vec<f64> = pairs.filter(|noise| noise.is_finite()).collect();
    // What a bend changes becomes 64 times less from one pair to the next.
    let (mut noise, mut deeper) = (0.0f64, f64::INFINITY);
    while let Some(next) = pairs.pop() {
        if next <= 8.0 * deeper {
            noise = noise.max(next);
        }
        deeper = if deeper.is_finite() { deeper.max(next) } else { next };
    }
    noise / 2.0
}

/// Steps that are so small that only noise is expected of them.
const SMALLEST: usize = 4;

/// Of a component that is `here` at 0 and does not change over the last steps: the largest step, to the one side or the
/// other, within which it does not, and the next one, where it is something else. `None` for other components.
fn plateau(rows: &[(f64, Vec<f64>, Vec<f64>)], component: usize, here: f64) -> Option<(f64, f64)> {
    let is_flat = |(_, left, right): &&(f64, Vec<f64>, Vec<f64>)| left[component] == here && right[component] == here;
    let flat = rows.iter().rev().take_while(is_flat).count();
    let ((away, left, right), (inside, ..)) =
        (rows.iter().rev().nth(flat)?, rows.iter().rev().nth(flat.checked_sub(1)?)?);
    let moved = |value: &[f64]| value[component] != here && value[component].is_finite();
    match (flat >= 2, moved(right), moved(left)) {
        (true, true, _) => Some((*inside, *away)),
        (true, _, true) => Some((-inside, -away)),
        _ => None,
    }
}

/// Root mean square; 0 of nothing. Sizes whose squares overflow or vanish do no harm.
pub(crate) fn root_mean_square(values: impl IntoIterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().into_iter().fold(0.0f64, |largest, v| largest.max(v.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    let squares = values.into_iter().fold((0.0, 0.0), |(count, sum), v| (count + 1.0, sum + (v / largest).powi(2)));
    largest * f64::sqrt(squares.1 / squares.0)
}

/// Estimates must be a few times smaller than the tolerance, so that they do not decide a verdict.
fn all_precise(slopes: &[Slope], precision: Precision) -> bool {
    let size = root_mean_square(slopes.iter().map(|slope| slope.value));
    slopes.iter().all(|slope| {
        let tolerance = precision.absolute + precision.relative * size.max(slope.value.abs());
        // A slope of 0 is precise as soon as rounding hides what it might be.
        let zero = slope.value.abs() <= 4.0 * slope.error && slope.error <= 1e-9 * slope.natural;
        zero || (slope.error <= tolerance / 4.0 && slope.jump_error <= tolerance)
    })
}

/// Neville's scheme for a quantity with an expansion in h^p, h^(p+2), h^(p+4), …; and Aitken's for one that begins with
/// any other power, as |x|^1.1 does at 0.
#[derive(Clone)]
struct Table {
    first_power: i32,
    /// From one power to the next.
    stride: i32,
    /// The last row: entry m has m powers removed.
    row: Vec<f64>,
    /// The last first entries, for Aitken's scheme, with the ratio of their differences, and what it made of them.
    last: [f64; 2],
    ratio: f64,
    aitken: [f64; 2],
    /// The value with the least error estimate so far, and that estimate.
    best: (f64, f64),
    /// For each row its best value with the estimate of its error; its first entry, with how far that may be off.
    rows: Vec<[(f64, f64); 2]>,
}

impl Table {
    fn new(first_power: i32) -> Self {
        Self {
            first_power,
            stride: 2,
            row: Vec::new(),
            last: [f64::NAN; 2],
            ratio: f64::NAN,
            aitken: [f64::NAN; 2],
            best: (f64::NAN, f64::INFINITY),
            rows: Vec::new(),
        }
    }

    /// For differences to one side, in which every power occurs.
    fn one_sided() -> Self {
        Self { stride: 1, ..Self::new(1) }
    }

    /// Adds the row that begins with `entry`, which carries an error of about `rounding`.
    fn push(&mut self, entry: f64, rounding: f64) {
        let mut row = vec![entry];
        let mut best = (f64::NAN, f64::INFINITY);
        for (m, above) in self.row.iter().take(ROWS).enumerate() {
            let before = row[m];
            let factor = RATIO.powi(self.first_power + self.stride * m as i32);
            let next = before + (before - above) / (factor - 1.0);
            let error = (next - before).abs().max((next - above).abs()) + rounding;
            if error < best.1 {
                best = (next, error);
            }
            row.push(next);
        }
        let [first, second] = self.last;
        let ratio = (entry - second) / (second - first);
        let next = entry + (entry - second) * ratio / (1.0 - ratio);
        let slow = (0.02..0.97).contains(&ratio);
        // A power has the same ratio from row to row.
        if slow && (ratio - self.ratio).abs() <= 0.02 * ratio {
            let off = self.aitken.map(|before| (next - before).abs());
            let error = off[0].max(off[1]) + 4.0 * rounding / (1.0 - ratio).powi(2);
            if error < best.1 {
                best = (next, error);
            }
        }
        self.last = [second, entry];
        self.ratio = ratio;
        self.aitken = [self.aitken[1], next];
        if best.1 < self.best.1 {
            self.best = best;
        }
        // What the step to the next row changes is most of the first entry's truncation.
        let truncation = self.row.first().map_or(f64::INFINITY, |above| (entry - above).abs());
        let truncation = if slow { truncation * (2.0 * ratio / (1.0 - ratio)).max(1.0) } else { truncation };
        self.rows.push([best, (entry, 4.0 * rounding + truncation)]);
        self.row = row;
    }

    /// How well the first entries alone say what they tend to: twice in turn, as two may agree by chance.
    fn settled(&self) -> f64 {
        let offs = self.rows.windows(2).map(|rows| rows[0][1].1.max(rows[1][1].1));
        offs.filter(|off| off.is_finite()).fold(f64::INFINITY, f64::min)
    }

    /// The best value that no smaller step contradicts, and its error.
    fn consistent(&self) -> (f64, f64) {
        let mut best = (f64::NAN, f64::INFINITY);
        for (number, [candidate, _]) in self.rows.iter().enumerate() {
            let fits = |[_, (entry, off)]: &[(f64, f64); 2]| {
                !off.is_finite() || (entry - candidate.0).abs() <= 4.0 * candidate.1 + off
            };
            if candidate.1 < best.1 && self.rows[number + 1..].iter().all(fits) {
                best = *candidate;
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope(f: impl Fn(f64) -> f64, step: f64) -> (Slope, usize) {
        let precision = Precision { absolute: 1e-12, relative: 1e-9 };
        let found = quick(&mut |s| vec![f(s)], &[f(0.0)], steps(step), precision);
        (found.slopes[0], found.calls)
    }

    fn steps(first: f64) -> Steps {
        Steps { first, smallest: first, floor: first * 2f64.powi(-36), grid: 0.0, probes: [0.0; 2], unit: f64::EPSILON }
    }

    fn with_care(f: impl Fn(f64) -> f64, steps: Steps) -> Slope {
        careful(&mut |s| vec![f(s)], &[f(0.0)], steps).slopes[0]
    }

    #[test]
    fn smooth_functions_are_exact_to_ten_digits_and_the_estimate_holds() {
        let cases: [(fn(f64) -> f64, f64); 6] = [
            (|s| (1.0 + s).exp(), 1f64.exp()),
            (|s| (0.3 + s).sin() * 100.0, 100.0 * 0.3f64.cos()),
            (|s| (1.0 + s).powi(7), 7.0),
            (|s| 1.0 / (2.0 + s), -0.25),
            (|s| (50.0 * (s + 0.1)).cos(), -50.0 * 5f64.sin()),
            (|s| 3.0 - 2.0 * s, -2.0),
        ];
        for (f, exact) in cases {
            let (slope, calls) = slope(f, 1e-2);
            let error = (slope.value - exact).abs();
            assert!(error <= 1e-10 * exact.abs() && error <= 2.0 * slope.error, "{slope:?} of {exact}");
            assert!(4.0 * slope.error <= 1e-12 + 1e-9 * exact.abs(), "{slope:?} of {exact}");
            assert!(!slope.is_kink(0.0) && calls <= 12, "{slope:?} after {calls}");
        }
    }

    #[test]
    fn a_constant_has_slope_zero_after_the_least_rows() {
        let (slope, calls) = slope(|_| 5.0, 1e-2);
        assert_eq!((slope.value, slope.jump, calls), (0.0, 0.0, 2 * LEAST.max(calls / 2)));
        assert!(slope.error < 1e-12);
    }

    #[test]
    fn zero_everywhere_is_no_kink_even_with_no_tolerance() {
        let (slope, _) = slope(|_| 0.0, 1e-2);
        assert!((slope.jump, slope.jump_error) == (0.0, 0.0) && !slope.is_kink(0.0), "{slope:?}");
    }

    #[test]
    fn a_slope_is_precise_at_a_quarter_of_the_tolerance_and_a_jump_within_it() {
        let precision = Precision { absolute: 0.2, relative: 0.1 };
        // The tolerance is 0.2 + 0.1·8 = 1.
        let precise = |error, jump_error| {
            all_precise(&[Slope { value: 8.0, error, jump: 0.0, jump_error, ..Slope::UNKNOWN }], precision)
        };
        assert!(precise(0.24, 0.99) && !precise(0.26, 0.99) && !precise(0.24, 1.01));
    }

    #[test]
    fn a_kink_shows_both_slopes() {
        let (relu, calls) = slope(|s| s.max(0.0), 1e-2);
        assert_eq!((relu.sides(), calls), ([0.0, 1.0], 2 * LEAST));
        assert!(relu.is_kink(1e-9));
        let (curved, _) = slope(|s| if s < 0.0 { s.exp() } else { 1.0 + 3.0 * s.sin() }, 1e-2);
        // Their mean has an odd power of h too, which the table does not remove; the estimate knows.
        let allowed = 2.0 * (curved.error + curved.jump_error);
        let [left, right] = curved.sides();
        assert!(allowed < 1e-6 && (left - 1.0).abs() < allowed && (right - 3.0).abs() < allowed, "{curved:?}");
        assert!(curved.is_kink(1e-9));
    }

    #[test]
    fn a_kink_beside_the_point_only_costs_steps() {
        let (slope, calls) = slope(|s| if s > 1e-5 { (s - 1e-5).mul_add(7.0, s) } else { s }, 1e-2);
        assert!((slope.value - 1.0).abs() < 1e-9 && !slope.is_kink(1e-9), "{slope:?}");
        assert!(calls > 12);
    }

    #[test]
    fn a_jump_of_the_value_is_no_slope() {
        let (slope, calls) = slope(|s| if s > 0.0 { 1.0 } else { 0.0 }, 1e-2);
        assert!(slope.is_kink(1e-9) || slope.error > 1.0, "{slope:?}");
        assert_eq!(calls, 2 * ROWS);
    }

    #[test]
    fn steps_out_of_the_domain_are_passed_over() {
        let (log, _) = slope(|s| (1e-4 + s).ln(), 1e-2);
        assert!((log.value / 1e4 - 1.0).abs() < 1e-8, "{log:?}");
        let (nowhere, _) = slope(|_| f64::NAN, 1e-2);
        assert!(nowhere.value.is_nan() && nowhere.error.is_infinite());
    }

    #[test]
    fn steps_stop_only_when_every_component_is_precise() {
        let precision = Precision { absolute: 1e-12, relative: 1e-9 };
        let f = |s: f64| vec![s, (300.0 * s).sin()];
        let both = quick(&mut { f }, &[0.0, 0.0], steps(1e-2), precision);
        assert!((both.slopes[1].value - 300.0).abs() < 1e-6 && both.calls > 2 * LEAST, "{:?}", both.slopes);
    }

    #[test]
    fn with_care_a_pole_is_not_jumped_over() {
        let steps = Steps { first: 7.0, smallest: 1e-8, ..steps(1e-5) };
        let slope = with_care(|s| 1.0 / (1e-6 + s), steps);
        assert!((slope.value / -1e12 - 1.0).abs() < 1e-9 && slope.error < 1e4 && !slope.is_kink(1e4), "{slope:?}");
    }

    #[test]
    fn with_care_small_steps_over_a_staircase_are_not_believed() {
        let slope = with_care(|s| f64::from(((0.3 + s) as f32).sin()), steps(3e-3));
        let error = (slope.value - 0.3f64.cos()).abs();
        assert!(error <= 2.0 * slope.error && slope.error < 1e-3 && slope.noise > 1e-9, "{slope:?}");
        let flat = with_care(|s| ((0.3 + s) * 50.0).round() / 50.0, steps(3e-3));
        assert!(flat.error > 0.1, "{flat:?}");
    }

    #[test]
    fn with_care_smooth_functions_and_kinks_are_as_before() {
        let smooth = with_care(|s| (1.0 + s).exp(), steps(1e-2));
        assert!((smooth.value - 1f64.exp()).abs() < 1e-10 && smooth.error < 1e-9, "{smooth:?}");
        let kink = with_care(|s| s.max(0.0), steps(1e-2));
        assert!(kink.is_kink(1e-9) && kink.sides()[0].abs() < 1e-9 && kink.noise == 0.0, "{kink:?}");
        let beside = with_care(|s| s + (s - 1e-5).max(0.0), steps(1e-2));
        assert!((beside.value - 1.0).abs() <= 4.0 * beside.error && beside.error < 1e-8, "{beside:?}");
    }

    #[test]
    fn with_care_kinks_beside_a_flat_piece_are_no_noise() {
        let kinks = |s: f64| (s - 2e-3).max(0.0) + 40.0 * (s - 0.06).max(0.0) - 3.0 * (-s - 1e-2).max(0.0);
        for shift in [0.0, 5.0] {
            let slope = with_care(|s| shift + kinks(s), steps(1e-2));
            assert!(slope.value == 0.0 && slope.error < 1e-9 && slope.noise < 1e-15, "{slope:?}");
        }
    }

    #[test]
    fn the_root_mean_square_of_nothing_is_zero() {
        assert_eq!(root_mean_square([]), 0.0);
        assert_eq!(root_mean_square([3.0, 4.0, 0.0, 0.0]), 2.5);
    }
}
