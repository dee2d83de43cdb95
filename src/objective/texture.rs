//! The objective of texture synthesis: Gatys, Ecker & Bethge, "Texture synthesis using convolutional neural networks",
//! 2015, equations 2 to 4.

use ndarray::Array3;

use super::style_transfer::style_terms;
use super::{GramNorm, Objective, RegionError, Targets};
use crate::recipe::{LayerWeights, StyleLoss};
use crate::tape::Real;
use crate::vgg::{Execution, Layer, NetworkError, Vgg19};

/// L = Σ over layers of w·Σ(G/M − A/M₀)²/Σ(A/M₀)², where G is the Gram matrix of the picture's features at M positions and
/// A that of the example's at M₀: one group, `gram`. The `example` is a normalised image (height, width, 3).
///
/// The paper's terms are w/(4N²M²)·Σ(G−A)², for a network with weights rescaled to a mean activation of 1 for each feature, so that
/// layers count equally. Dividing by the size of A has the same effect without rescaling, and picture and example may differ in
/// size.
///
/// # Errors
/// If the network lacks a layer, or the example is too small for one.
pub fn texture<T: Real>(
    network: &Vgg19<T>,
    example: Array3<T>,
    layers: &LayerWeights,
) -> Result<Objective<T>, NetworkError> {
    texture_by(&Execution::default(), network, example, layers)
}

/// [`texture`] with the caller's execution of the network.
pub(crate) fn texture_by<T: Real>(
    execution: &Execution,
    network: &Vgg19<T>,
    example: Array3<T>,
    layers: &LayerWeights,
) -> Result<Objective<T>, NetworkError> {
    let terms = style_terms(
        layers,
        StyleLoss::Gram,
        GramNorm::Relative,
        (execution, network),
        &[(&example, 1.0, &None)],
        "",
        &Targets::default(),
    );
    let terms = terms.map_err(|error| match error {
        RegionError::Network(error) => error,
        RegionError::Empty { .. } => unreachable!("all of an example is not empty"),
    })?;
    Ok(Objective::new().group("gram", 1.0, terms))
}

/// Layers of the paper's figure 2, with equal weights: relu1_1 (there called `conv1_1`: its ReLU works in place) and
/// pool1 to pool4.
pub fn texture_layers() -> LayerWeights {
    LayerWeights::equal(&["relu1_1", "pool1", "pool2", "pool3", "pool4"])
}

/// The paper's cumulative sets: those of [`texture_layers`] that are no deeper than `deepest`, and `deepest` itself.
/// `conv1_1` stands for relu1_1, as in the paper.
///
/// # Panics
/// Never: `deepest` is always among them.
pub fn texture_layers_up_to(deepest: Layer) -> LayerWeights {
    let relu1_1 = Layer::of_convolution(0).1;
    let deepest = deepest.max(relu1_1);
    let mut layers: Vec<Layer> = texture_layers().layers().filter(|layer| *layer < deepest).collect();
    layers.push(deepest);
    let weight = 1.0 / layers.len() as f64;
    LayerWeights::new(layers.into_iter().map(|layer| (layer, weight))).expect("each layer once")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing;
    use crate::tape::Tape;
    use crate::vgg::Weights;

    fn up_to(name: &str) -> Vec<String> {
        let layers = texture_layers_up_to(name.parse().unwrap());
        layers.layers().map(|layer| layer.to_string()).collect()
    }

    #[test]
    fn cumulative_sets() {
        assert_eq!(up_to("conv1_1"), ["relu1_1"]);
        assert_eq!(up_to("relu1_1"), ["relu1_1"]);
        assert_eq!(up_to("pool2"), ["relu1_1", "pool1", "pool2"]);
        assert_eq!(up_to("relu3_1"), ["relu1_1", "pool1", "pool2", "relu3_1"]);
        assert_eq!(up_to("pool4"), ["relu1_1", "pool1", "pool2", "pool3", "pool4"]);
        let weights = texture_layers_up_to("pool3".parse().unwrap());
        assert!(weights.iter().all(|(_, weight)| weight == 0.25), "{weights}");
    }

    #[test]
    fn each_layer_s_term_is_the_squared_difference_of_gram_matrices_relative_to_the_example_s() {
        let (network, example, picture) = (testing::network(), testing::image(9, 14, 1), testing::image(12, 10, 2));
        let layers = LayerWeights::given([("relu1_1", 0.25), ("pool2", 2.0)]);
        let terms = |example: &Array3<f64>| {
            let target = texture(&network, example.clone(), &layers).unwrap();
            let tape = Tape::new();
            let image = tape.constant(picture.clone());
            let losses = target.evaluate(&network, &image, &image).unwrap();
            let terms = losses.groups[0].terms.clone();
            let sum: f64 = terms.iter().map(|(_, term)| term).sum();
            approx::assert_relative_eq!(losses.total, sum, max_relative = 1e-12);
            assert!(terms.iter().map(|(name, _)| name.clone()).eq(layers.layers().map(|layer| layer.to_string())));
            terms
        };
        let gram = |image, layer| testing::mean_gram(&testing::features(image, layer));
        for ((layer, weight), (_, term)) in layers.iter().zip(terms(&example)) {
            let (g, a) = (gram(&picture, layer), gram(&example, layer));
            let expected = weight * testing::size(&(&g - &a)) / testing::size(&a);
            approx::assert_relative_eq!(term, expected, max_relative = 1e-12);
        }
        // A black example has no activations; the divisor is then 1 for each element.
        for ((layer, weight), (_, term)) in layers.iter().zip(terms(&(&example * 0.0))) {
            let g = gram(&picture, layer);
            approx::assert_relative_eq!(term, weight * testing::size(&g) / g.len() as f64, max_relative = 1e-12);
        }
    }

    fn image(height: usize, width: usize) -> Array3<f64> {
        Array3::from_shape_fn((height, width, 3), |(i, j, c)| ((i * 7 + j * 3 + c * 5) % 11) as f64 / 5.0 - 1.0)
    }

    #[test]
    fn the_example_has_no_loss_and_black_and_white_swapped_has_some() {
        let layers = texture_layers_up_to("pool1".parse().unwrap());
        let network = Vgg19::new(Weights::random(1, Some("pool1".parse().unwrap())));
        let target = texture(&network, image(12, 12), &layers).unwrap();
        let tape = Tape::new();
        let loss = |image: Array3<f64>| {
            let image = tape.constant(image);
            target.evaluate(&network, &image, &image).unwrap().total
        };
        assert!(loss(image(12, 12)) < 1e-20);
        assert!(loss(-image(12, 12)) > 0.01);
    }

    #[test]
    fn on_a_torus_the_loss_does_not_depend_on_where_the_picture_begins() {
        let layers = texture_layers_up_to("pool2".parse().unwrap());
        let network = Vgg19::new(Weights::random(1, Some("pool2".parse().unwrap())));
        let target = texture(&network, image(12, 12), &layers).unwrap();
        let seamless = network.clone().seamless();
        let rolled = |rows: usize, columns: usize| {
            Array3::from_shape_fn((8, 16, 3), |(i, j, c)| {
                let (i, j) = ((i + rows) % 8, (j + columns) % 16);
                ((i * i + 3 * j + c * 5) % 7) as f64 / 3.0
            })
        };
        let tape = Tape::new();
        let loss = |network: &Vgg19<f64>, image: Array3<f64>| {
            let image = tape.constant(image);
            target.evaluate(network, &image, &image).unwrap().total
        };
        approx::assert_relative_eq!(loss(&seamless, rolled(0, 0)), loss(&seamless, rolled(4, 8)), max_relative = 1e-12);
        let (here, there) = (loss(&network, rolled(0, 0)), loss(&network, rolled(4, 8)));
        assert!((here / there - 1.0).abs() > 1e-6, "with zeros beyond the edges it does: {here} {there}");
    }
}
