//! What is demanded of the ratios, and whether it holds.

use super::load::Sample;
use super::stats::{Spread, short};
use super::table::Line;

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Payload, in MB a second.
    Rate,
    P50,
    P99,
    P999,
    /// Of the brokers, in seconds a GB of payload.
    Cpu,
    /// Resident after the run.
    Memory,
}

impl Metric {
    pub(crate) const ALL: [Self; 6] = [
        Self::Rate,
        Self::P50,
        Self::P99,
        Self::P999,
        Self::Cpu,
        Self::Memory,
    ];

    pub(crate) fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::Rate => Some(sample.rate_mb_s()),
            Self::P50 => sample.figures.p50_ms,
            Self::P99 => sample.figures.p99_ms,
            Self::P999 => sample.figures.p999_ms,
            Self::Cpu => Some(sample.cpu_s_gb()),
            Self::Memory => Some(sample.resident_mb),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate, MB/s",
            Self::P50 => "p50, ms",
            Self::P99 => "p99, ms",
            Self::P999 => "p99.9, ms",
            Self::Cpu => "CPU-s per GB",
            Self::Memory => "memory, MB",
        }
    }
}

/// Of Odeon's figure over Kafka's.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    AtLeast(Metric, f64),
    AtMost(Metric, f64),
    /// The rate is one of those of which the median is at least `NOT_BELOW`, and none under `NEVER`.
    NotBelow,
}

const NOT_BELOW: f64 = 0.95;
const NEVER: f64 = 0.85;

/// Of one node after any load, in MB.
const LOADED_MB: f64 = 80.0;

/// Says of each demand whether it holds, and how many do not.
pub(crate) fn judge(lines: &[Line]) -> usize {
    let mut missed = 0;
    let mut say = |holds: bool, line: &str, metric: &str, figure, words, bound| {
        missed += usize::from(!holds);
        println!("{}", verdict(holds, line, metric, figure, words, bound));
    };
    for nodes in [1, 3] {
        let mut rates = Vec::new();
        for line in lines.iter().filter(|line| line.nodes == nodes) {
            for limit in line.limits {
                let (metric, bound, is_floor) = match *limit {
                    Limit::AtLeast(metric, bound) => (metric, bound, true),
                    Limit::AtMost(metric, bound) => (metric, bound, false),
                    Limit::NotBelow => (Metric::Rate, NEVER, true),
                };
                let Some(ratio) = line.ratio(metric) else {
                    continue;
                };
                let ratio = ratio.median;
                if let Limit::NotBelow = limit {
                    rates.push(ratio);
                }
                match is_floor {
                    true => say(
                        ratio >= bound,
                        &line.name,
                        metric.name(),
                        ratio,
                        "at least",
                        bound,
                    ),
                    false => say(
                        ratio <= bound,
                        &line.name,
                        metric.name(),
                        ratio,
                        "at most",
                        bound,
                    ),
                }
            }
        }
        if let Some(rates) = Spread::of(rates) {
            let rate = rates.median;
            let name = format!("{nodes} nodes: rates not below Kafka's");
            say(
                rate >= NOT_BELOW,
                &name,
                "median",
                rate,
                "at least",
                NOT_BELOW,
            );
        }
    }
    let single = lines.iter().filter(|line| line.nodes == 1);
    let loaded = single
        .flat_map(|line| &line.pairs)
        .map(|[_, odeon]| odeon.resident_mb);
    if let Some(loaded) = Spread::of(loaded) {
        let most = loaded.most;
        say(
            most <= LOADED_MB,
            "loaded",
            "memory, MB",
            most,
            "at most",
            LOADED_MB,
        );
    }
    missed
}

/// A line that says so.
pub(crate) fn verdict(
    holds: bool,
    what: &str,
    metric: &str,
    figure: f64,
    words: &str,
    bound: f64,
) -> String {
    let mark = if holds { "ok  " } else { "MISS" };
    format!(
        "{mark} {what}: {metric} {} ({words} {bound})",
        short(figure)
    )
}
