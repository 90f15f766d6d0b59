//! An image as bytes: what a snapshot of the Raft log holds.
//!
//! ```text
//! u8                format, 1
//! u64               index of the last applied entry
//! u64               term of the last applied entry
//! unsigned varint   length of the cluster id
//! ...               the cluster id
//! then, to the end, records:
//! unsigned varint   length of the frame in bytes
//! ...               the frame (see [`MetadataRecord`](crate::MetadataRecord))
//! ```
//!
//! Integers are big-endian. Whoever stores the bytes guards them with a checksum.

use bytes::Bytes;
use odeon_schema::{Decoder, EncodeError, Encoder};

use crate::entry::{self, EntryError};
use crate::image::{MetadataImage, Position};

const FORMAT: u8 = 1;

/// Why bytes are not a snapshot of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The snapshot is of a format that this software does not know.
    #[error(
        "the metadata snapshot is of format {0}, this software reads {FORMAT}. Run a newer release"
    )]
    UnknownFormat(u8),
    /// The head is damaged.
    #[error("the metadata snapshot is damaged: {0}")]
    Damaged(String),
    /// A record cannot be read.
    #[error(transparent)]
    Records(#[from] EntryError),
}

/// Writes an image.
///
/// # Errors
///
/// [`EncodeError`] if a field is too long to be written, which no applied record can bring about.
pub fn encode(image: &MetadataImage) -> Result<Bytes, EncodeError> {
    let mut encoder = Encoder::with_capacity(4096);
    encoder.i8(FORMAT as i8);
    encoder.i64(image.position().index as i64);
    encoder.i64(image.position().term as i64);
    encoder.uvarint(image.cluster_id().len() as u32);
    encoder.payload(&Bytes::copy_from_slice(image.cluster_id().as_bytes()));
    for record in image.snapshot_records() {
        entry::write_frame(&mut encoder, &record.encode()?)?;
    }
    Ok(encoder.finish_contiguous())
}

/// Reads an image.
///
/// # Errors
///
/// [`SnapshotError`]; the node must stop.
pub fn decode(bytes: Bytes) -> Result<MetadataImage, SnapshotError> {
    let damaged = |error: odeon_schema::DecodeError| SnapshotError::Damaged(error.to_string());
    let mut decoder = Decoder::new(bytes);
    let format = decoder.i8().map_err(damaged)? as u8;
    if format != FORMAT {
        return Err(SnapshotError::UnknownFormat(format));
    }
    let index = decoder.i64().map_err(damaged)? as u64;
    let term = decoder.i64().map_err(damaged)? as u64;
    let length = decoder.uvarint().map_err(damaged)? as usize;
    let cluster_id = decoder.take(length).map_err(damaged)?;
    let cluster_id = std::str::from_utf8(&cluster_id)
        .map_err(|error| SnapshotError::Damaged(format!("the cluster id is not text: {error}")))?;
    let mut image = MetadataImage::new(cluster_id);
    for record in entry::read_frames(&mut decoder)? {
        image.apply(&record);
    }
    image.set_position(Position { index, term });
    Ok(image)
}
