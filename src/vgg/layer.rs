//! The names of VGG19's layers, in order of depth.

use std::fmt;
use std::str::FromStr;

/// Convolutions in each of the five blocks.
const BLOCKS: [usize; 5] = [2, 2, 4, 4, 4];

/// A layer of VGG19 (Simonyan & Zisserman 2014, configuration E): `conv1_1`, `relu1_1`, … `relu5_4`, `pool5`, then the
/// classifier's `fc6`, `relu6`, `fc7`, `relu7`, `fc8`. Layers compare by depth. `convB_I` is the raw output of a
/// convolution, `reluB_I` the rectified one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layer {
    /// 1 to 5 for the convolutional blocks, 6 to 8 for the classifier.
    block: u8,
    /// The convolution's number in its block, from 1; 255 for a pooling.
    index: u8,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// A convolution or a fully connected layer.
    Linear,
    Relu,
    Pool,
}

/// A name is not a layer of VGG19.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{name}` is not a layer of VGG19; its layers are convB_I and reluB_I (1_1, 1_2, 2_1, 2_2, 3_1 to 3_4, 4_1 to 4_4, \
     5_1 to 5_4), pool1 to pool5, fc6, relu6, fc7, relu7 and fc8"
)]
pub struct UnknownLayer {
    name: String,
}

impl Layer {
    /// All layers in order of depth.
    pub fn all() -> impl Iterator<Item = Self> {
        let convolutional = (0..Self::CONVOLUTIONS).flat_map(|index| {
            let (conv, relu, pool) = Self::of_convolution(index);
            [Some(conv), Some(relu), pool].into_iter().flatten()
        });
        let classifier = (6..=8).flat_map(|block| {
            [Some(Kind::Linear), (block < 8).then_some(Kind::Relu)].into_iter().flatten().map(move |kind| Self {
                block,
                index: 1,
                kind,
            })
        });
        convolutional.chain(classifier)
    }

    /// The number of convolutions.
    pub const CONVOLUTIONS: usize = 16;

    /// Convolution number `index` (from 0), its ReLU and, after the last of a block, the pooling.
    ///
    /// # Panics
    /// If `index` is 16 or more.
    pub fn of_convolution(index: usize) -> (Self, Self, Option<Self>) {
        let mut within = index;
        for (block, &convolutions) in (1u8..).zip(&BLOCKS) {
            if within < convolutions {
                let layer = |kind| Self { block, index: within as u8 + 1, kind };
                let pool = Self { block, index: u8::MAX, kind: Kind::Pool };
                return (layer(Kind::Linear), layer(Kind::Relu), (within + 1 == convolutions).then_some(pool));
            }
            within -= convolutions;
        }
        panic!("VGG19 has 16 convolutions, none of number {index}")
    }

    /// The convolution (from 0) that computes this layer or its input; `None` for the classifier.
    pub fn convolution(self) -> Option<usize> {
        let before: usize = BLOCKS.iter().take(usize::from(self.block) - 1).sum();
        let block = *BLOCKS.get(usize::from(self.block) - 1)?;
        Some(before + usize::from(self.index).min(block) - 1)
    }

    /// Stride: the distance in image pixels between neighbouring positions of this layer, along each axis.
    pub fn stride(self) -> usize {
        let poolings = if self.kind == Kind::Pool { self.block } else { self.block.min(6) - 1 };
        1 << poolings
    }

    /// The kind of layer.
    pub(super) fn kind(self) -> Kind {
        self.kind
    }

    /// 1 to 5 for the convolutional blocks, 6 to 8 for the classifier.
    pub(super) fn block(self) -> usize {
        usize::from(self.block)
    }

    /// The rectified layer of a raw convolution; any other layer itself.
    pub(super) fn rectified(self) -> Self {
        let is_raw = self.kind == Kind::Linear && !self.is_classifier();
        Self { kind: if is_raw { Kind::Relu } else { self.kind }, ..self }
    }

    /// Whether this layer belongs to the fully connected classifier, which needs an image of 224×224 pixels.
    pub fn is_classifier(self) -> bool {
        self.block > 5
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { block, index, kind } = self;
        f.pad(&match kind {
            Kind::Pool => format!("pool{block}"),
            Kind::Linear if self.is_classifier() => format!("fc{block}"),
            Kind::Relu if self.is_classifier() => format!("relu{block}"),
            Kind::Linear => format!("conv{block}_{index}"),
            Kind::Relu => format!("relu{block}_{index}"),
        })
    }
}

impl FromStr for Layer {
    type Err = UnknownLayer;

    fn from_str(name: &str) -> Result<Self, UnknownLayer> {
        Self::all().find(|layer| layer.to_string() == name).ok_or_else(|| UnknownLayer { name: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_37_layers_and_5_of_the_classifier_in_order_of_depth() {
        let names: Vec<String> = Layer::all().map(|layer| layer.to_string()).collect();
        assert_eq!(names.len(), 42);
        assert_eq!(names[..6], ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1", "conv2_1"]);
        assert_eq!(names[34..37], ["conv5_4", "relu5_4", "pool5"]);
        assert_eq!(names[37..], ["fc6", "relu6", "fc7", "relu7", "fc8"]);
        assert!(Layer::all().is_sorted());
    }

    #[test]
    fn names_are_read_back_and_others_are_refused() {
        for layer in Layer::all() {
            assert_eq!(layer.to_string().parse(), Ok(layer));
        }
        for name in ["relu1_3", "conv0_1", "RELU1_1", "", "pool6", "fc9"] {
            assert!(name.parse::<Layer>().unwrap_err().to_string().starts_with(&format!("`{name}` is not a layer")));
        }
    }

    #[test]
    fn layers_know_their_convolution_and_stride() {
        let check = |name: &str, convolution, stride| {
            let layer: Layer = name.parse().unwrap();
            assert_eq!((layer.convolution(), layer.stride()), (convolution, stride), "{name}");
        };
        check("conv1_1", Some(0), 1);
        check("pool1", Some(1), 2);
        check("relu3_4", Some(7), 4);
        check("pool3", Some(7), 8);
        check("relu5_1", Some(12), 16);
        check("pool5", Some(15), 32);
        check("fc6", None, 32);
    }
}
