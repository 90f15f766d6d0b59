//! From a configuration to open files and a configured engine.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, SnapshotPolicy};

use crate::config::{Limits, QuorumConfig, StartError, Timers};
use crate::snapshot::SnapshotStore;
use crate::store::{LogStore, OpenError, StoreOptions};

/// Opens log and snapshots, and checks that they fit together. The future holds nothing of
/// `config`, so that it may move between threads.
pub(super) fn open(
    config: &QuorumConfig,
) -> impl Future<Output = Result<(LogStore, SnapshotStore), StartError>> + Send + use<> {
    let blocking = config.blocking;
    let (disk, dir) = (Arc::clone(&config.disk), config.dir.clone());
    let (cluster_id, own) = (config.cluster_id.clone(), config.replica());
    let options = StoreOptions {
        segment_bytes: config.limits.segment_bytes,
        cache_bytes: config.limits.cache_bytes,
        blocking: config.blocking,
        ..StoreOptions::default()
    };
    let work = move || {
        let store = LogStore::open(Arc::clone(&disk), &dir, &cluster_id, own, options)?;
        let snapshots = SnapshotStore::open(disk, &dir)?;
        // Without a snapshot of what was purged, the state would silently start from nothing.
        let (purged, covered) = (store.purged(), snapshots.last_log_id());
        if purged > covered {
            let text = format!(
                "{}: the log was purged up to {purged:?}, but no whole snapshot covers that",
                dir.display()
            );
            return Err(OpenError::Io(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                text,
            )));
        }
        Ok((store, snapshots))
    };
    async move {
        blocking.run(work).await.map_err(|error| match error {
            OpenError::Io(error) => StartError::Log(error),
            foreign @ OpenError::Foreign { .. } => StartError::Foreign(foreign.to_string()),
        })
    }
}

/// What the engine is told.
pub(super) fn engine_config(
    cluster_id: &str,
    timers: &Timers,
    limits: &Limits,
) -> Result<Config, StartError> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let election_max = millis(timers.election_max);
    let config = Config {
        cluster_name: cluster_id.to_owned(),
        heartbeat_interval: millis(timers.heartbeat),
        election_timeout_min: millis(timers.election_min),
        election_timeout_max: election_max,
        enable_pre_vote: Some(true),
        // Off by default in the library: without it a majority that is cut off from part of the
        // voters may never find a leader.
        quorum_loss_probe_interval: Some(election_max.saturating_mul(2)),
        // A start begins a new term, so that whoever led before it is fenced.
        enable_leader_restore: Some(false),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(limits.snapshot_entries.max(1)),
        max_in_snapshot_log_to_keep: limits.kept_entries,
        replication_lag_threshold: limits.snapshot_entries.max(limits.kept_entries).max(1),
        // Per chunk, and for the receiver to install the whole with its last one.
        install_snapshot_timeout: 10_000,
        max_payload_entries: 1_024,
        ..Config::default()
    };
    config
        .validate()
        .map_err(|error| StartError::Config(error.to_string()))
}
