use super::*;
use odeon_records::{BatchBuilder, control_batch};

fn batch(base_offset: i64, values: &[&str], producer_id: i64, transactional: bool) -> Vec<u8> {
    let mut builder = BatchBuilder::new()
        .base_offset(base_offset)
        .producer(producer_id, 0, 0)
        .transactional(transactional);
    for value in values {
        builder.push(1, None, Some(value.as_bytes()), &[]).unwrap();
    }
    builder.build().unwrap()
}

fn marker(base_offset: i64, producer_id: i64, commit: bool) -> Vec<u8> {
    let coordinator_epoch = 0;
    let marker = if commit {
        ControlRecord::Commit { coordinator_epoch }
    } else {
        ControlRecord::Abort { coordinator_epoch }
    };
    let mut prepared = control_batch(marker, producer_id, 0, 1).unwrap();
    prepared.set_base_offset(base_offset);
    prepared.to_bytes().to_vec()
}

fn fetched(asked: i64, parts: &[Vec<u8>], aborted: &[(i64, i64)]) -> Fetched {
    Fetched {
        partition: TopicPartition::new("t", 0),
        asked,
        code: ErrorCode::None,
        high_watermark: 0,
        records: parts.concat().into(),
        aborted: aborted
            .iter()
            .map(|(producer_id, first_offset)| AbortedTransaction {
                producer_id: *producer_id,
                first_offset: *first_offset,
                ..Default::default()
            })
            .collect(),
    }
}

fn values(fetched: &Fetched, isolation: Isolation) -> (Vec<String>, i64) {
    let config = ConsumerConfig {
        isolation,
        ..Default::default()
    };
    let read = read(fetched, &config).unwrap();
    let values = read.records.into_iter().map(|record| {
        let value = record.value.unwrap();
        String::from_utf8(value.to_vec()).unwrap()
    });
    (values.collect(), read.next)
}

#[test]
fn records_before_the_asked_offset_are_left_out() {
    let fetched = fetched(11, &[batch(10, &["a", "b", "c"], -1, false)], &[]);
    let (values, next) = values(&fetched, Isolation::ReadUncommitted);
    assert_eq!((values.join(" ").as_str(), next), ("b c", 13));
}

#[test]
fn a_batch_that_was_cut_off_waits_for_the_next_fetch() {
    let mut second = batch(1, &["b"], -1, false);
    second.truncate(second.len() - 3);
    let fetched = fetched(0, &[batch(0, &["a"], -1, false), second], &[]);
    let (values, next) = values(&fetched, Isolation::ReadUncommitted);
    assert_eq!((values.join(" ").as_str(), next), ("a", 1));
}

#[test]
fn aborted_transactions_are_for_readers_of_everything_only() {
    let parts = [
        batch(0, &["aborted"], 1, true),
        batch(1, &["committed"], 2, true),
        batch(2, &["plain"], -1, false),
        marker(3, 1, false),
        batch(4, &["later"], 1, true),
        marker(5, 2, true),
        marker(6, 1, true),
    ];
    let fetched = fetched(0, &parts, &[(1, 0)]);
    let (all, next) = values(&fetched, Isolation::ReadUncommitted);
    assert_eq!(
        (all.join(" ").as_str(), next),
        ("aborted committed plain later", 7)
    );
    let (committed, next) = values(&fetched, Isolation::ReadCommitted);
    assert_eq!(
        (committed.join(" ").as_str(), next),
        ("committed plain later", 7)
    );
}

#[test]
fn a_damaged_batch_is_an_error() {
    let mut bytes = batch(0, &["aaaa"], -1, false);
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    let fetched = fetched(0, &[bytes], &[]);
    assert!(read(&fetched, &ConsumerConfig::default()).is_err());
}
