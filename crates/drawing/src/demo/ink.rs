//! A style: hatching in ink. A landscape under a low sun, drawn with strokes of a pen that follow the forms; where it is darker
//! they lie closer and cross.

use ndarray::{Array2, Array3};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::geometry::{Colour, mix, smoothstep};
use super::noise::{fractal, smooth};

const PAPER: Colour = [0.95, 0.92, 0.85];
const INK: Colour = [0.1, 0.1, 0.14];

const SUN: [f32; 2] = [0.68, 0.25];
const SUN_RADIUS: f32 = 0.075;

/// The distance between neighbouring strokes, in sides of the picture.
const SPACING: f32 = 0.0105;

/// The layers of strokes: the tone from which a layer begins, and cosine and sine of its angle to the form.
const LAYERS: [(f32, [f32; 2]); 3] = [(0.04, [1.0, 0.0]), (0.5, [0.6, 0.8]), (0.74, [0.8, -0.6])];

/// The drawing, `side` × `side`; drawn at twice the size.
pub(super) fn draw(side: usize) -> Array3<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(1513);
    let mut sheet = Sheet { side: 2 * side, ink: Array2::zeros((2 * side, 2 * side)) };
    let count = (1.1 / SPACING) as usize;
    for (begins, [cos, sin]) in LAYERS {
        for place in 0..count * count {
            let [row, column] = [place / count, place % count].map(|n| n as f32 * SPACING - 0.05);
            let at = [column + rng.random_range(0.0..SPACING), row + rng.random_range(0.0..SPACING)];
            let (tone, _) = scene(at);
            let dark = (tone - begins) / (1.0 - begins);
            let drawn = rng.random_range(0.0..0.8) < dark + 0.12;
            let (length, weight) = (rng.random_range(0.022..0.05), rng.random_range(0.75..1.2));
            if drawn && tone > begins {
                let width = (0.0013 + 0.0015 * dark) * weight;
                sheet.stroke(at, length, width, |point| {
                    let (tone, [dx, dy]) = scene(point);
                    (tone > 0.6 * begins).then_some([cos * dx - sin * dy, sin * dx + cos * dy])
                });
            }
        }
    }
    sheet.outlines(&mut rng);
    sheet.on_paper()
}

/// The hills from far to near: height of the ridge, its swing and detail, the tone, and the slope of the strokes.
struct Hill {
    ridge: f32,
    swing: f32,
    scale: f32,
    seed: u32,
    tone: f32,
    slope: f32,
}

const HILLS: [Hill; 5] = [
    Hill { ridge: 0.46, swing: 0.2, scale: 1.6, seed: 3, tone: 0.3, slope: 0.9 },
    Hill { ridge: 0.56, swing: 0.18, scale: 1.9, seed: 9, tone: 0.55, slope: -0.7 },
    Hill { ridge: 0.68, swing: 0.2, scale: 1.4, seed: 14, tone: 0.3, slope: 0.25 },
    Hill { ridge: 0.82, swing: 0.2, scale: 1.2, seed: 27, tone: 0.62, slope: -0.3 },
    Hill { ridge: 0.97, swing: 0.16, scale: 1.5, seed: 33, tone: 0.42, slope: 0.5 },
];

impl Hill {
    fn top(&self, x: f32) -> f32 {
        self.ridge + self.swing * (0.5 - fractal(x * self.scale + 4.0, 0.5, self.seed))
    }
}

/// Poplars: the foot's place, height and half the width.
const TREES: [([f32; 2], f32, f32); 4] =
    [([0.17, 0.86], 0.52, 0.05), ([0.265, 0.84], 0.36, 0.036), ([0.06, 0.87], 0.3, 0.034), ([0.86, 0.72], 0.16, 0.022)];

/// A point of a tree relative to its middle: across from −1 to 1, and up from 0 to 1.
fn in_tree([x, y]: [f32; 2], ([left, foot], height, half): ([f32; 2], f32, f32)) -> Option<[f32; 2]> {
    let up = (foot - y) / height;
    let flicker = 0.25 * (smooth(x * 30.0, y * 42.0, 77) - 0.5);
    // A flame: widest at a third of its height.
    let outline = 3.2 * up * (1.0 - up) * (1.25 - 0.75 * up);
    let across = (x - left + 0.012 * (smooth(y * 9.0, left * 10.0, 5) - 0.5)) / (half * outline.max(1e-3));
    ((0.0..1.0).contains(&up) && across.abs() < 1.0 + flicker).then_some([across, up])
}

/// The tone at a point, from 0 (paper) to 1 (black), and the direction of strokes.
fn scene(p: [f32; 2]) -> (f32, [f32; 2]) {
    let [x, y] = p;
    for tree in TREES {
        if let Some([across, up]) = in_tree(p, tree) {
            // Light falls from the right.
            let tone = 0.97 - 0.4 * smoothstep(0.0, 0.9, across) + 0.2 * (smooth(x * 40.0, y * 30.0, 8) - 0.5);
            let lean = 0.5 * across + 0.8 * (smooth(x * 14.0, y * 14.0, 6) - 0.5);
            return (tone, unit([lean * (0.3 + up), -1.0]));
        }
    }
    if let Some(hill) = HILLS.iter().rev().find(|hill| y > hill.top(x)) {
        let below = y - hill.top(x);
        let rise = (hill.top(x + 0.02) - hill.top(x - 0.02)) / 0.04;
        // Slopes away from the sun are darker, and so is the ground at the foot of the next hill.
        let shade = hill.tone + 0.55 * rise * if x < SUN[0] { 1.0 } else { -1.0 };
        let furrows =
            0.22 * (smooth((x + hill.slope * y) * 9.0 + 20.0, (y - hill.slope * x) * 20.0 + 20.0, hill.seed) - 0.5);
        let tone = shade + furrows - 0.28 * smoothstep(0.05, 0.0, below);
        let turn = 0.5 * (fractal(x * 2.0, y * 2.0, hill.seed + 1) - 0.5);
        return (tone.clamp(0.06, 0.92), unit([1.0, rise * smoothstep(0.12, 0.0, below) + hill.slope + turn]));
    }
    let (dx, dy) = (x - SUN[0], y - SUN[1]);
    let distance = (dx * dx + dy * dy).sqrt();
    if distance < SUN_RADIUS {
        return (0.0, [1.0, 0.0]);
    }
    // Rings of light and shade around the sun, fainter towards it.
    let ring = ((distance - SUN_RADIUS) / 0.055).fract();
    let band = smoothstep(0.0, 0.3, ring) * smoothstep(1.0, 0.6, ring);
    let cloud = smoothstep(0.5, 0.7, fractal(x * 2.4 + 8.0, y * 5.0, 41));
    let tone =
        (0.1 + 0.3 * band * smoothstep(0.03, 0.3, distance)) * (1.0 - 0.85 * cloud) + 0.16 * smoothstep(0.35, 0.0, y);
    let wave = 0.5 * (fractal(x * 3.0, y * 4.0, 19) - 0.5);
    let around = smoothstep(0.75, 0.3, distance);
    let circle = unit([-dy, dx]);
    let sign = if circle[0] < 0.0 { -1.0 } else { 1.0 };
    let level = unit([1.0, wave]);
    (tone, unit([0, 1].map(|c| around * sign * circle[c] + (1.0 - around) * level[c])))
}

fn unit([x, y]: [f32; 2]) -> [f32; 2] {
    let length = (x * x + y * y).sqrt().max(1e-6);
    [x / length, y / length]
}

/// How much ink lies on each point of a square sheet.
struct Sheet {
    side: usize,
    ink: Array2<f32>,
}

impl Sheet {
    /// A stroke through `middle`, thinner towards its ends; it stops where `direction` has none.
    fn stroke(&mut self, middle: [f32; 2], length: f32, width: f32, direction: impl Fn([f32; 2]) -> Option<[f32; 2]>) {
        let step = 0.5 / self.side as f32;
        let steps = (length / step / 2.0) as usize;
        let Some(first) = direction(middle) else { return };
        for sense in [1.0, -1.0] {
            let (mut at, mut before) = (middle, first.map(|d| sense * d));
            for n in 0..steps {
                let Some(mut next) = direction(at) else { break };
                // A line has two directions: keep the one of the stroke.
                if next[0] * before[0] + next[1] * before[1] < 0.0 {
                    next = next.map(|d| -d);
                }
                if next[0] * before[0] + next[1] * before[1] < 0.7 {
                    break;
                }
                before = next;
                let t = n as f32 / steps as f32;
                self.dot(at, width * (1.0 - 0.7 * t * t));
                at = [at[0] + step * next[0], at[1] + step * next[1]];
            }
        }
    }

    /// The ridges, the sun and the trees' shadowed sides.
    fn outlines(&mut self, rng: &mut impl Rng) {
        let step = 0.4 / self.side as f32;
        let count = (1.0 / step) as usize;
        for (index, hill) in HILLS.iter().enumerate() {
            for n in 0..count {
                let x = n as f32 * step;
                let y = hill.top(x);
                let hidden = HILLS[index + 1..].iter().any(|near| y > near.top(x))
                    || TREES.iter().any(|&tree| in_tree([x, y], tree).is_some());
                let pressure = smooth(x * 11.0, index as f32 + 0.5, 91);
                if !hidden && pressure > 0.22 {
                    self.dot([x, y + 0.0012 * (smooth(x * 60.0, 0.5, 92) - 0.5)], 0.0013 + 0.0022 * (pressure - 0.22));
                }
            }
        }
        // Points at random on the circle, so close that they join.
        for _ in 0..20 * self.side {
            let direction = unit([rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)]);
            let at = [0, 1].map(|c| SUN[c] + SUN_RADIUS * direction[c]);
            if HILLS.iter().all(|hill| at[1] < hill.top(at[0])) {
                self.dot(at, 0.0022);
            }
        }
    }

    fn dot(&mut self, at: [f32; 2], width: f32) {
        let side = self.side as f32;
        let [x, y] = at.map(|c| c * side);
        let radius = (width * side / 2.0).max(0.55);
        let range =
            |c: f32| ((c - radius - 1.0).max(0.0) as usize)..=((c + radius + 1.0).clamp(0.0, side - 1.0) as usize);
        if x < 0.0 || y < 0.0 || x >= side || y >= side {
            return;
        }
        for i in range(y) {
            for j in range(x) {
                let (dx, dy) = (j as f32 + 0.5 - x, i as f32 + 0.5 - y);
                let cover = (radius + 0.5 - (dx * dx + dy * dy).sqrt()).clamp(0.0, 1.0);
                let ink = &mut self.ink[[i, j]];
                *ink = ink.max(cover);
            }
        }
    }

    /// The ink on paper, at half the size.
    fn on_paper(&self) -> Array3<f32> {
        let side = self.side / 2;
        let mut picture = Array3::zeros((side, side, 3));
        for i in 0..self.side {
            for j in 0..self.side {
                let [y, x] = [i, j].map(|n| n as f32 / self.side as f32);
                let grain = 0.03 * (smooth(x * 160.0, y * 160.0, 61) + smooth(x * 23.0, y * 31.0, 62) - 1.0);
                // Ink is paler where the pen runs dry.
                let load = 0.82 + 0.18 * smooth(x * 50.0, y * 50.0, 63);
                let colour = mix(PAPER.map(|level| level + grain), INK, load * self.ink[[i, j]]);
                for (c, level) in colour.into_iter().enumerate() {
                    picture[[i / 2, j / 2, c]] += level.clamp(0.0, 1.0) / 4.0;
                }
            }
        }
        picture
    }
}
