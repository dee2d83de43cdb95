//! A few steps, which are enough for most functions.

use super::table::Table;
use super::{Along, Found, Precision, RATIO, ROWS, Slope, Steps, natural_slope, root_mean_square};

/// Rows before the table is believed: two rows of a steep function may agree by chance.
pub(super) const LEAST: usize = 3;

/// Rows within which a smooth function becomes precise; what needs more is looked at with care.
const SWIFT: usize = 6;

/// Rows of a function in f32, whose rounding shows in smaller steps.
const SINGLE_ROWS: usize = 5;

/// The slopes at 0 of all components of `f`, whose value there is `at_zero`. The steps begin with the first and
/// shrink until all components are precise enough, or no step is left. What is precise is compared with far smaller
/// steps, which see what is too narrow for large ones.
pub fn quick(f: Along, at_zero: &[f64], steps: Steps, precision: Precision) -> Found {
    let mut tables = vec![(Table::new(2), Table::new(1)); at_zero.len()];
    let mut best = vec![Slope::UNKNOWN; at_zero.len()];
    let mut natural = vec![0.0f64; at_zero.len()];
    // |f(h) − 2f(0) + f(−h)| / h of the last row.
    let mut bent = vec![0.0f64; at_zero.len()];
    let rows = if steps.single { SINGLE_ROWS } else { ROWS };
    // The rows that are needed in any case are asked for in one question, with the steps that confirm them.
    let first: Vec<f64> = (0..LEAST).map(|row| steps.first / RATIO.powi(row as i32)).collect();
    let probes: Vec<f64> = steps.probes.iter().filter(|&&probe| probe > 0.0).map(|&probe| steps.exact(probe)).collect();
    let mut known = pairs(f, first.iter().chain(&probes).copied());
    let mut calls = 2 * known.len();
    let confirming = known.split_off(LEAST);
    for row in 1..=rows {
        let (step, left, right) = match known.get(row - 1) {
            Some(known) => known.clone(),
            None => {
                calls += 2;
                pairs(f, [steps.first / RATIO.powi(row as i32 - 1)]).remove(0)
            }
        };
        for (component, (central, difference)) in tables.iter_mut().enumerate() {
            let (left, here, right) = (left[component], at_zero[component], right[component]);
            let size = left.abs().max(right.abs()).max(here.abs());
            let rounding = steps.unit * size / step;
            central.push((right - left) / (2.0 * step), rounding);
            difference.push(((right - here) - (here - left)) / step, 4.0 * rounding);
            let ((value, error), (jump, jump_error)) = (central.best, difference.best);
            bent[component] = ((right - here) - (here - left)).abs() / step;
            if row == 1 {
                natural[component] = natural_slope(here, left, right, steps);
            }
            let natural = natural[component];
            best[component] = Slope { value, error, jump, jump_error, noise: 0.0, natural, ..Slope::UNKNOWN };
        }
        if row >= LEAST && all_precise(&best, precision) {
            let confirmed = confirming.iter().all(|pair| confirms(pair, at_zero, &best, &bent, steps));
            return Found { slopes: best, calls, swift: row <= SWIFT && confirmed };
        }
    }
    Found { slopes: best, calls, swift: false }
}

/// The values to the left and to the right at some steps.
pub(super) fn pairs(f: Along, steps: impl IntoIterator<Item = f64>) -> Vec<(f64, Vec<f64>, Vec<f64>)> {
    let steps: Vec<f64> = steps.into_iter().collect();
    let both: Vec<f64> = steps.iter().flat_map(|&step| [-step, step]).collect();
    let mut values = f(&both).into_iter();
    let mut next = || values.next().expect("a value for each step");
    steps.into_iter().map(|step| (step, next(), next())).collect()
}

/// Whether differences at a small step say the same, as far as rounding lets them; `bent` is how far the values of the last
/// row bend, divided by their step.
fn confirms(
    (step, left, right): &(f64, Vec<f64>, Vec<f64>),
    at_zero: &[f64],
    slopes: &[Slope],
    bent: &[f64],
    steps: Steps,
) -> bool {
    slopes.iter().enumerate().all(|(component, slope)| {
        let (left, here, right) = (left[component], at_zero[component], right[component]);
        let size = left.abs().max(right.abs()).max(here.abs());
        let difference = (right - left) / (2.0 * step);
        // What large steps leave open, as where they lead far beyond the element's size, a small one may know.
        let rounding = 8.0 * steps.unit * size / step;
        let allowed = PROBED * slope.value.abs() + slope.error.min(rounding) + rounding;
        // A value that stands out from those beside it belongs to a feature that is narrower than the step.
        let stands_out = ((right - here) - (here - left)).abs();
        // NaN is no confirmation.
        (difference - slope.value).abs() <= allowed
            && stands_out <= 4.0 * bent[component] * step + 8.0 * steps.unit * size
    })
}

/// How far a difference at a small step may be from the slope, relative to it, without being looked into.
const PROBED: f64 = 1e-6;

/// Estimates must be a few times smaller than the tolerance, so that they do not decide a verdict.
pub(super) fn all_precise(slopes: &[Slope], precision: Precision) -> bool {
    let size = root_mean_square(slopes.iter().map(|slope| slope.value));
    slopes.iter().all(|slope| {
        let tolerance = precision.absolute + precision.relative * size.max(slope.value.abs());
        // A slope of 0 is precise as soon as rounding hides what it might be.
        let zero = slope.value.abs() <= 4.0 * slope.error && slope.error <= 1e-9 * slope.natural;
        // Nor is more to be had where rounding of the value is all that is left of the error: one element of a long sum.
        let rounded = slope.error <= (1e-7 * slope.value.abs()).min(1e-12 * slope.natural)
            && slope.jump_error <= 1e-6 * slope.value.abs();
        zero || rounded || (slope.error <= tolerance / 4.0 && slope.jump_error <= tolerance)
    })
}
