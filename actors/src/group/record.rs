//! The records of `__consumer_offsets`, in Kafka's own format.
//!
//! | key's version | key | value |
//! |---|---|---|
//! | 0, 1 | group, topic, partition | an offset; versions 0 to 4 |
//! | 2 | group | a classic group: generation, protocol, leader, members; versions 0 to 4 |
//! | 3 and later | other kinds of groups | skipped here |
//!
//! A record without a value forgets what its key names. Offsets are written in version 4 (1 with
//! an expiry of their own), groups in version 3, as Kafka 4.4 does
//! (`GroupCoordinatorRecordHelpers`).

use bytes::{Buf, Bytes};
use odeon_schema::group::{
    GroupMetadataKey, GroupMetadataValue, LegacyOffsetCommitKey, LegacyOffsetCommitValue,
    OffsetCommitKey, OffsetCommitValue,
};
use odeon_schema::{DecodeError, Decoder, EncodeError, Encoder, Message, Record};

use super::offsets::CommittedOffset;

/// A record's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoordinatorRecord {
    /// What the record is about.
    pub key: Bytes,
    /// What is to be known about it from now on; none to forget it.
    pub value: Option<Bytes>,
}

/// More than a record's own framing in a batch takes, in bytes.
const RECORD_OVERHEAD_BYTES: usize = 32;

impl CoordinatorRecord {
    /// At most how many bytes the record takes in a batch.
    pub fn size_bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len) + RECORD_OVERHEAD_BYTES
    }
}

/// A record's meaning.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum GroupRecord {
    /// A committed offset, or that there is none any more.
    Offset {
        group: String,
        topic: String,
        partition: i32,
        value: Option<CommittedOffset>,
    },
    /// A classic group, or that there is none any more.
    Group {
        group: String,
        value: Option<GroupMetadataValue>,
    },
}

const GROUP_VALUE_VERSION: i16 = 3;
const OFFSET_VALUE_VERSION: i16 = 4;
const EXPIRING_OFFSET_VALUE_VERSION: i16 = 1;
/// What is read as it were the newest version we know: later ones only add tagged fields.
const NEWEST_VALUE_VERSION: i16 = 4;

/// The bytes of a record that says `value` about a partition's offset.
pub(crate) fn offset_record(
    group: &str,
    topic: &str,
    partition: i32,
    value: Option<&CommittedOffset>,
) -> Result<CoordinatorRecord, EncodeError> {
    let key = OffsetCommitKey {
        group: group.to_owned(),
        topic: topic.to_owned(),
        partition,
    };
    let value = value
        .map(|value| {
            let version = match value.expire_timestamp_ms {
                Some(_) => EXPIRING_OFFSET_VALUE_VERSION,
                None => OFFSET_VALUE_VERSION,
            };
            let value = OffsetCommitValue {
                offset: value.offset,
                leader_epoch: value.leader_epoch,
                metadata: value.metadata.clone(),
                commit_timestamp: value.commit_timestamp_ms,
                expire_timestamp: value.expire_timestamp_ms.unwrap_or(-1),
                topic_id: value.topic_id,
                unknown_tagged_fields: Vec::new(),
            };
            versioned(version, &value, version)
        })
        .transpose()?;
    Ok(CoordinatorRecord {
        key: key_bytes(&key)?,
        value,
    })
}

/// The bytes of a record that says `value` about a group.
pub(crate) fn group_record(
    group: &str,
    value: Option<&GroupMetadataValue>,
) -> Result<CoordinatorRecord, EncodeError> {
    let key = GroupMetadataKey {
        group: group.to_owned(),
    };
    let value = value
        .map(|value| versioned(GROUP_VALUE_VERSION, value, GROUP_VALUE_VERSION))
        .transpose()?;
    Ok(CoordinatorRecord {
        key: key_bytes(&key)?,
        value,
    })
}

fn key_bytes<K: Record>(key: &K) -> Result<Bytes, EncodeError> {
    versioned(K::API_KEY, key, 0)
}

fn versioned<M: Message>(prefix: i16, message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut encoder = Encoder::new();
    encoder.i16(prefix);
    message.encode(&mut encoder, version)?;
    Ok(encoder.finish_contiguous())
}

/// Reads a record; none if its key is of a kind that this coordinator does not know.
pub(crate) fn decode(
    key: &Bytes,
    value: Option<&Bytes>,
) -> Result<Option<GroupRecord>, DecodeError> {
    let (kind, key) = split_version(key)?;
    let decoded = match kind {
        LegacyOffsetCommitKey::API_KEY | OffsetCommitKey::API_KEY => {
            // Both keys are laid out alike; the newer value began at version 0 with the older.
            let key = OffsetCommitKey::decode(&mut Decoder::new(key), 0)?;
            let value = value.map(offset_value).transpose()?;
            GroupRecord::Offset {
                group: key.group,
                topic: key.topic,
                partition: key.partition,
                value,
            }
        }
        GroupMetadataKey::API_KEY => {
            let key = GroupMetadataKey::decode(&mut Decoder::new(key), 0)?;
            let value = value.map(group_value).transpose()?;
            GroupRecord::Group {
                group: key.group,
                value,
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(decoded))
}

fn split_version(bytes: &Bytes) -> Result<(i16, Bytes), DecodeError> {
    let mut rest = bytes.clone();
    let remaining = rest.len();
    let version = rest.try_get_i16().map_err(|_| DecodeError::Truncated {
        wanted: 2,
        remaining,
    })?;
    Ok((version, rest))
}

fn offset_value(bytes: &Bytes) -> Result<CommittedOffset, DecodeError> {
    let (version, rest) = split_version(bytes)?;
    let mut decoder = Decoder::new(rest);
    if version == 0 {
        let value = LegacyOffsetCommitValue::decode(&mut decoder, 0)?;
        return Ok(CommittedOffset {
            offset: value.offset,
            leader_epoch: -1,
            metadata: value.metadata,
            commit_timestamp_ms: value.commit_timestamp,
            expire_timestamp_ms: None,
            topic_id: odeon_model::Uuid::ZERO,
        });
    }
    let value = OffsetCommitValue::decode(&mut decoder, version.min(NEWEST_VALUE_VERSION))?;
    Ok(CommittedOffset {
        offset: value.offset,
        leader_epoch: value.leader_epoch,
        metadata: value.metadata,
        commit_timestamp_ms: value.commit_timestamp,
        expire_timestamp_ms: (value.expire_timestamp != -1).then_some(value.expire_timestamp),
        topic_id: value.topic_id,
    })
}

fn group_value(bytes: &Bytes) -> Result<GroupMetadataValue, DecodeError> {
    let (version, rest) = split_version(bytes)?;
    GroupMetadataValue::decode(&mut Decoder::new(rest), version.min(NEWEST_VALUE_VERSION))
}

#[cfg(test)]
mod tests {
    use super::*;
    use odeon_model::Uuid;
    use odeon_schema::group::MemberMetadata;

    fn committed() -> CommittedOffset {
        CommittedOffset {
            offset: 42,
            leader_epoch: 7,
            metadata: "m".to_owned(),
            commit_timestamp_ms: 1_000,
            expire_timestamp_ms: None,
            topic_id: Uuid::ONE,
        }
    }

    fn from_hex(text: &str) -> Bytes {
        let digit = |index| u8::from_str_radix(&text[index..index + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(digit).collect()
    }

    /// Key and value as Kafka 4.4.0 writes them (`GroupCoordinatorRecordSerde`).
    #[test]
    fn records_have_the_bytes_that_kafka_writes() {
        let offset_key = "000100036772700005746f70696300000003";
        let table = [
            (
                Some(CommittedOffset {
                    metadata: "meta".to_owned(),
                    topic_id: Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]),
                    ..committed()
                }),
                "0004000000000000002a00000007056d65746100000000000003e8\
                 01001000000000000000000000000000000009",
            ),
            (
                Some(CommittedOffset {
                    leader_epoch: -1,
                    metadata: String::new(),
                    topic_id: Uuid::ZERO,
                    ..committed()
                }),
                "0004000000000000002affffffff0100000000000003e800",
            ),
            (
                Some(CommittedOffset {
                    metadata: "meta".to_owned(),
                    expire_timestamp_ms: Some(2_000),
                    topic_id: Uuid::ZERO,
                    ..committed()
                }),
                "0001000000000000002a00046d65746100000000000003e800000000000007d0",
            ),
            (None, ""),
        ];
        for (value, wanted) in table {
            let record = offset_record("grp", "topic", 3, value.as_ref()).unwrap();
            assert_eq!(record.key, from_hex(offset_key));
            assert_eq!(record.value, value.map(|_| from_hex(wanted)));
        }
        let group = GroupMetadataValue {
            protocol_type: "consumer".to_owned(),
            generation: 4,
            protocol: Some("range".to_owned()),
            leader: Some("m".to_owned()),
            current_state_timestamp: 5,
            members: vec![MemberMetadata {
                member_id: "m".to_owned(),
                group_instance_id: Some("i".to_owned()),
                client_id: "c".to_owned(),
                client_host: "/h".to_owned(),
                rebalance_timeout: 60_000,
                session_timeout: 10_000,
                subscription: Bytes::from_static(&[1, 2]),
                assignment: Bytes::from_static(&[3]),
                ..MemberMetadata::default()
            }],
            ..GroupMetadataValue::default()
        };
        let record = group_record("grp", Some(&group)).unwrap();
        assert_eq!(record.key, from_hex("00020003677270"));
        let wanted = "00030008636f6e73756d657200000004000572616e676500016d0000000000000005\
                      0000000100016d00016900016300022f680000ea60000027100000000201020000000103";
        assert_eq!(record.value, Some(from_hex(wanted)));
        assert_eq!(
            group_record("grp", None).unwrap().key,
            from_hex("00020003677270")
        );
    }

    #[test]
    fn an_offset_reads_back_and_has_kafkas_bytes() {
        let record = offset_record("g", "t", 3, Some(&committed())).unwrap();
        assert_eq!(&record.key[..], b"\0\x01\0\x01g\0\x01t\0\0\0\x03");
        let value = record.value.clone().unwrap();
        assert_eq!(&value[..2], b"\0\x04");
        assert_eq!(&value[2..16], b"\0\0\0\0\0\0\0\x2a\0\0\0\x07\x02m");
        let decoded = decode(&record.key, record.value.as_ref()).unwrap().unwrap();
        let (group, topic) = ("g".to_owned(), "t".to_owned());
        let wanted = GroupRecord::Offset {
            group,
            topic,
            partition: 3,
            value: Some(committed()),
        };
        assert_eq!(decoded, wanted);
    }

    #[test]
    fn an_offset_with_its_own_expiry_is_written_in_version_1() {
        let value = CommittedOffset {
            expire_timestamp_ms: Some(9),
            ..committed()
        };
        let record = offset_record("g", "t", 3, Some(&value)).unwrap();
        assert_eq!(&record.value.as_ref().unwrap()[..2], b"\0\x01");
        let decoded = decode(&record.key, record.value.as_ref()).unwrap().unwrap();
        let GroupRecord::Offset {
            value: Some(read), ..
        } = decoded
        else {
            panic!("{decoded:?}")
        };
        assert_eq!(read.expire_timestamp_ms, Some(9));
    }

    #[test]
    fn a_group_reads_back() {
        let value = GroupMetadataValue {
            protocol_type: "consumer".to_owned(),
            generation: 4,
            protocol: Some("range".to_owned()),
            leader: Some("a".to_owned()),
            current_state_timestamp: 5,
            members: vec![MemberMetadata {
                member_id: "a".to_owned(),
                subscription: Bytes::from_static(b"s"),
                assignment: Bytes::from_static(b"x"),
                ..MemberMetadata::default()
            }],
            ..GroupMetadataValue::default()
        };
        let record = group_record("g", Some(&value)).unwrap();
        assert_eq!(&record.key[..], b"\0\x02\0\x01g");
        assert_eq!(&record.value.as_ref().unwrap()[..2], b"\0\x03");
        let decoded = decode(&record.key, record.value.as_ref()).unwrap();
        assert_eq!(
            decoded,
            Some(GroupRecord::Group {
                group: "g".to_owned(),
                value: Some(value)
            })
        );
    }

    #[test]
    fn what_is_not_ours_is_skipped_and_what_is_broken_is_refused() {
        assert_eq!(
            decode(&Bytes::from_static(b"\0\x03\0\x01g"), None),
            Ok(None)
        );
        assert!(decode(&Bytes::from_static(b"\0"), None).is_err());
        assert!(decode(&Bytes::from_static(b"\0\x01\0\x09g"), None).is_err());
        let key = group_record("g", None).unwrap().key;
        assert!(decode(&key, Some(&Bytes::from_static(b"\0\x03\0"))).is_err());
    }

    #[test]
    fn a_name_too_long_for_the_format_is_refused() {
        assert!(group_record(&"g".repeat(40_000), None).is_err());
    }
}
