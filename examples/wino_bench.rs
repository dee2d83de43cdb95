//! Measures the kernels at VGG19's shapes.
#![allow(missing_docs, clippy::pedantic)]
use impasto::kernels::*;
use ndarray::*;
use std::time::Instant;

fn rnd(n: usize) -> Vec<f32> {
    let mut s = 12345u64;
    (0..n)
        .map(|_| {
            s = s.wrapping_mul(6364136223846793005).wrapping_add(1);
            ((s >> 40) as f32) / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn time(mut f: impl FnMut()) -> f64 {
    f();
    let mut best = f64::MAX;
    let start = Instant::now();
    let mut n = 0;
    while n < 4 || (start.elapsed().as_secs_f64() < 0.25 && n < 200) {
        let t = Instant::now();
        f();
        best = best.min(t.elapsed().as_secs_f64());
        n += 1;
    }
    best
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let threads: usize = args.get(1).map_or(2, |a| a.parse().unwrap());
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().unwrap();
    let size: usize = args.get(2).map_or(512, |a| a.parse().unwrap());
    let only: Option<usize> = args.get(3).map(|a| a.parse().unwrap());
    let ws = Workspace::new();
    let layers = [
        (1, 64, 64, 1),
        (2, 64, 128, 1),
        (2, 128, 128, 1),
        (4, 128, 256, 1),
        (4, 256, 256, 3),
        (8, 256, 512, 1),
        (8, 512, 512, 3),
        (16, 512, 512, 4),
    ];
    let (mut total_f, mut total_b) = (0.0, 0.0);
    for (i, (d, ic, oc, n)) in layers.into_iter().enumerate() {
        if only.is_some_and(|o| o != i) {
            continue;
        }
        let s = size / d;
        let x = Array3::from_shape_vec((s, s, ic), rnd(s * s * ic)).unwrap();
        let w = Array4::from_shape_vec((3, 3, ic, oc), rnd(9 * ic * oc)).unwrap().permuted_axes([3, 2, 0, 1]);
        let b = Array1::from_vec(rnd(oc));
        let mut y = Array3::<f32>::zeros((s, s, oc));
        let mut dx = Array3::<f32>::zeros((s, s, ic));
        let mut mask = BitMask::default();
        let flops = (s * s * ic * oc * 18) as f64 / 1e9;
        let p = Padding::same(1);
        let f = time(|| {
            winograd::forward(
                x.view(),
                w.view(),
                Some(b.view()),
                p,
                Output::Relu { y: y.view_mut(), mask: Some(&mut mask) },
                &ws,
            )
        });
        let g = time(|| {
            winograd::data_gradient(
                Gradient::Masked { dy: y.view(), mask: &mask },
                w.view(),
                p,
                dx.view_mut(),
                false,
                &ws,
            )
        });
        let mut q = Array3::<f32>::zeros((s / 2, s / 2, oc));
        let h = time(|| {
            winograd::forward(
                x.view(),
                w.view(),
                Some(b.view()),
                p,
                Output::ReluMaxPool { y: q.view_mut(), mask: Some(&mut mask) },
                &ws,
            )
        });
        let k = time(|| {
            winograd::data_gradient(
                Gradient::MaxPooled { dy: q.view(), mask: &mask },
                w.view(),
                p,
                dx.view_mut(),
                false,
                &ws,
            )
        });
        total_f += f * n as f64;
        total_b += g * n as f64;
        println!(
            "{s:4}² {ic:3}→{oc:3}  fwd {:6.2} ms {:4.0}  grad {:6.2} ms {:4.0}   pool fwd {:6.2} ms {:4.0} grad {:6.2} ms {:4.0}",
            f * 1e3,
            flops / f,
            g * 1e3,
            flops / g,
            h * 1e3,
            flops / h,
            k * 1e3,
            flops / k
        );
    }
    println!(
        "weighted totals: forward {:.1} ms, gradient {:.1} ms, workspace {} KiB",
        total_f * 1e3,
        total_b * 1e3,
        ws.bytes() >> 10
    );
}
