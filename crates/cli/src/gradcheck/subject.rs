//! A program as a function with a gradient.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use impasto::gradcheck::Function;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use ndarray::ArrayD;
use serde_json::{Map, Value, json};

use super::program::{Program, Trouble, array, array_of_shape, nested};
use super::structure::Structure;

/// The largest number of numbers in one question for many values.
const NUMBERS: usize = 1 << 19;

/// The largest number of points in one question for many values.
const POINTS: usize = 64;

/// The optional questions that a program answers.
#[derive(Clone, Copy)]
struct Offers {
    /// For the values at several points.
    values: bool,
    /// For the values at several points, sent as changes from the first point.
    changes: bool,
    hessian_vector: bool,
}

/// A value that takes this long is timed once.
const FAST: Duration = Duration::from_millis(20);

/// The number of points whose values are timed together, and the number of times.
const TIMED: usize = 4;

/// The largest number of changed elements with which a point is sent as changes.
const CHANGES: usize = 8;

/// A program's function at the program's point. Once the program breaks, all further results are NaN, and the reason is
/// kept.
pub(super) struct Subject {
    program: RefCell<Program>,
    /// All inputs, at the point.
    inputs: Vec<ArrayD<f64>>,
    /// The program's names of the inputs, if any.
    names: Option<Vec<String>>,
    /// Which inputs have no gradient.
    fixed: Vec<bool>,
    /// The structure of each input that does not move freely.
    structures: Vec<Option<Structure>>,
    /// The optional questions that the program answers.
    offers: Offers,
    value: ArrayD<f64>,
    /// Whether the program computes in f32.
    single: bool,
    /// The time for one value.
    pub(super) time: Duration,
    broken: RefCell<Option<String>>,
    bar: ProgressBar,
}

impl Subject {
    /// Asks for the point at which to check, and for the value there.
    pub(super) fn meet(mut program: Program, seed: u64, single: bool) -> Result<Self, String> {
        let answer =
            program.answer(&json!({ "ask": "inputs", "seed": seed }), "inputs").map_err(Trouble::into_message)?;
        let (names, given): (Option<Vec<String>>, Vec<Value>) = match answer.get("inputs") {
            Some(Value::Array(inputs)) if !inputs.is_empty() => (None, inputs.clone()),
            Some(Value::Object(inputs)) if !inputs.is_empty() => {
                (Some(inputs.keys().cloned().collect()), inputs.values().cloned().collect())
            }
            other => {
                let other = other.map_or_else(|| "missing".into(), ToString::to_string);
                return Err(format!(
                    "the program's inputs are {other}, where a list of one or more, or an object with their names, was \
                     expected"
                ));
            }
        };
        let called =
            |input: usize| names.as_ref().map_or_else(|| input.to_string(), |names| format!("`{}`", names[input]));
        let read = |(input, value)| array(value).map_err(|why| format!("the program's input {} {why}", called(input)));
        let mut inputs: Vec<_> = given.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        let fixed = fixed(answer.get("fixed"), &inputs, names.as_deref())?;
        let structures = structures(answer.get("basis"), &inputs, names.as_deref(), &fixed)?;
        let single = single || answer.get("f32") == Some(&Value::Bool(true));
        let given = inputs.clone();
        if single {
            inputs = inputs.into_iter().map(rounded).collect();
        }
        if let Some(input) = inputs.iter().position(|x| x.iter().any(|x| !x.is_finite())) {
            return Err(format!("the program's input {} has NaN or an infinity in it", called(input)));
        }
        let offers = |what: &str| {
            let answers = answer.get("answers").and_then(Value::as_array);
            answers.is_some_and(|answers| answers.iter().any(|answer| answer == what))
        };
        let mut subject = Self {
            program: RefCell::new(program),
            offers: Offers {
                values: offers("values"),
                // Changes refer to the program's first answer, whose numbers need not be exact in f32.
                changes: offers("changes") && given == inputs,
                hessian_vector: offers("hessian_vector"),
            },
            inputs,
            names,
            fixed,
            structures,
            value: ArrayD::zeros(vec![]),
            single,
            time: Duration::ZERO,
            broken: RefCell::default(),
            bar: ProgressBar::hidden(),
        };
        let ask = |subject: &Self| {
            let question = json!({ "ask": "value", "inputs": subject.named(&subject.inputs) });
            let value = subject.program.borrow_mut().ask(&question, "value").map_err(Trouble::into_message)?;
            array(&value).map_err(|why| format!("the program's value {why}"))
        };
        subject.value = ask(&subject)?;
        // Do not time the first call, which may load or compile something.
        let start = Instant::now();
        ask(&subject)?;
        subject.time = subject.time_of_a_value(start.elapsed());
        // What broke meanwhile, the check will report.
        if subject.broken.borrow().is_none() {
            subject.ask_for_fixed()?;
        }
        if subject.fixed.iter().all(|fixed| *fixed) {
            return Err("none of the program's inputs has elements and a gradient".into());
        }
        Ok(subject)
    }

    /// How long one value takes, of which a first measurement is given: of a fast program the least of several, since
    /// other work may interrupt it, and asked for as they will be.
    fn time_of_a_value(&self, first: Duration) -> Duration {
        if first > FAST {
            return first;
        }
        let points = vec![self.point(); self.batch().min(TIMED)];
        let time = |_| {
            let start = Instant::now();
            self.values(&points);
            start.elapsed() / points.len() as u32
        };
        (0..TIMED).map(time).fold(first, Duration::min)
    }

    /// An input whose gradient is null has none.
    fn ask_for_fixed(&mut self) -> Result<(), String> {
        let cotangent = self.value.mapv(|_| 1.0);
        let question = self.gradient_question(&self.inputs, &cotangent);
        let answer = self.program.borrow_mut().ask(&question, "gradient").map_err(Trouble::into_message)?;
        if let Ok(gradients) = self.listed(&answer, "gradient") {
            for (fixed, gradient) in self.fixed.iter_mut().zip(gradients) {
                *fixed |= gradient.is_null();
            }
        }
        Ok(())
    }

    /// Shows progress on a terminal.
    pub(super) fn show_progress(&mut self) {
        let left = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // Of nothing no time can be foretold.
            if state.pos() > 0 {
                let _ = write!(out, ", {:#} left", HumanDuration(state.eta()));
            }
        };
        let style =
            ProgressStyle::with_template("{pos} of {len} slopes{left}").expect("a template").with_key("left", left);
        self.bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()).with_style(style);
    }

    /// Ends the display of progress.
    pub(super) fn hide_progress(&self) {
        self.bar.finish_and_clear();
    }

    /// Whether the program computes in f32.
    pub(super) fn is_single(&self) -> bool {
        self.single
    }

    /// The numbers of the inputs that have a gradient.
    fn free(&self) -> impl Iterator<Item = usize> {
        (0..self.inputs.len()).filter(|input| !self.fixed[*input])
    }

    /// What is moved of the inputs that have a gradient: their elements, or their coordinates where they have a structure.
    pub(super) fn point(&self) -> Vec<ArrayD<f64>> {
        let start = |input: usize| match &self.structures[input] {
            Some(structure) => structure.start(),
            None => self.inputs[input].clone(),
        };
        self.free().map(start).collect()
    }

    /// Inputs that move along some directions alone: how many, and what reports call these.
    pub(super) fn structured(&self) -> Vec<(String, usize, String)> {
        let of = |input: usize| {
            let structure = self.structures[input].as_ref()?;
            Some((self.name(input), structure.start().len(), structure.name(&self.name(input))))
        };
        self.free().filter_map(of).collect()
    }

    /// The names in reports of the inputs that have a gradient.
    pub(super) fn names(&self) -> Vec<String> {
        let name = |input: usize| match &self.structures[input] {
            Some(structure) => structure.name(&self.name(input)),
            None => self.name(input),
        };
        self.free().map(name).collect()
    }

    /// The names of the inputs without a gradient, and the reasons.
    pub(super) fn fixed(&self) -> Vec<(String, &'static str)> {
        let all = (0..self.inputs.len()).filter(|input| self.fixed[*input]);
        let why =
            |input: usize| if self.inputs[input].is_empty() { "it has no elements" } else { "it has no gradient" };
        all.map(|input| (self.name(input), why(input))).collect()
    }

    fn name(&self, input: usize) -> String {
        self.names.as_ref().map_or_else(|| format!("input {input}"), |names| names[input].clone())
    }

    pub(super) fn shapes(&self) -> Vec<Vec<usize>> {
        self.inputs.iter().map(|x| x.shape().to_vec()).collect()
    }

    /// The value at the point.
    pub(super) fn output(&self) -> &ArrayD<f64> {
        &self.value
    }

    /// Whether there is a product with the Hessian that can be checked: one along straight lines.
    pub(super) fn has_hessian(&self) -> bool {
        self.offers.hessian_vector && self.structures.iter().flatten().all(Structure::is_straight)
    }

    /// Whether the program has a product with the Hessian that is not checked.
    pub(super) fn leaves_hessian_out(&self) -> bool {
        self.offers.hessian_vector && !self.has_hessian()
    }

    /// The reason why the program broke, if it did.
    pub(super) fn why_broken(&self) -> Option<String> {
        self.broken.borrow().clone()
    }

    /// Inputs in the form of the program's first answer: a list, or an object with names.
    fn named(&self, arrays: &[ArrayD<f64>]) -> Value {
        match &self.names {
            None => arrays.iter().map(nested).collect(),
            Some(names) => names.iter().cloned().zip(arrays.iter().map(nested)).collect::<Map<_, _>>().into(),
        }
    }

    /// All inputs where those that have a gradient have moved.
    fn all(&self, moved: &[ArrayD<f64>]) -> Vec<ArrayD<f64>> {
        let mut all = self.inputs.clone();
        for (input, moved) in self.free().zip(moved) {
            all[input] = self.moved(input, moved);
        }
        all
    }

    /// One input that has moved.
    fn moved(&self, input: usize, moved: &ArrayD<f64>) -> ArrayD<f64> {
        let moved = match &self.structures[input] {
            Some(structure) => structure.point(&self.inputs[input], moved),
            None => moved.clone(),
        };
        if self.single { rounded(moved) } else { moved }
    }

    /// The values of the inputs, from a list or from an object with names.
    fn listed(&self, answer: &Value, key: &str) -> Result<Vec<Value>, String> {
        let found = match (answer, &self.names) {
            (Value::Array(list), _) => (list.len() == self.inputs.len()).then(|| list.clone()),
            (Value::Object(object), Some(names)) => {
                Some(names.iter().map(|name| object.get(name).cloned().unwrap_or(Value::Null)).collect())
            }
            _ => None,
        };
        found.ok_or_else(|| {
            format!("the program's {key} is not a list with one array for each of the inputs ({})", self.inputs.len())
        })
    }

    /// The gradients of an answer, by all that moves.
    fn gradients(&self, answer: &Value, key: &str) -> Result<Vec<ArrayD<f64>>, Trouble> {
        let all = self.listed(answer, key).map_err(Trouble::Broken)?;
        let read = |input: usize| {
            let x = &self.inputs[input];
            let read = array_of_shape(&all[input], x.shape());
            let read =
                read.map_err(|why| Trouble::Broken(format!("the program's {key} of {} {why}", self.name(input))))?;
            Ok(match &self.structures[input] {
                Some(structure) => structure.pull(x, &read),
                None => read,
            })
        };
        self.free().map(read).collect()
    }

    fn gradient_question(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Value {
        let mut question = json!({ "ask": "gradient", "inputs": self.named(inputs) });
        // The gradient of a scalar needs no cotangent.
        if self.value.ndim() > 0 {
            question["cotangent"] = nested(cotangent);
        }
        question
    }

    /// The gradient of a program whose value is a number; NaN where it is not defined.
    pub(super) fn gradient(&self, free: &[ArrayD<f64>]) -> Vec<ArrayD<f64>> {
        self.pull_back(free, &self.value.mapv(|_| 1.0))
    }

    /// The product of the Hessian with one array for each input that has a gradient.
    pub(super) fn hessian_vector(&self, free: &[ArrayD<f64>], vector: &[ArrayD<f64>]) -> Vec<ArrayD<f64>> {
        let vector: Vec<_> = {
            let mut all: Vec<_> = self.inputs.iter().map(|x| x * 0.0).collect();
            for (input, vector) in self.free().zip(vector) {
                all[input] = match &self.structures[input] {
                    Some(structure) => structure.push(&self.inputs[input], vector),
                    None => vector.clone(),
                };
            }
            all
        };
        let question =
            json!({ "ask": "hessian_vector", "inputs": self.named(&self.all(free)), "vector": self.named(&vector) });
        self.unless_broken(
            free,
            || self.gradients(&self.program.borrow_mut().ask(&question, "hessian_vector")?, "Hessian-vector product"),
            || free.iter().map(|x| x * f64::NAN).collect(),
        )
    }

    /// The result of `ask`. If the program reports an error away from the point, its function is not defined there; any
    /// other failure ends the check.
    fn unless_broken<T>(
        &self,
        free: &[ArrayD<f64>],
        ask: impl FnOnce() -> Result<T, Trouble>,
        not_defined: impl FnOnce() -> T,
    ) -> T {
        if self.broken.borrow().is_some() {
            return not_defined();
        }
        ask().unwrap_or_else(|trouble| {
            if matches!(trouble, Trouble::Broken(_)) || self.point() == free {
                *self.broken.borrow_mut() = Some(trouble.into_message());
            }
            not_defined()
        })
    }

    /// The changes of each point from the first one, as [input, element, number]; `None` if there are too many, or the
    /// program does not offer it.
    fn changes(&self, points: &[Vec<ArrayD<f64>>]) -> Option<Vec<Vec<Value>>> {
        if !self.offers.changes {
            return None;
        }
        let of_point = |point: &Vec<ArrayD<f64>>| {
            let mut changes = Vec::new();
            for (input, moved) in self.free().zip(point) {
                let other = (self.single || self.structures[input].is_some()).then(|| self.moved(input, moved));
                for (element, (moved, x)) in other.as_ref().unwrap_or(moved).iter().zip(&self.inputs[input]).enumerate()
                {
                    if moved.to_bits() != x.to_bits() {
                        changes.push(json!([input, element, moved]));
                        if changes.len() > CHANGES {
                            return None;
                        }
                    }
                }
            }
            Some(changes)
        };
        points.iter().map(of_point).collect()
    }

    /// A value in its shape at the point. A single null stands for all elements.
    fn shaped(&self, value: &Value) -> Result<ArrayD<f64>, Trouble> {
        if value.is_null() || value.get("error").is_some() {
            return Ok(&self.value * f64::NAN);
        }
        let value = array_of_shape(value, self.value.shape());
        let value = value.map_err(|why| Trouble::Broken(format!("the program's value {why}")))?;
        Ok(if self.single { rounded(value) } else { value })
    }
}

/// Which inputs have no gradient: those that the program names, or numbers, and those without elements.
fn fixed(said: Option<&Value>, inputs: &[ArrayD<f64>], names: Option<&[String]>) -> Result<Vec<bool>, String> {
    let mut fixed: Vec<bool> = inputs.iter().map(ArrayD::is_empty).collect();
    for which in said.and_then(Value::as_array).into_iter().flatten() {
        let by_number = which.as_u64().and_then(|number| usize::try_from(number).ok());
        let by_name = || names?.iter().position(|name| Some(&name[..]) == which.as_str());
        match by_number.or_else(by_name).filter(|input| *input < inputs.len()) {
            Some(input) => fixed[input] = true,
            None => return Err(format!("the program says that {which} is fixed, which is none of its inputs")),
        }
    }
    Ok(fixed)
}

/// How the inputs move of which the program says so, by name or in a list with one entry for each.
fn structures(
    said: Option<&Value>,
    inputs: &[ArrayD<f64>],
    names: Option<&[String]>,
    fixed: &[bool],
) -> Result<Vec<Option<Structure>>, String> {
    let none = Value::Null;
    let of_inputs: Vec<&Value> = match (said, names) {
        (None | Some(Value::Null), _) => vec![&none; inputs.len()],
        (Some(Value::Object(said)), Some(names)) => {
            if let Some(other) = said.keys().find(|key| !names.contains(key)) {
                return Err(format!("the program gives a basis for `{other}`, which is none of its inputs"));
            }
            names.iter().map(|name| said.get(name).unwrap_or(&none)).collect()
        }
        (Some(Value::Array(said)), _) if said.len() == inputs.len() => said.iter().collect(),
        _ => {
            return Err(format!(
                "the program's basis is neither a list with an entry for each of the inputs ({}), null for one that moves \
                 freely, nor an object with their names",
                inputs.len()
            ));
        }
    };
    let called =
        |input: usize| names.map_or_else(|| format!("input {input}"), |names| format!("input `{}`", names[input]));
    let read = |(input, said): (usize, &Value)| match said {
        Value::Null => Ok(None),
        _ if fixed[input] => Err(format!("the program gives a basis for {}, which is fixed", called(input))),
        said => Structure::read(said, &inputs[input])
            .map(Some)
            .map_err(|why| format!("the program's {}: {why}", called(input))),
    };
    of_inputs.into_iter().enumerate().map(read).collect()
}

fn rounded(x: ArrayD<f64>) -> ArrayD<f64> {
    x.mapv_into(|x| f64::from(x as f32))
}

impl Function for Subject {
    fn unit(&self) -> f64 {
        if self.single { f64::from(f32::EPSILON) } else { f64::EPSILON }
    }

    fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
        let ask = || {
            let question = json!({ "ask": "value", "inputs": self.named(&self.all(inputs)) });
            let value = self.program.borrow_mut().ask(&question, "value")?;
            self.shaped(&value)
        };
        self.unless_broken(inputs, ask, || &self.value * f64::NAN)
    }

    fn batch(&self) -> usize {
        let numbers: usize = self.inputs.iter().map(ArrayD::len).sum();
        if self.offers.values || self.offers.changes { (NUMBERS / numbers.max(1)).clamp(1, POINTS) } else { 1 }
    }

    fn values(&self, points: &[Vec<ArrayD<f64>>]) -> Vec<ArrayD<f64>> {
        let ask = || {
            let of_point = |point: &Vec<ArrayD<f64>>| self.named(&self.all(point));
            let question = match self.changes(points) {
                Some(changes) => json!({ "ask": "values", "changes": changes }),
                None if !self.offers.values => return Err(Trouble::Said(String::new())),
                None => json!({ "ask": "values", "points": points.iter().map(of_point).collect::<Vec<_>>() }),
            };
            let answer = self.program.borrow_mut().ask(&question, "values")?;
            match answer.as_array().filter(|values| values.len() == points.len()) {
                Some(values) => values.iter().map(|value| self.shaped(value)).collect(),
                None => Err(Trouble::Broken(format!(
                    "the program's values are not a list with one for each of the {} points",
                    points.len()
                ))),
            }
        };
        let nowhere = || points.iter().map(|_| &self.value * f64::NAN).collect();
        if self.broken.borrow().is_some() {
            return nowhere();
        }
        ask().unwrap_or_else(|trouble| match trouble {
            // At one of the points: ask for each separately to find out which.
            Trouble::Said(_) => points.iter().map(|point| self.value(point)).collect(),
            Trouble::Broken(why) => {
                *self.broken.borrow_mut() = Some(why);
                nowhere()
            }
        })
    }

    fn pull_back(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>> {
        let factor = if self.value.ndim() == 0 { cotangent.first().copied().unwrap_or(1.0) } else { 1.0 };
        let question = self.gradient_question(&self.all(inputs), cotangent);
        self.unless_broken(
            inputs,
            || {
                let gradients = self.gradients(&self.program.borrow_mut().ask(&question, "gradient")?, "gradient")?;
                Ok(gradients.into_iter().map(|gradient| gradient * factor).collect())
            },
            || inputs.iter().map(|x| x * f64::NAN).collect(),
        )
    }

    fn progress(&self, done: usize, all: usize) {
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
    }
}
