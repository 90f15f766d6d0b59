//! A call to a service of another node, or of this one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use odeon_model::NodeId;
use tokio::sync::oneshot;

use super::Inner;
use super::gate::{self, GateMessage};
use super::link::{BULK_BYTES, Link};
use crate::MeshError;

type Answer = Result<Bytes, MeshError>;

/// The caller ends it at its deadline.
pub(super) async fn call(
    inner: &Arc<Inner>,
    to: NodeId,
    service: &'static str,
    request: Bytes,
    deadline: Duration,
) -> Answer {
    inner.check_size(&request)?;
    if to == inner.options.node {
        return call_here(inner, service, request).await;
    }
    let started = inner.clock.monotonic();
    let link = inner.link_to(to).ok_or(MeshError::Unreachable(to))?;
    let admitted = admit(inner, &link, request.len());
    let _slot = tokio::select! {
        biased;
        slot = admitted => slot,
        () = link.closed() => return Err(MeshError::Unreachable(to)),
    };
    let gate = link.gate().filter(|_| !link.is_closed());
    let gate = gate.ok_or(MeshError::Unreachable(to))?;
    let waited = inner.clock.monotonic().saturating_sub(started);
    let (reply, answer) = oneshot::channel();
    let body = gate::request(link.number, service, &request);
    let message = GateMessage::Request(body, (reply, deadline.saturating_sub(waited)).into());
    if gate.cast(message).is_err() {
        return Err(MeshError::Unreachable(to));
    }
    tokio::select! {
        biased;
        answer = answer => match answer {
            Ok(reply) => gate::decode(reply),
            // The session has ended.
            Err(_) => Err(MeshError::LinkLost(to)),
        },
        () = link.closed() => Err(MeshError::LinkLost(to)),
    }
}

/// Waits for a place among the calls under way and, for bulk, in the budget.
async fn admit(inner: &Inner, link: &Link, bytes: usize) -> tokio::sync::OwnedSemaphorePermit {
    let slot = Arc::clone(&link.calls).acquire_owned().await;
    let slot = slot.expect("the semaphore is never closed");
    if bytes >= BULK_BYTES {
        let permit = link.budget.acquire(bytes as u64).await;
        link.queue(inner.clock.monotonic(), permit);
    }
    slot
}

async fn call_here(inner: &Arc<Inner>, service: &'static str, request: Bytes) -> Answer {
    let (reply, answer) = oneshot::channel();
    let here = Arc::clone(inner);
    // In a task of its own: the handler goes on when the caller gives up.
    inner.runtime.spawn(async move {
        let answer = here.handle(here.options.node, service, request).await;
        drop(reply.send(answer));
    });
    let lost = || MeshError::Failed("the service's task has ended".to_owned());
    answer.await.unwrap_or_else(|_| Err(lost()))
}
