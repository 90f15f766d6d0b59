//! A network within the process that can be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use crate::network::{CallError, CallFuture, Handler, Peers};

#[derive(Default)]
struct State {
    handlers: BTreeMap<i32, Handler>,
    cut: BTreeSet<(i32, i32)>,
    largest: usize,
}

/// All nodes' network.
#[derive(Clone, Default)]
pub(crate) struct Switch(Arc<Mutex<State>>);

impl Switch {
    pub(crate) fn port(&self, node: i32) -> Arc<dyn Peers> {
        Arc::new(Port {
            node,
            switch: self.clone(),
        })
    }

    /// Cuts a node off from all others, both ways.
    pub(crate) fn isolate(&self, node: i32, nodes: &[i32]) {
        let mut state = self.0.lock().unwrap();
        for other in nodes.iter().filter(|other| **other != node) {
            state.cut.insert((node, *other));
            state.cut.insert((*other, node));
        }
    }

    pub(crate) fn cut(&self, a: i32, b: i32) {
        let mut state = self.0.lock().unwrap();
        state.cut.insert((a, b));
        state.cut.insert((b, a));
    }

    pub(crate) fn heal(&self) {
        self.0.lock().unwrap().cut.clear();
    }

    pub(crate) fn largest_message(&self) -> usize {
        self.0.lock().unwrap().largest
    }
}

#[derive(Clone)]
struct Port {
    node: i32,
    switch: Switch,
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Port({})", self.node)
    }
}

impl Port {
    fn is_cut(&self, to: i32) -> bool {
        self.switch.0.lock().unwrap().cut.contains(&(self.node, to))
    }
}

impl Peers for Port {
    fn call(
        &self,
        to: i32,
        request: Bytes,
        deadline: Duration,
    ) -> CallFuture<Result<Bytes, CallError>> {
        let port = self.clone();
        Box::pin(async move {
            let handler = {
                let mut state = port.switch.0.lock().unwrap();
                state.largest = state.largest.max(request.len());
                state.handlers.get(&to).cloned()
            };
            let lost = |timed_out| CallError {
                to,
                why: "lost".into(),
                timed_out,
            };
            let Some(handler) = handler.filter(|_| !port.is_cut(to)) else {
                return Err(lost(false));
            };
            let reply = tokio::time::timeout(deadline, handler(request)).await;
            let reply = reply.map_err(|_| lost(true))?;
            if port.is_cut(to) {
                Err(lost(true))
            } else {
                Ok(reply)
            }
        })
    }

    fn serve(&self, handler: Handler) {
        self.switch
            .0
            .lock()
            .unwrap()
            .handlers
            .insert(self.node, handler);
    }
}
