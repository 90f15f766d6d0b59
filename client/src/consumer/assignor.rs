//! Who reads what: the range assignor, and the consumer protocol's wrapping of it.
//!
//! Source: `org.apache.kafka.clients.consumer.RangeAssignor`,
//! `org.apache.kafka.clients.consumer.internals.ConsumerProtocol`.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use odeon_model::TopicPartition;
use odeon_schema::consumer_protocol::consumer_protocol_assignment::TopicPartition as AssignedTopic;
use odeon_schema::consumer_protocol::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use odeon_schema::{DecodeError, Decoder, EncodeError, Encoder, Message};

/// The name of the range assignor in the group protocol.
pub(super) const RANGE: &str = "range";
/// The protocol type of consumer groups.
pub(super) const PROTOCOL_TYPE: &str = "consumer";

/// A member of a group and the topics it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscriber {
    pub(super) member_id: String,
    pub(super) instance_id: Option<String>,
    pub(super) topics: Vec<String>,
}

impl Subscriber {
    /// Static members come first, by their instance ids; the others by their member ids.
    fn rank(&self) -> (bool, &str, &str) {
        match &self.instance_id {
            Some(instance_id) => (false, instance_id, &self.member_id),
            None => (true, &self.member_id, ""),
        }
    }
}

/// The partitions of each member.
pub type Assignment = BTreeMap<String, Vec<TopicPartition>>;

/// Gives each topic's partitions, in consecutive runs, to the members that want the topic; the
/// first members get one more when the numbers do not divide. `subscribers` are
/// `(member id, group instance id, topics)`, `partitions` the number of partitions by topic; topics
/// that do not exist are left out.
pub fn range_assignment(
    subscribers: &[(String, Option<String>, Vec<String>)],
    partitions: &BTreeMap<String, u32>,
) -> Assignment {
    let subscribers = subscribers
        .iter()
        .map(|(member_id, instance_id, topics)| Subscriber {
            member_id: member_id.clone(),
            instance_id: instance_id.clone(),
            topics: topics.clone(),
        });
    assign(&subscribers.collect::<Vec<_>>(), partitions)
}

pub(super) fn assign(subscribers: &[Subscriber], partitions: &BTreeMap<String, u32>) -> Assignment {
    let mut ranked: Vec<_> = subscribers.iter().collect();
    ranked.sort_by_key(|one| one.rank());
    let mut assignment: Assignment = ranked
        .iter()
        .map(|one| (one.member_id.clone(), Vec::new()))
        .collect();
    for (topic, count) in partitions {
        let wanting: Vec<_> = ranked
            .iter()
            .filter(|one| one.topics.contains(topic))
            .collect();
        let Ok(members) = u32::try_from(wanting.len()) else {
            continue;
        };
        if members == 0 {
            continue;
        }
        let (each, extra) = (count / members, count % members);
        let mut next = 0;
        for (place, member) in (0..members).zip(wanting) {
            let run = each + u32::from(place < extra);
            let partitions = (next..next + run).map(u32::cast_signed);
            next += run;
            let name: std::sync::Arc<str> = topic.as_str().into();
            let assigned = assignment.entry(member.member_id.clone()).or_default();
            assigned.extend(partitions.map(|index| TopicPartition::new(name.clone(), index)));
        }
    }
    assignment
}

/// What a member says when it joins.
pub(super) fn encode_subscription(topics: &[String]) -> Result<Bytes, EncodeError> {
    let mut topics = topics.to_vec();
    topics.sort_unstable();
    let subscription = ConsumerProtocolSubscription {
        topics,
        ..Default::default()
    };
    encode(&subscription, 1)
}

/// The topics a member wants.
pub(crate) fn decode_subscription(bytes: Bytes) -> Result<Vec<String>, DecodeError> {
    let subscription: ConsumerProtocolSubscription = decode(bytes)?;
    Ok(subscription.topics)
}

/// What the group's leader tells a member.
pub(super) fn encode_assignment(partitions: &[TopicPartition]) -> Result<Bytes, EncodeError> {
    let mut topics: Vec<AssignedTopic> = Vec::new();
    for partition in partitions {
        match topics
            .last_mut()
            .filter(|one| *one.topic == *partition.topic)
        {
            Some(topic) => topic.partitions.push(partition.partition),
            None => topics.push(AssignedTopic {
                topic: partition.topic.to_string(),
                partitions: vec![partition.partition],
            }),
        }
    }
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: topics,
        ..Default::default()
    };
    encode(&assignment, 1)
}

/// What a member is to read.
pub(crate) fn decode_assignment(bytes: Bytes) -> Result<Vec<TopicPartition>, DecodeError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let assignment: ConsumerProtocolAssignment = decode(bytes)?;
    let topics = assignment.assigned_partitions.into_iter();
    let partitions = topics.flat_map(|topic| {
        let name: std::sync::Arc<str> = topic.topic.into();
        let partitions = topic.partitions.into_iter();
        partitions.map(move |index| TopicPartition::new(name.clone(), index))
    });
    Ok(partitions.collect())
}

/// The version stands before the message.
fn encode<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut encoder = Encoder::new();
    encoder.i16(version);
    message.encode(&mut encoder, version)?;
    let mut bytes = BytesMut::new();
    encoder
        .finish()
        .iter()
        .for_each(|segment| bytes.extend_from_slice(segment));
    Ok(bytes.freeze())
}

/// Reads a message of any version; one that is newer than ours begins like our newest.
fn decode<M: Message>(bytes: Bytes) -> Result<M, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let version = decoder.i16()?.min(M::MAX_VERSION);
    M::decode(&mut decoder, version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter::zip;

    fn member(id: &str, instance: Option<&str>, topics: &[&str]) -> Subscriber {
        Subscriber {
            member_id: id.to_owned(),
            instance_id: instance.map(str::to_owned),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        }
    }

    fn shown(assignment: &Assignment) -> Vec<(String, String)> {
        let show = |partitions: &Vec<TopicPartition>| {
            let texts: Vec<_> = partitions.iter().map(ToString::to_string).collect();
            texts.join(" ")
        };
        assignment
            .iter()
            .map(|(id, partitions)| (id.clone(), show(partitions)))
            .collect()
    }

    #[test]
    fn the_first_members_get_what_does_not_divide() {
        let members = [
            member("b", None, &["t", "u"]),
            member("a", None, &["t", "u"]),
        ];
        let partitions = [("t".to_owned(), 3), ("u".to_owned(), 2)].into();
        let expected = [("a", "t-0 t-1 u-0"), ("b", "t-2 u-1")];
        for (got, want) in zip(shown(&assign(&members, &partitions)), expected) {
            assert_eq!((got.0.as_str(), got.1.as_str()), want);
        }
    }

    #[test]
    fn members_without_a_share_are_listed_with_nothing() {
        let members = [
            member("a", None, &["t"]),
            member("b", None, &["t"]),
            member("c", None, &[]),
        ];
        let assignment = assign(&members, &[("t".to_owned(), 1)].into());
        let sizes: Vec<_> = assignment.values().map(Vec::len).collect();
        assert_eq!(sizes, [1, 0, 0]);
    }

    #[test]
    fn static_members_come_first() {
        let members = [member("a", None, &["t"]), member("z", Some("i"), &["t"])];
        let assignment = assign(&members, &[("t".to_owned(), 1)].into());
        assert_eq!(assignment["z"].len(), 1);
    }

    #[test]
    fn the_wrapping_reads_back() {
        let topics = ["b".to_owned(), "a".to_owned()];
        let bytes = encode_subscription(&topics).unwrap();
        assert_eq!(decode_subscription(bytes).unwrap(), ["a", "b"]);
        let partitions = [0, 1].map(|index| TopicPartition::new("t", index));
        let bytes = encode_assignment(&partitions).unwrap();
        assert_eq!(decode_assignment(bytes).unwrap(), partitions);
        assert!(decode_assignment(Bytes::new()).unwrap().is_empty());
        assert!(decode_assignment(Bytes::from_static(&[0, 1, 9])).is_err());
    }
}
