//! One entry in a segment file.

use std::io;

use serde::{Deserialize, Serialize};

use crate::types::StoredEntry;

/// Bytes before a frame's body: its length and its checksum.
pub(super) const HEAD_BYTES: usize = 8;
/// The largest body: far above the largest proposal, so that memberships fit.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A frame's body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Body {
    /// Bytes at the start of this file that were durable when this frame was written. A broken
    /// frame before that point was once whole: the disk lost it, no crash did.
    #[serde(rename = "s")]
    pub(super) synced: u64,
    #[serde(rename = "e")]
    pub(super) entry: StoredEntry,
}

/// The checksum covers the place as well, so that bytes left over from an older use of the file,
/// or an entry that contains a frame, are not taken for a frame.
fn checksum(base: u64, position: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&base.to_le_bytes());
    hasher.update(&position.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// Appends a frame to `out`, as it will lie at `position` of the segment `base`; returns its size
/// in bytes. Errors when the body is larger than [`MAX_BODY_BYTES`].
pub(super) fn encode(out: &mut Vec<u8>, base: u64, position: u64, body: &Body) -> io::Result<u32> {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    rmp_serde::encode::write_named(out, body).map_err(io::Error::other)?;
    let bytes = out.get(start + HEAD_BYTES..).unwrap_or_default();
    if bytes.len() > MAX_BODY_BYTES {
        return Err(io::Error::other(format!(
            "an entry of {} bytes is too large",
            bytes.len()
        )));
    }
    let sum = checksum(base, position, bytes);
    let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    if let Some(head) = out.get_mut(start..start + HEAD_BYTES) {
        let (len_bytes, sum_bytes) = head.split_at_mut(4);
        len_bytes.copy_from_slice(&len.to_le_bytes());
        sum_bytes.copy_from_slice(&sum.to_le_bytes());
    }
    u32::try_from(out.len() - start).map_err(io::Error::other)
}

/// The frame at `position` of the file that starts with `file`, and its size in bytes; or why
/// there is none.
pub(super) fn decode(file: &[u8], base: u64, position: u64) -> Result<(Body, u32), &'static str> {
    let start = usize::try_from(position).map_err(|_| "beyond the end")?;
    let rest = file.get(start..).ok_or("beyond the end")?;
    decode_frame(rest, base, position)
}

/// As [`decode`], of bytes that start with the frame.
pub(super) fn decode_frame(
    rest: &[u8],
    base: u64,
    position: u64,
) -> Result<(Body, u32), &'static str> {
    let (len, rest) = rest
        .split_first_chunk::<4>()
        .ok_or("cut within its length")?;
    let (sum, rest) = rest
        .split_first_chunk::<4>()
        .ok_or("cut within its checksum")?;
    let len = u32::from_le_bytes(*len) as usize;
    if len == 0 || len > MAX_BODY_BYTES {
        return Err("an impossible length");
    }
    let body = rest.get(..len).ok_or("cut within its body")?;
    if checksum(base, position, body) != u32::from_le_bytes(*sum) {
        return Err("a wrong checksum");
    }
    let decoded = rmp_serde::from_slice(body).map_err(|_| "a body of an unknown shape")?;
    Ok((decoded, (HEAD_BYTES + len) as u32))
}

/// Whether something behind `position` proves that the bytes at `position` had been synced.
pub(super) fn was_durable(file: &[u8], base: u64, position: u64) -> bool {
    let last = (file.len() as u64).saturating_sub(HEAD_BYTES as u64);
    (position + 1..=last).any(|candidate| {
        decode(file, base, candidate).is_ok_and(|(body, _)| body.synced > position)
    })
}
