//! The ways in which a gradient is made wrong.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{ArrayD, Axis, IxDyn};

use super::functions::{Array, Function, Kinked};

/// A way to be wrong, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    None,
    NoneAtKink,
    Sign,
    Factor,
    Transposed,
    MissingSum,
    OffByOne,
    Detached,
    Stale,
    NotLinear,
    AtKinkOnly,
    SingleInside,
    NotDeterministic,
    Shape,
}

impl Fault {
    /// The faults that any function can have, if it is not too small.
    pub const OF_ANY: [Self; 9] = [
        Self::Sign,
        Self::Factor,
        Self::OffByOne,
        Self::Detached,
        Self::Stale,
        Self::NotLinear,
        Self::SingleInside,
        Self::NotDeterministic,
        Self::Shape,
    ];

    /// What the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "right",
            Self::NoneAtKink => "right at a kink",
            Self::Sign => "sign",
            Self::Factor => "factor 1±1e-5",
            Self::Transposed => "transposed",
            Self::MissingSum => "missing sum",
            Self::OffByOne => "off by one",
            Self::Detached => "detached",
            Self::Stale => "stale value",
            Self::NotLinear => "not linear",
            Self::AtKinkOnly => "wrong at a kink only",
            Self::SingleInside => "f32 inside",
            Self::NotDeterministic => "not deterministic",
            Self::Shape => "wrong shape",
        }
    }

    /// Whether a function is large enough to have this fault.
    pub fn fits(self, function: &Function) -> bool {
        self != Self::OffByOne || function.inputs[0].len() > 1
    }

    /// The function with this fault; `variant` chooses between two forms of some.
    pub fn put_into(self, function: Function, variant: bool) -> Function {
        let Function { value, vjp, .. } = function;
        let (name, inputs) = (format!("{}: {}", self.name(), function.name), function.inputs);
        let (value, vjp): (super::functions::Value, super::functions::Vjp) = match self {
            Self::None | Self::NoneAtKink | Self::AtKinkOnly => (value, vjp),
            Self::Sign => (value, changed(vjp, 0, |g| -g)),
            Self::Factor => {
                let factor = if variant { 1.0 + 1e-5 } else { 1.0 - 1e-5 };
                (value, changed(vjp, 0, move |g| g * factor))
            }
            Self::Transposed => {
                let input = function.square.expect("has a square matrix");
                (value, changed(vjp, input, |g| g.reversed_axes().as_standard_layout().into_owned()))
            }
            Self::MissingSum => {
                let input = function.stretched.expect("has a stretched row");
                // As if the gradient of one row were that of all: the cotangent of the first alone.
                let vjp = move |x: &[Array], dy: &Array| {
                    let mut first = dy.clone();
                    first.slice_axis_mut(Axis(0), (1..).into()).fill(0.0);
                    let of_first = vjp(x, &first).swap_remove(input);
                    let mut gradients = vjp(x, dy);
                    gradients[input] = of_first;
                    gradients
                };
                (value, Box::new(vjp))
            }
            Self::OffByOne => (
                value,
                changed(vjp, 0, |g| {
                    let mut numbers: Vec<f64> = g.iter().copied().collect();
                    numbers.rotate_right(1);
                    ArrayD::from_shape_vec(g.raw_dim(), numbers).expect("as many")
                }),
            ),
            Self::Detached => {
                // (1 + q(x))·f(x) with the gradient of f alone.
                let scale = inputs[0].iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
                let q = move |x: &Array| x.iter().map(|x| (x / scale).tanh()).sum::<f64>() / (4.0 * x.len() as f64);
                (
                    Box::new(move |x: &[Array]| value(x) * (1.0 + q(&x[0]))),
                    Box::new(move |x: &[Array], dy: &Array| vjp(x, &(dy * (1.0 + q(&x[0]))))),
                )
            }
            Self::Stale => {
                let last = std::sync::Arc::new(Mutex::new(inputs.clone()));
                let seen = std::sync::Arc::clone(&last);
                (
                    Box::new(move |x: &[Array]| {
                        *last.lock().expect("no panic") = x.to_vec();
                        value(x)
                    }),
                    Box::new(move |_: &[Array], dy: &Array| vjp(&seen.lock().expect("no panic"), dy)),
                )
            }
            Self::NotLinear if variant => (value, Box::new(move |x, dy| vjp(x, &dy.mapv(|dy| dy * dy.abs())))),
            Self::NotLinear => (
                value,
                changed(vjp, 0, |g| {
                    let size = g.iter().fold(0.0f64, |largest, g| largest.max(g.abs()));
                    // Clipped to a norm, as optimisers do it.
                    if size > 0.0 { g / size } else { g }
                }),
            ),
            Self::SingleInside if variant => (value, changed(vjp, 0, rounded)),
            Self::SingleInside => {
                (Box::new(move |x: &[Array]| rounded(value(&x.iter().cloned().map(rounded).collect::<Vec<_>>()))), vjp)
            }
            Self::NotDeterministic if variant => {
                let calls = AtomicU64::new(0);
                let noise = move || 1.0 + 1e-12 * calls.fetch_add(1, Ordering::Relaxed) as f64;
                (value, changed(vjp, 0, move |g| g * noise()))
            }
            Self::NotDeterministic => {
                let calls = AtomicU64::new(0);
                let noise = move || 1.0 + 1e-9 * (calls.fetch_add(1, Ordering::Relaxed) as f64).sin();
                (Box::new(move |x: &[Array]| value(x) * noise()), vjp)
            }
            Self::Shape if variant => (value, changed(vjp, 0, |g| g.insert_axis(Axis(0)))),
            Self::Shape => (
                value,
                changed(vjp, 0, |g| {
                    let mut numbers: Vec<f64> = g.iter().copied().collect();
                    numbers.push(0.0);
                    ArrayD::from_shape_vec(IxDyn(&[numbers.len()]), numbers).expect("as many")
                }),
            ),
        };
        Function { name, inputs, value, vjp, square: None, stretched: None }
    }
}

/// A function with another VJP at some of its kinks, or at one of them.
pub fn wrong_at_kinks(kinked: Kinked, one_alone: bool) -> Function {
    let Kinked { function, kinks, off } = kinked;
    let Function { name, inputs, value, vjp, .. } = function;
    let wrong = if one_alone { kinks[..1].to_vec() } else { kinks };
    let name = format!("{} ({} of them): {name}", Fault::AtKinkOnly.name(), wrong.len());
    let vjp = move |x: &[Array], dy: &Array| {
        let mut gradients = vjp(x, dy);
        for &i in &wrong {
            gradients[0][[i]] += off * if dy.ndim() == 0 { dy[IxDyn(&[])] } else { dy[[i]] };
        }
        gradients
    };
    Function { name, inputs, value, vjp: Box::new(vjp), square: None, stretched: None }
}

/// A VJP whose gradient of one input is changed.
fn changed(
    vjp: super::functions::Vjp,
    input: usize,
    change: impl Fn(Array) -> Array + Send + Sync + 'static,
) -> super::functions::Vjp {
    Box::new(move |x, dy| {
        let mut gradients = vjp(x, dy);
        gradients[input] = change(std::mem::take(&mut gradients[input]));
        gradients
    })
}

/// Each number rounded to f32.
fn rounded(x: Array) -> Array {
    x.mapv_into(|x| f64::from(x as f32))
}
