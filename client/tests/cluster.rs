//! The client against a live cluster: `ODEON_BOOTSTRAP=host:port cargo test -p odeon-client --test
//! cluster -- --ignored`. Any Kafka since 3.0 will do; topics and groups are made and deleted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by a panic"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use odeon_client::{
    Acks, Client, Compression, ConfigChange, ConsumedRecord, Consumer, ConsumerConfig, GroupConfig,
    Isolation, NewTopic, OffsetReset, OffsetSpec, ProducerConfig, Record, Start,
};
use odeon_kernel::Rng;
use odeon_model::{ErrorCode, TopicPartition};

const SOON: Duration = Duration::from_secs(30);

async fn client() -> Client {
    let bootstrap = std::env::var("ODEON_BOOTSTRAP").expect("ODEON_BOOTSTRAP names the cluster");
    Client::connect(&bootstrap).await.unwrap()
}

/// A fresh topic of that many partitions.
async fn topic(client: &Client, partitions: i32) -> String {
    let name = format!("odeon-client-{:x}", Rng::from_entropy().next_u64());
    let mut topic = NewTopic::named(&name);
    topic.partitions = Some(partitions);
    topic.replication_factor = Some(1);
    let results = client.admin().create_topics(&[topic], false).await.unwrap();
    for (_, result) in results {
        result.unwrap();
    }
    // Kafka says that a topic is there before its brokers know.
    settled(client, &name).await;
    name
}

async fn settled(client: &Client, name: &str) {
    let spec = |index| (TopicPartition::new(name, index), OffsetSpec::Latest);
    let topic = client.topic(name, false).await.unwrap();
    let wanted = topic.partitions.iter().map(|one| spec(one.index)).collect();
    let admin = client.admin();
    admin
        .list_offsets(&wanted, Isolation::default())
        .await
        .unwrap();
    admin.topic_configs(name).await.unwrap();
}

async fn read(consumer: &mut Consumer, count: usize) -> Vec<ConsumedRecord> {
    let mut records = Vec::new();
    while records.len() < count {
        let more = consumer.poll(SOON).await.unwrap();
        assert!(
            !more.is_empty(),
            "{} of {count} records came",
            records.len()
        );
        records.extend(more);
    }
    records
}

fn from_the_start(topic: &str, partitions: i32) -> Vec<(TopicPartition, Start)> {
    let earliest = Start::Find(OffsetSpec::Earliest);
    (0..partitions)
        .map(|index| (TopicPartition::new(topic, index), earliest))
        .collect()
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn what_is_written_is_read_in_order_whatever_the_codec_and_the_acks() {
    let client = client().await;
    for compression in Compression::ALL {
        for acks in [Acks::None, Acks::Leader, Acks::All] {
            let name = topic(&client, 3).await;
            let config = ProducerConfig {
                acks,
                compression: compression.into(),
                ..Default::default()
            };
            let producer = client.producer(config).unwrap();
            let mut deliveries = Vec::new();
            for number in 0..5_000 {
                let record = Record::to(name.as_str())
                    .key(format!("key-{}", number % 50))
                    .value(number.to_string())
                    .header("h", "v");
                deliveries.push(producer.enqueue(record).await.unwrap());
            }
            producer.flush().await;
            for delivery in &deliveries {
                let written = delivery.now().unwrap().unwrap();
                assert!((written.offset >= 0) == (acks != Acks::None));
            }
            let mut consumer = client.consumer(ConsumerConfig::default());
            consumer.assign(from_the_start(&name, 3));
            let mut last: BTreeMap<_, i32> = BTreeMap::new();
            for record in read(&mut consumer, 5_000).await {
                let value: i32 = std::str::from_utf8(record.value.as_ref().unwrap())
                    .unwrap()
                    .parse()
                    .unwrap();
                assert_eq!(record.headers.len(), 1);
                let before = last.insert(record.key.clone().unwrap(), value);
                assert!(
                    before.is_none_or(|before| before == value - 50),
                    "order of a key"
                );
            }
            assert_eq!(last.len(), 50);
            producer.close().await;
            client.admin().delete_topics(&[&name]).await.unwrap();
        }
    }
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn positions_are_found_by_place_and_time() {
    let client = client().await;
    let name = topic(&client, 1).await;
    let producer = client.producer(ProducerConfig::default()).unwrap();
    for number in 0..10 {
        let record = Record::to(name.as_str())
            .value("x")
            .timestamp_ms(1_000_000 + number);
        assert_eq!(producer.send(record).await.unwrap().offset, number);
    }
    for (start, first) in [
        (Start::At(4), 4),
        (Start::Find(OffsetSpec::Earliest), 0),
        (Start::Find(OffsetSpec::Timestamp(1_000_007)), 7),
    ] {
        let mut consumer = client.consumer(ConsumerConfig::default());
        consumer.assign([(TopicPartition::new(name.as_str(), 0), start)]);
        assert_eq!(read(&mut consumer, 1).await[0].offset, first);
    }
    for start in [OffsetSpec::Latest, OffsetSpec::Timestamp(2_000_000)] {
        let mut consumer = client.consumer(ConsumerConfig::default());
        consumer.assign([(TopicPartition::new(name.as_str(), 0), Start::Find(start))]);
        assert!(
            consumer
                .poll(Duration::from_millis(100))
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            consumer.position(&TopicPartition::new(name.as_str(), 0)),
            Some(10)
        );
    }
    let mut consumer = client.consumer(ConsumerConfig {
        reset: OffsetReset::Earliest,
        isolation: Isolation::ReadCommitted,
        ..Default::default()
    });
    consumer.assign([(TopicPartition::new(name.as_str(), 0), Start::At(1_000))]);
    assert_eq!(
        read(&mut consumer, 10).await[0].offset,
        0,
        "a position outside starts anew"
    );
    client.admin().delete_topics(&[&name]).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_group_shares_its_topic_and_goes_on_where_it_was() {
    let client = client().await;
    let name = topic(&client, 4).await;
    let group = format!("group-of-{name}");
    let producer = client.producer(ProducerConfig::default()).unwrap();
    for index in 0..4 {
        let record = Record::to(name.as_str()).partition(index).value("first");
        producer.send(record).await.unwrap();
    }
    let config = ConsumerConfig {
        reset: OffsetReset::Earliest,
        ..Default::default()
    };
    let member = || {
        let mut consumer = client.consumer(config.clone());
        let mut membership = GroupConfig::new(&group, vec![name.clone()]);
        membership.heartbeat_interval = Duration::from_millis(200);
        consumer.subscribe(membership);
        consumer
    };
    let mut one = member();
    assert_eq!(read(&mut one, 4).await.len(), 4);
    let mut other = member();
    let shared = async {
        loop {
            let (a, b) = tokio::join!(
                one.poll(Duration::from_millis(300)),
                other.poll(Duration::from_millis(300))
            );
            let again = a.unwrap().len() + b.unwrap().len();
            assert_eq!(again, 0, "what was committed is not read again");
            if one.assignment().len() == 2 && other.assignment().len() == 2 {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, shared).await.unwrap();
    let admin = client.admin();
    let described = admin.describe_group(&group).await.unwrap();
    assert_eq!(described.members.len(), 2);
    assert_eq!(
        admin.delete_group(&group).await.unwrap_err().code(),
        Some(ErrorCode::NonEmptyGroup)
    );
    one.close().await.unwrap();
    other.close().await.unwrap();
    assert!(
        admin
            .list_groups()
            .await
            .unwrap()
            .iter()
            .any(|one| one.group_id == group)
    );
    let offsets = admin.group_offsets(&group).await.unwrap();
    assert!(
        offsets.len() == 4 && offsets.values().all(|one| one.offset == 1),
        "{offsets:?}"
    );
    let back = offsets
        .keys()
        .map(|partition| (partition.clone(), 0))
        .collect();
    admin.alter_group_offsets(&group, &back).await.unwrap();
    let mut third = member();
    assert_eq!(
        read(&mut third, 4).await.len(),
        4,
        "reset offsets are read from"
    );
    third.close().await.unwrap();
    admin.delete_group(&group).await.unwrap();
    let gone = admin.describe_group(&group).await.unwrap_err();
    assert_eq!(gone.code(), Some(ErrorCode::GroupIdNotFound));
    admin.delete_topics(&[&name]).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn topics_are_created_described_changed_and_deleted() {
    let client = client().await;
    let admin = client.admin();
    let name = topic(&client, 2).await;
    let again = NewTopic::named(&name);
    let results = admin.create_topics(&[again], false).await.unwrap();
    let error = results[0].1.as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TopicAlreadyExists));
    admin.create_partitions(&name, 5).await.unwrap();
    let set = ConfigChange::Set("retention.ms".to_owned(), "1234567".to_owned());
    admin.alter_topic_configs(&name, &[set]).await.unwrap();
    // Kafka's brokers learn of a change a moment after it is made.
    let seen = async {
        loop {
            let configs = admin.topic_configs(&name).await.unwrap();
            let set: Vec<_> = configs.iter().filter(|one| one.is_set).collect();
            if let [one] = set.as_slice() {
                assert_eq!(one.name, "retention.ms");
                assert_eq!(one.value.as_deref(), Some("1234567"));
                return;
            }
        }
    };
    tokio::time::timeout(SOON, seen).await.unwrap();
    let bad = ConfigChange::Set("retention.ms".to_owned(), "x".to_owned());
    let error = admin.alter_topic_configs(&name, &[bad]).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::InvalidConfig));
    let seen = async {
        loop {
            let described = admin.describe_topics(&[&name]).await.unwrap();
            if described[0].1.as_ref().unwrap().partitions.len() == 5 {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, seen).await.unwrap();
    assert!(admin.cluster().await.unwrap().topic(&name).is_some());
    admin.delete_topics(&[&name]).await.unwrap()[0]
        .1
        .as_ref()
        .unwrap();
    let results = admin.delete_topics(&[&name]).await.unwrap();
    let error = results[0].1.as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UnknownTopicOrPartition));
}
