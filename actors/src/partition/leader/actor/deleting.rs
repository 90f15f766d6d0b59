//! DeleteRecords: the log start moves here at once, and is answered when it has moved everywhere.

use odeon_model::{ErrorCode, Offset};
use tokio::sync::oneshot;

use super::Leading;
use crate::partition::log_error_code;

/// The most deletions that wait at once.
const MAX_WAITING: usize = 1_000;

type Reply = oneshot::Sender<Result<Offset, ErrorCode>>;

/// A deletion that waits until every live replica's log starts at `target` or behind.
#[derive(Debug)]
pub(super) struct Deletion {
    target: Offset,
    reply: Reply,
}

impl Leading {
    pub(super) fn delete_records(&mut self, before_offset: Offset, reply: Reply) {
        match self.move_log_start(before_offset) {
            Ok(target) => {
                self.deletions.retain(|waiting| !waiting.reply.is_closed());
                if self.deletions.len() < MAX_WAITING {
                    self.deletions.push(Deletion { target, reply });
                }
                self.answer_deletions();
            }
            Err(code) => {
                let _ = reply.send(Err(code));
            }
        }
    }

    fn move_log_start(&mut self, before_offset: Offset) -> Result<Offset, ErrorCode> {
        let high_watermark = self.decide.high_watermark();
        let target = match before_offset {
            -1 => high_watermark,
            offset => offset,
        };
        if target < 0 || target > high_watermark {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        let deleted = self.writer.delete_records(target, high_watermark);
        deleted.map_err(|error| log_error_code(&error))?;
        let view = &self.arguments.view;
        view.signal.notify();
        view.publish_log_end();
        Ok(target)
    }

    /// Answers the deletions that all live replicas have followed.
    pub(super) fn answer_deletions(&mut self) {
        if self.deletions.is_empty() {
            return;
        }
        let own = self.arguments.log.view().log_start();
        let is_alive = |id| self.arguments.changer.may_join(id, -1);
        let low_watermark = self.decide.low_watermark(own, is_alive);
        let done = |waiting: &mut Deletion| waiting.target <= low_watermark;
        for Deletion { reply, .. } in self.deletions.extract_if(.., done) {
            let _ = reply.send(Ok(low_watermark));
        }
    }
}
