//! A long run: latencies and memory over time.

use std::io::stdin;

use plotters::prelude::*;
use serde::Deserialize;

use crate::Result;

/// A span of the run, as `cargo xtask versus --soak` hands it over.
#[derive(Debug, Deserialize)]
struct Span {
    /// When it ended.
    minute: f64,
    /// p50, p99, p99.9.
    latencies_ms: [Option<f64>; 3],
    resident_mb: f64,
    /// Whether somebody read cold data meanwhile.
    reads: bool,
}

const SIZE: (u32, u32) = (960, 640);
const LATENCIES: [(&str, RGBColor); 3] = [
    ("p50", RGBColor(46, 125, 50)),
    ("p99", RGBColor(21, 101, 192)),
    ("p99.9", RGBColor(198, 40, 40)),
];
const READING: RGBColor = RGBColor(238, 238, 238);

/// From standard input, as JSON, to standard output, as SVG.
pub(crate) fn run() -> Result<()> {
    let spans: Vec<Span> = serde_json::from_reader(stdin().lock())?;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (upper, lower) = root.split_vertically(400);
        let latencies = LATENCIES.iter().enumerate().map(|(at, (name, color))| {
            let points = spans.iter();
            let points = points.filter_map(|span| Some((span.minute, span.latencies_ms[at]?)));
            (*name, *color, points.collect())
        });
        let latencies: Vec<Series> = latencies.collect();
        let most = most(&latencies);
        panel(
            &upper,
            "latency, ms (grey: cold data is read)",
            &spans,
            &latencies,
            (0.1..most * 2.0).log_scale(),
        )?;
        let memory = spans.iter().map(|span| (span.minute, span.resident_mb));
        let memory = [("memory", BLACK, memory.collect())];
        let most = self::most(&memory);
        panel(&lower, "memory, MB", &spans, &memory, 0.0..most * 1.2)?;
        root.present()?;
    }
    println!("{svg}");
    Ok(())
}

/// A name, a color, and the figure at each minute.
type Series = (&'static str, RGBColor, Vec<(f64, f64)>);

fn most(series: &[Series]) -> f64 {
    let figures = series.iter().flat_map(|(_, _, points)| points);
    figures.map(|point| point.1).fold(1.0, f64::max)
}

fn panel<Y>(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    spans: &[Span],
    series: &[Series],
    up: Y,
) -> Result<()>
where
    Y: plotters::coord::ranged1d::AsRangedCoord<Value = f64>,
    Y::CoordDescType: plotters::coord::ranged1d::ValueFormatter<f64>,
{
    let end = spans.last().map_or(1.0, |span| span.minute);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 15))
        .margin(10)
        .x_label_area_size(28)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..end, up)
        .map_err(|error| error.to_string())?;
    let range = chart.as_coord_spec().y_spec().range();
    let reading = spans.iter().filter(|span| span.reads).map(|span| {
        let from = span.minute - end / spans.len() as f64;
        Rectangle::new(
            [(from, range.start), (span.minute, range.end)],
            READING.filled(),
        )
    });
    chart
        .draw_series(reading)
        .map_err(|error| error.to_string())?;
    let mesh = chart.configure_mesh().light_line_style(TRANSPARENT).draw();
    mesh.map_err(|error| error.to_string())?;
    for (name, color, points) in series {
        let color = *color;
        let line = LineSeries::new(points.iter().copied(), &color);
        let drawn = chart.draw_series(line).map_err(|error| error.to_string())?;
        drawn
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
    }
    let mut legend = chart.configure_series_labels();
    legend.border_style(BLACK).background_style(WHITE);
    legend.draw().map_err(|error| error.to_string())?;
    Ok(())
}
