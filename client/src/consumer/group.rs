//! Membership in a classic consumer group: join, sync, heartbeat, leave.
//!
//! Source: `org.apache.kafka.clients.consumer.internals.AbstractCoordinator`.

use std::collections::BTreeMap;
use std::time::Duration;

use odeon_kernel::watch;
use odeon_kernel::{SharedClock, TaskGuard};
use odeon_model::{ErrorCode, TopicPartition};
use odeon_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use odeon_protocol::messages::leave_group_request::MemberIdentity;
use odeon_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use odeon_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};

use super::assignor::{
    PROTOCOL_TYPE, RANGE, Subscriber, assign, decode_assignment, decode_subscription,
    encode_assignment, encode_subscription,
};
use crate::committed::Committer;
use crate::coordinator::Coordinator;
use crate::error::check;
use crate::{Client, ClientError};

/// How a consumer takes part in a group.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    /// The group.
    pub group_id: String,
    /// The topics to read.
    pub topics: Vec<String>,
    /// A name of its own that survives restarts; none for an ordinary member.
    pub instance_id: Option<String>,
    /// The coordinator drops a member that is silent for this time (45 s).
    pub session_timeout: Duration,
    /// How long a member may take to join again, so how rarely it may poll (5 min).
    pub rebalance_timeout: Duration,
    /// The pause between heartbeats (3 s).
    pub heartbeat_interval: Duration,
    /// The pause between commits of the positions polled; none commits only when told to (5 s).
    pub auto_commit_interval: Option<Duration>,
}

impl GroupConfig {
    /// The defaults for a group that reads `topics`.
    pub fn new(group_id: impl Into<String>, topics: Vec<String>) -> Self {
        Self {
            group_id: group_id.into(),
            topics,
            instance_id: None,
            session_timeout: Duration::from_secs(45),
            rebalance_timeout: Duration::from_secs(300),
            heartbeat_interval: Duration::from_secs(3),
            auto_commit_interval: Some(Duration::from_secs(5)),
        }
    }
}

/// What the heartbeats found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Good,
    /// The group is rebalancing: join again.
    Rejoin,
    /// The coordinator does not know this member any more: join as a new one.
    Lost,
}

/// A member, or somebody about to be one.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) config: GroupConfig,
    pub(super) coordinator: Coordinator,
    member_id: String,
    generation: i32,
    joined: bool,
    standing: watch::Sender<Standing>,
    heartbeats: Option<TaskGuard<()>>,
}

impl Group {
    pub(super) fn new(client: Client, config: GroupConfig) -> Self {
        Self {
            coordinator: Coordinator::new(client, &config.group_id),
            config,
            member_id: String::new(),
            generation: -1,
            joined: false,
            standing: watch::Sender::new(Standing::Good),
            heartbeats: None,
        }
    }

    /// Whether the member has to join, for the first time or again.
    pub(super) fn must_join(&self) -> bool {
        !self.joined || *self.standing.borrow() != Standing::Good
    }

    /// Completes when the member has to join again.
    pub(super) fn watch(&self) -> impl Future<Output = ()> + use<> {
        let mut standing = self.standing.subscribe();
        async move {
            let _ = standing
                .wait_for(|standing| *standing != Standing::Good)
                .await;
        }
    }

    pub(super) fn committer(&self) -> Committer {
        Committer {
            generation: self.generation,
            member_id: self.member_id.clone(),
            instance_id: self.config.instance_id.clone(),
        }
    }

    /// Whether the member can commit.
    pub(super) fn is_member(&self) -> bool {
        self.joined && *self.standing.borrow() != Standing::Lost
    }

    /// Joins the group and returns what to read. Takes as long as the rebalance does.
    pub(super) async fn join(&mut self) -> Result<Vec<TopicPartition>, ClientError> {
        self.joined = false;
        if *self.standing.borrow() == Standing::Lost {
            self.member_id.clear();
        }
        loop {
            let joined = self.send_join().await?;
            let code = ErrorCode::from_code(joined.error_code);
            match code {
                ErrorCode::None => {}
                ErrorCode::MemberIdRequired => {
                    self.member_id = joined.member_id;
                    continue;
                }
                ErrorCode::UnknownMemberId => {
                    self.member_id.clear();
                    continue;
                }
                ErrorCode::RebalanceInProgress => continue,
                _ => {
                    let what = format!("join group '{}'", self.config.group_id);
                    return Err(ClientError::refused(what, joined.error_code, None));
                }
            }
            self.member_id.clone_from(&joined.member_id);
            self.generation = joined.generation_id;
            // From here on the session must be kept alive.
            self.start_heartbeats();
            match self.sync(joined).await? {
                Some(assignment) => {
                    self.joined = true;
                    return Ok(assignment);
                }
                None => continue,
            }
        }
    }

    async fn send_join(&mut self) -> Result<JoinGroupResponse, ClientError> {
        self.heartbeats = None;
        self.standing.send_replace(Standing::Good);
        let config = self.config.clone();
        let metadata = encode_subscription(&config.topics)?;
        let member_id = self.member_id.clone();
        let request = |version| JoinGroupRequest {
            group_id: config.group_id.clone(),
            session_timeout_ms: millis(config.session_timeout),
            rebalance_timeout_ms: millis(config.rebalance_timeout),
            member_id: member_id.clone(),
            group_instance_id: config.instance_id.clone().filter(|_| version >= 5),
            protocol_type: PROTOCOL_TYPE.to_owned(),
            protocols: vec![JoinGroupRequestProtocol {
                name: RANGE.to_owned(),
                metadata: metadata.clone(),
                ..Default::default()
            }],
            ..Default::default()
        };
        // The answer comes when all members have joined.
        let timeout = self.config.rebalance_timeout + Duration::from_secs(5);
        self.coordinator
            .call::<JoinGroupRequest>(i16::MAX, timeout, request, |answer| answer.error_code)
            .await
    }

    /// Tells the members what they read, if this is the leader, and learns what this one reads;
    /// nothing when the group is rebalancing once more.
    async fn sync(
        &mut self,
        joined: JoinGroupResponse,
    ) -> Result<Option<Vec<TopicPartition>>, ClientError> {
        let leads = joined.leader == joined.member_id && !joined.skip_assignment;
        let protocol = joined
            .protocol_name
            .clone()
            .unwrap_or_else(|| RANGE.to_owned());
        let assignments = if leads {
            self.assign(joined).await?
        } else {
            Vec::new()
        };
        let (config, member_id) = (self.config.clone(), self.member_id.clone());
        let generation_id = self.generation;
        let request = |version| SyncGroupRequest {
            group_id: config.group_id.clone(),
            generation_id,
            member_id: member_id.clone(),
            group_instance_id: config.instance_id.clone().filter(|_| version >= 3),
            protocol_type: Some(PROTOCOL_TYPE.to_owned()).filter(|_| version >= 5),
            protocol_name: Some(protocol.clone()).filter(|_| version >= 5),
            assignments: assignments.clone(),
            ..Default::default()
        };
        let timeout = self.config.rebalance_timeout + Duration::from_secs(5);
        let synced = self
            .coordinator
            .call::<SyncGroupRequest>(i16::MAX, timeout, request, |answer| answer.error_code)
            .await?;
        match ErrorCode::from_code(synced.error_code) {
            ErrorCode::None => decode_assignment(synced.assignment)
                .map(Some)
                .map_err(|error| ClientError::malformed(&"the group's leader".into(), &error)),
            ErrorCode::RebalanceInProgress => Ok(None),
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                self.member_id.clear();
                Ok(None)
            }
            _ => {
                let what = format!("take part in group '{}'", self.config.group_id);
                Err(ClientError::refused(what, synced.error_code, None))
            }
        }
    }

    async fn assign(
        &self,
        joined: JoinGroupResponse,
    ) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
        let mut subscribers = Vec::with_capacity(joined.members.len());
        for member in joined.members {
            let topics = decode_subscription(member.metadata)
                .map_err(|error| ClientError::malformed(&"a group's member".into(), &error))?;
            subscribers.push(Subscriber {
                member_id: member.member_id,
                instance_id: member.group_instance_id,
                topics,
            });
        }
        let mut partitions = BTreeMap::new();
        for topic in subscribers.iter().flat_map(|one| &one.topics) {
            if partitions.contains_key(topic) {
                continue;
            }
            match self.coordinator.client.topic(topic, false).await {
                Ok(found) => {
                    let count = u32::try_from(found.partitions.len()).unwrap_or(0);
                    partitions.insert(topic.clone(), count);
                }
                Err(error) => tracing::warn!(%error, "a topic of the group is left out"),
            }
        }
        let assignment = assign(&subscribers, &partitions);
        let mut assignments = Vec::with_capacity(assignment.len());
        for (member_id, partitions) in assignment {
            assignments.push(SyncGroupRequestAssignment {
                member_id,
                assignment: encode_assignment(&partitions)?,
                ..Default::default()
            });
        }
        Ok(assignments)
    }

    fn start_heartbeats(&mut self) {
        let (committer, standing) = (self.committer(), self.standing.clone());
        let (coordinator, config) = (self.coordinator.clone(), self.config.clone());
        let beats = beat(coordinator, config, committer, standing);
        self.heartbeats = Some(TaskGuard::spawn(beats));
    }

    /// Leaves the group, so that the others take over at once. A static member stays: its place is
    /// kept for its next life.
    pub(super) async fn leave(&mut self) -> Result<(), ClientError> {
        self.heartbeats = None;
        if self.member_id.is_empty() || self.config.instance_id.is_some() {
            return Ok(());
        }
        self.joined = false;
        let (group_id, member_id) = (self.config.group_id.clone(), self.member_id.clone());
        let request = |version| {
            let mut request = LeaveGroupRequest {
                group_id: group_id.clone(),
                ..Default::default()
            };
            if version >= 3 {
                request.members = vec![MemberIdentity {
                    member_id: member_id.clone(),
                    ..Default::default()
                }];
            } else {
                request.member_id.clone_from(&member_id);
            }
            request
        };
        let timeout = self.coordinator.client.config().request_timeout;
        let left = self
            .coordinator
            .call::<LeaveGroupRequest>(i16::MAX, timeout, request, |answer| answer.error_code)
            .await?;
        check(
            || format!("leave group '{group_id}'"),
            left.error_code,
            None,
        )
    }
}

/// Beats until the guard is dropped or the member is lost.
async fn beat(
    mut coordinator: Coordinator,
    config: GroupConfig,
    member: Committer,
    standing: watch::Sender<Standing>,
) {
    let clock = SharedClock::clone(coordinator.client.clock());
    loop {
        clock.sleep(config.heartbeat_interval).await;
        let request = |version| HeartbeatRequest {
            group_id: config.group_id.clone(),
            generation_id: member.generation,
            member_id: member.member_id.clone(),
            group_instance_id: member.instance_id.clone().filter(|_| version >= 3),
            ..Default::default()
        };
        let timeout = coordinator.client.config().request_timeout;
        let answer = coordinator
            .call::<HeartbeatRequest>(i16::MAX, timeout, request, |answer| answer.error_code)
            .await;
        let code = answer.map(|answer| ErrorCode::from_code(answer.error_code));
        match code {
            Ok(ErrorCode::None) => {}
            Ok(ErrorCode::RebalanceInProgress) => {
                standing.send_if_modified(|now| {
                    let changes = *now == Standing::Good;
                    if changes {
                        *now = Standing::Rejoin;
                    }
                    changes
                });
            }
            Ok(code) => {
                tracing::debug!(%code, group = config.group_id, "not a member any more");
                standing.send_replace(Standing::Lost);
                return;
            }
            Err(error) => tracing::debug!(%error, group = config.group_id, "no heartbeat"),
        }
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
