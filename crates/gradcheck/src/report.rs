//! What a check found: the entries compared, and what is said of them.

use std::fmt;

use crate::hints::Hint;

/// Where in the Jacobian a slope was compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The derivative of output element `output` with respect to input element `input`.
    Element {
        /// Index into the input's array.
        input: Vec<usize>,
        /// Index into the output's array.
        output: Vec<usize>,
    },
    /// The derivative of output element `output` when several input elements, each with a kink of its own, move together.
    Joint {
        /// Indices into the input's array.
        inputs: Vec<Vec<usize>>,
        /// Index into the output's array.
        output: Vec<usize>,
    },
    /// vᵀJu for random direction number `.0` u in the input's space and v in the output's.
    Direction(usize),
}

/// What is said of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Both slopes agree within the tolerance.
    Agrees,
    /// The slopes to the left and to the right differ, and the VJP's lies between them: one of the generalised
    /// gradients that a kink has. Accepted where [`crate::GradCheck::subgradients`] says so.
    Subgradient,
    /// The function's values are rounded far more coarsely than f64 does, as if something inside computed in f32; both
    /// slopes agree within what that leaves.
    Coarse,
    /// The slopes to the left and to the right differ: the function is not differentiable here.
    NotDifferentiable,
    /// The numeric slope's own error is too large to tell.
    Undecided,
    /// The VJP is wrong.
    Wrong,
}

impl Verdict {
    /// The verdict in a word, as reports in JSON have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Agrees => "right",
            Self::Subgradient => "right at a kink",
            Self::Coarse => "coarse",
            Self::NotDifferentiable => "kink",
            Self::Undecided => "undecided",
            Self::Wrong => "wrong",
        }
    }
}

/// One comparison of the slope by the VJP with the numeric one.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The number of the input.
    pub input: usize,
    /// Where in the Jacobian.
    pub place: Place,
    /// What the VJP says.
    pub analytic: f64,
    /// What finite differences say.
    pub numeric: f64,
    /// Estimate of the error of `numeric`.
    pub uncertainty: f64,
    /// Noise of the function's values in units of their size, where it was measured, else 0; some 1e-16 for a function
    /// that computes in f64.
    pub noise: f64,
    /// The numeric slopes to the left and to the right.
    pub sides: [f64; 2],
    /// What relative errors refer to: the largest of the two slopes and of the root mean square of all numeric slopes
    /// with respect to the same input.
    pub scale: f64,
    /// The absolute error that was allowed: atol + rtol·(the larger of the two slopes), or what rounding hides if that
    /// is more.
    pub tolerance: f64,
    /// What is said of it.
    pub verdict: Verdict,
    /// The step next to the point at which the function is not defined, where one is known.
    pub undefined: Option<f64>,
}

impl Entry {
    /// |analytic − numeric|.
    pub fn absolute_error(&self) -> f64 {
        (self.analytic - self.numeric).abs()
    }

    /// The absolute error divided by `scale`; 0 where both slopes are the same.
    pub fn relative_error(&self) -> f64 {
        let error = self.absolute_error();
        if error == 0.0 { 0.0 } else { error / self.scale }
    }

    /// Orders entries from bad to good: by verdict, then by error in units of the tolerance (NaN is worst).
    pub(crate) fn badness(&self) -> (u8, f64) {
        let error = self.absolute_error() / self.tolerance;
        (self.verdict as u8, if error.is_nan() { f64::INFINITY } else { error })
    }
}

/// How far the gradient in single precision is from that in double precision.
#[derive(Clone, Debug, PartialEq)]
pub struct SinglePrecision {
    /// The input whose gradient differs most.
    pub input: usize,
    /// The index of the element that differs most.
    pub index: Vec<usize>,
    /// Its gradient in f64, at the input rounded to f32.
    pub double: f64,
    /// Its gradient in f32.
    pub single: f64,
    /// Their difference, divided by the largest element of the input's f64 gradient for any of the cotangents tried, or, where
    /// that is nothing but the rounding of terms that cancel, by the size of these terms; infinite where one of them is NaN.
    pub relative_error: f64,
    /// The relative error that was allowed.
    pub tolerance: f64,
}

/// A check that found nothing wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How many slopes were compared.
    pub compared: usize,
    /// How often the function was evaluated.
    pub evaluations: usize,
    /// How many operations the function recorded, each of them checked by itself for what every VJP must do.
    pub operations: usize,
    /// The worst entry; `None` where there was nothing to compare.
    pub worst: Option<Entry>,
    /// The entries that were accepted as [`Verdict::Subgradient`].
    pub subgradients: Vec<Entry>,
    /// The comparison with single precision, where it was asked for.
    pub single: Option<SinglePrecision>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worst = self.worst.as_ref().map_or(0.0, Entry::relative_error);
        let slopes = if self.compared == 1 { "slope agrees" } else { "slopes agree" };
        write!(f, "{} {slopes}, worst relative error {worst:.1e}", self.compared)?;
        if !self.subgradients.is_empty() {
            write!(f, "; {} lie at kinks", self.subgradients.len())?;
        }
        if let Some(single) = &self.single {
            write!(f, "; f32 within {:.1e} of f64", single.relative_error)?;
        }
        Ok(())
    }
}

/// An operation whose VJP contradicts its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Culprit {
    /// The operation's name.
    pub operation: &'static str,
    /// Its number on the tape.
    pub node: usize,
    /// Which of its inputs gets a wrong gradient, where only one can be meant.
    pub input: Option<usize>,
    /// What is wrong with it.
    pub fault: Fault,
}

/// How an operation contradicts its values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Its values are far more coarsely rounded than its inputs: it computes in f32, or in less.
    Coarse {
        /// The noise of its values, in units of their size.
        noise: f64,
    },
    /// Its VJP gives another slope than its values have.
    Slope {
        /// ⟨VJP(c), tangent of the inputs⟩ for a random cotangent c.
        analytic: f64,
        /// ⟨c, tangent of the output⟩.
        numeric: f64,
    },
    /// It is not differentiable at this point.
    Kink {
        /// The slopes to the left and to the right.
        sides: [f64; 2],
    },
    /// The input is a constant of the tape, and yet its value changes with the function's inputs.
    Detached,
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, node, input, fault } = self;
        let input = input.map(|input| format!(", for input {input}")).unwrap_or_default();
        match fault {
            Fault::Slope { analytic, numeric } => {
                let hint = hint(*analytic, *numeric);
                write!(
                    f,
                    "the VJP of `{operation}` (node {node}{input}) says {analytic:.6e}, its values {numeric:.6e}{hint}"
                )
            }
            Fault::Kink { sides: [left, right] } => {
                write!(f, "`{operation}` (node {node}) has slope {left:.6e} to the left and {right:.6e} to the right")
            }
            Fault::Coarse { noise } => write!(
                f,
                "`{operation}` (node {node}) rounds its values to {noise:.0e} of their size{}",
                if (1e-9..1e-6).contains(noise) { ": it computes in f32 inside" } else { "" }
            ),
            Fault::Detached => write!(
                f,
                "`{operation}` (node {node}{input}) reads a constant that changes with the inputs: was it detached?"
            ),
        }
    }
}

/// What a simple ratio between the slopes suggests.
fn hint(analytic: f64, numeric: f64) -> &'static str {
    let ratio = analytic / numeric;
    let is = |value: f64| (ratio / value - 1.0).abs() < 1e-6;
    if analytic == 0.0 {
        ": no gradient at all"
    } else if is(-1.0) {
        ": the sign is wrong"
    } else if is(2.0) {
        ": twice as much"
    } else if is(0.5) {
        ": half as much"
    } else {
        ""
    }
}

/// Why a gradient is not to be trusted. `Debug` prints what `Display` does, so that `unwrap` panics with the table.
#[derive(Clone, PartialEq)]
pub enum Failure {
    /// Slopes disagree, or cannot be compared.
    Slopes {
        /// The entries that do not agree, worst first.
        entries: Vec<Entry>,
        /// How many were compared in all.
        compared: usize,
        /// The operations that are at fault, in the order of recording; empty where it could not be narrowed down.
        culprits: Vec<Culprit>,
        /// What the errors have in common, where that suggests a cause.
        hints: Vec<Hint>,
        /// The shape of each input.
        shapes: Vec<Vec<usize>>,
    },
    /// The value at the given inputs is NaN or infinite, so nothing can be said.
    NotFinite {
        /// The first such element of the function's value.
        index: Vec<usize>,
        /// What it is.
        value: f64,
        /// The first operation on the tape with such an element in its output; `None` for functions not on a tape.
        operation: Option<&'static str>,
    },
    /// Two evaluations of the function differ.
    ValueChanges {
        /// The operation, or what else differs.
        place: String,
        /// The largest difference, relative to the largest element; NaN where it is not known.
        by: f64,
    },
    /// An operation's VJP does not do what every VJP must.
    Vjp {
        /// The operation's name.
        operation: &'static str,
        /// Its number on the tape.
        node: usize,
        /// Which of its inputs.
        input: usize,
        /// What it does.
        rule: Rule,
    },
    /// The gradient is right at this point, but the VJPs of some operations are wrong, whose results have no effect on it here:
    /// they are multiplied by 0, dropped, or cut off.
    Hidden {
        /// These operations, in the order of recording.
        culprits: Vec<Culprit>,
    },
    /// The gradient as a whole does not do what every VJP must; for functions that are not on a tape.
    Gradient {
        /// Which of the inputs.
        input: usize,
        /// What it does.
        rule: Rule,
    },
    /// The gradient in single precision is another one.
    SinglePrecision(SinglePrecision),
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.named(&[]))
    }
}

/// What every VJP must do, broken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rule {
    /// A gradient has its input's shape.
    #[error("gives a gradient of shape {found:?}, but the input has shape {expected:?}")]
    Shape {
        /// The input's shape.
        expected: Vec<usize>,
        /// The gradient's shape.
        found: Vec<usize>,
    },
    /// There is one gradient for each input.
    #[error("comes with {found} gradients for {expected} inputs")]
    Number {
        /// How many inputs there are.
        expected: usize,
        /// How many gradients there are.
        found: usize,
    },
    /// It is a number.
    #[error("is {} at {index:?}, where the value is finite", number(*.value))]
    Finite {
        /// Where in the input.
        index: Vec<usize>,
        /// What it is.
        value: f64,
    },
    /// A product with a Hessian is symmetric.
    #[error("is no product with a symmetric matrix: ⟨u, Hv⟩ and ⟨v, Hu⟩ differ by {0:.1e} of their size")]
    Symmetric(f64),
    /// It is a function: called again, it gives the same bits.
    #[error("gives other bits when it is called again with the same values")]
    Repeatable,
    /// It is linear: a cotangent of zero gives a gradient of zero.
    #[error("makes {0:e} of a cotangent that is all zero")]
    Linear(f64),
    /// It is linear: VJP(a·c + b·d) = a·VJP(c) + b·VJP(d) for cotangents c, d and numbers a, b.
    #[error("is not linear in the cotangent: VJP(a·c + b·d) and a·VJP(c) + b·VJP(d) differ by {0:.1e} of their size")]
    Combines(f64),
    /// Gradients add up: what another operation has contributed stays.
    #[error("does not add to the gradient that other operations have contributed; see Cotangents::write")]
    Accumulates,
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Failure {
    /// What is printed, with names for the inputs; an input without a name is called by its number.
    pub fn named(&self, names: &[String]) -> String {
        match self {
            Self::Slopes { entries, compared, culprits, .. } => {
                let mut lines = slopes_text(entries, *compared, culprits, names);
                // Of a single input the headline says as much.
                let by_input = Some(self.by_input(names)).filter(|inputs| inputs.len() > 1);
                lines.extend(
                    by_input.into_iter().flatten().chain(self.common_hints(names)).map(|line| format!("  {line}")),
                );
                lines.join("\n")
            }
            Self::NotFinite { index, value, operation } => {
                let operation = operation.map_or_else(String::new, |name| {
                    format!("; `{name}` is the first operation to give NaN or an infinity")
                });
                let value = number(*value);
                if index.is_empty() {
                    format!("the value is {value} at the given inputs{operation}")
                } else {
                    format!("the value at {index:?} is {value} at the given inputs{operation}")
                }
            }
            Self::ValueChanges { place, by } if by.is_finite() && *by > 0.0 => format!(
                "two evaluations at the same inputs differ, first at {place}: by {by:.1e} of its size; if that is expected, \
                 allow for it (nondeterminism)"
            ),
            Self::ValueChanges { place, .. } => format!("two evaluations at the same inputs differ, first at {place}"),
            Self::Vjp { operation, node, input, rule } => {
                format!("the VJP of `{operation}` (node {node}, input {input}) {rule}")
            }
            Self::Hidden { culprits } => {
                let mut lines = vec![
                    "wrong VJP of an operation that has no effect here: the gradient as a whole is right".to_owned(),
                ];
                lines.extend(culprits.iter().take(LISTED).map(|culprit| format!("  {culprit}")));
                lines.join("\n")
            }
            Self::Gradient { input, rule } => {
                format!("the gradient that was given for {} {}", name_of(*input, names), own_words(rule))
            }
            Self::SinglePrecision(single) => format!(
                "the f32 gradient of {} at {:?} is {:e}, the f64 gradient {:e}: {:.1e} of the largest element, {:.1e} \
                 allowed",
                name_of(single.input, names),
                single.index,
                single.single,
                single.double,
                single.relative_error,
                single.tolerance
            ),
        }
    }

    /// The entries that do not agree, worst first; none where the check did not get as far.
    pub fn entries(&self) -> &[Entry] {
        if let Self::Slopes { entries, .. } = self { entries } else { &[] }
    }

    /// What wrong slopes suggest about their cause; none where the check did not get as far.
    pub fn hints(&self) -> &[Hint] {
        if let Self::Slopes { hints, .. } = self { hints } else { &[] }
    }

    /// A line for each input, as in "input 1: 30 of 36 elements wrong; the gradient of input 1 is transposed". An input without
    /// a name is called by its number. Empty where the check did not get as far as slopes.
    pub fn by_input(&self, names: &[String]) -> Vec<String> {
        let Self::Slopes { entries, hints, shapes, .. } = self else { return Vec::new() };
        let said = |(input, shape): (usize, &Vec<usize>)| {
            let name = name_of(input, names);
            let counts = counted(entries.iter().filter(|entry| entry.input == input), shape);
            if counts.is_empty() {
                return format!("{name}: right");
            }
            let hints = hints.iter().filter(|hint| hint.input() == Some(input)).map(|hint| hint.named(names));
            format!("{name}: {}", counts.into_iter().chain(hints).collect::<Vec<_>>().join("; "))
        };
        shapes.iter().enumerate().map(said).collect()
    }

    /// The hints that [`by_input`](Self::by_input) does not have with its lines.
    fn common_hints(&self, names: &[String]) -> Vec<String> {
        let Self::Slopes { hints, shapes, .. } = self else { return Vec::new() };
        let common = hints.iter().filter(|hint| shapes.len() < 2 || hint.input().is_none());
        common.map(|hint| hint.named(names)).collect()
    }

    /// What is said in short: of slopes the worst verdict, of all else [`Verdict::Wrong`].
    pub fn verdict(&self) -> Verdict {
        self.entries().first().map_or(Verdict::Wrong, |entry| entry.verdict)
    }

    /// The operations at fault, by name, in the order of recording.
    pub fn operations(&self) -> Vec<&'static str> {
        match self {
            Self::Slopes { culprits, .. } | Self::Hidden { culprits } => {
                culprits.iter().map(|culprit| culprit.operation).collect()
            }
            Self::Vjp { operation, .. } => vec![operation],
            Self::NotFinite { operation, .. } => operation.iter().copied().collect(),
            Self::ValueChanges { .. } | Self::Gradient { .. } | Self::SinglePrecision(_) => Vec::new(),
        }
    }
}

/// How many elements or directions of an input of this shape have each verdict, the worst first.
fn counted<'a>(entries: impl Iterator<Item = &'a Entry>, shape: &[usize]) -> Vec<String> {
    let (mut elements, mut others) = (Vec::new(), Vec::new());
    for entry in entries {
        match &entry.place {
            Place::Element { input, .. } => elements.push((entry.verdict, input)),
            Place::Direction(_) | Place::Joint { .. } => others.push(entry.verdict),
        }
    }
    let size: usize = shape.iter().product();
    let mut said = Vec::new();
    for verdict in [Verdict::Wrong, Verdict::Undecided, Verdict::NotDifferentiable, Verdict::Coarse] {
        let mut of_verdict: Vec<_> = elements.iter().filter(|(other, _)| *other == verdict).collect();
        of_verdict.sort();
        of_verdict.dedup();
        let meaning = if verdict == Verdict::NotDifferentiable { "at kinks" } else { verdict.word() };
        if !of_verdict.is_empty() {
            let elements = if size == 1 { "element" } else { "elements" };
            said.push(format!("{} of {size} {elements} {meaning}", of_verdict.len()));
        }
        match others.iter().filter(|other| **other == verdict).count() {
            0 => {}
            1 => said.push(format!("1 direction {meaning}")),
            count => said.push(format!("{count} directions {meaning}")),
        }
    }
    said
}

/// What a rule says of a gradient, and not of what gives one.
fn own_words(rule: &Rule) -> String {
    match rule {
        Rule::Shape { expected, found } => format!("has shape {found:?}, but the input has shape {expected:?}"),
        rule => rule.to_string(),
    }
}

/// Entries that a message lists.
const LISTED: usize = 8;

/// What a message calls an input.
fn name_of(input: usize, names: &[String]) -> String {
    names.get(input).cloned().unwrap_or_else(|| format!("input {input}"))
}

/// NaN and infinities by their names.
fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        value => value.to_string(),
    }
}

/// The headline, the operations at fault, and the table.
fn slopes_text(entries: &[Entry], compared: usize, culprits: &[Culprit], names: &[String]) -> Vec<String> {
    let headline = match entries.first().map(|entry| entry.verdict) {
        Some(Verdict::Wrong) => "wrong gradient",
        Some(Verdict::Undecided) => "the numeric slopes are too uncertain (loosen rtol or atol, or change eps)",
        Some(Verdict::Coarse) => {
            "the function's values are rounded far more coarsely than f64 does; within that the gradient is right \
             (loosen rtol to accept it)"
        }
        _ => "not differentiable here",
    };
    let mut lines = vec![format!("{headline}: {} of {compared} slopes", entries.len())];
    lines.extend(culprits.iter().take(LISTED).map(|culprit| format!("  {culprit}")));
    let arrow = entries.iter().any(|entry| matches!(&entry.place, Place::Element { output, .. } if !output.is_empty()));
    let place = if arrow { "input → output" } else { "where" };
    lines.push(format!("  {place:<22} {:>14} {:>14} {:>9} {:>9}", "analytic", "numeric", "error", "allowed"));
    lines.extend(entries.iter().take(LISTED).map(|entry| format!("  {}", entry_text(entry, names))));
    if entries.len() > LISTED {
        lines.push(format!("  … and {} more", entries.len() - LISTED));
    }
    lines
}

/// A line of the table that a [`Failure`] prints, and a second one where there is more to say.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&entry_text(self, &[]))
    }
}

fn entry_text(entry: &Entry, names: &[String]) -> String {
    let list = |index: &[usize]| index.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let name = name_of(entry.input, names);
    let place = match &entry.place {
        Place::Element { input, output } if output.is_empty() => format!("{name}[{}]", list(input)),
        Place::Element { input, output } => format!("{name}[{}] → [{}]", list(input), list(output)),
        Place::Joint { inputs, .. } => format!("{name}, {} at kinks", inputs.len()),
        Place::Direction(number) => format!("{name}, direction {number}"),
    };
    let line = format!(
        "{place:<22} {:>14.7e} {:>14.7e} {:>9.1e} {:>9.1e}",
        entry.analytic,
        entry.numeric,
        entry.absolute_error(),
        entry.tolerance
    );
    let more = match (entry.verdict, entry.sides) {
        (Verdict::NotDifferentiable | Verdict::Subgradient, [left, right]) => {
            format!("not differentiable here: {left:.4e} to the left, {right:.4e} to the right")
        }
        (Verdict::Wrong, [left, right]) if matches!(entry.place, Place::Joint { .. }) => format!(
            "moved together their slopes are {left:.4e} to the left and {right:.4e} to the right: is a tie counted \
             twice?"
        ),
        (Verdict::Undecided, _) => match (entry.numeric.is_nan(), entry.undefined) {
            (true, _) => "undecided: the function is not defined at any pair of points around this one".into(),
            (_, Some(step)) => format!(
                "undecided: the numeric slope is uncertain by {:.1e}; the function is not defined at x{}{:.0e}",
                entry.uncertainty,
                if step < 0.0 { '−' } else { '+' },
                step.abs()
            ),
            _ => format!("undecided: the numeric slope is uncertain by {:.1e}", entry.uncertainty),
        },
        (Verdict::Coarse, _) => format!("the values carry noise of {:.0e} of their size", entry.noise),
        _ => return line,
    };
    format!("{line}\n    {more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_entry_is_the_one_farthest_beyond_its_tolerance() {
        let entry = |error: f64, tolerance: f64| Entry {
            input: 0,
            place: Place::Direction(0),
            analytic: 1.0 + error,
            numeric: 1.0,
            uncertainty: 0.0,
            noise: 0.0,
            sides: [1.0; 2],
            scale: 1.0,
            tolerance,
            verdict: Verdict::Wrong,
            undefined: None,
        };
        assert!(entry(1e-3, 1e-6).badness() > entry(1e-2, 1e-3).badness());
        assert!(entry(f64::NAN, 1e-6).badness() > entry(1.0, 1e-6).badness());
    }
}
