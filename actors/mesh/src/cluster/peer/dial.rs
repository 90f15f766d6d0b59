//! One dial: an address, a connection, a handshake.

use std::io;
use std::sync::Arc;

use odeon_kernel::clock::timeout;
use odeon_model::NodeId;
use tokio::net::TcpStream;

use super::is_refusal;
use crate::Incarnation;
use crate::cluster::Inner;
use crate::cluster::handshake::{self, Answered, HandshakeError, Purpose};

/// How it ended.
#[derive(Debug)]
pub(in crate::cluster) enum Outcome {
    /// Nobody listens at any of the address's places.
    Refused,
    /// It says nothing about who is there.
    Failed,
    /// This life answered, but the connection becomes no link.
    Declined(Incarnation),
    /// This life took the connection as the link.
    Linked(Incarnation, u64, TcpStream),
}

pub(super) async fn dial(
    inner: &Arc<Inner>,
    node: NodeId,
    address: &str,
    purpose: Purpose,
    connected: impl FnOnce(),
) -> Outcome {
    let (clock, limit) = (&*inner.clock, inner.options.handshake_limit);
    if inner.is_cut_off(node) {
        // A test's cut: what is sent is lost.
        clock.sleep(limit).await;
        return Outcome::Failed;
    }
    let mut stream = match timeout(clock, limit, connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if is_refusal(&error) => return Outcome::Refused,
        Ok(Err(error)) => {
            tracing::debug!(node, address, %error, "a node is not reached");
            return Outcome::Failed;
        }
        Err(_) => return Outcome::Failed,
    };
    connected();
    let hello = inner.hello(purpose);
    let shaken = handshake::dial(&mut stream, &inner.options.secret, &hello);
    let Answered {
        peer,
        link,
        refused,
    } = match timeout(clock, limit, shaken).await {
        Ok(Ok(answered)) => answered,
        Ok(Err(error)) => {
            log(node, address, &error);
            return Outcome::Failed;
        }
        Err(_) => return Outcome::Failed,
    };
    if inner.is_cut_off(node) {
        return Outcome::Failed;
    }
    if peer.node != node {
        let there = peer.node;
        tracing::warn!(node, there, address, "another node answers at the address");
        return Outcome::Failed;
    }
    if let Err(reason) = inner.admissible(&peer) {
        tracing::warn!(node, address, reason, "a node is not taken");
        return Outcome::Failed;
    }
    match refused {
        None => Outcome::Linked(peer.incarnation, link, stream),
        Some(reason) => {
            tracing::debug!(node, address, reason, "a connection becomes no link");
            Outcome::Declined(peer.incarnation)
        }
    }
}

fn log(node: NodeId, address: &str, error: &HandshakeError) {
    match error {
        // It is ending, or something in between is.
        HandshakeError::Io(error) => tracing::debug!(node, address, %error, "no handshake"),
        error => tracing::warn!(node, address, %error, "no handshake"),
    }
}

/// Tries the places of an address in turn. A refusal only if all refuse.
async fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = None;
    for place in tokio::net::lookup_host(address).await? {
        match TcpStream::connect(place).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) if last.is_none() || !is_refusal(&error) => last = Some(error),
            Err(_) => {}
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
}
