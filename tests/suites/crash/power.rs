//! Power cuts under a whole log manager: two directories, partitions that come and go, and after
//! each cut any part of what was not synced. (One log, and the Raft store at every single disk
//! operation, are tested beside their code.)
//!
//! What was promised: a record whose sync completed is there, in its place, once; nothing torn is
//! served; a deleted partition stays deleted; a log start that was checkpointed holds.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::Rng;
use odeon_kernel::sim::{IgnoredSync, SimClock, SimDisk};
use odeon_log::{Lease, Log, LogConfig, LogManager, LogWriter, ManagerConfig, Origin};
use odeon_model::{TopicPartition, Uuid};
use odeon_records::{BatchBuilder, PreparedBatch, check_crc, split_batches};

use super::number;

const NAMES: i32 = 4;

/// Base offset, records, and the timestamp that no other batch has.
type Batch = (i64, i32, i64);

/// What the outside knows of a partition.
#[derive(Debug, Default)]
struct Known {
    id: Uuid,
    batches: Vec<Batch>,
    start: i64,
    end: i64,
    acked: i64,
    checkpointed_start: i64,
}

struct Open {
    log: Log,
    writer: LogWriter,
}

struct Run {
    disk: SimDisk,
    clock: Arc<SimClock>,
    rng: Rng,
    manager: Option<LogManager>,
    known: BTreeMap<i32, Known>,
    open: BTreeMap<i32, Open>,
    gone: Vec<Uuid>,
    epoch: i32,
    stamp: i64,
    history: String,
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1_200,
        index_interval_bytes: 200,
        retention_ms: -1,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    }
}

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("orders", index)
}

impl Run {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(SimClock::new(1_000));
        let mut run = Self {
            disk: SimDisk::new(clock.clone()),
            clock,
            rng: Rng::from_seed(seed),
            manager: None,
            known: BTreeMap::new(),
            open: BTreeMap::new(),
            gone: Vec::new(),
            epoch: 0,
            stamp: 0,
            history: String::new(),
        };
        run.manager = Some(run.open_manager().expect("an empty disk opens"));
        run
    }

    fn open_manager(&self) -> odeon_log::Result<LogManager> {
        let config = ManagerConfig {
            dirs: ["/one", "/two"].map(PathBuf::from).to_vec(),
            node_id: 1,
            cluster_id: Some("cluster".to_owned()),
            defaults: config(),
            max_open_files: 20,
        };
        let rng = Arc::new(Rng::from_seed(self.rng.next_u64()));
        LogManager::open(config, Arc::new(self.disk.clone()), self.clock.clone(), rng)
    }

    fn manager(&self) -> &LogManager {
        self.manager.as_ref().expect("it is open")
    }

    /// Makes a partition that is missing, or opens one that is there.
    fn lead(&mut self, index: i32) -> Result<(), String> {
        let id = self.known.get(&index).map(|known| known.id);
        let id = id.unwrap_or_else(|| Uuid::from_random(self.rng.bytes16()));
        self.known.entry(index).or_default().id = id;
        let log = self.manager().create(&partition(index), id, config());
        let log = log.map_err(|error| format!("log: {error}"))?;
        log.set_config(config());
        let lease = Lease {
            leader_epoch: self.epoch,
            incarnation: 0,
        };
        let writer = log
            .take_lease(lease)
            .map_err(|error| format!("log: {error}"))?;
        self.open.insert(index, Open { log, writer });
        Ok(())
    }

    fn append(&mut self, index: i32) -> Result<(), String> {
        let known = self.known.get_mut(&index).expect("it is led");
        let open = self.open.get_mut(&index).expect("it is led");
        for _ in 0..=self.rng.below(3) {
            let count = self.rng.below(25) as i32 + 1;
            self.stamp += 1;
            let mut builder = BatchBuilder::new().producer(42, 0, known.end as i32);
            for _ in 0..count {
                builder
                    .push(self.stamp, None, Some(b"value"), &[])
                    .expect("small");
            }
            let bytes = Bytes::from(builder.build().expect("not empty"));
            let batch = PreparedBatch::from_trusted(bytes).expect("well-formed");
            // Out of sequence, where a planted fault has it forget what the producer sent.
            let staged = open.writer.stage(batch, Origin::Client);
            let staged = staged.map_err(|error| format!("an append: {error}"))?;
            assert_eq!(staged.base_offset, known.end);
            known.batches.push((known.end, count, self.stamp));
            known.end += i64::from(count);
        }
        open.writer.write().expect("the disk works");
        Ok(())
    }

    fn retain(&mut self, index: i32) {
        let known = self.known.get_mut(&index).expect("it is led");
        let Open { log, writer } = self.open.get_mut(&index).expect("it is led");
        let flushed = log.view().flushed();
        let size = log.reader().size_bytes() as i64;
        let retention_bytes = size * self.rng.below(4) as i64 / 3;
        log.set_config(LogConfig {
            retention_bytes,
            ..config()
        });
        let done = writer
            .apply_retention(0, Duration::ZERO, flushed)
            .expect("the disk works");
        writer
            .run_deletions(Duration::ZERO)
            .expect("the disk works");
        log.set_config(config());
        known.start = done.log_start;
    }

    fn delete_partition(&mut self, index: i32) {
        self.open.remove(&index);
        let known = self.known.remove(&index).expect("it is led");
        self.gone.push(known.id);
        self.manager()
            .delete(&partition(index))
            .expect("the disk works");
        if self.rng.below(2) == 0 {
            self.manager().run_deletions();
        }
    }

    fn step(&mut self) -> Result<(), String> {
        let (index, what) = (self.rng.below(NAMES as u64) as i32, self.rng.below(24));
        if !self.open.contains_key(&index) {
            return self.lead(index);
        }
        let open = self.open.get_mut(&index).expect("just looked");
        match what {
            0..=9 => self.append(index)?,
            10..=15 => {
                if let Some(job) = open.writer.sync_job().expect("the disk works") {
                    open.writer
                        .complete_sync(job.run())
                        .expect("the disk works");
                }
            }
            16 => drop(open.writer.roll().expect("the disk works")),
            17 => self.retain(index),
            18 | 19 => {
                let known = self.known.get_mut(&index).expect("it is led");
                let flushed = open.log.view().flushed();
                let span = (flushed - known.start).max(0) as u64;
                let offset = known.start + self.rng.below(span + 1) as i64;
                if offset <= flushed {
                    known.start = open
                        .writer
                        .delete_records(offset, flushed)
                        .expect("in range");
                }
            }
            20 => self.delete_partition(index),
            _ => {
                self.manager().checkpoint();
                for known in self.known.values_mut() {
                    known.checkpointed_start = known.start;
                }
            }
        }
        for (index, open) in &self.open {
            let known = self.known.get_mut(index).expect("it is led");
            known.acked = open.log.view().flushed();
        }
        Ok(())
    }

    /// The power goes, or the node stops in order; then everything is opened and looked at.
    fn restart(&mut self) -> Result<(), String> {
        self.open.clear();
        if self.rng.below(6) == 0 {
            assert_eq!(self.manager().shutdown(-1), 2);
            for known in self.known.values_mut() {
                (known.acked, known.checkpointed_start) = (known.end, known.start);
            }
        }
        self.manager = None;
        self.disk.power_cut(self.rng.next_u64());
        let manager = self
            .open_manager()
            .map_err(|error| format!("log: {error}"))?;
        let summary = manager
            .load_all()
            .map_err(|error| format!("log: {error}"))?;
        if let Some((partition, error)) = summary.failed.first() {
            return Err(format!("log: {partition}: {error}"));
        }
        self.manager = Some(manager);
        self.epoch += 1;
        for index in 0..NAMES {
            let log = self.manager().get(&partition(index));
            if let Some(log) = &log
                && self.gone.contains(&log.topic_id())
            {
                return Err(format!("log: {} came back", log.partition()));
            }
            let Some(known) = self.known.get_mut(&index) else {
                continue;
            };
            match log {
                Some(log) => {
                    known
                        .check(&log)
                        .map_err(|what| format!("{what} in partition {index}"))?;
                    let (start, end) = (log.view().log_start(), log.view().log_end());
                    let _ = write!(self.history, "{index}:{start}-{end} ");
                }
                None if known.acked > 0 => return Err(format!("log: partition {index} is lost")),
                None => {
                    *known = Known {
                        id: known.id,
                        ..Known::default()
                    }
                }
            }
            self.lead(index)?;
        }
        Ok(())
    }

    /// Lives a few lives; what was found after each.
    fn go(mut self, bug: Option<IgnoredSync>) -> Result<String, String> {
        if let Some(bug) = bug {
            self.disk.ignore_sync(bug);
        }
        for _ in 0..4 {
            for _ in 0..self.rng.below(60) {
                self.step()?;
            }
            self.restart()?;
            self.history.push('\n');
        }
        Ok(self.history)
    }
}

impl Known {
    /// Compares with what was found, and goes on from there.
    fn check(&mut self, log: &Log) -> Result<(), String> {
        let (start, end) = (log.view().log_start(), log.view().log_end());
        if self.acked == 0 && start == end {
            // Before the first sync any file may outlive any other, an empty one too.
            let id = self.id;
            *self = Self {
                id,
                start,
                end,
                ..Self::default()
            };
            return Ok(());
        }
        if end < self.acked || end > self.end {
            return Err(format!(
                "log: holds {start}..{end}, and should end in {}..={}",
                self.acked, self.end
            ));
        }
        // Without any sync, a second segment may outlive the first: then nothing was promised.
        if start > self.start && self.acked > self.start {
            return Err(format!("log: starts at {start}, not at {}", self.start));
        }
        if start < self.checkpointed_start {
            return Err(format!(
                "checkpoint: starts at {start}, not {}",
                self.checkpointed_start
            ));
        }
        let from = self.start.max(start).min(end);
        let found = read_from(log, from).map_err(|error| format!("log: {error}"))?;
        let inside = |batch: &&Batch| batch.0 + i64::from(batch.1) > from && batch.0 < end;
        let wanted: Vec<Batch> = self.batches.iter().filter(inside).copied().collect();
        if found != wanted {
            return Err(format!("log: from {from}: {found:?}, not {wanted:?}"));
        }
        self.batches.retain(|batch| batch.0 < end);
        (self.start, self.end, self.acked) = (start, end, log.view().flushed());
        Ok(())
    }
}

fn read_from(log: &Log, mut offset: i64) -> Result<Vec<Batch>, Box<dyn std::error::Error>> {
    let mut found = Vec::new();
    loop {
        let read = log.reader().read(offset, 1 << 20, i64::MAX, true)?;
        if read.records.is_empty() {
            return Ok(found);
        }
        for batch in split_batches(read.records) {
            let (header, bytes) = batch?;
            check_crc(&bytes)?;
            found.push((
                header.base_offset,
                header.record_count,
                header.base_timestamp,
            ));
        }
        offset = read.next_offset;
    }
}

#[test]
fn power_cuts_lose_nothing_acknowledged_of_many_partitions() {
    for seed in 0..number("ODEON_POWER_SEEDS", 300) {
        if let Err(what) = Run::new(seed).go(None) {
            panic!("seed {seed}: {what}");
        }
    }
}

#[test]
fn missing_syncs_are_found_in_the_log_and_in_the_checkpoints() {
    for (bug, places) in [
        (IgnoredSync::Files, &["log", "checkpoint"][..]),
        (IgnoredSync::Dirs, &["log", "checkpoint"]),
        (IgnoredSync::Renames, &["log", "checkpoint"]),
    ] {
        let outcomes = (0..150).map(|seed| Run::new(seed).go(Some(bug)));
        let faults: Vec<String> = outcomes.filter_map(Result::err).collect();
        for place in places {
            let found = faults
                .iter()
                .filter(|fault| fault.starts_with(place))
                .count();
            eprintln!("{bug:?} is found {found} times in the {place}");
            assert!(found > 0, "{bug:?} in the {place}: {faults:?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_history_of_many_partitions() {
    for seed in 0..20 {
        let (one, other) = (Run::new(seed).go(None), Run::new(seed).go(None));
        assert_eq!(one, other, "seed {seed}");
    }
}
