//! SyncGroup and Heartbeat.

use std::collections::HashMap;

use bytes::Bytes;
use odeon_model::ErrorCode;

use super::{ClassicGroup, MemberId};
use crate::group::message::{GroupState, HeartbeatRequest, SyncReply, SyncRequest};
use crate::group::turn::{Token, Turn};

impl ClassicGroup {
    /// A member asks for its assignment; the leader brings all.
    pub(crate) fn sync(&mut self, turn: &mut Turn<'_>, request: SyncRequest, token: Token) {
        let refused = match self.validate_sync(&request) {
            Err(error) => Some(error),
            Ok(()) => match self.state {
                GroupState::Empty | GroupState::Dead => Some(ErrorCode::UnknownMemberId),
                GroupState::PreparingRebalance => Some(ErrorCode::RebalanceInProgress),
                GroupState::CompletingRebalance | GroupState::Stable => None,
            },
        };
        if let Some(error) = refused {
            turn.effects.syncs.push((token, SyncReply::refused(error)));
            return;
        }
        let Some((id, _)) = self.members.get_key_value(request.member_id.as_str()) else {
            return;
        };
        let id = id.clone();
        tracing::debug!(
            group = &*self.id,
            generation = self.generation,
            member = &*id,
            leads = self.leader.as_ref() == Some(&id),
            "asks for its assignment"
        );
        self.unsynced.remove(&id);
        if self.unsynced.is_empty() {
            self.stop_sync_timer();
        }
        if let Some(member) = self.members.get_mut(&id)
            && let Some(older) = member.syncing.replace(token)
        {
            // The client has most likely given up on the older one.
            let reply = SyncReply::refused(ErrorCode::RebalanceInProgress);
            turn.effects.syncs.push((older, reply));
        }
        if self.state == GroupState::Stable {
            self.answer_sync(turn, &id, ErrorCode::None);
        } else if self.leader.as_ref() == Some(&id) {
            self.assign(turn, request.assignments);
        }
    }

    fn validate_sync(&self, request: &SyncRequest) -> Result<(), ErrorCode> {
        fn differs(theirs: &Option<String>, ours: &Option<String>) -> bool {
            theirs.is_some() && ours.is_some() && theirs != ours
        }
        self.validate_member(&request.member_id, request.instance_id.as_deref())?;
        if request.generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol, &self.protocol)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        Ok(())
    }

    /// The leader's assignment goes to the log, and to everybody who waits for it.
    fn assign(&mut self, turn: &mut Turn<'_>, assignments: Vec<(String, Bytes)>) {
        let mut assignments: HashMap<String, Bytes> = assignments.into_iter().collect();
        for (id, member) in &mut self.members {
            // Cut loose from the request's frame.
            let assignment = assignments.remove(&**id).unwrap_or_default();
            member.assignment = Bytes::copy_from_slice(&assignment);
        }
        self.enter(GroupState::Stable, turn);
        if let Err(error) = self.persist(turn) {
            self.reset_assignments(turn, error);
            return self.prepare_rebalance(turn, "the assignment cannot be kept");
        }
        self.answer_syncs(turn, ErrorCode::None);
    }

    /// Nobody has anything any more, and who waits for an assignment gets an error.
    pub(super) fn reset_assignments(&mut self, turn: &mut Turn<'_>, error: ErrorCode) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        self.answer_syncs(turn, error);
    }

    fn answer_syncs(&mut self, turn: &mut Turn<'_>, error: ErrorCode) {
        let waiting: Vec<MemberId> = self
            .members
            .iter()
            .filter(|(_, member)| member.syncing.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        for id in waiting {
            self.answer_sync(turn, &id, error);
        }
    }

    /// Answers a parked SyncGroup; the member has to show from now on that it lives.
    fn answer_sync(&mut self, turn: &mut Turn<'_>, id: &MemberId, error: ErrorCode) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let Some(token) = member.syncing.take() else {
            return;
        };
        let reply = SyncReply {
            error,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: member.assignment.clone(),
        };
        turn.effects.syncs.push((token, reply));
        self.renew_session(turn, id);
    }

    /// A member says that it lives.
    pub(crate) fn heartbeat(
        &mut self,
        turn: &mut Turn<'_>,
        request: &HeartbeatRequest,
    ) -> ErrorCode {
        let member_id = &request.member_id;
        if let Err(error) = self.validate_member(member_id, request.instance_id.as_deref()) {
            return error;
        }
        if request.generation != self.generation {
            return ErrorCode::IllegalGeneration;
        }
        match self.state {
            GroupState::Empty | GroupState::Dead => ErrorCode::UnknownMemberId,
            GroupState::PreparingRebalance => {
                self.renew_session(turn, member_id);
                ErrorCode::RebalanceInProgress
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.renew_session(turn, member_id);
                ErrorCode::None
            }
        }
    }
}
