//! The style: thousands of short curved strokes of thick paint, laid along a swirling flow, lit from the upper left.

use ndarray::{Array2, Array3, s};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::noise::{fractal, smooth};

type Colour = [f32; 3];

/// Whirls: centre (in sides of the picture), radius, and sense of rotation.
const WHIRLS: [([f32; 2], f32, f32); 7] = [
    ([0.3, 0.32], 0.21, 1.0),
    ([0.74, 0.2], 0.13, -1.0),
    ([0.66, 0.64], 0.19, 1.0),
    ([0.14, 0.74], 0.13, -1.0),
    ([0.92, 0.5], 0.1, 1.0),
    ([0.4, 0.92], 0.11, -1.0),
    ([0.94, 0.92], 0.12, 1.0),
];

/// The coats of paint, from broad to fine: how many strokes, their width and length in sides of the picture.
const COATS: [(usize, f32, f32); 4] =
    [(1400, 0.045, 0.16), (2600, 0.026, 0.12), (4200, 0.016, 0.085), (1500, 0.011, 0.06)];

/// From the rim of a whirl to its heart.
const PALETTE: [Colour; 8] = [
    [0.07, 0.1, 0.27],
    [0.1, 0.22, 0.5],
    [0.13, 0.42, 0.63],
    [0.3, 0.63, 0.62],
    [0.74, 0.76, 0.48],
    [0.95, 0.76, 0.2],
    [0.93, 0.5, 0.12],
    [0.99, 0.91, 0.68],
];

/// Colours strewn in against the rest.
const ACCENTS: [Colour; 4] = [[0.8, 0.2, 0.14], [0.6, 0.16, 0.3], [0.96, 0.93, 0.85], [0.1, 0.36, 0.28]];

/// The painting, `side` × `side`; painted at twice the size.
pub(super) fn paint(side: usize) -> Array3<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(1889);
    let mut canvas = Canvas::new(2 * side);
    for (coat, &(count, width, length)) in COATS.iter().enumerate() {
        for _ in 0..count {
            let start = [rng.random_range(-0.05..1.05), rng.random_range(-0.05..1.05)];
            let accent = coat > 1 && rng.random_bool(0.05);
            let colour = if accent { ACCENTS[rng.random_range(0..ACCENTS.len())] } else { colour_at(start, &mut rng) };
            canvas.stroke(
                start,
                width * rng.random_range(0.75..1.25),
                length * rng.random_range(0.6..1.3),
                colour,
                rng.random(),
            );
        }
    }
    canvas.lit()
}

/// Where the brush goes at a point: around the whirls, elsewhere in waves to the right.
fn flow([x, y]: [f32; 2]) -> [f32; 2] {
    let wave = 0.9 * (fractal(x * 2.2, y * 2.2, 4) - 0.5) + 0.3 * (x * 7.0).sin();
    let mut direction = [0.35, 0.35 * wave];
    for ([cx, cy], radius, sense) in WHIRLS {
        let (dx, dy) = (x - cx, y - cy);
        let near = sense * 2.5 * (-(dx * dx + dy * dy) / (radius * radius)).exp() / radius;
        // Across the line to the centre, and a little inwards: a spiral.
        direction[0] += near * (-dy - 0.15 * sense * dx);
        direction[1] += near * (dx - 0.15 * sense * dy);
    }
    let length = direction[0].hypot(direction[1]).max(1e-6);
    direction.map(|d| d / length)
}

fn colour_at([x, y]: [f32; 2], rng: &mut impl Rng) -> Colour {
    let warmth = WHIRLS.iter().map(|([cx, cy], radius, _)| {
        let distance = (x - cx).hypot(y - cy) / radius;
        // Rings of light and dark around the heart.
        (1.05 - 0.75 * distance + 0.1 * (distance * 16.0).cos()).max(0.0)
    });
    let field = warmth.fold(0.0, f32::max).max(0.55 * fractal(x * 3.0, y * 5.0, 17) - 0.05);
    let place = (field + rng.random_range(-0.11..0.11)).clamp(0.0, 0.999) * (PALETTE.len() - 1) as f32;
    let (low, t) = (place as usize, place.fract());
    let lightness = rng.random_range(0.86..1.14);
    std::array::from_fn(|c| (PALETTE[low][c] + (PALETTE[low + 1][c] - PALETTE[low][c]) * t) * lightness)
}

/// Paint on a square canvas: its colour and how thick it lies.
struct Canvas {
    side: usize,
    colour: Array3<f32>,
    height: Array2<f32>,
}

impl Canvas {
    fn new(side: usize) -> Self {
        let colour = Array3::from_shape_fn((side, side, 3), |(_, _, c)| [0.12, 0.13, 0.25][c]);
        Self { side, colour, height: Array2::zeros((side, side)) }
    }

    /// A stroke from `start` along the flow, all lengths in sides of the canvas.
    fn stroke(&mut self, start: [f32; 2], width: f32, length: f32, colour: Colour, seed: u32) {
        let step = 0.5 / self.side as f32;
        let (steps, across) = ((length / step) as usize, (width / step) as usize);
        let mut at = start;
        for n in 0..steps {
            let direction = flow(at);
            at = [at[0] + step * direction[0], at[1] + step * direction[1]];
            let along = n as f32 / steps as f32;
            for m in 0..across {
                // −1 to 1 across the stroke.
                let u = (m as f32 + 0.5) / across as f32 * 2.0 - 1.0;
                let offset = u * width / 2.0;
                let place = [at[0] - offset * direction[1], at[1] + offset * direction[0]];
                // Each bristle has its own load of paint, runs dry at its own time, and starts a little late.
                let bristle = smooth(u * 4.0 + 50.0, along * 2.5, seed);
                let fine = smooth(u * 11.0 + 50.0, along * 4.0, seed ^ 1);
                let end = 1.0 - 0.25 * fine - 0.35 * u * u;
                let begin = 0.08 * u * u + 0.04 * bristle;
                if along < begin || along > end {
                    continue;
                }
                let rim = (1.0 - u.abs().powi(6)) * ((along - begin) * 14.0).min(1.0) * ((end - along) * 8.0).min(1.0);
                let thickness = (0.45 + 0.55 * bristle * fine + 0.25 * u.abs().powi(3)) * rim;
                self.dab(
                    place,
                    (rim * 1.6).min(1.0) * (0.72 + 0.28 * bristle),
                    thickness,
                    colour.map(|c| c * (0.82 + 0.24 * bristle + 0.12 * fine)),
                );
            }
        }
    }

    /// Covers one point.
    fn dab(&mut self, [x, y]: [f32; 2], cover: f32, thickness: f32, colour: Colour) {
        let (i, j) = (y * self.side as f32, x * self.side as f32);
        if i < 0.0 || j < 0.0 || i >= self.side as f32 || j >= self.side as f32 {
            return;
        }
        let (i, j) = (i as usize, j as usize);
        // Several dabs fall on each pixel of a stroke: each one covers a part.
        let cover = 0.5 * cover;
        let height = &mut self.height[[i, j]];
        *height += cover * (thickness - *height);
        for c in 0..3 {
            let paint = &mut self.colour[[i, j, c]];
            *paint += cover * (colour[c] - *paint);
        }
    }

    /// The canvas in slanting light, at half its size.
    fn lit(&self) -> Array3<f32> {
        let side = self.side / 2;
        let mut image = Array3::zeros((side, side, 3));
        let height = |i: usize, j: usize| self.height[[i.min(self.side - 1), j.min(self.side - 1)]];
        for i in 0..self.side {
            for j in 0..self.side {
                let (east, west) = (height(i, j + 1), height(i, j.saturating_sub(1)));
                let (south, north) = (height(i + 1, j), height(i.saturating_sub(1), j));
                // The slope towards the light.
                let slope = ((east - west) + (south - north)).clamp(-0.8, 0.8);
                let (shade, gloss) = (1.0 + 0.55 * slope, (slope - 0.3).max(0.0) * 0.5);
                let colour = self.colour.slice(s![i, j, ..]);
                for c in 0..3 {
                    image[[i / 2, j / 2, c]] += (colour[c] * shade + gloss).clamp(0.0, 1.0) / 4.0;
                }
            }
        }
        image
    }
}
