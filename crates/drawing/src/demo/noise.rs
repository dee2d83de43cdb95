//! Value noise: random numbers on a grid, and a smooth surface through them.

/// A number in 0..1 that looks random, but is the same for the same grid point.
pub(super) fn hash(x: i32, y: i32, seed: u32) -> f32 {
    let mut h =
        (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    ((h ^ (h >> 15)) >> 8) as f32 / (1 << 24) as f32
}

/// A smooth surface with values in 0..1 and hills of about the size 1.
pub(super) fn smooth(x: f32, y: f32, seed: u32) -> f32 {
    let (x0, y0) = (x.floor(), y.floor());
    let at = |dx, dy| hash(x0 as i32 + dx, y0 as i32 + dy, seed);
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (u, v) = (ease(x - x0), ease(y - y0));
    let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
    mix(mix(at(0, 0), at(1, 0), u), mix(at(0, 1), at(1, 1), u), v)
}

/// Hills with smaller hills on them (fractal Brownian motion): four octaves, values in 0..1.
pub(super) fn fractal(x: f32, y: f32, seed: u32) -> f32 {
    let octave = |n: i32| {
        let scale = 2f32.powi(n);
        smooth(x * scale, y * scale, seed.wrapping_add(n as u32)) / scale
    };
    (0..4).map(octave).sum::<f32>() / 1.875
}
