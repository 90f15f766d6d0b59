//! Reading a log back after a stop or a crash.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use odeon_kernel::disk::{OpenMode, SharedDisk};

use super::frame;
use super::index::{Index, Place};
use super::writer::Segment;
use crate::types::{Entry, LogId};

const SUFFIX: &str = ".raft";

pub(super) fn segment_path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}{SUFFIX}"))
}

fn damaged(path: &Path, what: &str) -> io::Error {
    let text = format!("the Raft log {} is damaged: {what}", path.display());
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Whether any log or snapshot file is in `dir`.
pub(super) fn holds_anything(disk: &SharedDisk, dir: &Path) -> io::Result<bool> {
    let names = disk.read_dir(dir)?;
    Ok(names
        .iter()
        .any(|entry| entry.name.ends_with(SUFFIX) || entry.name.ends_with(".snapshot")))
}

/// Whether a snapshot or a whole entry is in `dir`: less than [`recover`] finds out, and enough to
/// know a log from the beginnings of one.
pub(super) fn holds_entries(disk: &SharedDisk, dir: &Path) -> io::Result<bool> {
    let mut names = disk.read_dir(dir)?.into_iter();
    if names.any(|entry| entry.name.ends_with(".snapshot")) {
        return Ok(true);
    }
    let bases = bases(disk, dir)?;
    match bases.as_slice() {
        [] => Ok(false),
        [base] => {
            let bytes = disk.read(&segment_path(dir, *base))?;
            Ok(frame::decode(&bytes, *base, 0).is_ok())
        }
        _ => Ok(true),
    }
}

/// Bases of the segment files in `dir`, ascending.
fn bases(disk: &SharedDisk, dir: &Path) -> io::Result<Vec<u64>> {
    let mut bases = Vec::new();
    for entry in disk.read_dir(dir)? {
        let Some(digits) = entry.name.strip_suffix(SUFFIX) else {
            continue;
        };
        if digits.len() != 20 || entry.is_dir {
            return Err(damaged(
                &dir.join(&entry.name),
                "its name is not a segment's",
            ));
        }
        let base = digits
            .parse()
            .map_err(|_| damaged(&dir.join(&entry.name), "its name"))?;
        bases.push(base);
    }
    bases.sort_unstable();
    Ok(bases)
}

/// Reads all segments into `index`, cuts a torn tail, drops what was purged.
///
/// Errors when anything but the unsynced tail of the last segment is broken or missing.
pub(super) fn recover(
    disk: &SharedDisk,
    dir: &Path,
    index: &mut Index,
) -> io::Result<Vec<Segment>> {
    let bases = bases(disk, dir)?;
    let mut segments = Vec::new();
    let last_base = bases.last().copied();
    for base in bases {
        let is_last = Some(base) == last_base;
        let found = read_segment(disk, dir, base, is_last)?;
        let Some((segment, entries)) = found else {
            continue;
        };
        adopt(&segment, entries, index)?;
        if index
            .purged
            .is_some_and(|purged| segment.last <= purged.index)
        {
            // A crash came between the note of the purge and the removal.
            disk.remove_file(&segment.path)?;
            continue;
        }
        index.files.insert(base, segment.file.clone());
        segments.push(segment);
    }
    disk.sync_dir(dir)?;
    if let (Some(first), Some(segment)) = (index.first_held(), segments.first()) {
        let expected = index.purged.map_or(0, |purged| purged.index + 1);
        if first > expected {
            let hole = format!("it starts at entry {first}, entry {expected} is missing");
            return Err(damaged(&segment.path, &hole));
        }
    }
    Ok(segments)
}

type Entries = Vec<(Entry, Place)>;

/// `None` when the file holds nothing and was removed.
fn read_segment(
    disk: &SharedDisk,
    dir: &Path,
    base: u64,
    is_last: bool,
) -> io::Result<Option<(Segment, Entries)>> {
    let path = segment_path(dir, base);
    let bytes = disk.read(&path)?;
    let mut entries: Entries = Vec::new();
    let mut position = 0_u64;
    let mut durable = 0_u64;
    let mut fault = None;
    while position < bytes.len() as u64 {
        match frame::decode(&bytes, base, position) {
            Ok((body, len)) => {
                let entry = body
                    .entry
                    .into_entry()
                    .map_err(|error| damaged(&path, &error))?;
                if entry.log_id.index != base + entries.len() as u64 {
                    let what = format!("entry {} is out of order", entry.log_id.index);
                    return Err(damaged(&path, &what));
                }
                entries.push((
                    entry,
                    Place {
                        base,
                        position,
                        len,
                    },
                ));
                durable = durable.max(body.synced.min(position));
                position += u64::from(len);
            }
            Err(why) => {
                fault = Some(why);
                break;
            }
        }
    }
    if let Some(why) = fault {
        if !is_last || frame::was_durable(&bytes, base, position) {
            let what = format!("at byte {position}, which had been synced, is {why}");
            return Err(damaged(&path, &what));
        }
        let lost = bytes.len() as u64 - position;
        tracing::warn!(path = %path.display(), position, lost, why, "cut a torn tail");
    }
    let Some((last, _)) = entries.last() else {
        disk.remove_file(&path)?;
        return Ok(None);
    };
    let last = last.log_id.index;
    let file = disk.open(&path, OpenMode::ReadWrite)?;
    if is_last {
        if fault.is_some() {
            file.set_len(position)?;
        }
        // What was read may be in the page cache only, and if the sync that was to bring it to
        // the disk has failed, no later one does: only writing it again.
        let from = usize::try_from(durable).map_err(io::Error::other)?;
        let to = usize::try_from(position).map_err(io::Error::other)?;
        file.write_all_at(
            &[IoSlice::new(bytes.get(from..to).unwrap_or_default())],
            durable,
        )?;
        file.sync_data()?;
    }
    let segment = Segment {
        base,
        last,
        path,
        file,
        len: position,
        synced: position,
    };
    Ok(Some((segment, entries)))
}

fn adopt(segment: &Segment, entries: Entries, index: &mut Index) -> io::Result<()> {
    let purged: Option<LogId> = index.purged;
    for (entry, place) in entries {
        if purged.is_some_and(|purged| entry.log_id.index <= purged.index) {
            continue;
        }
        if index
            .last_held()
            .is_some_and(|last| entry.log_id.leader_id < last.leader_id)
        {
            return Err(damaged(&segment.path, "a term goes back"));
        }
        index
            .push(entry, Some(place))
            .map_err(|error| damaged(&segment.path, &error.to_string()))?;
    }
    Ok(())
}
