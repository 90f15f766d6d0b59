//! LeaveGroup, and who may commit.

use odeon_model::ErrorCode;

use super::ClassicGroup;
use crate::group::message::{CommitRequest, GroupState, LeavingMember, LeftMember};
use crate::group::turn::Turn;

impl ClassicGroup {
    /// Members go; the rest shares anew once.
    pub(crate) fn leave(
        &mut self,
        turn: &mut Turn<'_>,
        members: Vec<LeavingMember>,
    ) -> Vec<LeftMember> {
        let left: Vec<LeftMember> = members
            .into_iter()
            .map(|member| {
                let error = self
                    .leave_one(turn, &member)
                    .err()
                    .unwrap_or(ErrorCode::None);
                LeftMember {
                    member_id: member.member_id,
                    instance_id: member.instance_id,
                    error,
                }
            })
            .collect();
        if left.iter().any(|member| member.error == ErrorCode::None) {
            self.after_departure(turn, "members left");
        }
        left
    }

    fn leave_one(&mut self, turn: &mut Turn<'_>, member: &LeavingMember) -> Result<(), ErrorCode> {
        let instance_id = member.instance_id.as_deref();
        let id = if member.member_id.is_empty() {
            // An administrator removes a static member whatever its id is.
            let holder = instance_id.and_then(|instance_id| self.statics.get(instance_id));
            holder.cloned().ok_or(ErrorCode::UnknownMemberId)?
        } else if self.remove_pending(turn, &member.member_id) {
            return Ok(());
        } else {
            self.validate_member(&member.member_id, instance_id)?;
            member.member_id.as_str().into()
        };
        let reason = member.reason.as_deref().unwrap_or("none given");
        tracing::info!(group = &*self.id, member = &*id, reason, "leaves");
        self.expel(turn, &id);
        Ok(())
    }

    /// Whether the request may commit offsets, and if so, a member's session is renewed.
    ///
    /// # Errors
    /// The code for every partition of the request.
    pub(crate) fn admit_commit(
        &mut self,
        turn: &mut Turn<'_>,
        request: &CommitRequest,
    ) -> Result<(), ErrorCode> {
        self.validate_commit(request)?;
        if matches!(
            self.state,
            GroupState::Stable | GroupState::PreparingRebalance
        ) {
            self.renew_session(turn, &request.member_id);
        }
        Ok(())
    }

    fn validate_commit(&self, request: &CommitRequest) -> Result<(), ErrorCode> {
        let is_empty = self.state == GroupState::Empty;
        if request.generation < 0 && is_empty {
            return Ok(());
        }
        let instance_id = request.instance_id.as_deref();
        if request.generation < 0 && request.member_id.is_empty() && instance_id.is_none() {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.validate_member(&request.member_id, instance_id)?;
        if request.generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        if self.state == GroupState::CompletingRebalance {
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }
}
