//! Who is at the other end of a connection: what both sides say before it is a link.
//!
//! ```text
//! dialler                                   acceptor
//!    | preamble (8 bytes), Hello                |
//!    |----------------------------------------->|
//!    |                                    Hello |
//!    |<-----------------------------------------|
//!    | Proof                                    |   the dialler proves first: a stranger learns
//!    |----------------------------------------->|   nothing that a guess could be tried on
//!    |                                  Verdict |   with the acceptor's own proof
//!    |<-----------------------------------------|
//! ```
//!
//! A message is a length (2 bytes, big-endian, at most [`MAX_BYTES`]) and MessagePack with named
//! fields. A proof is HMAC-SHA-256 under the cluster's secret of the prover's role and both hellos;
//! each hello carries a fresh nonce. What follows on the connection is not encrypted.

use std::io;

use hmac::{Hmac, Mac};
use odeon_kernel::rng::unpredictable;
use odeon_model::NodeId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Secret;
use crate::{Incarnation, decode, encode};

#[cfg(test)]
mod tests;

/// How a connection of the mesh begins. Read as the length of a Kafka frame it is negative, and
/// neither TLS nor HTTP begins so. The last byte is the version.
pub const PREAMBLE: [u8; 8] = *b"\xf5Odeon\0\x01";

/// The largest message of the handshake.
pub(super) const MAX_BYTES: usize = 1024;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// To become the link between the two nodes.
    Link,
    /// To see who answers at an address; it is closed afterwards.
    Probe,
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) node: NodeId,
    pub(super) incarnation: Incarnation,
    /// Empty as long as it is not known.
    pub(super) cluster: String,
    pub(super) purpose: Purpose,
    #[serde(with = "serde_bytes")]
    nonce: [u8; 32],
}

impl Hello {
    pub(super) fn new(
        node: NodeId,
        incarnation: Incarnation,
        cluster: String,
        purpose: Purpose,
    ) -> Self {
        let nonce = unpredictable();
        Self {
            node,
            incarnation,
            cluster,
            purpose,
            nonce,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Proof {
    #[serde(with = "serde_bytes")]
    proof: [u8; 32],
}

/// The acceptor's last word.
#[derive(Debug, Serialize, Deserialize)]
struct Verdict {
    /// Absent when the dialler's proof was wrong.
    #[serde(with = "serde_bytes")]
    proof: Option<[u8; 32]>,
    /// Why the connection does not become a link; `None` when it does.
    refused: Option<String>,
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("not a mesh connection of this version")]
    Preamble,
    #[error("a message that cannot be read: {0}")]
    Garbage(String),
    #[error("the other side does not prove that it knows the cluster's secret")]
    WrongSecret,
    #[error("refused by the other side, which did not prove who it is: {0}")]
    RefusedByStranger(String),
}

/// What the dialler knows in the end.
#[derive(Debug)]
pub(super) struct Answered {
    /// Who answered; proved.
    pub(super) peer: Hello,
    /// The connection's number, the same at both ends.
    pub(super) link: u64,
    /// Why it is no link.
    pub(super) refused: Option<String>,
}

/// A connection whose dialler has proved who it is; it waits for the [verdict](Self::decide).
#[derive(Debug)]
pub(super) struct Proved {
    pub(super) peer: Hello,
    pub(super) link: u64,
    proof: [u8; 32],
}

/// The dialler's part. Not cancel safe: the stream is of no use afterwards.
pub(super) async fn dial<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    secret: &Secret,
    hello: &Hello,
) -> Result<Answered, HandshakeError> {
    stream.write_all(&PREAMBLE).await?;
    send(stream, hello).await?;
    let peer: Hello = receive(stream).await?;
    let proofs = Proofs::new(secret, hello, &peer);
    let proof = proofs.dialler();
    send(stream, &Proof { proof }).await?;
    let Verdict { proof, refused } = receive(stream).await?;
    let Some(proof) = proof else {
        let reason = refused.unwrap_or_else(|| "without a reason".to_owned());
        return Err(HandshakeError::RefusedByStranger(shortened(reason)));
    };
    if !proofs.is_acceptor(&proof) {
        return Err(HandshakeError::WrongSecret);
    }
    Ok(Answered {
        peer,
        link: number(&proof),
        refused: refused.map(shortened),
    })
}

/// The acceptor's part up to the verdict, behind the preamble. Not cancel safe.
pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    secret: &Secret,
    hello: &Hello,
) -> Result<Proved, HandshakeError> {
    let peer: Hello = receive(stream).await?;
    send(stream, hello).await?;
    let proofs = Proofs::new(secret, &peer, hello);
    let Proof { proof } = receive(stream).await?;
    if !proofs.is_dialler(&proof) {
        let refused = Some("the cluster's secret is another one".to_owned());
        let proof = None;
        send(stream, &Verdict { proof, refused }).await?;
        return Err(HandshakeError::WrongSecret);
    }
    let proof = proofs.acceptor();
    Ok(Proved {
        peer,
        link: number(&proof),
        proof,
    })
}

impl Proved {
    /// Says whether the connection becomes a link, or why not.
    pub(super) async fn decide<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        verdict: Result<(), String>,
    ) -> Result<(), HandshakeError> {
        let proof = Some(self.proof);
        let refused = verdict.err();
        send(stream, &Verdict { proof, refused }).await
    }
}

/// The number by which both ends know a connection: each draws it from the acceptor's proof.
fn number(proof: &[u8; 32]) -> u64 {
    proof
        .iter()
        .take(8)
        .fold(0, |all, byte| all << 8 | u64::from(*byte))
}

/// A stranger's text, fit for a log line.
fn shortened(text: String) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

struct Proofs {
    dialler: Hmac<Sha256>,
    acceptor: Hmac<Sha256>,
}

impl Proofs {
    fn new(secret: &Secret, dialler: &Hello, acceptor: &Hello) -> Self {
        let both = [encoded(dialler), encoded(acceptor)];
        let over = |role: &[u8]| {
            let mut mac = secret.mac();
            mac.update(role);
            for hello in &both {
                mac.update(&(hello.len() as u64).to_be_bytes());
                mac.update(hello);
            }
            mac
        };
        Self {
            dialler: over(b"odeon mesh 1 dialler"),
            acceptor: over(b"odeon mesh 1 acceptor"),
        }
    }

    fn dialler(&self) -> [u8; 32] {
        self.dialler.clone().finalize().into_bytes().into()
    }

    fn acceptor(&self) -> [u8; 32] {
        self.acceptor.clone().finalize().into_bytes().into()
    }

    // In constant time, both.
    fn is_dialler(&self, proof: &[u8; 32]) -> bool {
        self.dialler.clone().verify_slice(proof).is_ok()
    }

    fn is_acceptor(&self, proof: &[u8; 32]) -> bool {
        self.acceptor.clone().verify_slice(proof).is_ok()
    }
}

/// A hello as both sides put it into their proofs, whatever fields a later version sends along.
fn encoded(hello: &Hello) -> Vec<u8> {
    let purpose = match hello.purpose {
        Purpose::Link => 0,
        Purpose::Probe => 1,
    };
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(&hello.node.to_be_bytes());
    out.extend_from_slice(&hello.incarnation.to_be_bytes());
    out.push(purpose);
    out.extend_from_slice(&hello.nonce);
    out.extend_from_slice(hello.cluster.as_bytes());
    out
}

async fn send<S: AsyncWrite + Unpin, T: Serialize>(
    stream: &mut S,
    message: &T,
) -> Result<(), HandshakeError> {
    let body =
        encode(message, MAX_BYTES).map_err(|error| HandshakeError::Garbage(error.to_string()))?;
    let mut out = Vec::with_capacity(2 + body.len());
    out.extend_from_slice(&(body.len() as u16).to_be_bytes());
    out.extend_from_slice(&body);
    stream.write_all(&out).await?;
    stream.flush().await?;
    Ok(())
}

async fn receive<S: AsyncRead + Unpin, T: DeserializeOwned>(
    stream: &mut S,
) -> Result<T, HandshakeError> {
    let len = usize::from(stream.read_u16().await?);
    if len > MAX_BYTES {
        return Err(HandshakeError::Garbage(format!("{len} bytes")));
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body).await?;
    decode(&body, MAX_BYTES).map_err(|error| HandshakeError::Garbage(error.to_string()))
}
