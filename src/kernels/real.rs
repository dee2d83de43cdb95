//! The two floating-point types that everything here is generic over.

use ndarray::NdFloat;
use num_traits::FromPrimitive;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32`, in which pictures are made, or `f64`, in which gradients are checked. Sealed: these two and no others.
pub trait Real:
    sealed::Sealed
    + super::simd::SimdReal
    + super::compiled::Compiled
    + NdFloat
    + FromPrimitive
    + bytemuck::Pod
    + std::iter::Sum
    + Default
{
    /// The type's name, as `"f32"`.
    const NAME: &'static str;

    /// `value` rounded to this type.
    fn of(value: f64) -> Self;

    /// `self` as an `f64`, exactly.
    fn to_f64(self) -> f64;
}

impl Real for f32 {
    const NAME: &'static str = "f32";

    fn of(value: f64) -> Self {
        value as Self
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    const NAME: &'static str = "f64";

    fn of(value: f64) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }
}
