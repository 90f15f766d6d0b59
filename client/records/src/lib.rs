//! Kafka's record batches, format 2: the bytes that producers send, logs keep and consumers read.
//!
//! A batch travels through the broker whole. [`validate`] looks into it once, on the way in, and
//! gives a [`PreparedBatch`]: 61 bytes of header that the leader may still patch, and a body that
//! is never copied. Reading goes through [`BatchHeader`], [`split_batches`] and [`records`];
//! writing through [`BatchBuilder`]. Nothing here does I/O or knows the time.

mod builder;
mod compression;
mod control;
mod error;
mod header;
mod prepared;
mod record;
mod split;
mod validate;
mod varint;
mod walk;

pub use builder::BatchBuilder;
pub use compression::{Codec, Compression};
pub use control::{ControlRecord, control_batch};
pub use error::RecordsError;
pub use header::{BatchHeader, HEADER_BYTES, NO_TIMESTAMP, TimestampType, batch_crc, check_crc};
pub use prepared::PreparedBatch;
pub use record::{Limits, RecordHeader, RecordView, Records, records};
pub use split::{Batches, split_batches};
pub use validate::{TargetCompression, ValidationError, ValidationRules, validate};

#[cfg(test)]
mod tests;
