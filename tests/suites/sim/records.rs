//! Numbered records: the number says what the whole value is.

use bytes::Bytes;
use odeon_records::{BatchBuilder, Limits, check_crc, records, split_batches};

use super::known::Batch;

fn value_of(number: u64) -> String {
    let padding = "odeon-".repeat((number % 17) as usize);
    format!("{number}:{padding}")
}

pub fn encode(producer: (i64, i16), batch: &Batch, now_ms: i64) -> Bytes {
    let (id, epoch) = producer;
    let mut builder = BatchBuilder::new().producer(id, epoch, batch.sequence);
    for number in &batch.values {
        let value = value_of(*number);
        builder
            .push(now_ms, None, Some(value.as_bytes()), &[])
            .unwrap();
    }
    builder.build().unwrap().into()
}

/// The offsets and numbers of all records in whole batches.
///
/// # Errors
/// A batch or a record is not what was sent.
pub fn decode(set: &Bytes) -> Result<Vec<(i64, u64)>, String> {
    let mut found = Vec::new();
    for batch in split_batches(set.clone()) {
        let (_, bytes) = batch.map_err(|error| error.to_string())?;
        check_crc(&bytes).map_err(|error| error.to_string())?;
        for record in records(&bytes, Limits::default()) {
            let record = record.map_err(|error| error.to_string())?;
            let value = record.value.unwrap_or_default();
            let text = String::from_utf8_lossy(&value).into_owned();
            let number = text.split(':').next().and_then(|n| n.parse().ok());
            match number {
                Some(number) if value_of(number) == text => found.push((record.offset, number)),
                _ => return Err(format!("a record of {text:?} at {}", record.offset)),
            }
        }
    }
    Ok(found)
}
