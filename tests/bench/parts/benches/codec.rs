//! Frames: from bytes to a request and from an answer to bytes.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use odeon_parts::batch;
use odeon_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use odeon_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use odeon_protocol::messages::{FetchRequest, ProduceRequest};
use odeon_protocol::{Request, decode_request_header, encode_request};
use odeon_records::Compression;

fn produce(partitions: i32) -> ProduceRequest {
    let records = batch(1, 100, Compression::None);
    let data = (0..partitions).map(|index| PartitionProduceData {
        index,
        records: Some(records.clone()),
        ..Default::default()
    });
    let topic = TopicProduceData {
        name: "orders".to_owned(),
        partition_data: data.collect(),
        ..Default::default()
    };
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![topic],
        ..Default::default()
    }
}

fn fetch(partitions: i32) -> FetchRequest {
    let asked = (0..partitions).map(|partition| FetchPartition {
        partition,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    });
    let topic = FetchTopic {
        topic: "orders".to_owned(),
        partitions: asked.collect(),
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms: 500,
        topics: vec![topic],
        ..Default::default()
    }
}

fn frame<R: Request>(version: i16, request: &R) -> Bytes {
    let frame = encode_request(1, Some("parts"), version, request).expect("it has that version");
    // Without the length in front.
    Bytes::from(frame.concat()).slice(4..)
}

fn decode<R: Request>(bytes: Bytes) -> R {
    let mut frame = decode_request_header(bytes).expect("a frame");
    let version = frame.header.request_api_version;
    R::decode(&mut frame.body, version).expect("a request")
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    for partitions in [1, 12, 1_000] {
        let bytes = frame(9, &produce(partitions));
        group.bench_function(format!("decode produce/{partitions}"), |bench| {
            bench.iter(|| decode::<ProduceRequest>(black_box(bytes.clone())));
        });
        let bytes = frame(12, &fetch(partitions));
        group.bench_function(format!("decode fetch/{partitions}"), |bench| {
            bench.iter(|| decode::<FetchRequest>(black_box(bytes.clone())));
        });
        let request = fetch(partitions);
        group.bench_function(format!("encode fetch/{partitions}"), |bench| {
            bench.iter(|| {
                encode_request(1, Some("parts"), 12, black_box(&request))
                    .expect("it has that version")
            });
        });
    }
    group.finish();
}

criterion_group!(group, benches);
criterion_main!(group);
