//! What an interrupted deletion or compaction left in a folder.

use std::collections::BTreeSet;
use std::path::Path;

use odeon_model::Offset;

use crate::error::{At, Result};
use crate::files::remove_if_there;
use crate::names::{CLEANED, DELETED, INDEX, LOG, SWAP, TIME_INDEX, TXN_INDEX, parse_offset};
use crate::scan::scan;
use crate::segment::Place;

/// Resolves what an interrupted deletion or compaction left; returns the names that remain.
pub(super) fn tidy(place: &Place) -> Result<BTreeSet<String>> {
    let folder = place.folder.path();
    let list = || -> Result<BTreeSet<String>> {
        let entries = place.disk.read_dir(&folder).at("listing", &folder)?;
        Ok(entries
            .into_iter()
            .filter(|e| !e.is_dir)
            .map(|e| e.name)
            .collect())
    };
    let names = list()?;
    let is_odd = |name: &&String| {
        [DELETED, CLEANED, SWAP, ".tmp"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
    };
    if !names.iter().any(|name| is_odd(&name)) {
        return Ok(names);
    }
    let remove = |name: &str| remove_if_there(&place.disk, &folder.join(name));
    // An unfinished compaction: its output counts for nothing, nor do swaps that belong to it.
    let unfinished = names
        .iter()
        .filter_map(|name| offset_of(name, CLEANED))
        .min();
    for name in &names {
        let stale_swap = offset_of(name, SWAP)
            .zip(unfinished)
            .is_some_and(|(offset, unfinished)| offset >= unfinished);
        let gone = [DELETED, CLEANED, ".tmp"]
            .iter()
            .any(|suffix| name.ends_with(suffix));
        if gone || stale_swap {
            remove(name)?;
        }
    }
    finish_swaps(place, &list()?, &folder)?;
    place.disk.sync_dir(&folder).at("syncing", &folder)?;
    list()
}

/// The offset of a segment's or an index's name with another suffix behind it.
pub(super) fn offset_of(name: &str, suffix: &str) -> Option<Offset> {
    let plain = name.strip_suffix(suffix)?;
    [LOG, INDEX, TIME_INDEX, TXN_INDEX]
        .iter()
        .find_map(|kind| parse_offset(plain, kind))
}

/// A finished compaction whose output was not yet put in place: it replaces the segments it covers.
fn finish_swaps(place: &Place, names: &BTreeSet<String>, folder: &Path) -> Result<()> {
    let swap_log = format!("{LOG}{SWAP}");
    for name in names.iter().filter(|name| name.ends_with(&swap_log)) {
        let Some(base) = offset_of(name, SWAP) else {
            continue;
        };
        let path = folder.join(name);
        let file = place
            .disk
            .open(&path, odeon_kernel::OpenMode::Read)
            .at("opening", &path)?;
        let all = base..=base.saturating_add(i64::from(i32::MAX));
        let found = scan(&*file, &path, 0, all, |_, _, _| Ok(()))?;
        for old in names {
            let covered = offset_of(&format!("{old}{SWAP}"), SWAP)
                .is_some_and(|offset| offset >= base && offset < found.next_offset.max(base + 1));
            if covered {
                remove_if_there(&place.disk, &folder.join(old))?;
            }
        }
    }
    for name in names.iter().filter(|name| name.ends_with(SWAP)) {
        let (from, to) = (folder.join(name), folder.join(name.trim_end_matches(SWAP)));
        place.disk.rename(&from, &to).at("renaming", &from)?;
    }
    Ok(())
}
