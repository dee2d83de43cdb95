use ndarray::{Array1, Array3, Array4, ArrayView1, ArrayView3, ArrayView4, Axis, s};

use super::*;
use crate::kernels::BitMask;
use crate::kernels::testing::instruction_sets;

const ZEROS: PaddingMode = PaddingMode::Zeros;

/// A small generator of numbers in [−1, 1).
fn numbers(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 30) - 1.0
    }
}

fn image<T: Real>(shape: (usize, usize, usize), seed: u64) -> Array3<T> {
    let mut next = numbers(seed);
    Array3::from_shape_simple_fn(shape, || T::of(next()))
}

/// Weights (out, in, 3, 3) in the memory order (kh, kw, in, out).
fn filters<T: Real>(outputs: usize, inputs: usize, seed: u64) -> Array4<T> {
    let mut next = numbers(seed);
    let scale = (6.0 / (9.0 * inputs as f64)).sqrt();
    Array4::from_shape_simple_fn((3, 3, inputs, outputs), || T::of(next() * scale)).permuted_axes([3, 2, 0, 1])
}

/// conv(x) + bias by its definition, in f64.
fn direct<T: Real>(
    x: ArrayView3<T>,
    weights: ArrayView4<T>,
    bias: Option<ArrayView1<T>>,
    padding: Padding,
) -> Array3<f64> {
    let (height, width, inputs) = x.dim();
    let outputs = weights.dim().0;
    let mut padded =
        Array3::<f64>::zeros((height + padding.top + padding.bottom, width + padding.left + padding.right, inputs));
    padded
        .slice_mut(s![padding.top..padding.top + height, padding.left..padding.left + width, ..])
        .assign(&x.mapv(<T as Real>::to_f64));
    let taps = weights.mapv(<T as Real>::to_f64).permuted_axes([2, 3, 1, 0]).as_standard_layout().into_owned();
    let shape = (padded.dim().0.saturating_sub(2), padded.dim().1.saturating_sub(2), outputs);
    let mut y = Array3::zeros(shape);
    for ((i, j), mut y) in ndarray::indices(shape_2(shape)).into_iter().zip(y.lanes_mut(Axis(2))) {
        if let Some(bias) = bias {
            y.assign(&bias.mapv(<T as Real>::to_f64));
        }
        for a in 0..3 {
            for b in 0..3 {
                for k in 0..inputs {
                    y.scaled_add(padded[[i + a, j + b, k]], &taps.slice(s![a, b, k, ..]));
                }
            }
        }
    }
    y
}

fn shape_2((height, width, _): (usize, usize, usize)) -> (usize, usize) {
    (height, width)
}

/// (∂conv(x)/∂x)ᵀ dy by its definition, in f64.
fn direct_gradient(
    dy: &Array3<f64>,
    weights: ArrayView4<f64>,
    padding: Padding,
    x_shape: (usize, usize),
) -> Array3<f64> {
    let (height, width, outputs) = dy.dim();
    let inputs = weights.dim().1;
    let mut padded = Array3::<f64>::zeros((height + 2, width + 2, inputs));
    for i in 0..height {
        for j in 0..width {
            for a in 0..3 {
                for b in 0..3 {
                    for n in 0..outputs {
                        padded
                            .slice_mut(s![i + a, j + b, ..])
                            .scaled_add(dy[[i, j, n]], &weights.slice(s![n, .., a, b]));
                    }
                }
            }
        }
    }
    padded.slice(s![padding.top..padding.top + x_shape.0, padding.left..padding.left + x_shape.1, ..]).to_owned()
}

/// For an output of this width: the larger tiles round more.
fn tolerance<T: Real>(width: usize) -> f64 {
    let tile = if Tile::of(width) == Tile::Six { 2.0 } else { 1.0 };
    tile * if size_of::<T>() == 4 { 2e-5 } else { 1e-12 }
}

/// Largest difference over largest value.
fn error<T: Real>(got: &Array3<T>, expected: &Array3<f64>) -> f64 {
    assert_eq!(got.dim(), expected.dim());
    let largest = expected.iter().fold(1e-30, |m: f64, v| m.max(v.abs()));
    got.iter().zip(expected).map(|(g, e)| (Real::to_f64(*g) - e).abs()).fold(0.0, f64::max) / largest
}

const SHAPES: [(usize, usize, usize, usize); 21] = [
    (1, 1, 1, 1),
    (2, 3, 3, 5),
    (4, 4, 8, 8),
    (5, 4, 16, 32),
    (9, 13, 3, 64),
    (13, 9, 64, 3),
    (17, 30, 20, 50),
    (12, 12, 17, 9),
    (37, 23, 32, 16),
    (8, 8, 64, 128),
    (16, 16, 128, 130),
    (40, 44, 64, 64),
    (7, 1, 65, 33),
    (1, 50, 8, 24),
    // Tasks that differ in the channels: panels of which the last group has fewer, and the last panel one vector.
    (50, 53, 8, 170),
    // Tasks that differ in the tiles.
    (80, 44, 3, 9),
    // Larger tiles, and all three kinds of tasks.
    (1, 66, 1, 1),
    (7, 65, 17, 50),
    (15, 70, 64, 130),
    (50, 71, 8, 170),
    (130, 133, 3, 9),
];

const PADDINGS: [Padding; 4] =
    [Padding::same(1), Padding::same(0), Padding::same(2), Padding { top: 0, left: 2, bottom: 1, right: 0 }];

fn fits((height, width): (usize, usize), padding: Padding) -> Option<(usize, usize)> {
    let (height, width) = (height + padding.top + padding.bottom, width + padding.left + padding.right);
    (height > 2 && width > 2).then(|| (height - 2, width - 2))
}

/// The result that `write` writes into an output of this shape. It is followed by rows that must stay unchanged.
fn written<T: Real>(shape: (usize, usize, usize), label: &str, write: impl FnOnce(Output<'_, T>)) -> Array3<T> {
    let mut memory = Array3::from_elem((shape.0 + 4, shape.1, shape.2), T::of(7.0));
    write(Output::Plain(memory.slice_mut(s![..shape.0, .., ..])));
    assert!(memory.slice(s![shape.0.., .., ..]).iter().all(|&v| v == T::of(7.0)), "{label}");
    memory.slice_move(s![..shape.0, .., ..])
}

fn forward_is_the_direct_convolution<T: Real>() {
    let workspace = Workspace::new();
    for (height, width, inputs, outputs) in SHAPES {
        for padding in PADDINGS {
            let Some(size) = fits((height, width), padding) else { continue };
            let x = image::<T>((height, width, inputs), 1);
            let w = filters::<T>(outputs, inputs, 2);
            let b: Array1<T> = image((1, 1, outputs), 3).into_shape_with_order(outputs).unwrap();
            let expected = direct(x.view(), w.view(), Some(b.view()), padding);
            for set in instruction_sets::<T>() {
                let label = format!("{} {} {height}×{width} {inputs}→{outputs} {padding:?}", T::NAME, set.name());

                let mut y = written((size.0, size.1, outputs), &label, |output| {
                    forward(set, x.view(), w.view(), Some(b.view()), (padding, ZEROS), output, &workspace);
                });
                assert!(error(&y, &expected) < tolerance::<T>(size.1), "{label}: {}", error(&y, &expected));

                let plain = y.clone();
                forward(
                    set,
                    x.view(),
                    w.view(),
                    Some(b.view()),
                    (padding, ZEROS),
                    Output::Add(y.view_mut()),
                    &workspace,
                );
                assert_eq!(y, &plain + &plain, "{label}");

                let mut mask = BitMask::new(y.dim().0, y.dim().1, y.dim().2);
                let output = Output::Relu { y: y.view_mut(), mask: Some(mask.view_mut()) };
                forward(set, x.view(), w.view(), Some(b.view()), (padding, ZEROS), output, &workspace);
                assert_eq!(y, plain.mapv(|v| v.max(T::zero())), "{label}");
                for (at, &value) in y.indexed_iter() {
                    assert_eq!(mask.get(at.0, at.1, at.2), value > T::zero(), "{label} {at:?}");
                }
                assert_eq!(mask.count(), y.iter().filter(|v| **v > T::zero()).count(), "{label}");

                check_pools(set, (&x, &w, &b), padding, &plain, &workspace, &label);
            }
        }
    }
}

fn check_pools<T: Real>(
    set: InstructionSet,
    (x, w, b): (&Array3<T>, &Array4<T>, &Array1<T>),
    padding: Padding,
    plain: &Array3<T>,
    workspace: &Workspace,
    label: &str,
) {
    let (height, width, outputs) = plain.dim();
    let relu = plain.mapv(|v| v.max(T::zero()));
    let mut y = Array3::from_elem((height / 2, width / 2, outputs), T::of(7.0));
    let mut max_mask = BitMask::new(height, width, outputs);
    let output = Output::ReluMaxPool { y: y.view_mut(), mask: Some(max_mask.view_mut()) };
    forward(set, x.view(), w.view(), Some(b.view()), (padding, ZEROS), output, workspace);
    let mut average = y.clone();
    let mut average_mask = BitMask::new(height, width, outputs);
    let output = Output::ReluAveragePool { y: average.view_mut(), mask: Some(average_mask.view_mut()) };
    forward(set, x.view(), w.view(), Some(b.view()), (padding, ZEROS), output, workspace);
    let (mut max_expected, mut average_expected) =
        (BitMask::new(height, width, outputs), BitMask::new(height, width, outputs));
    for ((i, j, c), &value) in y.indexed_iter() {
        let window = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(a, b)| (2 * i + a, 2 * j + b));
        let values = window.map(|(i, j)| relu[[i, j, c]]);
        let largest = values.iter().fold(T::zero(), |a, &b| a.max(b));
        assert_eq!(value, largest, "{label}");
        assert_eq!(average[[i, j, c]], ((values[0] + values[1]) + (values[2] + values[3])) * T::of(0.25), "{label}");
        if largest > T::zero() {
            let (i, j) = window[values.iter().position(|&v| v == largest).unwrap()];
            max_expected.set(i, j, c, true);
        }
        for (i, j) in window {
            average_expected.set(i, j, c, relu[[i, j, c]] > T::zero());
        }
    }
    assert_eq!(max_mask, max_expected, "{label}");
    assert_eq!(average_mask, average_expected, "{label}");
}

#[test]
fn of_no_rows_or_no_channels_there_is_nothing_to_do() {
    for (size, outputs) in [((2, 5), 3), ((4, 4), 0)] {
        let (x, w) = (image::<f32>((size.0, size.1, 8), 1), filters::<f32>(outputs, 8, 2));
        let mut y = Array3::zeros((size.0 - 2, size.1 - 2, outputs));
        let output = Output::Plain(y.view_mut());
        forward(InstructionSet::best(), x.view(), w.view(), None, (Padding::same(0), ZEROS), output, &Workspace::new());
    }
}

#[test]
fn forward_f32() {
    forward_is_the_direct_convolution::<f32>();
}

#[test]
fn forward_f64() {
    forward_is_the_direct_convolution::<f64>();
}

fn the_gradient_is_the_transposed_convolution<T: Real>() {
    let workspace = Workspace::new();
    for (height, width, inputs, outputs) in SHAPES {
        for padding in PADDINGS {
            let Some(size) = fits((height, width), padding) else { continue };
            let w = filters::<T>(outputs, inputs, 2);
            let w64 = w.mapv(<T as Real>::to_f64);
            let full = (size.0, size.1, outputs);
            let pooled = (size.0 / 2, size.1 / 2, outputs);
            let dy = image::<T>(full, 4);
            let dy_pooled = image::<T>(pooled, 5);
            let mut mask = BitMask::new(full.0, full.1, full.2);
            let mut pool_mask = mask.clone();
            let mut next = numbers(6);
            for (i, j, c) in ndarray::indices(full) {
                mask.set(i, j, c, next() > 0.0);
                pool_mask.set(i, j, c, i / 2 < pooled.0 && j / 2 < pooled.1 && next() > 0.0);
            }
            let masked = Array3::from_shape_fn(
                full,
                |(i, j, c)| {
                    if mask.get(i, j, c) { Real::to_f64(dy[[i, j, c]]) } else { 0.0 }
                },
            );
            let unpooled = Array3::from_shape_fn(full, |(i, j, c)| {
                if pool_mask.get(i, j, c) { Real::to_f64(dy_pooled[[i / 2, j / 2, c]]) } else { 0.0 }
            });
            let expected = [dy.mapv(<T as Real>::to_f64), masked, unpooled.clone(), unpooled / 4.0];
            let mut expected = expected.map(|dy| direct_gradient(&dy, w64.view(), padding, (height, width)));
            // The first is added to ones.
            expected[0] += 1.0;
            for set in instruction_sets::<T>() {
                let gradients = [
                    Gradient::Plain(dy.view()),
                    Gradient::Masked { dy: dy.view(), mask: mask.view() },
                    Gradient::MaxPooled { dy: dy_pooled.view(), mask: pool_mask.view() },
                    Gradient::AveragePooled { dy: dy_pooled.view(), mask: pool_mask.view() },
                ];
                for (case, (gradient, expected)) in gradients.into_iter().zip(&expected).enumerate() {
                    let label =
                        format!("{} {} {height}×{width} {inputs}→{outputs} {padding:?} {case}", T::NAME, set.name());
                    let mut dx = Array3::from_elem((height, width, inputs), T::one());
                    data_gradient(set, gradient, w.view(), padding, dx.view_mut(), case == 0, &workspace);
                    assert!(error(&dx, expected) < tolerance::<T>(width), "{label}: {}", error(&dx, expected));
                }
            }
        }
    }
}

#[test]
fn rows_that_begin_at_a_multiple_of_the_alignment_have_the_bits_of_the_whole() {
    for (width, inputs, outputs) in [(20, 24, 16), (64, 24, 16), (131, 9, 40)] {
        let x = image::<f32>((60, width, inputs), 1);
        let w = filters::<f32>(outputs, inputs, 2);
        let convolved = |x: ArrayView3<'_, f32>, padding: Padding| {
            let rows = x.dim().0 + padding.top + padding.bottom - 2;
            written((rows, width, outputs), "rows", |output| {
                forward(InstructionSet::best(), x, w.view(), None, (padding, ZEROS), output, &Workspace::new());
            })
        };
        let whole = convolved(x.view(), Padding::same(1));
        for first in (0..60).step_by(crate::kernels::conv::ALIGNMENT).skip(1) {
            let above = convolved(x.slice(s![..=first, .., ..]), Padding { bottom: 0, ..Padding::same(1) });
            let below = convolved(x.slice(s![first - 1.., .., ..]), Padding { top: 0, ..Padding::same(1) });
            assert_eq!(above, whole.slice(s![..first, .., ..]), "{width} {first}");
            assert_eq!(below, whole.slice(s![first.., .., ..]), "{width} {first}");
        }
    }
}

#[test]
fn gradient_f32() {
    the_gradient_is_the_transposed_convolution::<f32>();
}

#[test]
fn gradient_f64() {
    the_gradient_is_the_transposed_convolution::<f64>();
}

#[test]
fn accurate_and_the_same_on_any_number_of_threads_with_many_channels_and_any_layout() {
    // The last of each size of tile is transformed in two chunks.
    for (height, width, inputs, outputs) in [
        (64, 60, 64, 64),
        (32, 35, 256, 256),
        (20, 23, 512, 512),
        (36, 39, 512, 256),
        (70, 63, 256, 512),
        (112, 50, 300, 170),
        (250, 40, 290, 3),
        (64, 67, 256, 256),
        (128, 129, 64, 128),
        (70, 73, 300, 170),
        (97, 100, 290, 3),
    ] {
        let x = image::<f32>((height, width, inputs), 1).mapv(|v| v.max(0.0));
        let w = filters::<f32>(outputs, inputs, 2);
        let top = direct(x.slice(s![..8, .., ..]), w.view(), None, Padding::same(1));
        let bottom = direct(x.slice(s![height - 8.., .., ..]), w.view(), None, Padding::same(1));
        let y = [1, 2, 40].map(|threads| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
                let workspace = Workspace::new();
                let once = || {
                    written((height, width, outputs), &format!("{inputs}→{outputs}"), |output| {
                        forward(
                            InstructionSet::best(),
                            x.view(),
                            w.view(),
                            None,
                            (Padding::same(1), ZEROS),
                            output,
                            &workspace,
                        );
                    })
                };
                once();
                let held = workspace.bytes();
                let y = once();
                assert!(threads > 1 || workspace.bytes() == held);
                y
            })
        });
        assert!(y[0] == y[1] && y[0] == y[2]);
        let e = [
            error(&y[0].slice(s![..7, .., ..]).to_owned(), &top.slice(s![..7, .., ..]).to_owned()),
            error(&y[0].slice(s![height - 7.., .., ..]).to_owned(), &bottom.slice(s![1.., .., ..]).to_owned()),
        ];
        println!("{inputs}→{outputs}: {e:?}");
        assert!(e.iter().all(|&e| e < tolerance::<f32>(width)), "{e:?}");
        for order in [w.as_standard_layout(), w.view().reversed_axes().as_standard_layout().reversed_axes()] {
            let mut z = Array3::zeros(y[0].dim());
            let output = Output::Plain(z.view_mut());
            forward(
                InstructionSet::best(),
                x.view(),
                order.view(),
                None,
                (Padding::same(1), ZEROS),
                output,
                &Workspace::new(),
            );
            assert!(y[0] == z);
        }
    }
}
