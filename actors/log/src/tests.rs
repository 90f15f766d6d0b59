//! The log as its users see it, on a real disk.

mod adopt;
mod append;
mod damage;
mod directories;
mod dump;
mod faulty;
mod interop;
mod model;
mod moving;
mod power;
mod shorten;
mod speed;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use odeon_kernel::clock::{SharedClock, SystemClock};
use odeon_kernel::disk::SharedDisk;
use odeon_kernel::sim::SimDisk;
use odeon_kernel::{RealDisk, Rng};
use odeon_model::{TopicPartition, Uuid};
use odeon_records::{BatchBuilder, PreparedBatch, split_batches};

use crate::*;

/// A directory and the manager that has it open.
struct Bed {
    dir: tempfile::TempDir,
    manager: Option<LogManager>,
    /// In place of the real disk.
    sim: Option<SimDisk>,
}

const TOPIC_ID: Uuid = Uuid([7; 16]);

fn manager(dir: &Path) -> LogManager {
    manager_on(Arc::new(RealDisk), dir)
}

fn manager_on(disk: SharedDisk, dir: &Path) -> LogManager {
    try_manager_on(disk, dir).unwrap()
}

fn try_manager_on(disk: SharedDisk, dir: &Path) -> Result<LogManager> {
    let config = ManagerConfig {
        dirs: vec![dir.to_owned()],
        node_id: 1,
        cluster_id: Some("cluster".to_owned()),
        defaults: LogConfig::default(),
        max_open_files: 100,
    };
    LogManager::open(config, disk, clock(), Arc::new(Rng::from_seed(1)))
}

fn clock() -> SharedClock {
    Arc::new(SystemClock::new())
}

fn partition() -> TopicPartition {
    TopicPartition::new("orders", 3)
}

impl Bed {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let manager = manager(dir.path());
        Self {
            dir,
            manager: Some(manager),
            sim: None,
        }
    }

    /// On a simulated disk.
    fn simulated() -> Self {
        let (dir, disk) = (tempfile::tempdir().unwrap(), SimDisk::new(clock()));
        let manager = manager_on(Arc::new(disk.clone()), dir.path());
        Self {
            dir,
            manager: Some(manager),
            sim: Some(disk),
        }
    }

    fn manager(&self) -> &LogManager {
        self.manager.as_ref().unwrap()
    }

    fn create(&self, config: LogConfig) -> Log {
        self.manager()
            .create(&partition(), TOPIC_ID, config)
            .unwrap()
    }

    fn folder(&self) -> std::path::PathBuf {
        self.dir.path().join("orders-3")
    }

    /// Drops everything without a word, as a killed process does, and loads again.
    fn crash(&mut self) -> Log {
        self.manager = None;
        if let Some(sim) = &self.sim {
            sim.kill_process();
        }
        self.load();
        self.manager().get(&partition()).unwrap()
    }

    fn restart(&mut self) -> Log {
        assert_eq!(self.manager().shutdown(-1), 1);
        self.crash()
    }

    fn load(&mut self) -> LoadSummary {
        self.try_load().unwrap()
    }

    fn try_load(&mut self) -> Result<LoadSummary> {
        self.manager = None;
        let disk: SharedDisk = match &self.sim {
            Some(sim) => Arc::new(sim.clone()),
            None => Arc::new(RealDisk),
        };
        let manager = self.manager.insert(try_manager_on(disk, self.dir.path())?);
        manager.load_all()
    }

    /// The files of the partition with a suffix, by name.
    fn files(&self, suffix: &str) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().map(|n| n.to_string_lossy().into_owned());
        let mut names: Vec<String> = list(&self.folder())
            .iter()
            .filter_map(name)
            .filter(|name| name.ends_with(suffix))
            .collect();
        names.sort();
        names
    }
}

#[expect(clippy::disallowed_methods, reason = "a look behind the log's back")]
fn list(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

fn lease(leader_epoch: i32) -> Lease {
    Lease {
        leader_epoch,
        incarnation: 0,
    }
}

/// A batch of records with the given timestamps; each value tells its place.
fn batch_at(timestamps: &[i64], padding: usize) -> PreparedBatch {
    let mut builder = BatchBuilder::new();
    for timestamp in timestamps {
        builder
            .push(*timestamp, None, Some(&vec![b'x'; padding]), &[])
            .unwrap();
    }
    PreparedBatch::from_trusted(Bytes::from(builder.build().unwrap())).unwrap()
}

fn batch(count: usize) -> PreparedBatch {
    batch_at(&vec![1_000; count], 10)
}

fn idempotent(epoch: i16, sequence: i32, count: usize) -> PreparedBatch {
    let mut builder = BatchBuilder::new().producer(42, epoch, sequence);
    for _ in 0..count {
        builder.push(1_000, None, Some(b"value"), &[]).unwrap();
    }
    PreparedBatch::from_trusted(Bytes::from(builder.build().unwrap())).unwrap()
}

/// Appends one batch and makes it durable.
fn append(writer: &mut LogWriter, batch: PreparedBatch) -> Staged {
    let staged = writer.stage(batch, Origin::Client).unwrap();
    writer.write().unwrap();
    sync(writer);
    staged
}

fn sync(writer: &mut LogWriter) {
    if let Some(job) = writer.sync_job().unwrap() {
        writer.complete_sync(job.run()).unwrap();
    }
}

/// The base offsets and record counts of everything from `offset` on.
fn read_from(reader: &LogReader, offset: i64) -> Vec<(i64, i32)> {
    try_read_from(reader, offset).unwrap()
}

fn try_read_from(
    reader: &LogReader,
    mut offset: i64,
) -> std::result::Result<Vec<(i64, i32)>, Box<dyn std::error::Error>> {
    let mut found = Vec::new();
    loop {
        let read = reader.read(offset, 1 << 20, i64::MAX, true)?;
        if read.records.is_empty() {
            return Ok(found);
        }
        for batch in split_batches(read.records) {
            let (header, bytes) = batch?;
            odeon_records::check_crc(&bytes)?;
            found.push((header.base_offset, header.record_count));
        }
        offset = read.next_offset;
    }
}

fn small_segments() -> LogConfig {
    LogConfig {
        segment_bytes: 1000,
        index_interval_bytes: 100,
        ..LogConfig::default()
    }
}
