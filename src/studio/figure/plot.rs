//! Plots of losses.

use plotters::prelude::*;

use super::{FONT, load_font};
use crate::picture::Picture;

/// A named curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What the legend says.
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
    // Axes have some length even where all points are one.
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
    x_range: std::ops::Range<f64>,
    y_range: std::ops::Range<f64>,
    [x_label, y_label]: [&str; 2],
) -> Result<(), DrawingError<'p>> {
    let area = BitMapBackend::with_buffer(pixels, (width as u32, height as u32)).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(78)
        .build_cartesian_2d(x_range, y_range.log_scale())?;
    chart
        .configure_mesh()
        .x_desc(x_label)
        .y_desc(y_label)
        .y_label_formatter(&|y| format!("{y:.0e}"))
        .label_style((FONT, 13))
        .axis_desc_style((FONT, 15))
        .light_line_style(WHITE)
        .draw()?;
    for (index, (name, points)) in series.iter().enumerate() {
        let colour = Palette99::pick(index).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK).label_font((FONT, 13)).draw()?;
    area.present()
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
    fn what_a_logarithm_cannot_show_is_left_out() {
        let bad = Curve { name: "bad".into(), points: vec![(1.0, 0.0), (2.0, -1.0), (3.0, f64::NAN)] };
        assert!(plot(std::slice::from_ref(&bad), "x", "y", [300, 200]).is_none());
        assert!(plot(&[], "x", "y", [300, 200]).is_none());
        let one = Curve { name: "one".into(), points: vec![(1.0, 5.0)] };
        assert!(plot(&[bad, one], "x", "y", [300, 200]).is_some());
    }
}
