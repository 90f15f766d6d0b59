use super::*;

/// A snapshot and entries written by the first release. Later releases must read them alike.
#[test]
fn the_released_format_stays_readable() {
    let records = fixture_records();
    let entry = include_bytes!("../../../fixtures/v30.entry");
    assert_eq!(entry::decode(entry.as_slice().into()).unwrap(), records);
    let read = snapshot::decode(
        include_bytes!("../../../fixtures/v30.snapshot")
            .as_slice()
            .into(),
    );
    let mut expected = MetadataImage::new("fixture-cluster-id-012");
    expected.apply_entry(&records, Position { index: 77, term: 3 });
    assert_eq!(read.unwrap(), expected);
}

/// Writes the fixture of the current release; run by hand when a release is made.
#[test]
#[ignore = "writes files"]
#[expect(clippy::disallowed_methods, reason = "a tool for the source tree")]
fn write_the_fixture() {
    let records = fixture_records();
    let mut image = MetadataImage::new("fixture-cluster-id-012");
    image.apply_entry(&records, Position { index: 77, term: 3 });
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(
        format!("{dir}/v30.entry"),
        &entry::encode(&records).unwrap()[0],
    )
    .unwrap();
    std::fs::write(
        format!("{dir}/v30.snapshot"),
        snapshot::encode(&image).unwrap(),
    )
    .unwrap();
}

fn fixture_records() -> Vec<MetadataRecord> {
    let feature = FeatureLevelRecord {
        name: "metadata.version".into(),
        feature_level: 30,
        ..Default::default()
    };
    let mut full = RegisterBrokerRecord {
        broker_id: 7,
        broker_epoch: 40,
        rack: Some("r1".into()),
        incarnation_id: topic_id(8),
        cordoned_log_dirs: Some(vec![topic_id(4)]),
        ..Default::default()
    };
    full.end_points
        .push(register_broker_record::BrokerEndpoint {
            name: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 9092,
            ..Default::default()
        });
    let elr = PartitionChangeRecord {
        topic_id: topic_id(1),
        partition_id: 0,
        isr: Some(vec![1]),
        eligible_leader_replicas: Some(vec![2]),
        ..Default::default()
    };
    let producer_ids = ProducerIdsRecord {
        next_producer_id: 3000,
        ..Default::default()
    };
    vec![
        feature.into(),
        full.into(),
        topic(1),
        partition(1, 0),
        partition(1, 1),
        elr.into(),
        config("t1", "retention.ms", Some("1000")),
        producer_ids.into(),
        RegisterControllerRecord {
            controller_id: 7,
            ..Default::default()
        }
        .into(),
        UserScramCredentialRecord {
            name: "u".into(),
            mechanism: 1,
            ..Default::default()
        }
        .into(),
        AccessControlEntryRecord {
            id: topic_id(5),
            ..Default::default()
        }
        .into(),
        NoOpRecord::default().into(),
    ]
}
