//! One client's session: what it wants, in fetch order, and what it was told last.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use odeon_model::Uuid;

/// A topic as a fetch request names it: by id since version 13, by name before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopicRef {
    /// Empty when the request names ids. Shared: a request may have a million partitions.
    pub name: Arc<str>,
    /// Zero when the request uses names.
    pub id: Uuid,
}

/// What a client wants of one partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The topic.
    pub topic: TopicRef,
    /// The partition's index.
    pub partition: i32,
    /// The first offset wanted.
    pub fetch_offset: i64,
    /// At most so many bytes, but never less than one batch.
    pub max_bytes: i32,
    /// The client's idea of the leader epoch, -1 for none.
    pub current_leader_epoch: i32,
    /// The epoch of the last record the client has, -1 for none.
    pub last_fetched_epoch: i32,
}

/// What the client was told last, so that unchanged partitions can be left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// The high watermark.
    pub high_watermark: i64,
    /// The last stable offset.
    pub last_stable_offset: i64,
    /// The log start offset.
    pub log_start_offset: i64,
    /// The error code.
    pub error_code: i16,
}

#[derive(Debug)]
pub(super) struct Cached {
    wanted: Wanted,
    told: Option<Told>,
}

type Key = (TopicRef, i32);

/// One client's session.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// It was removed from the cache while a request held it.
    pub(super) removed: bool,
    pub(super) epoch: i32,
    pub(super) uses_ids: bool,
    pub(super) last_used_ms: i64,
    next_order: u64,
    order: HashMap<Key, u64>,
    pub(super) partitions: BTreeMap<u64, Cached>,
}

impl Session {
    pub(super) fn new(
        uses_ids: bool,
        last_used_ms: i64,
        wanted: impl Iterator<Item = Wanted>,
    ) -> Self {
        let mut session = Self {
            epoch: 1,
            uses_ids,
            last_used_ms,
            ..Self::default()
        };
        wanted.for_each(|partition| session.put(partition));
        session
    }

    pub(super) fn put(&mut self, wanted: Wanted) {
        let key = (wanted.topic.clone(), wanted.partition);
        if let Some(cached) = self
            .order
            .get(&key)
            .and_then(|at| self.partitions.get_mut(at))
        {
            cached.wanted = wanted;
            return;
        }
        self.next_order += 1;
        self.order.insert(key, self.next_order);
        self.partitions
            .insert(self.next_order, Cached { wanted, told: None });
    }

    pub(super) fn forget(&mut self, topic: &TopicRef, partition: i32) {
        if let Some(at) = self.order.remove(&(topic.clone(), partition)) {
            self.partitions.remove(&at);
        }
    }

    pub(super) fn wanted(&self) -> Vec<Wanted> {
        self.partitions
            .values()
            .map(|cached| cached.wanted.clone())
            .collect()
    }

    /// Whether the answer must mention a partition: it has records, an error, or something that
    /// the client was not told yet. Remembers what it is told now.
    pub(super) fn must_tell(
        &mut self,
        topic: &TopicRef,
        partition: i32,
        now: Told,
        has_records: bool,
    ) -> bool {
        let key = (topic.clone(), partition);
        let Some(at) = self.order.get(&key).copied() else {
            return true;
        };
        let Some(cached) = self.partitions.get_mut(&at) else {
            return true;
        };
        let changed = cached.told != Some(now);
        // An error must be repeated until it is gone, so it is never taken for told.
        cached.told = (now.error_code == 0).then_some(now);
        if has_records && let Some(cached) = self.partitions.remove(&at) {
            self.next_order += 1;
            self.partitions.insert(self.next_order, cached);
            self.order.insert(key, self.next_order);
        }
        has_records || changed || now.error_code != 0
    }
}
