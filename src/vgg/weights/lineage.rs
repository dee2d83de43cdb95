//! Which training a network's weights come from.

use std::fmt;

/// Where weights were trained. The two trained networks of VGG19's shape take their input in different units, so to know
/// one from the other is to know what to feed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lineage {
    /// Published by VGG19's authors (Simonyan & Zisserman 2014) as a Caffe model, and converted from that for Keras and
    /// others: input in 0..255 less a mean, in the original with blue first.
    Caffe,
    /// Trained anew for torchvision: input (pixel − mean)/std with pixels in 0..1, red first.
    Torchvision,
    /// Never trained; see [`Weights::random`](super::Weights::random).
    Random {
        /// Chose the network.
        seed: u64,
    },
    /// From a file that tells nothing of either: another training, or a network of other widths.
    Unknown,
}

impl Lineage {
    /// Whether the weights have seen pictures, which is taken for granted of those from files.
    pub fn is_trained(self) -> bool {
        !matches!(self, Self::Random { .. })
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caffe => f.write_str("published by VGG19's authors (Caffe, Keras)"),
            Self::Torchvision => f.write_str("trained for torchvision"),
            Self::Random { seed } => write!(f, "random, seed {seed}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
