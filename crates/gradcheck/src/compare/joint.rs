//! Where several elements have kinks of their own.

use ndarray::ArrayD;

use super::lines::along;
use super::{Run, indices, power_of_two};
use crate::report::{Entry, Place, Verdict};
use crate::slope::root_mean_square;
use crate::{direction, dot};

/// Where several elements have kinks of their own: along directions that move them together.
///
/// What lies between the sides along each element may lie beyond them along two: max(a, b) at a = b has slope 1 along (1, 1),
/// and a gradient of (1, 1), which counts the tie twice, says 2. If the sides along a direction are the sums of those along
/// its elements, nothing is learned. Else a generalised gradient (Clarke 1983) lies, along each direction, between the least
/// and the largest slope that there are nearby.
pub(super) struct Joint<'a, 'b> {
    pub(super) run: &'a Run<'b>,
    pub(super) output: &'a ArrayD<f64>,
    pub(super) input: usize,
    pub(super) entries: &'a mut Vec<Entry>,
    pub(super) calls: usize,
}

impl Joint<'_, '_> {
    /// Adds an entry for each component that a direction proves wrong.
    pub(super) fn judge<'g>(&mut self, gradient: impl Fn(usize) -> &'g ArrayD<f64>) {
        let (run, input, x) = (self.run, self.input, &self.run.inputs[self.input]);
        let places = indices(self.output);
        let at_zero: Vec<f64> = self.output.iter().copied().collect();
        for (k, place) in places.iter().enumerate() {
            let is_kink = |entry: &&Entry| {
                let here = matches!(&entry.place, Place::Element { output, .. } if output == place);
                here && entry.input == input
                    && matches!(entry.verdict, Verdict::Subgradient | Verdict::NotDifferentiable)
            };
            let kinks: Vec<(Vec<usize>, [f64; 2])> = self
                .entries
                .iter()
                .filter(is_kink)
                .filter_map(|entry| match &entry.place {
                    Place::Element { input, .. } => Some((input.clone(), entry.sides)),
                    Place::Joint { .. } | Place::Direction(_) => None,
                })
                .collect();
            if kinks.len() < 2 {
                continue;
            }
            for number in 0..JOINT {
                let drawn = direction(x.shape(), &mut run.rng((1 << 48) + number as u64));
                let (mut u, mut sums) = (ArrayD::zeros(x.shape()), [0.0; 2]);
                for (index, [left, right]) in &kinks {
                    let way = if number == 0 { 1.0 } else { power_of_two(drawn[&index[..]]) };
                    u[&index[..]] = way;
                    let [to, from] = if way > 0.0 { [right, left] } else { [left, right] };
                    sums[0] += way * from;
                    sums[1] += way * to;
                }
                let mut ways: Vec<_> = run.inputs.iter().map(|x| ArrayD::zeros(x.shape())).collect();
                ways[input].assign(&u);
                let found = along(run.subject, run.check, run.inputs, &ways, &at_zero, true);
                self.calls += found.calls;
                let slope = &found.slopes[k];
                let [left, right] = slope.sides();
                let analytic = dot(gradient(k), &u);
                let size = left.abs().max(right.abs()).max(analytic.abs());
                let allowed = 1e-4 * size + 10.0 * (slope.error + slope.jump_error);
                let within = |low: f64, high: f64, allowed: f64| {
                    (low.min(high) - allowed..=low.max(high) + allowed).contains(&analytic)
                };
                let adds_up = (sums[0] - left).abs() <= allowed && (sums[1] - right).abs() <= allowed;
                if !allowed.is_finite() || !size.is_finite() || adds_up || within(left, right, allowed) {
                    continue;
                }
                let [low, high] = self.nearby(k, &u, &kinks);
                if !within(low, high, allowed + 0.05 * size) {
                    let scale = size;
                    self.entries.push(Entry {
                        input,
                        place: Place::Joint {
                            inputs: kinks.iter().map(|kink| kink.0.clone()).collect(),
                            output: place.clone(),
                        },
                        analytic,
                        numeric: slope.value,
                        uncertainty: slope.error,
                        noise: slope.noise,
                        sides: [left, right],
                        scale,
                        tolerance: allowed,
                        verdict: Verdict::Wrong,
                        undefined: None,
                    });
                    break;
                }
            }
        }
    }

    /// The least and the largest slope of component `k` along u at some points nearby.
    fn nearby(&mut self, k: usize, u: &ArrayD<f64>, kinks: &[(Vec<usize>, [f64; 2])]) -> [f64; 2] {
        let (run, x) = (self.run, &self.run.inputs[self.input]);
        let size = root_mean_square(x.iter().copied());
        let away = power_of_two(1e-5 * if size > 0.0 { size } else { 1.0 });
        let step = away / 4096.0;
        let mut moved = run.inputs.to_vec();
        let mut value = |at: &ArrayD<f64>| {
            moved[self.input].assign(at);
            self.calls += 1;
            run.subject.value(&moved).iter().nth(k).copied().unwrap_or(f64::NAN)
        };
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for number in 0..NEARBY {
            let drawn = direction(x.shape(), &mut run.rng((1 << 49) + number));
            let mut at = x.clone();
            for (index, _) in kinks {
                at[&index[..]] += away
                    * match number {
                        0 => 1.0,
                        1 => -1.0,
                        _ => drawn[&index[..]],
                    };
            }
            let slope = (value(&(&at + &(u * step))) - value(&(&at - &(u * step)))) / (2.0 * step);
            if slope.is_finite() {
                (low, high) = (low.min(slope), high.max(slope));
            }
        }
        [low, high]
    }
}

/// Directions that move all elements with kinks.
const JOINT: usize = 5;

/// Points at which slopes near kinks are taken.
const NEARBY: u64 = 24;
