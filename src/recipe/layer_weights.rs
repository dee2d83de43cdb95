//! Layers and the weights of their terms, written as `relu1_1=0.5,relu2_1`.

use std::fmt;
use std::str::FromStr;

use crate::vgg::Layer;

/// Layers with their weights in a sum of losses.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerWeights(Vec<(Layer, f64)>);

/// An invalid list of layers.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum LayerWeightsError {
    /// An unknown layer.
    #[error(transparent)]
    Layer(#[from] crate::vgg::UnknownLayer),
    /// A weight that is not a finite number of 0 or more.
    #[error("`{weight}` is not a weight for {layer}; give a number of 0 or more, as in `{layer}=0.5`")]
    Weight {
        /// The layer.
        layer: Layer,
        /// The text given as its weight.
        weight: String,
    },
    /// A layer named twice.
    #[error("{0} is named twice; name each layer once")]
    Twice(Layer),
    /// An empty list.
    #[error("no layer is named; give at least one, as in `relu4_2` or `relu1_1=0.5,relu2_1=0.5`")]
    Empty,
}

impl LayerWeights {
    /// The given layers and weights, ordered by depth.
    ///
    /// # Errors
    /// If the list is empty, names a layer twice, or has a weight that is negative or not finite.
    pub fn new(layers: impl IntoIterator<Item = (Layer, f64)>) -> Result<Self, LayerWeightsError> {
        let mut layers: Vec<_> = layers.into_iter().collect();
        layers.sort_by_key(|(layer, _)| *layer);
        if let Some(pair) = layers.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(LayerWeightsError::Twice(pair[0].0));
        }
        if let Some((layer, weight)) = layers.iter().find(|(_, w)| !(w.is_finite() && *w >= 0.0)) {
            return Err(LayerWeightsError::Weight { layer: *layer, weight: weight.to_string() });
        }
        if layers.is_empty() { Err(LayerWeightsError::Empty) } else { Ok(Self(layers)) }
    }

    /// The same weight for each of `names`, 1/n.
    ///
    /// # Panics
    /// If a name is not a layer. Meant for names in code.
    pub(crate) fn equal(names: &[&str]) -> Self {
        Self::given(names.iter().map(|name| (*name, 1.0 / names.len() as f64)))
    }

    /// Weights that fall with depth, which bring a style's strokes and colours into a picture and not its objects: see
    /// docs/defaults.md.
    pub(crate) fn falling() -> Self {
        let layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"];
        Self::given(layers.into_iter().zip([0.75, 0.19, 0.05, 0.01, 0.003]))
    }

    /// Layers and weights from names in code.
    ///
    /// # Panics
    /// If a name is not a layer.
    pub(crate) fn given<'n>(layers: impl IntoIterator<Item = (&'n str, f64)>) -> Self {
        let layers = layers.into_iter().map(|(name, weight)| (name.parse().expect("a layer's name"), weight));
        Self::new(layers).expect("layers of the project's own choice")
    }

    /// Layers and weights in order of depth.
    pub fn iter(&self) -> impl Iterator<Item = (Layer, f64)> + '_ {
        self.0.iter().copied()
    }

    /// The layers in order of depth.
    pub fn layers(&self) -> impl Iterator<Item = Layer> + '_ {
        self.0.iter().map(|(layer, _)| *layer)
    }
}

impl FromStr for LayerWeights {
    type Err = LayerWeightsError;

    /// Parses `LAYER[=WEIGHT],…`; a missing weight is 1.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let item = |item: &str| {
            let (name, weight) = item.split_once('=').map_or((item, "1"), |(name, weight)| (name, weight));
            let layer: Layer = name.trim().parse()?;
            let number = weight.trim().parse();
            let number = number.map_err(|_| LayerWeightsError::Weight { layer, weight: weight.trim().into() })?;
            Ok((layer, number))
        };
        let items = text.split(',').filter(|item| !item.trim().is_empty()).map(item);
        Self::new(items.collect::<Result<Vec<_>, LayerWeightsError>>()?)
    }
}

impl fmt::Display for LayerWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<String> = self.iter().map(|(layer, weight)| format!("{layer}={weight}")).collect();
        f.write_str(&items.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<LayerWeights>().unwrap_err().to_string()
    }

    #[test]
    fn reads_weights_and_orders_by_depth() {
        let layers: LayerWeights = "relu2_1, relu1_1=0.25,".parse().unwrap();
        assert_eq!(layers.to_string(), "relu1_1=0.25,relu2_1=1");
        assert_eq!(layers.layers().count(), 2);
        assert_eq!(LayerWeights::equal(&["pool1", "relu1_1"]).to_string(), "relu1_1=0.5,pool1=0.5");
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(error("relu9_1").contains("relu9_1"));
        assert_eq!(
            error("relu1_1=x"),
            "`x` is not a weight for relu1_1; give a number of 0 or more, as in `relu1_1=0.5`"
        );
        assert!(error("relu1_1=-1").starts_with("`-1` is not a weight"));
        assert!(error("relu1_1=inf").starts_with("`inf` is not a weight"));
        assert_eq!(error("relu1_1,relu1_1=2"), "relu1_1 is named twice; name each layer once");
        assert!(error(" , ").starts_with("no layer is named"));
    }
}
