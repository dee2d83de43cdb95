//! What is said of a slope.

use std::collections::BTreeMap;

use super::Compared;
use crate::check::GradCheck;
use crate::function::is_single;
use crate::noise::COARSE;
use crate::report::{Entry, Place, Verdict};
use crate::slope::Slope;

/// Noise of values, in units of their size, that is more than a solver's or a sum's.
const FINE: f64 = 2e-9;

/// A jump that is no kink if the slope agrees, relative to the slope.
const SLIGHT: f64 = 1e-6;

/// How far coarse rounding may move a slope along which it does not show, in units of the slopes around it.
const HIDDEN: f64 = 0.1;

/// How far rounding moves the slope of a sum of squares at its minimum, in units of the slope that is natural around it.
const ROUNDED_OFF: f64 = 256.0 * f64::EPSILON;

/// What precision is asked of functions in f32, relative to the size of the slopes: some hundred roundings.
pub(super) const SINGLE: f64 = 128.0 * f32::EPSILON as f64;

impl GradCheck {
    /// What is said at a kink.
    pub(super) fn at_kink(&self) -> Verdict {
        if self.subgradients { Verdict::Subgradient } else { Verdict::NotDifferentiable }
    }

    pub(super) fn judged(&self, unit: f64, input: usize, compared: Compared, typical: f64) -> Entry {
        let Compared { place, analytic, slope, off } = compared;
        let (verdict, tolerance) = self.verdict(unit, analytic, &slope, typical, off);
        let (numeric, uncertainty, sides, noise) = (slope.value, slope.error, slope.sides(), slope.noise);
        let scale = typical.max(analytic.abs()).max(slope.value.abs());
        Entry {
            input,
            place,
            analytic,
            numeric,
            uncertainty,
            noise,
            sides,
            scale,
            tolerance,
            verdict,
            undefined: Some(slope.undefined).filter(|step| step.is_finite()),
        }
    }

    /// What is to be said of a slope, and what error was allowed. `typical` is the size of the slopes around it, and
    /// `off` how far rounding may have moved the analytic one.
    pub(super) fn verdict(&self, unit: f64, analytic: f64, numeric: &Slope, typical: f64, off: f64) -> (Verdict, f64) {
        let single = is_single(unit);
        let own = analytic.abs().max(numeric.value.abs());
        // A gradient that rounds as coarsely as f32 is not right in f64.
        let off = off.min(if single { f64::INFINITY } else { 1e-9 * own.max(typical) });
        let asked = self.atol + self.rtol * own + if single { SINGLE * own.max(typical) } else { 0.0 };
        // Where a sum of squares vanishes, its slope is what rounding leaves of the terms.
        let rounded_off = if numeric.vanishes { ROUNDED_OFF * numeric.natural } else { 0.0 };
        let resolved = 4.0 * numeric.error + off + rounded_off;
        let error = (analytic - numeric.value).abs();
        // A slope is known if it is known to some digits (more if f64 is not all that rounds), or is too small beside others
        // to matter, or is 0 as far as can be seen in values of this size. Of functions in f32 less is asked.
        let is_coarse = !single && numeric.noise > COARSE;
        let [digits, beside, nothing] = match (single, is_coarse) {
            (true, _) => [3e-2, 1e-4, 1e-4],
            (false, true) if numeric.noise > FINE => [1e-6, 1e-6, 1e-9],
            (false, true) => [2e-5, 1e-6, 1e-9],
            (false, false) => [2e-4, 1e-6, 1e-9],
        };
        let known = numeric.error <= asked
            || numeric.error <= digits * own
            || numeric.error <= beside * typical
            || (own <= resolved && numeric.error <= nothing * numeric.natural);
        let coarse = is_coarse && numeric.error <= 0.025 * own.max(typical);
        // The noise of coarse values was measured, and not only estimated.
        let doubt = if is_coarse { 5.0 } else { 10.0 };
        let agrees = error <= asked.max(resolved) && known;
        let verdict = if !analytic.is_finite() {
            Verdict::Wrong
        } else if agrees && numeric.jump.abs() <= SLIGHT * own {
            // Many bends nearby may look like a slight kink.
            Verdict::Agrees
        } else if numeric.is_kink(asked + 1e-9 * typical) {
            let [left, right] = numeric.sides();
            let allowed = asked + off + numeric.error + numeric.jump_error;
            let between = (left.min(right) - allowed..=left.max(right) + allowed).contains(&analytic);
            if between { self.at_kink() } else { Verdict::Wrong }
        } else if agrees {
            Verdict::Agrees
        } else if coarse && error <= asked.max(resolved) {
            Verdict::Coarse
        } else if error <= doubt * numeric.error + off || numeric.value.is_nan() || numeric.is_supported(analytic) {
            Verdict::Undecided
        } else {
            Verdict::Wrong
        };
        (verdict, asked.max(if resolved.is_finite() { resolved } else { 0.0 }))
    }
}

/// Values that are rounded coarsely when one element moves are so when another moves, though it may not show: a small slope
/// may not leave a single step of the rounding, and what is rounded of the elements at rest moves the slope and not the values
/// along it. So no slope of a value is called wrong or undecided for what the rounding of that value may have done.
pub(super) fn coarse_throughout(entries: &mut [Entry]) {
    let value = |entry: &Entry| match &entry.place {
        Place::Element { output, .. } | Place::Joint { output, .. } => output.clone(),
        Place::Direction(_) => Vec::new(),
    };
    let mut noise = BTreeMap::<Vec<usize>, f64>::new();
    for entry in entries.iter().filter(|entry| entry.noise > COARSE) {
        let least = noise.entry(value(entry)).or_insert(f64::INFINITY);
        *least = least.min(entry.noise);
    }
    // Directions of different kinds have slopes of different sizes, along which values are rounded alike.
    let mut largest = BTreeMap::<usize, f64>::new();
    for entry in entries.iter().filter(|entry| matches!(entry.place, Place::Direction(_))) {
        let scale = largest.entry(entry.input).or_insert(0.0);
        *scale = scale.max(entry.scale);
    }
    let open = |verdict| matches!(verdict, Verdict::Undecided | Verdict::Wrong | Verdict::NotDifferentiable);
    for entry in entries.iter_mut().filter(|entry| open(entry.verdict)) {
        let Some(noise) = noise.get(&value(entry)) else { continue };
        let [left, right] = entry.sides;
        let scale = match entry.place {
            Place::Direction(_) => largest[&entry.input],
            Place::Element { .. } | Place::Joint { .. } => entry.scale,
        };
        // Steps that balance noise and bends leave the root of the noise.
        let shown = 10.0 * entry.uncertainty + noise.sqrt() * scale;
        // What is undecided stays so, by another name; what was called wrong has to be near.
        let is_near = entry.noise > COARSE && entry.verdict == Verdict::Wrong;
        let allowed = if is_near { shown.min(HIDDEN * scale) } else { HIDDEN * scale };
        // Not where it is a kink of its own.
        let is_smooth = entry.verdict == Verdict::Undecided || (right - left).abs() <= allowed;
        let hidden = noise.min(1e-6) * scale;
        if entry.absolute_error() <= hidden && is_smooth {
            // Too small to be seen in such values.
            entry.verdict = Verdict::Agrees;
        } else if entry.absolute_error() <= allowed && is_smooth {
            entry.verdict = Verdict::Coarse;
        } else {
            continue;
        }
        // The report must not show an error above what was allowed.
        entry.tolerance = entry.tolerance.max(if entry.verdict == Verdict::Agrees { hidden } else { allowed });
    }
}
