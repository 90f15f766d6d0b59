//! Which brokers hold a new partition.
//!
//! Leaders go round the unfenced brokers, which are ordered so that neighbours stand in different
//! racks. Followers come from the brokers behind the leader, first from racks that have no replica
//! yet; the step from leader to follower grows with each round, so that a broker's followers spread
//! over all others. Fenced brokers are taken last and never lead, as in Kafka.

use std::collections::{BTreeMap, VecDeque};

use odeon_metadata::MetadataImage;
use odeon_model::NodeId;

/// Places `count` partitions with `replication_factor` replicas each. `start` picks where the round
/// begins; a random one balances topics against each other.
///
/// # Errors
/// Why the brokers do not suffice.
pub(super) fn place(
    image: &MetadataImage,
    count: i32,
    replication_factor: i16,
    start: u64,
) -> Result<Vec<Vec<NodeId>>, String> {
    let wanted = usize::try_from(replication_factor).unwrap_or(0);
    let live = ring(image, |fenced| !fenced);
    let fenced = ring(image, |fenced| fenced);
    let registered = live.len() + fenced.len();
    if live.is_empty() && !fenced.is_empty() {
        return Err("No broker is live.".to_owned());
    }
    if wanted > registered || live.is_empty() {
        return Err(format!(
            "{replication_factor} are wanted, and {registered} broker(s) are registered."
        ));
    }
    let start = usize::try_from(start % live.len() as u64).unwrap_or(0);
    let count = usize::try_from(count).unwrap_or(0);
    Ok((0..count)
        .map(|index| replicas(&live, &fenced, start + index, wanted))
        .collect())
}

type Member<'a> = (NodeId, Option<&'a str>);

/// The brokers, round robin over their racks.
fn ring(image: &MetadataImage, wanted: impl Fn(bool) -> bool) -> Vec<Member<'_>> {
    let mut racks: BTreeMap<Option<&str>, VecDeque<NodeId>> = BTreeMap::new();
    for broker in image.brokers().filter(|broker| wanted(!broker.is_active())) {
        racks
            .entry(broker.rack.as_deref())
            .or_default()
            .push_back(broker.id);
    }
    let mut members = Vec::new();
    while !racks.is_empty() {
        racks.retain(|rack, brokers| {
            members.extend(brokers.pop_front().map(|id| (id, *rack)));
            !brokers.is_empty()
        });
    }
    members
}

fn replicas(live: &[Member<'_>], fenced: &[Member<'_>], turn: usize, wanted: usize) -> Vec<NodeId> {
    let leader = turn % live.len();
    let others = live.len() - 1;
    let shift = turn / live.len();
    let mut candidates: Vec<Member<'_>> = (0..others)
        .map(|step| live[(leader + 1 + (shift + step) % others) % live.len()])
        .collect();
    let mut chosen = vec![live[leader]];
    let all_racked = live.iter().chain(fenced).all(|(_, rack)| rack.is_some());
    for pool in [&mut candidates, &mut fenced.to_vec()] {
        if all_racked {
            // First pass: one replica a rack.
            pool.retain(|member| {
                let is_new = !chosen.iter().any(|(_, rack)| *rack == member.1);
                if is_new && chosen.len() < wanted {
                    chosen.push(*member);
                    return false;
                }
                true
            });
        }
        let missing = wanted.saturating_sub(chosen.len());
        chosen.extend(pool.iter().take(missing).copied());
    }
    chosen.truncate(wanted);
    chosen.into_iter().map(|(id, _)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use odeon_schema::metadata::RegisterBrokerRecord;

    fn cluster(brokers: &[(i32, &str, bool)]) -> MetadataImage {
        let mut image = MetadataImage::new("c");
        for (broker_id, rack, fenced) in brokers {
            let record = RegisterBrokerRecord {
                broker_id: *broker_id,
                rack: (!rack.is_empty()).then(|| (*rack).to_owned()),
                fenced: *fenced,
                ..Default::default()
            };
            image.apply(&record.into());
        }
        image
    }

    #[test]
    fn leaders_and_replicas_are_spread_evenly() {
        let brokers: Vec<_> = (0..5).map(|id| (id, "", false)).collect();
        let placed = place(&cluster(&brokers), 20, 3, 7).unwrap();
        for id in 0..5 {
            assert_eq!(
                placed.iter().filter(|replicas| replicas[0] == id).count(),
                4
            );
            assert_eq!(
                placed
                    .iter()
                    .flatten()
                    .filter(|replica| **replica == id)
                    .count(),
                12
            );
        }
        for replicas in placed {
            let distinct: std::collections::BTreeSet<_> = replicas.iter().collect();
            assert_eq!(distinct.len(), 3);
        }
    }

    #[test]
    fn replicas_stand_in_different_racks_where_that_can_be() {
        let brokers = [
            (0, "a", false),
            (1, "a", false),
            (2, "b", false),
            (3, "b", false),
            (4, "c", false),
        ];
        for start in 0..5 {
            for replicas in place(&cluster(&brokers), 15, 3, start).unwrap() {
                let racks: std::collections::BTreeSet<_> =
                    replicas.iter().map(|id| brokers[*id as usize].1).collect();
                assert_eq!(racks.len(), 3, "{replicas:?}");
            }
        }
    }

    #[test]
    fn a_fenced_broker_is_taken_last_and_never_leads() {
        let image = cluster(&[(0, "", false), (1, "", true), (2, "", false)]);
        for replicas in place(&image, 6, 2, 0).unwrap() {
            assert!(!replicas.contains(&1));
        }
        for replicas in place(&image, 6, 3, 0).unwrap() {
            assert_eq!(replicas[2], 1);
        }
    }

    #[test]
    fn too_few_brokers_are_refused() {
        assert!(
            place(&cluster(&[]), 1, 1, 0)
                .unwrap_err()
                .contains("and 0 broker(s)")
        );
        let fenced = cluster(&[(0, "", true)]);
        assert_eq!(place(&fenced, 1, 1, 0).unwrap_err(), "No broker is live.");
        let one = cluster(&[(0, "", false)]);
        assert!(place(&one, 1, 2, 0).unwrap_err().contains("2 are wanted"));
    }
}
