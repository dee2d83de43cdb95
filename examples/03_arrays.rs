//! Chapter 3 of the book, "Arrays and vector-Jacobian products". Run: `cargo run --release --example 03_arrays -- FOLDER`

use impasto::gradcheck::{GradCheck, TapeCheck, numeric_jacobian};
use impasto::tape::{Tape, Var};
use impasto::{Picture, ops};
use ndarray::{Array, Array1, Array2, Axis, array};

// ANCHOR: blur
/// The mean of each number and its two neighbours; beyond the ends lie zeros.
fn blur(x: &Array1<f64>) -> Array1<f64> {
    let at = |i: Option<usize>| i.and_then(|i| x.get(i)).copied().unwrap_or(0.0);
    Array1::from_shape_fn(x.len(), |i| (at(i.checked_sub(1)) + at(Some(i)) + at(Some(i + 1))) / 3.0)
}
// ANCHOR_END: blur

// ANCHOR: bias
/// y = x + b for each row of x. The VJP: dx = dy, and db is the sum of the rows of dy.
fn add_bias<'t>(x: &Var<'t, f64>, b: &Var<'t, f64>) -> Var<'t, f64> {
    x.tape().record("add_bias", &[x, b], &**x.value() + &**b.value(), 0, |dy, inputs| {
        inputs.add(1, dy.sum_axis(Axis(0)));
        inputs.add(0, dy);
    })
}
// ANCHOR_END: bias

// ANCHOR: wrong
/// The sum is missing: db has the shape of dy.
fn without_sum<'t>(x: &Var<'t, f64>, b: &Var<'t, f64>) -> Var<'t, f64> {
    x.tape().record("without_sum", &[x, b], &**x.value() + &**b.value(), 0, |dy, inputs| {
        inputs.add(1, dy.to_owned());
        inputs.add(0, dy);
    })
}

/// The shape is right, but db is the first row of dy only.
fn first_row<'t>(x: &Var<'t, f64>, b: &Var<'t, f64>) -> Var<'t, f64> {
    x.tape().record("first_row", &[x, b], &**x.value() + &**b.value(), 0, |dy, inputs| {
        inputs.add(1, dy.index_axis(Axis(0), 0).to_owned());
        inputs.add(0, dy);
    })
}
// ANCHOR_END: wrong

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target/book".into());
    std::fs::create_dir_all(&folder)?;

    // ANCHOR: jacobian
    let x = Array1::from_shape_fn(32, |i| (i as f64).sin());
    let jacobian = numeric_jacobian(|x: &Array1<f64>| blur(x), &x).values;
    let zeros = jacobian.iter().filter(|slope| slope.abs() < 1e-9).count();
    println!("jacobian = {:?}, zeros = {zeros} of {}", jacobian.shape(), jacobian.len());
    let (inputs, outputs) = (512.0 * 512.0 * 3.0, 512.0 * 512.0 * 64.0);
    println!("first_layer_of_vgg = {:.1e} slopes, {:.0} TB in f32", inputs * outputs, inputs * outputs * 4.0 / 1e12);
    // ANCHOR_END: jacobian
    let shown = Array::from_shape_fn((256, 256, 3), |(i, j, _)| 1.0 - 3.0 * jacobian[[i / 8, j / 8]] as f32);
    Picture::new(shown).save(format!("{folder}/03-jacobian.png"))?;

    // ANCHOR: layer
    let tape = Tape::<f64>::new();
    let x = tape.variable(array![[1.0, 2.0, 0.5], [-1.0, 0.0, 3.0]]);
    let w = tape.variable(array![[0.5, -1.0], [2.0, 0.0], [1.0, 1.0]]);
    let b = tape.variable(array![0.1, -0.2]);
    let loss = ops::sum(&ops::relu(&add_bias(&ops::matmul(&x, &w), &b)));
    println!("loss = {}", loss.scalar());
    println!("db = {}", loss.backward().get(&b).expect("the loss depends on b"));
    // ANCHOR_END: layer

    // ANCHOR: check
    let x = Array2::from_shape_fn((4, 3), |(i, j)| ((3 * i + j) as f64).cos());
    let (check, inputs) = (GradCheck::new(), [x.into_dyn(), array![0.5, -1.0, 2.0].into_dyn()]);
    println!("add_bias: {}", check.check(|_, x| add_bias(&x[0], &x[1]), &inputs)?);
    let failure = check.check(|_, x| first_row(&x[0], &x[1]), &inputs).unwrap_err().to_string();
    failure.lines().take(5).for_each(|line| println!("first_row: {line}"));
    println!("without_sum: {}", check.check(|_, x| without_sum(&x[0], &x[1]), &inputs).unwrap_err());
    // ANCHOR_END: check
    Ok(())
}
