//! Power cuts: of what was not synced any part may survive, and what was acknowledged must.

use std::time::Duration;

use odeon_kernel::sim::{DiskFault, DiskOp, IgnoredSync};

use super::*;

/// What the outside knows: the offset is also the sequence of the one producer there is.
#[derive(Debug, Default)]
struct Known {
    batches: Vec<(i64, i32)>,
    start: i64,
    end: i64,
    acked: i64,
    /// The log began anew here: all records were lost before any was acknowledged.
    forgotten_at: i64,
}

impl Known {
    fn between(&self, start: i64, end: i64) -> Vec<(i64, i32)> {
        let inside = |(base, count): &&(i64, i32)| {
            base + i64::from(*count) > start && base + i64::from(*count) <= end
        };
        self.batches.iter().filter(inside).copied().collect()
    }
}

struct Run {
    bed: Bed,
    rng: Rng,
    config: LogConfig,
    known: Known,
    epoch: i32,
}

impl Run {
    fn new(seed: u64) -> Self {
        let config = LogConfig {
            segment_bytes: 1500,
            index_interval_bytes: 200,
            retention_ms: -1,
            file_delete_delay_ms: 0,
            ..LogConfig::default()
        };
        let (bed, rng) = (Bed::simulated(), Rng::from_seed(seed));
        Self {
            bed,
            rng,
            config,
            known: Known::default(),
            epoch: 0,
        }
    }

    fn append(&mut self, writer: &mut LogWriter) {
        for _ in 0..=self.rng.below(3) {
            let count = self.rng.below(30) as usize + 1;
            let sequence = self.known.end as i32;
            let staged = writer
                .stage(idempotent(0, sequence, count), Origin::Client)
                .unwrap();
            assert_eq!(staged.base_offset, self.known.end);
            self.known.batches.push((self.known.end, count as i32));
            self.known.end += count as i64;
        }
        writer.write().unwrap();
    }

    fn step(&mut self, log: &Log, writer: &mut LogWriter) {
        match self.rng.below(20) {
            0..=8 => self.append(writer),
            9..=13 => sync(writer),
            14 => drop(writer.roll().unwrap()),
            15 => self.bed.manager().checkpoint(),
            16 => {
                let size = i64::try_from(log.reader().size_bytes()).unwrap();
                let retention_bytes = size * self.rng.below(4) as i64 / 3;
                log.set_config(LogConfig {
                    retention_bytes,
                    ..self.config.clone()
                });
                let flushed = log.view().flushed();
                let done = writer.apply_retention(0, Duration::ZERO, flushed).unwrap();
                writer.run_deletions(Duration::ZERO).unwrap();
                self.known.start = self.known.start.max(done.log_start);
                log.set_config(self.config.clone());
            }
            17 => {
                let lost = self.rng.below(3) as usize;
                let at = self.known.batches.len().saturating_sub(lost);
                let to = self
                    .known
                    .batches
                    .get(at)
                    .map_or(self.known.end, |batch| batch.0);
                let to = to.max(self.known.start);
                self.known.end = writer.truncate_to(to).unwrap();
                self.known.batches.retain(|(base, _)| *base < to);
            }
            _ => {}
        }
        self.known.acked = log.view().flushed();
    }

    /// The power goes, at a random moment of what went before.
    fn cut(&mut self) -> std::result::Result<Log, String> {
        self.bed.manager = None;
        let seed = self.rng.next_u64();
        self.bed.sim.as_ref().unwrap().power_cut(seed);
        let summary = self.bed.try_load().map_err(|error| error.to_string())?;
        if let Some((_, error)) = summary.failed.first() {
            return Err(error.to_string());
        }
        let log = self.bed.manager().get(&partition());
        let Some(log) = log.or_else(|| (self.known.acked == 0).then(|| self.create())) else {
            return Err("the folder is lost".to_owned());
        };
        if log.topic_id().is_zero() {
            self.create();
        }
        self.check(&log)?;
        Ok(log)
    }

    fn create(&self) -> Log {
        self.bed.create(self.config.clone())
    }

    fn check(&mut self, log: &Log) -> std::result::Result<(), String> {
        let (known, view) = (&mut self.known, log.view());
        let (start, end) = (view.log_start(), view.log_end());
        if end < known.acked || end > known.end {
            return Err(format!(
                "ends at {end}, not within {}..={}",
                known.acked, known.end
            ));
        }
        // If no record was acknowledged yet, all may be gone but the name of a later segment.
        if start > known.start && known.acked > known.start {
            return Err(format!("starts at {start}, not {}", known.start));
        }
        let from = known.start.max(start).min(end);
        let found = try_read_from(&log.reader(), from).map_err(|error| error.to_string())?;
        let wanted = known.between(from, end);
        if found != wanted {
            return Err(format!("from {from} to {end}: {found:?}, not {wanted:?}"));
        }
        if start > known.start && start == end {
            known.forgotten_at = end;
        }
        known.start = start;
        known.end = end;
        known.batches.retain(|(base, _)| *base < end);
        Ok(())
    }

    /// The producer goes on where the log ends, and nowhere else.
    fn check_producer(&self, writer: &mut LogWriter) -> std::result::Result<(), String> {
        let end = self.known.end as i32;
        for (sequence, fine) in [
            (end + 1, self.known.end == self.known.forgotten_at),
            (end, true),
        ] {
            let staged = writer.stage(idempotent(0, sequence, 1), Origin::Client);
            writer.discard_staged().unwrap();
            if staged.as_ref().is_ok_and(|staged| !staged.duplicate) != fine {
                return Err(format!("sequence {sequence} at {end}: {staged:?}"));
            }
        }
        Ok(())
    }

    fn go(mut self, bug: Option<IgnoredSync>) -> std::result::Result<(), String> {
        let mut log = self.create();
        if let Some(bug) = bug {
            self.bed.sim.as_ref().unwrap().ignore_sync(bug);
        }
        for _ in 0..4 {
            log.set_config(self.config.clone());
            self.epoch += 1;
            let mut writer = log.take_lease(lease(self.epoch)).unwrap();
            self.check_producer(&mut writer)?;
            for _ in 0..self.rng.below(25) {
                self.step(&log, &mut writer);
            }
            if self.rng.below(5) == 0 {
                self.known.acked = self.known.end;
                log = self.bed.restart();
                self.check(&log)?;
            } else {
                drop((writer, log));
                log = self.cut()?;
            }
        }
        Ok(())
    }
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    for seed in 0..300 {
        if let Err(what) = Run::new(seed).go(None) {
            panic!("seed {seed}: {what}");
        }
    }
}

#[test]
fn a_missing_sync_is_noticed() {
    for bug in [IgnoredSync::Files, IgnoredSync::Dirs] {
        let noticed = (0..100)
            .filter(|seed| Run::new(*seed).go(Some(bug)).is_err())
            .count();
        assert!(noticed > 0, "{bug:?}");
    }
}

#[test]
fn a_log_whose_maker_died_before_any_sync_is_durable_with_its_first_one() {
    for clean_stop_between in [false, true] {
        let mut bed = Bed::simulated();
        let sim = bed.sim.clone().unwrap();
        let log = bed.create(LogConfig::default());
        let mut writer = log.take_lease(lease(1)).unwrap();
        let path_contains = ".timeindex".to_owned();
        sim.fail(DiskFault {
            path_contains,
            ..DiskFault::next(DiskOp::Open)
        });
        writer.stage(idempotent(0, 0, 1), Origin::Client).unwrap();
        assert!(writer.write().is_err());
        drop((log, writer));
        let mut log = bed.crash();
        if clean_stop_between {
            log = bed.restart();
        }
        let mut writer = log.take_lease(lease(2)).unwrap();
        writer.stage(idempotent(0, 0, 1), Origin::Client).unwrap();
        writer.write().unwrap();
        sync(&mut writer);
        drop((log, writer));
        bed.manager = None;
        sim.power_cut_losing_all();
        bed.load();
        let log = bed.manager().get(&partition()).expect("the log is there");
        assert_eq!((log.topic_id(), log.view().log_end()), (TOPIC_ID, 1));
    }
}
