//! A trial of the gradient checker: some five hundred functions, right and wrong in twelve ways, and what it says of each.
//!
//! `cargo test --release -p impasto-gradcheck --test trial -- --nocapture` prints the table of docs/testing.md.

mod cancelling;
mod faults;
mod functions;

use std::collections::BTreeMap;

use cancelling::{cancelling, wrong_by_little};
use faults::{Fault, wrong_at_kinks};
use functions::{Array, Function, kinked, smooth};
use impasto_gradcheck::{GradCheck, Verdict};
use rayon::prelude::*;

/// Functions with each of the faults that any can have.
const OF_EACH: usize = 24;

/// All functions of the trial, by their fault.
fn functions() -> Vec<(Fault, Function)> {
    let of = |fault: Fault, functions: Vec<Function>| functions.into_iter().map(move |function| (fault, function));
    let mut all: Vec<_> = of(Fault::None, smooth()).collect();
    all.extend(kinked().into_iter().map(|kinked| (Fault::NoneAtKink, kinked.function)));
    let at_kinks = kinked().into_iter().enumerate().map(|(i, kinked)| wrong_at_kinks(kinked, i % 2 == 0));
    all.extend(of(Fault::AtKinkOnly, at_kinks.collect()));
    for (number, fault) in Fault::OF_ANY.into_iter().enumerate() {
        // Others for each fault, spread over all.
        let pool: Vec<_> = smooth().into_iter().filter(|function| fault.fits(function)).collect();
        let step = pool.len() / OF_EACH;
        let some = pool.into_iter().skip(number % step).step_by(step).take(OF_EACH).enumerate();
        all.extend(some.map(|(i, function)| (fault, fault.put_into(function, i % 2 == 0))));
    }
    let with_square = smooth().into_iter().filter(|function| function.square.is_some());
    all.extend(with_square.map(|function| (Fault::Transposed, Fault::Transposed.put_into(function, false))));
    let with_row = smooth().into_iter().filter(|function| function.stretched.is_some());
    all.extend(with_row.map(|function| (Fault::MissingSum, Fault::MissingSum.put_into(function, false))));
    all
}

/// What the checker says of a function.
fn verdict(function: &Function) -> Verdict {
    let value = |x: &Vec<Array>| (function.value)(x);
    let vjp = |x: &Vec<Array>, dy: &Array| (function.vjp)(x, dy);
    let result = GradCheck::new().check_vjp(value, vjp, &function.inputs);
    result.map_or_else(|failure| failure.verdict(), |_| Verdict::Agrees)
}

/// What it should say.
fn right_verdict(fault: Fault, number: usize) -> Verdict {
    match fault {
        Fault::None => Verdict::Agrees,
        Fault::NoneAtKink => Verdict::NotDifferentiable,
        // Every other one has values that are rounded, and a gradient that is right within that.
        Fault::SingleInside if number % 2 == 1 => Verdict::Coarse,
        _ => Verdict::Wrong,
    }
}

#[test]
fn every_verdict_is_right() {
    let functions = functions();
    let verdicts: Vec<_> = functions.par_iter().map(|(_, function)| verdict(function)).collect();
    let mut numbers = BTreeMap::<Fault, usize>::new();
    let (mut table, mut misses) = (BTreeMap::<Fault, [usize; 3]>::new(), Vec::new());
    for ((fault, function), verdict) in functions.iter().zip(verdicts) {
        let number = numbers.entry(*fault).or_default();
        let expected = right_verdict(*fault, *number);
        *number += 1;
        let row = table.entry(*fault).or_default();
        row[0] += 1;
        row[1] += usize::from(verdict == expected);
        row[2] += usize::from(verdict == Verdict::Undecided);
        if verdict != expected {
            misses.push(format!("{verdict:?} for {expected:?}: {}", function.name));
        }
    }
    let mut all = [0; 3];
    for (fault, row) in &table {
        println!("| {} | {} | {} | {} |", fault.name(), row[0], row[1], row[2]);
        all.iter_mut().zip(row).for_each(|(all, row)| *all += row);
    }
    println!("| all | {} | {} | {} |", all[0], all[1], all[2]);
    let elements: Vec<usize> = functions.iter().map(|(_, function)| function.elements()).collect();
    println!("of {:?} to {:?} elements", elements.iter().min(), elements.iter().max());
    assert!(all[0] >= 300 && table.len() == 14);
    assert_eq!(misses, [""; 0]);
}

/// The functions of which the verdict is another, with it.
fn misses(functions: &[Function], expected: &[Verdict]) -> Vec<String> {
    let verdicts: Vec<_> = functions.par_iter().map(verdict).collect();
    let pairs = functions.iter().zip(verdicts).filter(|(_, verdict)| !expected.contains(verdict));
    pairs.map(|(function, verdict)| format!("{verdict:?}: {}", function.name)).collect()
}

#[test]
fn gradients_that_are_nothing_but_rounding_are_not_called_wrong() {
    assert_eq!(misses(&cancelling(), &[Verdict::Agrees]), [""; 0]);
    for linear in [true, false] {
        let wrong: Vec<_> = cancelling().into_iter().map(|function| wrong_by_little(function, linear)).collect();
        assert_eq!(misses(&wrong, &[Verdict::Wrong]), [""; 0]);
    }
}

#[test]
fn values_rounded_to_f32_are_coarse_in_every_function() {
    let single = |function| Fault::SingleInside.put_into(function, false);
    // Zero is not rounded.
    let is_some = |function: &Function| (function.value)(&function.inputs).iter().any(|&y| y != 0.0);
    let right: Vec<_> = smooth().into_iter().filter(is_some).map(single).collect();
    assert_eq!(misses(&right, &[Verdict::Coarse]), [""; 0]);
    // All but layer normalisation of two numbers, whose gradient is 0 and has no sign.
    let has_sign = |function: &Function| !function.name.starts_with("layer normalisation, scaled, n = 2");
    let some = smooth().into_iter().filter(is_some).filter(has_sign).step_by(4);
    let wrong: Vec<_> = some.map(|function| single(Fault::Sign.put_into(function, false))).collect();
    assert_eq!(misses(&wrong, &[Verdict::Wrong]), [""; 0]);
}
