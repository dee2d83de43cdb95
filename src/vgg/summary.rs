//! The network in figures.

use super::{Layer, Vgg19};
use crate::tape::Real;

/// One layer's figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSummary {
    /// The layer.
    pub layer: Layer,
    /// Its features' shape (height, width, channels).
    pub shape: [usize; 3],
    /// Numbers in its weights and biases.
    pub parameters: usize,
    /// Side, in image pixels, of the square that one of its features depends on.
    pub receptive_field: usize,
    /// Multiplications of its definition: of a convolution by nine times input and output channels at each position.
    pub multiplications: usize,
}

impl<T: Real> Vgg19<T> {
    /// The figures of all layers that the weights reach, for an image of the given (height, width).
    pub fn summary(&self, [mut height, mut width]: [usize; 2]) -> Vec<LayerSummary> {
        let mut summary = Vec::new();
        // The distance in pixels between neighbouring features, and their receptive field.
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
