//! The floating-point types f32 and f64.

use ndarray::NdFloat;
use num_traits::FromPrimitive;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32`, used for pictures, or `f64`, used for checking gradients. Sealed.
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
