//! The Raft log on disk.
//!
//! ```text
//! DIR/raft-state               whose log this is, the vote, how far it was purged (hard_state.rs)
//! DIR/%020d.raft               segments, named by the index of their first entry
//! DIR/%020d-%010d.snapshot     snapshots, named by the last entry they cover and its term
//!
//! segment := frame*
//! frame   := body length u32 LE
//!          | crc32 u32 LE        of: the segment's base u64 LE, the frame's position u64 LE, the body
//!          | body                MessagePack map:
//!                                { s: bytes of this file that were durable when this was written,
//!                                  e: { l: { t: term, i: index },
//!                                       p: "b" | { p: { x: expected term, e: bytes } } | { m: membership } } }
//! ```
//!
//! Appends queue to one writer thread, which writes all it finds in one go and syncs once.
//! Segments are rolled by size and dropped whole once purged.
//!
//! **Recovery.** Only the tail of the last segment can be torn. A broken frame there is cut,
//! unless a whole frame behind it says (`s`) that the broken one had been durable: then the disk
//! lost acknowledged data, and the log refuses to open.

use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use odeon_kernel::Blocking;
use odeon_kernel::disk::SharedDisk;
use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use tokio::sync::oneshot;

use crate::types::{Entry, LogId, ReplicaId, Types, Vote};

mod frame;
mod hard_state;
mod index;
mod recovery;
mod writer;

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod power_tests;
#[cfg(test)]
mod tests;

use hard_state::HardState;
use index::{Index, Located};
use writer::{Change, Desk, Writer, lock};

/// How a log is laid out and run.
#[derive(Debug, Clone)]
pub(crate) struct StoreOptions {
    /// A segment is closed once it has this many bytes.
    pub(crate) segment_bytes: u64,
    /// Bytes of the newest entries kept in memory.
    pub(crate) cache_bytes: usize,
    /// Bytes of entries sent in one message.
    pub(crate) max_read_bytes: usize,
    /// Where blocking work goes; inline means no writer thread either.
    pub(crate) blocking: Blocking,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 8 * 1024 * 1024,
            cache_bytes: 16 * 1024 * 1024,
            max_read_bytes: 192 * 1024,
            blocking: Blocking::Pool,
        }
    }
}

/// The log. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct LogStore {
    index: Arc<Mutex<Index>>,
    desk: Desk,
    options: StoreOptions,
}

/// Why a log was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{path} belongs to {what} {found}, this node is configured for {expected}")]
    Foreign {
        path: String,
        what: &'static str,
        found: String,
        expected: String,
    },
}

/// The cluster of the log in `dir`, if there are entries in it. Blocks.
pub(crate) fn held_by(disk: &SharedDisk, dir: &Path) -> io::Result<Option<String>> {
    if !disk.exists(dir) || !recovery::holds_entries(disk, dir)? {
        return Ok(None);
    }
    Ok(HardState::read(disk, dir)?.map(|state| state.cluster_id))
}

impl LogStore {
    /// Opens the log in `dir`, making it when there is none. Blocks.
    pub(crate) fn open(
        disk: SharedDisk,
        dir: &Path,
        cluster_id: &str,
        replica: ReplicaId,
        options: StoreOptions,
    ) -> Result<Self, OpenError> {
        make_dir(&disk, dir)?;
        let state = match HardState::read(&disk, dir)? {
            Some(state) => checked(state, dir, cluster_id, replica)?,
            None if recovery::holds_anything(&disk, dir)? => {
                // Starting with no vote would allow a second one in a term.
                let path = HardState::path(dir);
                let text = format!("{} is missing, but a log is there", path.display());
                return Err(OpenError::Io(io::Error::new(
                    io::ErrorKind::InvalidData,
                    text,
                )));
            }
            None => {
                let cluster_id = cluster_id.to_owned();
                let state = HardState {
                    cluster_id,
                    replica,
                    vote: None,
                    purged: None,
                };
                state.write(&disk, dir)?;
                state
            }
        };
        let mut index = Index::new(options.cache_bytes);
        index.purged = state.purged.map(Into::into);
        index.vote = state.vote.map(Into::into);
        let segments = recovery::recover(&disk, dir, &mut index)?;
        let index = Arc::new(Mutex::new(index));
        let writer = Writer {
            disk,
            dir: PathBuf::from(dir),
            segment_bytes: options.segment_bytes,
            segments: segments.into(),
            state,
            index: Arc::clone(&index),
            failed: None,
        };
        let desk = match options.blocking {
            Blocking::Pool => Desk::thread(writer)?,
            Blocking::Delayed(_) => Desk::task(writer, options.blocking),
            Blocking::Inline => Desk::inline(writer),
        };
        Ok(Self {
            index,
            desk,
            options,
        })
    }

    /// The last entry that was purged.
    pub(crate) fn purged(&self) -> Option<LogId> {
        lock(&self.index).purged
    }

    /// Whether there is no entry, and never was.
    pub(crate) fn is_empty(&self) -> bool {
        let index = lock(&self.index);
        index.last().is_none() && index.purged.is_none()
    }

    /// Whether nothing was ever written here.
    #[cfg(test)]
    pub(crate) fn is_pristine(&self) -> bool {
        let index = lock(&self.index);
        index.vote.is_none() && index.last().is_none()
    }

    /// Completes when everything handed over before is on disk.
    pub(crate) async fn drain(&self) -> io::Result<()> {
        self.change(Change::Barrier).await
    }

    async fn change(&self, change: Change) -> io::Result<()> {
        let (sender, receiver) = oneshot::channel();
        let done = move |outcome| {
            // Nobody waits any more: the engine has ended.
            let _ = sender.send(outcome);
        };
        self.desk.send(change, Box::new(done));
        receiver
            .await
            .map_err(|_| io::Error::other("the Raft log's writer has ended"))?
    }

    async fn read(
        &self,
        range: impl RangeBounds<u64> + OptionalSend,
        max_bytes: usize,
    ) -> io::Result<Vec<Entry>> {
        let located = lock(&self.index).locate(&range, max_bytes)?;
        if located.iter().all(Located::is_cached) {
            return located.into_iter().map(Located::load).collect();
        }
        let load = move || located.into_iter().map(Located::load).collect();
        self.options.blocking.run(load).await
    }
}

/// Makes a directory whose name, and those of all that had to be made for it, are durable.
fn make_dir(disk: &SharedDisk, dir: &Path) -> io::Result<()> {
    let missing = dir
        .ancestors()
        .take_while(|ancestor| !disk.exists(ancestor))
        .count();
    disk.create_dir_all(dir)?;
    // A directory that was there may have been made by a process that died before syncing it.
    for parent in dir.ancestors().skip(1).take(missing.max(1)) {
        disk.sync_dir(parent)?;
    }
    Ok(())
}

fn checked(
    state: HardState,
    dir: &Path,
    cluster_id: &str,
    replica: ReplicaId,
) -> Result<HardState, OpenError> {
    let foreign = |what, found: String, expected: String| {
        let path = dir.display().to_string();
        Err(OpenError::Foreign {
            path,
            what,
            found,
            expected,
        })
    };
    if state.cluster_id != cluster_id {
        return foreign("cluster", state.cluster_id, cluster_id.to_owned());
    }
    if state.replica.node_id != replica.node_id {
        let (found, expected) = (state.replica.node_id, replica.node_id);
        return foreign("node", found.to_string(), expected.to_string());
    }
    if state.replica != replica {
        let (found, expected) = (state.replica.directory_id, replica.directory_id);
        return foreign("directory", found.to_string(), expected.to_string());
    }
    Ok(state)
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        self.read(range, usize::MAX).await
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        self.read(start..end, self.options.max_read_bytes).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(lock(&self.index).vote)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let index = lock(&self.index);
        Ok(LogState {
            last_purged_log_id: index.purged,
            last_log_id: index.last(),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.change(Change::Vote(*vote)).await
    }

    async fn append<I>(&mut self, entries: I, done: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        {
            let mut index = lock(&self.index);
            for entry in &entries {
                index.push(entry.clone(), None)?;
            }
        }
        self.desk.send(
            Change::Append(entries),
            Box::new(|outcome| done.io_completed(outcome)),
        );
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        self.change(Change::Truncate(last.map(|last| last.index)))
            .await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        self.change(Change::Purge(upto)).await
    }
}
