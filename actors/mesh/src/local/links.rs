//! What the nodes of a local network know of each other: a network tells at once what a real one
//! finds out by redialling.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use odeon_model::NodeId;
use tokio::sync::mpsc;

use super::{Cut, Inner, Node, State};
use crate::{Incarnation, LinkEvent, LinkEvents};

/// What each node last knew of each other one: the life, and whether the link to it was up.
pub(super) type Sights = BTreeMap<(NodeId, NodeId), (Incarnation, bool)>;

impl Inner {
    /// Tells every node what has changed in its sight.
    pub(super) fn look_around(&self) {
        let mut state = self.lock();
        let mut ids: Vec<NodeId> = state.nodes.keys().copied().collect();
        ids.extend(state.sights.keys().map(|(_, peer)| *peer));
        ids.sort_unstable();
        ids.dedup();
        for &observer in &ids {
            for &peer in ids.iter().filter(|peer| **peer != observer) {
                look(&mut state, observer, peer);
            }
        }
    }

    /// A new listener of a node, told of the links that are up.
    pub(super) fn listen(&self, node: &Node) -> LinkEvents {
        let (sender, receiver) = mpsc::unbounded_channel();
        let state = self.lock();
        let own = state
            .sights
            .range((node.id, NodeId::MIN)..=(node.id, NodeId::MAX));
        for ((_, peer), (incarnation, _)) in own.filter(|(_, (_, up))| *up) {
            let _ = sender.send(LinkEvent::Up(*peer, *incarnation));
        }
        let mut listeners = node
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| !listener.is_closed());
        listeners.push(sender);
        receiver
    }
}

fn look(state: &mut State, observer: NodeId, peer: NodeId) {
    let Some(node) = state.nodes.get(&observer).cloned() else {
        state.sights.remove(&(observer, peer));
        return;
    };
    let seen = state.sights.get(&(observer, peer)).copied();
    match worst_cut(state, observer, peer) {
        Some(Cut::Silent) => return,
        Some(Cut::Known) => {
            if let Some((life, true)) = seen {
                state.sights.insert((observer, peer), (life, false));
                node.tell(LinkEvent::Down(peer, life));
            }
            return;
        }
        None => {}
    }
    let lives = state.nodes.get(&peer).map(|peer| peer.incarnation);
    if let Some((life, up)) = seen
        && lives != Some(life)
    {
        state.sights.remove(&(observer, peer));
        if up {
            node.tell(LinkEvent::Down(peer, life));
        }
        node.tell(LinkEvent::Dead(peer, life));
    }
    if let Some(life) = lives
        && seen != Some((life, true))
    {
        state.sights.insert((observer, peer), (life, true));
        node.tell(LinkEvent::Up(peer, life));
    }
}

fn worst_cut(state: &State, a: NodeId, b: NodeId) -> Option<Cut> {
    let cut = |from, to| {
        let link = state.links.get(&(from, to))?;
        link.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .cut
    };
    match (cut(a, b), cut(b, a)) {
        (None, None) => None,
        (Some(Cut::Known), _) | (_, Some(Cut::Known)) => Some(Cut::Known),
        _ => Some(Cut::Silent),
    }
}

impl Node {
    fn tell(&self, event: LinkEvent) {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener.send(event).is_ok());
    }
}
