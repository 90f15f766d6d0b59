//! Power cuts at every disk operation, against a model of what was promised.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use odeon_kernel::Rng;
use odeon_kernel::sim::{DiskHook, IgnoredSync, SimClock, SimDisk};
use openraft::EntryPayload;
use openraft::storage::RaftLogStorageExt;

use super::*;
use crate::types::{Proposal, log_id};

const DIR: &str = "/meta/__cluster_metadata-0";

/// The store writes on the caller's thread here, so nothing ever waits.
fn now<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("an inline store waits"),
    }
}

fn open(disk: &SimDisk) -> Result<LogStore, OpenError> {
    let options = StoreOptions {
        segment_bytes: 300,
        cache_bytes: 0,
        blocking: Blocking::Inline,
        ..StoreOptions::default()
    };
    let disk = Arc::new(disk.clone());
    LogStore::open(disk, Path::new(DIR), "cluster", ReplicaId::from(1), options)
}

fn entry(term: u64, index: u64) -> Entry {
    let entry = Bytes::from(format!("entry {index} of term {term}"));
    let proposal = Proposal {
        expected_term: term,
        entry,
    };
    let log_id = log_id(term, index);
    Entry {
        log_id,
        payload: EntryPayload::Normal(proposal),
    }
}

/// What a log holds.
#[derive(Debug, Clone, Default, PartialEq)]
struct Held {
    purged: Option<(u64, u64)>,
    entries: Vec<(u64, u64)>,
    vote: Option<u64>,
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(u64, u64)>),
    Truncate(u64),
    Purge(u64),
    Vote(u64),
}

impl Held {
    fn last(&self) -> Option<(u64, u64)> {
        self.entries.last().copied().or(self.purged)
    }

    fn after(&self, step: &Step) -> Self {
        let mut held = self.clone();
        match step {
            Step::Append(entries) => held.entries.extend(entries),
            Step::Truncate(after) => held.entries.retain(|(_, index)| index <= after),
            Step::Purge(upto) => {
                held.purged = held
                    .entries
                    .iter()
                    .copied()
                    .find(|(_, index)| index == upto);
                held.entries.retain(|(_, index)| index > upto);
            }
            Step::Vote(term) => held.vote = Some(*term),
        }
        held
    }

    /// Whether a crash in the middle of `step` may leave `found`.
    fn allows(&self, step: &Step, found: &Self) -> bool {
        let (before, after) = (self, self.after(step));
        if found == before || *found == after {
            return true;
        }
        // Entries come from the front and go from the end.
        let (short, long) = match step {
            Step::Append(_) => (before, &after),
            Step::Truncate(_) => (&after, before),
            Step::Purge(_) | Step::Vote(_) => return false,
        };
        (found.purged, found.vote) == (before.purged, before.vote)
            && long.entries.starts_with(&found.entries)
            && found.entries.starts_with(&short.entries)
    }

    fn next_step(&self, rng: &Rng, term: &mut u64) -> Step {
        let first = self.purged.map_or(0, |(_, index)| index + 1);
        let len = self.entries.len() as u64;
        match rng.below(10) {
            0 if len > 0 => {
                *term += 1;
                Step::Truncate(first + rng.below(len))
            }
            1 if len > 3 => Step::Purge(first + rng.below(len - 2)),
            2 => {
                *term += 1;
                Step::Vote(*term)
            }
            _ => {
                let next = self.last().map_or(0, |(_, index)| index + 1);
                let count = 1 + rng.below(4);
                Step::Append((next..next + count).map(|index| (*term, index)).collect())
            }
        }
    }
}

fn perform(store: &mut LogStore, held: &Held, step: &Step) -> Result<(), String> {
    let term_of = |wanted: u64| {
        let found = held.entries.iter().find(|(_, index)| *index == wanted);
        found.map_or(0, |(term, _)| *term)
    };
    match step {
        Step::Append(entries) => {
            let entries = entries.iter().map(|(term, index)| entry(*term, *index));
            now(store.blocking_append(entries)).map_err(|error| error.to_string())
        }
        Step::Truncate(after) => now(store.truncate_after(Some(log_id(term_of(*after), *after))))
            .map_err(|error| error.to_string()),
        Step::Purge(upto) => {
            now(store.purge(log_id(term_of(*upto), *upto))).map_err(|error| error.to_string())
        }
        Step::Vote(term) => now(store.save_vote(&Vote::new(*term, ReplicaId::from(1))))
            .map_err(|error| error.to_string()),
    }
}

fn read_back(store: &mut LogStore) -> Held {
    let entries = now(store.try_get_log_entries(..)).unwrap();
    for found in &entries {
        assert_eq!(
            *found,
            entry(found.log_id.leader_id.term, found.log_id.index)
        );
    }
    let pair = |id: LogId| (id.leader_id.term, id.index);
    Held {
        purged: store.purged().map(pair),
        entries: entries.iter().map(|entry| pair(entry.log_id)).collect(),
        vote: now(store.read_vote())
            .unwrap()
            .map(|vote| vote.leader_id.term),
    }
}

/// Lets the disk die at its operation `death`, cuts the power, and looks what is there; again and
/// again on one disk. `Ok(false)` when the last life came to its end before the disk died.
fn live(seed: u64, death: u64, bug: Option<IgnoredSync>) -> Result<bool, String> {
    let disk = SimDisk::new(Arc::new(SimClock::new(0)));
    if let Some(bug) = bug {
        disk.ignore_sync(bug);
    }
    let rng = Rng::from_seed(seed);
    let (mut held, mut term) = (Held::default(), 1);
    let mut died = false;
    for life in 0..3 {
        let mut store = open(&disk).map_err(|error| error.to_string())?;
        let found = read_back(&mut store);
        if found != held {
            return Err(format!("a clean reopening finds {found:?}, not {held:?}"));
        }
        let done = Arc::new(AtomicU64::new(0));
        let hook: DiskHook = Arc::new(move |_, _| {
            if done.fetch_add(1, Ordering::Relaxed) < death {
                return Ok(());
            }
            Err(io::Error::other("the disk is dead"))
        });
        disk.set_hook(hook);
        let mut interrupted = None;
        for _ in 0..40 {
            let step = held.next_step(&rng, &mut term);
            if perform(&mut store, &held, &step).is_err() {
                interrupted = Some(step);
                break;
            }
            held = held.after(&step);
        }
        drop(store);
        disk.clear_faults();
        died = interrupted.is_some();
        disk.power_cut(seed.wrapping_mul(31).wrapping_add(life));
        let mut store = open(&disk).map_err(|error| format!("life {life}: {error}"))?;
        let found = read_back(&mut store);
        let allowed = match &interrupted {
            Some(step) => held.allows(step, &found),
            None => found == held,
        };
        if !allowed {
            return Err(format!(
                "life {life}: {held:?}, then {interrupted:?}, left {found:?}"
            ));
        }
        held = found;
    }
    Ok(died)
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_that_was_promised() {
    // `cargo xtask powercut` sets a larger number.
    let seeds = std::env::var("ODEON_POWER_SEEDS").ok();
    for seed in 0..seeds.map_or(4, |seeds| seeds.parse::<u64>().unwrap() / 50) {
        let mut death = 0;
        while live(seed, death, None).unwrap_or_else(|why| panic!("{seed}/{death}: {why}")) {
            death += 1;
        }
        assert!(
            death > 60,
            "the disk died at each of many operations, not {death}"
        );
    }
}

#[test]
fn a_disk_that_does_not_keep_its_promises_is_noticed() {
    for bug in [IgnoredSync::Files, IgnoredSync::Dirs, IgnoredSync::Renames] {
        let noticed = (0..40).any(|seed| live(seed, 20 + seed, Some(bug)).is_err());
        assert!(noticed, "{bug:?}");
    }
}
