//! The cluster's metadata: what it is, how it changes, how it is written.
//!
//! | part | what |
//! |---|---|
//! | [`MetadataRecord`] | one change, in Kafka's record frame |
//! | [`entry`] | the batch of records that is one entry of the Raft log |
//! | [`MetadataImage`] | the whole state after some entry; cheap to clone, compared by [`MetadataDelta`] |
//! | [`snapshot`] | an image as bytes |
//!
//! Everything here is pure: no clock, no randomness, no I/O. Two nodes that apply the same records
//! in the same order hold equal images.

pub mod entry;
mod image;
mod record;
pub mod snapshot;

pub use image::{
    BrokerImage, ConfigResource, ConfigResourceType, Configs, ControllerImage, Effect, Endpoint,
    FeatureRange, LeaderRecoveryState, MetadataDelta, MetadataImage, NO_LEADER, PartitionImage,
    Position, QuotaEntity, TopicDelta, TopicImage, directory,
};
pub use record::{MetadataRecord, RecordError};

/// The feature whose level says which metadata records may be written.
pub const METADATA_VERSION_FEATURE: &str = "metadata.version";
/// The first `metadata.version` that this software can run with (Kafka's name: 4.3-IV0). The
/// records that it writes are all known there, so that tools of Kafka 4.3 can name the level.
pub const MIN_METADATA_VERSION: i16 = 30;
/// The last `metadata.version` that this software can run with, and the one a new cluster gets.
pub const LATEST_METADATA_VERSION: i16 = 30;

/// The feature whose level 1 keeps replicas eligible to lead that left an ISR which was too small to
/// commit anything more (KIP-966).
pub const ELIGIBLE_LEADER_REPLICAS_FEATURE: &str = "eligible.leader.replicas.version";

/// The features that this software supports, as a broker or controller registers them.
pub fn supported_features() -> Vec<FeatureRange> {
    let (min, max) = (MIN_METADATA_VERSION, LATEST_METADATA_VERSION);
    let feature = |name: &str, min, max| FeatureRange {
        name: name.to_owned(),
        min,
        max,
    };
    vec![
        feature(METADATA_VERSION_FEATURE, min, max),
        feature(ELIGIBLE_LEADER_REPLICAS_FEATURE, 0, 1),
    ]
}
