//! Chapter 1 of the book, "Pixels are numbers". Run it: `cargo run --release --example 01_pixels -- FOLDER`

use std::path::Path;

use impasto::Picture;
use impasto_drawing::demo;
use ndarray::{Array3, ArrayView3, Axis, concatenate, s};

// ANCHOR: thin
/// Every `step`-th pixel of every `step`-th row: a smaller picture, and a wrong one.
fn thinned(rgb: ArrayView3<f32>, step: usize) -> Array3<f32> {
    rgb.slice(s![..;step, ..;step, ..]).to_owned()
}

/// The mean of every square of `step`×`step` pixels.
fn averaged(rgb: ArrayView3<f32>, step: usize) -> Array3<f32> {
    let squares = rgb.exact_chunks((step, step, 3));
    let means = squares.into_iter().map(|square| square.mean_axis(Axis(0)).unwrap().mean_axis(Axis(0)).unwrap());
    let [height, width] = [rgb.dim().0 / step, rgb.dim().1 / step];
    Array3::from_shape_vec((height, width, 3), means.flatten().collect()).expect("three means for each square")
}
// ANCHOR_END: thin

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target/book".into());
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;

    // ANCHOR: read
    let drawn = demo::content(120, 160);
    drawn.save(folder.join("01-harbour.png"))?;
    let read = Picture::open(folder.join("01-harbour.png"))?;
    println!("shape = {:?}", read.rgb.dim());
    println!("numbers = {}", read.rgb.len());
    println!("centre = {:.3}", read.rgb.slice(s![60, 80, ..]));
    let steps = (&read.rgb - &drawn.rgb).mapv(|difference| difference.abs() * 255.0);
    println!("largest_rounding = {:.2} of 1/255", steps.fold(0.0, |a: f32, b| a.max(*b)));
    // ANCHOR_END: read

    // ANCHOR: change
    let rgb = &read.rgb;
    let darker = rgb * 0.5;
    let mirrored = rgb.slice(s![.., ..;-1, ..]);
    let turned = rgb.view().permuted_axes([1, 0, 2]);
    let grey = rgb.mean_axis(Axis(2)).expect("three channels").insert_axis(Axis(2));
    let grey = grey.broadcast(rgb.dim()).expect("one channel stretches to three");
    println!("turned = {:?}", turned.dim());
    let row = concatenate(Axis(1), &[rgb.view(), darker.view(), mirrored, grey])?;
    Picture::new(row).save(folder.join("01-changed.png"))?;
    // ANCHOR_END: change

    // ANCHOR: stripes
    // Black and white columns by turns: half of all light.
    let stripes = Array3::from_shape_fn((192, 256, 3), |(_, j, _)| (j % 2) as f32);
    println!("stripes = {:.3}", stripes.mean().unwrap());
    println!("stripes_thinned = {:.3}", thinned(stripes.view(), 4).mean().unwrap());
    println!("stripes_averaged = {:.3}", averaged(stripes.view(), 4).mean().unwrap());
    println!("stripes_resized = {:.3}", Picture::new(stripes).resized(48, 64).rgb.mean().unwrap());
    // ANCHOR_END: stripes

    // ANCHOR: rings
    // Rings that become finer towards the border, a quarter as large by the three ways.
    let ring = |i: usize, j: usize| ((i as f32 - 192.0).powi(2) + (j as f32 - 192.0).powi(2)) / 250.0;
    let rings = Array3::from_shape_fn((384, 384, 3), |(i, j, _)| 0.5 + 0.5 * ring(i, j).cos());
    let resized = Picture::new(rings.clone()).resized(96, 96).rgb;
    let small =
        concatenate(Axis(1), &[thinned(rings.view(), 4).view(), averaged(rings.view(), 4).view(), resized.view()])?;
    Picture::new(small).resized(192, 576).save(folder.join("01-rings.png"))?;
    // ANCHOR_END: rings

    // ANCHOR: distance
    let distance = |other: ArrayView3<f32>| (&other - rgb).mapv(|d| d * d).mean().expect("some pixels");
    println!("distance_darker = {:.4}", distance(darker.view()));
    println!("distance_mirrored = {:.4}", distance(mirrored));
    // ANCHOR_END: distance
    Ok(())
}
