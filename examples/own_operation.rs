//! An operation of your own, and the check of its gradient.
//!
//! Run it with `cargo run --release --example own_operation`.
//!
//! An operation is a function that computes a value and passes it to [`Tape::record`] together with its vector-Jacobian
//! product (VJP): a closure that receives the gradient with respect to the output and adds, for each input, its product
//! with the operation's Jacobian. Nothing else needs to be registered.

use impasto::gradcheck::{Failure, GradCheck, TapeCheck};
use impasto::ops;
use impasto::tape::{Real, Tape, Var};
use ndarray::{ArrayD, Zip, array};

/// y = log(1 + eˣ), the softplus: a ReLU without its kink. This is the first attempt, and it is wrong.
fn softplus_first_attempt<'t, T: Real>(x: &Var<'t, T>) -> Var<'t, T> {
    let y = x.value().mapv(|x| x.exp().ln_1p());
    let kept = x.value().clone();
    x.tape().record("softplus", &[x], y, x.kept_bytes(), move |dy, inputs| {
        // dx = dy/(1 + e⁻ˣ), but here a minus sign is missing.
        let dx: ArrayD<T> = Zip::from(&*dy).and(&*kept).map_collect(|&dy, &x| dy / (T::one() + x.exp()));
        inputs.add(0, dx);
    })
}

/// The corrected operation. It also handles large x, where eˣ overflows: log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|).
fn softplus<'t, T: Real>(x: &Var<'t, T>) -> Var<'t, T> {
    let y = x.value().mapv(|x| x.max(T::zero()) + (-x.abs()).exp().ln_1p());
    let kept = x.value().clone();
    x.tape().record("softplus", &[x], y, x.kept_bytes(), move |dy, inputs| {
        let dx: ArrayD<T> = Zip::from(&*dy).and(&*kept).map_collect(|&dy, &x| dy / (T::one() + (-x).exp()));
        inputs.add(0, dx);
    })
}

/// A function that uses it: Σ softplus(x·w)².
fn loss<'t, T: Real>(softplus: impl Fn(&Var<'t, T>) -> Var<'t, T>, x: &[Var<'t, T>]) -> Var<'t, T> {
    ops::sum(&ops::square(&softplus(&(&x[0] * &x[1]))))
}

fn wrong<'t, T: Real>(_: &'t Tape<T>, x: &[Var<'t, T>]) -> Var<'t, T> {
    loss(softplus_first_attempt, x)
}

fn right<'t, T: Real>(_: &'t Tape<T>, x: &[Var<'t, T>]) -> Var<'t, T> {
    loss(softplus, x)
}

fn main() -> Result<(), Failure> {
    let x = array![[0.5, -1.0, 2.0], [3.0, 0.1, -0.7]].into_dyn();
    let w = array![1.5, -0.5, 0.8].into_dyn();
    let inputs = [x, w];

    println!("The first attempt. The checker says:\n");
    let failure = GradCheck::new().check(wrong::<f64>, &inputs).expect_err("the gradient is wrong");
    println!("{failure}\n");

    // The checker names the one of four operations that is at fault.
    assert_eq!(failure.operations(), ["softplus"]);

    println!("With the minus sign:\n");
    let report = GradCheck::new().check_with_f32(right::<f64>, right::<f32>, &inputs)?;
    println!("{report}");
    Ok(())
}
