//! Chapter 5 of the book, "Convolution". Run it: `cargo run --release --example 05_convolution -- FOLDER`

use std::time::Instant;

use impasto::{Picture, Tape, gradcheck::GradCheck, ops};
use impasto_drawing::demo;
use ndarray::{Array2, Array3, Array4, Ix3, s};
// ANCHOR: definition
fn convolve(x: &Array3<f32>, w: &Array4<f32>) -> Array3<f32> {
    let (height, width, inputs) = x.dim();
    Array3::from_shape_fn((height, width, w.dim().0), |(i, j, o)| {
        let mut sum = 0.0;
        for (u, v, c) in ndarray::indices((3, 3, inputs)) {
            if (1..=height).contains(&(i + u)) && (1..=width).contains(&(j + v)) {
                sum += x[[i + u - 1, j + v - 1, c]] * w[[o, c, u, v]];
            }
        }
        sum
    })
}
// ANCHOR_END: definition
// ANCHOR: im2col
fn by_matrix(x: &Array3<f32>, w: &Array4<f32>) -> Array3<f32> {
    let (height, width, inputs) = x.dim();
    let mut padded = Array3::zeros((height + 2, width + 2, inputs));
    padded.slice_mut(s![1..=height, 1..=width, ..]).assign(x);
    let patches = padded.windows((3, 3, inputs)).into_iter().flatten().copied().collect();
    let patches = Array2::from_shape_vec((height * width, 9 * inputs), patches).unwrap();
    let weights = w.view().permuted_axes([2, 3, 1, 0]).to_shape((9 * inputs, w.dim().0)).unwrap().into_owned();
    patches.dot(&weights).into_shape_with_order((height, width, w.dim().0)).unwrap()
}
// ANCHOR_END: im2col
// ANCHOR: winograd
fn two_outputs(d: [f32; 4], g: [f32; 3]) -> [f32; 2] {
    let [sum, difference] = [(g[0] + g[1] + g[2]) * 0.5, (g[0] - g[1] + g[2]) * 0.5];
    let m = [(d[0] - d[2]) * g[0], (d[1] + d[2]) * sum, (d[2] - d[1]) * difference, (d[1] - d[3]) * g[2]];
    [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]
}
// ANCHOR_END: winograd
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target/book".into());
    std::fs::create_dir_all(&folder)?;
    let sobel = [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]];
    let filter = Array4::from_shape_fn((3, 3, 3, 3), |(o, c, u, v)| if o == c { sobel[u][v] } else { 0.0 });
    let edges = convolve(&demo::content(192, 256).rgb, &filter);
    Picture::new(edges * 0.5 + 0.5).save(folder + "/05-edges.png")?;
    println!("two_outputs = {:?}", two_outputs([1.0, 2.0, 4.0, 8.0], [1.0, 0.5, -1.0]));
    // ANCHOR: vjp
    let random = |i: usize, j: usize, c: usize| ((7 * i + 3 * j + 5 * c) % 11) as f32 / 8.0 - 0.5;
    let x = Array3::from_shape_fn((5, 6, 2), |(i, j, c)| random(i, j, c));
    let w = Array4::from_shape_fn((3, 2, 3, 3), |(o, c, u, v)| random(o + c, u, v));
    let swapped = w.view().permuted_axes([1, 0, 2, 3]).to_owned();
    for (name, weights) in [("turned", swapped.slice(s![.., .., ..;-1, ..;-1])), ("not_turned", swapped.view())] {
        let check = GradCheck::new().check_vjp(|x: &_| convolve(x, &w), |_, dy| convolve(dy, &weights.to_owned()), &x);
        let said = check.map_or_else(|failure| failure.to_string(), |report| report.to_string());
        said.lines().take(4).for_each(|line| println!("{name}: {line}"));
    }
    // ANCHOR_END: vjp
    // ANCHOR: cost
    let x = Array3::from_shape_fn((64, 64, 64), |(i, j, c)| random(i, j, c));
    let w = Array4::from_shape_fn((64, 64, 3, 3), |(o, c, u, v)| random(o + c, u, v));
    let library = |algorithm| {
        let (tape, geometry) = (Tape::new(), ops::ConvGeometry::padded(1));
        let y = ops::conv2d(&tape.constant(x.clone()), &tape.constant(w.clone()), None, &geometry, algorithm);
        y.to_array().into_dimensionality::<Ix3>().unwrap()
    };
    let start = Instant::now();
    let (defined, milliseconds) = (convolve(&x, &w), start.elapsed().as_secs_f64() * 1e3);
    println!("~ definition = {milliseconds:.1} ms");
    for name in ["matrix", "direct", "im2col", "winograd"] {
        let start = Instant::now();
        let y = if name == "matrix" { by_matrix(&x, &w) } else { library(name.parse().unwrap()) };
        let faster = milliseconds / (start.elapsed().as_secs_f64() * 1e3);
        println!("~ {name} = {:.1} ms, {faster:.1} times as fast", milliseconds / faster);
        let error = (y - &defined).mapv(f32::abs).sum() / defined.mapv(f32::abs).sum();
        println!("{name}_error_below_1e-5 = {}", error < 1e-5);
    }
    // ANCHOR_END: cost
    Ok(())
}
