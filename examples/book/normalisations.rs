//! Six formulas for the distance of Gram matrices.

use std::error::Error;

use impasto::ops::gram_matrix;
use impasto::{Layer, Picture, Tape, Vgg19};
use ndarray::ArrayD;

use super::layers;

// ANCHOR: factors
/// What each formula multiplies Σ(FᵀF − A)² by, for N channels, M positions, P pixels of the picture, and the target's
/// size ΣA².
pub fn factors(n: f64, m: f64, p: f64, size: f64) -> [(&'static str, f64); 6] {
    [
        ("paper", 1.0 / (4.0 * n * n * m * m)),
        ("notebook", 1.0 / (n * n) / (n * m)),
        ("elements", 1.0 / (n * n) / (n * m * n * m)),
        ("positions", 1.0 / (n * n) / (m * m)),
        ("keras", 1.0 / (4.0 * 3.0 * 3.0 * p * p)),
        ("balanced", 1.0 / size),
    ]
}
// ANCHOR_END: factors

/// Prints each formula's distance of two pictures of one size, the shares of five layers in it, and how large features are there.
pub fn compare(network: &Vgg19<f32>, picture: &Picture, style: &Picture) -> Result<(), Box<dyn Error>> {
    let tape = Tape::new();
    let of = layers(["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]);
    let seen = |picture: &Picture| network.features(&tape.constant(network.normalise(&picture.rgb.view())), of);
    let (seen, wanted) = (seen(picture)?, seen(style)?);
    let pixels = (picture.height() * picture.width()) as f64;
    let squares = |gram: &ArrayD<f32>| gram.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
    for formula in 0..6 {
        let term = |layer: &Layer| {
            let [g, a] = [&seen, &wanted].map(|features| gram_matrix(&features[layer]).to_array());
            let shape = seen[layer].shape();
            let (n, m) = (shape[2] as f64, (shape[0] * shape[1]) as f64);
            factors(n, m, pixels, squares(&a))[formula].1 * squares(&(g - &a))
        };
        let terms: Vec<f64> = of.iter().map(term).collect();
        let (name, total) = (factors(1.0, 1.0, 1.0, 1.0)[formula].0, terms.iter().sum::<f64>());
        let shares: Vec<String> = terms.iter().map(|term| format!("{:3.0} %", 100.0 * term / total)).collect();
        println!("{name:<9} = {total:.1e}; shares of relu1_1 to relu5_1: {}", shares.join(" "));
    }
    let means = of.map(|layer| format!("{:.1e}", seen[&layer].to_array().mean().unwrap_or(0.0)));
    println!("mean features of relu1_1 to relu5_1: {}", means.join(" "));
    Ok(())
}
