//! Walks over the records of a batch without building them: lengths, deltas and the key's presence.
//!
//! Two sources share the walk: a slice, for uncompressed batches, and a window over a decoder, for
//! compressed ones, so that looking into a batch never needs its decompressed size in memory.

use std::io::Read;

use crate::RecordsError;
use crate::varint::{MAX_VARINT_BYTES, MAX_VARLONG_BYTES, unzigzag32, unzigzag64};

/// The fewest bytes a record can have: six numbers and an attributes byte.
pub(crate) const MIN_RECORD_BYTES: usize = 7;
/// The fewest bytes a record's header can have: two lengths.
pub(crate) const MIN_RECORD_HEADER_BYTES: usize = 2;

pub(crate) const ENDS_EARLY: RecordsError =
    RecordsError::Corrupt("the batch ends before its last record does");
pub(crate) const BAD_NUMBER: RecordsError =
    RecordsError::Corrupt("a record holds a number of too many bytes");
pub(crate) const BAD_LENGTH: RecordsError =
    RecordsError::Corrupt("a record's length is not that of its fields");
pub(crate) const BAD_HEADER: RecordsError =
    RecordsError::Corrupt("a record's header count or a header's key length is out of range");
pub(crate) const BYTES_LEFT: RecordsError =
    RecordsError::Corrupt("bytes follow the last record of the batch");

/// Bytes to walk over.
pub(crate) trait Source {
    /// The next byte.
    fn byte(&mut self) -> Result<u8, RecordsError>;
    /// Passes over `count` bytes.
    fn skip(&mut self, count: usize) -> Result<(), RecordsError>;
    /// Bytes passed so far.
    fn position(&self) -> u64;
    /// Whether no byte is left.
    fn at_end(&mut self) -> Result<bool, RecordsError>;

    /// The next 32-bit varint.
    #[inline]
    fn varint(&mut self) -> Result<i32, RecordsError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(unzigzag32(u32::from(first)));
        }
        let mut raw = u32::from(first & 0x7f);
        for index in 1..MAX_VARINT_BYTES {
            let byte = self.byte()?;
            raw |= u32::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(unzigzag32(raw));
            }
        }
        Err(BAD_NUMBER)
    }

    /// The next 64-bit varint.
    #[inline]
    fn varlong(&mut self) -> Result<i64, RecordsError> {
        let mut raw = 0u64;
        for index in 0..MAX_VARLONG_BYTES {
            let byte = self.byte()?;
            raw |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(unzigzag64(raw));
            }
        }
        Err(BAD_NUMBER)
    }
}

/// A source of bytes in memory.
#[derive(Debug)]
pub(crate) struct SliceSource<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> SliceSource<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }
}

impl Source for SliceSource<'_> {
    #[inline]
    fn byte(&mut self) -> Result<u8, RecordsError> {
        let byte = *self.bytes.get(self.position).ok_or(ENDS_EARLY)?;
        self.position += 1;
        Ok(byte)
    }

    #[inline]
    fn skip(&mut self, count: usize) -> Result<(), RecordsError> {
        if count > self.bytes.len() - self.position {
            return Err(ENDS_EARLY);
        }
        self.position += count;
        Ok(())
    }

    #[inline]
    fn position(&self) -> u64 {
        self.position as u64
    }

    fn at_end(&mut self) -> Result<bool, RecordsError> {
        Ok(self.position == self.bytes.len())
    }
}

/// A source that pulls bytes out of a decoder through a window of fixed size, and refuses to pull
/// more than a limit: the guard against decompression bombs.
pub(crate) struct StreamSource<R> {
    reader: R,
    codec: &'static str,
    window: Vec<u8>,
    start: usize,
    end: usize,
    pulled: u64,
    limit: usize,
}

const WINDOW_BYTES: usize = 64 * 1024;

impl<R: Read> StreamSource<R> {
    pub(crate) fn new(reader: R, codec: &'static str, limit: usize) -> Self {
        let window = vec![0; WINDOW_BYTES];
        Self {
            reader,
            codec,
            window,
            start: 0,
            end: 0,
            pulled: 0,
            limit,
        }
    }

    /// Refills the empty window; `false` at the end of the data.
    fn refill(&mut self) -> Result<bool, RecordsError> {
        let count =
            self.reader
                .read(&mut self.window)
                .map_err(|error| RecordsError::Compression {
                    codec: self.codec,
                    reason: error.to_string(),
                })?;
        self.start = 0;
        self.end = count;
        self.pulled += count as u64;
        if self.pulled > self.limit as u64 {
            return Err(RecordsError::TooLarge {
                what: "a batch's decompressed bytes",
                limit: self.limit,
            });
        }
        Ok(count > 0)
    }
}

impl<R: Read> Source for StreamSource<R> {
    #[inline]
    fn byte(&mut self) -> Result<u8, RecordsError> {
        if self.start == self.end && !self.refill()? {
            return Err(ENDS_EARLY);
        }
        let byte = self.window[self.start];
        self.start += 1;
        Ok(byte)
    }

    #[inline]
    fn skip(&mut self, mut count: usize) -> Result<(), RecordsError> {
        while count > self.end - self.start {
            count -= self.end - self.start;
            self.start = self.end;
            if !self.refill()? {
                return Err(ENDS_EARLY);
            }
        }
        self.start += count;
        Ok(())
    }

    #[inline]
    fn position(&self) -> u64 {
        self.pulled - (self.end - self.start) as u64
    }

    fn at_end(&mut self) -> Result<bool, RecordsError> {
        Ok(self.start == self.end && !self.refill()?)
    }
}

/// What a walk sees of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordShape {
    /// Milliseconds after the batch's base timestamp.
    pub(crate) timestamp_delta: i64,
    /// Offsets after the batch's base offset.
    pub(crate) offset_delta: i32,
    /// Whether the key is not null.
    pub(crate) has_key: bool,
}

/// Walks over exactly `count` records, to the source's end.
///
/// # Errors
/// The first length, number or count that does not add up, or the first error of `visit`.
pub(crate) fn walk<S: Source, E: From<RecordsError>>(
    source: &mut S,
    count: usize,
    max_headers: usize,
    mut visit: impl FnMut(usize, RecordShape) -> Result<(), E>,
) -> Result<(), E> {
    for index in 0..count {
        let shape = walk_record(source, max_headers)?;
        visit(index, shape)?;
    }
    if source.at_end()? {
        Ok(())
    } else {
        Err(BYTES_LEFT.into())
    }
}

#[inline]
fn walk_record<S: Source>(source: &mut S, max_headers: usize) -> Result<RecordShape, RecordsError> {
    let length = u64::try_from(source.varint()?).map_err(|_| BAD_LENGTH)?;
    let end = source.position() + length;
    source.skip(1)?;
    let timestamp_delta = source.varlong()?;
    let offset_delta = source.varint()?;
    let key_length = source.varint()?;
    skip_within(source, key_length, end)?;
    let value_length = source.varint()?;
    skip_within(source, value_length, end)?;
    let headers = source.varint()?;
    if headers != 0 {
        walk_headers(source, headers, max_headers, end)?;
    }
    if source.position() != end {
        return Err(BAD_LENGTH);
    }
    Ok(RecordShape {
        timestamp_delta,
        offset_delta,
        has_key: key_length >= 0,
    })
}

/// Passes over a nullable field; any negative length is null, as Kafka reads it.
#[inline]
fn skip_within<S: Source>(source: &mut S, length: i32, end: u64) -> Result<(), RecordsError> {
    if length <= 0 {
        return Ok(());
    }
    // A lying length must fail here, before a decoder is driven on to satisfy it.
    if source.position() + u64::from(length.unsigned_abs()) > end {
        return Err(BAD_LENGTH);
    }
    source.skip(length as usize)
}

fn walk_headers<S: Source>(
    source: &mut S,
    count: i32,
    max_headers: usize,
    end: u64,
) -> Result<(), RecordsError> {
    let room = end.saturating_sub(source.position()) / MIN_RECORD_HEADER_BYTES as u64;
    if count < 0 || u64::from(count.unsigned_abs()) > room {
        return Err(BAD_HEADER);
    }
    if count as usize > max_headers {
        return Err(RecordsError::TooLarge {
            what: "a record's headers",
            limit: max_headers,
        });
    }
    for _ in 0..count {
        let key_length = source.varint()?;
        if key_length < 0 {
            return Err(BAD_HEADER);
        }
        skip_within(source, key_length, end)?;
        let value_length = source.varint()?;
        skip_within(source, value_length, end)?;
    }
    Ok(())
}
