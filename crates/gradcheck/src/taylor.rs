//! The order of the Taylor remainder: a verdict that needs no tolerance.
//!
//! For a smooth f with gradient g the remainder |f(x + hv) − f(x) − h⟨g, v⟩| shrinks as h². If g is wrong, a term of order h
//! is left, and the remainder shrinks as h.

use std::borrow::Borrow;
use std::fmt;

use ndarray::{ArrayD, IxDyn};

use crate::compare::Run;
use crate::float::Float;
use crate::function::Function;
use crate::noise::{self, Noise};
use crate::plain::{Numbers, Point, of_function};
use crate::report::{Failure, Verdict};
use crate::slope::root_mean_square;
use crate::{GradCheck, direction, dot};

/// The first step, relative to what moves.
const FIRST: f64 = 1.0 / 16.0;

/// By what a step is smaller than the one before.
const RATIO: f64 = 4.0;

/// The most steps; the last is about the rounding of an f64.
const STEPS: usize = 25;

/// How far above the rounding a remainder must be to count.
const CLEAR: f64 = 16.0;

/// Orders from here on are those of a gradient that is right.
const RIGHT: f64 = 1.75;

/// Orders up to here are those of a wrong one.
const WRONG: f64 = 1.4;

/// The remainder at one step.
#[derive(Clone, Debug, PartialEq)]
pub struct TaylorRow {
    /// The step h, in units of the direction.
    pub step: f64,
    /// The larger of |f(x ± hv) − f(x) ∓ h⟨g, v⟩|, of those that are defined; NaN if neither is.
    pub remainder: f64,
    /// What the values' rounding may contribute to the remainder.
    pub rounding: f64,
    /// The order p between the previous step and this one: the remainder is proportional to hᵖ. `None` if either remainder is
    /// too small to tell from rounding.
    pub order: Option<f64>,
}

/// The remainders along a random direction of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct TaylorTable {
    /// The number of the input that moves.
    pub input: usize,
    /// The remainders, from large steps to small.
    pub rows: Vec<TaylorRow>,
    /// The order at the smallest steps that are clear of rounding. `None` where no remainder is, or falls to nothing at once: f is
    /// then linear around the point, as far as rounding lets anybody see.
    pub order: Option<f64>,
    /// What the order says.
    pub verdict: Verdict,
}

/// What [`GradCheck::taylor`] found: a table for each input.
#[derive(Clone, Debug, PartialEq)]
pub struct TaylorTest {
    /// The tables, in the order of the inputs.
    pub tables: Vec<TaylorTable>,
    /// How often the function was evaluated.
    pub evaluations: usize,
}

impl TaylorTest {
    /// The worst verdict.
    pub fn verdict(&self) -> Verdict {
        self.tables.iter().map(|table| table.verdict).max().unwrap_or(Verdict::Agrees)
    }

    /// The lowest order; `None` if no input has one.
    pub fn order(&self) -> Option<f64> {
        self.tables.iter().filter_map(|table| table.order).reduce(f64::min)
    }

    /// What is printed, with names for the inputs; an input without a name is called by its number.
    pub fn named(&self, names: &[String]) -> String {
        let tables = self.tables.iter().map(|table| {
            let name = names.get(table.input).cloned().unwrap_or_else(|| format!("input {}", table.input));
            table.named(&name)
        });
        tables.collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for TaylorTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.named(&[]))
    }
}

impl TaylorTable {
    fn named(&self, name: &str) -> String {
        let order = self.order.map_or("no remainder beyond rounding".into(), |order| format!("order {order:.2}"));
        let verdict = match self.verdict {
            Verdict::Agrees => "right",
            Verdict::Wrong => "wrong: a right gradient leaves a remainder of order 2",
            Verdict::NotDifferentiable => "not differentiable here: the slopes to both sides differ",
            Verdict::Subgradient => "right, at a kink",
            Verdict::Undecided | Verdict::Coarse => "undecided",
        };
        let mut lines =
            vec![format!("{name}: {order}, {verdict}"), format!("  {:>9} {:>12} {:>6}", "h", "remainder", "order")];
        lines.extend(self.rows.iter().map(|row| {
            let said = match row.order {
                Some(order) => format!("{order:.2}"),
                None if row.remainder.is_nan() => "not defined".into(),
                None if !row.is_clear() => "rounding".into(),
                None => String::new(),
            };
            format!("  {:>9.1e} {:>12.4e} {said:>6}", row.step, row.remainder).trim_end().to_owned()
        }));
        lines.join("\n")
    }
}

impl TaylorRow {
    fn is_clear(&self) -> bool {
        self.remainder > CLEAR * self.rounding
    }
}

impl GradCheck {
    /// The order of the Taylor remainder of `f` at `inputs`, along a random direction of each input by itself. Where the
    /// value is an array, its product with a random cotangent takes its place. Options that are used: the seed, the
    /// nondeterminism, and whether subgradients are accepted.
    ///
    /// The verdict is [`Verdict::Agrees`] from an order of 1.75 on or where nothing but rounding is left, if only below a step that
    /// reaches over a kink; [`Verdict::Wrong`] up to an order of 1.4; [`Verdict::Undecided`] between them. Gradients that are off by
    /// less than some 1e-6 of the slope are not told from right ones: the remainder sinks into rounding before its order shows.
    /// Where several elements are at kinks at once, the slope along the direction need not lie between those to both sides, and a
    /// right gradient may be called wrong; [`check_function`](Self::check_function) moves each element by itself.
    ///
    /// # Errors
    /// If the value is not finite or not repeatable, or the gradient breaks a rule that every gradient keeps.
    pub fn taylor(&self, f: &dyn Function, inputs: &[ArrayD<f64>]) -> Result<TaylorTest, Failure> {
        let run = Run::new(self, f, inputs);
        run.value_repeats()?;
        run.vjp_is_finite()?;
        run.vjp_is_linear()?;
        let output = f.value(inputs);
        let cotangent = if output.ndim() == 0 {
            ArrayD::from_elem(IxDyn(&[]), 1.0)
        } else {
            direction(output.shape(), &mut run.rng(0))
        };
        let gradients = f.pull_back(inputs, &cotangent);
        let mut test = TaylorTest { tables: Vec::new(), evaluations: 8 };
        for (input, x) in inputs.iter().enumerate() {
            let drawn = direction(x.shape(), &mut run.rng((1 << 52) + input as u64));
            let u = sized(drawn, x);
            let mut calls = 0;
            let mut along = |step: f64| {
                calls += 1;
                let mut moved = inputs.to_vec();
                moved[input] = x + &(&u * step);
                dot(&cotangent, &f.value(&moved))
            };
            let steps = self.steps_along(f.unit(), x, &u);
            let line = Line { here: dot(&cotangent, &output), slope: dot(&gradients[input], &u) };
            let mut values = |steps: &[f64]| steps.iter().map(|&step| vec![along(step)]).collect();
            let (noise, _) = noise::measure(&mut values, &[line.here], steps);
            // The argument's own rounding moves the value too, and so does that of the products that are added up.
            let rounding = |a: &ArrayD<f64>, b: &ArrayD<f64>| {
                a.iter().zip(b).map(|(a, b)| (a * b).powi(2)).sum::<f64>().sqrt() * f.unit()
            };
            let least = rounding(x, &gradients[input]) + rounding(&cotangent, &output);
            let rows = line.rows(&mut along, &noise[0], least);
            test.tables.push(line.judged(&mut along, input, rows, self.subgradients));
            test.evaluations += calls;
        }
        Ok(test)
    }

    /// [`taylor`](Self::taylor) of a plain function that gives a number, and its gradient.
    ///
    /// ```
    /// use impasto_gradcheck::{GradCheck, Verdict};
    ///
    /// let f = |x: &[f64]| (x[0] * x[1]).sin();
    /// let gradient = |x: &[f64]| vec![x[1] * (x[0] * x[1]).cos(), x[0] * (x[0] * x[1]).cos()];
    /// let right = GradCheck::new().taylor_fn(f, gradient, &[0.3, 1.2][..])?;
    /// assert!((right.order().unwrap() - 2.0).abs() < 0.05);
    /// let wrong = GradCheck::new().taylor_fn(f, |x: &[f64]| vec![x[1], x[0]], &[0.3, 1.2][..])?;
    /// assert!((wrong.order().unwrap() - 1.0).abs() < 0.05);
    /// assert_eq!(wrong.verdict(), Verdict::Wrong);
    /// # Ok::<_, impasto_gradcheck::Failure>(())
    /// ```
    ///
    /// # Errors
    /// As [`taylor`](Self::taylor).
    pub fn taylor_fn<X: Point + ?Sized, Y: Float, G: Numbers>(
        &self,
        f: impl Fn(&X) -> Y,
        gradient: impl Fn(&X) -> G,
        x: &X,
    ) -> Result<TaylorTest, Failure> {
        let pull = |inputs: &[ArrayD<f64>], factor: f64| {
            let gradients = gradient(x.with(inputs).borrow()).arrays();
            gradients.into_iter().map(|gradient| gradient * factor).collect()
        };
        self.taylor(&WithGradient { f: of_function(x, &f), pull }, &x.arrays())
    }
}

/// A function that gives a number, and what gives its gradient times a factor.
struct WithGradient<F, P> {
    f: F,
    pull: P,
}

impl<F: Function, P: Fn(&[ArrayD<f64>], f64) -> Vec<ArrayD<f64>>> Function for WithGradient<F, P> {
    fn unit(&self) -> f64 {
        self.f.unit()
    }

    fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
        self.f.value(inputs)
    }

    fn pull_back(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>> {
        (self.pull)(inputs, cotangent[IxDyn(&[])])
    }
}

/// A direction whose elements lie between the size of what they move and that of the whole: a small element is not carried
/// over a border next to it, and still moves enough to be seen.
fn sized(mut u: ArrayD<f64>, x: &ArrayD<f64>) -> ArrayD<f64> {
    let rms = root_mean_square(x.iter().copied());
    let rms = if rms > 0.0 { rms } else { 1.0 };
    u.zip_mut_with(x, |u, x| *u *= if *x == 0.0 { rms } else { (x.abs() * rms).sqrt() });
    u
}

/// A function along a line.
struct Line {
    /// Its value at the point.
    here: f64,
    /// Its slope there, by the gradient.
    slope: f64,
}

impl Line {
    /// The remainders at −h and h, with their signs.
    fn remainders(&self, along: &mut dyn FnMut(f64) -> f64, step: f64) -> [f64; 2] {
        [-step, step].map(|step| along(step) - self.here - step * self.slope)
    }

    /// Remainders at steps that shrink, until two in a row are no more than rounding.
    fn rows(&self, along: &mut dyn FnMut(f64) -> f64, noise: &Noise, least: f64) -> Vec<TaylorRow> {
        let mut rows: Vec<TaylorRow> = Vec::new();
        let mut step = FIRST;
        while rows.len() < STEPS && !are_rounding(&rows) {
            let remainder = self.remainders(along, step).into_iter().map(f64::abs).fold(f64::NAN, f64::max);
            let rounding = least.max(noise.at(step, 1.0)) + f64::EPSILON * (step * self.slope).abs();
            let mut row = TaylorRow { step, remainder, rounding, order: None };
            let before = rows.last().filter(|before| before.is_clear() && row.is_clear());
            row.order = before.map(|before| (before.remainder / row.remainder).ln() / RATIO.ln());
            rows.push(row);
            step /= RATIO;
        }
        rows
    }

    fn judged(
        &self,
        along: &mut dyn FnMut(f64) -> f64,
        input: usize,
        rows: Vec<TaylorRow>,
        subgradients: bool,
    ) -> TaylorTable {
        let last = rows.iter().rfind(|row| row.order.is_some());
        let order = last.and_then(|row| row.order);
        // Steps that carry the point over a kink nearby have remainders of order 1. Below them nothing but rounding is left.
        if order.is_none_or(|order| order < RIGHT) && sinks(&rows) {
            return TaylorTable { input, rows, order: None, verdict: Verdict::Agrees };
        }
        let verdict = match (last, order) {
            (Some(row), Some(order)) if order <= WRONG => match self.kink(along, row.step) {
                true if subgradients => Verdict::Subgradient,
                true => Verdict::NotDifferentiable,
                false => Verdict::Wrong,
            },
            (_, Some(order)) if order >= RIGHT => Verdict::Agrees,
            (_, None) if rows.iter().any(|row| row.remainder.is_finite()) && !rows.iter().any(TaylorRow::is_clear) => {
                Verdict::Agrees
            }
            _ => Verdict::Undecided,
        };
        TaylorTable { input, rows, order, verdict }
    }

    /// Whether the slopes to both sides differ, and the gradient's lies between them.
    fn kink(&self, along: &mut dyn FnMut(f64) -> f64, step: f64) -> bool {
        let [left, right] = self.remainders(along, step);
        // How much steeper than the gradient it is to the left and to the right.
        let (left, right) = (-left / step, right / step);
        let jump = (right - left).abs();
        // A side on which the gradient is right has nothing but a remainder of higher order.
        jump > 0.5 * left.abs().max(right.abs()) && left.min(right) <= 0.1 * jump && left.max(right) >= -0.1 * jump
    }
}

/// Whether the remainder falls from the last step at which it is clear into rounding faster than that of a wrong gradient can, as
/// where f is linear around the point.
fn sinks(rows: &[TaylorRow]) -> bool {
    let Some(last) = rows.iter().rposition(TaylorRow::is_clear) else { return false };
    // At most this is left at the next step.
    let rest = |next: &TaylorRow| CLEAR * next.rounding;
    let next = rows.get(last + 1).filter(|next| next.remainder.is_finite());
    next.is_some_and(|next| (rows[last].remainder / rest(next)).ln() / RATIO.ln() >= RIGHT)
}

/// Whether the last two remainders are only rounding, so that smaller steps show nothing.
fn are_rounding(rows: &[TaylorRow]) -> bool {
    matches!(rows, [.., a, b] if [a, b].iter().all(|row| row.remainder.is_finite() && !row.is_clear()))
}
