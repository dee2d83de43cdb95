//! Strong-Wolfe line search: Nocedal & Wright 2006, algorithms 3.5 (bracketing) and 3.6 (zoom).
//!
//! Along a descent direction d from x₀, with φ(t) = f(x₀ + td), it searches for a step t with
//!
//! - sufficient decrease, φ(t) ≤ φ(0) + c₁tφ′(0), and
//! - curvature, |φ′(t)| ≤ c₂|φ′(0)|,
//!
//! which together make the curvature pair of L-BFGS positive. It is a state machine of scalars: it names a step, the caller
//! evaluates φ and φ′ there, and the search answers with a [`Verdict`]. The caller owns the vectors.
//!
//! Near a minimum, rounding hides differences of φ long before those of φ′. If values differ by no more than rounding, slopes
//! therefore decide about sufficient decrease: the approximate Wolfe condition of Hager & Zhang 2005, equation 4.1,
//! φ′(t) ≤ (2c₁−1)φ′(0).

/// c₁: the share of the decrease predicted by the slope at 0 that a step must achieve.
const DECREASE: f64 = 1e-4;
/// c₂: the share of the slope at 0 that may remain.
const CURVATURE: f64 = 0.9;
/// The largest number of evaluations of a line search.
const MAX_EVALUATIONS: usize = 20;
/// While no bracket is known, the next step is between these multiples of the last increase.
const EXPANSION: (f64, f64) = (1.0, 9.0);
/// An interpolated step keeps this share of the bracket's width away from either end …
const MARGIN: f64 = 0.1;
/// … and this share if the value at the far end is not finite, where caution pays.
const BACK_OFF: f64 = 0.25;

/// A step, with value and slope there.
#[derive(Debug, Clone, Copy)]
struct Sample {
    step: f64,
    value: f64,
    slope: f64,
}

/// What to do after an evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// The step just evaluated satisfies the Wolfe conditions.
    Accept,
    /// Evaluate this step next.
    Try(f64),
    /// No further step is worth an evaluation; use the lowest point found.
    Exhausted,
}

/// The state of a line search.
#[derive(Debug, Clone)]
pub(super) struct LineSearch {
    /// φ(0) and φ′(0) < 0.
    start: Sample,
    /// Differences of φ up to this are rounding.
    noise: f64,
    /// Best step so far: the lowest value among those with sufficient decrease. A good step lies between it and `far`.
    near: Sample,
    /// Other end of the bracket; `None` while algorithm 3.5 is searching for one.
    far: Option<Sample>,
    evaluations: usize,
}

impl LineSearch {
    /// A search from a point with this value and (negative) slope along the direction. Values that differ by at most `noise`
    /// count as equal.
    pub(super) fn new(value: f64, slope: f64, noise: f64) -> Self {
        let start = Sample { step: 0.0, value, slope };
        Self { start, noise, near: start, far: None, evaluations: 0 }
    }

    /// The state as numbers: seven, plus three for the far end if there is one.
    pub(super) fn numbers(&self) -> Vec<f64> {
        let (start, near) = (self.start, self.near);
        let mut numbers =
            vec![self.evaluations as f64, self.noise, start.value, start.slope, near.step, near.value, near.slope];
        numbers.extend(self.far.iter().flat_map(|far| [far.step, far.value, far.slope]));
        numbers
    }

    /// The search that had these [`numbers`](Self::numbers).
    pub(super) fn of(numbers: &[f64]) -> Option<Self> {
        let &[evaluations, noise, value, slope, ref ends @ ..] = numbers else { return None };
        let sample = |&[step, value, slope]: &[f64; 3]| Sample { step, value, slope };
        let (near, far) = match ends.as_chunks() {
            ([near], []) => (near, None),
            ([near, far], []) => (near, Some(sample(far))),
            _ => return None,
        };
        let start = Sample { step: 0.0, value, slope };
        Some(Self { start, noise, near: sample(near), far, evaluations: (evaluations as usize).min(MAX_EVALUATIONS) })
    }

    /// Takes value and slope at `step`. If `corner` is true, a bound bends the path before this step. No step may then satisfy
    /// the curvature condition, so sufficient decrease is enough.
    pub(super) fn tell(&mut self, step: f64, value: f64, slope: f64, corner: bool) -> Verdict {
        self.evaluations += 1;
        let trial = Sample { step, value, slope };
        let too_high = !self.decreases_enough(trial) || trial.value > self.near.value + self.noise;
        if !too_high && (corner || trial.slope.abs() <= CURVATURE * self.start.slope.abs()) {
            return Verdict::Accept;
        }
        if too_high {
            self.far = Some(trial);
        } else {
            // The lower end moves to the trial. Its slope tells on which side the minimum lies.
            let onward = self.far.map_or(1.0, |far| far.step - self.near.step);
            if trial.slope * onward >= 0.0 {
                self.far = Some(self.near);
            }
        }
        let before = self.near;
        if !too_high {
            self.near = trial;
        }
        let next = match self.far {
            None => self.expand(before),
            Some(far) => self.zoom(far),
        };
        let width = self.far.map_or(f64::INFINITY, |far| (far.step - self.near.step).abs());
        let largest = self.far.map_or(0.0, |far| far.step.max(self.near.step));
        if self.evaluations >= MAX_EVALUATIONS || width <= 4.0 * f64::EPSILON * largest || next <= 0.0 {
            return Verdict::Exhausted;
        }
        Verdict::Try(next)
    }

    /// Sufficient decrease, exact or, within rounding, approximate. False for NaN.
    fn decreases_enough(&self, trial: Sample) -> bool {
        let exact = trial.value <= self.start.value + DECREASE * trial.step * self.start.slope;
        let approximate = (trial.value - self.start.value).abs() <= self.noise
            && trial.slope <= (2.0 * DECREASE - 1.0) * self.start.slope;
        trial.slope.is_finite() && (exact || approximate)
    }

    /// Algorithm 3.5: there is no bracket yet, since all steps so far still descend steeply. Extrapolates a longer one.
    fn expand(&self, before: Sample) -> f64 {
        let increase = self.near.step - before.step;
        let (shortest, longest) = (self.near.step + EXPANSION.0 * increase, self.near.step + EXPANSION.1 * increase);
        cubic_minimum(before, self.near).filter(|&t| t > shortest).unwrap_or(longest).min(longest)
    }

    /// Algorithm 3.6: a step inside the bracket.
    fn zoom(&self, far: Sample) -> f64 {
        let width = far.step - self.near.step;
        if !(far.value.is_finite() && far.slope.is_finite()) {
            return self.near.step + BACK_OFF * width;
        }
        let share = cubic_minimum(self.near, far).map_or(0.5, |t| (t - self.near.step) / width);
        self.near.step + share.clamp(MARGIN, 1.0 - MARGIN) * width
    }
}

/// Minimum of the cubic through two samples' values and slopes: Nocedal & Wright, equation 3.59. `None` if the cubic has
/// no minimum.
fn cubic_minimum(a: Sample, b: Sample) -> Option<f64> {
    let d1 = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.step - b.step);
    let d2 = (b.step - a.step).signum() * (d1 * d1 - a.slope * b.slope).sqrt();
    let t = b.step - (b.step - a.step) * (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2);
    t.is_finite().then_some(t)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a search on φ and returns the accepted step and the number of evaluations.
    fn search(phi: impl Fn(f64) -> (f64, f64), first: f64) -> Option<(f64, usize)> {
        let (value, slope) = phi(0.0);
        let mut search = LineSearch::new(value, slope, 0.0);
        let mut step = first;
        loop {
            let (value, slope) = phi(step);
            match search.tell(step, value, slope, false) {
                Verdict::Accept => return Some((step, search.evaluations)),
                Verdict::Try(next) => step = next,
                Verdict::Exhausted => return None,
            }
        }
    }

    /// Moré & Thuente 1994, functions 5.1 (β = 2), 5.2 (β = 0.004) and a parabola: hard for line searches.
    const FUNCTIONS: [fn(f64) -> (f64, f64); 3] = [
        |t| (-t / (t * t + 2.0), (t * t - 2.0) / (t * t + 2.0).powi(2)),
        |t| ((t + 0.004).powi(5) - 2.0 * (t + 0.004).powi(4), 5.0 * (t + 0.004).powi(4) - 8.0 * (t + 0.004).powi(3)),
        |t| ((t - 1.0).powi(2), 2.0 * (t - 1.0)),
    ];

    #[test]
    fn finds_a_wolfe_step_from_far_too_short_and_far_too_long() {
        for (i, phi) in FUNCTIONS.into_iter().enumerate() {
            for first in [1e-3, 1e-1, 1.0, 10.0, 1e3] {
                let (step, evaluations) = search(phi, first).unwrap_or_else(|| panic!("function {i} from {first}"));
                let (start, end) = (phi(0.0), phi(step));
                assert!(end.0 <= start.0 + DECREASE * step * start.1, "function {i} from {first}: decrease at {step}");
                assert!(end.1.abs() <= CURVATURE * start.1.abs(), "function {i} from {first}: curvature at {step}");
                assert!(evaluations <= 15, "function {i} from {first}: {evaluations} evaluations");
            }
        }
    }

    #[test]
    fn a_cubics_minimum_is_found_at_once() {
        // (t−2)²(t+1): minimum at 2, maximum at 0.
        let at = |t: f64| Sample { step: t, value: (t - 2.0).powi(2) * (t + 1.0), slope: 3.0 * t * (t - 2.0) };
        for (a, b) in [(0.5, 3.0), (3.0, 0.5), (1.0, 1.5)] {
            let t = cubic_minimum(at(a), at(b)).unwrap();
            assert!((t - 2.0).abs() < 1e-12, "{t} from {a}, {b}");
        }
        // A straight line has none.
        let line = |t| Sample { step: t, value: -t, slope: -1.0 };
        assert_eq!(cubic_minimum(line(0.0), line(1.0)), None);
    }

    #[test]
    fn steps_back_from_what_is_not_finite() {
        for bad in [f64::NAN, f64::INFINITY] {
            let phi = |t: f64| if t < 0.01 { (-t, -1.0 + 50.0 * t) } else { (bad, bad) };
            let (step, _) = search(phi, 1.0).unwrap();
            assert!(step < 0.01 && step > 0.0, "{step}");
            for (value, slope) in [(bad, bad), (bad, -0.1), (-0.5, bad)] {
                let verdict = LineSearch::new(0.0, -1.0, 0.0).tell(1.0, value, slope, false);
                assert_eq!(verdict, Verdict::Try(BACK_OFF), "value {value}, slope {slope}");
            }
        }
    }

    #[test]
    fn within_rounding_slopes_decide() {
        // The value does not show the decrease; the slope says that the step is good.
        let mut blind = LineSearch::new(1.0, -1e-9, 1e-6);
        assert_eq!(blind.tell(1.0, 1.0 + 5e-7, -1e-10, false), Verdict::Accept);
        // It may lead up by less than it led down at the start, but not by more, not even at a corner.
        let rising = |slope| LineSearch::new(1.0, -1e-9, 1e-6).tell(1.0, 1.0 + 5e-7, slope, true);
        assert_eq!(rising(0.9e-9), Verdict::Accept);
        assert!(matches!(rising(1.1e-9), Verdict::Try(t) if t < 1.0));
        // Above rounding it is too high, whatever the slope.
        let mut seeing = LineSearch::new(1.0, -1e-9, 1e-6);
        assert!(matches!(seeing.tell(1.0, 1.0 + 2e-6, -1e-10, false), Verdict::Try(t) if t < 1.0));
    }

    #[test]
    fn a_corner_needs_no_curvature_condition() {
        let steep = |corner| LineSearch::new(1.0, -1.0, 0.0).tell(1.0, 0.5, -0.99, corner);
        assert_eq!(steep(true), Verdict::Accept);
        assert!(matches!(steep(false), Verdict::Try(t) if t > 1.0));
    }

    #[test]
    fn no_step_is_taken_above_the_best_so_far() {
        // At 1 the value is 5 and falls on steeply; what follows at 10 decreases enough and is flat.
        let then = |value: f64| {
            let mut search = LineSearch::new(10.0, -1.0, 0.0);
            assert_eq!(search.tell(1.0, 5.0, -1.0, false), Verdict::Try(10.0));
            search.tell(10.0, value, -0.1, false)
        };
        assert_eq!(then(4.0), Verdict::Accept);
        assert_eq!(then(5.0), Verdict::Accept, "as low is not above");
        assert!(matches!(then(7.0), Verdict::Try(t) if 1.0 < t && t < 10.0));
    }

    #[test]
    fn longer_steps_go_to_the_cubics_minimum_or_nine_times_as_far() {
        // −t − t²/6 + 80t³/9: minimum at 0.2.
        let phi = |t: f64| (-t - t * t / 6.0 + 80.0 / 9.0 * t.powi(3), -1.0 - t / 3.0 + 80.0 / 3.0 * t * t);
        let (value, slope) = phi(0.05);
        let verdict = LineSearch::new(0.0, -1.0, 0.0).tell(0.05, value, slope, false);
        assert!(matches!(verdict, Verdict::Try(t) if (t - 0.2).abs() < 1e-12), "{verdict:?}");
        // A straight line has no minimum.
        let mut search = LineSearch::new(0.0, -1.0, 0.0);
        for (step, next) in [(1.0, 10.0), (10.0, 91.0), (91.0, 820.0)] {
            assert_eq!(search.tell(step, -step, -1.0, false), Verdict::Try(next));
        }
    }

    #[test]
    fn a_step_inside_the_bracket_keeps_a_margin_from_its_ends() {
        for (minimum, expected) in [(0.05, 0.1), (0.3, 0.3), (0.95, 0.9)] {
            let parabola = |step: f64| Sample { step, value: (step - minimum).powi(2), slope: 2.0 * (step - minimum) };
            let start = parabola(0.0);
            let step = LineSearch::new(start.value, start.slope, 0.0).zoom(parabola(1.0));
            assert!((step - expected).abs() < 1e-12, "{step} for a minimum at {minimum}");
        }
    }

    #[test]
    fn a_bracket_as_narrow_as_rounding_is_given_up() {
        // Beyond 1, where the value falls steeply, there is a wall.
        let mut search = LineSearch::new(10.0, -1.0, 0.0);
        let (mut step, mut value) = (1.0, 5.0);
        while let Verdict::Try(next) = search.tell(step, value, -1.0, false) {
            (step, value) = (next, 1e30);
        }
        assert!(step - 1.0 < 1e-14 && search.evaluations < MAX_EVALUATIONS, "{step} after {}", search.evaluations);
    }
}
