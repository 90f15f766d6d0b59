//! Cost and latency over counts of connections and of partitions, Odeon's curve beside Kafka's.

use std::io::stdin;

use plotters::coord::Shift;
use plotters::prelude::*;
use serde::Deserialize;

use crate::Result;

/// A curve, as `cargo xtask versus --curves` hands it over: count, CPU in microseconds a record, p99 in
/// milliseconds.
#[derive(Debug, Deserialize)]
struct Curve {
    name: String,
    kafka: Vec<Point>,
    odeon: Vec<Point>,
}

type Point = (f64, f64, f64);

const SIZE: (u32, u32) = (960, 720);
const ODEON: RGBColor = RGBColor(46, 125, 50);
const KAFKA: RGBColor = RGBColor(120, 120, 120);

/// From standard input, as JSON, to standard output, as SVG.
pub(crate) fn run() -> Result<()> {
    let curves: Vec<Curve> = serde_json::from_reader(stdin().lock())?;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let panels = root.split_evenly((curves.len(), 2));
        for (curve, panels) in curves.iter().zip(panels.chunks(2)) {
            let title = |what: &str| format!("{what} over {}", curve.name);
            panel(&panels[0], &title("CPU us a record"), curve, |point| {
                point.1
            })?;
            panel(&panels[1], &title("p99 ms"), curve, |point| point.2)?;
        }
        root.present()?;
    }
    println!("{svg}");
    Ok(())
}

/// Both curves, on logarithmic scales.
fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    curve: &Curve,
    of: impl Fn(&Point) -> f64,
) -> Result<()> {
    let all = || curve.kafka.iter().chain(&curve.odeon);
    let most = |of: &dyn Fn(&Point) -> f64| all().map(of).fold(1.0, f64::max);
    let least = all().map(&of).fold(f64::INFINITY, f64::min);
    let across = 1.0..most(&|point| point.0) * 1.5;
    let up = least / 2.0..most(&of) * 2.0;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 15))
        .margin(10)
        .x_label_area_size(28)
        .y_label_area_size(56)
        .build_cartesian_2d(across.log_scale(), up.log_scale())
        .map_err(|error| error.to_string())?;
    let mesh = chart.configure_mesh().light_line_style(TRANSPARENT).draw();
    mesh.map_err(|error| error.to_string())?;
    for (name, points, color) in [
        ("Odeon", &curve.odeon, ODEON),
        ("Apache Kafka", &curve.kafka, KAFKA),
    ] {
        let line = points.iter().map(|point| (point.0, of(point)));
        let series = LineSeries::new(line, color.stroke_width(2)).point_size(3);
        let drawn = chart
            .draw_series(series)
            .map_err(|error| error.to_string())?;
        drawn
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    let mut legend = chart.configure_series_labels();
    legend.border_style(BLACK).background_style(WHITE);
    legend.draw().map_err(|error| error.to_string())?;
    Ok(())
}
