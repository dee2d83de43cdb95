//! The command `impasto gradcheck`, as its users see it.

use assert_cmd::Command;
use impasto::Preset;
use impasto::gradcheck::GradCheck;
use impasto::objective::style_transfer;
use impasto::vgg::{Layer, Vgg19, Weights};
use ndarray::Array3;
use predicates::prelude::*;

fn gradcheck() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
    command.arg("gradcheck");
    command
}

#[test]
fn a_table_of_the_operations_asked_for() {
    let right = predicate::str::contains("0 wrong").and(predicate::str::contains("at zero"));
    let others = predicate::str::contains("conv2d").not();
    gradcheck().args(["relu", "sum"]).assert().success().stdout(right.and(others));
}

#[test]
fn json_has_an_object_for_each_case() {
    let output = gradcheck().args(["scale", "style_transfer", "--json", "--seed", "7"]).assert().success();
    let cases: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let cases = cases.as_array().unwrap();
    assert!(cases.iter().any(|case| case["operation"] == "scale"));
    assert_eq!(cases.iter().filter(|case| case["operation"] == "style_transfer").count(), 3);
    for case in cases {
        assert_eq!(case["right"], true, "{case}");
        assert!(case["compared"].as_u64().unwrap() > 0, "{case}");
        assert!(case["worst_relative_error"].as_f64().unwrap() < 1e-6, "{case}");
    }
}

#[test]
fn an_unknown_operation_is_refused_with_the_known_ones() {
    let message = predicate::str::contains("`konv` is no operation; there are add, ");
    gradcheck().arg("konv").assert().code(2).stderr(message).stdout("");
}

/// As large as it gets: all channels of VGG19, 20 million weights, in f64.
#[test]
#[ignore = "takes half a minute and 1 GB; run with --ignored"]
fn the_objective_on_the_whole_network() {
    let last: Layer = "relu5_1".parse().unwrap();
    let network = Vgg19::<f64>::new(Weights::random(1, Some(last)));
    let image = |phase: f64| {
        Array3::from_shape_fn((35, 33, 3), |(i, j, c)| (phase + (i * i + 3 * j) as f64 * 0.37 + c as f64).sin())
    };
    let recipe = Preset::default().recipe(false);
    let transfer = style_transfer(&recipe, &network, image(0.0), vec![(image(1.0), 1.0)]).unwrap();
    let report = GradCheck::new()
        .directions(2)
        .rtol(1e-6)
        .check(|_, x| transfer.evaluate(&network, &x[0], &x[0]).unwrap().scaled, &[image(2.0).into_dyn()])
        .unwrap();
    println!("{report}, {} evaluations", report.evaluations);
    assert!(report.operations > 25, "{report:?}");
}
