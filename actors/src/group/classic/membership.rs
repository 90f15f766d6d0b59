//! Members come, change and go; the counts kept about them stay true.

use odeon_model::ErrorCode;

use super::{ClassicGroup, MemberId};
use crate::group::member::Member;
use crate::group::message::{JoinReply, JoinRequest, JoinedMember, SyncReply};
use crate::group::timers::{TimerKey, TimerKind, Timers};
use crate::group::turn::{Token, Turn};

impl ClassicGroup {
    /// Adds a member that is not parked anywhere.
    pub(super) fn insert(&mut self, id: MemberId, member: Member) {
        for (name, _) in &member.protocols {
            *self.supported.entry(name.clone()).or_insert(0) += 1;
        }
        if let Some(instance_id) = &member.instance_id {
            self.statics.insert(instance_id.clone(), id.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id, member);
    }

    fn forget_protocols(&mut self, member: &Member) {
        for (name, _) in &member.protocols {
            if let Some(count) = self.supported.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.supported.remove(name);
                }
            }
        }
    }

    /// Takes a member out and answers whatever it waits for with `error`.
    fn take(&mut self, turn: &mut Turn<'_>, id: &str, error: ErrorCode) -> Option<Member> {
        let (id, mut member) = self.members.remove_entry(id)?;
        self.forget_protocols(&member);
        self.unsynced.remove(&id);
        let key = self.timer(TimerKind::Session(id.clone()));
        turn.timers.cancel(&mut member.session, || key);
        if let Some(token) = member.joining.take() {
            self.joining -= 1;
            let shown = if error == ErrorCode::UnknownMemberId {
                ""
            } else {
                &*id
            };
            turn.effects
                .joins
                .push((token, JoinReply::refused(error, shown)));
        }
        if let Some(token) = member.syncing.take() {
            turn.effects.syncs.push((token, SyncReply::refused(error)));
        }
        Some(member)
    }

    /// Removes a member; if it led, another leads.
    pub(super) fn expel(&mut self, turn: &mut Turn<'_>, id: &str) {
        let Some(member) = self.take(turn, id, ErrorCode::UnknownMemberId) else {
            return;
        };
        if let Some(instance_id) = &member.instance_id {
            self.statics.remove(instance_id);
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// Gives a static member's place to its next incarnation and fences the one before.
    pub(super) fn replace_static(
        &mut self,
        turn: &mut Turn<'_>,
        instance_id: &str,
        new_id: &MemberId,
    ) {
        let Some(old_id) = self.statics.get(instance_id).cloned() else {
            return;
        };
        let unsynced = self.unsynced.contains(&old_id);
        let taken = self.take(turn, &old_id, ErrorCode::FencedInstanceId);
        let Some(mut member) = taken else { return };
        // Its own time-out counts from now on, not the long one of a first join.
        member.is_new = false;
        if self.leader.as_ref() == Some(&old_id) {
            self.leader = Some(new_id.clone());
        }
        if unsynced {
            self.unsynced.insert(new_id.clone());
        }
        self.insert(new_id.clone(), member);
    }

    /// Lets a member say everything about itself anew, and parks its JoinGroup.
    pub(super) fn update(
        &mut self,
        turn: &mut Turn<'_>,
        id: &MemberId,
        request: JoinRequest,
        token: Token,
    ) {
        let Some(mut member) = self.members.remove(id) else {
            return;
        };
        self.forget_protocols(&member);
        member.protocols = request.protocols;
        member.client_id = request.client_id;
        member.client_host = request.client_host;
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        member.session_timeout_ms = request.session_timeout_ms;
        self.insert(id.clone(), member);
        self.park_join(turn, id, token);
    }

    /// Parks a JoinGroup. One of the same member that is parked already is told to come again: its
    /// client has most likely given up on it.
    pub(super) fn park_join(&mut self, turn: &mut Turn<'_>, id: &MemberId, token: Token) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        tracing::debug!(
            group = &*self.id,
            generation = self.generation,
            member = &**id,
            "joins"
        );
        match member.joining.replace(token) {
            None => self.joining += 1,
            Some(older) => {
                let reply = JoinReply::refused(ErrorCode::RebalanceInProgress, &**id);
                turn.effects.joins.push((older, reply));
            }
        }
    }

    /// Answers a parked JoinGroup.
    pub(super) fn answer_join(&mut self, turn: &mut Turn<'_>, id: &MemberId, reply: JoinReply) {
        if let Some(token) = self
            .members
            .get_mut(id)
            .and_then(|member| member.joining.take())
        {
            self.joining -= 1;
            turn.effects.joins.push((token, reply));
        }
    }

    /// Gives a member a full session from now.
    pub(crate) fn renew_session(&mut self, turn: &mut Turn<'_>, id: &str) {
        let Some((id, member)) = self.members.get_key_value(id) else {
            return;
        };
        let (id, timeout_ms) = (id.clone(), i64::from(member.session_timeout_ms));
        self.renew_session_for(turn, &id, timeout_ms);
    }

    pub(super) fn renew_session_for(
        &mut self,
        turn: &mut Turn<'_>,
        id: &MemberId,
        timeout_ms: i64,
    ) {
        let at_ms = turn.after_ms(timeout_ms);
        let group = &self.id;
        if let Some(member) = self.members.get_mut(id) {
            turn.timers.set(&mut member.session, at_ms, || TimerKey {
                group: group.clone(),
                kind: TimerKind::Session(id.clone()),
            });
        }
    }

    /// Gives out a member id that has to come back within its session time-out.
    pub(super) fn add_pending(&mut self, turn: &mut Turn<'_>, id: MemberId, timeout_ms: i64) {
        let key = self.timer(TimerKind::Pending(id.clone()));
        let at_ms = turn.after_ms(timeout_ms);
        turn.timers
            .set(self.pending.entry(id).or_default(), at_ms, || key);
    }

    /// Forgets a member id that was given out; whether there was one.
    pub(super) fn remove_pending(&mut self, turn: &mut Turn<'_>, id: &str) -> bool {
        let Some((id, mut deadline)) = self.pending.remove_entry(id) else {
            return false;
        };
        let key = self.timer(TimerKind::Pending(id));
        turn.timers.cancel(&mut deadline, || key);
        true
    }

    /// Takes the group's timers with it, before the group is dropped.
    pub(crate) fn dissolve(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<MemberId> = self
            .members
            .keys()
            .chain(self.pending.keys())
            .cloned()
            .collect();
        for id in ids {
            self.expel(turn, &id);
            self.remove_pending(turn, &id);
        }
        let (rebalance, sync) = (
            self.timer(TimerKind::Rebalance),
            self.timer(TimerKind::Sync),
        );
        turn.timers.cancel(&mut self.rebalance, || rebalance);
        turn.timers.cancel(&mut self.sync, || sync);
    }

    /// Whether the member may speak in the group.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`; `FENCED_INSTANCE_ID` if the instance id is another member's by now.
    pub(crate) fn validate_member(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.statics.get(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(holder) if **holder != *member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) {
            Ok(())
        } else {
            Err(ErrorCode::UnknownMemberId)
        }
    }

    /// The members as the leader sees them.
    pub(super) fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_deref();
        self.members
            .iter()
            .map(|(id, member)| member.joined(id, protocol))
            .collect()
    }

    /// Whether a member of this type and these strategies fits into the group.
    pub(super) fn supports(&self, request: &JoinRequest) -> bool {
        if self.members.is_empty() {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(&*request.protocol_type)
            && request
                .protocols
                .iter()
                .any(|(name, _)| self.supported.get(name) == Some(&self.members.len()))
    }

    /// The strategy that all know and most prefer; of equals the one its leader prefers.
    pub(super) fn select_protocol(&self) -> Option<String> {
        let all = self.members.len();
        let is_candidate = |name: &str| self.supported.get(name) == Some(&all);
        let mut votes = std::collections::HashMap::new();
        for member in self.members.values() {
            let vote = member.protocols.iter().find(|(name, _)| is_candidate(name));
            if let Some((name, _)) = vote {
                *votes.entry(name.as_str()).or_insert(0usize) += 1;
            }
        }
        let leader = self
            .leader
            .as_ref()
            .and_then(|leader| self.members.get(leader));
        let most = *votes.values().max()?;
        leader
            .or(self.members.values().next())?
            .protocols
            .iter()
            .map(|(name, _)| name.as_str())
            .find(|name| votes.get(name) == Some(&most))
            .map(str::to_owned)
    }

    /// The rebalance time-out of the slowest member, in ms.
    pub(super) fn rebalance_timeout_ms(&self) -> i64 {
        let slowest = self
            .members
            .values()
            .map(|member| member.rebalance_timeout_ms)
            .max();
        i64::from(slowest.unwrap_or(0))
    }

    pub(super) fn stop_sync_timer(&mut self) {
        Timers::clear(&mut self.sync);
    }
}
