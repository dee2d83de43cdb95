//! Arithmetic operators on [`Var`], by value and by reference, with numbers on either side: `(&x - &y) * 0.5` is
//! `scale(&sub(&x, &y), 0.5)`, and `1.0 / &x` divides a constant by `x`.

use std::ops::{Add, Div, Mul, Neg, Sub};

use ndarray::arr0;

use super::{add, div, mul, scale, sub};
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
        #[doc = concat!("The operation `", stringify!($operation), "`; shapes are broadcast as `NumPy` does.")]
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
        /// The product with a number.
        impl<'t, T: Real> Mul<f64> for $var {
            type Output = Var<'t, T>;

            fn mul(self, factor: f64) -> Var<'t, T> {
                #[allow(clippy::needless_borrow)]
                scale(&self, factor)
            }
        }

        /// The product with a number.
        impl<'t, T: Real> Mul<$var> for f64 {
            type Output = Var<'t, T>;

            fn mul(self, x: $var) -> Var<'t, T> {
                x * self
            }
        }

        /// The product with −1.
        impl<'t, T: Real> Neg for $var {
            type Output = Var<'t, T>;

            fn neg(self) -> Var<'t, T> {
                self * -1.0
            }
        }
    };
}

/// An operator of a variable and a number, on either side; the number is a constant of the tape.
macro_rules! number {
    ($operator:ident, $method:ident, $operation:ident) => {
        number!($operator, $method, $operation, &Var<'t, T>);
        number!($operator, $method, $operation, Var<'t, T>);
    };
    ($operator:ident, $method:ident, $operation:ident, $var:ty) => {
        #[doc = concat!("The operation `", stringify!($operation), "` with a number.")]
        impl<'t, T: Real> $operator<f64> for $var {
            type Output = Var<'t, T>;

            fn $method(self, number: f64) -> Var<'t, T> {
                let number = self.tape().constant(arr0(T::of(number)));
                #[allow(clippy::needless_borrow)]
                $operation(&self, &number)
            }
        }

        #[doc = concat!("The operation `", stringify!($operation), "` with a number.")]
        impl<'t, T: Real> $operator<$var> for f64 {
            type Output = Var<'t, T>;

            fn $method(self, x: $var) -> Var<'t, T> {
                let number = x.tape().constant(arr0(T::of(self)));
                #[allow(clippy::needless_borrow)]
                $operation(&number, &x)
            }
        }
    };
}

binary!(Add, add, add);
binary!(Sub, sub, sub);
binary!(Mul, mul, mul);
binary!(Div, div, div);
number!(Add, add, add);
number!(Sub, sub, sub);
number!(Div, div, div);
factor!(&Var<'t, T>);
factor!(Var<'t, T>);

#[cfg(test)]
mod tests {
    use ndarray::array;

    use crate::ops::testing::{agrees, reference};
    use crate::tape::Tape;

    #[test]
    fn agree_with_pytorch_with_numbers_on_either_side() {
        let case = reference("operators");
        agrees::<f64>(&case, &["x", "other"], |x| {
            (1.0 + &x[0]) / (3.0 - &x[1] / 3.0) - 2.0 / (&x[1] - 4.0) + -&x[0] * (x[1].clone() + 0.5) * 0.1
        });
        agrees::<f32>(&case, &["x", "other"], |x| {
            (1.0 + &x[0]) / (3.0 - &x[1] / 3.0) - 2.0 / (&x[1] - 4.0) + -&x[0] * (x[1].clone() + 0.5) * 0.1
        });
    }

    #[test]
    fn numbers_stand_on_either_side_by_value_and_by_reference() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![2.0, 4.0]);
        let v = || x.clone();
        for (results, expected, slope) in [
            ([&x + 1.0, v() + 1.0], [3.0, 5.0], [1.0, 1.0]),
            ([1.0 + &x, 1.0 + v()], [3.0, 5.0], [1.0, 1.0]),
            ([&x - 1.0, v() - 1.0], [1.0, 3.0], [1.0, 1.0]),
            ([1.0 - &x, 1.0 - v()], [-1.0, -3.0], [-1.0, -1.0]),
            ([&x * 3.0, v() * 3.0], [6.0, 12.0], [3.0, 3.0]),
            ([3.0 * &x, 3.0 * v()], [6.0, 12.0], [3.0, 3.0]),
            ([&x / 8.0, v() / 8.0], [0.25, 0.5], [0.125, 0.125]),
            ([8.0 / &x, 8.0 / v()], [4.0, 2.0], [-2.0, -0.5]),
            ([-&x, -v()], [-2.0, -4.0], [-1.0, -1.0]),
        ] {
            for y in results {
                assert_eq!(y.value().as_slice().unwrap(), expected);
                assert_eq!(y.backward_from(array![1.0, 1.0]).get(&x).unwrap().as_slice().unwrap(), slope);
            }
        }
    }

    #[test]
    fn two_variables_are_divided_by_value_and_by_reference() {
        let tape = Tape::<f64>::new();
        let (a, b) = (tape.variable(array![6.0]), tape.variable(array![2.0]));
        for y in [&a / &b, &a / b.clone(), a.clone() / &b, a.clone() / b.clone()] {
            assert_eq!(y.scalar(), 3.0);
            let gradients = y.backward();
            assert_eq!((gradients.get(&a).unwrap()[[0]], gradients.get(&b).unwrap()[[0]]), (0.5, -1.5));
        }
    }

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
