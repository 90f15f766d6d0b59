//! The log directories and the logs in them.
//!
//! Opening takes each directory's lock and checks whose it is; loading brings every partition's log
//! back; a directory that fails goes offline with its logs and the others go on. The owner calls
//! [`LogManager::checkpoint`] and [`LogManager::run_deletions`] now and then, and
//! [`LogManager::shutdown`] once.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use odeon_kernel::clock::SharedClock;
use odeon_kernel::disk::{DirLock, SharedDisk};
use odeon_kernel::rng::Rng;
use odeon_model::{NodeId, Offset, TopicPartition, Uuid};

use crate::checkpoint::{self, HIGH_WATERMARK, LOG_START, RECOVERY_POINT};
use crate::config::LogConfig;
use crate::dir::DirState;
use crate::error::{At, LogError, Result};
use crate::files::{FileCache, Folder, lock, read, remove_if_there, write};
use crate::log::Log;
use crate::meta::{CLEAN_SHUTDOWN, LOCK, MetaProperties};
use crate::names::{DELETE_DIR, LOG, deleted_dir_name, dir_name, is_legal_topic, parse_dir_name};
use crate::recovery::{Known, Recovered, RecoveryReport, load};
use crate::segment::Place;

/// Folders that look like partitions but belong to others.
const FOREIGN: [&str; 1] = ["__cluster_metadata"];

/// What a [`LogManager`] needs to know.
#[derive(Debug, Clone)]
pub struct ManagerConfig {
    /// `log.dirs`, in their order; the first one may hold other things beside the logs.
    pub dirs: Vec<PathBuf>,
    /// The node's id.
    pub node_id: NodeId,
    /// The cluster's id, written into new directories and checked in old ones.
    pub cluster_id: String,
    /// The settings of loaded logs until [`Log::set_config`] brings their own.
    pub defaults: LogConfig,
    /// Files kept open at once, for all logs.
    pub max_open_files: usize,
}

/// What loading found.
#[derive(Debug, Default)]
pub struct LoadSummary {
    /// Logs that are ready.
    pub loaded: usize,
    /// Logs that are not, and why; their files are left as they are.
    pub failed: Vec<(TopicPartition, LogError)>,
    /// Directories that had not been closed properly.
    pub unclean_dirs: usize,
    /// What recovery did, for the logs where it did something.
    pub recovered: Vec<(TopicPartition, RecoveryReport)>,
}

#[derive(Debug)]
struct Dir {
    state: Arc<DirState>,
    clean: bool,
    recovery_points: HashMap<TopicPartition, Offset>,
    log_starts: HashMap<TopicPartition, Offset>,
    high_watermarks: HashMap<TopicPartition, Offset>,
    /// Logs that could not be loaded: what is known of them is kept.
    failed: Mutex<HashSet<TopicPartition>>,
    /// The checkpoints' last content.
    written: Mutex<HashMap<&'static str, Vec<(TopicPartition, Offset)>>>,
    #[expect(dead_code, reason = "held until the manager is dropped")]
    lock: Option<Box<dyn DirLock>>,
}

#[derive(Debug)]
struct DeadFolder {
    dir: Arc<DirState>,
    path: PathBuf,
    due: Duration,
}

/// All logs of a node.
#[derive(Debug)]
pub struct LogManager {
    disk: SharedDisk,
    clock: SharedClock,
    rng: Arc<Rng>,
    cache: Arc<FileCache>,
    defaults: LogConfig,
    dirs: Vec<Dir>,
    logs: RwLock<HashMap<TopicPartition, Log>>,
    /// One creation or deletion at a time.
    changes: Mutex<()>,
    dead: Mutex<Vec<DeadFolder>>,
}

impl LogManager {
    /// Opens the directories; missing ones are made. One that the disk refuses is offline from the
    /// start. The logs come with [`LogManager::load_all`].
    ///
    /// # Errors
    /// `Locked` if another process uses a directory; `WrongOwner` if it belongs to another node or
    /// cluster, or two of them have the same id; `NoDirectory` if none is left.
    pub fn open(
        config: ManagerConfig,
        disk: SharedDisk,
        clock: SharedClock,
        rng: Arc<Rng>,
    ) -> Result<Self> {
        let mut dirs: Vec<Dir> = Vec::with_capacity(config.dirs.len());
        for path in &config.dirs {
            let dir = match open_dir(&disk, &rng, &config, path) {
                Err(error @ LogError::Io { .. }) => {
                    let state = Arc::new(DirState::new(path.clone(), Uuid::ZERO));
                    state.fail(&error.to_string());
                    Dir::new(state, false, None)
                }
                other => other?,
            };
            let twin = dirs.iter().find(|other| other.state.id() == dir.state.id());
            if let Some(twin) = twin.filter(|_| !dir.state.is_offline()) {
                return Err(LogError::WrongOwner {
                    path: path.join(crate::meta::META),
                    key: "directory.id",
                    found: dir.state.id().to_string(),
                    wanted: format!("another one than {}", twin.state.path().display()),
                });
            }
            dirs.push(dir);
        }
        let manager = Self {
            cache: FileCache::new(config.max_open_files),
            defaults: config.defaults,
            dirs,
            logs: RwLock::default(),
            changes: Mutex::default(),
            dead: Mutex::default(),
            disk,
            clock,
            rng,
        };
        manager.check_any_online()?;
        manager.refresh_space();
        Ok(manager)
    }

    fn check_any_online(&self) -> Result<()> {
        let any = self.dirs.iter().any(|dir| !dir.state.is_offline());
        if any {
            Ok(())
        } else {
            Err(LogError::NoDirectory)
        }
    }

    /// The directories, working or not, in the order of the configuration.
    pub fn directories(&self) -> impl Iterator<Item = &Arc<DirState>> {
        self.dirs.iter().map(|dir| &dir.state)
    }

    /// Files open now.
    pub fn open_files(&self) -> usize {
        self.cache.open_files()
    }

    /// Loads every log of every working directory. A log that cannot be loaded is named in the
    /// summary and its files stay as they are; a failing disk takes its directory offline.
    ///
    /// # Errors
    /// `NoDirectory` if no directory is left.
    pub fn load_all(&self) -> Result<LoadSummary> {
        let mut summary = LoadSummary::default();
        for dir in self.dirs.iter().filter(|dir| !dir.state.is_offline()) {
            summary.unclean_dirs += usize::from(!dir.clean);
            if let Err(error) = self.load_dir(dir, &mut summary) {
                dir.state.fail(&error.to_string());
            }
        }
        self.check_any_online()?;
        Ok(summary)
    }

    fn load_dir(&self, dir: &Dir, summary: &mut LoadSummary) -> Result<()> {
        let root = dir.state.path();
        for entry in self.disk.read_dir(root).at("listing", root)? {
            if !entry.is_dir {
                continue;
            }
            if entry.name.ends_with(DELETE_DIR) {
                let (path, due) = (root.join(&entry.name), Duration::ZERO);
                lock(&self.dead).push(DeadFolder {
                    dir: dir.state.clone(),
                    path,
                    due,
                });
                continue;
            }
            let Some(partition) = parse_dir_name(&entry.name) else {
                tracing::debug!(folder = entry.name, "not a partition's folder");
                continue;
            };
            if FOREIGN.contains(&&*partition.topic) {
                continue;
            }
            match self.load_one(dir, &partition) {
                Ok(Some((log, report))) => {
                    if report != RecoveryReport::default() {
                        summary.recovered.push((partition.clone(), report));
                    }
                    write(&self.logs).insert(partition, log);
                    summary.loaded += 1;
                }
                Ok(None) => {}
                Err(error) if error.takes_dir_offline() => return Err(error),
                Err(error) => {
                    tracing::error!(%partition, %error, "a log cannot be loaded");
                    lock(&dir.failed).insert(partition.clone());
                    summary.failed.push((partition, error));
                }
            }
        }
        Ok(())
    }

    fn load_one(
        &self,
        dir: &Dir,
        partition: &TopicPartition,
    ) -> Result<Option<(Log, RecoveryReport)>> {
        let path = dir.state.path().join(dir_name(partition));
        if let Some(other) = self.get(partition) {
            let detail = format!("{} holds the same partition", other.folder().display());
            return Err(LogError::Corrupt { path, detail });
        }
        let topic_id = checkpoint::read_topic_id(&self.disk, &path)?;
        if topic_id.is_none() && self.is_half_made(&path)? {
            self.disk.remove_dir_all(&path).at("removing", &path)?;
            return Ok(None);
        }
        let place = self.place(path);
        let known = Known {
            clean: dir.clean,
            recovery_point: dir.recovery_points.get(partition).copied(),
            log_start: dir.log_starts.get(partition).copied(),
            high_watermark: dir.high_watermarks.get(partition).copied(),
        };
        let recovered = load(&place, &self.defaults, known)?;
        let report = recovered.report;
        let topic_id = topic_id.unwrap_or(Uuid::ZERO);
        let log = self.assemble(
            partition,
            topic_id,
            place,
            dir,
            self.defaults.clone(),
            recovered,
        );
        Ok(Some((log, report)))
    }

    /// A folder whose creation was interrupted: no id yet, and nothing written.
    fn is_half_made(&self, path: &Path) -> Result<bool> {
        let entries = self.disk.read_dir(path).at("listing", path)?;
        Ok(!entries.iter().any(|entry| entry.name.contains(LOG)))
    }

    fn place(&self, path: PathBuf) -> Place {
        let (disk, cache) = (self.disk.clone(), self.cache.clone());
        Place {
            disk,
            cache,
            folder: Folder::new(path),
        }
    }

    fn assemble(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        place: Place,
        dir: &Dir,
        config: LogConfig,
        recovered: Recovered,
    ) -> Log {
        Log::assemble(
            partition.clone(),
            topic_id,
            place,
            dir.state.clone(),
            config,
            recovered,
        )
    }

    /// A log that is there, working or in a failed directory.
    pub fn get(&self, partition: &TopicPartition) -> Option<Log> {
        read(&self.logs).get(partition).cloned()
    }

    /// All logs, in no order.
    pub fn logs(&self) -> Vec<Log> {
        read(&self.logs).values().cloned().collect()
    }

    /// The log of a partition, made durably if it is missing, in the working directory with the
    /// fewest partitions.
    ///
    /// # Errors
    /// `WrongTopicId` if the folder belongs to a topic of the same name; `BadName`; `NoDirectory`;
    /// `Corrupt` if loading had failed; `Io`, which takes the directory offline.
    pub fn create(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        config: LogConfig,
    ) -> Result<Log> {
        if !is_legal_topic(&partition.topic) || partition.partition < 0 {
            return Err(LogError::BadName {
                partition: partition.clone(),
            });
        }
        let _one_at_a_time = lock(&self.changes);
        if let Some(log) = self.get(partition) {
            return self.adopt(log, topic_id, config);
        }
        if let Some(dir) = self
            .dirs
            .iter()
            .find(|dir| lock(&dir.failed).contains(partition))
        {
            let path = dir.state.path().join(dir_name(partition));
            let detail = "it could not be loaded".to_owned();
            return Err(LogError::Corrupt { path, detail });
        }
        let dir = self.emptiest()?;
        let path = dir.state.path().join(dir_name(partition));
        let made = self.make_folder(dir, &path, topic_id);
        if let Err(error) = &made {
            dir.state.judge(error);
        }
        made?;
        let (place, empty) = (self.place(path), Recovered::default());
        let log = self.assemble(partition, topic_id, place, dir, config, empty);
        write(&self.logs).insert(partition.clone(), log.clone());
        Ok(log)
    }

    fn adopt(&self, log: Log, topic_id: Uuid, config: LogConfig) -> Result<Log> {
        let found = log.topic_id();
        if found.is_zero() {
            checkpoint::write_topic_id(&self.disk, &log.folder(), topic_id)?;
            *write(&log.shared.topic_id) = topic_id;
        } else if found != topic_id {
            let path = log.folder();
            return Err(LogError::WrongTopicId {
                path,
                found,
                wanted: topic_id,
            });
        }
        log.set_config(config);
        Ok(log)
    }

    fn make_folder(&self, dir: &Dir, path: &Path, topic_id: Uuid) -> Result<()> {
        self.disk.create_dir_all(path).at("making", path)?;
        checkpoint::write_topic_id(&self.disk, path, topic_id)?;
        let root = dir.state.path();
        self.disk.sync_dir(root).at("syncing", root)
    }

    fn emptiest(&self) -> Result<&Dir> {
        let mut counts: HashMap<*const DirState, usize> = HashMap::new();
        for log in read(&self.logs).values() {
            *counts.entry(Arc::as_ptr(log.directory())).or_default() += 1;
        }
        let online = self.dirs.iter().filter(|dir| !dir.state.is_offline());
        online
            .min_by_key(|dir| counts.get(&Arc::as_ptr(&dir.state)).copied().unwrap_or(0))
            .ok_or(LogError::NoDirectory)
    }

    /// Takes a log away: its folder is renamed, its writer and readers get `Closed`, and the files go
    /// with a later [`LogManager::run_deletions`].
    ///
    /// # Errors
    /// `NoSuchLog`; `Offline`; `Io`, which takes the directory offline.
    pub fn delete(&self, partition: &TopicPartition) -> Result<()> {
        let _one_at_a_time = lock(&self.changes);
        let missing = || LogError::NoSuchLog {
            partition: partition.clone(),
        };
        let log = self.get(partition).ok_or_else(missing)?;
        log.shared.dir.check()?;
        log.mark_closed();
        let dir = log.directory().clone();
        let from = log.folder();
        let to = dir
            .path()
            .join(deleted_dir_name(partition, self.rng.bytes16()));
        let moved = self
            .disk
            .rename(&from, &to)
            .at("renaming", &from)
            .and_then(|()| {
                log.shared.place.folder.moved_to(to.clone());
                self.disk.sync_dir(dir.path()).at("syncing", dir.path())
            });
        log.shared.judge(moved)?;
        write(&self.logs).remove(partition);
        let delay_ms = log.config().file_delete_delay_ms.max(0).unsigned_abs();
        let due = self.clock.monotonic() + Duration::from_millis(delay_ms);
        lock(&self.dead).push(DeadFolder { dir, path: to, due });
        Ok(())
    }

    /// Removes the folders of deleted logs whose delay has passed. How many.
    pub fn run_deletions(&self) -> usize {
        let now = self.clock.monotonic();
        let (due, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut *lock(&self.dead))
            .into_iter()
            .partition(|dead| dead.due <= now);
        lock(&self.dead).extend(waiting);
        for dead in due.iter().filter(|dead| !dead.dir.is_offline()) {
            let removed = self
                .disk
                .remove_dir_all(&dead.path)
                .at("removing", &dead.path);
            match removed {
                Err(LogError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => dead.dir.judge(&error),
                Ok(()) => {}
            }
        }
        due.len()
    }

    /// Looks how much disk there is; at most a twentieth of what is free is reserved ahead of logs.
    pub fn refresh_space(&self) {
        for dir in self.dirs.iter().filter(|dir| !dir.state.is_offline()) {
            let space = self.disk.space_bytes(dir.state.path());
            dir.state
                .ahead
                .set_limit(space.map_or(0, |(free, _)| free / 20));
        }
    }

    /// Writes the recovery points, log starts and high watermarks that changed. A directory whose
    /// disk refuses goes offline.
    pub fn checkpoint(&self) {
        let logs = self.logs();
        for dir in self.dirs.iter().filter(|dir| !dir.state.is_offline()) {
            if let Err(error) = self.checkpoint_dir(dir, &logs) {
                dir.state.fail(&error.to_string());
            }
        }
    }

    fn checkpoint_dir(&self, dir: &Dir, logs: &[Log]) -> Result<()> {
        let mut mine: Vec<&Log> = logs
            .iter()
            .filter(|log| Arc::ptr_eq(log.directory(), &dir.state))
            .collect();
        mine.sort_by(|a, b| a.partition().cmp(b.partition()));
        // The epochs first: a recovery point says that nothing before it needs to be read again.
        mine.iter().try_for_each(|log| log.shared.save_epochs())?;
        let failed = lock(&dir.failed);
        let write = |name: &'static str,
                     known: &HashMap<TopicPartition, Offset>,
                     value: &dyn Fn(&Log) -> Offset| {
            let kept = failed
                .iter()
                .filter_map(|p| Some((p.clone(), *known.get(p)?)));
            let live = mine.iter().map(|log| (log.partition().clone(), value(log)));
            let offsets: Vec<_> = live.chain(kept).collect();
            let mut written = lock(&dir.written);
            if written.get(name) == Some(&offsets) {
                return Ok(());
            }
            checkpoint::write_offsets(&self.disk, &dir.state.path().join(name), &offsets)?;
            written.insert(name, offsets);
            Ok(())
        };
        write(LOG_START, &dir.log_starts, &|log| log.view().log_start())?;
        write(RECOVERY_POINT, &dir.recovery_points, &|log| {
            log.view().recovery_point()
        })?;
        write(HIGH_WATERMARK, &dir.high_watermarks, &|log| {
            log.view().high_watermark()
        })
    }

    /// Closes all logs and leaves the mark of a clean stop in every directory where everything went
    /// well, so that the next start reads nothing. `broker_epoch` is noted in it, -1 for none.
    /// Directories stay locked until the manager is dropped. How many directories are clean.
    pub fn shutdown(&self, broker_epoch: i64) -> usize {
        let logs = self.logs();
        let mut clean = 0;
        for dir in self.dirs.iter().filter(|dir| !dir.state.is_offline()) {
            let mine = logs
                .iter()
                .filter(|log| Arc::ptr_eq(log.directory(), &dir.state));
            let closed = mine.into_iter().try_for_each(Log::close);
            let outcome = closed
                .and_then(|()| self.checkpoint_dir(dir, &logs))
                .and_then(|()| {
                    if !lock(&dir.failed).is_empty() {
                        return Ok(());
                    }
                    let path = dir.state.path().join(CLEAN_SHUTDOWN);
                    let text = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
                    clean += 1;
                    self.disk
                        .write_atomic(&path, text.as_bytes())
                        .at("writing", &path)
                });
            if let Err(error) = outcome {
                tracing::error!(dir = %dir.state.path().display(), %error, "not closed cleanly");
            }
        }
        clean
    }
}

impl Dir {
    fn new(state: Arc<DirState>, clean: bool, lock: Option<Box<dyn DirLock>>) -> Self {
        Self {
            state,
            clean,
            lock,
            recovery_points: HashMap::new(),
            log_starts: HashMap::new(),
            high_watermarks: HashMap::new(),
            failed: Mutex::default(),
            written: Mutex::default(),
        }
    }
}

fn open_dir(disk: &SharedDisk, rng: &Rng, config: &ManagerConfig, path: &Path) -> Result<Dir> {
    disk.create_dir_all(path).at("making", path)?;
    let lock_path = path.join(LOCK);
    let lock = match disk.lock(&lock_path) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            return Err(LogError::Locked {
                dir: path.to_owned(),
            });
        }
        other => other.at("locking", &lock_path)?,
    };
    let meta = match MetaProperties::read(disk, path)? {
        Some(meta) => {
            meta.check(path, &config.cluster_id, config.node_id)?;
            meta
        }
        None => MetaProperties {
            cluster_id: config.cluster_id.clone(),
            node_id: config.node_id,
            directory_id: Uuid::ZERO,
        },
    };
    let directory_id = if meta.directory_id.is_zero() {
        let meta = MetaProperties {
            directory_id: Uuid::from_random(rng.bytes16()),
            ..meta
        };
        meta.write(disk, path)?;
        meta.directory_id
    } else {
        meta.directory_id
    };
    // The mark counts once, and is gone for good before anything is written.
    let mark = path.join(CLEAN_SHUTDOWN);
    let clean = disk.exists(&mark);
    if clean {
        remove_if_there(disk, &mark)?;
        disk.sync_dir(path).at("syncing", path)?;
    }
    let mut dir = Dir::new(
        Arc::new(DirState::new(path.to_owned(), directory_id)),
        clean,
        Some(lock),
    );
    let offsets = |name: &str| match checkpoint::read_offsets(disk, &path.join(name)) {
        Err(LogError::Corrupt { path, detail }) => {
            tracing::warn!(path = %path.display(), detail, "starting without this checkpoint");
            Ok(None)
        }
        other => other.map(Some),
    };
    let recovery_points = offsets(RECOVERY_POINT)?;
    // Without recovery points everything must be read, whatever the mark says.
    dir.clean &= recovery_points.is_some();
    dir.recovery_points = recovery_points.unwrap_or_default();
    dir.log_starts = offsets(LOG_START)?.unwrap_or_default();
    dir.high_watermarks = offsets(HIGH_WATERMARK)?.unwrap_or_default();
    Ok(dir)
}
