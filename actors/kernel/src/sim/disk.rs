//! A disk in memory that loses what was not synced.
//!
//! # The model
//! - A file's bytes change in sectors of 512 bytes. A sector that was written since the file's
//!   last successful `sync_data` holds, after a power cut, any of its versions since then.
//! - A file's length is, after a power cut, any of its lengths since the last sync, independently
//!   of its bytes: bytes within the length that did not survive are zeros or old.
//! - Names are changed by creations, removals and renames. Each of those since the last
//!   `sync_dir` of its directory survives or not, whole (a rename is atomic), and not without
//!   earlier ones of the same file. A rename across directories is durable once either directory
//!   is synced. A synced file without a durable name is lost.
//! - A failed `sync_data` drops its writes for good: they stay readable, later syncs succeed and
//!   do not bring them to the device, as on Linux. Only writing them again does.
//! - Nothing that was synced is ever lost, except to [`SimDisk::ignore_sync`], which plants that
//!   bug, and [`SimDisk::corrupt`], which is bit rot.
//! - Files that are open or locked when the power goes, or the process is killed, give errors.
//!
//! Space is counted in bytes of files that have a name; `allocate` only checks it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::SharedClock;
use crate::disk::{DirEntry, DirLock, Disk, DiskFile, OpenMode};
use crate::rng::Rng;

mod content;
mod file;
#[cfg(test)]
mod tests;
mod tree;

use file::{SimFile, SimLock};
use tree::{InodeId, Tree};

/// What a disk is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are the methods of Disk and DiskFile")]
pub enum DiskOp {
    Open,
    CreateDir,
    ReadDir,
    Rename,
    Remove,
    SyncDir,
    Lock,
    Read,
    Write,
    SyncData,
    SetLen,
    Allocate,
}

/// Called before each operation, on its thread and outside all locks: it may count, block, or
/// make the operation fail.
pub type DiskHook = Arc<dyn Fn(DiskOp, &Path) -> io::Result<()> + Send + Sync>;

/// Makes operations fail. A failing write still writes some of its bytes.
#[derive(Debug, Clone)]
pub struct DiskFault {
    /// Which operation.
    pub op: DiskOp,
    /// Only on paths that contain this; empty for all.
    pub path_contains: String,
    /// So many of them pass first.
    pub skip: u64,
    /// So many of them fail; then the fault is gone.
    pub times: u64,
    /// How they fail.
    pub error: io::ErrorKind,
}

impl DiskFault {
    /// The next `op` on any path fails once, with an error of no special kind.
    pub fn next(op: DiskOp) -> Self {
        let error = io::ErrorKind::Other;
        Self {
            op,
            path_contains: String::new(),
            skip: 0,
            times: 1,
            error,
        }
    }
}

/// A promise that the disk does not keep, to see whether a test notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IgnoredSync {
    /// `sync_data` does nothing.
    Files,
    /// `sync_dir` does nothing.
    Dirs,
    /// `sync_dir` does not make renames durable.
    Renames,
}

/// Which paths a planted bug is about.
pub type PathFilter = Arc<dyn Fn(&Path) -> bool + Send + Sync>;

/// A broken promise and where it is broken.
#[derive(Clone)]
struct Ignored {
    what: IgnoredSync,
    of: PathFilter,
}

/// A simulated disk; see the module documentation. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    shared: Arc<Shared>,
}

struct Shared {
    clock: SharedClock,
    state: Mutex<State>,
}

#[derive(Clone)]
struct State {
    tree: Tree,
    /// Counts power cuts and kills: files opened before are dead.
    epoch: u64,
    locks: HashSet<InodeId>,
    capacity_bytes: u64,
    faults: Vec<DiskFault>,
    ignored: Vec<Ignored>,
    hook: Option<DiskHook>,
    counts: HashMap<DiskOp, u64>,
}

impl SimDisk {
    /// An empty disk of 1 TiB; `clock` stamps modifications.
    pub fn new(clock: SharedClock) -> Self {
        let state = State {
            tree: Tree::new(),
            epoch: 0,
            locks: HashSet::new(),
            capacity_bytes: 1 << 40,
            faults: Vec::new(),
            ignored: Vec::new(),
            hook: None,
            counts: HashMap::new(),
        };
        Self {
            shared: Arc::new(Shared {
                clock,
                state: Mutex::new(state),
            }),
        }
    }

    /// A disk of its own with the same content and the same unsynced changes, so that several
    /// power cuts can be tried on one state.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = Mutex::new(self.shared.lock().clone());
        Self {
            shared: Arc::new(Shared {
                clock: Arc::clone(&self.shared.clock),
                state,
            }),
        }
    }

    /// Loses power: of what was not synced a random part survives. Open files and locks die.
    pub fn power_cut(&self, seed: u64) {
        let rng = Rng::from_seed(seed);
        // Different runs should favour the old or the new differently, not always be half-half.
        let bias = rng.below(4);
        self.cut(&mut |n| {
            let pick = rng.below(n as u64) as usize;
            match (bias, rng.below(4)) {
                (0, 1..) => 0,
                (1, 1..) => n - 1,
                _ => pick,
            }
        });
    }

    /// Loses power, and everything that was not synced.
    pub fn power_cut_losing_all(&self) {
        self.cut(&mut |_| 0);
    }

    fn cut(&self, choose: &mut dyn FnMut(usize) -> usize) {
        let mut state = self.shared.lock();
        state.end_epoch();
        state.tree.cut(choose);
    }

    /// Ends the process, not the machine: open files and locks die, no change is lost.
    pub fn kill_process(&self) {
        self.shared.lock().end_epoch();
    }

    /// Adds a fault.
    pub fn fail(&self, fault: DiskFault) {
        self.shared.lock().faults.push(fault);
    }

    /// Removes all faults; the hook stays.
    pub fn clear_faults_only(&self) {
        self.shared.lock().faults.clear();
    }

    /// Removes all faults and the hook.
    pub fn clear_faults(&self) {
        let mut state = self.shared.lock();
        state.faults.clear();
        state.hook = None;
    }

    /// Calls `hook` before each operation.
    pub fn set_hook(&self, hook: DiskHook) {
        self.shared.lock().hook = Some(hook);
    }

    /// Plants a bug: from now on this promise is broken.
    pub fn ignore_sync(&self, what: IgnoredSync) {
        self.ignore_sync_of(what, Arc::new(|_| true));
    }

    /// Plants a bug: from now on this promise is broken for some paths, which are those of the
    /// synced file, the synced directory, or the old and the new name of what was renamed.
    pub fn ignore_sync_of(&self, what: IgnoredSync, of: PathFilter) {
        self.shared.lock().ignored.push(Ignored { what, of });
    }

    /// Sets the size of the disk. Writes beyond it are done in part and fail.
    pub fn set_capacity_bytes(&self, capacity_bytes: u64) {
        self.shared.lock().capacity_bytes = capacity_bytes;
    }

    /// Flips the bits of `mask` in one byte of a file, durably.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn corrupt(&self, path: &Path, offset: u64, mask: u8) -> io::Result<()> {
        let mut state = self.shared.lock();
        let inode = state.tree.find(path)?;
        state
            .tree
            .file(inode)?
            .content
            .corrupt(to_usize(offset)?, mask);
        Ok(())
    }

    /// How many operations of a kind were asked for, failed ones included.
    pub fn count(&self, op: DiskOp) -> u64 {
        self.shared.lock().counts.get(&op).copied().unwrap_or(0)
    }

    /// Whether a power cut now would lose nothing.
    pub fn is_synced(&self) -> bool {
        self.shared.lock().tree.is_synced()
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk")
            .field("used_bytes", &self.shared.lock().tree.used_bytes)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation and lets hook and faults have their way with it.
    fn begin(&self, op: DiskOp, path: &Path) -> io::Result<()> {
        let hook = {
            let mut state = self.lock();
            *state.counts.entry(op).or_default() += 1;
            state.hook.clone()
        };
        if let Some(hook) = hook {
            hook(op, path)?;
        }
        self.lock().check_faults(op, path)
    }
}

impl State {
    fn end_epoch(&mut self) {
        self.epoch += 1;
        self.locks.clear();
    }

    fn check_faults(&mut self, op: DiskOp, path: &Path) -> io::Result<()> {
        let path = path.to_string_lossy();
        let fits = |fault: &DiskFault| fault.op == op && path.contains(&fault.path_contains);
        for fault in self.faults.iter_mut().filter(|fault| fits(fault)) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                return Err(io::Error::new(
                    fault.error,
                    format!("{op:?} of {path}: a fault"),
                ));
            }
        }
        self.faults.retain(|fault| fault.times > 0);
        Ok(())
    }

    fn ignores(&self, what: IgnoredSync, path: &Path) -> bool {
        let mut ignored = self.ignored.iter();
        ignored.any(|ignored| ignored.what == what && (ignored.of)(path))
    }

    fn free_bytes(&self) -> u64 {
        self.capacity_bytes.saturating_sub(self.tree.used_bytes)
    }
}

fn to_usize(offset: u64) -> io::Result<usize> {
    const MAX_FILE_BYTES: u64 = 1 << 40;
    if offset > MAX_FILE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    usize::try_from(offset).map_err(io::Error::other)
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.shared.begin(DiskOp::Open, path)?;
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.shared.lock();
        let inode = match (state.tree.find(path), mode) {
            (Ok(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Ok(inode), _) => inode,
            (Err(_), OpenMode::Create | OpenMode::CreateNew) => {
                state.tree.create_file(path, now_ms)?
            }
            (Err(error), OpenMode::Read | OpenMode::ReadWrite) => return Err(error),
        };
        if state.tree.is_dir(inode) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Arc::new(SimFile {
            shared: Arc::clone(&self.shared),
            path: path.to_owned(),
            inode,
            epoch: state.epoch,
            writable: mode != OpenMode::Read,
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.shared.begin(DiskOp::CreateDir, path)?;
        self.shared.lock().tree.create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.shared.begin(DiskOp::ReadDir, path)?;
        let entries = self.shared.lock().tree.list(path)?;
        Ok(entries
            .into_iter()
            .map(|(name, is_dir)| DirEntry { name, is_dir })
            .collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.shared.begin(DiskOp::Rename, from)?;
        self.shared.lock().tree.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.shared.begin(DiskOp::Remove, path)?;
        self.shared.lock().tree.remove(path, false)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.shared.begin(DiskOp::Remove, path)?;
        self.shared.lock().tree.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.shared.begin(DiskOp::SyncDir, path)?;
        let mut state = self.shared.lock();
        if state.ignores(IgnoredSync::Dirs, path) {
            return Ok(());
        }
        let State { tree, ignored, .. } = &mut *state;
        let renames = ignored
            .iter()
            .filter(|ignored| ignored.what == IgnoredSync::Renames);
        let filters: Vec<_> = renames.map(|ignored| &*ignored.of).collect();
        tree.sync_dir(path, &|name| filters.iter().any(|of| of(&path.join(name))))
    }

    fn exists(&self, path: &Path) -> bool {
        self.shared.lock().tree.find(path).is_ok()
    }

    fn space_bytes(&self, _path: &Path) -> io::Result<(u64, u64)> {
        let state = self.shared.lock();
        Ok((state.free_bytes(), state.capacity_bytes))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        self.shared.begin(DiskOp::Lock, path)?;
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.shared.lock();
        let inode = match state.tree.find(path) {
            Ok(inode) => inode,
            Err(_) => state.tree.create_file(path, now_ms)?,
        };
        if !state.locks.insert(inode) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let (shared, epoch) = (Arc::clone(&self.shared), state.epoch);
        Ok(Box::new(SimLock {
            shared,
            inode,
            epoch,
        }))
    }
}
