//! Lesson 1: a tape. Operations are recorded while they are computed; the backward pass through the list gives the
//! gradient.
//!
//! ```text
//! cargo run --release --example 01_a_tape
//! ```

use impasto::ops;
use impasto::optim::{Adam, Optimizer};
use impasto::tape::Tape;
use ndarray::{Array3, array};

fn main() {
    // y = Σ (x² · c), whose gradient is dy/dx = 2·x·c.
    let tape = Tape::<f64>::new();
    let x = tape.variable(array![[1.0, 2.0], [3.0, 4.0]]);
    let c = tape.constant(array![[1.0, 0.5], [0.0, -1.0]]);
    let y = ops::sum(&(ops::square(&x) * &c));
    println!("The tape of y = Σ (x² · c), in the order of computation:\n\n{tape}\n");

    // Backwards through the list, every operation multiplies the gradient with its Jacobian (a VJP each).
    let gradients = y.backward();
    println!("y = {}, and its gradient, which is 2·x·c:\n{}\n", y.scalar(), gradients.get(&x).expect("y depends on x"));

    // A Gram matrix says which channels of a feature map are large at the same positions, but not where: style transfer
    // uses it to represent style. An optimiser follows the gradient until these features have the desired Gram matrix.
    let style = array![[4.0, -2.0], [-2.0, 3.0]];
    let mut features =
        Array3::from_shape_fn((2, 3, 2), |(i, j, c)| ((5 * i + 3 * j + 7 * c) % 6) as f64 / 6.0).into_dyn();
    let mut adam = Adam::new(0.05);
    for iteration in 0..=200 {
        let tape = Tape::new();
        let f = tape.variable(features.clone());
        let gram = ops::gram_matrix(&f);
        let loss = ops::mse(&gram, &tape.constant(style.clone()));
        if iteration % 50 == 0 {
            println!("iteration {iteration:>3}: loss {:.2e}", loss.scalar());
        }
        let value = loss.scalar();
        let gradient = loss.backward().take(&f).expect("the loss depends on f");
        adam.step(&mut features, value, &gradient);
    }
    let tape = Tape::new();
    let gram = ops::gram_matrix(&tape.constant(features));
    println!("\nThe Gram matrix, after asking for\n{style}\nis now\n{:.3}", gram.to_array());
}
