//! A trial on functions that are drawn: families by parameters from a seed, right and wrong.

mod families;

use families::{BORDERS, COMMON, Drawn, KINKS, NARROW, OPTIMA};
use impasto_gradcheck::{GradCheck, Verdict};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn seed() -> u64 {
    std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1)
}

fn said(case: &Drawn, change: &dyn Fn(&[f64], Vec<f64>) -> Vec<f64>, kinks: bool) -> (Verdict, String) {
    let check = GradCheck::new().subgradients(kinks);
    match check.check_fn(|x: &[f64]| (case.f)(x), |x: &[f64]| change(x, (case.gradient)(x)), &case.x[..]) {
        Ok(report) => (Verdict::Agrees, format!("{} evaluations", report.evaluations)),
        Err(failure) => (failure.verdict(), failure.to_string()),
    }
}

/// A change of a right gradient.
type Change<'a> = (&'static str, Box<dyn Fn(&[f64], Vec<f64>) -> Vec<f64> + 'a>);

fn wrong<'a>(case: &'a Drawn) -> Vec<Change<'a>> {
    let mut changes: Vec<Change<'a>> = Vec::new();
    if let Some(term) = &case.forgotten {
        changes
            .push(("a term forgotten", Box::new(|x: &[f64], g| g.iter().zip(term(x)).map(|(g, t)| g - t).collect())));
    }
    if (case.gradient)(&case.x).iter().any(|g| *g != 0.0) {
        changes.push(("factor 1.001", Box::new(|_: &[f64], g: Vec<f64>| g.iter().map(|g| g * 1.001).collect())));
        changes.push(("sign", Box::new(|_: &[f64], g: Vec<f64>| g.iter().map(|g| -g).collect())));
        changes.push(("factor 1.3", Box::new(|_: &[f64], g: Vec<f64>| g.iter().map(|g| g * 1.3).collect())));
    } else {
        changes.push(("not 0", Box::new(|_: &[f64], g: Vec<f64>| g.iter().map(|_| 1e-3).collect())));
    }
    changes
}

#[test]
fn verdicts() {
    let mut rng = ChaCha8Rng::seed_from_u64(seed());
    let draws: usize = std::env::var("DRAWS").ok().and_then(|s| s.parse().ok()).unwrap_or(10);
    let groups =
        [("narrow", &NARROW[..]), ("optima", &OPTIMA), ("borders", &BORDERS), ("common", &COMMON), ("kinks", &KINKS)];
    let mut bad = Vec::new();
    for (group, families) in groups {
        let mut table = [[0usize; 3]; 2];
        for family in families {
            for _ in 0..draws {
                let case = family(&mut rng);
                let kinks = group == "kinks";
                let (verdict, text) = said(&case, &|_, g| g, kinks);
                let column = match verdict {
                    Verdict::Agrees => 0,
                    Verdict::Wrong => 2,
                    _ => 1,
                };
                table[0][column] += 1;
                if column != 0 {
                    bad.push(format!(
                        "RIGHT {verdict:?}: {} at {:?}\n{text}",
                        case.name,
                        &case.x[..case.x.len().min(4)]
                    ));
                }
                for (name, change) in wrong(&case) {
                    // At a kink other slopes are right as well.
                    if group == "kinks" && name != "a term forgotten" {
                        continue;
                    }
                    let (verdict, text) = said(&case, &*change, kinks);
                    let column = match verdict {
                        Verdict::Agrees => 0,
                        Verdict::Wrong => 2,
                        _ => 1,
                    };
                    table[1][column] += 1;
                    if column != 2 {
                        bad.push(format!(
                            "WRONG ({name}) {verdict:?}: {} at {:?}\n{text}",
                            case.name,
                            &case.x[..case.x.len().min(4)]
                        ));
                    }
                }
            }
        }
        println!("{group}: right said [right, undecided, wrong] {:?}; wrong {:?}", table[0], table[1]);
    }
    for line in &bad {
        println!("{line}");
    }
    assert!(bad.is_empty(), "{} missed", bad.len());
}
