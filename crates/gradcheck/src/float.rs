//! The types of numbers that functions compute in.

mod sealed {
    pub trait Sealed {}

    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A number that a checked function takes or gives: f32 or f64.
pub trait Float: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The rounding unit: 2⁻²³ for f32, 2⁻⁵² for f64.
    const UNIT: f64;

    /// `value` rounded to this type.
    fn of(value: f64) -> Self;

    /// `self` as an f64, exactly.
    fn to_f64(self) -> f64;
}

impl Float for f32 {
    const UNIT: f64 = Self::EPSILON as f64;

    fn of(value: f64) -> Self {
        value as Self
    }

    fn to_f64(self) -> f64 {
        self.into()
    }
}

impl Float for f64 {
    const UNIT: f64 = Self::EPSILON;

    fn of(value: f64) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }
}
