//! A fully connected layer.

use ndarray::{Ix1, Ix2};

use crate::tape::{Real, Var};

/// y(o) = b(o) + Σ w(o,i)·x(i), where x is any array, read in row-major order; `weight` is (out, in), `bias` (out), the
/// result (1, 1, out): a feature map of one position.
///
/// VJP: dx = wᵀ·dy, in x's shape, dw = dy·xᵀ, db = dy. Keeps the weight and, if the weight needs a gradient, x.
///
/// # Panics
/// If the shapes do not match.
pub fn linear<'t, T: Real>(x: &Var<'t, T>, weight: &Var<'t, T>, bias: &Var<'t, T>) -> Var<'t, T> {
    let (w, b) = (weight.of_rank::<Ix2>("linear"), bias.of_rank::<Ix1>("linear"));
    assert!(
        w.dim() == (b.len(), x.value().len()),
        "linear: input {:?}, weight {:?} and bias {:?} do not fit",
        x.shape(),
        weight.shape(),
        bias.shape()
    );
    let elements = x.value().elements();
    let y = w.dot(&ndarray::ArrayView1::from(&*elements)) + b;
    let outputs = y.len();
    let y = y.into_shape_with_order((1, 1, outputs)).expect("as many");
    let (kept_x, kept) = x.kept_if(weight.needs_gradient());
    let (kept_weight, shape) = (weight.value().clone(), x.shape().to_vec());
    x.tape().record("linear", &[x, weight, bias], y, kept + weight.kept_bytes(), move |dy, inputs| {
        let dy: Vec<T> = dy.iter().copied().collect();
        let dy = ndarray::ArrayView1::from(&dy);
        if inputs.wanted(0) {
            let dx = kept_weight.of_rank::<Ix2>("linear").t().dot(&dy);
            inputs.add(0, dx.into_shape_with_order(shape).expect("as many"));
        }
        if let Some(x) = &kept_x {
            let x = x.elements();
            let rows = dy.insert_axis(ndarray::Axis(1));
            inputs.add(1, rows.dot(&ndarray::ArrayView2::from_shape((1, x.len()), &x).expect("one row")));
        }
        inputs.add(2, dy.to_owned());
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, array};

    use super::*;
    use crate::tape::Tape;

    #[test]
    fn multiplies_and_passes_back_through_the_transpose() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![[[1.0, 2.0]], [[3.0, 4.0]]]);
        let w = tape.constant(array![[1.0, 0.0, -1.0, 2.0], [0.5, 1.0, 1.0, 0.0]]);
        let y = linear(&x, &w, &tape.constant(array![10.0, 20.0]));
        assert_eq!(*y.value().view(), array![[[16.0, 25.5]]].into_dyn());
        let gradients = y.backward_from(array![[[1.0, 2.0]]]);
        let expected: ArrayD<f64> = array![[[2.0, 2.0]], [[1.0, 2.0]]].into_dyn();
        assert_eq!(gradients.get(&x).unwrap(), &expected);
    }

    #[test]
    fn the_weight_s_gradient_is_an_outer_product_for_which_input_and_weight_are_kept() {
        let tape = Tape::<f64>::new();
        let (x, b) = (tape.variable(array![1.0, 2.0, 3.0]), tape.variable(array![0.0, 0.0]));
        let w = tape.variable(array![[1.0, 0.0, -1.0], [0.5, 1.0, 1.0]]);
        let y = linear(&x, &w, &b);
        assert!(tape.to_string().ends_with("keeping 72 B for the backward pass"), "{tape}");
        let gradients = y.backward_from(array![[[1.0, 10.0]]]);
        assert_eq!(gradients.get(&w).unwrap(), &array![[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]].into_dyn());
        assert_eq!(gradients.get(&b).unwrap(), &array![1.0, 10.0].into_dyn());
    }

    #[test]
    #[should_panic(expected = "linear: input [3], weight [2, 2] and bias [2] do not fit")]
    fn shapes_must_fit() {
        let tape = Tape::<f64>::new();
        let w = tape.constant(array![[1.0, 0.0], [0.0, 1.0]]);
        linear(&tape.constant(array![1.0, 2.0, 3.0]), &w, &tape.constant(array![0.0, 0.0]));
    }
}
