//! What a leader decides: who may append, where the high watermark is, whose wait is over.
//!
//! Pure: no actor, no disk, no clock.

use std::collections::VecDeque;
use std::time::Duration;

use odeon_kernel::sim::{Bug, is_planted};
use odeon_model::config::{Durability, TopicConfig};
use odeon_model::{BrokerEpoch, ErrorCode, NodeId, Offset};

use super::message::Acks;
use super::replicas::{Fitness, Look, Replicas, Report, WantedIsr};

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
    replicas: Replicas,
    rules: Rules,
    log_end: Offset,
    flushed: Offset,
    high_watermark: Offset,
    pending: VecDeque<Pending<R>>,
    sync_running: bool,
}

/// Where a leader begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning {
    /// The end of its log.
    pub(super) log_end: Offset,
    /// What of it is on disk.
    pub(super) flushed: Offset,
    /// The high watermark that it knows of; readers may have seen what is below.
    pub(super) high_watermark: Offset,
}

impl<R> LeaderState<R> {
    /// A leader that begins.
    pub(super) fn new(replicas: Replicas, rules: Rules, begins: Beginning) -> Self {
        let mut state = Self {
            replicas,
            rules,
            log_end: begins.log_end,
            flushed: begins.flushed,
            high_watermark: begins.high_watermark.min(begins.log_end),
            pending: VecDeque::new(),
            sync_running: false,
        };
        state.raise_high_watermark();
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

    /// All replicas.
    pub(super) fn replicas(&self) -> &[NodeId] {
        self.replicas.all()
    }

    /// The in-sync replicas.
    pub(super) fn isr(&self) -> &[NodeId] {
        self.replicas.isr()
    }

    /// The partition epoch that the ISR belongs to.
    pub(super) fn partition_epoch(&self) -> i32 {
        self.replicas.partition_epoch()
    }

    /// Takes over changed settings.
    pub(super) fn configure(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Takes over changed replicas or a changed ISR.
    pub(super) fn set_replicas(
        &mut self,
        all: Vec<NodeId>,
        isr: Vec<NodeId>,
        partition_epoch: i32,
    ) {
        self.replicas.set(all, isr, partition_epoch);
    }

    /// Takes over the ISR that the controller accepted.
    pub(super) fn set_isr(&mut self, isr: Vec<NodeId>, partition_epoch: i32) {
        let all = self.replicas.all().to_vec();
        self.replicas.set(all, isr, partition_epoch);
    }

    /// A follower says where it is. False if it is no replica.
    pub(super) fn report(&mut self, id: NodeId, report: Report, now: Duration) -> bool {
        let (durability, log_end) = (self.rules.durability, self.log_end);
        self.replicas.report(id, report, durability, log_end, now)
    }

    /// The ISR to ask the controller for, if it should be another.
    pub(super) fn wanted_isr(
        &mut self,
        lag_max: Duration,
        now: Duration,
        fitness: Fitness,
        may_join: impl Fn(NodeId, BrokerEpoch) -> bool,
    ) -> Option<WantedIsr> {
        let look = Look {
            durability: self.rules.durability,
            log_end: self.log_end,
            high_watermark: self.high_watermark,
            lag_max,
            now,
            fitness,
            min_insync: self.replicas.min_insync(self.rules.min_insync_replicas),
        };
        self.replicas.wanted_isr(&look, may_join)
    }

    /// What was asked for was not accepted, or nobody knows.
    pub(super) fn isr_failed(&mut self, code: ErrorCode) {
        self.replicas.failed(code);
    }

    /// What was asked for was accepted.
    pub(super) fn isr_settled(&mut self) {
        self.replicas.settled();
    }

    /// Whether a follower in the ISR is behind, so that its lag has to be watched.
    pub(super) fn is_unsettled(&self) -> bool {
        self.replicas
            .is_unsettled(self.rules.durability, self.log_end)
    }

    /// The least log start of all replicas on brokers that live; `own` is the leader's.
    pub(super) fn low_watermark(&self, own: Offset, is_alive: impl Fn(NodeId) -> bool) -> Offset {
        self.replicas.low_watermark(own, is_alive)
    }

    /// Whether an append may be staged at all.
    pub(super) fn admit(&self, acks: Acks) -> Result<(), ErrorCode> {
        if acks == Acks::All && self.is_under_min_isr() {
            return Err(ErrorCode::NotEnoughReplicas);
        }
        Ok(())
    }

    /// Whether fewer replicas are in sync than the topic asks for.
    pub(super) fn is_under_min_isr(&self) -> bool {
        let wanted = self.replicas.min_insync(self.rules.min_insync_replicas);
        self.replicas.isr().len() < wanted
    }

    /// The write up to `log_end` is done, `now`.
    pub(super) fn written(&mut self, log_end: Offset, now: Duration) {
        assert!(
            log_end >= self.log_end,
            "the log end went back: {} -> {log_end}",
            self.log_end
        );
        self.replicas
            .grows(self.log_end, self.rules.durability, now);
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

    /// Notes whether a sync is under way, or waits for its turn.
    pub(super) fn set_syncing(&mut self, is_syncing: bool) {
        self.sync_running = is_syncing;
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
        self.raise_high_watermark();
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

    /// Below `min.insync.replicas` the high watermark stands still: who left the ISR since then holds
    /// all that was acknowledged, and may be elected (KIP-966).
    fn raise_high_watermark(&mut self) {
        if self.is_under_min_isr() {
            return;
        }
        let durability = self.rules.durability;
        if let Some(offset) = self.replicas.replicated_to(self.position(), durability) {
            self.high_watermark = self.high_watermark.max(offset);
        }
    }

    /// Where the leader itself is, as this topic's durability counts it.
    fn position(&self) -> Offset {
        match self.rules.durability {
            Durability::Fsync if is_planted(Bug::EarlyAcknowledgement) => self.log_end,
            Durability::Fsync => self.flushed,
            Durability::PageCache => {
                let ahead = self.rules.flush_messages.saturating_sub(1);
                self.flushed.saturating_add(ahead).min(self.log_end)
            }
        }
    }
}
