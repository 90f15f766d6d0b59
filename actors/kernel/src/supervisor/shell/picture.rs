//! Showing the children to people.

use std::sync::Arc;
use std::time::Duration;

use ractor::{ActorCell, ActorRef, RpcReplyPort};

use super::super::actor::{Msg, SupervisorMsg};
use super::super::state::Key;
use super::super::tree::{ChildInfo, ChildState, SupervisionNode};
use super::Shell;
use crate::clock::{Clock, timeout};

impl Shell {
    pub(crate) fn children(&self, limit: usize) -> (Vec<ChildInfo>, usize) {
        let infos = self
            .machine
            .children()
            .take(limit)
            .map(|(key, _)| self.info(key));
        (infos.flatten().collect(), self.machine.len())
    }

    fn info(&self, key: Key) -> Option<ChildInfo> {
        let record = self.machine.child(key)?;
        let cell = self.entries.get(&key).and_then(|entry| entry.cell.as_ref());
        Some(ChildInfo {
            name: Arc::clone(&record.name),
            restart: record.restart,
            state: record.state(),
            actor_id: cell.map(ActorCell::get_id),
            restarts: record.restarts,
            last_exit: record.last_exit.clone(),
        })
    }

    /// Answers with the tree; asks nested supervisors beside the mailbox.
    /// Kills a child, or has a supervisor among the children kill one of its own.
    pub(crate) fn kill(&self, mut path: Vec<Arc<str>>, reply: RpcReplyPort<bool>) {
        let name = (!path.is_empty()).then(|| path.remove(0));
        let mut children = self.machine.children();
        let child = children.find(|(_, record)| Some(&record.name) == name.as_ref());
        let entry = child.and_then(|(key, _)| self.entries.get(&key));
        let Some(cell) = entry.and_then(|entry| entry.cell.clone()) else {
            drop(reply.send(false));
            return;
        };
        if path.is_empty() {
            tracing::warn!(
                supervisor = &*self.options.name,
                child = name.as_deref(),
                "kills a child"
            );
            cell.kill();
            drop(reply.send(true));
        } else if let Some(nested) = supervisor(cell) {
            drop(nested.cast(SupervisorMsg(Msg::Kill { path, reply })));
        } else {
            drop(reply.send(false));
        }
    }

    pub(crate) fn tree(&self, limit: usize, reply: RpcReplyPort<SupervisionNode>) {
        let (infos, all) = self.children(limit);
        let mut nodes = Vec::with_capacity(infos.len());
        for (info, (key, _)) in infos.into_iter().zip(self.machine.children()) {
            let cell = self.entries.get(&key).and_then(|entry| entry.cell.clone());
            let nested = cell.and_then(supervisor);
            nodes.push((SupervisionNode::from(info), nested));
        }
        let root = SupervisionNode {
            name: Arc::clone(&self.options.name),
            actor_id: Some(self.myself.get_id()),
            state: ChildState::Running,
            restarts: 0,
            last_exit: None,
            children: Vec::new(),
            omitted: all - nodes.len(),
        };
        let clock = Arc::clone(&self.options.clock);
        crate::spawn(async move {
            drop(reply.send(assemble(root, nodes, limit, clock.as_ref()).await));
        });
    }
}

/// The actor, if it is a supervisor.
fn supervisor(cell: ActorCell) -> Option<ActorRef<SupervisorMsg>> {
    let is_one = cell.is_message_type_of::<SupervisorMsg>() == Some(true);
    is_one.then(|| cell.into())
}

async fn assemble(
    mut root: SupervisionNode,
    nodes: Vec<(SupervisionNode, Option<ActorRef<SupervisorMsg>>)>,
    limit: usize,
    clock: &dyn Clock,
) -> SupervisionNode {
    const PATIENCE: Duration = Duration::from_secs(1);
    for (mut node, nested) in nodes {
        if let Some(nested) = nested {
            let (port, answer) = tokio::sync::oneshot::channel();
            drop(nested.cast(SupervisorMsg(Msg::Tree {
                limit,
                reply: port.into(),
            })));
            match timeout(clock, PATIENCE, answer).await {
                Ok(Ok(below)) => (node.children, node.omitted) = (below.children, below.omitted),
                _ => node.omitted = 1,
            }
        }
        root.children.push(node);
    }
    root
}
