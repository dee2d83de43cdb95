//! Decides when a scale has converged: its loss hardly falls any more.

/// Iterations of a window. A line search may spend some of them on trials, and Adam oscillates.
const WINDOW: usize = 10;

/// Compares the lowest loss so far with the lowest loss one window ago.
#[derive(Clone, Debug, Default)]
pub(super) struct Tolerance {
    /// The least relative fall over a window; 0 never stops.
    least: f64,
    /// The lowest loss up to each of the last iterations, the newest last: at most one more than a window.
    lowest: Vec<f64>,
}

impl Tolerance {
    pub(super) fn new(least: f64) -> Self {
        Self { least, lowest: Vec::new() }
    }

    /// Takes an iteration's loss. Returns the relative decrease over the last window if it is below the tolerance.
    pub(super) fn settled(&mut self, loss: f64) -> Option<f64> {
        let before = self.lowest.last().copied().unwrap_or(f64::INFINITY);
        self.lowest.push(before.min(loss));
        if self.lowest.len() <= WINDOW {
            return None;
        }
        let (now, then) = (self.lowest[WINDOW], self.lowest.remove(0));
        let fall = if then > now { (then - now) / then.abs() } else { 0.0 };
        (fall < self.least).then_some(fall)
    }

    /// The losses, to save.
    pub(super) fn lowest(&self) -> &[f64] {
        &self.lowest
    }

    /// Restores saved losses.
    pub(super) fn go_on(&mut self, mut lowest: Vec<f64>) {
        lowest.truncate(WINDOW);
        self.lowest = lowest;
    }

    /// Starts again at another scale.
    pub(super) fn restart(&mut self) {
        self.lowest.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of losses until convergence.
    fn settles(least: f64, loss: impl Fn(i32) -> f64) -> Option<i32> {
        let mut tolerance = Tolerance::new(least);
        (1..200).find(|&iteration| tolerance.settled(loss(iteration)).is_some())
    }

    #[test]
    fn a_window_that_falls_by_less_ends_it() {
        // 0.9¹⁰ = 0.349: every window falls by 65 %.
        assert_eq!(settles(0.64, |i| 0.9f64.powi(i)), None);
        assert_eq!(settles(0.66, |i| 0.9f64.powi(i)), Some(11));
        assert_eq!(settles(0.1, |i| 1.0 + 0.5f64.powi(i)), Some(14));
        // Oscillation counts by its lowest values.
        assert_eq!(settles(0.5, |i| 0.9f64.powi(i) * if i % 2 == 0 { 3.0 } else { 1.0 }), None);
        assert_eq!(settles(0.0, |_| 1.0), None, "no tolerance, no end");
        assert_eq!(settles(1e-9, |_| 0.0), Some(11));
    }

    #[test]
    fn a_new_size_begins_a_new_window() {
        let mut tolerance = Tolerance::new(0.5);
        assert!((0..10).all(|_| tolerance.settled(1.0).is_none()));
        tolerance.restart();
        assert!((0..10).all(|_| tolerance.settled(2.0).is_none()));
        assert_eq!(tolerance.settled(2.0), Some(0.0));
    }
}
