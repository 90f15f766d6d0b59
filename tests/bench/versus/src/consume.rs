//! Reading all that a topic holds.

use std::time::{Duration, Instant};

use clap::Args;

use crate::client::{Consumer, Event, Start};
use crate::figures::{self, Figures};
use crate::{Result, Target};

/// Room for as much as it can fetch; the end of each partition is told.
const GREEDY: [(&str, &str); 6] = [
    ("group.id", "versus"),
    ("enable.auto.commit", "false"),
    ("enable.partition.eof", "true"),
    ("queued.min.messages", "1000000"),
    ("queued.max.messages.kbytes", "262144"),
    ("fetch.queue.backoff.ms", "10"),
];

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Stop after so long
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Stop after so many records
    #[arg(long, default_value_t = u64::MAX)]
    records: u64,
    /// Take no more than so many MB a second
    #[arg(long)]
    rate: Option<f64>,
}

/// Reads to the end, the limit or the last second, whichever comes first.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let limit = Duration::from_secs_f64(arguments.seconds);
    let (began, cpu) = (Instant::now(), figures::cpu());
    let mut consumer = Consumer::new(&arguments.target, &GREEDY, Start::Beginning)?;
    let mut figures = Figures::default();
    let mut open = consumer.partitions;
    while figures.records < arguments.records && open > 0 && began.elapsed() < limit {
        let before = figures.records;
        let due = arguments
            .rate
            .map(|rate| figures.size_bytes as f64 / 1e6 / rate);
        if let Some(due) = due
            && began.elapsed().as_secs_f64() < due
        {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        consumer.poll(Duration::from_millis(100), |event| match event {
            Event::Record(value) => {
                figures.records += 1;
                figures.size_bytes += value.len() as u64;
            }
            Event::EndOfPartition => open -= 1,
            Event::Error(error) => {
                figures.failed += 1;
                eprintln!("odeon-versus: {error}");
            }
        });
        if figures.records > before {
            figures.seconds = began.elapsed().as_secs_f64();
            figures.ended_unix_s = figures::unix_s();
            figures.first_s = figures.first_s.or(Some(figures.seconds));
        }
    }
    figures.client_cpu_s = (figures::cpu() - cpu).as_secs_f64();
    figures.print()
}
