//! How much noise a function's values carry, found out from the values.
//!
//! Differences of high order make a smooth function vanish and leave the noise (Moré & Wild 2011, "Estimating
//! computational noise", SIAM J. Sci. Comput. 33:3): of values at equal distances with independent errors of size ε the
//! k-th differences have a root mean square of ε·√((2k)!/(k!)²). Whether what is left is noise is seen from several
//! distances: that of a curve or a kink shrinks with the distance, noise stays as it is. Where the distance is so small
//! that nothing changes at all, nothing is learned.
//!
//! Several kinks at different distances may look like noise too, and a slope so small that all points but a few lie on one
//! step of the rounding shows no noise at all. A function that does not change at all near 0 tells these apart: where it
//! leaves its plateau it does not jump if it has a kink there, and jumps by the unit of its rounding if its values are rounded.
//!
//! All points lie to the right of 0 (or all to the left, if the function is not defined there), so that a kink at 0
//! does not look like noise.

use crate::slope::{Along, Steps, root_mean_square};

/// Noise of values, in units of their size, above which they were not computed in f64 throughout.
pub const COARSE: f64 = 1024.0 * f64::EPSILON;

/// Points at one distance.
const POINTS: usize = 8;

/// By what the distance shrinks from one look to the next.
const RATIO: f64 = 16.0;

/// Levels of one and the same noise differ by no more than this factor.
const NEAR: f64 = 8.0;

/// The noise of one component, in its own units.
pub(crate) struct Noise {
    /// Near 0; at least the rounding of a number of the component's size.
    pub(crate) near: f64,
    /// The distances of the looks that show nothing but noise, with the level of each; from large to small.
    looks: Vec<(f64, f64)>,
}

impl Noise {
    /// The noise of values so far from 0, which are `growth` times as large as at 0. Where values or slopes grow with the
    /// distance, so does what their rounding makes; what grows faster is none.
    pub(crate) fn at(&self, distance: f64, growth: f64) -> f64 {
        let covers = |(of_look, _): &&(f64, f64)| (POINTS as f64 * of_look) >= distance;
        let level = self.looks.iter().rev().find(covers).or(self.looks.first()).map_or(0.0, |(_, level)| *level);
        let most = if growth.is_finite() { 8.0 * growth * self.near } else { f64::INFINITY };
        level.min(most).max(self.near)
    }
}

/// The noise of each component of `f`. Also says how often `f` was called.
pub(crate) fn measure(f: Along, at_zero: &[f64], steps: Steps) -> (Vec<Noise>, usize) {
    let top = steps.first.max(steps.smallest);
    // No simple fraction, so that rounded arguments do not fall on the grid of a coarser type.
    let mut next = 10.618_034 * top;
    // The rounding of f32 is known; little is left to be found.
    let [least, most] = if steps.single { [3, 3] } else { [5, 20] };
    let mut distances = Vec::new();
    while distances.len() < most && (distances.len() < least || next > steps.end()) {
        distances.push(steps.exact(next));
        next /= RATIO;
    }
    let points = |distances: &[f64], side: f64| -> Vec<f64> {
        distances.iter().flat_map(|distance| (1..=POINTS).map(move |k| k as f64 * side * distance)).collect()
    };
    let mut values = f(&points(&distances, 1.0));
    let not_defined = |look: &[Vec<f64>]| look.iter().flatten().any(|value| !value.is_finite());
    let left: Vec<usize> = (0..distances.len()).filter(|&i| not_defined(&values[i * POINTS..][..POINTS])).collect();
    let calls = POINTS * (distances.len() + left.len());
    let of_left = f(&points(&left.iter().map(|&i| distances[i]).collect::<Vec<_>>(), -1.0));
    for (number, value) in of_left.into_iter().enumerate() {
        values[left[number / POINTS] * POINTS + number % POINTS] = value;
    }
    let looks: Vec<_> = distances.into_iter().zip(values.chunks(POINTS)).collect();
    let noise = (0..at_zero.len())
        .map(|component| {
            let of_look = |(distance, look): &(f64, &[Vec<f64>])| {
                Look::of(*distance, look.iter().map(|values| values[component]).collect())
            };
            let found: Vec<Look> = looks.iter().filter_map(of_look).collect();
            let here = at_zero[component].abs();
            let near = plateau(&found, COARSE * here).max(steps.unit / 2.0 * here);
            let noise = found.iter().filter(|look| look.level > 0.0 && look.is_noise);
            Noise { near, looks: noise.map(|look| (look.distance, look.level)).collect() }
        })
        .collect();
    (noise, calls)
}

/// What values at equal distances show.
#[derive(Clone, Copy, Debug)]
struct Look {
    distance: f64,
    /// The noise, as high differences have it.
    level: f64,
    /// Whether differences of the highest orders agree on it: those of a curve become less with the order.
    is_noise: bool,
    /// The slope from the first value to the last.
    slope: f64,
}

impl Look {
    /// `None` of values that say nothing.
    fn of(distance: f64, mut values: Vec<f64>) -> Option<Self> {
        if values.iter().any(|value| !value.is_finite()) || values.iter().all(|&value| value == values[0]) {
            return None;
        }
        let slope = (values[POINTS - 1] - values[0]) / distance;
        let (mut levels, mut expected) = (Vec::new(), 1.0);
        for order in 1..POINTS - 1 {
            values = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
            // (2k)!/(k!)² from (2(k−1))!/((k−1)!)².
            expected *= 2.0 * (2 * order - 1) as f64 / order as f64;
            levels.push(root_mean_square(values.iter().copied()) / f64::sqrt(expected));
        }
        let highest = &levels[3..];
        let (low, high) = highest.iter().fold((f64::INFINITY, 0.0f64), |(low, high), &l| (low.min(l), high.max(l)));
        Some(Self { distance, level: root_mean_square(highest.iter().copied()), is_noise: high <= 4.0 * low, slope })
    }
}

/// The level that noise has whatever the distance, of looks at shrinking distances; 0 where all shrink with the distance.
///
/// Of two levels that are much the same, at neighbouring distances or with one between them, and that none at smaller
/// distances is far below, the lowest pair shows the noise. If that is above `coarse`, what is near it is noise too: of coarse
/// rounding few steps are seen, and one pair may have met them in a row.
fn plateau(looks: &[Look], coarse: f64) -> f64 {
    // Nothing at all is left of a straight line, but also of a staircase whose steps the points happen to hit; which then
    // has another slope at each distance.
    let straight: Vec<f64> = looks.iter().rev().take_while(|look| look.level == 0.0).map(|look| look.slope).collect();
    if straight.len() >= 3 && straight.iter().all(|slope| (slope - straight[0]).abs() <= 1e-9 * straight[0].abs()) {
        return 0.0;
    }
    let levels: Vec<f64> = looks.iter().map(|look| look.level).filter(|&level| level > 0.0).collect();
    let neighbours = (0..levels.len()).flat_map(|i| [(i, i + 1), (i, i + 2)]).filter(|&(_, j)| j < levels.len());
    let pairs = neighbours.filter_map(|(i, j)| {
        let (low, high) = (levels[i].min(levels[j]), levels[i].max(levels[j]));
        let stays = levels[j + 1..].iter().all(|&level| 64.0 * level >= low);
        (high <= NEAR * low && stays).then_some(high)
    });
    let lowest = pairs.reduce(f64::min).unwrap_or(0.0);
    if lowest <= coarse {
        return lowest;
    }
    let near = levels.into_iter().filter(|&level| level <= NEAR * lowest && lowest <= NEAR * level);
    root_mean_square(near.collect::<Vec<_>>()).max(lowest)
}

/// How high `f` jumps where it leaves the value that it has at 0 and at `flat`, on the way to `away`, where it has another; 0
/// if it leaves by a kink. Also says how often `f` was called.
pub(crate) fn jump(f: &mut dyn FnMut(f64) -> f64, here: f64, flat: f64, away: f64) -> (f64, usize) {
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
    (if change <= 1e-3 * first { 0.0 } else { change }, 1 + HALVINGS)
}

/// How often the way to a kink is halved.
const HALVINGS: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: Steps = Steps {
        first: 0.01,
        smallest: 0.01,
        floor: 1e-12,
        grid: 0.0,
        probes: [0.0; 2],
        unit: f64::EPSILON,
        single: false,
    };

    fn noise(f: impl Fn(f64) -> f64) -> f64 {
        measure(&mut |s| s.iter().map(|&s| vec![f(s)]).collect(), &[f(0.0)], STEPS).0[0].near
    }

    fn looks(of: impl IntoIterator<Item = (f64, f64)>) -> Vec<Look> {
        let look = |(level, slope)| Look { distance: 1.0, level, is_noise: true, slope };
        of.into_iter().map(look).collect()
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
            let steps = Steps {
                first: 0.02,
                smallest: 0.01 * at,
                floor: 1e-12 * at,
                grid: 0.0,
                probes: [0.0; 2],
                unit: f64::EPSILON,
                single: false,
            };
            let found =
                measure(&mut |s| s.iter().map(|s| vec![1.0 / (at + s)]).collect(), &[1.0 / at], steps).0[0].near;
            assert!(found * at < 20.0 * f64::EPSILON, "a pole at {at:e}: {found:e}");
        }
        // What varies with the distance and then shrinks is none either.
        let of_levels = |levels: &[f64]| plateau(&looks(levels.iter().map(|&level| (level, 1.0))), 0.0);
        assert_eq!(of_levels(&[1e-5, 2e-3, 1e-3, 1e-7, 1e-11, 1e-15]), 0.0);
        assert_eq!(of_levels(&[8e-4, 2e-4, 0.0, 0.0, 0.0]), 0.0);
        assert!((1e-9..2e-9).contains(&of_levels(&[1e-5, 1e-9, 2e-9, 1e-9, 3e-10])));
        assert!((6e-6..9e-6).contains(&of_levels(&[8e-4, 8e-6, 2e-6, 0.0, 0.0])));
    }

    #[test]
    fn a_staircase_whose_steps_the_points_hit_is_none_the_less_rounded() {
        let staircase = looks([(1.2e-8, 1.0), (0.0, 1.001), (3e-8, 0.98), (0.0, 1.02), (0.0, 0.99), (0.0, 1.07)]);
        assert_eq!(plateau(&staircase, 0.0), 3e-8);
        // Of coarse rounding all that is near the lowest pair counts.
        let several = looks([(6e-8, 1.0), (1e-8, 1.0), (1e-8, 0.99)]);
        assert_eq!(plateau(&several, 1e-6), 1e-8);
        assert!((3e-8..4e-8).contains(&plateau(&several, 1e-9)));
        let kinks = looks([(1.2e-3, 2.0), (5e-4, 3.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0)]);
        assert_eq!(plateau(&kinks, 0.0), 0.0);
    }

    #[test]
    fn where_the_function_is_not_defined_on_one_side_the_other_is_measured() {
        let found = noise(|s| if s > 0.0 { f64::NAN } else { 1.0 + s + 1e-9 * (1e12 * s).sin() });
        assert!((1e-11..1e-8).contains(&found), "{found:e}");
    }

    #[test]
    fn noise_grows_with_the_values() {
        let f = |s: f64| f64::from((1.0 + 1e4 * s * s) as f32);
        let noise = measure(&mut |s| s.iter().map(|&s| vec![f(s)]).collect(), &[f(0.0)], STEPS).0.remove(0);
        assert!((1e-8..2e-7).contains(&noise.near) && noise.at(1e-5, 1.0) < 2.0 * noise.near, "{:e}", noise.near);
        assert!((10.0..1e4).contains(&(noise.at(0.1, 100.0) / noise.near)), "{:e}", noise.at(0.1, 100.0));
    }

    #[test]
    fn a_kink_is_told_from_a_jump() {
        let height = |f: fn(f64) -> f64, away: f64| jump(&mut { f }, f(0.0), away / 4.0, away).0;
        assert_eq!(height(|s| (s - 0.3).max(0.0), 1.0), 0.0);
        assert_eq!(height(|s| 5.0 - (-s - 0.3).max(0.0).sqrt(), -1.0), 0.0);
        assert_eq!(height(|s| (s * 3.0).round() / 3.0, 0.5), 1.0 / 3.0);
        assert_eq!(height(|s| f64::from((0.3 + s) as f32), 3e-8), f64::from(f32::EPSILON) / 4.0);
        assert!(height(|s| if s > 0.3 { f64::NAN } else { 1.0 }, 1.0).is_nan());
    }
}
