//! The two tasks of a connection.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::{Link, Outgoing, Waiter};

/// Requests that leave in one write at most.
const MAX_BURST: usize = 64;
/// Slices of one vectored write at most; the system takes 1,024.
const MAX_SLICES: usize = 256;
/// Room that is made in the read buffer at a time, at least and at most.
const READ_BYTES: std::ops::RangeInclusive<usize> = 16 * 1024..=1024 * 1024;

/// Writes what is queued until the connection is closed from either end.
pub(super) async fn write_requests<W: AsyncWrite + Unpin>(
    mut socket: W,
    mut queue: mpsc::UnboundedReceiver<Outgoing>,
    waiters: mpsc::UnboundedSender<Waiter>,
    link: Arc<Link>,
) {
    let work = async {
        let mut burst = Vec::with_capacity(MAX_BURST);
        while queue.recv_many(&mut burst, MAX_BURST).await > 0 {
            let mut segments = Vec::new();
            for outgoing in burst.drain(..) {
                segments.extend(outgoing.segments);
                if let Some(waiter) = outgoing.waiter
                    && waiters.send(waiter).is_err()
                {
                    return Ok(());
                }
            }
            write_all(&mut socket, &segments).await?;
        }
        socket.shutdown().await
    };
    let result = tokio::select! {
        result = work => result,
        () = link.closed() => return,
    };
    if let Err(error) = result {
        link.fail(error.to_string());
    }
}

async fn write_all<W: AsyncWrite + Unpin>(socket: &mut W, segments: &[Bytes]) -> io::Result<()> {
    for chunk in segments.chunks(MAX_SLICES) {
        let mut slices: Vec<IoSlice<'_>> = chunk.iter().map(|bytes| IoSlice::new(bytes)).collect();
        let mut rest = slices.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let written = socket.write_vectored(rest).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut rest, written);
        }
    }
    Ok(())
}

/// Hands each frame to the waiter whose turn it is.
pub(super) async fn read_responses<R: AsyncRead + Unpin>(
    mut socket: R,
    mut waiters: mpsc::UnboundedReceiver<Waiter>,
    max_frame_bytes: usize,
    link: Arc<Link>,
) {
    let mut buffer = BytesMut::new();
    loop {
        let frame = tokio::select! {
            frame = read_frame(&mut socket, &mut buffer, max_frame_bytes) => frame,
            () = link.closed() => return,
        };
        let frame = match frame {
            Ok(frame) => frame,
            Err(reason) => return link.fail(reason),
        };
        // The waiter was queued before its request's bytes left.
        let Ok(waiter) = waiters.try_recv() else {
            return link.fail("an answer came that nobody waits for");
        };
        link.in_flight.fetch_sub(1, Ordering::Relaxed);
        let correlation_id = frame.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
        if correlation_id != Some(waiter.correlation_id) {
            return link.fail("an answer came out of order");
        }
        // Whoever gave up waiting does not care.
        let _ = waiter.answer.send(frame);
    }
}

/// Reads one frame, without its length. Memory is made as bytes arrive, not as they are announced.
async fn read_frame<R: AsyncRead + Unpin>(
    socket: &mut R,
    buffer: &mut BytesMut,
    max_frame_bytes: usize,
) -> Result<Bytes, String> {
    let mut wanted = 4;
    let mut length = None;
    loop {
        if length.is_none()
            && let Some(bytes) = buffer.first_chunk()
        {
            let announced = u32::from_be_bytes(*bytes) as usize;
            if announced > max_frame_bytes {
                return Err(format!(
                    "an answer of {announced} bytes is above the limit of {max_frame_bytes}"
                ));
            }
            buffer.advance(4);
            length = Some(announced);
            wanted = announced;
        }
        if length.is_some() && buffer.len() >= wanted {
            return Ok(buffer.split_to(wanted).freeze());
        }
        let missing = wanted.saturating_sub(buffer.len());
        buffer.reserve(missing.clamp(*READ_BYTES.start(), *READ_BYTES.end()));
        match socket.read_buf(buffer).await {
            Ok(0) => return Err("the broker closed it".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}
