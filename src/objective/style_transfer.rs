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

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use ndarray::Array2;

    use super::*;
    use crate::objective::LayerWeights;
    use crate::objective::testing::{features, gram, image, mean_gram, network, size};

    fn settings(formula: Formula) -> Settings {
        Settings {
            formula,
            content_layers: LayerWeights::given([("relu2_1", 0.7), ("relu3_1", 0.3)]),
            style_layers: LayerWeights::given([("relu1_1", 0.25), ("relu2_1", 2.0)]),
            content_weight: 3.0,
            style_weight: 5.0,
            tv_weight: 0.5,
        }
    }

    /// The terms of a picture: total, content, style, tv, and each style layer's.
    fn terms(settings: Settings, content: &Array3<f64>, style: &Array3<f64>, picture: &Array3<f64>) -> [f64; 4] {
        let network = network();
        let transfer = StyleTransfer::new(settings, &network, content.clone(), style.clone()).unwrap();
        let tape = Tape::new();
        let losses = transfer.evaluate(&network, &tape.constant(picture.clone())).unwrap();
        let layers: f64 = losses.style_layers.iter().map(|(_, term)| term).sum();
        assert_relative_eq!(layers, losses.style, max_relative = 1e-12);
        [losses.total.scalar(), losses.content, losses.style, losses.tv]
    }

    #[test]
    fn every_formula_is_computed_as_it_is_defined() {
        let (content, style, picture) = (image(12, 10, 1), image(9, 14, 2), image(12, 10, 3));
        let content_term = |formula, f: Array2<f64>, p: Array2<f64>| match formula {
            Formula::Notebook => size(&(&f - &p)) / f.len() as f64,
            Formula::Gatys => 0.5 * size(&(&f - &p)),
            Formula::Balanced => size(&(&f - &p)) / size(&p),
        };
        let style_term = |formula, f: Array2<f64>, s: Array2<f64>| {
            let (positions, channels) = (f.nrows() as f64, f.ncols() as f64);
            let (g, a) = (mean_gram(&f), mean_gram(&s));
            match formula {
                Formula::Notebook => size(&(gram(&f) - gram(&s))) / channels.powi(2) / (channels * positions),
                Formula::Gatys => size(&(&g - &a)) / (4.0 * channels.powi(2)),
                Formula::Balanced => size(&(&g - &a)) / size(&a),
            }
        };
        // Σ of the squared differences to the right and below.
        let variation: f64 = picture
            .indexed_iter()
            .map(|((i, j, c), v)| {
                let difference = |i, j| picture.get((i, j, c)).map_or(0.0, |w| (w - v).powi(2));
                difference(i + 1, j) + difference(i, j + 1)
            })
            .sum();
        for formula in [Formula::Notebook, Formula::Gatys, Formula::Balanced] {
            let settings = settings(formula);
            let sum = |layers: &LayerWeights, term: &dyn Fn(Layer) -> f64| -> f64 {
                layers.iter().map(|(layer, weight)| weight * term(layer)).sum()
            };
            let expected_content = sum(&settings.content_layers, &|layer| {
                content_term(formula, features(&picture, layer), features(&content, layer))
            });
            let expected_style = sum(&settings.style_layers, &|layer| {
                style_term(formula, features(&picture, layer), features(&style, layer))
            });
            let expected_tv = 0.5 * variation / picture.len() as f64;
            let [total, content, style, tv] = terms(settings, &content, &style, &picture);
            assert_relative_eq!(content, expected_content, max_relative = 1e-12);
            assert_relative_eq!(style, expected_style, max_relative = 1e-12);
            assert_relative_eq!(tv, expected_tv, max_relative = 1e-12);
            assert_relative_eq!(total, 3.0 * content + 5.0 * style + tv, max_relative = 1e-12);
        }
    }

    #[test]
    fn balanced_takes_the_mean_square_where_a_target_is_silent() {
        let (black, picture) = (image(8, 8, 1) * 0.0, image(8, 8, 2));
        let settings = Settings {
            content_layers: LayerWeights::given([("relu2_1", 1.0)]),
            style_layers: LayerWeights::given([("relu1_1", 1.0)]),
            tv_weight: 0.0,
            ..settings(Formula::Balanced)
        };
        let mean_square = |a: Array2<f64>| size(&a) / a.len() as f64;
        let [_, content, style, tv] = terms(settings, &black, &black, &picture);
        assert_relative_eq!(content, mean_square(features(&picture, "relu2_1".parse().unwrap())), max_relative = 1e-12);
        let gram = mean_gram(&features(&picture, "relu1_1".parse().unwrap()));
        assert_relative_eq!(style, mean_square(gram), max_relative = 1e-12);
        assert_eq!(tv, 0.0);
    }
}
