//! Walks over the records of a batch without building them: lengths, deltas and the key's presence.
//!
//! Two sources share the walk: a slice, for uncompressed batches, and a window over a decoder, for
//! compressed ones, so that looking into a batch never needs its decompressed size in memory.

use std::io::Read;

use crate::varint::{MAX_VARINT_BYTES, MAX_VARLONG_BYTES, unzigzag32, unzigzag64};
use crate::{Limits, RecordsError};

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

/// What can go wrong on a walk. One byte, so that results stay in registers: a walk is some ten
/// results per record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    EndsEarly,
    BadNumber,
    BadLength,
    BadHeader,
    TooManyHeaders,
    RecordTooLarge,
    /// The source failed; it knows why.
    Source,
}

impl Fault {
    /// The fault in words; [`Fault::Source`] only stands for what the source says.
    #[cold]
    pub(crate) fn into_error(self, limits: &Limits) -> RecordsError {
        match self {
            Self::EndsEarly | Self::Source => ENDS_EARLY,
            Self::BadNumber => BAD_NUMBER,
            Self::BadLength => BAD_LENGTH,
            Self::BadHeader => BAD_HEADER,
            Self::TooManyHeaders => RecordsError::TooLarge {
                what: "a record's headers",
                limit: limits.max_headers,
            },
            Self::RecordTooLarge => RecordsError::TooLarge {
                what: "a record's bytes",
                limit: limits.max_record_bytes,
            },
        }
    }
}

/// Bytes to walk over.
pub(crate) trait Source {
    /// The next byte.
    fn byte(&mut self) -> Result<u8, Fault>;
    /// Passes over `count` bytes.
    fn skip(&mut self, count: usize) -> Result<(), Fault>;
    /// Bytes passed so far.
    fn position(&self) -> u64;
    /// Whether no byte is left.
    fn at_end(&mut self) -> Result<bool, Fault>;
    /// Why the last [`Fault::Source`] happened.
    fn failure(&mut self) -> Option<RecordsError> {
        None
    }

    /// The next 32-bit varint.
    #[inline]
    fn varint(&mut self) -> Result<i32, Fault> {
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
        Err(Fault::BadNumber)
    }

    /// The next 64-bit varint.
    #[inline]
    fn varlong(&mut self) -> Result<i64, Fault> {
        let mut raw = 0u64;
        for index in 0..MAX_VARLONG_BYTES {
            let byte = self.byte()?;
            raw |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(unzigzag64(raw));
            }
        }
        Err(Fault::BadNumber)
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
    fn byte(&mut self) -> Result<u8, Fault> {
        let byte = *self.bytes.get(self.position).ok_or(Fault::EndsEarly)?;
        self.position += 1;
        Ok(byte)
    }

    #[inline]
    fn skip(&mut self, count: usize) -> Result<(), Fault> {
        if count > self.bytes.len() - self.position {
            return Err(Fault::EndsEarly);
        }
        self.position += count;
        Ok(())
    }

    #[inline]
    fn position(&self) -> u64 {
        self.position as u64
    }

    fn at_end(&mut self) -> Result<bool, Fault> {
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
    failure: Option<RecordsError>,
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
            failure: None,
        }
    }

    /// Refills the empty window; `false` at the end of the data.
    fn refill(&mut self) -> Result<bool, Fault> {
        let count = match self.reader.read(&mut self.window) {
            Ok(count) => count,
            Err(error) => {
                let reason = error.to_string();
                self.failure = Some(RecordsError::Compression {
                    codec: self.codec,
                    reason,
                });
                return Err(Fault::Source);
            }
        };
        self.start = 0;
        self.end = count;
        self.pulled += count as u64;
        if self.pulled > self.limit as u64 {
            self.failure = Some(RecordsError::DecompressedTooLarge { limit: self.limit });
            return Err(Fault::Source);
        }
        Ok(count > 0)
    }
}

impl<R: Read> Source for StreamSource<R> {
    #[inline]
    fn byte(&mut self) -> Result<u8, Fault> {
        if self.start == self.end && !self.refill()? {
            return Err(Fault::EndsEarly);
        }
        let byte = self.window[self.start];
        self.start += 1;
        Ok(byte)
    }

    #[inline]
    fn skip(&mut self, mut count: usize) -> Result<(), Fault> {
        while count > self.end - self.start {
            count -= self.end - self.start;
            self.start = self.end;
            if !self.refill()? {
                return Err(Fault::EndsEarly);
            }
        }
        self.start += count;
        Ok(())
    }

    #[inline]
    fn position(&self) -> u64 {
        self.pulled - (self.end - self.start) as u64
    }

    fn at_end(&mut self) -> Result<bool, Fault> {
        Ok(self.start == self.end && !self.refill()?)
    }

    fn failure(&mut self) -> Option<RecordsError> {
        self.failure.take()
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
    limits: &Limits,
    mut visit: impl FnMut(usize, RecordShape) -> Result<(), E>,
) -> Result<(), E> {
    for index in 0..count {
        match walk_record(source, limits) {
            Ok(shape) => visit(index, shape)?,
            Err(fault) => return Err(explain(source.failure(), fault, limits).into()),
        }
    }
    match source.at_end() {
        Ok(true) => Ok(()),
        Ok(false) => Err(BYTES_LEFT.into()),
        Err(fault) => Err(explain(source.failure(), fault, limits).into()),
    }
}

#[cold]
fn explain(failure: Option<RecordsError>, fault: Fault, limits: &Limits) -> RecordsError {
    failure.unwrap_or_else(|| fault.into_error(limits))
}

// Inlined with its helpers, so that a slice's position stays in a register.
#[inline(always)]
fn walk_record<S: Source>(source: &mut S, limits: &Limits) -> Result<RecordShape, Fault> {
    let length = u64::try_from(source.varint()?).map_err(|_| Fault::BadLength)?;
    if length > limits.max_record_bytes as u64 {
        return Err(Fault::RecordTooLarge);
    }
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
        walk_headers(source, headers, limits.max_headers, end)?;
    }
    if source.position() != end {
        return Err(Fault::BadLength);
    }
    Ok(RecordShape {
        timestamp_delta,
        offset_delta,
        has_key: key_length >= 0,
    })
}

/// Passes over a nullable field; any negative length is null, as Kafka reads it.
#[inline(always)]
fn skip_within<S: Source>(source: &mut S, length: i32, end: u64) -> Result<(), Fault> {
    if length <= 0 {
        return Ok(());
    }
    // A lying length must fail here, before a decoder is driven on to satisfy it.
    if source.position() + u64::from(length.unsigned_abs()) > end {
        return Err(Fault::BadLength);
    }
    source.skip(length as usize)
}

#[inline(always)]
fn walk_headers<S: Source>(
    source: &mut S,
    count: i32,
    max_headers: usize,
    end: u64,
) -> Result<(), Fault> {
    let room = end.saturating_sub(source.position()) / MIN_RECORD_HEADER_BYTES as u64;
    if count < 0 || u64::from(count.unsigned_abs()) > room {
        return Err(Fault::BadHeader);
    }
    if count as usize > max_headers {
        return Err(Fault::TooManyHeaders);
    }
    for _ in 0..count {
        let key_length = source.varint()?;
        if key_length < 0 {
            return Err(Fault::BadHeader);
        }
        skip_within(source, key_length, end)?;
        let value_length = source.varint()?;
        skip_within(source, value_length, end)?;
    }
    Ok(())
}
