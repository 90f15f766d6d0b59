//! What passes between the nodes of followers and leaders.
//!
//! ```text
//! answer to replica-fetch:  length of the head, u32   head, MessagePack   records of all parts
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use odeon_mesh::{CodecError, decode, encode};
use odeon_model::{BrokerEpoch, LeaderEpoch, Offset, PartitionId, TopicId};
use serde::{Deserialize, Serialize};

use super::Key;

/// The service that waits for records.
pub(super) const FETCH: &str = "replica-fetch";
/// The service that takes positions while a fetch waits.
pub(super) const PROGRESS: &str = "replica-progress";
/// The largest request, and the largest head of an answer.
pub(super) const MAX_HEAD_BYTES: usize = 640 * 1024;
/// Positions in one request, so that it stays below [`MAX_HEAD_BYTES`].
pub(super) const MAX_CHANGES: usize = 3_000;
/// Bytes of records in one answer; a batch that is larger comes in pieces.
pub(super) const REPLY_BYTES: usize = 256 * 1024;
/// Parts in one answer.
pub(super) const MAX_PARTS: usize = 2_000;

/// Where a follower is. Partitions that are not named are where they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The epoch it follows in.
    pub leader_epoch: LeaderEpoch,
    /// Its first offset.
    pub log_start: Offset,
    /// One past its last record: what it wants next.
    pub log_end: Offset,
    /// One past what it has on disk.
    pub flushed: Offset,
    /// The epoch of its last record, -1 if it has none.
    pub last_epoch: LeaderEpoch,
    /// Bytes that it has of the batch at `log_end`, which came in pieces.
    pub has_bytes: u32,
    /// The number of the last part it took in. One that begins takes a number of its own.
    pub heard: u32,
    /// What it was last sent does not fit its checksum: the leader's log may be damaged there.
    #[serde(default)]
    pub refuses: bool,
}

/// A partition's position in a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) topic_id: TopicId,
    pub(super) partition: PartitionId,
    pub(super) at: Position,
}

impl Change {
    pub(super) fn key(&self) -> Key {
        (self.topic_id, self.partition)
    }
}

/// What a fetcher says of its followers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The session it belongs to.
    pub(super) session: u64,
    /// The first request of a session: it need not be known.
    pub(super) begins: bool,
    /// Counts the requests of the session, which may overtake each other.
    pub(super) sequence: u64,
    /// The epoch of the followers' registration.
    pub(super) broker_epoch: BrokerEpoch,
    /// Where followers are.
    pub(super) changes: Vec<Change>,
    /// What is not followed any more.
    pub(super) forgotten: Vec<Key>,
}

/// A fetch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Fetch {
    pub(super) progress: Progress,
    /// How long to wait for something to tell.
    pub(super) max_wait_ms: u32,
}

/// What becomes of a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// Records, or only newer offsets.
    Records,
    /// The node does not lead this partition in this epoch, or not yet.
    NotLeader,
    /// The leader's history is another: the largest epoch not above the follower's last, and where
    /// it ends.
    Diverging(LeaderEpoch, Offset),
    /// The follower's log end lies outside the leader's log, which ends there.
    OutOfRange(Offset),
    /// The leader cannot read its log.
    Failed,
}

/// A partition's part of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) topic_id: TopicId,
    pub(super) partition: PartitionId,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) outcome: Outcome,
    pub(super) high_watermark: Offset,
    pub(super) log_start: Offset,
    pub(super) number: u32,
    pub(super) after: (Offset, u32),
    /// Bytes of it behind the head.
    pub(super) bytes: u32,
    /// Whether the batch goes on in the next answer.
    pub(super) is_piece: bool,
}

/// A partition's part of an answer, with its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The partition.
    pub key: Key,
    /// The epoch that the answer is for.
    pub leader_epoch: LeaderEpoch,
    /// What becomes of the follower.
    pub outcome: Outcome,
    /// The leader's high watermark.
    pub high_watermark: Offset,
    /// The leader's log start.
    pub log_start: Offset,
    /// What the follower has heard when it has taken this in.
    pub number: u32,
    /// Where the follower was that this goes on from: its log end, and its bytes of the batch there.
    pub after: (Offset, u32),
    /// Whole batches, or a piece of one.
    pub records: Bytes,
    /// Whether `records` are a piece of one batch that is not its last.
    pub is_piece: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Heads {
    /// False: the session is not known, begin another.
    known: bool,
    parts: Vec<Head>,
}

/// An answer to a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) known: bool,
    pub(super) parts: Vec<Part>,
}

impl Answer {
    pub(super) fn to_bytes(&self) -> Result<Bytes, CodecError> {
        let parts = self.parts.iter().map(|part| Head {
            topic_id: part.key.0,
            partition: part.key.1,
            leader_epoch: part.leader_epoch,
            outcome: part.outcome,
            high_watermark: part.high_watermark,
            log_start: part.log_start,
            number: part.number,
            after: part.after,
            bytes: u32::try_from(part.records.len()).unwrap_or(u32::MAX),
            is_piece: part.is_piece,
        });
        let heads = Heads {
            known: self.known,
            parts: parts.collect(),
        };
        let head = encode(&heads, MAX_HEAD_BYTES)?;
        let records: usize = self.parts.iter().map(|part| part.records.len()).sum();
        let mut bytes = BytesMut::with_capacity(4 + head.len() + records);
        bytes.put_u32(u32::try_from(head.len()).unwrap_or(u32::MAX));
        bytes.put(head);
        for part in &self.parts {
            bytes.put_slice(&part.records);
        }
        Ok(bytes.freeze())
    }

    /// Takes an answer apart; its records share the bytes.
    pub(super) fn parse(mut bytes: Bytes) -> Result<Self, CodecError> {
        let short = || CodecError::Decode("the answer is too short".to_owned());
        let head_bytes = bytes.get(..4).and_then(|head| head.try_into().ok());
        let head_bytes = u32::from_be_bytes(head_bytes.ok_or_else(short)?) as usize;
        if bytes.len() - 4 < head_bytes {
            return Err(short());
        }
        let mut rest = bytes.split_off(4 + head_bytes);
        let heads: Heads = decode(&bytes.slice(4..), MAX_HEAD_BYTES)?;
        let mut parts = Vec::with_capacity(heads.parts.len());
        for head in heads.parts {
            let len = head.bytes as usize;
            if rest.len() < len {
                return Err(short());
            }
            parts.push(Part {
                key: (head.topic_id, head.partition),
                leader_epoch: head.leader_epoch,
                outcome: head.outcome,
                high_watermark: head.high_watermark,
                log_start: head.log_start,
                number: head.number,
                after: head.after,
                records: rest.split_to(len),
                is_piece: head.is_piece,
            });
        }
        let known = heads.known;
        Ok(Self { known, parts })
    }
}
