//! The one place that changes the log's files, and the thread it runs on.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use odeon_kernel::Blocking;
use odeon_kernel::disk::{DiskFile, OpenMode, SharedDisk};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::frame::{self, Body};
use super::hard_state::HardState;
use super::index::{Index, Place};
use super::recovery::segment_path;
use crate::types::{Entry, LogId, StoredEntry, Vote};

/// Called with the outcome once it is known; never twice.
pub(super) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// A change of the log. Changes take effect in the order they are sent.
pub(super) enum Change {
    /// Adds entries behind the last one.
    Append(Vec<Entry>),
    /// Replaces the vote.
    Vote(Vote),
    /// Removes all entries behind this one; all of them for `None`.
    Truncate(Option<u64>),
    /// Notes that nothing up to this entry is needed, and removes segments that hold no more.
    Purge(LogId),
    /// Nothing: its outcome says that everything before it is done.
    Barrier,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append(entries) => write!(f, "append {} entries", entries.len()),
            Self::Vote(vote) => write!(f, "vote {vote}"),
            Self::Truncate(after) => write!(f, "truncate after {after:?}"),
            Self::Purge(upto) => write!(f, "purge to {upto}"),
            Self::Barrier => write!(f, "barrier"),
        }
    }
}

/// A segment file.
#[derive(Debug)]
pub(super) struct Segment {
    /// The index of its first entry, and its name.
    pub(super) base: u64,
    /// The index of its last entry.
    pub(super) last: u64,
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) len: u64,
    /// Bytes at the start known to be durable.
    pub(super) synced: u64,
}

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) disk: SharedDisk,
    pub(super) dir: PathBuf,
    pub(super) segment_bytes: u64,
    pub(super) segments: VecDeque<Segment>,
    pub(super) state: HardState,
    pub(super) index: Arc<Mutex<Index>>,
    /// Why nothing is written any more. A failed write or sync is never tried again: what the
    /// disk holds is unknown from then on.
    pub(super) failed: Option<String>,
}

pub(super) fn lock(index: &Mutex<Index>) -> MutexGuard<'_, Index> {
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    /// Performs changes in order; consecutive appends share one sync.
    pub(super) fn perform(&mut self, changes: impl IntoIterator<Item = (Change, Done)>) {
        let mut entries = Vec::new();
        let mut waiting: Vec<Done> = Vec::new();
        for (change, done) in changes {
            if let Change::Append(more) = change {
                entries.extend(more);
                waiting.push(done);
                continue;
            }
            self.append_all(&mut entries, &mut waiting);
            let outcome = self.attempt(|writer| match change {
                Change::Vote(vote) => writer.vote(vote),
                Change::Truncate(after) => writer.truncate(after),
                Change::Purge(upto) => writer.purge(upto),
                Change::Append(_) | Change::Barrier => Ok(()),
            });
            done(outcome);
        }
        self.append_all(&mut entries, &mut waiting);
    }

    fn append_all(&mut self, entries: &mut Vec<Entry>, waiting: &mut Vec<Done>) {
        if waiting.is_empty() {
            return;
        }
        let entries = std::mem::take(entries);
        let outcome = self.attempt(|writer| writer.append(entries));
        for done in waiting.drain(..) {
            done(match &outcome {
                Ok(()) => Ok(()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            });
        }
    }

    fn attempt(&mut self, work: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        if let Some(why) = &self.failed {
            return Err(io::Error::other(format!(
                "the Raft log failed before: {why}"
            )));
        }
        let outcome = work(self);
        if let Err(error) = &outcome {
            tracing::error!(dir = %self.dir.display(), %error, "the Raft log failed");
            self.failed = Some(error.to_string());
        }
        outcome
    }

    fn append(&mut self, entries: Vec<Entry>) -> io::Result<()> {
        let mut placed = Vec::with_capacity(entries.len());
        let mut bytes = Vec::new();
        for entry in entries {
            let id = entry.log_id;
            let full = |segment: &Segment| segment.len + bytes.len() as u64 >= self.segment_bytes;
            if self.segments.back().is_none_or(full) {
                self.write(&mut bytes)?;
                self.roll(id.index)?;
            }
            let segment = self
                .segments
                .back_mut()
                .ok_or_else(|| io::Error::other("no segment"))?;
            let position = segment.len + bytes.len() as u64;
            let body = Body {
                synced: segment.synced,
                entry: StoredEntry::from(entry),
            };
            let len = frame::encode(&mut bytes, segment.base, position, &body)?;
            segment.last = id.index;
            placed.push((
                id,
                Place {
                    base: segment.base,
                    position,
                    len,
                },
            ));
        }
        self.write(&mut bytes)?;
        let mut index = lock(&self.index);
        for (id, place) in placed {
            index.placed(id, place);
        }
        index.evict();
        Ok(())
    }

    /// Writes and syncs what was gathered for the last segment.
    fn write(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let segment = self
            .segments
            .back_mut()
            .ok_or_else(|| io::Error::other("no segment"))?;
        segment
            .file
            .write_all_at(&[IoSlice::new(bytes)], segment.len)?;
        segment.file.sync_data()?;
        segment.len += bytes.len() as u64;
        segment.synced = segment.len;
        bytes.clear();
        Ok(())
    }

    fn roll(&mut self, base: u64) -> io::Result<()> {
        let path = segment_path(&self.dir, base);
        let file = self.disk.open(&path, OpenMode::CreateNew)?;
        self.disk.sync_dir(&self.dir)?;
        lock(&self.index).files.insert(base, Arc::clone(&file));
        self.segments.push_back(Segment {
            base,
            last: base,
            path,
            file,
            len: 0,
            synced: 0,
        });
        Ok(())
    }

    fn vote(&mut self, vote: Vote) -> io::Result<()> {
        self.state.vote = Some(vote.into());
        self.state.write(&self.disk, &self.dir)?;
        lock(&self.index).vote = Some(vote);
        Ok(())
    }

    /// From the end backward, so that a crash in between leaves no hole.
    fn truncate(&mut self, after: Option<u64>) -> io::Result<()> {
        while let Some(segment) = self.segments.back_mut() {
            if after.is_some_and(|after| segment.last <= after) {
                break;
            }
            if let Some(after) = after.filter(|after| *after >= segment.base) {
                let end = end_of(&self.index, after)
                    .ok_or_else(|| io::Error::other(format!("entry {after} is not held")))?;
                segment.file.set_len(end)?;
                segment.file.sync_data()?;
                (segment.len, segment.synced, segment.last) = (end, end, after);
                break;
            }
            self.drop_back()?;
        }
        lock(&self.index).truncate_after(after);
        Ok(())
    }

    fn drop_back(&mut self) -> io::Result<()> {
        if let Some(segment) = self.segments.pop_back() {
            lock(&self.index).files.remove(&segment.base);
            self.disk.remove_file(&segment.path)?;
            self.disk.sync_dir(&self.dir)?;
        }
        Ok(())
    }

    fn purge(&mut self, upto: LogId) -> io::Result<()> {
        if self
            .state
            .purged
            .is_some_and(|purged| purged.index >= upto.index)
        {
            return Ok(());
        }
        // Noted before anything is removed: a start in between finds a log that is longer than
        // needed, never one that misses its beginning.
        self.state.purged = Some(upto.into());
        self.state.write(&self.disk, &self.dir)?;
        lock(&self.index).purge(upto);
        let mut removed = false;
        while let Some(segment) = self
            .segments
            .front()
            .filter(|first| first.last <= upto.index)
        {
            lock(&self.index).files.remove(&segment.base);
            self.disk.remove_file(&segment.path)?;
            self.segments.pop_front();
            removed = true;
        }
        if removed {
            self.disk.sync_dir(&self.dir)?;
        }
        Ok(())
    }
}

/// The byte behind an entry in its segment.
fn end_of(index: &Mutex<Index>, entry: u64) -> Option<u64> {
    let place = lock(index).place(entry)?;
    Some(place.position + u64::from(place.len))
}

/// The way to a writer: a thread of its own, or in a deterministic simulation a task that takes its
/// time, or the caller's thread.
#[derive(Debug, Clone)]
pub(super) enum Desk {
    Thread(mpsc::Sender<(Change, DoneBox)>),
    Task(UnboundedSender<(Change, DoneBox)>),
    Inline(Arc<Mutex<Writer>>),
}

/// [`Done`] with a `Debug`.
pub(super) struct DoneBox(pub(super) Done);

impl fmt::Debug for DoneBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DoneBox")
    }
}

/// Changes taken together at most; more than a burst of proposals ever is.
const MAX_GROUP: usize = 4096;

impl Desk {
    /// Starts the writer's thread. It ends when the last desk is dropped and all was performed.
    pub(super) fn thread(mut writer: Writer) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<(Change, DoneBox)>();
        std::thread::Builder::new()
            .name("raft-log".into())
            .spawn(move || {
                odeon_kernel::system::prefer_this_thread();
                while let Ok(first) = receiver.recv() {
                    let mut group = vec![(first.0, first.1.0)];
                    while group.len() < MAX_GROUP {
                        let Ok((change, done)) = receiver.try_recv() else {
                            break;
                        };
                        group.push((change, done.0));
                    }
                    writer.perform(group);
                }
            })?;
        Ok(Self::Thread(sender))
    }

    /// Starts a task in the thread's stead.
    pub(super) fn task(mut writer: Writer, blocking: Blocking) -> Self {
        let (sender, mut receiver) = unbounded_channel::<(Change, DoneBox)>();
        odeon_kernel::spawn(async move {
            while let Some((change, done)) = receiver.recv().await {
                let mut group = vec![(change, done.0)];
                while let Ok((change, done)) = receiver.try_recv() {
                    group.push((change, done.0));
                }
                let work = move || {
                    writer.perform(group);
                    writer
                };
                writer = blocking.run(work).await;
            }
        });
        Self::Task(sender)
    }

    pub(super) fn inline(writer: Writer) -> Self {
        Self::Inline(Arc::new(Mutex::new(writer)))
    }

    /// Hands a change over and returns at once; `done` hears the outcome.
    pub(super) fn send(&self, change: Change, done: Done) {
        match self {
            Self::Thread(sender) => {
                if let Err(mpsc::SendError((_, done))) = sender.send((change, DoneBox(done))) {
                    done.0(Err(io::Error::other("the Raft log's writer has ended")));
                }
            }
            Self::Task(sender) => {
                if let Err(error) = sender.send((change, DoneBox(done))) {
                    let DoneBox(done) = error.0.1;
                    done(Err(io::Error::other("the Raft log's writer has ended")));
                }
            }
            Self::Inline(writer) => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                writer.perform([(change, done)]);
            }
        }
    }
}
