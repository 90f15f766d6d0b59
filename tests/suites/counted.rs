//! A node in one thread, on simulated disk and time, that is asked the same thing again and again, so
//! that `cargo xtask counts` can count instructions. What the client does is as little as possible.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use odeon::Node;
use odeon_kernel::sim::{self, SimClock, SimDisk};
use odeon_kernel::{Blocking, Clock, Rng, Seams, spawn};
use odeon_protocol::decode_response;
use odeon_protocol::messages::ProduceRequest;
use odeon_protocol::messages::fetch_request::FetchPartition;
use odeon_protocol::messages::produce_request::PartitionProduceData;
use odeon_records::BatchBuilder;
use odeon_tests::frame_of;
use odeon_tests::node::{create_topic_request, produce_request, simulated_options};
use odeon_tests::requests::fetch_request;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// What is asked.
#[derive(Debug, Clone, Copy)]
struct Path {
    name: &'static str,
    durable: bool,
    partitions: i32,
    /// Of each batch.
    records: usize,
    record_bytes: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Produce,
    /// What was produced before, from its beginning.
    Fetch,
}

const PAGE_CACHE: Path = Path {
    name: "produce-100B",
    durable: false,
    partitions: 1,
    records: 1,
    record_bytes: 100,
    kind: Kind::Produce,
};

const PATHS: [Path; 6] = [
    PAGE_CACHE,
    Path {
        name: "produce-100B-on-disk",
        durable: true,
        ..PAGE_CACHE
    },
    Path {
        name: "produce-64KiB",
        records: 64,
        record_bytes: 1024,
        ..PAGE_CACHE
    },
    Path {
        name: "produce-12-partitions",
        partitions: 12,
        ..PAGE_CACHE
    },
    Path {
        name: "fetch-64KiB",
        records: 64,
        record_bytes: 1024,
        kind: Kind::Fetch,
        ..PAGE_CACHE
    },
    Path {
        name: "fetch-12-partitions",
        partitions: 12,
        kind: Kind::Fetch,
        ..PAGE_CACHE
    },
];

#[test]
#[ignore = "for `cargo xtask counts`, which says what and how often"]
fn a_path_is_walked_as_often_as_it_is_told() {
    let name = std::env::var("ODEON_PATH").expect("a path");
    let rounds = std::env::var("ODEON_PATH_ROUNDS").expect("a number of rounds");
    let rounds: usize = rounds.parse().expect("a number");
    let path = PATHS.into_iter().find(|path| path.name == name);
    let path = path.expect("a path that is known");
    let clock = SimClock::default();
    let rng = Arc::new(Rng::from_seed(1));
    let seams = Seams {
        disk: Arc::new(SimDisk::new(Arc::new(clock.clone()))),
        clock: Arc::new(clock.clone()),
        rng: rng.clone(),
        blocking: Blocking::Inline,
        system: None,
    };
    let waiting = clock.clone();
    sim::run(&clock, &rng, async move {
        let options = simulated_options(&[("log.dirs", "/one")]);
        let node = Box::pin(Node::start_on(seams, options)).await;
        let node = node.expect("the node starts");
        let mut client = Client::connect(&node);
        client.prepare(path, &waiting).await;
        let frame = request(path);
        for _ in 0..rounds {
            client.ask(&frame).await;
        }
    });
}

const TOPIC: &str = "counted";

/// The request of a path.
fn request(path: Path) -> Vec<u8> {
    match path.kind {
        Kind::Produce => frame_of(1, 9, &produced(path)),
        Kind::Fetch => {
            let mut fetch = fetch_request((TOPIC, 0), 0, 0, 64 << 10);
            let first = fetch.topics[0].partitions[0].clone();
            fetch.topics[0].partitions = (0..path.partitions)
                .map(|partition| FetchPartition {
                    partition,
                    ..first.clone()
                })
                .collect();
            frame_of(1, 12, &fetch)
        }
    }
}

/// A batch for each partition.
fn produced(path: Path) -> ProduceRequest {
    let value = vec![b'o'; path.record_bytes];
    let mut builder = BatchBuilder::new();
    for _ in 0..path.records {
        let pushed = builder.push(0, None, Some(&value), &[]);
        pushed.expect("it is small");
    }
    let batch: Bytes = builder.build().expect("it has records").into();
    let mut request = produce_request(TOPIC, 0, batch);
    let first = request.topic_data[0].partition_data[0].clone();
    request.topic_data[0].partition_data = (0..path.partitions)
        .map(|index| PartitionProduceData {
            index,
            ..first.clone()
        })
        .collect();
    request
}

struct Client(DuplexStream);

impl Client {
    fn connect(node: &Node) -> Self {
        let (stream, far) = tokio::io::duplex(1 << 20);
        spawn(node.serve(far, "counted"));
        Self(stream)
    }

    async fn ask(&mut self, frame: &[u8]) -> Bytes {
        self.0.write_all(frame).await.expect("the node serves");
        let length = self.0.read_i32().await.expect("the node answers");
        let mut answer = vec![0; usize::try_from(length).expect("a length")];
        let read = self.0.read_exact(&mut answer).await;
        read.expect("a whole answer");
        answer.into()
    }

    /// Creates the topic, and produces to it until each partition has taken some.
    async fn prepare(&mut self, path: Path, clock: &SimClock) {
        let durability = if path.durable { "fsync" } else { "page-cache" };
        let configs = [("odeon.acks.durability", durability)];
        let create = create_topic_request(TOPIC, path.partitions, &configs);
        self.ask(&frame_of(1, 7, &create)).await;
        let frame = frame_of(1, 9, &produced(path));
        for _ in 0..100 {
            let answer = self.ask(&frame).await;
            let answer = decode_response::<ProduceRequest>(answer, 9);
            let (_, answer) = answer.expect("an answer");
            let partitions = &answer.responses[0].partition_responses;
            if partitions.iter().all(|partition| partition.error_code == 0) {
                return;
            }
            clock.sleep(Duration::from_millis(5)).await;
        }
        panic!("nobody leads");
    }
}
