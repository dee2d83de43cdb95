//! A content: the portrait of a woman with a headscarf, in light from a window at the left.

use ndarray::Array3;

use super::geometry::{Colour, bar, mix, sampled, smooth_min, smoothstep};
use super::noise::{fractal, smooth};
use super::solid::{
    Vector, along, ball, dot, ellipsoid, from, light, meet, mirrored, normal, openness, shaded, turned, unit,
};

/// How far the head turns to the left: the cosine and the sine of the angle.
const TURN: [f32; 2] = [0.884, -0.4675];
/// How far the head tilts: the cosine and the sine of the angle.
const TILT: [f32; 2] = [0.9925, 0.1222];

const EYE: Vector = [0.265, 0.13, 0.555];
const WINDOW: Vector = [-0.66, 0.42, 0.62];

pub(super) fn draw(height: usize, width: usize) -> Array3<f32> {
    let middle = width as f32 / height as f32 / 2.0;
    sampled(height, width, 2, |x, y| {
        let screen = [(x - middle) * 3.3, 1.32 - y * 3.3];
        let ray = unit([screen[0] / 9.0, screen[1] / 9.0, -1.0]);
        // Whatever is drawn lies within a ball around the chest.
        let eye = [0.0, -0.1, 9.0];
        match meet(figure, eye, ray, 6.5, 11.0) {
            Some(p) => lit(p, ray),
            None => wall(x, y),
        }
    })
}

/// A plain wall, lighter on the side away from the window.
fn wall(x: f32, y: f32) -> Colour {
    let plaster = fractal(x * 5.0, y * 5.0, 5);
    let glow = smoothstep(0.1, 0.95, x) * smoothstep(1.1, 0.2, y);
    mix(mix([0.15, 0.2, 0.21], [0.22, 0.27, 0.26], plaster), mix([0.4, 0.43, 0.37], [0.5, 0.51, 0.43], plaster), glow)
}

/// A point in the head's own frame, where the face looks along z.
fn in_head(p: Vector) -> Vector {
    let [x, y, z] = p;
    let [cos, sin] = TILT;
    turned([cos * x + sin * y, cos * y - sin * x, z], TURN)
}

fn figure(p: Vector) -> f32 {
    let h = in_head(p);
    // Far from the head, a ball around it is near enough.
    let around = ball(h, [0.1, -0.2, -0.1], 1.45);
    if around > 0.3 {
        return around.min(clothes(p)).min(neck(p));
    }
    skin(p, h).min(eyeball(h)).min(scarf(h)).min(clothes(p)).min(pearl(h))
}

/// Face and neck.
fn skin(p: Vector, h: Vector) -> f32 {
    let m = mirrored(h);
    let skull = ellipsoid(h, [0.0, 0.28, -0.08], [0.66, 0.78, 0.78]);
    let jaw = ellipsoid(h, [0.0, -0.3, 0.1], [0.5, 0.56, 0.55]);
    let mut d = smooth_min(skull, jaw, 0.25);
    d = smooth_min(d, ellipsoid(h, [0.0, -0.745, 0.4], [0.19, 0.14, 0.19]), 0.2);
    d = smooth_min(d, ellipsoid(m, [0.3, -0.16, 0.42], [0.2, 0.2, 0.22]), 0.25);
    // The sockets of the eyes, and the brows above them.
    d = -smooth_min(-d, ellipsoid(m, [0.27, 0.13, 0.74], [0.19, 0.12, 0.13]), 0.12);
    d = smooth_min(d, bar(m, [0.1, 0.3, 0.64], [0.4, 0.31, 0.52], 0.04, 0.03), 0.13);
    // The nose.
    d = smooth_min(d, bar(h, [0.0, 0.18, 0.66], [0.0, -0.17, 0.84], 0.05, 0.078), 0.09);
    d = smooth_min(d, ball(m, [0.075, -0.2, 0.75], 0.055), 0.06);
    d = -smooth_min(-d, ball(m, [0.047, -0.262, 0.81], 0.022), 0.03);
    // The lids.
    d = smooth_min(d, lids(m), 0.025);
    d = smooth_min(d, lips(m), 0.03);
    d = smooth_min(d, lower_lip(m), 0.05);
    d = -smooth_min(-d, bar(m, [0.0, -0.478, 0.79], [0.18, -0.468, 0.66], 0.006, 0.004), 0.02);
    smooth_min(d, neck(p), 0.16)
}

/// The neck, which is not turned with the head.
fn neck(p: Vector) -> f32 {
    bar(p, [-0.06, -0.6, -0.14], [0.02, -1.5, -0.3], 0.34, 0.42)
}

fn lips(m: Vector) -> f32 {
    let middle = bar(m, [0.0, -0.452, 0.742], [0.055, -0.437, 0.738], 0.036, 0.036);
    middle.min(bar(m, [0.055, -0.44, 0.736], [0.19, -0.467, 0.63], 0.036, 0.012))
}

fn lower_lip(m: Vector) -> f32 {
    bar(m, [0.0, -0.522, 0.705], [0.15, -0.49, 0.645], 0.05, 0.018)
}

/// Shells around the eyeballs with a gap to look through.
fn lids(m: Vector) -> f32 {
    let q = from(EYE, m);
    let shell = ball(m, EYE, if q[1] > 0.0 { 0.184 } else { 0.172 });
    let upper = 0.062 - 1.5 * q[0] * q[0];
    let lower = -0.058 + 1.0 * q[0] * q[0];
    let gap = (q[1] - upper).max(lower - q[1]).max(q[0].abs() - 0.128);
    shell.max(-gap * 0.8)
}

fn eyeball(h: Vector) -> f32 {
    ball(mirrored(h), EYE, 0.163)
}

/// A scarf wound around the head, with a knot and an end that hangs down behind.
fn scarf(h: Vector) -> f32 {
    let lift = 0.34 - 0.36 * h[2] * smoothstep(-0.9, 0.7, h[2]);
    // Folds run obliquely around the head.
    let around = h[1] - 0.34 * h[2] + 0.25 * h[0];
    let fold = 0.075 * (smooth(around * 8.0 + 9.0, h[0] * 1.6 + h[2] + 5.0, 3) - 0.5)
        + 0.02 * (smooth(around * 21.0 + 30.0, h[0] * 2.0 + h[2] + 5.0, 4) - 0.5);
    let cap = ellipsoid(h, [0.0, 0.37, -0.14], [0.78, 0.79, 0.9]) + fold;
    // It leaves the face free.
    let face = ellipsoid(h, [0.0, -0.25, 0.62], [0.585, 0.86, 0.75]);
    let cap = -smooth_min(-cap, face, 0.06);
    let band = cap.max(-(h[1] + lift + 0.55));
    let knot = ellipsoid(h, [0.1, 0.72, -0.88], [0.26, 0.22, 0.2]) + fold;
    let pleat = 0.09 * (smooth((h[0] + 0.2 * h[2]) * 9.0 + 20.0, h[1] * 0.8 + 5.0, 8) - 0.5);
    let end = bar(h, [0.12, 0.6, -1.0], [0.42, -1.1, -0.95], 0.2, 0.3) + pleat;
    smooth_min(smooth_min(band, knot, 0.1), end, 0.08)
}

fn pearl(h: Vector) -> f32 {
    ball(h, [0.6, -0.47, 0.1], 0.085).min(bar(h, [0.6, -0.3, 0.08], [0.6, -0.4, 0.1], 0.012, 0.012))
}

/// The dress, or well above it the distance to a plane on its top.
fn clothes(p: Vector) -> f32 {
    if p[1] > -0.7 { p[1] + 1.0 } else { dress(p) }
}

fn dress(p: Vector) -> f32 {
    let m = mirrored(p);
    let shoulders = bar(m, [0.0, -1.52, -0.42], [0.95, -1.82, -0.42], 0.38, 0.34);
    let chest = ellipsoid(p, [0.0, -2.15, -0.15], [1.05, 0.85, 0.6]);
    let cloth = smooth_min(shoulders, chest, 0.3);
    let fold = 0.09 * (smooth(p[0] * 4.0 + p[1] * 1.5 + 20.0, p[1] * 1.1 - p[0] * 0.4 + 20.0, 12) - 0.5);
    -smooth_min(-(cloth + fold), neckline(p), 0.05)
}

/// The opening of the dress.
fn neckline(p: Vector) -> f32 {
    bar(p, [0.0, -0.9, -0.25], [0.0, -1.36, -0.02], 0.4, 0.52)
}

/// The colour of the surface at a point.
fn paint(p: Vector) -> (Colour, f32) {
    let h = in_head(p);
    let parts = [skin(p, h), eyeball(h), scarf(h), dress(p), pearl(h)];
    let nearest = (0..parts.len()).min_by(|&a, &b| parts[a].total_cmp(&parts[b])).unwrap_or(0);
    match nearest {
        0 => (complexion(h), 0.12),
        1 => (iris(h), 0.5),
        2 => {
            let around = h[1] - 0.34 * h[2] + 0.25 * h[0];
            let weave = smooth(h[0] * 40.0 + 50.0, around * 40.0 + 50.0, 6);
            let hanging = h[2] < -0.75;
            let stripe = smoothstep(0.02, 0.0, ((around - 0.62).abs() - 0.05).min((around - 0.78).abs() - 0.02));
            let blue = mix([0.12, 0.27, 0.55], [0.22, 0.42, 0.7], weave);
            let ochre = mix([0.82, 0.6, 0.2], [0.95, 0.77, 0.36], weave);
            (if hanging { ochre } else { mix(blue, ochre, stripe) }, 0.06)
        }
        // A white collar along the neckline.
        3 if neckline(p) < 0.12 => {
            let seam = smoothstep(0.02, 0.0, (neckline(p) - 0.1).abs());
            (mix([0.93, 0.9, 0.84], [0.7, 0.65, 0.56], seam), 0.05)
        }
        3 => {
            let weave = smooth(p[0] * 50.0 + 90.0, p[1] * 50.0 + 90.0, 7);
            (mix([0.5, 0.2, 0.13], [0.62, 0.27, 0.17], weave), 0.04)
        }
        _ => ([0.86, 0.86, 0.84], 0.9),
    }
}

fn complexion(h: Vector) -> Colour {
    let m = mirrored(h);
    let pores = fractal(h[0] * 9.0 + 30.0, h[1] * 9.0 + 30.0, 9);
    let base = mix([0.87, 0.64, 0.51], [0.94, 0.75, 0.62], pores);
    let q = from([0.36, -0.17, 0.55], m);
    let blush = smoothstep(0.3, 0.0, dot(q, q).sqrt());
    let tip = smoothstep(0.17, 0.0, dot(from([0.0, -0.17, 0.88], h), from([0.0, -0.17, 0.88], h)).sqrt());
    let base = mix(base, [0.88, 0.47, 0.4], 0.55 * blush + 0.3 * tip);
    let red = smoothstep(0.012, -0.006, lips(m).min(lower_lip(m) + 0.004));
    let base = mix(base, [0.72, 0.25, 0.24], 0.85 * red);
    // The mouth's line, the brows, the lashes along the upper lid.
    let line = bar(m, [0.0, -0.478, 0.79], [0.19, -0.467, 0.66], 0.008, 0.004);
    let base = mix(base, [0.36, 0.1, 0.1], smoothstep(0.02, 0.0, line));
    let brow = bar([m[0], m[1]], [0.13, 0.325], [0.31, 0.375], 0.02, 0.018).min(bar(
        [m[0], m[1]],
        [0.31, 0.375],
        [0.45, 0.31],
        0.018,
        0.005,
    ));
    let hairs = 0.7 + 0.3 * smooth(h[0] * 60.0 + h[1] * 20.0 + 90.0, h[1] * 14.0 + 40.0, 4);
    let base = mix(base, [0.3, 0.18, 0.12], hairs * smoothstep(0.014, -0.006, brow) * smoothstep(0.2, 0.3, h[2]));
    let q = from(EYE, m);
    let edge = q[1] - (0.062 - 1.5 * q[0] * q[0]);
    let lash = smoothstep(0.026, 0.006, edge.abs()) * smoothstep(0.165, 0.14, q[0].abs()) * smoothstep(0.0, 0.06, q[2]);
    mix(base, [0.16, 0.09, 0.07], 0.9 * lash)
}

/// Eyes that look at the viewer.
fn iris(h: Vector) -> Colour {
    let side = if h[0] < 0.0 { -1.0 } else { 1.0 };
    let q = unit(from([side * EYE[0], EYE[1], EYE[2]], h));
    // Turned back from the head's own direction.
    let gaze = unit([0.3, 0.02, 0.95]);
    let off = along(q, gaze, -1.0);
    let distance = dot(off, off).sqrt();
    let white = mix([0.9, 0.87, 0.83], [0.8, 0.6, 0.55], smoothstep(0.55, 0.95, distance));
    let brown = mix([0.18, 0.1, 0.05], [0.5, 0.33, 0.16], smoothstep(0.16, 0.36, distance));
    let rim = mix(brown, [0.1, 0.07, 0.05], smoothstep(0.36, 0.44, distance));
    let colour = mix(rim, white, smoothstep(0.42, 0.48, distance));
    mix([0.02, 0.02, 0.03], colour, smoothstep(0.17, 0.21, distance))
}

fn lit(p: Vector, ray: Vector) -> Colour {
    let n = normal(figure, p, 0.004);
    let to_window = unit(WINDOW);
    let (colour, gloss) = paint(p);
    let facing = dot(n, to_window);
    let seen = if facing > -0.2 { light(figure, along(p, n, 0.02), to_window, 7.0) } else { 0.0 };
    let open = openness(figure, p, n);
    // Light scatters a little beyond the edge of the shadow, more so the red.
    let key: Vector = [0.3, 0.16, 0.1].map(|wrap: f32| smoothstep(-wrap, 1.05, facing) * (0.12 + 0.88 * seen));
    let sky = 0.5 + 0.5 * n[1];
    let back = smoothstep(0.0, 1.0, dot(n, unit([0.85, 0.1, -0.25])));
    let fill: Vector = [0.17, 0.17, 0.19].map(|level: f32| open * (level * (0.55 + 0.6 * sky) + 0.16 * back));
    let amount: Vector = std::array::from_fn(|c| [1.28, 1.17, 1.0][c] * key[c] + fill[c] * [1.0, 0.98, 0.95][c]);
    let shaded = shaded(colour, amount);
    // The window's reflection.
    let half = unit(from(ray, to_window));
    let mut shine = dot(n, half).max(0.0);
    for _ in 0..5 {
        shine *= shine;
    }
    shaded.map(|level| (level + gloss * shine * (0.3 + 0.7 * seen)).min(1.0))
}
