use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Message {
    id: u64,
    name: String,
    #[serde(with = "payload")]
    records: Bytes,
    list: Vec<Option<i32>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Grown {
    id: u64,
    #[serde(default)]
    new: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Nest {
    next: Option<Box<Nest>>,
}

fn message(size: usize) -> Message {
    let records = Bytes::from(vec![7; size]);
    Message {
        id: 1,
        name: "a".into(),
        records,
        list: vec![None, Some(-1)],
    }
}

#[test]
fn structs_may_grow_and_shrink_between_versions() {
    let old = encode(&message(3), 1 << 10).unwrap();
    assert_eq!(
        decode::<Grown>(&old, 1 << 10).unwrap(),
        Grown { id: 1, new: None }
    );
    let new = encode(
        &Grown {
            id: 2,
            new: Some("b".into()),
        },
        1 << 10,
    )
    .unwrap();
    #[derive(Deserialize)]
    struct Small {
        id: u64,
    }
    assert_eq!(decode::<Small>(&new, 1 << 10).unwrap().id, 2);
}

#[test]
fn payloads_go_in_one_piece() {
    assert!(encode(&message(1000), 1 << 20).unwrap().len() < 1050);
}

#[test]
fn sizes_are_bounded_both_ways() {
    let bytes = encode(&message(1000), 2000).unwrap();
    let too_large = CodecError::TooLarge { max_bytes: 1000 };
    assert_eq!(encode(&message(1000), 1000).unwrap_err(), too_large);
    assert_eq!(decode::<Message>(&bytes, 1000).unwrap_err(), too_large);
}

#[test]
fn a_length_beyond_the_input_is_an_error_without_a_large_allocation() {
    for bytes in [
        &[0xdd, 0xff, 0xff, 0xff, 0xff][..],
        &[0xc6, 0xff, 0xff, 0xff, 0xff, 1],
    ] {
        assert!(decode::<Vec<u64>>(bytes, 100).is_err());
        assert!(decode::<serde_bytes::ByteBuf>(bytes, 100).is_err());
    }
}

#[test]
fn deep_nesting_and_trailing_bytes_are_errors() {
    let nested = |depth| {
        (0..depth).fold(Nest { next: None }, |nest, _| Nest {
            next: Some(Box::new(nest)),
        })
    };
    let shallow = encode(&nested(MAX_NESTING / 2), 1 << 20).unwrap();
    assert!(decode::<Nest>(&shallow, 1 << 20).is_ok());
    // One-field maps or arrays, as deep as the input is long.
    let deep = [0x81, 0xa4, b'n', b'e', b'x', b't'].repeat(10_000);
    assert!(decode::<Nest>(&deep, 1 << 20).is_err());
    let deep = [0x91; 100_000];
    assert!(decode::<Nest>(&deep, 1 << 20).is_err());
    assert!(decode::<u64>(&[1, 2], 100).is_err());
    assert!(decode::<u64>(&[], 100).is_err());
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(id: u64, name: String, size in 0usize..100, list: Vec<Option<i32>>) {
        let message = Message { id, name, records: vec![1; size].into(), list };
        let bytes = encode(&message, 1 << 20).unwrap();
        prop_assert_eq!(decode::<Message>(&bytes, 1 << 20).unwrap(), message);
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic(bytes: Vec<u8>, cut in 0usize..60, flip in 0usize..60) {
        let _ = decode::<Message>(&bytes, 1 << 20);
        let mut good = encode(&message(20), 1 << 20).unwrap().to_vec();
        if let Some(byte) = good.get_mut(flip) {
            *byte ^= 0x55;
        }
        good.truncate(cut);
        let _ = decode::<Message>(&good, 1 << 20);
    }
}
