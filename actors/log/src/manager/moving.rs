//! Moving a log to another directory while it is written and read.
//!
//! ```text
//! D1/orders-0                          D2/orders-0.<hex>-future
//!   read ----------------------------->  append, batch by batch, behind the writer's back
//!   with the writer held up, at last:    the rest is copied and everything synced
//!                                        renamed to D2/orders-0
//!   renamed to ...-delete
//! ```
//!
//! Readers and the writer keep the log they have: it changes its home, not its identity. A process that
//! is killed finds the copy and goes on with it; between the two renames it finds both, which are the
//! same, and sets one aside.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use odeon_kernel::Signal;
use odeon_model::TopicPartition;

use super::dir::Dir;
use super::{DeadFolder, LogManager};
use crate::checkpoint::HIGH_WATERMARK;
use crate::error::{At, LogError, Result};
use crate::files::{lock, read, write};
use crate::log::{Lease, Log};
use crate::names::{DELETE_DIR, FUTURE_DIR, dir_name, retired_dir_name};
use crate::recovery::{Known, Recovered, load};
use crate::writer::LogWriter;

mod copying;

use copying::{copy, is_beginning_of, sync};

/// Bytes that are copied while the writer is held up.
const HELD_UP_BYTES: usize = 1 << 20;
/// Partitions whose directory is remembered before they are made.
const PREFERRED_MAX: usize = 10_000;

/// A copy that grows.
#[derive(Debug)]
pub(super) struct Future {
    log: Log,
    writer: Mutex<LogWriter>,
}

/// A move under way.
#[derive(Debug, Clone)]
pub struct Move {
    /// The log as it is.
    pub current: Log,
    /// The copy that shall take its place.
    pub future: Log,
}

/// What a step of a move came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveStep {
    /// So many bytes were copied, and there is more to do.
    Copied(usize),
    /// The copy has everything, and the writer was busy: try again soon.
    Waits,
    /// The log is in its new directory.
    Done,
    /// There is nothing to move any more.
    Gone,
}

impl LogManager {
    /// Begins to move a log to another of the directories; false if it is there, or on its way there,
    /// already. A move to somewhere else ends. Blocks.
    ///
    /// # Errors
    /// `NoSuchDirectory`; `Offline`; `NoSuchLog`; `Io`, which takes the directory offline.
    pub fn begin_move(&self, partition: &TopicPartition, target: &Path) -> Result<bool> {
        let _one_at_a_time = lock(&self.changes);
        let dir = self.dir_at(target)?;
        dir.state.check()?;
        let current = self.get(partition).ok_or_else(|| LogError::NoSuchLog {
            partition: partition.clone(),
        })?;
        current.shared.check_usable()?;
        let known = lock(&self.futures).get(partition).cloned();
        if known.is_some_and(|known| Arc::ptr_eq(&known.log.directory(), &dir.state)) {
            return Ok(false);
        }
        self.drop_future(partition);
        if Arc::ptr_eq(&current.directory(), &dir.state) {
            return Ok(false);
        }
        let name = retired_dir_name(partition, self.rng.bytes16(), FUTURE_DIR);
        let path = dir.state.path().join(name);
        let made = self.make_folder(&path, current.topic_id());
        if let Err(error) = &made {
            dir.state.judge(error);
        }
        let recovered = Recovered {
            made: Some(made?),
            ..Recovered::default()
        };
        self.add_future(&current, dir, path, recovered)?;
        self.moves.notify();
        Ok(true)
    }

    /// Remembers where a partition shall be made that is not here yet.
    ///
    /// # Errors
    /// `NoSuchDirectory`; `Offline`.
    pub fn prefer(&self, partition: &TopicPartition, target: &Path) -> Result<()> {
        let dir = self.dir_at(target)?;
        dir.state.check()?;
        let mut preferred = lock(&self.preferred);
        if preferred.len() < PREFERRED_MAX {
            preferred.insert(partition.clone(), dir.state.path().to_owned());
        }
        Ok(())
    }

    /// The directory that was asked for, if it works.
    pub(super) fn preferred_dir(&self, partition: &TopicPartition) -> Option<&Dir> {
        let path = lock(&self.preferred).remove(partition)?;
        let mut online = self.dirs.iter().filter(|dir| !dir.state.is_offline());
        online.find(|dir| dir.state.path() == path)
    }

    /// The moves under way, by topic and partition.
    pub fn moves(&self) -> Vec<Move> {
        let futures = lock(&self.futures);
        let both = futures.iter().filter_map(|(partition, future)| {
            Some(Move {
                current: self.get(partition)?,
                future: future.log.clone(),
            })
        });
        both.collect()
    }

    /// Rings when a move begins.
    pub fn moves_begin(&self) -> &Signal {
        &self.moves
    }

    /// Ends a move; what was copied goes. Blocks.
    pub fn cancel_move(&self, partition: &TopicPartition) {
        let _one_at_a_time = lock(&self.changes);
        self.drop_future(partition);
    }

    /// Copies about so many bytes of a log that moves; with everything copied, the log changes its
    /// directory. Blocks.
    ///
    /// # Errors
    /// `Corrupt`: the log is damaged, which is noted. `Io`, which takes one of the directories offline;
    /// the move is over then.
    pub fn advance_move(&self, partition: &TopicPartition, max_bytes: usize) -> Result<MoveStep> {
        let Some(future) = lock(&self.futures).get(partition).cloned() else {
            return Ok(MoveStep::Gone);
        };
        let Some(current) = self.get(partition) else {
            self.cancel_move(partition);
            return Ok(MoveStep::Gone);
        };
        let mut writer = lock(&future.writer);
        let done = self.try_advance(&current, &future, &mut writer, max_bytes);
        let is_over = match &done {
            Ok(step) => *step == MoveStep::Done,
            Err(_) => {
                let both = [current.directory(), future.log.directory()];
                both.iter().any(|dir| dir.is_offline())
            }
        };
        if is_over {
            let mut futures = lock(&self.futures);
            let same = |known: &Arc<Future>| Arc::ptr_eq(known, &future);
            if futures.get(partition).is_some_and(same) {
                futures.remove(partition);
            }
        }
        done
    }

    fn try_advance(
        &self,
        current: &Log,
        future: &Future,
        writer: &mut LogWriter,
        max_bytes: usize,
    ) -> Result<MoveStep> {
        if !is_beginning_of(&future.log, current) {
            writer.truncate_fully_and_start_at(current.view().log_start())?;
        }
        match copy(current, &future.log, writer, max_bytes)? {
            0 => {}
            bytes => return Ok(MoveStep::Copied(bytes)),
        }
        // Most of it beside the writer.
        sync(writer)?;
        match self.swap(current, future, writer)? {
            true => Ok(MoveStep::Done),
            false => Ok(MoveStep::Waits),
        }
    }

    /// Holds the writer up, copies what is left, and has the copy take the log's place.
    fn swap(&self, current: &Log, future: &Future, writer: &mut LogWriter) -> Result<bool> {
        let _one_at_a_time = lock(&self.changes);
        let shared = &current.shared;
        let mut core = lock(&shared.core);
        shared.check_usable()?;
        if !core.staged.is_empty() || current.damage().is_some() {
            return Ok(false);
        }
        if !is_beginning_of(&future.log, current) {
            return Ok(false);
        }
        copy(current, &future.log, writer, HELD_UP_BYTES)?;
        let view = current.view();
        if future.log.view().log_end() != view.log_end() {
            return Ok(false);
        }
        *write(&future.log.shared.epochs) = read(&shared.epochs).clone();
        future
            .log
            .shared
            .epochs_changed
            .store(true, Ordering::Release);
        lock(&future.log.shared.core).unsynced.folder = true;
        sync(writer)?;
        future.log.shared.judge(future.log.shared.save_epochs())?;
        let partition = current.partition();
        let (from, to) = (current.directory(), future.log.directory());
        let renamed = self.take_place(current, future);
        future.log.shared.judge(renamed)?;
        let (old, place) = (current.folder(), shared.place());
        shared.adopt_home(&mut core, &future.log);
        drop(core);
        from.count_log(-1);
        let gone = retired_dir_name(partition, self.rng.bytes16(), DELETE_DIR);
        let gone = from.path().join(gone);
        let moved = self.disk.rename(&old, &gone).at("renaming", &old);
        let moved = moved.and_then(|()| {
            let parent = from.path();
            self.disk.sync_dir(parent).at("syncing", parent)?;
            from.checkpoints.forget(partition)
        });
        match moved {
            Err(error) => from.judge(&error),
            Ok(()) => {
                place.folder.moved_to(gone.clone());
                self.bury(current, from.clone(), gone);
            }
        }
        self.note_home(current);
        tracing::info!(%partition, from = %from.path().display(), to = %to.path().display(), "a replica moved");
        Ok(true)
    }

    /// Renames the copy to what the log is called, durably; from then on it is the log.
    fn take_place(&self, current: &Log, future: &Future) -> Result<()> {
        let (partition, view) = (current.partition(), current.view());
        let dir = future.log.directory();
        dir.checkpoints
            .set(partition, view.log_start()..view.log_end())?;
        dir.checkpoints.update(HIGH_WATERMARK, |table| {
            let mut table = table.clone();
            table.insert(partition.clone(), view.high_watermark());
            table
        })?;
        let (from, to) = (future.log.folder(), dir.path().join(dir_name(partition)));
        self.disk.rename(&from, &to).at("renaming", &from)?;
        future.log.shared.place().folder.moved_to(to);
        self.disk.sync_dir(dir.path()).at("syncing", dir.path())
    }

    /// Has a folder removed once nobody reads it any more.
    fn bury(&self, log: &Log, dir: Arc<crate::DirState>, path: PathBuf) {
        let delay_ms = log.config().file_delete_delay_ms.max(0);
        let due = self.clock.monotonic() + Duration::from_millis(delay_ms.unsigned_abs());
        lock(&self.dead).push(DeadFolder { dir, path, due });
    }

    /// Forgets a copy; its files go. The caller holds `changes`.
    pub(super) fn drop_future(&self, partition: &TopicPartition) {
        let Some(future) = lock(&self.futures).remove(partition) else {
            return;
        };
        future.log.mark_closed();
        let (dir, path) = (future.log.directory(), future.log.folder());
        dir.count_log(-1);
        if !dir.is_offline() {
            self.discard(&dir, path, partition);
        }
    }

    /// Has the folder of a copy removed.
    fn discard(&self, dir: &Arc<crate::DirState>, path: PathBuf, partition: &TopicPartition) {
        let name = retired_dir_name(partition, self.rng.bytes16(), DELETE_DIR);
        let gone = dir.path().join(name);
        match self.disk.rename(&path, &gone).at("renaming", &path) {
            Err(error) => dir.judge(&error),
            Ok(()) => lock(&self.dead).push(DeadFolder {
                dir: dir.clone(),
                path: gone,
                due: Duration::ZERO,
            }),
        }
    }

    /// Goes on with a copy that an earlier process began, if there is something left to move.
    pub(super) fn resume_move(&self, partition: &TopicPartition, dir: &Dir, path: PathBuf) {
        let _one_at_a_time = lock(&self.changes);
        let Some(current) = self.get(partition) else {
            // Its directory may be back the next time.
            return;
        };
        let wanted = current.topic_id();
        let topic_id = crate::checkpoint::read_topic_id(&self.disk, &path);
        let is_its = matches!(topic_id, Ok(Some(found)) if found == wanted);
        let is_elsewhere = !Arc::ptr_eq(&current.directory(), &dir.state);
        let is_first = !lock(&self.futures).contains_key(partition);
        let resumed = match is_its && is_elsewhere && is_first {
            false => Ok(false),
            true => load(&self.place(path.clone()), &self.defaults, Known::default())
                .and_then(|recovered| self.add_future(&current, dir, path.clone(), recovered))
                .map(|()| true),
        };
        match resumed {
            Ok(true) => {}
            Ok(false) => self.discard(&dir.state, path, partition),
            Err(error) => {
                tracing::warn!(%partition, %error, "a copy begins anew");
                dir.state.judge(&error);
                self.discard(&dir.state, path, partition);
            }
        }
    }

    fn add_future(
        &self,
        current: &Log,
        dir: &Dir,
        path: PathBuf,
        recovered: Recovered,
    ) -> Result<()> {
        let partition = current.partition().clone();
        let config = crate::LogConfig::clone(&current.config());
        let (place, topic_id) = (self.place(path), current.topic_id());
        let log = self.assemble(&partition, topic_id, place, dir, config, recovered);
        let lease = Lease {
            leader_epoch: 0,
            incarnation: 0,
        };
        let writer = Mutex::new(log.take_lease(lease)?);
        lock(&self.futures).insert(partition, Arc::new(Future { log, writer }));
        Ok(())
    }

    fn dir_at(&self, target: &Path) -> Result<&Dir> {
        let is_it = |dir: &&Dir| {
            let path = dir.state.path();
            path == target || std::path::absolute(path).is_ok_and(|path| path == target)
        };
        let found = self.dirs.iter().find(is_it);
        found.ok_or_else(|| LogError::NoSuchDirectory {
            dir: target.to_owned(),
        })
    }
}
