//! Plots of losses.

use std::ops::Range;

use plotters::prelude::*;

use super::{FONT, load_font};
use impasto::picture::Picture;

/// A named curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The label in the legend.
    pub name: String,
    /// (x, y) in order of x.
    pub points: Vec<(f64, f64)>,
}

/// Curves over a linear x axis and a logarithmic y axis, with a legend. Points whose y is not positive are left out;
/// `None` if none is left.
pub fn plot(curves: &[Curve], x_label: &str, y_label: &str, [width, height]: [usize; 2]) -> Option<Picture> {
    load_font();
    let drawable = |curve: &Curve| {
        let positive = curve.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite() && *y > 0.0);
        positive.collect::<Vec<_>>()
    };
    let series: Vec<(&str, Vec<(f64, f64)>)> = curves.iter().map(|curve| (&*curve.name, drawable(curve))).collect();
    let points = || series.iter().flat_map(|(_, points)| points).copied();
    let (x_low, y_low) = points().reduce(|a, b| (a.0.min(b.0), a.1.min(b.1)))?;
    let (x_high, y_high) = points().reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))?;
    // Axes have some length even if all points coincide.
    let x_range = x_low..if x_high > x_low { x_high } else { x_low + 1.0 };
    let y_range = y_low / 1.2..y_high * 1.2;
    let mut pixels = vec![u8::MAX; width * height * 3];
    draw(&mut pixels, [width, height], &series, x_range, y_range, [x_label, y_label]).expect("drawing into memory");
    let levels = pixels.into_iter().map(|byte| f32::from(byte) / 255.0).collect();
    Some(Picture::new(ndarray::Array3::from_shape_vec((height, width, 3), levels).expect("as long")))
}

type DrawingError<'p> = DrawingAreaErrorKind<<BitMapBackend<'p> as DrawingBackend>::ErrorType>;

fn draw<'p>(
    pixels: &'p mut [u8],
    [width, height]: [usize; 2],
    series: &[(&str, Vec<(f64, f64)>)],
    x_range: Range<f64>,
    y_range: Range<f64>,
    [x_label, y_label]: [&str; 2],
) -> Result<(), DrawingError<'p>> {
    let area = BitMapBackend::with_buffer(pixels, (width as u32, height as u32)).into_drawing_area();
    let ticks = ticks(&y_range);
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        // The last number on the x axis is centred under its tick.
        .margin_right(28)
        .x_label_area_size(44)
        .y_label_area_size(78)
        .build_cartesian_2d(x_range, y_range.log_scale().with_key_points(ticks))?;
    chart
        .configure_mesh()
        .x_desc(x_label)
        .y_desc(y_label)
        .x_label_formatter(&|&x| number(x))
        .y_label_formatter(&|&y| number(y))
        .label_style((FONT, 13))
        .axis_desc_style((FONT, 15))
        .light_line_style(WHITE)
        .draw()?;
    for (index, (name, points)) in series.iter().enumerate() {
        let colour = Palette99::pick(index).stroke_width(2);
        chart
            // Segment by segment: the corners of a single line with sharp turns would extend far beyond the points.
            .draw_series(points.windows(2).map(|ends| PathElement::new(ends.to_vec(), colour)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        // Losses fall, so the upper right is free.
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .border_style(BLACK)
        .label_font((FONT, 13))
        .draw()?;
    area.present()
}

/// The ticks of a logarithmic axis: at every power of ten, and between them if there are few.
fn ticks(range: &Range<f64>) -> Vec<f64> {
    let (first, last) = (range.start.log10().floor() as i32, range.end.log10().ceil() as i32);
    let within: &[u8] = match range.end.log10() - range.start.log10() {
        ..1.3 => &[1, 2, 3, 4, 5, 6, 7, 8, 9],
        ..3.5 => &[1, 2, 5],
        _ => &[1],
    };
    // At most about ten powers.
    let apart = (last - first) as usize / 10 + 1;
    let powers = (first..=last).step_by(apart);
    // Parse instead of multiplying, so that 5e-2 is exactly 0.05.
    let tick = |power: i32, digit: &u8| format!("{digit}e{power}").parse().expect("a number");
    let all = powers.flat_map(|power| within.iter().map(move |digit| tick(power, digit)));
    all.filter(|tick| range.contains(tick)).collect()
}

/// A tick's number in its shortest form.
fn number(value: f64) -> String {
    if value == 0.0 || (1e-3..1e5).contains(&value.abs()) { format!("{value}") } else { format!("{value:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(name: &str, scale: f64) -> Curve {
        Curve { name: name.into(), points: (1..100).map(|i| (f64::from(i), scale / f64::from(i * i))).collect() }
    }

    #[test]
    fn draws_each_curve_in_a_colour_of_its_own() {
        let plot = plot(&[curve("adam", 2.0), curve("lbfgs", 0.5)], "iterations", "loss", [400, 300]).unwrap();
        assert_eq!((plot.width(), plot.height()), (400, 300));
        for index in 0..2 {
            let (r, g, b) = Palette99::pick(index).to_rgba().rgb();
            let colour = [r, g, b].map(|byte| f32::from(byte) / 255.0);
            let drawn = plot.rgb.lanes(ndarray::Axis(2)).into_iter().filter(|pixel| pixel.iter().eq(&colour)).count();
            assert!(drawn > 50, "curve {index}: {drawn} pixels");
        }
        // Labels: something black left of the axis and below it.
        let dark = |part: ndarray::ArrayView3<'_, f32>| part.iter().any(|&v| v < 0.3);
        assert!(dark(plot.rgb.slice(ndarray::s![50..200, ..60, ..])));
        assert!(dark(plot.rgb.slice(ndarray::s![270.., 100..300, ..])));
    }

    #[test]
    fn a_spike_reaches_no_further_than_its_point() {
        let highest = |above: Range<usize>| {
            let value = |i: usize| if above.contains(&i) { 1000.0 } else { 1.0 };
            let points = (0..1000).map(|i| (i as f64, value(i))).collect();
            let curve = Curve { name: "spike".into(), points };
            let plot = plot(&[curve], "x", "y", [600, 300]).unwrap();
            // To the left of the legend.
            let coloured =
                |row: &usize| (100..400).any(|x| (plot.rgb[[*row, x, 0]] - plot.rgb[[*row, x, 2]]).abs() > 0.3);
            (0..300).find(coloured).unwrap()
        };
        let (spike, plateau) = (highest(300..301), highest(200..400));
        assert!(spike.abs_diff(plateau) <= 1, "rows {spike} and {plateau}");
    }

    #[test]
    fn a_logarithmic_axis_has_some_numbers_and_not_too_many() {
        let shown = |range: Range<f64>| ticks(&range).into_iter().map(number).collect::<Vec<_>>().join(" ");
        assert_eq!(shown(0.35..0.62), "0.4 0.5 0.6");
        assert_eq!(shown(0.3..70.0), "0.5 1 2 5 10 20 50");
        assert_eq!(shown(3e-5..2.0), "1e-4 0.001 0.01 0.1 1");
        assert_eq!(shown(3e9..2.1e11), "5e9 1e10 2e10 5e10 1e11 2e11");
        assert_eq!(ticks(&(1e-30..1e30)).len(), 9);
    }

    #[test]
    fn what_a_logarithm_cannot_show_is_left_out() {
        let bad = Curve { name: "bad".into(), points: vec![(1.0, 0.0), (2.0, -1.0), (3.0, f64::NAN)] };
        assert!(plot(std::slice::from_ref(&bad), "x", "y", [300, 200]).is_none());
        assert!(plot(&[], "x", "y", [300, 200]).is_none());
        let one = Curve { name: "one".into(), points: vec![(1.0, 5.0)] };
        assert!(plot(&[bad, one], "x", "y", [300, 200]).is_some());
    }
}
