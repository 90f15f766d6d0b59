//! Groups with a clock one can turn, and everything they ever said.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use odeon_model::{ErrorCode, Uuid};

use crate::group::message::*;
use crate::group::{CoordinatorRecord, Effects, GroupConfig, Groups, Now, Token};

pub(super) const GROUP: &str = "g";

pub(super) struct Bench {
    pub(super) groups: Groups,
    pub(super) now: Now,
    pub(super) config: GroupConfig,
    pub(super) log: Vec<CoordinatorRecord>,
    pub(super) joins: HashMap<Token, JoinReply>,
    pub(super) syncs: HashMap<Token, SyncReply>,
    tokens: Token,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(GroupConfig::default())
    }

    pub(super) fn with(config: GroupConfig) -> Self {
        let mut bench = Self {
            groups: Groups::new(config.clone()),
            now: Now {
                wall_ms: 1_000_000,
                monotonic_ms: 50,
            },
            config,
            log: Vec::new(),
            joins: HashMap::new(),
            syncs: HashMap::new(),
            tokens: 0,
        };
        bench.act(|groups, now, effects| groups.loaded(now, effects));
        bench
    }

    /// Does something and keeps its effects. Nobody may be answered twice.
    pub(super) fn act<T>(&mut self, work: impl FnOnce(&mut Groups, Now, &mut Effects) -> T) -> T {
        let mut effects = Effects::default();
        let result = work(&mut self.groups, self.now, &mut effects);
        self.log.extend(effects.records);
        for (token, reply) in effects.joins {
            assert_eq!(
                self.joins.insert(token, reply),
                None,
                "a JoinGroup was answered twice"
            );
        }
        for (token, reply) in effects.syncs {
            assert_eq!(
                self.syncs.insert(token, reply),
                None,
                "a SyncGroup was answered twice"
            );
        }
        result
    }

    pub(super) fn token(&mut self) -> Token {
        self.tokens += 1;
        self.tokens
    }

    /// Lets time pass; whatever is due in it happens at its time.
    pub(super) fn pass_ms(&mut self, ms: i64) {
        let end_ms = self.now.monotonic_ms + ms;
        while let Some(at_ms) = self
            .groups
            .next_deadline_ms()
            .filter(|at_ms| *at_ms <= end_ms)
        {
            let step_ms = (at_ms - self.now.monotonic_ms).max(0);
            self.step(step_ms);
            self.act(Groups::tick);
        }
        self.step(end_ms - self.now.monotonic_ms);
    }

    fn step(&mut self, ms: i64) {
        self.now.monotonic_ms += ms;
        self.now.wall_ms += ms;
    }

    pub(super) fn join(&mut self, request: JoinRequest) -> Token {
        let token = self.token();
        let unique = Uuid(u128::from(token).to_be_bytes());
        self.act(|groups, now, effects| groups.join(now, request, unique, token, effects));
        token
    }

    /// Joins and is answered at once.
    pub(super) fn join_now(&mut self, request: JoinRequest) -> JoinReply {
        let token = self.join(request);
        self.joins.remove(&token).expect("the JoinGroup is parked")
    }

    pub(super) fn sync(&mut self, request: SyncRequest) -> Token {
        let token = self.token();
        self.act(|groups, now, effects| groups.sync(now, request, token, effects));
        token
    }

    pub(super) fn sync_now(&mut self, request: SyncRequest) -> SyncReply {
        let token = self.sync(request);
        self.syncs.remove(&token).expect("the SyncGroup is parked")
    }

    pub(super) fn heartbeat(&mut self, member_id: &str, generation: i32) -> ErrorCode {
        let (group_id, member_id) = (GROUP.to_owned(), member_id.to_owned());
        let request = HeartbeatRequest {
            group_id,
            member_id,
            instance_id: None,
            generation,
        };
        self.act(|groups, now, effects| groups.heartbeat(now, &request, effects))
    }

    pub(super) fn leave(&mut self, member_id: &str, instance_id: Option<&str>) -> ErrorCode {
        let members = vec![LeavingMember {
            member_id: member_id.to_owned(),
            instance_id: instance_id.map(str::to_owned),
            reason: None,
        }];
        let request = LeaveRequest {
            group_id: GROUP.to_owned(),
            members,
        };
        self.act(|groups, now, effects| groups.leave(now, request, effects))
            .unwrap()[0]
            .error
    }

    pub(super) fn commit(&mut self, member_id: &str, generation: i32) -> ErrorCode {
        self.commit_to("t", member_id, generation)
    }

    pub(super) fn commit_to(&mut self, topic: &str, member_id: &str, generation: i32) -> ErrorCode {
        let request = commit(topic, member_id, generation, 5);
        match self.act(|groups, now, effects| groups.commit(now, request, effects)) {
            Ok(topics) => topics[0].partitions[0].1,
            Err(error) => error,
        }
    }

    pub(super) fn fetch(&mut self, topic: &str) -> i64 {
        let topics = TopicPartitions {
            topic: topic.to_owned(),
            ..partitions()
        };
        let request = FetchRequest {
            group_id: GROUP.to_owned(),
            topics: Some(vec![topics]),
            require_stable: false,
        };
        self.groups.fetch(&request).unwrap()[0].partitions[0].offset
    }

    pub(super) fn state(&self) -> GroupState {
        self.groups.describe(GROUP).state
    }

    /// The parked JoinGroup's answer, now that it must be there.
    pub(super) fn joined(&mut self, token: Token) -> JoinReply {
        self.joins
            .remove(&token)
            .expect("the JoinGroup is still parked")
    }

    pub(super) fn synced(&mut self, token: Token) -> SyncReply {
        self.syncs
            .remove(&token)
            .expect("the SyncGroup is still parked")
    }

    /// A stable group of `count` dynamic members: their ids, the leader's first.
    pub(super) fn stable_group(&mut self, count: usize) -> Vec<String> {
        let tokens: Vec<Token> = (0..count).map(|_| self.join(old_style())).collect();
        while self.joins.len() < count {
            self.pass_ms(500);
        }
        self.finish(&tokens)
    }

    /// Takes joined members to a stable group.
    pub(super) fn finish(&mut self, tokens: &[Token]) -> Vec<String> {
        let mut replies: Vec<JoinReply> = tokens.iter().map(|token| self.joined(*token)).collect();
        replies.sort_by_key(|reply| reply.member_id != reply.leader);
        let generation = replies[0].generation;
        let ids: Vec<String> = replies.into_iter().map(|reply| reply.member_id).collect();
        let waiting: Vec<Token> = ids[1..]
            .iter()
            .map(|id| self.sync(sync(id, generation)))
            .collect();
        let assignments = ids.iter().map(|id| (id.clone(), share_of(id))).collect();
        let leader = self.sync_now(SyncRequest {
            assignments,
            ..sync(&ids[0], generation)
        });
        assert_eq!(leader.assignment, share_of(&ids[0]));
        for (token, id) in waiting.into_iter().zip(&ids[1..]) {
            assert_eq!(self.synced(token).assignment, share_of(id));
        }
        ids
    }

    pub(super) fn generation(&self) -> i32 {
        let key = Bytes::from_static(b"\0\x02\0\x01g");
        let record = self
            .log
            .iter()
            .rev()
            .find(|record| record.key == key)
            .expect("a record");
        match crate::group::record::decode(&key, record.value.as_ref())
            .unwrap()
            .unwrap()
        {
            crate::group::record::GroupRecord::Group { value, .. } => value.unwrap().generation,
            other => panic!("{other:?}"),
        }
    }

    /// What another coordinator makes of the log, before it takes over.
    pub(super) fn replayed(&self) -> Groups {
        let mut other = Groups::new(self.config.clone());
        for record in &self.log {
            assert_eq!(other.apply(&record.key, record.value.as_ref()), Ok(true));
        }
        other
    }

    /// As [`Bench::reloaded`], with member ids that were not given before.
    pub(super) fn reloaded_with_tokens(&self) -> Self {
        Self {
            tokens: self.tokens,
            ..self.reloaded()
        }
    }

    /// What another coordinator makes of the log.
    pub(super) fn reloaded(&self) -> Self {
        let mut other = Self::with(self.config.clone());
        other.now = self.now;
        other.groups = self.replayed();
        other.log.clone_from(&self.log);
        other.act(|groups, now, effects| groups.loaded(now, effects));
        other
    }
}

pub(super) fn share_of(id: &str) -> Bytes {
    Bytes::from(format!("share of {id}"))
}

/// A consumer's subscription, version 1, to one topic.
pub(super) fn subscription(topic: &str) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(1);
    bytes.put_i32(1);
    bytes.put_i16(topic.len() as i16);
    bytes.put_slice(topic.as_bytes());
    bytes.put_i32(-1);
    bytes.put_i32(0);
    bytes.freeze()
}

/// A new consumer of version 4 and later.
pub(super) fn new_style() -> JoinRequest {
    JoinRequest {
        group_id: GROUP.to_owned(),
        client_id: "c".to_owned(),
        client_host: "/10.0.0.1".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![("range".to_owned(), subscription("t"))],
        require_known_member_id: true,
        ..JoinRequest::default()
    }
}

/// A new consumer before version 4.
pub(super) fn old_style() -> JoinRequest {
    JoinRequest {
        require_known_member_id: false,
        ..new_style()
    }
}

pub(super) fn rejoin(member_id: &str) -> JoinRequest {
    JoinRequest {
        member_id: member_id.to_owned(),
        ..new_style()
    }
}

pub(super) fn static_member(instance_id: &str) -> JoinRequest {
    JoinRequest {
        instance_id: Some(instance_id.to_owned()),
        ..new_style()
    }
}

pub(super) fn sync(member_id: &str, generation: i32) -> SyncRequest {
    SyncRequest {
        group_id: GROUP.to_owned(),
        member_id: member_id.to_owned(),
        generation,
        ..SyncRequest::default()
    }
}

pub(super) fn commit(topic: &str, member_id: &str, generation: i32, offset: i64) -> CommitRequest {
    let partitions = vec![CommitPartition {
        partition: 0,
        offset,
        leader_epoch: 3,
        metadata: Some("kept".to_owned()),
    }];
    let topics = vec![CommitTopic {
        topic: topic.to_owned(),
        topic_id: Uuid::ZERO,
        partitions,
    }];
    CommitRequest {
        group_id: GROUP.to_owned(),
        member_id: member_id.to_owned(),
        instance_id: None,
        generation,
        retention_time_ms: None,
        topics,
    }
}

pub(super) fn partitions() -> TopicPartitions {
    TopicPartitions {
        topic: "t".to_owned(),
        topic_id: Uuid::ZERO,
        partitions: vec![0],
    }
}
