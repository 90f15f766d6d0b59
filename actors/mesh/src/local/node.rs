//! One node of a local network: how a call travels.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::clock::timeout;
use odeon_model::NodeId;
use tokio::sync::oneshot;

use super::{Inner, Link, Node, Passage};
use crate::{CallFuture, Handler, Incarnation, LinkEvents, Mesh, MeshError};

/// What a message costs on a link beyond its bytes.
const OVERHEAD_BYTES: u64 = 64;

/// One life of a node of a [`LocalNetwork`](super::LocalNetwork). Clones are the same.
#[derive(Clone)]
pub struct LocalMesh {
    network: Arc<Inner>,
    node: Arc<Node>,
}

impl LocalMesh {
    pub(super) fn new(network: Arc<Inner>, node: Arc<Node>) -> Self {
        Self { network, node }
    }
}

impl fmt::Debug for LocalMesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalMesh")
            .field("node", &self.node.id)
            .field("incarnation", &self.node.incarnation)
            .finish_non_exhaustive()
    }
}

impl Mesh for LocalMesh {
    fn node_id(&self) -> NodeId {
        self.node.id
    }

    fn incarnation(&self) -> Incarnation {
        self.node.incarnation
    }

    fn call(
        &self,
        to: NodeId,
        service: &'static str,
        request: Bytes,
        deadline: Duration,
    ) -> CallFuture {
        let call = Call {
            network: Arc::clone(&self.network),
            from: Arc::clone(&self.node),
            there: self.network.link(self.node.id, to),
            back: self.network.link(to, self.node.id),
            to,
            service,
        };
        Box::pin(async move {
            let clock = Arc::clone(&call.network.clock);
            let answer = timeout(clock.as_ref(), deadline, call.run(request)).await;
            answer.unwrap_or(Err(MeshError::DeadlineExceeded))
        })
    }

    fn register(&self, service: &'static str, handler: Handler) {
        if !self.node.is_down() {
            self.node.services.register(service, handler);
        }
    }

    fn unregister(&self, service: &'static str) {
        self.node.services.unregister(service);
    }

    fn links(&self) -> LinkEvents {
        self.network.listen(&self.node)
    }

    fn learn(&self, _: NodeId, _: &str) {}
}

type Answer = Result<Bytes, MeshError>;

struct Call {
    network: Arc<Inner>,
    from: Arc<Node>,
    there: Arc<Link>,
    back: Arc<Link>,
    to: NodeId,
    service: &'static str,
}

impl Call {
    async fn run(self, request: Bytes) -> Answer {
        let to = self.to;
        self.network.check_size(&request)?;
        if self.from.is_down() {
            return Err(MeshError::Unreachable(to));
        }
        let slot = Arc::clone(&self.there.calls).acquire_owned().await;
        let bytes = self
            .there
            .bytes
            .acquire(request.len() as u64 + OVERHEAD_BYTES)
            .await;
        let Some(callee) = self.network.running(to) else {
            return Err(MeshError::Unreachable(to));
        };
        // Subscribed before the message leaves: no break is missed.
        let (there, back) = (Arc::clone(&self.there), Arc::clone(&self.back));
        let (broken_there, broken_back) = (there.broken(), back.broken());
        let (caller, peer) = (Arc::clone(&self.from), Arc::clone(&callee));
        let (reply, answer) = oneshot::channel();
        match self.network.passage(&self.there) {
            Passage::Refused => return Err(MeshError::Unreachable(to)),
            // Lost at once, but the caller cannot know: it waits for its deadline.
            Passage::Lost => drop(reply),
            Passage::After(delay) => {
                odeon_kernel::spawn(async move {
                    self.network.travel(delay).await;
                    drop(bytes);
                    self.deliver(callee, request, reply).await;
                    drop(slot);
                });
            }
        }
        tokio::select! {
            biased;
            answer = answer => match answer {
                Ok(answer) => answer,
                // The reply was lost on its way.
                Err(_) => std::future::pending().await,
            },
            () = peer.ended() => Err(MeshError::LinkLost(to)),
            () = caller.ended() => Err(MeshError::LinkLost(to)),
            () = broken_there => Err(MeshError::LinkLost(to)),
            () = broken_back => Err(MeshError::LinkLost(to)),
        }
    }

    /// Runs on the callee's side.
    async fn deliver(self, callee: Arc<Node>, request: Bytes, reply: oneshot::Sender<Answer>) {
        let handled = async {
            let answer = self.handle(&callee, request).await;
            if reply.is_closed() {
                return;
            }
            let size = answer.as_ref().map_or(0, Bytes::len) as u64;
            let _bytes = self.back.bytes.acquire(size + OVERHEAD_BYTES).await;
            if let Passage::After(delay) = self.network.passage(&self.back) {
                self.network.travel(delay).await;
                drop(reply.send(answer));
            }
        };
        tokio::select! {
            biased;
            () = callee.ended() => {}
            () = handled => {}
        }
    }

    async fn handle(&self, callee: &Node, request: Bytes) -> Answer {
        let from = self.from.id;
        let reply = callee.services.run(from, self.service, request).await?;
        self.network.check_size(&reply)?;
        Ok(reply)
    }
}

impl Inner {
    async fn travel(&self, delay: Duration) {
        if !delay.is_zero() {
            self.clock.sleep(delay).await;
        }
    }

    fn check_size(&self, message: &Bytes) -> Result<(), MeshError> {
        let (bytes, max_bytes) = (message.len(), self.options.max_message_bytes);
        if bytes > max_bytes {
            Err(MeshError::TooLarge { bytes, max_bytes })
        } else {
            Ok(())
        }
    }
}
