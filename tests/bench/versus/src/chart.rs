//! The table as a picture: for each line three bars, Odeon's figure over Kafka's.

use std::io::stdin;

use plotters::prelude::*;
use serde::Deserialize;

use crate::Result;

/// A line of the table, as `cargo xtask versus` hands it over.
#[derive(Debug, Deserialize)]
struct Line {
    name: String,
    rate: Option<Ratio>,
    p99: Option<Ratio>,
    cpu: Option<Ratio>,
}

/// A median and the extremes around it.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Ratio {
    median: f64,
    least: f64,
    most: f64,
}

const LINE_PX: u32 = 22;
const LABELS_PX: u32 = 430;
const PANEL_PX: u32 = 260;
/// The scale: from a twentieth of Kafka's figure to twenty times as much.
const SCALE: std::ops::Range<f64> = 0.05..20.0;
const BETTER: RGBColor = RGBColor(46, 125, 50);
const WORSE: RGBColor = RGBColor(198, 40, 40);

/// From standard input, as JSON, to standard output, as SVG.
pub(crate) fn run() -> Result<()> {
    let lines: Vec<Line> = serde_json::from_reader(stdin().lock())?;
    let rows = u32::try_from(lines.len())?;
    let size = (LABELS_PX + 3 * PANEL_PX, 80 + rows * LINE_PX);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (labels, panels) = root.split_horizontally(LABELS_PX);
        for (at, line) in lines.iter().enumerate() {
            let y = 46 + i32::try_from(at)? * i32::try_from(LINE_PX)?;
            labels.draw_text(
                &line.name,
                &("sans-serif", 13).into_font().color(&BLACK),
                (8, y),
            )?;
        }
        let panels = panels.split_evenly((1, 3));
        let rates = lines.iter().map(|line| line.rate).collect::<Vec<_>>();
        panel(&panels[0], "rate: more is better", &rates, |ratio| {
            ratio >= 1.0
        })?;
        let p99s = lines.iter().map(|line| line.p99).collect::<Vec<_>>();
        panel(&panels[1], "p99: less is better", &p99s, |ratio| {
            ratio <= 1.0
        })?;
        let cpus = lines.iter().map(|line| line.cpu).collect::<Vec<_>>();
        panel(&panels[2], "CPU per GB: less is better", &cpus, |ratio| {
            ratio <= 1.0
        })?;
        root.present()?;
    }
    println!("{svg}");
    Ok(())
}

/// Bars on a logarithmic scale from 1, which is Kafka, and the spread of each.
fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    ratios: &[Option<Ratio>],
    is_better: impl Fn(f64) -> bool,
) -> Result<()> {
    let rows = ratios.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 14))
        .margin(8)
        .x_label_area_size(24)
        .build_cartesian_2d(SCALE.log_scale(), 0.0..rows)
        .map_err(|error| error.to_string())?;
    let mesh = chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_labels(6)
        .x_label_formatter(&|x| format!("{x}x"))
        .draw();
    mesh.map_err(|error| error.to_string())?;
    let bars = ratios.iter().enumerate().filter_map(|(at, ratio)| {
        let ratio = (*ratio)?;
        let y = rows - at as f64;
        let inside = |x: f64| x.clamp(SCALE.start, SCALE.end);
        let color = if is_better(ratio.median) {
            BETTER
        } else {
            WORSE
        };
        let bar = Rectangle::new(
            [(1.0, y - 0.25), (inside(ratio.median), y - 0.75)],
            color.filled(),
        );
        let spread = [
            (inside(ratio.least), y - 0.5),
            (inside(ratio.most), y - 0.5),
        ];
        Some((bar, PathElement::new(spread, BLACK)))
    });
    let (bars, spreads): (Vec<_>, Vec<_>) = bars.unzip();
    chart.draw_series(bars).map_err(|error| error.to_string())?;
    chart
        .draw_series(spreads)
        .map_err(|error| error.to_string())?;
    let kafka = PathElement::new([(1.0, 0.0), (1.0, rows)], BLACK);
    chart
        .draw_series([kafka])
        .map_err(|error| error.to_string())?;
    Ok(())
}
