//! A style: cut paper. Leaves, a bird, a sun and fish cut from painted sheets and laid on coloured rectangles.

use ndarray::Array3;

use super::geometry::{Colour, bar, mix, sampled, smooth_min, smoothstep};
use super::noise::{fractal, hash, smooth};

const ULTRAMARINE: Colour = [0.11, 0.22, 0.62];
const SKY: Colour = [0.42, 0.68, 0.86];
const VERMILION: Colour = [0.9, 0.28, 0.14];
const ORANGE: Colour = [0.96, 0.6, 0.13];
const YELLOW: Colour = [0.98, 0.85, 0.32];
const EMERALD: Colour = [0.06, 0.5, 0.34];
const LIME: Colour = [0.6, 0.76, 0.24];
const MAGENTA: Colour = [0.82, 0.2, 0.46];
const PINK: Colour = [0.97, 0.72, 0.72];
const BLACK: Colour = [0.1, 0.09, 0.11];
const WHITE: Colour = [0.97, 0.95, 0.9];

/// The sheets at the back: left, top, right, bottom.
const SHEETS: [([f32; 4], Colour); 10] = [
    ([-0.1, -0.1, 1.1, 1.1], WHITE),
    ([0.0, 0.0, 0.36, 0.4], ULTRAMARINE),
    ([0.34, -0.02, 0.7, 0.3], YELLOW),
    ([0.68, -0.02, 1.02, 0.44], VERMILION),
    ([-0.02, 0.37, 0.3, 0.76], PINK),
    ([0.29, 0.28, 0.72, 0.7], EMERALD),
    ([0.7, 0.4, 1.02, 0.72], SKY),
    ([-0.02, 0.73, 0.4, 1.02], ORANGE),
    ([0.38, 0.68, 0.74, 1.02], MAGENTA),
    ([0.72, 0.7, 1.02, 1.02], BLACK),
];

enum Shape {
    /// A frond: lobes on both sides of a spine.
    Frond {
        from: [f32; 2],
        to: [f32; 2],
        lobes: u16,
        reach: f32,
    },
    /// A disc with rays.
    Sun {
        centre: [f32; 2],
        radius: f32,
    },
    Fish {
        centre: [f32; 2],
        size: f32,
    },
    Bird {
        centre: [f32; 2],
        size: f32,
    },
}

use Shape::{Bird, Fish, Frond, Sun};

/// What is cut out, from below to above.
const CUT: [(Shape, Colour); 13] = [
    (Frond { from: [0.07, 0.36], to: [0.27, 0.06], lobes: 5, reach: 0.1 }, WHITE),
    (Sun { centre: [0.52, 0.14], radius: 0.062 }, VERMILION),
    (Frond { from: [0.79, 0.42], to: [0.88, 0.03], lobes: 6, reach: 0.1 }, BLACK),
    (Frond { from: [0.24, 0.72], to: [0.07, 0.43], lobes: 5, reach: 0.09 }, ULTRAMARINE),
    (Bird { centre: [0.505, 0.49], size: 0.2 }, YELLOW),
    (Fish { centre: [0.86, 0.565], size: 0.125 }, ORANGE),
    (Frond { from: [0.07, 0.95], to: [0.34, 0.8], lobes: 5, reach: 0.08 }, EMERALD),
    (Frond { from: [0.56, 0.99], to: [0.56, 0.71], lobes: 5, reach: 0.1 }, WHITE),
    (Sun { centre: [0.87, 0.86], radius: 0.055 }, LIME),
    (Frond { from: [0.66, 0.75], to: [0.78, 0.6], lobes: 3, reach: 0.07 }, MAGENTA),
    (Frond { from: [0.33, 0.33], to: [0.44, 0.22], lobes: 3, reach: 0.07 }, MAGENTA),
    (Frond { from: [0.31, 0.62], to: [0.38, 0.76], lobes: 3, reach: 0.07 }, SKY),
    (Frond { from: [0.94, 0.36], to: [0.97, 0.48], lobes: 3, reach: 0.06 }, YELLOW),
];

/// The collage, `side` × `side`.
pub(super) fn cut(side: usize) -> Array3<f32> {
    sampled(side, side, 3, |x, y| colour_at([x, y]))
}

fn colour_at(p: [f32; 2]) -> Colour {
    let [x, y] = p;
    // Scissors do not cut straight.
    let shaken = [x + 0.006 * (smooth(x * 9.0, y * 9.0, 1) - 0.5), y + 0.006 * (smooth(x * 9.0, y * 9.0, 2) - 0.5)];
    let lit = [shaken[0] - 0.0035, shaken[1] - 0.005];
    let sheets = SHEETS.iter().map(|(edges, paint)| (sheet(shaken, *edges), sheet(lit, *edges), *paint));
    let shapes = CUT.iter().map(|(shape, paint)| (shape.distance(shaken), shape.distance(lit), *paint));
    let layers: Vec<_> = sheets.chain(shapes).collect();
    // From above: light from the upper left casts shadows of the layers above beyond their lower right edges.
    let mut light = 1.0;
    for (number, (distance, behind, paint)) in layers.into_iter().enumerate().rev() {
        if distance < 0.0 {
            return gouache(p, paint, number as u32).map(|level| level * light);
        }
        light *= 1.0 - 0.3 * smoothstep(0.006, -0.002, behind);
    }
    WHITE
}

/// Paper painted by hand: streaks of a broad brush in one direction of each sheet.
fn gouache([x, y]: [f32; 2], paint: Colour, number: u32) -> Colour {
    let slant = hash(number as i32, 3, 5) - 0.5;
    let (along, across) = (x + slant * y + 2.0, y - slant * x + 2.0);
    let streaks =
        smooth(along * 5.0, across * 70.0, 100 + number) + 0.6 * smooth(along * 9.0, across * 190.0, 200 + number);
    let cloud = fractal(x * 5.0, y * 5.0, 300 + number);
    let amount = 0.1 * (streaks - 0.8) + 0.1 * (cloud - 0.5);
    if amount > 0.0 { mix(paint, [1.0, 1.0, 1.0], amount) } else { mix(paint, [0.0, 0.0, 0.0], -amount) }
}

fn sheet([x, y]: [f32; 2], [left, top, right, bottom]: [f32; 4]) -> f32 {
    (left - x).max(x - right).max(top - y).max(y - bottom)
}

impl Shape {
    fn distance(&self, p: [f32; 2]) -> f32 {
        // Far away, the distance to a disc around it is near enough.
        if let Sun { centre, radius: size } | Fish { centre, size } | Bird { centre, size } = *self {
            let (dx, dy) = (p[0] - centre[0], p[1] - centre[1]);
            let beyond = (dx * dx + dy * dy).sqrt() - 2.0 * size;
            if beyond > 0.02 {
                return beyond;
            }
        }
        match *self {
            Frond { from, to, lobes, reach } => frond(p, from, to, lobes, reach),
            Sun { centre: [x, y], radius } => {
                // Sixteen directions in even steps, by turning a vector again and again.
                let mut ray = [1.0f32, 0.0];
                let mut d = bar(p, [x, y], [x + 1e-4, y], radius, radius);
                for n in 0..16 {
                    let length = if n % 2 == 0 { 1.75 } else { 1.5 } * radius;
                    let [near, far] = [0.8 * radius, length].map(|r| [x + r * ray[0], y + r * ray[1]]);
                    d = smooth_min(d, bar(p, near, far, 0.2 * radius, 0.05 * radius), 0.008);
                    ray = [0.923_879_5 * ray[0] - 0.382_683_43 * ray[1], 0.382_683_43 * ray[0] + 0.923_879_5 * ray[1]];
                }
                d
            }
            Fish { centre: [x, y], size } => {
                let at = |dx: f32, dy: f32| [x + size * dx, y + size * dy];
                let back = bar(p, at(-0.75, 0.05), at(0.3, 0.0), 0.1 * size, 0.4 * size);
                let body = smooth_min(back, bar(p, at(0.3, 0.0), at(0.85, 0.02), 0.38 * size, 0.1 * size), 0.1 * size);
                let tail = bar(p, at(-0.7, 0.05), at(-1.1, -0.4), 0.08 * size, 0.12 * size).min(bar(
                    p,
                    at(-0.7, 0.05),
                    at(-1.1, 0.45),
                    0.08 * size,
                    0.12 * size,
                ));
                let fin = bar(p, at(0.1, -0.3), at(-0.25, -0.62), 0.14 * size, 0.05 * size);
                let fish = smooth_min(smooth_min(body, tail, 0.12 * size), fin, 0.1 * size);
                let eye = bar(p, at(0.55, -0.1), at(0.551, -0.1), 0.08 * size, 0.08 * size);
                let gill = bar(p, at(0.2, -0.18), at(0.18, 0.2), 0.025 * size, 0.025 * size);
                fish.max(-eye).max(-gill)
            }
            Bird { centre: [x, y], size } => {
                let at = |dx: f32, dy: f32| [x + size * dx, y + size * dy];
                let body = bar(p, at(-0.35, 0.12), at(0.32, -0.02), 0.12 * size, 0.17 * size);
                let head = bar(p, at(0.5, -0.2), at(0.52, -0.2), 0.13 * size, 0.13 * size);
                let beak = bar(p, at(0.6, -0.2), at(0.82, -0.16), 0.05 * size, 0.01 * size);
                let mut d = smooth_min(smooth_min(body, head, 0.2 * size), beak, 0.05 * size);
                for (tip, root) in [((-0.95, 0.1), -0.4), ((-0.92, 0.28), -0.4), ((-0.8, 0.44), -0.38)] {
                    d = smooth_min(d, bar(p, at(root, 0.12), at(tip.0, tip.1), 0.08 * size, 0.05 * size), 0.05 * size);
                }
                for n in 0..5u8 {
                    let t = f32::from(n) / 4.0;
                    let tip = at(-0.62 + 0.62 * t, -0.5 - 0.32 * t);
                    let root = at(-0.14 + 0.3 * t, -0.05);
                    d = smooth_min(d, bar(p, root, tip, 0.11 * size, 0.055 * size), 0.04 * size);
                }
                let eye = bar(p, at(0.54, -0.24), at(0.541, -0.24), 0.03 * size, 0.03 * size);
                d.max(-eye)
            }
        }
    }
}

fn frond(p: [f32; 2], from: [f32; 2], to: [f32; 2], lobes: u16, reach: f32) -> f32 {
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let length = (dx * dx + dy * dy).sqrt();
    let (along, across) = ([dx / length, dy / length], [-dy / length, dx / length]);
    // Far away, the spine with the longest lobes is near enough.
    let spine = bar(p, from, to, 0.14 * reach, 0.14 * reach);
    if spine > 1.5 * reach {
        return spine - 1.4 * reach;
    }
    let (thin, wide) = (0.11 * reach, 0.17 * reach);
    let mut d = spine;
    for n in 0..=lobes {
        let t = (f32::from(n) + 0.35) / (f32::from(lobes) + 0.5);
        let root = [0, 1].map(|c| from[c] + t * (to[c] - from[c]));
        // Long in the middle, short at both ends, and bent towards the tip.
        let long = reach * (0.45 + 2.2 * t * (1.0 - t));
        for side in [-1.0, 1.0] {
            let elbow = [0, 1].map(|c| root[c] + long * (0.62 * side * across[c] + 0.16 * along[c]));
            let tip = [0, 1].map(|c| elbow[c] + long * (0.22 * side * across[c] + 0.4 * along[c]));
            let lobe = bar(p, root, elbow, thin, wide).min(bar(p, elbow, tip, wide, thin));
            d = smooth_min(d, lobe, 0.12 * reach);
        }
    }
    let tip = [0, 1].map(|c| to[c] + 0.35 * reach * along[c]);
    smooth_min(d, bar(p, to, tip, wide, thin), 0.12 * reach)
}
