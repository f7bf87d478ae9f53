//! Accuracies over epsilon or another quantity, as an SVG.

use std::error::Error;

use free_at::Norm;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::curve::Curve;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

// Colours that stay apart for colour-blind readers (Okabe and Ito), and two for many curves.
const COLOURS: [RGBColor; 10] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(150, 140, 20),
    RGBColor(130, 130, 130),
    RGBColor(110, 60, 160),
];
/// Of the whole, in pixels, and of the chart in it; the legend stands beside it, over no point.
const SIZE: (u32, u32) = (800, 440);
const CHART: u32 = 610;
/// Points of a curve that are still told apart.
const MOST_DOTS: usize = 64;
/// Letters in a line of the legend.
const LETTERS: usize = 22;

/// What accuracy is drawn over.
pub struct Axes<'a> {
    /// The name of the quantity, with its unit.
    pub x: &'a str,
    /// Its smallest value.
    pub from: f64,
    /// Whether equal ratios of it are equally far apart; it begins above 0 then.
    pub logarithmic: bool,
}

/// Accuracy over epsilon, a line for each model.
///
/// # Errors
/// Those of the drawing library.
pub fn draw(title: &str, norm: Norm, curves: &[Curve]) -> Result<String, Box<dyn Error>> {
    let x = format!("epsilon ({}, images in [0, 1])", norm.in_words());
    draw_over(title, Axes { x: &x, from: 0.0, logarithmic: false }, curves)
}

/// Accuracy over something else.
///
/// # Errors
/// Those of the drawing library.
pub fn draw_over(title: &str, axes: Axes, curves: &[Curve]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let widest = curves.iter().flat_map(|curve| &curve.points).map(|(x, _)| *x);
        let widest = widest.fold(axes.from, f64::max).max(axes.from + f64::MIN_POSITIVE);
        let (chart, legend) = area.split_horizontally(CHART);
        match axes.logarithmic {
            // With room on both sides, where the points of one quantity alone would lie.
            true => {
                let (from, to) = (axes.from / 1.3, widest * 1.3);
                let range = (from..to).log_scale().with_key_points(ticks(from, to));
                draw_chart(&chart, title, &axes, range, curves)?;
            }
            false => draw_chart(&chart, title, &axes, axes.from..widest, curves)?,
        }
        draw_legend(&legend, curves)?;
        area.present()?;
    }
    Ok(svg)
}

fn draw_chart<X>(
    area: &Area,
    title: &str,
    axes: &Axes,
    range: impl plotters::coord::ranged1d::AsRangedCoord<CoordDescType = X, Value = f64>,
    curves: &[Curve],
) -> Result<(), Box<dyn Error>>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .margin(16)
        .caption(title, ("sans-serif", 20))
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d::<_, std::ops::Range<f64>>(range, 0.0..100.0)?;
    let label = |x: &f64| match axes.logarithmic {
        true => x.to_string(),
        false => X::format(x),
    };
    let mesh: &mut ChartContext<_, Cartesian2d<X, RangedCoordf64>> = &mut chart;
    mesh.configure_mesh()
        .x_label_formatter(&label)
        .x_desc(axes.x)
        .y_desc("accuracy (%)")
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 15))
        .light_line_style(WHITE)
        .draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS.into_iter().cycle()) {
        let points = || curve.points.iter().map(|&(x, share)| (x, 100.0 * share));
        chart.draw_series(LineSeries::new(points(), colour.stroke_width(2)))?;
        // A staircase of many steps is a line.
        if curve.points.len() <= MOST_DOTS {
            chart.draw_series(points().map(|point| Circle::new(point, 4, colour.filled())))?;
        }
    }
    Ok(())
}

/// 1, 2 and 5 times powers of ten.
fn ticks(from: f64, to: f64) -> Vec<f64> {
    let powers = from.log10().floor() as i32..=to.log10().ceil() as i32;
    let ticks = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|times| times * 10f64.powi(power)));
    ticks.filter(|tick| (from..=to).contains(tick)).collect()
}

/// A line in its colour and a name for each curve, long names on several lines.
fn draw_legend(area: &Area, curves: &[Curve]) -> Result<(), Box<dyn Error>> {
    const LINE: i32 = 17;
    let mut y = 60;
    for (curve, colour) in curves.iter().zip(COLOURS.into_iter().cycle()) {
        let middle = y + LINE / 2 - 1;
        area.draw(&PathElement::new([(0, middle), (20, middle)], colour.stroke_width(2)))?;
        for line in wrapped(&curve.name) {
            area.draw(&Text::new(line, (28, y), ("sans-serif", 14)))?;
            y += LINE;
        }
        y += LINE / 3;
    }
    Ok(())
}

/// Cut at spaces, so that no line but one of a single word is too long.
fn wrapped(name: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in name.split(' ') {
        match lines.last_mut().filter(|line| line.len() + 1 + word.len() <= LETTERS) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.into()),
        }
    }
    lines
}
