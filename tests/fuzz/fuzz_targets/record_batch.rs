//! Any bytes as a producer's batch, with a right length and CRC so that its inside is reached.
//! What passes validation must be readable, and pass again.
//!
//! `client/records/fixtures` is a good first corpus.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use odeon_records::{
    Compression, Limits, TargetCompression, TimestampType, ValidationRules, batch_crc, check_crc,
    records, split_batches, validate,
};

const LIMITS: Limits = Limits {
    max_records: 10_000,
    max_headers: 1_000,
    max_record_bytes: 1 << 20,
    max_decompressed_bytes: 1 << 20,
};

fuzz_target!(|data: &[u8]| {
    let raw = Bytes::copy_from_slice(data);
    for (_, batch) in split_batches(raw.clone()).flatten() {
        records(&batch, LIMITS).for_each(drop);
    }
    let Some((&choice, batch)) = data.split_last() else {
        return;
    };
    let rules = ValidationRules {
        timestamp_type: [TimestampType::CreateTime, TimestampType::LogAppendTime]
            [usize::from(choice & 1)],
        compacted: choice & 2 != 0,
        after_max_ms: i64::MAX,
        target: match Compression::from_id((choice >> 2) & 7) {
            Ok(codec) => TargetCompression::Codec(codec.into()),
            Err(_) => TargetCompression::Producer,
        },
        limits: LIMITS,
        ..ValidationRules::default()
    };
    let Ok(stored) = validate(repaired(batch), &rules) else {
        return;
    };
    let stored = stored.to_bytes();
    assert_eq!(check_crc(&stored), Ok(()));
    for (index, record) in records(&stored, LIMITS).enumerate() {
        assert_eq!(record.expect("a validated record").offset, index as i64);
    }
    if rules.timestamp_type == TimestampType::CreateTime {
        let again = validate(stored.clone(), &rules).expect("validated once");
        assert_eq!(again.to_bytes(), stored);
    }
});

/// The bytes with offset 0, format 2, their own length, and the CRC that belongs to them.
fn repaired(bytes: &[u8]) -> Bytes {
    let mut batch = bytes.to_vec();
    if batch.len() >= 61 {
        batch[..8].fill(0);
        let length = (batch.len() - 12) as u32;
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[16] = 2;
        let crc = batch_crc(&batch);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    Bytes::from(batch)
}
