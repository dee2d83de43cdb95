//! Random arrays for the tests.

use ndarray::{Array, Dimension, ShapeBuilder};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Real;
use super::simd::InstructionSet;

/// Elements uniform in −1..1.
pub(crate) fn random<T: Real, D: Dimension, S: ShapeBuilder<Dim = D>>(shape: S, seed: u64) -> Array<T, D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array::from_shape_simple_fn(shape, || T::of(rng.random_range(-1.0..1.0)))
}

/// The instruction sets with code of their own: all of this processor's for `f32`, one for `f64`.
pub(crate) fn instruction_sets<T: Real>() -> Vec<InstructionSet> {
    if T::NAME == f64::NAME { vec![InstructionSet::best()] } else { InstructionSet::all() }
}
