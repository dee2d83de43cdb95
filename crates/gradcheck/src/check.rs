//! The check itself: options, and the comparison of slopes.

use ndarray::ArrayD;

use crate::compare::{Run, basis, column_explained};
use crate::function::Function;
use crate::hints::hints;
use crate::report::{Entry, Failure, Place, Report, SinglePrecision, Verdict};
use crate::single;
use crate::slope::Row;

/// A numeric gradient check and its options. See the [crate](crate) for what it does.
///
/// ```
/// use impasto_gradcheck::GradCheck;
///
/// // At 0 the rectified linear unit has no gradient.
/// let relu = |x: &[f64]| x.iter().map(|x| x.max(0.0)).sum::<f64>();
/// let gradient = |x: &[f64]| x.iter().map(|&x| if x > 0.0 { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
/// let failure = GradCheck::new().check_fn(relu, gradient, &[-1.0, 0.0, 2.0][..]).unwrap_err();
/// assert!(failure.to_string().starts_with("not differentiable here: 1 of 3 slopes"));
/// let report = GradCheck::new().subgradients(true).check_fn(relu, gradient, &[-1.0, 0.0, 2.0][..])?;
/// assert_eq!(report.subgradients.len(), 1);
/// # Ok::<_, impasto_gradcheck::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GradCheck {
    pub(crate) eps: Option<f64>,
    pub(crate) atol: f64,
    pub(crate) rtol: f64,
    single_tolerance: f64,
    pub(crate) seed: u64,
    pub(crate) extent: Extent,
    pub(crate) subgradients: bool,
    pub(crate) nondeterminism: f64,
}

/// How much of the Jacobian is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Extent {
    /// All of a small one, else some directions.
    Auto,
    EveryElement,
    Directions(usize),
    /// So many elements of each input and of the output, and some directions.
    Sample(usize),
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
            nondeterminism: 0.0,
        }
    }
}

impl GradCheck {
    /// A check with a relative tolerance of 1e-8 that compares every element of a Jacobian of up to 20 000, and eight
    /// random directions of a larger one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first step of an input's elements. By default it is a hundredth of the root mean square of
    /// the input's elements (0.01 for an input of zeros). Steps shrink from there, by 4 each time and 4 million in all,
    /// until the slopes are precise. A slope that seems wrong is measured again with steps in proportion to its own
    /// element, from a ninth of it down to where numbers end, some 1e-14 of it.
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

    /// How far an f32 gradient may be from the f64 one in [`GradCheck::compare_with_f32`], relative to the largest element of
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

    /// The seed that was set.
    pub fn random_seed(&self) -> u64 {
        self.seed
    }

    /// Compares vᵀJu for so many pairs of random directions u, v for each input, instead of every element: for
    /// functions of many inputs. A wrong gradient escapes one direction only by chance of measure zero, but which
    /// element is wrong it does not say.
    ///
    /// # Panics
    /// If `directions` is 0.
    pub fn directions(self, directions: usize) -> Self {
        assert!(directions > 0, "gradcheck: at least one direction is needed");
        Self { extent: Extent::Directions(directions), ..self }
    }

    /// Compares every element of the Jacobian, however large.
    pub fn every_element(self) -> Self {
        Self { extent: Extent::EveryElement, ..self }
    }

    /// Compares a random sample of so many elements of each input with as many of the output, and eight random
    /// directions: for functions that take long. What is not in the sample is checked by the directions alone.
    ///
    /// # Panics
    /// If `elements` is 0.
    pub fn sample(self, elements: usize) -> Self {
        assert!(elements > 0, "gradcheck: at least one element is needed");
        Self { extent: Extent::Sample(elements), ..self }
    }

    /// How far two evaluations at the same point may differ, relative to the largest element; 0 by default, which
    /// asks for the same bits. Slopes are then as uncertain as such noise makes them.
    ///
    /// # Panics
    /// If `tolerance` is negative or NaN.
    pub fn nondeterminism(self, tolerance: f64) -> Self {
        assert!(tolerance >= 0.0, "gradcheck: nondeterminism is {tolerance}, but a tolerance is 0 or more");
        Self { nondeterminism: tolerance, ..self }
    }

    /// Whether, at a kink, any slope between those to the left and to the right is accepted. If not, which is the
    /// default, a kink is a failure.
    pub fn subgradients(self, accepted: bool) -> Self {
        Self { subgradients: accepted, ..self }
    }

    /// Checks the VJP of `f` at `inputs`: the rules that every VJP keeps, and slopes. [`GradCheck::check_fn`] and its kin
    /// call this, and so may those who have functions of another kind, such as graphs.
    ///
    /// # Errors
    /// If anything is wrong, or not differentiable; see [`Failure`].
    pub fn check_function(&self, f: &dyn Function, inputs: &[ArrayD<f64>]) -> Result<Report, Failure> {
        let run = Run::new(self, f, inputs);
        run.value_repeats()?;
        run.vjp_is_finite()?;
        run.vjp_is_linear()?;
        let (entries, evaluations) = run.entries();
        Self::concluded(entries, evaluations, inputs)
    }

    /// What all entries say together.
    pub(crate) fn concluded(
        mut entries: Vec<Entry>,
        evaluations: usize,
        inputs: &[ArrayD<f64>],
    ) -> Result<Report, Failure> {
        let hints = hints(&entries, inputs);
        entries.sort_by(|a, b| b.badness().partial_cmp(&a.badness()).expect("no NaN"));
        let compared = entries.len();
        let failed = entries.iter().take_while(|entry| entry.verdict > Verdict::Subgradient).count();
        if failed > 0 {
            entries.truncate(failed);
            let shapes = inputs.iter().map(|x| x.shape().to_vec()).collect();
            return Err(Failure::Slopes { entries, compared, culprits: Vec::new(), hints, shapes });
        }
        let worst = entries.iter().find(|entry| entry.verdict == Verdict::Agrees).cloned();
        entries.retain(|entry| entry.verdict == Verdict::Subgradient);
        Ok(Report { compared, evaluations, operations: 0, worst, subgradients: entries, single: None })
    }

    /// Whether every element of a Jacobian with so many entries is compared.
    pub(crate) fn takes_every_element(&self, entries: usize, large: usize) -> bool {
        match self.extent {
            Extent::Auto => entries <= large,
            Extent::EveryElement => true,
            Extent::Directions(_) | Extent::Sample(_) => false,
        }
    }

    /// Compares the gradients of one function in f32 and in f64, for some random cotangents. `None` where there are no
    /// elements.
    ///
    /// # Errors
    /// If they differ by more than [`GradCheck::single_tolerance`].
    pub fn compare_with_f32(
        &self,
        double: &dyn Function,
        single: &dyn Function,
        inputs: &[ArrayD<f64>],
    ) -> Result<Option<SinglePrecision>, Failure> {
        match single::compare(double, single, inputs, self.seed, self.single_tolerance) {
            Some(single) if single.relative_error > single.tolerance => Err(Failure::SinglePrecision(single)),
            single => Ok(single),
        }
    }

    /// What steps of all sizes say of one slope: that of element `element` of the output by element `of` of input number
    /// `input`, both counted in row-major order. Also gives the value at the inputs.
    ///
    /// # Panics
    /// If there is no such input or element.
    pub fn explain(
        &self,
        f: &dyn Function,
        inputs: &[ArrayD<f64>],
        [input, of, element]: [usize; 3],
    ) -> (Estimated, Vec<Row>) {
        let at_zero: Vec<f64> = f.value(inputs).into_iter().collect();
        let (slope, rows) = column_explained(f, self, inputs, [input, of, element], &at_zero);
        (Estimated { value: slope.value, error: slope.error, sides: slope.sides(), noise: slope.noise }, rows)
    }

    /// How the inputs moved for an entry of a [`Failure`]: the direction in the space of its input.
    pub fn direction_of(&self, f: &dyn Function, inputs: &[ArrayD<f64>], entry: &Entry) -> ArrayD<f64> {
        match &entry.place {
            Place::Direction(number) => Run::new(self, f, inputs).direction_again(entry.input, *number),
            Place::Element { input, .. } => basis(inputs[entry.input].shape(), input),
            Place::Joint { inputs: all, .. } => {
                let mut u = ArrayD::zeros(inputs[entry.input].shape());
                for index in all {
                    u[&index[..]] = 1.0;
                }
                u
            }
        }
    }
}

/// A numeric slope that [`GradCheck::explain`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimated {
    /// The slope; NaN where no step gave one.
    pub value: f64,
    /// Estimate of its error.
    pub error: f64,
    /// The slopes to the left and to the right.
    pub sides: [f64; 2],
    /// The noise of the values, in units of their size.
    pub noise: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction;

    struct Square;

    impl Function for Square {
        fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
            &inputs[0] * &inputs[0]
        }

        fn pull_back(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>> {
            let mut gradients: Vec<_> = inputs.iter().map(|x| ArrayD::zeros(x.shape())).collect();
            gradients[0] = 2.0 * &inputs[0] * cotangent;
            gradients
        }
    }

    /// Squares whose gradient is off by a factor, and what the checker says of its progress.
    struct Followed {
        factor: f64,
        told: std::sync::Mutex<Vec<(usize, usize)>>,
    }

    impl Function for Followed {
        fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
            Square.value(inputs)
        }

        fn pull_back(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>> {
            Square.pull_back(inputs, cotangent).into_iter().map(|gradient| gradient * self.factor).collect()
        }

        fn progress(&self, done: usize, all: usize) {
            self.told.lock().unwrap().push((done, all));
        }
    }

    #[test]
    fn progress_counts_every_line_up_to_the_last() {
        let inputs = [ndarray::Array1::linspace(0.3, 2.0, 30).into_dyn()];
        for (check, lines) in
            [(GradCheck::new(), 30), (GradCheck::new().directions(3), 6), (GradCheck::new().sample(5), 5 + 16)]
        {
            for factor in [1.0, 2.0] {
                let followed = Followed { factor, told: std::sync::Mutex::default() };
                assert_eq!(check.check_function(&followed, &inputs).is_ok(), factor == 1.0);
                let told = followed.told.into_inner().unwrap();
                let done: Vec<usize> = told.iter().map(|(done, _)| *done).collect();
                assert_eq!(done, (1..=told.len()).collect::<Vec<_>>());
                assert!(told.iter().all(|(done, all)| done <= all) && told[0].1 == lines, "{told:?}");
                assert_eq!(told.last().map(|(done, all)| done == all), Some(true), "{told:?}");
            }
        }
    }

    #[test]
    fn no_two_directions_are_the_same_nor_a_cotangent() {
        let (check, inputs) = (GradCheck::new(), [1.0, 2.0, 3.0].map(|x| ndarray::array![x, x, x].into_dyn()));
        let run = Run::new(&check, &Square, &inputs);
        let mut all: Vec<_> = (0..4).map(|stream| direction(&[3], &mut run.rng(stream))).collect();
        for (input, number) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)] {
            let next = run.direction_again(input, number);
            assert!(!all.contains(&next), "direction {number} of input {input} is there already");
            all.push(next);
        }
    }

    #[test]
    fn random_directions_have_elements_of_size_1() {
        let mut rng = <rand_chacha::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(5);
        let u = direction(&[3, 7], &mut rng);
        assert!((crate::slope::root_mean_square(u.iter().copied()) - 1.0).abs() < 1e-12);
        assert!(direction(&[0], &mut rng).is_empty());
    }
}
