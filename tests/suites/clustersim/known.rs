//! What clients were promised and saw, and what nodes showed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Place;
use super::counts::Counts;

/// All that is known of a run.
#[derive(Debug, Default)]
pub struct Known {
    /// The first thing that was wrong.
    pub wrong: Option<String>,
    /// What was acknowledged or read, by offset: never to change.
    pub records: BTreeMap<Place, BTreeMap<i64, String>>,
    /// Which of them were acknowledged to their producer.
    pub acknowledged: BTreeMap<Place, BTreeSet<i64>>,
    /// Commits by group and place.
    pub commits: BTreeMap<(String, Place), Commit>,
    /// Who owns a partition, by its number, in a generation of the members' group.
    pub owners: BTreeMap<(i32, usize), String>,
    /// Producer ids that were given out.
    pub producer_ids: BTreeSet<i64>,
    /// The metadata log up to here holds changes that were acknowledged.
    pub decided: u64,
    /// Until when leaders of the quorum are looked at closely.
    pub closely_until: Duration,
    /// When each client last got on.
    pub progress: BTreeMap<String, u64>,
    pub counts: Counts,
}

/// What a committer knows: it alone commits there, offsets that rise.
#[derive(Debug, Default, Clone, Copy)]
pub struct Commit {
    /// The last that was acknowledged.
    pub acknowledged: Option<i64>,
    /// The last that was tried.
    pub tried: i64,
}

impl Known {
    /// Notes what must not be; the first one counts.
    pub fn wrong(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    /// Somebody was told, or saw, that this record lies here.
    pub fn lies_at(&mut self, place: &Place, offset: i64, value: &str, how: &str) {
        let records = self.records.entry(place.clone()).or_default();
        match records.get(&offset) {
            Some(known) if known != value => {
                let what = format!("{place:?} at {offset}: {how} {value}, and was {known}");
                self.wrong(what);
            }
            Some(_) => {}
            None => {
                records.insert(offset, value.to_owned());
            }
        }
    }

    /// A client got on.
    pub fn progresses(&mut self, client: &str) {
        *self.progress.entry(client.to_owned()).or_default() += 1;
    }
}
