//! Work that the benches share.
#![allow(dead_code, missing_docs, reason = "each bench uses a part")]

use impasto::Preset;
use impasto::objective::{Objective, style_transfer};
use impasto::ops::ConvAlgorithm;
use impasto::tape::Tape;
use impasto::vgg::{Vgg19, Weights};
use ndarray::{Array, Dimension, ShapeBuilder};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// VGG19's 3×3 convolutions for a picture of 512×512 pixels, those of one shape once: name, side, in, out, and how many
/// of them the notebook's recipe runs (to relu5_1).
pub const LAYERS: [(&str, usize, usize, usize, usize); 10] = [
    ("conv1_1", 512, 3, 64, 1),
    ("conv1_2", 512, 64, 64, 1),
    ("conv2_1", 256, 64, 128, 1),
    ("conv2_2", 256, 128, 128, 1),
    ("conv3_1", 128, 128, 256, 1),
    ("conv3_2", 128, 256, 256, 3),
    ("conv4_1", 64, 256, 512, 1),
    ("conv4_2", 64, 512, 512, 3),
    ("conv5_1", 32, 512, 512, 1),
    ("conv5_1 of a 256² picture", 16, 512, 512, 0),
];

/// Elements uniform in −1..1.
pub fn random<D: Dimension, S: ShapeBuilder<Dim = D>>(shape: S) -> Array<f32, D> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    Array::from_shape_simple_fn(shape, || rng.random_range(-1.0..1.0))
}

/// The notebook's recipe on noise of `size`² pixels: what one step evaluates.
pub struct Step {
    network: Vgg19<f32>,
    objective: Objective<f32>,
    image: ndarray::Array3<f32>,
    tape: Tape<f32>,
}

impl Step {
    pub fn new(size: usize, algorithm: ConvAlgorithm) -> Self {
        let recipe = Preset::Notebook.recipe(false);
        let network = Vgg19::new(Weights::random(0, Some(recipe.deepest()))).with_algorithm(algorithm);
        let image = random((size, size, 3));
        let style = random((size, size, 3)).mapv(|v| v * v);
        let objective =
            style_transfer(&recipe, &network, image.clone(), vec![(style, 1.0)]).expect("all layers are there");
        Self { network, objective, image, tape: Tape::new() }
    }

    /// Value and gradient, once.
    pub fn run(&mut self) -> f32 {
        let value = {
            let image = self.tape.variable(self.image.clone());
            let losses = self.objective.evaluate(&self.network, &image, &image).expect("a large image");
            losses.scaled.backward();
            losses.scaled.scalar()
        };
        self.tape.clear();
        value
    }

    /// Multiplications of the convolutions by their definition, forward and back.
    pub fn multiplications(&self) -> usize {
        let size = [self.image.dim().0, self.image.dim().1];
        let deepest = Preset::Notebook.recipe(false).deepest();
        let layers = self.network.summary(size).into_iter().filter(|layer| layer.layer <= deepest);
        2 * layers.map(|layer| layer.multiplications).sum::<usize>()
    }
}
