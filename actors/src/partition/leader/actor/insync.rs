//! Who is in sync: reports come in, the ISR is looked at, the controller is asked.

use std::time::Duration;

use odeon_kernel::spawn;
use odeon_model::NodeId;
use ractor::ActorRef;

use super::{LeaderArguments, LeaderMsg, Leading};
use crate::controller::PartitionAlteration;
use crate::partition::isr::Altered;
use crate::partition::leader::replicas::{Fitness, Report};

/// How long an alteration that failed waits for the next attempt.
const RETRY: Duration = Duration::from_millis(100);

/// What a leader that gives way does when nobody else is in sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alone {
    /// It goes on.
    GoesOn,
    /// It cannot in this epoch.
    NeedsAnEpoch,
}

/// Asks the controller for another leader, or for a new epoch.
pub(super) fn give_way(arguments: &LeaderArguments, alone: Alone) {
    let (topic_id, partition) = (arguments.view.topic_id, arguments.view.partition);
    let known = arguments.changer.partition(topic_id, partition);
    let Some(known) = known.filter(|known| known.leader_epoch == arguments.leader_epoch) else {
        return;
    };
    let others = known.isr.iter().filter(|id| **id != arguments.node_id);
    let mut isr: Vec<NodeId> = others.copied().collect();
    if isr.is_empty() && alone == Alone::GoesOn {
        return;
    }
    if isr.is_empty() {
        isr.push(arguments.node_id);
    }
    tracing::warn!(
        topic = &*arguments.view.topic,
        partition,
        ?isr,
        "asks for another leader"
    );
    let alteration = PartitionAlteration {
        topic_id,
        partition,
        leader_epoch: arguments.leader_epoch,
        partition_epoch: known.partition_epoch,
        new_isr: isr.into_iter().map(|id| (id, -1)).collect(),
        lost: Vec::new(),
        resigns: true,
        recovering: false,
    };
    // A refusal leads to the next attempt by the next restart.
    arguments.changer.alter(alteration, |_| ());
}

impl Leading {
    pub(super) fn report(
        &mut self,
        myself: &ActorRef<LeaderMsg>,
        follower: NodeId,
        report: Report,
    ) {
        let now = self.arguments.clock.monotonic();
        if self.decide.report(follower, report, now) {
            self.publish();
            self.answer_deletions();
            self.look_at_isr(myself);
        }
    }

    /// Asks for another ISR if this one is not right.
    pub(super) fn look_at_isr(&mut self, myself: &ActorRef<LeaderMsg>) {
        let arguments = &self.arguments;
        let now = arguments.clock.monotonic();
        let changer = &arguments.changer;
        let may_join = |id, epoch| changer.may_join(id, epoch);
        let fitness = match (arguments.log.damage(), self.is_full) {
            (Some(_), _) => Fitness::Damaged,
            (None, true) => Fitness::Full,
            (None, false) => Fitness::Sound,
        };
        let lag_max = arguments.lag_max;
        if let Some(wanted) = self.decide.wanted_isr(lag_max, now, fitness, may_join) {
            tracing::info!(
                topic = &*arguments.view.topic,
                partition = arguments.view.partition,
                isr = ?self.decide.isr(),
                wanted = ?wanted.isr,
                lost = ?wanted.lost,
                "asks for another ISR"
            );
            let alteration = PartitionAlteration {
                topic_id: arguments.view.topic_id,
                partition: arguments.view.partition,
                leader_epoch: arguments.leader_epoch,
                partition_epoch: self.decide.partition_epoch(),
                new_isr: wanted.isr,
                lost: wanted.lost,
                resigns: false,
                recovering: false,
            };
            let myself = myself.clone();
            changer.alter(alteration, move |altered| {
                let _ = myself.cast(LeaderMsg::Altered(altered));
            });
        }
        self.arrange_look(myself);
    }

    /// Takes over what the metadata says now: what a restarted leader was started with is old.
    pub(super) fn take_over_metadata(&mut self) {
        let arguments = &self.arguments;
        let (topic_id, partition) = (arguments.view.topic_id, arguments.view.partition);
        if let Some(now) = arguments.changer.partition(topic_id, partition)
            && now.leader_epoch == arguments.leader_epoch
        {
            let (all, isr) = (now.replicas.clone(), now.isr.clone());
            self.set_replicas(all, isr, now.partition_epoch);
        }
    }

    /// Takes over changed replicas or a changed ISR.
    pub(super) fn set_replicas(&mut self, all: Vec<NodeId>, isr: Vec<NodeId>, epoch: i32) {
        self.decide.set_replicas(all, isr, epoch);
        self.publish_replicas();
    }

    /// Says whose reports are heard from now on: others are asked to come again.
    pub(super) fn publish_replicas(&self) {
        self.arguments.view.publish_replicas(self.decide.replicas());
    }

    pub(super) fn altered(&mut self, myself: &ActorRef<LeaderMsg>, altered: Altered) {
        match altered {
            Ok(partition) => {
                self.decide.isr_settled();
                self.decide
                    .set_isr(partition.isr, partition.partition_epoch);
                self.publish();
                self.look_at_isr(myself);
            }
            Err(code) => {
                tracing::debug!(?code, "the ISR is not altered");
                self.decide.isr_failed(code);
                self.take_over_metadata();
                self.publish();
                self.look_later(myself, RETRY);
            }
        }
    }

    /// Comes back as long as a follower is behind, unless that is arranged.
    pub(super) fn arrange_look(&mut self, myself: &ActorRef<LeaderMsg>) {
        if !self.look_arranged && self.decide.is_unsettled() {
            let wait = (self.arguments.lag_max / 2).max(Duration::from_millis(10));
            self.look_later(myself, wait);
        }
    }

    fn look_later(&mut self, myself: &ActorRef<LeaderMsg>, wait: Duration) {
        self.look_arranged = true;
        let sleep = self.arguments.clock.sleep(wait);
        let myself = myself.clone();
        spawn(async move {
            sleep.await;
            let _ = myself.cast(LeaderMsg::LookAtIsr);
        });
    }
}
