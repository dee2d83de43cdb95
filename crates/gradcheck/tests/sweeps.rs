//! Sweeps over magnitudes: how often a right gradient is called wrong, and how often a wrong one passes, row by row.
//!
//! `cargo test --release -p impasto-gradcheck --test sweeps -- --nocapture` prints the rows.

use std::f64::consts::PI;

use impasto_gradcheck::{GradCheck, Verdict};

/// What is said of right and of wrong gradients: right, neither, wrong.
#[derive(Clone, Copy, Default)]
struct Row([[usize; 3]; 2]);

impl Row {
    fn add(&mut self, is_right: bool, f: impl Fn(&f64) -> f64, gradient: impl Fn(&f64) -> f64, x: f64) {
        let column = match GradCheck::new().check_fn(f, gradient, &x) {
            Ok(_) => 0,
            Err(failure) => {
                if failure.verdict() == Verdict::Wrong {
                    2
                } else {
                    1
                }
            }
        };
        self.0[usize::from(!is_right)][column] += 1;
    }

    /// Prints the row, and holds it to no false alarm and no false pass; `open` is how many may be left undecided.
    fn end(&self, name: &str, open: f64) {
        let Self([right, wrong]) = self;
        println!("| {name} | {right:?} | {wrong:?} |");
        assert_eq!((right[2], wrong[0]), (0, 0), "{name}");
        let all = |row: &[usize; 3]| row.iter().sum::<usize>() as f64;
        assert!(right[1] as f64 <= open * all(right) && wrong[1] as f64 <= open * all(wrong), "{name}");
    }
}

/// A number between 0 and 1 that looks random, another for each `number`.
fn share(number: usize) -> f64 {
    (0.371 + 0.618_033_988_749_894_9 * number as f64).fract()
}

#[test]
fn sines_at_arguments_up_to_1e9() {
    for decade in -3..9 {
        let mut row = Row::default();
        for number in 0..60 {
            let x = 10f64.powf(f64::from(decade) + f64::from(number) / 60.0 + 0.003);
            row.add(true, |x| x.sin(), |x| x.cos(), x);
            for factor in [-1.0, 0.0, 1.001, 1.3] {
                row.add(false, |x| x.sin(), |x| factor * x.cos(), x);
            }
        }
        row.end(&format!("sin x, x from 1e{decade}, 60 a decade"), 0.0);
    }
}

#[test]
fn peaks_of_widths_from_1e_2_to_1e_7() {
    for decade in 2..=7 {
        let (mut gaussian, mut lorentzian, mut odd) = (Row::default(), Row::default(), Row::default());
        for number in 0..60 {
            let width = 10f64.powf(-f64::from(decade) + share(number) - 0.5);
            let at = 0.5 + 2.0 * share(number + 100);
            let x = at + width * (0.3 + 1.2 * share(number + 200));
            let peak = |x: &f64| (-((x - at) / width).powi(2) / 2.0).exp();
            let slope = |x: &f64| -(x - at) / width.powi(2) * peak(x);
            gaussian.add(true, |x| x * x + peak(x), |x| 2.0 * x + slope(x), x);
            gaussian.add(false, |x| x * x + peak(x), |x| 2.0 * x, x);
            gaussian.add(false, |x| x * x + peak(x), |x| 2.0 * x + 1.01 * slope(x), x);
            let line = |x: &f64| 1.0 / (1.0 + ((x - at) / width).powi(2));
            let of_line = |x: &f64| -2.0 * (x - at) / width.powi(2) * line(x).powi(2);
            lorentzian.add(true, |x| x.sin() + line(x), |x| x.cos() + of_line(x), x);
            lorentzian.add(false, |x| x.sin() + line(x), |x| x.cos(), x);
            // A wave that is 0 where it is looked at.
            let wave = |x: &f64| width * ((x - at) / width).sin();
            odd.add(true, |x| x.sin() + wave(x), |x| x.cos() + ((x - at) / width).cos(), at);
            odd.add(false, |x| x.sin() + wave(x), |x| x.cos(), at);
        }
        gaussian.end(&format!("Gaussian of width 1e-{decade}"), 0.0);
        lorentzian.end(&format!("Lorentzian of width 1e-{decade}"), 0.0);
        odd.end(&format!("wave of period 2π·1e-{decade} at its zero"), 0.0);
    }
}

#[test]
fn noise_from_1e_12_to_1e_3() {
    for decade in 3..=12 {
        let mut row = Row::default();
        for number in 0..60 {
            let noise = 10f64.powf(-f64::from(decade) + share(number) - 0.5);
            let x = 0.3 + 2.0 * share(number + 50);
            let rough = |x: &f64| {
                let bits = x.to_bits().wrapping_mul(0xBF58_476D_1CE4_E5B9);
                let bits = (bits ^ (bits >> 29)).wrapping_mul(0x94D0_49BB_1331_11EB);
                noise * (f64::from((bits >> 40) as u32) / f64::from(1u32 << 24) - 0.5)
            };
            row.add(true, |x| 2.0 + (2.0 * x).sin() + rough(x), |x| 2.0 * (2.0 * x).cos(), x);
            for factor in [-1.0, 3.0] {
                row.add(false, |x| 2.0 + (2.0 * x).sin() + rough(x), |x| factor * 2.0 * (2.0 * x).cos(), x);
            }
        }
        // Noise leaves most slopes open, but no wrong one passes.
        let Row([right, wrong]) = row;
        println!("| noise of 1e-{decade} | {right:?} | {wrong:?} |");
        assert_eq!((right[2], wrong[0]), (0, 0), "noise of 1e-{decade}");
    }
}

#[test]
fn waves_beside_a_parabola() {
    for decade in 1..=8 {
        let mut row = Row::default();
        for number in 0..60 {
            let frequency = 10f64.powf(f64::from(decade) + share(number));
            let (x, size) = (0.5 + 2.0 * share(number + 10), 10f64.powf(-4.0 * share(number + 20)));
            let wave = |x: &f64| size * (2.0 * PI * frequency * x).sin();
            let slope = |x: &f64| size * 2.0 * PI * frequency * (2.0 * PI * frequency * x).cos();
            row.add(true, |x| x * x + wave(x), |x| 2.0 * x + slope(x), x);
            row.add(false, |x| x * x + wave(x), |x| 2.0 * x, x);
        }
        row.end(&format!("x² + a·sin(2πνx), ν of 1e{decade}"), 0.1);
    }
}
