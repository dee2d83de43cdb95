//! How much noise a function's values carry, found out from the values.
//!
//! Differences of high order make a smooth function vanish and leave the noise (Moré & Wild 2011, "Estimating
//! computational noise", SIAM J. Sci. Comput. 33:3): of values at equal distances with independent errors of size ε the
//! k-th differences have a root mean square of ε·√((2k)!/(k!)²). Whether what is left is noise is seen from several
//! distances: that of a curve or a kink shrinks with the distance, noise stays as it is. Where the distance is so small
//! that nothing changes at all, nothing is learned.
//!
//! Several kinks at different distances may look like noise too. A function that does not change at all near 0 tells
//! them apart: where it leaves its plateau it jumps if its values are rounded, and does not if it has a kink there.
//!
//! All points lie to the right of 0 (or all to the left, if the function is not defined there), so that a kink at 0
//! does not look like noise.

use super::slope::{Steps, root_mean_square};

/// Points at one distance.
const POINTS: usize = 8;

/// By what the distance shrinks from one look to the next.
const RATIO: f64 = 16.0;

/// The noise of each component of `f` near 0, in the component's own units; at least the rounding of a number of its
/// size. Also says how often `f` was called.
pub(super) fn measure(f: &mut dyn FnMut(f64) -> Vec<f64>, at_zero: &[f64], steps: Steps) -> (Vec<f64>, usize) {
    // No simple fraction, so that rounded arguments do not fall on the grid of a coarser type.
    let mut distance = 10.618_034 * steps.first.max(steps.smallest);
    let (mut looks, mut calls) = (Vec::new(), 0);
    while looks.len() < 20 && (looks.len() < 5 || distance > steps.smallest / 20_000.0) {
        let mut values: Vec<_> = (1..=POINTS).map(|k| f(k as f64 * distance)).collect();
        calls += POINTS;
        if values.iter().flatten().any(|value| !value.is_finite()) {
            values = (1..=POINTS).map(|k| f(k as f64 * -distance)).collect();
            calls += POINTS;
        }
        looks.push(values);
        distance /= RATIO;
    }
    let noise = (0..at_zero.len())
        .map(|component| {
            let of_look = |look: &Vec<Vec<f64>>| of_values(look.iter().map(|values| values[component]).collect());
            let found: Vec<f64> = looks.iter().filter_map(of_look).collect();
            plateau(&found).max(steps.unit / 2.0 * at_zero[component].abs())
        })
        .collect();
    (noise, calls)
}

/// The noise that high differences of `values` show; `None` where they say nothing.
fn of_values(mut values: Vec<f64>) -> Option<f64> {
    if values.iter().any(|value| !value.is_finite()) || values.iter().all(|&value| value == values[0]) {
        return None;
    }
    let (mut levels, mut expected) = (Vec::new(), 1.0);
    for order in 1..POINTS - 1 {
        values = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // (2k)!/(k!)² from (2(k−1))!/((k−1)!)².
        expected *= 2.0 * (2 * order - 1) as f64 / order as f64;
        levels.push(root_mean_square(values.iter().copied()) / f64::sqrt(expected));
    }
    Some(root_mean_square(levels[3..].iter().copied()))
}

/// Of the levels at shrinking distances the smallest that another is much the same as, at the next distance or the one
/// after, and that none at smaller distances is far below; 0 where all shrink with the distance.
fn plateau(levels: &[f64]) -> f64 {
    // Nothing at all is left of a straight line, but also of a staircase whose steps the points happen to hit.
    let straight = levels.iter().rev().take_while(|&&level| level == 0.0).count();
    let levels = if straight < 3 { &levels[..levels.len() - straight] } else { levels };
    let neighbours = (0..levels.len()).flat_map(|i| [(i, i + 1), (i, i + 2)]).filter(|&(_, j)| j < levels.len());
    let pairs = neighbours.filter_map(|(i, j)| {
        let (low, high) = (levels[i].min(levels[j]), levels[i].max(levels[j]));
        let stays = levels[j + 1..].iter().all(|&level| 64.0 * level >= low);
        (high <= 8.0 * low && stays).then_some(high)
    });
    pairs.reduce(f64::min).unwrap_or(0.0)
}

/// Whether `f` leaves the value that it has at 0 and at `flat` by a kink and not by a jump, on the way to `away`, where
/// it has another. Also says how often `f` was called.
pub(super) fn leaves_by_a_kink(f: &mut dyn FnMut(f64) -> f64, here: f64, flat: f64, away: f64) -> (bool, usize) {
    let (mut inside, mut outside) = (flat, away);
    let (mut change, first) = (f64::NAN, (f(away) - here).abs());
    for _ in 0..HALVINGS {
        let middle = inside + (outside - inside) / 2.0;
        let value = f(middle);
        if value == here {
            inside = middle;
        } else {
            (outside, change) = (middle, (value - here).abs());
        }
    }
    (change <= 1e-3 * first, 1 + HALVINGS)
}

/// How often the way to a kink is halved.
const HALVINGS: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(f: impl Fn(f64) -> f64) -> f64 {
        let steps = Steps { first: 0.01, smallest: 0.01, unit: f64::EPSILON };
        measure(&mut |s| vec![f(s)], &[f(0.0)], steps).0[0]
    }

    #[test]
    fn smooth_functions_carry_rounding_alone() {
        let smooth: [fn(f64) -> f64; 5] =
            [|s| (1.0 + s).sin(), |s| 1.0 / (1.0 + s), |s| (50.0 * s).cos(), |s| 3.0 + s.max(0.0), |_| 3.0];
        for f in smooth {
            let found = noise(f);
            assert!(found < 20.0 * f64::EPSILON, "{found:e}");
        }
    }

    #[test]
    fn single_and_half_precision_inside_are_seen() {
        let single = noise(|s| f64::from(((0.7 + s) as f32).sin()));
        assert!((1e-9..1e-7).contains(&single), "{single:e}");
        let coarse = noise(|s| ((0.7 + s) * 300.0).round() / 300.0);
        assert!((1e-4..1e-2).contains(&coarse), "{coarse:e}");
    }

    #[test]
    fn kinks_beside_the_point_are_no_noise() {
        for at in [1e-2, 1e-3, 1e-4, 1e-5, 1e-6] {
            let found = noise(|s| 1.0 + (s - at).abs());
            assert!(found < 1e-11, "a kink at {at:e}: {found:e}");
        }
    }

    #[test]
    fn a_pole_beside_the_point_is_no_noise() {
        for at in [1e-6, 1e-5, 1e-4, 1e-3] {
            let steps = Steps { first: 0.02, smallest: 0.01 * at, unit: f64::EPSILON };
            let found = measure(&mut |s| vec![1.0 / (at + s)], &[1.0 / at], steps).0[0];
            assert!(found * at < 20.0 * f64::EPSILON, "a pole at {at:e}: {found:e}");
        }
        // What varies with the distance and then shrinks is none either.
        assert_eq!(plateau(&[1e-5, 2e-3, 1e-3, 1e-7, 1e-11, 1e-15]), 0.0);
        assert_eq!(plateau(&[1e-5, 1e-9, 2e-9, 1e-9, 3e-10]), 1e-9);
        assert_eq!(plateau(&[8e-4, 8e-6, 2e-6, 0.0, 0.0]), 8e-6);
        assert_eq!(plateau(&[8e-4, 2e-4, 0.0, 0.0, 0.0]), 0.0);
    }

    #[test]
    fn where_the_function_is_not_defined_on_one_side_the_other_is_measured() {
        let found = noise(|s| if s > 0.0 { f64::NAN } else { 1.0 + s + 1e-9 * (1e12 * s).sin() });
        assert!((1e-11..1e-8).contains(&found), "{found:e}");
    }

    #[test]
    fn a_kink_is_told_from_a_jump() {
        let kink = |f: fn(f64) -> f64, away: f64| leaves_by_a_kink(&mut { f }, f(0.0), away / 4.0, away).0;
        assert!(kink(|s| (s - 0.3).max(0.0), 1.0) && kink(|s| 5.0 - (-s - 0.3).max(0.0).sqrt(), -1.0));
        assert!(!kink(|s| (s * 3.0).round() / 3.0, 0.5) && !kink(|s| f64::from((0.3 + s) as f32), 3e-8));
        assert!(!kink(|s| if s > 0.3 { f64::NAN } else { 1.0 }, 1.0));
    }
}
