//! One of the clusters, and a row's run against it.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Bench;
use super::load::{self, Sample, warm_memory};
use super::rows::{Batches, Durability, Load, Produce, Row};
use crate::nodes::{Make, Nodes};
use crate::sh::Result;

/// The topic of each run is new, and soon gone from the disk: the nodes' settings see to that.
const GONE_LIMIT: Duration = Duration::from_secs(60);

/// A running cluster.
#[derive(Debug)]
pub(crate) struct Rival<'a> {
    bench: &'a Bench,
    make: Make,
    nodes: Nodes,
    topics: u32,
}

impl<'a> Rival<'a> {
    /// Starts so many nodes in a fresh folder.
    pub(crate) fn start(bench: &'a Bench, make: Make, count: usize) -> Result<Self> {
        eprintln!("starting {count} of {}", make.name());
        Ok(Self {
            bench,
            nodes: Nodes::start(&bench.home, &make, count)?,
            make,
            topics: 0,
        })
    }

    /// One run with a topic of its own; a sample for each of the load's lines. `rate` is in records a
    /// second; with `record`, each load is recorded by perf to a file with that beginning.
    pub(crate) fn run(
        &mut self,
        row: &Row,
        load: &Load,
        rate: Option<f64>,
        record: Option<&Path>,
    ) -> Result<Vec<Sample>> {
        self.topics += 1;
        let topic = format!("versus-{}", self.topics);
        let partitions = load.produce().map_or(1, |produce| produce.partitions);
        let (partitions, replicas) = (partitions.to_string(), row.nodes.to_string());
        let mut create = vec!["create", &topic, "--partitions", &partitions];
        create.extend(["--replication-factor", &replicas]);
        let durability = durability(&self.make, row);
        create.extend(durability.iter().flat_map(|config| ["--config", *config]));
        load::topic(self.bench, &self.nodes, &create)?;
        let mut samples = Vec::new();
        let mut run = |arguments: &[String]| -> Result<()> {
            samples.push(load::run(self.bench, &self.nodes, arguments, record)?);
            Ok(())
        };
        match load.produce() {
            Some(produce) => {
                warm_memory(self.bench)?;
                run(&produce_arguments(self.bench, &produce, &topic, rate))?;
                if matches!(load, Load::ProduceConsume(_)) {
                    run(&["consume", "--topic", &topic].map(str::to_owned))?;
                }
            }
            None => run(&["latency", "--topic", &topic].map(str::to_owned))?,
        }
        load::topic(self.bench, &self.nodes, &["delete", &topic])?;
        self.await_gone(&topic)?;
        Ok(samples)
    }

    /// Waits until a deleted topic is off the disks: what is still to be written of it would hold up
    /// whoever syncs next.
    fn await_gone(&self, topic: &str) -> Result<()> {
        let began = Instant::now();
        while self.nodes.holds(topic)? {
            if began.elapsed() > GONE_LIMIT {
                return Err(format!("{topic} is still there").into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// The topic's setting that makes it so.
fn durability(make: &Make, row: &Row) -> Option<&'static str> {
    match make {
        Make::Kafka(_) => (row.kafka == Durability::Disk).then_some("flush.messages=1"),
        Make::Odeon(_) => (row.odeon == Durability::PageCache).then_some(load::PAGE_CACHE),
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
