//! Who follows and who votes.
//!
//! Changes of the membership are decided by the leader, one at a time, and are entries like others.
//! Whoever wants one asks the leader, by way of the nodes it knows.
//!
//! - A replica that is not a member asks to follow: as a learner, without a vote.
//! - A learner that has caught up may become a voter.
//! - A voter that is removed goes on as a learner.
//! - A learner that the leader has not heard of for [`GONE`] is dropped; it asks again when it is
//!   back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::clock::{SharedClock, timeout};
use odeon_kernel::watch;
use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use serde::{Deserialize, Serialize};

use crate::Raft;
use crate::network::{Answer, Inquiry, Peers, Question, inquire};
use crate::role::{self, CaughtUp, Metrics, QuorumRole, QuorumStatus};
use crate::types::{Endpoint, Membership, ReplicaId};

mod attend;

pub(crate) use attend::Attendant;

/// How long a change of the membership may take to be committed.
const CHANGE: Duration = Duration::from_secs(5);
/// How long an asked node may take, a change of the membership included.
const ANSWER: Duration = Duration::from_secs(6);
/// A learner that was not heard of for so long is dropped.
const GONE: Duration = Duration::from_secs(300);
/// The most members.
const MAX_MEMBERS: usize = 1_000;
/// The longest endpoint, in bytes.
const MAX_ENDPOINT_BYTES: usize = 1_024;
/// A learner that lacks no more entries than this has caught up.
const MAX_LAG: u64 = 100;

/// Why a question about the members was not answered, or a change of them not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MemberError {
    /// No leader is known, or none answers.
    #[error("there is no leader at the moment (known: {leader:?})")]
    NoLeader {
        /// The node that is said to lead.
        leader: Option<i32>,
    },
    /// Another change is under way, or this one has not been committed in time: it may be later.
    #[error("{0}")]
    NotNow(String),
    /// The node has a vote already.
    #[error("{0}")]
    DuplicateVoter(String),
    /// There is no such voter, or no other one.
    #[error("{0}")]
    VoterNotFound(String),
    /// It is not allowed at all.
    #[error("{0}")]
    Refused(String),
}

type Change = ChangeMembers<ReplicaId, Endpoint>;

/// Asks and answers questions about the members. Clones share it.
#[derive(Clone)]
pub(crate) struct Members {
    shared: Arc<Shared>,
}

struct Shared {
    raft: Raft,
    own: ReplicaId,
    cluster_id: Arc<str>,
    clock: SharedClock,
    peers: Arc<dyn Peers>,
    contacts: Vec<i32>,
    role: watch::Receiver<QuorumRole>,
    caught_up: watch::Receiver<CaughtUp>,
    /// Held while a change is decided and committed.
    change: tokio::sync::Mutex<()>,
}

impl Members {
    pub(crate) fn new(
        raft: Raft,
        own: ReplicaId,
        cluster_id: Arc<str>,
        (clock, peers): (SharedClock, Arc<dyn Peers>),
        contacts: Vec<i32>,
        (role, caught_up): (watch::Receiver<QuorumRole>, watch::Receiver<CaughtUp>),
    ) -> Self {
        let change = tokio::sync::Mutex::default();
        Self {
            shared: Arc::new(Shared {
                raft,
                own,
                cluster_id,
                clock,
                peers,
                contacts,
                role,
                caught_up,
                change,
            }),
        }
    }

    /// The engine's own view of the moment.
    pub(crate) fn metrics(&self) -> Metrics {
        let metrics = self.shared.raft.metrics();
        let metrics = metrics.borrow_watched();
        Metrics::clone(&metrics)
    }

    fn leads(&self) -> bool {
        self.shared.role.borrow().ready
    }

    fn not_leader(&self) -> Answer {
        let leader = self.shared.role.borrow().leader;
        let leader = leader.filter(|leader| *leader != self.shared.own.node_id);
        Answer::No(MemberError::NoLeader { leader })
    }

    /// How far everybody is, as this node knows it.
    pub(crate) fn status(&self) -> QuorumStatus {
        let shared = &self.shared;
        let mut status = role::status(
            &self.metrics(),
            shared.own,
            &shared.caught_up.borrow(),
            shared.clock.now_ms(),
        );
        // One that is cut off does not count as a leader.
        status.leader_id = shared.role.borrow().leader.unwrap_or(-1);
        status
    }

    /// Has a question answered by whoever leads: this node, the leader it knows, or the one that
    /// others point to.
    pub(crate) async fn ask(&self, question: Question) -> Answer {
        if self.leads() {
            return self.answer(question).await;
        }
        let mut tried = BTreeSet::from([self.shared.own.node_id]);
        let mut next = self.whom_to_ask();
        let mut last = self.not_leader();
        while let Some(node) = next.pop() {
            if !tried.insert(node) {
                continue;
            }
            let inquiry = Inquiry {
                cluster_id: self.shared.cluster_id.to_string(),
                question: question.clone(),
            };
            match inquire(&*self.shared.peers, node, inquiry, ANSWER).await {
                Some(Answer::No(MemberError::NoLeader { leader })) => {
                    next.extend(leader);
                    last = Answer::No(MemberError::NoLeader { leader });
                }
                Some(answer) => return answer,
                None => {}
            }
        }
        last
    }

    /// The nodes to ask, the best one last.
    fn whom_to_ask(&self) -> Vec<i32> {
        let metrics = self.metrics();
        let members = metrics.membership_config.membership();
        let mut nodes: Vec<i32> = self.shared.contacts.clone();
        nodes.extend(members.voter_ids().map(|voter| voter.node_id));
        nodes.extend(self.shared.role.borrow().leader);
        nodes
    }

    /// Answers a question if this node leads.
    pub(crate) async fn answer(&self, question: Question) -> Answer {
        if let Question::Describe = question {
            return match self.leads() {
                true => Answer::Status(self.status()),
                false => self.not_leader(),
            };
        }
        let _one_at_a_time = self.shared.change.lock().await;
        // Looked at only now: the office may have been lost while others were served.
        if !self.leads() {
            return self.not_leader();
        }
        let metrics = self.metrics();
        match decide(&question, &metrics) {
            Ok(None) => Answer::Done,
            Ok(Some((change, retain))) => self.commit(change, retain).await,
            Err(error) => Answer::No(error),
        }
    }

    /// Makes a change and waits until it is committed.
    async fn commit(&self, change: Change, retain: bool) -> Answer {
        let work = self.shared.raft.change_membership(change, retain);
        let Ok(outcome) = timeout(&*self.shared.clock, CHANGE, work).await else {
            let text = "the change was not committed in time".to_owned();
            return Answer::No(MemberError::NotNow(text));
        };
        match outcome {
            Ok(_) => Answer::Done,
            Err(RaftError::APIError(
                ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_),
            ))
            | Err(RaftError::Fatal(_)) => self.not_leader(),
            Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(
                error @ (ChangeMembershipError::InProgress(_)
                | ChangeMembershipError::UncommittedLeaderLog(_)),
            ))) => Answer::No(MemberError::NotNow(error.to_string())),
            Err(error) => Answer::No(MemberError::Refused(error.to_string())),
        }
    }
}

/// The change that a question asks for and whether removed voters go on as learners; `None` when
/// everything is as it is asked for.
fn decide(question: &Question, metrics: &Metrics) -> Result<Option<(Change, bool)>, MemberError> {
    let members = metrics.membership_config.membership();
    let voters: BTreeSet<ReplicaId> = members.voter_ids().collect();
    match question {
        Question::Describe => Ok(None),
        Question::Follow { replica, endpoint } => follow(members, &voters, *replica, endpoint),
        Question::Join { replica } if voters.contains(replica) => Ok(None),
        Question::Join { replica } => {
            caught_up(metrics, *replica)?;
            let older = namesakes(voters.iter().copied(), *replica);
            let changes = vec![
                ChangeMembers::RemoveVoters(older),
                ChangeMembers::AddVoterIds(BTreeSet::from([*replica])),
            ];
            Ok(Some((ChangeMembers::Batch(changes), false)))
        }
        Question::AddVoter { replica } => {
            if let Some(voter) = voters.iter().find(|voter| voter.node_id == replica.node_id) {
                let text = format!("node {} votes already, as {voter}", voter.node_id);
                return Err(MemberError::DuplicateVoter(text));
            }
            caught_up(metrics, *replica)?;
            let added = BTreeSet::from([*replica]);
            Ok(Some((ChangeMembers::AddVoterIds(added), true)))
        }
        Question::RemoveVoter { replica } => {
            if !voters.contains(replica) || voters.len() == 1 {
                let text = format!("cannot remove voter {replica} from the voters {voters:?}");
                return Err(MemberError::VoterNotFound(text));
            }
            let removed = BTreeSet::from([*replica]);
            // A leader steps down only if it is no member at all; it follows again by itself.
            let stays = *replica != metrics.id;
            Ok(Some((ChangeMembers::RemoveVoters(removed), stays)))
        }
    }
}

fn follow(
    members: &Membership,
    voters: &BTreeSet<ReplicaId>,
    replica: ReplicaId,
    endpoint: &str,
) -> Result<Option<(Change, bool)>, MemberError> {
    if endpoint.len() > MAX_ENDPOINT_BYTES {
        let text = format!("an endpoint of {} bytes", endpoint.len());
        return Err(MemberError::Refused(text));
    }
    let known = members.nodes().find(|(id, _)| **id == replica);
    if known.is_some_and(|(id, at)| at.0 == endpoint || voters.contains(id)) {
        return Ok(None);
    }
    if members.nodes().count() >= MAX_MEMBERS && known.is_none() {
        let text = format!("the quorum has {MAX_MEMBERS} members already");
        return Err(MemberError::Refused(text));
    }
    let older = namesakes(members.learner_ids(), replica);
    let added = BTreeMap::from([(replica, Endpoint(endpoint.to_owned()))]);
    // Only a learner's address is ever replaced here: no vote depends on it.
    let changes = vec![
        ChangeMembers::RemoveNodes(older),
        ChangeMembers::SetNodes(added),
    ];
    Ok(Some((ChangeMembers::Batch(changes), true)))
}

/// Other replicas of the same node.
fn namesakes(of: impl Iterator<Item = ReplicaId>, replica: ReplicaId) -> BTreeSet<ReplicaId> {
    of.filter(|other| other.node_id == replica.node_id && *other != replica)
        .collect()
}

/// Refuses a replica that does not follow, or lacks much.
fn caught_up(metrics: &Metrics, replica: ReplicaId) -> Result<(), MemberError> {
    let matched = metrics.replication.as_ref();
    let matched = matched.and_then(|known| known.get(&replica)).copied();
    let held = matched.flatten().map(|id| id.index);
    let end = metrics.last_log_index.unwrap_or(0);
    if held.is_some_and(|held| held + MAX_LAG >= end) {
        return Ok(());
    }
    let text = format!("{replica} has not caught up: it holds entries up to {held:?} of {end}");
    Err(MemberError::NotNow(text))
}
