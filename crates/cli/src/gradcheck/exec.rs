//! Checks the gradient that a program computes.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use impasto::gradcheck::{Failure, Float, Function, GradCheck, Report};
use impasto::picture::Format;
use indicatif::HumanDuration;
use ndarray::{ArrayD, IxDyn};
use serde_json::{Value, json};

use super::super::distinct::{Written, ensure_distinct};
use super::super::error::Error;
use super::super::print::{Results, note};
use super::explain;
use super::program::Program;
use super::subject::Subject;
use super::{Arguments, Outcome, ProgramArguments, as_json, printed, taylor, verdict, wrapped, write_json};

/// The exit code for a program that broke.
const BROKEN: u8 = 4;

/// The longest time of a check before elements are sampled.
const LONG: Duration = Duration::from_secs(60);

/// The usual number of calls for the slopes along one line.
const CALLS: usize = 10;

/// The number of directions that are compared beside a sample.
const DIRECTIONS: usize = 8;

/// The largest Jacobian of which every entry is compared if that does not take long.
const LARGE: usize = 20_000;

pub(super) fn run(command: &str, arguments: &Arguments) -> Result<ExitCode, Error> {
    let options = &arguments.program;
    if let Some(path) = &options.picture {
        Format::of(path)?;
        // All words of the command may name files that the program reads.
        ensure_distinct(&[Written::picture("--picture", path)], &shlex::split(command).unwrap_or_default())?;
    }
    let met = Program::start(command, Duration::from_secs_f64(options.timeout))
        .and_then(|program| Subject::meet(program, arguments.seed, options.f32));
    let mut subject = match met {
        Ok(subject) => subject,
        Err(why) => return broken(command, &why, arguments.json),
    };
    let (check, sampled) = check(options, arguments.seed, &subject);
    if let Some(slope) = &options.explain {
        let explained = explain::print(slope, &subject, &check);
        return match subject.why_broken() {
            Some(why) => broken(command, &why, arguments.json),
            None => explained,
        };
    }
    if arguments.taylor {
        return match taylor::program(command, &subject, &check, arguments.json) {
            Some(tested) => tested,
            None => broken(command, &subject.why_broken().unwrap_or_default(), arguments.json),
        };
    }
    if !arguments.json {
        tell(&subject, sampled);
    }
    subject.show_progress();
    let point = subject.point();
    let result = check.check_function(&subject, &point);
    let hessian = (subject.has_hessian() && subject.why_broken().is_none()).then(|| {
        check.check_hessian_vector(
            |x: &Vec<ArrayD<f64>>| subject.gradient(x),
            |x: &Vec<ArrayD<f64>>, v: &Vec<ArrayD<f64>>| subject.hessian_vector(x, v),
            &point,
        )
    });
    let errors = options.picture.as_deref().filter(|_| subject.why_broken().is_none()).map(|path| {
        let errors =
            if subject.is_single() { errors::<f32>(&subject, &check) } else { errors::<f64>(&subject, &check) };
        (path, errors)
    });
    subject.hide_progress();
    if let Some(why) = subject.why_broken() {
        return broken(command, &why, arguments.json);
    }
    if let Some((path, errors)) = errors {
        draw(&errors, path)?;
    }
    printed(print(command, &subject, sampled, [Some(&result), hessian.as_ref()], arguments))
}

/// The check for the options, and the number of elements that it samples if a full check would take too long.
fn check(options: &ProgramArguments, seed: u64, subject: &Subject) -> (GradCheck, Option<usize>) {
    let mut check = GradCheck::new().seed(seed).subgradients(options.subgradients);
    if let Some(rtol) = options.rtol {
        check = check.rtol(rtol);
    }
    if let Some(atol) = options.atol {
        check = check.atol(atol);
    }
    if let Some(eps) = options.eps {
        check = check.eps(eps);
    }
    if let Some(tolerance) = options.nondeterminism {
        check = check.nondeterminism(tolerance);
    }
    if options.every_element {
        return (check.every_element(), None);
    }
    if let Some(directions) = options.directions {
        return (check.directions(directions.into()), None);
    }
    let elements = elements(subject);
    let outputs = subject.output().len();
    let calls = CALLS * elements + outputs;
    if elements * outputs <= LARGE && subject.time * u32::try_from(calls).unwrap_or(u32::MAX) > LONG {
        let affordable = LONG.as_secs_f64() / 2.0 / subject.time.as_secs_f64().max(1e-9);
        let inputs = subject.point().len();
        let sampled = (affordable / (CALLS * inputs) as f64).clamp(1.0, elements as f64) as usize;
        return (check.sample(sampled), Some(sampled));
    }
    (check, None)
}

/// Reports what is left out.
fn tell(subject: &Subject, sampled: Option<usize>) {
    for (name, why) in subject.fixed() {
        note(format_args!("{name} is not differentiated: {why}"));
    }
    for (name, count, called) in subject.structured() {
        note(format_args!("{name} moves along {count} directions, `{called}`"));
    }
    if subject.leaves_hessian_out() {
        note(format_args!("the Hessian-vector product is not checked, as an input is a rotation"));
    }
    if let Some(sampled) = sampled {
        let (elements, inputs) = (elements(subject), subject.point().len());
        let takes = |calls: usize| HumanDuration(subject.time * u32::try_from(calls).unwrap_or(u32::MAX));
        note(format_args!(
            "all {elements} elements would take about {}; comparing {sampled} of each input and {DIRECTIONS} directions, which \
             takes about {} (--every-element compares all)",
            takes(CALLS * elements),
            takes(CALLS * inputs * (sampled + DIRECTIONS))
        ));
    }
}

/// How many numbers are moved.
fn elements(subject: &Subject) -> usize {
    subject.point().iter().map(ArrayD::len).sum()
}

/// A program that broke: no verdict on its gradient.
fn broken(command: &str, why: &str, as_object: bool) -> Result<ExitCode, Error> {
    if as_object {
        let object = json!({ "program": command, "right": false, "verdict": "broken", "failure": why });
        printed(write_json(&object, &mut Results).map(|()| Outcome::Undecided))?;
    }
    note(format_args!("error: {why}"));
    Ok(ExitCode::from(BROKEN))
}

fn print(
    command: &str,
    subject: &Subject,
    sampled: Option<usize>,
    results: [Option<&Result<Report, Failure>>; 2],
    arguments: &Arguments,
) -> io::Result<Outcome> {
    let mut out = Results;
    let names = subject.names();
    let outcome = results.iter().flatten().map(|result| Outcome::of(result)).max().unwrap_or(Outcome::Right);
    if arguments.json {
        let mut object = json!({
            "program": command,
            "shapes": subject.shapes(),
            "inputs": names,
            "not_differentiated": subject.fixed().into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "sampled": sampled,
        });
        if let (Some(object), [Some(gradient), hessian]) = (object.as_object_mut(), results) {
            object.extend(as_json(gradient, &names));
            if let Some(hessian) = hessian {
                object.insert("hessian_vector".into(), Value::Object(as_json(hessian, &names)));
            }
        }
        write_json(&object, &mut out)?;
        return Ok(outcome);
    }
    for (result, what) in results.into_iter().zip(["", "Hessian-vector product: "]) {
        let Some(result) = result else { continue };
        let (verdict, style) = verdict(result);
        let text = match result {
            Ok(report) => format!("{verdict}: {report} ({} evaluations)", report.evaluations),
            // It begins with its verdict by itself.
            Err(failure @ Failure::Slopes { .. }) => failure.named(&names),
            Err(failure) => format!("wrong: {}", failure.named(&names)),
        };
        let text = wrapped(&(text + &advice(result, subject.is_single())));
        let (headline, rest) = text.split_at(text.find(':').unwrap_or(0));
        writeln!(out, "{what}{style}{headline}{style:#}{rest}")?;
    }
    Ok(outcome)
}

/// The options of the command that help with a result.
fn advice(result: &Result<Report, Failure>, is_single: bool) -> String {
    let said = match result {
        Err(Failure::Slopes { entries, .. }) => {
            let noise = entries.iter().map(|entry| entry.noise).fold(0.0, f64::max);
            // The size of rounding in f32, unlike that of a solver's tolerance or of half precision.
            let like_f32 = (3e-9..3e-6).contains(&noise);
            if like_f32 && !is_single {
                "\nIf the program computes in f32, give --f32."
            } else if entries.first().is_some_and(|entry| entry.undefined.is_some()) {
                "\nNear the border of a domain, --eps sets the first step."
            } else {
                return String::new();
            }
        }
        Err(Failure::ValueChanges { by, .. }) if *by < 1e-3 => {
            return format!("\n--nondeterminism {:.0e} accepts it.", 10f64.powf((2.0 * by).log10().ceil()));
        }
        _ => return String::new(),
    };
    said.into()
}

fn draw(errors: &[ArrayD<f64>], path: &Path) -> Result<(), Error> {
    Ok(impasto_drawing::heat_map("error of the gradient, relative to its element", errors).save(path)?)
}

/// The relative error of each element of the gradient; 0 if no error can be detected.
fn errors<T: Float>(subject: &Subject, check: &GradCheck) -> Vec<ArrayD<f64>> {
    // For an array, use a cotangent whose elements all differ.
    let mut number = 0.0;
    let cotangent = subject.output().mapv(|_| {
        number += 1.0;
        if subject.output().ndim() == 0 { 1.0 } else { 1.0 + 0.5 * f64::sin(number) }
    });
    let point = subject.point();
    let numeric = check.numeric_gradient(
        |x: &Vec<ArrayD<T>>| {
            let x: Vec<_> = x.iter().map(|x| x.mapv(Float::to_f64)).collect();
            T::of((&cotangent * &subject.value(&x)).sum())
        },
        &point.iter().map(|x| x.mapv(T::of)).collect(),
    );
    let analytic = subject.pull_back(&point, &cotangent);
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
    point.iter().map(shaped).collect()
}
