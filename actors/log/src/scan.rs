//! Walking along the batches of a segment file.

use std::path::PathBuf;

use odeon_kernel::disk::DiskFile;
use odeon_model::Offset;
use odeon_records::{BatchHeader, HEADER_BYTES, check_crc};

use crate::error::{At, LogError, Result};

/// Read at once when only headers are wanted: with small batches one read covers an index interval.
const WALK_BYTES: usize = 4096;
/// Read at once when everything is wanted.
const SCAN_BYTES: usize = 1 << 20;

/// Visits batch headers of a part of a file that is known to be whole.
#[derive(Debug)]
pub(crate) struct HeaderWalk<'a> {
    file: &'a dyn DiskFile,
    path: PathBuf,
    position: u64,
    end: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl<'a> HeaderWalk<'a> {
    /// Starts at the batch at `position`; `end` is the end of the last whole batch.
    pub(crate) fn new(file: &'a dyn DiskFile, path: PathBuf, position: u64, end: u64) -> Self {
        Self {
            file,
            path,
            position,
            end,
            buffer: Vec::new(),
            buffer_at: 0,
        }
    }

    /// The next batch's position and header; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, BatchHeader)>> {
        if self.position >= self.end {
            return Ok(None);
        }
        let position = self.position;
        let header = BatchHeader::parse(self.window()?)
            .map_err(|error| self.corrupt(position, &error.to_string()))?;
        let next = position + header.size_bytes() as u64;
        if next > self.end {
            return Err(self.corrupt(position, "the batch is longer than the file"));
        }
        self.position = next;
        Ok(Some((position, header)))
    }

    /// At least a header's bytes from the position on, if the file has them.
    fn window(&mut self) -> Result<&[u8]> {
        let at = self
            .position
            .checked_sub(self.buffer_at)
            .and_then(|at| usize::try_from(at).ok());
        let held = at.filter(|at| at + HEADER_BYTES <= self.buffer.len());
        let start = match held {
            Some(at) => at,
            None => {
                let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
                self.buffer.resize(WALK_BYTES.min(left), 0);
                let read = self.file.read_at(&mut self.buffer, self.position);
                let read = read.at("reading", &self.path)?;
                self.buffer.truncate(read);
                self.buffer_at = self.position;
                0
            }
        };
        Ok(self.buffer.get(start..).unwrap_or_default())
    }

    fn corrupt(&self, position: u64, detail: &str) -> LogError {
        let detail = format!("at {position}: {detail}");
        LogError::Corrupt {
            path: self.path.clone(),
            detail,
        }
    }
}

/// What [`scan`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Bytes of whole, valid batches.
    pub(crate) valid_bytes: u64,
    /// One past the last offset in them.
    pub(crate) next_offset: Offset,
    /// Why it stopped before the end of the file.
    pub(crate) fault: Option<String>,
}

/// Reads a file's batches from `position` on, checks everything about them, and stops at the first
/// that is not right. Offsets must ascend and lie within `offsets`.
///
/// # Errors
/// Only those of the disk and of `visit`.
pub(crate) fn scan(
    file: &dyn DiskFile,
    path: &std::path::Path,
    position: u64,
    offsets: std::ops::RangeInclusive<Offset>,
    mut visit: impl FnMut(u64, &BatchHeader, &[u8]) -> Result<()>,
) -> Result<Scan> {
    let len = file.len().at("measuring", path)?;
    let mut found = Scan {
        valid_bytes: position,
        next_offset: *offsets.start(),
        fault: None,
    };
    let mut buffer: Vec<u8> = Vec::new();
    let (mut buffer_at, mut wanted) = (position, SCAN_BYTES);
    while found.valid_bytes < len {
        let skip = usize::try_from(found.valid_bytes - buffer_at).unwrap_or(usize::MAX);
        let bytes = buffer.get(skip..).unwrap_or_default();
        match check(bytes, found.next_offset, *offsets.end()) {
            Ok(header) => {
                let size = header.size_bytes();
                visit(
                    found.valid_bytes,
                    &header,
                    bytes.get(..size).unwrap_or_default(),
                )?;
                found.valid_bytes += size as u64;
                found.next_offset = header.next_offset();
            }
            Err(Unfit::Needs(needed)) if found.valid_bytes + needed as u64 <= len => {
                wanted = wanted.max(needed);
                let left = usize::try_from(len - found.valid_bytes).unwrap_or(usize::MAX);
                buffer.resize(wanted.min(left), 0);
                let read = file
                    .read_at(&mut buffer, found.valid_bytes)
                    .at("reading", path)?;
                buffer.truncate(read);
                buffer_at = found.valid_bytes;
                if read < needed {
                    found.fault = Some("the file became shorter".to_owned());
                    break;
                }
            }
            Err(Unfit::Needs(_)) => {
                found.fault = Some("a batch is longer than the file".to_owned());
                break;
            }
            Err(Unfit::Bad(why)) => {
                found.fault = Some(why);
                break;
            }
        }
    }
    Ok(found)
}

enum Unfit {
    /// More bytes are needed to judge.
    Needs(usize),
    /// Not a batch that belongs here.
    Bad(String),
}

fn check(bytes: &[u8], min_offset: Offset, max_offset: Offset) -> Result<BatchHeader, Unfit> {
    if bytes.len() < HEADER_BYTES {
        return Err(Unfit::Needs(HEADER_BYTES));
    }
    let header = BatchHeader::parse(bytes).map_err(|error| Unfit::Bad(error.to_string()))?;
    if header.base_offset < min_offset {
        let why = format!(
            "offset {} where {min_offset} or more was due",
            header.base_offset
        );
        return Err(Unfit::Bad(why));
    }
    if header.last_offset_delta < 0 || header.last_offset() > max_offset {
        return Err(Unfit::Bad("its offsets do not fit the segment".to_owned()));
    }
    let size = header.size_bytes();
    let Some(batch) = bytes.get(..size) else {
        return Err(Unfit::Needs(size));
    };
    check_crc(batch).map_err(|error| Unfit::Bad(error.to_string()))?;
    Ok(header)
}
