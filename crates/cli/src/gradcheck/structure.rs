//! Inputs that may not move everywhere: along a basis of directions, as symmetric matrices do, or as rotations.

use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use super::program::array_of_shape;

/// How far a matrix may be from symmetric or orthogonal, relative to its largest element; in f32 that is a few roundings.
const NEARLY: f64 = 1e-5;

/// The ways in which one input moves, each with a coordinate.
pub(super) enum Structure {
    /// x + Σ (tⱼ − startⱼ)·Bⱼ. The coordinates start at the size of the elements that move, from which steps are taken.
    Basis {
        start: ArrayD<f64>,
        /// For each direction the elements that it moves, in row-major order, and by how much.
        directions: Vec<Vec<(usize, f64)>>,
    },
    /// x·G₁(t₁)·G₂(t₂)⋯, where each G turns two of the axes by an angle (a Givens rotation).
    Rotation {
        /// The pairs of axes.
        planes: Vec<[usize; 2]>,
    },
}

impl Structure {
    /// Reads what a program says of an input: `"symmetric"`, `"rotation"` or a list of directions.
    pub(super) fn read(said: &Value, x: &ArrayD<f64>) -> Result<Self, String> {
        match said {
            Value::String(word) if word == "symmetric" => Self::symmetric(x),
            Value::String(word) if word == "rotation" => Self::rotation(x),
            Value::Array(list) if !list.is_empty() => {
                let directions = list.iter().enumerate().map(|(number, said)| {
                    direction(said, x).map_err(|why| format!("direction {number} of its basis {why}"))
                });
                Ok(Self::basis(x, directions.collect::<Result<_, _>>()?))
            }
            Value::Array(_) => Err("its basis has no directions: leave the basis out if it moves freely".into()),
            other => Err(format!(
                "its basis is {other}, where \"symmetric\", \"rotation\" or a list of directions was expected"
            )),
        }
    }

    fn basis(x: &ArrayD<f64>, directions: Vec<Vec<(usize, f64)>>) -> Self {
        let size = |direction: &Vec<(usize, f64)>| {
            let ratios = direction.iter().map(|&(i, b)| (flat(x)[i] / b).abs()).filter(|ratio| *ratio > 0.0);
            let least = ratios.fold(f64::INFINITY, f64::min);
            if least.is_finite() { least } else { 0.0 }
        };
        Self::Basis { start: directions.iter().map(size).collect::<ndarray::Array1<_>>().into_dyn(), directions }
    }

    fn symmetric(x: &ArrayD<f64>) -> Result<Self, String> {
        let n = order(x, "symmetric")?;
        let allowed = NEARLY * largest(x);
        let mut directions = Vec::new();
        for i in 0..n {
            directions.push(vec![(i * n + i, 1.0)]);
            for j in i + 1..n {
                let (one, other) = (x[[i, j]], x[[j, i]]);
                if (one - other).abs() > allowed {
                    return Err(format!("it is said to be symmetric, but [{i},{j}] is {one} and [{j},{i}] is {other}"));
                }
                directions.push(vec![(i * n + j, 1.0), (j * n + i, 1.0)]);
            }
        }
        Ok(Self::basis(x, directions))
    }

    fn rotation(x: &ArrayD<f64>) -> Result<Self, String> {
        let n = order(x, "a rotation")?;
        if n < 2 {
            return Err("it is said to be a rotation, but has one axis alone".into());
        }
        for i in 0..n {
            for j in i..n {
                let product: f64 = (0..n).map(|k| x[[k, i]] * x[[k, j]]).sum();
                if (product - f64::from(i == j)).abs() > NEARLY {
                    return Err(format!(
                        "it is said to be a rotation, but its columns {i} and {j} have the product {product}"
                    ));
                }
            }
        }
        Ok(Self::Rotation { planes: (0..n).flat_map(|i| (i + 1..n).map(move |j| [i, j])).collect() })
    }

    /// The coordinates of the point itself.
    pub(super) fn start(&self) -> ArrayD<f64> {
        match self {
            Self::Basis { start, .. } => start.clone(),
            Self::Rotation { planes } => ArrayD::zeros(IxDyn(&[planes.len()])),
        }
    }

    /// The point with coordinates t.
    pub(super) fn point(&self, x: &ArrayD<f64>, t: &ArrayD<f64>) -> ArrayD<f64> {
        let mut point = x.clone();
        match self {
            Self::Basis { start, directions } => {
                let numbers = point.as_slice_mut().expect("row-major");
                for ((t, start), direction) in t.iter().zip(start).zip(directions).filter(|((t, start), _)| t != start)
                {
                    for (i, b) in direction {
                        numbers[*i] += (t - start) * b;
                    }
                }
            }
            Self::Rotation { planes } => {
                for (t, [i, j]) in t.iter().zip(planes).filter(|(t, _)| **t != 0.0) {
                    let (sin, cos) = t.sin_cos();
                    for k in 0..point.shape()[0] {
                        let (a, b) = (point[[k, *i]], point[[k, *j]]);
                        (point[[k, *i]], point[[k, *j]]) = (a * cos - b * sin, a * sin + b * cos);
                    }
                }
            }
        }
        point
    }

    /// The gradient by the coordinates: the products of the gradient by the input with all directions at x.
    pub(super) fn pull(&self, x: &ArrayD<f64>, gradient: &ArrayD<f64>) -> ArrayD<f64> {
        let slopes: ndarray::Array1<f64> = match self {
            Self::Basis { directions, .. } => {
                directions.iter().map(|direction| direction.iter().map(|&(i, b)| flat(gradient)[i] * b).sum()).collect()
            }
            Self::Rotation { planes } => {
                let slope = |[i, j]: &[usize; 2]| {
                    let rows = 0..x.shape()[0];
                    rows.map(|k| gradient[[k, *j]] * x[[k, *i]] - gradient[[k, *i]] * x[[k, *j]]).sum::<f64>()
                };
                planes.iter().map(slope).collect()
            }
        };
        slopes.into_dyn()
    }

    /// The direction in the input's space that has some coordinates; of a basis.
    pub(super) fn push(&self, x: &ArrayD<f64>, t: &ArrayD<f64>) -> ArrayD<f64> {
        let mut way = x * 0.0;
        if let Self::Basis { directions, .. } = self {
            let numbers = way.as_slice_mut().expect("row-major");
            for (t, direction) in t.iter().zip(directions) {
                for (i, b) in direction {
                    numbers[*i] += t * b;
                }
            }
        }
        way
    }

    /// Whether the input moves along straight lines.
    pub(super) fn is_straight(&self) -> bool {
        matches!(self, Self::Basis { .. })
    }

    /// What reports call the coordinates of the input `name`.
    pub(super) fn name(&self, name: &str) -> String {
        match self {
            Self::Basis { .. } => format!("basis of {name}"),
            Self::Rotation { .. } => format!("angles of {name}"),
        }
    }
}

/// The elements of one direction that are not 0.
fn direction(said: &Value, x: &ArrayD<f64>) -> Result<Vec<(usize, f64)>, String> {
    let direction = array_of_shape(said, x.shape())?;
    if direction.iter().any(|b| !b.is_finite()) {
        return Err("has NaN or an infinity in it".into());
    }
    let moving: Vec<(usize, f64)> = direction.iter().copied().enumerate().filter(|(_, b)| *b != 0.0).collect();
    if moving.is_empty() { Err("is 0 everywhere".into()) } else { Ok(moving) }
}

/// The number of rows of a square matrix.
fn order(x: &ArrayD<f64>, what: &str) -> Result<usize, String> {
    match x.shape() {
        [rows, columns] if rows == columns => Ok(*rows),
        shape => Err(format!("it is said to be {what}, but has shape {shape:?}, which is no square matrix")),
    }
}

fn largest(x: &ArrayD<f64>) -> f64 {
    x.iter().fold(0.0f64, |largest, x| largest.max(x.abs()))
}

fn flat(x: &ArrayD<f64>) -> &[f64] {
    x.as_slice().expect("row-major")
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use serde_json::json;

    use super::*;

    fn turned() -> ArrayD<f64> {
        let (sin, cos) = 0.3f64.sin_cos();
        array![[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]].into_dyn()
    }

    #[test]
    fn points_stay_in_the_structure_and_pull_is_the_transpose_of_the_slopes_of_point() {
        let symmetric = array![[2.0, 0.3, 0.0], [0.3, 1.0, -1.0], [0.0, -1.0, 5.0]].into_dyn();
        let vector = array![3.0, -4.0].into_dyn();
        let cases = [
            (json!("symmetric"), symmetric, 6),
            (json!("rotation"), turned(), 3),
            (json!([[4.0, 3.0], [1.0, 1.0]]), vector, 2),
        ];
        for (said, x, coordinates) in cases {
            let structure = Structure::read(&said, &x).unwrap();
            let start = structure.start();
            assert_eq!((start.len(), structure.point(&x, &start)), (coordinates, x.clone()));
            let gradient = x.mapv(|x| (3.0 * x + 1.0).sin());
            let pulled = structure.pull(&x, &gradient);
            for k in 0..coordinates {
                let moved = |step: f64| {
                    let mut t = start.clone();
                    t[k] += step;
                    structure.point(&x, &t)
                };
                let slope = (&gradient * &((moved(1e-5) - moved(-1e-5)) / 2e-5)).sum();
                assert!((slope - pulled[k]).abs() < 1e-8, "{said}, {k}: {slope} and {}", pulled[k]);
            }
            let all = start.mapv(|t| t + 0.1);
            let moved = structure.point(&x, &all);
            match &structure {
                Structure::Rotation { .. } => assert!(Structure::rotation(&moved).is_ok(), "{moved}"),
                Structure::Basis { .. } => {
                    assert!((structure.push(&x, &(&all - &start)) - (&moved - &x)).iter().all(|d| d.abs() < 1e-14));
                }
            }
            if said == "symmetric" {
                assert!(Structure::symmetric(&moved).is_ok(), "{moved}");
            }
        }
    }

    #[test]
    fn what_is_no_structure_is_told() {
        let matrix = array![[1.0, 2.0], [3.0, 4.0]].into_dyn();
        let vector = array![1.0, 2.0].into_dyn();
        for (said, x, why) in [
            (json!("symmetric"), &matrix, "it is said to be symmetric, but [0,1] is 2 and [1,0] is 3"),
            (json!("rotation"), &matrix, "it is said to be a rotation, but its columns 0 and 0 have the product 10"),
            (json!("symmetric"), &vector, "has shape [2], which is no square matrix"),
            (json!("simplex"), &vector, "its basis is \"simplex\", where \"symmetric\", \"rotation\" or a list"),
            (json!([]), &vector, "its basis has no directions"),
            (json!([[1.0, 0.0], [1.0]]), &vector, "direction 1 of its basis has shape [1], where [2] was expected"),
            (json!([[1.0, null]]), &vector, "direction 0 of its basis has NaN or an infinity in it"),
            (json!([[1.0, "a"]]), &vector, "direction 0 of its basis has \"a\" in it, which is not a number"),
            (json!([[0.0, 0.0]]), &vector, "direction 0 of its basis is 0 everywhere"),
        ] {
            let Err(found) = Structure::read(&said, x) else { panic!("{said} is taken") };
            assert!(found.contains(why), "{said}: {found}");
        }
    }
}
