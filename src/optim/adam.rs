//! Adam: Kingma & Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1.

use ndarray::ArrayD;
use rayon::prelude::*;

use super::state::count;
use super::vector::{BLOCK, all_finite, max_abs};
use super::{Bounds, Optimizer, State, StateError, Step, check_shapes};
use crate::kernels::Real;

/// Adam with bias-corrected first and second moments:
///
/// m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², x ← x − rate · m/(1−β₁ᵗ) / (√v/√(1−β₂ᵗ) + ε).
///
/// ε is relative to the function: if no element of the first gradient reaches 1, ε is multiplied by the largest. Scaling a
/// function by 1e-9 therefore does not change the steps.
///
/// A step makes one pass over memory, in parallel. It sets moments that are too small to matter to zero, because processors
/// handle denormal numbers slowly.
#[derive(Debug, Clone)]
pub struct Adam<T> {
    rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    bounds: Option<Bounds>,
    pub(super) steps: i32,
    /// The factor of ε: 1, or less if the first gradient was small.
    epsilon_scale: f64,
    /// First moment, empty before the first step.
    m: Vec<T>,
    /// Second moment, empty before the first step.
    v: Vec<T>,
    shape: Vec<usize>,
    /// The mean of the iterates, if the caller averages.
    mean: Option<Mean<T>>,
}

/// A running mean of points: mₜ = mₜ₋₁ + (xₜ − mₜ₋₁)·(1−d)/(1−dᵗ), which is Σ dᵗ⁻ⁱxᵢ/Σ dᵗ⁻ⁱ.
#[derive(Debug, Clone)]
struct Mean<T> {
    decay: f64,
    count: i32,
    /// The mean, empty before the first point.
    point: ArrayD<T>,
}

impl<T: Real> Mean<T> {
    fn new(decay: f64) -> Self {
        Self { decay, count: 0, point: ArrayD::zeros(vec![0]) }
    }

    fn add(&mut self, x: &ArrayD<T>) {
        self.count += 1;
        if self.count == 1 {
            self.point.clone_from(x);
            return;
        }
        let share = T::of((1.0 - self.decay) / (1.0 - self.decay.powi(self.count)));
        self.point.zip_mut_with(x, |mean, &x| *mean += (x - *mean) * share);
    }
}

impl<T: Real> Adam<T> {
    /// `PyTorch`'s default learning rate, the paper's too.
    pub const DEFAULT_RATE: f64 = 1e-3;

    /// Adam with the given learning rate, β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
    pub fn new(rate: f64) -> Self {
        Self {
            rate,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            bounds: None,
            steps: 0,
            epsilon_scale: 1.0,
            m: Vec::new(),
            v: Vec::new(),
            shape: Vec::new(),
            mean: None,
        }
    }

    /// The decay rates of the first and the second moment, each in [0, 1).
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        Self { beta1, beta2, ..self }
    }

    /// ε, added to the root of the second moment to avoid division by zero.
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// Keeps the point inside a box by projection after each update.
    pub fn bounds(self, bounds: Bounds) -> Self {
        Self { bounds: Some(bounds), ..self }
    }
}

impl<T: Real> Default for Adam<T> {
    fn default() -> Self {
        Self::new(Self::DEFAULT_RATE)
    }
}

impl<T: Real> Optimizer<T> for Adam<T> {
    fn step(&mut self, x: &mut ArrayD<T>, value: f64, gradient: &ArrayD<T>) -> Step {
        check_shapes("Adam", x, gradient);
        let gradient = gradient.as_standard_layout();
        let (x_shape, gradient) = (x.raw_dim(), gradient.as_slice().expect("standard layout"));
        if !value.is_finite() || !all_finite(gradient) {
            return Step::NotFinite;
        }
        if self.steps == 0 {
            self.m = vec![T::zero(); gradient.len()];
            self.v = vec![T::zero(); gradient.len()];
            self.shape = x.shape().to_vec();
            let largest = max_abs(gradient);
            self.epsilon_scale = if largest > 0.0 { largest.min(1.0) } else { 1.0 };
        }
        assert_eq!(self.m.len(), gradient.len(), "Adam: the point's shape {x_shape:?} is not that of the steps before");
        if let Some(bounds) = &self.bounds {
            bounds.check(x);
        }
        let point = x;
        let x = point.as_slice_mut().expect("standard layout");

        self.steps += 1;
        let correction1 = 1.0 - self.beta1.powi(self.steps);
        let correction2 = 1.0 - self.beta2.powi(self.steps);
        let tiny = T::min_positive_value() / T::epsilon();
        let update = Update {
            beta1: T::of(self.beta1),
            new1: T::of(1.0 - self.beta1),
            beta2: T::of(self.beta2),
            new2: T::of(1.0 - self.beta2),
            rate: T::of(self.rate / correction1),
            root_scale: T::of(1.0 / correction2.sqrt()),
            // If a second moment is zero, the first is divided by ε alone, which must not be smaller.
            epsilon: T::of(self.epsilon * self.epsilon_scale).max((tiny / T::of(1.0 - self.beta2)).sqrt()),
            tiny_moment: tiny,
            tiny_gradient: tiny.sqrt(),
        };
        let moments = self.m.par_chunks_mut(BLOCK).zip(self.v.par_chunks_mut(BLOCK));
        x.par_chunks_mut(BLOCK)
            .zip(gradient.par_chunks(BLOCK))
            .zip(moments)
            .for_each(|((x, gradient), (m, v))| update.block(x, gradient, m, v));
        if let Some(bounds) = &self.bounds {
            bounds.project(x);
        }
        if let Some(mean) = &mut self.mean {
            mean.add(point);
        }
        Step::Moved
    }

    fn result<'a>(&'a self, x: &'a ArrayD<T>) -> &'a ArrayD<T> {
        self.mean.as_ref().filter(|mean| mean.count > 0).map_or(x, |mean| &mean.point)
    }

    fn average(&mut self, decay: f64) -> bool {
        self.mean = Some(Mean::new(decay));
        true
    }

    /// The gradient of a mean over a picture is divided among its elements: with n times as many, each gets an nth.
    fn resample(&mut self, resample: &dyn Fn(&ArrayD<T>) -> ArrayD<T>) -> bool {
        // The resampled picture is the mean so far: start a new mean from it.
        self.mean = self.mean.take().map(|mean| Mean::new(mean.decay));
        if self.steps == 0 {
            return true;
        }
        let old = self.m.len() as f64;
        let carried = |moment: &mut Vec<T>| {
            let array =
                ArrayD::from_shape_vec(self.shape.as_slice(), std::mem::take(moment)).expect("the point's shape");
            resample(&array)
        };
        let (m, v) = (carried(&mut self.m), carried(&mut self.v));
        let share = T::of(old / m.len() as f64);
        self.shape = m.shape().to_vec();
        // Sharpening filters produce negative values.
        self.v = v.into_iter().map(|v| (v * share * share).max(T::zero())).collect();
        self.m = m.into_iter().map(|m| m * share).collect();
        true
    }

    fn state(&self) -> State<'_, T> {
        if self.steps == 0 {
            return State::default();
        }
        let state = State::default()
            .with_numbers("adam", [f64::from(self.steps), self.epsilon_scale])
            .with_array("m", &self.m)
            .with_array("v", &self.v);
        match self.mean.as_ref().filter(|mean| mean.count > 0) {
            Some(Mean { count, point, .. }) => state
                .with_numbers("averaged", [f64::from(*count)])
                .with_array("mean", point.as_slice().expect("in standard layout")),
            None => state,
        }
    }

    fn restore(&mut self, mut state: State<'_, T>, shape: &[usize]) -> Result<(), StateError> {
        if state.is_empty() {
            (self.steps, self.epsilon_scale, self.m, self.v) = (0, 1.0, Vec::new(), Vec::new());
            return Ok(());
        }
        let len = shape.iter().product();
        let [steps, epsilon_scale] = state.take_numbers("adam")?;
        let steps = count("adam", steps)?;
        let (m, v) = (state.take_array("m", len)?, state.take_array("v", len)?);
        if let (Some(mean), Some([number])) = (&mut self.mean, state.optional_numbers("averaged")?) {
            mean.count = count("averaged", number)? as i32;
            let point = state.take_array("mean", len)?;
            mean.point = ArrayD::from_shape_vec(shape, point).expect("of that length");
        }
        state.end()?;
        (self.steps, self.epsilon_scale, self.m, self.v) = (steps as i32, epsilon_scale, m, v);
        self.shape = shape.to_vec();
        Ok(())
    }
}

/// The numbers of one step, the same for every element.
struct Update<T> {
    beta1: T,
    new1: T,
    beta2: T,
    new2: T,
    rate: T,
    root_scale: T,
    epsilon: T,
    /// Moments below this become zero. Larger ones stay normal numbers after the decay of one step.
    tiny_moment: T,
    /// Gradients below this count as zero. The squares of larger ones are normal numbers. ε is far larger than both.
    tiny_gradient: T,
}

impl<T: Real> Update<T> {
    fn block(&self, x: &mut [T], gradient: &[T], m: &mut [T], v: &mut [T]) {
        for (((x, &g), m), v) in x.iter_mut().zip(gradient).zip(m).zip(v) {
            let g = flush(g, self.tiny_gradient);
            *m = flush(self.beta1 * *m + self.new1 * g, self.tiny_moment);
            *v = flush(self.beta2 * *v + self.new2 * g * g, self.tiny_moment);
            *x -= self.rate * *m / (v.sqrt() * self.root_scale + self.epsilon);
        }
    }
}

/// `value`, or zero if it is nearer to zero than `tiny`.
fn flush<T: Real>(value: T, tiny: T) -> T {
    if value.abs() < tiny { T::zero() } else { value }
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    /// Value and gradient of Σx⁴ + sin 3x.
    fn quartic<T: Real>(x: &ArrayD<T>) -> (f64, ArrayD<T>) {
        let value = x.iter().map(|&x| x.powi(4) + (T::of(3.0) * x).sin()).sum::<T>();
        (Real::to_f64(value), x.mapv(|x| T::of(4.0) * x.powi(3) + T::of(3.0) * (T::of(3.0) * x).cos()))
    }

    fn run<T: Real>(mut adam: Adam<T>, steps: usize) -> Vec<ArrayD<T>> {
        let mut x = arr1(&[1.0, -2.0, 0.5].map(T::of)).into_dyn();
        (0..steps)
            .map(|_| {
                let (value, gradient) = quartic(&x);
                assert_eq!(adam.step(&mut x, value, &gradient), Step::Moved);
                x.clone()
            })
            .collect()
    }

    /// `PyTorch` 2.15, float64: `o = torch.optim.Adam([x], lr=0.1)`, five times
    /// `o.zero_grad(); ((x**4).sum() + torch.sin(3*x).sum()).backward(); o.step()`.
    const PYTORCH: [[f64; 3]; 5] = [
        [0.900_000_000_970_852_5, -1.900_000_000_034_341_3, 0.400_000_001_404_077_1],
        [0.819_820_207_855_524, -1.800_701_493_543_981, 0.302_871_311_120_540_6],
        [0.765_813_444_946_193_3, -1.702_518_494_375_647_7, 0.206_362_552_894_655_22],
        [0.732_959_434_269_726_5, -1.605_797_132_768_764_8, 0.109_380_343_093_608_92],
        [0.715_001_917_226_239_6, -1.510_811_322_554_948_2, 0.011_363_521_287_668_89],
    ];

    #[test]
    fn agrees_with_pytorch() {
        for (x, expected) in run(Adam::<f64>::new(0.1), 5).iter().zip(PYTORCH) {
            assert!(x.iter().zip(expected).all(|(x, e)| (x - e).abs() < 1e-14), "{x} for {expected:?}");
        }
        for (x, expected) in run(Adam::<f32>::new(0.1), 5).iter().zip(PYTORCH) {
            assert!(x.iter().zip(expected).all(|(&x, e)| (f64::from(x) - e).abs() < 1e-6), "{x} for {expected:?}");
        }
    }

    /// The same with `lr=0.1, betas=(0.8, 0.99), eps=1e-2`, after three steps.
    #[test]
    fn agrees_with_pytorch_on_other_settings() {
        let expected = [0.777_178_184_773_025_9, -1.704_113_407_948_359_3, 0.204_588_556_871_666];
        let x = run(Adam::<f64>::new(0.1).betas(0.8, 0.99).epsilon(1e-2), 3).pop().unwrap();
        assert!(x.iter().zip(expected).all(|(x, e)| (x - e).abs() < 1e-14), "{x} for {expected:?}");
    }

    #[test]
    fn the_default_rate_is_pytorchs() {
        let mut x = arr1(&[0.0]).into_dyn();
        Adam::default().step(&mut x, 0.0, &arr1(&[5.0]).into_dyn());
        assert!((x[0] + 1e-3_f64).abs() < 1e-10, "the first step is the rate: {x}");
    }

    #[test]
    fn bounds_hold() {
        for x in run(Adam::<f64>::new(0.1).bounds(Bounds::new(vec![-1.9], vec![0.95])), 5) {
            assert!(x.iter().all(|x| (-1.9..=0.95).contains(x)), "{x}");
        }
    }

    #[test]
    fn what_is_not_finite_changes_nothing() {
        let mut adam = Adam::new(0.1);
        let mut x = arr1(&[1.0, 2.0]).into_dyn();
        assert_eq!(adam.step(&mut x, f64::NAN, &arr1(&[1.0, 1.0]).into_dyn()), Step::NotFinite);
        assert_eq!(adam.step(&mut x, 0.0, &arr1(&[1.0, f64::INFINITY]).into_dyn()), Step::NotFinite);
        assert_eq!(x, arr1(&[1.0, 2.0]).into_dyn());
        // Nor has it counted as a step: the bias corrections are still those of the first.
        adam.step(&mut x, 0.0, &arr1(&[1.0, 0.0]).into_dyn());
        assert!((x[0] - 0.9).abs() < 1e-8 && x[1] == 2.0, "{x}");
    }

    #[test]
    fn the_mean_of_iterates_weighs_them_by_their_age() {
        let mut adam = Adam::<f64>::new(0.1);
        assert!(adam.average(0.75));
        let mut x = arr1(&[1.0, -2.0, 0.5]).into_dyn();
        assert_eq!(adam.result(&x), &x, "before the first step");
        let (mut sum, mut weights) = (ArrayD::zeros(vec![3]), 0.0);
        for plain in run(Adam::<f64>::new(0.1), 5) {
            let (value, gradient) = quartic(&x);
            adam.step(&mut x, value, &gradient);
            assert_eq!(x, plain, "the iterates are what they were");
            (sum, weights) = (sum * 0.75 + &x, weights * 0.75 + 1.0);
            approx::assert_abs_diff_eq!(adam.result(&x), &(&sum / weights), epsilon = 1e-14);
        }
        assert!(adam.resample(&|values| values.clone()));
        assert_eq!(adam.result(&x), &x, "another size, another mean");
    }

    #[test]
    fn no_denormal_numbers_arise() {
        // Gradients that fade to nothing, and tiny ones whose squares would be denormal.
        let mut adam = Adam::<f32>::new(0.1);
        let mut x = arr1(&[1.0_f32; 4]).into_dyn();
        for step in 0..3000 {
            let fading = 0.9_f32.powi(step.min(800));
            adam.step(&mut x, 0.0, &arr1(&[fading, 1e-20, 1e-16, if step == 0 { 1.0 } else { 0.0 }]).into_dyn());
            // What is kept is large enough to decay once more.
            let decayed = adam.m.iter().map(|m| 0.9 * m).chain(adam.v.iter().map(|v| 0.999 * v));
            assert!(decayed.into_iter().all(|moment| !moment.is_subnormal()), "{:?} {:?}", adam.m, adam.v);
        }
        assert_eq!(adam.m[3], 0.0, "an old gradient is forgotten altogether");
    }

    #[test]
    fn same_bits_on_any_number_of_threads_and_in_any_layout() {
        let start = ArrayD::from_shape_fn(vec![70, 130, 3], |i| (i[0] * 7 + i[1] * 3 + i[2]) as f32 * 1e-3 - 0.4);
        let run = |threads, transposed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut x = start.clone();
            let mut adam = Adam::new(0.01);
            for _ in 0..5 {
                let (value, mut gradient) = quartic(&x);
                if transposed {
                    // The same elements, stored with axes in another order.
                    gradient = gradient.t().as_standard_layout().into_owned().reversed_axes();
                    assert!(!gradient.is_standard_layout());
                }
                pool.install(|| adam.step(&mut x, value, &gradient));
            }
            x
        };
        let one = run(1, false);
        for other in [run(2, false), run(5, false), run(2, true)] {
            assert!(one.iter().zip(&other).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }

    #[test]
    #[should_panic(expected = "the shapes of point and gradient differ")]
    fn shapes_must_agree() {
        Adam::new(0.1).step(&mut arr1(&[1.0, 2.0]).into_dyn(), 0.0, &arr1(&[1.0]).into_dyn());
    }
}
