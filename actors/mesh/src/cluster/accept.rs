//! Connections that others make.

use std::sync::Arc;

use odeon_kernel::clock::timeout;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;

use super::handshake::{self, HandshakeError, Hello, PREAMBLE, Proved, Purpose};
use super::peer::{Offer, PeerMessage};
use super::{Inner, lock};

/// Takes over a connection whose preamble has been read.
pub(super) fn accept(inner: &Arc<Inner>, stream: TcpStream) {
    if let Some(place) = place(inner) {
        let here = Arc::clone(inner);
        inner.runtime.spawn(async move {
            // A stream that was accepted on another runtime is driven by that one's thread.
            if let Ok(stream) = stream.into_std().and_then(TcpStream::from_std) {
                run(&here, stream, place, false).await;
            }
        });
    }
}

/// Accepts for ever, whatever strangers do.
pub(super) async fn serve(inner: &Arc<Inner>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Some(place) = place(inner) {
                    let here = Arc::clone(inner);
                    inner
                        .runtime
                        .spawn(async move { run(&here, stream, place, true).await });
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                inner.clock.sleep(inner.options.redial.1).await;
            }
        }
    }
}

/// A place among the handshakes under way.
fn place(inner: &Inner) -> Option<OwnedSemaphorePermit> {
    let place = Arc::clone(&inner.handshakes).try_acquire_owned().ok();
    if place.is_none() {
        tracing::warn!("too many handshakes are under way: a connection is dropped");
    }
    place
}

async fn run(inner: &Arc<Inner>, stream: TcpStream, _place: OwnedSemaphorePermit, preamble: bool) {
    let from = stream.peer_addr();
    let limit = inner.options.handshake_limit;
    let result = timeout(&*inner.clock, limit, handshake(inner, stream, preamble)).await;
    let error = match result {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(elapsed) => elapsed.to_string(),
    };
    tracing::info!(?from, error, "a connection did not become a link");
}

async fn handshake(
    inner: &Arc<Inner>,
    mut stream: TcpStream,
    preamble: bool,
) -> Result<(), HandshakeError> {
    if preamble {
        let mut first = [0; PREAMBLE.len()];
        stream.read_exact(&mut first).await?;
        if first != PREAMBLE {
            return Err(HandshakeError::Preamble);
        }
    }
    stream.set_nodelay(true)?;
    let hello = inner.hello(Purpose::Link);
    let proved = handshake::accept(&mut stream, &inner.options.secret, &hello).await?;
    if inner.is_cut_off(proved.peer.node) {
        // A test's cut: whatever it says is lost.
        return std::future::pending().await;
    }
    if let Err(reason) = inner.admissible(&proved.peer) {
        tracing::warn!(node = proved.peer.node, reason, "a node is refused");
        return proved.decide(&mut stream, Err(reason)).await;
    }
    if proved.peer.purpose == Purpose::Probe {
        return proved
            .decide(&mut stream, Err("it was a probe".into()))
            .await;
    }
    offer(inner, stream, proved);
    Ok(())
}

/// Leaves it to the link's supervisor.
fn offer(inner: &Arc<Inner>, stream: TcpStream, proved: Proved) {
    let peer = inner.peer(proved.peer.node).actor;
    let offer = Offer { stream, proved };
    let (clock, limit) = (inner.clock.clone(), inner.options.handshake_limit);
    inner.runtime.spawn(async move {
        // It may just be starting.
        drop(clock);
        if peer.ready(limit).await.is_ok() {
            let _ = peer.cast(PeerMessage::Offered(Box::new(offer)));
        }
    });
}

impl Inner {
    pub(super) fn hello(&self, purpose: Purpose) -> Hello {
        let cluster = lock(&self.cluster).clone();
        Hello::new(
            self.options.node,
            self.options.incarnation,
            cluster,
            purpose,
        )
    }

    /// Why a node that knows the secret is refused all the same.
    pub(super) fn admissible(&self, peer: &Hello) -> Result<(), String> {
        let own = lock(&self.cluster).clone();
        if peer.node == self.options.node {
            return Err(format!("node {} is here: an id is one node's", peer.node));
        }
        if !own.is_empty() && !peer.cluster.is_empty() && own != peer.cluster {
            return Err(format!("the cluster here is {own}, not {}", peer.cluster));
        }
        Ok(())
    }
}
