//! First and second moments of features, from which means, covariances and standard deviations follow.

use ndarray::{Array2, ArrayView2, Axis, Ix2, Ix3, s};

use super::gram_matrix::add_gradient;
use crate::kernels::gram;
use crate::tape::{Real, Value, Var};

/// The Gram matrix FᵀF and below it the sums rᵀF, (channels + 1) × channels, for a feature map (height, width, channels) read
/// as a matrix F of positions × channels, and a number r for each position (height, width); `None` stands for 1 everywhere.
///
/// For features weighted by w at each position, F is √w times the features and r is √w: the results are Σw·f·fᵀ and Σw·f.
///
/// VJP: dF = F·(dG + dGᵀ) + r·dsᵀ for the gradients dG and ds with respect to the matrix and to the sums. Keeps F.
///
/// # Panics
/// If the features do not have three axes, or r does not have their height and width.
pub fn moments<'t, T: Real>(features: &Var<'t, T>, r: Option<&Value<T>>) -> Var<'t, T> {
    let (height, width, channels) = features.of_rank::<Ix3>("moments").dim();
    let matrix = (height * width, channels);
    if let Some(r) = r {
        assert_eq!(r.shape(), [height, width], "moments: numbers for other positions");
    }
    let f = features.value().elements();
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
        let (ds, r) = (ds.row(0), r.as_ref().map(|r| r.elements()));
        add_gradient(kept, &dg, cells, inputs, |df| gram::add_to_rows(df, &ds, r.as_deref()));
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::kernels::testing::random;
    use crate::ops::gram_matrix;
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
            assert_eq!(result.slice(s![..3, ..]).into_dyn(), gram_matrix(&x).to_array());
            let r = r.unwrap_or_else(|| Array2::ones((60, 71)));
            let sums = (&f * &r.insert_axis(Axis(2))).sum_axis(Axis(0)).sum_axis(Axis(0));
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
