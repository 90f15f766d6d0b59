//! One partition's log on disk, and the directories that hold many of them.
//!
//! Files, names and formats are Apache Kafka's, so that its tools read them and its folders can be
//! taken over; each format is drawn at the head of the module that owns it.
//!
//! - [`LogManager`] opens the log directories, creates, loads and deletes [`Log`]s.
//! - [`LogWriter`], a lease on a log, appends: stage, write, sync, publish.
//! - [`LogReader`] reads beside it, bounded by an offset.
//!
//! Everything blocks, nothing has a thread or a timer of its own. All I/O goes through
//! [`odeon_kernel::Disk`].

mod buffers;
mod checkpoint;
mod checkpoints;
mod config;
mod dir;
mod dump;
mod epoch_cache;
mod error;
mod files;
mod index;
mod log;
mod manager;
mod meta;
mod names;
mod positions;
mod producer_snapshot;
mod producer_state;
mod reader;
mod recovery;
mod retention;
mod scan;
mod segment;
mod shared;
mod source;
mod sync;
mod time_index;
mod timestamps;
mod truncate;
mod verify;
mod write;
mod writer;

pub use config::{LogConfig, SyncMode};
pub use dir::DirState;
pub use dump::{Dumped, dump};
pub use epoch_cache::{EpochCache, EpochEntry};
pub use error::{LogError, Result, later_if_full};
pub use log::{Lease, Log, LogView};
pub use manager::{Adopted, Adoption, LoadSummary, LogManager, ManagerConfig, Move, MoveStep};
pub use manager::{claim as claim_directory, join as join_directory};
pub use meta::MetaProperties;
pub use producer_state::{BatchMeta, ProducerEntry, ProducerStates};
pub use reader::{LogRead, LogReader, SegmentInfo};
pub use recovery::RecoveryReport;
pub use retention::Retained;
pub use source::{LogSource, SourceLock, SourceReport};
pub use sync::{SyncDone, SyncJob};
pub use timestamps::FoundTimestamp;
pub use verify::Verified;
pub use write::Written;
pub use writer::{LogWriter, Origin, Staged};

#[cfg(test)]
mod tests;
