use super::*;
use odeon_model::Uuid;

#[test]
fn every_record_reads_back() {
    for record in one_of_each() {
        let frame = record.encode().unwrap();
        assert_eq!(
            MetadataRecord::decode(frame).unwrap(),
            record,
            "{}",
            record.name()
        );
    }
}

#[test]
fn the_frame_is_kafkas() {
    let record: MetadataRecord = TopicRecord {
        name: "a".into(),
        topic_id: Uuid::ONE,
        ..Default::default()
    }
    .into();
    let mut expected = vec![1, 2, 0, 2, b'a'];
    expected.extend_from_slice(&Uuid::ONE.0);
    expected.push(0);
    assert_eq!(record.encode().unwrap(), expected);
}

#[test]
fn an_unknown_record_is_refused_with_its_type() {
    let error = MetadataRecord::decode(Bytes::from_static(&[1, 120, 3, 0])).unwrap_err();
    assert_eq!(
        error,
        RecordError::UnknownType {
            api_key: 120,
            version: 3
        }
    );
    assert!(error.to_string().contains("type 120"));
    let error = MetadataRecord::decode(Bytes::from_static(&[1, 2, 9, 0])).unwrap_err();
    assert!(
        matches!(error, RecordError::UnknownVersion { version: 9, .. }),
        "{error}"
    );
    let error = MetadataRecord::decode(Bytes::from_static(&[2, 2, 0, 0])).unwrap_err();
    assert_eq!(error, RecordError::UnknownFrame(2));
}

#[test]
fn a_cut_or_lengthened_record_is_damaged() {
    let frame = MetadataRecord::from(TopicRecord {
        name: "abc".into(),
        ..Default::default()
    })
    .encode()
    .unwrap();
    for end in 0..frame.len() {
        assert!(matches!(
            MetadataRecord::decode(frame.slice(..end)),
            Err(RecordError::Damaged(_))
        ));
    }
    let mut longer = frame.to_vec();
    longer.push(0);
    assert!(MetadataRecord::decode(longer.into()).is_err());
}
