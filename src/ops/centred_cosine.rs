//! The cosine of centred features with given targets: how similar each position is to its match (Kolkin et al. 2022,
//! "Neural Neighbor Style Transfer", section 3.2).

use ndarray::{Array1, Array2, ArrayViewMut2, Axis, Ix2, arr0};
use rayon::prelude::*;

use crate::kernels::nearest::{centre_and_normalise, mean_row};
use crate::tape::{Real, Tensor, Value, Var};

/// The smallest length by which features are divided.
pub(crate) const LEAST_LENGTH: f64 = 1e-4;

/// y = Σₚ wₚ·⟨tₚ, zₚ/max(‖zₚ‖, 1e-4)⟩ with zₚ = xₚ − x̄, a scalar: the weighted sum of the cosines of centred features x
/// (positions, channels) with targets t of the same shape, whose rows are unit vectors; x̄ is the mean of all rows of x.
///
/// VJP: dxₚ = gₚ − ḡ with gₚ = dy·wₚ·(tₚ − ⟨tₚ, ẑₚ⟩ẑₚ)/‖zₚ‖, without the second term where ‖zₚ‖ < 1e-4. Keeps ẑ, the
/// lengths and the cosines.
///
/// # Panics
/// If the shapes differ, or the number of weights is not that of positions.
pub fn centred_cosine<'t, T: Real>(x: &Var<'t, T>, targets: &Value<T>, weights: &[T]) -> Var<'t, T> {
    assert!(
        x.shape() == targets.shape() && x.shape().first() == Some(&weights.len()),
        "centred_cosine: features of shape {:?}, targets of {:?}, {} weights",
        x.shape(),
        targets.shape(),
        weights.len()
    );
    let floor = T::of(LEAST_LENGTH);
    let mut z = x.of_rank::<Ix2>("centred_cosine").to_owned();
    let lengths = centre_and_normalise(&mut z.view_mut(), floor);
    let cosines = products(&z, targets);
    let y: f64 = cosines.iter().zip(weights).map(|(cosine, &weight)| cosine * Real::to_f64(weight)).sum();
    let kept = size_of_val(z.as_slice().expect("row-major")) + size_of_val(&*lengths) + size_of_val(&*cosines);
    let (targets, weights) = (targets.clone(), weights.to_vec());
    x.tape().record("centred_cosine", &[x], arr0(T::of(y)), kept, move |dy, inputs| {
        let dy = dy[[]];
        let t = targets.of_rank::<Ix2>("centred_cosine");
        let mut gradient = z;
        let rows = gradient.axis_iter_mut(Axis(0)).into_par_iter().zip(t.axis_iter(Axis(0)).into_par_iter());
        rows.zip(&cosines).zip(lengths.par_iter().zip(&weights)).for_each(|(((mut row, t), cosine), (&length, &w))| {
            let along = if length > floor { T::of(*cosine) } else { T::zero() };
            let factor = dy * w / length;
            row.zip_mut_with(&t, |z, &t| *z = factor * (t - along * *z));
        });
        subtract_mean(&mut gradient.view_mut());
        inputs.add(0, Tensor::from(gradient));
    })
}

/// ⟨aₚ, bₚ⟩ for each row.
fn products<T: Real>(a: &Array2<T>, b: &Value<T>) -> Vec<f64> {
    let b = b.of_rank::<Ix2>("centred_cosine");
    let product = |(a, b): (ndarray::ArrayView1<'_, T>, ndarray::ArrayView1<'_, T>)| {
        a.iter().zip(b).map(|(&a, &b)| Real::to_f64(a) * Real::to_f64(b)).sum()
    };
    a.axis_iter(Axis(0)).into_par_iter().zip(b.axis_iter(Axis(0)).into_par_iter()).map(product).collect()
}

fn subtract_mean<T: Real>(rows: &mut ArrayViewMut2<'_, T>) {
    let mean: Array1<T> = mean_row(&rows.view());
    rows.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut row| row -= &mean);
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::ops::testing::{agrees, kept_on, reference};
    use crate::tape::Tape;

    #[test]
    fn features_that_are_their_targets_have_cosine_one() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![[3.0, 4.0], [-3.0, -4.0]]);
        let targets: Value<f64> = array![[0.6, 0.8], [0.6, 0.8]].into();
        approx::assert_relative_eq!(centred_cosine(&x, &targets, &[0.75, 0.25]).scalar(), 0.5, max_relative = 1e-12);
    }

    #[test]
    fn what_is_shorter_than_the_least_length_is_divided_by_that() {
        let tape = Tape::<f64>::new();
        let faint = tape.variable(array![[2e-5, 1.0], [0.0, 1.0]]);
        let y = centred_cosine(&faint, &array![[0.6, 0.8], [0.8, -0.6]].into(), &[1.0, 2.0]);
        approx::assert_relative_eq!(y.scalar(), 0.06 - 0.16, max_relative = 1e-9);
        // Half of what the two rows would have by themselves, each as much as it takes from the other.
        let gradient = (y * 3.0).backward().take(&faint).unwrap().into_array();
        let [x, y] = [0.5 * 3e4 * (0.6 - 1.6), 0.5 * 3e4 * (0.8 + 1.2)];
        approx::assert_relative_eq!(gradient, array![[x, y], [-x, -y]].into_dyn(), max_relative = 1e-9);
    }

    #[test]
    fn keeps_the_centred_features_two_numbers_for_each_position_and_nothing_of_x() {
        let tape = Tape::<f64>::new();
        let features = Array2::ones((5, 3));
        centred_cosine(&tape.variable(features.clone()), &features.into(), &[0.2; 5]);
        assert_eq!(kept_on(&tape), format!("{} B", (5 * 3 + 5 * 2) * size_of::<f64>()));
    }

    #[test]
    fn agrees_with_pytorch() {
        let case = reference("centred_cosine");
        fn of<'t, T: Real>(x: &[Var<'t, T>], case: &crate::ops::testing::Reference) -> Var<'t, T> {
            centred_cosine(&x[0], &case.array("target").into(), &[T::of(1.0 / 13.0); 13])
        }
        agrees::<f64>(&case, &["x"], |x| of(x, &case));
        agrees::<f32>(&case, &["x"], |x| of(x, &case));
    }

    #[test]
    #[should_panic(expected = "centred_cosine: features of shape [1, 2], targets of [2, 1], 1 weights")]
    fn shapes_must_agree() {
        centred_cosine(&Tape::<f64>::new().constant(array![[1.0, 2.0]]), &array![[1.0], [2.0]].into(), &[1.0]);
    }
}
