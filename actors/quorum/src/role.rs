//! Who leads, and how far everybody is.

use std::collections::BTreeMap;
use std::time::Duration;

use odeon_kernel::clock::SharedClock;
use odeon_kernel::sim::{Bug, is_planted};
use odeon_kernel::watch;
use odeon_model::Uuid;
use openraft::async_runtime::WatchReceiver;
use openraft::{Instant, ServerState};
use serde::{Deserialize, Serialize};

use crate::types::{ReplicaId, Types, uuid_bytes};

pub(crate) type Metrics = openraft::RaftMetrics<Types>;
pub(crate) type MetricsReceiver = openraft::type_config::alias::WatchReceiverOf<Types, Metrics>;

/// Who leads the quorum, as this node knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuorumRole {
    /// The leader's node id, if there is a leader.
    pub leader: Option<i32>,
    /// The term, which Kafka calls the leader epoch. It never goes back.
    pub term: u64,
    /// This node leads and has applied its own term's first entry, and with it everything that
    /// any leader committed before: its state is the latest.
    pub ready: bool,
}

/// How far a replica is, as the leader knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaProgress {
    /// The replica's node id.
    pub node_id: i32,
    /// The id of its metadata log directory.
    #[serde(with = "uuid_bytes")]
    pub directory_id: Uuid,
    /// Where it is reached, as `host:port`; empty when it does not say.
    #[serde(default)]
    pub endpoint: String,
    /// One behind the last entry known to be on its disk; -1 when not known.
    pub log_end_offset: i64,
    /// When it last answered the leader, milliseconds since the Unix epoch; -1 when not known.
    pub last_fetch_timestamp_ms: i64,
    /// When it last held everything the leader had, milliseconds since the Unix epoch; -1 when
    /// not known.
    pub last_caught_up_timestamp_ms: i64,
}

/// What `DescribeQuorum` shows. Offsets are Raft indexes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumStatus {
    /// The leader's node id, or -1.
    pub leader_id: i32,
    /// The term.
    pub leader_epoch: u64,
    /// One behind the last committed entry.
    pub high_watermark: i64,
    /// The voters, this node's own progress included. Only a leader knows that of others.
    pub voters: Vec<ReplicaProgress>,
    /// Replicas that follow without a vote.
    pub observers: Vec<ReplicaProgress>,
    /// The last entry covered by a snapshot on this node.
    pub snapshot_index: Option<u64>,
}

pub(crate) fn is_leader_in(metrics: &Metrics, own: ReplicaId) -> bool {
    metrics.state == ServerState::Leader && metrics.current_leader == Some(own)
}

pub(crate) fn role(metrics: &Metrics, own: ReplicaId) -> QuorumRole {
    let term = metrics.current_term;
    let applied_term = metrics.last_applied.map(|id| id.leader_id.term);
    QuorumRole {
        leader: metrics.current_leader.map(|leader| leader.node_id),
        term,
        ready: is_leader_in(metrics, own)
            && (applied_term == Some(term) || is_planted(Bug::EagerLeader)),
    }
}

/// When each replica last held all the leader had.
pub(crate) type CaughtUp = BTreeMap<ReplicaId, i64>;

/// Keeps role and failure up to date from the engine's metrics; ends with the engine.
pub(crate) struct Observer {
    pub(crate) metrics: MetricsReceiver,
    pub(crate) own: ReplicaId,
    pub(crate) clock: SharedClock,
    pub(crate) role: watch::Sender<QuorumRole>,
    pub(crate) caught_up: watch::Sender<CaughtUp>,
    pub(crate) failed: watch::Sender<Option<String>>,
    /// A leader that no majority answered for so long does not count as one.
    pub(crate) patience: Duration,
    /// A stop was asked for: its end is no failure.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Observer {
    pub(crate) async fn run(mut self) {
        loop {
            let failure = self.observe();
            if failure.is_some() {
                return self.fail(failure);
            }
            let changed = tokio::select! {
                biased;
                changed = self.metrics.changed() => changed.is_ok(),
                () = self.clock.sleep(self.patience) => true,
            };
            if !changed {
                return self.fail(Some("the Raft engine has ended".into()));
            }
        }
    }

    fn observe(&mut self) -> Option<String> {
        let metrics = self.metrics.borrow_watched();
        if let Err(fatal) = &metrics.running_state {
            return Some(fatal.to_string());
        }
        let mut now = role(&metrics, self.own);
        if is_leader_in(&metrics, self.own) && self.is_deserted(&metrics) {
            now.leader = None;
            now.ready = false;
        }
        self.role.send_if_modified(|known| {
            let changed = *known != now;
            *known = now;
            changed
        });
        if let Some(replication) = &metrics.replication {
            let now_ms = self.clock.now_ms();
            self.caught_up.send_modify(|known| {
                for (replica, matched) in replication {
                    if matched.map(|id| id.index) >= metrics.last_log_index {
                        known.insert(*replica, now_ms);
                    }
                }
            });
        }
        None
    }

    /// Cut off from the others, a leader learns of its successor only once it hears from them.
    fn is_deserted(&self, metrics: &Metrics) -> bool {
        let alone = metrics.membership_config.voter_ids().eq([self.own]);
        let answered = metrics.last_quorum_acked.as_ref();
        !alone
            && !is_planted(Bug::UncheckedLease)
            && answered.is_some_and(|at| at.elapsed() > self.patience)
    }

    fn fail(&self, failure: Option<String>) {
        self.role.send_modify(|role| {
            role.leader = None;
            role.ready = false;
        });
        if !*self.stopping.borrow() {
            tracing::error!(failure, "the quorum has failed");
            self.failed.send_replace(failure);
        }
    }
}

fn offset_behind(index: Option<u64>) -> i64 {
    index.map_or(0, |index| {
        i64::try_from(index).unwrap_or(i64::MAX).saturating_add(1)
    })
}

pub(crate) fn status(
    metrics: &Metrics,
    own: ReplicaId,
    caught_up: &CaughtUp,
    now_ms: i64,
) -> QuorumStatus {
    let leading = is_leader_in(metrics, own);
    let membership = metrics.membership_config.membership();
    let progress = |replica: ReplicaId| {
        let matched = metrics
            .replication
            .as_ref()
            .and_then(|known| known.get(&replica));
        let heard = metrics
            .heartbeat
            .as_ref()
            .and_then(|known| known.get(&replica));
        let age_ms = heard
            .and_then(|at| at.as_ref())
            .map(|at| at.elapsed().as_millis());
        let own_line = replica == own;
        ReplicaProgress {
            node_id: replica.node_id,
            directory_id: replica.directory_id,
            endpoint: membership
                .get_node(&replica)
                .map_or_else(String::new, |endpoint| endpoint.0.clone()),
            log_end_offset: match matched {
                _ if own_line => offset_behind(metrics.last_log_index),
                Some(id) if leading => offset_behind(id.map(|id| id.index)),
                _ => -1,
            },
            last_fetch_timestamp_ms: match age_ms {
                _ if own_line && leading => now_ms,
                Some(age_ms) if leading => now_ms - i64::try_from(age_ms).unwrap_or(0),
                _ => -1,
            },
            last_caught_up_timestamp_ms: match caught_up.get(&replica) {
                _ if own_line && leading => now_ms,
                Some(at_ms) if leading => *at_ms,
                _ => -1,
            },
        }
    };
    QuorumStatus {
        leader_id: metrics.current_leader.map_or(-1, |leader| leader.node_id),
        leader_epoch: metrics.current_term,
        high_watermark: offset_behind(metrics.local_committed.map(|id| id.index)),
        voters: membership.voter_ids().map(progress).collect(),
        observers: membership.learner_ids().map(progress).collect(),
        snapshot_index: metrics.snapshot.map(|id| id.index),
    }
}
