//! The cosine of features with chosen targets, as hypercolumn matching has it (Kolkin et al. 2022, "Neural Neighbor Style
//! Transfer", section 3.2).

use ndarray::{Array2, Axis, Ix2, arr0};
use rayon::prelude::*;

use super::LEAST_LENGTH;
use crate::tape::{Real, Tensor, Value, Var};

/// y = Σₚ wₚ·⟨tₚ, xₚ/max(‖xₚ‖, 1e-4)⟩, a scalar: the weighted sum of the cosines of features x (positions, channels) with
/// targets t of the same shape, whose rows are unit vectors or means of such.
///
/// VJP: dxₚ = dy·wₚ·(tₚ − ⟨tₚ, x̂ₚ⟩x̂ₚ)/‖xₚ‖ with x̂ₚ = xₚ/‖xₚ‖, without the second term where ‖xₚ‖ was too small. Keeps x and
/// the lengths.
///
/// # Panics
/// If the shapes differ, or there are not as many weights as positions.
pub fn cosine<'t, T: Real>(x: &Var<'t, T>, targets: &Value<T>, weights: &[T]) -> Var<'t, T> {
    assert!(
        x.shape() == targets.shape() && x.shape().first() == Some(&weights.len()),
        "cosine: features of shape {:?}, targets of {:?}, {} weights",
        x.shape(),
        targets.shape(),
        weights.len()
    );
    let floor = T::of(LEAST_LENGTH);
    // Of each position its length, and its cosine.
    let measured: Vec<(T, T)> = {
        let (x, t) = (x.of_rank::<Ix2>("cosine"), targets.of_rank::<Ix2>("cosine"));
        let rows = x.axis_iter(Axis(0)).into_par_iter().zip(t.axis_iter(Axis(0)).into_par_iter());
        rows.map(|(x, t)| {
            let (mut squares, mut product) = (0.0, 0.0);
            for (&x, &t) in x.iter().zip(t) {
                let x = Real::to_f64(x);
                squares += x * x;
                product += x * Real::to_f64(t);
            }
            let length = squares.sqrt().max(LEAST_LENGTH);
            (T::of(length), T::of(product / length))
        })
        .collect()
    };
    let pairs = measured.iter().zip(weights);
    let y: f64 = pairs.map(|((_, cosine), &weight)| Real::to_f64(*cosine) * Real::to_f64(weight)).sum();
    let (kept_x, targets, weights) = (x.value().clone(), targets.clone(), weights.to_vec());
    let kept = x.kept_bytes() + size_of_val(&*measured);
    x.tape().record("cosine", &[x], arr0(T::of(y)), kept, move |dy, inputs| {
        let dy = dy[[]];
        let mut dx = Array2::zeros((weights.len(), kept_x.shape()[1]));
        let (x, t) = (kept_x.of_rank::<Ix2>("cosine"), targets.of_rank::<Ix2>("cosine"));
        let rows = dx.axis_iter_mut(Axis(0)).into_par_iter();
        let rows = rows.zip(x.axis_iter(Axis(0)).into_par_iter().zip(t.axis_iter(Axis(0)).into_par_iter()));
        rows.zip(measured.par_iter().zip(&weights)).for_each(|((mut dx, (x, t)), (&(length, cosine), &weight))| {
            let along = if length > floor { cosine / length } else { T::zero() };
            let factor = dy * weight / length;
            ndarray::Zip::from(&mut dx).and(&x).and(&t).for_each(|dx, &x, &t| *dx = factor * (t - along * x));
        });
        inputs.add(0, Tensor::from(dx));
    })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::ops::testing::{agrees, kept_on, reference};
    use crate::tape::Tape;

    #[test]
    fn length_does_not_count_and_the_mean_is_not_taken_away() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![[3.0, 4.0], [30.0, 40.0]]);
        let targets: Value<f64> = array![[0.6, 0.8], [0.8, -0.6]].into();
        approx::assert_relative_eq!(cosine(&x, &targets, &[0.75, 0.25]).scalar(), 0.75, max_relative = 1e-12);
        let silent = tape.variable(array![[0.0, 0.0]]);
        let y = cosine(&silent, &array![[1.0, 0.0]].into(), &[1.0]);
        assert_eq!(y.scalar(), 0.0);
        approx::assert_relative_eq!(y.backward().get(&silent).unwrap()[[0, 0]], 1e4, max_relative = 1e-12);
    }

    #[test]
    fn what_is_shorter_than_the_least_length_is_divided_by_that() {
        let tape = Tape::<f64>::new();
        let faint = tape.variable(array![[1e-5, 0.0]]);
        let y = cosine(&faint, &array![[0.6, 0.8]].into(), &[1.0]);
        approx::assert_relative_eq!(y.scalar(), 0.06, max_relative = 1e-12);
        let gradient = (y * 3.0).backward().take(&faint).unwrap().into_array();
        approx::assert_relative_eq!(gradient, array![[1.8e4, 2.4e4]].into_dyn(), max_relative = 1e-12);
    }

    #[test]
    fn keeps_the_features_and_two_numbers_for_each_position() {
        let tape = Tape::<f64>::new();
        let features = Array2::ones((5, 3));
        cosine(&tape.variable(features.clone()), &features.into(), &[0.2; 5]);
        assert_eq!(kept_on(&tape), format!("{} B", (5 * 3 + 5 * 2) * size_of::<f64>()));
    }

    #[test]
    fn agrees_with_pytorch() {
        let case = reference("cosine");
        fn of<'t, T: Real>(x: &[Var<'t, T>], case: &crate::ops::testing::Reference) -> Var<'t, T> {
            cosine(&x[0], &case.array("target").into(), &[T::of(1.0 / 13.0); 13])
        }
        agrees::<f64>(&case, &["x"], |x| of(x, &case));
        agrees::<f32>(&case, &["x"], |x| of(x, &case));
    }

    #[test]
    #[should_panic(expected = "cosine: features of shape [1, 2], targets of [2, 1], 1 weights")]
    fn shapes_must_agree() {
        cosine(&Tape::<f64>::new().constant(array![[1.0, 2.0]]), &array![[1.0], [2.0]].into(), &[1.0]);
    }
}
