//! A log on a real disk: appending, finding, reading, and starting after a kill.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use odeon_log::{LogWriter, Origin};
use odeon_parts::{batch, log, open};
use odeon_records::{Compression, PreparedBatch};

fn append(writer: &mut LogWriter, batch: PreparedBatch) {
    writer.stage(batch, Origin::Client).expect("it is valid");
    writer.write().expect("there is room");
}

fn appends(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log");
    for (name, records, size_bytes) in [
        ("1x100B", 1, 100),
        ("64x1KiB", 64, 1024),
        ("1000x1KiB", 1_000, 1024),
    ] {
        let folder = tempfile::tempdir().expect("a directory");
        let manager = open(folder.path());
        let (_log, mut writer) = log(&manager);
        let prepared = PreparedBatch::from_trusted(batch(records, size_bytes, Compression::None));
        let prepared = prepared.expect("it is whole");
        group.throughput(Throughput::Bytes((records * size_bytes) as u64));
        group.bench_function(format!("append/{name}"), |bench| {
            bench.iter(|| append(&mut writer, black_box(prepared.clone())));
        });
    }
    group.finish();
}

/// 200 MB in batches of 64 KiB.
fn reads(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a directory");
    let manager = open(folder.path());
    let (log, mut writer) = log(&manager);
    let prepared =
        PreparedBatch::from_trusted(batch(64, 1024, Compression::None)).expect("it is whole");
    for _ in 0..3_000 {
        append(&mut writer, prepared.clone());
    }
    let (reader, end) = (log.reader(), log.view().log_end());
    let mut group = criterion.benchmark_group("log");
    let mut offset = 0;
    group.bench_function("find and read 64 KiB", |bench| {
        bench.iter(|| {
            offset = (offset + 7_919) % end;
            reader
                .read(black_box(offset), 64 << 10, end, true)
                .expect("it is there")
        });
    });
    group.throughput(Throughput::Bytes(1 << 20));
    group.bench_function("read on 1 MiB", |bench| {
        let mut offset = 0;
        bench.iter(|| {
            let read = reader
                .read(black_box(offset), 1 << 20, end, true)
                .expect("it is there");
            offset = if read.next_offset >= end {
                0
            } else {
                read.next_offset
            };
            read
        });
    });
    group.finish();
    drop((reader, log, writer, manager));
    let mut group = criterion.benchmark_group("log");
    group.sample_size(10);
    group.bench_function("start after a kill, 200 MB", |bench| {
        bench.iter_batched(
            || (),
            |()| {
                let manager = open(folder.path());
                manager.load_all().expect("it is whole");
                // Dropped without a stop: the next one starts after a kill, too.
                manager
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(group, appends, reads);
criterion_main!(group);
