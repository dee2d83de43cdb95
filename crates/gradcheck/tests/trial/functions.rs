//! The functions of the trial, each with its right vector-Jacobian product written by hand.

use ndarray::{Array1, Array2, ArrayD, ArrayView1, ArrayView2, Axis, Ix1, Ix2, IxDyn, arr0};

pub type Array = ArrayD<f64>;
pub type Value = Box<dyn Fn(&[Array]) -> Array + Send + Sync>;
pub type Vjp = Box<dyn Fn(&[Array], &Array) -> Vec<Array> + Send + Sync>;

/// A function of some arrays at a point, with its VJP.
pub struct Function {
    pub name: String,
    pub inputs: Vec<Array>,
    pub value: Value,
    pub vjp: Vjp,
    /// The input that is a square matrix, if there is one.
    pub square: Option<usize>,
    /// The input whose gradient is a sum over the rows of a matrix that it is added to or multiplied with.
    pub stretched: Option<usize>,
}

impl Function {
    /// A function without a square matrix and without a stretched row.
    pub fn new(
        name: impl Into<String>,
        inputs: impl Into<Vec<Array>>,
        value: impl Fn(&[Array]) -> Array + Send + Sync + 'static,
        vjp: impl Fn(&[Array], &Array) -> Vec<Array> + Send + Sync + 'static,
    ) -> Self {
        let (name, inputs) = (name.into(), inputs.into());
        Self { name, inputs, value: Box::new(value), vjp: Box::new(vjp), square: None, stretched: None }
    }

    fn square(self, input: usize) -> Self {
        Self { square: Some(input), ..self }
    }

    fn stretched(self, input: usize) -> Self {
        Self { stretched: Some(input), ..self }
    }

    /// Elements of all inputs.
    pub fn elements(&self) -> usize {
        self.inputs.iter().map(ArrayD::len).sum()
    }
}

/// Numbers spread over an interval, without two that are the same or a simple fraction of it; another sequence for each
/// `number`.
pub fn spread(shape: &[usize], [low, high]: [f64; 2], number: usize) -> Array {
    let mut at = 0.137 + 0.271_3 * number as f64;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        at = (at + 0.618_033_988_749_894_9).fract();
        low + (high - low) * at
    })
}

/// A function of one number, its derivative, and where it is looked at.
#[derive(Clone, Copy)]
pub struct Scalar {
    pub name: &'static str,
    f: fn(f64) -> f64,
    derivative: fn(f64) -> f64,
    range: [f64; 2],
}

/// Smooth functions; then bent ones, whose second derivative jumps; then kinked ones.
pub const SCALARS: [Scalar; 20] = {
    const fn new(name: &'static str, f: fn(f64) -> f64, derivative: fn(f64) -> f64, range: [f64; 2]) -> Scalar {
        Scalar { name, f, derivative, range }
    }
    const BOTH: [f64; 2] = [-2.3, 1.9];
    const POSITIVE: [f64; 2] = [0.11, 2.7];
    [
        new("sin", f64::sin, f64::cos, BOTH),
        new("exp", f64::exp, f64::exp, BOTH),
        new("tanh", f64::tanh, |x| 1.0 - x.tanh().powi(2), BOTH),
        new("ln", f64::ln, f64::recip, POSITIVE),
        new("sqrt", f64::sqrt, |x| 0.5 / x.sqrt(), POSITIVE),
        new("1/x", f64::recip, |x| -x.powi(-2), POSITIVE),
        new("x³", |x| x.powi(3), |x| 3.0 * x * x, BOTH),
        new("softplus", |x| x.exp().ln_1p(), |x| 1.0 / (1.0 + (-x).exp()), BOTH),
        new("exp(−x²)", |x| (-x * x).exp(), |x| -2.0 * x * (-x * x).exp(), BOTH),
        new("atan", f64::atan, |x| 1.0 / (1.0 + x * x), BOTH),
        new("sinh", f64::sinh, f64::cosh, BOTH),
        new("x/(1+x²)", |x| x / (1.0 + x * x), |x| (1.0 - x * x) / (1.0 + x * x).powi(2), BOTH),
        new("x·ln x", |x| x * x.ln(), |x| x.ln() + 1.0, POSITIVE),
        new("expm1", f64::exp_m1, f64::exp, BOTH),
        new("Huber", |x| if x.abs() < 1.0 { x * x / 2.0 } else { x.abs() - 0.5 }, |x| x.clamp(-1.0, 1.0), BOTH),
        new("x·|x|", |x| x * x.abs(), |x| 2.0 * x.abs(), BOTH),
        new("|x|^1.5", |x| x.abs().powf(1.5), |x| 1.5 * x.abs().sqrt().copysign(x), BOTH),
        new("relu²", |x| x.max(0.0).powi(2), |x| 2.0 * x.max(0.0), BOTH),
        new("|x| sin x", |x| x.abs() * x.sin(), |x| x.signum() * x.sin() + x.abs() * x.cos(), BOTH),
        new("elu", |x| if x > 0.0 { x } else { x.exp_m1() }, |x| if x > 0.0 { 1.0 } else { x.exp() }, BOTH),
    ]
};

/// s·φ(x/m) of each element.
fn elementwise(scalar: Scalar, shape: &[usize], m: f64, s: f64) -> Function {
    let Scalar { name, f, derivative, range } = scalar;
    Function::new(
        format!("{name} of {shape:?}, x of {m:e}, y of {s:e}"),
        [spread(shape, range.map(|x| x * m), shape.len())],
        move |x| x[0].mapv(|x| s * f(x / m)),
        move |x, dy| vec![dy * &x[0].mapv(|x| s / m * derivative(x / m))],
    )
}

/// Σ wᵢ·φ(xᵢ/m) with weights of one sign.
fn sum(scalar: Scalar, n: usize, m: f64, s: f64) -> Function {
    let Scalar { name, f, derivative, range } = scalar;
    let weights = spread(&[n], [0.3 * s, 1.7 * s], 7);
    let of_gradient = weights.clone();
    Function::new(
        format!("Σ w·{name} of {n}, x of {m:e}, y of {s:e}"),
        [spread(&[n], range.map(|x| x * m), 1)],
        move |x| scalar_of(x[0].iter().zip(&weights).map(|(x, w)| w * f(x / m)).sum()),
        move |x, dy| vec![&of_gradient * &x[0].mapv(|x| derivative(x / m) / m) * number(dy)],
    )
}

/// An array of one number.
pub fn scalar_of(x: f64) -> Array {
    arr0(x).into_dyn()
}

/// The number in an array of one.
pub fn number(x: &Array) -> f64 {
    x[IxDyn(&[])]
}

fn matrix(x: &Array) -> ArrayView2<'_, f64> {
    x.view().into_dimensionality::<Ix2>().expect("a matrix")
}

fn vector(x: &Array) -> ArrayView1<'_, f64> {
    x.view().into_dimensionality::<Ix1>().expect("a vector")
}

/// Norms and the like of n numbers of size m.
fn of_vectors(n: usize, m: f64) -> Vec<Function> {
    let x = |number| spread(&[n], [-1.3 * m, 1.9 * m], number);
    let name = |name: &str| format!("{name} of {n}, x of {m:e}");
    let norm = |x: &Array| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let softmax = |x: &Array, m: f64| {
        let powers = x.mapv(|x| (x / m).exp());
        &powers / powers.sum()
    };
    vec![
        Function::new(
            name("‖x‖"),
            [x(0)],
            move |x| scalar_of(norm(&x[0])),
            move |x, dy| vec![&x[0] * (number(dy) / norm(&x[0]))],
        ),
        Function::new(
            name("x/‖x‖"),
            [x(1)],
            move |x| &x[0] / norm(&x[0]),
            move |x, dy| {
                let (r, along) = (norm(&x[0]), (dy * &x[0]).sum());
                vec![(dy - &(&x[0] * (along / (r * r)))) / r]
            },
        ),
        Function::new(
            name("softmax"),
            [x(2)],
            move |x| softmax(&x[0], m),
            move |x, dy| {
                let y = softmax(&x[0], m);
                let mean = (dy * &y).sum();
                vec![dy.mapv(|d| d - mean) * &y / m]
            },
        ),
        Function::new(
            name("log-sum-exp"),
            [x(3)],
            move |x| scalar_of(x[0].mapv(|x| (x / m).exp()).sum().ln()),
            move |x, dy| vec![softmax(&x[0], m) * (number(dy) / m)],
        ),
        Function::new(
            name("variance"),
            [x(4)],
            |x| scalar_of(x[0].var(0.0)),
            move |x, dy| {
                let mean = x[0].mean().expect("not empty");
                vec![x[0].mapv(|x| 2.0 / n as f64 * (x - mean)) * number(dy)]
            },
        ),
        Function::new(
            name("cosine"),
            [x(5), x(6)],
            move |x| scalar_of((&x[0] * &x[1]).sum() / norm(&x[0]) / norm(&x[1])),
            {
                move |x, dy| {
                    let (a, b) = (norm(&x[0]), norm(&x[1]));
                    let cosine = (&x[0] * &x[1]).sum() / a / b;
                    let of =
                        |x: &Array, y: &Array, a: f64, b: f64| (y / (a * b) - &(x * (cosine / (a * a)))) * number(dy);
                    vec![of(&x[0], &x[1], a, b), of(&x[1], &x[0], b, a)]
                }
            },
        ),
        Function::new(
            name("products of neighbours"),
            [x(7)],
            |x| of_neighbours(&x[0], |a, b| a * b),
            |x, dy| {
                let mut gradient = Array1::zeros(x[0].len());
                for (i, (pair, dy)) in vector(&x[0]).windows(2).into_iter().zip(dy).enumerate() {
                    gradient[i] += dy * pair[1];
                    gradient[i + 1] += dy * pair[0];
                }
                vec![gradient.into_dyn()]
            },
        ),
        Function::new(
            name("Rosenbrock"),
            [x(8)],
            move |x| {
                scalar_of(
                    of_neighbours(&x[0], |a, b| (1.0 - a / m).powi(2) + 100.0 * (b / m - (a / m).powi(2)).powi(2))
                        .sum(),
                )
            },
            move |x, dy| {
                let mut gradient = Array1::zeros(x[0].len());
                for (i, pair) in vector(&x[0]).windows(2).into_iter().enumerate() {
                    let (a, b) = (pair[0] / m, pair[1] / m);
                    gradient[i] += (-2.0 * (1.0 - a) - 400.0 * a * (b - a * a)) / m;
                    gradient[i + 1] += 200.0 * (b - a * a) / m;
                }
                vec![gradient.into_dyn() * number(dy)]
            },
        ),
    ]
}

fn of_neighbours(x: &Array, f: impl Fn(f64, f64) -> f64) -> Array {
    vector(x).windows(2).into_iter().map(|pair| f(pair[0], pair[1])).collect::<Array1<f64>>().into_dyn()
}

/// Products and layers of matrices whose elements are of size m.
fn of_matrices(n: usize, m: f64) -> Vec<Function> {
    let x = |shape: &[usize], number| spread(shape, [-1.1 * m, 1.7 * m], number);
    let name = |name: &str| format!("{name}, n = {n}, x of {m:e}");
    let (square, tall, row) = (vec![n, n], vec![n + 2, n], vec![n]);
    vec![
        Function::new(
            name("A·B"),
            [x(&tall, 0), x(&square, 1)],
            |x| matrix(&x[0]).dot(&matrix(&x[1])).into_dyn(),
            |x, dy| {
                let (a, b, dy) = (matrix(&x[0]), matrix(&x[1]), matrix(dy));
                vec![dy.dot(&b.t()).into_dyn(), a.t().dot(&dy).into_dyn()]
            },
        )
        .square(1),
        Function::new(
            name("tanh(X·W + b)"),
            [x(&tall, 2), x(&square, 3), x(&row, 4)],
            move |x| layer(x, m),
            move |x, dy| {
                let (a, w) = (matrix(&x[0]), matrix(&x[1]));
                let d = (dy * &layer(x, m).mapv(|y| (1.0 - y * y) / (m * m)))
                    .into_dimensionality::<Ix2>()
                    .expect("a matrix");
                vec![d.dot(&w.t()).into_dyn(), a.t().dot(&d).into_dyn(), d.sum_axis(Axis(0)).into_dyn() * m]
            },
        )
        .square(1)
        .stretched(2),
        Function::new(
            name("xᵀ·A·x"),
            [x(&square, 5), x(&row, 6)],
            |x| scalar_of(vector(&x[1]).dot(&matrix(&x[0]).dot(&vector(&x[1])))),
            |x, dy| {
                let (a, v) = (matrix(&x[0]), vector(&x[1]));
                let outer = v.insert_axis(Axis(1)).dot(&v.insert_axis(Axis(0)));
                vec![outer.into_dyn() * number(dy), (a.dot(&v) + a.t().dot(&v)).into_dyn() * number(dy)]
            },
        ),
    ]
}

/// Functions of one matrix whose elements are of size m.
fn of_one_matrix(n: usize, m: f64) -> Vec<Function> {
    let x = |shape: &[usize], number| spread(shape, [-1.1 * m, 1.7 * m], number);
    let name = |name: &str| format!("{name}, n = {n}, x of {m:e}");
    let (square, tall) = (vec![n, n], vec![n + 2, n]);
    vec![
        Function::new(
            name("AᵀA"),
            [x(&tall, 7)],
            |x| matrix(&x[0]).t().dot(&matrix(&x[0])).into_dyn(),
            |x, dy| vec![matrix(&x[0]).dot(&(&matrix(dy) + &matrix(dy).t())).into_dyn()],
        ),
        Function::new(
            name("A·A"),
            [x(&square, 8)],
            |x| matrix(&x[0]).dot(&matrix(&x[0])).into_dyn(),
            |x, dy| {
                let (a, dy) = (matrix(&x[0]), matrix(dy));
                vec![(dy.dot(&a.t()) + a.t().dot(&dy)).into_dyn()]
            },
        )
        .square(0),
        Function::new(
            name("tr(A³)"),
            [x(&square, 9)],
            |x| scalar_of(matrix(&x[0]).dot(&matrix(&x[0])).dot(&matrix(&x[0])).diag().sum()),
            |x, dy| {
                let a = matrix(&x[0]);
                vec![(a.dot(&a).t().to_owned() * (3.0 * number(dy))).into_dyn()]
            },
        )
        .square(0),
        Function::new(
            name("A⁻¹"),
            [x(&square, 10) * 0.1 + &diagonal(n, m)],
            |x| inverse(&matrix(&x[0])).into_dyn(),
            |x, dy| {
                let y = inverse(&matrix(&x[0]));
                vec![(-y.t().dot(&matrix(dy)).dot(&y.t())).into_dyn()]
            },
        )
        .square(0),
    ]
}

/// Functions of a matrix and a row whose elements are of size m.
fn of_a_matrix_and_a_row(n: usize, m: f64) -> Vec<Function> {
    let x = |shape: &[usize], number| spread(shape, [-1.1 * m, 1.7 * m], number);
    let name = |name: &str| format!("{name}, n = {n}, x of {m:e}");
    let (tall, row) = (vec![n + 2, n], vec![n]);
    vec![
        Function::new(
            name("rows in proportion to b"),
            [x(&tall, 11), x(&row, 12)],
            |x| &x[0] * &x[1] * &x[0],
            |x, dy| {
                let of_b = (dy * &x[0] * &x[0]).sum_axis(Axis(0));
                vec![dy * &x[0] * &x[1] * 2.0, of_b]
            },
        )
        .stretched(1),
        Function::new(
            name("(X − c)²"),
            [x(&tall, 13), x(&row, 14)],
            |x| (&x[0] - &x[1]).mapv(|d| d * d),
            |x, dy| {
                let d = dy * &(&x[0] - &x[1]) * 2.0;
                vec![d.clone(), -d.sum_axis(Axis(0))]
            },
        )
        .stretched(1),
        Function::new(
            name("layer normalisation, scaled"),
            [x(&tall, 15), spread(&row, [0.4, 1.6], 16)],
            |x| normalised(&x[0]).0 * &x[1],
            |x, dy| {
                let (y, deviation) = normalised(&x[0]);
                let d = dy * &x[1];
                let mean = d.mean_axis(Axis(1)).expect("not empty").insert_axis(Axis(1));
                let along = (&d * &y).mean_axis(Axis(1)).expect("not empty").insert_axis(Axis(1));
                vec![(&d - &mean - &(&y * &along)) / &deviation, (dy * &y).sum_axis(Axis(0))]
            },
        )
        .stretched(1),
    ]
}

/// tanh((X·W)/m² + b/m).
fn layer(x: &[Array], m: f64) -> Array {
    ((matrix(&x[0]).dot(&matrix(&x[1])) / (m * m) + &(&x[2] / m)).mapv(f64::tanh)).into_dyn()
}

fn diagonal(n: usize, m: f64) -> Array {
    Array2::from_diag(&Array1::from_shape_fn(n, |i| m * (1.0 + 0.1 * i as f64))).into_dyn()
}

/// By Gauss and Jordan; the diagonal dominates.
fn inverse(a: &ArrayView2<'_, f64>) -> Array2<f64> {
    let n = a.nrows();
    let (mut a, mut result) = (a.to_owned(), Array2::eye(n));
    for i in 0..n {
        let pivot = a[[i, i]];
        for k in 0..n {
            a[[i, k]] /= pivot;
            result[[i, k]] /= pivot;
        }
        for j in (0..n).filter(|&j| j != i) {
            let factor = a[[j, i]];
            for k in 0..n {
                a[[j, k]] -= factor * a[[i, k]];
                result[[j, k]] -= factor * result[[i, k]];
            }
        }
    }
    result
}

/// Rows less their mean, divided by their standard deviation; and that.
pub fn normalised(x: &Array) -> (Array, Array) {
    let mean = x.mean_axis(Axis(1)).expect("not empty").insert_axis(Axis(1));
    let deviation = x.std_axis(Axis(1), 0.0).insert_axis(Axis(1));
    ((x - &mean) / &deviation, deviation)
}

/// Elements of twelve orders of magnitude in one input.
fn of_all_sizes() -> Vec<Function> {
    let sizes = |range: [f64; 2]| {
        let mut exponent = -6.0;
        spread(&[13], range, 3).mapv(|x| {
            exponent += 1.0;
            x * f64::powf(10.0, exponent - 1.0)
        })
    };
    let of = |name: &str, range, f: fn(f64) -> f64, derivative: fn(f64) -> f64| {
        Function::new(
            format!("{name} of 1e-6 to 1e6"),
            [sizes(range)],
            move |x| x[0].mapv(f),
            move |x, dy| vec![dy * &x[0].mapv(derivative)],
        )
    };
    vec![
        of("1/x", [0.7, 1.4], f64::recip, |x| -x.powi(-2)),
        of("ln", [0.7, 1.4], f64::ln, f64::recip),
        of("x³", [-1.4, 1.9], |x| x.powi(3), |x| 3.0 * x * x),
        of("√(1+x²)", [-1.4, 1.9], |x| x.hypot(1.0), |x| x / x.hypot(1.0)),
        of("asinh", [-1.4, 1.9], f64::asinh, |x| 1.0 / x.hypot(1.0)),
    ]
}

/// All that have a derivative where they are looked at.
pub fn smooth() -> Vec<Function> {
    let mut functions = Vec::new();
    // Each function of a number meets other shapes and sizes; over all of them each shape meets each size.
    let shapes: [&[usize]; 6] = [&[], &[1], &[7], &[4, 5], &[2, 3, 4], &[100]];
    let sizes = [(1.0, 1.0), (1e-12, 1.0), (1e12, 1.0), (1.0, 1e-12), (1.0, 1e12), (1e-6, 1e6), (1e5, 1e-9)];
    for (i, scalar) in SCALARS.into_iter().enumerate() {
        for k in 0..3 {
            let (m, s) = sizes[(i + 2 * k) % sizes.len()];
            functions.push(elementwise(scalar, shapes[(i + k) % shapes.len()], m, s));
        }
        let (m, s) = sizes[(i + 3) % sizes.len()];
        let counts = [3, 300, 30_000];
        functions.push(sum(scalar, counts[i % counts.len()], m, s));
        if i % 5 == 0 {
            functions.push(sum(scalar, 100_000, 1.0, 1.0));
        }
    }
    for (n, m) in [(2, 1.0), (5, 1e-9), (40, 1e6), (300, 1.0)] {
        functions.extend(of_vectors(n, m));
    }
    for (n, m) in [(2, 1.0), (4, 1e-6), (5, 1e6), (12, 1.0)] {
        functions.extend(of_matrices(n, m));
        functions.extend(of_one_matrix(n, m));
        functions.extend(of_a_matrix_and_a_row(n, m));
    }
    functions.extend(of_all_sizes());
    functions
}

/// A function at a point where it has a kink, its VJP one of the subgradients there, and the distance at which another VJP is
/// not a subgradient: a multiple of dy at the elements that have the kink.
pub struct Kinked {
    pub function: Function,
    pub kinks: Vec<usize>,
    pub off: f64,
}

/// Kinks of one element, of many, beside elements that have none; of all sizes.
pub fn kinked() -> Vec<Kinked> {
    let mut all = Vec::new();
    for (n, m) in [(1, 1.0), (6, 1e-9), (30, 1e6), (500, 1.0), (30_000, 1.0)] {
        let at_zero: Vec<usize> = (0..n).filter(|i| n == 1 || i % 7 == 3).collect();
        let mut x = spread(&[n], [-1.3 * m, 1.7 * m], 0);
        for &i in &at_zero {
            x[[i]] = 0.0;
        }
        let weights = spread(&[n], [0.5, 1.5], 1);
        // f, a subgradient, and one at 0 that is none.
        let kinks: [(&str, fn(f64) -> f64, fn(f64) -> f64, f64); 5] = [
            ("relu", |x| x.max(0.0), |x| if x > 0.0 { 1.0 } else { 0.0 }, 2.5),
            ("|x|", f64::abs, |x| if x == 0.0 { 0.0 } else { x.signum() }, 2.5),
            ("leaky relu", |x| x.max(0.1 * x), |x| if x > 0.0 { 1.0 } else { 0.1 }, -0.5),
            ("exp |x|", |x| x.abs().exp(), |x| if x == 0.0 { 0.0 } else { x.signum() * x.abs().exp() }, -1.7),
            ("clip at 0", |x| x.min(0.0) + x * x, |x| 2.0 * x + if x < 0.0 { 1.0 } else { 0.0 }, 2.5),
        ];
        for (name, f, slope, off) in kinks {
            let name = format!("{name} of {n}, x of {m:e}");
            let of_sum = (weights.clone(), weights.clone());
            let each = Function::new(
                name.clone(),
                [x.clone()],
                move |x| x[0].mapv(|x| f(x / m)),
                move |x, dy| vec![dy * &x[0].mapv(|x| slope(x / m) / m)],
            );
            let sum = Function::new(
                format!("Σ w·{name}"),
                [x.clone()],
                move |x| scalar_of(x[0].iter().zip(&of_sum.0).map(|(x, w)| w * f(x / m)).sum()),
                move |x, dy| vec![&of_sum.1 * &x[0].mapv(|x| slope(x / m) / m) * number(dy)],
            );
            // Of very many, the kinks of the sum alone.
            if n < 1000 {
                all.push(Kinked { function: each, kinks: at_zero.clone(), off: off / m });
            }
            all.push(Kinked { function: sum, kinks: at_zero.clone(), off: off / m });
        }
    }
    all
}
