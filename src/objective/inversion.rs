//! The objective of representation inversion: Mahendran & Vedaldi, "Understanding deep image representations by
//! inverting them", 2014, equation 4, with the normalisation of their published procedure.

use ndarray::Array3;

use super::{AlphaNorm, Divisor, FeaturesError, Objective, Selection, Term, TotalVariation};
use crate::tape::{Real, Tape};
use crate::vgg::{Execution, Layer, NetworkError, Request, Vgg19};

/// The image priors: their exponents and weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Priors {
    /// α, the exponent of the norm that keeps pixels in the range of natural images; at least 1.
    pub alpha: f64,
    /// β, the exponent of the total variation, which keeps the picture piecewise smooth; above 0.
    pub beta: f64,
    /// The published λ of the α-norm: the term is `λ/(2σ²)·Σ|x|^α`.
    pub lambda_alpha: f64,
    /// The published λ of the total variation: the term is `λ/(2σ²)·Σ(d₁² + d₂²)^(β/2)`.
    pub lambda_tv: f64,
}

impl Priors {
    /// The published α = 6, β = 2 and `λ_α` = 8e-10, and the published `λ_TV` by depth: 1 for the first two blocks, 10 up
    /// to relu4_4, 100 for all deeper layers. (The paper's network has other layers; these are those of about the same
    /// receptive field.)
    pub fn published(layer: Layer) -> Self {
        let lambda_tv = match layer.convolution() {
            Some(0..4) => 1.0,
            Some(4..12) => 10.0,
            _ => 100.0,
        };
        Self { alpha: 6.0, beta: 2.0, lambda_alpha: 8e-10, lambda_tv }
    }

    /// The published priors with 0.3 times their total variation, for use with L-BFGS. Errors are about a third of
    /// those of the published procedure, and pictures are sharper: chapter 7 of the book.
    pub fn light(layer: Layer) -> Self {
        let published = Self::published(layer);
        Self { lambda_tv: 0.3 * published.lambda_tv, ..published }
    }
}

/// An inversion cannot be set up.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum InversionError {
    /// The network cannot compute the layer.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The selection is empty or exceeds the layer's features.
    #[error(
        "{layer} has {} × {} positions of {} channels for this image; the patch or the channels asked for reach out of \
         that, or are none", shape[0], shape[1], shape[2]
    )]
    Selection {
        /// The layer.
        layer: Layer,
        /// Its features' shape (height, width, channels).
        shape: [usize; 3],
    },
}

/// ‖Φ(x)−Φ₀‖²/‖Φ₀‖² + `λ_α/(2σ²)·R_α(x)` + `λ_TV/(2σ²)·R_Vβ(x)`: groups `error`, `tv` and `alpha`. Φ₀ are the features of a
/// given `image` (height, width, 3), normalised as the network's input; x, the objective's pixels, is a picture on 0..255
/// with the network's mean subtracted; σ = 27098·√(HW)/227 is the
/// typical norm of such a picture of H×W pixels.
///
/// # Errors
/// If the network lacks the layer, the image is too small for it, or the selection does not fit its features.
pub fn inversion<T: Real>(
    network: &Vgg19<T>,
    image: Array3<T>,
    layer: Layer,
    selection: Selection,
    priors: Priors,
) -> Result<Objective<T>, InversionError> {
    inversion_by(&Execution::default(), network, image, layer, selection, priors)
}

/// [`inversion`] with the caller's execution of the network.
pub(crate) fn inversion_by<T: Real>(
    execution: &Execution,
    network: &Vgg19<T>,
    image: Array3<T>,
    layer: Layer,
    selection: Selection,
    priors: Priors,
) -> Result<Objective<T>, InversionError> {
    let variance = typical_norm([image.dim().0, image.dim().1]).powi(2);
    let tape = Tape::new();
    let observation = execution.observe(network, &tape.constant(image), &Request::new([layer], []))?;
    let features = &observation.features[&layer];
    if selection.ranges(features.shape()).is_none() {
        let shape = features.shape().try_into().expect("three axes");
        return Err(InversionError::Selection { layer, shape });
    }
    let prior = |lambda: f64, term: Box<dyn Term<T>>| if lambda > 0.0 { vec![(lambda, term)] } else { Vec::new() };
    let divisor = 2.0 * variance;
    let Priors { alpha, beta, lambda_alpha, lambda_tv } = priors;
    Ok(Objective::new()
        .term("error", 1.0, FeaturesError::new(layer, features, selection, Divisor::Size))
        .group("tv", 1.0, prior(lambda_tv, Box::new(TotalVariation { beta, divisor })))
        .group("alpha", 1.0, prior(lambda_alpha, Box::new(AlphaNorm { alpha, divisor }))))
}

/// σ: the typical norm of a mean-subtracted image on 0..255 of `height`×`width` pixels, 27098·√(HW)/227.
pub fn typical_norm([height, width]: [usize; 2]) -> f64 {
    27098.0 * ((height * width) as f64).sqrt() / 227.0
}

#[cfg(test)]
mod tests {
    use ndarray::{arr1, s};

    use super::*;
    use crate::objective::{Evaluation, testing};
    use crate::ops::{mul, slice};
    use crate::tape::Var;
    use crate::vgg::Weights;

    fn layer(name: &str) -> Layer {
        name.parse().unwrap()
    }

    /// A network with random weights, as deep as relu2_1, in double precision.
    fn network() -> Vgg19<f64> {
        Vgg19::new(Weights::random(1, Some(layer("relu2_1"))))
    }

    fn image(height: usize, width: usize) -> Array3<f64> {
        Array3::from_shape_fn((height, width, 3), |(i, j, c)| ((i * 7 + j * 3 + c * 5) % 11) as f64 / 5.0 - 1.0)
    }

    /// The objective at a canvas of which the network sees the 8×6 pixels from `corner` on.
    fn evaluated<'t>(
        objective: &Objective<f64>,
        network: &Vgg19<f64>,
        x: &Var<'t, f64>,
        [top, left]: [usize; 2],
    ) -> Evaluation<'t, f64> {
        let to_input = x.tape().constant(arr1(&network.std().map(|std| 1.0 / (255.0 * std))));
        let input = mul(&slice(x, top..top + 8, left..left + 6, 0..3), &to_input);
        objective.evaluate(network, x, &input).unwrap()
    }

    fn value_of(losses: &Evaluation<'_, f64>, name: &str) -> f64 {
        losses.groups.iter().find(|group| group.name == name).unwrap().value
    }

    /// x of a normalised image.
    fn levels(network: &Vgg19<f64>, image: Array3<f64>) -> Array3<f64> {
        image * &arr1(&network.std().map(|std| 255.0 * std))
    }

    #[test]
    fn the_image_itself_has_no_error_and_a_constant_no_variation() {
        let network = network();
        let priors = Priors::published(layer("relu2_1"));
        let inversion = inversion(&network, image(8, 6), layer("relu2_1"), Selection::default(), priors).unwrap();
        let tape = Tape::new();
        let losses = evaluated(&inversion, &network, &tape.constant(levels(&network, image(8, 6))), [0, 0]);
        let value = |name: &str| value_of(&losses, name);
        assert!(value("error") < 1e-20 && value("tv") > 0.0 && value("alpha") > 0.0);
        let grey = Array3::from_elem((8, 6, 3), 40.0);
        let losses = evaluated(&inversion, &network, &tape.constant(grey), [0, 0]);
        let value = |name: &str| value_of(&losses, name);
        assert_eq!(value("tv"), 0.0);
        // λ/(2σ²)·Σx⁶, by hand.
        let variance = (27098.0f64 / 227.0).powi(2) * 48.0;
        approx::assert_relative_eq!(value("alpha"), 8e-10 / (2.0 * variance) * 144.0 * 40f64.powi(6), epsilon = 1e-12);
        approx::assert_relative_eq!(losses.total, value("error") + value("alpha"), epsilon = 1e-12);
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences_for_a_patch_of_some_channels_of_a_larger_canvas() {
        let network = network();
        let selection = Selection { patch: Some([1..3, 0..2]), channels: Some(3..40) };
        let priors = Priors { lambda_tv: 3.0, lambda_alpha: 1e-8, ..Priors::published(layer("relu2_1")) };
        let inversion = inversion(&network, image(8, 6), layer("relu2_1"), selection, priors).unwrap();
        let canvas = levels(&network, image(11, 9)) * 0.9;
        let tape = Tape::new();
        let x = tape.variable(canvas.clone());
        let gradients = evaluated(&inversion, &network, &x, [2, 1]).scaled.backward();
        let gradient = gradients.get(&x).unwrap();
        let value = |canvas: Array3<f64>| {
            let tape = Tape::new();
            evaluated(&inversion, &network, &tape.constant(canvas), [2, 1]).total
        };
        for at in [[0, 0, 0], [4, 3, 1], [7, 2, 2], [10, 8, 0]] {
            let moved = |by: f64| {
                let mut canvas = canvas.clone();
                canvas[at] += by;
                value(canvas)
            };
            let numeric = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            approx::assert_relative_eq!(gradient[&at[..]], numeric, max_relative = 1e-5, epsilon = 1e-12);
        }
    }

    #[test]
    fn a_selection_that_does_not_fit_is_refused() {
        let network = network();
        let priors = Priors::published(layer("relu2_1"));
        for selection in [
            Selection { channels: Some(0..129), ..Selection::default() },
            Selection { channels: Some(3..3), ..Selection::default() },
            Selection { patch: Some([0..4, 0..4]), ..Selection::default() },
        ] {
            let refused = inversion(&network, image(8, 6), layer("relu2_1"), selection, priors);
            let error = refused.err().unwrap().to_string();
            assert!(error.starts_with("relu2_1 has 4 × 3 positions of 128 channels"), "{error}");
        }
    }

    #[test]
    fn the_error_is_that_of_the_selected_features_relative_to_their_size() {
        let (network, layer) = (testing::network(), layer("relu2_1"));
        let (sought, shown) = (testing::image(8, 6, 1), testing::image(8, 6, 2));
        let priors = Priors { lambda_alpha: 0.0, lambda_tv: 0.0, ..Priors::published(layer) };
        // A map of 4 rows, 3 columns and 3 channels.
        let all = Selection::default();
        for (selection, [rows, columns, channels]) in [
            (all.clone(), [0..4, 0..3, 0..3]),
            (Selection { channels: Some(1..3), ..all.clone() }, [0..4, 0..3, 1..3]),
            (Selection { patch: Some([1..3, 2..3]), channels: None }, [1..3, 2..3, 0..3]),
        ] {
            let inversion = inversion(&network, sought.clone(), layer, selection, priors).unwrap();
            let tape = Tape::new();
            let x = tape.constant(levels(&network, shown.clone()));
            let losses = evaluated(&inversion, &network, &x, [0, 0]);
            let [target, features] = [&sought, &shown].map(|image| {
                let features = testing::features(image, layer).into_shape_with_order((4, 3, 3)).unwrap();
                features.slice(s![rows.clone(), columns.clone(), channels.clone()]).to_owned()
            });
            let square = |a: &Array3<f64>| a.iter().map(|v| v * v).sum::<f64>();
            let expected = square(&(&features - &target)) / square(&target);
            let value = |name: &str| value_of(&losses, name);
            approx::assert_relative_eq!(value("error"), expected, max_relative = 1e-12);
            assert_eq!([value("alpha"), value("tv"), losses.total], [0.0, 0.0, value("error")]);
        }
    }

    #[test]
    fn published_variation_grows_with_depth_and_light_priors_have_less_of_it() {
        for (name, lambda_tv) in [
            ("conv1_1", 1.0),
            ("relu2_2", 1.0),
            ("pool2", 1.0),
            ("conv3_1", 10.0),
            ("pool4", 10.0),
            ("conv5_1", 100.0),
            ("fc8", 100.0),
        ] {
            let published = Priors::published(layer(name));
            assert_eq!(published, Priors { alpha: 6.0, beta: 2.0, lambda_alpha: 8e-10, lambda_tv }, "{name}");
            assert_eq!(Priors::light(layer(name)), Priors { lambda_tv: 0.3 * lambda_tv, ..published }, "{name}");
        }
    }

    #[test]
    fn of_a_larger_picture_the_part_at_the_corner_is_shown() {
        let (network, layer) = (testing::network(), layer("relu1_1"));
        let sought = testing::image(8, 6, 1);
        let priors = Priors::published(layer);
        let inversion = inversion(&network, sought.clone(), layer, Selection::default(), priors).unwrap();
        let mut canvas = testing::image(11, 10, 2);
        canvas.slice_mut(s![2..10, 3..9, ..]).assign(&sought);
        let tape = Tape::new();
        let x = tape.constant(levels(&network, canvas));
        let error = |corner| evaluated(&inversion, &network, &x, corner).groups[0].value;
        assert!(error([2, 3]) < 1e-20 && error([2, 2]) > 0.1 && error([3, 3]) > 0.1);
    }
}
