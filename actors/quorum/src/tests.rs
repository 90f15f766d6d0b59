//! Whole replicas, alone and together.

mod members;
mod power;
mod single;
mod three;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::clock::SystemClock;
use odeon_kernel::disk::RealDisk;
use odeon_model::Uuid;

use crate::{NoPeers, Peers, Quorum, QuorumConfig, QuorumRole, StateMachine, Voter};

/// Remembers what it was given.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) entries: Vec<(u64, Vec<u8>)>,
    pub(crate) last: Option<(u64, u64)>,
    pub(crate) restored_at: Option<u64>,
}

impl Recorded {
    pub(crate) fn texts(&self) -> Vec<String> {
        self.entries
            .iter()
            .map(|(_, entry)| String::from_utf8_lossy(entry).into())
            .collect()
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(pub(crate) Arc<Mutex<Recorded>>);

impl Recorder {
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().texts()
    }
}

impl StateMachine for Recorder {
    fn apply(&mut self, index: u64, term: u64, entry: &[u8]) {
        let mut recorded = self.0.lock().unwrap();
        let expected = recorded.last.map_or(0, |(last, _)| last + 1);
        assert_eq!(index, expected, "indexes follow each other");
        assert!(entry != b"poison", "an entry of an unknown kind");
        recorded.last = Some((index, term));
        if !entry.is_empty() {
            recorded.entries.push((index, entry.to_vec()));
        }
    }

    fn snapshot(&self) -> Bytes {
        let recorded = self.0.lock().unwrap();
        rmp_serde::to_vec(&recorded.entries).unwrap().into()
    }

    fn restore(&mut self, index: u64, term: u64, snapshot: &[u8]) {
        let mut recorded = self.0.lock().unwrap();
        recorded.entries = rmp_serde::from_slice(snapshot).unwrap();
        recorded.last = Some((index, term));
        recorded.restored_at = Some(index);
    }
}

pub(crate) fn directory(node_id: i32) -> Uuid {
    Uuid([u8::try_from(node_id).unwrap(); 16])
}

pub(crate) fn voter(node_id: i32) -> Voter {
    Voter {
        node_id,
        directory_id: directory(node_id),
        endpoint: format!("node{node_id}:9093"),
    }
}

pub(crate) fn config(
    node_id: i32,
    voters: &[i32],
    dir: &Path,
    peers: Arc<dyn Peers>,
    recorder: &Recorder,
) -> QuorumConfig {
    QuorumConfig::new(
        node_id,
        directory(node_id),
        "cluster",
        voters.iter().copied().map(voter).collect(),
        dir.join("__cluster_metadata-0"),
        Arc::new(RealDisk),
        Arc::new(SystemClock::new()),
        peers,
        Box::new(recorder.clone()),
    )
}

pub(crate) fn alone(dir: &Path, recorder: &Recorder) -> QuorumConfig {
    config(1, &[1], dir, Arc::new(NoPeers), recorder)
}

/// Waits until the role is as wanted.
pub(crate) async fn until(quorum: &Quorum, wanted: impl FnMut(&QuorumRole) -> bool) -> QuorumRole {
    let mut role = quorum.role();
    let found = tokio::time::timeout(Duration::from_secs(20), role.wait_for(wanted));
    *found
        .await
        .expect("the role comes in time")
        .expect("the quorum runs")
}

pub(crate) async fn ready(quorum: &Quorum) -> u64 {
    until(quorum, |role| role.ready).await.term
}
