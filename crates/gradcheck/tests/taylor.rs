//! The order of the Taylor remainder, on functions drawn from seeds.

use impasto_gradcheck::{Function, GradCheck, TaylorTest, Verdict};
use ndarray::{Array1, ArrayD, IxDyn};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Σ aᵢ·sin(bᵢ·xᵢ) + cᵢ·exp(xᵢ/4)·xᵢ₊₁ with random coefficients, times a random size.
struct Drawn {
    coefficients: Vec<[f64; 3]>,
    size: f64,
    x: Vec<f64>,
}

impl Drawn {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = rng.random_range(1..12);
        let mut around = |least: f64| -> f64 { rng.random_range(least..2.0) * if rng.random() { 1.0 } else { -1.0 } };
        let coefficients = (0..count).map(|_| [around(0.5), around(0.5), around(0.2)]).collect();
        let x = (0..count).map(|_| around(0.05)).collect();
        Self { coefficients, size: 10f64.powf(4.0 * around(0.0)), x }
    }

    fn value(&self, x: &[f64]) -> f64 {
        let next = |i: usize| x[(i + 1) % x.len()];
        let terms = self.coefficients.iter().enumerate();
        self.size * terms.map(|(i, [a, b, c])| a * (b * x[i]).sin() + c * (x[i] / 4.0).exp() * next(i)).sum::<f64>()
    }

    fn gradient(&self, x: &[f64]) -> Vec<f64> {
        let mut gradient = vec![0.0; x.len()];
        for (i, [a, b, c]) in self.coefficients.iter().enumerate() {
            let next = (i + 1) % x.len();
            gradient[i] += self.size * (a * b * (b * x[i]).cos() + c / 4.0 * (x[i] / 4.0).exp() * x[next]);
            gradient[next] += self.size * c * (x[i] / 4.0).exp();
        }
        gradient
    }

    fn test(&self, gradient: impl Fn(&[f64]) -> Vec<f64>) -> TaylorTest {
        GradCheck::new().taylor_fn(|x: &[f64]| self.value(x), gradient, &self.x[..]).unwrap()
    }
}

#[test]
fn right_gradients_leave_a_remainder_of_order_2() {
    for seed in 0..300 {
        let drawn = Drawn::new(seed);
        let test = drawn.test(|x| drawn.gradient(x));
        assert_eq!(test.verdict(), Verdict::Agrees, "{seed}\n{test}");
        // Where the second derivative along the direction happens to be small, the order is above 2 first.
        let order = test.order().unwrap();
        assert!((1.85..3.3).contains(&order), "{seed}\n{test}");
        assert!(test.to_string().starts_with(&format!("input 0: order {order:.2}, right\n")));
    }
}

#[test]
fn gradients_off_by_a_factor_leave_one_of_order_1() {
    for seed in 0..300 {
        let drawn = Drawn::new(seed);
        let error = 10f64.powf(-5.0 * ChaCha8Rng::seed_from_u64(seed + 1000).random::<f64>());
        let test = drawn.test(|x| drawn.gradient(x).into_iter().map(|g| g * (1.0 + error)).collect());
        assert_eq!(test.verdict(), Verdict::Wrong, "{seed}: {error:e}\n{test}");
        assert!((test.order().unwrap() - 1.0).abs() < 0.4, "{seed}: {error:e}\n{test}");
    }
}

#[test]
fn one_wrong_element_of_many_is_seen() {
    for seed in 0..50 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let x: Array1<f64> = (0..1000).map(|_| rng.random_range(-2.0..2.0)).collect();
        let wrong = rng.random_range(0..1000);
        let gradient = |x: &Array1<f64>| {
            let mut gradient = x.mapv(f64::cos);
            gradient[wrong] += 0.5;
            gradient
        };
        let f = |x: &Array1<f64>| x.mapv(f64::sin).sum();
        let test = GradCheck::new().seed(seed).taylor_fn(f, gradient, &x).unwrap();
        assert_eq!(test.verdict(), Verdict::Wrong, "{seed}: {wrong}\n{test}");
    }
}

#[test]
fn linear_functions_have_no_remainder() {
    for seed in 0..50 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let weights: Vec<f64> = (0..rng.random_range(1..40)).map(|_| rng.random_range(-3.0..3.0)).collect();
        let x: Vec<f64> = weights.iter().map(|_| rng.random_range(-3.0..3.0)).collect();
        let f = |x: &[f64]| x.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>();
        let right = GradCheck::new().taylor_fn(f, |_: &[f64]| weights.clone(), &x[..]).unwrap();
        assert_eq!((right.verdict(), right.order()), (Verdict::Agrees, None), "{seed}\n{right}");
        let halved = |_: &[f64]| weights.iter().map(|w| w / 2.0).collect::<Vec<_>>();
        let wrong = GradCheck::new().taylor_fn(f, halved, &x[..]).unwrap();
        assert_eq!(wrong.verdict(), Verdict::Wrong, "{seed}\n{wrong}");
        assert!((wrong.order().unwrap() - 1.0).abs() < 0.1, "{seed}\n{wrong}");
    }
}

#[test]
fn kinks_are_no_wrong_gradients() {
    let relu = |x: &[f64]| x.iter().map(|x| x.max(0.0)).sum::<f64>();
    for seed in 0..40 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let x: Vec<f64> =
            (0..rng.random_range(1..6)).map(|i| if i == 0 { 0.0 } else { rng.random_range(-1.0..1.0) }).collect();
        let at_zero = rng.random_range(0.0..1.0);
        let gradient = |at_zero: f64| {
            move |x: &[f64]| {
                let slope = |&x: &f64| if x == 0.0 { at_zero } else { f64::from(x > 0.0) };
                x.iter().map(slope).collect::<Vec<f64>>()
            }
        };
        let check = GradCheck::new().seed(seed);
        let found = |check: &GradCheck, at_zero| check.taylor_fn(relu, gradient(at_zero), &x[..]).unwrap().verdict();
        assert_eq!(found(&check, at_zero), Verdict::NotDifferentiable, "{seed}");
        assert_eq!(found(&check.clone().subgradients(true), at_zero), Verdict::Subgradient, "{seed}");
        assert_eq!(found(&check, 2.5), Verdict::Wrong, "{seed}");
    }
}

#[test]
fn kinks_nearby_hide_neither_right_gradients_nor_wrong_ones() {
    let mut undecided = 0;
    for seed in 0..200 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = rng.random_range(1..30);
        // Some elements lie so near to the kink that the first steps reach over it, none so near that all do.
        let mut near = || -> f64 { 10f64.powf(rng.random_range(-3.0..0.5)) * if rng.random() { 1.0 } else { -1.0 } };
        let x: Vec<f64> = (0..count).map(|_| 0.5 + near()).collect();
        let f = |x: &[f64]| x.iter().map(|x| (x - 0.5).max(0.0)).sum::<f64>();
        let gradient =
            |factor: f64| move |x: &[f64]| x.iter().map(|x| if *x > 0.5 { factor } else { 0.0 }).collect::<Vec<f64>>();
        let check = GradCheck::new().seed(seed);
        let right = check.taylor_fn(f, gradient(1.0), &x[..]).unwrap();
        // A kink very close to the point may look like noise.
        undecided += usize::from(right.verdict() == Verdict::Undecided);
        assert!(matches!(right.verdict(), Verdict::Agrees | Verdict::Undecided), "{seed}\n{right}");
        // Two steps that both reach over a kink may happen to leave a high order.
        assert!(right.order().is_none_or(|order| order > 1.4), "{seed}\n{right}");
        if x.iter().any(|x| *x > 0.5) {
            let wrong = check.taylor_fn(f, gradient(1.01), &x[..]).unwrap();
            assert_eq!(wrong.verdict(), Verdict::Wrong, "{seed}\n{wrong}");
        }
    }
    assert!(undecided <= 4, "{undecided} of 200");
}

#[test]
fn f32_and_values_that_carry_noise_are_judged_by_what_is_clear_of_it() {
    for seed in 0..60 {
        let drawn = Drawn { size: 1.0, ..Drawn::new(seed) };
        let x: Vec<f32> = drawn.x.iter().map(|&x| x as f32).collect();
        let double = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let f = |x: &[f32]| drawn.value(&double(x)) as f32;
        let test = |factor: f64| {
            let gradient =
                |x: &[f32]| drawn.gradient(&double(x)).iter().map(|g| (g * factor) as f32).collect::<Vec<_>>();
            GradCheck::new().taylor_fn(f, gradient, &x[..]).unwrap()
        };
        assert_ne!(test(1.0).verdict(), Verdict::Wrong, "{seed}\n{}", test(1.0));
        assert_eq!(test(-1.0).verdict(), Verdict::Wrong, "{seed}\n{}", test(-1.0));
        // Rounded to f32 inside, though f64 comes in and out.
        let coarse = |x: &[f64]| f64::from(drawn.value(x) as f32);
        let of = |factor: f64| {
            let gradient = |x: &[f64]| drawn.gradient(x).iter().map(|g| g * factor).collect::<Vec<_>>();
            GradCheck::new().taylor_fn(coarse, gradient, &drawn.x[..]).unwrap()
        };
        assert_ne!(of(1.0).verdict(), Verdict::Wrong, "{seed}\n{}", of(1.0));
        assert_eq!(of(-1.0).verdict(), Verdict::Wrong, "{seed}\n{}", of(-1.0));
    }
}

/// ln(x) ⊙ w + w, of two inputs of very different size.
struct Pair {
    wrong: Option<usize>,
}

impl Function for Pair {
    fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
        inputs[0].mapv(f64::ln) * &inputs[1] + &inputs[1]
    }

    fn pull_back(&self, inputs: &[ArrayD<f64>], dy: &ArrayD<f64>) -> Vec<ArrayD<f64>> {
        let mut both = vec![dy * &inputs[1] / &inputs[0], dy * &(inputs[0].mapv(f64::ln) + 1.0)];
        if let Some(input) = self.wrong {
            both[input].mapv_inplace(|g| -g);
        }
        both
    }
}

#[test]
fn each_input_has_a_table_and_small_elements_next_to_a_border_are_no_trouble() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for _ in 0..40 {
        let drawn = (0..6).map(|_| 10f64.powf(rng.random_range(-6.0..3.0))).collect();
        let x = ArrayD::from_shape_vec(IxDyn(&[2, 3]), drawn).unwrap();
        let inputs = [x.clone(), x.mapv(|x| 2.0 - x.sin())];
        let right = GradCheck::new().taylor(&Pair { wrong: None }, &inputs).unwrap();
        assert_eq!((right.tables.len(), right.verdict()), (2, Verdict::Agrees), "{right}");
        // It is linear in the second.
        assert!(right.tables[0].order.unwrap() > 1.75 && right.tables[1].order.is_none(), "{right}");
        for wrong in 0..2 {
            let test = GradCheck::new().taylor(&Pair { wrong: Some(wrong) }, &inputs).unwrap();
            assert_eq!(test.tables[wrong].verdict, Verdict::Wrong, "{test}");
            assert_eq!(test.tables[1 - wrong].verdict, Verdict::Agrees, "{test}");
            let named = test.named(&["x".into(), "w".into()]);
            let order = test.tables[wrong].order.unwrap();
            assert!(named.contains(&format!("{}: order {order:.2}, wrong", ["x", "w"][wrong])), "{named}");
        }
    }
}

#[test]
fn what_is_no_gradient_is_refused_before_any_step() {
    let shapes = GradCheck::new().taylor_fn(|x: &[f64]| x[0], |_: &[f64]| vec![1.0, 0.0, 0.0], &[1.0, 2.0][..]);
    assert!(shapes.unwrap_err().to_string().contains("shape"));
    let nan = GradCheck::new().taylor_fn(|x: &[f64]| x[0].ln(), |_: &[f64]| vec![1.0], &[-1.0][..]);
    assert!(nan.unwrap_err().to_string().contains("NaN"));
}
