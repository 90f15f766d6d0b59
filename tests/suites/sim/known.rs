//! What clients know: what they asked for, and what they were promised.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Topic and partition.
pub type Place = (String, i32);

/// A topic's life, as far as it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It was asked for.
    Creating,
    /// It is there.
    There,
    /// Its deletion was asked for.
    Deleting,
    /// It is gone for good.
    Gone,
}

/// A topic.
#[derive(Debug)]
pub struct Topic {
    pub life: Life,
    pub id: Option<String>,
    pub partitions: i32,
    /// The leader epochs of the partitions, as they were seen.
    pub epochs: Vec<i32>,
    /// Old segments may go by themselves.
    pub retained: bool,
}

/// A partition.
#[derive(Debug, Default)]
pub struct Partition {
    /// The number of every record that was sent, or may have been.
    pub sent: BTreeSet<u64>,
    /// Records that were acknowledged or read, by offset: they are there to stay.
    pub witnessed: BTreeMap<i64, u64>,
    /// The highest offset that was given to DeleteRecords.
    pub start_asked: i64,
    /// Starts that were answered in this life of the node, and when.
    pub starts_answered: Vec<(i64, Duration)>,
    /// The start that a checkpoint has made durable.
    pub start_promised: i64,
}

/// A committed offset.
#[derive(Debug, Default)]
pub struct Commit {
    pub acknowledged: Option<i64>,
    /// Sent after that, without a good answer.
    pub unanswered: Vec<i64>,
}

/// A batch whose fate is not known yet.
#[derive(Debug, Clone)]
pub struct Batch {
    pub sequence: i32,
    pub values: Vec<u64>,
}

/// An idempotent producer; it outlives the node.
#[derive(Debug, Default)]
pub struct Producer {
    pub id: Option<(i64, i16)>,
    pub next_sequence: BTreeMap<Place, i32>,
    pub pending: BTreeMap<Place, VecDeque<Batch>>,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Known {
    /// The term of the metadata quorum, and how far it had committed.
    pub quorum: (i32, i64),
    pub topics: BTreeMap<String, Topic>,
    pub partitions: BTreeMap<Place, Partition>,
    pub commits: BTreeMap<(&'static str, i32), Commit>,
    pub producer_ids: BTreeSet<i64>,
    pub producers: BTreeMap<&'static str, Producer>,
    pub next_value: u64,
    pub next_topic: u64,
    pub counts: Counts,
}

/// What was seen of a run, to know that it tested something.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    pub runs: u64,
    pub lives: u64,
    pub power_cuts: u64,
    pub operations: u64,
    pub acknowledged: u64,
    pub resent: u64,
    pub read: u64,
    pub checked: u64,
    pub commits: u64,
    pub topics: u64,
    pub deletions: u64,
    pub starts_moved: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.lives += other.lives;
        self.power_cuts += other.power_cuts;
        self.operations += other.operations;
        self.acknowledged += other.acknowledged;
        self.resent += other.resent;
        self.read += other.read;
        self.checked += other.checked;
        self.commits += other.commits;
        self.topics += other.topics;
        self.deletions += other.deletions;
        self.starts_moved += other.starts_moved;
    }
}

impl Known {
    /// Topics that are there for sure.
    pub fn there(&self) -> Vec<(String, i32)> {
        let topics = self.topics.iter();
        topics
            .filter(|(_, topic)| topic.life == Life::There)
            .map(|(name, topic)| (name.clone(), topic.partitions))
            .collect()
    }

    /// A record was acknowledged or read at an offset.
    ///
    /// # Errors
    /// Another one was there before, or nobody sent it.
    pub fn witness(&mut self, place: &Place, offset: i64, value: u64) -> Result<(), String> {
        let partition = self.partitions.entry(place.clone()).or_default();
        if !partition.sent.contains(&value) {
            return Err(format!("{place:?}: nobody sent record {value} at {offset}"));
        }
        match partition.witnessed.insert(offset, value) {
            Some(before) if before != value => Err(format!(
                "{place:?}: {value} is at {offset}, where {before} was"
            )),
            _ => Ok(()),
        }
    }

    /// At the end of a life: what a checkpoint had the time to make durable.
    pub fn promise_starts(&mut self, now: Duration, interval: Duration) {
        for partition in self.partitions.values_mut() {
            for (start, at) in partition.starts_answered.drain(..) {
                if now.saturating_sub(at) > interval {
                    partition.start_promised = partition.start_promised.max(start);
                }
            }
        }
    }

    /// Compares a whole partition, as it was read after a restart, with what was promised.
    ///
    /// # Errors
    /// What was not kept.
    pub fn check(&mut self, place: &Place, found: &Found) -> Result<(), String> {
        let retained = self.topics.get(&place.0).is_some_and(|t| t.retained);
        let partition = self.partitions.entry(place.clone()).or_default();
        let (start, end) = (found.start, found.end);
        if start < partition.start_promised {
            let promised = partition.start_promised;
            return Err(format!(
                "{place:?}: starts at {start}, and {promised} was durable"
            ));
        }
        if !retained && start > partition.start_asked {
            let asked = partition.start_asked;
            return Err(format!("{place:?}: starts at {start}, not at {asked}"));
        }
        let dense = (start..end).eq(found.records.iter().map(|(offset, _)| *offset));
        if !dense {
            let offsets: Vec<i64> = found.records.iter().map(|(offset, _)| *offset).collect();
            return Err(format!(
                "{place:?}: {start}..{end}, but the offsets are {offsets:?}"
            ));
        }
        let mut seen = BTreeSet::new();
        for (offset, value) in &found.records {
            if !partition.sent.contains(value) {
                return Err(format!("{place:?}: nobody sent record {value} at {offset}"));
            }
            if !seen.insert(*value) {
                return Err(format!("{place:?}: record {value} is there twice"));
            }
        }
        let records: BTreeMap<i64, u64> = found.records.iter().copied().collect();
        for (offset, value) in partition.witnessed.range(start..) {
            if records.get(offset) != Some(value) {
                let there = records.get(offset);
                return Err(format!(
                    "{place:?}: record {value} was at {offset}, now {there:?} is ({start}..{end})"
                ));
            }
        }
        self.counts.checked += records.len() as u64;
        partition.witnessed = records;
        Ok(())
    }
}

/// What a partition holds.
#[derive(Debug)]
pub struct Found {
    pub start: i64,
    pub end: i64,
    pub records: Vec<(i64, u64)>,
}
