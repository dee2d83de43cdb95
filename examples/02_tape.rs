//! Chapter 2 of the book, "A tape in sixty lines". Run it: `cargo run --release --example 02_tape -- FOLDER`

use impasto::gradcheck::check_fn;
use impasto_drawing::{Curve, plot};
// ANCHOR: tape
use std::cell::RefCell;

/// For each input of a value: the input's line, and the derivative of the value by it.
type Line = Vec<(usize, f64)>;
/// The list of all values, in the order of computation.
type Tape = RefCell<Vec<Line>>;

#[derive(Clone, Copy)]
struct Var<'t> {
    tape: &'t Tape,
    line: usize,
    value: f64,
}

impl<'t> Var<'t> {
    fn record(tape: &'t Tape, value: f64, inputs: Line) -> Self {
        tape.borrow_mut().push(inputs);
        Var { tape, line: tape.borrow().len() - 1, value }
    }

    fn times(self, other: Self) -> Self {
        Var::record(self.tape, self.value * other.value, vec![(self.line, other.value), (other.line, self.value)])
    }

    fn sin(self) -> Self {
        Var::record(self.tape, self.value.sin(), vec![(self.line, self.value.cos())])
    }
}

fn backward(lines: &[Line], output: usize, gradient: &mut [f64]) {
    for line in (0..=output).rev() {
        for &(input, slope) in &lines[line] {
            gradient[input] += gradient[line] * slope;
        }
    }
}

/// The value of `f` at `x`, and its derivative by the given `way` through the list.
fn differentiate(f: impl Fn(Var) -> Var, x: f64, way: fn(&[Line], usize, &mut [f64])) -> (f64, f64) {
    let tape = Tape::default();
    let y = f(Var::record(&tape, x, vec![]));
    let lines = tape.borrow();
    let mut gradient = vec![0.0; lines.len()];
    gradient[y.line] = 1.0;
    way(&lines, y.line, &mut gradient);
    (y.value, gradient[0])
}
// ANCHOR_END: tape
// ANCHOR: recursion
fn hand_on(lines: &[Line], line: usize, gradient: &mut [f64]) {
    for &(input, slope) in &lines[line] {
        gradient[input] += gradient[line] * slope;
        hand_on(lines, input, gradient);
    }
}

fn diamond(x: Var) -> Var {
    let u = x.times(x);
    u.times(u.sin())
}
// ANCHOR_END: recursion
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target/book".into());
    std::fs::create_dir_all(&folder)?;
    let mut curves = Vec::new();
    for (name, way) in [("backward", backward as fn(&[Line], usize, &mut [f64])), ("hand_on", hand_on)] {
        println!("{name} = {:.6}", differentiate(diamond, 1.5, way).1);
        let check = check_fn(|&x| differentiate(diamond, x, way).0, |&x| differentiate(diamond, x, way).1, &1.5);
        println!("{name}_check = {}", check.map_or_else(|failure| failure.to_string(), |report| report.to_string()));
        let derivative = |n| differentiate(|x| (0..n).fold(x, |u, _| u.times(u)), 1.0, way).1;
        curves.push(Curve { name: name.into(), points: (1..=12).map(|n| (n.into(), derivative(n))).collect() });
    }
    plot(&curves, "squarings", "derivative at 1", [640, 400]).ok_or("no points")?.save(folder + "/02-recursion.png")?;
    Ok(())
}
