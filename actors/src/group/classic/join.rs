//! JoinGroup.

use std::sync::Arc;

use odeon_model::{ErrorCode, Uuid};

use super::{ClassicGroup, MemberId};
use crate::group::member::Member;
use crate::group::message::{GroupState, JoinReply, JoinRequest};
use crate::group::turn::{Token, Turn};

impl ClassicGroup {
    /// A client asks for a place. `request` has passed [`crate::group::member::tidy`]; `unique`
    /// makes a new member's id.
    pub(crate) fn join(
        &mut self,
        turn: &mut Turn<'_>,
        request: JoinRequest,
        unique: Uuid,
        token: Token,
    ) {
        if !self.has_room_for(&request.member_id, turn) {
            self.expel(turn, &request.member_id);
            self.remove_pending(turn, &request.member_id);
            let reply = JoinReply::refused(ErrorCode::GroupMaxSizeReached, "");
            turn.effects.joins.push((token, reply));
            self.complete_if_all_joined(turn);
        } else if !self.supports(&request) {
            let error = ErrorCode::InconsistentGroupProtocol;
            let reply = JoinReply::refused(error, request.member_id);
            turn.effects.joins.push((token, reply));
        } else if request.member_id.is_empty() {
            self.join_new(turn, request, unique, token);
        } else {
            self.join_known(turn, request, token);
        }
    }

    /// Members that are in stay in. While a rebalance is prepared those count that have joined it,
    /// so that a size limit that was lowered expels the last to come.
    fn has_room_for(&self, member_id: &str, turn: &Turn<'_>) -> bool {
        let member = self.members.get(member_id);
        match self.state {
            GroupState::Empty | GroupState::Dead => true,
            GroupState::PreparingRebalance => {
                member.is_some_and(|member| member.joining.is_some())
                    || self.joining < turn.config.max_size
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                member.is_some() || self.members.len() < turn.config.max_size
            }
        }
    }

    fn join_new(&mut self, turn: &mut Turn<'_>, request: JoinRequest, unique: Uuid, token: Token) {
        let name = request.instance_id.as_deref().unwrap_or(&request.client_id);
        let id: MemberId = Arc::from(format!("{name}-{}", hyphenated(unique)));
        match &request.instance_id {
            Some(instance_id) if self.statics.contains_key(instance_id) => {
                self.rejoin_static(turn, request, &id, token);
            }
            None if request.require_known_member_id => {
                let error = if self.pending.len() < turn.config.max_pending_members {
                    let timeout_ms = i64::from(request.session_timeout_ms);
                    self.add_pending(turn, id.clone(), timeout_ms);
                    ErrorCode::MemberIdRequired
                } else {
                    ErrorCode::GroupMaxSizeReached
                };
                turn.effects
                    .joins
                    .push((token, JoinReply::refused(error, &*id)));
            }
            _ => self.add_and_rebalance(turn, &id, request, token),
        }
    }

    fn join_known(&mut self, turn: &mut Turn<'_>, request: JoinRequest, token: Token) {
        let id: MemberId = Arc::from(request.member_id.as_str());
        if request.instance_id.is_none() && self.remove_pending(turn, &id) {
            return self.add_and_rebalance(turn, &id, request, token);
        }
        if let Err(error) = self.validate_member(&id, request.instance_id.as_deref()) {
            turn.effects
                .joins
                .push((token, JoinReply::refused(error, &*id)));
            return;
        }
        let says_the_same = self
            .members
            .get(&id)
            .is_some_and(|member| member.protocols == request.protocols);
        let leads = self.leader.as_ref() == Some(&id);
        let reply = match self.state {
            // It may not have got the answer to its first request.
            GroupState::CompletingRebalance if says_the_same => self.join_reply(&id),
            GroupState::Stable if says_the_same && !leads => self.join_reply(&id),
            GroupState::Empty | GroupState::Dead => {
                JoinReply::refused(ErrorCode::UnknownMemberId, &*id)
            }
            _ => {
                let reason = request.reason.clone();
                self.update(turn, &id, request, token);
                return self.rebalance_or_complete(turn, reason.as_deref().unwrap_or("rejoin"));
            }
        };
        turn.effects.joins.push((token, reply));
    }

    fn add_and_rebalance(
        &mut self,
        turn: &mut Turn<'_>,
        id: &MemberId,
        request: JoinRequest,
        token: Token,
    ) {
        if let Some(initial) = &mut self.initial {
            initial.extend = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        let reason = request.reason.clone();
        self.insert(id.clone(), Member::joining(request));
        self.park_join(turn, id, token);
        // It cannot send heartbeats while it is parked, and a client that went away cannot be told
        // from one that waits: those that wait for long have to ask again.
        self.renew_session_for(turn, id, turn.config.new_member_join_timeout_ms);
        self.rebalance_or_complete(turn, reason.as_deref().unwrap_or("new member"));
    }

    /// A static member is back, without the id it had.
    fn rejoin_static(
        &mut self,
        turn: &mut Turn<'_>,
        request: JoinRequest,
        id: &MemberId,
        token: Token,
    ) {
        let leader_before = self.leader.clone();
        let supports_skip = request.supports_skip_assignment;
        let instance_id = request.instance_id.clone().unwrap_or_default();
        self.replace_static(turn, &instance_id, id);
        self.update(turn, id, request, token);
        self.renew_session(turn, id);
        match self.state {
            GroupState::Stable if self.protocol == self.select_protocol() => {
                self.subscribed = self.compute_subscribed();
                if let Err(error) = self.persist(turn) {
                    return self.answer_join(turn, id, JoinReply::refused(error, ""));
                }
                // Nothing else changes: the member takes up the assignment it had. A leader of
                // old would compute a new one, so it is not told that it leads.
                let mut reply = self.join_reply(id);
                if supports_skip {
                    reply.skip_assignment = self.leader.as_ref() == Some(id);
                } else {
                    reply.members.clear();
                    reply.leader = leader_before.as_deref().unwrap_or_default().to_owned();
                }
                self.answer_join(turn, id, reply);
            }
            // The leader may be computing with the id of before.
            GroupState::Stable | GroupState::CompletingRebalance => {
                self.prepare_rebalance(turn, "static member rejoins");
            }
            _ => self.complete_if_all_joined(turn),
        }
    }

    /// What a member of the current generation gets.
    pub(super) fn join_reply(&self, id: &MemberId) -> JoinReply {
        let leads = self.leader.as_ref() == Some(id);
        JoinReply {
            error: ErrorCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.as_deref().unwrap_or_default().to_owned(),
            skip_assignment: false,
            member_id: id.to_string(),
            members: if leads {
                self.joined_members()
            } else {
                Vec::new()
            },
        }
    }
}

/// An id as Java's UUIDs are written, so that member ids look as administrators know them.
fn hyphenated(id: Uuid) -> String {
    let hex: String = id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}
