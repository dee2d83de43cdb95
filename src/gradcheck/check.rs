//! The check itself: options, and the comparison of slopes.

use ndarray::{ArrayD, Dimension};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::report::{Culprit, Entry, Failure, Place, Report, Verdict};
use super::slope::{Precision, Slope, root_mean_square, slopes};
use super::{Function, direction, dot, nodes, single};
use crate::tape::{Tape, Var};

/// Entries of a Jacobian, above which random directions are compared unless every element is asked for.
const LARGE: usize = 20_000;

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
    eps: Option<f64>,
    atol: f64,
    rtol: f64,
    single_tolerance: f64,
    seed: u64,
    extent: Extent,
    subgradients: bool,
}

/// How much of the Jacobian is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Extent {
    /// All of a small one, else some directions.
    Auto,
    EveryElement,
    Directions(usize),
}

impl Default for GradCheck {
    fn default() -> Self {
        Self {
            eps: None,
            atol: 1e-11,
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

    /// The first and largest step by which an input's elements are moved. By default it is a hundredth of the root
    /// mean square of the input's elements (0.01 for an input of zeros). Steps shrink from there, by 4 each time and
    /// 4 million in all, until the slopes are precise.
    ///
    /// # Panics
    /// If `eps` is not a positive number.
    pub fn eps(self, eps: f64) -> Self {
        assert!(eps > 0.0 && eps.is_finite(), "gradcheck: eps is {eps}, but a step is a positive number");
        Self { eps: Some(eps), ..self }
    }

    /// The absolute error that is allowed in any case; 1e-11 by default.
    ///
    /// # Panics
    /// If `atol` is negative or NaN.
    pub fn atol(self, atol: f64) -> Self {
        assert!(atol >= 0.0, "gradcheck: atol is {atol}, but a tolerance is 0 or more");
        Self { atol, ..self }
    }

    /// The relative error that is allowed, 1e-8 by default; relative to an entry's [`Entry::scale`].
    ///
    /// # Panics
    /// If `rtol` is negative or NaN.
    pub fn rtol(self, rtol: f64) -> Self {
        assert!(rtol >= 0.0, "gradcheck: rtol is {rtol}, but a tolerance is 0 or more");
        Self { rtol, ..self }
    }

    /// How far an f32 gradient may be from the f64 one in [`GradCheck::check_with_f32`], relative to the largest
    /// element; 1e-4 by default.
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
    fn check_function(&self, f: Function<'_, f64>, inputs: &[ArrayD<f64>]) -> Result<Report, Failure> {
        let operations = nodes::check_rules(f, inputs, self.seed)?;
        let run = Run { check: self, f, inputs };
        run.gradient_repeats()?;
        let (outputs, elements) = (run.output().len(), inputs.iter().map(ArrayD::len).sum::<usize>());
        let (mut entries, evaluations) = match self.extent {
            Extent::Directions(directions) => run.directions(directions),
            Extent::Auto if outputs * elements > LARGE => run.directions(8),
            Extent::Auto | Extent::EveryElement => run.every_element(),
        };
        entries.sort_by(|a, b| b.badness().partial_cmp(&a.badness()).expect("no NaN"));
        let compared = entries.len();
        let failed = entries.iter().take_while(|entry| entry.verdict > Verdict::Subgradient).count();
        if failed > 0 {
            entries.truncate(failed);
            let culprits = run.culprits(&entries[0]);
            return Err(Failure::Slopes { entries, compared, culprits });
        }
        let worst = entries.iter().find(|entry| entry.verdict == Verdict::Agrees).cloned();
        entries.retain(|entry| entry.verdict == Verdict::Subgradient);
        Ok(Report { compared, evaluations, operations, worst, subgradients: entries, single: None })
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
        let report = self.check_function(&double, inputs)?;
        let single = single::compare(&double, &single, inputs, self.seed, self.single_tolerance);
        match single {
            Some(single) if single.relative_error > single.tolerance => Err(Failure::SinglePrecision(single)),
            single => Ok(Report { single, ..report }),
        }
    }

    fn precision(&self) -> Precision {
        Precision { absolute: self.atol, relative: self.rtol }
    }

    /// The first step for an input: in proportion to its elements.
    fn step(&self, input: &ArrayD<f64>) -> f64 {
        let size = root_mean_square(input.iter().copied());
        self.eps.unwrap_or(if size > 0.0 { 0.01 * size } else { 0.01 })
    }
}

/// One check under way.
struct Run<'a> {
    check: &'a GradCheck,
    f: Function<'a, f64>,
    inputs: &'a [ArrayD<f64>],
}

impl Run<'_> {
    /// The value with input number `input` replaced.
    fn value(&self, input: usize, replacement: ArrayD<f64>) -> ArrayD<f64> {
        let tape = Tape::new();
        let mut replacement = Some(replacement);
        let constants: Vec<_> = (0..self.inputs.len())
            .map(|i| tape.constant(if i == input { replacement.take().expect("once") } else { self.inputs[i].clone() }))
            .collect();
        (self.f)(&tape, &constants).to_array()
    }

    fn output(&self) -> ArrayD<f64> {
        let tape = Tape::new();
        let constants: Vec<_> = self.inputs.iter().map(|input| tape.constant(input.clone())).collect();
        (self.f)(&tape, &constants).to_array()
    }

    /// The vector-Jacobian product by the tape, for all inputs; zero where the value does not depend on one.
    fn gradient(&self, cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>> {
        gradient(self.f, self.inputs, cotangent)
    }

    fn gradient_repeats(&self) -> Result<(), Failure> {
        let cotangent = direction(self.output().shape(), &mut self.rng(0));
        let (one, other) = (self.gradient(&cotangent), self.gradient(&cotangent));
        for (input, (one, other)) in one.iter().zip(&other).enumerate() {
            if one.iter().zip(other).any(|(a, b)| a.to_bits() != b.to_bits()) {
                return Err(Failure::ValueChanges { place: format!("the gradient of input {input}") });
            }
        }
        Ok(())
    }

    fn rng(&self, stream: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.check.seed);
        rng.set_stream(stream);
        rng
    }

    /// Every element: the Jacobian row by row from the tape, column by column from differences.
    fn every_element(&self) -> (Vec<Entry>, usize) {
        let output = self.output();
        let places: Vec<Vec<usize>> = output.indexed_iter().map(|(index, _)| index.slice().to_vec()).collect();
        let at_zero: Vec<f64> = output.iter().copied().collect();
        let rows: Vec<Vec<ArrayD<f64>>> = (0..output.len())
            .map(|k| {
                let mut cotangent = ArrayD::zeros(output.shape());
                cotangent[&places[k][..]] = 1.0;
                self.gradient(&cotangent)
            })
            .collect();
        let mut entries = Vec::new();
        let mut evaluations = 2 * rows.len();
        for (input, x) in self.inputs.iter().enumerate() {
            let step = self.check.step(x);
            let mut compared = Vec::new();
            for (index, _) in x.indexed_iter() {
                let index = index.slice().to_vec();
                let (column, calls) = slopes(
                    |s| self.value(input, moved(x, &index, s)).into_iter().collect(),
                    &at_zero,
                    step,
                    self.check.precision(),
                );
                evaluations += calls;
                for (k, slope) in column.into_iter().enumerate() {
                    let place = Place::Element { input: index.clone(), output: places[k].clone() };
                    compared.push((place, rows[k][input][&index[..]], slope));
                }
            }
            entries.extend(self.judged(input, compared));
        }
        (entries, evaluations)
    }

    /// vᵀJu for random u in each input's space and v in the output's: v backward, u by differences.
    fn directions(&self, directions: usize) -> (Vec<Entry>, usize) {
        let output = self.output();
        let cotangents: Vec<_> =
            (0..directions).map(|number| direction(output.shape(), &mut self.rng(1 + number as u64))).collect();
        let gradients: Vec<_> = cotangents.iter().map(|cotangent| self.gradient(cotangent)).collect();
        let mut entries = Vec::new();
        let mut evaluations = directions;
        for (input, x) in self.inputs.iter().enumerate() {
            let mut compared = Vec::new();
            for (number, cotangent) in cotangents.iter().enumerate() {
                let u = self.direction(input, number);
                let (slopes, calls) = slopes(
                    |s| vec![dot(cotangent, &self.value(input, x + &(&u * s)))],
                    &[dot(cotangent, &output)],
                    self.check.step(x),
                    self.check.precision(),
                );
                evaluations += calls;
                compared.push((Place::Direction(number), dot(&gradients[number][input], &u), slopes[0]));
            }
            entries.extend(self.judged(input, compared));
        }
        (entries, evaluations)
    }

    /// Direction number `number` in the space of one input.
    fn direction(&self, input: usize, number: usize) -> ArrayD<f64> {
        let stream = (1 << 32) * (1 + input as u64) + number as u64;
        direction(self.inputs[input].shape(), &mut self.rng(stream))
    }

    /// Compares the slopes with respect to one input: (place, analytic, numeric).
    fn judged(&self, input: usize, compared: Vec<(Place, f64, Slope)>) -> impl Iterator<Item = Entry> {
        let slopes = compared.iter().map(|(_, _, slope)| slope.value);
        let size = root_mean_square(slopes.filter(|slope| slope.is_finite()));
        compared.into_iter().map(move |(place, analytic, slope)| {
            let scale = size.max(analytic.abs()).max(slope.value.abs());
            let tolerance = self.check.atol + self.check.rtol * scale;
            let verdict = self.verdict(analytic, slope, tolerance);
            let (numeric, uncertainty, sides) = (slope.value, slope.error, slope.sides());
            Entry { input, place, analytic, numeric, uncertainty, sides, scale, tolerance, verdict }
        })
    }

    fn verdict(&self, analytic: f64, numeric: Slope, tolerance: f64) -> Verdict {
        let error = (analytic - numeric.value).abs();
        if !analytic.is_finite() {
            Verdict::Wrong
        } else if numeric.is_kink(tolerance) {
            let [left, right] = numeric.sides();
            let allowed = tolerance + numeric.error + numeric.jump_error;
            let between = (left.min(right) - allowed..=left.max(right) + allowed).contains(&analytic);
            match (between, self.check.subgradients) {
                (true, true) => Verdict::Subgradient,
                (true, false) => Verdict::NotDifferentiable,
                (false, _) => Verdict::Wrong,
            }
        } else if error <= tolerance {
            Verdict::Agrees
        } else if error <= 10.0 * numeric.error || numeric.value.is_nan() {
            Verdict::Undecided
        } else {
            Verdict::Wrong
        }
    }

    /// The operations at fault when the inputs move as they did for `entry`.
    fn culprits(&self, entry: &Entry) -> Vec<Culprit> {
        let x = &self.inputs[entry.input];
        let u = match &entry.place {
            Place::Direction(number) => self.direction(entry.input, *number),
            Place::Element { input, .. } => moved(&ArrayD::zeros(x.shape()), input, 1.0),
        };
        let line = |s: f64| {
            let mut inputs = self.inputs.to_vec();
            inputs[entry.input].scaled_add(s, &u);
            inputs
        };
        nodes::culprits(self.f, line, self.check.step(x), self.check.precision(), self.check.seed)
    }
}

/// `x` with `s` added to one element.
fn moved(x: &ArrayD<f64>, index: &[usize], s: f64) -> ArrayD<f64> {
    let mut moved = x.clone();
    moved[index] += s;
    moved
}

/// The vector-Jacobian product of `f` for all inputs.
pub(super) fn gradient<T: crate::tape::Real>(
    f: Function<'_, T>,
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

    use super::*;
    use crate::ops;

    #[test]
    fn no_two_directions_are_the_same_nor_a_cotangent() {
        let (check, inputs) = (GradCheck::new(), [1.0, 2.0, 3.0].map(|x| array![x, x, x].into_dyn()));
        fn f<'t>(_: &'t Tape<f64>, x: &[Var<'t, f64>]) -> Var<'t, f64> {
            ops::square(&x[0])
        }
        let run = Run { check: &check, f: &f, inputs: &inputs };
        let mut all: Vec<_> = (0..4).map(|stream| direction(&[3], &mut run.rng(stream))).collect();
        for (input, number) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)] {
            let next = run.direction(input, number);
            assert!(!all.contains(&next), "direction {number} of input {input} is there already");
            all.push(next);
        }
    }
}
