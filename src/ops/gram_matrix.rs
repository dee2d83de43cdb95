//! Gram matrices: which features occur together, regardless of position (Gatys, Ecker & Bethge 2015, equation 1).

use std::sync::Arc;

use ndarray::{ArrayView2, Ix2, Ix3};

use crate::kernels::{Buffers, gram};
use crate::tape::{Cotangents, Real, Tensor, Value, Var};

/// G = FᵀF, (channels × channels), for a feature map (height, width, channels) read as a matrix F of positions ×
/// channels: `G(a,b) = Σ over positions of F(a)·F(b)`, not normalised. The papers call the
/// transpose F; G is the same.
///
/// VJP: dF = F·(dG + dGᵀ). Keeps F.
///
/// # Panics
/// If the array does not have three axes.
pub fn gram_matrix<'t, T: Real>(features: &Var<'t, T>) -> Var<'t, T> {
    of_rows("gram_matrix", features, None)
}

/// The Gram matrix of features with a weight at each position, given by its square root r (height, width): Σ r²·f·fᵀ.
///
/// VJP: dF = r²·F·(dG + dGᵀ), row by row. Keeps F, not r·F.
///
/// # Panics
/// If the features do not have three axes, or r does not have their height and width.
pub(crate) fn weighted_gram_matrix<'t, T: Real>(features: &Var<'t, T>, r: &Value<T>) -> Var<'t, T> {
    of_rows("weighted_gram_matrix", features, Some(r))
}

fn of_rows<'t, T: Real>(name: &'static str, features: &Var<'t, T>, r: Option<&Value<T>>) -> Var<'t, T> {
    let (height, width, channels) = features.of_rank::<Ix3>(name).dim();
    let cells = gram::Cells::of(height, width);
    let weighted = weighted(features.value(), r, features.tape().buffers());
    let f = weighted.elements();
    let mut g = gram::GramSum::new(channels, cells);
    let f = ArrayView2::from_shape((height * width, channels), &f).expect("row-major");
    g.add(&f, features.tape().buffers());
    let g = g.finish();
    let (kept, r) = (features.value().clone(), r.cloned());
    features.tape().record(name, &[features], g, features.kept_bytes(), move |dg, inputs| {
        let dg = dg.view().into_dimensionality::<Ix2>().expect("a matrix");
        add_gradient(kept, r.as_ref(), &dg, cells, inputs, |_| {});
    })
}

/// Features (height, width, channels) multiplied by the number r (height, width) at each position; as they are without r.
///
/// # Panics
/// If r does not have their height and width.
pub(super) fn weighted<T: Real>(features: &Value<T>, r: Option<&Value<T>>, buffers: &Arc<Buffers<T>>) -> Value<T> {
    let Some(r) = r else { return features.clone() };
    times_rows(features, r, buffers).into()
}

fn times_rows<T: Real>(features: &Value<T>, r: &Value<T>, buffers: &Arc<Buffers<T>>) -> Tensor<T> {
    assert_eq!(r.shape(), &features.shape()[..2], "weights of other positions");
    let mut product = Tensor::unspecified(features.shape(), buffers);
    product.assign(features);
    gram::scale_rows(product.elements_mut(), &r.elements());
    product
}

/// Adds the gradient with respect to the first input, F: r·(F'·(dG + dGᵀ) + what `also` adds to the rows), F' = r·F; without
/// r as if it were 1.
pub(super) fn add_gradient<T: Real>(
    f: Value<T>,
    r: Option<&Value<T>>,
    dg: &ArrayView2<'_, T>,
    cells: gram::Cells,
    inputs: &mut Cotangents<'_, T>,
    also: impl Fn(&mut [T]),
) {
    let symmetric = gram::symmetric(dg);
    if let Some(r) = r {
        let mut df = times_rows(&f, r, inputs.buffers());
        gram::times_in_place(df.elements_mut(), &symmetric.view(), cells, inputs.buffers());
        also(df.elements_mut());
        gram::scale_rows(df.elements_mut(), &r.elements());
        return inputs.add(0, df);
    }
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
    fn weights_count_as_multiplied_features() {
        let f: ndarray::Array3<f64> = crate::kernels::testing::random((40, 31, 3), 1);
        let r: ndarray::Array2<f64> = crate::kernels::testing::random((40, 31), 2);
        let dg: ndarray::Array2<f64> = crate::kernels::testing::random((3, 3), 3);
        let both = |weighted: bool| {
            let tape = crate::tape::Tape::new();
            let x = tape.variable(f.clone());
            let g = if weighted {
                weighted_gram_matrix(&x, &r.clone().into())
            } else {
                let r = tape.constant(r.clone().insert_axis(ndarray::Axis(2)));
                gram_matrix(&crate::ops::mul(&x, &r))
            };
            (g.to_array(), g.backward_from(dg.clone()).take(&x).unwrap().into_array())
        };
        assert_eq!(both(true), both(false));
    }

    #[test]
    fn agrees_with_pytorch() {
        let case = reference("gram");
        agrees::<f64>(&case, &["x"], |x| gram_matrix(&x[0]));
        agrees::<f32>(&case, &["x"], |x| gram_matrix(&x[0]));
    }
}
