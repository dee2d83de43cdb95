//! A content: a fox that sits in an autumn wood.

use ndarray::Array3;

use super::geometry::{Colour, bar, mix, sampled, smooth_min, smoothstep};
use super::noise::{fractal, hash, smooth};
use super::solid::{
    Vector, along, ball, dot, ellipsoid, from, light, meet, mirrored, normal, openness, shaded, turned, unit,
};

/// How far the head and the body turn: the cosine and the sine of each angle.
const HEAD: [f32; 2] = [0.94, -0.342];
const BODY: [f32; 2] = [0.906, 0.423];
/// The height of the ground.
const GROUND: f32 = -1.55;
const SUN: Vector = [-0.62, 0.62, 0.48];
const CAMERA: Vector = [0.0, 0.3, 9.0];

pub(super) fn draw(height: usize, width: usize) -> Array3<f32> {
    let middle = width as f32 / height as f32 / 2.0;
    sampled(height, width, 2, |x, y| {
        let ray = unit([((x - middle) * 3.45 + 0.12) / 9.0, (1.38 - 3.45 * y) / 9.0, -1.0]);
        if let Some(p) = meet(fox, CAMERA, ray, 6.5, 12.0) {
            return lit(p);
        }
        let to_ground = (GROUND - CAMERA[1]) / ray[1];
        if ray[1] < 0.0 && to_ground < 40.0 { ground(along(CAMERA, ray, to_ground)) } else { wood(x, y) }
    })
}

/// Trunks in front of sunlit leaves, out of focus.
fn wood(x: f32, y: f32) -> Colour {
    let leaves = fractal(x * 4.0 + 7.0, y * 4.5 + 3.0, 31);
    let light = smoothstep(0.35, 0.72, fractal(x * 2.1 + 1.0, y * 2.4, 17));
    let far = mix([0.34, 0.37, 0.2], [0.86, 0.68, 0.28], leaves);
    let far = mix(far, [0.98, 0.92, 0.68], 0.75 * light * smoothstep(0.65, 0.05, y));
    let mut colour = mix(far, [0.5, 0.4, 0.24], smoothstep(0.25, 0.55, y));
    for (middle, half, tone) in [
        (0.12f32, 0.018f32, 0.35f32),
        (0.93, 0.014, 0.3),
        (1.08, 0.022, 0.5),
        (0.3, 0.03, 0.8),
        (1.22, 0.05, 1.0),
        (0.02, 0.05, 1.0),
    ] {
        let lean = middle + 0.03 * (smooth(y * 2.0 + 5.0, middle * 9.0, 3) - 0.5);
        let off = (x - lean) / half;
        let bark = smooth(x * 60.0, y * 9.0, 44);
        let trunk =
            mix(mix([0.4, 0.34, 0.28], [0.2, 0.15, 0.13], smoothstep(-0.8, 0.9, off)), [0.58, 0.46, 0.33], 0.4 * bark);
        let soft = 0.35 + 0.4 * (1.0 - tone);
        colour = mix(colour, trunk, smoothstep(1.0 + soft, 1.0 - soft, off.abs()) * (0.45 + 0.5 * tone));
    }
    // Bushes hide where the ground ends.
    for (base, seed, dark, bright) in
        [(0.47, 51, [0.36, 0.33, 0.15], [0.66, 0.52, 0.2]), (0.5, 57, [0.22, 0.22, 0.1], [0.62, 0.38, 0.14])]
    {
        let top = base - 0.13 * fractal(x * 3.0 + 2.0, 0.5, seed) - 0.03 * smooth(x * 26.0, 0.5, seed + 1);
        let leaf = fractal(x * 16.0, y * 18.0, seed + 2);
        let bush = mix(dark, bright, smoothstep(0.4, 0.68, leaf) * smoothstep(0.12, 0.0, y - top));
        colour = mix(colour, bush, 0.9 * smoothstep(-0.012, 0.012, y - top));
    }
    colour
}

/// Grass and fallen leaves, each leaf the place nearest to its middle.
fn ground(p: Vector) -> Colour {
    let [x, _, z] = p;
    let far = smoothstep(2.0, -22.0, z);
    let (u, v) = (x * 3.4, z * 1.5);
    let (mut nearest, mut leaf) = (f32::INFINITY, [0, 0]);
    let [column, row] = [u, v].map(|at| at.floor() as i32);
    for i in column - 1..=column + 1 {
        for j in row - 1..=row + 1 {
            let (dx, dy) = (i as f32 + hash(i, j, 1) - u, j as f32 + hash(i, j, 2) - v);
            let slant = hash(i, j, 5) - 0.5;
            let (along, across) = (dx + slant * dy, dy - slant * dx);
            let distance = along * along + 2.6 * across * across;
            if distance < nearest {
                (nearest, leaf) = (distance, [i, j]);
            }
        }
    }
    let grass = smooth(x * 22.0, z * 3.0, 9);
    let earth = mix([0.2, 0.22, 0.09], [0.42, 0.44, 0.17], grass);
    let hue = hash(leaf[0], leaf[1], 3);
    let tint = mix(mix([0.66, 0.3, 0.1], [0.86, 0.56, 0.16], hue * 2.0), [0.74, 0.2, 0.1], smoothstep(0.75, 0.95, hue));
    let tint = tint.map(|level| level * (0.75 + 0.35 * hash(leaf[0], leaf[1], 4)));
    let fallen = hash(leaf[0], leaf[1], 6) < 0.75;
    let colour = if fallen { mix(tint, earth, smoothstep(0.2, 0.3, nearest)) } else { earth };
    let sun = unit(SUN);
    let seen = if x * x + z * z < 12.0 { light(fox, p, sun, 5.0) } else { 1.0 };
    let near = openness(fox, p, [0.0, 1.0, 0.0]);
    let spots = 0.65 + 0.5 * smoothstep(0.35, 0.65, fractal(x * 0.9 + 4.0, z * 0.5, 13));
    let amount = near * (0.3 + 0.75 * seen * spots);
    mix(shaded(colour, [1.08 * amount, 1.0 * amount, 0.86 * amount]), [0.6, 0.47, 0.26], 0.85 * far)
}

fn in_head(p: Vector) -> Vector {
    turned([p[0] + 0.02, p[1] - 0.62, p[2] - 0.3], HEAD)
}

fn in_body(p: Vector) -> Vector {
    turned(p, BODY)
}

fn fox(p: Vector) -> f32 {
    // Far from the animal, a ball around it is near enough.
    let far = ball(p, [0.15, -0.3, -0.1], 2.05);
    if far > 0.4 {
        return far;
    }
    let (h, b) = (in_head(p), in_body(p));
    let fur = 0.03 * (smooth(p[0] * 13.0 + p[2] * 9.0 + 40.0, p[1] * 5.0 + 40.0, 2) - 0.5);
    let coat = smooth_min(smooth_min(head(h), body(b), 0.14), tail(b), 0.05) + fur;
    coat.min(nose(h)).min(eyes(h))
}

fn head(h: Vector) -> f32 {
    let m = mirrored(h);
    let skull = ellipsoid(h, [0.0, 0.06, 0.0], [0.42, 0.37, 0.4]);
    // The ruff of the cheeks comes to points.
    let ruff = bar(m, [0.12, -0.1, 0.05], [0.5, -0.24, -0.06], 0.25, 0.05);
    let muzzle = bar(h, [0.0, -0.06, 0.3], [0.0, -0.15, 0.8], 0.2, 0.085);
    let d = smooth_min(smooth_min(skull, ruff, 0.14), muzzle, 0.12);
    let d = smooth_min(d, ball(m, [0.12, 0.12, 0.3], 0.13), 0.1);
    smooth_min(d, ear(m), 0.05)
}

/// A flat cone with a hollow in front.
fn ear(m: Vector) -> f32 {
    let flat = [m[0], m[1], m[2] * 1.5];
    let outer = bar(flat, [0.25, 0.28, -0.08], [0.36, 0.82, -0.08], 0.19, 0.02);
    let hollow = bar(flat, [0.25, 0.3, 0.09], [0.355, 0.72, 0.03], 0.13, 0.015);
    0.75 * -smooth_min(-outer, hollow, 0.03)
}

fn nose(h: Vector) -> f32 {
    ellipsoid(h, [0.0, -0.11, 0.88], [0.075, 0.055, 0.05])
}

fn eyes(h: Vector) -> f32 {
    ball(mirrored(h), [0.175, 0.1, 0.355], 0.068)
}

fn body(b: Vector) -> f32 {
    let m = mirrored(b);
    let back = bar(b, [0.0, 0.42, 0.12], [0.0, -0.9, -0.5], 0.32, 0.56);
    let chest = ellipsoid(b, [0.0, -0.3, 0.14], [0.38, 0.62, 0.36]);
    let haunch = ellipsoid(m, [0.42, -1.08, -0.16], [0.25, 0.4, 0.46]);
    let leg = bar(m, [0.17, -0.55, 0.22], [0.16, -1.42, 0.32], 0.15, 0.095);
    let paw = ellipsoid(m, [0.16, -1.46, 0.4], [0.115, 0.085, 0.18]);
    let foot = ellipsoid(m, [0.46, -1.47, 0.2], [0.12, 0.08, 0.24]);
    let trunk = smooth_min(smooth_min(back, chest, 0.2), haunch, 0.1);
    let legs = smooth_min(leg, paw, 0.08);
    smooth_min(trunk, legs, 0.09).min(foot)
}

/// Around the right side to the front.
const TAIL: [(Vector, f32); 6] = [
    ([0.2, -1.2, -0.85], 0.12),
    ([0.72, -1.27, -0.85], 0.22),
    ([1.1, -1.25, -0.5], 0.27),
    ([1.22, -1.26, -0.02], 0.26),
    ([1.02, -1.33, 0.4], 0.19),
    ([0.72, -1.43, 0.62], 0.06),
];

fn tail(b: Vector) -> f32 {
    let bars = TAIL.windows(2).map(|ends| bar(b, ends[0].0, ends[1].0, ends[0].1, ends[1].1));
    bars.fold(f32::INFINITY, |d, bar| smooth_min(d, bar, 0.08))
}

fn paint(p: Vector) -> Colour {
    let (h, b) = (in_head(p), in_body(p));
    let m = mirrored(h);
    if nose(h) < 0.004 {
        return [0.1, 0.08, 0.08];
    }
    if eyes(h) < 0.004 {
        let q = unit(from([0.175, 0.1, 0.355], m));
        let off = along(q, unit([0.25, 0.08, 0.95]), -1.0);
        let distance = dot(off, off).sqrt();
        let amber = mix([0.6, 0.36, 0.08], [0.28, 0.14, 0.05], smoothstep(0.45, 0.8, distance));
        return mix([0.04, 0.03, 0.03], amber, smoothstep(0.3, 0.4, distance));
    }
    // Hairs: finer along the growth, which is downwards.
    let hairs = smooth(p[0] * 30.0 + p[2] * 20.0 + 90.0, p[1] * 8.0 + 90.0, 21);
    let fur = mix([0.72, 0.3, 0.08], [0.93, 0.52, 0.18], hairs);
    let white = mix([0.86, 0.82, 0.75], [0.99, 0.97, 0.93], hairs);
    let black = mix([0.1, 0.07, 0.06], [0.24, 0.17, 0.14], hairs);
    let jag = 0.07 * (hairs - 0.5);
    let [in_head, in_body, in_tail] = [head(h), body(b), tail(b)];
    if in_tail < in_head.min(in_body) {
        let q = from([0.72, -1.43, 0.62], b);
        return mix(fur, white, smoothstep(0.46, 0.36, dot(q, q).sqrt() + jag));
    }
    if in_head < in_body {
        let ear = smoothstep(0.36, 0.44, h[1] + 0.2 * (m[0] - 0.25).abs() + jag);
        let hollow =
            smoothstep(0.03, 0.005, bar([m[0], m[1], m[2] * 1.5], [0.25, 0.3, 0.09], [0.355, 0.72, 0.03], 0.13, 0.015));
        let colour = mix(fur, black, ear * smoothstep(0.5, 0.62, h[1] + jag));
        let colour = mix(colour, mix([0.35, 0.2, 0.16], white, 0.6), ear.max(smoothstep(0.26, 0.34, h[1])) * hollow);
        // White cheeks, muzzle and brow spots; a dark stroke from the eye to the nose.
        let cheek = smoothstep(-0.03, -0.09, h[1] - 0.25 * (m[0] - 0.2) + jag - 0.09 * smoothstep(0.16, 0.32, m[0]));
        let side = smoothstep(0.06, 0.11, m[0] + 0.3 * (h[2] - 0.6) - 0.35 * (h[1] + 0.1));
        let colour = mix(colour, white, cheek.max(side * smoothstep(0.36, 0.48, h[2]) * smoothstep(0.06, 0.0, h[1])));
        let stroke = bar(m, [0.16, 0.04, 0.4], [0.1, -0.1, 0.68], 0.02, 0.012);
        let colour = mix(colour, mix(fur, black, 0.6), 0.6 * smoothstep(0.03, 0.0, stroke));
        let rim = ball(m, [0.175, 0.1, 0.355], 0.085);
        return mix(colour, black, 0.9 * smoothstep(0.018, 0.0, rim));
    }
    let sock = smoothstep(-0.92, -1.1, b[1] + jag) * smoothstep(-0.05, 0.2, b[2]);
    let bib = smoothstep(0.26, 0.18, b[0].abs() + 0.12 * (b[1] + 0.3).abs() + jag)
        * smoothstep(0.1, 0.3, b[2])
        * smoothstep(-0.85, -0.7, b[1]);
    let back = smoothstep(0.0, -0.5, b[2]) * 0.25;
    mix(mix(mix(fur, [0.45, 0.2, 0.08], back), white, bib), black, sock)
}

fn lit(p: Vector) -> Colour {
    let n = normal(fox, p, 0.012);
    let sun = unit(SUN);
    let facing = dot(n, sun);
    let seen = if facing > -0.3 { light(fox, along(p, n, 0.03), sun, 6.0) } else { 0.0 };
    let open = openness(fox, p, n);
    let key = smoothstep(-0.35, 1.0, facing) * (0.15 + 0.85 * seen);
    let sky = 0.5 + 0.5 * n[1];
    let rim = smoothstep(0.25, 1.0, dot(n, unit([0.75, 0.35, -0.6])));
    let amount: Vector = std::array::from_fn(|c| {
        [1.25, 1.12, 0.92][c] * key + open * ([0.24, 0.25, 0.27][c] * (0.5 + 0.7 * sky) + [0.5, 0.38, 0.2][c] * rim)
    });
    let mut colour = shaded(paint(p), amount);
    let h = in_head(p);
    if nose(h) < 0.004 || eyes(h) < 0.004 {
        let mut shine = dot(n, unit([-0.3, 0.55, 0.75])).max(0.0);
        for _ in 0..5 {
            shine *= shine;
        }
        colour = colour.map(|level| (level + 0.9 * shine).min(1.0));
    }
    colour.map(|level| level.min(1.0))
}
