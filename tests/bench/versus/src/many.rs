//! Small batches over many connections to many partitions, and connections and groups that are only
//! there. librdkafka has threads for each connection, so that this makes its requests itself.

use std::collections::VecDeque;
use std::io::{Read, stdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use odeon_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use odeon_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use odeon_protocol::messages::{FindCoordinatorRequest, OffsetCommitRequest, ProduceRequest};
use odeon_protocol::{Request, decode_response, encode_request};
use odeon_records::BatchBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::figures::{self, Figures, Latencies};
use crate::{Result, Target};

/// The oldest that names topics and has a broker of today answer.
const PRODUCE_VERSION: i16 = 9;
const COMMIT_VERSION: i16 = 8;
const COORDINATOR_VERSION: i16 = 4;
/// Connections that are made at the same time: fewer than a listener lets wait.
const DIALLING: usize = 32;
/// A partition has its leader by then.
const LEADER_LIMIT: Duration = Duration::from_secs(300);
const RETRY_PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Batches that wait for their acknowledgement, of all connections together
    #[arg(long, default_value_t = 16)]
    in_flight: usize,
    /// Of a batch, which is for one partition
    #[arg(long, default_value_t = 10)]
    records: usize,
    /// Of a record's value
    #[arg(long, default_value_t = 100)]
    size_bytes: usize,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// A batch to each partition, however long it takes, instead of so many seconds
    #[arg(long)]
    once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct IdleArguments {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 0)]
    connections: usize,
    /// Groups with an offset committed
    #[arg(long, default_value_t = 0)]
    groups: usize,
}

/// What all connections share.
struct Load {
    topic: String,
    batch: Bytes,
    records: u64,
    size_bytes: u64,
    partitions: u64,
    next: AtomicU64,
    began: Instant,
    seconds: Duration,
    turns: Semaphore,
}

/// What a connection saw.
struct Seen {
    acknowledged: u64,
    failed: u64,
    latencies: Latencies,
}

/// Loads the broker over all connections at once.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    runtime()?.block_on(load(arguments))
}

/// Makes connections and groups, says so, and keeps them until its standard input ends.
pub(crate) fn idle(arguments: &IdleArguments) -> Result<()> {
    let runtime = runtime()?;
    let links = runtime.block_on(async {
        let mut links = dial(&arguments.target, arguments.connections.max(1)).await?;
        if arguments.groups > 0 {
            find_coordinator(&mut links[0]).await?;
        }
        for group in 0..arguments.groups {
            commit(&mut links[0], &arguments.target.topic, group).await?;
        }
        Ok::<_, crate::Error>(links)
    })?;
    println!("ready");
    stdin().read_to_end(&mut Vec::new())?;
    drop(links);
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    Ok(runtime.enable_all().build()?)
}

async fn load(arguments: &Arguments) -> Result<()> {
    let links = dial(&arguments.target, arguments.connections).await?;
    let mut builder = BatchBuilder::new();
    let value = vec![b'o'; arguments.size_bytes];
    for _ in 0..arguments.records {
        builder.push(0, None, Some(&value), &[])?;
    }
    let (began, cpu) = (Instant::now(), figures::cpu());
    let load = Arc::new(Load {
        topic: arguments.target.topic.clone(),
        batch: builder.build()?.into(),
        records: arguments.records as u64,
        size_bytes: (arguments.records * arguments.size_bytes) as u64,
        partitions: u64::try_from(arguments.partitions)?,
        next: AtomicU64::new(0),
        began,
        seconds: match arguments.once {
            true => LEADER_LIMIT,
            false => Duration::from_secs_f64(arguments.seconds),
        },
        turns: Semaphore::new(arguments.in_flight),
    });
    let depth = arguments.in_flight.div_ceil(links.len().max(1));
    let mut connections = JoinSet::new();
    for link in links {
        let load = Arc::clone(&load);
        match arguments.once {
            true => connections.spawn(async move { each_once(link, &load).await }),
            false => connections.spawn(async move { pour(link, &load, depth).await }),
        };
    }
    let mut latencies = Latencies::new();
    let (mut acknowledged, mut failed) = (0, 0);
    while let Some(seen) = connections.join_next().await {
        let seen = seen??;
        acknowledged += seen.acknowledged;
        failed += seen.failed;
        latencies.add(&seen.latencies);
    }
    let figures = Figures {
        records: acknowledged * load.records,
        failed: failed * load.records,
        size_bytes: acknowledged * load.size_bytes,
        seconds: began.elapsed().as_secs_f64(),
        client_cpu_s: (figures::cpu() - cpu).as_secs_f64(),
        ended_unix_s: figures::unix_s(),
        latency: latencies.percentiles(),
        ..Figures::default()
    };
    figures.print()
}

/// Keeps up to `depth` batches on their way until the time is over.
async fn pour(mut link: Link, load: &Load, depth: usize) -> Result<Seen> {
    let mut seen = Seen::new();
    let mut waiting = VecDeque::with_capacity(depth);
    loop {
        let is_over = load.began.elapsed() > load.seconds;
        if !is_over && waiting.len() < depth {
            // With more connections than turns each waits for its own; with fewer there are enough.
            let turn = load.turns.acquire().await?;
            let partition = load.next.fetch_add(1, Ordering::Relaxed) % load.partitions;
            link.send(PRODUCE_VERSION, &load.request(partition)?)
                .await?;
            waiting.push_back((Instant::now(), turn));
            continue;
        }
        let Some((since, turn)) = waiting.pop_front() else {
            return Ok(seen);
        };
        let is_taken = link.acknowledged().await?;
        drop(turn);
        seen.count(is_taken, since);
    }
}

/// Takes partitions until each has had its batch, and sends until it is acknowledged.
async fn each_once(mut link: Link, load: &Load) -> Result<Seen> {
    let mut seen = Seen::new();
    loop {
        let partition = load.next.fetch_add(1, Ordering::Relaxed);
        if partition >= load.partitions {
            return Ok(seen);
        }
        let since = Instant::now();
        loop {
            link.send(PRODUCE_VERSION, &load.request(partition)?)
                .await?;
            if link.acknowledged().await? {
                break;
            }
            if load.began.elapsed() > load.seconds {
                return Err(format!("partition {partition} has no leader").into());
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        seen.count(true, since);
    }
}

/// Asking for one makes the topic of offsets.
async fn find_coordinator(link: &mut Link) -> Result<()> {
    let request = FindCoordinatorRequest {
        coordinator_keys: vec!["idle-0".to_owned()],
        ..Default::default()
    };
    link.send(COORDINATOR_VERSION, &request).await?;
    link.receive::<FindCoordinatorRequest>(COORDINATOR_VERSION)
        .await?;
    Ok(())
}

/// An offset of a group of its own, which needs a coordinator that may still be loading.
async fn commit(link: &mut Link, topic: &str, group: usize) -> Result<()> {
    let partition = OffsetCommitRequestPartition {
        committed_offset: 1,
        committed_leader_epoch: -1,
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: format!("idle-{group}"),
        generation_id_or_member_epoch: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: topic.to_owned(),
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    };
    let began = Instant::now();
    loop {
        link.send(COMMIT_VERSION, &request).await?;
        let answer = link.receive::<OffsetCommitRequest>(COMMIT_VERSION).await?;
        let code = answer.topics[0].partitions[0].error_code;
        if code == 0 {
            return Ok(());
        }
        if began.elapsed() > LEADER_LIMIT {
            return Err(format!("group {group}: error {code}").into());
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

impl Load {
    fn request(&self, partition: u64) -> Result<ProduceRequest> {
        let data = PartitionProduceData {
            index: i32::try_from(partition)?,
            records: Some(self.batch.clone()),
            ..Default::default()
        };
        Ok(ProduceRequest {
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                name: self.topic.clone(),
                partition_data: vec![data],
                ..Default::default()
            }],
            ..Default::default()
        })
    }
}

impl Seen {
    fn new() -> Self {
        Self {
            acknowledged: 0,
            failed: 0,
            latencies: Latencies::new(),
        }
    }

    fn count(&mut self, is_taken: bool, since: Instant) {
        match is_taken {
            true => self.acknowledged += 1,
            false => self.failed += 1,
        }
        self.latencies.record(since.elapsed());
    }
}

/// A connection.
struct Link {
    stream: TcpStream,
    correlation_id: i32,
}

async fn dial(target: &Target, count: usize) -> Result<Vec<Link>> {
    let address = target.bootstrap.split(',').next().unwrap_or_default();
    let mut links = Vec::with_capacity(count);
    while links.len() < count {
        let mut dialling = JoinSet::new();
        for _ in links.len()..count.min(links.len() + DIALLING) {
            dialling.spawn(TcpStream::connect(address.to_owned()));
        }
        while let Some(stream) = dialling.join_next().await {
            let stream = stream??;
            stream.set_nodelay(true)?;
            links.push(Link {
                stream,
                correlation_id: 0,
            });
        }
    }
    Ok(links)
}

impl Link {
    async fn send<R: Request>(&mut self, version: i16, request: &R) -> Result<()> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let segments = encode_request(self.correlation_id, Some("many"), version, request)?;
        Ok(self.stream.write_all(&segments.concat()).await?)
    }

    async fn receive<R: Request>(&mut self, version: i16) -> Result<R::Response> {
        let length = self.stream.read_i32().await?;
        let mut frame = vec![0; usize::try_from(length)?];
        self.stream.read_exact(&mut frame).await?;
        let (_, answer) = decode_response::<R>(frame.into(), version)?;
        Ok(answer)
    }

    /// Whether the batch that was sent first, of those that wait, was taken.
    async fn acknowledged(&mut self) -> Result<bool> {
        let answer = self.receive::<ProduceRequest>(PRODUCE_VERSION).await?;
        let partition = answer.responses.first();
        let partition = partition.and_then(|topic| topic.partition_responses.first());
        Ok(partition.is_some_and(|partition| partition.error_code == 0))
    }
}
