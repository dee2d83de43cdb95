//! Histogram matching: gives a picture the distribution of another's colours.

use ndarray::{Array1, Array2, Array3, ArrayView1, Axis};

use crate::kernels::eigen::symmetric_eigen;

/// `picture` (height, width, 3) with the colour distribution of `example` (any size).
///
/// First along the axes on which the example's colours are uncorrelated (the eigenvectors of their 3×3 covariance), so
/// that colours stay together: red does not become half as frequent as its green. Then channel by channel, so that
/// each channel has the example's values exactly (all of them, if the sizes agree). Each matching keeps the order of
/// the values: the k-th of n smallest becomes the example's quantile (k + ½)/n.
///
/// # Panics
/// If an array does not have three channels, or is empty.
pub fn match_histogram(picture: &Array3<f32>, example: &Array3<f32>) -> Array3<f32> {
    let (colours, example) = (colours(picture), colours(example));
    let axes = principal_axes(&example);
    let rotated = matched(&colours.dot(&axes), &example.dot(&axes)).dot(&axes.t());
    let matched = matched(&rotated, &example);
    matched.mapv(|v| v as f32).into_shape_with_order(picture.raw_dim()).expect("as many")
}

/// Pixels as rows (positions × 3).
fn colours(picture: &Array3<f32>) -> Array2<f64> {
    let (height, width, channels) = picture.dim();
    assert!(channels == 3 && height * width > 0, "match_histogram: a picture of shape {:?}", picture.shape());
    Array2::from_shape_vec((height * width, 3), picture.iter().map(|&v| f64::from(v)).collect()).expect("as many")
}

/// The eigenvectors of the colours' covariance, as columns; the identity if the covariance is negligible.
fn principal_axes(colours: &Array2<f64>) -> Array2<f64> {
    let mean = colours.mean_axis(Axis(0)).expect("not empty");
    let centred = colours - &mean;
    let covariance = centred.t().dot(&centred) / colours.nrows() as f64;
    let finite = covariance.iter().all(|v| v.is_finite());
    if finite { symmetric_eigen(&covariance).1 } else { Array2::eye(3) }
}

/// Each column of `values` with the distribution of the same column of `example`.
fn matched(values: &Array2<f64>, example: &Array2<f64>) -> Array2<f64> {
    let mut result = values.clone();
    for (channel, mut column) in result.axis_iter_mut(Axis(1)).enumerate() {
        column.assign(&matched_column(values.column(channel), example.column(channel)));
    }
    result
}

fn matched_column(values: ArrayView1<'_, f64>, example: ArrayView1<'_, f64>) -> Array1<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut sorted = example.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut result = Array1::zeros(values.len());
    for (rank, &at) in order.iter().enumerate() {
        // The position of the quantile among the example's values, which are its quantiles (k + ½)/n.
        let place = (rank as f64 + 0.5) / values.len() as f64 * sorted.len() as f64 - 0.5;
        let place = place.clamp(0.0, (sorted.len() - 1) as f64);
        let (below, share) = (place.floor() as usize, place.fract());
        let above = (below + 1).min(sorted.len() - 1);
        result[at] = sorted[below] + share * (sorted[above] - sorted[below]);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Correlated colours between 0 and 1.
    fn picture(height: usize, width: usize, seed: usize) -> Array3<f32> {
        Array3::from_shape_fn((height, width, 3), |(i, j, c)| {
            let common = ((i * 31 + j * 17 + seed * 7) % 101) as f32 / 101.0;
            let own = ((i * 13 + j * 29 + c * 37 + seed) % 97) as f32 / 97.0;
            (0.7 * common + 0.3 * own).powi(1 + seed as i32)
        })
    }

    fn sorted(picture: &Array3<f32>, channel: usize) -> Vec<f32> {
        let mut values = picture.index_axis(Axis(2), channel).iter().copied().collect::<Vec<_>>();
        values.sort_by(f32::total_cmp);
        values
    }

    #[test]
    fn every_channel_has_the_examples_values() {
        let (picture, example) = (picture(20, 30, 0), picture(30, 20, 2));
        let result = match_histogram(&picture, &example);
        assert_eq!(result.dim(), (20, 30, 3));
        for channel in 0..3 {
            assert_eq!(sorted(&result, channel), sorted(&example, channel));
        }
    }

    #[test]
    fn sizes_may_differ() {
        let (picture, example) = (picture(11, 13, 0), picture(40, 35, 1));
        let result = match_histogram(&picture, &example);
        for channel in 0..3 {
            let mean = |p: &Array3<f32>| p.index_axis(Axis(2), channel).mean().unwrap();
            assert!((mean(&result) - mean(&example)).abs() < 1e-3);
        }
    }

    #[test]
    fn a_picture_matched_to_itself_stays() {
        let picture = picture(9, 12, 1);
        approx::assert_abs_diff_eq!(match_histogram(&picture, &picture), picture, epsilon = 1e-5);
    }

    #[test]
    fn correlations_come_nearer_to_the_examples_than_by_channels_alone() {
        // Noise of independent channels, and an example whose channels go together.
        let noise =
            Array3::from_shape_fn((40, 40, 3), |(i, j, c)| ((i * 71 + j * 37 + c * 53 + i * j * (c + 3)) % 89) as f32);
        let example = picture(40, 40, 0);
        let correlation = |p: &Array2<f64>| {
            let centred = p - &p.mean_axis(Axis(0)).unwrap();
            let c = centred.t().dot(&centred);
            c[[0, 1]] / (c[[0, 0]] * c[[1, 1]]).sqrt()
        };
        let wanted = correlation(&colours(&example));
        let ours = correlation(&colours(&match_histogram(&noise, &example)));
        let by_channels = correlation(&matched(&colours(&noise), &colours(&example)));
        assert!((ours - wanted).abs() < 0.5 * (by_channels - wanted).abs(), "{ours} {by_channels} {wanted}");
    }

    #[test]
    fn one_colour_is_no_difficulty() {
        let grey = Array3::from_elem((4, 4, 3), 0.5);
        assert!(match_histogram(&picture(4, 4, 0), &grey).iter().all(|&v| (v - 0.5).abs() < 1e-6));
    }
}
