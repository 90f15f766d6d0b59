//! Judges the records of a batch, one after the other.

use bytes::Bytes;
use odeon_model::ErrorCode;

use super::{ValidationError, ValidationRules};
use crate::header::NO_TIMESTAMP;
use crate::walk::{MIN_RECORD_BYTES, RecordShape, SliceSource, StreamSource, walk};
use crate::{BatchHeader, Compression, TimestampType};

pub(super) const MAX_RECORD_ERRORS: usize = 1_000;

/// What a look at the records gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Findings {
    pub(super) max_timestamp: i64,
    /// The first record that has it.
    pub(super) max_timestamp_delta: i32,
}

/// Walks over the records as they were sent.
pub(super) fn inspect_body(
    body: &Bytes,
    header: &BatchHeader,
    source: Compression,
    rules: &ValidationRules,
) -> Result<Findings, ValidationError> {
    let limit = rules.limits.max_decompressed_bytes;
    let Some(decoder) = source.decoder(body, limit)? else {
        return inspect_slice(body, header, source, rules);
    };
    let mut stream = StreamSource::new(decoder, source.name(), limit);
    let mut inspector = Inspector::new(header, rules);
    walk(
        &mut stream,
        header.record_count as usize,
        &rules.limits,
        |index, shape| inspector.see(index, shape),
    )?;
    inspector.finish()
}

/// Walks over records that came in the codec `source` and are not compressed now.
pub(super) fn inspect_slice(
    payload: &[u8],
    header: &BatchHeader,
    source: Compression,
    rules: &ValidationRules,
) -> Result<Findings, ValidationError> {
    let count = header.record_count as usize;
    let limits = rules.limits.for_codec(source);
    if count > payload.len() / MIN_RECORD_BYTES {
        return Err(ValidationError::invalid(
            "the batch is too short for its record count",
        ));
    }
    let mut inspector = Inspector::new(header, rules);
    walk(
        &mut SliceSource::new(payload),
        count,
        &limits,
        |index, shape| inspector.see(index, shape),
    )?;
    inspector.finish()
}

/// Judges one record after the other.
struct Inspector<'a> {
    rules: &'a ValidationRules,
    base_timestamp: i64,
    /// The time that all records have, if the producer claims log-append time.
    stamped: Option<i64>,
    /// The range that create times must be in; anything for log-append time.
    earliest: i64,
    latest: i64,
    found: Findings,
    errors: Vec<(i32, String)>,
    error_count: usize,
    bad_timestamp: bool,
}

impl<'a> Inspector<'a> {
    fn new(header: &BatchHeader, rules: &'a ValidationRules) -> Self {
        let (earliest, latest) = match rules.timestamp_type {
            TimestampType::CreateTime => (
                rules.now_ms.saturating_sub(rules.before_max_ms),
                rules.now_ms.saturating_add(rules.after_max_ms),
            ),
            TimestampType::LogAppendTime => (i64::MIN, i64::MAX),
        };
        Self {
            rules,
            base_timestamp: header.base_timestamp,
            stamped: (header.timestamp_type() == TimestampType::LogAppendTime)
                .then_some(header.max_timestamp),
            earliest,
            latest,
            found: Findings {
                max_timestamp: NO_TIMESTAMP,
                max_timestamp_delta: 0,
            },
            errors: Vec::new(),
            error_count: 0,
            bad_timestamp: false,
        }
    }

    #[inline]
    fn see(&mut self, index: usize, shape: RecordShape) -> Result<(), ValidationError> {
        let timestamp = self.base_timestamp.wrapping_add(shape.timestamp_delta);
        let in_range = timestamp >= self.earliest && timestamp <= self.latest;
        if shape.offset_delta as usize != index
            || (self.rules.compacted && !shape.has_key)
            || self.stamped.is_some()
            || !(in_range || timestamp == NO_TIMESTAMP)
        {
            self.doubt(index, shape, timestamp)?;
        }
        if timestamp > self.found.max_timestamp {
            self.found = Findings {
                max_timestamp: timestamp,
                max_timestamp_delta: index as i32,
            };
        }
        Ok(())
    }

    /// Finds out what is wrong with a record that [`Inspector::see`] stumbled over, if anything.
    #[cold]
    fn doubt(
        &mut self,
        index: usize,
        shape: RecordShape,
        timestamp: i64,
    ) -> Result<(), ValidationError> {
        if shape.offset_delta as usize != index {
            // Whatever follows is at the wrong place too: not worth a list.
            let message = format!("record {index} has the offset delta {}", shape.offset_delta);
            let record_errors = vec![(index as i32, message.clone())];
            return Err(ValidationError {
                record_errors,
                ..ValidationError::invalid(message)
            });
        }
        if self.rules.compacted && !shape.has_key {
            self.note(index, || {
                "a record of a compacted topic needs a key".to_owned()
            });
            return Ok(());
        }
        // Kafka looks at the claimed time alone, and then drops the claim: the records' own times
        // come to light, so they are judged too.
        let create_time = self.rules.timestamp_type == TimestampType::CreateTime;
        let claimed = self.stamped.unwrap_or(timestamp);
        if self.stamped.is_some() && (!create_time || claimed == NO_TIMESTAMP) {
            self.bad_timestamp = true;
            self.note(index, || "producers may not set log-append time".to_owned());
            return Ok(());
        }
        let (earliest, latest) = (self.earliest, self.latest);
        let outside = |time: &i64| *time != NO_TIMESTAMP && !(earliest..=latest).contains(time);
        if let Some(time) = [claimed, timestamp].into_iter().find(outside) {
            self.bad_timestamp = true;
            self.note(index, || {
                format!("the timestamp {time} is not within [{earliest}, {latest}]")
            });
        }
        Ok(())
    }

    fn note(&mut self, index: usize, message: impl FnOnce() -> String) {
        self.error_count += 1;
        if self.errors.len() < MAX_RECORD_ERRORS {
            self.errors.push((index as i32, message()));
        }
    }

    fn finish(self) -> Result<Findings, ValidationError> {
        let Some((index, message)) = self.errors.first() else {
            return Ok(self.found);
        };
        let error = if self.bad_timestamp {
            ErrorCode::InvalidTimestamp
        } else {
            ErrorCode::InvalidRecord
        };
        let message = format!(
            "{} records refused; record {index}: {message}",
            self.error_count
        );
        Err(ValidationError {
            error,
            message,
            record_errors: self.errors,
        })
    }
}
