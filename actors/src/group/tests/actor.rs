//! The coordinator over a log in memory.

use std::sync::Arc;

use bytes::Bytes;
use odeon_kernel::supervisor::{RootSupervisor, SupervisorOptions};
use odeon_kernel::{Rng, SharedClock, Supervisor, spawn};
use odeon_model::ErrorCode;
use odeon_records::{BatchBuilder, ControlRecord, control_batch};

use super::bench::*;
use super::memory::{MemoryLog, TestClock};
use crate::group::log::{encode_batches, load};
use crate::group::message::*;
use crate::group::record::{group_record, offset_record};
use crate::group::{
    CommittedOffset, CoordinatorLogError, CoordinatorRecord, GroupArguments, GroupConfig,
    GroupHandle, GroupState, child,
};

struct World {
    log: Arc<MemoryLog>,
    clock: Arc<TestClock>,
    groups: GroupHandle,
    _root: RootSupervisor,
}

impl World {
    async fn start(log: Arc<MemoryLog>) -> Self {
        let clock = Arc::new(TestClock::default());
        let shared: SharedClock = clock.clone();
        let (spec, groups) = child(GroupArguments {
            partition: 7,
            log: log.clone(),
            clock: shared.clone(),
            rng: Arc::new(Rng::from_seed(1)),
            config: GroupConfig::default(),
        });
        let options = SupervisorOptions::new("coordinators", shared);
        let root = Supervisor::start_root(options, vec![spec]).await.unwrap();
        Self {
            log,
            clock,
            groups,
            _root: root,
        }
    }

    async fn ready() -> Self {
        let world = Self::start(MemoryLog::new()).await;
        world.until_loaded().await;
        world
    }

    /// Waits until the coordinator answers; time passes meanwhile, so that it may be restarted.
    async fn until_loaded(&self) {
        while self.groups.list(ListFilter::default()).await.is_err() {
            self.clock.advance_ms(10);
            tokio::task::yield_now().await;
        }
    }

    async fn commit(&self, offset: i64) -> ErrorCode {
        match self.groups.commit(commit("t", "", -1, offset)).await {
            Ok(topics) => topics[0].partitions[0].1,
            Err(error) => error,
        }
    }

    async fn fetch(&self) -> i64 {
        let request = FetchRequest {
            group_id: GROUP.to_owned(),
            topics: Some(vec![partitions()]),
            require_stable: false,
        };
        self.groups.fetch(request).await.unwrap()[0].partitions[0].offset
    }

    /// A stable group of one member: its id.
    async fn stable_member(&self) -> String {
        let first = self.groups.join(new_style()).await;
        assert_eq!(first.error, ErrorCode::MemberIdRequired);
        let groups = self.groups.clone();
        let id = first.member_id;
        let request = rejoin(&id);
        let joining = spawn(async move { groups.join(request).await });
        while !joining.is_finished() {
            self.clock.advance_ms(100);
            tokio::task::yield_now().await;
        }
        assert_eq!(joining.await.unwrap().generation, 1);
        let assignments = vec![(id.clone(), share_of(&id))];
        let reply = self
            .groups
            .sync(SyncRequest {
                assignments,
                ..sync(&id, 1)
            })
            .await;
        assert_eq!(
            (reply.error, reply.assignment),
            (ErrorCode::None, share_of(&id))
        );
        id
    }

    async fn heartbeat(&self, member_id: &str) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: GROUP.to_owned(),
            member_id: member_id.to_owned(),
            instance_id: None,
            generation: 1,
        };
        self.groups.heartbeat(request).await
    }

    async fn state(&self) -> GroupState {
        self.groups.describe(vec![GROUP.to_owned()]).await.unwrap()[0].state
    }
}

#[tokio::test]
async fn while_the_log_is_read_everybody_is_told_to_wait() {
    let log = MemoryLog::new();
    log.set_readable(false);
    let world = World::start(log).await;
    let loading = ErrorCode::CoordinatorLoadInProgress;
    assert_eq!(world.commit(1).await, loading);
    assert_eq!(world.groups.join(old_style()).await.error, loading);
    assert_eq!(world.groups.sync(sync("a", 1)).await.error, loading);
    assert_eq!(
        world.groups.describe(vec![GROUP.to_owned()]).await,
        Err(loading)
    );
    assert_eq!(
        world.groups.fetch(FetchRequest::default()).await,
        Err(loading)
    );
    assert_eq!(world.heartbeat("a").await, ErrorCode::None);
    world.log.set_readable(true);
    world.until_loaded().await;
    assert_eq!(world.commit(1).await, ErrorCode::None);
}

#[tokio::test]
async fn replies_and_reads_wait_for_the_commit_but_heartbeats_do_not() {
    let world = World::ready().await;
    let id = world.stable_member().await;
    world.log.hold();
    let groups = world.groups.clone();
    let request = commit("t", &id, 1, 9);
    let committing = spawn(async move { groups.commit(request).await });
    // The heartbeat lands behind the commit in the mailbox.
    while world.log.end() < 2 {
        assert_eq!(world.heartbeat(&id).await, ErrorCode::None);
    }
    let groups = world.groups.clone();
    let reading = spawn(async move { groups.describe(vec![GROUP.to_owned()]).await });
    for _ in 0..20 {
        assert_eq!(world.heartbeat(&id).await, ErrorCode::None);
    }
    assert!(!committing.is_finished() && !reading.is_finished());
    world.log.release();
    committing.await.unwrap().unwrap();
    reading.await.unwrap().unwrap();
    assert_eq!(world.fetch().await, 9);
}

#[tokio::test]
async fn what_is_asked_during_an_append_becomes_the_next_one() {
    let world = World::ready().await;
    world.log.hold();
    let mut commits = Vec::new();
    for offset in 0..50 {
        let groups = world.groups.clone();
        commits.push(spawn(async move {
            groups.commit(commit("t", "", -1, offset)).await
        }));
    }
    while world.log.appends() == 0 {
        tokio::task::yield_now().await;
    }
    // A heartbeat's answer says that all commits before it were decided.
    world.heartbeat("nobody").await;
    world.log.release();
    for commit in commits {
        commit.await.unwrap().unwrap();
    }
    assert_eq!(world.log.end(), 50);
    assert!(world.log.appends() <= 3, "{} appends", world.log.appends());
}

#[tokio::test]
async fn an_append_that_fails_ends_the_coordinator_and_the_next_one_reads_the_log() {
    let world = World::ready().await;
    let id = world.stable_member().await;
    assert_eq!(
        world
            .groups
            .commit(commit("t", &id, 1, 5))
            .await
            .unwrap()
            .len(),
        1
    );
    world
        .log
        .fail_next(CoordinatorLogError::Failed("disk".to_owned()));
    let refused = world.groups.commit(commit("t", &id, 1, 6)).await;
    assert_eq!(refused, Err(ErrorCode::CoordinatorNotAvailable));
    world.until_loaded().await;
    assert_eq!(world.fetch().await, 5, "what failed is not there");
    assert_eq!(world.heartbeat(&id).await, ErrorCode::None, "the member is");
    assert_eq!(world.state().await, GroupState::Stable);
    assert_eq!(
        world
            .groups
            .commit(commit("t", &id, 1, 7))
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(world.fetch().await, 7);
}

#[tokio::test]
async fn parked_members_are_told_when_the_coordinator_ends() {
    let world = World::ready().await;
    let groups = world.groups.clone();
    let parked = spawn(async move { groups.join(old_style()).await });
    while world.state().await != GroupState::PreparingRebalance {
        tokio::task::yield_now().await;
    }
    world
        .log
        .fail_next(CoordinatorLogError::Failed("disk".to_owned()));
    let mut other = commit("t", "", -1, 1);
    other.group_id = "other".to_owned();
    assert!(world.groups.commit(other).await.is_err());
    assert_eq!(
        parked.await.unwrap().error,
        ErrorCode::CoordinatorNotAvailable
    );
}

#[tokio::test]
async fn a_coordinator_that_lost_its_partition_does_not_come_back() {
    let world = World::ready().await;
    world.log.fail_next(CoordinatorLogError::NotLeader);
    assert_eq!(world.commit(1).await, ErrorCode::CoordinatorNotAvailable);
    for _ in 0..20 {
        world.clock.advance_ms(1_000);
        tokio::task::yield_now().await;
        assert_eq!(world.commit(1).await, ErrorCode::CoordinatorNotAvailable);
    }
}

#[tokio::test]
async fn a_silent_member_is_noticed_without_anybody_asking() {
    let world = World::ready().await;
    let id = world.stable_member().await;
    let before = world.log.end();
    world.clock.advance_ms(10_001);
    // The empty group reaches the log by itself.
    while world.log.end() == before {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.heartbeat(&id).await, ErrorCode::UnknownMemberId);
    assert_eq!(world.state().await, GroupState::Empty);
}

#[tokio::test]
async fn the_other_requests_reach_the_groups() {
    let world = World::ready().await;
    let id = world.stable_member().await;
    let listed = world.groups.list(ListFilter::default()).await.unwrap();
    assert_eq!(listed[0].group_id, GROUP);
    let names = vec![GROUP.to_owned()];
    let refused = world.groups.delete(names.clone()).await.unwrap();
    assert_eq!(refused[0].1, ErrorCode::NonEmptyGroup);
    let members = vec![LeavingMember {
        member_id: id,
        ..LeavingMember::default()
    }];
    let leave = LeaveRequest {
        group_id: GROUP.to_owned(),
        members,
    };
    assert_eq!(
        world.groups.leave(leave).await.unwrap()[0].error,
        ErrorCode::None
    );
    world.commit(1).await;
    let request = OffsetDeleteRequest {
        group_id: GROUP.to_owned(),
        topics: vec![partitions()],
    };
    world.groups.offset_delete(request).await.unwrap();
    assert_eq!(world.fetch().await, -1);
    world.commit(2).await;
    world.groups.topics_deleted(vec!["t".to_owned()]);
    assert_eq!(world.fetch().await, -1);
    assert_eq!(
        world.groups.delete(names).await.unwrap()[0].1,
        ErrorCode::None
    );
    let config = GroupConfig {
        min_session_timeout_ms: 20_000,
        ..GroupConfig::default()
    };
    world.groups.configure(config);
    let refused = world.groups.join(new_style()).await;
    assert_eq!(refused.error, ErrorCode::InvalidSessionTimeout);
}

fn offset(topic: &str, offset: i64) -> CoordinatorRecord {
    let value = CommittedOffset {
        offset,
        leader_epoch: -1,
        metadata: String::new(),
        commit_timestamp_ms: 1,
        expire_timestamp_ms: None,
        topic_id: odeon_model::Uuid::ZERO,
    };
    offset_record(GROUP, topic, 0, Some(&value)).unwrap()
}

fn batch(builder: BatchBuilder, records: &[CoordinatorRecord]) -> Vec<u8> {
    let mut builder = builder;
    for record in records {
        builder
            .push(1, Some(&record.key), record.value.as_deref(), &[])
            .unwrap();
    }
    builder.build().unwrap()
}

#[tokio::test]
async fn a_log_of_kafkas_is_read_with_its_transactions_and_foreign_records() {
    let log = MemoryLog::new();
    let foreign = CoordinatorRecord {
        key: Bytes::from_static(b"\0\x05\0\x01g"),
        value: Some(Bytes::from_static(b"\0\0")),
    };
    let broken = CoordinatorRecord {
        key: group_record(GROUP, None).unwrap().key,
        ..foreign.clone()
    };
    log.write(batch(
        BatchBuilder::new(),
        &[offset("a", 1), foreign, broken, offset("b", 2)],
    ));
    let transaction = |id| BatchBuilder::new().producer(id, 0, 0).transactional(true);
    log.write(batch(transaction(1), &[offset("a", 10)]));
    log.write(batch(transaction(2), &[offset("b", 20)]));
    log.write(batch(transaction(3), &[offset("c", 30)]));
    let commit = ControlRecord::Commit {
        coordinator_epoch: 0,
    };
    let abort = ControlRecord::Abort {
        coordinator_epoch: 0,
    };
    for (id, marker) in [(1, commit), (2, abort)] {
        let marker = control_batch(marker, id, 0, 1).unwrap();
        log.write(marker.to_bytes().to_vec());
    }
    let groups = load(log.as_ref(), GroupConfig::default()).await.unwrap();
    let all = FetchRequest {
        group_id: GROUP.to_owned(),
        ..FetchRequest::default()
    };
    let offsets: Vec<(String, i64)> = groups
        .fetch(&all)
        .unwrap()
        .into_iter()
        .map(|topic| (topic.topic, topic.partitions[0].offset))
        .collect();
    assert_eq!(offsets, [("a".to_owned(), 10), ("b".to_owned(), 2)]);
}

#[tokio::test]
async fn a_damaged_log_is_not_taken_for_a_shorter_one() {
    let log = MemoryLog::new();
    let mut damaged = batch(BatchBuilder::new(), &[offset("a", 1)]);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    log.write(damaged);
    let loaded = load(log.as_ref(), GroupConfig::default()).await;
    assert!(
        matches!(loaded, Err(CoordinatorLogError::Failed(_))),
        "{loaded:?}"
    );
}

#[test]
fn records_fill_batches_up_to_the_limit() {
    let records: Vec<CoordinatorRecord> = (0..100).map(|n| offset("topic", n)).collect();
    let batches = encode_batches(&records, 5, 1_000).unwrap();
    assert!(batches.len() > 1);
    assert!(batches.iter().all(|batch| batch.len() <= 1_000));
    let counts = batches.iter().map(|batch| {
        odeon_records::BatchHeader::parse(batch)
            .unwrap()
            .record_count
    });
    assert_eq!(counts.sum::<i32>(), 100);
    assert_eq!(encode_batches(&[], 5, 1_000).unwrap().len(), 0);
}
