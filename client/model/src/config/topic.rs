//! A topic's configs as the log and the partition leader want them.

use std::fmt;

use super::error::{ConfigError, shorten};
use super::layers::{BrokerLayers, effective};
use super::registry::{ConfigMap, find_topic};
use super::value::{Value, validate};
use crate::{NodeId, PartitionId};

/// When a write with acks=all is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// When it is on disk on every in-sync replica.
    #[default]
    Fsync,
    /// When every in-sync replica has written it, disk or not; Kafka's habit.
    PageCache,
}

/// How a topic's batches are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TopicCompression {
    /// As the producer sent them.
    #[default]
    Producer,
    /// Without compression.
    Uncompressed,
    /// With gzip at this level; -1 is the codec's own choice.
    Gzip(i32),
    /// With snappy.
    Snappy,
    /// With lz4 at this level.
    Lz4(i32),
    /// With zstd at this level.
    Zstd(i32),
}

/// Whose clock the timestamps of a topic's records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TimestampType {
    /// The producer's.
    #[default]
    CreateTime,
    /// The broker's, at the append.
    LogAppendTime,
}

/// What happens to a topic's old records; both may hold, or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CleanupPolicy {
    /// Old segments are deleted.
    pub delete: bool,
    /// Only the newest record of each key is kept.
    pub compact: bool,
}

/// A topic's configs, its own settings laid over the broker's.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    /// Age at which segments are deleted; -1 is never.
    pub retention_ms: i64,
    /// Size of a partition above which segments are deleted; negative is never.
    pub retention_bytes: i64,
    /// Size at which a segment is full.
    pub segment_bytes: i32,
    /// Age at which a segment is full.
    pub segment_ms: i64,
    /// Largest random amount taken off `segment_ms`.
    pub segment_jitter_ms: i64,
    /// Largest size of a segment's offset index.
    pub segment_index_bytes: i32,
    /// Bytes of log per entry of its offset index.
    pub index_interval_bytes: i32,
    /// Largest batch, as stored.
    pub max_message_bytes: i32,
    /// Most bytes that one batch may unpack to.
    pub max_decompressed_message_bytes: i32,
    /// Fewest in-sync replicas with which acks=all is accepted, at least 1.
    pub min_insync_replicas: i32,
    /// What happens to old records.
    pub cleanup_policy: CleanupPolicy,
    /// How batches are stored.
    pub compression: TopicCompression,
    /// Whose clock timestamps come from.
    pub message_timestamp_type: TimestampType,
    /// How far a timestamp may lie behind the broker's clock.
    pub message_timestamp_before_max_ms: i64,
    /// How far a timestamp may lie ahead of the broker's clock.
    pub message_timestamp_after_max_ms: i64,
    /// How long tombstones stay readable.
    pub delete_retention_ms: i64,
    /// How long a deleted segment's files still lie on disk.
    pub file_delete_delay_ms: i64,
    /// Sync after this many records, in page-cache mode; `i64::MAX` is never.
    pub flush_messages: i64,
    /// Sync after this time, in page-cache mode; `i64::MAX` is never.
    pub flush_ms: i64,
    /// Whether a replica outside the in-sync set may lead as a last resort.
    pub unclean_leader_election_enable: bool,
    /// Whether a new segment's file gets its full size at once.
    pub preallocate: bool,
    /// A record is compacted no sooner than this.
    pub min_compaction_lag_ms: i64,
    /// A record is compacted no later than this.
    pub max_compaction_lag_ms: i64,
    /// Share of a log that must be uncompacted before it is compacted.
    pub min_cleanable_dirty_ratio: f64,
    /// When acks=all is answered.
    pub durability: Durability,
    /// The replicas whose sending is throttled while they lead.
    pub leader_throttled_replicas: ThrottledReplicas,
    /// The replicas whose catching up is throttled.
    pub follower_throttled_replicas: ThrottledReplicas,
}

/// Which replicas of a topic are throttled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThrottledReplicas {
    /// All of them.
    All,
    /// These, by partition and node.
    Only(Vec<(PartitionId, NodeId)>),
}

impl ThrottledReplicas {
    /// Whether a replica is one of them.
    pub fn includes(&self, partition: PartitionId, node: NodeId) -> bool {
        match self {
            Self::All => true,
            Self::Only(replicas) => replicas.contains(&(partition, node)),
        }
    }

    /// Reads `*` or `PARTITION:NODE,...`; what is not of this form is left out.
    fn parse(entries: &[String]) -> Self {
        let read = |entry: &String| {
            let (partition, node) = entry.split_once(':')?;
            Some((partition.parse().ok()?, node.parse().ok()?))
        };
        match entries {
            [all] if all == "*" => Self::All,
            _ => Self::Only(entries.iter().filter_map(read).collect()),
        }
    }
}

impl Default for TopicConfig {
    /// A topic without settings on a broker without settings.
    fn default() -> Self {
        Self::resolve(&ConfigMap::new(), BrokerLayers::default())
    }
}

impl TopicConfig {
    /// Lays a topic's settings over the broker's. Texts that are not valid count as unset.
    pub fn resolve(overrides: &ConfigMap, broker: BrokerLayers<'_>) -> Self {
        let view = View { overrides, broker };
        let segment_bytes = match view.value("internal.segment.bytes") {
            Some(Value::Int(bytes)) if bytes > 0 => bytes,
            _ => view.int("segment.bytes"),
        };
        let policies = view.list("cleanup.policy");
        Self {
            retention_ms: view.long("retention.ms"),
            retention_bytes: view.long("retention.bytes"),
            segment_bytes,
            segment_ms: view.long("segment.ms"),
            segment_jitter_ms: view.long("segment.jitter.ms"),
            segment_index_bytes: view.int("segment.index.bytes"),
            index_interval_bytes: view.int("index.interval.bytes"),
            max_message_bytes: view.int("max.message.bytes"),
            max_decompressed_message_bytes: view.int("max.decompressed.message.bytes"),
            min_insync_replicas: view.int("min.insync.replicas"),
            cleanup_policy: CleanupPolicy {
                delete: policies.iter().any(|policy| policy == "delete"),
                compact: policies.iter().any(|policy| policy == "compact"),
            },
            compression: view.compression(),
            message_timestamp_type: match view.text("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            message_timestamp_before_max_ms: view.long("message.timestamp.before.max.ms"),
            message_timestamp_after_max_ms: view.long("message.timestamp.after.max.ms"),
            delete_retention_ms: view.long("delete.retention.ms"),
            file_delete_delay_ms: view.long("file.delete.delay.ms"),
            flush_messages: view.long("flush.messages"),
            flush_ms: view.long("flush.ms"),
            unclean_leader_election_enable: view.boolean("unclean.leader.election.enable"),
            preallocate: view.boolean("preallocate"),
            min_compaction_lag_ms: view.long("min.compaction.lag.ms"),
            max_compaction_lag_ms: view.long("max.compaction.lag.ms"),
            min_cleanable_dirty_ratio: view.double("min.cleanable.dirty.ratio"),
            durability: match view.text("odeon.acks.durability").as_str() {
                "page-cache" => Durability::PageCache,
                _ => Durability::Fsync,
            },
            leader_throttled_replicas: ThrottledReplicas::parse(
                &view.list("leader.replication.throttled.replicas"),
            ),
            follower_throttled_replicas: ThrottledReplicas::parse(
                &view.list("follower.replication.throttled.replicas"),
            ),
        }
    }
}

struct View<'a> {
    overrides: &'a ConfigMap,
    broker: BrokerLayers<'a>,
}

impl View<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        effective(find_topic(name)?, self.overrides, self.broker)
    }

    fn long(&self, name: &str) -> i64 {
        self.value(name)
            .and_then(|value| value.as_i64())
            .unwrap_or_default()
    }

    fn int(&self, name: &str) -> i32 {
        i32::try_from(self.long(name)).unwrap_or(i32::MAX)
    }

    fn double(&self, name: &str) -> f64 {
        self.value(name)
            .and_then(|value| value.as_f64())
            .unwrap_or_default()
    }

    fn boolean(&self, name: &str) -> bool {
        self.value(name)
            .and_then(|value| value.as_bool())
            .unwrap_or_default()
    }

    fn text(&self, name: &str) -> String {
        self.value(name)
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    fn list(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Some(Value::List(entries)) => entries,
            _ => Vec::new(),
        }
    }

    fn compression(&self) -> TopicCompression {
        match self.text("compression.type").as_str() {
            "uncompressed" => TopicCompression::Uncompressed,
            "gzip" => TopicCompression::Gzip(self.int("compression.gzip.level")),
            "snappy" => TopicCompression::Snappy,
            "lz4" => TopicCompression::Lz4(self.int("compression.lz4.level")),
            "zstd" => TopicCompression::Zstd(self.int("compression.zstd.level")),
            _ => TopicCompression::Producer,
        }
    }
}

/// Checks the settings that a topic would have: every key alone, and the keys together.
/// `existing` is what it has now, empty for a new topic.
///
/// # Errors
/// The first key that is unknown, not valid, or at odds with another; the code is
/// `InvalidConfig`.
///
/// Source: `org.apache.kafka.storage.internals.log.LogConfig.validate`.
pub fn validate_topic(
    existing: &ConfigMap,
    proposed: &ConfigMap,
    broker: BrokerLayers<'_>,
) -> Result<(), ConfigError> {
    for (name, text) in proposed {
        let Some(def) = find_topic(name) else {
            let message = format!("Unknown topic config name: {}", shorten(name));
            return Err(ConfigError::new(name, message));
        };
        validate(def, text)?;
    }
    let view = View {
        overrides: proposed,
        broker,
    };
    let (min, max) = (
        view.long("min.compaction.lag.ms"),
        view.long("max.compaction.lag.ms"),
    );
    at_odds(min > max, "min.compaction.lag.ms", || {
        format!("min.compaction.lag.ms ({min}) is larger than max.compaction.lag.ms ({max})")
    })?;
    if view.boolean("remote.storage.enable") {
        return validate_tiered(&view);
    }
    let was_tiered = existing
        .get("remote.storage.enable")
        .is_some_and(|text| text == "true");
    at_odds(
        was_tiered && !view.boolean("remote.log.delete.on.disable"),
        "remote.storage.enable",
        || {
            "Tiered storage can be switched off only together with \
             remote.log.delete.on.disable=true; to keep what lies there, set \
             remote.log.copy.disable=true instead"
                .to_owned()
        },
    )
}

fn validate_tiered(view: &View<'_>) -> Result<(), ConfigError> {
    let key = "remote.storage.enable";
    let offered = view.broker.value("remote.log.storage.system.enable");
    at_odds(
        offered.and_then(|value| value.as_bool()) != Some(true),
        key,
        || "Tiered storage is switched off on the brokers, so no topic can use it".to_owned(),
    )?;
    let policies = view.list("cleanup.policy");
    at_odds(
        policies.iter().any(|policy| policy == "compact"),
        key,
        || "Tiered storage needs a cleanup.policy of delete, or an empty one".to_owned(),
    )?;
    for unit in ["bytes", "ms"] {
        let (whole, local) = (
            format!("retention.{unit}"),
            format!("local.retention.{unit}"),
        );
        let (kept, kept_here) = (view.long(&whole), view.long(&local));
        let unbounded = kept_here == -1 && kept != -1;
        at_odds(
            kept_here != -2 && kept != -1 && (unbounded || kept_here > kept),
            &local,
            || format!("{local} ({kept_here}) must not be larger than {whole} ({kept})"),
        )?;
        let stopped = view.boolean("remote.log.copy.disable");
        at_odds(
            stopped && kept_here != -2 && kept_here != kept,
            &local,
            || format!("With remote.log.copy.disable=true, {local} must be -2 or equal to {whole}"),
        )?;
        let (lag_key, bound) = (
            format!("remote.copy.lag.{unit}"),
            if kept_here == -2 { kept } else { kept_here },
        );
        let lag = view.long(&lag_key);
        at_odds(lag > 0 && bound >= 0 && lag > bound, &lag_key, || {
            format!("{lag_key} ({lag}) must not be larger than the local retention ({bound})")
        })?;
    }
    Ok(())
}

fn at_odds(wrong: bool, key: &str, message: impl FnOnce() -> String) -> Result<(), ConfigError> {
    if wrong {
        Err(ConfigError::new(key, message()))
    } else {
        Ok(())
    }
}

impl fmt::Display for CleanupPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.delete, self.compact) {
            (true, true) => "compact,delete",
            (true, false) => "delete",
            (false, true) => "compact",
            (false, false) => "",
        })
    }
}
