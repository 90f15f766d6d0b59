//! Before the first entry: how the configured voters find each other, and found one cluster.
//!
//! A configuration names voters by node id. A vote belongs to a directory, so the others' directory
//! ids must be learned first, and the cluster must be founded once. On a first boot every node asks
//! the configured voters how they stand, again and again, until one of these holds:
//!
//! | what the voters of one round say | what this node does |
//! |---|---|
//! | one has entries in its log | it joins that cluster, with a vote if its directory has one |
//! | all answer, none has entries, and this is the one with the lowest id | it founds the cluster |
//! | anything else | it asks again |
//!
//! Why there is one cluster: a node belongs to one cluster id for good, written down before it
//! takes part; and every founding needs a majority of the same directories to commit anything. A
//! founder that crashes before its first entry is durable has founded nothing: it, or what comes in
//! its place, asks again. One that lost its disk comes back as another replica, and founds only if
//! none of the others has an entry, so nothing was ever committed with them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use odeon_kernel::clock::SharedClock;
use odeon_kernel::disk::SharedDisk;
use odeon_kernel::{Blocking, Rng};
use odeon_model::Uuid;

use crate::config::{StartError, Voter};
use crate::network::{Peers, Standing, answer_with, ask};
use crate::store;

mod decision;
#[cfg(test)]
mod tests;

use decision::{Verdict, decide};

/// How long a voter may take to answer.
const ANSWER: Duration = Duration::from_millis(500);
/// Between two rounds of asking.
const PAUSE: Duration = Duration::from_millis(50);
/// Rounds between two lines in the log that say who is missing.
const ROUNDS_A_WORD: u64 = 100;

/// A node that looks for its cluster.
#[derive(Debug)]
pub struct Applicant {
    /// This node's id.
    pub node_id: i32,
    /// The id of the directory that will hold the log; it must outlive a crash already.
    pub directory_id: Uuid,
    /// The cluster that the node's directories belong to, if they were formatted.
    pub cluster_id: Option<String>,
    /// The configured voters and where each is reached. The node is an observer unless it is listed.
    pub voters: Vec<(i32, String)>,
    /// Where the quorum's log lies, or will.
    pub dir: PathBuf,
    /// The disk.
    pub disk: SharedDisk,
    /// The clock.
    pub clock: SharedClock,
    /// For the id of a new cluster.
    pub rng: Arc<Rng>,
    /// The way to the voters.
    pub peers: Arc<dyn Peers>,
    /// Where blocking work goes.
    pub blocking: Blocking,
}

/// What a [`Quorum`](crate::Quorum) is to be started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Founding {
    /// The cluster's id. It has to be on disk, with the directory's id, before the quorum starts.
    pub cluster_id: String,
    /// The voters, if this node founds the cluster; none if it joins, or did already.
    pub voters: Vec<Voter>,
}

/// Finds out which cluster a node belongs to: from its log, or by asking the configured voters for
/// as long as it takes. A sole voter founds its own at once.
///
/// Others that ask meanwhile are answered; a quorum started on the same peers goes on with it.
/// Dropping the future leaves nothing behind but that answer.
///
/// # Errors
/// When the node and the others were formatted for different clusters, or the log cannot be read.
pub async fn agree(applicant: Applicant) -> Result<Founding, StartError> {
    let (disk, dir) = (applicant.disk.clone(), applicant.dir.clone());
    let held = move || store::held_by(&disk, &dir);
    if let Some(cluster_id) = applicant.blocking.run(held).await? {
        let voters = Vec::new();
        return Ok(Founding { cluster_id, voters });
    }
    let peers = applicant.peers.clone();
    let outcome = applicant.settle().await;
    if outcome.is_err() {
        peers.retire();
    }
    outcome
}

impl Applicant {
    async fn settle(self) -> Result<Founding, StartError> {
        let own = Standing {
            node_id: self.node_id,
            directory_id: self.directory_id,
            cluster_id: self.cluster_id.clone(),
            founded: false,
            voters: self.voters.iter().map(|(id, _)| *id).collect(),
        };
        self.peers.serve(answer_with(own.clone()));
        let mut rounds: u64 = 0;
        loop {
            let answers = self.ask_all(&own).await;
            match decide(&own, &answers) {
                Verdict::Join(cluster_id) => {
                    let voters = Vec::new();
                    return Ok(Founding { cluster_id, voters });
                }
                Verdict::Found(cluster_id) => return Ok(self.found(cluster_id, &answers)),
                Verdict::Conflict(why) => return Err(StartError::Foreign(why)),
                Verdict::Wait(missing) => {
                    if rounds % ROUNDS_A_WORD == ROUNDS_A_WORD - 1 {
                        tracing::warn!(?missing, "waiting for voters to found or find the cluster");
                    }
                }
            }
            rounds += 1;
            self.clock.sleep(PAUSE).await;
        }
    }

    /// One round: how every configured voter stands, as far as they answer.
    async fn ask_all(&self, own: &Standing) -> BTreeMap<i32, Standing> {
        let others = own.voters.iter().filter(|id| **id != self.node_id);
        let calls = others.map(|id| async move {
            let answer = ask(&*self.peers, *id, ANSWER).await;
            // Somebody else may be found at a voter's address.
            let answer = answer.filter(|standing| standing.node_id == *id);
            (*id, answer)
        });
        let mut answers: BTreeMap<i32, Standing> = join_all(calls)
            .await
            .into_iter()
            .filter_map(|(id, answer)| Some((id, answer?)))
            .collect();
        if own.voters.contains(&self.node_id) {
            answers.insert(self.node_id, own.clone());
        }
        answers
    }

    fn found(&self, cluster_id: Option<String>, answers: &BTreeMap<i32, Standing>) -> Founding {
        let new = || Uuid::from_random(self.rng.bytes16()).to_string();
        let cluster_id = cluster_id.unwrap_or_else(new);
        let voter = |(id, endpoint): &(i32, String)| {
            let standing = answers.get(id)?;
            Some(Voter {
                node_id: *id,
                directory_id: standing.directory_id,
                endpoint: endpoint.clone(),
            })
        };
        let voters = self.voters.iter().filter_map(voter).collect();
        tracing::info!(cluster_id, ?voters, "founds the cluster");
        Founding { cluster_id, voters }
    }
}
