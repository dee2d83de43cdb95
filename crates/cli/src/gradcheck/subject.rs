//! A program as a function with a gradient.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use impasto::gradcheck::Function;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ndarray::ArrayD;
use serde_json::{Map, Value, json};

use super::program::{Program, Trouble, array, array_of_shape, nested};

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
        if single {
            inputs = inputs.into_iter().map(rounded).collect();
        }
        if let Some(input) = inputs.iter().position(|x| x.iter().any(|x| !x.is_finite())) {
            return Err(format!("the program's input {} has NaN or an infinity in it", called(input)));
        }
        let mut fixed: Vec<bool> = inputs.iter().map(ArrayD::is_empty).collect();
        for which in answer.get("fixed").and_then(Value::as_array).into_iter().flatten() {
            let by_number = which.as_u64().and_then(|number| usize::try_from(number).ok());
            let by_name = || names.as_ref()?.iter().position(|name| Some(&name[..]) == which.as_str());
            match by_number.or_else(by_name).filter(|input| *input < inputs.len()) {
                Some(input) => fixed[input] = true,
                None => return Err(format!("the program declares {which} as fixed, but has no such input")),
            }
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
                changes: offers("changes") && !single,
                hessian_vector: offers("hessian_vector"),
            },
            inputs,
            names,
            fixed,
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
        subject.time = start.elapsed();
        subject.ask_for_fixed()?;
        if subject.fixed.iter().all(|fixed| *fixed) {
            return Err("none of the program's inputs has elements and a gradient".into());
        }
        Ok(subject)
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
        let style = ProgressStyle::with_template("{pos}/{len} slopes, {eta} left").expect("a template");
        self.bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()).with_style(style);
    }

    /// Ends the display of progress.
    pub(super) fn hide_progress(&self) {
        self.bar.finish_and_clear();
    }

    /// The inputs that have a gradient.
    pub(super) fn point(&self) -> Vec<ArrayD<f64>> {
        let all = self.inputs.iter().zip(&self.fixed);
        all.filter(|(_, fixed)| !**fixed).map(|(x, _)| x.clone()).collect()
    }

    /// The names in reports of the inputs that have a gradient.
    pub(super) fn names(&self) -> Vec<String> {
        let all = (0..self.inputs.len()).filter(|input| !self.fixed[*input]);
        all.map(|input| self.name(input)).collect()
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

    pub(super) fn has_hessian(&self) -> bool {
        self.offers.hessian_vector
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

    /// All inputs, with new values for those that have a gradient.
    fn all(&self, free: &[ArrayD<f64>]) -> Vec<ArrayD<f64>> {
        let mut free = free.iter();
        let all = self.inputs.iter().zip(&self.fixed);
        all.map(|(x, fixed)| if *fixed { x } else { free.next().expect("as many") }.clone()).collect()
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

    /// Arrays in the shapes of the inputs that have a gradient.
    fn free(&self, answer: &Value, key: &str) -> Result<Vec<ArrayD<f64>>, Trouble> {
        let all = self.listed(answer, key).map_err(Trouble::Broken)?;
        let free = all.iter().zip(&self.inputs).enumerate().filter(|(input, _)| !self.fixed[*input]);
        let read = |(input, (value, x)): (usize, (&Value, &ArrayD<f64>))| {
            let read = array_of_shape(value, x.shape());
            read.map_err(|why| Trouble::Broken(format!("the program's {key} of {} {why}", self.name(input))))
        };
        free.map(read).collect()
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
            let mut given = vector.iter();
            let all = self.inputs.iter().zip(&self.fixed);
            all.map(|(x, fixed)| if *fixed { x * 0.0 } else { given.next().expect("as many").clone() }).collect()
        };
        let question =
            json!({ "ask": "hessian_vector", "inputs": self.named(&self.all(free)), "vector": self.named(&vector) });
        self.unless_broken(
            free,
            || self.free(&self.program.borrow_mut().ask(&question, "hessian_vector")?, "Hessian-vector product"),
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
        let free: Vec<usize> = (0..self.inputs.len()).filter(|input| !self.fixed[*input]).collect();
        let of_point = |point: &Vec<ArrayD<f64>>| {
            let mut changes = Vec::new();
            for (&input, moved) in free.iter().zip(point) {
                for (element, (moved, x)) in moved.iter().zip(&self.inputs[input]).enumerate() {
                    let moved = if self.single { f64::from(*moved as f32) } else { *moved };
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

fn rounded(x: ArrayD<f64>) -> ArrayD<f64> {
    x.mapv_into(|x| f64::from(x as f32))
}

impl Function for Subject {
    fn unit(&self) -> f64 {
        if self.single { f64::from(f32::EPSILON) } else { f64::EPSILON }
    }

    fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
        let ask = || {
            let inputs = self.all(
                &inputs.iter().map(|x| if self.single { rounded(x.clone()) } else { x.clone() }).collect::<Vec<_>>(),
            );
            let question = json!({ "ask": "value", "inputs": self.named(&inputs) });
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
            let of_point = |free: &Vec<ArrayD<f64>>| {
                let free: Vec<_> =
                    free.iter().map(|x| if self.single { rounded(x.clone()) } else { x.clone() }).collect();
                self.named(&self.all(&free))
            };
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
                let gradients = self.free(&self.program.borrow_mut().ask(&question, "gradient")?, "gradient")?;
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
