//! Batches to produce, and records out of what was fetched.

use bytes::Bytes;
use odeon_records::{BatchBuilder, BatchHeader, Limits, records, split_batches};

/// A batch of records with keys `k0`, `k1`... and these values, at `timestamp_ms` and following.
///
/// # Panics
/// No values.
pub fn batch(timestamp_ms: i64, values: &[&str]) -> Bytes {
    batch_from(BatchBuilder::new(), timestamp_ms, values)
}

/// As [`batch`], with a producer's id, epoch and first sequence.
///
/// # Panics
/// No values.
pub fn batch_of(producer: (i64, i16, i32), values: &[&str]) -> Bytes {
    let (id, epoch, sequence) = producer;
    batch_from(
        BatchBuilder::new().producer(id, epoch, sequence),
        1_000,
        values,
    )
}

/// As [`batch`], from a builder with settings of its own.
///
/// # Panics
/// No values.
pub fn batch_from(mut builder: BatchBuilder, timestamp_ms: i64, values: &[&str]) -> Bytes {
    for (index, value) in values.iter().enumerate() {
        let (key, at) = (format!("k{index}"), timestamp_ms + index as i64);
        builder
            .push(at, Some(key.as_bytes()), Some(value.as_bytes()), &[])
            .expect("it is small");
    }
    builder.build().expect("a batch has records").into()
}

/// The offset, timestamp and value of every record of a fetched record set.
///
/// # Panics
/// The record set is broken.
pub fn read(set: &Bytes) -> Vec<(i64, i64, String)> {
    let mut found = Vec::new();
    for batch in split_batches(set.clone()) {
        let (_, bytes) = batch.expect("whole batches");
        for record in records(&bytes, Limits::default()) {
            let record = record.expect("a whole record");
            let value = record.value.unwrap_or_default();
            let value = String::from_utf8_lossy(&value).into_owned();
            found.push((record.offset, record.timestamp, value));
        }
    }
    found
}

/// The headers of the batches of a fetched record set.
///
/// # Panics
/// The record set is broken.
pub fn headers(set: &Bytes) -> Vec<BatchHeader> {
    split_batches(set.clone())
        .map(|batch| batch.expect("whole batches").0)
        .collect()
}
