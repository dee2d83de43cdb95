//! The objective of neural style transfer: L = α·L_content + β·L_style (Gatys, Ecker & Bethge 2016, equation 7), and a
//! total variation term where one is asked for.

use std::collections::BTreeSet;

use ndarray::Array3;

use super::{Formula, Settings};
use crate::kernels::reduce;
use crate::ops::{add, scale, squared_error, total_variation};
use crate::tape::{Real, Tape, Value, Var};
use crate::vgg::{GramMatrix, Layer, NetworkError, Vgg19};

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
        let none = BTreeSet::new();
        let content = {
            let (tape, layers) = (Tape::new(), &settings.content_layers);
            let measured = network.measure(&tape.constant(content), &layers.layers().collect(), &none)?;
            layers.iter().map(|(layer, weight)| Target::new(layer, weight, &measured.features[&layer])).collect()
        };
        let (tape, layers) = (Tape::new(), &settings.style_layers);
        let measured = network.measure(&tape.constant(style), &none, &layers.layers().collect())?;
        let target = |(layer, weight)| Target::new(layer, weight, &formula.normalised(&measured.grams[&layer]));
        let style = layers.iter().map(target).collect();
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
        let formula = self.settings.formula;
        let measured = network.measure(image, &layers(&self.content), &layers(&self.style))?;
        for target in &self.content {
            let error = squared_error(&measured.features[&target.layer], &tape.constant(&target.value));
            content = add(&content, &scale(&error, formula.content_factor(target)));
        }
        for target in &self.style {
            let gram = &measured.grams[&target.layer];
            let error = squared_error(&formula.normalised(gram), &tape.constant(&target.value));
            let term = scale(&error, formula.style_factor(target, gram));
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

/// The layers of some targets.
fn layers<T: Real>(targets: &[Target<T>]) -> BTreeSet<Layer> {
    targets.iter().map(|target| target.layer).collect()
}

impl<T: Real> Target<T> {
    fn new(layer: Layer, weight: f64, value: &Var<'_, T>) -> Self {
        // A copy of its own: the tape's memory is not to live as long as the target.
        let value = Value::from(value.to_array());
        let size = reduce::sum_of(&value.elements(), |v| v * v);
        Self { layer, weight, value, size }
    }
}

impl Formula {
    /// G, or G/M where the formula compares images of different size.
    fn normalised<'t, T: Real>(self, gram: &GramMatrix<'t, T>) -> Var<'t, T> {
        match self {
            Self::Notebook => gram.value.clone(),
            Self::Gatys | Self::Balanced => scale(&gram.value, 1.0 / gram.positions as f64),
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

    /// By what the sum of the Gram matrices' squared differences is multiplied.
    fn style_factor<T: Real>(self, target: &Target<T>, gram: &GramMatrix<'_, T>) -> f64 {
        let channels = gram.value.shape()[0] as f64;
        match self {
            Self::Notebook => target.weight / (channels.powi(3) * gram.positions as f64),
            Self::Gatys => target.weight / (4.0 * channels.powi(2)),
            Self::Balanced => target.weight / nonzero(target.size, channels.powi(2)),
        }
    }
}

/// `size`, or `otherwise` for a target that is all zero (a layer that a black image leaves silent).
fn nonzero(size: f64, otherwise: f64) -> f64 {
    if size > 0.0 { size } else { otherwise }
}
