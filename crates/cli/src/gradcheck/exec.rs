//! The gradient that a program gives.

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use impasto::gradcheck::{Failure, Float, GradCheck, Numbers, Report};
use impasto::picture::Format;
use ndarray::{ArrayD, IxDyn};
use serde_json::{Value, json};

use super::super::distinct::{Written, ensure_distinct};
use super::super::error::Error;
use super::super::print::Results;
use super::program::{Program, array, array_of_shape, nested};
use super::{Arguments, Outcome, as_json, printed, verdict, wrapped, write_json};

pub(super) fn run(command: &str, arguments: &Arguments) -> Result<ExitCode, Error> {
    let options = &arguments.program;
    if let Some(path) = &options.picture {
        Format::of(path)?;
        // The program and what its command line names are read.
        ensure_distinct(&[Written::picture("--picture", path)], &shlex::split(command).unwrap_or_default())?;
    }
    let program = Program::start(command, Duration::from_secs_f64(options.timeout)).map_err(Error::Failure)?;
    let subject = Subject::meet(program, arguments.seed).map_err(Error::Failure)?;
    let mut check = GradCheck::new().seed(arguments.seed).subgradients(options.subgradients);
    if let Some(rtol) = options.rtol {
        check = check.rtol(rtol);
    }
    if options.every_element {
        check = check.every_element();
    } else if let Some(directions) = options.directions {
        check = check.directions(directions.into());
    }
    let result = if options.f32 { subject.check::<f32>(&check) } else { subject.check::<f64>(&check) };
    subject.still_answers()?;
    if let Some(path) = &options.picture {
        let errors = if options.f32 { subject.errors::<f32>(&check) } else { subject.errors::<f64>(&check) };
        subject.still_answers()?;
        draw(&errors, path)?;
    }
    printed(print(command, &subject.inputs, &result, arguments.json))
}

fn print(
    command: &str,
    inputs: &[ArrayD<f64>],
    result: &Result<Report, Failure>,
    as_object: bool,
) -> io::Result<Outcome> {
    let mut out = Results;
    if as_object {
        let shapes: Vec<_> = inputs.iter().map(ArrayD::shape).collect();
        let mut object = json!({ "program": command, "shapes": shapes });
        if let Some(object) = object.as_object_mut() {
            object.extend(as_json(result));
        }
        write_json(&object, &mut out)?;
    } else {
        let (verdict, style) = verdict(result);
        let text = match result {
            Ok(report) => format!("{verdict}: {report} ({} evaluations)", report.evaluations),
            // It begins with its verdict by itself.
            Err(failure @ Failure::Slopes { .. }) => failure.to_string(),
            Err(failure) => format!("wrong: {failure}"),
        };
        let text = wrapped(&text);
        let (headline, rest) = text.split_at(text.find(':').unwrap_or(0));
        writeln!(out, "{style}{headline}{style:#}{rest}")?;
    }
    Ok(Outcome::of(result))
}

fn draw(errors: &[ArrayD<f64>], path: &Path) -> Result<(), Error> {
    Ok(impasto_drawing::heat_map("error of the gradient, relative to its element", errors).save(path)?)
}

/// A program as a function with a gradient. When it fails, all that follows is NaN, and the failure is kept.
struct Subject {
    program: RefCell<Program>,
    inputs: Vec<ArrayD<f64>>,
    value: ArrayD<f64>,
    failure: RefCell<Option<String>>,
}

impl Subject {
    /// Asks for the point to look at, and for the value there.
    fn meet(mut program: Program, seed: u64) -> Result<Self, String> {
        let inputs = match program.ask(&json!({ "ask": "inputs", "seed": seed }), "inputs")? {
            Value::Array(inputs) if !inputs.is_empty() => inputs,
            other => return Err(format!("the program's inputs are {other}, where a list of one or more was expected")),
        };
        let inputs: Vec<_> = inputs
            .iter()
            .enumerate()
            .map(|(input, value)| array(value).map_err(|why| format!("the program's input {input} {why}")))
            .collect::<Result<_, _>>()?;
        if let Some(input) = inputs.iter().position(|x| x.is_empty() || x.iter().any(|x| !x.is_finite())) {
            return Err(format!("the program's input {input} is empty, or has NaN or an infinity in it"));
        }
        let value = program.ask(&json!({ "ask": "value", "inputs": lists(&inputs) }), "value")?;
        let value = array(&value).map_err(|why| format!("the program's value {why}"))?;
        Ok(Self { program: RefCell::new(program), inputs, value, failure: RefCell::default() })
    }

    fn check<T: Float>(&self, check: &GradCheck) -> Result<Report, Failure> {
        check.check_vjp(
            |x: &Vec<ArrayD<T>>| self.value_at(&x.arrays()).mapv(T::of),
            |x: &Vec<ArrayD<T>>, cotangent: &ArrayD<T>| self.gradient_at(&x.arrays(), &cotangent.mapv(Float::to_f64)),
            &self.point(),
        )
    }

    /// How wrong each element of the gradient is, relative to its own size; 0 where no error can be seen.
    fn errors<T: Float>(&self, check: &GradCheck) -> Vec<ArrayD<f64>> {
        // A function that gives an array is looked at with a cotangent that is different everywhere.
        let mut number = 0.0;
        let cotangent = self.value.mapv(|_| {
            number += 1.0;
            if self.value.ndim() == 0 { 1.0 } else { 1.0 + 0.5 * f64::sin(number) }
        });
        let numeric = check.numeric_gradient(
            |x: &Vec<ArrayD<T>>| T::of((&cotangent * &self.value_at(&x.arrays())).sum()),
            &self.point::<T>(),
        );
        let point: Vec<ArrayD<f64>> = self.point::<T>().arrays();
        let analytic = self.gradient_at(&point, &cotangent);
        let mut found = numeric.values.iter().zip(&numeric.errors);
        let error = |analytic: &f64| {
            let (numeric, uncertainty) = found.next().expect("one for each element");
            let off = (analytic - numeric).abs();
            if off <= 4.0 * uncertainty { 0.0 } else { off / analytic.abs().max(numeric.abs()) }
        };
        let errors: Vec<f64> = analytic.iter().flatten().map(error).collect();
        let mut errors = errors.into_iter();
        let shaped = |x: &ArrayD<f64>| {
            ArrayD::from_shape_vec(IxDyn(x.shape()), errors.by_ref().take(x.len()).collect()).expect("as many")
        };
        self.inputs.iter().map(shaped).collect()
    }

    fn point<T: Float>(&self) -> Vec<ArrayD<T>> {
        self.inputs.iter().map(|x| x.mapv(T::of)).collect()
    }

    fn value_at(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
        let shape = self.value.shape();
        let ask = || {
            let value = self.program.borrow_mut().ask(&json!({ "ask": "value", "inputs": lists(inputs) }), "value")?;
            array_of_shape(&value, shape).map_err(|why| format!("the program's value {why}"))
        };
        self.unless_failed(ask, || ArrayD::from_elem(shape, f64::NAN))
    }

    fn gradient_at(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>> {
        let mut question = json!({ "ask": "gradient", "inputs": lists(inputs) });
        // The gradient of a number needs none.
        let factor = cotangent.first().copied().filter(|_| cotangent.ndim() == 0);
        if factor.is_none() {
            question["cotangent"] = nested(cotangent);
        }
        let ask = || {
            let answer = self.program.borrow_mut().ask(&question, "gradient")?;
            let gradients = answer.as_array().filter(|list| list.len() == inputs.len()).ok_or_else(|| {
                format!("the program's gradient is not a list with one array for each of the inputs ({})", inputs.len())
            })?;
            let of_input = |(input, (value, x)): (usize, (&Value, &ArrayD<f64>))| {
                let gradient = array_of_shape(value, x.shape());
                gradient.map_err(|why| format!("the program's gradient of input {input} {why}"))
            };
            let gradients = gradients.iter().zip(inputs).enumerate().map(of_input);
            gradients.map(|gradient| Ok(gradient? * factor.unwrap_or(1.0))).collect()
        };
        self.unless_failed(ask, || inputs.iter().map(|x| ArrayD::from_elem(x.shape(), f64::NAN)).collect())
    }

    fn unless_failed<T>(&self, ask: impl FnOnce() -> Result<T, String>, otherwise: impl FnOnce() -> T) -> T {
        if self.failure.borrow().is_some() {
            return otherwise();
        }
        ask().unwrap_or_else(|why| {
            *self.failure.borrow_mut() = Some(why);
            otherwise()
        })
    }

    /// An error if the program failed.
    fn still_answers(&self) -> Result<(), Error> {
        self.failure.borrow_mut().take().map_or(Ok(()), |why| Err(Error::Failure(why)))
    }
}

fn lists(arrays: &[ArrayD<f64>]) -> Value {
    arrays.iter().map(nested).collect()
}
