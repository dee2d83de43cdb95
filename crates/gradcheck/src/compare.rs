//! The comparison of slopes: what the vector-Jacobian product says, against what the values do.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Dimension, IxDyn};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::check::{Extent, GradCheck};
use crate::function::Function;
use crate::linear::{COMBINATIONS, NONLINEAR, nonlinearity, rounding};
use crate::noise::COARSE;
use crate::report::{Entry, Failure, Place, Rule, Verdict};
use crate::slope::{Found, Precision, Slope, Steps, careful, quick, root_mean_square};
use crate::{direction, dot, joined, same_bits};

/// Entries of a Jacobian, above which random directions are compared unless every element is asked for.
const LARGE: usize = 20_000;

/// Noise of values, in units of their size, that is more than a solver's or a sum's.
const FINE: f64 = 2e-9;

/// A jump that is no kink if the slope agrees, relative to the slope.
const SLIGHT: f64 = 1e-6;

/// Elements above which each changes a function's value too little to be seen in f32.
const MANY: usize = 100;

/// How small the steps are that confirm an agreement, relative to what moves.
const PROBE: f64 = 1e-6;

/// Components that are looked at one by one where a direction meets kinks.
const KINKS: usize = 128;

/// Lines that are spent on finding the kinks of one component.
const SEARCH: usize = 64;

/// One check under way.
pub(crate) struct Run<'a, S> {
    pub(crate) check: &'a GradCheck,
    pub(crate) subject: &'a S,
    pub(crate) inputs: &'a [ArrayD<f64>],
}

/// A slope and what the VJP says of it.
struct Compared {
    place: Place,
    analytic: f64,
    slope: Slope,
    /// How far rounding may have moved `analytic`.
    off: f64,
}

impl<S: Function> Run<'_, S> {
    /// Compares as many slopes as the options say; also says how often the function was evaluated.
    pub(crate) fn entries(&self) -> (Vec<Entry>, usize) {
        let output = self.subject.value(self.inputs);
        let elements = self.inputs.iter().map(ArrayD::len).sum::<usize>();
        let (mut entries, evaluations) = match self.check.extent {
            Extent::Directions(directions) => self.directions(&output, directions),
            Extent::Auto if output.len() * elements > LARGE || (S::SINGLE && elements > MANY) => {
                self.directions(&output, 8)
            }
            Extent::Auto | Extent::EveryElement => self.every_element(&output),
        };
        if !S::SINGLE {
            coarse_throughout(&mut entries);
        }
        (entries, evaluations)
    }

    /// Whether the value is finite, and the same bits of the same inputs.
    pub(crate) fn value_repeats(&self) -> Result<(), Failure> {
        let (value, again) = (self.subject.value(self.inputs), self.subject.value(self.inputs));
        if let Some((index, &value)) = value.indexed_iter().find(|(_, value)| !value.is_finite()) {
            return Err(Failure::NotFinite { index: index.slice().to_vec(), value, operation: None });
        }
        if same_bits(&value, &again) { Ok(()) } else { Err(Failure::ValueChanges { place: "the value".into() }) }
    }

    /// Whether gradients have no NaN and no infinity in them.
    pub(crate) fn vjp_is_finite(&self) -> Result<(), Failure> {
        let shape = self.subject.value(self.inputs).shape().to_vec();
        let gradients = self.subject.pull_back(self.inputs, &direction(&shape, &mut self.rng(0)));
        if gradients.len() != self.inputs.len() {
            let rule = Rule::Number { expected: self.inputs.len(), found: gradients.len() };
            return Err(Failure::Gradient { input: 0, rule });
        }
        for (input, gradient) in gradients.iter().enumerate() {
            if let Some((index, &value)) = gradient.indexed_iter().find(|(_, g)| !g.is_finite()) {
                let rule = Rule::Finite { index: index.slice().to_vec(), value };
                return Err(Failure::Gradient { input, rule });
            }
        }
        Ok(())
    }

    /// Whether ⟨d, VJP(c)⟩ = ⟨c, VJP(d)⟩, as for a Hessian.
    pub(crate) fn vjp_is_symmetric(&self) -> Result<(), Failure> {
        let shape = self.subject.value(self.inputs).shape().to_vec();
        let (c, d) = (direction(&shape, &mut self.rng(0)), direction(&shape, &mut self.rng(u64::MAX)));
        let pull = |cotangent: &ArrayD<f64>| joined(self.subject.pull_back(self.inputs, cotangent));
        let (of_c, of_d) = (pull(&c), pull(&d));
        let norm = |gradient: &ArrayD<f64>| root_mean_square(gradient.iter().copied()) * gradient.len() as f64;
        let off = (dot(&d, &of_c) - dot(&c, &of_d)).abs();
        let size = norm(&of_c).max(norm(&of_d));
        let allowed = 1e-9f64.max(1e3 * S::UNIT).max(self.check.rtol);
        let hidden = || 2.0 * c.len() as f64 * rounding(pull, [(&c, &of_c), (&d, &of_d)]);
        if off > allowed * size && off > hidden() {
            return Err(Failure::Gradient { input: 0, rule: Rule::Symmetric(off / size) });
        }
        Ok(())
    }

    /// Whether the VJP is a function, and linear: the same bits of the same cotangent, and VJP(a·c + b·d) =
    /// a·VJP(c) + b·VJP(d).
    pub(crate) fn vjp_is_linear(&self) -> Result<(), Failure> {
        let shape = self.subject.value(self.inputs).shape().to_vec();
        let (c, d) = (direction(&shape, &mut self.rng(0)), direction(&shape, &mut self.rng(u64::MAX)));
        let pull = |cotangent: &ArrayD<f64>| self.subject.pull_back(self.inputs, cotangent);
        let of_c = pull(&c);
        // What was kept from an evaluation elsewhere must not be used.
        let elsewhere: Vec<_> = self.inputs.iter().map(|x| x * (1.0 + 1.0 / 1024.0)).collect();
        self.subject.value(&elsewhere);
        let (again, of_d) = (pull(&c), pull(&d));
        for (input, (one, other)) in of_c.iter().zip(&again).enumerate() {
            let expected = self.inputs[input].shape();
            if one.shape() != expected {
                let rule = Rule::Shape { expected: expected.to_vec(), found: one.shape().to_vec() };
                return Err(Failure::Gradient { input, rule });
            }
            if one.iter().zip(other).any(|(a, b)| a.to_bits() != b.to_bits()) {
                return Err(Failure::ValueChanges { place: format!("the gradient of input {input}") });
            }
        }
        for (a, b) in COMBINATIONS {
            let of_both = pull(&(&c * a + &d * b));
            for (input, both) in of_both.iter().enumerate() {
                let (one, other) = (&of_c[input], &of_d[input]);
                let off = |rounding| nonlinearity([(a, one), (b, other)], both, rounding);
                let allowed = NONLINEAR.max(64.0 * S::UNIT);
                let is_off = off(0.0) > allowed && off(self.rounding(input, [(&c, one), (&d, other)])) > allowed;
                if is_off {
                    return Err(Failure::Gradient { input, rule: Rule::Combines(off(0.0)) });
                }
            }
        }
        Ok(())
    }

    /// How far rounding may move the gradient of one input.
    fn rounding(&self, input: usize, known: [(&ArrayD<f64>, &ArrayD<f64>); 2]) -> f64 {
        rounding(|cotangent| self.subject.pull_back(self.inputs, cotangent).swap_remove(input), known)
    }

    pub(crate) fn rng(&self, stream: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.check.seed);
        rng.set_stream(stream);
        rng
    }

    /// Every element: the Jacobian row by row from VJPs, column by column from differences.
    fn every_element(&self, output: &ArrayD<f64>) -> (Vec<Entry>, usize) {
        let places = indices(output);
        let at_zero: Vec<f64> = output.iter().copied().collect();
        let row = |subject: &S, k: usize, factor: f64| {
            let mut cotangent = ArrayD::zeros(output.shape());
            cotangent[&places[k][..]] = factor;
            subject.pull_back(self.inputs, &cotangent)
        };
        let inputs = self.inputs;
        let check = self.check;
        let rows = self.subject.each(output.len(), |subject, k| row(subject, k, 1.0));
        let mut entries = Vec::new();
        let mut evaluations = 2 * rows.len();
        for (input, x) in inputs.iter().enumerate() {
            let elements = indices(x);
            let look = |subject: &S, i, with_care| column(subject, check, inputs, input, i, &at_zero, with_care);
            let mut columns = self.subject.each(x.len(), |subject, i| look(subject, i, false));
            let typical = typical(columns.iter().flat_map(|column| &column.slopes));
            let analytic = |k: usize, i: usize| rows[k][input][&elements[i][..]];
            let agrees = |i: usize, column: &Found| {
                let all = column.slopes.iter().enumerate();
                column.swift && all.map(|(k, s)| check.verdict::<S>(analytic(k, i), s, typical, 0.0)).all(is_right)
            };
            let doubtful: Vec<usize> = (0..x.len()).filter(|&i| !agrees(i, &columns[i])).collect();
            let seconds = self.subject.each(doubtful.len(), |subject, number| look(subject, doubtful[number], true));
            for (i, second) in doubtful.into_iter().zip(seconds) {
                let calls = columns[i].calls + second.calls;
                columns[i] = Found { calls, ..second };
            }
            // Rounding within the VJP shows when the same row is asked for in other units.
            let is_off = |k: usize| {
                let right =
                    |i: usize| is_right(check.verdict::<S>(analytic(k, i), &columns[i].slopes[k], typical, 0.0));
                !(0..x.len()).all(right)
            };
            let doubtful: Vec<usize> = (0..rows.len()).filter(|&k| is_off(k)).collect();
            let mut off = vec![None; rows.len()];
            let rounding = self.subject.each(doubtful.len(), |subject, number| {
                let again = &row(subject, doubtful[number], UNITS)[input];
                let difference = again / UNITS - &rows[doubtful[number]][input];
                difference.mapv(|difference| if difference.is_finite() { 8.0 * difference.abs() } else { 0.0 })
            });
            evaluations += doubtful.len();
            for (k, rounding) in doubtful.into_iter().zip(rounding) {
                off[k] = Some(rounding);
            }
            for (i, column) in columns.into_iter().enumerate() {
                evaluations += column.calls;
                for (k, slope) in column.slopes.into_iter().enumerate() {
                    let place = Place::Element { input: elements[i].clone(), output: places[k].clone() };
                    let off = off[k].as_ref().map_or(0.0, |off| off[&elements[i][..]]);
                    let compared = Compared { place, analytic: analytic(k, i), slope, off };
                    entries.push(check.judged::<S>(input, compared, typical));
                }
            }
            let mut joint = Joint { run: self, output, input, entries: &mut entries, calls: 0 };
            joint.judge(|k| &rows[k][input]);
            evaluations += joint.calls;
        }
        (entries, evaluations)
    }

    /// vᵀJu for random u in each input's space and v in the output's: v backward, u by differences.
    fn directions(&self, output: &ArrayD<f64>, directions: usize) -> (Vec<Entry>, usize) {
        let (inputs, check) = (self.inputs, self.check);
        let cotangents: Vec<_> =
            (0..directions).map(|number| direction(output.shape(), &mut self.rng(1 + number as u64))).collect();
        let gradients = self.subject.each(directions, |subject, number| subject.pull_back(inputs, &cotangents[number]));
        let mut entries = Vec::new();
        let mut evaluations = directions;
        for input in 0..inputs.len() {
            // Rounding in f32 would hide a slope to which elements contribute with all signs.
            let way = |number: usize| match self.direction(input, number) {
                u if S::SINGLE => uphill(u, &gradients[number][input]),
                u => u,
            };
            let ways: Vec<_> = (0..directions).map(way).collect();
            let found = self.subject.each(directions, |subject, number| {
                line(subject, check, inputs, input, &ways[number], output, &cotangents[number], false)
            });
            let typical = typical(found.iter().flat_map(|found| &found.slopes));
            let analytic = |number: usize| dot(&gradients[number][input], &ways[number]);
            let judged = self.subject.each(directions, |subject, number| {
                let (v, u, first) = (&cotangents[number], &ways[number], &found[number]);
                let mut calls = first.calls;
                let (mut slope, mut off) = (first.slopes[0], 0.0);
                let verdict = |slope: &Slope, off| check.verdict::<S>(analytic(number), slope, typical, off);
                if !(first.swift && is_right(verdict(&slope, 0.0))) {
                    let second = line(subject, check, inputs, input, u, output, v, true);
                    calls += second.calls;
                    slope = second.slopes[0];
                }
                if !is_right(verdict(&slope, off)) {
                    let again = dot(&subject.pull_back(inputs, &(v * UNITS))[input], u) / UNITS;
                    off = 8.0 * (again - analytic(number)).abs();
                    calls += 1;
                }
                let compared = Compared { place: Place::Direction(number), analytic: analytic(number), slope, off };
                let mut entry = check.judged::<S>(input, compared, typical);
                if !matches!(entry.verdict, Verdict::Agrees | Verdict::Coarse) {
                    let mut search =
                        Search { subject, check, inputs, input, output, turn: (number, directions), calls: 0 };
                    entry.verdict = search.at_kinks(u, v).unwrap_or(entry.verdict);
                    calls += search.calls;
                }
                (entry, calls)
            });
            for (entry, calls) in judged {
                entries.push(entry);
                evaluations += calls;
            }
        }
        (entries, evaluations)
    }

    /// Direction number `number` in the space of one input. Every other one is in proportion to the elements, so that
    /// small ones count as well.
    pub(crate) fn direction(&self, input: usize, number: usize) -> ArrayD<f64> {
        let stream = (1 << 32) * (1 + input as u64) + number as u64;
        let x = &self.inputs[input];
        let mut u = direction(x.shape(), &mut self.rng(stream));
        let size = root_mean_square(x.iter().copied());
        if number % 2 == 1 && size > 0.0 {
            u.zip_mut_with(x, |u, x| *u *= if *x == 0.0 { 1.0 } else { x.abs() / size });
            let now = root_mean_square(u.iter().copied());
            u /= if now > 0.0 { now } else { 1.0 };
        }
        if S::SINGLE { u.mapv(power_of_two) } else { u }
    }
}

/// The slopes of all components when one element moves, number `element` of one input.
pub(crate) fn column<S: Function>(
    subject: &S,
    check: &GradCheck,
    inputs: &[ArrayD<f64>],
    input: usize,
    element: usize,
    at_zero: &[f64],
    with_care: bool,
) -> Found {
    let mut moving = inputs.to_vec();
    let here = flat_at(&inputs[input], element);
    let mut f = |s: f64| {
        moving[input].as_slice_mut().expect("row-major")[element] = here + s;
        subject.value(&moving).into_iter().collect()
    };
    let steps = check.steps::<S>(&inputs[input], here);
    if with_care { careful(&mut f, at_zero, steps) } else { quick(&mut f, at_zero, steps, check.precision::<S>()) }
}

/// The slopes of all components when the inputs move along `ways`.
pub(crate) fn along<S: Function>(
    subject: &S,
    check: &GradCheck,
    inputs: &[ArrayD<f64>],
    ways: &[ArrayD<f64>],
    at_zero: &[f64],
    with_care: bool,
) -> Found {
    let mut f = |s: f64| {
        let moved: Vec<_> = inputs.iter().zip(ways).map(|(x, u)| x + u * s).collect();
        subject.value(&moved).into_iter().collect()
    };
    let moving = inputs.iter().zip(ways).filter(|(_, u)| u.iter().any(|&u| u != 0.0));
    let steps = moving.map(|(x, u)| check.steps_along::<S>(x, u)).reduce(Steps::smaller);
    let steps = steps.unwrap_or_else(|| check.steps_of::<S>(1.0, 1.0, [1e-12, 0.0], [0.0; 2]));
    if with_care { careful(&mut f, at_zero, steps) } else { quick(&mut f, at_zero, steps, check.precision::<S>()) }
}

/// The slope of ⟨v, value⟩ when one input moves along u.
#[allow(clippy::too_many_arguments)]
fn line<S: Function>(
    subject: &S,
    check: &GradCheck,
    inputs: &[ArrayD<f64>],
    input: usize,
    u: &ArrayD<f64>,
    output: &ArrayD<f64>,
    v: &ArrayD<f64>,
    with_care: bool,
) -> Found {
    let mut moving = inputs.to_vec();
    let mut f = |s: f64| {
        moving[input] = &inputs[input] + &(u * s);
        vec![dot(v, &subject.value(&moving))]
    };
    let at_zero = [dot(v, output)];
    let steps = check.steps_along::<S>(&inputs[input], u);
    // The products that are added up round too.
    let size = v.iter().zip(output).map(|(v, y)| (v * y).abs()).fold(0.0, f64::max);
    let unit = steps.unit * (size / at_zero[0].abs().max(f64::MIN_POSITIVE)).clamp(1.0, 1e12);
    if with_care {
        careful(&mut f, &at_zero, Steps { unit, ..steps })
    } else {
        quick(&mut f, &at_zero, steps, check.precision::<S>())
    }
}

/// Where several elements have kinks of their own: along directions that move them together.
///
/// What lies between the sides along each element may lie beyond them along two: max(a, b) at a = b has slope 1 along (1, 1),
/// and a gradient of (1, 1), which counts the tie twice, says 2. If the sides along a direction are the sums of those along
/// its elements, nothing is learned. Else a generalised gradient (Clarke 1983) lies, along each direction, between the least
/// and the largest slope that there are nearby.
struct Joint<'a, 'b, S> {
    run: &'a Run<'b, S>,
    output: &'a ArrayD<f64>,
    input: usize,
    entries: &'a mut Vec<Entry>,
    calls: usize,
}

impl<S: Function> Joint<'_, '_, S> {
    /// Adds an entry for each component that a direction proves wrong.
    fn judge<'g>(&mut self, gradient: impl Fn(usize) -> &'g ArrayD<f64>) {
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

/// Where a direction meets kinks: vᵀJu need not lie between the slopes to the left and to the right if there are
/// several. So components are looked at one by one, and of a component with several kinks the inputs.
struct Search<'a, S> {
    subject: &'a S,
    check: &'a GradCheck,
    inputs: &'a [ArrayD<f64>],
    input: usize,
    output: &'a ArrayD<f64>,
    /// The number of the direction, and how many there are: each looks at other kinks, if there are many.
    turn: (usize, usize),
    calls: usize,
}

impl<S: Function> Search<'_, S> {
    /// What is to be said of vᵀJu; `None` where no component has a kink along u.
    fn at_kinks(&mut self, u: &ArrayD<f64>, v: &ArrayD<f64>) -> Option<Verdict> {
        let (slopes, typical) = self.components(u);
        let is_kink = |slope: &Slope| slope.is_kink(self.check.precision::<S>().relative * typical);
        let kinks: Vec<usize> = (0..slopes.len()).filter(|&k| is_kink(&slopes[k])).collect();
        if kinks.is_empty() {
            return None;
        }
        // What has no kink is held to the usual standard.
        let mut smooth = v.clone();
        let flat = smooth.as_slice_mut().expect("row-major");
        for &k in &kinks {
            flat[k] = 0.0;
        }
        if kinks.len() < slopes.len() {
            let found = line(self.subject, self.check, self.inputs, self.input, u, self.output, &smooth, true);
            self.calls += found.calls + 1;
            let analytic = dot(&self.subject.pull_back(self.inputs, &smooth)[self.input], u);
            let verdict = self.check.verdict::<S>(analytic, &found.slopes[0], typical, 0.0).0;
            if matches!(verdict, Verdict::Wrong | Verdict::Undecided) {
                return Some(verdict);
            }
        }
        let places = indices(self.output);
        let (number, directions) = self.turn;
        let mine = |position: usize| kinks.len() <= KINKS || position % directions == number;
        for (_, &k) in kinks.iter().enumerate().filter(|(position, _)| mine(*position)).take(KINKS) {
            let mut unit = ArrayD::zeros(self.output.shape());
            unit[&places[k][..]] = 1.0;
            let gradient = self.subject.pull_back(self.inputs, &unit)[self.input].clone();
            self.calls += 1;
            if !self.between(dot(&gradient, u), &slopes[k]) {
                let moving: Vec<usize> = (0..u.len()).filter(|&i| flat_at(u, i) != 0.0).collect();
                let (mut lines, mut seen) = (0, 0);
                match self.inside(&unit, &gradient, u, &moving, &mut lines, &mut seen) {
                    Some(verdict) => return Some(verdict),
                    None if lines >= SEARCH && seen == 0 => return Some(Verdict::Undecided),
                    None => {}
                }
            }
        }
        // Many kinks along one line leave much room between the two sides; one alone does not.
        let k = kinks[number % kinks.len()];
        let mut unit = ArrayD::zeros(self.output.shape());
        unit[&places[k][..]] = 1.0;
        let gradient = self.subject.pull_back(self.inputs, &unit)[self.input].clone();
        self.calls += 1;
        Some(self.alone(&unit, &gradient, u).unwrap_or(self.check.at_kink()))
    }

    /// Finds one input that has a kink by itself, by halving those that move along u, another for each direction.
    /// [`Verdict::Wrong`] if the VJP's slope does not lie between its sides; `None` if it does, or there is none.
    fn alone(&mut self, unit: &ArrayD<f64>, gradient: &ArrayD<f64>, u: &ArrayD<f64>) -> Option<Verdict> {
        let (number, directions) = self.turn;
        let mut moving: Vec<usize> = (0..u.len()).filter(|&i| flat_at(u, i) != 0.0).collect();
        let first = moving.len() * number / directions;
        moving.rotate_left(first);
        while moving.len() > 1 {
            let halves = moving.chunks(moving.len().div_ceil(2));
            let half = halves.map(<[usize]>::to_vec).find(|half| {
                let slope = self.part(unit, &only(u, half), false);
                let [left, right] = slope.sides();
                slope.is_kink(self.check.precision::<S>().relative * left.abs().max(right.abs()))
            });
            moving = half?;
        }
        let along = only(u, &moving);
        let slope = self.part(unit, &along, true);
        let verdict = self.check.verdict::<S>(dot(gradient, &along), &slope, slope.value.abs(), 0.0).0;
        (verdict == Verdict::Wrong).then_some(verdict)
    }

    /// The slope of ⟨unit, value⟩ when one input moves along a line.
    fn part(&mut self, unit: &ArrayD<f64>, along: &ArrayD<f64>, with_care: bool) -> Slope {
        let found = line(self.subject, self.check, self.inputs, self.input, along, self.output, unit, with_care);
        self.calls += found.calls;
        found.slopes[0]
    }

    /// The slopes of all components along u, and how large they are.
    fn components(&mut self, u: &ArrayD<f64>) -> (Vec<Slope>, f64) {
        let at_zero: Vec<f64> = self.output.iter().copied().collect();
        let mut ways: Vec<_> = self.inputs.iter().map(|x| ArrayD::zeros(x.shape())).collect();
        ways[self.input].assign(u);
        let found = along(self.subject, self.check, self.inputs, &ways, &at_zero, false);
        self.calls += found.calls;
        let typical = typical(&found.slopes);
        (found.slopes, typical)
    }

    /// Whether an analytic slope lies between the two sides of a kink.
    fn between(&self, analytic: f64, slope: &Slope) -> bool {
        let [left, right] = slope.sides();
        let precision = self.check.precision::<S>();
        let scale = left.abs().max(right.abs()).max(analytic.abs());
        let allowed = precision.absolute + precision.relative * scale + 4.0 * (slope.error + slope.jump_error);
        (left.min(right) - allowed..=left.max(right) + allowed).contains(&analytic)
    }

    /// Halves the moving inputs again and again, until each part has one kink with the VJP's slope within it, no
    /// kink, or a wrong slope. `seen` counts the parts that are right.
    fn inside(
        &mut self,
        unit: &ArrayD<f64>,
        gradient: &ArrayD<f64>,
        u: &ArrayD<f64>,
        moving: &[usize],
        lines: &mut usize,
        seen: &mut usize,
    ) -> Option<Verdict> {
        for part in moving.chunks(moving.len().div_ceil(2).max(1)) {
            if *lines >= SEARCH {
                return None;
            }
            *lines += 1;
            let along = only(u, part);
            let (slope, analytic) = (self.part(unit, &along, true), dot(gradient, &along));
            let verdict = self.check.verdict::<S>(analytic, &slope, slope.value.abs(), 0.0).0;
            match verdict {
                Verdict::Agrees | Verdict::Coarse | Verdict::Subgradient | Verdict::NotDifferentiable => *seen += 1,
                _ if part.len() == 1 => return Some(verdict),
                _ => {
                    if let Some(verdict) = self.inside(unit, gradient, u, part, lines, seen) {
                        return Some(verdict);
                    }
                }
            }
        }
        None
    }
}

/// What precision is asked of functions in f32, relative to the size of the slopes: some hundred roundings.
const SINGLE: f64 = 128.0 * f32::EPSILON as f64;

/// The power of two next to a number, with its sign; 0 of 0.
fn power_of_two(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() { x } else { x.abs().log2().round().exp2().copysign(x) }
}

/// A direction with the signs of a gradient.
fn uphill(mut u: ArrayD<f64>, gradient: &ArrayD<f64>) -> ArrayD<f64> {
    u.zip_mut_with(gradient, |u, &g| *u = if g == 0.0 { *u } else { u.abs().copysign(g) });
    u
}

/// The factor by which a cotangent is scaled to see the rounding of a VJP.
const UNITS: f64 = 1.234_567;

fn flat_at(array: &ArrayD<f64>, i: usize) -> f64 {
    array.as_slice().expect("row-major")[i]
}

fn indices(array: &ArrayD<f64>) -> Vec<Vec<usize>> {
    array.indexed_iter().map(|(index, _)| index.slice().to_vec()).collect()
}

fn is_right((verdict, _): (Verdict, f64)) -> bool {
    verdict == Verdict::Agrees
}

/// The root mean square of all slopes that are known.
fn typical<'a>(slopes: impl IntoIterator<Item = &'a Slope>) -> f64 {
    let known: Vec<f64> = slopes.into_iter().map(|slope| slope.value).filter(|value| value.is_finite()).collect();
    root_mean_square(known)
}

impl GradCheck {
    /// The precision that is asked of slopes; of functions in f32 no more than they can have.
    pub fn precision<S: Function>(&self) -> Precision {
        let relative = if S::SINGLE { self.rtol.max(SINGLE) } else { self.rtol };
        Precision { absolute: self.atol, relative }
    }

    /// The steps by which an element of `x` is to move.
    pub(crate) fn steps<S: Function>(&self, x: &ArrayD<f64>, here: f64) -> Steps {
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
        let grid = if S::SINGLE { 0.0 } else { power * 2f64.powi(if here == 0.0 { -60 } else { -51 }) };
        self.steps_of::<S>(size, least, [least * 2f64.powi(-46), grid], probes)
    }

    /// The steps along u.
    pub fn steps_along<S: Function>(&self, x: &ArrayD<f64>, u: &ArrayD<f64>) -> Steps {
        let rms = root_mean_square(x.iter().copied());
        let size = if rms > 0.0 { rms } else { 1.0 };
        let ratios = x.iter().zip(u).filter(|(x, u)| **u != 0.0 && **x != 0.0).map(|(x, u)| (x / u).abs());
        let least = ratios.fold(f64::INFINITY, f64::min);
        let least = if least.is_finite() { least } else { size };
        // `careful` ends at a share of the least step, however far apart the elements are.
        let probe = if size > 1e3 * least { least } else { size };
        self.steps_of::<S>(size, least, [0.0, 0.0], [PROBE * probe, 0.0])
    }

    fn steps_of<S: Function>(&self, size: f64, least: f64, [floor, grid]: [f64; 2], probes: [f64; 2]) -> Steps {
        // An f32 moves exactly by a power of two; an f64 by few bits.
        let first = match self.eps {
            Some(eps) if !S::SINGLE => eps,
            Some(eps) => power_of_two(eps),
            None if S::SINGLE => power_of_two(0.01 * size),
            None => 0.01 * size,
        };
        let probes = if S::SINGLE { [0.0; 2] } else { probes };
        Steps { first, smallest: (0.01 * least).min(first), floor, grid, probes, unit: S::UNIT }
    }

    /// What is said at a kink.
    fn at_kink(&self) -> Verdict {
        if self.subgradients { Verdict::Subgradient } else { Verdict::NotDifferentiable }
    }

    fn judged<S: Function>(&self, input: usize, compared: Compared, typical: f64) -> Entry {
        let Compared { place, analytic, slope, off } = compared;
        let (verdict, tolerance) = self.verdict::<S>(analytic, &slope, typical, off);
        let (numeric, uncertainty, sides, noise) = (slope.value, slope.error, slope.sides(), slope.noise);
        let scale = typical.max(analytic.abs()).max(slope.value.abs());
        Entry { input, place, analytic, numeric, uncertainty, noise, sides, scale, tolerance, verdict }
    }

    /// What is to be said of a slope, and what error was allowed. `typical` is the size of the slopes around it, and
    /// `off` how far rounding may have moved the analytic one.
    fn verdict<S: Function>(&self, analytic: f64, numeric: &Slope, typical: f64, off: f64) -> (Verdict, f64) {
        let own = analytic.abs().max(numeric.value.abs());
        // A gradient that rounds as coarsely as f32 is not right in f64.
        let off = off.min(if S::SINGLE { f64::INFINITY } else { 1e-9 * own.max(typical) });
        let asked = self.atol + self.rtol * own + if S::SINGLE { SINGLE * own.max(typical) } else { 0.0 };
        let resolved = 4.0 * numeric.error + off;
        let error = (analytic - numeric.value).abs();
        // A slope is known if it is known to some digits, more if f64 is not all that rounds, or is too small beside others to matter, or is 0 as far as
        // can be seen in values of this size. Of functions in f32 less is asked.
        let is_coarse = !S::SINGLE && numeric.noise > COARSE;
        let [digits, beside, nothing] = match (S::SINGLE, is_coarse) {
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
fn coarse_throughout(entries: &mut [Entry]) {
    let value = |entry: &Entry| match &entry.place {
        Place::Element { output, .. } | Place::Joint { output, .. } => output.clone(),
        Place::Direction(_) => Vec::new(),
    };
    let mut noise = BTreeMap::<Vec<usize>, f64>::new();
    for entry in entries.iter().filter(|entry| entry.noise > COARSE) {
        let least = noise.entry(value(entry)).or_insert(f64::INFINITY);
        *least = least.min(entry.noise);
    }
    let open = |verdict| matches!(verdict, Verdict::Undecided | Verdict::Wrong | Verdict::NotDifferentiable);
    for entry in entries.iter_mut().filter(|entry| open(entry.verdict)) {
        let Some(noise) = noise.get(&value(entry)) else { continue };
        let [left, right] = entry.sides;
        // Steps that balance noise and bends leave the root of the noise.
        let shown = 10.0 * entry.uncertainty + noise.sqrt() * entry.scale;
        // What is undecided stays so, by another name; what was called wrong has to be near.
        let is_near = entry.noise > COARSE && entry.verdict == Verdict::Wrong;
        let allowed = if is_near { shown.min(HIDDEN * entry.scale) } else { HIDDEN * entry.scale };
        // Not where it is a kink of its own.
        let is_smooth = entry.verdict == Verdict::Undecided || (right - left).abs() <= allowed;
        let hidden = noise.min(1e-6) * entry.scale;
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

/// How far coarse rounding may move a slope along which it does not show, in units of the slopes around it.
const HIDDEN: f64 = 0.1;

/// A direction with all but some of its elements 0.
fn only(u: &ArrayD<f64>, elements: &[usize]) -> ArrayD<f64> {
    let mut part = ArrayD::zeros(u.shape());
    let flat = part.as_slice_mut().expect("row-major");
    for &i in elements {
        flat[i] = flat_at(u, i);
    }
    part
}

/// An array of zeros with a one in it.
pub(crate) fn basis(shape: &[usize], index: &[usize]) -> ArrayD<f64> {
    let mut array = ArrayD::zeros(IxDyn(shape));
    array[index] = 1.0;
    array
}
