//! Gram matrices: which features occur together, regardless of position (Gatys, Ecker & Bethge 2015, equation 1).

use std::sync::Arc;

use ndarray::{ArrayView2, Ix2, Ix3};

use crate::kernels::gram;
use crate::tape::{Cotangents, Real, Value, Var};

/// G = FᵀF, (channels × channels), for a feature map (height, width, channels) read as a matrix F of positions ×
/// channels: `G(a,b) = Σ over positions of F(a)·F(b)`, not normalised. The papers call the
/// transpose F; G is the same.
///
/// VJP: dF = F·(dG + dGᵀ). Keeps F.
///
/// # Panics
/// If the array does not have three axes.
pub fn gram_matrix<'t, T: Real>(features: &Var<'t, T>) -> Var<'t, T> {
    let (height, width, channels) = features.of_rank::<Ix3>("gram_matrix").dim();
    let rows = height * width;
    let cells = gram::Cells::of(height, width);
    let f = features.value().elements();
    let mut g = gram::GramSum::new(channels, cells);
    g.add(&ArrayView2::from_shape((rows, channels), &f).expect("row-major"), features.tape().buffers());
    let g = g.finish();
    let kept = features.value().clone();
    features.tape().record("gram_matrix", &[features], g, features.kept_bytes(), move |dg, inputs| {
        let dg = dg.view().into_dimensionality::<Ix2>().expect("a matrix");
        add_gradient(kept, &dg, cells, inputs, |_| {});
    })
}

/// Adds dF = F·(dG + dGᵀ) to the gradient of the first input, F, then calls `also` to add to its rows.
pub(super) fn add_gradient<T: Real>(
    f: Value<T>,
    dg: &ArrayView2<'_, T>,
    cells: gram::Cells,
    inputs: &mut Cotangents<'_, T>,
    also: impl Fn(&mut [T]),
) {
    let symmetric = gram::symmetric(dg);
    let f = if inputs.begun(0) { Err(f) } else { f.into_tensor() };
    match f {
        // Nothing else needs F, and this is its first gradient: overwrite F with it.
        Ok(mut f) => {
            gram::times_in_place(f.elements_mut(), &symmetric.view(), cells, inputs.buffers());
            also(f.elements_mut());
            inputs.add(0, f);
        }
        Err(f) => {
            let buffers = Arc::clone(inputs.buffers());
            inputs.write(0, |mut df, accumulate| {
                let df = df.as_slice_mut().expect("row-major");
                gram::times(&f.elements(), &symmetric.view(), df, cells, accumulate, &buffers);
                also(df);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{agrees, reference};

    #[test]
    fn the_gradient_is_the_same_in_the_place_of_the_features_and_beside_them() {
        let f: ndarray::Array3<f64> = crate::kernels::testing::random((5, 7, 3), 1);
        let dg: ndarray::Array2<f64> = crate::kernels::testing::random((3, 3), 2);
        let gradient = |held: bool| {
            let tape = crate::tape::Tape::new();
            let x = tape.variable(f.clone());
            let y = crate::ops::scale(&x, 1.0);
            let g = gram_matrix(&y);
            let hold = held.then(|| y.clone());
            drop(y);
            let gradient = g.backward_from(dg.clone()).take(&x).unwrap().into_array();
            drop(hold);
            gradient
        };
        assert_eq!(gradient(true), gradient(false));
    }

    #[test]
    fn agrees_with_pytorch() {
        let case = reference("gram");
        agrees::<f64>(&case, &["x"], |x| gram_matrix(&x[0]));
        agrees::<f32>(&case, &["x"], |x| gram_matrix(&x[0]));
    }
}
