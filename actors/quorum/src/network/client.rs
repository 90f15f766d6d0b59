//! The sending side.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::OptionalSend;
use openraft::errors::Unreachable;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout};
use openraft::network::{Backoff, RPCOption, RPCTypes, RaftNetworkFactory, v2::RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::Peers;
use super::wire::{Ballot, Chunk, Envelope, Message, Reply, Request, decode, encode};
use crate::types::{Endpoint, ReplicaId, StoredSnapshotMeta, Types, Vote};

type Snapshot = openraft::type_config::alias::SnapshotOf<Types, Bytes>;
type CallError = RPCError<Types>;

/// Bytes of a snapshot sent in one message.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;
/// Between two attempts to reach a node that cannot be reached.
const RETRY: Duration = Duration::from_millis(100);

/// Makes clients.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) cluster_id: Arc<str>,
    pub(crate) own: ReplicaId,
    pub(crate) peers: Arc<dyn Peers>,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: ReplicaId, _: &Endpoint) -> Client {
        Client {
            network: self.clone(),
            target,
        }
    }
}

/// The way to one replica.
#[derive(Debug)]
pub(crate) struct Client {
    network: Network,
    target: ReplicaId,
}

fn unreachable(why: impl ToString) -> CallError {
    RPCError::Unreachable(Unreachable::from_string(why))
}

impl Client {
    async fn call(
        &self,
        request: Request,
        action: RPCTypes,
        deadline: Duration,
    ) -> Result<Reply, CallError> {
        let message = Message::Replica(Envelope {
            cluster_id: self.network.cluster_id.to_string(),
            from: self.network.own,
            to: self.target,
            request,
        });
        let bytes = encode(&message).map_err(unreachable)?;
        let answer = self
            .network
            .peers
            .call(self.target.node_id, bytes, deadline)
            .await;
        let bytes = answer.map_err(|error| {
            let (id, target) = (self.network.own, self.target);
            match error.timed_out {
                true => RPCError::Timeout(Timeout {
                    action,
                    id,
                    target,
                    timeout: deadline,
                }),
                false => unreachable(error),
            }
        })?;
        match decode(&bytes).map_err(unreachable)? {
            Reply::Refused(why) => Err(unreachable(why)),
            reply => Ok(reply),
        }
    }

    async fn ballot(
        &self,
        request: Request,
        deadline: Duration,
    ) -> Result<VoteResponse<Types>, CallError> {
        match self.call(request, RPCTypes::Vote, deadline).await? {
            Reply::Voted {
                vote,
                granted,
                last,
            } => Ok(VoteResponse::new(
                Vote::from(vote),
                last.map(Into::into),
                granted,
            )),
            other => Err(unexpected(&other)),
        }
    }

    /// Sends the chunks, resuming where the receiver says.
    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: Snapshot,
        deadline: Duration,
    ) -> Result<SnapshotResponse<Types>, CallError> {
        let data = snapshot.snapshot;
        let meta = StoredSnapshotMeta::from(&snapshot.meta);
        let mut offset = 0;
        let mut restarts = 0;
        loop {
            let end = data.len().min(offset + CHUNK_BYTES);
            let chunk = Chunk {
                vote: vote.into(),
                meta: meta.clone(),
                offset: offset as u64,
                total: data.len() as u64,
                data: data.slice(offset..end),
            };
            let request = Request::Snapshot(chunk);
            match self
                .call(request, RPCTypes::InstallSnapshot, deadline)
                .await?
            {
                Reply::Installed { vote } => return Ok(SnapshotResponse::new(vote.into())),
                Reply::Wanted { offset: wanted } => {
                    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
                    if wanted <= offset {
                        restarts += 1;
                    }
                    if wanted > data.len() || restarts > 3 {
                        return Err(unreachable("the receiver of a snapshot does not get on"));
                    }
                    offset = wanted;
                }
                other => return Err(unexpected(&other)),
            }
        }
    }
}

fn unexpected(reply: &Reply) -> CallError {
    RPCError::Network(NetworkError::from_string(format!(
        "not the answer asked for: {reply:?}"
    )))
}

impl RaftNetworkV2<Types> for Client {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, CallError> {
        let deadline = option.soft_ttl();
        match self
            .call(rpc.into(), RPCTypes::AppendEntries, deadline)
            .await?
        {
            Reply::Appended(reply) => Ok(reply.into()),
            other => Err(unexpected(&other)),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, CallError> {
        self.ballot(Request::Vote(Ballot::from(rpc)), option.soft_ttl())
            .await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, CallError> {
        self.ballot(Request::PreVote(Ballot::from(rpc)), option.soft_ttl())
            .await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = self.send_snapshot(vote, snapshot, option.soft_ttl()) => Ok(sent?),
        }
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, CallError> {
        let deadline = option.soft_ttl();
        match self
            .call(rpc.into(), RPCTypes::TransferLeader, deadline)
            .await?
        {
            Reply::Transferred { accepted: true } => Ok(Ok(())),
            Reply::Transferred { accepted: false } => Err(unreachable("transfer not accepted")),
            other => Err(unexpected(&other)),
        }
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(RETRY)))
    }
}
