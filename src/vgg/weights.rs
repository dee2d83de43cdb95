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

/// Stub.
#[derive(Clone, Debug)]
pub struct WeightSource;

impl WeightSource {
    /// Stub.
    pub fn is_random(&self) -> bool {
        true
    }
}

impl std::str::FromStr for WeightSource {
    type Err = String;
    fn from_str(_: &str) -> Result<Self, String> {
        Ok(Self)
    }
}

/// Stub.
pub fn find_weights(_: Option<&WeightSource>) -> WeightSource {
    WeightSource
}

impl Weights {
    /// Stub.
    pub fn load(_: &WeightSource, _: super::Layer) -> Result<Self, String> {
        use rand_distr::Distribution;
        let mut rng = <rand_chacha::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(1);
        let mut inputs = 3;
        let convolutions =
            [64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512].map(|outputs| {
                let std = (2.0 / (9.0 * inputs as f32)).sqrt();
                let weight = Array4::from_shape_simple_fn((3, 3, inputs, outputs), || {
                    let x: f32 = rand_distr::StandardNormal.sample(&mut rng);
                    x * std
                });
                inputs = outputs;
                ConvWeights { weight: weight.permuted_axes([3, 2, 0, 1]), bias: Array1::zeros(outputs) }
            });
        Ok(Self { convolutions: convolutions.into(), mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] })
    }
}
