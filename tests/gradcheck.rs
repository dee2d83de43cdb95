//! The command `impasto gradcheck`, as its users see it.

use assert_cmd::Command;
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
    let output = gradcheck().args(["scale", "objective", "--json", "--seed", "7"]).assert().success();
    let cases: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let cases = cases.as_array().unwrap();
    assert!(cases.iter().any(|case| case["operation"] == "scale"));
    assert_eq!(cases.iter().filter(|case| case["operation"] == "objective").count(), 3);
    for case in cases {
        assert_eq!(case["right"], true, "{case}");
        assert!(case["compared"].as_u64().unwrap() > 0, "{case}");
        assert!(case["worst_relative_error"].as_f64().unwrap() < 1e-6, "{case}");
    }
}

#[test]
fn an_unknown_operation_is_refused_with_the_known_ones() {
    let message = predicate::str::contains("`konv` is no operation; there are add, mul");
    gradcheck().arg("konv").assert().code(2).stderr(message).stdout("");
}
