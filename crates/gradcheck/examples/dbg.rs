use impasto_gradcheck::*;
fn main() {
    let x = 215081.6879865636;
    for period in [2.528263981422596e2] {
        let w = 2.0 * std::f64::consts::PI / period;
        let r = check_fn(
            move |x: &[f64]| 1.0 + 0.3 * (w * x[0]).sin(),
            move |x: &[f64]| vec![0.3 * w * (w * x[0]).cos()],
            &[x][..],
        );
        match r {
            Ok(r) => println!("{r} {}", r.evaluations),
            Err(e) => println!("{e}"),
        }
    }
}
