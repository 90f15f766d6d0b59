//! What tests ask that nobody else does.

use odeon_schema::group::GroupMetadataValue;

use super::Groups;
use crate::group::offsets::Offsets;
use crate::group::turn::Token;

impl Groups {
    pub(crate) fn parked(&self) -> Vec<Token> {
        self.groups
            .values()
            .flat_map(|group| group.classic.parked())
            .collect()
    }

    /// Per group: its offsets, and its membership where the log must know it.
    pub(crate) fn kept(&self) -> Vec<(String, Offsets, Option<GroupMetadataValue>)> {
        let groups = self.groups.iter();
        groups
            .map(|(id, group)| (id.to_string(), group.offsets.clone(), group.classic.kept()))
            .collect()
    }

    pub(crate) fn check(&self) {
        for group in self.groups.values() {
            group.classic.check();
            assert!(!group.is_gone());
        }
    }

    pub(crate) fn timers(&self) -> usize {
        self.timers.len()
    }
}
