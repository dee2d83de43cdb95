//! Plain functions, right and wrong, in every shape that they may have.

use std::cell::Cell;

use ndarray::{Array2, array};

use super::super::*;

/// Σ i·sin(xᵢ), and its gradient times a factor.
fn waves(x: &[f64]) -> f64 {
    x.iter().enumerate().map(|(i, x)| (1.0 + i as f64) * x.sin()).sum()
}

fn of_waves(x: &[f64]) -> Vec<f64> {
    x.iter().enumerate().map(|(i, x)| (1.0 + i as f64) * x.cos()).collect()
}

#[test]
fn numbers_of_every_shape_are_moved() {
    check_fn(waves, of_waves, &[0.3, -1.0, 2.0][..]).unwrap();
    check_fn(|x: &f64| x.sin(), |x: &f64| x.cos(), &0.7).unwrap();
    check_fn(|x: &[f64; 2]| x[0] * x[1], |x: &[f64; 2]| [x[1], x[0]], &[0.7, 3.0]).unwrap();
    check_fn(|x: &Vec<f64>| waves(x), |x: &Vec<f64>| of_waves(x), &vec![0.7, 3.0]).unwrap();
    let several = |factor: f64| {
        let f = |x: &[Array2<f64>]| x[0].dot(&x[1]).sum();
        let gradient = move |x: &[Array2<f64>]| {
            let ones = Array2::ones((x[0].nrows(), x[1].ncols()));
            vec![ones.dot(&x[1].t()), x[0].t().dot(&ones) * factor]
        };
        check_fn(f, gradient, &[array![[1.0, 2.0], [-0.4, 0.2], [3.0, 0.1]], array![[0.3], [-2.0]]][..])
    };
    assert_eq!(several(1.0).unwrap().compared, 8);
    assert!(several(-1.0).unwrap_err().entries().iter().all(|entry| entry.input == 1));
    // Not in row-major order.
    let turned = array![[1.0, 2.0, 0.3], [-0.4, 0.2, 5.0]].reversed_axes();
    let weights = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    let f = |x: &Array2<f64>| (x * &weights).mapv(f64::sin).sum();
    check_fn(f, |x: &Array2<f64>| (x * &weights).mapv(f64::cos) * &weights, &turned).unwrap();
}

#[test]
fn wrong_gradients_are_called_wrong() {
    let x = [0.3, -1.0, 2.0];
    for wrong in [-1.0, 0.0, 1.0 + 1e-6, 2.0] {
        let gradient = |x: &[f64]| of_waves(x).into_iter().map(|g| wrong * g).collect::<Vec<_>>();
        let failure = check_fn(waves, gradient, &x[..]).unwrap_err();
        assert_eq!((failure.entries().len(), failure.entries()[0].verdict), (3, Verdict::Wrong), "{failure}");
        assert!(failure.operations().is_empty() && failure.to_string().starts_with("wrong gradient: 3 of 3 slopes"));
    }
    let x = array![[1.0, 2.0], [0.3, -0.7]];
    let f = |x: &Array2<f64>| x[[0, 1]].powi(3) + 2.0 * x[[1, 0]];
    let transposed = |x: &Array2<f64>| array![[0.0, 2.0], [3.0 * x[[0, 1]].powi(2), 0.0]];
    assert_eq!(check_fn(f, transposed, &x).unwrap_err().entries().len(), 2);
}

#[test]
fn gradients_that_cannot_be_compared_get_a_sentence() {
    let x = [0.3, -1.0];
    let said = |gradient: fn(&[f64]) -> Vec<f64>| check_fn(waves, gradient, &x[..]).unwrap_err().to_string();
    assert_eq!(
        said(|_| vec![1.0]),
        "the gradient that was given for input 0 has shape [1], but the input has shape [2]"
    );
    assert_eq!(
        said(|x| vec![x[0], f64::NAN]),
        "the gradient that was given for input 0 is NaN at [1], where the value is finite"
    );
    let none = check_fn(waves, |_: &[f64]| Vec::<Array2<f64>>::new(), &x[..]).unwrap_err().to_string();
    assert_eq!(none, "the gradient that was given for input 0 comes with 0 gradients for 1 inputs");
    let nan = check_fn(|x: &[f64]| x[1].ln(), of_waves, &x[..]).unwrap_err().to_string();
    assert_eq!(nan, "the value is NaN at the given inputs");
    let calls = Cell::new(0.0);
    let count = || {
        calls.set(calls.get() + 1.0);
        calls.get()
    };
    let changes = check_fn(|x: &[f64]| waves(x) + count(), of_waves, &x[..]).unwrap_err().to_string();
    assert!(changes.starts_with("two evaluations at the same inputs differ, first at the value: by 1."), "{changes}");
    let changes = check_fn(waves, |_: &[f64]| vec![count(), 1.0], &x[..]).unwrap_err().to_string();
    assert!(
        changes.starts_with("two evaluations at the same inputs differ, first at the gradient of input 0: by "),
        "{changes}"
    );
}

#[test]
fn a_gradient_that_uses_what_an_evaluation_elsewhere_left_is_told() {
    let kept = Cell::new(0.0);
    let f = |x: &f64| {
        kept.set(*x);
        x.sin()
    };
    let failure = check_fn(f, |_: &f64| kept.get().cos(), &0.7).unwrap_err();
    assert!(matches!(&failure, Failure::ValueChanges { place, .. } if place == "the gradient of input 0"), "{failure}");
}

#[test]
fn of_many_kinks_the_wrong_one_is_found() {
    let x: Vec<f64> = (0..900).map(|i| if i % 3 == 0 { 0.0 } else { f64::from(i) - 400.3 }).collect();
    let relu = |x: &[f64]| x.iter().map(|x| x.max(0.0)).collect::<Vec<_>>();
    let with = |wrong: f64| {
        let slope = move |(i, &x): (usize, &f64)| match i {
            450 => wrong,
            _ => f64::from(x > 0.0),
        };
        let vjp = move |x: &[f64], dy: &Vec<f64>| {
            x.iter().enumerate().map(slope).zip(dy).map(|(slope, dy)| slope * dy).collect::<Vec<_>>()
        };
        GradCheck::new().check_vjp(relu, vjp, &x[..]).unwrap_err().verdict()
    };
    assert_eq!((with(0.5), with(1.5)), (Verdict::NotDifferentiable, Verdict::Wrong));
}

#[test]
fn of_many_kinks_in_one_sum_some_are_looked_at_alone() {
    let x: Vec<f64> = (0..30_000).map(|i| if i % 3 == 0 { 0.0 } else { f64::from(i % 100) - 40.3 }).collect();
    let f = |x: &[f64]| x.iter().map(|x| x.max(0.0)).sum::<f64>();
    let with = |at_zero: f64| {
        let slope = move |&x: &f64| if x == 0.0 { at_zero } else { f64::from(x > 0.0) };
        let gradient = move |x: &[f64]| x.iter().map(slope).collect::<Vec<_>>();
        GradCheck::new().directions(2).check_fn(f, gradient, &x[..]).unwrap_err().verdict()
    };
    // Along a random direction the errors of many elements cancel, and their sum lies between the sides.
    assert_eq!((with(0.5), with(1.5)), (Verdict::NotDifferentiable, Verdict::Wrong));
}

#[test]
fn a_gradient_that_rounds_to_f32_is_not_right_in_f64() {
    for x in [[0.3, 1.0, -0.7], [0.2, 0.9, 1.3], [1.7, 0.11, 0.6]] {
        let vjp = |x: &[f64; 3], dy: &[f64; 3]| {
            std::array::from_fn(|i| f64::from((dy[i] as f32) * (x[i] as f32).exp())) as [f64; 3]
        };
        let failure = GradCheck::new().check_vjp(|x: &[f64; 3]| x.map(f64::exp), vjp, &x).unwrap_err();
        assert_eq!(failure.verdict(), Verdict::Wrong, "{failure}");
    }
}

/// Two numbers less their mean, in units of their deviation: ±1, whatever they are.
fn normalised(x: &[f64; 2]) -> [f64; 2] {
    let (mean, deviation) = (f64::midpoint(x[0], x[1]), (x[0] - x[1]).abs() / 2.0);
    x.map(|x| (x - mean) / deviation)
}

/// Its Jacobian times v, which is 0 but for rounding.
fn of_normalised(x: &[f64; 2], v: &[f64; 2]) -> [f64; 2] {
    let (y, deviation) = (normalised(x), (x[0] - x[1]).abs() / 2.0);
    let (mean, along) = (f64::midpoint(v[0], v[1]), f64::midpoint(v[0] * y[0], v[1] * y[1]));
    std::array::from_fn(|i| (v[i] - mean - y[i] * along) / deviation)
}

#[test]
fn a_gradient_that_is_nothing_but_rounding_is_right() {
    for x in [[0.3, 1.234], [1e-9, 7e-10], [-1e6, 3e6], [0.1, 0.7]] {
        GradCheck::new().check_vjp(normalised, of_normalised, &x).unwrap();
        GradCheck::new().directions(3).check_vjp(normalised, of_normalised, &x).unwrap();
        // As a gradient, with the product as that with its Hessian, which is symmetric as far as can be seen.
        check_hessian_vector(normalised, of_normalised, &x).unwrap();
        let size = x[0].abs().max(x[1].abs());
        let more = |v: &[f64; 2]| of_normalised(&x, v).map(|g| g + 1e-6 / size * v[0]);
        let failure = GradCheck::new().check_vjp(normalised, |_: &[f64; 2], v: &[f64; 2]| more(v), &x).unwrap_err();
        assert_eq!(failure.verdict(), Verdict::Wrong);
        let failure = check_hessian_vector(normalised, |_: &[f64; 2], v: &[f64; 2]| more(v), &x).unwrap_err();
        assert!(matches!(failure, Failure::Gradient { rule: Rule::Symmetric(_), .. }), "{failure}");
        let squared = |_: &[f64; 2], v: &[f64; 2]| of_normalised(&x, v).map(|g| g + 1e-14 / size * v[0] * v[0]);
        let failure = GradCheck::new().check_vjp(normalised, squared, &x).unwrap_err();
        assert!(matches!(failure, Failure::Gradient { rule: Rule::Combines(_), .. }), "{failure}");
    }
}

#[test]
fn values_that_f32_rounds_are_coarse_though_few_steps_of_it_are_seen() {
    // The slopes by the second number are too small to leave a step of f32, or leave a few.
    for small in [1e-3, 1e-5, 1e-6, 1e-7] {
        let f = |x: &[f64; 2]| f64::from((3.0 + x[0].sin() + small * x[1].cos()) as f32);
        let with = |factor: f64| {
            let gradient = |x: &[f64; 2]| [factor * x[0].cos(), -small * x[1].sin()];
            check_fn(f, gradient, &[0.7, 1.1]).unwrap_err().verdict()
        };
        assert_eq!((with(1.0), with(-1.0)), (Verdict::Coarse, Verdict::Wrong), "{small}");
    }
    // Rounding grows with the values: a square near its root.
    let f = |x: &[f64; 2]| x.map(|x| f64::from(((x as f32) - 1.0e6).powi(2)));
    let vjp = |x: &[f64; 2], dy: &[f64; 2]| [0, 1].map(|i| dy[i] * 2.0 * (x[i] - 1.0e6));
    let failure = GradCheck::new().check_vjp(f, vjp, &[1_002_212.3, 930_000.7]).unwrap_err();
    assert_eq!(failure.verdict(), Verdict::Coarse, "{failure}");
    let lost = |x: &[f64; 2], dy: &[f64; 2]| vjp(x, dy).map(|g| -g);
    assert_eq!(GradCheck::new().check_vjp(f, lost, &[1_002_212.3, 930_000.7]).unwrap_err().verdict(), Verdict::Wrong);
}

#[test]
fn many_bends_nearby_are_no_kink() {
    let x: Vec<f64> = (0..30_000).map(|i| 0.3 + 1.5 * (f64::from(i) * 0.618_034).fract()).collect();
    let huber = |x: &[f64]| x.iter().map(|&x| if x < 1.0 { x * x / 2.0 } else { x - 0.5 }).sum::<f64>();
    let gradient = |x: &[f64]| x.iter().map(|&x| x.min(1.0)).collect::<Vec<_>>();
    check_fn(huber, gradient, &x[..]).unwrap();
}

#[test]
fn kinks_of_plain_functions_are_kinks() {
    let f = |x: &[f64]| x.iter().map(|x| x.max(0.0)).sum::<f64>();
    let gradient = |x: &[f64]| x.iter().map(|&x| f64::from(x > 0.0)).collect::<Vec<_>>();
    let failure = check_fn(f, gradient, &[0.0, 1.0][..]).unwrap_err();
    assert_eq!((failure.entries().len(), failure.entries()[0].verdict), (1, Verdict::NotDifferentiable));
    assert_eq!(
        GradCheck::new().subgradients(true).check_fn(f, gradient, &[0.0, 1.0][..]).unwrap().subgradients.len(),
        1
    );
}

#[test]
fn vjps_of_functions_that_give_arrays() {
    let x = array![[1.0, 2.0], [-0.4, 0.2], [3.0, 0.1]];
    let w = array![[0.3, 1.0, -1.0], [-2.0, 0.5, 0.7]];
    let f = |x: &Array2<f64>| x.dot(&w);
    GradCheck::new().check_vjp(f, |_: &Array2<f64>, dy: &Array2<f64>| dy.dot(&w.t()), &x).unwrap();
    let squared = |_: &Array2<f64>, dy: &Array2<f64>| (dy * dy).dot(&w.t());
    let failure = GradCheck::new().check_vjp(f, squared, &x).unwrap_err();
    assert!(matches!(failure, Failure::Gradient { input: 0, rule: Rule::Combines(_) }), "{failure}");
    let failure = GradCheck::new().check_vjp(f, |_: &Array2<f64>, dy: &Array2<f64>| dy.dot(&w.t()).reversed_axes(), &x);
    assert!(matches!(failure, Err(Failure::Gradient { rule: Rule::Shape { .. }, .. })));
    let off_by_one = |_: &Array2<f64>, dy: &Array2<f64>| {
        let right = dy.dot(&w.t());
        Array2::from_shape_fn((3, 2), |(i, j)| right[[(i + 1) % 3, j]])
    };
    assert_eq!(GradCheck::new().check_vjp(f, off_by_one, &x).unwrap_err().entries()[0].verdict, Verdict::Wrong);
}

#[test]
fn products_with_a_hessian_are_slopes_and_symmetric() {
    let gradient = |x: &[f64; 2]| [2.0 * x[0] * x[1], x[0] * x[0]];
    let of = |product: fn(&[f64; 2], &[f64; 2]) -> [f64; 2]| check_hessian_vector(gradient, product, &[0.7, -1.1]);
    of(|x, v| [2.0 * (x[1] * v[0] + x[0] * v[1]), 2.0 * x[0] * v[0]]).unwrap();
    let lost = of(|x, v| [2.0 * x[1] * v[0], 2.0 * x[0] * v[0]]).unwrap_err();
    assert!(matches!(lost, Failure::Gradient { rule: Rule::Symmetric(_), .. }), "{lost}");
    assert!(lost.to_string().contains("is no product with a symmetric matrix"), "{lost}");
    let wrong = of(|x, v| [4.0 * (x[1] * v[0] + x[0] * v[1]), 4.0 * x[0] * v[0]]).unwrap_err();
    assert_eq!(wrong.entries()[0].verdict, Verdict::Wrong);
    let several = |x: &[Array2<f64>]| vec![x[1].clone(), x[0].clone()];
    let product = |_: &[Array2<f64>], v: &[Array2<f64>]| vec![v[1].clone(), v[0].clone()];
    check_hessian_vector(several, product, &[array![[1.0, 2.0]], array![[3.0, 4.0]]][..]).unwrap();
}

#[test]
fn threads_change_no_bit() {
    let x: Vec<f64> = (0..300).map(|i| f64::from(i * i).sin()).collect();
    let alone = GradCheck::new().check_fn(waves, of_waves, &x[..]).unwrap();
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (report, numbers) = pool.install(|| {
            let check = GradCheck::new().parallel();
            (check.check_fn(waves, of_waves, &x[..]).unwrap(), check.numeric_gradient(waves, &x[..]))
        });
        assert_eq!(report, alone);
        assert_eq!(numbers, numeric_gradient(waves, &x[..]));
    }
    let jacobian = |x: &[f64; 2]| [x[0].sin() * x[1], x[1].exp()];
    let at = [0.3, 1.2];
    assert_eq!(GradCheck::new().parallel().numeric_jacobian(jacobian, &at), numeric_jacobian(jacobian, &at));
    let vjp = |x: &[f64; 2], dy: &[f64; 2]| [dy[0] * x[0].cos() * x[1], dy[0] * x[0].sin() + dy[1] * x[1].exp()];
    let check = GradCheck::new();
    assert_eq!(check.clone().parallel().check_vjp(jacobian, vjp, &at), check.check_vjp(jacobian, vjp, &at));
    let product = |_: &[f64; 2], v: &[f64; 2]| [v[0] * 2.0, v[1] * 3.0];
    let gradient = |x: &[f64; 2]| [2.0 * x[0], 3.0 * x[1]];
    let alone = check.check_hessian_vector(gradient, product, &at);
    assert_eq!(check.parallel().check_hessian_vector(gradient, product, &at), alone);
    assert!(alone.is_ok());
}

#[test]
fn functions_in_f32_are_held_to_what_f32_can_tell() {
    type F = fn(f32) -> f32;
    let functions: [(F, F); 5] = [
        (f32::sin, f32::cos),
        (|x| x * x * x, |x| 3.0 * x * x),
        (f32::exp, f32::exp),
        (|x| 1.0 / x, |x| -1.0 / (x * x)),
        (|x| 7.0 * x - 3.0, |_| 7.0),
    ];
    for (number, (f, slope)) in functions.into_iter().enumerate() {
        for size in [1e-6f32, 1.0, 1e6] {
            for length in [1, 10, 1000] {
                let x: Vec<f32> = (0..length).map(|i| 0.3 + (i as f32 * 0.37).sin().abs()).collect();
                for check in [GradCheck::new(), GradCheck::new().directions(4)] {
                    let value = |x: &[f32]| x.iter().map(|&x| size * f(x)).sum::<f32>() / length as f32;
                    let with = |factor: f32| {
                        let gradient =
                            |x: &[f32]| x.iter().map(|&x| factor * size * slope(x) / length as f32).collect::<Vec<_>>();
                        check.check_fn(value, gradient, &x[..])
                    };
                    let right = with(1.0);
                    assert!(right.is_ok(), "{number}, {size:e}, {length}: {}", right.unwrap_err());
                    for wrong in [-1.0, 0.0, 2.0] {
                        let failure = with(wrong).expect_err("wrong");
                        assert_eq!(
                            failure.entries()[0].verdict,
                            Verdict::Wrong,
                            "{number}, {size:e}, {length}, {wrong}: {failure}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn estimates_know_how_far_they_are_off() {
    let x: Vec<f64> = (0..20).map(|i| 0.1 + f64::from(i)).collect();
    let found = numeric_gradient(waves, &x[..]);
    for ((value, error), right) in found.values.iter().zip(&found.errors).zip(of_waves(&x)) {
        assert!((value - right).abs() <= 4.0 * error && *error <= 1e-6, "{value} ± {error}, {right}");
    }
    assert!(found.evaluations > 120, "{found:?}");
    let kink = numeric_gradient(|x: &f64| x.abs(), &0.0);
    assert!(kink.values[[]].abs() < 1e-9 && (kink.errors[[]] - 1.0).abs() < 1e-6, "{kink:?}");
    let nowhere = numeric_gradient(|_: &f64| f64::NAN, &0.0);
    assert!(nowhere.values[[]].is_nan() && nowhere.errors[[]] == f64::INFINITY);
    let single = numeric_gradient(|x: &f32| x.sin(), &0.3);
    let off = (single.values[[]] - 0.3f64.cos()).abs();
    assert!(off <= 4.0 * single.errors[[]] && single.errors[[]] < 1e-3, "{single:?}");
}

#[test]
fn jacobians_and_products_have_their_shapes() {
    let w = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    let jacobian = numeric_jacobian(|x: &Array2<f64>| x.dot(&w), &Array2::ones((4, 2)));
    assert_eq!(jacobian.values.shape(), [4, 3, 4, 2]);
    assert!((jacobian.values[[2, 1, 2, 0]] - 2.0).abs() < 1e-9 && jacobian.values[[2, 1, 1, 0]].abs() < 1e-9);
    let several = numeric_jacobian(|x: &[Array2<f64>]| x[0].sum() * x[1].sum(), &[w.clone(), array![[3.0]]][..]);
    assert_eq!(several.values.shape(), [7]);
    // Of a direction of any size.
    for size in [1e-6, 1.0, 1e9] {
        let v = [size, 0.0, -2.0 * size];
        let product = hessian_vector(of_waves, &[0.3, 1.0, 2.0][..], &v[..]);
        let right = [-size * 0.3f64.sin(), 0.0, 6.0 * size * 2f64.sin()];
        for ((value, error), right) in product.values.iter().zip(&product.errors).zip(right) {
            assert!((value - right).abs() <= 4.0 * error && *error <= 1e-8 * size, "{value} ± {error}, {right}");
        }
    }
    let none = hessian_vector(of_waves, &[0.3][..], &[0.0][..]);
    assert_eq!((none.values[[0]], none.errors[[0]]), (0.0, 0.0));
}

/// The root of m³ + m = x by bisection to a tolerance.
fn bisected(x: f64, tolerance: f64) -> f64 {
    let (mut low, mut high) = (-10.0, 10.0);
    while high - low > tolerance {
        let middle = f64::midpoint(low, high);
        *(if middle.powi(3) + middle < x { &mut low } else { &mut high }) = middle;
    }
    f64::midpoint(low, high)
}

#[test]
fn a_wrong_gradient_of_a_coarse_function_is_not_called_right() {
    for tolerance in [1e-3, 3e-4, 1e-4, 1e-5, 1e-7] {
        for at in [1.7, 0.3, -2.9, 5.1, 11.3] {
            let with = |factor: f64| {
                let gradient = |x: &f64| factor / (3.0 * bisected(*x, tolerance).powi(2) + 1.0);
                check_fn(|x: &f64| bisected(*x, tolerance), gradient, &at)
            };
            let failure = with(1.3).unwrap_err();
            assert_ne!(failure.verdict(), Verdict::Coarse, "{tolerance}, {at}: {failure}");
            if tolerance < 5e-4 || at == 1.7 {
                assert_eq!(failure.verdict(), Verdict::Wrong, "{tolerance}, {at}: {failure}");
            }
            for factor in [1.0, 1.001, 1.01, 1.05, 1.1] {
                let Err(failure) = with(factor) else { continue };
                assert!(factor != 1.0 || failure.verdict() != Verdict::Wrong, "{tolerance}, {at}: {failure}");
                for entry in failure.entries().iter().filter(|entry| entry.verdict == Verdict::Coarse) {
                    assert!(entry.absolute_error() <= entry.tolerance, "{tolerance}, {at}, {factor}: {failure}");
                }
            }
        }
    }
}

#[test]
fn unwrap_panics_with_the_table() {
    let failure = check_fn(|x: &f64| x * x, |x: &f64| *x, &3.0).unwrap_err();
    assert_eq!(format!("{failure:?}"), failure.to_string());
    assert!(format!("{failure:?}").starts_with("wrong gradient: 1 of 1 slopes\n  where "));
    let report = check_fn(|x: &f64| x * x, |x: &f64| 2.0 * x, &3.0).unwrap();
    assert!(report.to_string().starts_with("1 slope agrees, "), "{report}");
}
