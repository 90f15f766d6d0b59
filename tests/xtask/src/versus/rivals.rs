//! Both clusters, measured in turn.

use super::Bench;
use super::load::Sample;
use super::rival::Rival;
use super::rows::{Load, Produce, Row};
use super::stats::Spread;
use super::table::{self, Line};
use crate::sh::Result;

/// The two, Kafka first, and what was measured so far.
#[derive(Debug)]
struct Rivals<'a> {
    both: [Rival<'a>; 2],
    pairs: usize,
    lines: Vec<Line>,
}

/// Starts both, measures the rows and says each on the way.
pub(crate) fn measure(bench: &Bench, nodes: usize, rows: &[&Row]) -> Result<Vec<Line>> {
    let [kafka, odeon] = bench.makes();
    let mut rivals = Rivals {
        both: [
            Rival::start(bench, kafka, nodes)?,
            Rival::start(bench, odeon, nodes)?,
        ],
        pairs: bench.pairs,
        lines: Vec::new(),
    };
    rivals.warm_up(rows)?;
    eprintln!("{}", table::HEAD);
    for row in rows {
        let from = rivals.lines.len();
        rivals.row(row)?;
        for line in &rivals.lines[from..] {
            eprintln!("{}", table::markdown_line(line));
        }
    }
    Ok(rivals.lines)
}

impl Rivals<'_> {
    /// Lets Kafka's compiler see each kind of load, and ours the same.
    fn warm_up(&mut self, rows: &[&Row]) -> Result<()> {
        eprintln!("warming up");
        let mut produce = Vec::new();
        for row in rows {
            if let Some(load) = row.load.produce()
                && !produce.contains(&load)
            {
                produce.push(load);
                for rival in &mut self.both {
                    rival.run(row, &Load::ProduceConsume(load), None, None)?;
                }
            }
        }
        let latency = rows.iter().find(|row| matches!(row.load, Load::Latency));
        if let Some(row) = latency {
            for rival in &mut self.both {
                rival.run(row, &row.load, None, None)?;
            }
        }
        Ok(())
    }

    /// Measures a row's pairs.
    fn row(&mut self, row: &Row) -> Result<()> {
        let rate = match row.load {
            Load::AtHalf(produce) => Some(self.kafkas_rate(row, produce)? / 2.0),
            _ => None,
        };
        let mut pairs: Vec<[Vec<Sample>; 2]> = Vec::new();
        for pair in 0..self.pairs {
            let mut both = [Vec::new(), Vec::new()];
            // Who is first changes: what one leaves behind hits both.
            for turn in 0..2 {
                let rival = (pair + turn) % 2;
                both[rival] = self.both[rival].run(row, &row.load, rate, None)?;
            }
            pairs.push(both);
        }
        for (at, (kind, has_rate)) in row.load.lines().iter().enumerate() {
            let samples = pairs.iter();
            let samples = samples.map(|[kafka, odeon]| [kafka[at].clone(), odeon[at].clone()]);
            self.lines.push(Line {
                name: format!("{kind}, {}", row.name),
                nodes: row.nodes,
                load: row.load,
                has_rate: *has_rate,
                pairs: samples.collect(),
                limits: row.limits.get(at).copied().unwrap_or_default(),
            });
        }
        Ok(())
    }

    /// Records a second that Kafka took of these producers.
    fn kafkas_rate(&mut self, row: &Row, produce: Produce) -> Result<f64> {
        let rate = |sample: &Sample| sample.figures.records as f64 / sample.figures.seconds;
        let measured = self.lines.iter().find(|line| {
            line.load.produce() == Some(produce) && matches!(line.load, Load::Produce(_))
        });
        if let Some(line) = measured {
            let rates = line.pairs.iter().map(|[kafka, _]| rate(kafka));
            return Ok(Spread::of(rates).map_or(0.0, |spread| spread.median));
        }
        let samples = self.both[0].run(row, &Load::Produce(produce), None, None)?;
        Ok(rate(&samples[0]))
    }
}
