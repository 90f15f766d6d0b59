//! What the benches share: batches, and a log on a real disk.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use odeon_kernel::{RealDisk, Rng, SystemClock};
use odeon_log::{Lease, Log, LogConfig, LogManager, LogWriter, ManagerConfig};
use odeon_model::{TopicPartition, Uuid};
use odeon_records::{BatchBuilder, Compression};

/// A batch of so many records of so many bytes, of which half is random.
///
/// # Panics
/// No records.
#[must_use]
pub fn batch(records: usize, size_bytes: usize, codec: Compression) -> Bytes {
    let mut state = 0x4f64_656f_6e00_0001_u64;
    let mut builder = BatchBuilder::new().codec(codec);
    for _ in 0..records {
        let value: Vec<u8> = (0..size_bytes)
            .map(|at| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                if (at / 16) % 2 == 0 {
                    state as u8
                } else {
                    b'z'
                }
            })
            .collect();
        builder
            .push(1_000, None, Some(&value), &[])
            .expect("it is small");
    }
    builder.build().expect("a batch has records").into()
}

/// Opens the logs in a directory.
///
/// # Panics
/// It cannot be done.
#[must_use]
pub fn open(dir: &Path) -> LogManager {
    let config = ManagerConfig {
        dirs: vec![dir.to_owned()],
        node_id: 1,
        cluster_id: Some("parts".to_owned()),
        defaults: LogConfig::default(),
        max_open_files: 1_000,
    };
    let (disk, clock) = (Arc::new(RealDisk), Arc::new(SystemClock::default()));
    let manager = LogManager::open(config, disk, clock, Arc::new(Rng::from_seed(1)));
    manager.expect("the directory is usable")
}

/// A new log, and its writer.
///
/// # Panics
/// It cannot be made.
#[must_use]
pub fn log(manager: &LogManager) -> (Log, LogWriter) {
    let partition = TopicPartition::new("parts", 0);
    let log = manager.create(&partition, Uuid([7; 16]), LogConfig::default());
    let log = log.expect("it is new");
    let lease = Lease {
        leader_epoch: 1,
        incarnation: 0,
    };
    let mut writer = log.take_lease(lease).expect("the first");
    writer.begin_epoch().expect("the first");
    (log, writer)
}
