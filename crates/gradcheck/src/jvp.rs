//! Jacobian-vector products (JVPs): forward mode.

use ndarray::ArrayD;

use crate::compare::{LARGE, Run, along, basis};
use crate::function::Function;
use crate::linear::{COMBINATIONS, NONLINEAR, nonlinearity, rounding};
use crate::plain::{Numbers, Point, of_function, split};
use crate::report::{Entry, Failure, Place, Report, Rule, Verdict};
use crate::slope::Slope;
use crate::{GradCheck, direction, joined};

/// Directions that are compared where the Jacobian is large.
const DIRECTIONS: usize = 8;

/// Checks a Jacobian-vector product; see [`GradCheck::check_jvp`].
///
/// # Errors
/// If anything is wrong, or not differentiable.
pub fn check_jvp<X: Point + ?Sized, Y: Numbers, D: Numbers>(
    f: impl Fn(&X) -> Y,
    jvp: impl Fn(&X, &X) -> D,
    x: &X,
) -> Result<Report, Failure> {
    GradCheck::new().check_jvp(f, jvp, x)
}

impl GradCheck {
    /// Checks the Jacobian-vector product (JVP) of `f`: `jvp(x, u)` is the derivative of f along `u`, in the shape of f(x).
    ///
    /// ```
    /// use impasto_gradcheck::check_jvp;
    ///
    /// let f = |x: &[f64]| vec![x[0] * x[1], x[1].sin()];
    /// let jvp = |x: &[f64], u: &[f64]| vec![u[0] * x[1] + x[0] * u[1], u[1] * x[1].cos()];
    /// assert_eq!(check_jvp(f, jvp, &[0.3, 1.2][..])?.compared, 4);
    /// # Ok::<_, impasto_gradcheck::Failure>(())
    /// ```
    ///
    /// # Errors
    /// If anything is wrong, or not differentiable; see [`Failure`].
    pub fn check_jvp<X: Point + ?Sized, Y: Numbers, D: Numbers>(
        &self,
        f: impl Fn(&X) -> Y,
        jvp: impl Fn(&X, &X) -> D,
        x: &X,
    ) -> Result<Report, Failure> {
        let push = |tangents: &[ArrayD<f64>]| {
            use std::borrow::Borrow;
            joined(jvp(x, x.with(tangents).borrow()).arrays())
        };
        check(self, &of_function(x, &f), &push, &x.arrays())
    }
}

/// The derivative along some directions, one for each input.
type Push<'a> = &'a dyn Fn(&[ArrayD<f64>]) -> ArrayD<f64>;

fn check(check: &GradCheck, subject: &dyn Function, push: Push, inputs: &[ArrayD<f64>]) -> Result<Report, Failure> {
    let run = Run::new(check, subject, inputs);
    run.value_repeats()?;
    let output = subject.value(inputs);
    keeps_the_rules(&run, push, &output)?;
    let ways = ways(&run, output.len());
    let at_zero: Vec<f64> = output.iter().copied().collect();
    let (mut entries, mut evaluations) = (Vec::new(), 2);
    for (input, place, ways) in ways {
        let analytic = push(&ways);
        let found = along(subject, check, inputs, &ways, &at_zero, false);
        evaluations += 1 + found.calls;
        let judged = |slopes: &[Slope]| run.of_components(input, &place, &analytic, slopes);
        let mut judgement: Vec<Entry> = judged(&found.slopes);
        if !found.swift || judgement.iter().any(|entry| entry.verdict != Verdict::Agrees) {
            let careful = along(subject, check, inputs, &ways, &at_zero, true);
            evaluations += careful.calls;
            judgement = judged(&careful.slopes);
        }
        entries.extend(judgement);
    }
    GradCheck::concluded(entries, evaluations, inputs)
}

/// What every JVP does: it has the value's shape, the same bits again, and is linear.
fn keeps_the_rules(run: &Run, push: Push, output: &ArrayD<f64>) -> Result<(), Failure> {
    let fails = |rule| Err(Failure::Gradient { input: 0, rule });
    let drawn = |stream| run.inputs.iter().map(|x| direction(x.shape(), &mut run.rng(stream))).collect::<Vec<_>>();
    let (u, w) = (drawn(0), drawn(u64::MAX));
    let (of_u, of_w) = (push(&u), push(&w));
    if of_u.shape() != output.shape() {
        return fails(Rule::Shape { expected: output.shape().to_vec(), found: of_u.shape().to_vec() });
    }
    run.repeats(&of_u, &push(&u))
        .map_err(|by| Failure::ValueChanges { place: "the Jacobian-vector product".into(), by })?;
    if let Some((index, &value)) = of_u.indexed_iter().find(|(_, value)| !value.is_finite()) {
        return fails(Rule::Finite { index: ndarray::Dimension::slice(&index).to_vec(), value });
    }
    let all = |tangents: &[ArrayD<f64>]| joined(tangents.to_vec());
    let pushed = |tangent: &ArrayD<f64>| push(&split(tangent, run.inputs));
    for (a, b) in COMBINATIONS {
        let both: Vec<_> = u.iter().zip(&w).map(|(u, w)| u * a + w * b).collect();
        let off = |rounding| nonlinearity([(a, &of_u), (b, &of_w)], &push(&both), rounding);
        let allowed = NONLINEAR.max(64.0 * run.subject.unit()).max(16.0 * run.check.nondeterminism);
        let hidden = || rounding(pushed, [(&all(&u), &of_u), (&all(&w), &of_w)]);
        if off(0.0) > allowed && off(hidden()) > allowed {
            return fails(Rule::Combines(off(0.0)));
        }
    }
    Ok(())
}

/// What moves, for each line that is compared: every element by itself, or all of an input.
fn ways(run: &Run, outputs: usize) -> Vec<(usize, Place, Vec<ArrayD<f64>>)> {
    let inputs = run.inputs;
    let only = |input: usize, u: ArrayD<f64>| {
        let mut ways: Vec<_> = inputs.iter().map(|x| ArrayD::zeros(x.shape())).collect();
        ways[input] = u;
        ways
    };
    let elements: usize = inputs.iter().map(ArrayD::len).sum();
    let mut all = Vec::new();
    for (input, x) in inputs.iter().enumerate() {
        if run.check.takes_every_element(outputs * elements, LARGE) {
            for (index, _) in x.indexed_iter() {
                let index = ndarray::Dimension::slice(&index).to_vec();
                let u = basis(x.shape(), &index);
                all.push((input, Place::Element { input: index, output: Vec::new() }, only(input, u)));
            }
        } else if !x.is_empty() {
            for number in 0..DIRECTIONS {
                let stream = (1 << 32) * (1 + input as u64) + number as u64;
                let u = direction(x.shape(), &mut run.rng(stream));
                all.push((input, Place::Direction(number), only(input, u)));
            }
        }
    }
    all
}
