//! The checkpoints of one directory: what was last written of them, and changing them.
//!
//! Apart from the regular ones, a checkpoint is written whenever it would otherwise claim too much:
//! a recovery point above a cut log's end would let recovery trust what was never synced, and an
//! entry of a deleted topic would be taken for one of the next topic of that name.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Mutex;

use odeon_kernel::disk::SharedDisk;
use odeon_model::{Offset, TopicPartition};

use crate::checkpoint::{self, HIGH_WATERMARK, LOG_START, RECOVERY_POINT};
use crate::error::{LogError, Result};
use crate::files::lock;

/// Offsets by partition, in the order of the file.
pub(crate) type Table = BTreeMap<TopicPartition, Offset>;

/// The three checkpoint files of a directory.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    disk: SharedDisk,
    dir: PathBuf,
    written: Mutex<HashMap<&'static str, Table>>,
}

impl Checkpoints {
    pub(crate) fn new(disk: SharedDisk, dir: PathBuf) -> Self {
        Self {
            disk,
            dir,
            written: Mutex::default(),
        }
    }

    /// Reads all three; false if one of them is damaged, which is then taken for empty.
    pub(crate) fn load(&self) -> Result<bool> {
        let mut sound = true;
        let mut written = lock(&self.written);
        for name in [RECOVERY_POINT, LOG_START, HIGH_WATERMARK] {
            let table = match checkpoint::read_offsets(&self.disk, &self.dir.join(name)) {
                Err(LogError::Corrupt { path, detail }) => {
                    tracing::warn!(path = %path.display(), detail, "starting without it");
                    sound = false;
                    continue;
                }
                other => other?,
            };
            written.insert(name, table);
        }
        Ok(sound)
    }

    /// What the file says of a partition.
    pub(crate) fn get(&self, name: &'static str, partition: &TopicPartition) -> Option<Offset> {
        lock(&self.written).get(name)?.get(partition).copied()
    }

    /// Makes the file say what `make` makes of its content, durably, unless it does already. Nothing
    /// else changes it meanwhile.
    pub(crate) fn update(
        &self,
        name: &'static str,
        make: impl FnOnce(&Table) -> Table,
    ) -> Result<()> {
        let mut written = lock(&self.written);
        let old = written.get(name);
        let new = make(old.unwrap_or(&Table::new()));
        if old == Some(&new) {
            return Ok(());
        }
        checkpoint::write_offsets(&self.disk, &self.dir.join(name), &new)?;
        written.insert(name, new);
        Ok(())
    }

    /// Sees to it that neither recovery point nor log start is above `end`.
    pub(crate) fn lower(&self, partition: &TopicPartition, end: Offset) -> Result<()> {
        for name in [RECOVERY_POINT, LOG_START] {
            if self.get(name, partition).is_some_and(|offset| offset > end) {
                self.update(name, |table| {
                    let mut table = table.clone();
                    table.insert(partition.clone(), end);
                    table
                })?;
            }
        }
        Ok(())
    }

    /// Notes where a log begins and up to where it is on disk.
    pub(crate) fn set(&self, partition: &TopicPartition, log: Range<Offset>) -> Result<()> {
        for (name, offset) in [(LOG_START, log.start), (RECOVERY_POINT, log.end)] {
            self.update(name, |table| {
                let mut table = table.clone();
                table.insert(partition.clone(), offset);
                table
            })?;
        }
        Ok(())
    }

    /// Sees to it that nothing is known of a partition.
    pub(crate) fn forget(&self, partition: &TopicPartition) -> Result<()> {
        for name in [RECOVERY_POINT, LOG_START, HIGH_WATERMARK] {
            self.update(name, |table| {
                let mut table = table.clone();
                table.remove(partition);
                table
            })?;
        }
        Ok(())
    }
}
