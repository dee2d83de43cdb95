//! Every operation and every objective, each with the cases that its gradient is checked in.
//!
//! The command `impasto gradcheck` goes through this list, and a test holds it to what exists.

use impasto_gradcheck::parts::direction;
use ndarray::{Array3, ArrayD, Axis, IxDyn};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use strum::VariantArray;

use super::on_tape::{self, OfVariables};
use super::{Failure, GradCheck, Report, TaylorTest};
use crate::kernels::bilinear::Corners;
use crate::kernels::{ConvAlgorithm, ConvGeometry, PaddingMode, PoolGeometry, Pooling};
use crate::objective::{self, Objective, Place, Priors, Selection};
use crate::ops;
use crate::recipe::{LayerWeights, Preset, Recipe, StyleLoss};
use crate::tape::{Real, Tape, Var};
use crate::vgg::execute::{Link, Requested, segment};
use crate::vgg::{Layer, Tiling, Vgg19, Weights};

/// One case of one operation or objective.
pub struct Case {
    /// The operation's name; for an objective, that of its file in `src/objective`.
    pub operation: &'static str,
    /// What is particular to it.
    pub description: String,
    /// The shapes of the inputs that it is differentiated by.
    pub shapes: Vec<Vec<usize>>,
    subject: Box<dyn Fn(Visit<'_>)>,
}

/// What gets a case's options, its function in f64 and in f32, and its inputs.
type Visit<'a> = &'a mut dyn FnMut(&GradCheck, OfVariables<'_, f64>, OfVariables<'_, f32>, &[ArrayD<f64>]);

/// Calls `visit`; here the compiler learns what kind of functions the two are.
fn visited<F, G>(visit: Visit<'_>, check: &GradCheck, double: F, single: G, inputs: &[ArrayD<f64>])
where
    F: for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>,
    G: for<'t> Fn(&'t Tape<f32>, &[Var<'t, f32>]) -> Var<'t, f32>,
{
    visit(check, &double, &single, inputs);
}

impl Case {
    /// Checks the gradient in f64, and that in f32 against it.
    ///
    /// # Errors
    /// If the gradient is wrong.
    pub fn check(&self) -> Result<Report, Failure> {
        let mut found = None;
        (self.subject)(&mut |check, double, single, inputs| {
            found = Some(on_tape::check_both(check, double, single, inputs));
        });
        found.expect("each case calls it")
    }

    /// The order of the Taylor remainder in f64; see [`GradCheck::taylor`].
    ///
    /// # Errors
    /// If the gradient breaks a rule that every gradient keeps.
    pub fn taylor(&self) -> Result<TaylorTest, Failure> {
        let mut found = None;
        (self.subject)(&mut |check, double, _, inputs| found = Some(on_tape::taylor(check, double, inputs)));
        found.expect("each case calls it")
    }
}

/// The names that cases go by, in order, each once.
pub fn operations() -> Vec<&'static str> {
    let mut names: Vec<_> = cases(0).iter().map(|case| case.operation).collect();
    names.dedup();
    names
}

/// All cases, their inputs drawn from `seed`.
pub fn cases(seed: u64) -> Vec<Case> {
    let mut cases = Cases { seed, list: Vec::new() };
    cases.elementwise();
    cases.functions();
    cases.reductions();
    cases.parts();
    cases.neighbours();
    cases.matrices();
    cases.poolings();
    cases.convolutions();
    cases.fused_convolutions();
    cases.segments();
    cases.terms();
    cases.style_transfers();
    cases.textures();
    cases.inversions();
    cases.list
}

struct Cases {
    seed: u64,
    list: Vec<Case>,
}

/// Adds a case whose function is written once and checked in both precisions: options, operation, description, inputs,
/// and the function of the variables.
macro_rules! case {
    ($cases:ident, $check:expr, $operation:literal, $description:expr, $inputs:expr, |$x:ident| $value:expr) => {
        let (check, inputs): (GradCheck, Vec<ArrayD<f64>>) = ($check.seed($cases.seed), $inputs.into());
        $cases.list.push(Case {
            operation: $operation,
            description: $description.into(),
            shapes: inputs.iter().map(|x| x.shape().to_vec()).collect(),
            subject: Box::new(move |visit| visited(visit, &check, |_, $x| $value, |_, $x| $value, &inputs)),
        })
    };
}

/// Shapes of feature maps: odd sizes, one channel, one pixel, one row.
const MAPS: [[usize; 3]; 4] = [[5, 7, 3], [4, 5, 1], [1, 1, 4], [1, 6, 2]];

impl Cases {
    /// Random elements of standard deviation 1, another array for each case and `input` number.
    fn random(&self, shape: &[usize], input: u64) -> ArrayD<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(1000 * (1 + self.list.len() as u64) + input);
        direction(shape, &mut rng)
    }

    fn elementwise(&mut self) {
        let check = GradCheck::new;
        let pairs: [(&str, &[usize], &[usize]); 4] = [
            ("same shape", &[3, 4], &[3, 4]),
            ("one row stretched", &[3, 4], &[4]),
            ("both stretched", &[3, 1], &[2, 1, 4]),
            ("a number and an array", &[], &[2, 3]),
        ];
        for (description, a, b) in pairs {
            case!(self, check(), "add", description, [self.random(a, 0), self.random(b, 1)], |x| ops::add(
                &x[0], &x[1]
            ));
        }
        case!(self, check(), "add", "a value with itself", [self.random(&[5], 0)], |x| ops::add(&x[0], &x[0]));
        for (description, a, b) in pairs {
            case!(self, check(), "sub", description, [self.random(a, 0), self.random(b, 1)], |x| ops::sub(
                &x[0], &x[1]
            ));
        }
        case!(self, check(), "sub", "a value from itself", [self.random(&[5], 0)], |x| ops::sub(&x[0], &x[0]));
        for (description, a, b) in pairs {
            case!(self, check(), "mul", description, [self.random(a, 0), self.random(b, 1)], |x| ops::mul(
                &x[0], &x[1]
            ));
        }
        case!(self, check(), "mul", "a value with itself", [self.random(&[5], 0)], |x| ops::mul(&x[0], &x[0]));
        for shape in MAPS {
            let description = format!("{shape:?}");
            case!(self, check(), "scale", description.clone(), [self.random(&shape, 0)], |x| ops::scale(&x[0], -2.5));
            case!(self, check(), "square", description.clone(), [self.random(&shape, 0)], |x| ops::square(&x[0]));
            case!(self, check(), "relu", description, [self.random(&shape, 0)], |x| ops::relu(&x[0]));
        }
        let check = || GradCheck::new().subgradients(true);
        case!(self, check(), "relu", "at zero", [ArrayD::zeros(IxDyn(&[3]))], |x| ops::relu(&x[0]));
        self.list.sort_by_key(|case| case.operation);
    }

    /// Random elements of one sign each, at least `least` from zero.
    fn away_from_zero(&self, shape: &[usize], input: u64, least: f64) -> ArrayD<f64> {
        self.random(shape, input).mapv(|x| x + least.copysign(x))
    }

    /// Division, and smooth functions of one number.
    fn functions(&mut self) {
        let check = GradCheck::new;
        let pairs: [(&str, &[usize], &[usize]); 5] = [
            ("same shape", &[3, 4], &[3, 4]),
            ("one row stretched", &[3, 4], &[4]),
            ("both stretched", &[3, 1], &[2, 1, 4]),
            ("a number by an array", &[], &[2, 3]),
            ("an array by a number", &[2, 3], &[]),
        ];
        for (description, a, b) in pairs {
            let inputs = [self.random(a, 0), self.away_from_zero(b, 1, 0.5)];
            case!(self, check(), "div", description, inputs, |x| &x[0] / &x[1]);
        }
        case!(self, check(), "div", "one by a value", [self.away_from_zero(&[5], 0, 0.5)], |x| 1.0 / &x[0]);
        case!(self, check(), "div", "a value by a function of it", [self.random(&[5], 0)], |x| {
            &x[0] / (1.0 + ops::square(&x[0]))
        });
        for shape in MAPS {
            case!(self, check(), "exp", format!("{shape:?}"), [self.random(&shape, 0)], |x| ops::exp(&x[0]));
        }
        let positive = |cases: &Self, shape: &[usize]| cases.away_from_zero(shape, 0, 0.2).mapv(f64::abs);
        for shape in MAPS {
            case!(self, check(), "ln", format!("{shape:?}"), [positive(self, &shape)], |x| ops::ln(&x[0]));
        }
        for shape in MAPS {
            case!(self, check(), "sqrt", format!("{shape:?}"), [positive(self, &shape)], |x| ops::sqrt(&x[0]));
        }
        for shape in MAPS {
            case!(self, check(), "tanh", format!("{shape:?}"), [self.random(&shape, 0)], |x| ops::tanh(&x[0]));
        }
        for shape in MAPS {
            case!(self, check(), "sigmoid", format!("{shape:?}"), [self.random(&shape, 0)], |x| ops::sigmoid(&x[0]));
        }
        case!(self, check(), "sigmoid", "far out", [8.0 * self.random(&[7], 0)], |x| ops::sigmoid(&x[0]));
    }

    fn reductions(&mut self) {
        let check = GradCheck::new;
        for shape in MAPS {
            case!(self, check(), "sum", format!("{shape:?}"), [self.random(&shape, 0)], |x| ops::sum(&x[0]));
        }
        for shape in MAPS {
            case!(self, check(), "mean", format!("{shape:?}"), [self.random(&shape, 0)], |x| ops::mean(&x[0]));
        }
        for shape in MAPS {
            let inputs = [self.random(&shape, 0), self.random(&shape, 1)];
            case!(self, check(), "squared_error", format!("{shape:?}"), inputs, |x| ops::squared_error(&x[0], &x[1]));
        }
        case!(self, check(), "squared_error", "a value used twice", [self.random(&[2, 3], 0)], |x| {
            ops::squared_error(&x[0], &ops::square(&x[0]))
        });
        for shape in MAPS {
            let inputs = [self.random(&shape, 0), self.random(&shape, 1)];
            case!(self, check(), "mse", format!("{shape:?}"), inputs, |x| ops::mse(&x[0], &x[1]));
        }
        for shape in MAPS {
            let description = format!("{shape:?}");
            case!(self, check(), "gram_matrix", description, [self.random(&shape, 0)], |x| ops::gram_matrix(&x[0]));
        }
        case!(self, check(), "gram_matrix", "features used twice", [self.random(&[3, 2, 3], 0)], |x| {
            ops::add(&ops::gram_matrix(&x[0]), &ops::scale(&ops::gram_matrix(&x[0]), 0.5))
        });
        for shape in MAPS {
            let (description, r) = (format!("{shape:?}"), self.random(&shape[..2], 1));
            case!(self, check(), "weighted_gram_matrix", description, [self.random(&shape, 0)], |x| {
                ops::weighted_gram_matrix(&x[0], &r.mapv(Real::of).into())
            });
        }
        for shape in MAPS {
            let (description, r) = (format!("{shape:?}, weighted"), self.random(&shape[..2], 1));
            case!(self, check(), "moments", description, [self.random(&shape, 0)], |x| {
                ops::moments(&x[0], Some(&r.mapv(Real::of).into()))
            });
        }
        case!(self, check(), "moments", "features used twice", [self.random(&[3, 2, 3], 0)], |x| {
            ops::add(&ops::moments(&x[0], None), &ops::scale(&ops::moments(&x[0], None), 0.5))
        });
        for shape in MAPS {
            for alpha in [1.0, 2.0, 3.5, 6.0] {
                let description = format!("{shape:?}, α = {alpha}");
                case!(self, check(), "alpha_norm", description, [self.random(&shape, 0)], |x| ops::alpha_norm(
                    &x[0], alpha
                ));
            }
        }
        let kinks = check().subgradients(true);
        case!(self, kinks.clone(), "alpha_norm", "α = 1, at zero", [ArrayD::zeros(IxDyn(&[3]))], |x| {
            ops::alpha_norm(&x[0], 1.0)
        });
        for shape in MAPS {
            for beta in [1.0, 2.0, 2.5] {
                let description = format!("{shape:?}, β = {beta}");
                case!(self, check(), "total_variation", description, [self.random(&shape, 0)], |x| {
                    ops::total_variation(&x[0], beta)
                });
            }
        }
        let flat = ArrayD::from_elem(IxDyn(&[2, 3, 1]), 0.7);
        case!(self, kinks, "total_variation", "a constant image, β = 1", [flat], |x| ops::total_variation(&x[0], 1.0));
    }

    /// What takes from, adds to or mixes a feature map.
    fn parts(&mut self) {
        let check = GradCheck::new;
        for (description, rows, columns, channels) in
            [("inside", 1..4, 2..5, 1..2), ("all", 0..5, 0..7, 0..3), ("a corner", 4..5, 6..7, 2..3)]
        {
            case!(self, check(), "slice", description, [self.random(&[5, 7, 3], 0)], |x| {
                ops::slice(&x[0], rows.clone(), columns.clone(), channels.clone())
            });
        }
        for shape in MAPS {
            for pixels in [0, 1, 3] {
                let description = format!("{shape:?} by {pixels}");
                case!(self, check(), "circular_pad", description, [self.random(&shape, 0)], |x| {
                    ops::circular_pad(&x[0], pixels)
                });
            }
        }
        for shape in MAPS {
            let inputs = [self.random(&shape, 0), self.random(&[4, shape.iter().product()], 1), self.random(&[4], 2)];
            case!(self, check(), "linear", format!("{shape:?}"), inputs, |x| ops::linear(&x[0], &x[1], &x[2]));
        }
    }

    /// What feature splitting is made of.
    fn neighbours(&mut self) {
        let check = GradCheck::new;
        let positions: [(&str, Vec<usize>); 3] =
            [("some", vec![3, 30, 0]), ("one twice", vec![5, 5, 34]), ("all", (0..35).collect())];
        for (description, positions) in positions {
            let positions = positions.into();
            case!(self, check(), "gather", description, [self.random(&[5, 7, 3], 0)], |x| {
                ops::gather(&x[0], &positions)
            });
        }
        for (description, shape) in [("more positions", [7, 4]), ("more channels", [3, 6]), ("two positions", [2, 2])] {
            let mut targets = self.random(&shape, 1);
            for mut row in targets.lanes_mut(Axis(1)) {
                let length = row.dot(&row).sqrt();
                row.mapv_inplace(|v| v / length);
            }
            case!(self, check(), "centred_cosine", description, [self.random(&shape, 0)], |x| {
                let weights: Vec<_> = (0..shape[0]).map(|p| Real::of(0.2 + p as f64)).collect();
                ops::centred_cosine(&x[0], &targets.mapv(Real::of).into(), &weights)
            });
        }
        for (description, shape) in [("more positions", [7, 4]), ("more channels", [3, 6]), ("one position", [1, 2])] {
            let targets = self.random(&shape, 1);
            case!(self, check(), "cosine", description, [self.random(&shape, 0)], |x| {
                let weights: Vec<_> = (0..shape[0]).map(|p| Real::of(0.2 + p as f64)).collect();
                ops::cosine(&x[0], &targets.mapv(Real::of).into(), &weights)
            });
        }
        for (description, maps, to) in [
            ("smaller and larger", [[5, 7, 3], [2, 3, 2]], [3, 4]),
            ("one as it is", [[4, 5, 1], [1, 2, 4]], [4, 5]),
            ("to one position", [[3, 2, 2], [1, 1, 3]], [1, 1]),
        ] {
            let maps = [self.random(&maps[0], 0), self.random(&maps[1], 1)];
            case!(self, check(), "hypercolumns", description, maps, |x| ops::hypercolumns(x, to));
        }
        for corners in [Corners::Centres, Corners::Edges] {
            for (from, to) in [([5, 7, 3], [8, 4]), ([1, 6, 2], [3, 1]), ([4, 5, 1], [4, 5])] {
                let description = format!("{from:?} to {to:?}, {corners:?}");
                case!(self, check(), "resize_bilinear", description, [self.random(&from, 0)], |x| {
                    ops::resize_bilinear(&x[0], to, corners)
                });
            }
        }
        let pyramid = [self.random(&[9, 5, 3], 0), self.random(&[4, 2, 3], 1), self.random(&[2, 1, 3], 2)];
        case!(self, check(), "from_laplacian_pyramid", "three levels", pyramid, |x| ops::from_laplacian_pyramid(x));
        for (shape, levels) in [([8, 12, 2], 2), ([9, 5, 3], 8)] {
            for level in 0..=2 {
                let description = format!("{shape:?}, level {level}");
                case!(self, check(), "laplacian_pyramid", description, [self.random(&shape, 0)], |x| {
                    ops::laplacian_pyramid(&x[0], levels).swap_remove(level)
                });
            }
        }
    }

    /// Products of matrices and vectors, other shapes, and sums along an axis.
    fn matrices(&mut self) {
        let check = GradCheck::new;
        let pairs: [(&str, &[usize], &[usize]); 5] = [
            ("two matrices", &[3, 4], &[4, 2]),
            ("a row and a column", &[1, 5], &[5, 1]),
            ("a matrix and a vector", &[3, 4], &[4]),
            ("a vector and a matrix", &[4], &[4, 3]),
            ("two vectors", &[5], &[5]),
        ];
        for (description, a, b) in pairs {
            let inputs = [self.random(a, 0), self.random(b, 1)];
            case!(self, check(), "matmul", description, inputs, |x| ops::matmul(&x[0], &x[1]));
        }
        case!(self, check(), "matmul", "a matrix with its transpose", [self.random(&[3, 4], 0)], |x| {
            ops::matmul(&x[0], &ops::transpose(&x[0]))
        });
        for shape in [&[3, 4][..], &[5], &[], &[2, 3, 4]] {
            let description = format!("{shape:?}");
            case!(self, check(), "transpose", description, [self.random(shape, 0)], |x| ops::transpose(&x[0]));
        }
        let shapes: [(&[usize], &[usize]); 4] =
            [(&[3, 4], &[2, 6]), (&[2, 3, 4], &[24]), (&[5], &[1, 5, 1]), (&[1], &[])];
        for (from, to) in shapes {
            let description = format!("{from:?} → {to:?}");
            case!(self, check(), "reshape", description, [self.random(from, 0)], |x| ops::reshape(&x[0], to));
        }
        let axes: [(&[usize], usize); 6] =
            [(&[3, 4], 0), (&[3, 4], 1), (&[5], 0), (&[2, 3, 4], 1), (&[1, 6, 2], 0), (&[2, 3, 1], 2)];
        for (shape, axis) in axes {
            let description = format!("{shape:?} along {axis}");
            case!(self, check(), "sum_axis", description, [self.random(shape, 0)], |x| ops::sum_axis(
                &x[0],
                Axis(axis)
            ));
        }
        for (shape, axis) in axes {
            let description = format!("{shape:?} along {axis}");
            case!(self, check(), "mean_axis", description, [self.random(shape, 0)], |x| {
                ops::mean_axis(&x[0], Axis(axis))
            });
        }
    }

    fn poolings(&mut self) {
        let check = GradCheck::new;
        for (description, shape, geometry) in poolings() {
            case!(self, check(), "max_pool2d", description, [self.random(&shape, 0)], |x| {
                ops::max_pool2d(&x[0], &geometry)
            });
        }
        let (tie, pool) = (ArrayD::from_elem(IxDyn(&[2, 2, 1]), 0.5), PoolGeometry::square(2));
        case!(self, check().subgradients(true), "max_pool2d", "a tie", [tie], |x| ops::max_pool2d(&x[0], &pool));
        for (description, shape, geometry) in poolings() {
            case!(self, check(), "avg_pool2d", description, [self.random(&shape, 0)], |x| {
                ops::avg_pool2d(&x[0], &geometry)
            });
        }
    }

    fn convolutions(&mut self) {
        let check = GradCheck::new;
        for algorithm in ConvAlgorithm::ALL {
            for (description, x, weight, geometry) in convolutions() {
                let description = format!("{algorithm:?}: {description}");
                let inputs = [self.random(&x, 0), self.random(&weight, 1), self.random(&weight[..1], 2)];
                case!(self, check(), "conv2d", description, inputs, |x| {
                    ops::conv2d(&x[0], &x[1], Some(&x[2]), &geometry, algorithm)
                });
            }
            let (description, geometry) = (format!("{algorithm:?}: no bias"), ConvGeometry::padded(1));
            let inputs = [self.random(&[5, 4, 2], 0), self.random(&[3, 2, 3, 3], 1)];
            case!(self, check(), "conv2d", description, inputs, |x| {
                ops::conv2d(&x[0], &x[1], None, &geometry, algorithm)
            });
            let description = format!("{algorithm:?}: frozen weights, features used twice");
            let weight = self.random(&[3, 3, 3, 3], 1);
            case!(self, check(), "conv2d", description, [self.random(&[6, 5, 3], 0)], |x| {
                let weight = x[0].tape().constant(weight.mapv(Real::of));
                ops::add(&ops::conv2d(&x[0], &weight, None, &geometry, algorithm), &x[0])
            });
        }
    }

    /// Convolution, `ReLU` and pooling in one: with frozen weights, as in the network, and by its parts.
    fn fused_convolutions(&mut self) {
        let check = GradCheck::new;
        for algorithm in ConvAlgorithm::ALL {
            for pooling in [None, Some(Pooling::Max), Some(Pooling::Average)] {
                let name = pooling.map_or("no".into(), |pooling| format!("{pooling:?}").to_lowercase());
                let sizes = [([7, 9, 3], 5), ([2, 3, 1], 2), ([6, 13, 2], 1)].map(|size| (size, PaddingMode::Zeros));
                let repeated = [([7, 9, 9], 5), ([1, 4, 2], 2)].map(|size| (size, PaddingMode::Replicate));
                for ((x, outputs), mode) in sizes.into_iter().chain(repeated) {
                    if pooling.is_some() && x[0] < 2 {
                        continue;
                    }
                    let edges = if mode == PaddingMode::Replicate { ", edges" } else { "" };
                    let description = format!("{algorithm:?}: {name} pooling, {x:?} → {outputs}{edges}");
                    let (weight, bias) = (self.random(&[outputs, x[2], 3, 3], 1), self.random(&[outputs], 2));
                    case!(self, check(), "conv2d_relu", description, [self.random(&x, 0)], |x| {
                        let tape = x[0].tape();
                        let (weight, bias) = (tape.constant(weight.mapv(Real::of)), tape.constant(bias.mapv(Real::of)));
                        ops::conv2d_relu(&x[0], &weight, &bias, pooling, mode, algorithm)
                    });
                }
                let description = format!("{algorithm:?}: {name} pooling, weights too");
                let inputs = [self.random(&[5, 4, 2], 0), self.random(&[3, 2, 3, 3], 1), self.random(&[3], 2)];
                case!(self, check(), "conv2d_relu", description, inputs, |x| {
                    ops::conv2d_relu(&x[0], &x[1], &x[2], pooling, PaddingMode::Zeros, algorithm)
                });
            }
        }
    }

    /// Two convolutions and a pooling with a Gram matrix and a map seen in them: each result alone, and all.
    fn segments(&mut self) {
        let check = GradCheck::new;
        let (zeros, repeated) = (PaddingMode::Zeros, PaddingMode::Replicate);
        for (tiling, mode) in [(Tiling::Whole, zeros), (Tiling::Bands(2), zeros), (Tiling::Bands(2), repeated)] {
            for pooling in [Pooling::Max, Pooling::Average] {
                let edges = if mode == repeated { ", edges" } else { "" };
                let [w1, b1] = [self.random(&[4, 3, 3, 3], 1), self.random(&[4], 2)];
                let [w2, b2] = [self.random(&[2, 4, 3, 3], 3), self.random(&[2], 4)];
                for results in ["Gram matrix", "features", "map", "all"] {
                    let description = format!("{tiling:?}, {pooling:?} pooling, {results}{edges}");
                    let weights = [w1.clone(), b1.clone(), w2.clone(), b2.clone()];
                    case!(self, check(), "segment", description, [self.random(&[18, 5, 3], 0)], |x| {
                        let [w1, b1, w2, b2] = weights.each_ref().map(|w| w.mapv(Real::of).into());
                        let convolution = |weight, bias| Link::Convolution { weight, bias, mode, pooling: None };
                        let requested = |features, gram| Requested { features, gram };
                        let links = vec![
                            (convolution(w1, b1), requested(false, true)),
                            (convolution(w2, b2), requested(true, false)),
                            (Link::Pooling(pooling), requested(false, false)),
                        ];
                        let (mut seen, map) = segment(&x[0], links, tiling, true, ConvAlgorithm::Auto);
                        let (gram, features) = (seen[0].gram.take(), seen[1].features.take());
                        let (gram, features, map) =
                            (gram.expect("asked"), features.expect("asked"), map.expect("asked"));
                        let size = |x| ops::sum(&ops::square(x));
                        match results {
                            "features" => features,
                            "map" => map,
                            "all" => ops::add(&ops::add(&size(&gram), &size(&features)), &size(&map)),
                            _ => gram,
                        }
                    });
                }
            }
        }
    }

    /// Adds a case of an objective on a thin network, of an image of the given shape whose elements have the given size.
    /// `make` makes the objective in both precisions.
    fn objective<F, G>(
        &mut self,
        operation: &'static str,
        description: String,
        (shape, size): ([usize; 3], f64),
        make: impl Fn() -> (F, G) + 'static,
    ) where
        F: for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>,
        G: for<'t> Fn(&'t Tape<f32>, &[Var<'t, f32>]) -> Var<'t, f32>,
    {
        // Thousands of rectified units and maxima have kinks near any point: steps begin below the distance of the nearest,
        // and small steps cost digits.
        let check = GradCheck::new().seed(self.seed).directions(4).rtol(1e-7).eps(3e-5).single_tolerance(1e-3);
        let image = size * self.random(&shape, 0);
        self.list.push(Case {
            operation,
            description,
            shapes: vec![shape.to_vec()],
            subject: Box::new(move |visit| {
                let (double, single) = make();
                visited(visit, &check, double, single, std::slice::from_ref(&image));
            }),
        });
    }

    /// Each kind of term by itself, seeing what it will.
    fn terms(&mut self) {
        for (index, example) in objective::registered::<f64>().into_iter().enumerate() {
            let check = GradCheck::new().seed(self.seed);
            let x = self.random(&example.shape, 0);
            self.list.push(Case {
                operation: example.name,
                description: match example.term.place() {
                    Place::Pixels => "of the pixels".into(),
                    Place::Features(layer) => format!("of {layer}"),
                    Place::Gram(layer) => format!("of the Gram matrix of {layer}"),
                    Place::Moments(layer) => format!("of the moments of {layer}"),
                    Place::Hypercolumns(layers) => format!("of the hypercolumns of {} layers", layers.layers().count()),
                },
                shapes: vec![example.shape],
                subject: Box::new(move |visit| {
                    visited(visit, &check, score::<f64>(index), score::<f32>(index), std::slice::from_ref(&x));
                }),
            });
        }
    }

    /// Each preset's objective, with a total variation term.
    fn style_transfers(&mut self) {
        let seed = self.seed;
        for &preset in <Preset as VariantArray>::VARIANTS {
            for loss in <StyleLoss as VariantArray>::VARIANTS.iter().copied() {
                self.objective("style_transfer", format!("{preset:?}, {loss}"), ([19, 17, 3], 1.0), move || {
                    (style_transfer::<f64>(preset, loss, seed), style_transfer::<f32>(preset, loss, seed))
                });
            }
        }
    }

    /// Pictures and examples differ in size. A seamless one has sides that are multiples of the deepest layer's stride.
    fn textures(&mut self) {
        let seed = self.seed;
        let (default, shallow) = (objective::texture_layers, || objective::texture_layers_up_to(layer("conv3_2")));
        for (description, shape, layers, pooling, seamless) in [
            ("default layers", [19, 17, 3], default(), Pooling::Max, false),
            ("default layers, average pooling", [19, 17, 3], default(), Pooling::Average, false),
            ("default layers, seamless", [16, 32, 3], default(), Pooling::Max, true),
            ("up to conv3_2, seamless, average pooling", [8, 12, 3], shallow(), Pooling::Average, true),
        ] {
            self.objective("texture", description.into(), (shape, 1.0), move || {
                (texture::<f64>(&layers, pooling, seamless, seed), texture::<f32>(&layers, pooling, seamless, seed))
            });
        }
    }

    /// Pictures on 0..255 less the mean; where one is larger than the image whose features are sought, a part is shown.
    fn inversions(&mut self) {
        let seed = self.seed;
        let part = Selection { patch: Some([1..4, 2..3]), channels: Some(1..3) };
        let channels = Selection { patch: None, channels: Some(2..3) };
        let all = Selection::default;
        let published = |name| Priors::published(layer(name));
        for (description, shape, name, selection, priors) in [
            ("relu1_1, published priors", [19, 17, 3], "relu1_1", all(), published("relu1_1")),
            ("relu3_4, light priors", [19, 17, 3], "relu3_4", all(), Priors::light(layer("relu3_4"))),
            ("pool4, published priors", [19, 17, 3], "pool4", all(), published("pool4")),
            (
                "relu5_1, no priors",
                [19, 17, 3],
                "relu5_1",
                all(),
                Priors { lambda_alpha: 0.0, lambda_tv: 0.0, ..published("relu5_1") },
            ),
            (
                "relu2_2, α = 3.5, β = 1.5",
                [19, 17, 3],
                "relu2_2",
                all(),
                Priors { alpha: 3.5, beta: 1.5, lambda_alpha: 1e-5, lambda_tv: 10.0 },
            ),
            ("conv2_1, a patch of two channels", [19, 17, 3], "conv2_1", part, published("conv2_1")),
            ("relu3_1, one channel, part of a larger picture", [22, 21, 3], "relu3_1", channels, published("relu3_1")),
        ] {
            self.objective("inversion", description.into(), (shape, 60.0), move || {
                let layer = layer(name);
                (inversion::<f64>(layer, &selection, priors, seed), inversion::<f32>(layer, &selection, priors, seed))
            });
        }
    }
}

type PoolingCase = (&'static str, [usize; 3], PoolGeometry);

fn poolings() -> [PoolingCase; 7] {
    let pool = |kernel, stride, padding, ceil_mode| PoolGeometry { kernel, stride, padding, ceil_mode };
    [
        ("2×2, odd sizes", [5, 7, 3], PoolGeometry::square(2)),
        ("2×2, one channel", [4, 6, 1], PoolGeometry::square(2)),
        ("one pixel", [1, 1, 2], PoolGeometry::square(1)),
        ("3×3, overlapping", [6, 5, 2], pool([3, 3], [1, 2], [0, 0], false)),
        ("3×3, padded", [5, 6, 2], pool([3, 3], [2, 2], [1, 1], false)),
        ("2×3, padded, last windows kept", [5, 6, 2], pool([2, 3], [3, 2], [1, 1], true)),
        ("1×2, gaps between windows", [7, 5, 2], pool([1, 2], [3, 3], [0, 0], false)),
    ]
}

type ConvolutionCase = (&'static str, [usize; 3], [usize; 4], ConvGeometry);

fn convolutions() -> [ConvolutionCase; 10] {
    let with = |stride, padding: [usize; 4], dilation| ConvGeometry {
        stride,
        padding: padding.into(),
        dilation,
        ..ConvGeometry::default()
    };
    let padded = ConvGeometry::padded;
    let repeated = |geometry| ConvGeometry { mode: PaddingMode::Replicate, ..geometry };
    [
        ("3×3, odd sizes", [5, 7, 2], [3, 2, 3, 3], padded(1)),
        ("3×3, one channel", [6, 6, 1], [1, 1, 3, 3], padded(1)),
        ("one pixel", [1, 1, 1], [2, 1, 3, 3], padded(1)),
        ("1×1", [3, 4, 3], [2, 3, 1, 1], padded(0)),
        ("3×3, padding larger than the image", [2, 1, 2], [2, 2, 3, 3], padded(3)),
        ("2×3, stride 2×3, uneven padding", [7, 6, 2], [2, 2, 2, 3], with([2, 3], [1, 0, 2, 1], [1, 1])),
        ("3×2, dilation 2×3", [7, 6, 2], [2, 2, 3, 2], with([1, 1], [1, 2, 1, 2], [2, 3])),
        ("5×4, stride 2, dilation 2", [9, 8, 1], [2, 1, 5, 4], with([2, 2], [2, 1, 2, 1], [2, 2])),
        ("3×3, repeated edges", [5, 7, 2], [3, 2, 3, 3], repeated(padded(1))),
        ("2×3, stride 2×3, repeated edges", [7, 6, 2], [2, 2, 2, 3], repeated(with([2, 3], [1, 0, 2, 1], [1, 1]))),
    ]
}

/// What objectives are checked on: random weights, few channels.
fn network<T: Real>(pooling: Pooling, seed: u64) -> Vgg19<T> {
    Vgg19::new(Weights::random_with_widths([2, 3, 4, 5, 5], seed, None)).with_pooling(pooling)
}

/// A random image as the network takes it, another for each `number`.
fn image<T: Real>(shape: [usize; 3], seed: u64, number: u64) -> Array3<T> {
    let mut rng = ChaCha8Rng::seed_from_u64(!seed);
    rng.set_stream(number);
    Array3::from_shape_simple_fn(shape, || T::of(rng.random_range(-2.0..2.0)))
}

fn layer(name: &str) -> Layer {
    name.parse().expect("a layer's name")
}

/// The registered term of that index as a function of what it sees.
fn score<T: Real>(index: usize) -> impl for<'t> Fn(&'t Tape<T>, &[Var<'t, T>]) -> Var<'t, T> {
    let term = objective::registered::<T>().swap_remove(index).term;
    move |_, x| {
        // Moments are those of some features: nothing else has covariances.
        let value = match term.place() {
            Place::Moments(_) => ops::moments(&x[0], None),
            _ => x[0].clone(),
        };
        term.score(&objective::Seen { value, positions: 12.0 }, 0.7)
    }
}

/// The objective's value as a function of its pixels, of which the network sees `input`.
fn value<T: Real>(
    objective: Objective<T>,
    network: Vgg19<T>,
    input: impl for<'t> Fn(&Var<'t, T>) -> Var<'t, T>,
) -> impl for<'t> Fn(&'t Tape<T>, &[Var<'t, T>]) -> Var<'t, T> {
    move |_, x| objective.evaluate(&network, &x[0], &input(&x[0])).expect("large enough for every layer").scaled
}

fn style_transfer<T: Real>(
    preset: Preset,
    style_loss: StyleLoss,
    seed: u64,
) -> impl for<'t> Fn(&'t Tape<T>, &[Var<'t, T>]) -> Var<'t, T> + use<T> {
    let recipe = Recipe { style_loss, tv_weight: 1e-2, ..preset.recipe(true) };
    let network = recipe.network(&network(recipe.pooling, seed));
    let (content, style) = (image([19, 17, 3], seed, 0), image([18, 23, 3], seed, 1));
    let transfer = objective::style_transfer(&recipe, &network, content, vec![(style, 1.0)]);
    value(transfer.expect("large enough for every layer"), network, |x| x.clone())
}

fn texture<T: Real>(
    layers: &LayerWeights,
    pooling: Pooling,
    seamless: bool,
    seed: u64,
) -> impl for<'t> Fn(&'t Tape<T>, &[Var<'t, T>]) -> Var<'t, T> + use<T> {
    let network = network(pooling, seed);
    let texture = objective::texture(&network, image([18, 23, 3], seed, 0), layers);
    let network = if seamless { network.seamless() } else { network };
    value(texture.expect("large enough for every layer"), network, |x| x.clone())
}

fn inversion<T: Real>(
    layer: Layer,
    selection: &Selection,
    priors: Priors,
    seed: u64,
) -> impl for<'t> Fn(&'t Tape<T>, &[Var<'t, T>]) -> Var<'t, T> + use<T> {
    let network = network(Pooling::Max, seed);
    let image = image([19, 17, 3], seed, 0);
    let inversion = objective::inversion(&network, image, layer, selection.clone(), priors).expect("fits the layer");
    let to_input = ndarray::arr1(&network.std().map(|std| T::of(1.0 / (255.0 * std))));
    value(inversion, network, move |x| {
        let window = if x.shape()[0] == 19 { x.clone() } else { ops::slice(x, 1..20, 2..19, 0..3) };
        ops::mul(&window, &x.tape().constant(to_input.clone()))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_and_objective_is_listed_and_nothing_else() {
        let lines = include_str!("../ops/mod.rs").lines();
        let exported =
            lines.filter_map(|line| line.strip_prefix("pub use ").or_else(|| line.strip_prefix("pub(crate) use ")));
        // What users choose by comes from the kernels.
        let exported = exported.filter(|line| !line.starts_with("crate::"));
        let names = exported.flat_map(|line| {
            let names = line.trim_end_matches(';').split_once("::").expect("module::names").1;
            names.trim_matches(['{', '}']).split(", ").map(String::from).collect::<Vec<_>>()
        });
        // Operations are functions; the types beside them are their arguments.
        let names = names.filter(|name| name.starts_with(char::is_lowercase));
        let terms = objective::registered::<f64>().into_iter().map(|example| example.name.to_owned());
        // Objectives, and the operation that executes the network.
        let others = ["style_transfer", "texture", "inversion", "segment"].map(String::from);
        let exist: BTreeSet<String> = names.chain(terms).chain(others).collect();
        let listed: BTreeSet<String> = operations().into_iter().map(String::from).collect();
        assert_eq!(listed, exist);
        assert_eq!(operations().len(), listed.len(), "cases of one operation stand together");
    }

    #[test]
    fn every_gradient_is_right() {
        for case in cases(1) {
            let report = case.check().unwrap_or_else(|failure| {
                panic!("{} {} {:?}: {failure}", case.operation, case.description, case.shapes)
            });
            assert!(report.compared > 0 && report.operations > 0, "{} {}", case.operation, case.description);
        }
    }

    #[test]
    fn what_single_precision_holds_less_well_is_right_for_any_seed() {
        for seed in 0..10 {
            let few = |case: &Case| case.operation == "Wasserstein" || case.description == "Winograd: one pixel";
            let mut checked = 0;
            for case in cases(seed).iter().filter(|case| few(case)) {
                let report =
                    case.check().unwrap_or_else(|failure| panic!("seed {seed}, {}: {failure}", case.operation));
                assert!(report.single.is_some());
                checked += 1;
            }
            assert_eq!(checked, 4);
        }
    }

    #[test]
    fn cases_at_kinks_are_at_kinks() {
        let kinks = ["at zero", "α = 1, at zero", "a constant image, β = 1", "a tie"];
        for case in cases(2).iter().filter(|case| kinks.contains(&&case.description[..])) {
            assert!(!case.check().unwrap().subgradients.is_empty(), "{} {}", case.operation, case.description);
        }
    }
}
