//! The sum of all elements.

use ndarray::arr0;

use crate::kernels::reduce;
use crate::tape::{Real, Var};

/// y = Σ x over all elements, a scalar; added up in f64.
///
/// VJP: dx = dy everywhere.
pub fn sum<'t, T: Real>(x: &Var<'t, T>) -> Var<'t, T> {
    let y = arr0(T::of(reduce::sum_of(x.value().elements().as_ref(), |x| x)));
    let shape = x.shape().to_vec();
    x.tape().record("sum", &[x], y, 0, move |dy, inputs| {
        let mut dx = inputs.tensor(&shape);
        dx.fill(dy[[]]);
        inputs.add(0, dx);
    })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::tape::Tape;

    #[test]
    fn sums_everything_in_any_memory_order() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].reversed_axes());
        let y = sum(&x);
        assert_eq!((y.scalar(), y.shape().len()), (21.0, 0));
        assert_eq!(y.backward_from(arr0(2.0)).get(&x).unwrap(), &array![[2.0, 2.0], [2.0, 2.0], [2.0, 2.0]].into_dyn());
    }
}
