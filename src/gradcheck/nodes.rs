//! The tape, node by node: what every VJP must do whatever its values, and which operation is at fault.

use ndarray::ArrayD;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use impasto_gradcheck::parts::{
    COARSE, COMBINATIONS, NONLINEAR, Precision, Slope, Steps, careful, direction, dot, nonlinearity, quick, rounding,
    same_bits,
};
use impasto_gradcheck::{Culprit, Failure, Fault, GradCheck, Rule};

use super::on_tape::OfVariables;
use crate::tape::{Operation, Tape, Tensor};

/// Checks what every VJP must do: gradients of the inputs' shapes, the same bits when called again, zero of zero, the
/// sum of the products for a sum of cotangents, and contributions added to what others contributed; and that the
/// function's values are finite and repeat to the bit.
/// Gives the number of operations.
pub(super) fn check_rules(f: OfVariables<'_, f64>, inputs: &[ArrayD<f64>], seed: u64) -> Result<usize, Failure> {
    let (first, operations) = pulled(f, inputs, |node, operation| Start::cotangent(seed, node, operation))?;
    let (again, repeated) = pulled(f, inputs, |node, operation| Start::cotangent(seed, node, operation))?;
    for (node, (one, other)) in operations.iter().zip(&repeated).enumerate() {
        let same = match (one, other) {
            (Some(one), Some(other)) => one.name == other.name && same_bits(&one.output, &other.output),
            (one, other) => one.is_none() && other.is_none(),
        };
        if !same {
            let name = one.as_ref().map_or("variable", |operation| operation.name);
            let by = match (one, other) {
                (Some(one), Some(other)) => difference(&one.output, &other.output),
                _ => f64::NAN,
            };
            return Err(Failure::ValueChanges { place: format!("`{name}` (node {node})"), by });
        }
    }
    if operations.len() != repeated.len() {
        return Err(Failure::ValueChanges { place: "the number of operations".into(), by: f64::NAN });
    }
    let (of_zero, _) = pulled(f, inputs, |_, operation| Start::zero(operation))?;
    let (added, _) = pulled(f, inputs, |node, operation| Start::filled(seed, node, operation))?;
    let (of_other, _) = pulled(f, inputs, |node, operation| Start::other(seed, node, operation))?;
    let mut of_sums = Vec::new();
    for (a, b) in COMBINATIONS {
        of_sums.push(pulled(f, inputs, |node, operation| Start::sum(seed, node, operation, a, b))?.0);
    }

    for (node, operation) in operations.iter().enumerate() {
        let Some(operation) = operation else { continue };
        let fails = |input, rule| Failure::Vjp { operation: operation.name, node, input, rule };
        for (input, gradient) in first[node].iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            if again[node][input].as_ref().is_none_or(|again| !same_bits(gradient, again)) {
                return Err(fails(input, Rule::Repeatable));
            }
            let nonzero = of_zero[node][input].iter().flat_map(|gradient| gradient.iter()).find(|&&g| g != 0.0);
            if let Some(&g) = nonzero {
                return Err(fails(input, Rule::Linear(g)));
            }
            if let Some((index, &value)) = gradient.indexed_iter().find(|(_, g)| !g.is_finite()) {
                let index = ndarray::Dimension::slice(&index).to_vec();
                return Err(fails(input, Rule::Finite { index, value }));
            }
            for ((a, b), of_sum) in COMBINATIONS.into_iter().zip(&of_sums) {
                let (Some(other), Some(sum)) = (&of_other[node][input], &of_sum[node][input]) else { continue };
                let off = |rounding| nonlinearity([(a, gradient), (b, other)], sum, rounding);
                let hidden = || {
                    let pull =
                        |cotangent: &ArrayD<f64>| gradient_of(f, inputs, [node, input], cotangent, gradient.shape());
                    let known = [
                        (Start::cotangent(seed, node, operation), gradient),
                        (Start::other(seed, node, operation), other),
                    ];
                    rounding(pull, known.iter().map(|(start, gradient)| (&*start.cotangent, &***gradient)))
                };
                if off(0.0) > NONLINEAR && off(hidden()) > NONLINEAR {
                    return Err(fails(input, Rule::Combines(off(0.0))));
                }
            }
            let before = &Start::filled(seed, node, operation).gradients[input];
            let (Some(before), Some(after)) = (before, &added[node][input]) else { continue };
            let size = gradient.iter().fold(1.0f64, |size, g| size.max(g.abs()));
            let sums = ndarray::Zip::from(&**before).and(&**gradient).and(&**after);
            if gradient.iter().all(|g| g.is_finite()) && !sums.all(|b, g, a| (b + g - a).abs() <= 1e-9 * size) {
                return Err(fails(input, Rule::Accumulates));
            }
        }
    }
    Ok(operations.iter().flatten().count())
}

/// The largest difference between two arrays, relative to the largest element; NaN if their shapes differ.
fn difference(one: &ArrayD<f64>, other: &ArrayD<f64>) -> f64 {
    let largest = |x: &ArrayD<f64>| x.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    if one.shape() == other.shape() { largest(&(one - other)) / largest(one).max(largest(other)) } else { f64::NAN }
}

/// What one VJP is called with.
struct Start {
    cotangent: Tensor<f64>,
    gradients: Vec<Option<Tensor<f64>>>,
}

impl Start {
    fn cotangent(seed: u64, node: usize, operation: &Operation<f64>) -> Self {
        let cotangent = direction(operation.output.shape(), &mut of_node(seed, node)).into();
        Self { cotangent, gradients: operation.inputs.iter().map(|_| None).collect() }
    }

    fn other(seed: u64, node: usize, operation: &Operation<f64>) -> Self {
        Self::cotangent(seed ^ (1 << 63), node, operation)
    }

    /// a·c + b·d of the two cotangents above.
    fn sum(seed: u64, node: usize, operation: &Operation<f64>, a: f64, b: f64) -> Self {
        let (c, d) = (Self::cotangent(seed, node, operation), Self::other(seed, node, operation));
        Self { cotangent: (&*c.cotangent * a + &*d.cotangent * b).into(), ..c }
    }

    fn zero(operation: &Operation<f64>) -> Self {
        let cotangent = ArrayD::zeros(operation.output.shape()).into();
        Self { cotangent, gradients: operation.inputs.iter().map(|_| None).collect() }
    }

    /// As if others had contributed to the gradients of all inputs.
    fn filled(seed: u64, node: usize, operation: &Operation<f64>) -> Self {
        let mut rng = of_node(!seed, node);
        let gradient = |(input, parent): (usize, &Option<usize>)| {
            parent.map(|_| direction(operation.inputs[input].shape(), &mut rng).into())
        };
        let gradients = operation.parents.iter().enumerate().map(gradient).collect();
        Self { gradients, ..Self::cotangent(seed, node, operation) }
    }
}

fn of_node(seed: u64, node: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(node as u64 + 1);
    rng
}

/// The nodes of a tape; `None` for a variable.
type Operations = Vec<Option<Operation<f64>>>;

/// What VJPs give, by node and input.
type Gradients = Vec<Vec<Option<Tensor<f64>>>>;

/// Evaluates `f` and calls every VJP by itself.
fn pulled(
    f: OfVariables<'_, f64>,
    inputs: &[ArrayD<f64>],
    start: impl Fn(usize, &Operation<f64>) -> Start,
) -> Result<(Gradients, Operations), Failure> {
    let (tape, operations) = traced(f, inputs)?;
    let mut gradients = Vec::new();
    for (node, operation) in operations.iter().enumerate() {
        let Some(operation) = operation else {
            gradients.push(Vec::new());
            continue;
        };
        let start = start(node, operation);
        let pulled = tape.pull_back(node, start.cotangent, start.gradients);
        for (input, gradient) in pulled.iter().enumerate() {
            let expected = operation.inputs[input].shape();
            if let Some(gradient) = gradient.as_ref().filter(|gradient| gradient.shape() != expected) {
                let rule = Rule::Shape { expected: expected.to_vec(), found: gradient.shape().to_vec() };
                return Err(Failure::Vjp { operation: operation.name, node, input, rule });
            }
        }
        gradients.push(pulled);
    }
    Ok((gradients, operations))
}

/// What the VJP of one node gives one of its inputs, of shape `shape`; zeros if it gives nothing.
fn gradient_of(
    f: OfVariables<'_, f64>,
    inputs: &[ArrayD<f64>],
    [node, input]: [usize; 2],
    cotangent: &ArrayD<f64>,
    shape: &[usize],
) -> ArrayD<f64> {
    let start = |number, operation: &Operation<f64>| match Start::zero(operation) {
        start if number == node => Start { cotangent: cotangent.clone().into(), ..start },
        start => start,
    };
    let pulled = pulled(f, inputs, start).ok().and_then(|(mut gradients, _)| gradients[node][input].take());
    pulled.map_or_else(|| ArrayD::zeros(shape), Tensor::into_array)
}

/// One evaluation of `f` on a traced tape, and what it recorded; an error where its value is not finite.
fn traced(f: OfVariables<'_, f64>, inputs: &[ArrayD<f64>]) -> Result<(Tape<f64>, Operations), Failure> {
    let tape = Tape::traced();
    let value = {
        let variables: Vec<_> = inputs.iter().map(|input| tape.variable(input.clone())).collect();
        f(&tape, &variables).value().clone()
    };
    let operations: Vec<_> = (0..tape.len()).map(|node| tape.operation(node)).collect();
    if let Some((index, &value)) = value.indexed_iter().find(|(_, value)| !value.is_finite()) {
        let mut known = operations.iter().flatten();
        let operation = known.find(|operation| operation.output.iter().any(|v| !v.is_finite()));
        let operation = operation.map_or("constant", |operation| operation.name);
        let index = ndarray::Dimension::slice(&index).to_vec();
        return Err(Failure::NotFinite { index, value, operation: Some(operation) });
    }
    Ok((tape, operations))
}

/// The operations that contradict their values when the inputs move along `line(s)`.
pub(super) fn culprits(
    f: OfVariables<'_, f64>,
    line: impl Fn(f64) -> Vec<ArrayD<f64>>,
    steps: Steps,
    precision: Precision,
    seed: u64,
) -> Vec<Culprit> {
    let Some(probed) = Probed::at(f, &line, seed) else { return Vec::new() };
    let slopes = careful(&mut |steps| probed.at_steps(steps), &probed.numbers(0.0), steps).slopes;

    let mut culprits = Vec::new();
    for OfNode { node, operation, output, total, inputs: of_inputs } in probed.by_node(&slopes) {
        let tolerance = tolerance(output, total, precision);
        let accuse = |input, fault| Culprit { operation: operation.name, node, input, fault };
        let moves = |input: &usize| of_inputs[*input].value.abs() > tolerance + 4.0 * of_inputs[*input].error;
        if let Some(input) = (0..of_inputs.len()).find(|input| operation.parents[*input].is_none() && moves(input)) {
            culprits.push(accuse(Some(input), Fault::Detached));
        } else if output.is_kink(tolerance) && !total.is_kink(tolerance) {
            culprits.push(accuse(None, Fault::Kink { sides: output.sides() }));
        } else if output.noise > COARSE && of_inputs.iter().all(|input| input.noise < output.noise / 64.0) {
            culprits.push(accuse(None, Fault::Coarse { noise: output.noise }));
        } else if output.value.is_finite() && !agree(output, total, tolerance) {
            let fault = Fault::Slope { analytic: total.value, numeric: output.value };
            let varying = varying_inputs(operation, &line, steps.first, f, node);
            culprits.push(accuse(if let [only] = varying[..] { Some(only) } else { None }, fault));
        }
    }
    culprits
}

/// Lines along which an operation must contradict its values before that is said of it.
const LINES: u64 = 2;

/// A slope is known if its error is smaller than this share of it.
const KNOWN: f64 = 1e-3;

/// The operations that contradict their values although the function's gradient is right here, as where their results are
/// multiplied by 0, dropped, or cut off. Kinks, coarse values and constants do no harm there, and are no faults.
pub(super) fn hidden(check: &GradCheck, f: OfVariables<'_, f64>, inputs: &[ArrayD<f64>]) -> Vec<Culprit> {
    let precision = check.precision(f64::EPSILON);
    let mut found: Option<Vec<Culprit>> = None;
    for number in 1..=LINES {
        let seed = check.random_seed() ^ (number << 40);
        let (ways, steps) = together(check, inputs, seed);
        let line = |s: f64| inputs.iter().zip(&ways).map(|(x, u)| x + u * s).collect::<Vec<_>>();
        let Some(probed) = Probed::at(f, &line, seed) else { return Vec::new() };
        let at_zero = probed.numbers(0.0);
        let first = quick(&mut |steps| probed.at_steps(steps), &at_zero, steps, precision);
        let is_right = |of: OfNode| agree(of.output, of.total, tolerance(of.output, of.total, precision));
        if first.swift && probed.by_node(&first.slopes).all(is_right) {
            return Vec::new();
        }
        let slopes = careful(&mut |steps| probed.at_steps(steps), &at_zero, steps).slopes;
        let contradicts = |of: &OfNode| {
            let OfNode { output, total, .. } = of;
            let size = output.value.abs().max(total.value.abs());
            let tolerance = tolerance(*output, *total, precision);
            let error = output.error + total.error;
            error <= KNOWN * size
                && (output.value - total.value).abs() > tolerance + 10.0 * error
                && output.noise <= COARSE
                && !output.is_kink(tolerance)
                && !total.is_kink(tolerance)
                && !output.is_supported(total.value)
        };
        let accused = probed.by_node(&slopes).filter(|of| contradicts(of) && !moves_constant(of));
        let now: Vec<Culprit> = accused
            .map(|of| {
                let fault = Fault::Slope { analytic: of.total.value, numeric: of.output.value };
                let varying = varying_inputs(of.operation, &line, steps.first, f, of.node);
                let input = if let [only] = varying[..] { Some(only) } else { None };
                Culprit { operation: of.operation.name, node: of.node, input, fault }
            })
            .collect();
        let both = match found {
            Some(before) => now.into_iter().filter(|now| before.iter().any(|before| before.node == now.node)).collect(),
            None => now,
        };
        if both.is_empty() {
            return both;
        }
        found = Some(both);
    }
    found.unwrap_or_default()
}

/// Whether a constant among an operation's inputs changes along the line, so that its slope is none of the VJP's.
fn moves_constant(of: &OfNode<'_>) -> bool {
    let inputs = of.inputs.iter().zip(&of.operation.parents);
    inputs.filter(|(_, parent)| parent.is_none()).any(|(slope, _)| slope.value.abs() > 4.0 * slope.error)
}

/// A random direction for each input, in proportion to its size, and the steps along all of them.
fn together(check: &GradCheck, inputs: &[ArrayD<f64>], seed: u64) -> (Vec<ArrayD<f64>>, Steps) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let ways: Vec<_> = inputs
        .iter()
        .map(|x| {
            let size = (dot(x, x) / x.len().max(1) as f64).sqrt();
            direction(x.shape(), &mut rng) * if size > 0.0 { size } else { 1.0 }
        })
        .collect();
    let steps = check.steps_together(f64::EPSILON, inputs, &ways);
    (ways, steps)
}

/// What is followed of each operation along a line.
///
/// For each operation with a random cotangent c, d/ds ⟨c, output⟩ = Σ ⟨VJP(c), d/ds input⟩ must hold at s = 0. Both
/// sides are slopes of numbers, ⟨c, output(s)⟩ and Σ ⟨VJP(c), input(s)⟩ with the VJP taken once at s = 0, so no
/// tangent of a whole array is needed.
struct Probed<'a> {
    f: OfVariables<'a, f64>,
    line: &'a dyn Fn(f64) -> Vec<ArrayD<f64>>,
    operations: Operations,
    probes: Vec<Option<Probe>>,
}

/// The slopes of one operation.
struct OfNode<'a> {
    node: usize,
    operation: &'a Operation<f64>,
    /// Of ⟨c, output⟩.
    output: Slope,
    /// Of Σ ⟨VJP(c), input⟩.
    total: Slope,
    /// Of each ⟨VJP(c), input⟩; of a constant's product with a random array.
    inputs: &'a [Slope],
}

impl<'a> Probed<'a> {
    /// `None` where a VJP gives no gradient of its input's shape.
    fn at(f: OfVariables<'a, f64>, line: &'a dyn Fn(f64) -> Vec<ArrayD<f64>>, seed: u64) -> Option<Self> {
        let pulled = pulled(f, &line(0.0), |node, operation| Start::cotangent(seed, node, operation));
        let (gradients, operations) = pulled.ok()?;
        let probe = |(node, operation): (usize, &Option<Operation<f64>>)| {
            let operation = operation.as_ref()?;
            let mut rng = of_node(!seed, node);
            let of_inputs = operation.inputs.iter().enumerate().map(|(input, value)| {
                match (&gradients[node][input], operation.parents[input]) {
                    (Some(gradient), _) => ArrayD::clone(gradient),
                    (None, Some(_)) => ArrayD::zeros(value.shape()),
                    (None, None) => direction(value.shape(), &mut rng),
                }
            });
            Some(Probe { output: Start::cotangent(seed, node, operation).cotangent, inputs: of_inputs.collect() })
        };
        let probes = operations.iter().enumerate().map(probe).collect();
        Some(Self { f, line, operations, probes })
    }

    fn at_steps(&self, steps: &[f64]) -> Vec<Vec<f64>> {
        steps.iter().map(|&s| self.numbers(s)).collect()
    }

    /// For each operation ⟨c, output⟩, Σ ⟨VJP(c), input⟩ and its terms.
    fn numbers(&self, s: f64) -> Vec<f64> {
        let components = self.probes.iter().flatten().map(|probe| 2 + probe.inputs.len()).sum();
        let Ok((_, moved)) = traced(self.f, &(self.line)(s)) else { return vec![f64::NAN; components] };
        let mut numbers = Vec::with_capacity(components);
        for (probe, operation) in self.probes.iter().zip(&moved) {
            let (Some(probe), Some(operation)) = (probe, operation) else { continue };
            numbers.push(dot(&probe.output, &operation.output));
            let products = probe.inputs.iter().zip(&operation.inputs).map(|(probe, input)| dot(probe, input));
            let products: Vec<f64> = products.collect();
            let total = products.iter().zip(&operation.parents).filter(|(_, parent)| parent.is_some());
            numbers.push(total.map(|(product, _)| product).sum());
            numbers.extend(products);
        }
        // A function that records something else elsewhere cannot be followed.
        if numbers.len() == components { numbers } else { vec![f64::NAN; components] }
    }

    /// The slopes of all operations that have arrays, by operation.
    fn by_node<'b>(&'b self, slopes: &'b [Slope]) -> impl Iterator<Item = OfNode<'b>> {
        let mut at = 0;
        let nodes =
            self.operations.iter().enumerate().filter_map(|(node, operation)| Some((node, operation.as_ref()?)));
        let of_nodes = nodes.map(move |(node, operation)| {
            let inputs = &slopes[at + 2..at + 2 + operation.inputs.len()];
            let (output, total) = (slopes[at], slopes[at + 1]);
            at += 2 + operation.inputs.len();
            OfNode { node, operation, output, total, inputs }
        });
        // An output of an operation with several hands its gradient to the operation, not to an array.
        of_nodes.filter(|of| !of.operation.inputs.iter().all(|input| input.is_empty()))
    }
}

/// How far the two slopes of an operation may be apart besides their own errors.
fn tolerance(output: Slope, total: Slope, precision: Precision) -> f64 {
    4.0 * (precision.absolute + precision.relative * output.value.abs().max(total.value.abs()))
}

/// What an operation's arrays are multiplied by, to make a number of each.
struct Probe {
    /// c, a random cotangent.
    output: Tensor<f64>,
    /// VJP(c), or a random array for a constant.
    inputs: Vec<ArrayD<f64>>,
}

/// False also where the VJP gives NaN.
fn agree(output: Slope, total: Slope, tolerance: f64) -> bool {
    (output.value - total.value).abs() <= tolerance + 4.0 * (output.error + total.error)
}

/// The inputs of one operation that are no constants and change along the line.
fn varying_inputs(
    operation: &Operation<f64>,
    line: &impl Fn(f64) -> Vec<ArrayD<f64>>,
    step: f64,
    f: OfVariables<'_, f64>,
    node: usize,
) -> Vec<usize> {
    let inputs = 0..operation.inputs.len();
    let moved = traced(f, &line(step)).ok().and_then(|(_, operations)| operations.into_iter().nth(node).flatten());
    let changes =
        |input: &usize| moved.as_ref().is_none_or(|moved| !same_bits(&moved.inputs[*input], &operation.inputs[*input]));
    inputs.filter(|input| operation.parents[*input].is_some() && changes(input)).collect()
}
