//! Commands from any node to whichever node's controller is active.

use odeon_kernel::{SharedClock, SystemClock};
use odeon_mesh::{Cut, LinkFault, LocalNetwork};

use super::actor::Node;
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// What is sent is as good as lost.
const SLOW: LinkFault = LinkFault {
    cut: None,
    delay: Duration::from_secs(60),
    jitter: Duration::ZERO,
    drop_probability: 0.0,
};

struct Three {
    _dir: tempfile::TempDir,
    network: LocalNetwork,
    nodes: Vec<Node>,
}

impl Three {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(SystemClock::new());
        let network = LocalNetwork::new(clock.clone());
        let mut nodes = Vec::new();
        for id in 1..=3 {
            let (dir, clock) = (dir.path().join(id.to_string()), clock.clone());
            nodes.push(Node::start_in(&network, clock, &dir, id, 3, PATIENCE).await);
        }
        let three = Self {
            _dir: dir,
            network,
            nodes,
        };
        for id in 1..=3 {
            three.join(id).await;
        }
        three
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[usize::try_from(id).unwrap() - 1]
    }

    async fn join(&self, id: NodeId) {
        let node = self.node(id);
        let epoch = node
            .controller
            .register_broker(registration(id, id as u8))
            .await
            .unwrap();
        let registered = node
            .image
            .get()
            .broker(id)
            .is_some_and(|own| own.epoch == epoch);
        assert!(registered, "the answer came before it was applied here");
        loop {
            let beat = BrokerHeartbeat {
                broker_id: id,
                broker_epoch: epoch,
                metadata_index: node.image.get().position().index,
                want_fence: false,
                want_shutdown: false,
                offline_log_dirs: Vec::new(),
            };
            // On a busy machine an answer may come too late to count.
            let reply = node.controller.broker_heartbeat(beat).await;
            if reply.is_ok_and(|reply| !reply.is_fenced) {
                return;
            }
        }
    }

    fn leader(&self) -> NodeId {
        let role = self
            .nodes
            .iter()
            .map(|node| *node.quorum.role().borrow())
            .max_by_key(|role| role.term);
        role.and_then(|role| role.leader).unwrap()
    }

    fn follower(&self) -> NodeId {
        (1..=3).find(|id| *id != self.leader()).unwrap()
    }

    async fn stop(self) {
        for node in self.nodes {
            node.stop().await;
        }
    }
}

#[tokio::test]
async fn every_node_reaches_the_controller_and_sees_what_it_was_answered() {
    let three = Three::start().await;
    let mut blocks = Vec::new();
    for id in 1..=3 {
        let (node, name) = (three.node(id), format!("t{id}"));
        assert_eq!(node.create(&name).await, ErrorCode::None);
        let image = node.image.get();
        assert!(image.topic(&name).is_some(), "node {id} does not see it");
        assert_eq!(node.create(&name).await, ErrorCode::TopicAlreadyExists);
        blocks.push(node.controller.allocate_producer_ids().await.unwrap().first);
    }
    assert_eq!(blocks, [0, 1000, 2000]);
    three.stop().await;
}

#[tokio::test]
async fn a_command_waits_for_the_next_controller() {
    let three = Three::start().await;
    let (leader, asking) = (three.leader(), three.follower());
    three.network.isolate(leader, Cut::Known);
    let node = three.node(asking);
    assert_eq!(node.create("t").await, ErrorCode::None);
    assert!(node.image.get().topic("t").is_some());
    three.network.heal_all();
    three.stop().await;
}

#[tokio::test]
async fn a_command_whose_answer_is_lost_is_perhaps_done_and_not_sent_again() {
    let three = Three::start().await;
    let (leader, asking) = (three.leader(), three.follower());
    assert_eq!(three.node(asking).create("t").await, ErrorCode::None);
    three.network.set_fault(leader, asking, SLOW);
    let controller = three.node(asking).controller.clone();
    let asked = odeon_kernel::spawn(async move {
        let topics = vec![TopicRef::Name("t".to_owned())];
        controller.delete_topics(topics).await
    });
    let mut image = three.node(leader).image.clone();
    image
        .wait_for(|image| image.topic("t").is_none())
        .await
        .unwrap();
    three.network.cut(leader, asking, Cut::Known);
    let refusal = asked.await.unwrap().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::RequestTimedOut);
    three.network.heal_all();
    three.stop().await;
}

#[tokio::test]
async fn a_topic_is_made_once_though_the_controller_goes_before_it_has_said_so() {
    let three = Three::start().await;
    let (leader, asking) = (three.leader(), three.follower());
    three.network.set_fault(leader, asking, SLOW);
    let controller = three.node(asking).controller.clone();
    let asked = odeon_kernel::spawn(async move {
        let topics = vec![NewTopic::automatic("t", None)];
        controller.create_topics(topics, false).await
    });
    let mut image = three.node(leader).image.clone();
    let made = image.wait_for(|image| image.topic("t").is_some()).await;
    let made = made.unwrap().topic("t").unwrap().id;
    three.network.isolate(leader, Cut::Known);
    let created = asked.await.unwrap().unwrap();
    assert_eq!(
        (created[0].error, created[0].topic_id),
        (ErrorCode::None, made)
    );
    three.network.heal_all();
    three.stop().await;
}

#[tokio::test]
async fn a_long_command_travels_in_pieces_and_is_answered_in_order() {
    let three = Three::start().await;
    let node = three.node(three.follower());
    let names: Vec<String> = (0..2_500).map(|n| format!("t{n}")).collect();
    let topics = names.iter().map(|name| NewTopic::automatic(name, None));
    let created = node.controller.create_topics(topics.collect(), false).await;
    let created = created.unwrap();
    assert!(created.iter().map(|topic| &topic.name).eq(&names));
    assert_eq!(node.image.get().topic_count(), names.len());
    let refs = names.iter().map(|name| TopicRef::Name(name.clone()));
    let deleted = node.controller.delete_topics(refs.collect()).await.unwrap();
    assert!(deleted.iter().all(|topic| topic.error == ErrorCode::None));
    assert_eq!(node.image.get().topic_count(), 0);
    three.stop().await;
}

#[tokio::test]
async fn a_node_speaks_for_itself_only() {
    let three = Three::start().await;
    let (leader, asking) = (three.leader(), three.follower());
    let other = (1..=3).find(|id| *id != leader && *id != asking).unwrap();
    let forged = three
        .node(asking)
        .controller
        .register_broker(registration(other, 9))
        .await;
    assert_eq!(forged.unwrap_err().code, ErrorCode::InvalidRequest);
    three.stop().await;
}
