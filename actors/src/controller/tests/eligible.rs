//! Whoever is elected holds everything that was acknowledged, whatever dies in whatever order, as
//! long as no election is unclean (KIP-966).

use std::collections::BTreeMap;

use odeon_metadata::LeaderRecoveryState;
use proptest::prelude::*;

use super::*;

const MIN_ISR: usize = 2;
const NODES: [NodeId; 3] = [1, 2, 3];

#[derive(Debug, Clone)]
enum Step {
    /// The leader takes so many records.
    Append(u8),
    /// A follower fetches all the leader has, and its progress is counted.
    Fetch(NodeId),
    /// The process ends without warning: in `Some`, with what was written since the last sync.
    Kill(NodeId, bool),
    /// It stops in order.
    Stop(NodeId),
    Start(NodeId),
    /// The leader throws a follower out.
    Shrink(NodeId),
    NewController,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..4u8).prop_map(Step::Append),
        8 => (1..4i32).prop_map(Step::Fetch),
        2 => (1..4i32, any::<bool>()).prop_map(|(id, loses)| Step::Kill(id, loses)),
        1 => (1..4i32).prop_map(Step::Stop),
        4 => (1..4i32).prop_map(Step::Start),
        1 => (1..4i32).prop_map(Step::Shrink),
        1 => Just(Step::NewController),
    ]
}

/// One partition's logs, as lists of records' numbers.
struct Model {
    cluster: Cluster,
    /// Settles for the page cache: a kill may lose what is not acknowledged by anything but memory.
    in_memory: bool,
    logs: BTreeMap<NodeId, Vec<u32>>,
    /// What the leader knows each follower to hold.
    progress: BTreeMap<NodeId, usize>,
    incarnations: BTreeMap<NodeId, u8>,
    previous_epochs: BTreeMap<NodeId, i64>,
    alive: Vec<NodeId>,
    acknowledged: Vec<u32>,
    next: u32,
    /// The leader that was last seen, and its epoch.
    led: (NodeId, i32),
}

impl Model {
    fn new(in_memory: bool) -> Self {
        let mut settings = ControllerSettings::new(Arc::default());
        settings = settings.with_own_features();
        let mut cluster = Cluster::with_settings(settings);
        NODES.iter().for_each(|id| cluster.start(*id));
        cluster.create_on("t", &NODES);
        cluster.set(ConfigResource::topic("t"), "min.insync.replicas", "2");
        if in_memory {
            let of = ConfigResource::topic("t");
            cluster.set(of, "odeon.acks.durability", "page-cache");
        }
        Self {
            cluster,
            in_memory,
            logs: NODES.map(|id| (id, Vec::new())).into(),
            progress: BTreeMap::new(),
            incarnations: NODES.map(|id| (id, id as u8)).into(),
            previous_epochs: BTreeMap::new(),
            alive: NODES.to_vec(),
            acknowledged: Vec::new(),
            next: 0,
            led: (1, 0),
        }
    }

    fn partition(&self) -> Arc<odeon_metadata::PartitionImage> {
        Arc::clone(self.cluster.image.partition("t", 0).unwrap())
    }

    fn leader(&self) -> Option<NodeId> {
        let leader = self.partition().leader;
        self.alive.contains(&leader).then_some(leader)
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Append(count) => self.append(count),
            Step::Fetch(id) => self.fetch(id),
            Step::Kill(id, loses) => self.kill(id, loses),
            Step::Stop(id) => self.stop(id),
            Step::Start(id) => self.start(id),
            Step::Shrink(id) => self.shrink(id),
            Step::NewController => {
                let settings = ControllerSettings::new(Arc::default()).with_own_features();
                let rng = odeon_kernel::Rng::from_seed(3);
                let (image, now) = (self.cluster.image.clone(), self.cluster.now);
                self.cluster.decisions = Decisions::new(settings, &image, rng, now);
            }
        }
        self.follow();
    }

    fn append(&mut self, count: u8) {
        let Some(leader) = self.leader() else { return };
        if self.partition().isr.len() < MIN_ISR {
            return;
        }
        for _ in 0..count {
            self.next += 1;
            self.logs.get_mut(&leader).unwrap().push(self.next);
        }
    }

    fn fetch(&mut self, id: NodeId) {
        let Some(leader) = self.leader().filter(|leader| *leader != id) else {
            return;
        };
        if !self.alive.contains(&id) {
            return;
        }
        let log = self.logs[&leader].clone();
        self.progress.insert(id, log.len());
        self.logs.insert(id, log);
        let mut isr = self.partition().isr.clone();
        if !isr.contains(&id) {
            isr.push(id);
            self.ask(leader, isr);
        }
        self.acknowledge();
    }

    /// The watermark: what all in sync are known to hold, with enough of them.
    fn acknowledge(&mut self) {
        let partition = self.partition();
        let Some(leader) = self.leader() else { return };
        if partition.isr.len() < MIN_ISR {
            return;
        }
        let others = partition.isr.iter().filter(|id| **id != leader);
        let held = others.map(|id| self.progress.get(id).copied().unwrap_or(0));
        let watermark = held.min().unwrap_or(0);
        if watermark > self.acknowledged.len() {
            self.acknowledged = self.logs[&leader][..watermark].to_vec();
        }
    }

    fn shrink(&mut self, id: NodeId) {
        let Some(leader) = self.leader().filter(|leader| *leader != id) else {
            return;
        };
        let mut isr = self.partition().isr.clone();
        isr.retain(|one| *one != id);
        self.ask(leader, isr);
        self.acknowledge();
    }

    fn ask(&mut self, leader: NodeId, isr: Vec<NodeId>) {
        let partition = self.partition();
        let request = AlterPartition {
            broker_id: leader,
            broker_epoch: self.cluster.image.broker(leader).unwrap().epoch,
            partitions: vec![PartitionAlteration {
                topic_id: self.cluster.image.topic("t").unwrap().id,
                partition: 0,
                leader_epoch: partition.leader_epoch,
                partition_epoch: partition.partition_epoch,
                new_isr: isr.into_iter().map(|id| (id, -1)).collect(),
                lost: Vec::new(),
                resigns: false,
                recovering: false,
            }],
        };
        let _ = self
            .cluster
            .decide(|d, draft, _| d.alter_partition(draft, &request));
    }

    fn kill(&mut self, id: NodeId, loses: bool) {
        if !self.alive.contains(&id) {
            return;
        }
        self.alive.retain(|other| *other != id);
        self.previous_epochs.remove(&id);
        if loses && self.in_memory {
            self.logs.get_mut(&id).unwrap().clear();
        }
        let incarnation = Uuid([self.incarnations[&id]; 16]);
        self.cluster
            .decide(|d, draft, _| d.fence_dead_broker(draft, id, incarnation));
    }

    fn stop(&mut self, id: NodeId) {
        if !self.alive.contains(&id) {
            return;
        }
        let epoch = self.cluster.image.broker(id).unwrap().epoch;
        for _ in 0..2 {
            let _ = self.cluster.heartbeat(BrokerHeartbeat {
                want_shutdown: true,
                ..self.cluster.beat(id)
            });
        }
        self.kill(id, false);
        self.previous_epochs.insert(id, epoch);
    }

    fn start(&mut self, id: NodeId) {
        if self.alive.contains(&id) {
            return;
        }
        let incarnation = self.incarnations.get_mut(&id).unwrap();
        *incarnation = incarnation.wrapping_add(10);
        let mut request = registration(id, *incarnation);
        request.previous_broker_epoch = self.previous_epochs.remove(&id).unwrap_or(-1);
        self.cluster
            .decide(|d, draft, now| d.register_broker(draft, request, now))
            .unwrap();
        let beat = self.cluster.beat(id);
        self.cluster.heartbeat(beat).unwrap();
        self.alive.push(id);
    }

    /// A new leader knows nothing of its followers' progress; it must hold what was acknowledged.
    fn follow(&mut self) {
        let partition = self.partition();
        let now = (partition.leader, partition.leader_epoch);
        if now == self.led {
            return;
        }
        self.led = now;
        self.progress.clear();
        if now.0 == NO_LEADER {
            return;
        }
        let log = &self.logs[&now.0];
        if partition.leader_recovery_state == LeaderRecoveryState::Recovering {
            // The last one known to lead, and it may lack records: what it holds is the truth now.
            let kept = log.iter().zip(&self.acknowledged);
            let kept = kept.take_while(|(a, b)| a == b).count();
            assert!(
                self.in_memory || kept == self.acknowledged.len(),
                "on disk nothing is lost even so: {partition:?}"
            );
            self.acknowledged.truncate(kept);
            return;
        }
        assert!(
            log.starts_with(&self.acknowledged),
            "leader {} has {log:?}, acknowledged was {:?}: {partition:?}",
            now.0,
            self.acknowledged
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn a_leader_holds_all_that_was_acknowledged(
        steps in prop::collection::vec(any_step(), 1..120),
        in_memory: bool,
    ) {
        let mut model = Model::new(in_memory);
        for step in steps {
            model.run(step);
        }
        // In the end, with everybody back, somebody leads unless memory was lost.
        for id in NODES {
            model.run(Step::Start(id));
        }
        prop_assert!(in_memory || model.leader().is_some(), "{:?}", model.partition());
    }
}
