//! The check itself: options, and the comparison of slopes.

use ndarray::ArrayD;

use super::compare::{Run, basis};
use super::report::{Culprit, Entry, Failure, Place, Report, Verdict};
use super::subject::OnTape;
use super::{Function, nodes, single, subject::Subject};
use crate::tape::{Tape, Var};

/// A numeric gradient check and its options. See the [module](super) for what it does.
///
/// ```
/// use impasto::{gradcheck::GradCheck, ops};
/// use ndarray::array;
///
/// // At 0 the rectified linear unit has no gradient; its VJP takes that from the left.
/// let at_zero = [array![-1.0, 0.0, 2.0].into_dyn()];
/// let failure = GradCheck::new().check(|_, x| ops::relu(&x[0]), &at_zero).unwrap_err();
/// assert!(failure.to_string().starts_with("not differentiable here: 1 of 9 slopes"));
/// let report = GradCheck::new().subgradients(true).check(|_, x| ops::relu(&x[0]), &at_zero).unwrap();
/// assert_eq!(report.subgradients.len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GradCheck {
    pub(super) eps: Option<f64>,
    pub(super) atol: f64,
    pub(super) rtol: f64,
    single_tolerance: f64,
    pub(super) seed: u64,
    pub(super) extent: Extent,
    pub(super) subgradients: bool,
}

/// How much of the Jacobian is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Extent {
    /// All of a small one, else some directions.
    Auto,
    EveryElement,
    Directions(usize),
}

impl Default for GradCheck {
    fn default() -> Self {
        Self {
            eps: None,
            atol: 0.0,
            rtol: 1e-8,
            single_tolerance: 1e-4,
            seed: 0,
            extent: Extent::Auto,
            subgradients: false,
        }
    }
}

impl GradCheck {
    /// A check with a relative tolerance of 1e-8 that compares every element of a Jacobian of up to 20 000, and eight
    /// random directions of a larger one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first step by which an input's elements are moved. By default it is a hundredth of the root mean square of
    /// the input's elements (0.01 for an input of zeros). Steps shrink from there, by 4 each time and 4 million in all,
    /// until the slopes are precise. A slope that seems wrong is measured again with steps in proportion to its own
    /// element, from 11 times as large down to a four-thousandth.
    ///
    /// # Panics
    /// If `eps` is not a positive number.
    pub fn eps(self, eps: f64) -> Self {
        assert!(eps > 0.0 && eps.is_finite(), "gradcheck: eps is {eps}, but a step is a positive number");
        Self { eps: Some(eps), ..self }
    }

    /// The absolute error that is allowed in any case; none by default, so that functions of any size are checked
    /// alike. What cannot be seen for rounding is allowed without it.
    ///
    /// # Panics
    /// If `atol` is negative or NaN.
    pub fn atol(self, atol: f64) -> Self {
        assert!(atol >= 0.0, "gradcheck: atol is {atol}, but a tolerance is 0 or more");
        Self { atol, ..self }
    }

    /// The relative error that is allowed, 1e-8 by default; relative to the larger of the two slopes.
    ///
    /// # Panics
    /// If `rtol` is negative or NaN.
    pub fn rtol(self, rtol: f64) -> Self {
        assert!(rtol >= 0.0, "gradcheck: rtol is {rtol}, but a tolerance is 0 or more");
        Self { rtol, ..self }
    }

    /// How far an f32 gradient may be from the f64 one in [`GradCheck::check_with_f32`], relative to the largest element of
    /// the input's gradient for any of four random cotangents; 1e-4 by default.
    ///
    /// # Panics
    /// If `tolerance` is negative or NaN.
    pub fn single_tolerance(self, tolerance: f64) -> Self {
        assert!(tolerance >= 0.0, "gradcheck: the f32 tolerance is {tolerance}, but a tolerance is 0 or more");
        Self { single_tolerance: tolerance, ..self }
    }

    /// Where the random directions and cotangents come from: the same seed gives the same check.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Compares vᵀJu for so many pairs of random directions u, v for each input, instead of every element: for
    /// functions of many inputs. A wrong gradient escapes one direction only by chance of measure zero, but which
    /// element is wrong it does not say.
    ///
    /// # Panics
    /// If there is to be none.
    pub fn directions(self, directions: usize) -> Self {
        assert!(directions > 0, "gradcheck: at least one direction is needed");
        Self { extent: Extent::Directions(directions), ..self }
    }

    /// Compares every element of the Jacobian, however large.
    pub fn every_element(self) -> Self {
        Self { extent: Extent::EveryElement, ..self }
    }

    /// Whether, at a kink, any slope between those to the left and to the right is accepted. If not, which is the
    /// default, a kink is a failure.
    pub fn subgradients(self, accepted: bool) -> Self {
        Self { subgradients: accepted, ..self }
    }

    /// Checks the gradient of `f` at `inputs`. `f` receives a tape and one variable on it for each input; its value
    /// may have any shape. It must compute the same thing whenever it is called.
    ///
    /// # Errors
    /// If anything is wrong, or not differentiable; see [`Failure`].
    ///
    /// # Panics
    /// If `f` does.
    pub fn check<F>(&self, f: F, inputs: &[ArrayD<f64>]) -> Result<Report, Failure>
    where
        F: for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>,
    {
        self.check_function(&f, inputs)
    }

    /// [`GradCheck::check`], compiled once and not for each function anew.
    fn check_function(&self, f: Double<'_>, inputs: &[ArrayD<f64>]) -> Result<Report, Failure> {
        let operations = nodes::check_rules(&f, inputs, self.seed)?;
        let subject = OnTape(&f);
        Run { check: self, subject: &subject, inputs }.vjp_is_linear()?;
        self.compare(&subject, inputs, operations, |run, entry| culprits(&f, run, entry))
    }

    /// Checks the gradient of `double` as [`GradCheck::check`] does, and that `single`, the same function in single
    /// precision, has the same gradient. With a generic `fn f<'t, T: Real>(…)` these are `f::<f64>` and `f::<f32>`.
    ///
    /// ```
    /// use impasto::{gradcheck::GradCheck, ops, tape::{Real, Tape, Var}};
    ///
    /// fn f<'t, T: Real>(_: &'t Tape<T>, x: &[Var<'t, T>]) -> Var<'t, T> {
    ///     ops::total_variation(&x[0], 2.5)
    /// }
    /// let x = ndarray::Array::from_shape_fn((4, 5, 3), |(i, j, k)| ((i + 2 * j + k * k) as f64).sin());
    /// let report = GradCheck::new().check_with_f32(f::<f64>, f::<f32>, &[x.into_dyn()])?;
    /// assert!(report.single.unwrap().relative_error < 1e-5);
    /// # Ok::<_, impasto::gradcheck::Failure>(())
    /// ```
    ///
    /// # Errors
    /// If anything is wrong, or not differentiable; see [`Failure`].
    ///
    /// # Panics
    /// If one of the functions does.
    pub fn check_with_f32<F, G>(&self, double: F, single: G, inputs: &[ArrayD<f64>]) -> Result<Report, Failure>
    where
        F: for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>,
        G: for<'t> Fn(&'t Tape<f32>, &[Var<'t, f32>]) -> Var<'t, f32>,
    {
        self.check_both(&double, &single, inputs)
    }

    /// [`GradCheck::check_with_f32`], compiled once.
    fn check_both(
        &self,
        double: Double<'_>,
        single: &dyn for<'t> Fn(&'t Tape<f32>, &[Var<'t, f32>]) -> Var<'t, f32>,
        inputs: &[ArrayD<f64>],
    ) -> Result<Report, Failure> {
        let report = self.check_function(double, inputs)?;
        let single = single::compare(double, single, inputs, self.seed, self.single_tolerance);
        match single {
            Some(single) if single.relative_error > single.tolerance => Err(Failure::SinglePrecision(single)),
            single => Ok(Report { single, ..report }),
        }
    }

    /// The comparison of slopes, and what is said of it: `operations` were recorded, `culprits` are looked for where
    /// there is a fault.
    pub(super) fn compare<S: Subject>(
        &self,
        subject: &S,
        inputs: &[ArrayD<f64>],
        operations: usize,
        culprits: impl FnOnce(&Run<'_, S>, &Entry) -> Vec<Culprit>,
    ) -> Result<Report, Failure> {
        let run = Run { check: self, subject, inputs };
        let (mut entries, evaluations) = run.entries();
        entries.sort_by(|a, b| b.badness().partial_cmp(&a.badness()).expect("no NaN"));
        let compared = entries.len();
        let failed = entries.iter().take_while(|entry| entry.verdict > Verdict::Subgradient).count();
        if failed > 0 {
            entries.truncate(failed);
            let culprits = culprits(&run, &entries[0]);
            return Err(Failure::Slopes { entries, compared, culprits });
        }
        let worst = entries.iter().find(|entry| entry.verdict == Verdict::Agrees).cloned();
        entries.retain(|entry| entry.verdict == Verdict::Subgradient);
        Ok(Report { compared, evaluations, operations, worst, subgradients: entries, single: None })
    }
}

/// A function in double precision.
type Double<'a> = &'a dyn for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>;

/// The operations at fault when the inputs move as they did for `entry`.
fn culprits<F: Function>(f: &F, run: &Run<'_, OnTape<'_, F>>, entry: &Entry) -> Vec<Culprit> {
    let x = &run.inputs[entry.input];
    let u = match &entry.place {
        Place::Direction(number) => run.direction(entry.input, *number),
        Place::Element { input, .. } => basis(x.shape(), input),
    };
    let line = |s: f64| {
        let mut inputs = run.inputs.to_vec();
        inputs[entry.input].scaled_add(s, &u);
        inputs
    };
    nodes::culprits(
        f,
        line,
        run.check.steps_along::<OnTape<'_, F>>(x, &u),
        run.check.precision::<OnTape<'_, F>>(),
        run.check.seed,
    )
}

/// The vector-Jacobian product of `f` for all inputs.
pub(super) fn gradient<T: crate::tape::Real>(
    f: &impl for<'t> Fn(&'t Tape<T>, &[Var<'t, T>]) -> Var<'t, T>,
    inputs: &[ArrayD<T>],
    cotangent: &ArrayD<T>,
) -> Vec<ArrayD<T>> {
    let tape = Tape::new();
    let variables: Vec<_> = inputs.iter().map(|input| tape.variable(input.clone())).collect();
    let value = f(&tape, &variables);
    let gradients = value.needs_gradient().then(|| value.backward_from(cotangent.clone()));
    let of = |variable| gradients.as_ref().and_then(|gradients| gradients.get(variable).cloned());
    variables.iter().map(|variable| of(variable).unwrap_or_else(|| ArrayD::zeros(variable.shape()))).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::super::direction;
    use super::*;
    use crate::ops;

    #[test]
    fn no_two_directions_are_the_same_nor_a_cotangent() {
        let (check, inputs) = (GradCheck::new(), [1.0, 2.0, 3.0].map(|x| array![x, x, x].into_dyn()));
        fn f<'t>(_: &'t Tape<f64>, x: &[Var<'t, f64>]) -> Var<'t, f64> {
            ops::square(&x[0])
        }
        let run = Run { check: &check, subject: &OnTape(&f), inputs: &inputs };
        let mut all: Vec<_> = (0..4).map(|stream| direction(&[3], &mut run.rng(stream))).collect();
        for (input, number) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)] {
            let next = run.direction(input, number);
            assert!(!all.contains(&next), "direction {number} of input {input} is there already");
            all.push(next);
        }
    }
}
