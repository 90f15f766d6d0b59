//! Record batches: what each costs before it is appended.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use odeon_parts::batch;
use odeon_records::{Compression, ValidationRules, check_crc, records, validate};

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch");
    for (name, count, size_bytes, codec) in [
        ("1x100B", 1, 100, Compression::None),
        ("640x100B", 640, 100, Compression::None),
        ("64x1KiB", 64, 1024, Compression::None),
        ("64x1KiB-lz4", 64, 1024, Compression::Lz4),
    ] {
        let bytes = batch(count, size_bytes, codec);
        group.throughput(Throughput::Bytes((count * size_bytes) as u64));
        group.bench_function(format!("validate/{name}"), |bench| {
            let rules = ValidationRules::default();
            bench.iter(|| validate(black_box(bytes.clone()), &rules).expect("it is valid"));
        });
        group.bench_function(format!("crc/{name}"), |bench| {
            bench.iter(|| check_crc(black_box(&bytes)).expect("it is whole"));
        });
        group.bench_function(format!("records/{name}"), |bench| {
            let limits = odeon_records::Limits::default();
            bench.iter(|| {
                records(black_box(&bytes), limits)
                    .map(|one| one.is_ok())
                    .filter(|ok| *ok)
                    .count()
            });
        });
        group.bench_function(format!("build/{name}"), |bench| {
            bench.iter(|| batch(black_box(count), size_bytes, codec));
        });
    }
    group.finish();
}

criterion_group!(group, benches);
criterion_main!(group);
