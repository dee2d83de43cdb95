//! Operations that are wrong in every way that there is, and what is said of them.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{ArrayD, IxDyn, arr0, array};

use super::*;
use crate::ops;
use crate::tape::{Cotangents, Tensor, Var};

/// y = f(x), element by element, with the given VJP.
fn map<'t>(
    name: &'static str,
    x: &Var<'t, f64>,
    f: fn(f64) -> f64,
    vjp: impl FnOnce(&ArrayD<f64>, Tensor<f64>, &mut Cotangents<'_, f64>) + 'static,
) -> Var<'t, f64> {
    let kept = x.value().clone();
    x.tape().record(name, &[x], x.value().mapv(f), 0, move |dy, inputs| vjp(&kept, dy, inputs))
}

fn input() -> [ArrayD<f64>; 1] {
    [array![0.3, -1.2, 2.0].into_dyn()]
}

/// The only culprit of a failure that is about slopes.
fn culprit(failure: &Failure) -> &Culprit {
    match failure {
        Failure::Slopes { culprits, .. } if culprits.len() == 1 => &culprits[0],
        _ => panic!("{failure:?}"),
    }
}

#[test]
fn a_right_gradient_passes_in_every_mode_and_reports_what_was_done() {
    let inputs = input();
    let check = |check: GradCheck| check.check(|_, x| ops::sum(&ops::square(&x[0])), &inputs).unwrap();
    let all = check(GradCheck::new());
    assert_eq!((all.compared, all.operations, all.single.clone()), (3, 2, None));
    assert!(all.evaluations >= 3 * 6 && all.worst.as_ref().unwrap().relative_error() < 1e-11, "{all:?}");
    assert_eq!(all.to_string().split(',').next(), Some("3 slopes agree"));
    let some = check(GradCheck::new().directions(5).seed(3));
    assert_eq!(some.compared, 5);
    assert!(matches!(some.worst.as_ref().unwrap().place, Place::Direction(0..5)));
    assert_eq!(some, check(GradCheck::new().directions(5).seed(3)));
    assert_ne!(some, check(GradCheck::new().directions(5).seed(4)));
}

#[test]
fn large_jacobians_are_compared_along_directions_unless_all_is_asked_for() {
    let x = [ArrayD::from_shape_fn(IxDyn(&[150]), |i| (i[0] as f64).sin())];
    let compared = |check: GradCheck| check.check(|_, x| ops::square(&x[0]), &x).unwrap().compared;
    assert_eq!(compared(GradCheck::new()), 8);
    assert_eq!(compared(GradCheck::new().every_element()), 150 * 150);
    let half = || ArrayD::from_shape_fn(IxDyn(&[100]), |i| (i[0] as f64).cos());
    let at_the_limit = GradCheck::new().check(|_, x| ops::square(&x[0]), &[half(), half()]).unwrap();
    assert_eq!(at_the_limit.compared, 20_000);
    let x = [ArrayD::from_shape_fn(IxDyn(&[141]), |i| (i[0] as f64).sin())];
    assert_eq!(GradCheck::new().check(|_, x| ops::square(&x[0]), &x).unwrap().compared, 141 * 141);
}

#[test]
fn a_wrong_sign_is_named_with_place_and_numbers() {
    for check in [GradCheck::new(), GradCheck::new().directions(2)] {
        let failure = check
            .check(
                |_, x| {
                    let wrong = map("cos", &x[0], f64::cos, |x, dy, inputs| inputs.add(0, &*dy * &x.mapv(f64::sin)));
                    ops::sum(&ops::square(&wrong))
                },
                &input(),
            )
            .unwrap_err();
        let culprit = culprit(&failure);
        assert_eq!((culprit.operation, culprit.node, culprit.input), ("cos", 1, Some(0)));
        let text = failure.to_string();
        assert!(
            text.contains("the VJP of `cos` (node 1, for input 0)") && text.contains("the sign is wrong"),
            "{text}"
        );
        let worst = &failure.entries()[0];
        assert_eq!(worst.verdict, Verdict::Wrong);
        assert!(text.starts_with("wrong gradient: ") && text.contains(&format!("{:.7e}", worst.numeric)), "{text}");
        assert!((worst.analytic + worst.numeric).abs() < 1e-9, "{worst:?}");
        assert!((worst.relative_error() * worst.scale / worst.numeric.abs() - 2.0).abs() < 1e-9, "{worst:?}");
        if let Place::Element { input, output } = &worst.place {
            let x: f64 = [0.3, -1.2, 2.0][input[0]];
            assert!((worst.numeric + (2.0 * x).sin()).abs() < 1e-9 && output.is_empty(), "{worst:?}");
            assert_eq!(failure.entries().len(), 3);
            let badness = |entry: &Entry| entry.absolute_error() / entry.tolerance;
            assert!(failure.entries().is_sorted_by(|a, b| badness(a) >= badness(b)));
        }
    }
}

#[test]
fn factors_and_forgotten_gradients_are_told() {
    let with = |factor: f64| {
        let check = GradCheck::new().check(
            |_, x| {
                map(
                    "third",
                    &x[0],
                    |x| x / 3.0,
                    move |_, dy, inputs| {
                        if factor > 0.0 {
                            inputs.add(0, dy.mapv(|dy| dy * factor / 3.0));
                        }
                    },
                )
            },
            &input(),
        );
        check.map_err(|failure| failure.to_string())
    };
    assert!(with(1.0).is_ok());
    assert!(with(2.0).unwrap_err().contains(": twice as much"));
    assert!(with(0.5).unwrap_err().contains(": half as much"));
    assert!(with(0.0).unwrap_err().contains(": no gradient at all"));
    let text = with(1.0 + 1e-6).unwrap_err();
    assert!(text.contains("the VJP of `third`") && !text.contains("as much"), "{text}");
}

#[test]
fn of_several_inputs_the_wrong_one_is_told() {
    let failure = GradCheck::new()
        .check(
            |tape, x| {
                let (a, b) = (x[0].value().clone(), x[1].value().clone());
                tape.record("product", &[&x[0], &x[1]], &*a * &*b, 0, move |dy, inputs| {
                    inputs.add(0, &*dy * &*b);
                    inputs.add(1, &*dy * &*a * 3.0);
                })
            },
            &[array![1.0, 2.0].into_dyn(), array![3.0, -4.0].into_dyn()],
        )
        .unwrap_err();
    assert_eq!(culprit(&failure).input, Some(1));
    assert!(failure.entries().iter().all(|entry| entry.input == 1));
    let failure = GradCheck::new()
        .check(
            |tape, x| {
                let (a, b, c) = (x[0].value().clone(), x[1].value().clone(), x[2].value().clone());
                tape.record("multiply_add", &[&x[0], &x[1], &x[2]], &*a * &*b + &*c, 0, move |dy, inputs| {
                    inputs.add(0, &*dy * &*b);
                    inputs.add(1, &*dy * &*a);
                    inputs.add(2, dy.mapv(|dy| -dy));
                })
            },
            &[array![1.0, 2.0].into_dyn(), array![3.0, -4.0].into_dyn(), array![0.5, 0.7].into_dyn()],
        )
        .unwrap_err();
    assert_eq!(culprit(&failure).input, Some(2));
}

#[test]
fn a_value_that_was_detached_is_told() {
    let failure = GradCheck::new().check(|_, x| ops::mul(&x[0], &ops::square(&x[0]).detached()), &input()).unwrap_err();
    let culprit = culprit(&failure);
    assert_eq!((culprit.operation, culprit.input, culprit.fault), ("mul", Some(1), Fault::Detached));
    assert!(failure.to_string().contains("reads a constant that changes with the inputs"), "{failure}");
}

#[test]
fn a_kink_is_named_and_is_not_called_wrong() {
    let x = [array![0.0, 1.0].into_dyn()];
    let failure = GradCheck::new().check(|_, x| ops::scale(&ops::relu(&x[0]), 3.0), &x).unwrap_err();
    let entry = &failure.entries()[0];
    assert_eq!((failure.entries().len(), entry.verdict), (1, Verdict::NotDifferentiable));
    assert_eq!(entry.place, Place::Element { input: vec![0], output: vec![0] });
    assert!(entry.sides[0].abs() < 1e-9 && (entry.sides[1] - 3.0).abs() < 1e-9, "{entry:?}");
    let fault = culprit(&failure);
    assert!(fault.operation == "relu" && matches!(fault.fault, Fault::Kink { .. }), "{fault:?}");
    assert!(failure.to_string().starts_with("not differentiable here: 1 of 4 slopes"), "{failure}");
    assert!(failure.to_string().contains("  not differentiable here: "), "{failure}");
    let report = GradCheck::new().subgradients(true).check(|_, x| ops::relu(&x[0]), &x).unwrap();
    assert_eq!(report.subgradients.len(), 1);
    assert!(report.to_string().contains("; 1 lie at kinks"));
}

#[test]
fn at_a_kink_a_slope_beyond_both_sides_is_wrong() {
    let x = [arr0(0.0).into_dyn()];
    let failure = GradCheck::new()
        .subgradients(true)
        .check(|_, x| map("abs", &x[0], f64::abs, |_, dy, inputs| inputs.add(0, dy.mapv(|dy| 1.5 * dy))), &x)
        .unwrap_err();
    assert_eq!(failure.entries()[0].verdict, Verdict::Wrong);
    let edge = |slope: f64| {
        let check = GradCheck::new().subgradients(true);
        check.check(
            |_, x| map("abs", &x[0], f64::abs, move |_, dy, inputs| inputs.add(0, dy.mapv(|dy| slope * dy))),
            &[arr0(0.0).into_dyn()],
        )
    };
    assert!(edge(1.0).is_ok() && edge(-1.0).is_ok() && edge(0.3).is_ok());
}

#[test]
fn nan_in_the_value_names_the_first_operation_that_makes_it() {
    let x = [array![1.0, -1.0].into_dyn()];
    let failure = GradCheck::new()
        .check(
            |_, x| ops::square(&map("ln", &ops::scale(&x[0], 2.0), f64::ln, |x, dy, inputs| inputs.add(0, &*dy / x))),
            &x,
        )
        .unwrap_err();
    assert_eq!(failure.operations(), ["ln"]);
    assert!(matches!(&failure, Failure::NotFinite { index, .. } if index[..] == [1]), "{failure:?}");
    let beside = [array![1.0, 1e-4].into_dyn()];
    GradCheck::new()
        .check(|_, x| map("ln", &x[0], f64::ln, |x, dy, inputs| inputs.add(0, &*dy / x)), &beside)
        .expect("steps out of the domain are passed over");
}

#[test]
fn nan_in_the_gradient_is_wrong() {
    let failure = GradCheck::new()
        .check(|_, x| map("odd", &x[0], |x| x, |_, dy, inputs| inputs.add(0, dy.mapv(|dy| dy / 0.0))), &input())
        .unwrap_err();
    // 0/0, where the cotangent is zero.
    assert!(matches!(failure, Failure::Vjp { rule: Rule::Linear(_), .. }), "{failure:?}");
    let failure = GradCheck::new()
        .check(
            |_, x| {
                map(
                    "odd",
                    &x[0],
                    |x| x,
                    |_, dy, inputs| {
                        inputs.add(0, dy.mapv(|dy| if dy == 0.0 { 0.0 } else { f64::NAN }));
                    },
                )
            },
            &input(),
        )
        .unwrap_err();
    assert!(matches!(failure, Failure::Vjp { rule: Rule::Finite { .. }, .. }), "{failure:?}");
    assert_eq!((failure.verdict(), failure.operations()), (Verdict::Wrong, vec!["odd"]));
}

#[test]
fn a_function_that_changes_is_told() {
    let calls = Rc::new(Cell::new(0.0));
    let failure = GradCheck::new()
        .check(
            |_, x| {
                calls.set(calls.get() + 1.0);
                ops::square(&ops::scale(&x[0], calls.get()))
            },
            &input(),
        )
        .unwrap_err();
    assert!(matches!(&failure, Failure::ValueChanges { place, .. } if place == "`scale` (node 1)"), "{failure}");
    assert!(failure.operations().is_empty());
    let calls = Cell::new(0);
    let failure = GradCheck::new()
        .check(
            |_, x| {
                calls.set(calls.get() + 1);
                let y = ops::square(&x[0]);
                if calls.get() % 2 == 0 { ops::scale(&y, 1.0) } else { y }
            },
            &input(),
        )
        .unwrap_err();
    assert!(
        matches!(&failure, Failure::ValueChanges { place, .. } if place == "the number of operations"),
        "{failure}"
    );
}

/// What is said of y = x with the given VJP.
fn rule(vjp: impl Fn(Tensor<f64>, &mut Cotangents<'_, f64>) + Clone + 'static) -> Rule {
    let result = GradCheck::new().check(
        |_, x| {
            let vjp = vjp.clone();
            let twice = ops::scale(&x[0], 2.0);
            let y = map("same", &twice, |x| x, move |_, dy, inputs| vjp(dy, inputs));
            ops::sum(&y)
        },
        &input(),
    );
    match result {
        Err(Failure::Vjp { operation: "same", node: 2, input: 0, rule }) => rule,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_that_every_vjp_must_keep_are_checked() {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let shape = rule(|dy, inputs| inputs.add(0, dy.reshaped(&[1, 3])));
    assert_eq!(shape, Rule::Shape { expected: vec![3], found: vec![1, 3] });
    assert_eq!(rule(|dy, inputs| inputs.add(0, dy.mapv(|dy| dy + 0.5))), Rule::Linear(0.5));
    let random = |dy: Tensor<f64>, inputs: &mut Cotangents<'_, f64>| {
        let noise = 1.0 + 1e-14 * CALLS.fetch_add(1, Ordering::Relaxed) as f64;
        inputs.add(0, dy.mapv(|dy| dy * noise));
    };
    assert_eq!(rule(random), Rule::Repeatable);
    assert_eq!(rule(|dy, inputs| inputs.write(0, |mut dx, _| dx.assign(&*dy))), Rule::Accumulates);
    let almost = |dy: Tensor<f64>, inputs: &mut Cotangents<'_, f64>| {
        inputs.write(0, |mut dx, add| if add { dx.scaled_add(1.001, &*dy) } else { dx.assign(&*dy) });
    };
    assert_eq!(rule(almost), Rule::Accumulates);
    let text = Failure::Vjp { operation: "same", node: 2, input: 0, rule: Rule::Accumulates }.to_string();
    assert!(text.starts_with("the VJP of `same` (node 2, input 0) does not add"), "{text}");
}

#[test]
fn large_gradients_may_round_as_they_are_added() {
    let two_parts = |_: &ArrayD<f64>, dy: Tensor<f64>, inputs: &mut Cotangents<'_, f64>| {
        inputs.add(0, dy.mapv(|dy| dy * 3e11));
        inputs.add(0, dy.mapv(|dy| dy * 7e11));
    };
    let report = GradCheck::new().check(|_, x| map("large", &x[0], |x| 1e12 * x, two_parts), &input());
    assert!(report.is_ok(), "{report:?}");
}

#[test]
fn where_rounding_drowns_the_slope_nothing_is_claimed() {
    let f = |shift: f64| {
        GradCheck::new().check(
            |tape, x| {
                let far = ops::add(&x[0], &tape.constant(arr0(shift)));
                ops::mul(&far, &tape.constant(arr0(1.0 / 3.0)))
            },
            &[array![0.3, 0.7].into_dyn()],
        )
    };
    assert!(f(1.0).is_ok());
    let failure = f(1e12).unwrap_err();
    assert_eq!(failure.entries()[0].verdict, Verdict::Undecided);
    assert!(failure.to_string().starts_with("the numeric slopes are too uncertain"), "{failure}");
    assert!(failure.to_string().contains("undecided: the numeric slope is uncertain by"), "{failure}");
}

#[test]
fn tolerances_and_steps_are_those_asked_for() {
    // A gradient that is off by 1e-5.
    let off = |check: GradCheck| {
        check.check(
            |_, x| map("near", &x[0], |x| x, |_, dy, inputs| inputs.add(0, dy.mapv(|dy| dy * (1.0 + 1e-5)))),
            &[arr0(1.0).into_dyn()],
        )
    };
    assert!(off(GradCheck::new()).is_err() && off(GradCheck::new().rtol(1e-6)).is_err());
    let entry = off(GradCheck::new().rtol(1e-4)).unwrap().worst.unwrap();
    assert!((entry.tolerance / 1e-4 - 1.0).abs() < 1e-4 && (entry.absolute_error() - 1e-5).abs() < 1e-9, "{entry:?}");
    assert!(off(GradCheck::new().atol(2e-5)).is_ok());
    // A step that leaps over the only place where the function is not constant.
    let bump = |check: GradCheck| {
        check.check(
            |_, x| map("bump", &x[0], |x| (-1e8 * x * x).exp(), |x, dy, inputs| inputs.add(0, &*dy * x * 0.0)),
            &[arr0(1e-4).into_dyn()],
        )
    };
    assert!(bump(GradCheck::new()).is_err());
    assert!(bump(GradCheck::new().eps(1e-5)).is_err());
    // It leaps over it, but what it says must be confirmed nearby.
    assert!(bump(GradCheck::new().eps(1e6)).is_err());
}

#[test]
fn an_input_that_does_not_matter_has_gradient_zero() {
    let inputs = [array![1.0, 2.0].into_dyn(), array![5.0].into_dyn(), ArrayD::zeros(IxDyn(&[0]))];
    let report = GradCheck::new().check(|_, x| ops::square(&x[0]), &inputs).unwrap();
    assert_eq!(report.compared, 2 * 3);
    let report = GradCheck::new().check(|tape, _| tape.constant(array![1.0, 2.0]), &inputs).unwrap();
    assert_eq!((report.compared, report.operations), (6, 0));
    // An input without elements has no directions.
    let report = GradCheck::new().directions(2).check(|_, x| ops::square(&x[0]), &inputs).unwrap();
    assert_eq!(report.compared, 4);
}

#[test]
fn the_gradient_in_single_precision_is_compared() {
    let inputs = [array![[0.1, 20.0], [-3.0, 0.7]].into_dyn()];
    let check = GradCheck::new();
    let report = check.check_with_f32(|_, x| ops::square(&x[0]), |_, x| ops::square(&x[0]), &inputs).unwrap();
    let single = report.single.clone().unwrap();
    assert!(single.relative_error < 1e-6 && single.tolerance == 1e-4, "{single:?}");
    assert!(report.to_string().contains("; f32 within"));
    let other = |check: GradCheck| {
        check.check_with_f32(|_, x| ops::square(&x[0]), |_, x| ops::scale(&ops::square(&x[0]), 1.001), &inputs)
    };
    let failure = other(check.clone()).unwrap_err();
    let Failure::SinglePrecision(found) = &failure else { panic!("{failure:?}") };
    assert!((found.relative_error - 1e-3).abs() < 1e-5, "{found:?}");
    assert!(failure.to_string().starts_with("the f32 gradient of input 0 at ["), "{failure}");
    assert!(other(check.clone().single_tolerance(1e-2)).is_ok());
    let equals = [array![1.0, 1.0].into_dyn()];
    let failure = check.check_with_f32(|_, x| ops::sum(&x[0]), |_, x| ops::scale(&ops::sum(&x[0]), 2.0), &equals);
    assert!(matches!(failure, Err(Failure::SinglePrecision(first)) if first.index == [0]));
    let exact = check.clone().single_tolerance(0.0);
    assert!(exact.check_with_f32(|_, x| ops::sum(&x[0]), |_, x| ops::sum(&x[0]), &inputs).is_ok());
    let nan = check.check_with_f32(|_, x| ops::sum(&x[0]), |_, x| ops::scale(&ops::sum(&x[0]), f64::NAN), &inputs);
    assert!(matches!(nan, Err(Failure::SinglePrecision(found)) if found.relative_error == f64::INFINITY));
}

#[test]
#[should_panic(expected = "gradcheck: eps is 0, but a step is a positive number")]
fn a_step_of_zero_is_refused() {
    let _ = GradCheck::new().eps(0.0);
}

#[test]
#[should_panic(expected = "gradcheck: atol is -1, but a tolerance is 0 or more")]
fn a_negative_atol_is_refused() {
    let _ = GradCheck::new().atol(-1.0);
}

#[test]
#[should_panic(expected = "gradcheck: rtol is NaN, but a tolerance is 0 or more")]
fn a_nan_rtol_is_refused() {
    let _ = GradCheck::new().rtol(f64::NAN);
}

#[test]
#[should_panic(expected = "gradcheck: the f32 tolerance is -1, but a tolerance is 0 or more")]
fn a_negative_f32_tolerance_is_refused() {
    let _ = GradCheck::new().single_tolerance(-1.0);
}

#[test]
#[should_panic(expected = "gradcheck: at least one direction is needed")]
fn no_direction_is_no_check() {
    let _ = GradCheck::new().directions(0);
}

#[test]
fn evaluations_are_counted() {
    // The least number of rows is enough for a linear function: three, of two evaluations each, and a small one that confirms
    // what they say.
    let count = |check: GradCheck| check.check(|_, x| ops::scale(&x[0], 2.0), &input()).unwrap().evaluations;
    assert_eq!(count(GradCheck::new()), 2 * 3 + 3 * 8);
    // The second direction counts outputs alike, whose sizes take another eight.
    assert_eq!(count(GradCheck::new().directions(2)), 2 + 2 * 8 + 8);
}

#[test]
fn long_lists_are_cut() {
    let text = |elements: usize| {
        let x = [ArrayD::from_elem(IxDyn(&[elements]), 1.0)];
        let check = GradCheck::new().check(|_, x| ops::sum(&map("lost", &x[0], |x| x, |_, _, _| ())), &x);
        check.unwrap_err().to_string()
    };
    assert!(!text(8).contains("more"));
    assert!(text(9).contains("\n  … and 1 more"), "{}", text(9));
}

#[test]
fn a_gradient_that_changes_later_is_told() {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let failure = GradCheck::new()
        .check(
            |_, x| {
                map(
                    "fickle",
                    &x[0],
                    |x| x,
                    |_, dy, inputs| {
                        // The rules take eight evaluations, and whether all is finite one.
                        let changed = CALLS.fetch_add(1, Ordering::Relaxed) > 9;
                        inputs.add(0, dy.mapv(|dy| if changed { 2.0 * dy } else { dy }));
                    },
                )
            },
            &input(),
        )
        .unwrap_err();
    assert!(matches!(&failure, Failure::ValueChanges { place, .. } if place == "the gradient of input 0"), "{failure}");
}

#[test]
fn an_operation_that_becomes_a_variable_is_told() {
    let calls = Cell::new(0);
    let failure = GradCheck::new()
        .check(
            |tape, x| {
                calls.set(calls.get() + 1);
                if calls.get() % 2 == 1 {
                    ops::square(&x[0])
                } else {
                    tape.variable(ops::square(&x[0].detached()).value())
                }
            },
            &input(),
        )
        .unwrap_err();
    assert!(matches!(&failure, Failure::ValueChanges { place, .. } if place == "`square` (node 1)"), "{failure}");
}

#[test]
fn at_a_curved_kink_each_side_is_a_subgradient() {
    for slope in [1.0, 3.0] {
        let report = GradCheck::new().subgradients(true).check(
            |_, x| {
                let curve = |x: f64| if x < 0.0 { x.exp() } else { 1.0 + 3.0 * x.sin() };
                map("curve", &x[0], curve, move |_, dy, inputs| inputs.add(0, dy.mapv(|dy| slope * dy)))
            },
            &[arr0(0.0).into_dyn()],
        );
        assert_eq!(report.unwrap().subgradients.len(), 1);
    }
}

/// What is said of an operation that works element by element.
fn verdict(
    check: GradCheck,
    x: ArrayD<f64>,
    f: fn(f64) -> f64,
    slope: impl Fn(f64) -> f64 + Copy + 'static,
) -> Result<Report, Failure> {
    check.check(|_, v| map("it", &v[0], f, move |x, dy, inputs| inputs.add(0, &*dy * &x.mapv(slope))), &[x])
}

#[test]
fn a_vjp_that_is_not_linear_is_named() {
    let vjps: [(&str, fn(f64) -> f64); 4] = [
        ("squared", |dy| 2.0 * dy * dy),
        ("without its sign", |dy| 2.0 * dy.abs()),
        ("clipped", |dy| 2.0 * dy.clamp(-50.0, 50.0)),
        ("cut off when small", |dy| if dy.abs() < 1e-3 { 0.0 } else { 2.0 * dy }),
    ];
    for (name, vjp) in vjps {
        let failure = GradCheck::new()
            .check(|_, x| map("double", &x[0], |x| 2.0 * x, move |_, dy, i| i.add(0, dy.mapv(vjp))), &input())
            .unwrap_err();
        let Failure::Vjp { operation: "double", node: 1, input: 0, rule: Rule::Combines(off) } = failure else {
            panic!("{name}: {failure}")
        };
        assert!(off > 1e-4, "{name}: {off:e}");
        assert!(failure.to_string().contains("is not linear in the cotangent"), "{failure}");
    }
    // In f32 a VJP is as linear as f32 can be; its slope says more.
    let single = |dy: f64| f64::from(2.1f32 * dy as f32);
    let failure = GradCheck::new()
        .check(|_, x| map("double", &x[0], |x| 2.1 * x, move |_, dy, i| i.add(0, dy.mapv(single))), &input())
        .unwrap_err();
    assert_eq!(culprit(&failure).operation, "double");
}

/// x/√x², which is ±1, with a VJP of which nothing is left but rounding; and what is added to that.
fn sign<'t, T: crate::tape::Real>(x: &Var<'t, T>, more: fn(T) -> T) -> Var<'t, T> {
    let kept = x.value().clone();
    x.tape().record("sign", &[x], x.value().mapv(|x| x / (x * x).sqrt()), 0, move |dy, inputs| {
        let gradient = |&dy: &T, &x: &T| {
            let of_root = dy * x / (x * x);
            dy / (x * x).sqrt() - of_root * x / (x * x).sqrt() + more(dy)
        };
        inputs.add(0, ndarray::Zip::from(&*dy).and(&*kept).map_collect(gradient));
    })
}

#[test]
fn on_the_tape_too_rounding_is_no_error() {
    let x = [array![0.3, -1.234, 0.017, 5.1].into_dyn()];
    GradCheck::new().check(|_, x| sign(&x[0], |_| 0.0), &x).unwrap();
    GradCheck::new().check_with_f32(|_, x| sign(&x[0], |_| 0.0), |_, x| sign(&x[0], |_| 0.0), &x).unwrap();
    // Rounding in f64 must count as rounding in f32 too.
    let other = GradCheck::new().check_with_f32(|_, x| sign(&x[0], |_| 0.0), |_, x| sign(&x[0], |dy| dy * 10.0), &x);
    assert!(matches!(other, Err(Failure::SinglePrecision(_))), "{other:?}");
    let failure = GradCheck::new().check(|_, x| sign(&x[0], |dy| 1e-15 * dy * dy), &x).unwrap_err();
    let is_named = matches!(failure, Failure::Vjp { operation: "sign", node: 1, input: 0, rule: Rule::Combines(_) });
    assert!(is_named, "{failure}");
    assert_eq!(GradCheck::new().check(|_, x| sign(&x[0], |dy| 1e-6 * dy), &x).unwrap_err().operations(), ["sign"]);
}

#[test]
fn directions_through_several_kinks_are_judged_kink_by_kink() {
    let relu = |x: f64| x.max(0.0);
    let check = || GradCheck::new().subgradients(true).directions(8);
    for at in [0.0, 0.3, 1.0] {
        for length in [3, 40] {
            let zeros = ArrayD::zeros(IxDyn(&[length]));
            let report = verdict(check(), zeros, relu, move |x| if x == 0.0 { at } else { f64::from(x > 0.0) });
            assert_eq!(report.unwrap().subgradients.len(), 8);
        }
    }
    // Wrong at the kink of one element alone.
    let some = ArrayD::from_shape_fn(IxDyn(&[40]), |i| if i[0] % 3 == 0 { 0.0 } else { i[0] as f64 - 20.5 });
    let failure = GradCheck::new()
        .subgradients(true)
        .directions(8)
        .check(
            |_, v| {
                map("it", &v[0], relu, |x, dy, inputs| {
                    let mut dx = &*dy * &x.mapv(|x| f64::from(x > 0.0));
                    dx[9] = 1.5 * dy[9];
                    inputs.add(0, dx);
                })
            },
            std::slice::from_ref(&some),
        )
        .unwrap_err();
    assert_eq!(failure.entries()[0].verdict, Verdict::Wrong);
    // A sum of them has many kinks in one component.
    let summed = |slope: f64| {
        check().check(
            |_, v| {
                let kinked = map(
                    "it",
                    &v[0],
                    |x: f64| x.max(0.0),
                    move |x, dy, inputs| {
                        let slopes = x.mapv(|x| if x == 0.0 { slope } else { f64::from(x > 0.0) });
                        inputs.add(0, &*dy * &slopes);
                    },
                );
                let signs = v[0].tape().constant(ArrayD::from_shape_fn(IxDyn(&[40]), |i| (i[0] as f64 * 2.0).sin()));
                ops::sum(&ops::mul(&kinked, &signs))
            },
            std::slice::from_ref(&some),
        )
    };
    assert!(summed(0.0).is_ok() && summed(0.5).is_ok());
    assert_eq!(summed(1.5).unwrap_err().entries()[0].verdict, Verdict::Wrong);
    // Chosen by size, unasked.
    let large = ArrayD::from_shape_fn(IxDyn(&[300]), |i| if i[0] % 7 == 0 { 0.0 } else { 1.0 + i[0] as f64 });
    let failure = verdict(GradCheck::new(), large, relu, |x| f64::from(x > 0.0)).unwrap_err();
    assert!(failure.entries().iter().all(|entry| entry.verdict == Verdict::NotDifferentiable), "{failure}");
}

#[test]
fn a_function_that_rounds_coarsely_inside_is_not_called_wrong() {
    let x = || array![0.3, 1.0].into_dyn();
    let single: fn(f64) -> f64 = |x| f64::from((x as f32).sin());
    let failure = verdict(GradCheck::new(), x(), single, f64::cos).unwrap_err();
    assert!(failure.entries().iter().all(|entry| entry.verdict == Verdict::Coarse), "{failure}");
    assert!(matches!(culprit(&failure).fault, Fault::Coarse { noise } if noise > 1e-9), "{failure}");
    assert!(failure.to_string().contains("it computes in f32 inside"), "{failure}");
    assert!(verdict(GradCheck::new().rtol(1e-2), x(), single, f64::cos).is_ok());
    // What is wrong by far is wrong all the same.
    for wrong in [|x: f64| -x.cos(), |_| 0.0, |x: f64| 2.0 * x.cos()] {
        let failure = verdict(GradCheck::new(), x(), single, wrong).unwrap_err();
        assert_eq!(failure.entries()[0].verdict, Verdict::Wrong, "{failure}");
    }
    // So coarse that nothing can be said.
    let steps: fn(f64) -> f64 = |x| (3.0 * x).round() / 3.0;
    let failure = verdict(GradCheck::new(), array![0.3].into_dyn(), steps, |_| 1.0).unwrap_err();
    assert_ne!(failure.entries()[0].verdict, Verdict::Agrees);
}

#[test]
fn steps_suit_each_element() {
    let x = || array![1e-6, 1000.0].into_dyn();
    for check in [GradCheck::new(), GradCheck::new().directions(4)] {
        let report = verdict(check.clone(), x(), |x| 1.0 / x, |x| -1.0 / (x * x));
        assert!(report.is_ok(), "{}", report.unwrap_err());
        let report = verdict(check.clone(), x(), f64::ln, |x| 1.0 / x);
        assert!(report.is_ok(), "{}", report.unwrap_err());
        // The small slope is wrong, beside one that is 18 orders larger.
        let wrong =
            verdict(GradCheck::new(), x(), |x| 1.0 / x, |x| if x > 1.0 { 1.0 / (x * x) } else { -1.0 / (x * x) });
        assert_eq!(wrong.unwrap_err().entries()[0].verdict, Verdict::Wrong);
    }
    let tiny = verdict(GradCheck::new(), array![1e-12, 3e5].into_dyn(), f64::sqrt, |x| 0.5 / x.sqrt());
    assert!(tiny.is_ok(), "{}", tiny.unwrap_err());
    // A small element of a function that does not care for it being small.
    let cos = verdict(GradCheck::new(), array![1e-9, 1.0].into_dyn(), |x| (1.0 + x).cos(), |x| -(1.0 + x).sin());
    assert!(cos.is_ok(), "{}", cos.unwrap_err());
}

#[test]
fn functions_of_any_size_are_held_to_the_same_standard() {
    for size in [1e-300, 1e-150, 1e-13, 1.0, 1e13, 1e150] {
        let check = |factor: f64| {
            GradCheck::new().check(
                move |_, v| {
                    let kept = v[0].value().clone();
                    v[0].tape().record("it", &[&v[0]], kept.mapv(|x| size * x.sin()), 0, move |dy, inputs| {
                        inputs.add(0, &*dy * &kept.mapv(|x| factor * size * x.cos()));
                    })
                },
                &[array![0.3, 1.0].into_dyn()],
            )
        };
        assert!(check(1.0).is_ok(), "{size:e}: {}", check(1.0).unwrap_err());
        for factor in [-1.0, 1.0 + 1e-5, 0.0] {
            let failure = check(factor).unwrap_err();
            assert_eq!(failure.entries()[0].verdict, Verdict::Wrong, "{size:e}, {factor}: {failure}");
        }
    }
}

/// Doubles its input, with a VJP that is off by a factor.
fn double<'t>(x: &Var<'t, f64>, factor: f64) -> Var<'t, f64> {
    map("double", x, |x| 2.0 * x, move |_, dy, inputs| inputs.add(0, dy.mapv(|dy| 2.0 * factor * dy)))
}

#[test]
fn a_wrong_vjp_is_named_although_it_has_no_effect() {
    type Hides = for<'t> fn(&Var<'t, f64>, &Var<'t, f64>) -> Var<'t, f64>;
    let hides: [(&str, Hides); 5] = [
        ("multiplied by 0", |x, y| ops::add(&ops::square(x), &ops::scale(y, 0.0))),
        ("behind a relu that is off", |x, y| {
            let below = ops::sub(y, &y.tape().constant(arr0(100.0)));
            ops::add(&ops::square(x), &ops::relu(&below))
        }),
        ("dropped", |x, _| ops::square(x)),
        ("dropped by a slice", |x, y| {
            let kept = |x: &ArrayD<f64>| x.slice(ndarray::s![..1]).to_owned().into_dyn();
            let shape = y.shape().to_vec();
            let first = y.tape().record("slice", &[y], kept(y.value()), 0, move |dy, inputs| {
                let mut dx = ArrayD::zeros(shape.clone());
                dx.slice_mut(ndarray::s![..1]).assign(&*dy);
                inputs.add(0, dx);
            });
            // What is kept is subtracted again.
            ops::add(&ops::square(x), &ops::sub(&first, &first))
        }),
        ("behind a minimum that takes the other", |x, y| {
            let far = ops::sub(&y.tape().constant(arr0(-100.0)), y);
            ops::add(&ops::square(x), &ops::relu(&far))
        }),
    ];
    for (name, hide) in hides {
        for check in [GradCheck::new(), GradCheck::new().directions(3), GradCheck::new().subgradients(true)] {
            let with = |factor: f64| check.check(|_, x| hide(&x[0], &double(&x[0], factor)), &input());
            assert!(with(1.0).is_ok(), "{name}: {:?}", with(1.0));
            for factor in [-1.0, 0.0, 1.0001] {
                let failure = with(factor).expect_err(name);
                assert_eq!((failure.operations(), failure.verdict()), (vec!["double"], Verdict::Wrong), "{name}");
                let Failure::Hidden { culprits } = &failure else { panic!("{name}: {failure:?}") };
                assert_eq!((culprits[0].node, culprits[0].input), (1, Some(0)), "{name}");
                assert!(failure.to_string().contains("has no effect here"), "{failure}");
            }
        }
    }
}

#[test]
fn what_is_no_fault_stays_unsaid_where_it_has_no_effect() {
    let x = [array![0.0, -1.0, 0.0, 2.0].into_dyn()];
    let without_effect = |hidden: &dyn for<'t> Fn(&Var<'t, f64>) -> Var<'t, f64>| {
        GradCheck::new().check(|_, x| ops::add(&ops::square(&x[0]), &ops::scale(&hidden(&x[0]), 0.0)), &x)
    };
    // A kink; a constant that changes; values in f32; a slope that is rounding.
    without_effect(&|x| ops::relu(x)).unwrap();
    without_effect(&|x| ops::mul(x, &ops::square(x).detached())).unwrap();
    without_effect(&|x| {
        map("f32", x, |x| f64::from((x as f32).sin()), |x, dy, inputs| inputs.add(0, &*dy * &x.mapv(f64::cos)))
    })
    .unwrap();
    without_effect(&|x| {
        let far = ops::add(x, &x.tape().constant(arr0(1e15)));
        ops::square(&far)
    })
    .unwrap();
}
