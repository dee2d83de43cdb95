//! Precision and steps: what is asked of slopes, and how far numbers move.

use ndarray::ArrayD;

use super::power_of_two;
use super::verdict::SINGLE;
use crate::check::GradCheck;
use crate::function::is_single;
use crate::slope::{Precision, Steps, root_mean_square};

/// How small the steps are that confirm an agreement, relative to what moves.
const PROBE: f64 = 1e-6;

impl GradCheck {
    /// The precision that is asked of slopes; of functions in f32 no more than they can have.
    pub fn precision(&self, unit: f64) -> Precision {
        let relative = if is_single(unit) { self.rtol.max(SINGLE) } else { self.rtol };
        Precision { absolute: self.atol, relative }
    }

    /// The steps by which an element of `x` is to move.
    pub(crate) fn steps(&self, unit: f64, x: &ArrayD<f64>, here: f64) -> Steps {
        let rms = root_mean_square(x.iter().copied());
        // An element of 0 may be meant in units of the others, or of 1.
        let least = if here == 0.0 { if rms > 0.0 { rms.min(1.0) } else { 1.0 } } else { here.abs() };
        let size = if rms == 0.0 {
            1.0
        } else if here == 0.0 {
            least
        } else {
            rms
        };
        let probes = [PROBE * least, if rms > 1e3 * least { PROBE * rms } else { 0.0 }];
        // The power of two below it.
        let power = f64::from_bits(least.to_bits() & 0x7FF0_0000_0000_0000);
        let grid = if is_single(unit) { 0.0 } else { power * 2f64.powi(if here == 0.0 { -60 } else { -51 }) };
        self.steps_of(unit, size, least, [least * 2f64.powi(-46), grid], probes)
    }

    /// The steps along u.
    pub fn steps_along(&self, unit: f64, x: &ArrayD<f64>, u: &ArrayD<f64>) -> Steps {
        let rms = root_mean_square(x.iter().copied());
        let size = if rms > 0.0 { rms } else { 1.0 };
        let ratios = x.iter().zip(u).filter(|(x, u)| **u != 0.0 && **x != 0.0).map(|(x, u)| (x / u).abs());
        let least = ratios.fold(f64::INFINITY, f64::min);
        let least = if least.is_finite() { least } else { size };
        // Where elements are far apart in size, large steps are too large for the small ones.
        let probe = if size > 1e3 * least { least } else { size };
        self.steps_of(unit, size, least, [0.0, 0.0], [PROBE * probe, 0.0])
    }

    /// The steps along which several inputs move together, each along a direction of its own, of any length.
    pub fn steps_together(&self, unit: f64, inputs: &[ArrayD<f64>], ways: &[ArrayD<f64>]) -> Steps {
        let moving = inputs.iter().zip(ways).filter_map(|(x, u)| {
            let length = root_mean_square(u.iter().copied().filter(|&u| u != 0.0));
            (length > 0.0).then(|| self.steps_along(unit, &(x / length), &(u / length)))
        });
        moving.reduce(Steps::smaller).unwrap_or_else(|| self.steps_of(unit, 1.0, 1.0, [1e-12, 0.0], [0.0; 2]))
    }

    /// Steps for numbers of a size of which the least that moves is `least`.
    pub(super) fn steps_of(
        &self,
        unit: f64,
        size: f64,
        least: f64,
        [floor, grid]: [f64; 2],
        probes: [f64; 2],
    ) -> Steps {
        let single = is_single(unit);
        // An f32 moves exactly by a power of two; an f64 by few bits.
        let first = match self.eps {
            Some(eps) if !single => eps,
            Some(eps) => power_of_two(eps),
            None if single => power_of_two(0.01 * size),
            None => 0.01 * size,
        };
        let probes = if single { [0.0; 2] } else { probes };
        let unit = unit.max(self.nondeterminism);
        Steps { first, smallest: (0.01 * least).min(first), floor, grid, probes, unit, single }
    }
}
