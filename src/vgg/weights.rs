//! Placeholder until the loader lands.

use ndarray::{Array1, Array4};

/// One convolution's weights.
#[derive(Clone, Debug)]
pub struct ConvWeights {
    /// (out, in, 3, 3); fastest when memory has the order (kernel height, kernel width, in, out).
    pub weight: Array4<f32>,
    /// (out).
    pub bias: Array1<f32>,
}

/// The weights of VGG19's convolutions, in order, and the statistics of its input.
#[derive(Clone, Debug)]
pub struct Weights {
    /// conv1_1, conv1_2, …: as many as there are.
    pub convolutions: Vec<ConvWeights>,
    /// Mean of each channel of the input, for values in 0..1.
    pub mean: [f32; 3],
    /// Standard deviation of each channel of the input, for values in 0..1.
    pub std: [f32; 3],
}
