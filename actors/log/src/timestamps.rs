//! Finding records by their time.

use odeon_model::{LeaderEpoch, Offset};
use odeon_records::{BatchHeader, Limits, records};

use crate::error::{LogError, Result};
use crate::reader::{LogReader, read_batch};
use crate::segment::Segment;

/// A record found by its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundTimestamp {
    /// The record's timestamp, milliseconds.
    pub timestamp: i64,
    /// Its offset.
    pub offset: Offset,
    /// The leader epoch it was written in.
    pub leader_epoch: LeaderEpoch,
}

impl LogReader {
    /// The first record below `upper_bound` whose timestamp is at least `timestamp`.
    ///
    /// # Errors
    /// `Corrupt`, `Io`, `Offline`, `Closed`.
    pub fn offset_for_timestamp(
        &self,
        timestamp: i64,
        upper_bound: Offset,
    ) -> Result<Option<FoundTimestamp>> {
        self.steadily(None, |_| {
            let start = self.view().log_start();
            for segment in self.shared.segments().iter() {
                if segment.base_offset >= upper_bound {
                    break;
                }
                if segment.max_timestamp()?.timestamp < timestamp {
                    continue;
                }
                if let Some(found) = search(segment, timestamp, start, upper_bound)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })
    }

    /// The first of the records with the largest timestamp below `upper_bound`.
    ///
    /// # Errors
    /// As [`LogReader::offset_for_timestamp`].
    pub fn max_timestamp(&self, upper_bound: Offset) -> Result<Option<FoundTimestamp>> {
        self.steadily(None, |_| {
            let start = self.view().log_start();
            let mut best: Option<FoundTimestamp> = None;
            let segments = self.shared.segments();
            let mut maxima = Vec::with_capacity(segments.len());
            for segment in segments.iter().filter(|s| s.base_offset < upper_bound) {
                maxima.push((segment.max_timestamp()?.timestamp, segment));
            }
            // Stable: of equal maxima the oldest comes first.
            maxima.sort_by_key(|(timestamp, _)| std::cmp::Reverse(*timestamp));
            for (timestamp, segment) in maxima {
                if best.is_some_and(|best| best.timestamp >= timestamp) {
                    break;
                }
                let found = largest(segment, start, upper_bound)?;
                best = match (best, found) {
                    (Some(a), Some(b)) if b.timestamp <= a.timestamp => Some(a),
                    (a, b) => b.or(a),
                };
            }
            Ok(best)
        })
    }
}

/// The first record of a segment at or behind `start` whose timestamp is at least `timestamp`.
fn search(
    segment: &Segment,
    timestamp: i64,
    start: Offset,
    upper_bound: Offset,
) -> Result<Option<FoundTimestamp>> {
    // Up to that entry's offset all timestamps are smaller.
    let entry = segment.time_index.last_where(|e| e.timestamp < timestamp)?;
    let from = entry.map_or(0, |e| i64::from(e.relative_offset)) + segment.base_offset;
    let Some((position, _)) = segment.find(from.max(start))? else {
        return Ok(None);
    };
    let file = segment.log.get()?;
    let mut walk = segment.walk(&*file, position);
    while let Some((position, header)) = walk.next()? {
        if header.last_offset() >= upper_bound {
            break;
        }
        if header.max_timestamp < timestamp {
            continue;
        }
        let batch = read_batch(segment, position, &header)?;
        for record in records(&batch, Limits::default()) {
            let record = record.map_err(|error| LogError::Corrupt {
                path: segment.log.path(),
                detail: format!("at {position}: {error}"),
            })?;
            if record.timestamp >= timestamp && record.offset >= start {
                return Ok(Some(found(&header, record.timestamp, record.offset)));
            }
        }
    }
    Ok(None)
}

/// The first record with the largest timestamp of a segment.
fn largest(
    segment: &Segment,
    start: Offset,
    upper_bound: Offset,
) -> Result<Option<FoundTimestamp>> {
    let mut best: Option<(u64, BatchHeader)> = None;
    let file = segment.log.get()?;
    let max = segment.max_timestamp()?;
    // The batch with the largest timestamp is known, unless a part of the segment is out of bounds.
    let whole = segment.base_offset >= start && max.offset < upper_bound;
    let from = if whole {
        max.offset
    } else {
        start.max(segment.base_offset)
    };
    let Some((position, _)) = segment.find(from)? else {
        return Ok(None);
    };
    let mut walk = segment.walk(&*file, position);
    while let Some((position, header)) = walk.next()? {
        if header.last_offset() >= upper_bound {
            break;
        }
        if best.is_none_or(|(_, best)| header.max_timestamp > best.max_timestamp) {
            best = Some((position, header));
        }
        if whole {
            break;
        }
    }
    let Some((position, header)) = best else {
        return Ok(None);
    };
    let batch = read_batch(segment, position, &header)?;
    for record in records(&batch, Limits::default()) {
        let record = record.map_err(|error| LogError::Corrupt {
            path: segment.log.path(),
            detail: format!("at {position}: {error}"),
        })?;
        if record.timestamp >= header.max_timestamp {
            return Ok(Some(found(&header, record.timestamp, record.offset)));
        }
    }
    Ok(None)
}

fn found(header: &BatchHeader, timestamp: i64, offset: Offset) -> FoundTimestamp {
    FoundTimestamp {
        timestamp,
        offset,
        leader_epoch: header.partition_leader_epoch,
    }
}
