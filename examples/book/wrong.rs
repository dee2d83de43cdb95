//! Gradients that look right: one of each chapter's subject, and what the gradient checker says of it.

use impasto::gradcheck::{Failure, check_fn};
use ndarray::{Array1, Array2, ArrayView2, array, s};

/// Prints the first lines of the checker's report and its hints, and panics if the gradient passes.
fn complaint(checked: Result<impasto::gradcheck::Report, Failure>) {
    let failure = checked.expect_err("the gradient is wrong");
    let report = failure.to_string();
    let hints = report.lines().count() - failure.hints().len();
    for (_, line) in report.lines().enumerate().filter(|&(number, _)| number < 6 || number >= hints) {
        println!("| {line}");
    }
}

/// Chapter 6: max pooling that gives its gradient to all four elements.
pub fn pooling() {
    // ANCHOR: pooling
    let max = |window: ArrayView2<'_, f64>| window.fold(f64::MIN, |most, &v| most.max(v));
    let f = |x: &Array2<f64>| x.exact_chunks((2, 2)).into_iter().map(|window| max(window).powi(2)).sum::<f64>();
    let to_all_four = |x: &Array2<f64>| {
        let window = |i: usize, j: usize| x.slice(s![i / 2 * 2..i / 2 * 2 + 2, j / 2 * 2..j / 2 * 2 + 2]);
        Array2::from_shape_fn(x.dim(), |(i, j)| 2.0 * max(window(i, j)))
    };
    let x = array![[1.0, 4.0, 7.0, 2.0], [6.0, 1.5, 4.0, 3.0]];
    complaint(check_fn(f, to_all_four, &x));
    // ANCHOR_END: pooling
}

/// Chapter 7: total variation whose gradient knows only the left neighbour.
pub fn variation() {
    // ANCHOR: variation
    let f = |x: &Array1<f64>| (1..x.len()).map(|i| (x[i] - x[i - 1]).powi(2)).sum::<f64>();
    let left_only =
        |x: &Array1<f64>| Array1::from_shape_fn(x.len(), |i| if i > 0 { 2.0 * (x[i] - x[i - 1]) } else { 0.0 });
    complaint(check_fn(f, left_only, &array![0.2, 0.9, 0.4, 0.5]));
    // ANCHOR_END: variation
}

/// Chapter 8: the gradient of a function of FᵀF, with F taken to stand there once.
pub fn gram() {
    // ANCHOR: gram
    let target = Array2::<f64>::eye(3) * 2.0;
    let f = |x: &Array2<f64>| (x.t().dot(x) - &target).mapv(|v| v * v).sum();
    let once = |x: &Array2<f64>| x.dot(&(x.t().dot(x) - &target)) * 2.0;
    let x = Array2::from_shape_fn((4, 3), |(i, j)| ((3 * i + 5 * j) as f64).sin());
    complaint(check_fn(f, once, &x));
    // ANCHOR_END: gram
}

/// Chapter 9: a loss of the normalised pixel (x − mean)/std, and its gradient by that instead of by x.
pub fn normalisation() {
    // ANCHOR: normalisation
    let (mean, std) = (array![0.485, 0.456, 0.406], array![0.229, 0.224, 0.225]);
    let f = |x: &Array1<f64>| ((x - &mean) / &std).mapv(|v| v * v).sum();
    let by_the_input = |x: &Array1<f64>| 2.0 * (x - &mean) / &std;
    complaint(check_fn(f, by_the_input, &array![0.9, 0.3, 0.5]));
    // ANCHOR_END: normalisation
}

/// Chapter 10: a loss of the clamped pixel whose gradient ignores the clamping.
pub fn clamping() {
    // ANCHOR: clamping
    let f = |x: &Array1<f64>| x.mapv(|v| (v.clamp(0.0, 1.0) - 0.5).powi(2)).sum();
    let through = |x: &Array1<f64>| x.mapv(|v| 2.0 * (v.clamp(0.0, 1.0) - 0.5));
    complaint(check_fn(f, through, &array![0.2, 0.9, 1.3]));
    // ANCHOR_END: clamping
}

/// Chapter 11: the cosine with a centred vector, whose gradient takes the mean for a constant.
pub fn centring() {
    // ANCHOR: centring
    let target = array![1.0, -3.0, 1.5];
    let centred = |x: &Array1<f64>| x - x.mean().unwrap_or(0.0);
    let f = |x: &Array1<f64>| centred(x).dot(&target) / centred(x).dot(&centred(x)).sqrt();
    let mean_held = |x: &Array1<f64>| {
        let (c, length) = (centred(x), centred(x).dot(&centred(x)).sqrt());
        &target / length - &c * (c.dot(&target) / length.powi(3))
    };
    complaint(check_fn(f, mean_held, &array![0.5, 1.5, 0.2]));
    // ANCHOR_END: centring
}

/// Chapter 12: a gradient computed in two bands that share a row, of which the second overwrites the first.
pub fn bands() {
    // ANCHOR: bands
    let f = |x: &Array1<f64>| (1..x.len()).map(|i| (x[i] + x[i - 1]).powi(2)).sum::<f64>();
    let overwritten = |x: &Array1<f64>| {
        let mut gradient = Array1::<f64>::zeros(x.len());
        for band in [0..4, 3..7] {
            let part = x.slice(s![band.clone()]);
            let mut of_band = Array1::zeros(part.len());
            for i in 1..part.len() {
                of_band[i - 1] += 2.0 * (part[i] + part[i - 1]);
                of_band[i] += 2.0 * (part[i] + part[i - 1]);
            }
            gradient.slice_mut(s![band]).assign(&of_band);
        }
        gradient
    };
    complaint(check_fn(f, overwritten, &array![0.3, 0.9, -0.4, 0.7, 1.1, -0.2, 0.5]));
    // ANCHOR_END: bands
}
