//! What an answer means for each batch: done, once more, or given up.

use std::collections::HashMap;
use std::sync::Arc;

use odeon_model::{ErrorCode, TopicId};

use super::Sender;
use crate::ClientError;
use crate::producer::batch::Batch;
use crate::producer::request::{Verdict, Verdicts, is_about_metadata};

impl Sender {
    pub(super) fn judge(
        &mut self,
        batches: Vec<Batch>,
        mut verdicts: Verdicts,
        topic_ids: &HashMap<Arc<str>, TopicId>,
    ) {
        for batch in batches {
            match verdicts.of(&batch, topic_ids) {
                Some(verdict) => self.judge_one(batch, verdict),
                None => {
                    let error = ClientError::Malformed {
                        address: "the broker".into(),
                        reason: format!("no word about {}", batch.partition).into(),
                    };
                    self.shared.lock().finish(&batch);
                    self.give_up(batch, error);
                }
            }
        }
    }

    fn judge_one(&mut self, batch: Batch, verdict: Verdict) {
        let code = verdict.code;
        // A double means that an earlier attempt was written, and only its answer was lost.
        if code.is_none() || code == ErrorCode::DuplicateSequenceNumber {
            let base_offset = if code.is_none() {
                verdict.base_offset
            } else {
                -1
            };
            self.shared.lock().finish(&batch);
            return batch.written(base_offset, verdict.append_time_ms);
        }
        let what = format!("write to {}", batch.partition);
        let error = ClientError::refused(what, code.code(), verdict.message);
        if is_about_metadata(code) {
            self.client.forget_topic(&batch.partition.topic);
        }
        if batch.stamp.is_some() && is_about_sequence(code) {
            // Behind a batch that is still to be written, this one is merely early. Otherwise the
            // broker has lost track of this producer: nothing of the batch was written.
            if !self.shared.lock().has_earlier(&batch) {
                self.leave_identity();
            }
            self.try_again(batch, error);
        } else if error.is_retriable() {
            self.try_again(batch, error);
        } else {
            self.shared.lock().finish(&batch);
            self.give_up(batch, error);
        }
    }

    /// Puts a batch back to its place, to be sent again after a pause.
    pub(super) fn try_again(&mut self, mut batch: Batch, error: ClientError) {
        if !error.is_retriable() && error.code().is_none() {
            self.shared.lock().finish(&batch);
            return self.give_up(batch, error);
        }
        tracing::debug!(%error, partition = %batch.partition, attempts = batch.attempts, "again");
        let mut backoff = self.client.backoff();
        let mut pause = backoff.next(self.client.rng());
        for _ in 1..batch.attempts.min(8) {
            pause = backoff.next(self.client.rng());
        }
        batch.not_before = self.now() + pause;
        batch.last_error = Some(error.to_string());
        self.shared.lock().requeue(batch);
    }
}

/// Whether an error is about the identity or the sequence numbers of a batch.
fn is_about_sequence(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::OutOfOrderSequenceNumber
            | ErrorCode::UnknownProducerId
            | ErrorCode::InvalidProducerEpoch
    )
}
