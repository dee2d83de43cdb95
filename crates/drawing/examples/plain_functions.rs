//! Checking the gradient of a plain closure, without a tape or a neural network.
//!
//! Run it with `cargo run --release --example plain_functions`.
//!
//! You have written a loss and its gradient by hand. Do they agree? [`check_fn`] moves each parameter a little and
//! checks that the loss changes as the gradient says.

use impasto::gradcheck::{Failure, GradCheck, Verdict, check_fn, check_hessian_vector, numeric_gradient};
use ndarray::{Array1, Array2, ArrayD};

/// Points in the plane, one per row, and the class of each.
fn data() -> (Array2<f64>, Array1<f64>) {
    let points = Array2::from_shape_fn((40, 3), |(i, j)| if j == 2 { 1.0 } else { ((i * i + 7 * j) as f64).sin() });
    let classes = Array1::from_shape_fn(40, |i| if (points[[i, 0]] - 0.3 * points[[i, 1]]) > 0.1 { 1.0 } else { -1.0 });
    (points, classes)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (points, classes) = data();

    // 1. Logistic regression: the mean of log(1 + exp(−y·x·w)), and its gradient.
    let loss = |w: &Array1<f64>| (points.dot(w) * &classes).mapv(|m| (-m).exp().ln_1p()).mean().unwrap_or(0.0);
    let pull = |w: &Array1<f64>| (points.dot(w) * &classes).mapv(|m| -1.0 / (1.0 + m.exp())) * &classes / 40.0;
    let gradient = |w: &Array1<f64>| points.t().dot(&pull(w));
    let w = ndarray::array![0.4, -1.1, 0.2];
    println!("logistic regression: {}", check_fn(loss, gradient, &w)?);

    // 2. A mistake: the classes are left out once. The report shows the errors of all three slopes.
    let forgot = |w: &Array1<f64>| points.t().dot(&(pull(w) * &classes));
    let failure = check_fn(loss, forgot, &w).expect_err("the gradient is wrong");
    println!("\nwithout the classes: {failure}");

    // 3. The perceptron's loss, the sum of max(0, −y·x·w), has a kink where a point is neither right nor wrong, as all
    //    are at w = 0. The checker does not call that an error.
    let perceptron = |w: &Array1<f64>| (points.dot(w) * &classes).mapv(|m| f64::max(0.0, -m)).sum();
    let none = |w: &Array1<f64>| Array1::<f64>::zeros(w.len());
    let failure = check_fn(perceptron, none, &Array1::zeros(3)).expect_err("there is no gradient");
    assert_eq!(failure.verdict(), Verdict::NotDifferentiable);
    println!("\nat a kink: {failure}");

    // 4. For Newton's method: the product of the Hessian with a vector, compared with the slope of the gradient.
    let product = |w: &Array1<f64>, v: &Array1<f64>| {
        let slopes = (points.dot(w) * &classes).mapv(|m| 1.0 / ((1.0 + m.exp()) * (1.0 + (-m).exp())));
        points.t().dot(&(slopes * points.dot(v))) / 40.0
    };
    println!("\nHessian: {}", check_hessian_vector(gradient, product, &w)?);

    // 5. Matrices: ‖A·x‖² has the gradient 2·A·x·xᵀ. Here its axes are swapped, which fits, as A is square.
    let x = Array1::from_shape_fn(8, |i| 1.0 + i as f64 / 4.0);
    let size = |a: &Array2<f64>| a.dot(&x).mapv(|y| y * y).sum();
    let transposed = |a: &Array2<f64>| Array2::from_shape_fn((8, 8), |(i, j)| 2.0 * a.row(j).dot(&x) * x[i]);
    let a = Array2::from_shape_fn((8, 8), |(i, j)| ((3 * i + 5 * j) as f64).cos());
    let failure: Failure = GradCheck::new().parallel().check_fn(size, transposed, &a).expect_err("it is transposed");
    println!("\ntransposed: {} of 64 elements are wrong", failure.entries().len());

    // 6. A heat map: bright where the error is large. Only the diagonal is dark, so the axes are swapped.
    let numeric = numeric_gradient(size, &a).values;
    let given: ArrayD<f64> = transposed(&a).into_dyn();
    let errors = (&given - &numeric).mapv(f64::abs) / (given.mapv(f64::abs) + numeric.mapv(f64::abs));
    let picture = impasto_drawing::heat_map("error of the gradient of ‖A·x‖²", &[errors]);
    let path = std::env::temp_dir().join(format!("impasto-transposed-{}.png", std::process::id()));
    picture.save(&path)?;
    println!("look at {}", path.display());
    Ok(())
}
