//! All groups of one coordinator: what it decides. Pure.
//!
//! Every method takes both clocks and gives effects: records to append, and replies that may go
//! out when those records, and all before them, are committed. [`Groups::apply`] rebuilds the
//! groups from the records alone.

mod admin;
mod offsets;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use odeon_model::{ErrorCode, Uuid};
use odeon_schema::DecodeError;

use super::classic::ClassicGroup;
use super::config::GroupConfig;
use super::member;
use super::message::{
    HeartbeatRequest, JoinReply, JoinRequest, LeaveRequest, LeftMember, SyncReply, SyncRequest,
};
use super::offsets::Offsets;
use super::record::{self, GroupRecord};
use super::timers::Timers;
use super::turn::{Effects, Now, Token, Turn};

/// The longest group id that the log's format can keep, in bytes.
const GROUP_ID_MAX_BYTES: usize = i16::MAX as usize;

/// A group with its offsets.
#[derive(Debug)]
struct Group {
    classic: ClassicGroup,
    offsets: Offsets,
}

/// All groups of one coordinator.
#[derive(Debug)]
pub struct Groups {
    config: GroupConfig,
    groups: BTreeMap<Arc<str>, Group>,
    timers: Timers,
    /// When to look for expired offsets, in ms of monotonic time; none until the log was read.
    next_expiry_ms: Option<i64>,
}

impl Default for Groups {
    /// No groups, Kafka's default settings.
    fn default() -> Self {
        Self::new(GroupConfig::default())
    }
}

impl Groups {
    /// A coordinator that knows no group.
    pub fn new(config: GroupConfig) -> Self {
        Self {
            config,
            groups: BTreeMap::new(),
            timers: Timers::default(),
            next_expiry_ms: None,
        }
    }

    /// Takes over changed settings; time-outs that run already stay as they are.
    pub fn reconfigure(&mut self, config: GroupConfig) {
        self.config = config;
    }

    /// Replays a record of the log. False if it is of a kind that this coordinator does not know
    /// and does without.
    ///
    /// # Errors
    /// [`DecodeError`] if the record is not what its key says; nothing has changed then.
    pub fn apply(&mut self, key: &Bytes, value: Option<&Bytes>) -> Result<bool, DecodeError> {
        let Some(record) = record::decode(key, value)? else {
            return Ok(false);
        };
        match record {
            GroupRecord::Offset {
                group,
                topic,
                partition,
                value,
            } => {
                if value.is_some() || self.groups.contains_key(group.as_str()) {
                    let group = self.get_or_create(&group);
                    group.offsets.set(&topic, partition, value);
                }
                self.forget_if_gone(&group);
            }
            GroupRecord::Group {
                group,
                value: Some(value),
            } => {
                let group = self.get_or_create(&group);
                let id = group.classic.id().clone();
                group.classic = ClassicGroup::load(id, value);
            }
            GroupRecord::Group { group, value: None } => {
                // Offsets that were committed later make a group of their own.
                if let Some(known) = self.groups.get_mut(group.as_str()) {
                    known.classic = ClassicGroup::new(known.classic.id().clone());
                }
                self.forget_if_gone(&group);
            }
        }
        Ok(true)
    }

    /// The log was read to its end: members get a session to show that they live.
    pub fn loaded(&mut self, now: Now, effects: &mut Effects) {
        let check_ms = self.config.offsets_retention_check_interval_ms;
        self.next_expiry_ms = Some(now.monotonic_ms.saturating_add(check_ms));
        let (groups, mut turn) = self.turn(now, effects);
        for group in groups.values_mut() {
            group.classic.loaded(&mut turn);
        }
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there are no groups.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// When [`Groups::tick`] is to be called, in ms of monotonic time.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.timers
            .next_ms()
            .into_iter()
            .chain(self.next_expiry_ms)
            .min()
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Now, effects: &mut Effects) {
        while let Some(key) = self.timers.take_due(now.monotonic_ms) {
            self.with_group(&key.group, now, effects, |group, turn| {
                group.classic.timer_is_due(turn, &key);
            });
        }
        if self
            .next_expiry_ms
            .is_some_and(|at_ms| at_ms <= now.monotonic_ms)
        {
            self.expire_offsets(now, effects);
        }
    }

    /// JoinGroup. The answer to `token` may come with a later call. `unique` makes the id of a
    /// new member.
    pub fn join(
        &mut self,
        now: Now,
        mut request: JoinRequest,
        unique: Uuid,
        token: Token,
        effects: &mut Effects,
    ) {
        if let Err(error) = self.admit_join(&mut request) {
            effects
                .joins
                .push((token, JoinReply::refused(error, request.member_id)));
            return;
        }
        let id = request.group_id.clone();
        if request.member_id.is_empty() {
            self.get_or_create(&id);
        }
        let unknown = JoinReply::refused(ErrorCode::UnknownMemberId, &*request.member_id);
        let done = self.with_group(&id, now, effects, |group, turn| {
            group.classic.join(turn, request, unique, token);
        });
        if done.is_none() {
            effects.joins.push((token, unknown));
        }
    }

    fn admit_join(&self, request: &mut JoinRequest) -> Result<(), ErrorCode> {
        check_group_id(&request.group_id)?;
        let bounds = self.config.min_session_timeout_ms..=self.config.max_session_timeout_ms;
        if !bounds.contains(&request.session_timeout_ms) {
            return Err(ErrorCode::InvalidSessionTimeout);
        }
        if member::tidy(request) {
            Ok(())
        } else {
            Err(ErrorCode::InvalidRequest)
        }
    }

    /// SyncGroup. The answer to `token` may come with a later call.
    pub fn sync(&mut self, now: Now, request: SyncRequest, token: Token, effects: &mut Effects) {
        let id = request.group_id.clone();
        let refused = match check_group_id(&id) {
            Err(error) => Some(error),
            Ok(()) => {
                let done = self.with_group(&id, now, effects, |group, turn| {
                    group.classic.sync(turn, request, token);
                });
                done.is_none().then_some(ErrorCode::UnknownMemberId)
            }
        };
        if let Some(error) = refused {
            effects.syncs.push((token, SyncReply::refused(error)));
        }
    }

    /// Heartbeat.
    pub fn heartbeat(
        &mut self,
        now: Now,
        request: &HeartbeatRequest,
        effects: &mut Effects,
    ) -> ErrorCode {
        if let Err(error) = check_group_id(&request.group_id) {
            return error;
        }
        // Nothing can become of a group by a heartbeat, so it is not looked at again.
        let (groups, mut turn) = self.turn(now, effects);
        match groups.get_mut(request.group_id.as_str()) {
            Some(group) => group.classic.heartbeat(&mut turn, request),
            None => ErrorCode::UnknownMemberId,
        }
    }

    /// LeaveGroup.
    ///
    /// # Errors
    /// `INVALID_GROUP_ID`. An unknown group's members are unknown each.
    pub fn leave(
        &mut self,
        now: Now,
        request: LeaveRequest,
        effects: &mut Effects,
    ) -> Result<Vec<LeftMember>, ErrorCode> {
        check_group_id(&request.group_id)?;
        let LeaveRequest { group_id, members } = request;
        if self.groups.contains_key(group_id.as_str()) {
            let left = self.with_group(&group_id, now, effects, |group, turn| {
                group.classic.leave(turn, members)
            });
            return Ok(left.unwrap_or_default());
        }
        let error = ErrorCode::UnknownMemberId;
        let unknown = members.into_iter().map(|member| LeftMember {
            member_id: member.member_id,
            instance_id: member.instance_id,
            error,
        });
        Ok(unknown.collect())
    }

    fn get_or_create(&mut self, id: &str) -> &mut Group {
        if !self.groups.contains_key(id) {
            let id: Arc<str> = id.into();
            let classic = ClassicGroup::new(id.clone());
            self.groups.insert(
                id,
                Group {
                    classic,
                    offsets: Offsets::default(),
                },
            );
        }
        self.groups
            .get_mut(id)
            .expect("it was inserted if it was not there")
    }

    fn turn<'a>(
        &'a mut self,
        now: Now,
        effects: &'a mut Effects,
    ) -> (&'a mut BTreeMap<Arc<str>, Group>, Turn<'a>) {
        let turn = Turn {
            now,
            config: &self.config,
            timers: &mut self.timers,
            effects,
        };
        (&mut self.groups, turn)
    }

    /// Works on a group, and drops it if nothing is left of it; none if there is no such group.
    fn with_group<T>(
        &mut self,
        id: &str,
        now: Now,
        effects: &mut Effects,
        work: impl FnOnce(&mut Group, &mut Turn<'_>) -> T,
    ) -> Option<T> {
        let (groups, mut turn) = self.turn(now, effects);
        let group = groups.get_mut(id)?;
        let result = work(group, &mut turn);
        if group.is_gone() {
            group.classic.dissolve(&mut turn);
            groups.remove(id);
        }
        Some(result)
    }

    /// Drops a group that a replayed record left nothing of.
    fn forget_if_gone(&mut self, id: &str) {
        if self.groups.get(id).is_some_and(Group::is_gone) {
            self.groups.remove(id);
        }
    }
}

impl Group {
    /// A group without members, offsets and record is no group: nothing stays in memory of names
    /// that somebody tried.
    fn is_gone(&self) -> bool {
        self.classic.is_forgettable() && self.offsets.is_empty()
    }
}

/// Refuses a group id that no member may use.
fn check_group_id(group_id: &str) -> Result<(), ErrorCode> {
    if group_id.is_empty() {
        Err(ErrorCode::InvalidGroupId)
    } else {
        check_group_id_length(group_id)
    }
}

/// Refuses a group id that the log cannot keep; offsets may be kept under the empty one.
fn check_group_id_length(group_id: &str) -> Result<(), ErrorCode> {
    if group_id.len() > GROUP_ID_MAX_BYTES {
        Err(ErrorCode::InvalidGroupId)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod checks;
