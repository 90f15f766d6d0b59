//! What is written reads back, and what is hostile is refused.

use bytes::Bytes;
use proptest::prelude::*;

use crate::header::HEADER_BYTES;
use crate::*;

#[derive(Debug, Clone)]
struct Input {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<RecordHeader>,
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let field = || proptest::option::of(proptest::collection::vec(0u8..4, 0..300));
    let header = (proptest::collection::vec(b'a'..b'c', 0..3), field()).prop_map(|(key, value)| {
        RecordHeader {
            key: key.into(),
            value: value.map(Bytes::from),
        }
    });
    let timestamp = prop_oneof![Just(-1), 0..i64::MAX];
    let headers = proptest::collection::vec(header, 0..4);
    let record =
        (timestamp, field(), field(), headers).prop_map(|(timestamp, key, value, headers)| Input {
            timestamp,
            key,
            value,
            headers,
        });
    proptest::collection::vec(record, 1..20)
}

fn codecs() -> impl Strategy<Value = Compression> {
    proptest::sample::select(Compression::ALL.to_vec())
}

fn build(codec: Compression, inputs: &[Input]) -> Bytes {
    let mut builder = BatchBuilder::new().codec(codec).base_offset(1000);
    for input in inputs {
        builder
            .push(
                input.timestamp,
                input.key.as_deref(),
                input.value.as_deref(),
                &input.headers,
            )
            .unwrap();
    }
    Bytes::from(builder.build().unwrap())
}

fn read(batch: &Bytes) -> Result<Vec<RecordView>, RecordsError> {
    records(batch, Limits::default()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_written_reads_back(codec in codecs(), inputs in inputs()) {
        let batch = build(codec, &inputs);
        let header = BatchHeader::parse(&batch).unwrap();
        prop_assert_eq!(header.size_bytes(), batch.len());
        prop_assert_eq!(header.compression(), Ok(codec));
        prop_assert_eq!(header.last_offset(), 999 + inputs.len() as i64);
        prop_assert_eq!(header.max_timestamp, inputs.iter().map(|i| i.timestamp).max().unwrap());
        prop_assert_eq!(check_crc(&batch), Ok(()));
        let found = read(&batch).unwrap();
        prop_assert_eq!(found.len(), inputs.len());
        for (index, (record, input)) in found.iter().zip(&inputs).enumerate() {
            prop_assert_eq!(record.offset, 1000 + index as i64);
            prop_assert_eq!(record.timestamp, input.timestamp);
            prop_assert_eq!(record.key.as_deref(), input.key.as_deref());
            prop_assert_eq!(record.value.as_deref(), input.value.as_deref());
            prop_assert_eq!(&record.headers, &input.headers);
        }
    }

    #[test]
    fn a_cut_batch_never_panics(codec in codecs(), inputs in inputs(), cut: prop::sample::Index) {
        let batch = build(codec, &inputs);
        let cut = batch.slice(..cut.index(batch.len()));
        prop_assert!(read(&cut).is_err());
        prop_assert!(split_batches(cut).all(|item| item.is_err()));
    }

    #[test]
    fn a_flipped_byte_is_found_by_the_crc_and_never_panics(
        codec in codecs(), inputs in inputs(), at: prop::sample::Index, flip in 1u8..,
    ) {
        let mut batch = build(codec, &inputs).to_vec();
        let at = at.index(batch.len());
        batch[at] ^= flip;
        let batch = Bytes::from(batch);
        if at >= 17 {
            prop_assert!(check_crc(&batch).is_err());
        }
        let _ = read(&batch);
        let _ = split_batches(batch).count();
    }

    #[test]
    fn a_random_body_never_panics(codec in codecs(), body: Vec<u8>, count in 0..100i32) {
        let header = BatchHeader {
            base_offset: 0,
            batch_length: (body.len() + HEADER_BYTES - 12) as i32,
            partition_leader_epoch: 0,
            crc: 0,
            attributes: i16::from(codec.id()),
            last_offset_delta: count - 1,
            base_timestamp: 0,
            max_timestamp: 0,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: count,
        };
        let mut batch = header.to_bytes().to_vec();
        batch.extend_from_slice(&body);
        let _ = read(&Bytes::from(batch));
    }

    #[test]
    fn patching_offset_and_epoch_leaves_the_crc_alone(offset: i64, epoch: i32, inputs in inputs()) {
        let batch = build(Compression::None, &inputs);
        let mut prepared = PreparedBatch::from_trusted(batch.clone()).unwrap();
        prepared.set_base_offset(offset);
        prepared.set_leader_epoch(epoch);
        let patched = prepared.to_bytes();
        prop_assert_eq!(check_crc(&patched), Ok(()));
        prop_assert_eq!(BatchHeader::parse(&patched), Ok(*prepared.header()));
        prop_assert_eq!(&patched[17..], &batch[17..]);
        prepared.set_log_append_time(77);
        let stamped = prepared.to_bytes();
        prop_assert_eq!(check_crc(&stamped), Ok(()));
        prop_assert_eq!(BatchHeader::parse(&stamped), Ok(*prepared.header()));
    }
}

#[test]
fn batches_are_cut_apart_and_share_their_bytes() {
    let one = build(Compression::None, &sample(3));
    let two = build(Compression::Lz4, &sample(2));
    let mut run = one.to_vec();
    run.extend_from_slice(&two);
    run.extend_from_slice(&one[..70]);
    let found: Vec<_> = split_batches(Bytes::from(run)).collect();
    assert_eq!(found.len(), 3);
    assert_eq!(found[0].as_ref().unwrap().1, one);
    assert_eq!(found[1].as_ref().unwrap().1, two);
    assert_eq!(
        found[2],
        Err(RecordsError::Truncated {
            needed: one.len(),
            available: 70
        })
    );
}

fn sample(count: usize) -> Vec<Input> {
    let input = Input {
        timestamp: 5,
        key: Some(b"key".to_vec()),
        value: Some(vec![b'v'; 100]),
        headers: vec![RecordHeader::new("h", "1"), RecordHeader::new("h", "2")],
    };
    vec![input; count]
}

#[test]
fn uncompressed_keys_and_values_are_not_copied() {
    let batch = build(Compression::None, &sample(2));
    let range = batch.as_ptr_range();
    for record in read(&batch).unwrap() {
        assert!(range.contains(&record.key.unwrap().as_ptr()));
        assert!(range.contains(&record.value.unwrap().as_ptr()));
    }
}

#[test]
fn log_append_time_is_every_record_s_time() {
    let mut prepared = PreparedBatch::from_trusted(build(Compression::Zstd, &sample(3))).unwrap();
    prepared.set_log_append_time(1234);
    assert!(
        read(&prepared.to_bytes())
            .unwrap()
            .iter()
            .all(|r| r.timestamp == 1234)
    );
}

#[test]
fn a_bomb_is_refused_by_every_codec() {
    let limits = Limits {
        max_decompressed_bytes: 100_000,
        ..Limits::default()
    };
    for codec in Compression::ALL.into_iter().skip(1) {
        let mut builder = BatchBuilder::new().codec(codec);
        builder
            .push(0, None, Some(&vec![0; 5_000_000]), &[])
            .unwrap();
        let batch = Bytes::from(builder.build().unwrap());
        let found: Result<Vec<_>, _> = records(&batch, limits).collect();
        assert!(
            matches!(found, Err(RecordsError::DecompressedTooLarge { .. })),
            "{codec:?}: {found:?}"
        );
    }
}

#[test]
fn a_count_beyond_the_bytes_is_refused() {
    let mut batch = build(Compression::None, &sample(1)).to_vec();
    batch[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    assert!(read(&Bytes::from(batch.clone())).is_err());
    batch[57..61].copy_from_slice(&2i32.to_be_bytes());
    assert!(read(&Bytes::from(batch)).is_err());
}

#[test]
fn bytes_after_the_last_record_are_an_error() {
    let mut batch = build(Compression::None, &sample(2)).to_vec();
    batch[57..61].copy_from_slice(&1i32.to_be_bytes());
    let found: Vec<_> = records(&Bytes::from(batch), Limits::default()).collect();
    assert!(found[0].is_ok());
    assert!(found[1].is_err());
    assert_eq!(found.len(), 2);
}

#[test]
fn concatenated_streams_read_as_one() {
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Zstd] {
        let mut data = Vec::new();
        Codec::from(codec)
            .compress_into(b"first ", &mut data)
            .unwrap();
        Codec::from(codec)
            .compress_into(b"second", &mut data)
            .unwrap();
        let opened = codec.decompress(&Bytes::from(data), 100).unwrap();
        assert_eq!(opened, "first second", "{codec:?}");
    }
}

#[test]
fn raw_snappy_is_read_too() {
    let raw = snap::raw::Encoder::new()
        .compress_vec(b"raw, as librdkafka once wrote it")
        .unwrap();
    let opened = Compression::Snappy
        .decompress(&Bytes::from(raw), 100)
        .unwrap();
    assert_eq!(opened, "raw, as librdkafka once wrote it");
}

#[test]
fn lz4_frames_that_java_cannot_read_are_refused() {
    use std::io::Write;
    let frame = lz4_flex::frame::FrameInfo::new()
        .block_mode(lz4_flex::frame::BlockMode::Linked)
        .block_size(lz4_flex::frame::BlockSize::Max64KB);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
    encoder.write_all(&[7; 1000]).unwrap();
    let linked = Bytes::from(encoder.finish().unwrap());
    assert!(Compression::Lz4.decompress(&linked, 10_000).is_err());
}

#[test]
fn lz4_frames_with_any_checksums_are_read() {
    use std::io::Write;
    for flags in 0..8 {
        let frame = lz4_flex::frame::FrameInfo::new()
            .block_mode(lz4_flex::frame::BlockMode::Independent)
            .block_checksums(flags & 1 != 0)
            .content_checksum(flags & 2 != 0)
            .content_size((flags & 4 != 0).then_some(200_000));
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
        encoder.write_all(&[7; 200_000]).unwrap();
        let data = Bytes::from(encoder.finish().unwrap());
        assert_eq!(
            Compression::Lz4.decompress(&data, 1 << 20).unwrap().len(),
            200_000
        );
    }
}

#[test]
fn levels_out_of_range_are_clamped() {
    for level in [i32::MIN, -1, 0, 1, 9, 22, i32::MAX] {
        for compression in Compression::ALL {
            let mut data = Vec::new();
            let codec = Codec {
                compression,
                level: Some(level),
            };
            codec.compress_into(&[1; 100], &mut data).unwrap();
            assert_eq!(
                compression.decompress(&Bytes::from(data), 100).unwrap(),
                vec![1; 100]
            );
        }
    }
}

#[test]
fn an_end_marker_reads_back() {
    for marker in [
        ControlRecord::Abort {
            coordinator_epoch: 3,
        },
        ControlRecord::Commit {
            coordinator_epoch: 4,
        },
    ] {
        let prepared = control_batch(marker, 9, 2, 100).unwrap();
        let header = prepared.header();
        assert!(header.is_control() && header.is_transactional());
        assert_eq!(
            (
                header.producer_id,
                header.producer_epoch,
                header.base_sequence
            ),
            (9, 2, -1)
        );
        let found = read(&prepared.to_bytes()).unwrap();
        let parsed = ControlRecord::parse(found[0].key.as_deref(), found[0].value.as_deref());
        assert_eq!(parsed, Ok(marker));
    }
    assert!(ControlRecord::parse(Some(&[0, 0, 0]), None).is_err());
    assert!(ControlRecord::parse(Some(&[0, 0, 0, 1]), None).is_err());
    assert_eq!(
        ControlRecord::parse(Some(&[0, 0, 0, 2]), None),
        Ok(ControlRecord::Other(2))
    );
}

#[test]
fn compaction_keeps_offsets_horizon_and_empty_batches() {
    let mut builder = BatchBuilder::new()
        .base_offset(50)
        .delete_horizon(900)
        .last_offset_delta(9);
    builder.push_at(4, 800, Some(b"k"), None, &[]).unwrap();
    let batch = Bytes::from(builder.build().unwrap());
    let header = BatchHeader::parse(&batch).unwrap();
    assert_eq!(
        (header.delete_horizon_ms(), header.last_offset()),
        (Some(900), 59)
    );
    let found = read(&batch).unwrap();
    assert_eq!((found[0].offset, found[0].timestamp), (54, 800));

    let empty = BatchBuilder::new()
        .producer(1, 0, 5)
        .last_offset_delta(9)
        .build()
        .unwrap();
    let empty = Bytes::from(empty);
    assert_eq!(BatchHeader::parse(&empty).unwrap().last_sequence(), 14);
    assert_eq!(read(&empty), Ok(Vec::new()));
    assert!(BatchBuilder::new().build().is_err());
}

#[test]
fn a_sequence_wraps_to_zero() {
    let batch = BatchBuilder::new()
        .producer(1, 0, i32::MAX)
        .last_offset_delta(1)
        .build()
        .unwrap();
    assert_eq!(BatchHeader::parse(&batch).unwrap().last_sequence(), 0);
}
