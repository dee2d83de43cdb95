//! Families of functions with their gradients: each draw has its own widths, offsets and magnitudes.

use rand::{Rng, RngExt};

/// Draws a function.
pub type Family = fn(&mut rand_chacha::ChaCha8Rng) -> Drawn;

type Function = Box<dyn Fn(&[f64]) -> f64 + Send + Sync>;
type Gradient = Box<dyn Fn(&[f64]) -> Vec<f64> + Send + Sync>;

/// A function at a point, its gradient, and gradients that miss something.
pub struct Drawn {
    pub name: String,
    pub x: Vec<f64>,
    pub f: Function,
    pub gradient: Gradient,
    /// A term's share of the gradient, which a wrong gradient forgets; empty where every element is a term.
    pub forgotten: Option<Gradient>,
}

fn drawn(
    name: String,
    x: Vec<f64>,
    f: impl Fn(&[f64]) -> f64 + Send + Sync + 'static,
    gradient: impl Fn(&[f64]) -> Vec<f64> + Send + Sync + 'static,
) -> Drawn {
    Drawn { name, x, f: Box::new(f), gradient: Box::new(gradient), forgotten: None }
}

impl Drawn {
    fn or_without(self, term: impl Fn(&[f64]) -> Vec<f64> + Send + Sync + 'static) -> Self {
        Self { forgotten: Some(Box::new(term)), ..self }
    }
}

/// A magnitude between two, uniform in its logarithm.
pub fn magnitude(rng: &mut impl Rng, low: f64, high: f64) -> f64 {
    (low.ln() + rng.random::<f64>() * (high / low).ln()).exp()
}

fn between(rng: &mut impl Rng, low: f64, high: f64) -> f64 {
    low + rng.random::<f64>() * (high - low)
}

fn numbers(rng: &mut impl Rng, n: usize) -> Vec<f64> {
    (0..n).map(|_| between(rng, 0.2, 1.5) * if rng.random::<bool>() { 1.0 } else { -1.0 }).collect()
}

/// Bits that look random (the finaliser of splitmix64).
fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// Features much narrower than the argument.
pub const NARROW: [Family; 9] = [
    |rng| {
        // The size of one element is far beyond what the others can be moved by.
        let (mass, satellite) = (magnitude(rng, 1e12, 1e30), magnitude(rng, 1.0, 1e5));
        let constant = magnitude(rng, 0.1, 10.0) * 1e15 / mass;
        let x = vec![mass, satellite, magnitude(rng, 6e6, 4e7), magnitude(rng, 1e3, 1e4)];
        drawn(
            format!("the energy of {satellite:.0e} in orbit around {mass:.0e}"),
            x,
            move |x| 0.5 * x[1] * x[3] * x[3] - constant * x[0] * x[1] / x[2],
            move |x| {
                let potential = constant * x[0] * x[1] / x[2];
                let kinetic = 0.5 * x[1] * x[3] * x[3];
                vec![-potential / x[0], (kinetic - potential) / x[1], potential / x[2], 2.0 * kinetic / x[3]]
            },
        )
        .or_without(|x| vec![0.0, 0.0, 0.0, x[1] * x[3]])
    },
    |rng| {
        // A spectral line on a smooth background.
        let (at, width, height) = (magnitude(rng, 10.0, 1e6), magnitude(rng, 1e-4, 1e-1), magnitude(rng, 0.1, 1e3));
        let x = at + width * between(rng, 0.3, 1.5);
        let line = move |x: f64| height / (1.0 + ((x - at) / width).powi(2));
        let of_line =
            move |x: f64| -2.0 * height * (x - at) / width.powi(2) / (1.0 + ((x - at) / width).powi(2)).powi(2);
        drawn(
            format!("a line of width {width:.1e} at {at:.1e}, height {height:.1e}"),
            vec![x],
            move |x| 3.0 + (x[0] / at).powi(2) + line(x[0]),
            move |x| vec![2.0 * x[0] / at / at + of_line(x[0])],
        )
        .or_without(move |x| vec![of_line(x[0])])
    },
    |rng| {
        let (at, width) = (magnitude(rng, 1.0, 1e4), magnitude(rng, 1e-4, 1e-2));
        let x = at + width * between(rng, -1.5, -0.3);
        let peak = move |x: f64| (-((x - at) / width).powi(2) / 2.0).exp();
        let of_peak = move |x: f64| -(x - at) / width.powi(2) * peak(x);
        drawn(
            format!("a Gaussian of width {width:.1e} at {at:.1e}"),
            vec![x],
            move |x| 0.1 * x[0] + peak(x[0]),
            move |x| vec![0.1 + of_peak(x[0])],
        )
        .or_without(move |x| vec![of_peak(x[0])])
    },
    |rng| {
        let (x, frequency, size) =
            (between(rng, 0.3, 3.0), magnitude(rng, 1e2, 1e6).round(), magnitude(rng, 1e-4, 1.0));
        let w = 2.0 * std::f64::consts::PI * frequency;
        drawn(
            format!("x² + {size:.1e}·sin(2π·{frequency}·x)"),
            vec![x],
            move |x| x[0] * x[0] + size * (w * x[0]).sin(),
            move |x| vec![2.0 * x[0] + size * w * (w * x[0]).cos()],
        )
        .or_without(move |x| vec![size * w * (w * x[0]).cos()])
    },
    |rng| {
        // A kernel of small scale between points that are near each other.
        let scale = magnitude(rng, 1e-5, 1e-2);
        let base = numbers(rng, 4);
        let at = base.clone();
        let other: Vec<f64> = at.iter().map(|b| b + scale * 0.7).collect();
        let k =
            move |x: &[f64]| (-x.iter().zip(&other).map(|(a, b)| ((a - b) / scale).powi(2)).sum::<f64>() / 2.0).exp();
        let others: Vec<f64> = at.iter().map(|b| b + scale * 0.7).collect();
        let of_kernel = {
            let k = k.clone();
            move |x: &[f64]| -> Vec<f64> {
                x.iter().zip(&others).map(|(a, b)| -(a - b) / scale.powi(2) * k(x)).collect()
            }
        };
        let term = of_kernel.clone();
        drawn(
            format!("an RBF kernel of scale {scale:.1e}"),
            base,
            move |x| x.iter().map(|x| x * x).sum::<f64>() + k(x),
            move |x| x.iter().zip(of_kernel(x)).map(|(x, k)| 2.0 * x + k).collect(),
        )
        .or_without(term)
    },
    |rng| {
        // A sum over elements of very different sizes, each by its own unit.
        let units = [magnitude(rng, 1e4, 1e9), magnitude(rng, 1e-9, 1e-4), 1.0];
        let x = units.iter().map(|unit| unit * between(rng, 0.5, 2.0)).collect();
        drawn(
            format!("sines of elements of sizes {:.0e}, {:.0e} and 1", units[0], units[1]),
            x,
            move |x| x.iter().zip(units).map(|(x, unit)| (x / unit).sin()).sum(),
            move |x| x.iter().zip(units).map(|(x, unit)| (x / unit).cos() / unit).collect(),
        )
        .or_without(move |x| vec![0.0, (x[1] / units[1]).cos() / units[1], 0.0])
    },
    |rng| {
        let large = magnitude(rng, 1e3, 1e12);
        let x = vec![large * between(rng, 0.5, 2.0), 0.0];
        drawn(
            format!("an element of 0 beside {large:.0e}"),
            x,
            move |x| (x[0] / large).powi(2) + (x[1] + 0.5).sin(),
            move |x| vec![2.0 * x[0] / large / large, (x[1] + 0.5).cos()],
        )
        .or_without(|x| vec![0.0, (x[1] + 0.5).cos()])
    },
    |rng| {
        let (at, width) = (between(rng, 0.2, 2.0), magnitude(rng, 1e-10, 1e-3));
        let s = move |x: f64| 1.0 / (1.0 + (-(x - at) / width).exp());
        drawn(
            format!("a sigmoid of width {width:.0e}"),
            vec![at + width * between(rng, -1.0, 1.0)],
            move |x| s(x[0]),
            move |x| vec![s(x[0]) * (1.0 - s(x[0])) / width],
        )
    },
    |rng| {
        // A light curve at a Julian date, a day's wave at a Unix time.
        let (at, period) = (magnitude(rng, 1e5, 1e9), magnitude(rng, 0.1, 1e3));
        let w = 2.0 * std::f64::consts::PI / period;
        let x = at * between(rng, 1.0, 1.1);
        drawn(
            format!("a period of {period:e} at {x:e}"),
            vec![x, 0.3],
            move |x| 1.0 + x[1] * (w * x[0]).sin(),
            move |x| vec![x[1] * w * (w * x[0]).cos(), (w * x[0]).sin()],
        )
    },
];

/// Right gradients that are 0 where the function is 0 too.
pub const OPTIMA: [Family; 8] = [
    |rng| {
        // A fit whose residues are not 0 but rounding: the data come of the same sums in another order.
        let n = 2 + (rng.random::<u32>() % 5) as usize;
        let size = magnitude(rng, 1e-6, 1e6);
        let x: Vec<f64> = numbers(rng, n).iter().map(|x| x * size).collect();
        let rows: Vec<Vec<f64>> = (0..2 * n).map(|_| numbers(rng, n)).collect();
        let data: Vec<f64> = rows.iter().map(|row| row.iter().zip(&x).rev().map(|(a, x)| a * x).sum::<f64>()).collect();
        let residues = move |x: &[f64]| -> Vec<(f64, Vec<f64>)> {
            let of_row =
                |(row, y): (&Vec<f64>, &f64)| (row.iter().zip(x).map(|(a, x)| a * x).sum::<f64>() - y, row.clone());
            rows.iter().zip(&data).map(of_row).collect()
        };
        let of_gradient = residues.clone();
        drawn(
            format!("a fit of {n} numbers of size {size:.0e} without residues"),
            x,
            move |x| residues(x).iter().map(|(r, _)| r * r).sum(),
            move |x| {
                // As if computed with exact residues.
                vec![0.0 * of_gradient(x)[0].0; x.len()]
            },
        )
    },
    |rng| {
        let (n, a) = (1 + (rng.random::<u32>() % 6) as usize, magnitude(rng, 1e-6, 1e6));
        drawn(
            format!("{a:.0e}·½‖x‖² at 0"),
            vec![0.0; n],
            move |x| a * x.iter().map(|x| x * x).sum::<f64>() / 2.0,
            move |x| x.iter().map(|x| a * x).collect(),
        )
    },
    |rng| {
        let target = numbers(rng, 5);
        let x = target.clone();
        let t = target.clone();
        drawn(
            "a squared error at its fit".into(),
            x,
            move |x| x.iter().zip(&target).map(|(x, t)| (x - t).powi(2)).sum(),
            move |x| x.iter().zip(&t).map(|(x, t)| 2.0 * (x - t)).collect(),
        )
    },
    |rng| {
        let power = 2 + 2 * (rng.random::<u32>() % 4) as i32;
        drawn(
            format!("x^{power} at 0"),
            vec![0.0],
            move |x| x[0].powi(power),
            move |x| vec![f64::from(power) * x[0].powi(power - 1)],
        )
    },
    |_| {
        drawn(
            "1 − cos x at 0".into(),
            vec![0.0, 0.0],
            |x| x.iter().map(|x| 1.0 - x.cos()).sum(),
            |x| x.iter().map(|x| x.sin()).collect(),
        )
    },
    |rng| {
        // The margin is met exactly.
        let n = 2 + (rng.random::<u32>() % 5) as usize;
        drawn(
            "a squared hinge on the margin".into(),
            vec![1.0; n],
            |x| x.iter().map(|m| (1.0 - m).max(0.0).powi(2)).sum(),
            |x| x.iter().map(|m| -2.0 * (1.0 - m).max(0.0)).collect(),
        )
    },
    |_| {
        drawn(
            "x·relu(x) at 0".into(),
            vec![0.0, 0.7, -0.3],
            |x| x.iter().map(|x| x * x.max(0.0)).sum(),
            |x| x.iter().map(|x| 2.0 * x.max(0.0)).collect(),
        )
    },
    |rng| {
        let level = between(rng, 0.1, 0.9);
        drawn(
            "squared differences of a flat signal".into(),
            vec![level; 6],
            |x| x.windows(2).map(|w| (w[1] - w[0]).powi(2)).sum(),
            |x| {
                let mut g = vec![0.0; x.len()];
                for i in 1..x.len() {
                    g[i] += 2.0 * (x[i] - x[i - 1]);
                    g[i - 1] -= 2.0 * (x[i] - x[i - 1]);
                }
                g
            },
        )
    },
];

/// Poles, borders of the domain, roots and powers.
pub const BORDERS: [Family; 8] = [
    |rng| {
        let (border, d) = (magnitude(rng, 0.5, 100.0), magnitude(rng, 1e-9, 1e-2));
        let x = border - border * d;
        drawn(
            format!("a log barrier at a distance of {d:.0e}"),
            vec![x],
            move |x| -(border - x[0]).ln(),
            move |x| vec![1.0 / (border - x[0])],
        )
    },
    |rng| {
        let d = magnitude(rng, 1e-9, 1e-2);
        drawn(
            format!("asin at 1 − {d:.0e}"),
            vec![1.0 - d],
            |x| x[0].asin(),
            |x| vec![1.0 / (1.0 - x[0] * x[0]).sqrt()],
        )
    },
    |rng| {
        let d = magnitude(rng, 1e-9, 1e-2);
        drawn(
            format!("√(x−1) at 1 + {d:.0e}"),
            vec![1.0 + d, 0.4],
            |x| (x[0] - 1.0).sqrt() * x[1],
            |x| vec![0.5 * x[1] / (x[0] - 1.0).sqrt(), (x[0] - 1.0).sqrt()],
        )
    },
    |rng| {
        let d = magnitude(rng, 1e-9, 1e-1);
        drawn(
            format!("log(1−p) at 1 − {d:.0e}"),
            vec![1.0 - d, 0.3],
            |p| p.iter().map(|p| -(1.0 - p).ln()).sum(),
            |p| p.iter().map(|p| 1.0 / (1.0 - p)).collect(),
        )
    },
    |rng| {
        let (at, d) = (between(rng, 0.5, 3.0), magnitude(rng, 1e-7, 1e-1));
        drawn(
            format!("1/(x−a) at a distance of {d:.0e}"),
            vec![at + d],
            move |x| 1.0 / (x[0] - at),
            move |x| vec![-1.0 / (x[0] - at).powi(2)],
        )
    },
    |rng| {
        let power = between(rng, 1.05, 1.95);
        drawn(
            format!("|x|^{power:.2} at 0"),
            vec![0.0, 0.5],
            move |x| x.iter().map(|x| x.abs().powf(power)).sum(),
            move |x| {
                x.iter().map(|x| power * x.abs().powf(power - 1.0) * if *x == 0.0 { 0.0 } else { x.signum() }).collect()
            },
        )
    },
    |rng| {
        let power = between(rng, 1.3, 2.9);
        drawn(
            format!("x^{power:.2} at 0, from the right"),
            vec![0.0, 0.5],
            move |x| 2.0 + x.iter().map(|x| x.powf(power)).sum::<f64>(),
            move |x| x.iter().map(|x| power * x.powf(power - 1.0)).collect(),
        )
    },
    |rng| {
        let x = magnitude(rng, 1e-8, 1e8);
        let (a, b) = (between(rng, 0.2, 3.0), between(rng, -2.0, 2.0));
        drawn(
            format!("a power and a log at {x:.0e}"),
            vec![x],
            move |x| a * x[0].powf(b) + x[0].ln(),
            move |x| vec![a * b * x[0].powf(b - 1.0) + 1.0 / x[0]],
        )
    },
];

/// What else strangers write: losses, roots, norms, iterations.
pub const COMMON: [Family; 8] = [
    |rng| {
        let (n, size) = (3 + (rng.random::<u32>() % 20) as usize, magnitude(rng, 1e-8, 1e8));
        let x: Vec<f64> = numbers(rng, n).iter().map(|x| x * size).collect();
        drawn(
            format!("a norm of {n} elements of size {size:.0e}"),
            x,
            |x| x.iter().map(|x| x * x).sum::<f64>().sqrt(),
            |x| {
                let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
                x.iter().map(|x| x / norm).collect()
            },
        )
    },
    |rng| {
        let n = 3 + (rng.random::<u32>() % 10) as usize;
        let t = (rng.random::<u32>() as usize) % n;
        let scale = magnitude(rng, 1e-2, 30.0);
        let x: Vec<f64> = numbers(rng, n).iter().map(|x| x * scale).collect();
        let log_sum = |x: &[f64]| {
            let m = x.iter().fold(f64::NEG_INFINITY, |m, x| m.max(*x));
            m + x.iter().map(|x| (x - m).exp()).sum::<f64>().ln()
        };
        drawn(
            format!("cross-entropy of {n} logits of size {scale:.1e}"),
            x,
            move |x| log_sum(x) - x[t],
            move |x| {
                let l = log_sum(x);
                x.iter().enumerate().map(|(i, x)| (x - l).exp() - f64::from(u8::from(i == t))).collect()
            },
        )
    },
    |rng| {
        // An iteration to a tolerance of 1e-12: x = cos(p·x).
        let p = numbers(rng, 1)[0] * 0.6;
        let solve = |p: f64| {
            let mut x = 0.7;
            for _ in 0..200 {
                let next = (p * x).cos();
                let done = f64::abs(next - x) < 1e-15;
                x = next;
                if done {
                    break;
                }
            }
            x
        };
        drawn(
            "a fixed point".into(),
            vec![p],
            move |p| solve(p[0]),
            move |p| {
                let x = solve(p[0]);
                let s = (p[0] * x).sin();
                vec![-x * s / (1.0 + p[0] * s)]
            },
        )
    },
    |rng| {
        // Noise of some size on a smooth function.
        let (noise, a) = (magnitude(rng, 1e-12, 1e-8), between(rng, 0.5, 2.0));
        let rough = move |x: f64| noise * (f64::from((mixed(x.to_bits()) >> 40) as u32) / f64::from(1u32 << 24) - 0.5);
        drawn(
            format!("noise of {noise:.0e}"),
            vec![a, 1.3],
            move |x| (x[0] * x[1]).sin() + 2.0 + rough(x[0] + 3.0 * x[1]),
            |x| vec![x[1] * (x[0] * x[1]).cos(), x[0] * (x[0] * x[1]).cos()],
        )
    },
    |rng| {
        let (offset, a) = (magnitude(rng, 1.0, 1e12), between(rng, 0.5, 2.0));
        drawn(
            format!("an offset of {offset:.0e}"),
            vec![a, 0.4],
            move |x| offset + (x[0] * 3.0).sin() * x[1].exp(),
            |x| vec![3.0 * (x[0] * 3.0).cos() * x[1].exp(), (x[0] * 3.0).sin() * x[1].exp()],
        )
    },
    |rng| {
        // Mean and variance by the textbook formula.
        let n = 4 + (rng.random::<u32>() % 12) as usize;
        let shift = magnitude(rng, 1.0, 1e3);
        let x: Vec<f64> = numbers(rng, n).iter().map(|x| shift + x).collect();
        drawn(
            format!("a variance of {n} numbers near {shift:.0e}"),
            x,
            |x| {
                let (n, m) = (x.len() as f64, x.iter().sum::<f64>() / x.len() as f64);
                x.iter().map(|x| (x - m).powi(2)).sum::<f64>() / n
            },
            |x| {
                let (n, m) = (x.len() as f64, x.iter().sum::<f64>() / x.len() as f64);
                x.iter().map(|x| 2.0 * (x - m) / n).collect()
            },
        )
    },
    |rng| {
        // Euler steps of a pendulum.
        let x = vec![between(rng, -1.0, 1.0), between(rng, -1.0, 1.0), between(rng, 0.5, 5.0)];
        let steps = 40;
        let run = move |x: &[f64]| {
            let h = 0.05;
            let (mut q, mut p) = (x[0], x[1]);
            for _ in 0..steps {
                p -= h * x[2] * q.sin();
                q += h * p;
            }
            (q, p)
        };
        drawn(
            "a pendulum's end".into(),
            x,
            move |x| run(x).0,
            move |x| {
                let h = 0.05;
                let (mut q, mut p) = (x[0], x[1]);
                let (mut dq, mut dp) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]);
                for _ in 0..steps {
                    for i in 0..3 {
                        dp[i] -= h * (x[2] * q.cos() * dq[i] + if i == 2 { q.sin() } else { 0.0 });
                    }
                    p -= h * x[2] * q.sin();
                    for i in 0..3 {
                        dq[i] += h * dp[i];
                    }
                    q += h * p;
                }
                dq.to_vec()
            },
        )
    },
    |rng| {
        let (k, w) = (magnitude(rng, 1.0, 1e9), 10f64.powi((rng.random::<u32>() % 3) as i32));
        let x = k * between(rng, 1.0, 9.9);
        drawn(format!("sin {w}x at {x:.3e}"), vec![x], move |x| (w * x[0]).sin(), move |x| vec![w * (w * x[0]).cos()])
    },
];

/// Kinks, with a gradient that is right as a subgradient.
pub const KINKS: [Family; 4] = [
    |rng| {
        let x: Vec<f64> =
            numbers(rng, 8).into_iter().enumerate().map(|(i, x)| if i % 3 == 0 { 0.0 } else { x }).collect();
        drawn(
            "a lasso".into(),
            x,
            |x| x.iter().map(|x| x.abs()).sum::<f64>() + x[1] * x[2],
            |x| {
                let mut g: Vec<f64> = x.iter().map(|x| if *x == 0.0 { 0.0 } else { x.signum() }).collect();
                g[1] += x[2];
                g[2] += x[1];
                g
            },
        )
    },
    |rng| {
        let level = between(rng, 0.5, 3.0);
        let n = 2 + (rng.random::<u32>() % 3) as usize;
        drawn(
            "a maximum with ties".into(),
            vec![level; n],
            |x| x.iter().fold(f64::NEG_INFINITY, |m, x| m.max(*x)),
            |x| {
                let mut g = vec![0.0; x.len()];
                g[0] = 1.0;
                g
            },
        )
        .or_without(|x| {
            // Counted twice.
            let mut g = vec![-1.0; x.len()];
            g[0] = 0.0;
            g
        })
    },
    |rng| {
        let w = numbers(rng, 5);
        let v = w.clone();
        drawn(
            "a dead layer".into(),
            vec![0.0; 5],
            move |x| x.iter().zip(&w).map(|(x, w)| w * x.max(0.0)).sum::<f64>() + 0.3 * x[0],
            move |x| {
                let mut g: Vec<f64> = x.iter().zip(&v).map(|(x, w)| if *x > 0.0 { *w } else { 0.0 }).collect();
                g[0] += 0.3;
                g
            },
        )
    },
    |rng| {
        let x = numbers(rng, 3)[0].abs() + 1.0;
        drawn(
            "a clip at its limit".into(),
            vec![1.0, x],
            |x| x.iter().map(|x| x.clamp(-1.0, 1.0)).sum::<f64>() * 2.0,
            |x| x.iter().map(|x| if x.abs() < 1.0 { 2.0 } else { 0.0 }).collect(),
        )
    },
];

/// What people in other fields compute: in their units, from their tables, by their recursions.
pub const FIELDS: [Family; 7] = [
    |rng| {
        // A decay between two times that are counted in seconds since 1970.
        let (start, tau) = (1.7e9 + between(rng, 0.0, 1e7), magnitude(rng, 1.0, 1e6));
        let x = vec![start + tau * between(rng, 0.1, 3.0), start, magnitude(rng, 0.1, 10.0), tau];
        let decay = |x: &[f64]| x[2] * (-(x[0] - x[1]) / x[3]).exp();
        drawn(
            format!("a decay of {tau:.0e} s at a timestamp"),
            x,
            move |x| decay(x) + 0.5,
            move |x| {
                let (y, time) = (decay(x), x[0] - x[1]);
                vec![-y / x[3], y / x[3], y / x[2], y * time / x[3] / x[3]]
            },
        )
    },
    |rng| {
        // Between two entries of a table.
        let (from, cell) = (magnitude(rng, 1.0, 1e9), magnitude(rng, 1e-6, 1e-2));
        let cell = from * cell;
        let place = (rng.random::<u32>() % 150) as usize;
        let x = vec![from + cell * (place as f64 + between(rng, 0.05, 0.95)), between(rng, 0.5, 2.0)];
        let table: Vec<f64> = numbers(rng, 152)
            .iter()
            .scan(0.0, |sum, x| {
                *sum += x;
                Some(*sum)
            })
            .collect();
        let slope = table[place + 1] - table[place];
        let value = move |x: f64| {
            let at = (x - from) / cell;
            let i = (at.floor().max(0.0) as usize).min(150);
            table[i] + (at - i as f64) * (table[i + 1] - table[i])
        };
        let other = value.clone();
        drawn(
            format!("a table at {from:.0e} with cells of {cell:.0e}"),
            x,
            move |x| value(x[0]) * x[1] + x[1] * x[1],
            move |x| vec![slope / cell * x[1], other(x[0]) + 2.0 * x[1]],
        )
    },
    |rng| {
        // Two atoms, in metres and joules.
        let (size, depth) = (magnitude(rng, 1e-10, 1e-9), magnitude(rng, 1e-22, 1e-20));
        let at = size * between(rng, 0.9, 2.5);
        let x = vec![at * 0.6, 0.0, at * 0.8];
        let energy = move |x: &[f64]| {
            let q = (size * size / x.iter().map(|x| x * x).sum::<f64>()).powi(3);
            4.0 * depth * (q * q - q)
        };
        drawn(format!("two atoms {at:.1e} m apart"), x, energy, move |x| {
            let square = x.iter().map(|x| x * x).sum::<f64>();
            let q = (size * size / square).powi(3);
            x.iter().map(|x| 4.0 * depth * (-12.0 * q * q + 6.0 * q) * x / square).collect()
        })
    },
    |rng| {
        // A recursion whose slope grows from step to step.
        let steps = 3 + (rng.random::<u32>() % 20) as usize;
        let x = vec![between(rng, 3.2, 3.95), between(rng, 0.1, 0.9)];
        let run = move |x: &[f64]| {
            let (mut z, mut by) = (x[1], vec![0.0, 1.0]);
            for _ in 0..steps {
                by = vec![z * (1.0 - z) + x[0] * (1.0 - 2.0 * z) * by[0], x[0] * (1.0 - 2.0 * z) * by[1]];
                z *= x[0] * (1.0 - z);
            }
            (z, by)
        };
        drawn(format!("{steps} steps of the logistic map"), x, move |x| run(x).0, move |x| run(x).1)
    },
    |rng| {
        // Counts up to ten million.
        let mean = magnitude(rng, 1.0, 1e7);
        let counts: Vec<f64> = numbers(rng, 10).iter().map(|x| (mean * (1.0 + 0.1 * x)).round()).collect();
        let others = counts.clone();
        let x = vec![mean.ln() + between(rng, -0.1, 0.1), between(rng, -0.1, 0.1)];
        let rate = |x: &[f64], i: usize| (x[0] + x[1] * (i as f64 - 4.5) / 10.0).exp();
        drawn(
            format!("counts of {mean:.0e}"),
            x,
            move |x| counts.iter().enumerate().map(|(i, n)| rate(x, i) - n * rate(x, i).ln()).sum(),
            move |x| {
                let terms = || others.iter().enumerate().map(|(i, n)| (i, rate(x, i) - n));
                vec![terms().map(|(_, t)| t).sum(), terms().map(|(i, t)| t * (i as f64 - 4.5) / 10.0).sum()]
            },
        )
    },
    |rng| {
        // Two places on the Earth, near or far.
        let (lat, lon, apart) = (between(rng, -1.0, 1.0), between(rng, -3.0, 3.0), magnitude(rng, 1e-6, 1.0));
        let x = vec![lat, lon, lat + apart * between(rng, 0.3, 1.0), lon + apart * between(rng, 0.3, 1.0)];
        let half = |x: &[f64]| ((x[2] - x[0]) / 2.0, (x[3] - x[1]) / 2.0);
        let chord = move |x: &[f64]| {
            let (a, b) = half(x);
            a.sin().powi(2) + x[0].cos() * x[2].cos() * b.sin().powi(2)
        };
        drawn(
            format!("a distance on the Earth, {apart:.0e} apart"),
            x,
            move |x| 2.0 * 6_371e3 * chord(x).sqrt().asin(),
            move |x| {
                let ((a, b), c) = (half(x), chord(x));
                let by_chord = 6_371e3 / (c * (1.0 - c)).sqrt();
                let by_lat = 0.5 * (2.0 * a).sin();
                let by_lon = 0.5 * x[0].cos() * x[2].cos() * (2.0 * b).sin();
                let squared = b.sin().powi(2);
                vec![
                    by_chord * (-by_lat - x[0].sin() * x[2].cos() * squared),
                    -by_chord * by_lon,
                    by_chord * (by_lat - x[0].cos() * x[2].sin() * squared),
                    by_chord * by_lon,
                ]
            },
        )
    },
    |rng| {
        // Rate of a reaction.
        let x = vec![magnitude(rng, 1e8, 1e14), between(rng, 2e4, 2e5), between(rng, 250.0, 1200.0)];
        let rate = |x: &[f64]| x[0] * (-x[1] / (8.314 * x[2])).exp();
        drawn("a reaction's rate".into(), x, rate, move |x| {
            let k = rate(x);
            vec![k / x[0], -k / (8.314 * x[2]), k * x[1] / (8.314 * x[2] * x[2])]
        })
    },
];
