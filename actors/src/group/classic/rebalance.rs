//! The join phase: it begins, it waits, it ends with a new generation.

use odeon_model::ErrorCode;

use super::{ClassicGroup, InitialDelay, MemberId};
use crate::group::message::GroupState;
use crate::group::timers::{TimerKey, TimerKind, Timers};
use crate::group::turn::Turn;

impl ClassicGroup {
    /// Begins a rebalance, or ends the one that is being prepared if nobody is missing.
    pub(super) fn rebalance_or_complete(&mut self, turn: &mut Turn<'_>, reason: &str) {
        if self.state == GroupState::PreparingRebalance {
            self.complete_if_all_joined(turn);
        } else {
            self.prepare_rebalance(turn, reason);
        }
    }

    /// Asks all members to join again.
    pub(crate) fn prepare_rebalance(&mut self, turn: &mut Turn<'_>, reason: &str) {
        tracing::info!(
            group = &*self.id,
            generation = self.generation,
            members = self.members.len(),
            reason,
            "prepares a rebalance"
        );
        if self.state == GroupState::CompletingRebalance {
            self.reset_assignments(turn, ErrorCode::RebalanceInProgress);
        }
        self.unsynced.clear();
        self.stop_sync_timer();
        let is_first = self.state == GroupState::Empty;
        self.enter(GroupState::PreparingRebalance, turn);
        if is_first {
            let delay_ms = i64::from(turn.config.initial_rebalance_delay_ms);
            let remaining_ms = (self.rebalance_timeout_ms() - delay_ms).max(0);
            self.initial = Some(InitialDelay {
                delay_ms,
                remaining_ms,
                extend: false,
            });
            self.wait_for_joins(turn, delay_ms);
        } else if self.all_joined() {
            self.complete_join(turn);
        } else {
            self.wait_for_joins(turn, self.rebalance_timeout_ms());
        }
    }

    fn wait_for_joins(&mut self, turn: &mut Turn<'_>, delay_ms: i64) {
        let key = self.timer(TimerKind::Rebalance);
        let at_ms = turn.after_ms(delay_ms);
        turn.timers.set(&mut self.rebalance, at_ms, || key);
    }

    fn all_joined(&self) -> bool {
        self.joining == self.members.len() && self.pending.is_empty()
    }

    /// Ends the join phase if nobody is missing; the first one of a group always takes its time.
    pub(super) fn complete_if_all_joined(&mut self, turn: &mut Turn<'_>) {
        if self.state == GroupState::PreparingRebalance
            && self.initial.is_none()
            && self.all_joined()
        {
            self.complete_join(turn);
        }
    }

    /// The join phase's time is up.
    pub(super) fn join_phase_is_over(&mut self, turn: &mut Turn<'_>) {
        if self.state != GroupState::PreparingRebalance {
            return;
        }
        match self.initial {
            Some(initial) if initial.extend && initial.remaining_ms > 0 => {
                let delay_ms =
                    i64::from(turn.config.initial_rebalance_delay_ms).min(initial.remaining_ms);
                let remaining_ms = (initial.remaining_ms - initial.delay_ms).max(0);
                self.initial = Some(InitialDelay {
                    delay_ms,
                    remaining_ms,
                    extend: false,
                });
                self.wait_for_joins(turn, delay_ms);
            }
            _ => self.complete_join(turn),
        }
    }

    fn complete_join(&mut self, turn: &mut Turn<'_>) {
        Timers::clear(&mut self.rebalance);
        self.initial = None;
        let missing: Vec<MemberId> = self
            .members
            .iter()
            .filter(|(_, member)| member.joining.is_none() && member.instance_id.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        for id in missing {
            tracing::info!(group = &*self.id, member = &*id, "did not rejoin in time");
            self.expel(turn, &id);
        }
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Only static members are left, and none is back: their sessions decide.
            return self.wait_for_joins(turn, self.rebalance_timeout_ms());
        }
        self.begin_generation(turn);
    }

    /// Sees to it that the leader is one that has joined; false if nobody has.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |id: &MemberId| {
            self.members
                .get(id)
                .is_some_and(|member| member.joining.is_some())
        };
        if self.leader.as_ref().is_some_and(has_joined) {
            return true;
        }
        let other = self.members.keys().find(|id| has_joined(id)).cloned();
        let found = other.is_some();
        if found {
            self.leader = other;
        }
        found
    }

    fn begin_generation(&mut self, turn: &mut Turn<'_>) {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.unsynced.clear();
        self.protocol = self.select_protocol();
        self.subscribed = self.compute_subscribed();
        if self.members.is_empty() {
            self.leader = None;
            self.enter(GroupState::Empty, turn);
            // A group without members always fits.
            let _ = self.persist(turn);
            return;
        }
        self.enter(GroupState::CompletingRebalance, turn);
        tracing::debug!(
            group = &*self.id,
            generation = self.generation,
            members = self.members.len(),
            leader = self.leader.as_deref(),
            protocol = self.protocol.as_deref(),
            "a generation begins"
        );
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let reply = self.join_reply(&id);
            self.answer_join(turn, &id, reply);
            self.renew_session(turn, &id);
            if let Some(member) = self.members.get_mut(&id) {
                member.is_new = false;
            }
            self.unsynced.insert(id);
        }
        let key = self.timer(TimerKind::Sync);
        let at_ms = turn.after_ms(self.rebalance_timeout_ms());
        turn.timers.set(&mut self.sync, at_ms, || key);
    }

    /// The time to ask for an assignment is up: who did not ask is out.
    fn sync_phase_is_over(&mut self, turn: &mut Turn<'_>) {
        let awaited = matches!(
            self.state,
            GroupState::CompletingRebalance | GroupState::Stable
        );
        if !awaited || self.unsynced.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.unsynced) {
            tracing::info!(group = &*self.id, member = &*id, "did not sync in time");
            self.expel(turn, &id);
        }
        self.prepare_rebalance(turn, "members did not sync");
    }

    /// A member's session is over. Members that wait for the group live as long as it takes; those
    /// that wait for the first time do not.
    fn session_is_over(&mut self, turn: &mut Turn<'_>, id: &str) {
        let Some(member) = self.members.get(id) else {
            return;
        };
        let waits = member.joining.is_some() || member.syncing.is_some();
        if waits && !member.is_new {
            return;
        }
        tracing::info!(group = &*self.id, member = id, "session expired");
        self.expel(turn, id);
        self.after_departure(turn, "session expired");
    }

    /// Somebody left: the rest shares anew, or nobody is missing any more.
    pub(super) fn after_departure(&mut self, turn: &mut Turn<'_>, reason: &str) {
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance => {
                self.prepare_rebalance(turn, reason);
            }
            GroupState::PreparingRebalance => self.complete_if_all_joined(turn),
            GroupState::Empty | GroupState::Dead => {}
        }
    }

    /// A timer's entry is due.
    pub(crate) fn timer_is_due(&mut self, turn: &mut Turn<'_>, key: &TimerKey) {
        let deadline = match &key.kind {
            TimerKind::Rebalance => Some(&mut self.rebalance),
            TimerKind::Sync => Some(&mut self.sync),
            TimerKind::Session(id) => self.members.get_mut(id).map(|member| &mut member.session),
            TimerKind::Pending(id) => self.pending.get_mut(id),
        };
        let Some(deadline) = deadline else { return };
        if !turn.timers.is_over(deadline, turn.now.monotonic_ms, key) {
            return;
        }
        match &key.kind {
            TimerKind::Rebalance => self.join_phase_is_over(turn),
            TimerKind::Sync => self.sync_phase_is_over(turn),
            TimerKind::Session(id) => self.session_is_over(turn, id),
            TimerKind::Pending(id) => {
                self.pending.remove(id);
                self.complete_if_all_joined(turn);
            }
        }
    }

    /// The group was just read from the log: its members have a session to show that they live.
    pub(crate) fn loaded(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in &ids {
            self.renew_session(turn, id);
        }
        if ids.len() > turn.config.max_size {
            self.prepare_rebalance(turn, "more members than allowed");
        }
    }
}
