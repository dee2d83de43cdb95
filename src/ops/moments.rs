//! First and second moments of features, from which means, covariances and standard deviations follow.

use ndarray::{Array2, ArrayView2, Axis, Ix2, Ix3, s};

use super::gram_matrix::{add_gradient, weighted};
use crate::kernels::gram;
use crate::tape::{Real, Value, Var};

/// The Gram matrix Σ w·f·fᵀ and below it the sums Σ w·f, (channels + 1) × channels, for a feature map (height, width, channels)
/// with a weight w at each position, given by its square root r (height, width); `None` stands for 1 everywhere.
///
/// VJP: dF = w·(F·(dG + dGᵀ) + dsᵀ), row by row, for the gradients dG and ds with respect to the matrix and to the sums. Keeps F,
/// not r·F.
///
/// # Panics
/// If the features do not have three axes, or r does not have their height and width.
pub fn moments<'t, T: Real>(features: &Var<'t, T>, r: Option<&Value<T>>) -> Var<'t, T> {
    let (height, width, channels) = features.of_rank::<Ix3>("moments").dim();
    let matrix = (height * width, channels);
    let weighted = weighted(features.value(), r, features.tape().buffers());
    let f = weighted.elements();
    let f = ArrayView2::from_shape(matrix, &f).expect("row-major");
    let mut result = Array2::zeros((channels + 1, channels));
    let cells = gram::Cells::of(height, width);
    let mut g = gram::GramSum::new(channels, cells);
    g.add(&f, features.tape().buffers());
    result.slice_mut(s![..channels, ..]).assign(&g.finish());
    let elements = r.map(|r| r.elements());
    result.row_mut(channels).assign(&gram::row_sums(&f, elements.as_deref()));
    let (kept, r) = (features.value().clone(), r.cloned());
    features.tape().record("moments", &[features], result, features.kept_bytes(), move |d, inputs| {
        let d = d.view().into_dimensionality::<Ix2>().expect("a matrix");
        let (dg, ds) = d.split_at(Axis(0), channels);
        let (ds, numbers) = (ds.row(0), r.as_ref().map(|r| r.elements()));
        add_gradient(kept, r.as_ref(), &dg, cells, inputs, |df| gram::add_to_rows(df, &ds, numbers.as_deref()));
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::kernels::testing::random;
    use crate::ops::{gram_matrix, weighted_gram_matrix};
    use crate::tape::Tape;

    #[test]
    fn are_the_gram_matrix_and_the_weighted_sums() {
        let f: Array3<f64> = random((60, 71, 3), 1);
        let r: Array2<f64> = random((60, 71), 2);
        let tape = Tape::new();
        let x = tape.constant(f.clone());
        for r in [None, Some(r)] {
            let value = r.clone().map(Value::from);
            let result = moments(&x, value.as_ref()).to_array();
            let gram = value.as_ref().map_or_else(|| gram_matrix(&x), |r| weighted_gram_matrix(&x, r));
            assert_eq!(result.slice(s![..3, ..]).into_dyn(), gram.to_array());
            let w = r.map_or_else(|| Array2::ones((60, 71)), |r| r.mapv(|r| r * r));
            let sums = (&f * &w.insert_axis(Axis(2))).sum_axis(Axis(0)).sum_axis(Axis(0));
            approx::assert_abs_diff_eq!(result.slice(s![3, ..]).to_owned(), sums, epsilon = 1e-11);
        }
    }

    #[test]
    fn the_gradient_is_the_same_in_the_place_of_the_features_and_beside_them() {
        let f: Array3<f64> = random((5, 7, 3), 1);
        let d: Array2<f64> = random((4, 3), 2);
        let d = d.into_dyn();
        let gradient = |held: bool| {
            let tape = Tape::new();
            let x = tape.variable(f.clone());
            let y = crate::ops::scale(&x, 1.0);
            let m = moments(&y, None);
            let hold = held.then(|| y.clone());
            drop(y);
            let gradient = m.backward_from(d.clone()).take(&x).unwrap().into_array();
            drop(hold);
            gradient
        };
        assert_eq!(gradient(true), gradient(false));
    }
}
