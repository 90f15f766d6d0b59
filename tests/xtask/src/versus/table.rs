//! The table of ratios.

use serde_json::{Value, json};

use super::gate::{Limit, Metric};
use super::load::Sample;
use super::rows::Load;
use super::stats::{Spread, short};

/// A line of the table: both clusters, pair by pair, Kafka first.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) nodes: usize,
    pub(crate) load: Load,
    /// Whether the rate is theirs and not the load's.
    pub(crate) has_rate: bool,
    pub(crate) pairs: Vec<[Sample; 2]>,
    pub(crate) limits: &'static [Limit],
}

impl Line {
    /// Ours in terms of Kafka's, pair by pair.
    pub(crate) fn ratio(&self, metric: Metric) -> Option<Spread> {
        let ratios = self.pairs.iter().map(|[kafka, odeon]| {
            let (kafka, odeon) = (metric.of(kafka)?, metric.of(odeon)?);
            (kafka > 0.0).then_some(odeon / kafka)
        });
        Spread::of(ratios.collect::<Option<Vec<f64>>>()?)
    }

    fn of(&self, metric: Metric, rival: usize) -> Option<Spread> {
        let values = self.pairs.iter().map(|pair| metric.of(&pair[rival]));
        Spread::of(values.collect::<Option<Vec<f64>>>()?)
    }
}

pub(crate) const HEAD: &str = "\
| | MB/s: Odeon, Kafka, ratio | p50 ms | p99 ms | p99.9 ms | broker CPU-s per GB | memory MB | others, cores |
|---|---|---|---|---|---|---|---|";

pub(crate) fn markdown(lines: &[Line]) -> String {
    let lines = lines.iter().map(markdown_line);
    std::iter::once(HEAD.to_owned())
        .chain(lines)
        .collect::<Vec<_>>()
        .join("\n")
}

pub(crate) fn markdown_line(line: &Line) -> String {
    let mut cells = Vec::new();
    for metric in Metric::ALL {
        let is_theirs = metric != Metric::Rate || line.has_rate;
        cells.push(cell(line, metric).filter(|_| is_theirs).unwrap_or_default());
    }
    let others = line.pairs.iter().flatten().map(|one| one.others_cores);
    let others = Spread::of(others).map_or(String::new(), |others| short(others.most));
    format!("| {} | {} | {others} |", line.name, cells.join(" | "))
}

/// "ours, Kafka's: **ratio** [least..most]".
fn cell(line: &Line, metric: Metric) -> Option<String> {
    let ratio = line.ratio(metric)?;
    let (kafka, odeon) = (line.of(metric, 0)?, line.of(metric, 1)?);
    Some(format!(
        "{}, {}: **{}** [{}..{}]",
        short(odeon.median),
        short(kafka.median),
        short(ratio.median),
        short(ratio.least),
        short(ratio.most)
    ))
}

/// What the chart shows of the lines, as JSON.
pub(crate) fn json(lines: &[Line]) -> Value {
    let ratio = |line: &Line, metric: Metric| {
        let is_theirs = metric != Metric::Rate || line.has_rate;
        let ratio = line.ratio(metric).filter(|_| is_theirs)?;
        let Spread {
            median,
            least,
            most,
        } = ratio;
        Some(json!({ "median": median, "least": least, "most": most }))
    };
    let lines = lines.iter().map(|line| {
        json!({
            "name": line.name,
            "rate": ratio(line, Metric::Rate),
            "p99": ratio(line, Metric::P99),
            "cpu": ratio(line, Metric::Cpu),
        })
    });
    Value::from_iter(lines)
}

/// A run by itself.
pub(crate) fn sample(sample: &Sample) -> String {
    let figures = Metric::ALL.iter().filter_map(|metric| {
        let figure = metric.of(sample)?;
        Some(format!("{} {}", metric.name(), short(figure)))
    });
    figures.collect::<Vec<_>>().join(", ")
}
