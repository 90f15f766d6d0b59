//! What a fetcher has to say and when. Pure.

use std::collections::{BTreeMap, BTreeSet};

use odeon_model::{BrokerEpoch, LeaderEpoch, Offset};

use crate::partition::replication::Key;
use crate::partition::replication::wire::{Change, MAX_CHANGES, Position, Progress};

/// What is to be sent.
#[derive(Debug)]
pub(super) enum Send {
    /// A fetch that waits for records.
    Fetch(Progress),
    /// Positions, beside a fetch that waits.
    Progress(Progress),
}

/// A fetcher's side of the session.
#[derive(Debug)]
pub(super) struct FetcherState<H> {
    session: u64,
    begins: bool,
    sequence: u64,
    broker_epoch: BrokerEpoch,
    followed: BTreeMap<Key, (H, Position)>,
    /// Positions that the leaders' node has not been told.
    changed: BTreeSet<Key>,
    forgotten: BTreeSet<Key>,
    is_fetching: bool,
    is_reporting: bool,
    /// The leaders' high watermarks, as far as they were told.
    high_watermarks: BTreeMap<Key, Offset>,
    /// Who was handed something and has not said how far it got.
    awaited: BTreeSet<Key>,
}

impl<H> FetcherState<H> {
    pub(super) fn new(session: u64) -> Self {
        Self {
            session,
            begins: true,
            sequence: 0,
            broker_epoch: -1,
            followed: BTreeMap::new(),
            changed: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            is_fetching: false,
            is_reporting: false,
            high_watermarks: BTreeMap::new(),
            awaited: BTreeSet::new(),
        }
    }

    pub(super) fn session(&self) -> u64 {
        self.session
    }

    /// Begins a session in which everything is said again. Answers to the older one are for nobody.
    pub(super) fn begin(&mut self, session: u64) {
        self.session = session;
        self.begins = true;
        self.changed = self.followed.keys().copied().collect();
        self.forgotten.clear();
        (self.is_fetching, self.is_reporting) = (false, false);
    }

    /// Registered anew, this node has to say so with every position. True if it has.
    pub(super) fn is_new_epoch(&mut self, broker_epoch: BrokerEpoch) -> bool {
        let is_new = self.broker_epoch != broker_epoch;
        self.broker_epoch = broker_epoch;
        is_new
    }

    pub(super) fn follow(&mut self, key: Key, follower: H, at: Position) {
        let newer = self.followed.get(&key).map(|(_, known)| known.leader_epoch);
        if newer.is_some_and(|epoch| epoch > at.leader_epoch) {
            return;
        }
        self.followed.insert(key, (follower, at));
        self.changed.insert(key);
        // Said later, it would be of this one.
        self.forgotten.remove(&key);
        self.awaited.remove(&key);
    }

    pub(super) fn moved(&mut self, key: Key, at: Position) {
        if let Some((_, known)) = self.followed.get_mut(&key)
            && known.leader_epoch == at.leader_epoch
        {
            *known = at;
            self.changed.insert(key);
            self.awaited.remove(&key);
        }
    }

    /// Says where a follower is only when it is [asked for again](Self::again).
    pub(super) fn hold(&mut self, key: Key) {
        self.changed.remove(&key);
    }

    /// Notes what a leader said of its high watermark.
    pub(super) fn saw_high_watermark(&mut self, key: Key, high_watermark: Offset) {
        self.high_watermarks.insert(key, high_watermark);
    }

    /// Whether a follower lacks something that readers of its leader see.
    pub(super) fn is_behind(&self, key: Key) -> bool {
        let (known, seen) = (self.followed.get(&key), self.high_watermarks.get(&key));
        known.is_some_and(|(_, at)| seen.is_some_and(|seen| at.log_end < *seen))
    }

    pub(super) fn unfollow(&mut self, key: Key, leader_epoch: LeaderEpoch) {
        let known = self.followed.get(&key).map(|(_, at)| at.leader_epoch);
        if known == Some(leader_epoch) {
            self.followed.remove(&key);
            self.high_watermarks.remove(&key);
            self.changed.remove(&key);
            self.awaited.remove(&key);
            self.forgotten.insert(key);
        }
    }

    /// The follower of a partition in an epoch.
    pub(super) fn follower(&self, key: Key, leader_epoch: LeaderEpoch) -> Option<&H> {
        let (follower, at) = self.followed.get(&key)?;
        (at.leader_epoch == leader_epoch).then_some(follower)
    }

    /// The answer of a fetch is here.
    pub(super) fn fetched(&mut self) {
        self.is_fetching = false;
    }

    pub(super) fn reported(&mut self) {
        self.is_reporting = false;
    }

    /// A follower was handed something that it answers with its position.
    pub(super) fn awaits(&mut self, key: Key) {
        self.awaited.insert(key);
    }

    pub(super) fn is_awaiting(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Waits no longer for those that are slow: they say it when they are done.
    pub(super) fn lose_patience(&mut self) {
        self.awaited.clear();
    }

    /// A partition is to be asked for again.
    pub(super) fn again(&mut self, key: Key) {
        if self.followed.contains_key(&key) {
            self.changed.insert(key);
        }
    }

    /// What to send now, if anything.
    pub(super) fn next(&mut self) -> Option<Send> {
        if !self.is_fetching && self.awaited.is_empty() && !self.followed.is_empty() {
            self.is_fetching = true;
            return Some(Send::Fetch(self.progress()));
        }
        let has_news = !self.changed.is_empty() || !self.forgotten.is_empty();
        if self.is_fetching && !self.is_reporting && has_news && !self.begins {
            self.is_reporting = true;
            return Some(Send::Progress(self.progress()));
        }
        None
    }

    fn progress(&mut self) -> Progress {
        let keys: Vec<Key> = self.changed.iter().copied().take(MAX_CHANGES).collect();
        let mut changes = Vec::with_capacity(keys.len());
        for key in keys {
            self.changed.remove(&key);
            if let Some((_, at)) = self.followed.get(&key) {
                let (topic_id, partition) = key;
                changes.push(Change {
                    topic_id,
                    partition,
                    at: *at,
                });
            }
        }
        let few: Vec<Key> = self.forgotten.iter().copied().take(MAX_CHANGES).collect();
        for key in &few {
            self.forgotten.remove(key);
        }
        self.sequence += 1;
        Progress {
            sequence: self.sequence,
            session: self.session,
            begins: std::mem::take(&mut self.begins),
            broker_epoch: self.broker_epoch,
            changes,
            forgotten: few,
        }
    }
}
