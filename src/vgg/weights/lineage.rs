//! The training that a network's weights come from.

use std::fmt;

use ndarray::{ArrayView4, Axis};

/// Where weights were trained, recognised by conv1_1 or by the arrays' names. The two known trainings of VGG19 take
/// their input in different units, so the lineage determines the input. Whether the values are the published ones is a
/// separate question: see [`Weights::published_convolutions`](super::Weights::published_convolutions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lineage {
    /// Published by VGG19's authors (Simonyan & Zisserman 2014) as a Caffe model, and converted for Keras and others:
    /// input in 0..255 minus a mean, blue first in the original.
    Caffe,
    /// Trained for torchvision: input (pixel − mean)/std with pixels in 0..1, red first.
    Torchvision,
    /// Never trained; see [`Weights::random`](super::Weights::random).
    Random {
        /// The seed of the network.
        seed: u64,
    },
    /// From a file of unknown origin: another training, or a network of other widths.
    Unknown,
}

impl Lineage {
    /// Whether the weights were trained on pictures, which is assumed of those from files.
    pub fn is_trained(self) -> bool {
        !matches!(self, Self::Random { .. })
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caffe => f.write_str("like VGG19's authors' (Caffe, Keras)"),
            Self::Torchvision => f.write_str("like torchvision's"),
            Self::Random { seed } => write!(f, "random, seed {seed}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// The input of a trained network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Pixels in 0..255 minus a mean.
    Caffe,
    /// (pixel − mean)/std with pixels in 0..1.
    Torchvision,
}

impl Input {
    /// The mean that is subtracted from red, green and blue, and the standard deviation that divides them, for values
    /// in 0..1.
    pub fn statistics(self) -> ([f32; 3], [f32; 3]) {
        match self {
            Self::Caffe => ([123.68, 116.779, 103.939].map(|mean: f32| mean / 255.0), [1.0 / 255.0; 3]),
            Self::Torchvision => ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        }
    }

    pub(super) fn lineage(self) -> Lineage {
        match self {
            Self::Caffe => Lineage::Caffe,
            Self::Torchvision => Lineage::Torchvision,
        }
    }
}

/// What was recognised about a file's weights, and by what evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recognised {
    /// Where they were trained.
    pub lineage: Lineage,
    /// The evidence for the input.
    pub evidence: Evidence,
    /// Whether conv1_1's kernels in the file are for blue, green and red; they are reversed when read.
    pub blue_first: bool,
    /// The mean that is subtracted from red, green and blue, for values in 0..1.
    pub mean: [f32; 3],
    /// The standard deviation that divides the differences.
    pub std: [f32; 3],
}

/// The evidence for a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The caller.
    Told,
    /// `input.mean` and `input.std` in the file.
    Stated,
    /// conv1_1's values are those of a known network.
    Values,
    /// The arrays have Keras's names.
    Names,
    /// Nothing: torchvision's input is assumed.
    Nothing,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Told => "as told",
            Self::Stated => "as the file says",
            Self::Values => "recognised by conv1_1's values",
            Self::Names => "recognised by the arrays' names",
            Self::Nothing => "not recognised, so torchvision's is assumed",
        })
    }
}

/// A network recognised by conv1_1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) input: Input,
    pub(super) blue_first: bool,
}

/// Three of conv1_1's filters, and the sums over the rows of their kernels: red's three, green's, blue's.
type Rows = [(usize, [f32; 9]); 3];

/// The published weights: filters that respond to colours, so that they also reveal the order of channels.
const CAFFE: Rows = [
    (22, [-0.489, -0.647, -0.514, 0.153, 0.063, 0.114, 0.448, 0.455, 0.424]),
    (25, [-0.487, -0.465, -0.451, 0.278, 0.393, 0.313, 0.430, 0.575, 0.442]),
    (29, [0.593, 0.521, 0.251, -0.076, -0.247, -0.269, -0.520, -0.639, -0.452]),
];

/// torchvision's.
const TORCHVISION: Rows = [
    (0, [-0.171, 0.063, 0.076, 0.066, 0.506, 0.412, -0.047, 0.253, 0.028]),
    (62, [0.702, -0.603, -0.069, 0.590, -0.889, 0.261, -0.183, -0.3181, 0.477]),
    (63, [-2.333, 0.103, 2.247, 0.172, -0.005, -0.140, 1.901, -0.042, -1.867]),
];

/// The smallest cosine at which filters count as the same: rounded and scaled filters are above it, others below.
const SAME: f32 = 0.98;

/// Which trained network conv1_1's kernels (out, in, 3, 3) belong to, regardless of the scale of filters.
pub(super) fn trained_by(kernels: &ArrayView4<'_, f32>) -> Option<Seen> {
    let (filters, channels, ..) = kernels.dim();
    if (filters, channels) != (64, 3) {
        return None;
    }
    let rows = kernels.sum_axis(Axis(3));
    let matches = |known: &Rows, blue_first: bool| {
        known.iter().all(|&(filter, ref known)| {
            let mut rows = rows.index_axis(Axis(0), filter);
            if blue_first {
                rows.invert_axis(Axis(0));
            }
            let dot = |f: fn(f32, f32) -> f32| rows.iter().zip(known).map(|(&a, &b)| f(a, b)).sum::<f32>();
            dot(|a, b| a * b) > SAME * (dot(|a, _| a * a) * dot(|_, b| b * b)).sqrt()
        })
    };
    let candidates = [(Input::Caffe, &CAFFE), (Input::Torchvision, &TORCHVISION)];
    let both = candidates.iter().flat_map(|&(input, known)| [false, true].map(|blue_first| (input, known, blue_first)));
    both.filter(|(_, known, blue_first)| matches(known, *blue_first))
        .map(|(input, _, blue_first)| Seen { input, blue_first })
        .next()
}
