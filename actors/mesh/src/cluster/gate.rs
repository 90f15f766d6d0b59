//! The one actor of a node that other nodes can address, and what is said to it.
//!
//! ```text
//! request  link 8 bytes | length of the service's name 1 byte | name | request
//! reply    status 1 byte | reply or reason
//! ```
//!
//! The link's number, which only its two ends know, says who asks. Numbers are big-endian.

use std::sync::Arc;

use bytes::{BufMut, Bytes};
use odeon_model::NodeId;
use ractor::message::{BoxedDowncastErr, SerializedMessage};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, pg};

use super::Inner;
use super::link::{BULK_BYTES, Link};
use crate::{Incarnation, MeshError};

#[cfg(test)]
mod tests;

const SCOPE: &str = "odeon-mesh-1";
/// The longest name of a service.
const NAME_BYTES: usize = 255;

/// What a gate is told.
#[derive(Debug)]
pub(super) enum GateMessage {
    /// A request, and where its reply goes.
    Request(Vec<u8>, RpcReplyPort<Vec<u8>>),
    /// The sender lives.
    Beat,
}

impl ractor::Message for GateMessage {
    fn serializable() -> bool {
        true
    }

    fn serialize(self) -> Result<SerializedMessage, BoxedDowncastErr> {
        let metadata = None;
        Ok(match self {
            Self::Request(args, reply) => SerializedMessage::Call {
                variant: "request".to_owned(),
                args,
                reply,
                metadata,
            },
            Self::Beat => SerializedMessage::Cast {
                variant: "beat".to_owned(),
                args: Vec::new(),
                metadata,
            },
        })
    }

    fn deserialize(message: SerializedMessage) -> Result<Self, BoxedDowncastErr> {
        match message {
            SerializedMessage::Call { args, reply, .. } => Ok(Self::Request(args, reply)),
            SerializedMessage::Cast { .. } => Ok(Self::Beat),
            SerializedMessage::CallReply(..) => Err(BoxedDowncastErr),
        }
    }
}

/// Answers other nodes' requests, each in a task of its own. It holds nothing: a restart costs the
/// requests in its mailbox.
#[derive(Debug)]
pub(super) struct Gate;

#[async_trait::async_trait]
impl Actor for Gate {
    type Msg = GateMessage;
    type State = Arc<Inner>;
    type Arguments = Arc<Inner>;

    async fn pre_start(
        &self,
        myself: ActorRef<GateMessage>,
        inner: Arc<Inner>,
    ) -> Result<Arc<Inner>, ActorProcessingErr> {
        let group = group(inner.options.node, inner.options.incarnation);
        pg::join_scoped(SCOPE.to_owned(), group, vec![myself.get_cell()]);
        Ok(inner)
    }

    async fn handle(
        &self,
        _: ActorRef<GateMessage>,
        message: GateMessage,
        inner: &mut Arc<Inner>,
    ) -> Result<(), ActorProcessingErr> {
        if let GateMessage::Request(body, reply) = message {
            let inner = Arc::clone(inner);
            odeon_kernel::spawn(async move { answer(&inner, body.into(), reply).await });
        }
        Ok(())
    }
}

fn group(node: NodeId, life: Incarnation) -> String {
    format!("gate {node}.{life}")
}

/// The gate of a node's life, as it is seen through a session of the node server.
pub(super) fn find(node: NodeId, life: Incarnation, session: u64) -> Option<ActorRef<GateMessage>> {
    let members = pg::get_scoped_members(&SCOPE.to_owned(), &group(node, life));
    let through = |id: ActorId| matches!(id, ActorId::Remote { node_id, .. } if node_id == session);
    let gate = members
        .into_iter()
        .find(|member| through(member.get_id()))?;
    // What is in a gate's group, behind a session of this cluster, is a gate.
    Some(gate.into())
}

/// A request as it travels.
pub(super) fn request(link: u64, service: &str, request: &[u8]) -> Vec<u8> {
    let name = service.as_bytes();
    debug_assert!(name.len() <= NAME_BYTES, "services have short names");
    let mut body = Vec::with_capacity(9 + name.len() + request.len());
    body.put_u64(link);
    body.put_u8(name.len().min(NAME_BYTES) as u8);
    body.extend_from_slice(&name[..name.len().min(NAME_BYTES)]);
    body.extend_from_slice(request);
    body
}

/// The link's number, the service and the request.
fn parse(body: &Bytes) -> Option<(u64, &str, Bytes)> {
    let (number, rest) = body.split_first_chunk::<8>()?;
    let (len, rest) = rest.split_first()?;
    let (name, request) = rest.split_at_checked(usize::from(*len))?;
    let service = std::str::from_utf8(name).ok()?;
    Some((
        u64::from_be_bytes(*number),
        service,
        body.slice_ref(request),
    ))
}

async fn answer(inner: &Inner, body: Bytes, reply: RpcReplyPort<Vec<u8>>) {
    let Some((number, service, request)) = parse(&body) else {
        tracing::warn!("a request of another node that cannot be read");
        drop(reply.send(encode(Err(MeshError::Refused("not a request".into())))));
        return;
    };
    let Some(link) = inner.link_by_number(number) else {
        drop(reply.send(encode(Err(MeshError::Failed(
            "the link was replaced".into(),
        )))));
        return;
    };
    let Ok(_running) = Arc::clone(&link.answers).try_acquire_owned() else {
        let busy = MeshError::Refused("too many requests are being answered".into());
        drop(reply.send(encode(Err(busy))));
        return;
    };
    let answer = inner.handle(link.peer, service, request).await;
    if !reply.is_closed() {
        respond(inner, &link, encode(answer), reply).await;
    }
}

async fn respond(inner: &Inner, link: &Link, answer: Vec<u8>, reply: RpcReplyPort<Vec<u8>>) {
    if answer.len() >= BULK_BYTES {
        let permit = tokio::select! {
            biased;
            permit = link.budget.acquire(answer.len() as u64) => permit,
            () = link.closed() => return,
        };
        if reply.is_closed() {
            return;
        }
        link.queue(inner.clock.monotonic(), permit);
    }
    drop(reply.send(answer));
}

const OK: u8 = 0;
const UNKNOWN_SERVICE: u8 = 1;
const REFUSED: u8 = 2;
const FAILED: u8 = 3;
const TOO_LARGE: u8 = 4;

/// The longest reason that travels.
const REASON_BYTES: usize = 4096;

fn encode(answer: Result<Bytes, MeshError>) -> Vec<u8> {
    let with = |status: u8, tail: &[u8]| {
        let mut out = Vec::with_capacity(1 + tail.len());
        out.push(status);
        out.extend_from_slice(tail);
        out
    };
    let text = |status, text: &str| with(status, &text.as_bytes()[..text.len().min(REASON_BYTES)]);
    match answer {
        Ok(reply) => with(OK, &reply),
        Err(MeshError::UnknownService(name)) => text(UNKNOWN_SERVICE, &name),
        Err(MeshError::Refused(reason)) => text(REFUSED, &reason),
        Err(MeshError::TooLarge { bytes, max_bytes }) => {
            let mut sizes = [0; 16];
            sizes[..8].copy_from_slice(&(bytes as u64).to_be_bytes());
            sizes[8..].copy_from_slice(&(max_bytes as u64).to_be_bytes());
            with(TOO_LARGE, &sizes)
        }
        Err(MeshError::Failed(reason)) => text(FAILED, &reason),
        Err(other) => text(FAILED, &other.to_string()),
    }
}

/// What a reply says.
pub(super) fn decode(reply: Vec<u8>) -> Result<Bytes, MeshError> {
    let reply = Bytes::from(reply);
    let unreadable = || MeshError::Failed("a reply that cannot be read".to_owned());
    let status = reply.first().copied().ok_or_else(unreadable)?;
    let tail = reply.slice(1..);
    let text = || String::from_utf8_lossy(&tail).into_owned();
    let size = |at: usize| {
        let bytes = tail.get(at..)?.first_chunk::<8>()?;
        usize::try_from(u64::from_be_bytes(*bytes)).ok()
    };
    match status {
        OK => Ok(tail),
        UNKNOWN_SERVICE => Err(MeshError::UnknownService(text())),
        REFUSED => Err(MeshError::Refused(text())),
        FAILED => Err(MeshError::Failed(text())),
        TOO_LARGE => Err(MeshError::TooLarge {
            bytes: size(0).ok_or_else(unreadable)?,
            max_bytes: size(8).ok_or_else(unreadable)?,
        }),
        _ => Err(unreadable()),
    }
}
