//! The node server: hidden on the loopback, fed by this room's own connections, and listened to.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Weak};

use odeon_kernel::supervisor::{ChildSpec, Restart};
use odeon_model::NodeId;
use ractor::Actor;
use ractor_cluster::node::{
    NodeConnectionMode, NodeEventSubscription, NodeServerSessionInformation,
};
use ractor_cluster::{NodeServer, NodeServerMessage};

use super::peer::PeerMessage;
use super::{ClusterError, ClusterOptions, Inner, lock};
use crate::Incarnation;

/// What a frame holds besides the message.
const FRAME_OVERHEAD_BYTES: u64 = 64 << 10;

pub(super) fn spec(inner: &Arc<Inner>) -> ChildSpec {
    let inner = Arc::clone(inner);
    ChildSpec::new("NodeServer", Restart::Permanent, move |parent| {
        let (server, slot) = (node_server(&inner.options), inner.server.clone());
        async move {
            let (server, task) = NodeServer::spawn_linked(None, server, (), parent).await?;
            slot.publish(server.clone());
            Ok((server, task))
        }
    })
}

fn node_server(options: &ClusterOptions) -> NodeServer {
    let name = format!("{}.{}", options.node, options.incarnation);
    let mode = Some(NodeConnectionMode::Isolated);
    // Host names tell nodes apart: two of the same name would not talk.
    NodeServer::new(0, options.secret.cookie(), name.clone(), name, None, mode)
        .with_listen_addr(IpAddr::V4(Ipv4Addr::LOCALHOST))
        .with_max_inbound_frame_size(options.max_message_bytes as u64 + FRAME_OVERHEAD_BYTES)
}

pub(super) fn subscribe(inner: &Arc<Inner>) -> Result<(), ClusterError> {
    let subscription = Box::new(Events(Arc::downgrade(inner)));
    let message = NodeServerMessage::SubscribeToEvents {
        id: "mesh".to_owned(),
        subscription,
    };
    inner
        .server
        .cast(message)
        .map_err(|error| ClusterError::Failed(error.to_string()))
}

/// How a connection is called in the node server's events.
pub(super) fn label(node: NodeId, life: Incarnation, number: u64) -> String {
    format!("{node}.{life}#{number}")
}

fn parse(label: &str) -> Option<(NodeId, u64)> {
    let (name, number) = label.split_once('#')?;
    let (node, _) = name.split_once('.')?;
    Some((node.parse().ok()?, number.parse().ok()?))
}

struct Events(Weak<Inner>);

impl Events {
    fn pass(&self, session: &NodeServerSessionInformation, message: impl Fn(u64) -> PeerMessage) {
        let Some(inner) = self.0.upgrade() else {
            return;
        };
        let Some((node, number)) = parse(&session.peer_addr) else {
            // It came through the node server's own listener.
            session.actor.stop(Some("not a link".to_owned()));
            return;
        };
        if let Some(peer) = lock(&inner.peers).get(&node) {
            let _ = peer.actor.cast(message(number));
        }
    }
}

impl NodeEventSubscription for Events {
    fn node_session_opened(&self, session: NodeServerSessionInformation) {
        if parse(&session.peer_addr).is_none() {
            session.actor.stop(Some("not a link".to_owned()));
        }
    }

    fn node_session_authenticated(&self, _: NodeServerSessionInformation) {}

    fn node_session_ready(&self, session: NodeServerSessionInformation) {
        let node_id = session.node_id;
        self.pass(&session, |number| PeerMessage::Ready(number, node_id));
    }

    fn node_session_disconnected(&self, session: NodeServerSessionInformation) {
        self.pass(&session, PeerMessage::Gone);
    }
}
