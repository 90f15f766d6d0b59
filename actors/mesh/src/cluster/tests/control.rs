//! What a test's process and the processes of its nodes say to each other: a length (4 bytes,
//! big-endian) and MessagePack.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use odeon_model::NodeId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Incarnation, LinkEvent, MeshError, payload};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Payload(#[serde(with = "payload")] pub(super) Bytes);

/// To a node.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    Learn(NodeId, String),
    Register(String),
    Unregister(String),
    Call {
        call: u64,
        to: NodeId,
        service: String,
        request: Payload,
        deadline: Duration,
    },
    /// The caller has given up.
    Forget(u64),
    /// The answer to a `Handle`; the outer error is the text of a panic.
    Handled(u64, Result<Result<Payload, String>, String>),
    CutOff(Vec<NodeId>),
    SetCluster(String),
    /// Done once the node has answered at its address.
    AwaitSeen(NodeId),
}

/// From a node.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The first: what it is and where it listens.
    Runs(Incarnation, String),
    /// An order that changes something has been carried out.
    Done,
    Called(u64, Result<Payload, Error>),
    Handle {
        request: u64,
        service: String,
        from: NodeId,
        body: Payload,
    },
    Link(Event, NodeId, Incarnation),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Event {
    Up,
    Down,
    Dead,
}

pub(super) fn report(event: LinkEvent) -> Report {
    match event {
        LinkEvent::Up(node, life) => Report::Link(Event::Up, node, life),
        LinkEvent::Down(node, life) => Report::Link(Event::Down, node, life),
        LinkEvent::Dead(node, life) => Report::Link(Event::Dead, node, life),
    }
}

pub(super) fn event(event: Event, node: NodeId, life: Incarnation) -> LinkEvent {
    match event {
        Event::Up => LinkEvent::Up(node, life),
        Event::Down => LinkEvent::Down(node, life),
        Event::Dead => LinkEvent::Dead(node, life),
    }
}

/// A `MeshError` on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Error {
    Unreachable(NodeId),
    LinkLost(NodeId),
    DeadlineExceeded,
    UnknownService(String),
    Refused(String),
    Failed(String),
    TooLarge(usize, usize),
}

impl From<MeshError> for Error {
    fn from(error: MeshError) -> Self {
        match error {
            MeshError::Unreachable(node) => Self::Unreachable(node),
            MeshError::LinkLost(node) => Self::LinkLost(node),
            MeshError::DeadlineExceeded => Self::DeadlineExceeded,
            MeshError::UnknownService(name) => Self::UnknownService(name),
            MeshError::Refused(reason) => Self::Refused(reason),
            MeshError::Failed(reason) => Self::Failed(reason),
            MeshError::TooLarge { bytes, max_bytes } => Self::TooLarge(bytes, max_bytes),
        }
    }
}

impl From<Error> for MeshError {
    fn from(error: Error) -> Self {
        match error {
            Error::Unreachable(node) => Self::Unreachable(node),
            Error::LinkLost(node) => Self::LinkLost(node),
            Error::DeadlineExceeded => Self::DeadlineExceeded,
            Error::UnknownService(name) => Self::UnknownService(name),
            Error::Refused(reason) => Self::Refused(reason),
            Error::Failed(reason) => Self::Failed(reason),
            Error::TooLarge(bytes, max_bytes) => Self::TooLarge { bytes, max_bytes },
        }
    }
}

pub(super) async fn send<S: AsyncWrite + Unpin, T: Serialize>(
    stream: &mut S,
    message: &T,
) -> io::Result<()> {
    let body = rmp_serde::to_vec_named(message).expect("a message that can be encoded");
    stream.write_u32(body.len() as u32).await?;
    stream.write_all(&body).await
}

pub(super) async fn receive<S: AsyncRead + Unpin, T: DeserializeOwned>(
    stream: &mut S,
) -> io::Result<T> {
    let mut body = vec![0; stream.read_u32().await? as usize];
    stream.read_exact(&mut body).await?;
    Ok(rmp_serde::from_slice(&body).expect("a message that can be decoded"))
}
