//! Random histories.

use proptest::prelude::*;

use super::bench::*;
use crate::group::message::*;
use crate::group::{GroupConfig, Token};
use odeon_model::ErrorCode;

/// What a client may do; members are picked among all ids ever given out.
#[derive(Debug, Clone)]
enum Event {
    Join {
        instance: Option<u8>,
        known: bool,
        sticky: bool,
    },
    Rejoin {
        member: usize,
        other_topic: bool,
    },
    Sync {
        member: usize,
        stale: bool,
    },
    Heartbeat {
        member: usize,
    },
    Leave {
        member: usize,
    },
    LeaveInstance {
        instance: u8,
    },
    Commit {
        member: usize,
        topic: bool,
    },
    SimpleCommit,
    DeleteGroup,
    DeleteOffsets,
    Pass {
        ms: i64,
    },
    Reload,
}

fn event() -> impl Strategy<Value = Event> {
    let member = 0..8usize;
    prop_oneof![
        4 => (prop::option::of(0..2u8), any::<bool>(), any::<bool>())
            .prop_map(|(instance, known, sticky)| Event::Join { instance, known, sticky }),
        6 => (member.clone(), prop::bool::weighted(0.2))
            .prop_map(|(member, other_topic)| Event::Rejoin { member, other_topic }),
        8 => (member.clone(), prop::bool::weighted(0.1))
            .prop_map(|(member, stale)| Event::Sync { member, stale }),
        4 => member.clone().prop_map(|member| Event::Heartbeat { member }),
        1 => member.clone().prop_map(|member| Event::Leave { member }),
        1 => (0..2u8).prop_map(|instance| Event::LeaveInstance { instance }),
        4 => (member, any::<bool>()).prop_map(|(member, topic)| Event::Commit { member, topic }),
        1 => Just(Event::SimpleCommit),
        1 => Just(Event::DeleteGroup),
        1 => Just(Event::DeleteOffsets),
        8 => (1..4_000i64).prop_map(|ms| Event::Pass { ms }),
        1 => (20_000..80_000i64).prop_map(|ms| Event::Pass { ms }),
        1 => Just(Event::Reload),
    ]
}

/// The clients' side: who was told what.
struct World {
    bench: Bench,
    /// Member id, its generation as last told, its instance.
    members: Vec<(String, i32, Option<String>)>,
    /// Parked and answered JoinGroups, with the instance that asked.
    asked: Vec<(Token, Option<String>)>,
    synced: Vec<Token>,
    /// Leaders by generation, since the group was last made.
    leaders: std::collections::HashMap<i32, String>,
}

impl World {
    fn pick(&self, member: usize) -> (String, i32, Option<String>) {
        let count = self.members.len();
        match count.checked_sub(1 + member % count.max(1)) {
            Some(index) => self.members[index].clone(),
            None => ("nobody".to_owned(), 1, None),
        }
    }

    /// Reads the answers that have come.
    fn learn(&mut self) {
        for (token, instance) in std::mem::take(&mut self.asked) {
            let Some(reply) = self.bench.joins.remove(&token) else {
                self.asked.push((token, instance));
                continue;
            };
            match reply.error {
                ErrorCode::None => {
                    let known = self
                        .members
                        .iter_mut()
                        .find(|(id, _, _)| *id == reply.member_id);
                    match known {
                        Some(known) => known.1 = reply.generation,
                        None => {
                            let member = (reply.member_id.clone(), reply.generation, instance);
                            self.members.push(member);
                        }
                    }
                    if !reply.members.is_empty() {
                        assert_eq!(reply.leader, reply.member_id, "only a leader sees members");
                        let first = self
                            .leaders
                            .entry(reply.generation)
                            .or_insert_with(|| reply.leader.clone());
                        if !reply.skip_assignment {
                            assert_eq!(*first, reply.leader, "a generation has one leader");
                        }
                    }
                }
                ErrorCode::MemberIdRequired => self.members.push((reply.member_id, 0, None)),
                _ => {}
            }
        }
        self.synced
            .retain(|token| self.bench.syncs.remove(token).is_none());
        // Every request is parked or answered.
        let mut parked = self.bench.groups.parked();
        let mut waiting: Vec<Token> = self.asked.iter().map(|(token, _)| *token).collect();
        waiting.extend(&self.synced);
        parked.sort_unstable();
        waiting.sort_unstable();
        assert_eq!(parked, waiting);
    }

    fn join(&mut self, request: JoinRequest) {
        let instance = request.instance_id.clone();
        let token = self.bench.join(request);
        self.asked.push((token, instance));
    }

    fn sync(&mut self, id: &str, generation: i32, instance_id: Option<String>) {
        let assignments = self
            .members
            .iter()
            .map(|(id, _, _)| (id.clone(), share_of(id)))
            .collect();
        let request = SyncRequest {
            assignments,
            instance_id,
            ..sync(id, generation)
        };
        let token = self.bench.sync(request);
        self.synced.push(token);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Join {
                instance,
                known,
                sticky,
            } => {
                let mut request = if known { new_style() } else { old_style() };
                request.instance_id = instance.map(|instance| format!("i{instance}"));
                request.supports_skip_assignment = sticky;
                if sticky {
                    request
                        .protocols
                        .insert(0, ("sticky".to_owned(), subscription("t")));
                }
                self.join(request);
            }
            Event::Rejoin {
                member,
                other_topic,
            } => {
                let (id, _, instance_id) = self.pick(member);
                let topic = if other_topic { "u" } else { "t" };
                let protocols = vec![("range".to_owned(), subscription(topic))];
                self.join(JoinRequest {
                    instance_id,
                    protocols,
                    ..rejoin(&id)
                });
            }
            Event::Sync { member, stale } => {
                let (id, generation, instance) = self.pick(member);
                self.sync(&id, generation - i32::from(stale), instance);
            }
            Event::Heartbeat { member } => {
                let (id, generation, _) = self.pick(member);
                self.bench.heartbeat(&id, generation);
            }
            Event::Leave { member } => {
                let (id, _, instance) = self.pick(member);
                self.bench.leave(&id, instance.as_deref());
            }
            Event::LeaveInstance { instance } => {
                self.bench.leave("", Some(&format!("i{instance}")));
            }
            Event::Commit { member, topic } => {
                let (id, generation, _) = self.pick(member);
                let topic = if topic { "t" } else { "u" };
                let before = self.bench.fetch(topic);
                let error = self.bench.commit_to(topic, &id, generation);
                let kept = self.bench.fetch(topic);
                assert_eq!(kept, if error == ErrorCode::None { 5 } else { before });
            }
            Event::SimpleCommit => {
                self.bench.commit("", -1);
            }
            Event::DeleteGroup => {
                let names = [GROUP.to_owned()];
                let gone = self
                    .bench
                    .act(|groups, now, fx| groups.delete(now, &names, fx));
                if gone[0].1 == ErrorCode::None {
                    self.leaders.clear();
                }
            }
            Event::DeleteOffsets => {
                let request = OffsetDeleteRequest {
                    group_id: GROUP.to_owned(),
                    topics: vec![partitions()],
                };
                let _ = self
                    .bench
                    .act(|groups, now, fx| groups.delete_offsets(now, &request, fx));
            }
            Event::Pass { ms } => self.bench.pass_ms(ms),
            Event::Reload => {
                // Generations that never reached the log may be given again, to other ids.
                self.bench = self.bench.reloaded_with_tokens();
                self.asked.clear();
                self.synced.clear();
                self.leaders.clear();
            }
        }
        if self.bench.groups.is_empty() {
            self.leaders.clear();
        }
        self.learn();
        self.bench.groups.check();
    }
}

proptest! {
    #[test]
    fn no_history_loses_a_reply_or_diverges_from_its_log(
        events in prop::collection::vec(event(), 1..120),
        max_size in prop_oneof![Just(2usize), Just(100)],
    ) {
        let config = GroupConfig { max_size, ..GroupConfig::default() };
        let mut world = World {
            bench: Bench::with(config),
            members: Vec::new(),
            asked: Vec::new(),
            synced: Vec::new(),
            leaders: Default::default(),
        };
        for event in events {
            world.happen(event);
            let live = world.bench.groups.kept();
            let replayed = world.bench.replayed().kept();
            for (group, offsets, membership) in live {
                let other = replayed.iter().find(|(name, _, _)| *name == group);
                let (_, other_offsets, other_membership) = other.cloned().unwrap_or_default();
                prop_assert_eq!(offsets, other_offsets);
                // A rebalance in between is not in the log.
                if membership.is_some() {
                    prop_assert_eq!(membership, other_membership);
                }
            }
        }
        // When nobody says anything any more, everything ends.
        world.bench.pass_ms(400_000);
        world.learn();
        prop_assert!(world.asked.is_empty());
        prop_assert!(world.synced.is_empty());
        prop_assert_eq!(world.bench.groups.timers(), 0);
    }
}
