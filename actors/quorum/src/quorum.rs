//! The handle that others hold, and how a replica starts and stops.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::clock::SharedClock;
use odeon_kernel::{spawn, watch};
use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::Raft;
use crate::config::{Limits, QuorumConfig, StartError, Timers, Voter, check};
use crate::heard::Heard;
use crate::machine::Machine;
use crate::members::{Attendant, Members};
use crate::network::{Network, Peers, Server};
use crate::propose::{self, Inbox, ProposeError, Proposed, Proposer};
use crate::role::{CaughtUp, Observer, QuorumRole, QuorumStatus};
use crate::store::LogStore;
use crate::types::{Endpoint, ReplicaId};

mod boot;
mod members;
mod succession;

use boot::{engine_config, open};

/// Why a read barrier was not passed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// This node does not lead.
    #[error("this node does not lead the quorum (leader: {leader:?})")]
    NotLeader {
        /// The node that does, as far as is known.
        leader: Option<i32>,
    },
    /// No majority confirmed that this node still leads.
    #[error("no majority confirms that this node leads")]
    NoQuorum,
    /// The quorum has ended.
    #[error("the quorum has stopped")]
    Stopped,
}

/// A replica of the quorum. Clones are the same replica; it runs until [`Quorum::shutdown`], or
/// until [`Quorum::failed`] says otherwise.
#[derive(Clone)]
pub struct Quorum {
    shared: Arc<Shared>,
}

/// What a replica is made of.
pub(crate) struct Parts {
    pub(crate) raft: Raft,
    pub(crate) own: ReplicaId,
    cluster_id: Arc<str>,
    pub(crate) clock: SharedClock,
    pub(crate) heard: Arc<Heard>,
    peers: Arc<dyn Peers>,
    contacts: Vec<i32>,
    endpoint: String,
    joins: bool,
    store: LogStore,
}

struct Shared {
    parts: Parts,
    inbox: Inbox,
    members: Members,
    role: watch::Receiver<QuorumRole>,
    failed: watch::Receiver<Option<String>>,
    stopping: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl fmt::Debug for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quorum")
            .field("replica", &self.shared.parts.own)
            .field("role", &*self.shared.role.borrow())
            .finish_non_exhaustive()
    }
}

impl Quorum {
    /// Opens the log and starts the replica. The first boot founds the cluster with the voters of
    /// the configuration; later the log says who votes. A single voter stands for election at
    /// once.
    ///
    /// The state machine is restored from the newest snapshot before this returns; the entries
    /// behind it follow once a leader commits (see [`QuorumRole::ready`]).
    ///
    /// Call it on the runtime that shall run the engine. Not cancel safe.
    ///
    /// # Errors
    /// When the configuration is wrong, or the log is another replica's, cannot be read, or lost
    /// what had been durable.
    pub async fn start(config: QuorumConfig) -> Result<Self, StartError> {
        check(&config)?;
        let own = config.replica();
        let cluster_id: Arc<str> = config.cluster_id.as_str().into();
        let (store, snapshots) = open(&config).await?;
        let wanted = Arc::new(Notify::new());
        let machine = Machine::new(
            config.state_machine,
            snapshots,
            config.blocking,
            config.limits.snapshot_bytes,
            Arc::clone(&wanted),
        );
        let engine = engine_config(&cluster_id, &config.timers, &config.limits)?;
        let network = Network {
            cluster_id: cluster_id.clone(),
            own,
            peers: Arc::clone(&config.peers),
        };
        let raft = Raft::build(own, Arc::new(engine), network, store.clone(), machine)
            .await
            .map_err(|fatal| StartError::Engine(fatal.to_string()))?;
        let max_snapshot_bytes = config.limits.max_snapshot_bytes;
        // With a vote by its configuration, and no entry: what it voted on is lost.
        let anew = store.is_empty() && config.contacts.contains(&own.node_id);
        let parts = Parts {
            raft: raft.clone(),
            own,
            cluster_id: cluster_id.clone(),
            clock: config.clock,
            heard: Arc::default(),
            peers: config.peers.clone(),
            contacts: config.contacts,
            endpoint: config.endpoint,
            joins: config.auto_join || anew,
            store,
        };
        let quorum = Self::spawn(parts, &config.timers, &config.limits, wanted);
        let members = quorum.shared.members.clone();
        let parts = &quorum.shared.parts;
        let server = Server::new(parts, cluster_id, max_snapshot_bytes, members);
        config.peers.serve(server.handler());
        raft.run();
        if let Err(error) = quorum.found(&config.voters).await {
            quorum.shutdown().await;
            return Err(error);
        }
        Ok(quorum)
    }

    fn spawn(parts: Parts, timers: &Timers, limits: &Limits, wanted: Arc<Notify>) -> Self {
        let Parts {
            raft, own, clock, ..
        } = &parts;
        let (role_sender, role) = watch::channel(QuorumRole::default());
        let (caught_up_sender, caught_up) = watch::channel(CaughtUp::new());
        let (failed_sender, failed) = watch::channel(None);
        let (stopping, _) = watch::channel(false);
        let observer = Observer {
            metrics: raft.metrics(),
            own: *own,
            clock: Arc::clone(clock),
            role: role_sender,
            caught_up: caught_up_sender,
            failed: failed_sender,
            patience: timers.election_max * 2,
            stopping: stopping.subscribe(),
        };
        let (inbox, pump) = propose::inbox(
            raft.clone(),
            *own,
            Arc::clone(clock),
            timers.propose,
            limits.queued_proposals,
            limits.queued_bytes,
        );
        let members = Members::new(
            raft.clone(),
            *own,
            parts.cluster_id.clone(),
            (clock.clone(), parts.peers.clone()),
            parts.contacts.clone(),
            (role.clone(), caught_up),
        );
        let attendant = Attendant {
            members: members.clone(),
            endpoint: parts.endpoint.clone(),
            joins: parts.joins,
            told: BTreeMap::new(),
            heard: BTreeMap::new(),
        };
        let snapshotter = take_snapshots(raft.clone(), wanted, stopping.subscribe());
        let tasks = vec![
            spawn(observer.run()),
            spawn(pump.run(stopping.subscribe())),
            spawn(snapshotter),
            spawn(attendant.run(stopping.subscribe())),
        ];
        let shared = Shared {
            parts,
            inbox,
            members,
            role,
            failed,
            stopping,
            tasks: Mutex::new(tasks),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Founds the cluster on the first boot, and has a single voter elected.
    async fn found(&self, voters: &[Voter]) -> Result<(), StartError> {
        let engine = |error: &dyn fmt::Display| StartError::Engine(error.to_string());
        let raft = &self.shared.parts.raft;
        let own = self.shared.parts.own;
        if !raft
            .is_initialized()
            .await
            .map_err(|fatal| engine(&fatal))?
        {
            let members: BTreeMap<ReplicaId, Endpoint> = voters
                .iter()
                .map(|voter| (voter.replica(), Endpoint(voter.endpoint.clone())))
                .collect();
            if !members.contains_key(&own) {
                // It follows as soon as a leader takes it in.
                return Ok(());
            }
            match raft.initialize(members).await {
                // Refused: another voter has founded it meanwhile, and reached this one.
                Ok(()) | Err(RaftError::APIError(_)) => {}
                Err(RaftError::Fatal(fatal)) => return Err(engine(&fatal)),
            }
        }
        let alone = {
            let state = raft.with_raft_state(move |state| {
                state.membership_state.effective().voter_ids().eq([own])
            });
            state.await.map_err(|fatal| engine(&fatal))?
        };
        if alone {
            raft.trigger()
                .elect(false)
                .await
                .map_err(|fatal| engine(&fatal))?;
        }
        Ok(())
    }

    /// Proposes an entry that was decided in `expected_term`; returns its index once it is
    /// committed and applied on this node.
    ///
    /// Dropping the future does not take the proposal back.
    ///
    /// # Errors
    /// See [`ProposeError`]; only [`ProposeError::Unknown`] leaves open whether it was applied.
    pub async fn propose(&self, expected_term: u64, entry: Bytes) -> Proposed {
        let (sender, receiver) = oneshot::channel();
        self.proposer(expected_term).propose(entry, move |outcome| {
            // The proposer's caller may have gone.
            let _ = sender.send(outcome);
        });
        receiver.await.unwrap_or(Err(ProposeError::Unknown))
    }

    /// Proposes entries that follow each other; returns their indexes once all are applied.
    ///
    /// # Errors
    /// The first failure. Entries before it may have been applied, none behind it was, unless it
    /// is [`ProposeError::Unknown`].
    pub async fn propose_many(
        &self,
        expected_term: u64,
        entries: Vec<Bytes>,
    ) -> Result<Vec<u64>, ProposeError> {
        let proposer = self.proposer(expected_term);
        let mut waiting = Vec::with_capacity(entries.len());
        for entry in entries {
            let (sender, receiver) = oneshot::channel();
            proposer.propose(entry, move |outcome| {
                let _ = sender.send(outcome);
            });
            waiting.push(receiver);
        }
        let mut indexes = Vec::with_capacity(waiting.len());
        for receiver in waiting {
            indexes.push(receiver.await.unwrap_or(Err(ProposeError::Unknown))?);
        }
        Ok(indexes)
    }

    /// For an actor that decides in `term` and never waits: entries are handed in with a callback,
    /// keep their order, and fail together.
    pub fn proposer(&self, term: u64) -> Proposer {
        Proposer::new(term, self.shared.inbox.clone())
    }

    /// Waits until everything that was appended before is applied on this node, and returns the
    /// index reached. To be called before deciding anything in a term in which a proposal's
    /// outcome is unknown: the entry may still be on its way.
    ///
    /// # Errors
    /// As [`Quorum::propose`].
    pub async fn barrier(&self, term: u64) -> Proposed {
        self.propose(term, Bytes::new()).await
    }

    /// Waits until a majority confirms that this node leads and everything committed up to now is
    /// applied here; returns the index reached. What is read afterwards is not stale.
    ///
    /// # Errors
    /// When this node does not lead, or cannot be sure of it.
    pub async fn read_index(&self) -> Result<u64, ReadError> {
        match self
            .shared
            .parts
            .raft
            .ensure_linearizable(ReadPolicy::ReadIndex)
            .await
        {
            Ok(read) => Ok(read.index()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                let leader = forward.leader_id.map(|leader| leader.node_id);
                Err(ReadError::NotLeader { leader })
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                Err(ReadError::NoQuorum)
            }
            Err(RaftError::Fatal(_)) => Err(ReadError::Stopped),
        }
    }

    /// Who leads, as it changes. A node that leads acts only when the role is
    /// [`ready`](QuorumRole::ready), and in its term.
    pub fn role(&self) -> watch::Receiver<QuorumRole> {
        self.shared.role.clone()
    }

    /// The leader that this replica followed last, and when it was last heard, on the clock that the
    /// quorum was given; `None` if it never followed one.
    pub fn leader_last_heard(&self) -> Option<(i32, Duration)> {
        self.shared.parts.heard.last()
    }

    /// Why the replica ended without having been asked to; `None` as long as it runs. The node
    /// has to stop then: its log or its state machine cannot be trusted.
    pub fn failed(&self) -> watch::Receiver<Option<String>> {
        self.shared.failed.clone()
    }

    /// How far every replica is, as this node knows it: all of it if this node leads.
    pub fn status(&self) -> QuorumStatus {
        self.shared.members.status()
    }

    /// Takes a snapshot now, whatever the limits say. Returns at once.
    ///
    /// # Errors
    /// When the replica has ended.
    pub async fn take_snapshot(&self) -> Result<(), ReadError> {
        self.shared
            .parts
            .raft
            .trigger()
            .snapshot()
            .await
            .map_err(|_| ReadError::Stopped)
    }

    /// Ends the replica: a leader hands over first, proposals that wait fail, everything written is
    /// synced. Not cancel safe.
    pub async fn shutdown(&self) {
        let shared = &self.shared;
        self.resign().await;
        shared.stopping.send_replace(true);
        shared.parts.peers.retire();
        if let Err(error) = shared.parts.raft.shutdown().await {
            tracing::warn!(%error, "the Raft engine did not end well");
        }
        let tasks =
            std::mem::take(&mut *shared.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // Each of them ends on its own once the engine has.
            let _ = task.await;
        }
        if let Err(error) = shared.parts.store.drain().await {
            tracing::warn!(%error, "the quorum's log did not end well");
        }
    }
}

async fn take_snapshots(raft: Raft, wanted: Arc<Notify>, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => return,
            () = wanted.notified() => {}
        }
        if raft.trigger().snapshot().await.is_err() {
            return;
        }
    }
}
