//! Adam on the coefficients of a Laplacian pyramid: Kolkin, Kucera, Paris, Sykora, Shechtman & Shakhnarovich 2022, "Neural
//! Neighbor Style Transfer", section 3.

use ndarray::{Array1, Array3, ArrayD, ArrayView3, Ix3};

use super::{Adam, Bounds, Optimizer, State, StateError, Step, check_shapes};
use crate::kernels::{Real, pyramid};

/// [`Adam`] on the coefficients of a picture's Laplacian pyramid instead of its pixels: large forms, which many pixels
/// must change together, move as fast as fine ones.
///
/// A picture x is S·c for the coefficients c of its levels and a linear synthesis S (`kernels::pyramid::synthesis`).
/// Adam's change Δc depends on the gradient Sᵀg and not on c, so only the picture is kept, not its coefficients:
/// x ← x + S·Δc.
///
/// The rate is constant unless it [falls](Self::falling).
#[derive(Debug, Clone)]
pub struct PyramidAdam<T> {
    adam: Adam<T>,
    levels: usize,
    /// How many steps there are, if the rate falls in their second half.
    falling: Option<usize>,
    /// ε in units of `unit`, if steps are damped.
    damping: Option<f64>,
    /// The first of the levels that do not move.
    held: Option<usize>,
    /// The root mean square of the finest level's first gradient: 1 before the first step, and without damping.
    unit: f64,
    bounds: Option<Bounds>,
}

impl<T: Real> PyramidAdam<T> {
    /// The optimiser for a pyramid of at most `levels` levels and the residual, at a `rate` in units of the picture.
    pub fn new(rate: f64, levels: usize) -> Self {
        Self { adam: Adam::new(rate), levels, falling: None, damping: None, held: None, unit: 1.0, bounds: None }
    }

    /// Makes the rate constant for the first half of so many steps and then fall linearly to a tenth, which removes the
    /// grain that a changing function leaves.
    pub fn falling(self, steps: usize) -> Self {
        Self { falling: Some(steps), ..self }
    }

    /// Sets Adam's ε to `damping` times the root mean square of the finest level's first gradient. Without it every
    /// coefficient moves about as far, whether its gradient keeps its direction or changes it at each step; with it the
    /// latter, which make grain in even areas, hardly move.
    pub fn damped(self, damping: f64) -> Self {
        Self { adam: self.adam.epsilon(damping), damping: Some(damping), ..self }
    }

    /// Keeps the picture's level `first` (0 is the finest), all coarser ones and the residual as they are: forms of 2^`first` pixels
    /// and more, and their colours.
    pub fn holding(self, first: usize) -> Self {
        Self { held: Some(first), ..self }
    }

    /// Keeps the picture inside a box by projection after each update.
    pub fn bounds(self, bounds: Bounds) -> Self {
        Self { bounds: Some(bounds), ..self }
    }

    /// The factor of the rate at the next step.
    fn share(&self) -> f64 {
        const LAST: f64 = 0.1;
        let Some(steps) = self.falling else { return 1.0 };
        let done = f64::from(self.adam.steps) / steps.saturating_sub(1).max(1) as f64;
        1.0 - (1.0 - LAST) * (2.0 * done - 1.0).clamp(0.0, 1.0)
    }

    fn sizes(&self, shape: &[usize]) -> Vec<[usize; 2]> {
        pyramid::sizes([shape[0], shape[1]], self.levels)
    }
}

impl<T: Real> Optimizer<T> for PyramidAdam<T> {
    /// # Panics
    /// Also if `x` has not three axes.
    fn step(&mut self, x: &mut ArrayD<T>, value: f64, gradient: &ArrayD<T>) -> Step {
        check_shapes("PyramidAdam", x, gradient);
        if let Some(bounds) = &self.bounds {
            bounds.check(x);
        }
        let gradient = gradient.view().into_dimensionality::<Ix3>().expect("PyramidAdam: a picture has three axes");
        let (sizes, share) = (self.sizes(x.shape()), self.share());
        let levels = pyramid::synthesis_transposed(gradient.as_standard_layout().into_owned(), &sizes);
        if self.damping.is_some() && self.adam.steps == 0 {
            self.unit = root_mean_square(&levels[0]);
        }
        // Adam's steps depend on the gradient's scale by ε alone.
        let unit = T::of(self.unit);
        let gradient: Array1<T> = levels.iter().flat_map(|level| level.iter().map(|&g| g / unit)).collect();
        let shapes: Vec<_> = levels.iter().map(Array3::dim).collect();
        drop(levels);
        let mut change = ArrayD::zeros(vec![gradient.len()]);
        let step = self.adam.step(&mut change, value, &gradient.into_dyn());
        if step != Step::Moved {
            return step;
        }
        let mut rest = change.as_slice().expect("standard layout");
        let views: Vec<_> = shapes
            .iter()
            .map(|&shape| {
                let (level, behind) = rest.split_at(shape.0 * shape.1 * shape.2);
                rest = behind;
                ArrayView3::from_shape(shape, level).expect("as long as its shape says")
            })
            .collect();
        let change = pyramid::synthesis(&views);
        let change = if let Some(first) = self.held { pyramid::finer_than(first, change, &sizes) } else { change };
        let change = change.into_dyn();
        let share = T::of(share);
        ndarray::Zip::from(&mut *x).and(&change).par_for_each(|x, &change| *x += share * change);
        if let Some(bounds) = &self.bounds {
            bounds.project(x.as_slice_mut().expect("standard layout"));
        }
        step
    }

    fn state(&self) -> State<'_, T> {
        let state = self.adam.state();
        if self.damping.is_some() && self.adam.steps > 0 { state.with_numbers("unit", [self.unit]) } else { state }
    }

    fn restore(&mut self, mut state: State<'_, T>, shape: &[usize]) -> Result<(), StateError> {
        self.unit = match self.damping {
            Some(_) => state.optional_numbers("unit")?.map_or(1.0, |[unit]| unit),
            None => 1.0,
        };
        let channels: usize = shape[2..].iter().product();
        let coefficients = self.sizes(shape).iter().map(|size| size[0] * size[1] * channels).sum();
        self.adam.restore(state, &[coefficients])
    }
}

/// The root mean square of a level; 1 if it is 0, or not finite, which Adam notices.
fn root_mean_square<T: Real>(level: &Array3<T>) -> f64 {
    let squares: f64 = level.iter().map(|&g| Real::to_f64(g).powi(2)).sum();
    let root = (squares / level.len() as f64).sqrt();
    if root.is_normal() { root } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::random;
    use crate::ops::{from_laplacian_pyramid, laplacian_pyramid, square, sub, sum};
    use crate::tape::Tape;

    /// Σ(x − t)², its gradient.
    fn distance(x: &ArrayD<f64>, target: &ArrayD<f64>) -> (f64, ArrayD<f64>) {
        ((x - target).mapv(|v| v * v).sum(), (x - target) * 2.0)
    }

    #[test]
    fn held_levels_and_the_residual_stay() {
        let (start, gradient): (Array3<f64>, Array3<f64>) = (random((32, 24, 3), 1), random((32, 24, 3), 2));
        let moved = |held: Option<usize>| {
            let optimizer = PyramidAdam::new(0.1, 3);
            let mut optimizer = if let Some(first) = held { optimizer.holding(first) } else { optimizer };
            let mut x = start.clone().into_dyn();
            for _ in 0..3 {
                optimizer.step(&mut x, 1.0, &gradient.clone().into_dyn());
            }
            x - &start.clone().into_dyn()
        };
        let changes = [None, Some(0), Some(2), Some(4)].map(moved);
        assert!(changes[1].iter().all(|&change| change == 0.0));
        assert_eq!(changes[0], changes[3], "there are three levels and the residual");
        // Fine levels have no mean.
        let mean = |change: &ArrayD<f64>| change.mean().unwrap().abs();
        assert!(mean(&changes[2]) < 1e-3 && mean(&changes[0]) > 1e-2, "{:?}", changes.each_ref().map(mean));
        assert!(changes[2].iter().any(|&change| change.abs() > 0.05));
    }

    #[test]
    fn is_adam_on_the_coefficients() {
        for damping in [None, Some(2.0)] {
            is_adam_with(damping);
        }
    }

    fn is_adam_with(damping: Option<f64>) {
        let (x, target): (Array3<f64>, Array3<f64>) = (random((9, 14, 3), 1), random((9, 14, 3), 2));
        let steps = 7;
        // Optimise the coefficients themselves with the tape's operations and one Adam for each level.
        let tape = Tape::new();
        let mut levels: Vec<ArrayD<f64>> =
            laplacian_pyramid(&tape.constant(x.clone()), 2).iter().map(crate::tape::Var::to_array).collect();
        let adam = || damping.map_or(Adam::new(0.01), |damping| Adam::new(0.01).epsilon(damping));
        let mut adams = vec![adam(); 3];
        let plain = || PyramidAdam::new(0.01, 2);
        let mut own = damping.map_or_else(plain, |damping| plain().damped(damping));
        let (mut x, target) = (x.into_dyn(), target.into_dyn());
        // The finest level's gradient is that of the pixels.
        let first = distance(&x, &target).1;
        let unit = damping.map_or(1.0, |_| (first.mapv(|g| g * g).sum() / first.len() as f64).sqrt());
        for _ in 0..steps {
            let tape = Tape::new();
            let variables: Vec<_> = levels.iter().map(|level| tape.variable(level.clone())).collect();
            let error = sum(&square(&sub(&from_laplacian_pyramid(&variables), &tape.constant(target.clone()))));
            let gradients = error.backward();
            for ((level, adam), variable) in levels.iter_mut().zip(&mut adams).zip(&variables) {
                adam.step(level, 1.0, &(gradients.get(variable).unwrap() / unit));
            }
            let (value, gradient) = distance(&x, &target);
            assert_eq!(own.step(&mut x, value, &gradient), Step::Moved);
        }
        let tape = Tape::new();
        let levels: Vec<_> = levels.into_iter().map(|level| tape.constant(level)).collect();
        approx::assert_abs_diff_eq!(x, from_laplacian_pyramid(&levels).to_array(), epsilon = 1e-9);
    }

    #[test]
    fn goes_on_from_its_state_within_its_bounds() {
        let target = random::<f64, Ix3, _>((8, 6, 3), 2).into_dyn() * 3.0;
        let new = || PyramidAdam::new(0.05, 8).falling(10).damped(2.0).bounds(Bounds::new(vec![-0.9; 3], vec![1.1; 3]));
        let (mut whole, mut first) = (new(), new());
        let start = random::<f64, Ix3, _>((8, 6, 3), 1).into_dyn();
        let (mut x, mut y) = (start.clone(), start);
        let go = |optimizer: &mut PyramidAdam<f64>, x: &mut ArrayD<f64>, steps| {
            for _ in 0..steps {
                let (value, gradient) = distance(x, &target);
                optimizer.step(x, value, &gradient);
                assert!(x.iter().all(|v| (-0.9..=1.1).contains(v)));
            }
        };
        go(&mut whole, &mut x, 10);
        go(&mut first, &mut y, 6);
        let mut second = new();
        second.restore(first.state(), y.shape()).unwrap();
        go(&mut second, &mut y, 4);
        assert_eq!(x, y);
        assert!(new().restore(first.state(), &[8, 7, 3]).is_err());
    }

    #[test]
    fn damped_steps_are_those_of_adam_with_that_epsilon() {
        // One level: the coefficients are the pixels. The function's scale does not matter.
        let target = random::<f64, Ix3, _>((5, 4, 3), 2).into_dyn();
        for scale in [1.0, 1e-6, 1e6] {
            let (mut damped, mut adam) = (PyramidAdam::new(0.05, 0).damped(2.0), Adam::new(0.05).epsilon(2.0));
            let (mut x, mut y) = (ArrayD::zeros(vec![5, 4, 3]), ArrayD::zeros(vec![5, 4, 3]));
            let first = distance(&x, &target).1;
            let unit = (first.mapv(|g| g * g).sum() / first.len() as f64).sqrt();
            for _ in 0..5 {
                let (value, gradient) = distance(&x, &target);
                damped.step(&mut x, value, &(gradient * scale));
                let (value, gradient) = distance(&y, &target);
                adam.step(&mut y, value, &(gradient / unit));
            }
            approx::assert_abs_diff_eq!(x, y, epsilon = 1e-12);
        }
    }

    #[test]
    fn damping_leaves_a_flat_function_alone() {
        let mut optimizer = PyramidAdam::<f64>::new(1.0, 1).damped(2.0);
        let mut x = ArrayD::ones(vec![4, 4, 1]);
        assert_eq!(optimizer.step(&mut x, 0.0, &ArrayD::zeros(vec![4, 4, 1])), Step::Moved);
        assert_eq!(x, ArrayD::<f64>::ones(vec![4, 4, 1]));
    }

    #[test]
    fn the_rate_falls_in_the_second_half() {
        let mut optimizer = PyramidAdam::<f64>::new(1.0, 0).falling(5);
        let mut x = ArrayD::zeros(vec![1, 1, 1]);
        let mut moves = Vec::new();
        for _ in 0..5 {
            let before = x[[0, 0, 0]];
            optimizer.step(&mut x, 0.0, &ArrayD::ones(vec![1, 1, 1]));
            moves.push(before - x[[0, 0, 0]]);
        }
        for (moved, expected) in moves.iter().zip([1.0, 1.0, 1.0, 0.55, 0.1]) {
            approx::assert_relative_eq!(*moved, expected, max_relative = 1e-6);
        }
    }
}
