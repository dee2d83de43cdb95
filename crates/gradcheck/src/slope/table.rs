//! Extrapolation of differences at shrinking steps to a step of 0.

use super::careful::Fate;
use super::{RATIO, ROWS};

/// Neville's scheme for a quantity with an expansion in h^p, h^(p+2), h^(p+4), …; and Aitken's for one that begins with
/// any other power, as |x|^1.1 does at 0.
#[derive(Clone)]
pub(super) struct Table {
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
    pub(super) best: (f64, f64),
    /// For each row its best value with the estimate of its error; its first entry, with how far that may be off.
    rows: Vec<[(f64, f64); 2]>,
}

impl Table {
    pub(super) fn new(first_power: i32) -> Self {
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
    pub(super) fn one_sided() -> Self {
        Self { stride: 1, ..Self::new(1) }
    }

    /// Adds the row that begins with `entry`, which carries an error of about `rounding`.
    pub(super) fn push(&mut self, entry: f64, rounding: f64) {
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
    pub(super) fn settled(&self) -> f64 {
        let offs = self.rows.windows(2).map(|rows| rows[0][1].1.max(rows[1][1].1));
        offs.filter(|off| off.is_finite()).fold(f64::INFINITY, f64::min)
    }

    /// The best value that no smaller step contradicts, and its error.
    pub(super) fn consistent(&self) -> (f64, f64) {
        self.believed().map_or((f64::NAN, f64::INFINITY), |number| self.rows[number][0])
    }

    /// The row of the best value that no smaller step contradicts.
    fn believed(&self) -> Option<usize> {
        let mut best: Option<usize> = None;
        for (number, [candidate, _]) in self.rows.iter().enumerate() {
            let least = best.map_or(f64::INFINITY, |best| self.rows[best][0].1);
            if candidate.1 < least && self.is_consistent(number) {
                best = Some(number);
            }
        }
        best
    }

    /// Whether no smaller step contradicts the best value of a row.
    fn is_consistent(&self, number: usize) -> bool {
        let [candidate, _] = self.rows[number];
        let fits = |[_, (entry, off)]: &[(f64, f64); 2]| {
            !off.is_finite() || (entry - candidate.0).abs() <= 4.0 * candidate.1 + off
        };
        self.rows[number + 1..].iter().all(fits)
    }

    /// For each row its best value, the estimate of its error, and what becomes of it.
    pub(super) fn fates(&self) -> Vec<(f64, f64, Fate)> {
        let believed = self.believed();
        let fate = |(number, [(value, error), _]): (usize, &[(f64, f64); 2])| {
            let fate = match () {
                () if Some(number) == believed => Fate::Believed,
                () if !value.is_finite() => Fate::None,
                () if self.is_consistent(number) => Fate::Surpassed,
                () => Fate::Contradicted,
            };
            (*value, *error, fate)
        };
        self.rows.iter().enumerate().map(fate).collect()
    }
}
