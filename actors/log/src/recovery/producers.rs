//! The producers' state from snapshots and batches.

use std::ops::Range;
use std::sync::Arc;

use odeon_model::Offset;

use crate::error::{At, Result};
use crate::files::remove_if_there;
use crate::names::{SNAPSHOT, file_name, parse_offset};
use crate::producer_snapshot;
use crate::producer_state::ProducerStates;
use crate::reader::read_batch;
use crate::segment::{Place, Segment};
use crate::writer::{apply_to_producers, read_control};

/// A producer state and the offset of the newest snapshot on disk.
#[derive(Debug, Default)]
pub(crate) struct Rebuilt {
    pub(crate) producers: ProducerStates,
    pub(crate) last_snapshot: Option<Offset>,
}

/// The producer state at the end of `log`: the newest sound snapshot and the batches behind it.
/// Snapshots of offsets that do not exist any more, or beyond `trusted`, are removed.
pub(crate) fn rebuild_producers(
    place: &Place,
    segments: &[Arc<Segment>],
    log: Range<Offset>,
    trusted: Offset,
) -> Result<Rebuilt> {
    let folder = place.folder.path();
    let entries = place.disk.read_dir(&folder).at("listing", &folder)?;
    let mut offsets: Vec<Offset> = entries
        .iter()
        .filter_map(|entry| parse_offset(&entry.name, SNAPSHOT))
        .collect();
    offsets.sort_unstable();
    let mut rebuilt = Rebuilt::default();
    // Not from the log start: the batches before it are not served any more, but as long as they
    // are there, they say what their producers did after the newest snapshot.
    let held = segments.first().map_or(log.start, |s| s.base_offset);
    let (mut from, mut removed) = (held.min(log.start), false);
    while let Some(offset) = offsets.pop() {
        let path = folder.join(file_name(offset, SNAPSHOT));
        if offset > trusted.min(log.end) {
            remove_if_there(&place.disk, &path)?;
            removed = true;
            continue;
        }
        let bytes = place.disk.read(&path).at("reading", &path)?;
        match producer_snapshot::decode(&bytes) {
            Ok(producers) => {
                rebuilt = Rebuilt {
                    producers,
                    last_snapshot: Some(offset),
                };
                from = from.max(offset);
                break;
            }
            Err(why) => {
                tracing::warn!(path = %path.display(), why, "a producer snapshot is not usable");
                remove_if_there(&place.disk, &path)?;
                removed = true;
            }
        }
    }
    if removed {
        // One that came back later, when the log has grown past it, would be believed.
        place.disk.sync_dir(&folder).at("syncing", &folder)?;
    }
    replay(place, segments, from..log.end, &mut rebuilt)?;
    Ok(rebuilt)
}

/// Takes the batches of `log` into the state, and writes the snapshots that are missing where
/// segments begin: when retention removes what lies before, they are the only memory.
fn replay(
    place: &Place,
    segments: &[Arc<Segment>],
    log: Range<Offset>,
    state: &mut Rebuilt,
) -> Result<()> {
    if log.is_empty() {
        return Ok(());
    }
    let first = segments
        .partition_point(|s| s.base_offset <= log.start)
        .saturating_sub(1);
    for segment in segments.iter().skip(first) {
        if segment.base_offset > log.start && !state.producers.is_empty() {
            let bytes = producer_snapshot::encode(&state.producers);
            place.save_snapshot(segment.base_offset, &bytes)?;
            state.last_snapshot = Some(segment.base_offset);
        }
        let Some((position, _)) = segment.find(log.start)? else {
            continue;
        };
        let file = segment.log.get()?;
        let mut walk = segment.walk(&*file, position);
        while let Some((position, header)) = walk.next()? {
            if header.last_offset() >= log.end {
                return Ok(());
            }
            let control = if header.is_control() {
                read_control(&read_batch(segment, position, &header)?)
            } else {
                None
            };
            apply_to_producers(&mut state.producers, &header, control.as_ref());
        }
    }
    Ok(())
}
