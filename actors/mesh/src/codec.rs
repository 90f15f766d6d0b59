//! Typed messages: MessagePack with named fields, so that structs can grow.
//!
//! A field may be added with `#[serde(default)]`; one that is unknown is skipped. Payload bytes
//! must be `serde_bytes` or use [`payload`](self::payload): a bare `Vec<u8>` is encoded number by
//! number, a hundred times slower. A type that contains itself must do so through a struct with
//! named fields, a sequence or a map: only those count as nesting.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use odeon_model::NodeId;
use rmp_serde::Deserializer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Mesh, MeshError, handler};

#[cfg(test)]
mod tests;

/// How deep messages may nest.
pub const MAX_NESTING: usize = 64;

/// A message that cannot be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// It is larger than allowed.
    #[error("a message of more than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
    /// The type cannot be put into MessagePack.
    #[error("not encodable: {0}")]
    Encode(String),
    /// The bytes are no such message.
    #[error("not decodable: {0}")]
    Decode(String),
}

/// Encodes a message of at most `max_bytes`.
///
/// # Errors
/// [`CodecError::TooLarge`] and [`CodecError::Encode`].
pub fn encode<T: Serialize + ?Sized>(message: &T, max_bytes: usize) -> Result<Bytes, CodecError> {
    let mut out = Bounded {
        bytes: Vec::with_capacity(128),
        max_bytes,
        overflow: false,
    };
    let result = message.serialize(&mut rmp_serde::Serializer::new(&mut out).with_struct_map());
    match result {
        _ if out.overflow => Err(CodecError::TooLarge { max_bytes }),
        Ok(()) => Ok(out.bytes.into()),
        Err(error) => Err(CodecError::Encode(error.to_string())),
    }
}

/// Decodes a message from all of `bytes`. Unknown fields are skipped. Whatever the bytes are, it
/// neither panics nor allocates much more than they take.
///
/// # Errors
/// [`CodecError::TooLarge`] beyond `max_bytes`, [`CodecError::Decode`] otherwise.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], max_bytes: usize) -> Result<T, CodecError> {
    if bytes.len() > max_bytes {
        return Err(CodecError::TooLarge { max_bytes });
    }
    let mut rest = Deserializer::new(bytes);
    rest.set_max_depth(MAX_NESTING);
    let message =
        T::deserialize(&mut rest).map_err(|error| CodecError::Decode(error.to_string()))?;
    match rest.get_ref().len() {
        0 => Ok(message),
        left => Err(CodecError::Decode(format!("{left} bytes too many"))),
    }
}

/// A buffer that refuses to grow beyond a limit.
struct Bounded {
    bytes: Vec<u8>,
    max_bytes: usize,
    overflow: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if more.len() > self.max_bytes - self.bytes.len() {
            self.overflow = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Calls a service with a typed request and reply of at most `max_bytes` each.
///
/// # Errors
/// As [`Mesh::call`]; [`MeshError::Failed`] when the reply cannot be decoded.
pub async fn call<Q, R>(
    mesh: &dyn Mesh,
    to: NodeId,
    service: &'static str,
    request: &Q,
    deadline: Duration,
    max_bytes: usize,
) -> Result<R, MeshError>
where
    Q: Serialize + ?Sized,
    R: DeserializeOwned,
{
    let request = encode(request, max_bytes).map_err(|error| match error {
        CodecError::TooLarge { max_bytes } => MeshError::TooLarge {
            bytes: max_bytes.saturating_add(1),
            max_bytes,
        },
        other => MeshError::Refused(other.to_string()),
    })?;
    let reply = mesh.call(to, service, request, deadline).await?;
    decode(&reply, max_bytes).map_err(|error| MeshError::Failed(error.to_string()))
}

/// Offers a service with typed requests and replies of at most `max_bytes` each. A request that
/// cannot be decoded is refused.
pub fn serve<Q, R, F, A>(mesh: &dyn Mesh, service: &'static str, max_bytes: usize, answer: F)
where
    Q: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    F: Fn(NodeId, Q) -> A + Send + Sync + 'static,
    A: Future<Output = Result<R, String>> + Send + 'static,
{
    let answer = Arc::new(answer);
    let bytes_in_bytes_out = move |from, request: Bytes| {
        let answer = Arc::clone(&answer);
        async move {
            let request = decode(&request, max_bytes).map_err(|error| error.to_string())?;
            let reply = answer(from, request).await?;
            encode(&reply, max_bytes).map_err(|error| error.to_string())
        }
    };
    mesh.register(service, handler(bytes_in_bytes_out));
}

/// For `Bytes` fields: `#[serde(with = "odeon_mesh::payload")]` encodes them in one piece.
pub mod payload {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Encodes `bytes` in one piece.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    /// Decodes what [`serialize`] encoded.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        serde_bytes::ByteBuf::deserialize(deserializer).map(|bytes| bytes.into_vec().into())
    }
}
