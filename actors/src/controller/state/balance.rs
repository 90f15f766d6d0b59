//! Leaders go back to where they belong, now and then. Kafka: `maybeBalancePartitionLeaders`.

use odeon_model::PartitionId;

use super::{Decisions, Draft};
use crate::controller::message::Election;
use crate::controller::vocabulary::Now;

/// The most leaders that one look moves; the next look comes at once if there are more.
const MAX_MOVES: usize = 1_000;

impl Decisions {
    /// Has preferred replicas lead where they do not and could, if it is time to look. How many.
    pub(in crate::controller) fn balance_leaders(&mut self, draft: &mut Draft, now: Now) -> usize {
        let Some(interval) = self.settings.leader_balance_interval else {
            return 0;
        };
        if now.monotonic.saturating_sub(self.last_balance) < interval {
            return 0;
        }
        let image = &draft.image;
        let astray: Vec<(String, PartitionId)> = image
            .topics()
            .flat_map(|topic| {
                let partitions = topic.partitions.iter().filter(|(_, partition)| {
                    let preferred = partition.preferred_leader();
                    preferred.is_some_and(|id| {
                        id != partition.leader && partition.isr.contains(&id) && image.is_active(id)
                    })
                });
                partitions.map(|(index, _)| (topic.name.to_string(), *index))
            })
            .take(MAX_MOVES)
            .collect();
        let count = astray.len();
        if count < MAX_MOVES {
            self.last_balance = now.monotonic;
        }
        if count > 0 {
            self.elect_leaders(draft, Election::Preferred, Some(astray));
        }
        count
    }
}
