//! Both clusters, measured in turn.

use super::Bench;
use super::load::{self, Sample, warm_memory};
use super::rows::{Batches, Durability, Load, Produce, Row};
use super::stats::Spread;
use super::table::{self, Line};
use crate::nodes::{Make, Nodes};
use crate::sh::Result;

/// The topic of each run is new, and soon gone from the disk.
const DELETE_DELAY: &str = "file.delete.delay.ms=1000";

/// The two, and what was measured so far.
#[derive(Debug)]
struct Rivals<'a> {
    bench: &'a Bench,
    clusters: [(Make, Nodes); 2],
    topics: u32,
    lines: Vec<Line>,
}

/// Starts both, measures the rows and says each on the way.
pub(crate) fn measure(bench: &Bench, nodes: usize, rows: &[&Row]) -> Result<Vec<Line>> {
    let [kafka, odeon] = bench.makes();
    eprintln!("starting {nodes} and {nodes}");
    let start = |make: Make| -> Result<(Make, Nodes)> {
        let nodes = Nodes::start(&bench.home, &make, nodes, "")?;
        Ok((make, nodes))
    };
    let mut rivals = Rivals {
        bench,
        clusters: [start(kafka)?, start(odeon)?],
        topics: 0,
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
                for rival in 0..2 {
                    self.sample(row, rival, &Load::ProduceConsume(load), None)?;
                }
            }
        }
        let latency = rows.iter().find(|row| matches!(row.load, Load::Latency));
        if let Some(row) = latency {
            for rival in 0..2 {
                self.sample(row, rival, &row.load, None)?;
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
        for pair in 0..self.bench.pairs {
            let mut both = [Vec::new(), Vec::new()];
            // Who is first changes: what one leaves behind hits both.
            for turn in 0..2 {
                let rival = (pair + turn) % 2;
                both[rival] = self.sample(row, rival, &row.load, rate)?;
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
        let samples = self.sample(row, 0, &Load::Produce(produce), None)?;
        Ok(rate(&samples[0]))
    }

    /// One run against one of them, with a topic of its own; a sample for each of the load's lines.
    fn sample(
        &mut self,
        row: &Row,
        rival: usize,
        load: &Load,
        rate: Option<f64>,
    ) -> Result<Vec<Sample>> {
        self.topics += 1;
        let topic = format!("versus-{}", self.topics);
        let (make, nodes) = &self.clusters[rival];
        let durability = durability(make, if rival == 0 { row.kafka } else { row.odeon });
        let partitions = load.produce().map_or(1, |produce| produce.partitions);
        let (partitions, replicas) = (partitions.to_string(), row.nodes.to_string());
        let mut create = vec!["create", &topic, "--partitions", &partitions];
        create.extend(["--replication-factor", &replicas, "--config", DELETE_DELAY]);
        create.extend(durability.iter().flat_map(|config| ["--config", *config]));
        load::topic(self.bench, nodes, &create)?;
        let mut samples = Vec::new();
        match load.produce() {
            Some(produce) => {
                warm_memory(self.bench)?;
                let arguments = produce_arguments(self.bench, &produce, &topic, rate);
                samples.push(load::run(self.bench, nodes, &arguments)?);
                if matches!(load, Load::ProduceConsume(_)) {
                    let arguments = ["consume", "--topic", &topic].map(str::to_owned);
                    samples.push(load::run(self.bench, nodes, &arguments)?);
                }
            }
            None => {
                let arguments = ["latency", "--topic", &topic];
                samples.push(load::run(self.bench, nodes, &arguments.map(str::to_owned))?);
            }
        }
        load::topic(self.bench, nodes, &["delete", &topic])?;
        Ok(samples)
    }
}

/// The topic's setting that makes it so.
fn durability(make: &Make, durability: Durability) -> Option<&'static str> {
    match (make, durability) {
        (Make::Kafka(_), Durability::PageCache) | (Make::Odeon(_), Durability::Disk) => None,
        (Make::Kafka(_), Durability::Disk) => Some("flush.messages=1"),
        (Make::Odeon(_), Durability::PageCache) => Some("odeon.acks.durability=page-cache"),
    }
}

fn produce_arguments(
    bench: &Bench,
    produce: &Produce,
    topic: &str,
    rate: Option<f64>,
) -> Vec<String> {
    // What a rate shows takes longer than what a flood shows.
    let seconds = bench.seconds * if rate.is_some() { 4.0 } else { 1.0 };
    let mut arguments = vec!["produce".to_owned(), "--topic".to_owned(), topic.to_owned()];
    let mut add = |words: [&str; 2]| arguments.extend(words.map(str::to_owned));
    add(["--clients", &produce.clients.to_string()]);
    add(["--size-bytes", &produce.size_bytes.to_string()]);
    add(["--seconds", &seconds.to_string()]);
    add(["-X", &format!("acks={}", produce.acks)]);
    add(["-X", &format!("compression.codec={}", produce.compression)]);
    if produce.batches == Batches::Small {
        add(["-X", "linger.ms=5"]);
        add(["-X", "batch.size=65536"]);
    }
    if let Some(rate) = rate {
        add(["--rate", &rate.to_string()]);
    }
    arguments
}

impl Load {
    /// Its producers, if it is about them.
    fn produce(&self) -> Option<Produce> {
        match self {
            Self::Produce(produce) | Self::ProduceConsume(produce) | Self::AtHalf(produce) => {
                Some(*produce)
            }
            Self::Latency => None,
        }
    }

    /// What it is called in the table, and whether its rate says something.
    fn lines(&self) -> &'static [(&'static str, bool)] {
        match self {
            Self::Produce(_) => &[("produce", true)],
            Self::ProduceConsume(_) => &[("produce", true), ("consume", true)],
            Self::AtHalf(_) => &[("produce", false)],
            Self::Latency => &[("end to end", false)],
        }
    }
}
