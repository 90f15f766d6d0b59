//! What a server's sessions keep: where each follower is, and what its leader was told of it.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use odeon_kernel::sim::{Bug, is_planted};
use odeon_model::LeaderEpoch;

use super::{Entry, Session};
use crate::partition::leader::Report;
use crate::partition::replication::Key;
use crate::partition::replication::session::{Follower, Leader, Next};
use crate::partition::replication::subscription::Subscription;
use crate::partition::replication::wire::{Change, Outcome, Part};
use crate::partition::view::PartitionView;
use crate::partition::{Route, RoutingTable};

impl Session {
    pub(super) fn entries(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn end(&self) {
        self.queue.close();
        self.entries().clear();
    }

    /// Notes where a follower is, tells its leader, and looks at it soon.
    pub(super) fn place(
        &self,
        entries: &mut BTreeMap<Key, Entry>,
        change: Change,
        route: Option<Route>,
        broker_epoch: i64,
    ) {
        let (key, at) = (change.key(), change.at);
        // A leader that does not count the node as a replica yet would not hear it: it comes again.
        let is_heard =
            |route: &Route| route.view.has_replica(self.node) || is_planted(Bug::UnheardReplica);
        let route = route.filter(|r| r.view.leader_epoch == at.leader_epoch && is_heard(r));
        let view = route.as_ref().map(|route| route.view.clone());
        let is_same = entries.get(&key).is_some_and(|entry| {
            let same = |a: &Arc<PartitionView>, b: &Arc<PartitionView>| Arc::ptr_eq(a, b);
            matches!((&entry.view, &view), (Some(a), Some(b)) if same(a, b))
        });
        if !is_same {
            let subscription = Subscription::new(key, self.queue.clone());
            if let Some(view) = &view {
                view.followers.add(subscription.clone());
            }
            let follower = Follower::new(at);
            let entry = Entry {
                follower,
                sequence: 0,
                view,
                subscription,
                told: None,
            };
            entries.insert(key, entry);
        }
        let Some(entry) = entries.get_mut(&key) else {
            return;
        };
        entry.follower.moves(at);
        entry.subscription.ring();
        if let Some(route) = route
            && entry.follower.agrees(&leader(&route.view, at.last_epoch))
        {
            let report = Report {
                broker_epoch,
                log_start: at.log_start,
                log_end: at.log_end,
                flushed: at.flushed,
            };
            entry.told = Some((route.view.beginnings(), report));
            route.leader.report(self.node, report);
        }
    }

    /// Tells a leader that has begun again where the follower is.
    pub(super) fn tell_again(&self, key: Key, routing: &RoutingTable) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&key) else {
            return;
        };
        if let (Some(view), Some((leader, report))) = (&entry.view, &mut entry.told)
            && *leader != view.beginnings()
            && let Some(route) = routing.get(key.0, key.1)
            && route.view.leader_epoch == view.leader_epoch
        {
            *leader = view.beginnings();
            route.leader.report(self.node, *report);
        }
    }

    /// A follower and its leader as they are now, and what is to be done.
    pub(super) fn look(
        &self,
        key: Key,
    ) -> Option<(Option<Arc<PartitionView>>, Follower, Next, Leader)> {
        let entries = self.entries();
        let entry = entries.get(&key)?;
        let follower = entry.follower;
        let view = entry.view.as_ref().filter(|view| !view.is_closed());
        let leader = view.map_or(
            Leader {
                leader_epoch: -1,
                log_start: -1,
                log_end: -1,
                high_watermark: -1,
                end_of_last_epoch: None,
            },
            |view| leader(view, follower.at.last_epoch),
        );
        Some((view.cloned(), follower, follower.next(&leader), leader))
    }

    pub(super) fn ring(&self, key: Key) {
        if let Some(entry) = self.entries().get(&key) {
            entry.subscription.ring();
        }
    }

    /// Notes what a follower is told. It answers to all but newer offsets.
    pub(super) fn told(&self, part: &Part) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&part.key) else {
            return;
        };
        if entry.follower.at.leader_epoch != part.leader_epoch {
            // It has spoken meanwhile, in another epoch, and takes this for old news.
            return;
        }
        entry.follower.sent = part.number;
        match part.outcome {
            Outcome::Records => {
                entry.follower.told = (part.high_watermark, part.log_start);
                entry.follower.is_busy = !part.records.is_empty();
            }
            Outcome::Diverging(..) | Outcome::OutOfRange(_) => entry.follower.is_busy = true,
            // It asks again when it knows better.
            Outcome::NotLeader | Outcome::Failed => {
                entries.remove(&part.key);
            }
        }
    }
}

/// A leader's log as it is now, for a follower whose last record is of an epoch.
fn leader(view: &PartitionView, last_epoch: LeaderEpoch) -> Leader {
    Leader {
        leader_epoch: view.leader_epoch,
        log_start: view.log_start_offset(),
        log_end: view.log_end_offset(),
        high_watermark: view.high_watermark(),
        end_of_last_epoch: view.reader.end_offset_for_epoch(last_epoch),
    }
}
