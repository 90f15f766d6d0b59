use proptest::prelude::*;

use super::inspect::MAX_RECORD_ERRORS;
use super::*;
use crate::{BatchBuilder, ControlRecord, RecordHeader, RecordView, control_batch, records};

const NOW: i64 = 1_700_000_000_000;

fn rules() -> ValidationRules {
    ValidationRules {
        now_ms: NOW,
        ..ValidationRules::default()
    }
}

fn builder(timestamps: &[i64]) -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    for timestamp in timestamps {
        let headers = [RecordHeader::new("h", "v")];
        builder
            .push(*timestamp, Some(b"key"), Some(&[b'v'; 100]), &headers)
            .unwrap();
    }
    builder
}

fn batch(timestamps: &[i64]) -> Bytes {
    Bytes::from(builder(timestamps).build().unwrap())
}

/// Changes bytes of a batch and makes the CRC right again.
fn forge(batch: &Bytes, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut bytes = batch.to_vec();
    change(&mut bytes);
    let crc = crate::batch_crc(&bytes);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Bytes::from(bytes)
}

fn set<const N: usize>(batch: &Bytes, at: usize, value: [u8; N]) -> Bytes {
    forge(batch, |bytes| bytes[at..at + N].copy_from_slice(&value))
}

fn refusal(batch: Bytes, rules: &ValidationRules) -> ErrorCode {
    validate(batch, rules).unwrap_err().error
}

fn read(batch: &PreparedBatch) -> Vec<RecordView> {
    records(&batch.to_bytes(), Limits::default())
        .map(Result::unwrap)
        .collect()
}

#[test]
fn a_good_batch_passes_as_it_is() {
    let sent = batch(&[NOW - 5, NOW, NOW - 9]);
    let prepared = validate(sent.clone(), &rules()).unwrap();
    assert_eq!(prepared.to_bytes(), sent);
    assert_eq!(prepared.body().as_ptr(), sent[HEADER_BYTES..].as_ptr());
    assert_eq!(prepared.max_timestamp_offset(), 1);
}

#[test]
fn what_is_not_one_whole_batch_of_format_2_is_refused() {
    let good = batch(&[NOW]);
    let twice = Bytes::from([&good[..], &good[..]].concat());
    let tail = Bytes::from([&good[..], &[0][..]].concat());
    let cases = [
        (Bytes::new(), ErrorCode::InvalidRecord),
        (good.slice(..11), ErrorCode::InvalidRecord),
        (good.slice(..good.len() - 1), ErrorCode::InvalidRecord),
        (twice, ErrorCode::InvalidRecord),
        (tail, ErrorCode::InvalidRecord),
        (set(&good, 16, [0]), ErrorCode::InvalidRecord),
        (set(&good, 16, [1]), ErrorCode::InvalidRecord),
        (set(&good, 16, [3]), ErrorCode::CorruptMessage),
        (set(&good, 16, [0xff]), ErrorCode::CorruptMessage),
        (
            set(&good, 8, (-1i32).to_be_bytes()),
            ErrorCode::CorruptMessage,
        ),
        (
            set(&good, 8, 13i32.to_be_bytes()),
            ErrorCode::CorruptMessage,
        ),
        (
            set(&good, 8, 48i32.to_be_bytes()),
            ErrorCode::CorruptMessage,
        ),
        (set(&good, 0, 1i64.to_be_bytes()), ErrorCode::InvalidRecord),
    ];
    for (index, (bytes, wanted)) in cases.into_iter().enumerate() {
        assert_eq!(refusal(bytes, &rules()), wanted, "case {index}");
    }
}

#[test]
fn a_wrong_crc_is_a_corrupt_message() {
    let mut bytes = batch(&[NOW]).to_vec();
    bytes[80] ^= 1;
    assert_eq!(
        refusal(Bytes::from(bytes), &rules()),
        ErrorCode::CorruptMessage
    );
}

#[test]
fn a_header_that_contradicts_itself_is_refused() {
    let good = batch(&[NOW, NOW]);
    for bytes in [
        set(&good, 23, (-1i32).to_be_bytes()),
        set(&good, 23, 2i32.to_be_bytes()),
        set(&good, 57, 0i32.to_be_bytes()),
        set(&good, 57, (-1i32).to_be_bytes()),
        set(&good, 57, i32::MAX.to_be_bytes()),
        forge(&good, |b| {
            b[23..27].copy_from_slice(&2i32.to_be_bytes());
            b[57..61].copy_from_slice(&3i32.to_be_bytes());
        }),
        forge(&good, |b| {
            b[23..27].copy_from_slice(&0i32.to_be_bytes());
            b[57..61].copy_from_slice(&1i32.to_be_bytes());
        }),
        // A producer id without a sequence or an epoch, and a transaction without a producer id.
        set(&good, 43, 7i64.to_be_bytes()),
        forge(&good, |b| {
            b[43..51].copy_from_slice(&7i64.to_be_bytes());
            b[53..57].copy_from_slice(&0i32.to_be_bytes());
        }),
        set(&good, 22, [0x10]),
    ] {
        assert_eq!(refusal(bytes, &rules()), ErrorCode::InvalidRecord);
    }
    let claims_none = set(&good, 22, [7]);
    assert_eq!(
        refusal(claims_none, &rules()),
        ErrorCode::UnsupportedCompressionType
    );
}

#[test]
fn clients_may_not_write_markers() {
    let marker = ControlRecord::Commit {
        coordinator_epoch: 0,
    };
    let marker = control_batch(marker, 1, 0, NOW).unwrap().to_bytes();
    assert_eq!(refusal(marker, &rules()), ErrorCode::InvalidRecord);
}

#[test]
fn offset_deltas_must_be_consecutive() {
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new().codec(codec).last_offset_delta(1);
        builder.push_at(0, NOW, None, None, &[]).unwrap();
        builder.push_at(0, NOW, None, None, &[]).unwrap();
        let error = validate(Bytes::from(builder.build().unwrap()), &rules()).unwrap_err();
        assert_eq!(error.error, ErrorCode::InvalidRecord);
        assert_eq!(error.record_errors[0].0, 1);
    }
}

#[test]
fn a_compacted_topic_names_the_records_without_a_key() {
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new().codec(codec);
        builder.push(NOW, Some(b"k"), None, &[]).unwrap();
        builder.push(NOW, None, Some(b"v"), &[]).unwrap();
        builder.push(NOW, Some(b""), Some(b"v"), &[]).unwrap();
        builder.push(NOW, None, Some(b"v"), &[]).unwrap();
        let sent = Bytes::from(builder.build().unwrap());
        assert!(validate(sent.clone(), &rules()).is_ok());
        let compacted = ValidationRules {
            compacted: true,
            ..rules()
        };
        let error = validate(sent, &compacted).unwrap_err();
        assert_eq!(error.error, ErrorCode::InvalidRecord);
        let indexes: Vec<i32> = error
            .record_errors
            .iter()
            .map(|(index, _)| *index)
            .collect();
        assert_eq!(indexes, [1, 3]);
    }
}

#[test]
fn timestamps_outside_the_limits_are_refused_by_record() {
    let rules = ValidationRules {
        before_max_ms: 100,
        after_max_ms: 10,
        ..rules()
    };
    assert!(validate(batch(&[NOW - 100, NOW + 10, -1]), &rules).is_ok());
    let error = validate(batch(&[NOW - 101, NOW, NOW + 11]), &rules).unwrap_err();
    assert_eq!(error.error, ErrorCode::InvalidTimestamp);
    let indexes: Vec<i32> = error
        .record_errors
        .iter()
        .map(|(index, _)| *index)
        .collect();
    assert_eq!(indexes, [0, 2]);
    let append_time = ValidationRules {
        timestamp_type: TimestampType::LogAppendTime,
        ..rules
    };
    assert!(validate(batch(&[5]), &append_time).is_ok());
}

#[test]
fn the_list_of_bad_records_is_bounded() {
    let rules = ValidationRules {
        before_max_ms: 100,
        ..rules()
    };
    let error = validate(batch(&vec![0; 2_000]), &rules).unwrap_err();
    assert_eq!(error.record_errors.len(), MAX_RECORD_ERRORS);
    assert!(error.message.starts_with("2000 records"));
}

#[test]
fn log_append_time_is_stamped() {
    for codec in Compression::ALL {
        let sent = Bytes::from(builder(&[5, 6]).codec(codec).build().unwrap());
        let rules = ValidationRules {
            timestamp_type: TimestampType::LogAppendTime,
            ..rules()
        };
        let prepared = validate(sent, &rules).unwrap();
        assert_eq!(
            prepared.header().timestamp_type(),
            TimestampType::LogAppendTime
        );
        assert_eq!(prepared.header().max_timestamp, NOW);
        assert_eq!(check_crc(&prepared.to_bytes()), Ok(()));
        assert!(read(&prepared).iter().all(|record| record.timestamp == NOW));
    }
}

#[test]
fn a_producer_s_log_append_time_is_judged_as_kafka_judges_it() {
    let stamped = |time| Bytes::from(builder(&[NOW]).log_append_time(time).build().unwrap());
    let append_time = ValidationRules {
        timestamp_type: TimestampType::LogAppendTime,
        ..rules()
    };
    assert_eq!(
        refusal(stamped(NOW), &append_time),
        ErrorCode::InvalidTimestamp
    );
    assert_eq!(refusal(stamped(-1), &rules()), ErrorCode::InvalidTimestamp);
    // On a create-time topic the claim is dropped, and the records' own times must do.
    let limited = ValidationRules {
        after_max_ms: 10,
        ..rules()
    };
    let hiding = Bytes::from(builder(&[NOW + 11]).log_append_time(NOW).build().unwrap());
    assert_eq!(refusal(hiding, &limited), ErrorCode::InvalidTimestamp);
    let own = validate(stamped(NOW - 7), &rules()).unwrap();
    assert_eq!(own.header().max_timestamp, NOW);
    let prepared = validate(stamped(NOW), &rules()).unwrap();
    assert_eq!(
        prepared.header().timestamp_type(),
        TimestampType::CreateTime
    );
    assert_eq!(check_crc(&prepared.to_bytes()), Ok(()));
}

#[test]
fn a_wrong_max_timestamp_is_put_right() {
    let sent = set(&batch(&[NOW - 1, NOW]), 35, 99i64.to_be_bytes());
    let prepared = validate(sent, &rules()).unwrap();
    assert_eq!(prepared.header().max_timestamp, NOW);
    assert_eq!(check_crc(&prepared.to_bytes()), Ok(()));
}

#[test]
fn sizes_are_checked_as_sent_and_as_stored() {
    let plain = batch(&[NOW; 20]);
    let exact = ValidationRules {
        max_message_bytes: plain.len(),
        ..rules()
    };
    assert!(validate(plain.clone(), &exact).is_ok());
    let small = ValidationRules {
        max_message_bytes: plain.len() - 1,
        ..rules()
    };
    assert_eq!(refusal(plain.clone(), &small), ErrorCode::MessageTooLarge);
    let packed = builder(&[NOW; 20])
        .codec(Compression::Zstd)
        .build()
        .unwrap();
    assert!(validate(Bytes::from(packed.clone()), &small).is_ok());
    let target = TargetCompression::Codec(Compression::None.into());
    let unpacking = ValidationRules { target, ..small };
    assert_eq!(
        refusal(Bytes::from(packed), &unpacking),
        ErrorCode::MessageTooLarge
    );
    let segment = ValidationRules {
        max_segment_bytes: plain.len() - 1,
        ..rules()
    };
    assert_eq!(refusal(plain, &segment), ErrorCode::RecordListTooLarge);
}

#[test]
fn zstd_needs_version_7() {
    let sent = Bytes::from(builder(&[NOW]).codec(Compression::Zstd).build().unwrap());
    let old = ValidationRules {
        api_version: 6,
        ..rules()
    };
    assert_eq!(
        refusal(sent.clone(), &old),
        ErrorCode::UnsupportedCompressionType
    );
    assert!(
        validate(
            sent,
            &ValidationRules {
                api_version: 7,
                ..rules()
            }
        )
        .is_ok()
    );
}

#[test]
fn a_topic_s_codec_replaces_the_producer_s() {
    for source in Compression::ALL {
        for target in Compression::ALL {
            let sent = Bytes::from(
                builder(&[NOW - 1, NOW])
                    .codec(source)
                    .producer(1, 2, 3)
                    .build()
                    .unwrap(),
            );
            let codec = TargetCompression::Codec(target.into());
            let rules = ValidationRules {
                target: codec,
                ..rules()
            };
            let prepared = validate(sent.clone(), &rules).unwrap();
            assert_eq!(prepared.header().compression(), Ok(target));
            assert_eq!(prepared.header().base_sequence, 3);
            assert_eq!(prepared.header().size_bytes(), prepared.size_bytes());
            assert_eq!(check_crc(&prepared.to_bytes()), Ok(()));
            let wanted: Vec<_> = records(&sent, Limits::default())
                .map(Result::unwrap)
                .collect();
            assert_eq!(read(&prepared), wanted);
            if source == target {
                assert_eq!(prepared.to_bytes(), sent);
            }
        }
    }
}

#[test]
fn bombs_are_refused_without_being_unfolded() {
    for codec in Compression::ALL.into_iter().skip(1) {
        let mut builder = BatchBuilder::new().codec(codec);
        builder
            .push(NOW, None, Some(&vec![0; 5_000_000]), &[])
            .unwrap();
        let sent = Bytes::from(builder.build().unwrap());
        let limits = Limits {
            max_decompressed_bytes: 1_000_000,
            ..Limits::default()
        };
        let strict = ValidationRules {
            limits,
            max_message_bytes: 10_000_000,
            ..rules()
        };
        assert_eq!(
            refusal(sent, &strict),
            ErrorCode::MessageTooLarge,
            "{codec:?}"
        );
    }
}

#[test]
fn a_record_that_unfolds_too_far_is_invalid() {
    for codec in Compression::ALL {
        let sent = Bytes::from(builder(&[NOW]).codec(codec).build().unwrap());
        let limits = Limits {
            max_record_bytes: 50,
            ..Limits::default()
        };
        for target in [
            TargetCompression::Producer,
            TargetCompression::Codec(Codec::default()),
        ] {
            let strict = ValidationRules {
                limits,
                target,
                ..rules()
            };
            match validate(sent.clone(), &strict) {
                Ok(_) => assert_eq!(codec, Compression::None),
                Err(error) => assert_eq!(error.error, ErrorCode::InvalidRecord),
            }
        }
        let found: Vec<_> = records(&sent, limits).collect();
        assert_eq!(found[0].is_ok(), codec == Compression::None);
    }
}

proptest! {
    /// Bytes behind a right CRC are as hostile as those behind a wrong one.
    #[test]
    fn what_passes_can_be_read(
        codec in proptest::sample::select(Compression::ALL.to_vec()),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..), 0..4),
    ) {
        let mut builder = BatchBuilder::new().codec(codec);
        for index in 0..5u8 {
            let headers = [RecordHeader::new("h", vec![index; 3])];
            builder.push(NOW, Some(&[index]), Some(&[index; 20]), &headers).unwrap();
        }
        let sent = Bytes::from(builder.build().unwrap());
        let sent = forge(&sent, |bytes| {
            for (at, value) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
        });
        if let Ok(prepared) = validate(sent, &rules()) {
            let batch = prepared.to_bytes();
            prop_assert_eq!(check_crc(&batch), Ok(()));
            for (index, record) in records(&batch, Limits::default()).enumerate() {
                prop_assert_eq!(record.unwrap().offset, index as i64);
            }
        }
    }
}
