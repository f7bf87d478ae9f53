//! Accuracies over epsilon or another quantity, as an SVG.

use free_at::Norm;
use plotters::prelude::*;

use crate::curve::Curve;

// Colours that stay apart for colour-blind readers (Okabe and Ito).
const COLOURS: [RGBColor; 3] = [RGBColor(213, 94, 0), RGBColor(0, 114, 178), RGBColor(0, 158, 115)];

/// What accuracy is drawn over.
pub struct Axes<'a> {
    /// The name of the quantity, with its unit.
    pub x: &'a str,
    /// Its smallest value.
    pub from: f64,
}

/// Accuracy over epsilon, a line for each model.
///
/// # Errors
/// Those of the drawing library.
pub fn draw(
    title: &str,
    norm: Norm,
    curves: &[Curve],
) -> Result<String, Box<dyn std::error::Error>> {
    let x = format!("epsilon ({}, images in [0, 1])", norm.in_words());
    draw_over(title, Axes { x: &x, from: 0.0 }, curves)
}

/// Accuracy over something else.
///
/// # Errors
/// Those of the drawing library.
pub fn draw_over(
    title: &str,
    axes: Axes,
    curves: &[Curve],
) -> Result<String, Box<dyn std::error::Error>> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (720, 440)).into_drawing_area();
        area.fill(&WHITE)?;
        let widest = curves.iter().flat_map(|curve| &curve.points).map(|(e, _)| *e);
        let widest = widest.fold(axes.from, f64::max).max(axes.from + f64::MIN_POSITIVE);
        let mut chart = ChartBuilder::on(&area)
            .margin(16)
            .caption(title, ("sans-serif", 20))
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d(axes.from..widest, 0.0..100.0)?;
        chart
            .configure_mesh()
            .x_desc(axes.x)
            .y_desc("accuracy (%)")
            .label_style(("sans-serif", 14))
            .axis_desc_style(("sans-serif", 15))
            .light_line_style(WHITE)
            .draw()?;
        for (curve, colour) in curves.iter().zip(COLOURS.into_iter().cycle()) {
            let points = || curve.points.iter().map(|&(epsilon, share)| (epsilon, 100.0 * share));
            chart
                .draw_series(LineSeries::new(points(), colour.stroke_width(2)))?
                .label(&curve.name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2))
                });
            chart.draw_series(points().map(|point| Circle::new(point, 4, colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerLeft)
            .margin(16)
            .label_font(("sans-serif", 15))
            .background_style(WHITE.mix(0.5))
            .border_style(RGBColor(200, 200, 200))
            .draw()?;
        area.present()?;
    }
    Ok(svg)
}
