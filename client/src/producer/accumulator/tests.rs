use odeon_kernel::ByteBudget;
use odeon_records::{BatchHeader, Codec, check_crc};

use super::*;

const NODE: Target = Target::Node(1);
const ME: Option<Identity> = Some(Identity {
    producer_id: 7,
    epoch: 0,
});

fn rules() -> Rules {
    Rules {
        batch_bytes: 200,
        linger: Duration::from_millis(5),
        delivery_timeout: Duration::from_secs(120),
        max_in_flight: 5,
        max_request_bytes: 1000,
    }
}

/// Nothing lingers in it.
fn in_a_hurry() -> Accumulator {
    Accumulator {
        urgent: 1,
        ..Default::default()
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("t", index)
}

fn add(accumulator: &mut Accumulator, index: i32, bytes: usize, now: Duration) -> Delivery {
    let record = Record::to("t").value(vec![7; bytes]);
    let mut memory = ByteBudget::new(1 << 20).try_acquire(1);
    let at = (now, 0);
    match accumulator.append(&partition(index), &record, &rules(), at, &mut memory) {
        Ok(Appended::Done { delivery, .. }) => delivery,
        other => panic!("{other:?}"),
    }
}

/// Drains and builds; returns the batches sent with their first sequence numbers.
fn send(accumulator: &mut Accumulator, now: Duration, who: Option<Identity>) -> Vec<(i32, Batch)> {
    let drained = accumulator.drain(now, &rules(), who, |_| NODE);
    let batches = drained.requests.into_values().flatten();
    let built = batches.map(|(mut batch, stamp)| {
        let bytes = batch.bytes(stamp, Codec::default()).unwrap();
        check_crc(&bytes).unwrap();
        batch.attempts += 1;
        (BatchHeader::parse(&bytes).unwrap().base_sequence, batch)
    });
    built.collect()
}

#[test]
fn a_batch_waits_for_more_records_until_it_lingered_or_is_full() {
    let mut accumulator = Accumulator::default();
    add(&mut accumulator, 0, 10, ms(0));
    let drained = accumulator.drain(ms(4), &rules(), None, |_| NODE);
    assert!(drained.requests.is_empty());
    assert_eq!(drained.wake, Some(ms(5)));
    add(&mut accumulator, 0, 10, ms(4));
    let sent = send(&mut accumulator, ms(5), None);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].1.len(), 2);

    add(&mut accumulator, 1, 300, ms(10));
    assert_eq!(
        send(&mut accumulator, ms(10), None).len(),
        1,
        "a full batch does not linger"
    );

    add(&mut accumulator, 2, 10, ms(20));
    accumulator.urgent = 1;
    assert_eq!(
        send(&mut accumulator, ms(20), None).len(),
        1,
        "a flush does not linger"
    );
}

#[test]
fn without_memory_no_batch_is_made() {
    let mut accumulator = Accumulator::default();
    let record = Record::to("t").value("x");
    let result = accumulator.append(&partition(0), &record, &rules(), (ms(0), 0), &mut None);
    assert!(matches!(result, Ok(Appended::NeedsMemory)));
    accumulator.closed = true;
    let result = accumulator.append(&partition(0), &record, &rules(), (ms(0), 0), &mut None);
    assert!(matches!(result, Err(ClientError::Closed)));
}

#[test]
fn sequence_numbers_count_the_records_of_a_partition() {
    let mut accumulator = in_a_hurry();
    for round in 0..3 {
        add(&mut accumulator, 0, 10, ms(0));
        add(&mut accumulator, 0, 10, ms(0));
        let sent = send(&mut accumulator, ms(0), ME);
        assert_eq!(sent[0].0, round * 2);
    }
    add(&mut accumulator, 1, 10, ms(0));
    assert_eq!(send(&mut accumulator, ms(0), ME)[0].0, 0);
}

#[test]
fn sequence_numbers_go_round_at_their_end() {
    assert_eq!(next_sequence(i32::MAX, 1), 0);
    assert_eq!(next_sequence(i32::MAX - 1, 1), i32::MAX);
    assert_eq!(next_sequence(i32::MAX - 1, 5), 3);
}

#[test]
fn batches_that_failed_go_again_in_order_and_one_at_a_time() {
    let mut accumulator = in_a_hurry();
    let mut flying = Vec::new();
    for _ in 0..3 {
        add(&mut accumulator, 0, 10, ms(0));
        flying.extend(send(&mut accumulator, ms(0), ME));
    }
    assert!(accumulator.has_earlier(&flying[2].1));
    assert!(!accumulator.has_earlier(&flying[0].1));
    let third = flying.pop().unwrap().1;
    accumulator.requeue(third);
    assert!(
        send(&mut accumulator, ms(0), ME).is_empty(),
        "two are still in flight"
    );
    let first = flying.remove(0).1;
    accumulator.requeue(first);
    let second = flying.remove(0).1;
    accumulator.requeue(second);
    add(&mut accumulator, 0, 10, ms(0));
    for sequence in 0..4 {
        let mut sent = send(&mut accumulator, ms(0), ME);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].0, sequence, "the old numbers, in order");
        if sequence < 2 {
            assert!(
                send(&mut accumulator, ms(0), ME).is_empty(),
                "alone in flight"
            );
        }
        let (_, batch) = sent.remove(0);
        accumulator.finish(&batch);
        batch.written(0, -1);
    }
    assert!(accumulator.is_idle() && accumulator.unfinished().is_empty());
}

#[test]
fn a_new_identity_counts_anew() {
    let mut accumulator = in_a_hurry();
    add(&mut accumulator, 0, 10, ms(0));
    let lost = send(&mut accumulator, ms(0), ME).remove(0).1;
    accumulator.finish(&lost);
    add(&mut accumulator, 0, 10, ms(0));
    let (sequence, again) = send(&mut accumulator, ms(0), ME).remove(0);
    assert_eq!(sequence, 1);
    accumulator.requeue(again);
    accumulator.restart_sequences();
    let other = Some(Identity {
        producer_id: 8,
        epoch: 0,
    });
    let (sequence, batch) = send(&mut accumulator, ms(0), other).remove(0);
    assert_eq!(sequence, 0);
    let header = BatchHeader::parse(batch.built().unwrap()).unwrap();
    assert_eq!((header.producer_id, header.record_count), (8, 1));
}

#[test]
fn no_more_than_five_batches_of_a_partition_are_in_flight() {
    let mut accumulator = in_a_hurry();
    let mut sent = 0;
    for _ in 0..8 {
        add(&mut accumulator, 0, 300, ms(0));
    }
    while !send(&mut accumulator, ms(0), ME).is_empty() {
        sent += 1;
    }
    assert_eq!(sent, 5);
}

#[test]
fn a_request_holds_no_more_than_its_limit_and_nobody_is_left_behind() {
    let mut accumulator = Accumulator::default();
    for index in 0..10 {
        add(&mut accumulator, index, 250, ms(0));
    }
    let mut seen = Vec::new();
    for _ in 0..4 {
        let sent = send(&mut accumulator, ms(0), None);
        assert!(sent.len() <= 3, "{}", sent.len());
        seen.extend(sent.into_iter().map(|(_, batch)| batch.partition.partition));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
}

#[test]
fn a_batch_that_finds_no_way_expires() {
    let mut accumulator = Accumulator::default();
    let delivery = add(&mut accumulator, 0, 10, ms(0));
    let drained = accumulator.drain(ms(6), &rules(), None, |_| Target::Unknown);
    assert!(drained.unknown.contains("t"));
    assert!(accumulator.expire(ms(119_999), &rules()).is_empty());
    let expired = accumulator.expire(ms(120_000), &rules());
    assert_eq!(expired.len(), 1);
    for batch in expired {
        batch.failed(ClientError::Closed);
    }
    assert!(delivery.now().unwrap().is_err());
    assert!(accumulator.is_idle() && accumulator.unfinished().is_empty());
}
