//! The loss along the adversarial direction and a random one: figure 3 of the paper.

use std::error::Error;

use burn::tensor::{Device, Tensor};
use free_at::prelude::*;
use free_at::{Draws, Goal, Objective};
use plotters::prelude::*;

use crate::Subject;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Points along each direction, an odd number, so that the image itself is one.
const POINTS: usize = 25;

/// The cross-entropy of one model, `[adversarial direction][random direction]`.
pub(crate) struct Surface {
    name: String,
    losses: Vec<Vec<f64>>,
}

/// The loss at x + a s + b r for a and b from −`reach` to `reach`: s is the sign of the model's gradient at
/// the image x, r a random sign for each feature, the same for all models.
pub(crate) fn measure(
    subjects: &[Subject],
    test: &ImageDataset,
    image: usize,
    (reach, seed): (f64, u64),
) -> Outcome<Vec<Surface>> {
    let batch = test.subset(vec![image]).batch(&Device::default())?;
    let (x, truth) = (batch.inputs(), batch.untargeted());
    let random = Draws::new(seed, vec![image as u64]).uniform(x.dims(), &x.device()).sign();
    let steps: Vec<f64> = (0..POINTS).map(|at| offset(at, reach)).collect();
    let measure = |subject: &Subject| -> Outcome<Surface> {
        let objective = Objective::CrossEntropy;
        let found = subject.model.input_gradient(x.clone(), &truth, objective)?;
        let adversarial = found.gradient.sign();
        // One batch for each step along the adversarial direction.
        let along = |a: &f64| -> Outcome<Vec<f64>> {
            let moved = x.clone() + adversarial.clone().mul_scalar(*a);
            let points = steps.iter().map(|b| moved.clone() + random.clone().mul_scalar(*b));
            let logits = subject.model.logits(Tensor::cat(points.collect(), 0))?;
            let labels = Goal::untargeted(batch.labels().repeat_dim(0, POINTS));
            Ok(objective.values(logits, &labels)?.try_into_vec_as()?)
        };
        let losses = steps.iter().map(along).collect::<Outcome<_>>()?;
        Ok(Surface { name: subject.name.clone(), losses })
    };
    subjects.iter().map(measure).collect()
}

fn offset(at: usize, reach: f64) -> f64 {
    reach * (2.0 * at as f64 / (POINTS - 1) as f64 - 1.0)
}

/// The surfaces side by side, all to the same height.
pub(crate) fn draw(surfaces: &[Surface], reach: f64, title: &str) -> Outcome<String> {
    const SIZE: (u32, u32) = (380, 420);
    let all = || surfaces.iter().flat_map(|surface| surface.losses.iter().flatten().copied());
    let highest = all().fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = String::new();
    {
        let size = (SIZE.0 * surfaces.len() as u32, SIZE.1);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        let area = area.titled(title, ("sans-serif", 20))?;
        for (surface, panel) in surfaces.iter().zip(area.split_evenly((1, surfaces.len()))) {
            panel_of(surface, &panel, reach, highest)?;
        }
        area.present()?;
    }
    Ok(svg)
}

fn panel_of(
    surface: &Surface,
    panel: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    reach: f64,
    highest: f64,
) -> Outcome<()> {
    let mut chart = ChartBuilder::on(panel)
        .margin(8)
        .caption(&surface.name, ("sans-serif", 18))
        .build_cartesian_3d(-reach..reach, 0.0..highest, -reach..reach)?;
    chart.with_projection(|mut view| {
        (view.pitch, view.yaw, view.scale) = (0.45, 0.65, 0.75);
        view.into_matrix()
    });
    chart
        .configure_axes()
        .label_style(("sans-serif", 12))
        .light_grid_style(WHITE)
        .max_light_lines(1)
        .x_labels(3)
        .z_labels(3)
        .y_labels(5)
        .draw()?;
    let at = |offset: f64| {
        let at = (offset / reach + 1.0) / 2.0 * (POINTS - 1) as f64;
        at.round() as usize
    };
    let offsets = || (0..POINTS).map(|point| offset(point, reach));
    let colour = |loss: &f64| {
        let share = (loss / highest).clamp(0.0, 1.0);
        // From blue to orange, as in the other pictures.
        let mix = |low: f64, high: f64| (low + (high - low) * share) as u8;
        RGBColor(mix(0.0, 213.0), mix(114.0, 94.0), mix(178.0, 0.0)).mix(0.75).filled()
    };
    chart.draw_series(
        SurfaceSeries::xoz(offsets(), offsets(), |a, b| surface.losses[at(a)][at(b)])
            .style_func(&colour),
    )?;
    let style = ("sans-serif", 13).into_font().color(&RGBColor(40, 40, 40));
    chart.draw_series(
        [
            ("adversarial", (-0.6 * reach, 0.0, 1.7 * reach)),
            ("random", (1.5 * reach, 0.0, 0.3 * reach)),
        ]
        .map(|(text, at)| Text::new(text, at, &style)),
    )?;
    Ok(())
}
