//! What must hold of a group at any time.

use odeon_schema::group::GroupMetadataValue;

use super::ClassicGroup;
use crate::group::message::GroupState;
use crate::group::turn::Token;

impl ClassicGroup {
    /// The parked requests of all members.
    pub(crate) fn parked(&self) -> impl Iterator<Item = Token> {
        self.members
            .values()
            .flat_map(|member| member.joining.into_iter().chain(member.syncing))
    }

    /// What the log must know about the group now; none while it may be behind.
    pub(crate) fn kept(&self) -> Option<GroupMetadataValue> {
        let settled = matches!(self.state, GroupState::Empty | GroupState::Stable);
        (settled && self.persisted).then(|| self.value())
    }

    pub(crate) fn check(&self) {
        let members = &self.members;
        assert_eq!(
            self.joining,
            members.values().filter(|m| m.joining.is_some()).count()
        );
        assert!(self.unsynced.iter().all(|id| members.contains_key(id)));
        assert!(self.pending.keys().all(|id| !members.contains_key(id)));
        for (instance, id) in &self.statics {
            assert_eq!(members[id].instance_id.as_ref(), Some(instance));
        }
        let statics = members.values().filter(|m| m.instance_id.is_some()).count();
        assert_eq!(statics, self.statics.len());
        for (name, count) in &self.supported {
            let knowing = members
                .values()
                .filter(|m| m.protocols.iter().any(|p| p.0 == *name));
            assert_eq!(knowing.count(), *count);
        }
        match &self.leader {
            Some(leader) => assert!(members.contains_key(leader)),
            None => assert!(members.is_empty()),
        }
        match self.state {
            GroupState::Empty => assert!(members.is_empty()),
            GroupState::PreparingRebalance => {
                assert!(members.values().all(|member| member.syncing.is_none()));
            }
            GroupState::CompletingRebalance => {
                assert!(self.protocol.is_some() && self.joining == 0 && !members.is_empty());
            }
            GroupState::Stable => {
                assert!(self.protocol.is_some() && self.parked().next().is_none());
                assert!(!members.is_empty());
            }
            GroupState::Dead => panic!("a dead group is not kept"),
        }
    }
}
