//! The batch of records that is one entry of the Raft log.
//!
//! ```text
//! u8                format, 1
//! then, to the end, records:
//! unsigned varint   length of the frame in bytes
//! ...               the frame (see [`MetadataRecord`])
//! ```
//!
//! The records of one entry take effect together. A change that does not fit in one entry becomes
//! several, bracketed by begin and end records, and takes effect with the last.

use bytes::Bytes;
use odeon_schema::metadata::{BeginTransactionRecord, EndTransactionRecord};
use odeon_schema::{DecodeError, Decoder, EncodeError, Encoder};

use crate::record::{MetadataRecord, RecordError};

/// The longest entry that is written.
pub const MAX_ENTRY_BYTES: usize = 256 * 1024;

const FORMAT: u8 = 1;
/// Room that a bracket record and its length need.
const BRACKET_BYTES: usize = 16;

/// Why records cannot be written as entries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// A field is too long to be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// One record alone is longer than an entry may be.
    #[error("a {name} of {bytes} bytes does not fit in an entry of {MAX_ENTRY_BYTES} bytes")]
    RecordTooLarge {
        /// The record's name.
        name: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// The entry is of a format that this software does not know.
    #[error(
        "the metadata log holds an entry of format {0}, this software reads {FORMAT}. Run a newer \
         release"
    )]
    UnknownFormat(u8),
    /// A record of the entry cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<DecodeError> for EntryError {
    fn from(error: DecodeError) -> Self {
        Self::Record(error.into())
    }
}

/// Writes a change as one entry, or as several in a bracket.
///
/// # Errors
///
/// [`EntryError::Encode`] and [`EntryError::RecordTooLarge`].
pub fn encode(records: &[MetadataRecord]) -> Result<Vec<Bytes>, EntryError> {
    let mut frames = Vec::with_capacity(records.len());
    for record in records {
        let frame = record.encode()?;
        if frame.len() + 2 * BRACKET_BYTES > MAX_ENTRY_BYTES {
            return Err(EntryError::RecordTooLarge {
                name: record.name(),
                bytes: frame.len(),
            });
        }
        frames.push(frame);
    }
    let total: usize = frames.iter().map(framed_len).sum();
    if total < MAX_ENTRY_BYTES {
        return Ok(vec![join(&frames)]);
    }
    let mut bracketed = vec![MetadataRecord::from(BeginTransactionRecord::default()).encode()?];
    bracketed.append(&mut frames);
    bracketed.push(MetadataRecord::from(EndTransactionRecord::default()).encode()?);
    let mut entries = Vec::new();
    let (mut start, mut bytes) = (0, 1);
    for (index, frame) in bracketed.iter().enumerate() {
        if bytes + framed_len(frame) > MAX_ENTRY_BYTES {
            entries.push(join(&bracketed[start..index]));
            (start, bytes) = (index, 1);
        }
        bytes += framed_len(frame);
    }
    entries.push(join(&bracketed[start..]));
    Ok(entries)
}

/// Reads an entry. An empty one holds no records.
///
/// # Errors
///
/// [`EntryError::UnknownFormat`] and [`EntryError::Record`]; both must stop the node.
pub fn decode(entry: Bytes) -> Result<Vec<MetadataRecord>, EntryError> {
    if entry.is_empty() {
        return Ok(Vec::new());
    }
    if entry[0] != FORMAT {
        return Err(EntryError::UnknownFormat(entry[0]));
    }
    read_frames(&mut Decoder::new(entry.slice(1..)))
}

/// Reads length-prefixed frames to the end.
pub(crate) fn read_frames(decoder: &mut Decoder) -> Result<Vec<MetadataRecord>, EntryError> {
    let mut records = Vec::new();
    while decoder.remaining() > 0 {
        let length = decoder.uvarint()? as usize;
        records.push(MetadataRecord::decode(decoder.take(length)?)?);
    }
    Ok(records)
}

/// Appends one length-prefixed frame.
pub(crate) fn write_frame(encoder: &mut Encoder, frame: &Bytes) -> Result<(), EncodeError> {
    let length = u32::try_from(frame.len()).map_err(|_| EncodeError::TooLong(frame.len()))?;
    encoder.uvarint(length);
    encoder.payload(frame);
    Ok(())
}

fn framed_len(frame: &Bytes) -> usize {
    let bits = usize::BITS - frame.len().leading_zeros();
    frame.len() + bits.div_ceil(7).max(1) as usize
}

fn join(frames: &[Bytes]) -> Bytes {
    let total: usize = frames.iter().map(framed_len).sum();
    let mut out = Vec::with_capacity(1 + total);
    out.push(FORMAT);
    for frame in frames {
        let mut length = frame.len();
        while length >= 0x80 {
            out.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend_from_slice(frame);
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use odeon_schema::metadata::{ConfigRecord, TopicRecord};

    fn config(name: usize, value_bytes: usize) -> MetadataRecord {
        ConfigRecord {
            resource_type: 2,
            resource_name: "t".into(),
            name: format!("k{name}"),
            value: Some("v".repeat(value_bytes)),
            ..Default::default()
        }
        .into()
    }

    #[test]
    fn a_small_change_is_one_entry_without_a_bracket() {
        let records = vec![TopicRecord::default().into(), config(1, 200)];
        let entries = encode(&records).unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(decode(entries[0].clone()).unwrap(), records);
    }

    #[test]
    fn a_large_change_is_bracketed_and_no_entry_is_too_long() {
        let records: Vec<_> = (0..100).map(|n| config(n, 10_000)).collect();
        let entries = encode(&records).unwrap();
        assert!(entries.len() > 3);
        assert!(entries.iter().all(|entry| entry.len() <= MAX_ENTRY_BYTES));
        let mut read = Vec::new();
        for entry in entries {
            read.append(&mut decode(entry).unwrap());
        }
        assert!(matches!(
            read.remove(0),
            MetadataRecord::BeginTransaction(_)
        ));
        assert!(matches!(
            read.pop(),
            Some(MetadataRecord::EndTransaction(_))
        ));
        assert_eq!(read, records);
    }

    #[test]
    fn a_record_longer_than_an_entry_is_refused() {
        assert!(matches!(
            encode(&[config(0, MAX_ENTRY_BYTES)]),
            Err(EntryError::RecordTooLarge { .. } | EntryError::Encode(_))
        ));
    }

    #[test]
    fn an_unknown_format_is_refused() {
        let error = decode(Bytes::from_static(&[9, 0])).unwrap_err();
        assert_eq!(error, EntryError::UnknownFormat(9));
    }

    #[test]
    fn damaged_entries_are_refused_without_a_panic() {
        let entry = encode(&[config(1, 50), config(2, 50)]).unwrap().remove(0);
        for end in 2..entry.len() {
            let _ = decode(entry.slice(..end));
        }
        for position in 0..entry.len() {
            let mut bytes = entry.to_vec();
            bytes[position] ^= 0xff;
            let _ = decode(bytes.into());
        }
    }
}
