//! The lines along which inputs move, and the slopes along them.

use ndarray::ArrayD;

use super::flat_at;
use crate::check::GradCheck;
use crate::dot;
use crate::function::Function;
use crate::slope::{Along, Found, Row, Slope, Steps, careful, explained, quick};

/// The values at some steps along a line, as `read` takes them out; `place` moves the inputs.
fn at_steps(
    subject: &dyn Function,
    inputs: &[ArrayD<f64>],
    steps: &[f64],
    place: &dyn Fn(&mut [ArrayD<f64>], f64),
    read: &dyn Fn(ArrayD<f64>) -> Vec<f64>,
) -> Vec<Vec<f64>> {
    if subject.batch() <= 1 {
        let mut moving = inputs.to_vec();
        let value = |&step: &f64| {
            place(&mut moving, step);
            read(subject.value(&moving))
        };
        return steps.iter().map(value).collect();
    }
    let mut values = Vec::with_capacity(steps.len());
    for steps in steps.chunks(subject.batch()) {
        let moved = |&step: &f64| {
            let mut moving = inputs.to_vec();
            place(&mut moving, step);
            moving
        };
        let points: Vec<_> = steps.iter().map(moved).collect();
        values.extend(subject.values(&points).into_iter().map(read));
    }
    values
}

/// All numbers of a value.
fn all(value: ArrayD<f64>) -> Vec<f64> {
    value.into_iter().collect()
}

fn measured(check: &GradCheck, unit: f64, f: Along, at_zero: &[f64], steps: Steps, with_care: bool) -> Found {
    if with_care { careful(f, at_zero, steps) } else { quick(f, at_zero, steps, check.precision(unit)) }
}

/// The slopes of all components when one element moves, number `element` of one input.
pub(crate) fn column(
    subject: &dyn Function,
    check: &GradCheck,
    inputs: &[ArrayD<f64>],
    input: usize,
    element: usize,
    at_zero: &[f64],
    with_care: bool,
) -> Found {
    let here = flat_at(&inputs[input], element);
    let steps = check.steps(subject.unit(), &inputs[input], here);
    let mut f = |steps: &[f64]| at_steps(subject, inputs, steps, &moves_element(input, element, here), &all);
    measured(check, subject.unit(), &mut f, at_zero, steps, with_care)
}

/// What each step says of the slope of one component when one element moves.
pub(crate) fn column_explained(
    subject: &dyn Function,
    check: &GradCheck,
    inputs: &[ArrayD<f64>],
    [input, element, component]: [usize; 3],
    at_zero: &[f64],
) -> (Slope, Vec<Row>) {
    let here = flat_at(&inputs[input], element);
    let steps = check.steps(subject.unit(), &inputs[input], here);
    let mut f = |steps: &[f64]| at_steps(subject, inputs, steps, &moves_element(input, element, here), &all);
    explained(&mut f, at_zero, steps, component)
}

fn moves_element(input: usize, element: usize, here: f64) -> impl Fn(&mut [ArrayD<f64>], f64) {
    move |moving, step| moving[input].as_slice_mut().expect("row-major")[element] = here + step
}

/// The slopes of all components when the inputs move along `ways`.
pub(crate) fn along(
    subject: &dyn Function,
    check: &GradCheck,
    inputs: &[ArrayD<f64>],
    ways: &[ArrayD<f64>],
    at_zero: &[f64],
    with_care: bool,
) -> Found {
    let unit = subject.unit();
    let steps = check.steps_together(unit, inputs, ways);
    let place = |moving: &mut [ArrayD<f64>], step: f64| {
        for ((moving, x), u) in moving.iter_mut().zip(inputs).zip(ways) {
            *moving = x + u * step;
        }
    };
    let mut f = |steps: &[f64]| at_steps(subject, inputs, steps, &place, &all);
    measured(check, unit, &mut f, at_zero, steps, with_care)
}

/// A line of one input, u, and the numbers that are followed along it, ⟨v, value⟩.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) subject: &'a dyn Function,
    pub(super) check: &'a GradCheck,
    pub(super) inputs: &'a [ArrayD<f64>],
    pub(super) input: usize,
    /// The value at the inputs.
    pub(super) output: &'a ArrayD<f64>,
}

impl Line<'_> {
    /// The slope of ⟨v, value⟩ when the input moves along u.
    pub(super) fn slope(&self, u: &ArrayD<f64>, v: &ArrayD<f64>, with_care: bool) -> Found {
        let Self { subject, check, inputs, input, output } = *self;
        let place = |moving: &mut [ArrayD<f64>], step: f64| moving[input] = &inputs[input] + &(u * step);
        let mut f = |steps: &[f64]| at_steps(subject, inputs, steps, &place, &|value| vec![dot(v, &value)]);
        let at_zero = [dot(v, output)];
        let steps = check.steps_along(subject.unit(), &inputs[input], u);
        // The products that are added up round too.
        let size = v.iter().zip(output).map(|(v, y)| (v * y).abs()).fold(0.0, f64::max);
        let unit = steps.unit * (size / at_zero[0].abs().max(f64::MIN_POSITIVE)).clamp(1.0, 1e12);
        let steps = if with_care { Steps { unit, ..steps } } else { steps };
        measured(check, subject.unit(), &mut f, &at_zero, steps, with_care)
    }
}
