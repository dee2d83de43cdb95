//! Answers to exercises of chapters 1 to 6: their numbers, and what the gradient checker says.
//!
//! ```text
//! cargo run --release --example answers_01_to_06 -- target/book
//! ```

mod book;

use std::error::Error;

use book::layers;
use impasto::gradcheck::{GradCheck, TapeCheck, check_fn};
use impasto::{Picture, Tape, Var, Vgg19, Weights};
use impasto_drawing::demo;
use ndarray::{Array2, Array3, Axis, array};

// ANCHOR: mean
/// Exercise 2 of chapter 3: the mean of the rows of dy in place of their sum.
fn with_mean<'t>(x: &Var<'t, f64>, b: &Var<'t, f64>) -> Var<'t, f64> {
    x.tape().record("with_mean", &[x, b], &**x.value() + &**b.value(), 0, |dy, inputs| {
        inputs.add(1, dy.mean_axis(Axis(0)).expect("rows"));
        inputs.add(0, dy);
    })
}
// ANCHOR_END: mean

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target/book".into());
    std::fs::create_dir_all(&folder)?;

    // ANCHOR: jpeg
    let drawn = demo::content(120, 160);
    drawn.save(format!("{folder}/answers.jpg"))?;
    let off = (&Picture::open(format!("{folder}/answers.jpg"))?.rgb - &drawn.rgb).mapv(|v| 255.0 * v.abs());
    for (name, channel) in ["red", "green", "blue"].into_iter().zip(off.axis_iter(Axis(2))) {
        let largest = channel.fold(0.0_f32, |most, &v| most.max(v));
        println!("{name}: at most {largest:.0} levels, mean {:.1}", channel.mean().unwrap_or(0.0));
    }
    // ANCHOR_END: jpeg

    let x = Array2::from_shape_fn((4, 3), |(i, j)| ((3 * i + j) as f64).cos());
    let inputs = [x.into_dyn(), array![0.5, -1.0, 2.0].into_dyn()];
    let failure = GradCheck::new().check(|_, x| with_mean(&x[0], &x[1]), &inputs).unwrap_err().to_string();
    failure.lines().rev().take(1).for_each(|line| println!("{line}"));

    // ANCHOR: steps
    for x in [1.1_f64, 1100.0] {
        let difference = |h: f64| ((x + h).powi(2) - x * x) / h;
        let error = |k: i32| (difference(10_f64.powi(-k)) - 2.0 * x).abs();
        let best = (0..16).min_by(|&a, &b| error(a).total_cmp(&error(b))).ok_or("no step")?;
        println!("at {x}: best step = 1e-{best}, error = {:.0e}", error(best));
    }
    // ANCHOR_END: steps
    // ANCHOR: ties
    for gradient in [[1.0, 0.0], [0.5, 0.5], [1.0, 1.0]] {
        let check = GradCheck::new().subgradients(true);
        let accepted = check.check_fn(|x: &[f64; 2]| x[0].max(x[1]), |_| gradient, &[2.0, 2.0]).is_ok();
        println!("{gradient:?}: {}", if accepted { "accepted" } else { "refused" });
    }
    // ANCHOR_END: ties
    // ANCHOR: single
    for factor in [1.00003, 1.0001, 1.0003_f32] {
        let derivative = |x: &f32| factor * (3.0 * x * x + x.powi(4)) / (1.0 + x * x).powi(2);
        let checked = check_fn(|x: &f32| x.powi(3) / (1.0 + x * x), derivative, &0.7);
        let said = checked.map_or_else(|failure| failure.to_string(), |_| "passes".into());
        println!("{factor}: {}", said.lines().next().unwrap_or_default());
    }
    // ANCHOR_END: single

    let network = Vgg19::new(Weights::random_with_widths([8; 5], 1, None));
    for row in network.summary([512, 512]).iter().filter(|row| layers(["relu3_4", "pool5"]).contains(&row.layer)) {
        println!("{}: {}", row.layer, row.receptive_field);
    }
    let tape = Tape::new();
    let small = tape.constant(Array3::<f32>::zeros((30, 30, 3)));
    println!("{}", network.features(&small, layers(["pool5"])).expect_err("too small"));
    Ok(())
}
