//! The receiving side.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use odeon_kernel::SharedClock;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::TransferLeaderRequest;

use super::wire::{
    Chunk, Inquiry, Message, Reply, Request, Standing, append_request, decode, encode,
};
use super::{CallFuture, Handler};
use crate::Raft;
use crate::heard::Heard;
use crate::members::Members;
use crate::quorum::Parts;
use crate::types::{ReplicaId, SnapshotMeta, StoredSnapshotMeta, StoredVote, Types};

type Snapshot = openraft::type_config::alias::SnapshotOf<Types, Bytes>;

/// Answers other replicas on behalf of one engine.
pub(crate) struct Server {
    raft: Raft,
    cluster_id: Arc<str>,
    own: ReplicaId,
    max_snapshot_bytes: u64,
    members: Members,
    heard: Arc<Heard>,
    clock: SharedClock,
    /// The snapshot that is arriving: one at a time.
    incoming: Mutex<Option<Incoming>>,
}

struct Incoming {
    from: ReplicaId,
    vote: StoredVote,
    meta: StoredSnapshotMeta,
    total: u64,
    data: Vec<u8>,
}

impl Server {
    pub(crate) fn new(
        parts: &Parts,
        cluster_id: Arc<str>,
        max_snapshot_bytes: u64,
        members: Members,
    ) -> Self {
        Self {
            raft: parts.raft.clone(),
            cluster_id,
            own: parts.own,
            max_snapshot_bytes,
            members,
            heard: parts.heard.clone(),
            clock: parts.clock.clone(),
            incoming: Mutex::new(None),
        }
    }

    /// The handler to be registered.
    pub(crate) fn handler(self) -> Handler {
        let server = Arc::new(self);
        Arc::new(move |bytes| -> CallFuture<Bytes> {
            let server = Arc::clone(&server);
            Box::pin(async move { server.answer(bytes).await })
        })
    }

    async fn answer(&self, bytes: Bytes) -> Bytes {
        let reply = match self.reply(&bytes).await {
            Ok(reply) => reply,
            Err(why) => {
                tracing::debug!(why, "refused a quorum message");
                Reply::Refused(why)
            }
        };
        // Nothing in a reply can fail to encode; an empty one is refused by the sender.
        encode(&reply).unwrap_or_default()
    }

    async fn reply(&self, bytes: &[u8]) -> Result<Reply, String> {
        let envelope = match decode(bytes)? {
            Message::Replica(envelope) => envelope,
            Message::Hello => return Ok(Reply::Standing(self.standing())),
            Message::Ask(inquiry) => return self.asked(inquiry).await,
        };
        if envelope.cluster_id != *self.cluster_id {
            return Err(format!("this is cluster {}", self.cluster_id));
        }
        if envelope.to != self.own {
            return Err(format!("this is replica {}, not {}", self.own, envelope.to));
        }
        match envelope.request {
            Request::Append {
                vote,
                prev,
                entries,
                commit,
            } => {
                let rpc = append_request(vote, prev, entries, commit)?;
                let response = self.raft.append_entries(rpc).await;
                let reply = Reply::Appended(response.map_err(text)?.into());
                self.heard
                    .note(envelope.from.node_id, self.clock.monotonic());
                Ok(reply)
            }
            Request::Vote(ballot) => self
                .raft
                .vote(ballot.into())
                .await
                .map(Into::into)
                .map_err(text),
            Request::PreVote(ballot) => self
                .raft
                .pre_vote(ballot.into())
                .await
                .map(Into::into)
                .map_err(text),
            Request::Snapshot(chunk) => self.snapshot(envelope.from, chunk).await,
            Request::Transfer { vote, to, last } => {
                let rpc = TransferLeaderRequest::new(vote.into(), to, last.map(Into::into));
                let response = self.raft.handle_transfer_leader(rpc).await.map_err(text)?;
                Ok(Reply::Transferred {
                    accepted: response.is_ok(),
                })
            }
        }
    }

    async fn asked(&self, inquiry: Inquiry) -> Result<Reply, String> {
        if inquiry.cluster_id != *self.cluster_id {
            return Err(format!("this is cluster {}", self.cluster_id));
        }
        Ok(Reply::Answer(self.members.answer(inquiry.question).await))
    }

    fn standing(&self) -> Standing {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        Standing {
            node_id: self.own.node_id,
            directory_id: self.own.directory_id,
            cluster_id: Some(self.cluster_id.to_string()),
            founded: metrics.last_log_index.is_some() || metrics.snapshot.is_some(),
            voters: Vec::new(),
        }
    }

    fn incoming(&self) -> MutexGuard<'_, Option<Incoming>> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn snapshot(&self, from: ReplicaId, chunk: Chunk) -> Result<Reply, String> {
        let vote = chunk.vote;
        let whole = self.add(from, chunk)?;
        let incoming = match whole {
            Ok(incoming) => incoming,
            Err(offset) => return Ok(Reply::Wanted { offset }),
        };
        let meta = SnapshotMeta::try_from(incoming.meta)?;
        let snapshot = Snapshot {
            meta,
            snapshot: Bytes::from(incoming.data),
        };
        let installed = self.raft.install_full_snapshot(vote.into(), snapshot).await;
        installed
            .map(|reply| Reply::Installed {
                vote: reply.vote.into(),
            })
            .map_err(text)
    }

    /// The whole snapshot once its last chunk is here; before that the offset that is wanted.
    fn add(&self, from: ReplicaId, chunk: Chunk) -> Result<Result<Incoming, u64>, String> {
        let Chunk {
            vote,
            meta,
            offset,
            total,
            data,
        } = chunk;
        if total > self.max_snapshot_bytes {
            return Err(format!("a snapshot of {total} bytes is too large"));
        }
        if offset
            .checked_add(data.len() as u64)
            .is_none_or(|end| end > total)
        {
            return Err("a chunk goes beyond its snapshot".into());
        }
        let mut slot = self.incoming();
        let same = slot.as_ref().is_some_and(|incoming| {
            (incoming.from, incoming.vote, incoming.total) == (from, vote, total)
                && incoming.meta == meta
        });
        if !same || offset == 0 {
            // Grown as the bytes arrive, not as they are announced.
            *slot = Some(Incoming {
                from,
                vote,
                meta,
                total,
                data: Vec::new(),
            });
        }
        let Some(incoming) = slot.as_mut() else {
            return Ok(Err(0));
        };
        let held = incoming.data.len() as u64;
        if offset != held {
            return Ok(Err(held));
        }
        incoming.data.extend_from_slice(&data);
        let held = incoming.data.len() as u64;
        if held < total {
            return Ok(Err(held));
        }
        Ok(slot.take().ok_or(0))
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
