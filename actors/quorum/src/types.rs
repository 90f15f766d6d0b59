//! The Raft library's type parameters, and our own stable forms of what it stores and sends.
//!
//! The library's structs change between its releases, so nothing of it is serialized: log frames,
//! the vote file, snapshot heads and messages are made of the `Stored*` types here, encoded as
//! MessagePack maps with short field names. A field may be added, none may change its meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use odeon_model::Uuid;
use serde::{Deserialize, Serialize};

/// The runtime the Raft library runs on.
pub(crate) type Runtime = crate::runtime::KernelRuntime;

openraft::declare_raft_types!(
    /// What the Raft library is instantiated with.
    pub(crate) Types:
        D = Proposal,
        R = Outcome,
        NodeId = ReplicaId,
        Node = Endpoint,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, ReplicaId>,
        AsyncRuntime = Runtime,
);

pub(crate) type CommittedLeader = openraft::type_config::alias::CommittedLeaderIdOf<Types>;
pub(crate) type LogId = openraft::type_config::alias::LogIdOf<Types>;
pub(crate) type Vote = openraft::type_config::alias::VoteOf<Types>;
pub(crate) type Entry = openraft::type_config::alias::EntryOf<Types>;
pub(crate) type Membership = openraft::Membership<ReplicaId, Endpoint>;
pub(crate) type MembershipAt = openraft::type_config::alias::StoredMembershipOf<Types>;
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<Types>;

/// A replica of the quorum's log: a node, and the directory that holds the log. A node that lost
/// its disk comes back with another directory id and is thereby another replica: it cannot vote
/// as the one that had promised something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct ReplicaId {
    /// The node's id.
    #[serde(rename = "n")]
    pub node_id: i32,
    /// The id of the metadata log directory.
    #[serde(rename = "d", with = "uuid_bytes")]
    pub directory_id: Uuid,
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.node_id, self.directory_id)
    }
}

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
impl From<u64> for ReplicaId {
    fn from(id: u64) -> Self {
        Self {
            node_id: i32::try_from(id).unwrap(),
            directory_id: Uuid::ONE,
        }
    }
}

/// An id as sixteen bytes.
pub(crate) mod uuid_bytes {
    use super::Uuid;
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(id: &Uuid, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&id.0)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Uuid, D::Error> {
        let bytes: serde_bytes::ByteArray<16> = serde::Deserialize::deserialize(from)?;
        Ok(Uuid(bytes.into_array()))
    }
}

/// `Bytes` as one MessagePack byte string.
pub(crate) mod raw_bytes {
    use bytes::Bytes;
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let bytes: serde_bytes::ByteBuf = serde::Deserialize::deserialize(from)?;
        Ok(Bytes::from(bytes.into_vec()))
    }
}

/// Where a voter is reached: the quorum does not interpret it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Endpoint(pub(crate) String);

/// One proposed entry, and the term in which it was decided.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proposal {
    pub(crate) expected_term: u64,
    #[serde(with = "raw_bytes")]
    pub(crate) entry: Bytes,
}

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes decided in term {}",
            self.entry.len(),
            self.expected_term
        )
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What became of a committed entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// The state machine saw it.
    Applied,
    /// It was appended in another term than it was decided in: every replica skips it.
    Stale,
}

pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId {
        leader_id: CommittedLeader::new(term),
        index,
    }
}

/// The stored form of a log id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct StoredLogId {
    #[serde(rename = "t")]
    pub(crate) term: u64,
    #[serde(rename = "i")]
    pub(crate) index: u64,
}

impl From<LogId> for StoredLogId {
    fn from(id: LogId) -> Self {
        Self {
            term: id.leader_id.term,
            index: id.index,
        }
    }
}

impl From<StoredLogId> for LogId {
    fn from(id: StoredLogId) -> Self {
        log_id(id.term, id.index)
    }
}

/// The stored form of a vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct StoredVote {
    #[serde(rename = "t")]
    pub(crate) term: u64,
    #[serde(rename = "r")]
    pub(crate) voted_for: ReplicaId,
    #[serde(rename = "c")]
    pub(crate) committed: bool,
}

impl From<Vote> for StoredVote {
    fn from(vote: Vote) -> Self {
        let (term, voted_for) = (vote.leader_id.term, vote.leader_id.voted_for);
        Self {
            term,
            voted_for,
            committed: vote.committed,
        }
    }
}

impl From<StoredVote> for Vote {
    fn from(vote: StoredVote) -> Self {
        if vote.committed {
            Vote::new_committed(vote.term, vote.voted_for)
        } else {
            Vote::new(vote.term, vote.voted_for)
        }
    }
}

/// The stored form of a membership: one set of voters, two while it is changing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct StoredMembership {
    #[serde(rename = "v")]
    voters: Vec<Vec<ReplicaId>>,
    #[serde(rename = "e")]
    endpoints: Vec<(ReplicaId, String)>,
}

impl From<&Membership> for StoredMembership {
    fn from(membership: &Membership) -> Self {
        let sets = membership.get_joint_config();
        Self {
            voters: sets
                .iter()
                .map(|set| set.iter().copied().collect())
                .collect(),
            endpoints: membership
                .nodes()
                .map(|(id, at)| (*id, at.0.clone()))
                .collect(),
        }
    }
}

impl TryFrom<StoredMembership> for Membership {
    type Error = String;

    fn try_from(stored: StoredMembership) -> Result<Self, String> {
        if stored.voters.is_empty() && stored.endpoints.is_empty() {
            return Ok(Self::default());
        }
        let sets: Vec<BTreeSet<ReplicaId>> = stored
            .voters
            .into_iter()
            .map(|set| set.into_iter().collect())
            .collect();
        let nodes: BTreeMap<ReplicaId, Endpoint> = stored
            .endpoints
            .into_iter()
            .map(|(id, at)| (id, Endpoint(at)))
            .collect();
        Self::new(sets, nodes).map_err(|error| format!("bad membership: {error}"))
    }
}

/// What an entry carries.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum StoredPayload {
    /// Nothing: a new leader's first entry.
    #[serde(rename = "b")]
    Blank,
    /// A proposal: the term it was decided in and its bytes.
    #[serde(rename = "p")]
    Proposal {
        #[serde(rename = "x")]
        expected_term: u64,
        #[serde(rename = "e", with = "raw_bytes")]
        entry: Bytes,
    },
    /// A change of the voters.
    #[serde(rename = "m")]
    Membership(StoredMembership),
}

/// The stored form of an entry.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct StoredEntry {
    #[serde(rename = "l")]
    pub(crate) log_id: StoredLogId,
    #[serde(rename = "p")]
    pub(crate) payload: StoredPayload,
}

impl From<Entry> for StoredEntry {
    fn from(entry: Entry) -> Self {
        let payload = match entry.payload {
            openraft::EntryPayload::Blank => StoredPayload::Blank,
            openraft::EntryPayload::Normal(Proposal {
                expected_term,
                entry,
            }) => StoredPayload::Proposal {
                expected_term,
                entry,
            },
            openraft::EntryPayload::Membership(membership) => {
                StoredPayload::Membership(StoredMembership::from(&membership))
            }
        };
        Self {
            log_id: entry.log_id.into(),
            payload,
        }
    }
}

impl StoredEntry {
    pub(crate) fn into_entry(self) -> Result<Entry, String> {
        let payload = match self.payload {
            StoredPayload::Blank => openraft::EntryPayload::Blank,
            StoredPayload::Proposal {
                expected_term,
                entry,
            } => openraft::EntryPayload::Normal(Proposal {
                expected_term,
                entry,
            }),
            StoredPayload::Membership(membership) => {
                openraft::EntryPayload::Membership(membership.try_into()?)
            }
        };
        Ok(Entry {
            log_id: self.log_id.into(),
            payload,
        })
    }
}

/// The stored form of a membership with the place in the log where it was decided.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct StoredSnapshotMeta {
    #[serde(rename = "l")]
    pub(crate) last_log_id: Option<StoredLogId>,
    #[serde(rename = "a")]
    pub(crate) membership_log_id: Option<StoredLogId>,
    #[serde(rename = "m")]
    pub(crate) membership: StoredMembership,
}

impl From<&SnapshotMeta> for StoredSnapshotMeta {
    fn from(meta: &SnapshotMeta) -> Self {
        Self {
            last_log_id: meta.last_log_id.map(Into::into),
            membership_log_id: (*meta.last_membership.log_id()).map(Into::into),
            membership: meta.last_membership.membership().into(),
        }
    }
}

impl TryFrom<StoredSnapshotMeta> for SnapshotMeta {
    type Error = String;

    fn try_from(stored: StoredSnapshotMeta) -> Result<Self, String> {
        Ok(Self {
            last_log_id: stored.last_log_id.map(Into::into),
            last_membership: MembershipAt::new(
                stored.membership_log_id.map(Into::into),
                stored.membership.try_into()?,
            ),
        })
    }
}
