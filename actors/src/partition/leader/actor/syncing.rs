//! When a leader's log goes to disk: each write's sync, and Kafka's `flush.messages` and `flush.ms`.

use std::time::Duration;

use odeon_kernel::budget::Permit;
use odeon_kernel::spawn;
use odeon_log::{LogError, SyncDone};
use odeon_model::config::Durability;
use ractor::ActorRef;

use super::{LeaderMsg, Leading, refusal};
use crate::partition::syncing;

/// A `flush.ms` of more than ten years is never.
const NEVER_MS: i64 = 10 * 365 * 24 * 60 * 60 * 1000;

impl Leading {
    /// Starts a sync if this topic's settings ask for one and none runs.
    pub(super) fn sync(&mut self, myself: &ActorRef<LeaderMsg>) {
        if self.decide.wants_sync()
            && let Err(error) = self.start_sync(myself)
        {
            tracing::error!(%error, "a sync could not start");
            myself.stop(Some("its log failed".into()));
        }
    }

    /// Starts a sync, unless one is under way or there is nothing to sync.
    pub(super) fn start_sync(&mut self, myself: &ActorRef<LeaderMsg>) -> Result<(), LogError> {
        if self.decide.is_syncing() || !self.writer.needs_sync()? {
            return Ok(());
        }
        let is_under_way = syncing::begin(&mut self.writer, self.arguments.blocking, myself)?;
        self.decide.set_syncing(is_under_way);
        Ok(())
    }

    /// Runs the sync whose turn it is.
    pub(super) fn run_sync(
        &mut self,
        myself: &ActorRef<LeaderMsg>,
        slot: Permit,
    ) -> Result<(), LogError> {
        let runs = syncing::run(&mut self.writer, slot, self.arguments.blocking, myself)?;
        self.decide.set_syncing(runs);
        Ok(())
    }

    pub(super) fn synced(
        &mut self,
        myself: &ActorRef<LeaderMsg>,
        done: SyncDone,
    ) -> Result<(), LogError> {
        match self.writer.complete_sync(done) {
            Ok(flushed) => self.decide.synced(flushed),
            Err(error) => {
                self.refuse_all(&refusal(&error));
                return Err(error);
            }
        }
        self.publish();
        self.sync(myself);
        self.arrange_flush(myself);
        Ok(())
    }

    /// Comes back in `flush.ms` if something waits in the page cache, unless that is arranged.
    pub(super) fn arrange_flush(&mut self, myself: &ActorRef<LeaderMsg>) {
        let config = &self.arguments.config;
        let wanted = config.durability == Durability::PageCache
            && config.flush_ms < NEVER_MS
            && self.decide.unflushed() > 0;
        if !wanted || self.flush_arranged {
            return;
        }
        self.flush_arranged = true;
        let wait = Duration::from_millis(config.flush_ms.max(0).unsigned_abs());
        let sleep = self.arguments.clock.sleep(wait);
        let myself = myself.clone();
        spawn(async move {
            sleep.await;
            let _ = myself.cast(LeaderMsg::FlushDue);
        });
    }

    /// `flush.ms` is over.
    pub(super) fn flush_due(&mut self, myself: &ActorRef<LeaderMsg>) -> Result<(), LogError> {
        self.flush_arranged = false;
        self.start_sync(myself)
    }
}
