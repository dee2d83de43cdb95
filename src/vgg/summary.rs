//! Summary of the network, layer by layer.

use super::{Layer, Vgg19};
use crate::tape::Real;

/// The summary of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSummary {
    /// The layer.
    pub layer: Layer,
    /// Its features' shape (height, width, channels).
    pub shape: [usize; 3],
    /// Number of weights and biases.
    pub parameters: usize,
    /// Receptive field: the side, in image pixels, of the square that a feature depends on.
    pub receptive_field: usize,
    /// Multiplications by the definition: for a convolution, nine times input times output channels at each position.
    pub multiplications: usize,
}

impl<T: Real> Vgg19<T> {
    /// The summaries of all layers that the weights include, for an image of (height, width).
    pub fn summary(&self, [mut height, mut width]: [usize; 2]) -> Vec<LayerSummary> {
        let mut summary = Vec::new();
        // The distance in pixels between neighbouring features (stride), and their receptive field.
        let (mut jump, mut field) = (1, 1);
        for (index, shape) in self.weight_shapes().enumerate() {
            let (conv, relu, pool) = Layer::of_convolution(index);
            let [outputs, inputs, kernel_height, kernel_width] = shape;
            let weights = outputs * inputs * kernel_height * kernel_width;
            field += 2 * jump;
            let mut push = |layer, shape, parameters, receptive_field, multiplications| {
                summary.push(LayerSummary { layer, shape, parameters, receptive_field, multiplications });
            };
            push(conv, [height, width, outputs], weights + outputs, field, height * width * weights);
            push(relu, [height, width, outputs], 0, field, 0);
            if let Some(pool) = pool {
                (height, width) = (height / 2, width / 2);
                field += jump;
                jump *= 2;
                push(pool, [height, width, outputs], 0, field, 0);
            }
        }
        summary
    }
}
