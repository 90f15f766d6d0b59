//! A classic group: who is in it, and where its rebalance stands. Pure.
//!
//! Source: Kafka's `ClassicGroup` and the classic half of `GroupMetadataManager`.
//!
//! ```text
//!            first join            all joined, or time is up        leader's assignment
//!   Empty ----------------> Preparing ---------------> Completing ----------------> Stable
//!     ^                      |  ^  ^                      |                           |
//!     '--- nobody joined ----'  |  '-- join, leave, expiry, sync time-out ------------'
//! ```
//!
//! A JoinGroup is parked until its generation begins, a SyncGroup until the leader's assignment is
//! there. Every parked request is answered exactly once: [`ClassicGroup::expel`] answers for a
//! member that goes, and a newer request of the same member for the older one.

#[cfg(test)]
mod checks;
mod join;
mod leave;
mod membership;
mod rebalance;
mod sync;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use odeon_model::ErrorCode;
use odeon_schema::consumer_protocol::ConsumerProtocolSubscription;
use odeon_schema::group::GroupMetadataValue;
use odeon_schema::{Decoder, Message};

use super::member::Member;
use super::message::{DescribedGroup, DescribedMember, GroupState};
use super::offsets::ExpiryBase;
use super::record;
use super::timers::{Deadline, TimerKey, TimerKind};
use super::turn::Turn;

/// The protocol type of consumers.
const CONSUMER: &str = "consumer";

/// A member's id.
pub(crate) type MemberId = Arc<str>;

/// The wait of a new group for more members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InitialDelay {
    delay_ms: i64,
    remaining_ms: i64,
    /// Somebody came since the delay began: it will be extended.
    extend: bool,
}

/// A classic group.
#[derive(Debug, Clone)]
pub(crate) struct ClassicGroup {
    id: Arc<str>,
    state: GroupState,
    /// When the state was entered, in ms since 1970.
    state_timestamp_ms: Option<i64>,
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    leader: Option<MemberId>,
    members: BTreeMap<MemberId, Member>,
    statics: HashMap<String, MemberId>,
    /// Member ids that were given out and have not joined yet.
    pending: BTreeMap<MemberId, Deadline>,
    /// Members of this generation that have not asked for their assignment yet.
    unsynced: BTreeSet<MemberId>,
    /// How many members have a parked JoinGroup.
    joining: usize,
    /// How many members know each strategy.
    supported: HashMap<String, usize>,
    /// Of a consumer group: what its members read, if that is known.
    subscribed: Option<BTreeSet<String>>,
    initial: Option<InitialDelay>,
    rebalance: Deadline,
    sync: Deadline,
    /// The log has a record of this group.
    persisted: bool,
}

impl ClassicGroup {
    /// A group that nobody is in.
    pub(crate) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            state: GroupState::Empty,
            state_timestamp_ms: None,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            statics: HashMap::new(),
            pending: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            joining: 0,
            supported: HashMap::new(),
            subscribed: None,
            initial: None,
            rebalance: Deadline::default(),
            sync: Deadline::default(),
            persisted: false,
        }
    }

    /// The group as the log has it.
    pub(crate) fn load(id: Arc<str>, value: GroupMetadataValue) -> Self {
        let mut group = Self::new(id);
        let timestamp_ms = value.current_state_timestamp;
        group.persisted = true;
        group.state_timestamp_ms = (timestamp_ms != -1).then_some(timestamp_ms);
        group.generation = value.generation;
        group.protocol_type = (!value.protocol_type.is_empty()).then_some(value.protocol_type);
        group.leader = value.leader.map(Arc::from);
        for member in value.members {
            let id = MemberId::from(member.member_id.as_str());
            group.insert(id, Member::load(member, value.protocol.as_deref()));
        }
        group.protocol = value.protocol;
        if !group.members.is_empty() {
            group.state = GroupState::Stable;
        }
        group.subscribed = group.compute_subscribed();
        group
    }

    /// The group as the log gets it.
    pub(crate) fn value(&self) -> GroupMetadataValue {
        let protocol = self.protocol.as_deref();
        GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.as_deref().map(str::to_owned),
            current_state_timestamp: self.state_timestamp_ms.unwrap_or(-1),
            members: self
                .members
                .iter()
                .map(|(id, member)| member.value(id, protocol))
                .collect(),
            ..GroupMetadataValue::default()
        }
    }

    /// Appends the group's record.
    ///
    /// # Errors
    /// `UNKNOWN_SERVER_ERROR`, as Kafka says, if it is too large for the log.
    fn persist(&mut self, turn: &mut Turn<'_>) -> Result<(), ErrorCode> {
        match record::group_record(&self.id, Some(&self.value())) {
            Ok(record) if record.size_bytes() <= turn.config.max_record_bytes() => {
                turn.effects.records.push(record);
                self.persisted = true;
                Ok(())
            }
            refused => {
                let size = refused.map(|record| record.size_bytes());
                tracing::error!(
                    group = &*self.id,
                    ?size,
                    "the group is too large for the log"
                );
                Err(ErrorCode::UnknownServerError)
            }
        }
    }

    fn enter(&mut self, state: GroupState, turn: &Turn<'_>) {
        self.state = state;
        self.state_timestamp_ms = Some(turn.now.wall_ms);
    }

    fn timer(&self, kind: TimerKind) -> TimerKey {
        TimerKey {
            group: self.id.clone(),
            kind,
        }
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub(crate) fn state(&self) -> GroupState {
        self.state
    }

    pub(crate) fn protocol_type(&self) -> &str {
        self.protocol_type.as_deref().unwrap_or_default()
    }

    /// Nobody is in it, and nobody is about to be.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == GroupState::Empty && self.pending.is_empty()
    }

    /// Nobody is in it, and the log has nothing to forget.
    pub(crate) fn is_forgettable(&self) -> bool {
        self.is_idle() && !self.persisted
    }

    pub(crate) fn is_consumer_group(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Whether a member reads `topic`; where that cannot be known, yes for a consumer group.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.is_consumer_group(),
        }
    }

    /// From when offsets age; none while they must not.
    pub(crate) fn expiry_base(&self) -> Option<ExpiryBase> {
        if self.protocol_type.is_none() {
            return Some(ExpiryBase::Commit);
        }
        match self.state {
            GroupState::Empty => Some(match self.state_timestamp_ms {
                Some(since_ms) => ExpiryBase::EmptySince(since_ms),
                None => ExpiryBase::Commit,
            }),
            GroupState::Stable if self.is_consumer_group() && self.subscribed.is_some() => {
                Some(ExpiryBase::Commit)
            }
            _ => None,
        }
    }

    fn compute_subscribed(&self) -> Option<BTreeSet<String>> {
        if !self.is_consumer_group() {
            return None;
        }
        let protocol = self.protocol.as_deref();
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscription_topics(member.metadata(Some(protocol?)))?);
        }
        Some(topics)
    }

    /// The group as administrators see it.
    pub(crate) fn describe(&self) -> DescribedGroup {
        let stable = self.state == GroupState::Stable;
        let protocol = self.protocol.as_deref().filter(|_| stable);
        DescribedGroup {
            group_id: self.id.to_string(),
            error: ErrorCode::None,
            state: self.state,
            protocol_type: self.protocol_type().to_owned(),
            protocol: protocol.unwrap_or_default().to_owned(),
            members: self
                .members
                .iter()
                .map(|(id, m)| describe_member(id, m, protocol))
                .collect(),
        }
    }
}

fn describe_member(id: &str, member: &Member, protocol: Option<&str>) -> DescribedMember {
    DescribedMember {
        member_id: id.to_owned(),
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        metadata: member.metadata(protocol),
        assignment: if protocol.is_some() {
            member.assignment.clone()
        } else {
            Default::default()
        },
    }
}

/// The topics of a consumer's subscription, which every version begins with; none if the bytes are
/// no subscription.
fn subscription_topics(mut metadata: bytes::Bytes) -> Option<Vec<String>> {
    use bytes::Buf;
    metadata.try_get_i16().ok()?;
    let subscription = ConsumerProtocolSubscription::decode(&mut Decoder::new(metadata), 0).ok()?;
    Some(subscription.topics)
}
