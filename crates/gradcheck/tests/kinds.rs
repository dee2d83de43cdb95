//! What the checker is to see, kind by kind.

use std::cell::Cell;

use impasto_gradcheck::{Fate, Function, GradCheck, Hint, Numbers, Verdict, check_fn, check_jvp};
use ndarray::{Array2, ArrayD, array};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn drawn(seed: u64, n: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random_range(0.3..1.7) * if rng.random() { 1.0 } else { -1.0 }).collect()
}

#[test]
fn directions_see_a_wrong_sign_beside_many_kinks() {
    // A lasso of 25 000 numbers, of which one in a hundred is 0.
    for seed in 0..1 {
        let w: Vec<f64> =
            drawn(seed, 25_000).into_iter().enumerate().map(|(i, w)| if i % 100 == 7 { 0.0 } else { w }).collect();
        let f = |w: &[f64]| w.iter().map(|w| w.abs() + 0.1 * w * w).sum::<f64>();
        let right =
            |w: &[f64]| -> Vec<f64> { w.iter().map(|w| if *w == 0.0 { 0.0 } else { w.signum() } + 0.2 * w).collect() };
        let wrong = |w: &[f64]| -> Vec<f64> {
            let flip = |(i, g): (usize, f64)| if i % 250 == 3 { -g } else { g };
            right(w).into_iter().enumerate().map(flip).collect()
        };
        // Outside of the slopes to both sides, at the kinks alone.
        let outside =
            |w: &[f64]| -> Vec<f64> { w.iter().zip(right(w)).map(|(w, g)| if *w == 0.0 { 1.5 } else { g }).collect() };
        let check = GradCheck::new().seed(seed).subgradients(true);
        check.check_fn(f, right, &w[..]).unwrap();
        assert_eq!(check.check_fn(f, wrong, &w[..]).unwrap_err().verdict(), Verdict::Wrong);
        assert_eq!(check.check_fn(f, outside, &w[..]).unwrap_err().verdict(), Verdict::Wrong);
    }
}

#[test]
fn directions_see_small_outputs_and_small_gradients() {
    let x = drawn(5, 300);
    // Outputs of very different size.
    let scale = |i: usize| if i.is_multiple_of(2) { 1.0 } else { 1e-7 };
    let f = |x: &[f64]| x.iter().enumerate().map(|(i, x)| scale(i) * x.sin()).collect::<Vec<_>>();
    let vjp = |factor: f64| {
        move |x: &[f64], dy: &Vec<f64>| {
            let wrong = |i: usize| if i.is_multiple_of(2) { 1.0 } else { factor };
            x.iter().zip(dy).enumerate().map(|(i, (x, dy))| wrong(i) * scale(i) * x.cos() * dy).collect::<Vec<_>>()
        }
    };
    GradCheck::new().check_vjp(f, vjp(1.0), &x[..]).unwrap();
    assert_eq!(GradCheck::new().check_vjp(f, vjp(1.1), &x[..]).unwrap_err().verdict(), Verdict::Wrong);
    // A number to which elements contribute very differently.
    let x = drawn(6, 30_000);
    let scale = |i: usize| if i.is_multiple_of(2) { 1.0 } else { 1e-6 };
    let f = |x: &[f64]| x.iter().enumerate().map(|(i, x)| scale(i) * x.sin()).sum::<f64>();
    let gradient = |factor: f64| {
        move |x: &[f64]| -> Vec<f64> {
            let wrong = |i: usize| if i.is_multiple_of(2) { 1.0 } else { factor };
            x.iter().enumerate().map(|(i, x)| wrong(i) * scale(i) * x.cos()).collect()
        }
    };
    check_fn(f, gradient(1.0), &x[..]).unwrap();
    assert_eq!(check_fn(f, gradient(1.1), &x[..]).unwrap_err().verdict(), Verdict::Wrong);
}

#[test]
fn hints_name_what_all_errors_have_in_common() {
    let x = drawn(1, 5);
    let hints = |gradient: &dyn Fn(&[f64]) -> Vec<f64>| {
        let f = |x: &[f64]| x.iter().enumerate().map(|(i, x)| (x * (1.0 + i as f64)).sin()).sum::<f64>();
        check_fn(f, gradient, &x[..]).unwrap_err().hints().to_vec()
    };
    let right = |x: &[f64]| -> Vec<f64> {
        x.iter().enumerate().map(|(i, x)| (1.0 + i as f64) * (x * (1.0 + i as f64)).cos()).collect()
    };
    let times = |factor: f64| hints(&move |x: &[f64]| right(x).into_iter().map(|g| factor * g).collect());
    for factor in [-1.0, 2.0, 0.5] {
        assert_eq!(times(factor), [Hint::Factor { input: None, factor, counts: None }]);
    }
    assert!(
        times(0.2)[0].to_string().ends_with("divided by 5, the number of the input's elements"),
        "{:?}",
        times(0.2)
    );
    assert!(times(5.0)[0].to_string().contains("are 5 times the right ones, the number of"));
    assert_eq!(times(0.0), [Hint::Zero { input: 0 }]);
    let shifted = |by: usize| {
        hints(&move |x: &[f64]| {
            let mut g = right(x);
            g.rotate_right(by);
            g
        })
    };
    assert_eq!(shifted(1), [Hint::Shifted { input: 0, by: 1 }]);
    assert_eq!(shifted(4), [Hint::Shifted { input: 0, by: -1 }]);
    assert_eq!(hints(&|x| right(x).into_iter().map(|g| f64::from(g as f32)).collect()), [Hint::SinglePrecision]);
    let near = hints(&|x| right(x).into_iter().enumerate().map(|(i, g)| g * (1.0 + 1e-6 * (1.0 + i as f64))).collect());
    assert!(matches!(near[..], [Hint::Tolerance { error }] if (1e-6..1e-5).contains(&error)), "{near:?}");
    assert!(near[0].to_string().contains("rtol 1e-5 accepts it"), "{}", near[0]);
    // What is wrong in one place alone has nothing in common.
    assert!(
        hints(&|x| {
            let mut g = right(x);
            g[2] += 0.3;
            g
        })
        .is_empty()
    );
}

#[test]
fn hints_tell_transposed_and_swapped() {
    let a = array![[0.3, 1.0, -0.7], [0.9, -0.2, 0.4], [1.1, 0.6, 0.8]];
    let b = array![[0.1, -1.2, 0.5], [0.7, 0.3, -0.4], [-0.9, 0.2, 0.6]];
    let f = |x: &[Array2<f64>]| (x[0].mapv(f64::sin) * &x[1]).sum() + 2.0 * x[0][[0, 1]];
    let right = |x: &[Array2<f64>]| {
        let mut first = x[0].mapv(f64::cos) * &x[1];
        first[[0, 1]] += 2.0;
        vec![first, x[0].mapv(f64::sin)]
    };
    let at = [a, b];
    check_fn(f, right, &at[..]).unwrap();
    let transposed = check_fn(
        f,
        |x: &[Array2<f64>]| {
            let [first, second] = <[_; 2]>::try_from(right(x)).unwrap();
            vec![first.reversed_axes().as_standard_layout().into_owned(), second]
        },
        &at[..],
    )
    .unwrap_err();
    assert_eq!(transposed.hints(), [Hint::Transposed { input: 0 }]);
    assert!(transposed.named(&["w".into(), "b".into()]).contains("the gradient of w is transposed"));
    let swapped = check_fn(
        f,
        |x: &[Array2<f64>]| {
            let mut both = right(x);
            both.swap(0, 1);
            both
        },
        &at[..],
    )
    .unwrap_err();
    assert_eq!(swapped.hints(), [Hint::Swapped { inputs: [0, 1] }]);
}

#[test]
fn evaluations_that_differ_may_be_allowed_for() {
    let calls = Cell::new(0.0f64);
    let f = |x: &[f64]| {
        calls.set(calls.get() + 1.0);
        (x[0] * x[1]).sin() * (1.0 + 1e-11 * (7.7 * calls.get()).sin())
    };
    let with = |factor: f64| move |x: &[f64]| vec![factor * x[1] * (x[0] * x[1]).cos(), x[0] * (x[0] * x[1]).cos()];
    let x = [0.4, 1.3];
    let said = check_fn(f, with(1.0), &x[..]).unwrap_err().to_string();
    assert!(said.contains("differ, first at the value: by ") && said.contains("e-1"), "{said}");
    let check = GradCheck::new().nondeterminism(1e-10);
    check.check_fn(f, with(1.0), &x[..]).unwrap();
    assert_eq!(check.check_fn(f, with(1.01), &x[..]).unwrap_err().verdict(), Verdict::Wrong);
    assert!(GradCheck::new().nondeterminism(1e-13).check_fn(f, with(1.0), &x[..]).is_err());
}

#[test]
fn forward_products_are_checked() {
    let f = |x: &[f64]| vec![(x[0] * x[1]).sin(), x[2].exp() * x[0], 3.0];
    let jvp = |x: &[f64], u: &[f64]| {
        vec![(x[0] * x[1]).cos() * (u[0] * x[1] + x[0] * u[1]), x[2].exp() * (u[2] * x[0] + u[0]), 0.0]
    };
    let x = [0.4, -1.3, 0.2];
    assert_eq!(check_jvp(f, jvp, &x[..]).unwrap().compared, 9);
    let lost = |x: &[f64], u: &[f64]| vec![jvp(x, u)[0], x[2].exp() * u[2] * x[0], 0.0];
    let failure = check_jvp(f, lost, &x[..]).unwrap_err();
    assert_eq!((failure.verdict(), failure.entries().len()), (Verdict::Wrong, 1), "{failure}");
    assert!(failure.to_string().contains("input 0[0] → [1]"), "{failure}");
    let squared = |x: &[f64], u: &[f64]| jvp(x, u).into_iter().map(|y| y * y.abs()).collect::<Vec<_>>();
    assert!(check_jvp(f, squared, &x[..]).unwrap_err().to_string().contains("is not linear"));
    assert!(check_jvp(f, |_: &[f64], u: &[f64]| u[..2].to_vec(), &x[..]).is_err());
    // Along directions.
    let x = drawn(3, 400);
    let f = |x: &[f64]| x.iter().map(|x| x.tanh()).collect::<Vec<_>>();
    let with = |factor: f64| {
        move |x: &[f64], u: &[f64]| {
            x.iter()
                .zip(u)
                .enumerate()
                .map(|(i, (x, u))| if i == 7 { factor } else { 1.0 } * u / x.cosh().powi(2))
                .collect::<Vec<_>>()
        }
    };
    check_jvp(f, with(1.0), &x[..]).unwrap();
    assert_eq!(check_jvp(f, with(1.01), &x[..]).unwrap_err().verdict(), Verdict::Wrong);
}

#[test]
fn structured_inputs_move_as_they_are_allowed_to() {
    // Rotations of the plane: f is not defined beside them.
    let f = |r: &[f64; 4]| {
        let off = (r[0] * r[3] - r[1] * r[2] - 1.0).abs() + (r[0] - r[3]).abs();
        if off > 1e-9 { f64::NAN } else { 3.0 * r[0] + 0.5 * r[1] * r[1] }
    };
    let gradient = |factor: f64| move |r: &[f64; 4]| [3.0 * factor, r[1], 0.0, 0.0];
    let rotation = |t: &[f64]| {
        let (sin, cos) = (0.7 + t[0]).sin_cos();
        [cos, -sin, sin, cos]
    };
    GradCheck::new().check_fn_on(f, gradient(1.0), rotation, 1).unwrap();
    assert_eq!(GradCheck::new().check_fn_on(f, gradient(1.1), rotation, 1).unwrap_err().verdict(), Verdict::Wrong);
    assert!(check_fn(f, gradient(1.0), &rotation(&[0.0])).is_err());
}

/// A function that takes many points at once, and counts questions and evaluations.
struct Counted {
    questions: Cell<usize>,
    evaluations: Cell<usize>,
    single: bool,
    lines: Cell<(usize, usize)>,
}

impl Counted {
    fn new(single: bool) -> Self {
        Self { questions: Cell::new(0), evaluations: Cell::new(0), single, lines: Cell::new((0, 0)) }
    }

    fn at(&self, x: &ArrayD<f64>) -> ArrayD<f64> {
        self.evaluations.set(self.evaluations.get() + 1);
        if self.single {
            f64::from(x.iter().map(|x| (*x as f32).sin()).sum::<f32>()).arrays().remove(0)
        } else {
            x.iter().map(|x| x.sin()).sum::<f64>().arrays().remove(0)
        }
    }
}

impl Function for Counted {
    fn unit(&self) -> f64 {
        if self.single { f32::EPSILON.into() } else { f64::EPSILON }
    }

    fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
        self.questions.set(self.questions.get() + 1);
        self.at(&inputs[0])
    }

    fn pull_back(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>> {
        vec![inputs[0].mapv(f64::cos) * cotangent.sum()]
    }

    fn batch(&self) -> usize {
        64
    }

    fn values(&self, points: &[Vec<ArrayD<f64>>]) -> Vec<ArrayD<f64>> {
        self.questions.set(self.questions.get() + 1);
        points.iter().map(|point| self.at(&point[0])).collect()
    }

    fn progress(&self, done: usize, all: usize) {
        assert!(done <= all);
        self.lines.set((done, all));
    }
}

#[test]
fn an_element_takes_few_questions_and_in_f32_at_most_sixty_evaluations() {
    let x = vec![ArrayD::from_shape_vec(vec![100], drawn(2, 100)).unwrap()];
    let double = Counted::new(false);
    GradCheck::new().check_function(&double, &x).unwrap();
    // One question for the first eight points, and one more for each further step.
    assert!(double.questions.get() < 250 && double.evaluations.get() <= 1050, "{}", double.evaluations.get());
    assert_eq!(double.lines.get(), (100, 100));
    let single = Counted::new(true);
    let x = vec![x[0].mapv(|x| f64::from(x as f32))];
    GradCheck::new().check_function(&single, &x).unwrap();
    assert!(single.evaluations.get() <= 100 * 60 + 20, "{}", single.evaluations.get());
}

#[test]
fn a_sample_compares_some_elements_and_directions() {
    let x = vec![ArrayD::from_shape_vec(vec![1000], drawn(2, 1000)).unwrap()];
    let f = Counted::new(false);
    let report = GradCheck::new().sample(30).check_function(&f, &x).unwrap();
    assert_eq!(report.compared, 30 + 8);
    assert!(f.evaluations.get() < 600, "{}", f.evaluations.get());
}

#[test]
fn the_steps_of_a_slope_are_explained() {
    let x = vec![ArrayD::from_shape_vec(vec![3], vec![0.3, 1.0, -0.7]).unwrap()];
    let (found, rows) = GradCheck::new().explain(&Counted::new(false), &x, [0, 1, 0]);
    assert!((found.value - 1f64.cos()).abs() <= 4.0 * found.error && found.error < 1e-9, "{found:?}");
    assert_eq!(rows.iter().filter(|row| row.fate == Fate::Believed).count(), 1);
    assert!(rows.windows(2).all(|pair| pair[1].step < pair[0].step) && rows.len() >= 12);
}

#[test]
fn what_is_not_defined_beside_the_point_is_told_from_what_is_uncertain() {
    // √x at 0 from the right has no slope.
    let failure = check_fn(|x: &f64| x.sqrt(), |_: &f64| 1.0, &0.0).unwrap_err();
    assert!(failure.verdict() != Verdict::Agrees);
    let nowhere = check_fn(|x: &f64| if *x == 0.5 { 1.0 } else { f64::NAN }, |_: &f64| 1.0, &0.5).unwrap_err();
    assert!(nowhere.to_string().contains("not defined at any pair of points around this one"), "{nowhere}");
}
