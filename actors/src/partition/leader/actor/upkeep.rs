//! What a leader does to its log now and then: retention, deletions, giving reserved blocks back.

use std::time::Duration;

use odeon_kernel::spawn;
use odeon_log::{LogError, later_if_full};
use odeon_model::config::Durability;
use ractor::ActorRef;

use super::{LeaderMsg, Leading};

impl Leading {
    pub(super) fn maintain(&mut self, myself: &ActorRef<LeaderMsg>) -> Result<(), LogError> {
        let clock = self.arguments.clock.clone();
        let (now_ms, now) = (clock.now_ms(), clock.monotonic());
        self.writer.expire_producers(now_ms)?;
        let high_watermark = self.decide.high_watermark();
        let retained = self.writer.apply_retention(now_ms, now, high_watermark);
        let retained = later_if_full(retained)?;
        if retained.segments > 0 {
            tracing::info!(
                topic = &*self.arguments.view.topic,
                partition = self.arguments.view.partition,
                segments = retained.segments,
                bytes = retained.bytes,
                log_start = retained.log_start,
                "retention removed segments"
            );
        }
        self.writer.run_deletions(now)?;
        self.writer.trim()?;
        self.return_for_deletions(myself, now)?;
        if self.arguments.config.durability == Durability::PageCache {
            self.start_sync(myself)?;
        }
        Ok(())
    }

    /// Comes back when the files of removed segments are due, unless that is arranged already.
    fn return_for_deletions(
        &mut self,
        myself: &ActorRef<LeaderMsg>,
        now: Duration,
    ) -> Result<(), LogError> {
        let Some(due) = self.writer.next_deletion()? else {
            return Ok(());
        };
        if self.returns_at.is_some_and(|at| at > now) {
            return Ok(());
        }
        self.returns_at = Some(due);
        let sleep = self.arguments.clock.sleep(due.saturating_sub(now));
        let myself = myself.clone();
        spawn(async move {
            sleep.await;
            let _ = myself.cast(LeaderMsg::Maintain);
        });
        Ok(())
    }
}
