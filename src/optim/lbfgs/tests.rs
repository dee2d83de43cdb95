//! L-BFGS on functions with known minima, compared with scipy 1.17.1's L-BFGS-B. This script computed scipy's numbers:
//!
//! ```python
//! import numpy as np
//! from scipy.optimize import minimize
//! def rosen(x):
//!     r = 100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2
//!     g = np.zeros_like(x)
//!     g[:-1] = -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
//!     g[1:] += 200 * (x[1:] - x[:-1] ** 2)
//!     return r.sum(), g
//! def quadratic(x):
//!     d = 10.0 ** np.linspace(0, 6, 100)
//!     return 0.5 * (d * (x - 1) ** 2).sum(), d * (x - 1)
//! options = dict(maxcor=20, ftol=0, gtol=1e-5, maxfun=100000, maxiter=100000)
//! for f, x0 in [(rosen, [-1.2, 1.0]), (rosen, [-1.2, 1.0] * 50), (quadratic, [0.0] * 100)]:
//!     r = minimize(f, np.array(x0), jac=True, method="L-BFGS-B", options=options)
//!     print(r.nfev, r.fun)     # 45 3.69e-14, 608 4.94e-13, 7193 1.72e-12
//! r = minimize(rosen, np.array([-1.2, 0.5] * 5), jac=True, method="L-BFGS-B", bounds=[(-2, 0.5)] * 10,
//!              options=dict(maxcor=20, ftol=0, gtol=1e-8))
//! print(r.nfev, r.fun, r.x)    # 35 7.594812948946874 and BOUNDED_MINIMUM below
//! ```

use super::*;

/// Value and gradient in f64, computed in `T` where the test is about rounding.
type Function<T> = fn(&[T]) -> (f64, Vec<T>);

fn rosenbrock<T: Real>(x: &[T]) -> (f64, Vec<T>) {
    let mut value = T::zero();
    let mut gradient = vec![T::zero(); x.len()];
    for i in 0..x.len() - 1 {
        let (slope, rest) = (x[i + 1] - x[i] * x[i], T::one() - x[i]);
        value += T::of(100.0) * slope * slope + rest * rest;
        gradient[i] -= T::of(400.0) * x[i] * slope + T::of(2.0) * rest;
        gradient[i + 1] += T::of(200.0) * slope;
    }
    (value.to_f64(), gradient)
}

/// ½Σdᵢ(xᵢ−1)², d from 1 to 1e6.
fn quadratic(x: &[f64]) -> (f64, Vec<f64>) {
    let d = |i: usize| 10f64.powf(6.0 * i as f64 / (x.len() - 1) as f64);
    let value = x.iter().enumerate().map(|(i, x)| 0.5 * d(i) * (x - 1.0).powi(2)).sum();
    (value, x.iter().enumerate().map(|(i, x)| d(i) * (x - 1.0)).collect())
}

/// The outcome of a run.
struct Run<T> {
    x: Vec<T>,
    value: f64,
    steps: Vec<Step>,
    /// The value of the result after each step.
    results: Vec<f64>,
}

/// Evaluates until converged or `most` times. Along the way: the result is never higher than the point just evaluated,
/// nor than the result before, but for rounding.
fn minimise<T: Real>(mut optimizer: Lbfgs<T>, f: impl Fn(&[T]) -> (f64, Vec<T>), start: &[T], most: usize) -> Run<T> {
    let mut x = ndarray::arr1(start).into_dyn();
    let (mut steps, mut results) = (Vec::new(), Vec::new());
    let mut last = f64::INFINITY;
    while steps.len() < most && steps.last() != Some(&Step::Converged) {
        let (value, gradient) = f(flat(&x));
        if value.is_finite() {
            last = value.min(last);
        }
        steps.push(optimizer.step(&mut x, value, &ndarray::Array1::from(gradient).into_dyn()));
        let result = f(flat(optimizer.result(&x))).0;
        let rounding = if last.is_finite() { NOISE * T::epsilon().to_f64() * last.abs() } else { 0.0 };
        assert!(result <= last + rounding, "from {last} to {result}");
        last = result;
        results.push(result);
    }
    Run { x: flat(optimizer.result(&x)).to_vec(), value: last, steps, results }
}

#[test]
fn agrees_with_scipy_in_about_as_many_evaluations() {
    let starts: [(Function<f64>, Vec<f64>, usize); 3] = [
        (rosenbrock, vec![-1.2, 1.0], 45),
        (rosenbrock, [-1.2, 1.0].repeat(50), 608),
        (quadratic, vec![0.0; 100], 7193),
    ];
    for (f, start, scipy) in starts {
        let run = minimise(Lbfgs::new().gradient_tolerance(1e-5), f, &start, 2 * scipy);
        assert_eq!(run.steps.last(), Some(&Step::Converged), "after {} evaluations", run.steps.len());
        assert!(run.value < 1e-10, "{}", run.value);
        assert!(run.x.iter().all(|x| (x - 1.0).abs() < 1e-4), "{:?}", run.x);
        assert!(run.steps.len() as f64 <= 1.15 * scipy as f64, "{} evaluations, scipy {scipy}", run.steps.len());
    }
}

const BOUNDED_MINIMUM: [f64; 10] = [
    0.5,
    0.263_065_982_736_767_2,
    0.080_031_113_746_253_05,
    0.016_574_234_308_906_723,
    0.010_380_676_320_003_175,
    0.010_212_005_138_819_931,
    0.010_208_410_859_402_765,
    0.010_204_212_074_288_323,
    0.010_004_085_097_539_143,
    0.000_100_081_730_285_511_74,
];

#[test]
fn bounds_hold_and_the_constrained_minimum_is_scipys() {
    let f = |x: &[f64]| {
        assert!(x.iter().all(|x| (-2.0..=0.5).contains(x)), "evaluated outside the bounds: {x:?}");
        rosenbrock(x)
    };
    let bounds = || Bounds::new(vec![-2.0], vec![0.5]);
    let run = minimise(Lbfgs::new().bounds(bounds()).gradient_tolerance(1e-8), f, &[-1.2, 0.5].repeat(5), 200);
    assert_eq!(run.steps.last(), Some(&Step::Converged));
    assert!((run.value - 7.594_812_948_946_874).abs() < 1e-12, "{}", run.value);
    for (x, expected) in run.x.iter().zip(BOUNDED_MINIMUM) {
        assert!((x - expected).abs() < 1e-8, "{x} for {expected}");
    }
    assert!(run.steps.len() <= 40);
}

#[test]
fn bounds_of_each_channel_and_a_start_outside() {
    // Σ(x−3)² over two pixels of three channels: each channel ends at its nearest bound, or at 3 between them.
    let f = |x: &[f64]| (x.iter().map(|x| (x - 3.0).powi(2)).sum(), x.iter().map(|x| 2.0 * (x - 3.0)).collect());
    let bounds = Bounds::new(vec![-1.0, 4.0, 0.0], vec![1.0, 5.0, 10.0]);
    let mut optimizer = Lbfgs::new().bounds(bounds);
    let mut x = ArrayD::from_elem(vec![2, 3], 7.0);
    let mut steps = Vec::new();
    while steps.last() != Some(&Step::Converged) && steps.len() < 20 {
        let (value, gradient): (f64, Vec<f64>) = f(flat(&x));
        steps.push(optimizer.step(&mut x, value, &ArrayD::from_shape_vec(vec![2, 3], gradient).unwrap()));
    }
    assert_eq!(steps[0], Step::Projected);
    assert_eq!(steps.last(), Some(&Step::Converged));
    assert_eq!(flat(&x), [1.0, 4.0, 3.0, 1.0, 4.0, 3.0]);
}

#[test]
fn steps_back_from_nan_and_infinity() {
    for beyond in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        // A valley that falls towards a wall at 2, the minimum 0.01 before it.
        let f = |x: &[f64]| {
            if x[0] >= 2.0 {
                return (beyond, vec![f64::NAN; 2]);
            }
            let value = (x[0] - 1.99).powi(4) - 0.001 * (2.0 - x[0]).ln() + x[1] * x[1];
            (value, vec![4.0 * (x[0] - 1.99).powi(3) + 0.001 / (2.0 - x[0]), 2.0 * x[1]])
        };
        let run = minimise(Lbfgs::new().gradient_tolerance(1e-7), f, &[-100.0, 50.0], 200);
        assert_eq!(run.steps.last(), Some(&Step::Converged), "beyond the wall {beyond}");
        assert!(run.x[0] < 2.0 && run.x[1].abs() < 1e-6, "{:?}", run.x);
    }
}

#[test]
fn the_first_point_must_be_finite() {
    let mut x = ArrayD::from_elem(vec![2], 1.0);
    let mut optimizer = Lbfgs::new();
    assert_eq!(optimizer.step(&mut x, f64::NAN, &ArrayD::ones(vec![2])), Step::NotFinite);
    assert_eq!(optimizer.step(&mut x, 1.0, &ArrayD::from_elem(vec![2], f64::INFINITY)), Step::NotFinite);
    assert_eq!(flat(&x), [1.0, 1.0]);
    assert_eq!(optimizer.step(&mut x, 1.0, &ArrayD::ones(vec![2])), Step::Moved);
}

#[test]
fn goes_on_at_the_floor_of_rounding() {
    // With 1000 added, f32 values are known to 6e-5 only: most of the descent is below their rounding.
    let f = |x: &[f32]| {
        let (value, gradient) = rosenbrock(x);
        (f64::from(value as f32 + 1000.0), gradient)
    };
    let run = minimise(Lbfgs::new(), f, &[-1.2, 1.0].repeat(5), 2000);
    let gradient = rosenbrock(&run.x).1;
    assert!(run.steps.len() == 2000 || gradient.iter().all(|&g| g == 0.0), "gave up after {}", run.steps.len());
    let reached = rosenbrock(&run.x).0;
    assert!(reached < 1e-6, "slopes lead on where values cannot: {reached}");
}

#[test]
fn restarts_from_steepest_descent_where_nothing_is_lower() {
    // The gradient lies: it promises a decrease that the value, lowest where the first trial was, never shows.
    let calls = std::cell::Cell::new(0);
    let f = |x: &[f64]| {
        calls.set(calls.get() + 1);
        (if calls.get() <= 1 { 1.0 } else { 2.0 }, vec![2.0; x.len()])
    };
    let mut optimizer = Lbfgs::new();
    let mut x = ArrayD::from_elem(vec![4], 3.0);
    let start = x.clone();
    // Lengths of −g that were tried, a change of 3 % first.
    let mut scales = vec![0.03 * 3.0 / 2.0];
    for _ in 0..800 {
        let (value, gradient) = f(flat(&x));
        let step = optimizer.step(&mut x, value, &ndarray::Array1::from(gradient).into_dyn());
        assert!(x.iter().all(|x| x.is_finite()));
        if step == Step::Restarted(Restart::NoDecrease) {
            scales.push(optimizer.state.as_ref().unwrap().scale);
        }
    }
    assert_eq!(optimizer.result(&x), &start);
    let shorter = scales.iter().skip(1).take_while(|&&scale| scale < scales[0]).count();
    assert!(scales.windows(2).take(shorter).all(|pair| pair[1] == 0.25 * pair[0]), "{scales:?}");
    // The shortest still changes x, a quarter of it would not; then the long ones again.
    let change = |scale: f64| 2.0 * scale / (3.0 * f64::EPSILON);
    assert!(change(scales[shorter]) > 1.0 && change(0.25 * scales[shorter]) <= 1.0, "{scales:?}");
    assert_eq!(scales[shorter + 1], scales[0]);
}

#[test]
fn a_constant_function_has_converged() {
    let run = minimise(Lbfgs::new(), |x: &[f32]| (3.0, vec![0.0; x.len()]), &[1.0, 2.0], 10);
    assert_eq!(run.steps, [Step::Converged]);
    assert_eq!(run.x, [1.0, 2.0]);
    // Its gradient's square underflows: no step can be told from none.
    let run = minimise(Lbfgs::new(), |x: &[f64]| (3.0, vec![5e-324; x.len()]), &[1.0, 2.0], 10);
    assert_eq!(run.steps.last(), Some(&Step::Converged));
    let run = minimise(Lbfgs::new(), |x: &[f64]| (3.0, vec![1e-200; x.len()]), &[1e-300], 10);
    assert_eq!(run.steps, [Step::Converged], "no slope is left of such a step along such a gradient");
}

#[test]
fn stops_when_an_iteration_lowers_the_value_by_less_than_the_share_asked_for() {
    // A valley too flat to reach its floor.
    let f = |x: &[f64]| (100.0 + x[0].powi(4), vec![4.0 * x[0].powi(3)]);
    assert!(!minimise(Lbfgs::new(), f, &[5.0], 30).steps.contains(&Step::Converged), "no tolerance, no end");
    let run = minimise(Lbfgs::new().value_tolerance(1e-3), f, &[5.0], 30);
    assert_eq!(run.steps.last(), Some(&Step::Converged));
    let taken = run.steps.iter().zip(&run.results).filter(|(step, _)| **step != Step::Trial);
    let values: Vec<f64> = taken.map(|(_, &value)| value).collect();
    let (last, before) = values
        .windows(2)
        .map(|pair| pair[0] - pair[1])
        .collect::<Vec<_>>()
        .split_last()
        .map(|(last, before)| (*last, before.to_vec()))
        .unwrap();
    assert!(last < 0.1 && before.iter().all(|&decrease| decrease > 0.1), "{values:?}");
}

#[test]
fn the_first_trial_changes_the_point_a_little() {
    let first = |x: [f64; 2], value: f64| {
        let mut x = ndarray::arr1(&x).into_dyn();
        Lbfgs::new().step(&mut x, value, &ndarray::arr1(&[3.0, -4.0]).into_dyn());
        [x[0], x[1]]
    };
    let close = |x: [f64; 2], scale: f64, from: [f64; 2]| {
        let expected = [from[0] - 3.0 * scale, from[1] + 4.0 * scale];
        assert!(x.iter().zip(expected).all(|(x, e)| (x - e).abs() < 1e-12), "{x:?}, expected {expected:?}");
    };
    // Hager & Zhang 2005, step I0, with ψ₀ = 0.03: ψ₀‖x‖/‖g‖ in the largest element; ψ₀|f|/gᵀg at zero; where f is zero
    // too, a change of 1.
    close(first([8.0, -2.0], 5.0), 0.03 * 8.0 / 4.0, [8.0, -2.0]);
    close(first([0.0, 0.0], -5.0), 0.03 * 5.0 / 25.0, [0.0, 0.0]);
    close(first([0.0, 0.0], 0.0), 1.0 / 4.0, [0.0, 0.0]);
}

/// What one variable's optimiser does from x = 1 when told these values and slopes, whatever it asks for: its last step,
/// and the points that it asked for.
fn told(answers: &[(f64, f64)]) -> (Step, Vec<f64>, Lbfgs<f64>) {
    let (mut x, mut asked, mut optimizer) = (ndarray::arr1(&[1.0]).into_dyn(), Vec::new(), Lbfgs::new());
    let mut last = Step::Moved;
    for &(value, slope) in answers {
        asked.push(x[0]);
        last = optimizer.step(&mut x, value, &ndarray::arr1(&[slope]).into_dyn());
    }
    (last, asked, optimizer)
}

#[test]
fn the_lowest_trial_of_a_line_search_is_kept() {
    // Steep everywhere: neither 5 nor 7 ends the line search.
    let (step, asked, optimizer) = told(&[(10.0, 1.0), (5.0, 1.0), (7.0, 1.0)]);
    assert_eq!(step, Step::Trial);
    assert_eq!(flat(optimizer.result(&ArrayD::zeros(vec![1]))), [asked[1]]);
}

#[test]
fn values_that_differ_by_rounding_alone_do_not_end_the_descent() {
    let noise = NOISE * f64::EPSILON * 1000.0;
    let (step, ..) = told(&[(1000.0, 1.0), (1000.0 + 0.9 * noise, 0.1)]);
    assert_eq!(step, Step::Moved, "the slope shows that it was a good step");
    let (step, ..) = told(&[(1000.0, 1.0), (1000.0 + 1.1 * noise, 0.1)]);
    assert_eq!(step, Step::Trial, "this is more than rounding");
}

#[test]
fn a_line_search_that_never_ends_is_left_at_its_lowest_point() {
    // A straight slope has no minimum, and tells nothing of curvature.
    let run = minimise(Lbfgs::new(), |x: &[f64]| (x[0], vec![1.0]), &[1.0], 21);
    assert_eq!((run.steps[0], run.steps[20]), (Step::Moved, Step::Moved));
    assert!(run.steps[1..20].iter().all(|&step| step == Step::Trial), "{:?}", run.steps);
}

#[test]
fn tiny_functions_are_minimised_as_fast() {
    let tiny = 2f64.powi(-80);
    let f = |x: &[f64]| {
        let (value, gradient) = rosenbrock(x);
        (tiny * value, gradient.iter().map(|g| tiny * g).collect())
    };
    let run = minimise(Lbfgs::new().gradient_tolerance(1e-5 * tiny), f, &[-1.2, 1.0], 60);
    assert_eq!(run.steps.last(), Some(&Step::Converged));
}

#[test]
fn same_bits_on_any_number_of_threads() {
    let n = 50_000;
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| minimise(Lbfgs::new(), rosenbrock::<f32>, &[-1.2, 1.0].repeat(n / 2), 40))
    };
    let one = run(1);
    for threads in [2, 5] {
        let other = run(threads);
        assert_eq!(one.steps, other.steps);
        assert!(one.x.iter().zip(&other.x).all(|(a, b)| a.to_bits() == b.to_bits()), "{threads} threads");
    }
}

#[test]
fn keeps_no_more_pairs_than_asked() {
    let mut optimizer = Lbfgs::new().history(3);
    let mut x = ndarray::arr1(&[-1.2, 1.0]).into_dyn();
    for _ in 0..20 {
        let (value, gradient) = rosenbrock(flat(&x));
        optimizer.step(&mut x, value, &ndarray::Array1::from(gradient).into_dyn());
    }
    assert_eq!(optimizer.state.unwrap().pairs.len(), 3);
}

#[test]
#[should_panic(expected = "not that of the steps before")]
fn the_shape_must_stay() {
    let mut optimizer = Lbfgs::<f32>::new();
    for size in [2, 3] {
        optimizer.step(&mut ArrayD::ones(vec![size]), 1.0, &ArrayD::ones(vec![size]));
    }
}
