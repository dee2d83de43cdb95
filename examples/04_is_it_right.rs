//! Chapter 4 of the book, "Is it right?". Run it: `cargo run --release --example 04_is_it_right -- FOLDER`

use impasto::gradcheck::{GradCheck, check_fn};
use impasto_drawing::{Curve, plot};

// ANCHOR: function
fn f(x: f64) -> f64 {
    x.powi(3) / (1.0 + x * x)
}

fn derivative(x: f64) -> f64 {
    (3.0 * x * x + x.powi(4)) / (1.0 + x * x).powi(2)
}
// ANCHOR_END: function

// ANCHOR: differences
fn one_sided(f: impl Fn(f64) -> f64, x: f64, h: f64) -> f64 {
    (f(x + h) - f(x)) / h
}

fn central(f: impl Fn(f64) -> f64, x: f64, h: f64) -> f64 {
    (f(x + h) - f(x - h)) / (2.0 * h)
}

/// The central difference, without its error in h².
fn extrapolated(f: impl Fn(f64) -> f64 + Copy, x: f64, h: f64) -> f64 {
    (4.0 * central(f, x, h / 2.0) - central(f, x, h)) / 3.0
}
// ANCHOR_END: differences

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target/book".into());
    std::fs::create_dir_all(&folder)?;

    // ANCHOR: u
    let single = |x: f64| f64::from((x as f32).powi(3) / (1.0 + (x as f32).powi(2)));
    let methods: [(&str, &dyn Fn(f64, f64) -> f64); 4] = [
        ("one_sided", &|x, h| one_sided(f, x, h)),
        ("central", &|x, h| central(f, x, h)),
        ("extrapolated", &|x, h| extrapolated(f, x, h)),
        ("central_f32", &|x, h| central(single, x, h)),
    ];
    let mut curves = Vec::new();
    for (name, slope) in methods {
        // The largest error at eight points: at a single one a difference may be right by chance.
        let error = |x: f64, h: f64| (slope(x, h) / derivative(x) - 1.0).abs();
        let largest = |h: f64| (1..=8).map(|i| error(0.3 * f64::from(i), h)).fold(0.0, f64::max);
        let points: Vec<_> =
            (-60..=0).map(|k| f64::from(k) / 4.0).map(|power| (power, largest(10_f64.powf(power)))).collect();
        let best = points.iter().min_by(|a, b| a.1.total_cmp(&b.1)).ok_or("no step")?;
        println!("{name}: best step = 1e{:.0}, error = 1e{:.0}", best.0, best.1.log10());
        curves.push(Curve { name: name.into(), points });
    }
    let picture = plot(&curves, "step h, as a power of ten", "relative error", [800, 500]).ok_or("no points")?;
    picture.save(format!("{folder}/04-u.png"))?;
    // ANCHOR_END: u

    // ANCHOR: kink
    let relu = |x: f64| x.max(0.0);
    println!("relu'(0.00001) = {:.3} with h = 0.001", central(relu, 0.00001, 0.001));
    println!("at the kink: {}", check_fn(|&x| relu(x), |_| 1.0, &0.0).unwrap_err());
    // ANCHOR_END: kink

    // ANCHOR: taylor
    let x = 0.7;
    for (name, factor) in [("right", 1.0), ("wrong", 1.001)] {
        let test = GradCheck::new().taylor_fn(|&x| f(x), |&x| factor * derivative(x), &x)?;
        test.to_string().lines().take(9).for_each(|line| println!("{name}: {line}"));
    }
    // ANCHOR_END: taylor

    // ANCHOR: check
    println!("checker: {}", check_fn(|&x| f(x), |&x| derivative(x), &x)?);
    println!("checker: {}", check_fn(|&x| f(x), |&x| 1.00001 * derivative(x), &x).unwrap_err());
    // ANCHOR_END: check
    Ok(())
}
