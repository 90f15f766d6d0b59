//! Producing: as fast as it goes or at a rate, and the first record after a start.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::client::Producer;
use crate::figures::{self, Figures, Latencies};
use crate::{Result, Target};

/// Enough not to stand idle, as a user with a fast producer sets it.
const QUEUE: [(&str, &str); 2] = [
    ("queue.buffering.max.messages", "1000000"),
    ("queue.buffering.max.kbytes", "262144"),
];
/// Quick to find a broker that has just started.
const EAGER: [(&str, &str); 9] = [
    ("acks", "all"),
    ("linger.ms", "0"),
    ("retry.backoff.ms", "10"),
    ("retry.backoff.max.ms", "20"),
    ("reconnect.backoff.ms", "10"),
    ("reconnect.backoff.max.ms", "20"),
    ("topic.metadata.refresh.fast.interval.ms", "20"),
    ("message.timeout.ms", "300000"),
    ("log_level", "0"),
];
/// How long the last acknowledgement may take.
const FLUSH_LIMIT: Duration = Duration::from_secs(60);
/// Every so many records one has its latency measured.
const STAMP_EVERY: u64 = 64;
/// Every so many records acknowledgements are heard.
const POLL_EVERY: u64 = 1024;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Producers, each with a connection and a thread of its own
    #[arg(long, default_value_t = 1)]
    clients: u32,
    /// Of a record's value
    #[arg(long, default_value_t = 100)]
    size_bytes: usize,
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
    /// Records a second of all together; as many as possible without it
    #[arg(long)]
    rate: Option<f64>,
    /// Print the figures of every so many seconds too, of each producer
    #[arg(long)]
    every: Option<f64>,
    /// No more than so many records of all together
    #[arg(long, default_value_t = u64::MAX)]
    records: u64,
}

#[derive(Debug, Args)]
pub(crate) struct FirstArguments {
    #[command(flatten)]
    target: Target,
    /// Give up after so long
    #[arg(long, default_value_t = 300)]
    seconds: u64,
}

/// Runs all producers at once and prints what they saw together.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let size_bytes = arguments.size_bytes;
    let payloads = payloads(size_bytes);
    let mut producers = Vec::new();
    for _ in 0..arguments.clients {
        let producer = Producer::new(&arguments.target, &QUEUE)?;
        producer.partitions(Duration::from_secs(10))?;
        producers.push(producer);
    }
    let share = Share {
        payloads: &payloads,
        size_bytes,
        seconds: Duration::from_secs_f64(arguments.seconds),
        records: arguments.records / u64::from(arguments.clients.max(1)),
        pause: arguments
            .rate
            .map(|rate| f64::from(arguments.clients) / rate),
        every: arguments.every.map(Duration::from_secs_f64),
    };
    let start = Barrier::new(producers.len() + 1);
    let mut figures = Figures::default();
    let (began, cpu) = thread::scope(|scope| -> Result<_> {
        let threads: Vec<_> = producers
            .iter_mut()
            .map(|producer| {
                scope.spawn(|| {
                    start.wait();
                    produce(producer, &share)
                })
            })
            .collect();
        start.wait();
        let from = (Instant::now(), figures::cpu());
        for thread in threads {
            thread.join().map_err(|_| "a producer panicked")??;
        }
        Ok(from)
    })?;
    figures.seconds = began.elapsed().as_secs_f64();
    figures.ended_unix_s = figures::unix_s();
    figures.client_cpu_s = (figures::cpu() - cpu).as_secs_f64();
    let mut latencies = Latencies::new();
    for producer in &producers {
        let acks = producer.acks();
        figures.records += acks.acknowledged;
        figures.failed += acks.failed;
        latencies.add(&acks.latencies);
        if let Some(error) = &acks.error {
            eprintln!("odeon-versus: {error}");
        }
    }
    figures.size_bytes = figures.records * size_bytes as u64;
    figures.latency = latencies.percentiles();
    figures.print()
}

/// One producer's part.
struct Share<'a> {
    payloads: &'a [u8],
    size_bytes: usize,
    seconds: Duration,
    records: u64,
    /// Between two records, in seconds.
    pause: Option<f64>,
    every: Option<Duration>,
}

fn produce(producer: &mut Producer, share: &Share<'_>) -> Result<()> {
    let began = Instant::now();
    let ring = share.payloads.len() - share.size_bytes;
    let mut spans = share.every.map(Spans::new);
    let mut sent = 0;
    while sent < share.records {
        // A paced record counts from when it was due: a late producer does not hide what it costs.
        let due = share.pause.map(|pause| {
            let after = pause * sent as f64;
            began + Duration::from_secs_f64(after)
        });
        if let Some(left) = due.and_then(|due| due.checked_duration_since(Instant::now())) {
            producer.poll(Duration::ZERO);
            thread::sleep(left.min(Duration::from_millis(1)));
            continue;
        }
        let at = usize::try_from(sent)?.wrapping_mul(share.size_bytes) % ring;
        let payload = &share.payloads[at..at + share.size_bytes];
        let is_measured = due.is_some() || sent % STAMP_EVERY == 0;
        let stamp = is_measured.then(|| due.unwrap_or_else(Instant::now));
        if !producer.produce(None, payload, stamp)? {
            producer.poll(Duration::from_millis(10));
            if began.elapsed() > share.seconds {
                break;
            }
            continue;
        }
        sent += 1;
        if sent % POLL_EVERY == 0 || due.is_some() {
            producer.poll(Duration::ZERO);
            if let Some(spans) = &mut spans {
                spans.look(producer, share.size_bytes)?;
            }
            if began.elapsed() > share.seconds {
                break;
            }
        }
    }
    producer.flush(FLUSH_LIMIT)
}

/// Prints what a producer saw, span by span.
struct Spans {
    every: Duration,
    from: Instant,
    acknowledged: u64,
    latencies: Latencies,
}

impl Spans {
    fn new(every: Duration) -> Self {
        Self {
            every,
            from: Instant::now(),
            acknowledged: 0,
            latencies: Latencies::new(),
        }
    }

    fn look(&mut self, producer: &Producer, size_bytes: usize) -> Result<()> {
        let seconds = self.from.elapsed();
        if seconds < self.every {
            return Ok(());
        }
        let acks = producer.acks();
        let records = acks.acknowledged - self.acknowledged;
        let figures = Figures {
            records,
            failed: acks.failed,
            size_bytes: records * size_bytes as u64,
            seconds: seconds.as_secs_f64(),
            ended_unix_s: figures::unix_s(),
            latency: acks.latencies.since(&self.latencies).percentiles(),
            ..Figures::default()
        };
        *self = Self {
            every: self.every,
            from: Instant::now(),
            acknowledged: acks.acknowledged,
            latencies: acks.latencies.clone(),
        };
        figures.print()
    }
}

/// Values are cut from a ring of random and of equal letters in turn, sixteen each: compression takes
/// off a little under half, within a record and across records alike.
fn payloads(size_bytes: usize) -> Vec<u8> {
    const RING: usize = 4 << 20;
    let mut state = 0x4f64_656f_6e00_0001_u64;
    let mut ring = Vec::with_capacity(RING + size_bytes);
    for index in 0..RING + size_bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let letter = b'a' + (state % 26) as u8;
        ring.push(if (index / 16) % 2 == 0 { letter } else { b'z' });
    }
    ring
}

/// One record into each partition of a topic that may not be there yet.
pub(crate) fn first(arguments: &FirstArguments) -> Result<()> {
    let limit = Duration::from_secs(arguments.seconds);
    let (began, cpu) = (Instant::now(), figures::cpu());
    let mut producer = Producer::new(&arguments.target, &EAGER)?;
    let partitions = loop {
        match producer.partitions(limit.saturating_sub(began.elapsed())) {
            Ok(partitions) => break partitions,
            Err(error) if began.elapsed() >= limit => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    };
    for partition in 0..partitions {
        while !producer.produce(Some(partition), b"first", None)? {
            producer.poll(Duration::from_millis(5));
        }
    }
    producer.flush(limit.saturating_sub(began.elapsed()))?;
    let acks = producer.acks();
    if let Some(error) = &acks.error {
        eprintln!("odeon-versus: {error}");
    }
    let figures = Figures {
        records: acks.acknowledged,
        failed: acks.failed,
        size_bytes: acks.acknowledged * 5,
        seconds: began.elapsed().as_secs_f64(),
        client_cpu_s: (figures::cpu() - cpu).as_secs_f64(),
        ended_unix_s: figures::unix_s(),
        ..Figures::default()
    };
    figures.print()
}
