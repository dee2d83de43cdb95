//! Gram matrices: which features occur together, and not where (Gatys, Ecker & Bethge 2015, equation 1).

use ndarray::{Ix2, Ix3};

use crate::kernels::gram;
use crate::tape::{Real, Var};

/// G = FᵀF, (channels × channels), for a feature map (height, width, channels) read as a matrix F of positions ×
/// channels: `G(a,b) = Σ over positions of F(a)·F(b)`, not normalised. In the papers F is its transpose, G the same.
///
/// VJP: dF = F·(dG + dGᵀ). Keeps F.
///
/// # Panics
/// If the array has not three axes.
pub fn gram_matrix<'t, T: Real>(features: &Var<'t, T>) -> Var<'t, T> {
    let (height, width, channels) = features.of_rank::<Ix3>("gram_matrix").dim();
    let rows = height * width;
    let f = features.value().elements();
    let g = gram::gram(&ndarray::ArrayView2::from_shape((rows, channels), &f).expect("row-major"));
    let kept = features.value().clone();
    features.tape().record("gram_matrix", &[features], g, features.kept_bytes(), move |dg, inputs| {
        let dg = dg.view().into_dimensionality::<Ix2>().expect("a matrix");
        let symmetric = &dg + &dg.t();
        let f = kept.elements();
        let f = ndarray::ArrayView2::from_shape((rows, channels), &f).expect("row-major");
        inputs.write(0, |df, accumulate| {
            let mut df = df.into_shape_with_order((rows, channels)).expect("row-major");
            gram::times(&f, &symmetric.view(), &mut df, accumulate);
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{agrees, reference};

    #[test]
    fn agrees_with_pytorch() {
        let case = reference("gram");
        agrees::<f64>(&case, &["x"], |x| gram_matrix(&x[0]));
        agrees::<f32>(&case, &["x"], |x| gram_matrix(&x[0]));
    }
}
