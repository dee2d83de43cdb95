//! Random weights: He-normal, the same bits on every platform.

use ndarray::{Array1, Array2, Array4};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::super::Layer;
use super::{CLASSIFIER_SIDE, ConvWeights, Input, Lineage, LinearWeights, Weights, convolutions_to, linears_to};

/// Channels of VGG19's five blocks.
const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];

/// Outputs of the classifier's three layers.
const CLASSIFIER: [usize; 3] = [4096, 4096, 1000];

/// The first random stream of the classifier.
const CLASSIFIER_STREAM: u64 = 64;

/// Values per task.
const BLOCK: usize = 1 << 14;

impl Weights {
    /// VGG19 with random weights, down to the layer `deepest` (`None`: all convolutions). Kernels are normally
    /// distributed with variance 2/(9·channels in) and biases zero (He et al. 2015, equation 10, "Delving deep into
    /// rectifiers"), which preserves the size of activations from layer to layer; He, Wang & Hopcroft 2016 ("A powerful
    /// generative model using random weights for the deep image representation") found such networks good enough for
    /// transferring style. The fully connected layers, 124 million weights, are generated if `deepest` is one of them.
    ///
    /// A seed gives the same bits on every platform, for any number of threads, and for any depth.
    pub fn random(seed: u64, deepest: Option<Layer>) -> Self {
        Self::random_with_widths(WIDTHS, seed, deepest)
    }

    /// [`random`](Self::random) with other numbers of channels in the five blocks.
    ///
    /// # Panics
    /// If a width is 0.
    pub fn random_with_widths(widths: [usize; 5], seed: u64, deepest: Option<Layer>) -> Self {
        assert!(!widths.contains(&0), "the blocks of a network have channels, but the widths are {widths:?}");
        let mut channels = 3;
        let convolutions = (0..convolutions_to(deepest))
            .map(|index| {
                let (inputs, outputs) = (channels, widths[block_of(index)]);
                channels = outputs;
                let values = normal(seed, index as u64, 9 * inputs, 9 * inputs * outputs);
                let kernel = Array4::from_shape_vec((3, 3, inputs, outputs), values).expect("as many as the shape has");
                ConvWeights { weight: kernel.permuted_axes([3, 2, 0, 1]), bias: Array1::zeros(outputs) }
            })
            .collect();
        let mut inputs = channels * CLASSIFIER_SIDE * CLASSIFIER_SIDE;
        let mut streams = CLASSIFIER_STREAM..;
        let linears = CLASSIFIER.iter().take(linears_to(deepest)).zip(&mut streams).map(|(&outputs, stream)| {
            let values = normal(seed, stream, inputs, inputs * outputs);
            let weight = Array2::from_shape_vec((outputs, inputs), values).expect("as many as the shape has");
            inputs = outputs;
            LinearWeights { weight, bias: Array1::zeros(outputs) }
        });
        let linears: Vec<_> = linears.collect();
        let classifier = (!linears.is_empty()).then_some(linears);
        let (mean, std) = Input::Torchvision.statistics();
        Self { convolutions, mean, std, classifier, lineage: Lineage::Random { seed }, note: None }
    }
}

/// The block (from 0) of a convolution.
fn block_of(convolution: usize) -> usize {
    (0..convolution).filter(|&earlier| Layer::of_convolution(earlier).2.is_some()).count()
}

/// Normally distributed values with variance 2/inputs. Every value comes from a 32-bit number at its own position
/// in the stream, so the result does not depend on threads.
fn normal(seed: u64, stream: u64, inputs: usize, len: usize) -> Vec<f32> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let deviation = (2.0 / inputs as f64).sqrt();
    let mut values = vec![0.0; len];
    values.par_chunks_mut(BLOCK).enumerate().for_each(|(block, values)| {
        let mut bits = ChaCha8Rng::from_seed(key);
        bits.set_stream(stream);
        bits.set_word_pos((block * BLOCK) as u128);
        for value in values {
            let p = (f64::from(bits.next_u32()) + 0.5) / 4_294_967_296.0;
            *value = (normal_quantile(p) * deviation) as f32;
        }
    });
    values
}

/// The value that a standard normal variable stays below with probability `p` (0 < p < 1), to about 7 digits:
/// algorithm AS 241, PPND7 (Wichura 1988, "The percentage points of the normal distribution").
///
/// The arithmetic rounds the same way everywhere. The logarithm is `libm`'s, because the standard library calls the system's.
#[expect(clippy::unreadable_literal, reason = "the coefficients as published")]
fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * (((59.109374720 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179)
            / (((67.187563600 * r + 78.757757664) * r + 17.895169469) * r + 1.0);
    }
    let r = (-libm::log(p.min(1.0 - p))).sqrt();
    let magnitude = if r <= 5.0 {
        let r = r - 1.6;
        (((0.17023821103 * r + 1.3067284816) * r + 2.7568153900) * r + 1.4234372777)
            / ((0.12021132975 * r + 0.73700164250) * r + 1.0)
    } else {
        let r = r - 5.0;
        (((0.017337203997 * r + 0.42868294337) * r + 3.0812263860) * r + 6.6579051150)
            / ((0.012258202635 * r + 0.24197894225) * r + 1.0)
    };
    magnitude.copysign(q)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All values' bits in memory order (FNV-1a, 64 bits).
    fn fingerprint(weights: &Weights) -> u64 {
        let values = weights.convolutions.iter().flat_map(|conv| conv.weight.as_slice_memory_order().unwrap());
        values.fold(0xcbf2_9ce4_8422_2325, |hash, v| (hash ^ u64::from(v.to_bits())).wrapping_mul(0x0100_0000_01b3))
    }

    #[expect(clippy::unreadable_literal, reason = "as Python prints them")]
    const QUANTILES: [(f64, f64); 8] = [
        (1.1641532182693481e-10, -6.337957754553789),
        (1e-09, -5.9978070150076865),
        (1e-05, -4.2648907939228256),
        (0.001, -3.090232306167813),
        (0.0749, -1.4402382675279632),
        (0.0751, -1.4388253927525398),
        (0.3, -0.5244005127080407),
        (0.4999, -0.0002506628300880075),
    ];

    #[test]
    fn quantiles_are_those_of_the_normal_distribution() {
        // Python's statistics.NormalDist().inv_cdf, which computes 16 digits.
        for (p, expected) in QUANTILES {
            let computed = normal_quantile(p);
            assert!((computed - expected).abs() <= 2e-7 * expected.abs().max(1e-3), "{p}: {computed} for {expected}");
            assert!((normal_quantile(1.0 - p) + expected).abs() <= 1e-6 * expected.abs().max(1e-3), "1 − {p}");
        }
    }

    #[test]
    fn the_default_network_has_the_same_bits_everywhere() {
        let weights = Weights::random(2016, Some("conv5_1".parse().unwrap()));
        // Computed by an independent implementation of ChaCha8 and the quantiles in Python.
        let bits = |conv: usize, index: [usize; 4]| weights.convolutions[conv].weight[index].to_bits();
        assert_eq!(bits(0, [0, 0, 0, 0]), 0xbe83_5e98);
        assert_eq!(bits(5, [3, 4, 1, 2]), 0xbd1d_aa77);
        assert_eq!(bits(12, [511, 511, 2, 2]), 0xbc66_00cb);
        assert_eq!(fingerprint(&weights), 0xc746_2e9d_4df1_80ee);
    }

    #[test]
    fn a_layer_is_the_same_for_any_depth_and_number_of_threads() {
        let make = |threads, deepest: &str| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Weights::random(7, Some(deepest.parse().unwrap())))
        };
        let (shallow, deep) = (make(1, "relu2_2"), make(3, "pool3"));
        assert_eq!((shallow.convolutions.len(), deep.convolutions.len()), (4, 8));
        for (shallow, deep) in shallow.convolutions.iter().zip(&deep.convolutions) {
            assert_eq!(shallow.weight, deep.weight);
        }
        assert_ne!(
            Weights::random(8, Some("conv1_1".parse().unwrap())).convolutions[0].weight,
            deep.convolutions[0].weight
        );
    }

    #[test]
    fn kernels_are_he_normal_and_biases_zero() {
        let weights = Weights::random(1, Some("relu4_2".parse().unwrap()));
        let shapes = [(64, 3), (64, 64), (128, 64), (128, 128), (256, 128), (256, 256), (256, 256), (256, 256)];
        for (conv, (outputs, inputs)) in weights.convolutions.iter().zip(shapes) {
            assert_eq!(conv.weight.dim(), (outputs, inputs, 3, 3));
            assert!(conv.weight.view().permuted_axes([2, 3, 1, 0]).is_standard_layout());
            assert_eq!(conv.bias, Array1::<f32>::zeros(outputs));
            let n = conv.weight.len() as f64;
            let moment = |power| conv.weight.iter().map(|&v| f64::from(v).powi(power)).sum::<f64>() / n;
            let variance = 2.0 / (9.0 * inputs as f64);
            // Within five standard errors: of the mean σ/√n, of the variance σ²√(2/n), of the fourth moment σ⁴√(96/n).
            assert!(moment(1).abs() < 5.0 * (variance / n).sqrt());
            assert!((moment(2) / variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
            assert!((moment(4) / (variance * variance) - 3.0).abs() < 5.0 * (96.0 / n).sqrt());
        }
    }

    #[test]
    fn other_widths_and_the_classifier_are_made_when_asked_for() {
        let thin = Weights::random_with_widths([2, 3, 4, 5, 6], 1, None);
        assert_eq!(thin.convolutions.len(), 16);
        assert_eq!(thin.convolutions[4].weight.dim(), (4, 3, 3, 3));
        assert_eq!(thin.convolutions[15].weight.dim(), (6, 6, 3, 3));
        assert!(thin.classifier.is_none());
        let classifier = Weights::random_with_widths([1; 5], 1, Some("relu6".parse().unwrap())).classifier.unwrap();
        let shapes: Vec<_> = classifier.iter().map(|linear| linear.weight.dim()).collect();
        assert_eq!(shapes, [(4096, 49)]);
    }
}
