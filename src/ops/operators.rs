//! Operators, so that formulas look like formulas: `(&x - &y) * 0.5` is `scale(&sub(&x, &y), 0.5)`.

use std::ops::{Add, Mul, Neg, Sub};

use super::{add, mul, scale, sub};
use crate::tape::{Real, Var};

/// An operator of two variables, each by reference or by value.
macro_rules! binary {
    ($operator:ident, $method:ident, $operation:ident) => {
        binary!($operator, $method, $operation, &Var<'t, T>, &Var<'t, T>);
        binary!($operator, $method, $operation, &Var<'t, T>, Var<'t, T>);
        binary!($operator, $method, $operation, Var<'t, T>, &Var<'t, T>);
        binary!($operator, $method, $operation, Var<'t, T>, Var<'t, T>);
    };
    ($operator:ident, $method:ident, $operation:ident, $left:ty, $right:ty) => {
        #[doc = concat!("As [`", stringify!($operation), "`](super::", stringify!($operation), "()).")]
        impl<'t, T: Real> $operator<$right> for $left {
            type Output = Var<'t, T>;

            fn $method(self, other: $right) -> Var<'t, T> {
                #[allow(clippy::needless_borrow)]
                $operation(&self, &other)
            }
        }
    };
}

/// A factor on either side of a variable, and a minus sign.
macro_rules! factor {
    ($var:ty) => {
        /// As [`scale`](super::scale()).
        impl<'t, T: Real> Mul<f64> for $var {
            type Output = Var<'t, T>;

            fn mul(self, factor: f64) -> Var<'t, T> {
                #[allow(clippy::needless_borrow)]
                scale(&self, factor)
            }
        }

        /// As [`scale`](super::scale()).
        impl<'t, T: Real> Mul<$var> for f64 {
            type Output = Var<'t, T>;

            fn mul(self, x: $var) -> Var<'t, T> {
                x * self
            }
        }

        /// As [`scale`](super::scale()) by −1.
        impl<'t, T: Real> Neg for $var {
            type Output = Var<'t, T>;

            fn neg(self) -> Var<'t, T> {
                self * -1.0
            }
        }
    };
}

binary!(Add, add, add);
binary!(Sub, sub, sub);
binary!(Mul, mul, mul);
factor!(&Var<'t, T>);
factor!(Var<'t, T>);

#[cfg(test)]
mod tests {
    use ndarray::array;

    use crate::tape::Tape;

    #[test]
    fn a_formula_is_computed_and_differentiated_as_it_reads() {
        let tape = Tape::<f32>::new();
        let (a, b) = (tape.variable(array![2.0, 3.0]), tape.variable(array![10.0, 20.0]));
        let y = 0.5 * (&a * &b - &b) + -(&a + b.clone()) * 2.0;
        assert_eq!(y.value().as_slice().unwrap(), [0.5 * 10.0 - 24.0, 0.5 * 40.0 - 46.0]);
        let gradients = y.backward_from(array![1.0, 1.0]);
        assert_eq!(gradients.get(&a).unwrap(), &array![3.0, 8.0].into_dyn());
        assert_eq!(gradients.get(&b).unwrap(), &array![-1.5, -1.0].into_dyn());
    }
}
