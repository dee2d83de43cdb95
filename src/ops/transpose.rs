//! The transpose.

use ndarray::{ArrayD, Zip};

use crate::tape::{Real, Tensor, Var};

/// y = xᵀ: the axes in reversed order, as `ndarray`'s `t` and `NumPy`'s `T` have it. Rows and columns of a matrix are
/// exchanged; (height, width, channels) becomes (channels, width, height); vectors and scalars stay as they are.
///
/// VJP: dx = dyᵀ. Keeps nothing.
pub fn transpose<'t, T: Real>(x: &Var<'t, T>) -> Var<'t, T> {
    let shape: Vec<usize> = x.shape().iter().rev().copied().collect();
    let y = transposed(x.value(), x.tape().tensor(&shape));
    let shape = x.shape().to_vec();
    x.tape().record("transpose", &[x], y, 0, move |dy, inputs| {
        inputs.add(0, transposed(&dy, inputs.tensor(&shape)));
    })
}

/// y ← xᵀ, in row-major order.
fn transposed<T: Real>(x: &ArrayD<T>, mut y: Tensor<T>) -> Tensor<T> {
    Zip::from(&mut *y).and(x.t()).par_for_each(|y, &x| *y = x);
    y
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, arr0, array};

    use super::*;
    use crate::ops::testing::{agrees, reference};
    use crate::tape::Tape;

    #[test]
    fn agrees_with_pytorch() {
        for name in ["transpose_0", "transpose_1"] {
            let case = reference(name);
            agrees::<f64>(&case, &["x"], |x| transpose(&x[0]));
            agrees::<f32>(&case, &["x"], |x| transpose(&x[0]));
        }
    }

    #[test]
    fn rows_become_columns_in_row_major_order() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let y = transpose(&x);
        assert_eq!(y.shape(), [3, 2]);
        assert_eq!(y.value().as_slice().unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        let gradients = y.backward_from(array![[10.0, 40.0], [20.0, 50.0], [30.0, 60.0]]);
        assert_eq!(gradients.get(&x).unwrap().as_slice().unwrap(), [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
    }

    #[test]
    fn a_number_stays_and_nothing_stays_nothing() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(arr0(3.0));
        assert_eq!(transpose(&x).backward().get(&x).unwrap(), &arr0(1.0).into_dyn());
        let x = tape.variable(Array3::zeros((2, 0, 5)));
        let y = transpose(&x);
        assert_eq!(y.shape(), [5, 0, 2]);
        assert_eq!(y.backward_from(Array3::zeros((5, 0, 2))).get(&x).unwrap().shape(), [2, 0, 5]);
    }
}
