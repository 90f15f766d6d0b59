//! DescribeGroups, ListGroups, DeleteGroups.

use odeon_model::ErrorCode;

use super::Groups;
use crate::group::message::{DescribedGroup, GroupState, ListFilter, ListedGroup};
use crate::group::turn::{Effects, Now};

/// The one kind of group there is so far, as Kafka writes it.
const CLASSIC: &str = "classic";

impl Groups {
    /// DescribeGroups, for one group.
    pub fn describe(&self, group_id: &str) -> DescribedGroup {
        match self.groups.get(group_id) {
            Some(group) => group.classic.describe(),
            None => DescribedGroup {
                group_id: group_id.to_owned(),
                error: ErrorCode::GroupIdNotFound,
                state: GroupState::Dead,
                protocol_type: String::new(),
                protocol: String::new(),
                members: Vec::new(),
            },
        }
    }

    /// ListGroups.
    pub fn list(&self, filter: &ListFilter) -> Vec<ListedGroup> {
        fn passes(wanted: &[String], name: &str) -> bool {
            wanted.is_empty()
                || wanted
                    .iter()
                    .any(|wanted| wanted.eq_ignore_ascii_case(name))
        }
        if !passes(&filter.types, CLASSIC) {
            return Vec::new();
        }
        self.groups
            .iter()
            .filter(|(_, group)| passes(&filter.states, group.classic.state().name()))
            .map(|(id, group)| ListedGroup {
                group_id: id.to_string(),
                protocol_type: group.classic.protocol_type().to_owned(),
                state: group.classic.state(),
                group_type: CLASSIC,
            })
            .collect()
    }

    /// DeleteGroups: what went wrong for each group, or none.
    pub fn delete(
        &mut self,
        now: Now,
        group_ids: &[String],
        effects: &mut Effects,
    ) -> Vec<(String, ErrorCode)> {
        let mut delete_one = |id: &String| {
            let error = self.with_group(id, now, effects, |group, turn| {
                if group.classic.state() != GroupState::Empty {
                    return ErrorCode::NonEmptyGroup;
                }
                group.delete(turn, id);
                ErrorCode::None
            });
            (id.clone(), error.unwrap_or(ErrorCode::GroupIdNotFound))
        };
        group_ids.iter().map(&mut delete_one).collect()
    }
}
