//! The log directories and the logs in them.
//!
//! Opening takes each directory's lock and checks whose it is; loading brings every partition's log
//! back; a directory that fails goes offline with its logs and the others go on. The owner calls
//! [`LogManager::checkpoint`] and [`LogManager::run_deletions`] now and then, and
//! [`LogManager::shutdown`] once.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use odeon_kernel::Signal;
use odeon_kernel::clock::SharedClock;
use odeon_kernel::disk::{DiskFile, GatheringDisk, SharedDisk};
use odeon_kernel::rng::Rng;
use odeon_model::{NodeId, TopicPartition, Uuid};

use crate::checkpoint::{self};
use crate::config::LogConfig;
use crate::dir::DirState;
use crate::error::{At, LogError, Result};
use crate::files::{FileCache, Folder, lock, read, write};
use crate::log::Log;
use crate::meta::MetaProperties;
use crate::names::{dir_name, is_legal_topic};
use crate::recovery::Recovered;
use crate::segment::Place;

mod adopting;
mod closing;
mod dir;
mod homes;
mod loading;
mod moving;
mod retiring;

pub use adopting::{Adopted, Adoption};
use dir::{Dir, open_dir};
pub use dir::{claim, join};
use homes::Homes;
pub use loading::LoadSummary;
use moving::Future;
pub use moving::{Move, MoveStep};

/// What a [`LogManager`] needs to know.
#[derive(Debug, Clone)]
pub struct ManagerConfig {
    /// `log.dirs`, in their order; the first one may hold other things beside the logs.
    pub dirs: Vec<PathBuf>,
    /// The node's id.
    pub node_id: NodeId,
    /// The cluster's id, written into new directories and checked in old ones; `None` for the one
    /// that the directories name, which may be none before [`LogManager::join_cluster`].
    pub cluster_id: Option<String>,
    /// The settings of loaded logs until [`Log::set_config`] brings their own.
    pub defaults: LogConfig,
    /// Files kept open at once, for all logs.
    pub max_open_files: usize,
}

/// The cluster that the first of the directories names which names any.
fn named_cluster(disk: &SharedDisk, dirs: &[PathBuf]) -> Result<Option<String>> {
    for dir in dirs {
        match MetaProperties::read(disk, dir) {
            Ok(Some(MetaProperties {
                cluster_id: Some(cluster_id),
                ..
            })) => return Ok(Some(cluster_id)),
            // Whoever opens it next takes it offline.
            Ok(_) | Err(LogError::Io { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
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
    /// The same disk: where a start or a stop holds back syncs.
    gather: GatheringDisk,
    clock: SharedClock,
    rng: Arc<Rng>,
    cache: Arc<FileCache>,
    defaults: LogConfig,
    cluster_id: Mutex<Option<String>>,
    dirs: Vec<Dir>,
    logs: RwLock<HashMap<TopicPartition, Log>>,
    /// One creation or deletion at a time.
    changes: Mutex<()>,
    /// Copies that grow in other directories.
    futures: Mutex<BTreeMap<TopicPartition, Arc<Future>>>,
    /// Where partitions that are not here yet shall be made.
    preferred: Mutex<HashMap<TopicPartition, PathBuf>>,
    /// Rings when a move begins.
    moves: Signal,
    homes: Homes,
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
        let gather = GatheringDisk::new(disk);
        let disk: SharedDisk = Arc::new(gather.clone());
        let cluster_id = match &config.cluster_id {
            Some(cluster_id) => Some(cluster_id.clone()),
            None => named_cluster(&disk, &config.dirs)?,
        };
        let mut dirs: Vec<Dir> = Vec::with_capacity(config.dirs.len());
        for path in &config.dirs {
            let dir = match open_dir(&disk, &rng, &config, cluster_id.as_deref(), path) {
                Err(error @ LogError::Io { .. }) => {
                    let state = Arc::new(DirState::new(disk.clone(), path.clone(), Uuid::ZERO));
                    state.fail(&error.to_string());
                    Dir::new(state, (false, -1), None, None)
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
            cluster_id: Mutex::new(cluster_id),
            dirs,
            logs: RwLock::default(),
            changes: Mutex::default(),
            futures: Mutex::default(),
            preferred: Mutex::default(),
            moves: Signal::new(),
            homes: Homes::default(),
            dead: Mutex::default(),
            disk,
            gather,
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

    /// The cluster that the directories belong to; `None` until they belong to one.
    pub fn cluster_id(&self) -> Option<String> {
        lock(&self.cluster_id).clone()
    }

    /// The broker epoch under which the node was stopped before this start, if all directories were
    /// closed cleanly then; -1 otherwise.
    pub fn previous_broker_epoch(&self) -> i64 {
        let mut epochs = self.dirs.iter().map(|dir| dir.previous_epoch);
        let first = epochs.next().unwrap_or(-1);
        if epochs.all(|epoch| epoch == first) {
            first
        } else {
            -1
        }
    }

    /// Makes the directories the cluster's where they are nobody's yet; durable on return. One that
    /// the disk refuses goes offline. Blocks.
    ///
    /// # Errors
    /// `WrongOwner` if they belong to another one; `NoDirectory` if none is left.
    pub fn join_cluster(&self, cluster_id: &str) -> Result<()> {
        let mut known = lock(&self.cluster_id);
        for dir in self.dirs.iter().filter(|dir| !dir.state.is_offline()) {
            match join(&self.disk, dir.state.path(), cluster_id) {
                Err(error @ LogError::Io { .. }) => dir.state.fail(&error.to_string()),
                other => other?,
            }
        }
        self.check_any_online()?;
        *known = Some(cluster_id.to_owned());
        Ok(())
    }

    /// The directories, working or not, in the order of the configuration.
    pub fn directories(&self) -> impl Iterator<Item = &Arc<DirState>> {
        self.dirs.iter().map(|dir| &dir.state)
    }

    /// Files open now.
    pub fn open_files(&self) -> usize {
        self.cache.open_files()
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
        dir.state.count_log(1);
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

    /// All logs, by topic and partition.
    pub fn logs(&self) -> Vec<Log> {
        let mut logs: Vec<Log> = read(&self.logs).values().cloned().collect();
        logs.sort_by(|a, b| a.partition().cmp(b.partition()));
        logs
    }

    /// The log of a partition, made if it is missing, in the working directory that was asked for or
    /// has the fewest partitions. The folder becomes durable with the first sync of the log.
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
            return self.confirm(log, topic_id, config);
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
        let dir = match self.preferred_dir(partition) {
            Some(dir) => dir,
            None => self.emptiest()?,
        };
        let path = dir.state.path().join(dir_name(partition));
        let made = self.make_folder(&path, topic_id);
        if let Err(error) = &made {
            dir.state.judge(error);
        }
        let recovered = Recovered {
            made: Some(made?),
            ..Recovered::default()
        };
        let place = self.place(path);
        let log = self.assemble(partition, topic_id, place, dir, config, recovered);
        write(&self.logs).insert(partition.clone(), log.clone());
        self.note_home(&log);
        Ok(log)
    }

    /// Sees to it that a log that is there is the topic's.
    fn confirm(&self, log: Log, topic_id: Uuid, config: LogConfig) -> Result<Log> {
        let found = log.topic_id();
        if found.is_zero() {
            let folder = log.folder();
            let file = checkpoint::write_topic_id(&self.disk, &folder, topic_id)?;
            let synced = file.sync_data().and_then(|()| self.disk.sync_dir(&folder));
            log.shared
                .judge(synced.at("syncing the metadata in", &folder))?;
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

    fn make_folder(&self, path: &Path, topic_id: Uuid) -> Result<Arc<dyn DiskFile>> {
        self.disk.create_dir_all(path).at("making", path)?;
        checkpoint::write_topic_id(&self.disk, path, topic_id)
    }

    fn emptiest(&self) -> Result<&Dir> {
        let online = self.dirs.iter().filter(|dir| !dir.state.is_offline());
        online
            .min_by_key(|dir| dir.state.logs())
            .ok_or(LogError::NoDirectory)
    }

    /// Bytes free and in all on the file system of a directory; `None` when it is offline or does not
    /// tell. Blocks.
    pub fn space_bytes(&self, dir: &DirState) -> Option<(u64, u64)> {
        if dir.is_offline() {
            return None;
        }
        self.disk.space_bytes(dir.path()).ok()
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
}
