//! The total variation prior: natural images are piecewise smooth (Rudin, Osher & Fatemi 1992; with the exponent β of
//! Mahendran & Vedaldi 2014, equation 3).

use ndarray::{Axis, Ix3, arr0};
use rayon::prelude::*;

use crate::tape::{Real, Var};

/// y = Σ (dx² + dy²)^(β/2) over all positions and channels of an image (height, width, channels), where dx and dy are
/// the differences to the right and lower neighbour, 0 at the edge. A scalar.
///
/// VJP: with f = β·(dx² + dy²)^(β/2−1) at each position, the gradient is
/// −f(i,j)·(dx(i,j) + dy(i,j)) + f(i,j−1)·dx(i,j−1) + f(i−1,j)·dy(i−1,j); f is 0 where both differences are 0.
/// Keeps x.
///
/// # Panics
/// If the array does not have three axes, or β ≤ 0.
pub fn total_variation<'t, T: Real>(x: &Var<'t, T>, beta: f64) -> Var<'t, T> {
    assert!(beta > 0.0, "total_variation: β = {beta}, but it must be above 0");
    let (height, width, channels) = x.of_rank::<Ix3>("total_variation").dim();
    let kept = x.value().clone();
    let elements = kept.elements();
    let image = Image { x: &elements, height, width, channels };
    let exponent = T::of(beta / 2.0);
    let value = |square: T| if beta == 2.0 { square } else { square.powf(exponent) };
    let rows = (0..height).into_par_iter().map(|i| {
        let row = (0..width * channels).map(|k| {
            let (dx, dy) = image.differences(i, k);
            Real::to_f64(value(dx * dx + dy * dy))
        });
        row.sum::<f64>()
    });
    let y: f64 = rows.collect::<Vec<_>>().into_iter().sum();

    drop(elements);
    x.tape().record("total_variation", &[x], arr0(T::of(y)), x.kept_bytes(), move |dy, inputs| {
        let elements = kept.elements();
        let image = Image { x: &elements, height, width, channels };
        let factor = T::of(beta) * dy[[]];
        let weight = |(dx, dy): (T, T)| {
            let square = dx * dx + dy * dy;
            let f = if beta == 2.0 { T::one() } else { square.powf(exponent - T::one()) };
            if square == T::zero() { (T::zero(), T::zero()) } else { (factor * f * dx, factor * f * dy) }
        };
        let mut gradient = inputs.tensor(&[height, width, channels]);
        gradient.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut row)| {
            for (k, gradient) in row.iter_mut().enumerate() {
                let (right, below) = weight(image.differences(i, k));
                *gradient = -(right + below);
                if k >= channels {
                    *gradient += weight(image.differences(i, k - channels)).0;
                }
                if i > 0 {
                    *gradient += weight(image.differences(i - 1, k)).1;
                }
            }
        });
        inputs.add(0, gradient);
    })
}

struct Image<'x, T> {
    x: &'x [T],
    height: usize,
    width: usize,
    channels: usize,
}

impl<T: Real> Image<'_, T> {
    /// Differences to the right and lower neighbour of element `k` (column and channel) of row `i`.
    fn differences(&self, i: usize, k: usize) -> (T, T) {
        let line = self.width * self.channels;
        let at = i * line + k;
        let here = self.x[at];
        let right = if k + self.channels < line { self.x[at + self.channels] - here } else { T::zero() };
        let below = if i + 1 < self.height { self.x[at + line] - here } else { T::zero() };
        (right, below)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::ops::testing::{agrees, reference};
    use crate::tape::Tape;

    #[test]
    fn agrees_with_pytorch() {
        for name in ["total_variation_beta1.0", "total_variation_beta2.0", "total_variation_beta2.5"] {
            let case = reference(name);
            let beta = case.number("beta");
            agrees::<f64>(&case, &["x"], |x| total_variation(&x[0], beta));
            agrees::<f32>(&case, &["x"], |x| total_variation(&x[0], beta));
        }
    }

    #[test]
    fn a_constant_image_has_none_and_no_gradient_at_any_exponent() {
        for beta in [0.5, 1.0, 2.0, 2.5] {
            let tape = Tape::<f64>::new();
            let x = tape.variable(Array3::from_elem((3, 4, 2), 0.7));
            let y = total_variation(&x, beta);
            assert_eq!(y.scalar(), 0.0);
            assert!(y.backward().get(&x).unwrap().iter().all(|&g| g == 0.0));
        }
    }
}
