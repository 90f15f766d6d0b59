//! What a leader decides: who may append, where the high watermark is, whose wait is over.
//!
//! Pure: no actor, no disk, no clock.

use std::collections::VecDeque;

use odeon_model::config::{Durability, TopicConfig};
use odeon_model::{ErrorCode, NodeId, Offset};

use super::message::Acks;

/// A producer that waits until the high watermark passes its batch.
#[derive(Debug)]
pub(super) struct Pending<R> {
    /// The batch's last offset.
    pub(super) last_offset: Offset,
    /// What to answer, and to whom.
    pub(super) reply: R,
}

/// What a leader needs of its topic's settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// `min.insync.replicas`.
    pub(super) min_insync_replicas: usize,
    /// When an append counts.
    pub(super) durability: Durability,
    /// `flush.messages`: in page-cache mode fewer than so many records that count are not on disk.
    pub(super) flush_messages: i64,
}

impl From<&TopicConfig> for Rules {
    fn from(config: &TopicConfig) -> Self {
        Self {
            min_insync_replicas: usize::try_from(config.min_insync_replicas).unwrap_or(1),
            durability: config.durability,
            flush_messages: config.flush_messages,
        }
    }
}

/// A leader's decisions within one epoch.
#[derive(Debug)]
pub(super) struct LeaderState<R> {
    isr: Vec<NodeId>,
    rules: Rules,
    log_end: Offset,
    flushed: Offset,
    high_watermark: Offset,
    pending: VecDeque<Pending<R>>,
    sync_running: bool,
}

impl<R> LeaderState<R> {
    /// A leader over a log that ends at `log_end` and is synced up to `flushed`.
    pub(super) fn new(isr: Vec<NodeId>, rules: Rules, log_end: Offset, flushed: Offset) -> Self {
        let mut state = Self {
            isr,
            rules,
            log_end,
            flushed,
            high_watermark: 0,
            pending: VecDeque::new(),
            sync_running: false,
        };
        state.high_watermark = state.replicated_to();
        state
    }

    /// The offset behind the last record that readers may see.
    pub(super) fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// How many acknowledgements are owed.
    pub(super) fn pending_acks(&self) -> usize {
        self.pending.len()
    }

    /// The in-sync replicas.
    pub(super) fn isr(&self) -> &[NodeId] {
        &self.isr
    }

    /// Takes over changed settings.
    pub(super) fn configure(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Takes over a changed ISR.
    pub(super) fn set_isr(&mut self, isr: Vec<NodeId>) {
        self.isr = isr;
    }

    /// Whether an append may be staged at all.
    pub(super) fn admit(&self, acks: Acks) -> Result<(), ErrorCode> {
        if acks == Acks::All && self.isr.len() < self.rules.min_insync_replicas {
            return Err(ErrorCode::NotEnoughReplicas);
        }
        Ok(())
    }

    /// The write up to `log_end` is done.
    pub(super) fn written(&mut self, log_end: Offset) {
        assert!(
            log_end >= self.log_end,
            "the log end went back: {} -> {log_end}",
            self.log_end
        );
        self.log_end = log_end;
    }

    /// A producer waits for the batch that ends at `last_offset`.
    pub(super) fn wait(&mut self, last_offset: Offset, reply: R) {
        self.pending.push_back(Pending { last_offset, reply });
    }

    /// Whether a sync must start now.
    pub(super) fn wants_sync(&self) -> bool {
        let due = match self.rules.durability {
            Durability::Fsync => self.flushed < self.log_end,
            Durability::PageCache => self.unflushed() >= self.rules.flush_messages,
        };
        due && !self.sync_running
    }

    /// Whether a sync was started and is not over.
    pub(super) fn is_syncing(&self) -> bool {
        self.sync_running
    }

    /// How many records are not on disk.
    pub(super) fn unflushed(&self) -> i64 {
        self.log_end - self.flushed
    }

    /// The sync that was to start had nothing to do.
    pub(super) fn sync_skipped(&mut self) {
        self.sync_running = false;
    }

    /// A sync was started.
    pub(super) fn sync_started(&mut self) {
        self.sync_running = true;
    }

    /// The sync that was running is over; it covered everything below `flushed`.
    pub(super) fn synced(&mut self, flushed: Offset) {
        assert!(
            flushed <= self.log_end,
            "synced {flushed} behind the log end {}",
            self.log_end
        );
        self.sync_running = false;
        self.flushed = self.flushed.max(flushed);
    }

    /// Moves the high watermark as far as it may go and returns whose wait is over, in order.
    pub(super) fn advance(&mut self) -> impl Iterator<Item = R> + '_ {
        self.high_watermark = self.high_watermark.max(self.replicated_to());
        let high_watermark = self.high_watermark;
        // Duplicates wait for offsets below those before them, so all are looked at: the queue is
        // as long as the requests in flight.
        let (done, waiting) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition::<Vec<_>, _>(|pending| pending.last_offset < high_watermark);
        self.pending = waiting.into();
        done.into_iter().map(|pending| pending.reply)
    }

    /// Takes all waits away, to refuse them.
    pub(super) fn abandon(&mut self) -> impl Iterator<Item = R> + '_ {
        self.pending.drain(..).map(|pending| pending.reply)
    }

    /// Where the slowest in-sync replica is, as this topic's durability counts it. Followers join
    /// this minimum with replication.
    fn replicated_to(&self) -> Offset {
        match self.rules.durability {
            Durability::Fsync => self.flushed,
            Durability::PageCache => {
                let ahead = self.rules.flush_messages.saturating_sub(1);
                self.flushed.saturating_add(ahead).min(self.log_end)
            }
        }
    }
}
