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

mod careful;
mod quick;
mod table;

pub(crate) use careful::explained;
pub use careful::{Fate, Row, careful};
pub use quick::quick;

/// By what the step shrinks from one row of the table to the next.
const RATIO: f64 = 4.0;

/// Rows of the table at most: from the first step down to a four-millionth of it.
const ROWS: usize = 12;

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
    /// The step next to 0 at which the function is not defined, with its sign; NaN where it is defined at all steps.
    pub undefined: f64,
    /// Whether the value is 0 but for the square of rounding, as a sum of squares is at its minimum.
    pub vanishes: bool,
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
        undefined: f64::NAN,
        vanishes: false,
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
    /// The rounding of the function's values, in units of their size.
    pub unit: f64,
    /// Whether the function's numbers are f32.
    pub single: bool,
}

/// The values of all components at some steps along a line, in their order.
pub type Along<'a> = &'a mut dyn FnMut(&[f64]) -> Vec<Vec<f64>>;

impl Steps {
    /// The step next to the given one that moves the number exactly.
    pub(crate) fn exact(&self, step: f64) -> f64 {
        if self.grid > 0.0 && step > self.grid { (step / self.grid).round() * self.grid } else { step }
    }

    /// Where steps of all sizes end. Along a line that moves several numbers the steps of their coarse rounding become
    /// rare before they end; f32 does not move by less than its rounding.
    pub(crate) fn end(&self) -> f64 {
        let share = if self.single { 1.0 / 8192.0 } else { 1.0 / 4096.0 };
        if self.grid > 0.0 && !self.single { self.floor } else { self.floor.max(self.smallest * share) }
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

/// The slope that is neither large nor small for values and a point of this size.
fn natural_slope(here: f64, left: f64, right: f64, steps: Steps) -> f64 {
    let moved = [left, right].into_iter().filter(|value| value.is_finite()).fold(0.0f64, |m, value| m.max(value.abs()));
    here.abs().max(moved) / (100.0 * steps.first)
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

#[cfg(test)]
mod tests {
    use super::quick::{LEAST, all_precise};
    use super::*;

    fn each(f: impl Fn(f64) -> Vec<f64>) -> impl FnMut(&[f64]) -> Vec<Vec<f64>> {
        move |steps| steps.iter().map(|&s| f(s)).collect()
    }

    fn slope(f: impl Fn(f64) -> f64, step: f64) -> (Slope, usize) {
        let precision = Precision { absolute: 1e-12, relative: 1e-9 };
        let found = quick(&mut each(|s| vec![f(s)]), &[f(0.0)], steps(step), precision);
        (found.slopes[0], found.calls)
    }

    fn steps(first: f64) -> Steps {
        Steps {
            first,
            smallest: first,
            floor: first * 2f64.powi(-36),
            grid: 0.0,
            probes: [0.0; 2],
            unit: f64::EPSILON,
            single: false,
        }
    }

    fn with_care(f: impl Fn(f64) -> f64, steps: Steps) -> Slope {
        careful(&mut each(|s| vec![f(s)]), &[f(0.0)], steps).slopes[0]
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
        let both = quick(&mut each(f), &[0.0, 0.0], steps(1e-2), precision);
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
