//! Functions that do not depend on their argument, so that all terms of the right gradient cancel and nothing is left but their
//! rounding.

use ndarray::Axis;

use super::functions::{Array, Function, normalised, number, scalar_of, spread};

/// Functions of n numbers, or rows of two, of size m.
fn of(n: usize, m: f64) -> Vec<Function> {
    let x = |number| spread(&[n], [0.3 * m, 1.9 * m], number);
    let name = |name: &str| format!("{name} of {n}, x of {m:e}");
    let norm = |x: &Array| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let powers = move |x: &[Array]| {
        let of_one = (&x[0] / m + x[1].sum() / m).mapv(f64::exp);
        let sum = of_one.sum();
        (of_one / sum, sum)
    };
    vec![
        Function::new(
            name("pairs less their mean, in units of their deviation"),
            [spread(&[n, 2], [-1.1 * m, 1.7 * m], 1)],
            |x| normalised(&x[0]).0,
            |x, dy| {
                let (y, deviation) = normalised(&x[0]);
                let mean = dy.mean_axis(Axis(1)).expect("not empty").insert_axis(Axis(1));
                let along = (dy * &y).mean_axis(Axis(1)).expect("not empty").insert_axis(Axis(1));
                vec![(dy - &mean - &(&y * &along)) / &deviation]
            },
        ),
        Function::new(
            name("x/√x²"),
            [x(2)],
            |x| x[0].mapv(|x| x / (x * x).sqrt()),
            |x, dy| {
                let slope = |x: f64| {
                    let r = (x * x).sqrt();
                    1.0 / r - x / r * x / (r * r)
                };
                vec![dy * &x[0].mapv(slope)]
            },
        ),
        Function::new(
            name("cosine of x and 3x"),
            [x(3)],
            move |x| scalar_of((&x[0] * &x[0] * 3.0).sum() / norm(&x[0]) / norm(&(&x[0] * 3.0))),
            move |x, dy| {
                let (y, a, b) = (&x[0] * 3.0, norm(&x[0]), norm(&(&x[0] * 3.0)));
                let cosine = (&x[0] * &y).sum() / a / b;
                let of = |x: &Array, y: &Array, a: f64, b: f64| y / (a * b) - &(x * (cosine / (a * a)));
                vec![(of(&x[0], &y, a, b) + of(&y, &x[0], b, a) * 3.0) * number(dy)]
            },
        ),
        Function::new(
            name("sin² + cos²"),
            [x(4)],
            move |x| x[0].mapv(|x| (x / m).sin().powi(2) + (x / m).cos().powi(2)),
            move |x, dy| {
                let (sin, cos) = (x[0].mapv(|x| (x / m).sin()), x[0].mapv(|x| (x / m).cos()));
                vec![dy * &sin * 2.0 * &cos / m - dy * 2.0 / m * &cos * &sin]
            },
        ),
        Function::new(
            name("‖x/‖x‖‖"),
            [x(5)],
            move |x| scalar_of(norm(&(&x[0] / norm(&x[0])))),
            move |x, dy| {
                let r = norm(&x[0]);
                let unit = &x[0] / r;
                let of_unit = &unit * (number(dy) / norm(&unit));
                let along = (&of_unit * &x[0]).sum();
                vec![(&of_unit - &(&x[0] * (along / (r * r)))) / r]
            },
        ),
        Function::new(
            name("softmax(x + t) by t"),
            [x(6), scalar_of(0.4 * m)],
            move |x| powers(x).0,
            move |x, dy| {
                let y = powers(x).0;
                let mean = (dy * &y).sum();
                let of_x = dy.mapv(|d| d - mean) * &y / m;
                let of_t = scalar_of(of_x.sum());
                vec![of_x, of_t]
            },
        ),
        Function::new(
            name("log-sum-exp(x + t) − t"),
            [x(7), scalar_of(0.4 * m)],
            move |x| scalar_of(powers(x).1.ln() - x[1].sum() / m),
            move |x, dy| {
                let of_x = powers(x).0 * (number(dy) / m);
                let of_t = scalar_of(of_x.sum() - number(dy) / m);
                vec![of_x, of_t]
            },
        ),
    ]
}

/// All of them.
pub fn cancelling() -> Vec<Function> {
    [(1, 1.0), (2, 1e-9), (5, 1.0), (5, 1e-140), (7, 1e6), (60, 1.0), (400, 1e-3), (3, 1e12)]
        .into_iter()
        .flat_map(|(n, m)| of(n, m))
        .collect()
}

/// The same with gradients that are wrong by a millionth of what terms there are, or not linear by as much.
pub fn wrong_by_little(function: Function, linear: bool) -> Function {
    let Function { name, inputs, value, vjp, .. } = function;
    let size = inputs.last().expect("some").iter().fold(0.0f64, |size, x| size.max(x.abs()));
    let wrong = move |x: &[Array], dy: &Array| {
        let mut gradients = vjp(x, dy);
        let along = if linear { dy.sum() } else { dy.iter().map(|dy| dy * dy.abs()).sum() };
        let last = gradients.last_mut().expect("some");
        *last += along * 1e-6 / size;
        gradients
    };
    Function {
        name: format!("wrong by little: {name}"),
        inputs,
        value,
        vjp: Box::new(wrong),
        square: None,
        stretched: None,
    }
}
