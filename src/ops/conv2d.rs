//! Two-dimensional convolution.

use ndarray::{Axis, Ix1, Ix3, Ix4};

use super::{feature_map, feature_map_mut};
use crate::kernels::{ConvAlgorithm, ConvGeometry, conv};
use crate::tape::{Real, Var};

/// y(i,j,o) = b(o) + Σ x(i·s+u·d−p, j·s+v·d−p, c)·w(o,c,u,v) over kernel positions u, v and input channels c; the
/// beyond the edges lies what `geometry` says: zeros, or the nearest pixel. `x` is (height, width, in), `weight` (out, in, kernel height, kernel width), `bias` (out),
/// the result (height, width, out).
///
/// VJP: dx = the transposed convolution of dy with w, dw(o,c,u,v) = Σ x·dy, db(o) = Σ dy. With frozen weights it keeps
/// only the weights; if the weights need a gradient, also x.
///
/// # Panics
/// If the shapes do not match.
pub fn conv2d<'t, T: Real>(
    x: &Var<'t, T>,
    weight: &Var<'t, T>,
    bias: Option<&Var<'t, T>>,
    geometry: &ConvGeometry,
    algorithm: ConvAlgorithm,
) -> Var<'t, T> {
    let (map, w) = (x.of_rank::<Ix3>("conv2d"), weight.of_rank::<Ix4>("conv2d"));
    let b = bias.map(|bias| bias.of_rank::<Ix1>("conv2d"));
    let ((height, width, inputs), (outputs, weight_inputs, kernel_height, kernel_width)) = (map.dim(), w.dim());
    assert!(
        inputs == weight_inputs && b.is_none_or(|b| b.len() == outputs),
        "conv2d: input {:?}, weight {:?} and bias {:?} do not fit",
        x.shape(),
        weight.shape(),
        bias.map(|bias| bias.shape().to_vec())
    );
    let Some([rows, columns]) = geometry.output_size([height, width], [kernel_height, kernel_width]) else {
        panic!("conv2d: a kernel {kernel_height}×{kernel_width} does not fit into {height}×{width} under {geometry:?}")
    };
    let tape = x.tape();
    let mut y = tape.tensor(&[rows, columns, outputs]);
    conv::forward(algorithm, geometry, &map, &w, b.as_ref(), &mut feature_map_mut(&mut y), tape.buffers());

    let (kept_x, kept) = x.kept_if(weight.needs_gradient());
    let (kept_weight, geometry) = (weight.value().clone(), *geometry);
    let kept = kept + weight.kept_bytes();
    let mut parents = vec![x, weight];
    parents.extend(bias);
    tape.record("conv2d", &parents, y, kept, move |dy, inputs| {
        let buffers = std::sync::Arc::clone(inputs.buffers());
        let dy = feature_map(&dy);
        inputs.write(0, |dx, accumulate| {
            let mut dx = dx.into_dimensionality::<Ix3>().expect("as the input");
            let weight = kept_weight.of_rank::<Ix4>("conv2d");
            conv::backward_data(algorithm, &geometry, &dy, &weight, &mut dx, accumulate, &buffers);
        });
        if let Some(x) = &kept_x {
            let mut dw = inputs.tensor(kept_weight.shape());
            let mut view = dw.view_mut().into_dimensionality::<Ix4>().expect("as the weight");
            conv::backward_weight(algorithm, &geometry, &x.of_rank::<Ix3>("conv2d"), &dy, &mut view, &buffers);
            inputs.add(1, dw);
        }
        if inputs.inputs() > 2 && inputs.wanted(2) {
            inputs.add(2, dy.sum_axis(Axis(0)).sum_axis(Axis(0)));
        }
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Array4};

    use super::*;
    use crate::ops;
    use crate::ops::testing::{agrees, reference};
    use crate::tape::Tape;

    #[test]
    fn agrees_with_pytorch_by_every_algorithm() {
        for index in 0..10 {
            let case = reference(&format!("conv2d_{index}"));
            for algorithm in [ConvAlgorithm::Direct, ConvAlgorithm::Im2col, ConvAlgorithm::Auto] {
                let inputs = if case.has("bias") { &["x", "weight", "bias"][..] } else { &["x", "weight"] };
                agrees::<f64>(&case, inputs, |v| conv2d(&v[0], &v[1], v.get(2), &case.conv(), algorithm));
                agrees::<f32>(&case, inputs, |v| conv2d(&v[0], &v[1], v.get(2), &case.conv(), algorithm));
            }
        }
    }

    #[test]
    fn without_a_bias_input_and_weight_have_gradients() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(Array3::from_elem((1, 1, 1), 2.0));
        let w = tape.variable(Array4::from_elem((1, 1, 1, 1), 3.0));
        let gradients = ops::sum(&conv2d(&x, &w, None, &ConvGeometry::default(), ConvAlgorithm::Direct)).backward();
        assert_eq!((gradients.get(&x).unwrap()[[0; 3]], gradients.get(&w).unwrap()[[0; 4]]), (3.0, 2.0));
    }

    #[test]
    fn frozen_weights_keep_nothing() {
        let tape = Tape::<f32>::new();
        let x = tape.variable(Array3::ones((8, 8, 2)));
        let w = tape.constant(Array4::ones((3, 2, 3, 3)));
        conv2d(&x, &w, None, &ConvGeometry::padded(1), ConvAlgorithm::Auto);
        assert!(tape.to_string().contains("keeping 0 B"), "{tape}");
    }

    #[test]
    fn weights_that_are_learnt_keep_the_input_and_themselves() {
        let tape = Tape::<f32>::new();
        let x = tape.variable(Array3::ones((8, 8, 2)));
        let w = tape.variable(Array4::ones((3, 2, 3, 3)));
        conv2d(&x, &w, None, &ConvGeometry::padded(1), ConvAlgorithm::Auto);
        assert!(tape.to_string().contains("keeping 728 B"), "4·(8·8·2 + 3·2·3·3):\n{tape}");
    }

    #[test]
    #[should_panic(expected = "conv2d: input [4, 4, 2], weight [1, 3, 3, 3] and bias None do not fit")]
    fn channels_must_agree() {
        let tape = Tape::<f32>::new();
        let (x, w) = (tape.constant(Array3::ones((4, 4, 2))), tape.constant(Array4::ones((1, 3, 3, 3))));
        conv2d(&x, &w, None, &ConvGeometry::default(), ConvAlgorithm::Auto);
    }

    #[test]
    #[should_panic(expected = "conv2d: a kernel 3×3 does not fit into 2×4")]
    fn the_kernel_must_fit() {
        let tape = Tape::<f32>::new();
        let (x, w) = (tape.constant(Array3::ones((2, 4, 1))), tape.constant(Array4::ones((1, 1, 3, 3))));
        conv2d(&x, &w, None, &ConvGeometry::default(), ConvAlgorithm::Auto);
    }
}
