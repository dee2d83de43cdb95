//! Functions on the tape, and their check.

use impasto_gradcheck::{Culprit, Entry, Failure, Function, GradCheck, Report, TaylorTest};
use ndarray::ArrayD;

use super::nodes;
use crate::tape::{Real, Tape, Var};

/// A function from arrays, given as variables on a tape, to one array.
pub(super) type OfVariables<'a, T> = &'a dyn for<'t> Fn(&'t Tape<T>, &[Var<'t, T>]) -> Var<'t, T>;

/// Checks of functions on the tape, which look at every operation by itself as well.
pub trait TapeCheck {
    /// Checks the gradient of `f` at `inputs`. `f` receives a tape and one variable on it for each input; its value
    /// may have any shape. It must compute the same thing whenever it is called.
    ///
    /// ```
    /// use impasto::{gradcheck::{GradCheck, TapeCheck}, ops};
    /// use ndarray::array;
    ///
    /// // At 0 the rectified linear unit has no gradient; its VJP takes that from the left.
    /// let at_zero = [array![-1.0, 0.0, 2.0].into_dyn()];
    /// let failure = GradCheck::new().check(|_, x| ops::relu(&x[0]), &at_zero).unwrap_err();
    /// assert!(failure.to_string().starts_with("not differentiable here: 1 of 9 slopes"));
    /// let report = GradCheck::new().subgradients(true).check(|_, x| ops::relu(&x[0]), &at_zero).unwrap();
    /// assert_eq!(report.subgradients.len(), 1);
    /// ```
    ///
    /// # Errors
    /// If anything is wrong, or not differentiable; see [`Failure`].
    ///
    /// # Panics
    /// If `f` does.
    fn check<F>(&self, f: F, inputs: &[ArrayD<f64>]) -> Result<Report, Failure>
    where
        F: for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>;

    /// Checks the gradient of `double` as [`TapeCheck::check`] does, and that `single`, the same function in single
    /// precision, has the same gradient. With a generic `fn f<'t, T: Real>(…)` these are `f::<f64>` and `f::<f32>`.
    ///
    /// ```
    /// use impasto::gradcheck::{GradCheck, TapeCheck};
    /// use impasto::{ops, tape::{Real, Tape, Var}};
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
    fn check_with_f32<F, G>(&self, double: F, single: G, inputs: &[ArrayD<f64>]) -> Result<Report, Failure>
    where
        F: for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>,
        G: for<'t> Fn(&'t Tape<f32>, &[Var<'t, f32>]) -> Var<'t, f32>;
}

impl TapeCheck for GradCheck {
    fn check<F>(&self, f: F, inputs: &[ArrayD<f64>]) -> Result<Report, Failure>
    where
        F: for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>,
    {
        check(self, &f, inputs)
    }

    fn check_with_f32<F, G>(&self, double: F, single: G, inputs: &[ArrayD<f64>]) -> Result<Report, Failure>
    where
        F: for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>,
        G: for<'t> Fn(&'t Tape<f32>, &[Var<'t, f32>]) -> Var<'t, f32>,
    {
        check_both(self, &double, &single, inputs)
    }
}

/// [`TapeCheck::check`], compiled once for all functions.
fn check(check: &GradCheck, f: OfVariables<'_, f64>, inputs: &[ArrayD<f64>]) -> Result<Report, Failure> {
    let operations = nodes::check_rules(f, inputs, check.random_seed())?;
    match check.check_function(&OnTape(f), inputs) {
        Ok(report) => match nodes::hidden(check, f, inputs) {
            culprits if culprits.is_empty() => Ok(Report { operations, ..report }),
            culprits => Err(Failure::Hidden { culprits }),
        },
        Err(Failure::Slopes { entries, compared, hints, shapes, .. }) => {
            let culprits = culprits(check, f, inputs, &entries[0]);
            Err(Failure::Slopes { entries, compared, culprits, hints, shapes })
        }
        Err(failure) => Err(failure),
    }
}

/// [`GradCheck::taylor`] of a function on the tape.
pub(super) fn taylor(
    check: &GradCheck,
    f: OfVariables<'_, f64>,
    inputs: &[ArrayD<f64>],
) -> Result<TaylorTest, Failure> {
    check.taylor(&OnTape(f), inputs)
}

/// [`TapeCheck::check_with_f32`], compiled once.
pub(super) fn check_both(
    options: &GradCheck,
    double: OfVariables<'_, f64>,
    single: OfVariables<'_, f32>,
    inputs: &[ArrayD<f64>],
) -> Result<Report, Failure> {
    let report = check(options, double, inputs)?;
    let single = options.compare_with_f32(&OnTape(double), &OnTape(single), inputs)?;
    Ok(Report { single, ..report })
}

/// The operations at fault when the inputs move as they did for `entry`.
fn culprits(check: &GradCheck, f: OfVariables<'_, f64>, inputs: &[ArrayD<f64>], entry: &Entry) -> Vec<Culprit> {
    let subject = OnTape(f);
    let u = check.direction_of(&subject, inputs, entry);
    let line = |s: f64| {
        let mut inputs = inputs.to_vec();
        inputs[entry.input].scaled_add(s, &u);
        inputs
    };
    let steps = check.steps_along(f64::EPSILON, &inputs[entry.input], &u);
    nodes::culprits(f, line, steps, check.precision(f64::EPSILON), check.random_seed())
}

/// A function on the tape, as one of arrays in f64.
struct OnTape<'a, T: Real>(OfVariables<'a, T>);

impl<T: Real> Function for OnTape<'_, T> {
    fn unit(&self) -> f64 {
        if size_of::<T>() == size_of::<f32>() { f32::EPSILON.into() } else { f64::EPSILON }
    }

    fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
        let tape = Tape::new();
        let constants: Vec<_> = inputs.iter().map(|input| tape.constant(input.mapv(T::of))).collect();
        (self.0)(&tape, &constants).to_array().mapv(Real::to_f64)
    }

    fn pull_back(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>> {
        let tape = Tape::new();
        let variables: Vec<_> = inputs.iter().map(|input| tape.variable(input.mapv(T::of))).collect();
        let value = (self.0)(&tape, &variables);
        let gradients = value.needs_gradient().then(|| value.backward_from(cotangent.mapv(T::of)));
        let gradient = |variable| match gradients.as_ref().and_then(|gradients| gradients.get(variable)) {
            Some(gradient) => gradient.mapv(Real::to_f64),
            None => ArrayD::zeros(variable.shape()),
        };
        variables.iter().map(gradient).collect()
    }
}
