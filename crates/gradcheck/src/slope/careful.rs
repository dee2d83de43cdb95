//! Steps of all sizes, with the noise of the values measured.

use super::quick::pairs;
use super::table::Table;
use super::{Along, Found, NEAR, RATIO, ROWS, Slope, Steps, natural_slope};
use crate::noise::{self, COARSE};

/// The coarsest unit of rounding there is, in units of a number: that of bfloat16.
const GRAIN: f64 = 1.0 / 128.0;

/// Steps that are so small that only noise is expected of them.
const SMALLEST: usize = 4;

/// A value so small beside those around it is the square of rounding.
const VANISHING: f64 = 1e-24;

/// And far smaller than those at a tenth of the point.
const STANDS_OUT: f64 = 1e-4;

/// What one step of a careful measurement says of one component.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The step to both sides.
    pub step: f64,
    /// (f(step) − f(−step)) / (2·step); NaN where the function is not defined at one of the two.
    pub difference: f64,
    /// How far rounding and noise may move it.
    pub rounding: f64,
    /// The slope extrapolated from this step and all larger ones.
    pub extrapolated: f64,
    /// Estimate of its error.
    pub error: f64,
    /// What became of the extrapolated slope.
    pub fate: Fate,
}

/// What becomes of a slope that was extrapolated from the steps so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It has the least error of all that no smaller step contradicts.
    Believed,
    /// Another one has a smaller error.
    Surpassed,
    /// A smaller step has another slope.
    Contradicted,
    /// There is none, as the function is not defined at the step or the steps so far are too few.
    None,
}

/// The slopes from steps of all sizes, with the noise of the values measured.
pub fn careful(f: Along, at_zero: &[f64], steps: Steps) -> Found {
    let all = Measured::of(f, at_zero, steps);
    let slopes = (0..at_zero.len()).map(|component| all.slope(component, at_zero[component]).0).collect();
    Found { slopes, calls: all.calls, swift: false }
}

/// The slope of one component, and what each step says of it.
pub fn explained(f: Along, at_zero: &[f64], steps: Steps, component: usize) -> (Slope, Vec<Row>) {
    Measured::of(f, at_zero, steps).slope(component, at_zero[component])
}

/// The values at all steps, and their noise.
struct Measured {
    steps: Steps,
    rows: Vec<(f64, Vec<f64>, Vec<f64>)>,
    noise: Vec<noise::Noise>,
    calls: usize,
}

impl Measured {
    fn of(f: Along, at_zero: &[f64], steps: Steps) -> Self {
        // Not the steps of `quick`, whose accidents are not to happen again; but powers of two where those must be.
        let top = steps.first.max(steps.smallest);
        let mut step = if steps.single { 8.0 * top } else { 11.3 * top };
        let mut at = Vec::new();
        while at.len() < 60 && (at.len() < ROWS || step > steps.end()) {
            at.push(steps.exact(step));
            step /= RATIO;
        }
        let rows = pairs(f, at);
        let (mut noise, mut calls) = noise::measure(f, at_zero, steps);
        calls += 2 * rows.len();
        for (component, noise) in noise.iter_mut().enumerate() {
            let here = at_zero[component];
            // The unit of f32 is known.
            if let Some((flat, away)) = plateau(&rows, component, here).filter(|_| !steps.single) {
                let (jump, more) = noise::jump(&mut |s| f(&[s])[0][component], here, flat, away);
                calls += more;
                // A higher jump is one of the function, and none of its rounding.
                if jump == 0.0 {
                    noise.near = steps.unit / 2.0 * here.abs();
                } else if jump <= GRAIN * here.abs() {
                    noise.near = noise.near.max(jump / 2.0);
                }
            }
            if !steps.single {
                noise.near = noise.near.max(scatter(&rows, component));
            }
        }
        Self { steps, rows, noise, calls }
    }

    fn slope(&self, component: usize, here: f64) -> (Slope, Vec<Row>) {
        let (steps, noise) = (self.steps, &self.noise[component]);
        let is_coarse = noise.near > COARSE * here.abs();
        let rounding = |step: f64, size: f64| {
            let noise = if is_coarse { noise.at(step, size / here.abs()) } else { noise.near };
            (steps.unit * size).max(2.0 * noise) / step
        };
        let at = |(step, left, right): &(f64, Vec<f64>, Vec<f64>)| (*step, left[component], right[component]);
        let rows: Vec<_> = self.rows.iter().map(at).collect();
        let (mut central, mut difference) = (Table::new(2), Table::new(1));
        let mut sides = [Table::one_sided(), Table::one_sided()];
        let mut of_steps = Vec::new();
        for &(step, left, right) in &rows {
            let slope = (right - left) / (2.0 * step);
            // What is computed of the argument, as its product with a frequency, is rounded too.
            let of_argument = steps.unit * 100.0 * steps.smallest * slope.abs() / step;
            let of_argument = if of_argument.is_finite() { of_argument } else { 0.0 };
            let rounding = rounding(step, left.abs().max(right.abs()).max(here.abs())).max(of_argument);
            central.push(slope, rounding);
            difference.push(((right - here) - (here - left)) / step, 4.0 * rounding);
            sides[0].push((here - left) / step, 2.0 * rounding);
            sides[1].push((right - here) / step, 2.0 * rounding);
            of_steps.push((step, slope, rounding));
        }
        let undefined =
            rows.iter().rev().find_map(|&(step, left, right)| match (left.is_finite(), right.is_finite()) {
                (false, _) => Some(-step),
                (_, false) => Some(step),
                _ => None,
            });
        let mut near = Slope::UNKNOWN.near;
        let small = rows.iter().filter(|(step, ..)| *step <= 1e-5 * 100.0 * steps.smallest).take(4 * NEAR);
        for (number, &(step, left, right)) in small.enumerate() {
            let size = left.abs().max(right.abs()).max(here.abs());
            near[number % NEAR] = ((right - left) / (2.0 * step), 4.0 * rounding(step, size));
        }
        let (step, left, right) = rows[0];
        let natural = natural_slope(here, left, right, Steps { first: step / 8.0, ..steps });
        let ((value, error), (jump, jump_error)) = (central.consistent(), difference.consistent());
        // What rounding of the argument does to a steep function is none of a coarser type.
        let steep = if value.is_finite() { value.abs() * 100.0 * steps.smallest } else { 0.0 };
        let noise = if here == 0.0 { 0.0 } else { noise.near / here.abs().max(steep) };
        // A kink shows in the differences themselves; an extrapolated jump alone may come of bends nearby.
        let jump_error = jump_error.max(difference.settled());
        let undefined = undefined.unwrap_or(f64::NAN);
        // A step in proportion to what moves least: what lies beyond it may be of another magnitude for other reasons.
        let own = rows.iter().find(|(step, ..)| *step <= 12.0 * steps.smallest).unwrap_or(&rows[0]);
        let vanishes = here.abs() <= VANISHING * moved(&rows[0]) && here.abs() <= STANDS_OUT * moved(own);
        let mut slope = Slope { value, error, jump, jump_error, noise, natural, near, undefined, vanishes };
        if value.is_nan() && rows.iter().all(|(_, left, right)| !(left.is_finite() && right.is_finite())) {
            // The function is defined on one side alone.
            let [left, right] = sides.map(|table| table.consistent());
            let (value, error) = if left.1 < right.1 { left } else { right };
            slope = Slope { value, error, jump: 0.0, jump_error: 0.0, ..slope };
        }
        let of_step = |((step, difference, rounding), (extrapolated, error, fate))| Row {
            step,
            difference,
            rounding,
            extrapolated,
            error,
            fate,
        };
        (slope, of_steps.into_iter().zip(central.fates()).map(of_step).collect())
    }
}

/// The larger of the sizes of two values that are finite.
fn moved((_, left, right): &(f64, f64, f64)) -> f64 {
    [left, right].into_iter().filter(|value| value.is_finite()).fold(0.0f64, |moved, value| moved.max(value.abs()))
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
