//! The objective of neural style transfer: L = α·L_content + β·L_style (Gatys, Ecker & Bethge 2016, equation 7), and a
//! total variation term where one is asked for.

use ndarray::Array3;

use super::{Formula, LayerWeights, Settings};
use crate::kernels::reduce;
use crate::ops::{add, gram_matrix, scale, squared_error, total_variation};
use crate::tape::{Real, Tape, Value, Var};
use crate::vgg::{Layer, NetworkError, Vgg19};

/// What the picture's features are compared with, computed once from the content and the style image.
pub struct StyleTransfer<T: Real> {
    settings: Settings,
    content: Vec<Target<T>>,
    style: Vec<Target<T>>,
}

struct Target<T: Real> {
    layer: Layer,
    weight: f64,
    /// P for content; for style A, divided as the formula says.
    value: Value<T>,
    /// Σ of the squares of `value`.
    size: f64,
}

/// The objective's value, term by term; `total` carries the gradient.
pub struct Losses<'t, T: Real> {
    /// α·content + β·style + tv.
    pub total: Var<'t, T>,
    /// `L_content`, without α.
    pub content: f64,
    /// `L_style`, without β: the sum of `style_layers`.
    pub style: f64,
    /// The total variation term, with its weight.
    pub tv: f64,
    /// Each style layer's term, with the layer's weight.
    pub style_layers: Vec<(Layer, f64)>,
}

impl<T: Real> StyleTransfer<T> {
    /// Computes the targets: features of `content` and Gram matrices of `style`, both normalised images
    /// (height, width, 3) of any size.
    ///
    /// # Errors
    /// If the network has not all layers that `settings` names, or an image is too small for them.
    pub fn new(
        settings: Settings,
        network: &Vgg19<T>,
        content: Array3<T>,
        style: Array3<T>,
    ) -> Result<Self, NetworkError> {
        let formula = settings.formula;
        let content = targets(network, content, &settings.content_layers, |features| features.clone())?;
        let style = targets(network, style, &settings.style_layers, |features| formula.normalised_gram(features))?;
        Ok(Self { settings, content, style })
    }

    /// The loss of a normalised image (height, width, 3).
    ///
    /// # Errors
    /// If the image is too small for the layers.
    ///
    /// # Panics
    /// If the image differs in size from the content image.
    pub fn evaluate<'t>(&self, network: &Vgg19<T>, image: &Var<'t, T>) -> Result<Losses<'t, T>, NetworkError> {
        let tape = image.tape();
        let zero = || tape.constant(ndarray::arr0(T::zero()));
        let (mut content, mut style, mut style_layers) = (zero(), zero(), Vec::new());
        let layers = self.content.iter().chain(&self.style).map(|target| target.layer).collect();
        let formula = self.settings.formula;
        let mut style_features = Vec::new();
        network.visit(image, &layers, |layer, features| {
            for target in self.content.iter().filter(|target| target.layer == layer) {
                let error = squared_error(features, &tape.constant(&target.value));
                content = add(&content, &scale(&error, formula.content_factor(target)));
            }
            for target in self.style.iter().filter(|target| target.layer == layer) {
                style_features.push((target, features.clone()));
            }
        })?;
        // Gram matrices come last, so that they are first on the way back, when their gradients can take the place of
        // the features that were kept for them.
        for (target, features) in style_features {
            let gram = formula.normalised_gram(&features);
            let error = squared_error(&gram, &tape.constant(&target.value));
            let term = scale(&error, formula.style_factor(target, features.shape()));
            style_layers.push((target.layer, Real::to_f64(term.scalar())));
            style = add(&style, &term);
        }
        let weighted = [(&content, self.settings.content_weight), (&style, self.settings.style_weight)];
        let mut total = add(&scale(weighted[0].0, weighted[0].1), &scale(weighted[1].0, weighted[1].1));
        let mut tv = 0.0;
        if self.settings.tv_weight > 0.0 {
            let elements = image.value().len() as f64;
            let term = scale(&total_variation(image, 2.0), self.settings.tv_weight / elements);
            tv = Real::to_f64(term.scalar());
            total = add(&total, &term);
        }
        let (content, style) = (Real::to_f64(content.scalar()), Real::to_f64(style.scalar()));
        Ok(Losses { total, content, style, tv, style_layers })
    }
}

/// What `statistic` makes of an image's features at each layer.
fn targets<T: Real>(
    network: &Vgg19<T>,
    image: Array3<T>,
    layers: &LayerWeights,
    statistic: impl for<'t> Fn(&Var<'t, T>) -> Var<'t, T>,
) -> Result<Vec<Target<T>>, NetworkError> {
    let tape = Tape::new();
    let mut targets = Vec::new();
    let mut weights = layers.iter();
    network.visit(&tape.constant(image), &layers.layers().collect(), |layer, features| {
        let (_, weight) = weights.next().expect("layers come in order of depth");
        // A copy of its own: the tape's memory is not to live as long as the target.
        let value = Value::from(statistic(features).to_array());
        let size = reduce::sum_of(&value.elements(), |v| v * v);
        targets.push(Target { layer, weight, value, size });
    })?;
    Ok(targets)
}

impl Formula {
    /// G, or G/M where the formula compares images of different size.
    fn normalised_gram<'t, T: Real>(self, features: &Var<'t, T>) -> Var<'t, T> {
        let gram = gram_matrix(features);
        match self {
            Self::Notebook => gram,
            Self::Gatys | Self::Balanced => scale(&gram, 1.0 / positions(features.shape())),
        }
    }

    /// By what Σ(F−P)² is multiplied.
    fn content_factor<T: Real>(self, target: &Target<T>) -> f64 {
        let elements = target.value.len() as f64;
        match self {
            Self::Notebook => target.weight / elements,
            Self::Gatys => target.weight / 2.0,
            Self::Balanced => target.weight / nonzero(target.size, elements),
        }
    }

    /// By what the sum of the Gram matrices' squared differences is multiplied, for features of the given shape.
    fn style_factor<T: Real>(self, target: &Target<T>, features: &[usize]) -> f64 {
        let channels = features[2] as f64;
        match self {
            Self::Notebook => target.weight / (channels.powi(3) * positions(features)),
            Self::Gatys => target.weight / (4.0 * channels.powi(2)),
            Self::Balanced => target.weight / nonzero(target.size, channels.powi(2)),
        }
    }
}

/// M, the number of positions of a feature map.
fn positions(shape: &[usize]) -> f64 {
    (shape[0] * shape[1]) as f64
}

/// `size`, or `otherwise` for a target that is all zero (a layer that a black image leaves silent).
fn nonzero(size: f64, otherwise: f64) -> f64 {
    if size > 0.0 { size } else { otherwise }
}
