//! One change of the metadata, and Kafka's frame around it.
//!
//! ```text
//! unsigned varint   frame version, 1
//! unsigned varint   API key: which record
//! unsigned varint   version of the record's layout
//! ...               the record's fields
//! ```
//!
//! Kafka: `MetadataRecordSerde`. Keys from 10,000 on are reserved for records of our own; there
//! are none yet.

use bytes::Bytes;
use odeon_schema::metadata::{
    AbortTransactionRecord, AccessControlEntryRecord, BeginTransactionRecord,
    BrokerRegistrationChangeRecord, ClearElrRecord, ClientQuotaRecord, ConfigRecord,
    DelegationTokenRecord, EndTransactionRecord, FeatureLevelRecord, FenceBrokerRecord, NoOpRecord,
    PartitionChangeRecord, PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord,
    RegisterControllerRecord, RemoveAccessControlEntryRecord, RemoveDelegationTokenRecord,
    RemoveTopicRecord, RemoveUserScramCredentialRecord, TopicRecord, UnfenceBrokerRecord,
    UnregisterBrokerRecord, UnregisterControllerRecord, UserScramCredentialRecord,
    ZkMigrationStateRecord,
};
use odeon_schema::{DecodeError, Decoder, EncodeError, Encoder, Message, Record};

/// The frame version that is read and written.
const FRAME_VERSION: u32 = 1;

/// Why bytes are not a metadata record that this software knows.
///
/// All of these stop the node: going on would mean to run on metadata that it does not understand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The frame is of a version that this software does not know.
    #[error(
        "the metadata log holds a record with frame version {0}; this software reads version 1. \
         Run a newer release"
    )]
    UnknownFrame(u32),
    /// The record is of a type that this software does not know.
    #[error(
        "the metadata log holds a record of type {api_key}, version {version}, that this software \
         does not know. Run a release that supports the cluster's metadata.version"
    )]
    UnknownType {
        /// The record's API key.
        api_key: u32,
        /// The record's version.
        version: u32,
    },
    /// The record's type is known, its version is not.
    #[error(
        "the metadata log holds {name} version {version}, this software knows up to {newest}. Run \
         a release that supports the cluster's metadata.version"
    )]
    UnknownVersion {
        /// The record's name.
        name: &'static str,
        /// The version found.
        version: u32,
        /// The newest version known.
        newest: i16,
    },
    /// The bytes are damaged.
    #[error("the metadata log holds a damaged record: {0}")]
    Damaged(#[from] DecodeError),
}

macro_rules! metadata_records {
    ($($(#[$doc:meta])* $variant:ident($record:ident);)*) => {
        /// One change of the metadata.
        #[derive(Debug, Clone, PartialEq)]
        pub enum MetadataRecord {
            $($(#[$doc])* $variant($record),)*
        }

        impl MetadataRecord {
            /// Kafka's number of this type of record.
            pub fn api_key(&self) -> i16 {
                match self {
                    $(Self::$variant(_) => $record::API_KEY,)*
                }
            }

            /// Kafka's name of this type of record.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $record::NAME,)*
                }
            }

            fn encode_body(&self, encoder: &mut Encoder) -> Result<(), EncodeError> {
                match self {
                    $(Self::$variant(record) => {
                        frame_head(encoder, $record::API_KEY, $record::MAX_VERSION);
                        record.encode(encoder, $record::MAX_VERSION)
                    })*
                }
            }

            fn decode_body(
                api_key: u32,
                version: u32,
                decoder: &mut Decoder,
            ) -> Result<Self, RecordError> {
                $(if api_key == key::<$record>() {
                    let version = known_version::<$record>(version)?;
                    return Ok(Self::$variant($record::decode(decoder, version)?));
                })*
                Err(RecordError::UnknownType { api_key, version })
            }
        }

        $(impl From<$record> for MetadataRecord {
            fn from(record: $record) -> Self {
                Self::$variant(record)
            }
        })*

        #[cfg(test)]
        pub(crate) fn one_of_each() -> Vec<MetadataRecord> {
            vec![$(MetadataRecord::$variant($record::default()),)*]
        }
    };
}

metadata_records! {
    /// A broker introduces itself, fenced.
    RegisterBroker(RegisterBrokerRecord);
    /// A broker is gone for good.
    UnregisterBroker(UnregisterBrokerRecord);
    /// A topic exists from now on; its partitions follow.
    Topic(TopicRecord);
    /// A partition exists from now on.
    Partition(PartitionRecord);
    /// A configuration key of a resource is set or removed.
    Config(ConfigRecord);
    /// Some of a partition's state changes; its partition epoch rises.
    PartitionChange(PartitionChangeRecord);
    /// A broker is fenced (the older form of a registration change).
    FenceBroker(FenceBrokerRecord);
    /// A broker is unfenced (the older form of a registration change).
    UnfenceBroker(UnfenceBrokerRecord);
    /// A topic, its partitions and its configuration are gone.
    RemoveTopic(RemoveTopicRecord);
    /// A delegation token exists or changed.
    DelegationToken(DelegationTokenRecord);
    /// A user's SCRAM credential is set.
    UserScramCredential(UserScramCredentialRecord);
    /// A feature of the cluster has a level.
    FeatureLevel(FeatureLevelRecord);
    /// A client quota is set or removed.
    ClientQuota(ClientQuotaRecord);
    /// A block of producer ids is given away.
    ProducerIds(ProducerIdsRecord);
    /// A broker's fencing, shutdown or directories changed.
    BrokerRegistrationChange(BrokerRegistrationChangeRecord);
    /// An access control entry exists.
    AccessControlEntry(AccessControlEntryRecord);
    /// An access control entry is gone.
    RemoveAccessControlEntry(RemoveAccessControlEntryRecord);
    /// Nothing changes.
    NoOp(NoOpRecord);
    /// A leftover of Kafka's migration from ZooKeeper: read and ignored.
    ZkMigrationState(ZkMigrationStateRecord);
    /// A user's SCRAM credential is gone.
    RemoveUserScramCredential(RemoveUserScramCredentialRecord);
    /// The records from here to the matching end count together or not at all.
    BeginTransaction(BeginTransactionRecord);
    /// The records since the matching begin count.
    EndTransaction(EndTransactionRecord);
    /// The records since the matching begin do not count.
    AbortTransaction(AbortTransactionRecord);
    /// A delegation token is gone.
    RemoveDelegationToken(RemoveDelegationTokenRecord);
    /// A controller introduces itself.
    RegisterController(RegisterControllerRecord);
    /// The eligible leader replicas of a topic, or of all, are forgotten.
    ClearElr(ClearElrRecord);
    /// A controller is gone for good.
    UnregisterController(UnregisterControllerRecord);
}

impl MetadataRecord {
    /// The record in its frame, in the newest version of its layout.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if a field is too long to be written.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut encoder = Encoder::with_capacity(64);
        self.encode_body(&mut encoder)?;
        Ok(encoder.finish_contiguous())
    }

    /// Reads a frame that must end with its record.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if the frame, the type or its version is unknown, or the bytes are damaged.
    pub fn decode(frame: Bytes) -> Result<Self, RecordError> {
        let mut decoder = Decoder::new(frame);
        let frame_version = decoder.uvarint()?;
        if frame_version != FRAME_VERSION {
            return Err(RecordError::UnknownFrame(frame_version));
        }
        let api_key = decoder.uvarint()?;
        let version = decoder.uvarint()?;
        let record = Self::decode_body(api_key, version, &mut decoder)?;
        decoder.finish()?;
        Ok(record)
    }
}

fn frame_head(encoder: &mut Encoder, api_key: i16, version: i16) {
    encoder.uvarint(FRAME_VERSION);
    encoder.uvarint(u32::from(api_key.unsigned_abs()));
    encoder.uvarint(u32::from(version.unsigned_abs()));
}

fn key<R: Record>() -> u32 {
    u32::from(R::API_KEY.unsigned_abs())
}

fn known_version<R: Record>(version: u32) -> Result<i16, RecordError> {
    i16::try_from(version)
        .ok()
        .filter(|version| (R::MIN_VERSION..=R::MAX_VERSION).contains(version))
        .ok_or(RecordError::UnknownVersion {
            name: R::NAME,
            version,
            newest: R::MAX_VERSION,
        })
}

#[cfg(test)]
mod tests;
