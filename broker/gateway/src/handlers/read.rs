//! Reading one partition for a fetch.

use bytes::Bytes;
use odeon_actors::partition::PartitionView;
use odeon_model::ErrorCode;

use super::lookup;
use crate::context::RequestContext;
use crate::session::{Told, Wanted};

/// What a fetch asks of all its partitions together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_bytes: usize,
    pub(super) min_bytes: usize,
    pub(super) committed: bool,
    /// The client allows more.
    pub(super) is_shortened: bool,
}

/// What reading a partition gave.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) error: Option<ErrorCode>,
    pub(super) records: Bytes,
    pub(super) diverging: Option<(i32, i64)>,
    pub(super) offsets: Told,
}

impl Read {
    /// What a follower says of it: where its own log lacks what is asked for, the leader decides.
    pub(super) fn of_follower(self) -> Self {
        let is_beyond = self.error == Some(ErrorCode::OffsetOutOfRange);
        if !is_beyond && self.diverging.is_none() {
            return self;
        }
        Self {
            error: Some(ErrorCode::NotLeaderOrFollower),
            diverging: None,
            ..self
        }
    }
}

/// What becomes of a partition of a fetch.
pub(super) enum Admitted {
    /// It needs no record.
    Answered(Read),
    /// Records are to be read.
    Reads(Range, Told),
}

/// Where and how much is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    offset: i64,
    max_bytes: usize,
    bound: i64,
    at_least_one: bool,
}

/// A partition's offsets as they are now.
pub(super) fn told(view: &PartitionView) -> Told {
    Told {
        high_watermark: view.high_watermark(),
        last_stable_offset: view.last_stable_offset(),
        log_start_offset: view.log_start_offset(),
        error_code: 0,
    }
}

pub(super) fn admit(
    view: &PartitionView,
    wanted: &Wanted,
    limits: Limits,
    left_bytes: usize,
    first: bool,
) -> Admitted {
    let high_watermark = view.high_watermark();
    let last_stable_offset = view.last_stable_offset();
    let offsets = told(view);
    let refuse = |code| {
        Admitted::Answered(Read {
            error: Some(code),
            offsets,
            ..Read::default()
        })
    };
    if view.is_closed() {
        return refuse(ErrorCode::NotLeaderOrFollower);
    }
    if wanted.last_fetched_epoch >= 0 {
        let end = view.reader.end_offset_for_epoch(wanted.last_fetched_epoch);
        match end {
            None => return refuse(ErrorCode::OffsetOutOfRange),
            Some((epoch, end))
                if epoch < wanted.last_fetched_epoch || end < wanted.fetch_offset =>
            {
                return Admitted::Answered(Read {
                    diverging: Some((epoch, end)),
                    offsets,
                    ..Read::default()
                });
            }
            Some(_) => {}
        }
    }
    if wanted.fetch_offset < offsets.log_start_offset || wanted.fetch_offset > view.log_end_offset()
    {
        return refuse(ErrorCode::OffsetOutOfRange);
    }
    let bound = if limits.committed {
        last_stable_offset
    } else {
        high_watermark
    };
    let max_bytes = left_bytes.min(usize::try_from(wanted.max_bytes).unwrap_or(0));
    if wanted.fetch_offset >= bound || (max_bytes == 0 && !first) {
        return Admitted::Answered(Read {
            offsets,
            ..Read::default()
        });
    }
    let range = Range {
        offset: wanted.fetch_offset,
        max_bytes,
        bound,
        at_least_one: first,
    };
    Admitted::Reads(range, offsets)
}

/// Reads what was admitted.
pub(super) async fn read_records(
    context: &RequestContext,
    view: &PartitionView,
    range: Range,
    offsets: Told,
) -> Read {
    let Range {
        offset,
        max_bytes,
        bound,
        at_least_one,
    } = range;
    let blocking = context.node().blocking;
    let read = view
        .reader
        .read_aside(blocking, (offset, max_bytes), bound, at_least_one)
        .await;
    match read {
        Ok(read) => Read {
            records: read.records,
            offsets,
            ..Read::default()
        },
        Err(error) => {
            tracing::warn!(topic = &*view.topic, partition = view.partition, %error, "a read failed");
            Read {
                error: Some(lookup::log_error(&error)),
                offsets,
                ..Read::default()
            }
        }
    }
}
