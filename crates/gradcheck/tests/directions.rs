//! Slopes along directions that move elements of very different size.

use impasto_gradcheck::GradCheck;
use ndarray::{Array1, array};

#[test]
fn directions_suit_elements_of_very_different_size_beside_poles_and_borders() {
    type Map = fn(f64) -> f64;
    let functions: [(Map, Map); 3] =
        [(|v| 1.0 / v, |v| -1.0 / (v * v)), (f64::ln, |v| 1.0 / v), (f64::sqrt, |v| 0.5 / v.sqrt())];
    for small in [5e-7, 1e-6, 2e-6, 3e-5] {
        let x: Array1<f64> = array![small, 1000.0];
        for (f, slope) in functions {
            let check = |factor: f64| {
                let vjp = |x: &Array1<f64>, dy: &Array1<f64>| dy * &x.mapv(|v| factor * slope(v));
                GradCheck::new().directions(4).check_vjp(|x: &Array1<f64>| x.mapv(f), vjp, &x)
            };
            assert!(check(1.0).is_ok(), "{small}: {}", check(1.0).unwrap_err());
            assert!(check(1.01).is_err(), "{small}");
        }
    }
}
