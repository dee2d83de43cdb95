//! A trial on functions that are drawn: families by parameters from a seed, right and wrong.
//!
//! `SEED=2 DRAWS=100 cargo test --release -p impasto-gradcheck --test drawn -- --nocapture` draws others, and more, and prints
//! what is said of them.

mod families;

use families::{BORDERS, COMMON, Drawn, FIELDS, Family, KINKS, NARROW, OPTIMA};
use impasto_gradcheck::{GradCheck, Verdict};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A number from the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A change of a right gradient.
type Change<'a> = (&'static str, Box<dyn Fn(&[f64], Vec<f64>) -> Vec<f64> + 'a>);

fn factor(factor: f64) -> Box<dyn Fn(&[f64], Vec<f64>) -> Vec<f64>> {
    Box::new(move |_, gradient| gradient.iter().map(|g| g * factor).collect())
}

/// What makes the gradient of a function wrong. At kinks other slopes are right as well.
fn changes(case: &Drawn, at_kinks: bool) -> Vec<Change<'_>> {
    let mut changes: Vec<Change<'_>> = Vec::new();
    if let Some(term) = &case.forgotten {
        let without = |x: &[f64], gradient: Vec<f64>| gradient.iter().zip(term(x)).map(|(g, t)| g - t).collect();
        changes.push(("a term forgotten", Box::new(without)));
    }
    if (case.gradient)(&case.x).iter().all(|g| *g == 0.0) {
        changes.push(("not 0", Box::new(|_, gradient| gradient.iter().map(|_| 1e-3).collect())));
    } else if !at_kinks {
        changes.extend([("factor 1.001", factor(1.001)), ("sign", factor(-1.0)), ("factor 1.3", factor(1.3))]);
    }
    changes
}

/// What is said of a changed gradient: 0 for right, 1 for neither, 2 for wrong; and in words.
fn said(case: &Drawn, change: &dyn Fn(&[f64], Vec<f64>) -> Vec<f64>, at_kinks: bool) -> (usize, String) {
    let check = GradCheck::new().subgradients(at_kinks);
    let gradient = |x: &[f64]| change(x, (case.gradient)(x));
    match check.check_fn(|x: &[f64]| (case.f)(x), gradient, &case.x[..]) {
        Ok(report) => (0, report.to_string()),
        Err(failure) => (if failure.verdict() == Verdict::Wrong { 2 } else { 1 }, failure.to_string()),
    }
}

/// Draws each family of a group, and counts what is said of right gradients and of wrong ones.
fn tried(group: &str, families: &[Family], at_kinks: bool) -> [[usize; 3]; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(number("SEED", 1));
    let mut table = [[0; 3]; 2];
    for family in families {
        for _ in 0..number("DRAWS", 10) {
            let case = family(&mut rng);
            let (column, text) = said(&case, &|_, gradient| gradient, at_kinks);
            table[0][column] += 1;
            if column != 0 {
                println!("right, said [right, neither, wrong][{column}]: {} at {:?}\n{text}", case.name, case.x);
            }
            for (name, change) in changes(&case, at_kinks) {
                let (column, text) = said(&case, &*change, at_kinks);
                table[1][column] += 1;
                if column != 2 {
                    println!("{name}, said [right, neither, wrong][{column}]: {} at {:?}\n{text}", case.name, case.x);
                }
            }
        }
    }
    println!("{group}: [right, neither, wrong] of right {:?}, of wrong {:?}", table[0], table[1]);
    table
}

/// None of the wrong gradients passes, none of the right ones is called wrong, and few are left open.
fn assert_sound([right, wrong]: [[usize; 3]; 2], open: f64) {
    let all = |row: [usize; 3]| row.iter().sum::<usize>() as f64;
    assert_eq!((right[2], wrong[0]), (0, 0));
    assert!(right[1] as f64 <= open * all(right) && wrong[1] as f64 <= open * all(wrong), "{right:?}, {wrong:?}");
}

#[test]
fn features_much_narrower_than_the_argument() {
    assert_sound(tried("narrow", &NARROW, false), 0.02);
}

#[test]
fn gradients_of_0_where_the_value_is_0() {
    assert_sound(tried("optima", &OPTIMA, false), 0.0);
}

#[test]
fn poles_borders_roots_and_powers() {
    assert_sound(tried("borders", &BORDERS, false), 0.02);
}

#[test]
fn losses_norms_and_iterations() {
    assert_sound(tried("common", &COMMON, false), 0.06);
}

#[test]
fn what_other_fields_compute() {
    assert_sound(tried("fields", &FIELDS, false), 0.02);
}

#[test]
fn kinks_that_meet() {
    assert_sound(tried("kinks", &KINKS, true), 0.0);
}
