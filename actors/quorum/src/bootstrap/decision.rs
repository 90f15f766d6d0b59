//! What one round of answers means.

use std::collections::{BTreeMap, BTreeSet};

use crate::network::Standing;

/// What to do after a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// These are missing, or it is for another node to act: ask again.
    Wait(Vec<i32>),
    /// This cluster is there.
    Join(String),
    /// There is none: found it, under the id that some were formatted with, if any.
    Found(Option<String>),
    /// It cannot come to one cluster.
    Conflict(String),
}

/// Decides on the answers of one round, this node's own included if it is configured as a voter.
pub(super) fn decide(own: &Standing, answers: &BTreeMap<i32, Standing>) -> Verdict {
    let founded = answers.values().filter(|standing| standing.founded);
    match one_cluster(founded.chain([own])) {
        Err(why) => return Verdict::Conflict(why),
        Ok(Some(cluster_id)) if answers.values().any(|standing| standing.founded) => {
            return Verdict::Join(cluster_id);
        }
        Ok(_) => {}
    }
    let missing: Vec<i32> = own
        .voters
        .iter()
        .filter(|id| !answers.contains_key(id))
        .copied()
        .collect();
    if !missing.is_empty() || own.voters.iter().min() != Some(&own.node_id) {
        return Verdict::Wait(missing);
    }
    for standing in answers.values() {
        // One that has joined a cluster in vain knows none.
        if !standing.voters.is_empty() && sorted(&standing.voters) != sorted(&own.voters) {
            return Verdict::Conflict(format!(
                "node {} is configured with the voters {:?}, node {} with {:?}",
                standing.node_id, standing.voters, own.node_id, own.voters
            ));
        }
    }
    match one_cluster(answers.values()) {
        Err(why) => Verdict::Conflict(why),
        Ok(cluster_id) => Verdict::Found(cluster_id),
    }
}

fn sorted(voters: &[i32]) -> BTreeSet<i32> {
    voters.iter().copied().collect()
}

/// The cluster that all belong to who belong to any.
fn one_cluster<'a>(
    standings: impl Iterator<Item = &'a Standing>,
) -> Result<Option<String>, String> {
    let mut first: Option<(i32, &String)> = None;
    for standing in standings {
        let Some(cluster_id) = &standing.cluster_id else {
            continue;
        };
        match first {
            Some((node, found)) if found != cluster_id => {
                let other = standing.node_id;
                return Err(format!(
                    "node {node} belongs to cluster {found}, node {other} to {cluster_id}"
                ));
            }
            _ => first = Some((standing.node_id, cluster_id)),
        }
    }
    Ok(first.map(|(_, cluster_id)| cluster_id.clone()))
}
