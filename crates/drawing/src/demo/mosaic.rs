//! A second style: a mosaic of flat tiles in rings of one colour, with dark joints.

use ndarray::Array3;

use super::noise::hash;

/// Tiles along a side.
const TILES: f32 = 26.0;

/// Width of the joints, in tiles.
const JOINT: f32 = 0.12;

const JOINT_COLOUR: [f32; 3] = [0.12, 0.1, 0.1];

/// The colours of the rings, from inside out.
const PALETTE: [[f32; 3]; 6] = [
    [0.78, 0.24, 0.16],
    [0.92, 0.58, 0.18],
    [0.96, 0.86, 0.62],
    [0.16, 0.34, 0.38],
    [0.45, 0.62, 0.5],
    [0.3, 0.12, 0.18],
];

/// The mosaic, `side` × `side`: each pixel belongs to the tile with the nearest centre (a Voronoi diagram).
pub(super) fn lay(side: usize) -> Array3<f32> {
    let mut picture = Array3::zeros((side, side, 3));
    for i in 0..side {
        for j in 0..side {
            let at = [i, j].map(|pixel| (pixel as f32 + 0.5) / side as f32 * TILES);
            for (channel, value) in colour_at(at).into_iter().enumerate() {
                picture[[i, j, channel]] = value;
            }
        }
    }
    picture
}

fn colour_at([y, x]: [f32; 2]) -> [f32; 3] {
    let (mut nearest, mut second, mut tile) = (f32::INFINITY, f32::INFINITY, [0, 0]);
    let [row, column] = [y, x].map(|at| at.floor() as i32);
    for i in row - 1..=row + 1 {
        for j in column - 1..=column + 1 {
            let centre = |seed, at: i32| at as f32 + 0.15 + 0.7 * hash(i, j, seed);
            let distance = (centre(1, i) - y).hypot(centre(2, j) - x);
            if distance < nearest {
                (nearest, second, tile) = (distance, nearest, [i, j]);
            } else {
                second = second.min(distance);
            }
        }
    }
    if second - nearest < JOINT { JOINT_COLOUR } else { colour_of(tile) }
}

/// The colour of a tile: that of its ring around one of two centres, a little lighter or darker.
fn colour_of([i, j]: [i32; 2]) -> [f32; 3] {
    let [y, x] = [i as f32, j as f32];
    let radius = if x < TILES / 2.0 { (y - 4.0).hypot(x - 7.0) } else { (y - 20.0).hypot(x - 21.0) };
    let ring = radius / 3.1 + 0.9 * hash(i, j, 3);
    PALETTE[ring as usize % PALETTE.len()].map(|level| (level * (0.85 + 0.3 * hash(i, j, 4))).min(1.0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn tiles_are_flat_and_parted_by_dark_joints() {
        let picture = lay(130);
        let colours: Vec<[u32; 3]> =
            picture.rows().into_iter().map(|pixel| [0, 1, 2].map(|channel| pixel[channel].to_bits())).collect();
        let joints = colours.iter().filter(|&&colour| colour == JOINT_COLOUR.map(f32::to_bits)).count();
        assert!((0.1..0.4).contains(&(joints as f64 / colours.len() as f64)), "{joints} of {} pixels", colours.len());
        let different = colours.into_iter().collect::<BTreeSet<_>>().len();
        assert!((500..900).contains(&different), "{different} colours of about 26² tiles");
        assert!(picture.iter().all(|level| (0.0..=1.0).contains(level)));
        assert_eq!(picture, lay(130));
    }
}
