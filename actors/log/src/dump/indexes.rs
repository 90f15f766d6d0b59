//! The indexes of a segment, against the segment beside them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use odeon_kernel::disk::{DiskFile, OpenMode, SharedDisk};
use odeon_model::Offset;
use odeon_records::{BatchHeader, HEADER_BYTES};

use super::Dumped;
use crate::error::{At, LogError, Result};
use crate::index::{Entry, OffsetEntry};
use crate::names::{INDEX, LOG, TIME_INDEX};
use crate::scan::HeaderWalk;
use crate::time_index::TimeEntry;

pub(super) fn offsets(
    disk: &SharedDisk,
    path: &Path,
    base: Offset,
    visit: &mut dyn FnMut(Dumped),
) -> Result<()> {
    let (segment, segment_path) = beside(disk, path, INDEX)?;
    let mut last: Option<OffsetEntry> = None;
    for entry in entries::<OffsetEntry>(disk, path, visit)? {
        let offset = base + i64::from(entry.relative_offset);
        let position = u64::from(entry.position);
        visit(Dumped::Position { offset, position });
        let ascends = last.is_none_or(|last| {
            last.relative_offset < entry.relative_offset && last.position < entry.position
        });
        if !ascends {
            visit(Dumped::Fault(format!("offset {offset} does not ascend")));
        }
        last = Some(entry);
        let mut head = [0; HEADER_BYTES];
        let read = segment
            .read_at(&mut head, position)
            .at("reading", &segment_path)?;
        let batch = BatchHeader::parse(head.get(..read).unwrap_or_default());
        match batch {
            Ok(batch) if batch.last_offset() == offset => {}
            Ok(batch) => visit(Dumped::Fault(format!(
                "offset {offset} is not at {position}: the batch there ends at {}",
                batch.last_offset()
            ))),
            Err(error) => visit(Dumped::Fault(format!(
                "offset {offset} is not at {position}: {error}"
            ))),
        }
    }
    Ok(())
}

pub(super) fn times(
    disk: &SharedDisk,
    path: &Path,
    base: Offset,
    visit: &mut dyn FnMut(Dumped),
) -> Result<()> {
    let (segment, segment_path) = beside(disk, path, TIME_INDEX)?;
    let end = segment.len().at("measuring", &segment_path)?;
    let mut walk = HeaderWalk::new(&*segment, segment_path, 0, end);
    let (mut newest, mut seen) = (-1, base - 1);
    let mut last: Option<TimeEntry> = None;
    for entry in entries::<TimeEntry>(disk, path, visit)? {
        let offset = base + i64::from(entry.relative_offset);
        let timestamp = entry.timestamp;
        visit(Dumped::Time { timestamp, offset });
        let ascends = last.is_none_or(|last| {
            last.timestamp < timestamp && last.relative_offset <= entry.relative_offset
        });
        if !ascends {
            visit(Dumped::Fault(format!(
                "timestamp {timestamp} does not ascend"
            )));
        }
        last = Some(entry);
        while seen < offset {
            let Some((_, header)) = walk.next()? else {
                break;
            };
            newest = newest.max(header.max_timestamp);
            seen = header.last_offset();
        }
        if seen < offset {
            visit(Dumped::Fault(format!(
                "offset {offset} is not in the segment"
            )));
        } else if newest != timestamp {
            visit(Dumped::Fault(format!(
                "the largest timestamp up to offset {offset} is {newest}, not {timestamp}"
            )));
        }
    }
    Ok(())
}

/// The segment that an index belongs to.
fn beside(disk: &SharedDisk, index: &Path, suffix: &str) -> Result<(Arc<dyn DiskFile>, PathBuf)> {
    let name = index.file_name().unwrap_or_default().to_string_lossy();
    let path = index.with_file_name(name.replacen(suffix, LOG, 1));
    if !disk.exists(&path) {
        let detail = "the segment that it belongs to is not beside it".to_owned();
        let path = index.to_owned();
        return Err(LogError::Corrupt { path, detail });
    }
    let file = disk.open(&path, OpenMode::Read).at("opening", &path)?;
    Ok((file, path))
}

/// The entries of an index; what Kafka has only reserved does not count.
fn entries<E: Entry>(
    disk: &SharedDisk,
    path: &Path,
    visit: &mut dyn FnMut(Dumped),
) -> Result<Vec<E>> {
    let bytes = disk.read(path).at("reading", path)?;
    let left = bytes.len() % E::SIZE;
    if left > 0 {
        visit(Dumped::Fault(format!("{left} bytes are not an entry")));
    }
    let mut entries: Vec<E> = bytes.chunks_exact(E::SIZE).map(E::decode).collect();
    let used = entries.iter().rposition(|entry| !entry.is_padding());
    entries.truncate(used.map_or(0, |last| last + 1));
    Ok(entries)
}
