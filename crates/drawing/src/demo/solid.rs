//! Solids described by distance functions, drawn by sphere tracing: each ray advances by the distance to the nearest surface
//! (Hart 1996, "Sphere tracing").
//!
//! Only operations that IEEE 754 rounds exactly are used, so that the drawings have the same bits on every machine.

use super::geometry::Colour;

/// A point or a direction: x to the right, y up, z towards the camera.
pub(super) type Vector = [f32; 3];

pub(super) fn dot(a: Vector, b: Vector) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn length(v: Vector) -> f32 {
    dot(v, v).sqrt()
}

pub(super) fn unit(v: Vector) -> Vector {
    let length = length(v);
    v.map(|x| x / length)
}

pub(super) fn from(a: Vector, b: Vector) -> Vector {
    [b[0] - a[0], b[1] - a[1], b[2] - a[2]]
}

/// The point `distance` away from `p` in a direction.
pub(super) fn along(p: Vector, direction: Vector, distance: f32) -> Vector {
    std::array::from_fn(|c| p[c] + distance * direction[c])
}

/// The distance to a sphere. Negative inside.
pub(super) fn ball(p: Vector, centre: Vector, radius: f32) -> f32 {
    length(from(centre, p)) - radius
}

/// About the distance to an ellipsoid. Negative inside.
pub(super) fn ellipsoid(p: Vector, centre: Vector, radii: Vector) -> f32 {
    let q = from(centre, p);
    let scaled: Vector = std::array::from_fn(|c| q[c] / radii[c]);
    let steep: Vector = std::array::from_fn(|c| scaled[c] / radii[c]);
    let size = length(scaled);
    size * (size - 1.0) / length(steep).max(1e-6)
}

/// A point with the left side folded onto the right: for bodies whose sides are alike.
pub(super) fn mirrored([x, y, z]: Vector) -> Vector {
    [x.abs(), y, z]
}

/// A point turned about the vertical axis by the angle of this cosine and sine.
pub(super) fn turned([x, y, z]: Vector, [cos, sin]: [f32; 2]) -> Vector {
    [cos * x - sin * z, y, sin * x + cos * z]
}

/// Where a ray first meets a surface between `near` and `far`. Steps are shorter than the distance, since blended distances
/// are a little too large.
pub(super) fn meet(distance: impl Fn(Vector) -> f32, eye: Vector, ray: Vector, near: f32, far: f32) -> Option<Vector> {
    let mut at = near;
    for _ in 0..160 {
        let p = along(eye, ray, at);
        let d = distance(p);
        if d < 0.0008 {
            return Some(p);
        }
        at += 0.8 * d;
        if at > far {
            break;
        }
    }
    None
}

/// The direction in which the distance grows: differences along the corners of a tetrahedron.
pub(super) fn normal(distance: impl Fn(Vector) -> f32, p: Vector, step: f32) -> Vector {
    let mut sum = [0.0; 3];
    for corner in [[1.0, -1.0, -1.0], [-1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, 1.0, 1.0]] {
        sum = along(sum, corner, distance(along(p, corner, step)));
    }
    unit(sum)
}

/// How much of a distant light a point sees, from 0 to 1; less near the edges of shadows.
pub(super) fn light(distance: impl Fn(Vector) -> f32, p: Vector, to_light: Vector, softness: f32) -> f32 {
    let (mut seen, mut at) = (1f32, 0.03);
    for _ in 0..48 {
        let d = distance(along(p, to_light, at));
        seen = seen.min(softness * d / at);
        at += d.clamp(0.02, 0.25);
        if seen < 0.005 || at > 4.0 {
            break;
        }
    }
    seen.clamp(0.0, 1.0)
}

/// How open the surroundings of a surface are, from 0 to 1: nearby surfaces along its normal close them.
pub(super) fn openness(distance: impl Fn(Vector) -> f32, p: Vector, normal: Vector) -> f32 {
    let (mut closed, mut weight) = (0.0, 1.0);
    for step in [0.03, 0.09, 0.18, 0.32] {
        closed += weight * (step - distance(along(p, normal, step))).max(0.0);
        weight *= 0.6;
    }
    (1.0 - 2.0 * closed).clamp(0.0, 1.0)
}

/// A colour under coloured light. Both are multiplied as amounts of light, with a gamma of 2.
pub(super) fn shaded(colour: Colour, light: Colour) -> Colour {
    std::array::from_fn(|c| colour[c] * light[c].max(0.0).sqrt())
}
