//! A set of layers as one word.

use crate::vgg::Layer;

/// Some of the network's layers, in order of depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerSet(u64);

impl LayerSet {
    /// The layers in order of depth.
    pub fn layers(self) -> impl DoubleEndedIterator<Item = Layer> {
        let all: Vec<Layer> = Layer::all().enumerate().filter(|(i, _)| self.0 >> i & 1 == 1).map(|(_, l)| l).collect();
        all.into_iter()
    }

    /// Whether a layer is among them.
    pub fn contains(self, layer: Layer) -> bool {
        self.layers().any(|own| own == layer)
    }
}

impl FromIterator<Layer> for LayerSet {
    fn from_iter<I: IntoIterator<Item = Layer>>(layers: I) -> Self {
        let number = |layer| Layer::all().position(|own| own == layer).expect("one of all");
        Self(layers.into_iter().fold(0, |set, layer| set | 1 << number(layer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_put_in_by_depth() {
        assert!(Layer::all().count() <= 64, "a bit for each");
        let all: LayerSet = Layer::all().collect();
        assert!(all.layers().eq(Layer::all()));
        let layer = |name: &str| name.parse::<Layer>().unwrap();
        let some: LayerSet = ["relu4_1", "pool1", "relu4_1", "conv1_1"].into_iter().map(layer).collect();
        assert!(some.layers().eq(["conv1_1", "pool1", "relu4_1"].map(layer)));
        assert!(some.contains(layer("pool1")) && !some.contains(layer("relu1_1")));
        assert_eq!(LayerSet::default().layers().count(), 0);
    }
}
