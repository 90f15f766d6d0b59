use bytes::Bytes;
use proptest::prelude::*;

use crate::group::OffsetCommitValue;
use crate::metadata::{PartitionRecord, RegisterBrokerRecord};
use crate::transaction::TransactionLogValue;
use crate::{
    DecodeError, Decoder, EncodeError, Encoder, MAX_ELEMENTS, Message, RawTaggedField,
    SHARE_FROM_BYTES,
};

fn decoder(bytes: &[u8], flexible: bool) -> Decoder {
    let mut decoder = Decoder::new(Bytes::copy_from_slice(bytes));
    decoder.set_flexible(flexible);
    decoder
}

fn written(write: impl FnOnce(&mut Encoder)) -> Bytes {
    let mut encoder = Encoder::new();
    write(&mut encoder);
    encoder.finish_contiguous()
}

#[test]
fn a_hostile_array_count_is_refused_before_room_is_made() {
    let mut classic = decoder(&i32::MAX.to_be_bytes(), false);
    let error = DecodeError::TooManyElements {
        count: i32::MAX as usize,
        remaining: 0,
    };
    assert_eq!(classic.array::<i32>(0), Err(error));

    let mut flexible = decoder(&[0xff, 0xff, 0xff, 0xff, 0x0f], true);
    let count = u32::MAX as usize - 1;
    let error = DecodeError::TooManyElements {
        count,
        remaining: 0,
    };
    assert_eq!(flexible.array::<String>(0), Err(error));
}

#[test]
fn an_array_has_a_million_elements_at_most() {
    let mut frame = vec![0; 2 * MAX_ELEMENTS];
    let count = MAX_ELEMENTS as i32;
    frame[..4].copy_from_slice(&count.to_be_bytes());
    let elements = decoder(&frame, false).array::<i8>(0).unwrap();
    assert_eq!(elements.len(), MAX_ELEMENTS);
    frame[..4].copy_from_slice(&(count + 1).to_be_bytes());
    let refused = decoder(&frame, false).array::<i8>(0);
    assert!(matches!(refused, Err(DecodeError::TooManyElements { .. })));
}

#[test]
fn an_array_that_cannot_be_filled_makes_room_for_little() {
    // 400,000 elements of 24 bytes each are said, and 400,000 bytes are there.
    let mut frame = vec![0xff; 400_004];
    frame[..4].copy_from_slice(&400_000i32.to_be_bytes());
    let refused = decoder(&frame, false).array::<String>(0);
    assert_eq!(refused, Err(DecodeError::UnexpectedNull));
}

#[test]
fn a_hostile_payload_length_is_refused() {
    for flexible in [false, true] {
        let refused = decoder(&[0x7f, 0xff, 0xff, 0xff, 1], flexible).nullable_bytes();
        assert!(
            matches!(refused, Err(DecodeError::Truncated { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn a_hostile_string_length_is_refused() {
    let refused = decoder(&[0x7f, 0xff, b'a'], false).string();
    assert_eq!(
        refused,
        Err(DecodeError::Truncated {
            wanted: 0x7fff,
            remaining: 1
        })
    );
    let refused = decoder(&[0x81, 0x80, 0x02, b'a'], true).string();
    assert_eq!(refused, Err(DecodeError::StringTooLong(0x8000)));
}

#[test]
fn more_than_ten_thousand_tagged_fields_are_refused() {
    let mut frame = written(|e| e.uvarint(10_001)).to_vec();
    frame.resize(100_000, 0);
    let refused = decoder(&frame, true).unknown_tags();
    let remaining = 100_000 - 2;
    assert_eq!(
        refused,
        Err(DecodeError::TooManyTaggedFields {
            count: 10_001,
            remaining
        })
    );
}

#[test]
fn a_tagged_field_takes_exactly_its_size() {
    let mut frame = written(|e| {
        RegisterBrokerRecord {
            log_dirs: vec![odeon_model::Uuid::ONE],
            ..Default::default()
        }
        .encode(e, 3)
        .unwrap();
    })
    .to_vec();
    let size = frame.len() - 18;
    assert_eq!(frame[size], 17);
    frame[size] = 16;
    let refused = RegisterBrokerRecord::decode(&mut Decoder::new(frame.into()), 3);
    assert_eq!(
        refused,
        Err(DecodeError::TagSize {
            tag: 0,
            said: 16,
            taken: 17
        })
    );
}

#[test]
fn a_varint_that_does_not_end_is_refused() {
    assert_eq!(
        decoder(&[0xff; 11], true).uvarlong(),
        Err(DecodeError::VarintTooLong)
    );
    assert_eq!(
        decoder(&[0xff; 6], true).uvarint(),
        Err(DecodeError::VarintTooLong)
    );
    assert_eq!(
        decoder(&[0xff, 0xff, 0xff, 0xff, 0x0f], true).uvarint(),
        Ok(u32::MAX)
    );
}

#[test]
fn bytes_that_are_not_utf_8_become_replacement_characters() {
    let text = decoder(&[0, 3, b'a', 0xff, b'b'], false).string();
    assert_eq!(text.as_deref(), Ok("a\u{fffd}b"));
}

#[test]
fn a_large_payload_is_shared_both_ways() {
    let payload = Bytes::from(vec![5; SHARE_FROM_BYTES]);
    let mut encoder = Encoder::new();
    encoder.i32(7);
    encoder.bytes(&payload).unwrap();
    encoder.i8(1);
    let segments = encoder.finish();
    assert_eq!(segments.len(), 3);
    assert_eq!(segments[1].as_ptr(), payload.as_ptr());

    let frame = Bytes::from(segments.concat());
    let mut decoder = Decoder::new(frame.clone());
    decoder.i32().unwrap();
    let read = decoder.bytes().unwrap();
    assert_eq!(read, payload);
    assert_eq!(read.as_ptr(), frame[8..].as_ptr());
}

#[test]
fn a_small_payload_is_copied_into_the_segment() {
    let mut encoder = Encoder::new();
    encoder
        .bytes(&Bytes::from(vec![5; SHARE_FROM_BYTES - 1]))
        .unwrap();
    assert_eq!(encoder.finish().len(), 1);
}

#[test]
fn a_payload_first_in_the_frame_leaves_no_empty_segment() {
    let mut encoder = Encoder::new();
    encoder.payload(&Bytes::from(vec![5; SHARE_FROM_BYTES]));
    assert_eq!(encoder.finish().len(), 1);
    assert!(Encoder::new().finish().is_empty());
}

#[test]
fn a_field_that_the_version_lacks_is_refused_when_set() {
    let record = PartitionRecord {
        eligible_leader_replicas: Some(vec![1]),
        directories: vec![odeon_model::Uuid::ONE],
        ..Default::default()
    };
    let refused = record.encode(&mut Encoder::new(), 0);
    assert!(
        matches!(refused, Err(EncodeError::AbsentField { version: 0, .. })),
        "{refused:?}"
    );
    assert_eq!(record.encode(&mut Encoder::new(), 2), Ok(()));
}

#[test]
fn an_ignorable_field_is_left_out_where_the_version_lacks_it() {
    let value = OffsetCommitValue {
        offset: 5,
        leader_epoch: 9,
        ..Default::default()
    };
    let bytes = written(|e| value.encode(e, 1).unwrap());
    let read = OffsetCommitValue::decode(&mut Decoder::new(bytes), 1).unwrap();
    assert_eq!(
        read,
        OffsetCommitValue {
            leader_epoch: -1,
            ..value
        }
    );
}

#[test]
fn unknown_tagged_fields_are_kept_and_stay_in_order() {
    let unknown = |tag| RawTaggedField {
        tag,
        value: Bytes::from_static(b"x"),
    };
    let mut value = TransactionLogValue {
        next_producer_epoch: 4,
        ..Default::default()
    };
    value.unknown_tagged_fields = vec![unknown(7), unknown(900)];
    let bytes = written(|e| value.encode(e, 1).unwrap());
    assert_eq!(
        TransactionLogValue::decode(&mut Decoder::new(bytes), 1),
        Ok(value.clone())
    );

    value.unknown_tagged_fields.swap(0, 1);
    assert_eq!(
        value.encode(&mut Encoder::new(), 1),
        Err(EncodeError::TagOrder(7))
    );
    value.unknown_tagged_fields = vec![unknown(3)];
    assert_eq!(
        value.encode(&mut Encoder::new(), 1),
        Err(EncodeError::TagOrder(3))
    );
    assert!(matches!(
        value.encode(&mut Encoder::new(), 0),
        Err(EncodeError::AbsentField { .. })
    ));
}

#[test]
fn a_version_that_does_not_exist_is_refused() {
    let error = DecodeError::UnsupportedVersion {
        message: "PartitionRecord",
        version: 3,
    };
    assert_eq!(
        PartitionRecord::decode(&mut Decoder::new(Bytes::new()), 3),
        Err(error)
    );
    let error = EncodeError::UnsupportedVersion {
        message: "PartitionRecord",
        version: -1,
    };
    assert_eq!(
        PartitionRecord::default().encode(&mut Encoder::new(), -1),
        Err(error)
    );
}

proptest! {
    #[test]
    fn varints_read_back(small: i32, large: i64, unsigned: u32, wide: u64) {
        let mut read = Decoder::new(written(|e| {
            e.varint(small);
            e.varlong(large);
            e.uvarint(unsigned);
            e.uvarlong(wide);
        }));
        prop_assert_eq!(read.varint(), Ok(small));
        prop_assert_eq!(read.varlong(), Ok(large));
        prop_assert_eq!(read.uvarint(), Ok(unsigned));
        prop_assert_eq!(read.uvarlong(), Ok(wide));
        prop_assert_eq!(read.finish(), Ok(()));
    }

    #[test]
    fn random_bytes_never_make_a_decoder_panic(bytes: Vec<u8>, flexible: bool) {
        let _ = decoder(&bytes, flexible).array::<String>(0);
        let _ = decoder(&bytes, flexible).nullable_bytes();
        let _ = decoder(&bytes, flexible).varlong();
        let _ = decoder(&bytes, true).unknown_tags();
    }
}
