//! How far each replica is, who is in sync, and what ISR the leader wants.
//!
//! Pure. Kafka: `Partition`, `Replica`.
//!
//! ```text
//! joins the ISR    its position has reached the high watermark and the start of this epoch, and it would
//!                  not leave again at once
//! leaves the ISR   it was not at the log end for replica.lag.time.max.ms; or it does not hold any more what
//!                  readers have seen: its log was found to be damaged; or it leads and has no room
//! ```
//!
//! A replica's position is what it has on disk in durable mode, else what it has written. An
//! alteration that was asked for and not answered counts for the larger of both ISRs: the high
//! watermark waits for everyone who may be in it.

use std::collections::BTreeMap;
use std::time::Duration;

use odeon_kernel::sim::{Bug, is_planted};
use odeon_model::config::Durability;
use odeon_model::{BrokerEpoch, ErrorCode, NodeId, Offset};

/// What a follower says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The epoch of its registration.
    pub broker_epoch: BrokerEpoch,
    /// Its first offset.
    pub log_start: Offset,
    /// One past the last record it has written.
    pub log_end: Offset,
    /// One past the last record it has on disk.
    pub flushed: Offset,
}

/// A follower as the leader knows it, in this epoch.
#[derive(Debug, Clone, Copy)]
struct Follower {
    report: Report,
    /// When it last had everything the leader had.
    caught_up_at: Duration,
    /// The log end at its last report, and when that came.
    last_report: (Offset, Duration),
}

/// What the ISR is looked at with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// How positions count.
    pub(super) durability: Durability,
    /// The leader's log end.
    pub(super) log_end: Offset,
    /// What readers may have seen is below.
    pub(super) high_watermark: Offset,
    /// `replica.lag.time.max.ms`.
    pub(super) lag_max: Duration,
    /// Monotonic time.
    pub(super) now: Duration,
    /// What the leader's own log is fit for.
    pub(super) fitness: Fitness,
    /// `min.insync.replicas`, as far as there are replicas at all.
    pub(super) min_insync: usize,
}

/// What a log is fit for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fitness {
    /// Everything.
    Sound,
    /// There is no room for more.
    Full,
    /// It does not hold any more what it held.
    Damaged,
}

/// An ISR to ask the controller for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedIsr {
    /// Its members, each with the epoch of its registration, -1 if that is not known.
    pub(super) isr: Vec<(NodeId, BrokerEpoch)>,
    /// Who leaves because what it had is damaged.
    pub(super) lost: Vec<NodeId>,
}

/// The replicas of a partition, from its leader's side.
#[derive(Debug)]
pub(super) struct Replicas {
    own: NodeId,
    all: Vec<NodeId>,
    isr: Vec<NodeId>,
    partition_epoch: i32,
    /// Everybody in an ISR that was asked for, until it is known what became of it.
    asked: Vec<NodeId>,
    /// An alteration is on its way.
    is_asking: bool,
    /// An alteration ended without an answer: it may still happen.
    is_unknown: bool,
    followers: BTreeMap<NodeId, Follower>,
    /// Where this leader's epoch begins.
    epoch_start: Offset,
    /// From when a follower that was never heard counts as silent.
    since: Duration,
}

impl Replicas {
    pub(super) fn new(
        own: NodeId,
        all: Vec<NodeId>,
        isr: Vec<NodeId>,
        partition_epoch: i32,
        epoch_start: Offset,
        since: Duration,
    ) -> Self {
        Self {
            own,
            all,
            isr,
            partition_epoch,
            asked: Vec::new(),
            is_asking: false,
            is_unknown: false,
            followers: BTreeMap::new(),
            epoch_start,
            since,
        }
    }

    pub(super) fn all(&self) -> &[NodeId] {
        &self.all
    }

    pub(super) fn isr(&self) -> &[NodeId] {
        &self.isr
    }

    pub(super) fn partition_epoch(&self) -> i32 {
        self.partition_epoch
    }

    /// `min.insync.replicas`, as far as there are replicas at all.
    pub(super) fn min_insync(&self, configured: usize) -> usize {
        configured.min(self.all.len())
    }

    /// Takes over what the metadata says, unless something newer is known.
    pub(super) fn set(&mut self, all: Vec<NodeId>, isr: Vec<NodeId>, partition_epoch: i32) {
        if partition_epoch < self.partition_epoch {
            return;
        }
        if partition_epoch > self.partition_epoch {
            self.settled();
        }
        self.followers.retain(|id, _| all.contains(id));
        (self.all, self.isr, self.partition_epoch) = (all, isr, partition_epoch);
    }

    /// Notes where a follower is. False for one that is no replica.
    pub(super) fn report(
        &mut self,
        id: NodeId,
        report: Report,
        durability: Durability,
        log_end: Offset,
        now: Duration,
    ) -> bool {
        if id == self.own || !self.all.contains(&id) {
            return false;
        }
        let position = position(&report, durability);
        let before = self.followers.get(&id);
        let mut caught_up_at = before.map_or(self.since, |known| known.caught_up_at);
        if position >= log_end {
            caught_up_at = now;
        } else if let Some(known) = before
            && position >= known.last_report.0
        {
            caught_up_at = caught_up_at.max(known.last_report.1);
        }
        let follower = Follower {
            report,
            caught_up_at,
            last_report: (log_end, now),
        };
        self.followers.insert(id, follower);
        true
    }

    /// The leader's log end moves from `before`: until now, those who were there had everything.
    pub(super) fn grows(&mut self, before: Offset, durability: Durability, now: Duration) {
        for follower in self.followers.values_mut() {
            if position(&follower.report, durability) >= before {
                follower.caught_up_at = now;
            }
        }
    }

    /// Where the slowest replica is that is, or may be, in sync; `own` is the leader's position.
    /// `None` while one of them was not heard in this epoch.
    pub(super) fn replicated_to(&self, own: Offset, durability: Durability) -> Option<Offset> {
        let others = self
            .isr
            .iter()
            .chain(&self.asked)
            .filter(|id| **id != self.own);
        let mut slowest = own;
        for id in others {
            let follower = self.followers.get(id)?;
            slowest = slowest.min(position(&follower.report, durability));
        }
        Some(slowest)
    }

    /// The least log start of all replicas on brokers that live; `own` is the leader's.
    pub(super) fn low_watermark(&self, own: Offset, is_alive: impl Fn(NodeId) -> bool) -> Offset {
        let others = self.all.iter().filter(|id| **id != self.own);
        let starts = others.filter(|id| is_alive(**id)).map(|id| {
            let follower = self.followers.get(id);
            follower.map_or(0, |known| known.report.log_start)
        });
        starts.fold(own, Offset::min)
    }

    /// The ISR to ask for, if it is another than there is. `may_join` says whether a broker is alive
    /// under an epoch.
    pub(super) fn wanted_isr(
        &mut self,
        look: &Look,
        may_join: impl Fn(NodeId, BrokerEpoch) -> bool,
    ) -> Option<WantedIsr> {
        if self.is_asking {
            return None;
        }
        let Look {
            durability,
            log_end,
            high_watermark,
            lag_max,
            now,
            ..
        } = *look;
        let lost = self.lost(look);
        let in_sync = |id: &NodeId| {
            let is_member = self.isr.contains(id);
            let Some(follower) = self.followers.get(id) else {
                return is_member && now.saturating_sub(self.since) <= lag_max;
            };
            let position = position(&follower.report, durability);
            let keeps_up =
                position >= log_end || now.saturating_sub(follower.caught_up_at) <= lag_max;
            // Who would leave at once does not join either: that would go on at the pace of its reports.
            let joins = || {
                position >= high_watermark
                    && position >= self.epoch_start
                    && may_join(*id, follower.report.broker_epoch)
            };
            !lost.contains(id) && keeps_up && (is_member || joins())
        };
        let wanted: Vec<NodeId> = self
            .all
            .iter()
            .copied()
            .filter(|id| match *id == self.own {
                true => !lost.contains(id),
                false => in_sync(id),
            })
            .collect();
        let is_same =
            wanted.len() == self.isr.len() && wanted.iter().all(|id| self.isr.contains(id));
        // To ask for what there is settles what became of earlier alterations.
        if is_same && !self.is_unknown {
            return None;
        }
        for id in &wanted {
            if !self.asked.contains(id) {
                self.asked.push(*id);
            }
        }
        self.is_asking = true;
        let epoch = |id: &NodeId| {
            let follower = self.followers.get(id);
            follower.map_or(-1, |follower| follower.report.broker_epoch)
        };
        let isr = wanted.iter().map(|id| (*id, epoch(id))).collect();
        Some(WantedIsr { isr, lost })
    }

    /// Members of the ISR that do not hold what readers have seen, by their own word: what they had is
    /// damaged. The leader is one of them only if others can lead; one without room, too, if the others
    /// can go on without it.
    fn lost(&self, look: &Look) -> Vec<NodeId> {
        let lacks = |id: &NodeId| {
            let follower = self.followers.get(id);
            follower.is_some_and(|known| known.report.log_end < look.high_watermark)
        };
        let members = self.isr.iter().copied();
        let mut lost: Vec<NodeId> = members.filter(lacks).collect();
        let others = self.isr.len().saturating_sub(lost.len() + 1);
        let gives_way = match look.fitness {
            Fitness::Sound => false,
            Fitness::Full => others >= look.min_insync.max(1),
            Fitness::Damaged => others > 0,
        };
        if gives_way {
            lost.push(self.own);
        }
        lost
    }

    /// The controller accepted what was asked for.
    pub(super) fn settled(&mut self) {
        self.asked.clear();
        (self.is_asking, self.is_unknown) = (false, false);
    }

    /// The controller did not answer with an ISR. One code says that nothing happened; with any other it
    /// may have, now or by an earlier request that was never answered, and others may lead by it (Kafka:
    /// `handleAlterPartitionError`): then both ISRs count until the metadata tells.
    pub(super) fn failed(&mut self, code: ErrorCode) {
        self.is_asking = false;
        match code {
            ErrorCode::NewLeaderElected if is_planted(Bug::RevertedIsr) => self.asked.clear(),
            ErrorCode::IneligibleReplica if self.is_unknown => {}
            ErrorCode::IneligibleReplica => self.asked.clear(),
            _ => self.is_unknown = true,
        }
    }

    /// A predecessor in this epoch may have asked for anything.
    pub(super) fn doubt(&mut self) {
        self.asked = self.all.clone();
        self.is_unknown = true;
    }

    /// Whether a member of the ISR is behind: time will tell.
    pub(super) fn is_unsettled(&self, durability: Durability, log_end: Offset) -> bool {
        let lags = |id: &NodeId| {
            *id != self.own
                && self
                    .followers
                    .get(id)
                    .is_none_or(|known| position(&known.report, durability) < log_end)
        };
        self.isr.iter().any(lags)
    }
}

fn position(report: &Report, durability: Durability) -> Offset {
    match durability {
        Durability::Fsync if is_planted(Bug::UnsyncedFollowers) => report.log_end,
        Durability::Fsync if is_planted(Bug::EarlyAcknowledgement) => report.log_end,
        Durability::Fsync => report.flushed,
        Durability::PageCache => report.log_end,
    }
}
