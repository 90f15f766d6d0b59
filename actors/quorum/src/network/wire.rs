//! What is sent, as MessagePack maps.

use bytes::Bytes;
use odeon_model::Uuid;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest, VoteResponse,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::members::MemberError;
use crate::role::QuorumStatus;
use crate::types::{
    ReplicaId, StoredEntry, StoredLogId, StoredSnapshotMeta, StoredVote, Types, raw_bytes,
    uuid_bytes,
};

/// The largest message: the largest entry or chunk, and what surrounds it.
pub(super) const MAX_MESSAGE_BYTES: usize = odeon_mesh::MAX_MESSAGE_BYTES;

/// Whatever reaches a node.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// From one replica of a cluster to another.
    Replica(Envelope),
    /// Asks how the node stands.
    Hello,
    /// Asks the leader something that is not about entries.
    Ask(Inquiry),
}

/// A question to a cluster's leader, from a replica of the cluster or one that wants to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Inquiry {
    #[serde(rename = "c")]
    pub(crate) cluster_id: String,
    #[serde(rename = "q")]
    pub(crate) question: Question,
}

/// What a leader is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Question {
    /// To let a replica follow, in place of others of the same node that have no vote.
    Follow {
        replica: ReplicaId,
        endpoint: String,
    },
    /// To let a follower vote, in place of another one of the same node.
    Join { replica: ReplicaId },
    /// To let a follower vote.
    AddVoter { replica: ReplicaId },
    /// To take a replica's vote.
    RemoveVoter { replica: ReplicaId },
    /// How far everybody is.
    Describe,
}

/// What the leader says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Status(QuorumStatus),
    No(MemberError),
}

/// How a node stands, for those that found or find a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    #[serde(rename = "n")]
    pub(crate) node_id: i32,
    #[serde(rename = "d", with = "uuid_bytes")]
    pub(crate) directory_id: Uuid,
    /// The cluster it belongs to, if it does.
    #[serde(rename = "c")]
    pub(crate) cluster_id: Option<String>,
    /// There are entries in its log.
    #[serde(rename = "f")]
    pub(crate) founded: bool,
    /// The voters it is configured with, while it looks for its cluster.
    #[serde(rename = "v", default)]
    pub(crate) voters: Vec<i32>,
}

/// A request and whom it is for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Envelope {
    #[serde(rename = "c")]
    pub(super) cluster_id: String,
    #[serde(rename = "f")]
    pub(super) from: ReplicaId,
    #[serde(rename = "t")]
    pub(super) to: ReplicaId,
    #[serde(rename = "r")]
    pub(super) request: Request,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    Append {
        vote: StoredVote,
        prev: Option<StoredLogId>,
        entries: Vec<StoredEntry>,
        commit: Option<StoredLogId>,
    },
    Vote(Ballot),
    PreVote(Ballot),
    Snapshot(Chunk),
    Transfer {
        vote: StoredVote,
        to: ReplicaId,
        last: Option<StoredLogId>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ballot {
    pub(super) vote: StoredVote,
    pub(super) last: Option<StoredLogId>,
    #[serde(default)]
    pub(super) transfer: bool,
}

/// A piece of a snapshot. The last one ends at `total`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Chunk {
    pub(super) vote: StoredVote,
    pub(super) meta: StoredSnapshotMeta,
    pub(super) offset: u64,
    pub(super) total: u64,
    #[serde(with = "raw_bytes")]
    pub(super) data: Bytes,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Appended(AppendReply),
    Voted {
        vote: StoredVote,
        granted: bool,
        last: Option<StoredLogId>,
    },
    /// The next byte of the snapshot that is wanted.
    Wanted {
        offset: u64,
    },
    Installed {
        vote: StoredVote,
    },
    Transferred {
        accepted: bool,
    },
    Standing(Standing),
    Answer(Answer),
    /// The request is not for this replica, or it cannot answer.
    Refused(String),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum AppendReply {
    Success,
    Partial(Option<StoredLogId>),
    Conflict,
    HigherVote(StoredVote),
}

pub(super) fn encode(message: &impl Serialize) -> Result<Bytes, String> {
    odeon_mesh::encode(message, MAX_MESSAGE_BYTES).map_err(|error| error.to_string())
}

/// Errors on bytes that are no such message, or too many.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    odeon_mesh::decode(bytes, MAX_MESSAGE_BYTES).map_err(|error| error.to_string())
}

impl From<AppendEntriesRequest<Types>> for Request {
    fn from(rpc: AppendEntriesRequest<Types>) -> Self {
        Self::Append {
            vote: rpc.vote.into(),
            prev: rpc.prev_log_id.map(Into::into),
            entries: rpc.entries.into_iter().map(Into::into).collect(),
            commit: rpc.leader_commit.map(Into::into),
        }
    }
}

pub(super) fn append_request(
    vote: StoredVote,
    prev: Option<StoredLogId>,
    entries: Vec<StoredEntry>,
    commit: Option<StoredLogId>,
) -> Result<AppendEntriesRequest<Types>, String> {
    // The log takes consecutive entries only, from whomever they come.
    let mut expected = prev.map(|prev| prev.index.saturating_add(1));
    for entry in &entries {
        if expected.is_some_and(|expected| expected != entry.log_id.index) {
            return Err(format!("entry {} is out of order", entry.log_id.index));
        }
        expected = Some(entry.log_id.index.saturating_add(1));
    }
    let entries = entries
        .into_iter()
        .map(StoredEntry::into_entry)
        .collect::<Result<_, _>>()?;
    Ok(AppendEntriesRequest {
        vote: vote.into(),
        prev_log_id: prev.map(Into::into),
        entries,
        leader_commit: commit.map(Into::into),
    })
}

impl From<AppendEntriesResponse<Types>> for AppendReply {
    fn from(response: AppendEntriesResponse<Types>) -> Self {
        match response {
            AppendEntriesResponse::Success => Self::Success,
            AppendEntriesResponse::PartialSuccess(id) => Self::Partial(id.map(Into::into)),
            AppendEntriesResponse::Conflict => Self::Conflict,
            AppendEntriesResponse::HigherVote(vote) => Self::HigherVote(vote.into()),
        }
    }
}

impl From<AppendReply> for AppendEntriesResponse<Types> {
    fn from(reply: AppendReply) -> Self {
        match reply {
            AppendReply::Success => Self::Success,
            AppendReply::Partial(id) => Self::PartialSuccess(id.map(Into::into)),
            AppendReply::Conflict => Self::Conflict,
            AppendReply::HigherVote(vote) => Self::HigherVote(vote.into()),
        }
    }
}

impl From<VoteRequest<Types>> for Ballot {
    fn from(rpc: VoteRequest<Types>) -> Self {
        Self {
            vote: rpc.vote.into(),
            last: rpc.last_log_id.map(Into::into),
            transfer: rpc.leadership_transfer,
        }
    }
}

impl From<Ballot> for VoteRequest<Types> {
    fn from(ballot: Ballot) -> Self {
        let mut rpc = Self::new(ballot.vote.into(), ballot.last.map(Into::into));
        rpc.leadership_transfer = ballot.transfer;
        rpc
    }
}

impl From<VoteResponse<Types>> for Reply {
    fn from(response: VoteResponse<Types>) -> Self {
        Self::Voted {
            vote: response.vote.into(),
            granted: response.vote_granted,
            last: response.last_log_id.map(Into::into),
        }
    }
}

impl From<TransferLeaderRequest<Types>> for Request {
    fn from(rpc: TransferLeaderRequest<Types>) -> Self {
        Self::Transfer {
            vote: (*rpc.from_leader()).into(),
            to: *rpc.to_node_id(),
            last: rpc.last_log_id().map(|id| (*id).into()),
        }
    }
}
