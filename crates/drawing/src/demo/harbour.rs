//! The content: a harbour at sunset, with clear shapes and large plain surfaces.
//!
//! The scene is a function from points to colours: whatever is in front is asked first. Points are (x, y) in picture
//! heights, x to the right, y down.

use ndarray::Array3;

use super::geometry::{Colour, mix, sampled, smoothstep};
use super::noise::{fractal, hash, smooth};

/// Where the water begins.
const SHORE: f32 = 0.6;
const SUN: (f32, f32) = (0.93, 0.33);

/// The harbour, each pixel the mean of nine points.
pub(super) fn draw(height: usize, width: usize) -> Array3<f32> {
    sampled(height, width, 3, scene)
}

fn scene(x: f32, y: f32) -> Colour {
    pier(x, y).or_else(|| boat(x, y)).unwrap_or_else(|| if y < SHORE { land(x, y) } else { water(x, y) })
}

/// Everything above the water line.
fn land(x: f32, y: f32) -> Colour {
    None.or_else(|| lighthouse(x, y)).or_else(|| houses(x, y)).or_else(|| hills(x, y)).unwrap_or_else(|| sky(x, y))
}

/// 1 where the harbour shows the sky, 0 elsewhere, by the middle of each pixel.
pub(super) fn sky_mask(height: usize, width: usize) -> Array3<f32> {
    let is_sky = |i: usize, j: usize| {
        let (x, y) = ((j as f32 + 0.5) / height as f32, (i as f32 + 0.5) / height as f32);
        let front = pier(x, y).or_else(|| boat(x, y)).or_else(|| lighthouse(x, y)).or_else(|| houses(x, y));
        y < SHORE && front.or_else(|| hills(x, y)).is_none()
    };
    Array3::from_shape_fn((height, width, 3), |(i, j, _)| f32::from(u8::from(is_sky(i, j))))
}

fn sky(x: f32, y: f32) -> Colour {
    let (dx, dy) = (x - SUN.0, y - SUN.1);
    let distance = dx.hypot(dy);
    if distance < 0.065 {
        return [1.0, 0.95, 0.72];
    }
    let up = 1.0 - y / SHORE;
    let base = mix(
        [1.0, 0.72, 0.45],
        mix([0.72, 0.62, 0.72], [0.2, 0.36, 0.62], smoothstep(0.4, 1.0, up)),
        smoothstep(0.0, 0.55, up),
    );
    let glow = (-(distance - 0.065) * 5.0).exp();
    let base = mix(base, [1.0, 0.82, 0.45], 0.75 * glow);
    let cloud = smoothstep(0.52, 0.72, fractal(x * 2.6 + 3.0, y * 9.0, 11)) * smoothstep(0.02, 0.15, up);
    let lit =
        mix([0.55, 0.44, 0.58], [1.0, 0.86, 0.74], smoothstep(0.4, 0.75, fractal(x * 2.6 + 3.06, y * 9.0 + 0.25, 11)));
    mix(base, lit, 0.85 * cloud)
}

fn hills(x: f32, y: f32) -> Option<Colour> {
    let ridge = |base: f32, size: f32, scale: f32, seed| base - size * (fractal(x * scale, 0.5, seed) - 0.3);
    let near = 0.53 - 0.19 * (-((x - 0.22) / 0.26).powi(2)).exp() - 0.05 * fractal(x * 4.0, 0.0, 5);
    if y > near {
        let fields = smooth((x + 0.6 * y) * 9.0, (y - 0.4 * x) * 22.0, 8);
        let colour = mix([0.24, 0.4, 0.2], [0.62, 0.62, 0.26], smoothstep(0.35, 0.6, fields));
        let trees = fractal(x * 34.0, y * 40.0, 21);
        let shade = smoothstep(0.0, 0.1, y - near) * 0.35;
        return Some(mix(mix(colour, [0.1, 0.2, 0.14], smoothstep(0.5, 0.62, trees)), [0.12, 0.18, 0.2], shade));
    }
    if y > ridge(0.47, 0.2, 1.9, 31) {
        return Some(mix([0.36, 0.38, 0.56], [0.62, 0.5, 0.56], smoothstep(0.35, SHORE, y)));
    }
    (y > ridge(0.42, 0.24, 1.3, 44)).then(|| mix([0.5, 0.5, 0.68], [0.86, 0.64, 0.6], smoothstep(0.28, 0.52, y)))
}

/// A row of houses on the quay: left edge, width, height of the wall, height of the roof, wall.
const HOUSES: [(f32, f32, f32, f32, Colour); 7] = [
    (0.04, 0.11, 0.12, 0.05, [0.86, 0.45, 0.3]),
    (0.15, 0.09, 0.16, 0.04, [0.93, 0.82, 0.58]),
    (0.24, 0.1, 0.1, 0.06, [0.9, 0.9, 0.88]),
    (0.34, 0.08, 0.14, 0.05, [0.4, 0.56, 0.66]),
    (0.42, 0.12, 0.11, 0.05, [0.9, 0.66, 0.32]),
    (0.54, 0.08, 0.13, 0.04, [0.78, 0.36, 0.34]),
    (0.62, 0.1, 0.09, 0.05, [0.92, 0.86, 0.74]),
];

fn houses(x: f32, y: f32) -> Option<Colour> {
    if y > SHORE - 0.025 && x < 0.8 {
        let joint = (x * 24.0).fract() < 0.06 || (y * 90.0).fract() < 0.14;
        return Some(if joint {
            [0.3, 0.27, 0.28]
        } else {
            mix([0.5, 0.45, 0.43], [0.6, 0.53, 0.47], hash((x * 24.0) as i32, (y * 90.0) as i32, 3))
        });
    }
    let ground = SHORE - 0.025;
    for &(left, width, wall, roof, colour) in &HOUSES {
        let (u, v) = ((x - left) / width, (ground - y) / wall);
        let eaves = (u - 0.5).abs() * 2.0;
        if (0.0..1.0).contains(&u) && (0.0..1.0).contains(&v) {
            let floors = (wall / 0.045).floor();
            let (column, row) = ((u * 3.0).fract(), (v * floors).fract());
            let window = (0.28..0.72).contains(&column) && (0.3..0.78).contains(&row);
            let lit = hash((u * 3.0) as i32, (v * floors) as i32, (left * 100.0) as u32) > 0.6;
            let door = (1..2).contains(&((u * 3.0) as i32)) && v * floors < 0.78 && (0.22..0.78).contains(&column);
            let shadow = 0.28 * (1.0 - u) + 0.18 * smoothstep(0.85, 1.0, v);
            return Some(match (door, window, lit) {
                (true, ..) => [0.3, 0.18, 0.14],
                (_, true, true) => [1.0, 0.86, 0.45],
                (_, true, false) => [0.2, 0.26, 0.34],
                _ => mix(colour, [0.25, 0.2, 0.3], shadow),
            });
        }
        let height = (ground - wall - y) / roof;
        if height >= 0.0 && eaves + height < 1.1 && height < 1.0 {
            let tiles = 0.5 + 0.5 * ((y * 300.0).sin() * (x * 260.0).sin());
            return Some(mix([0.5, 0.22, 0.16], [0.66, 0.31, 0.2], tiles));
        }
        let chimney = (0.68..0.8).contains(&u) && (0.0..1.15).contains(&height);
        if chimney {
            return Some([0.4, 0.24, 0.2]);
        }
    }
    None
}

/// A lighthouse on its rock, right of the village.
fn lighthouse(x: f32, y: f32) -> Option<Colour> {
    let dx = x - 1.16;
    let rock = SHORE - 0.075 * (1.0 - (dx / 0.16).powi(2)) + 0.035 * (fractal(x * 16.0, 0.0, 61) - 0.5);
    let half = 0.024 + 0.03 * (y - 0.22);
    if (0.22..0.55).contains(&y) && dx.abs() < half {
        let stripe = ((y - 0.22) / 0.066) as i32 % 2 == 0;
        let round = smoothstep(-1.0, 1.0, dx / half);
        let colour = if stripe { [0.8, 0.2, 0.16] } else { [0.96, 0.93, 0.88] };
        let window = dx.abs() < 0.006 && ((y - 0.25) / 0.11).fract() < 0.18;
        return Some(if window { [0.2, 0.2, 0.25] } else { mix(colour, [0.28, 0.22, 0.34], 0.55 * round) });
    }
    if (0.212..0.22).contains(&y) && dx.abs() < 0.036 {
        return Some([0.2, 0.18, 0.2]);
    }
    if (0.17..0.212).contains(&y) && dx.abs() < 0.019 {
        return Some(if dx.abs() < 0.004 || dx.abs() > 0.016 { [0.25, 0.2, 0.2] } else { [1.0, 0.92, 0.55] });
    }
    if (0.14..0.17).contains(&y) && dx.abs() < 0.9 * (y - 0.14) {
        return Some([0.7, 0.18, 0.15]);
    }
    (y > rock && dx.abs() < 0.17).then(|| {
        let facets = fractal(x * 22.0 + y * 9.0, y * 30.0, 71);
        mix([0.2, 0.17, 0.2], [0.62, 0.5, 0.42], smoothstep(0.3, 0.7, facets))
    })
}

/// The land upside down in waves, and the sun's glitter.
fn water(x: f32, y: f32) -> Colour {
    let depth = (y - SHORE) / (1.0 - SHORE);
    // Waves look larger the nearer they are.
    let (wx, wy) = (x * (9.0 - 5.0 * depth), (y - SHORE + 0.04).ln() * 26.0);
    let wave = smooth(wx, wy, 91) + 0.5 * smooth(wx * 2.3, wy * 2.1, 92) - 0.75;
    let mirrored = (2.0 * SHORE - y - (0.02 + 0.1 * depth) * wave.abs()).max(0.0);
    let mirror = land(x + 0.05 * wave * (0.3 + depth), mirrored.min(SHORE - 0.001));
    let colour = mix(mirror, [0.1, 0.3, 0.4], 0.3 + 0.35 * depth);
    let crest = smoothstep(0.25, 0.5, wave);
    let colour = mix(colour, [0.62, 0.68, 0.72], 0.3 * crest);
    let path = (-((x - SUN.0) / (0.06 + 0.1 * depth)).powi(2)).exp();
    mix(colour, [1.0, 0.9, 0.6], 0.9 * path * smoothstep(0.05, 0.3, wave))
}

const HULL: [(f32, f32); 5] = [(0.36, 0.765), (0.74, 0.755), (0.71, 0.8), (0.66, 0.825), (0.42, 0.825)];
const MAINSAIL: [(f32, f32); 4] = [(0.565, 0.3), (0.575, 0.52), (0.72, 0.735), (0.57, 0.735)];
const JIB: [(f32, f32); 4] = [(0.553, 0.33), (0.55, 0.735), (0.385, 0.735), (0.46, 0.56)];

/// A sailing boat; below its water line the same upside down.
fn boat(x: f32, y: f32) -> Option<Colour> {
    let line = 0.825;
    if y <= line {
        return boat_itself(x, y);
    }
    let ripple = smooth(x * 14.0, y * 90.0, 95) - 0.5;
    let reflection = boat_itself(x + 0.03 * ripple, line - 1.3 * (y - line) - 0.02 * ripple)?;
    let strength = 0.65 * smoothstep(0.2, 0.0, y - line);
    Some(mix(water(x, y), mix(reflection, [0.1, 0.26, 0.34], 0.3), strength))
}

fn boat_itself(x: f32, y: f32) -> Option<Colour> {
    if inside(&HULL, x, y) {
        return Some(match y {
            y if y < 0.775 => [0.95, 0.9, 0.8],
            y if y > 0.812 => [0.62, 0.16, 0.13],
            _ => mix([0.1, 0.2, 0.34], [0.2, 0.34, 0.48], smoothstep(0.4, 0.72, x)),
        });
    }
    if inside(&MAINSAIL, x, y) {
        let seam = ((y - 0.1 * x) * 18.0).fract() < 0.06;
        let cloth = mix([0.98, 0.94, 0.84], [0.86, 0.68, 0.56], smoothstep(0.57, 0.72, x));
        return Some(if seam { mix(cloth, [0.5, 0.4, 0.4], 0.4) } else { cloth });
    }
    if inside(&JIB, x, y) {
        let seam = ((y + 0.3 * x) * 15.0).fract() < 0.06;
        let cloth = mix([0.93, 0.46, 0.22], [0.76, 0.22, 0.14], smoothstep(0.4, 0.56, x));
        return Some(if seam { mix(cloth, [0.4, 0.12, 0.1], 0.4) } else { cloth });
    }
    let mast = (x - 0.56).abs() < 0.005 && (0.27..0.77).contains(&y);
    let boom = (y - 0.742).abs() < 0.004 && (0.56..0.73).contains(&x);
    (mast || boom).then_some([0.28, 0.17, 0.1])
}

/// A wooden pier in the near right corner.
fn pier(x: f32, y: f32) -> Option<Colour> {
    let deck = 0.88 + 0.02 * (1.333 - x);
    if x > 0.95 && (deck..deck + 0.035).contains(&y) {
        let plank = ((x - 0.95) * 22.0) as i32;
        let gap = ((x - 0.95) * 22.0).fract() < 0.07;
        let wood = mix([0.42, 0.28, 0.18], [0.6, 0.42, 0.27], hash(plank, 0, 7));
        return Some(if gap {
            [0.14, 0.09, 0.07]
        } else {
            mix(wood, [0.2, 0.13, 0.1], smoothstep(0.015, 0.035, y - deck))
        });
    }
    let post = [1.0, 1.14, 1.28].into_iter().find(|post| (x - post).abs() < 0.017)?;
    let top = deck - 0.07;
    (y > top).then(|| {
        let round = 0.5 + (x - post) / 0.034;
        mix([0.5, 0.35, 0.24], [0.16, 0.1, 0.09], round + 0.25 * (smooth(x * 160.0, y * 12.0, 9) - 0.5))
    })
}

/// Whether a polygon has the point inside: a ray to the right crosses its edges an odd number of times.
fn inside(polygon: &[(f32, f32)], x: f32, y: f32) -> bool {
    let edges = polygon.iter().zip(polygon.iter().cycle().skip(1));
    edges.filter(|(a, b)| (a.1 > y) != (b.1 > y) && x < a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0)).count() % 2 == 1
}
