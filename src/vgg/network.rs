//! The network: its weights, its input's normalisation, and its forward pass.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ndarray::{Array, Array3, ArrayView3, Ix4};

use super::layer::Kind;
use super::{Layer, Lineage, Normalisation, Weights};
use crate::kernels::{ConvAlgorithm, ConvGeometry, PaddingMode, PoolGeometry, Pooling, by_cache_lines};
use crate::ops;
use crate::tape::{Real, Value, Var};

/// Why features cannot be computed.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum NetworkError {
    /// The weights end before the layer.
    #[error("the weights end before {layer}; the last layer available is {last}")]
    Missing {
        /// The requested layer.
        layer: Layer,
        /// The deepest layer that the weights reach.
        last: Layer,
    },
    /// The classifier takes images of one size.
    #[error("{layer} needs an image of 224×224 pixels, not {width}×{height}")]
    Classifier {
        /// Height of the image.
        height: usize,
        /// Width of the image.
        width: usize,
        /// The requested layer.
        layer: Layer,
    },
    /// The image is too small: the poolings before the layer leave no position.
    #[error("an image of {width}×{height} pixels is too small for {layer}, which needs at least {least}×{least}")]
    TooSmall {
        /// Height of the image.
        height: usize,
        /// Width of the image.
        width: usize,
        /// The requested layer.
        layer: Layer,
        /// The smallest side that leaves a position at that layer.
        least: usize,
    },
}

/// VGG19 (Simonyan & Zisserman 2014, configuration E): sixteen 3×3 convolutions with ReLUs, in five blocks that end in a 2×2
/// pooling, and the classifier's layers where the weights have them. The weights are frozen; clones share them.
#[derive(Clone)]
pub struct Vgg19<T: Real> {
    weights: Arc<Frozen<T>>,
    normalisation: Normalisation,
    lineage: Lineage,
    pooling: Pooling,
    algorithm: ConvAlgorithm,
    edges: PaddingMode,
    seamless: bool,
}

/// Weight and bias of each layer that has them.
struct Frozen<T: Real> {
    convolutions: Vec<(Value<T>, Value<T>)>,
    /// fc6, fc7 and fc8, as far as they are loaded.
    classifier: Vec<(Value<T>, Value<T>)>,
}

/// An operation of the forward pass, and the layer whose features it computes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub layer: Layer,
    pub operation: Operation,
}

/// What a step computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// A convolution, by number from 0, with a fused ReLU and a fused pooling after that.
    Convolution { index: usize, relu: bool, pooled: bool },
    /// A separate ReLU.
    Relu,
    /// A separate pooling.
    Pooling,
    /// A fully connected layer, by number from 0.
    Linear { index: usize },
}

impl Operation {
    /// This operation fused with the next one, if there is such a kernel.
    fn fused_with(self, kind: Kind) -> Option<Self> {
        match (self, kind) {
            (Self::Convolution { index, relu: false, .. }, Kind::Relu) => {
                Some(Self::Convolution { index, relu: true, pooled: false })
            }
            (Self::Convolution { index, relu: true, pooled: false }, Kind::Pool) => {
                Some(Self::Convolution { index, relu: true, pooled: true })
            }
            _ => None,
        }
    }
}

impl<T: Real> Vgg19<T> {
    /// The network with the given weights, maximum pooling, and the fastest algorithms.
    pub fn new(weights: Weights) -> Self {
        let convolutions = weights.convolutions.into_iter();
        let convolutions = convolutions.map(|conv| (cast(by_cache_lines(conv.weight)), cast(conv.bias))).collect();
        let classifier = weights.classifier.unwrap_or_default().into_iter();
        let classifier = classifier.map(|linear| (cast(linear.weight), cast(linear.bias))).collect();
        Self {
            weights: Arc::new(Frozen { convolutions, classifier }),
            normalisation: Normalisation::new(weights.mean, weights.std),
            lineage: weights.lineage,
            pooling: Pooling::default(),
            algorithm: ConvAlgorithm::default(),
            edges: PaddingMode::default(),
            seamless: false,
        }
    }

    /// The same network with another pooling.
    pub fn with_pooling(self, pooling: Pooling) -> Self {
        Self { pooling, ..self }
    }

    /// The same network with convolutions that see something else beyond the edges; [`Vgg19::new`] pads with zeros, as in the
    /// training.
    pub fn with_edges(self, edges: PaddingMode) -> Self {
        Self { edges, ..self }
    }

    /// The same network with its convolutions computed by another algorithm.
    pub fn with_algorithm(self, algorithm: ConvAlgorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// The same network with convolutions that wrap around the edges instead of padding. If height and width
    /// are multiples of the deepest layer's stride, rolling the picture by that stride then rolls its features.
    pub fn seamless(self) -> Self {
        Self { seamless: true, ..self }
    }

    /// The features of a normalised image (height, width, 3) at the given layers, each (height, width, channels), by a
    /// forward pass to the deepest of them.
    ///
    /// It holds whole maps. [`Execution::observe`](super::Execution::observe) computes the same bits in less memory.
    ///
    /// # Errors
    /// If the weights end before a layer, or the image is too small for it.
    ///
    /// # Panics
    /// If the image does not have three axes and three channels.
    pub fn features<'t>(
        &self,
        image: &Var<'t, T>,
        layers: impl IntoIterator<Item = Layer>,
    ) -> Result<BTreeMap<Layer, Var<'t, T>>, NetworkError> {
        let layers: BTreeSet<Layer> = layers.into_iter().collect();
        if let Some(&deepest) = layers.last() {
            self.check([image.shape()[0], image.shape()[1]], deepest)?;
        }
        let (mut features, mut x) = (BTreeMap::new(), image.clone());
        for step in self.steps(&layers) {
            x = self.apply(step.operation, &x);
            if layers.contains(&step.layer) {
                features.insert(step.layer, x.clone());
            }
        }
        Ok(features)
    }

    /// The operations that lead to the requested layers. A ReLU, and a pooling behind it, are fused into the convolution
    /// before them unless the map in between is requested or edges wrap around.
    pub(super) fn steps(&self, requested: &BTreeSet<Layer>) -> Vec<Step> {
        let Some(&deepest) = requested.last() else { return Vec::new() };
        let (end, mut steps) = (deepest.min(self.last()), Vec::<Step>::new());
        for layer in Layer::all().take_while(|layer| *layer <= end) {
            let before = steps.last_mut().filter(|before| !self.seamless && !requested.contains(&before.layer));
            if let Some((before, operation)) =
                before.and_then(|before| before.operation.fused_with(layer.kind()).map(|fused| (before, fused)))
            {
                *before = Step { layer, operation };
                continue;
            }
            let operation = match (layer.kind(), layer.convolution()) {
                (Kind::Linear, Some(index)) => Operation::Convolution { index, relu: false, pooled: false },
                (Kind::Linear, None) => Operation::Linear { index: layer.block() - 6 },
                (Kind::Relu, _) => Operation::Relu,
                (Kind::Pool, _) => Operation::Pooling,
            };
            steps.push(Step { layer, operation });
        }
        steps
    }

    /// The result of one operation.
    pub(super) fn apply<'t>(&self, operation: Operation, x: &Var<'t, T>) -> Var<'t, T> {
        let constants = |(weight, bias): &(Value<T>, Value<T>)| (x.tape().constant(weight), x.tape().constant(bias));
        let windows = PoolGeometry::square(2);
        match operation {
            Operation::Convolution { index, relu, pooled } => {
                let (weight, bias) = constants(&self.weights.convolutions[index]);
                if relu {
                    let pooling = pooled.then_some(self.pooling);
                    ops::conv2d_relu(x, &weight, &bias, pooling, self.edges, self.algorithm)
                } else if self.seamless {
                    let wrapped = ops::circular_pad(x, 1);
                    ops::conv2d(&wrapped, &weight, Some(&bias), &ConvGeometry::default(), self.algorithm)
                } else {
                    let geometry = ConvGeometry { mode: self.edges, ..ConvGeometry::padded(1) };
                    ops::conv2d(x, &weight, Some(&bias), &geometry, self.algorithm)
                }
            }
            Operation::Relu => ops::relu(x),
            Operation::Pooling => match self.pooling {
                Pooling::Max => ops::max_pool2d(x, &windows),
                Pooling::Average => ops::avg_pool2d(x, &windows),
            },
            Operation::Linear { index } => {
                let (weight, bias) = constants(&self.weights.classifier[index]);
                ops::linear(x, &weight, &bias)
            }
        }
    }

    /// Checks that the network can compute a layer for an image of this height and width.
    ///
    /// # Errors
    /// If the weights end before the layer, or the image is too small for it.
    pub fn check(&self, [height, width]: [usize; 2], layer: Layer) -> Result<(), NetworkError> {
        if layer > self.last() {
            return Err(NetworkError::Missing { layer, last: self.last() });
        }
        let least = layer.stride();
        if layer.is_classifier() && [height / 32, width / 32] != [7, 7] {
            return Err(NetworkError::Classifier { height, width, layer });
        }
        if height.min(width) < least {
            return Err(NetworkError::TooSmall { height, width, layer, least });
        }
        Ok(())
    }

    /// The deepest layer that the weights reach.
    pub fn last(&self) -> Layer {
        let (_, relu, pool) = Layer::of_convolution(self.weights.convolutions.len() - 1);
        let deepest = pool.unwrap_or(relu);
        // Each fully connected layer except fc8 is followed by a ReLU.
        let classifier = Layer::all().filter(|layer| layer.is_classifier());
        let reached = (2 * self.weights.classifier.len()).min(5);
        if self.weights.convolutions.len() == Layer::CONVOLUTIONS {
            classifier.take(reached).last().unwrap_or(deepest)
        } else {
            deepest
        }
    }

    /// Shapes of the convolutions' weights, in order.
    pub(super) fn weight_shapes(&self) -> impl Iterator<Item = [usize; 4]> + '_ {
        self.weights.convolutions.iter().map(|(weight, _)| weight.of_rank::<Ix4>("conv2d").dim().into())
    }

    /// How the algorithm computes convolutions.
    pub(super) fn algorithm(&self) -> ConvAlgorithm {
        self.algorithm
    }

    /// The pooling that ends each block.
    pub(super) fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// What convolutions see beyond the edges.
    pub(super) fn edges(&self) -> PaddingMode {
        self.edges
    }

    /// Whether edges wrap around.
    pub(super) fn is_seamless(&self) -> bool {
        self.seamless
    }

    /// Weight (out, in, 3, 3) and bias (out) of a convolution.
    pub(super) fn convolution(&self, index: usize) -> &(Value<T>, Value<T>) {
        &self.weights.convolutions[index]
    }

    /// Whether `other` has the same weights and algorithms, so that both compute the same bits.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let manner = |network: &Self| (network.pooling, network.algorithm, network.edges, network.seamless);
        Arc::ptr_eq(&self.weights, &other.weights) && manner(self) == manner(other)
    }

    /// Bytes of the weights.
    pub(crate) fn bytes(&self) -> usize {
        let all = self.weights.convolutions.iter().chain(&self.weights.classifier);
        all.map(|(weight, bias)| weight.bytes() + bias.bytes()).sum()
    }

    /// The channels of the features at a layer; 0 where the weights do not reach it.
    pub(crate) fn channels(&self, layer: Layer) -> usize {
        let weight = layer.convolution().and_then(|index| self.weights.convolutions.get(index));
        weight.map_or(0, |(weight, _)| weight.shape()[0])
    }

    /// The training that the weights come from.
    pub fn lineage(&self) -> Lineage {
        self.lineage
    }

    /// Whether the weights were trained on pictures; see [`Lineage::is_trained`].
    pub fn is_trained(&self) -> bool {
        self.lineage.is_trained()
    }

    /// The normalisation of the network's input.
    pub fn normalisation(&self) -> Normalisation {
        self.normalisation
    }

    /// Mean of each channel of the input, for values in 0..1.
    pub fn mean(&self) -> [f64; 3] {
        self.normalisation.mean()
    }

    /// Standard deviation of each channel of the input, for values in 0..1.
    pub fn std(&self) -> [f64; 3] {
        self.normalisation.std()
    }

    /// The spread of natural colours in units of the network's input; see [`Normalisation::spread`].
    pub fn spread(&self) -> f64 {
        self.normalisation.spread()
    }

    /// The network's input for an image with values in 0..1; see [`Normalisation::apply`].
    pub fn normalise(&self, rgb: &ArrayView3<'_, f32>) -> Array3<T> {
        self.normalisation.apply(rgb)
    }

    /// The image of a network's input; values may lie outside of 0..1.
    pub fn denormalise(&self, image: &ArrayView3<'_, T>) -> Array3<f32> {
        self.normalisation.invert(image)
    }
}

/// An array in another precision, in the same memory order; without a copy if that is `f32`.
fn cast<T: Real, D: ndarray::Dimension + 'static>(array: Array<f32, D>) -> Value<T> {
    let array: Box<dyn Any> = Box::new(array);
    match array.downcast::<Array<T, D>>() {
        Ok(array) => (*array).into(),
        Err(array) => {
            let array = array.downcast::<Array<f32, D>>().expect("as it was boxed");
            array.mapv(|v| T::of(f64::from(v))).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::tape::Tape;

    #[test]
    fn the_classifier_follows_on_pool5_of_an_image_of_its_size() {
        let relu7 = "relu7".parse().unwrap();
        let weights = Weights::random_with_widths([2; 5], 1, Some(relu7));
        let (fc6, fc7) = match weights.classifier.as_deref() {
            Some([fc6, fc7]) => (fc6.clone(), fc7.clone()),
            other => panic!("fc6 and fc7 are needed for relu7, not {other:?}"),
        };
        let network = Vgg19::<f32>::new(weights);
        assert_eq!(network.last(), relu7);
        let tape = Tape::new();
        let image =
            tape.variable(Array3::from_shape_fn((224, 224, 3), |(i, j, c)| ((i * j + c) % 9) as f32 / 4.0 - 1.0));
        let layers = ["pool5", "fc6", "relu6", "relu7"].map(|name| name.parse::<Layer>().unwrap());
        let features = network.features(&image, layers).unwrap();
        let flat = |layer: Layer| ndarray::Array1::from(features[&layer].value().elements().into_owned());
        let expected = fc6.weight.dot(&flat(layers[0])) + &fc6.bias;
        approx::assert_abs_diff_eq!(flat(layers[1]), expected, epsilon = 1e-4);
        let expected = (fc7.weight.dot(&expected.mapv(|v| v.max(0.0))) + &fc7.bias).mapv(|v| v.max(0.0));
        approx::assert_abs_diff_eq!(flat(layers[3]), expected, epsilon = 1e-4);
        let gradients = ops::sum(&features[&relu7]).backward();
        assert!(gradients.get(&image).unwrap().iter().any(|&g| g != 0.0));

        let small = tape.constant(Array3::zeros((223, 224, 3)));
        let error = network.features(&small, [relu7]).err().unwrap().to_string();
        assert_eq!(error, "relu7 needs an image of 224×224 pixels, not 224×223");
        let fc8 = "fc8".parse().unwrap();
        let error = network.features(&image, [fc8]).err().unwrap();
        assert_eq!(error, NetworkError::Missing { layer: fc8, last: relu7 });
    }
}
