//! Colours, curves and plane shapes that the drawings share.

use ndarray::{Array3, aview1};

pub(super) type Colour = [f32; 3];

/// A picture of a function from points to colours, each pixel the mean of `samples`² points. Points are (x, y) in picture
/// heights, x to the right, y down.
pub(super) fn sampled(height: usize, width: usize, samples: u16, colour: impl Fn(f32, f32) -> Colour) -> Array3<f32> {
    let mut image = Array3::zeros((height, width, 3));
    let offsets: Vec<f32> = (0..samples).map(|n| (f32::from(n) + 0.5) / f32::from(samples)).collect();
    let share = f32::from(samples * samples);
    for (i, mut row) in image.outer_iter_mut().enumerate() {
        for (j, mut pixel) in row.outer_iter_mut().enumerate() {
            for (dx, dy) in offsets.iter().flat_map(|dx| offsets.iter().map(move |dy| (dx, dy))) {
                let colour = colour((j as f32 + dx) / height as f32, (i as f32 + dy) / height as f32);
                pixel += &aview1(&colour.map(|value| value / share));
            }
        }
    }
    image
}

pub(super) fn mix(a: Colour, b: Colour, t: f32) -> Colour {
    let t = t.clamp(0.0, 1.0);
    std::array::from_fn(|c| a[c] + (b[c] - a[c]) * t)
}

/// 0 before `from`, 1 after `to` (which may be the smaller), smooth between.
pub(super) fn smoothstep(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The smaller of two distances, with a fillet of about the size `k` where they are equal: a union without a crease
/// (Quilez, "Smooth minimum", the quadratic one).
pub(super) fn smooth_min(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.min(b) - h * h * k / 4.0
}

/// The distance from a point to a bar with round ends whose radius changes evenly from `ra` at `a` to `rb` at `b`, in the
/// plane or in space. Negative inside.
pub(super) fn bar<const N: usize>(p: [f32; N], a: [f32; N], b: [f32; N], ra: f32, rb: f32) -> f32 {
    let along: f32 = (0..N).map(|c| (p[c] - a[c]) * (b[c] - a[c])).sum();
    let length: f32 = (0..N).map(|c| (b[c] - a[c]) * (b[c] - a[c])).sum();
    let t = (along / length).clamp(0.0, 1.0);
    let squared: f32 = (0..N).map(|c| p[c] - a[c] - t * (b[c] - a[c])).map(|d| d * d).sum();
    squared.sqrt() - (ra + (rb - ra) * t)
}
