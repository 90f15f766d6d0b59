//! Making a folder that somebody else wrote one of ours.

use odeon_model::Offset;

use super::tidy::tidy;
use super::{load_epochs, note_epoch, open_segments};
use crate::checkpoint::LEADER_EPOCHS;
use crate::error::{At, Result};
use crate::segment::Place;

/// Makes the indexes of all segments anew, cuts off what a killed writer left behind the last sound
/// batch, and syncs everything. Epochs that only the batches tell are noted. Returns the log end.
pub(crate) fn remake(
    place: &Place,
    interval: u32,
    progress: &mut dyn FnMut(u64),
) -> Result<Offset> {
    let names = tidy(place)?;
    let mut end = 0;
    let (mut epochs, _) = load_epochs(place)?;
    for segment in open_segments(place, &names)? {
        let found = segment.recover(interval, |header, batch| {
            note_epoch(&mut epochs, header);
            progress(batch.len() as u64);
            Ok(())
        })?;
        segment.seal(true)?;
        segment.close();
        end = found.next_offset;
    }
    let path = place.folder.join(LEADER_EPOCHS);
    let text = epochs.render();
    place
        .disk
        .write_atomic(&path, text.as_bytes())
        .at("writing", &path)?;
    Ok(end)
}
