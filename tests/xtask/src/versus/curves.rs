//! What a record costs as partitions and connections become many.
//!
//! Each count has a topic of its own in the same cluster, those before stay: Kafka's compiler is warm,
//! and what is idle counts too. Both run all the while and are loaded in turn. Where Kafka (or ours)
//! does not get to a count, its curve ends.

use serde_json::{Value, json};

use super::Bench;
use super::load::{self, Sample};
use super::stats::{Spread, short};
use crate::nodes::{Make, Nodes};
use crate::sh::Result;

const PARTITIONS: [u32; 6] = [1, 10, 100, 1_000, 10_000, 50_000];
const CONNECTIONS: [u32; 5] = [1, 10, 100, 1_000, 5_000];
/// Of the topic that many connections share.
const SHARED_PARTITIONS: u32 = 12;
/// So many connections spread what goes to many partitions.
const SPREADING: u32 = 4;
const SECONDS: &str = "3";

/// One count on one side.
#[derive(Debug, Clone, Copy)]
struct Point {
    cpu_us: f64,
    rate: f64,
    p99_ms: f64,
    resident_mb: f64,
}

/// A curve of both.
#[derive(Debug)]
struct Curve {
    name: &'static str,
    /// The counts, and Kafka's and our point.
    points: Vec<(u32, [Option<Point>; 2])>,
}

/// A cluster until it fails.
struct Rival<'a> {
    bench: &'a Bench,
    make: Make,
    nodes: Option<Nodes>,
}

/// Measures both curves, prints them, and leaves them as a picture.
pub(crate) fn measure(bench: &Bench) -> Result<()> {
    let mut rivals = Vec::new();
    for make in bench.makes() {
        let nodes = Some(Nodes::start(&bench.home, &make, 1)?);
        rivals.push(Rival { bench, make, nodes });
    }
    for rival in &mut rivals {
        rival.create("shared", SHARED_PARTITIONS)?;
        // Compilers are warm behind it.
        rival.load("shared", SHARED_PARTITIONS, SPREADING, &["--seconds", "20"])?;
    }
    let mut by = |name, counts: &[u32], point: fn(&Rival<'_>, u32) -> Result<Point>| {
        let points = counts.iter().map(|&count| {
            let [kafka, odeon] = &mut rivals[..] else {
                unreachable!("there are two");
            };
            let both = [kafka.try_to(count, point), odeon.try_to(count, point)];
            eprintln!("{}", line(name, count, &both));
            (count, both)
        });
        let points = points.collect();
        Curve { name, points }
    };
    let curves = [
        by("connections", &CONNECTIONS, |rival, count| {
            rival.at_connections(count)
        }),
        by("partitions", &PARTITIONS, |rival, count| {
            rival.at_partitions(count)
        }),
    ];
    println!("{HEAD}");
    for curve in &curves {
        for (count, both) in &curve.points {
            println!("{}", line(curve.name, *count, both));
        }
    }
    draw(bench, &curves)
}

impl Rival<'_> {
    /// A point, or the end of this side.
    fn try_to(&mut self, count: u32, point: fn(&Self, u32) -> Result<Point>) -> Option<Point> {
        self.nodes.as_ref()?;
        match point(self, count) {
            Ok(point) => Some(point),
            Err(error) => {
                eprintln!("{} ends at {count}: {error}", self.make.name());
                self.nodes = None;
                None
            }
        }
    }

    fn at_connections(&self, connections: u32) -> Result<Point> {
        self.point("shared", SHARED_PARTITIONS, connections)
    }

    fn at_partitions(&self, partitions: u32) -> Result<Point> {
        let topic = format!("of-{partitions}");
        self.create(&topic, partitions)?;
        self.load(&topic, partitions, SPREADING, &["--once"])?;
        self.point(&topic, partitions, SPREADING)
    }

    fn point(&self, topic: &str, partitions: u32, connections: u32) -> Result<Point> {
        let mut samples = Vec::new();
        for _ in 0..self.bench.pairs {
            samples.push(self.load(topic, partitions, connections, &["--seconds", SECONDS])?);
        }
        let median = |of: fn(&Sample) -> f64| {
            let spread = Spread::of(samples.iter().map(of));
            spread.map_or(f64::NAN, |spread| spread.median)
        };
        Ok(Point {
            cpu_us: median(|one| one.broker_cpu_s * 1e6 / one.figures.records as f64),
            rate: median(|one| one.figures.records as f64 / one.figures.seconds),
            p99_ms: median(|one| one.figures.p99_ms.unwrap_or(f64::NAN)),
            resident_mb: median(|one| one.resident_mb),
        })
    }

    fn load(&self, topic: &str, partitions: u32, connections: u32, how: &[&str]) -> Result<Sample> {
        let nodes = self.nodes.as_ref().ok_or("it has ended")?;
        let (partitions, connections) = (partitions.to_string(), connections.to_string());
        let mut arguments = vec!["many", "--topic", topic];
        arguments.extend(["--partitions", &partitions, "--connections", &connections]);
        arguments.extend(how);
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        load::run(self.bench, nodes, &arguments, None)
    }

    fn create(&self, topic: &str, partitions: u32) -> Result<()> {
        let nodes = self.nodes.as_ref().ok_or("it has ended")?;
        load::create(self.bench, nodes, &self.make, topic, partitions)
    }
}

const HEAD: &str = "\
| | CPU us a record: Odeon, Kafka | records/s | p99 ms | memory MB |
|---|---|---|---|---|";

fn line(name: &str, count: u32, [kafka, odeon]: &[Option<Point>; 2]) -> String {
    let cell = |of: fn(&Point) -> f64| {
        let [odeon, kafka] = [odeon, kafka].map(|point| {
            let figure = point.as_ref().map(of);
            figure.map_or_else(|| "-".to_owned(), short)
        });
        format!("{odeon}, {kafka}")
    };
    let (cpu, rate) = (cell(|one| one.cpu_us), cell(|one| one.rate));
    let (p99, memory) = (cell(|one| one.p99_ms), cell(|one| one.resident_mb));
    format!("| {count} {name} | {cpu} | {rate} | {p99} | {memory} |")
}

/// Leaves the curves as a picture.
fn draw(bench: &Bench, curves: &[Curve]) -> Result<()> {
    let side = |curve: &Curve, at: usize| {
        let points = curve.points.iter().filter_map(|(count, both)| {
            let point = both[at]?;
            Some(json!([count, point.cpu_us, point.p99_ms]))
        });
        Value::from_iter(points)
    };
    let all = curves.iter().map(
        |curve| json!({ "name": curve.name, "kafka": side(curve, 0), "odeon": side(curve, 1) }),
    );
    super::picture(bench, "curves", &Value::from_iter(all))
}
