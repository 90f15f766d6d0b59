//! End to end: how old a record is when a consumer has it, at a steady rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::client::{Consumer, Event, Producer, Start};
use crate::figures::{self, Figures, Latencies};
use crate::{Result, Target};

/// Connections are made and code is warm by then.
const WARM: Duration = Duration::from_secs(2);
/// The last records may take so long.
const TAIL: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Of a record's value, at least 8
    #[arg(long, default_value_t = 100)]
    size_bytes: usize,
    /// Records a second
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    /// What is measured, after two seconds that are not
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
}

/// A thread produces, this one reads.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut consumer = Consumer::new(
        &arguments.target,
        &[("group.id", "versus"), ("enable.auto.commit", "false")],
        Start::End,
    )?;
    let mut producer = Producer::new(&arguments.target, &[("linger.ms", "0")])?;
    producer.partitions(Duration::from_secs(10))?;
    let (began, cpu) = (Instant::now(), figures::cpu());
    let end = WARM + Duration::from_secs_f64(arguments.seconds);
    let mut figures = Figures::default();
    let mut latencies = Latencies::new();
    let sent = AtomicU64::new(0);
    thread::scope(|scope| -> Result<()> {
        let paced = scope.spawn(|| pace(&mut producer, arguments, began, end, &sent));
        let mut received = 0;
        while !(paced.is_finished() && received >= sent.load(Ordering::Relaxed)) {
            if began.elapsed() > end + TAIL {
                return Err("the last records did not come".into());
            }
            consumer.next(Duration::from_millis(10), |event| match event {
                Event::Record(value) => {
                    received += 1;
                    let stamp = value.first_chunk().copied().map_or(0, u64::from_be_bytes);
                    let handed = Duration::from_micros(stamp);
                    if handed >= WARM {
                        latencies.record(began.elapsed().saturating_sub(handed));
                        figures.records += 1;
                    }
                }
                Event::EndOfPartition => {}
                Event::Error(error) => eprintln!("odeon-versus: {error}"),
            });
        }
        paced.join().map_err(|_| "the producer panicked")?
    })?;
    figures.failed = producer.acks().failed;
    figures.size_bytes = figures.records * arguments.size_bytes as u64;
    figures.seconds = arguments.seconds;
    figures.client_cpu_s = (figures::cpu() - cpu).as_secs_f64();
    figures.ended_unix_s = figures::unix_s();
    figures.latency = latencies.percentiles();
    figures.print()
}

/// Each record says when it was handed to the client, in microseconds since the beginning.
fn pace(
    producer: &mut Producer,
    arguments: &Arguments,
    began: Instant,
    end: Duration,
    sent: &AtomicU64,
) -> Result<()> {
    let mut payload = vec![b'o'; arguments.size_bytes.max(8)];
    for count in 0_u64.. {
        let due = Duration::from_secs_f64(count as f64 / arguments.rate);
        if due >= end {
            break;
        }
        thread::sleep(due.saturating_sub(began.elapsed()));
        let stamp = u64::try_from(began.elapsed().as_micros())?;
        payload[..8].copy_from_slice(&stamp.to_be_bytes());
        if producer.produce(None, &payload, None)? {
            sent.fetch_add(1, Ordering::Relaxed);
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(TAIL)
}
