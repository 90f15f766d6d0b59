//! What a quorum is started with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::Blocking;
use odeon_kernel::clock::SharedClock;
use odeon_kernel::disk::SharedDisk;
use odeon_model::Uuid;

use crate::machine::StateMachine;
use crate::network::Peers;
use crate::types::ReplicaId;

/// The largest entry that may be proposed, in bytes.
pub const MAX_ENTRY_BYTES: usize = 256 * 1024;

/// A replica that votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    /// The node's id.
    pub node_id: i32,
    /// The id of its metadata log directory.
    pub directory_id: Uuid,
    /// Where it is reached, for whoever asks; the quorum itself reaches nodes by their id.
    pub endpoint: String,
}

impl Voter {
    pub(crate) fn replica(&self) -> ReplicaId {
        ReplicaId {
            node_id: self.node_id,
            directory_id: self.directory_id,
        }
    }
}

/// How fast a quorum reacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// How often a leader tells that it lives.
    pub heartbeat: Duration,
    /// A follower that heard nothing until the leader's lease ended, and then for a random time
    /// between this ...
    pub election_min: Duration,
    /// ... and this, stands for election. It is also how long a leader's lease lasts: a majority
    /// that heard of a leader elects no other for so long, unless that leader is proved to be dead.
    pub election_max: Duration,
    /// How long a proposal may wait: for the lease to be renewed, and for its commit. After that
    /// its outcome is [unknown](crate::ProposeError::Unknown).
    pub propose: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(50),
            election_min: Duration::from_millis(150),
            election_max: Duration::from_millis(250),
            propose: Duration::from_secs(10),
        }
    }
}

/// Sizes of a quorum's files and queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A snapshot is taken after this many entries ...
    pub snapshot_entries: u64,
    /// ... or after this many bytes of entries, whichever comes first.
    pub snapshot_bytes: u64,
    /// Entries kept behind a snapshot, so that a replica that lags a little needs none.
    pub kept_entries: u64,
    /// A log segment is closed once it has this many bytes.
    pub segment_bytes: u64,
    /// Bytes of the newest entries kept in memory.
    pub cache_bytes: usize,
    /// The largest snapshot that is taken from another replica, in bytes.
    pub max_snapshot_bytes: u64,
    /// Proposals that may wait at once.
    pub queued_proposals: usize,
    /// Bytes of proposals that may wait at once.
    pub queued_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            snapshot_entries: 5_000,
            snapshot_bytes: 20 * 1024 * 1024,
            kept_entries: 1_000,
            segment_bytes: 8 * 1024 * 1024,
            cache_bytes: 16 * 1024 * 1024,
            max_snapshot_bytes: 1024 * 1024 * 1024,
            queued_proposals: 4_096,
            queued_bytes: 64 * 1024 * 1024,
        }
    }
}

/// All a quorum is started with.
pub struct QuorumConfig {
    /// This node's id.
    pub node_id: i32,
    /// The id of the directory that holds the log.
    pub directory_id: Uuid,
    /// The cluster's id; a log of another cluster is refused.
    pub cluster_id: String,
    /// The voters of the first boot. Later the log knows better, and this list is ignored.
    pub voters: Vec<Voter>,
    /// The node ids that are configured as voters: where a replica that has lost its leader, or
    /// never had one, asks.
    pub contacts: Vec<i32>,
    /// Where this node is reached.
    pub endpoint: String,
    /// Whether a replica without a vote asks for one as soon as it has caught up. One that is
    /// among the `contacts` does so on its first boot: it has lost its disk.
    pub auto_join: bool,
    /// Where log and snapshots lie; made when missing.
    pub dir: PathBuf,
    /// The disk.
    pub disk: SharedDisk,
    /// The clock.
    pub clock: SharedClock,
    /// The way to the other voters.
    pub peers: Arc<dyn Peers>,
    /// How fast it reacts.
    pub timers: Timers,
    /// Sizes.
    pub limits: Limits,
    /// Where blocking work goes. Anything but the pool means that
    /// the log is written on the caller's thread too.
    pub blocking: Blocking,
    /// What the entries are applied to.
    pub state_machine: Box<dyn StateMachine>,
}

impl std::fmt::Debug for QuorumConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuorumConfig")
            .field("node_id", &self.node_id)
            .field("directory_id", &self.directory_id)
            .field("cluster_id", &self.cluster_id)
            .field("voters", &self.voters)
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl QuorumConfig {
    /// A configuration with default timers and limits.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a fact that has no default"
    )]
    pub fn new(
        node_id: i32,
        directory_id: Uuid,
        cluster_id: impl Into<String>,
        voters: Vec<Voter>,
        dir: impl Into<PathBuf>,
        disk: SharedDisk,
        clock: SharedClock,
        peers: Arc<dyn Peers>,
        state_machine: Box<dyn StateMachine>,
    ) -> Self {
        Self {
            node_id,
            directory_id,
            cluster_id: cluster_id.into(),
            contacts: voters.iter().map(|voter| voter.node_id).collect(),
            endpoint: String::new(),
            auto_join: false,
            voters,
            dir: dir.into(),
            disk,
            clock,
            peers,
            timers: Timers::default(),
            limits: Limits::default(),
            blocking: Blocking::Pool,
            state_machine,
        }
    }

    pub(crate) fn replica(&self) -> ReplicaId {
        ReplicaId {
            node_id: self.node_id,
            directory_id: self.directory_id,
        }
    }
}

/// Why a quorum did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration makes no sense.
    #[error("the quorum is misconfigured: {0}")]
    Config(String),
    /// The log belongs to another cluster, node or directory.
    #[error("{0}")]
    Foreign(String),
    /// The log cannot be read or written, or lost what had been durable.
    #[error("the quorum's log cannot be opened: {0}")]
    Log(#[from] std::io::Error),
    /// The Raft engine refused to start.
    #[error("the quorum cannot start: {0}")]
    Engine(String),
}

pub(crate) fn check(config: &QuorumConfig) -> Result<(), StartError> {
    let wrong = |what: String| Err(StartError::Config(what));
    let own = config.replica();
    let mut seen = std::collections::BTreeSet::new();
    for voter in &config.voters {
        if !seen.insert(voter.node_id) {
            return wrong(format!("node {} is listed twice as a voter", voter.node_id));
        }
        if voter.node_id == own.node_id && voter.replica() != own {
            let (listed, found) = (voter.directory_id, own.directory_id);
            return wrong(format!(
                "this node votes with directory {listed}, but has {found}"
            ));
        }
    }
    let timers = &config.timers;
    if timers.heartbeat.as_millis() == 0
        || timers.heartbeat >= timers.election_min
        || timers.election_min >= timers.election_max
    {
        return wrong("heartbeat < election_min < election_max must hold".into());
    }
    Ok(())
}
