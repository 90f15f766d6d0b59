use super::*;
use odeon_model::Uuid;

use crate::Partition;

/// Bytes, their hash, and the partitions of a key with these bytes among 12 and among 1,000, as
/// `kafka-clients` 4.4.0 computes them.
const JAVA: &[(&[u8], i32, i32, i32)] = &[
    (b"", 275646681, 9, 681),
    (b"\x00", 375494588, 8, 588),
    (b"\xff", -311467685, 3, 963),
    (b"\x61", -1563381124, 4, 524),
    (b"\x61\x62", 316155434, 2, 434),
    (b"\x61\x62\x63", 479470107, 3, 107),
    (b"\x61\x62\x63\x64", -1323649548, 8, 100),
    (b"\x6b\x65\x79\x2d\x31", 193331640, 0, 640),
    (b"\x32\x31", -973932308, 0, 340),
    (b"\x66\x6f\x6f\x62\x61\x72", -790332482, 6, 166),
    (b"\x61\x2d\x6c\x69\x74\x74\x6c\x65\x2d\x62\x69\x74\x2d\x6c\x6f\x6e\x67\x2d\x73\x74\x72\x69\x6e\x67", -985981536, 8, 112),
    (b"\x61\x2d\x6c\x69\x74\x74\x6c\x65\x2d\x62\x69\x74\x2d\x6c\x6f\x6e\x67\x65\x72\x2d\x73\x74\x72\x69\x6e\x67", -1486304829, 11, 819),
    (b"\x6c\x6b\x6a\x68\x32\x33\x34\x6c\x68\x39\x66\x69\x75\x68\x39\x30\x79\x32\x33\x6f\x69\x75\x68\x73\x61\x66\x75\x6a\x68\x61\x64\x6f\x66\x32\x32\x39\x70\x68\x72\x39\x68\x31\x39\x68\x38\x39\x68\x38", -58897971, 5, 677),
    (b"\x80\x81\x82\xfe\xfd", 1979942277, 9, 277),
    (b"\x67\x72\xc3\xbc\xc3\x9f\x65", 1943707148, 8, 148),
];

#[test]
fn keys_go_where_the_java_producer_sends_them() {
    for (key, hash, of_12, of_1000) in JAVA {
        assert_eq!(murmur2(key), *hash, "{key:?}");
        assert_eq!(partition_for_key(key, 12), *of_12, "{key:?}");
        assert_eq!(partition_for_key(key, 1000), *of_1000, "{key:?}");
    }
}

fn topic(leaders: &[Option<i32>]) -> Topic {
    let partitions = leaders.iter().zip(0..).map(|(leader, index)| Partition {
        index,
        leader: *leader,
        leader_epoch: 0,
        replicas: vec![1],
        isr: vec![1],
        offline_replicas: vec![],
    });
    Topic {
        name: "t".into(),
        id: Uuid::ONE,
        internal: false,
        partitions: partitions.collect(),
    }
}

#[test]
fn records_without_a_key_stay_together_for_a_batch() {
    let (rng, topic) = (Rng::from_seed(3), topic(&[Some(1), Some(1), None, Some(1)]));
    let mut sticky = Sticky::new();
    let chosen: Vec<_> = (0..100)
        .map(|_| sticky.choose(&topic, 10, 100, &rng).unwrap())
        .collect();
    for run in chosen.chunks(10) {
        assert!(run.iter().all(|one| one == &run[0]), "{chosen:?}");
    }
    assert!(
        chosen.chunks(10).is_sorted_by(|a, b| a[0] != b[0]),
        "each batch moves on"
    );
    assert!(
        !chosen.contains(&2),
        "a partition without a leader is avoided"
    );
}

#[test]
fn without_any_leader_records_are_spread_all_the_same() {
    let rng = Rng::from_seed(3);
    assert!(
        Sticky::new()
            .choose(&topic(&[None, None]), 1, 1, &rng)
            .is_some()
    );
    assert!(Sticky::new().choose(&topic(&[]), 1, 1, &rng).is_none());
}
