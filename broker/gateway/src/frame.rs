//! Frames: a signed 32-bit length in network order, then that many bytes.
//!
//! Bytes are charged to the node's budget as they arrive, not as they are announced: a client that
//! announces 100 MiB and sends nothing holds one small step of it.

use std::io;

use bytes::{Bytes, BytesMut};
use odeon_kernel::budget::{ByteBudget, Permit};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A frame up to this size is read into one right-sized buffer; a larger one grows by this much.
const STEP_BYTES: usize = 1 << 20;

/// Why no further frame could be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The peer closed between two frames.
    #[error("closed")]
    Closed,
    /// The peer closed inside a frame, or the socket failed.
    #[error("read failed: {0}")]
    Io(#[from] io::Error),
    /// The announced length is negative or over the limit.
    #[error("frame of {announced} bytes refused, the limit is {limit_bytes}")]
    Size {
        /// The announced length.
        announced: i32,
        /// The limit, `socket.request.max.bytes`.
        limit_bytes: usize,
    },
}

/// A frame's bytes and the budget they hold until it is dropped.
#[derive(Debug)]
pub struct Frame {
    /// The bytes behind the length.
    pub bytes: Bytes,
    /// The budget these bytes are charged to.
    pub permit: Permit,
}

/// Reads one frame. Not cancel safe: a dropped call loses what it has read.
pub async fn read_frame<R: AsyncRead + Unpin>(
    reader: &mut R,
    limit_bytes: usize,
    budget: &ByteBudget,
) -> Result<Frame, FrameError> {
    let mut length = [0; 4];
    let first = reader.read(&mut length).await?;
    if first == 0 {
        return Err(FrameError::Closed);
    }
    if let Some(rest) = length.get_mut(first..).filter(|rest| !rest.is_empty()) {
        reader.read_exact(rest).await?;
    }
    let announced = i32::from_be_bytes(length);
    let size = usize::try_from(announced)
        .ok()
        .filter(|size| *size <= limit_bytes)
        .ok_or(FrameError::Size {
            announced,
            limit_bytes,
        })?;
    let mut permit = budget.acquire(size.min(STEP_BYTES) as u64).await;
    let mut bytes = BytesMut::new();
    while bytes.len() < size {
        let step = (size - bytes.len()).min(STEP_BYTES.max(bytes.len()));
        if !bytes.is_empty() {
            permit.grow(step as u64).await;
        }
        let target = bytes.len() + step;
        bytes.reserve(step);
        while bytes.len() < target {
            let mut limited = (&mut *reader).take((target - bytes.len()) as u64);
            if limited.read_buf(&mut bytes).await? == 0 {
                return Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
    Ok(Frame {
        bytes: bytes.freeze(),
        permit,
    })
}
