//! What a replica does about its own membership, and a leader about that of others, now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use odeon_kernel::watch;
use openraft::{ChangeMembers, Instant};

use super::{GONE, Members};
use crate::network::{Answer, Question};
use crate::role::Metrics;
use crate::types::ReplicaId;

/// While there is nothing to do.
const IDLE: Duration = Duration::from_secs(1);
/// Between two attempts to follow, or to vote.
const RETRY: Duration = Duration::from_millis(100);

/// Keeps a replica a member. Owned by one task.
pub(crate) struct Attendant {
    pub(crate) members: Members,
    /// Where this node is reached.
    pub(crate) endpoint: String,
    /// Whether it asks for a vote.
    pub(crate) joins: bool,
    /// Where each node is reached, as others were told.
    pub(crate) told: BTreeMap<i32, String>,
    /// When each learner was last heard of, by the clock.
    pub(crate) heard: BTreeMap<ReplicaId, Duration>,
}

impl Attendant {
    /// Runs until a stop is asked for.
    pub(crate) async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let clock = self.members.shared.clock.clone();
        loop {
            let step = async {
                let pause = self.step().await;
                clock.sleep(pause).await;
            };
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return,
                () = step => {}
            }
        }
    }

    /// Does what is to be done, and says when to look again.
    async fn step(&mut self) -> Duration {
        let metrics = self.members.metrics();
        self.tell(&metrics);
        if self.members.leads() {
            self.tidy(&metrics).await;
            return IDLE;
        }
        self.heard.clear();
        let own = self.members.shared.own;
        let members = metrics.membership_config.membership();
        if members.voter_ids().any(|voter| voter == own) {
            self.joins = false;
            return IDLE;
        }
        let follow = Question::Follow {
            replica: own,
            endpoint: self.endpoint.clone(),
        };
        match self.members.ask(follow).await {
            Answer::Done if !self.joins => IDLE,
            Answer::Done => {
                if let Answer::No(why) = self.members.ask(Question::Join { replica: own }).await {
                    tracing::debug!(%why, "does not vote yet");
                }
                RETRY
            }
            Answer::No(why) => {
                tracing::debug!(%why, "does not follow yet");
                RETRY
            }
            Answer::Status(_) => RETRY,
        }
    }

    /// Passes on where members are reached.
    fn tell(&mut self, metrics: &Metrics) {
        for (replica, endpoint) in metrics.membership_config.membership().nodes() {
            if self.told.get(&replica.node_id) != Some(&endpoint.0) {
                self.members
                    .shared
                    .peers
                    .learn(replica.node_id, &endpoint.0);
                self.told.insert(replica.node_id, endpoint.0.clone());
            }
        }
    }

    /// Ends a change that an earlier leader has left half done; drops learners that are gone.
    async fn tidy(&mut self, metrics: &Metrics) {
        let members = metrics.membership_config.membership();
        let change = if members.get_joint_config().len() > 1 {
            ChangeMembers::AddVoterIds(Default::default())
        } else {
            let gone = self.gone(metrics);
            if gone.is_empty() {
                return;
            }
            tracing::info!(?gone, "drops replicas that are not heard of any more");
            ChangeMembers::RemoveNodes(gone.into_iter().collect())
        };
        // Nobody else's change is disturbed: it may be the one that is half done.
        let Ok(_one_at_a_time) = self.members.shared.change.try_lock() else {
            return;
        };
        if let Answer::No(why) = self.members.commit(change, true).await {
            tracing::debug!(%why, "could not tidy up the members");
        }
    }

    fn gone(&mut self, metrics: &Metrics) -> Vec<ReplicaId> {
        let now = self.members.shared.clock.monotonic();
        let members = metrics.membership_config.membership();
        let learners: Vec<ReplicaId> = members.learner_ids().collect();
        self.heard.retain(|replica, _| learners.contains(replica));
        let mut gone = Vec::new();
        for learner in learners {
            let acked = metrics.heartbeat.as_ref();
            let acked = acked.and_then(|known| known.get(&learner));
            let age = acked.and_then(|at| at.as_ref()).map(|at| at.elapsed());
            // Before the first answer in this term, the wait begins with the term.
            let last = age.map_or(Duration::ZERO, |age| now.saturating_sub(age));
            let heard = self.heard.entry(learner).or_insert(now);
            *heard = last.max(*heard);
            if now.saturating_sub(*heard) > GONE {
                gone.push(learner);
            }
        }
        gone
    }
}
