//! The actor over a real quorum.

use std::path::Path;

use odeon_kernel::disk::RealDisk;
use odeon_kernel::supervisor::{ChildSpec, Restart, RootSupervisor, Supervisor, SupervisorOptions};
use odeon_kernel::{SharedClock, Slot, SystemClock, Watch};
use odeon_mesh::{LocalNetwork, Mesh};
use odeon_model::config::BrokerConfig;
use odeon_quorum::{MeshPeers, Quorum, QuorumConfig, Voter};

use super::*;
use crate::controller::{
    ClusterController, ControllerArguments, ControllerHandle, ControllerLink, ImageStateMachine,
    serve,
};

pub(super) struct Node {
    pub(super) quorum: Quorum,
    pub(super) image: Watch<MetadataImage>,
    pub(super) controller: ControllerHandle,
    pub(super) root: RootSupervisor,
}

impl Node {
    /// A node with `voters` voters, of which only this one runs.
    async fn start(dir: &Path, voters: i32) -> Self {
        let clock: SharedClock = Arc::new(SystemClock::new());
        let network = LocalNetwork::new(clock.clone());
        let patience = Duration::from_millis(300);
        Self::start_in(&network, clock, dir, 1, voters, patience).await
    }

    /// One of the nodes of a network.
    pub(super) async fn start_in(
        network: &LocalNetwork,
        clock: SharedClock,
        dir: &Path,
        id: i32,
        voters: i32,
        patience: Duration,
    ) -> Self {
        let mesh: Arc<dyn Mesh> = Arc::new(network.node(id));
        let (machine, image) = ImageStateMachine::new("c".into());
        let voter = |node_id| Voter {
            node_id,
            directory_id: Uuid([node_id as u8; 16]),
            endpoint: String::new(),
        };
        let quorum = Quorum::start(QuorumConfig::new(
            id,
            voter(id).directory_id,
            "c",
            (1..=voters).map(voter).collect(),
            dir,
            Arc::new(RealDisk),
            clock.clone(),
            Arc::new(MeshPeers(mesh.clone())),
            Box::new(machine),
        ));
        let quorum = quorum.await.unwrap();
        let text = "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://:0,\
                    CONTROLLER://:0\ncontroller.listener.names=CONTROLLER\n\
                    controller.quorum.voters=1@localhost:9093\nlog.dirs=/nowhere\n";
        let properties = odeon_model::parse_properties(text).unwrap();
        let (config, _) = BrokerConfig::from_properties(&properties).unwrap();
        let slot = Slot::new(clock.clone());
        let link = ControllerLink {
            mesh: mesh.clone(),
            role: quorum.role(),
            image: image.clone(),
            clock: clock.clone(),
            rng: Arc::new(Rng::from_seed(6)),
        };
        let controller = ControllerHandle::new(slot.clone(), link).patient_for(patience);
        serve(&*mesh, slot.clone());
        let arguments = ControllerArguments {
            quorum: quorum.clone(),
            mesh: mesh.clone(),
            controller: controller.clone(),
            image: image.clone(),
            config: Arc::new(config),
            clock: clock.clone(),
            rng: Arc::new(Rng::from_seed(5)),
        };
        let child = ChildSpec::actor("ClusterController", Restart::Permanent, &slot, move || {
            (ClusterController, arguments.clone())
        });
        let root = Supervisor::start_root(SupervisorOptions::new("Roles", clock), vec![child]);
        Self {
            quorum,
            image,
            controller,
            root: root.await.unwrap(),
        }
    }

    pub(super) async fn lead(&self) {
        self.quorum
            .role()
            .wait_for(|role| role.ready)
            .await
            .unwrap();
        let ready = |image: &MetadataImage| image.metadata_version() != 0;
        self.image.clone().wait_for(ready).await.unwrap();
    }

    pub(super) async fn join(&self, incarnation: u8) -> i64 {
        let epoch = self
            .controller
            .register_broker(registration(1, incarnation))
            .await
            .unwrap();
        let beat = BrokerHeartbeat {
            broker_id: 1,
            broker_epoch: epoch,
            metadata_index: self.image.get().position().index,
            want_fence: false,
            want_shutdown: false,
            offline_log_dirs: Vec::new(),
        };
        assert!(
            !self
                .controller
                .broker_heartbeat(beat)
                .await
                .unwrap()
                .is_fenced
        );
        epoch
    }

    pub(super) async fn create(&self, name: &str) -> ErrorCode {
        let topics = vec![NewTopic::automatic(name, None)];
        self.controller.create_topics(topics, false).await.unwrap()[0].error
    }

    pub(super) async fn stop(self) {
        self.root.shutdown().await;
        self.quorum.shutdown().await;
    }
}

#[tokio::test]
async fn what_was_answered_is_in_the_image_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), 1).await;
    node.lead().await;
    let first = node.join(1).await;
    assert_eq!(node.create("t").await, ErrorCode::None);
    let topic = node.image.get().topic("t").cloned().unwrap();
    assert_eq!(topic.partition(0).unwrap().leader, 1);
    assert_eq!(node.create("t").await, ErrorCode::TopicAlreadyExists);
    let block = node.controller.allocate_producer_ids().await.unwrap();
    assert_eq!(block.first, 0);
    node.quorum.take_snapshot().await.unwrap();
    node.stop().await;

    let node = Node::start(dir.path(), 1).await;
    node.lead().await;
    let second = node.join(2).await;
    assert!(second > first);
    let again = node.image.get().topic("t").cloned().unwrap();
    assert_eq!(again.id, topic.id);
    let partition = again.partition(0).unwrap();
    assert_eq!(
        (partition.leader, partition.leader_epoch),
        (1, 2),
        "none in between, then us"
    );
    let block = node.controller.allocate_producer_ids().await.unwrap();
    assert_eq!(block.first, 1000);
    node.stop().await;
}

#[tokio::test]
async fn what_is_asked_at_once_is_written_together_and_answered_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), 1).await;
    node.lead().await;
    node.join(1).await;
    let before = node.image.get().position().index;
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let controller = node.controller.clone();
            odeon_kernel::spawn(async move {
                let topics = vec![NewTopic::automatic(&format!("t{}", n % 100), None)];
                controller.create_topics(topics, false).await.unwrap()[0].error
            })
        })
        .collect();
    let mut created = 0;
    for task in tasks {
        match task.await.unwrap() {
            ErrorCode::None => created += 1,
            error => assert_eq!(error, ErrorCode::TopicAlreadyExists),
        }
    }
    assert_eq!(created, 100);
    let image = node.image.get();
    assert_eq!(image.topic_count(), 100);
    let entries = image.position().index - before;
    assert!(entries < 50, "{entries} entries for 100 topics");
    node.stop().await;
}

#[tokio::test]
async fn a_change_larger_than_an_entry_takes_effect_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), 1).await;
    node.lead().await;
    node.join(1).await;
    let mut seen = node.image.clone();
    let watching = odeon_kernel::spawn(async move {
        loop {
            let image = seen.see();
            if let Some(topic) = image.topic("big") {
                return topic.partition_count();
            }
            seen.changed().await.unwrap();
        }
    });
    let topics = vec![NewTopic {
        num_partitions: 9_000,
        replication_factor: 1,
        ..NewTopic::automatic("big", None)
    }];
    let created = node.controller.create_topics(topics, false).await.unwrap();
    assert_eq!(created[0].error, ErrorCode::None);
    assert_eq!(watching.await.unwrap(), 9_000);
    node.stop().await;
}

#[tokio::test]
async fn without_a_majority_nobody_is_the_controller() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), 3).await;
    let topics = vec![NewTopic::automatic("t", None)];
    let refusal = node
        .controller
        .create_topics(topics, false)
        .await
        .unwrap_err();
    assert_eq!(refusal.code, ErrorCode::NotController);
    node.stop().await;
}

#[tokio::test]
async fn a_restarted_controller_goes_on_from_what_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), 1).await;
    node.lead().await;
    node.join(1).await;
    assert_eq!(node.create("a").await, ErrorCode::None);
    let before = node.controller.slot().get().unwrap().get_id();
    assert!(
        node.root
            .handle()
            .restart_child("ClusterController")
            .await
            .unwrap()
    );
    loop {
        let topics = vec![NewTopic::automatic("b", None)];
        // The old one has gone, the new one is not active yet.
        match node.controller.create_topics(topics, false).await {
            Ok(created) => {
                assert_eq!(created[0].error, ErrorCode::None);
                break;
            }
            Err(refusal) => assert_eq!(refusal.code, ErrorCode::NotController),
        }
        tokio::task::yield_now().await;
    }
    assert_ne!(node.controller.slot().get().unwrap().get_id(), before);
    assert_eq!(node.create("a").await, ErrorCode::TopicAlreadyExists);
    node.stop().await;
}
