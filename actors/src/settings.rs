//! A topic's settings, from the metadata image to what the log and the record checks want.

use std::time::Duration;

use odeon_log::{LogConfig, SyncMode};
use odeon_metadata::{ConfigResource, Configs, MetadataImage};
use odeon_model::NodeId;
use odeon_model::config::{
    BrokerLayers, ConfigMap, Durability, TimestampType, TopicCompression, TopicConfig,
};
use odeon_records::{Codec, Compression, Limits, TargetCompression, ValidationRules};

/// A resource's settings as plain text.
pub fn config_map(configs: Option<&Configs>) -> ConfigMap {
    let pairs = configs.into_iter().flatten();
    pairs
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

/// What is set on a broker at run time, its own settings first, then those for all brokers.
pub fn dynamic_layers(image: &MetadataImage, node: NodeId) -> (ConfigMap, ConfigMap) {
    (
        config_map(image.config(&ConfigResource::broker(node))),
        config_map(image.config(&ConfigResource::default_broker())),
    )
}

/// A topic's settings as they hold on `node`: its own, then the broker's, then Kafka's defaults.
pub fn topic_config(
    image: &MetadataImage,
    node: NodeId,
    statics: &ConfigMap,
    topic: &str,
) -> TopicConfig {
    let (dynamic_broker, dynamic_default) = dynamic_layers(image, node);
    let layers = BrokerLayers {
        dynamic_broker: &dynamic_broker,
        dynamic_default: &dynamic_default,
        statics,
    };
    let overrides = config_map(image.config(&ConfigResource::topic(topic)));
    TopicConfig::resolve(&overrides, layers)
}

/// One of the broker's settings as text, as it holds on `node` now; none if it is not set and has no
/// default.
pub fn broker_setting(
    image: &MetadataImage,
    node: NodeId,
    statics: &ConfigMap,
    name: &str,
) -> Option<String> {
    let (dynamic_broker, dynamic_default) = dynamic_layers(image, node);
    let layers = BrokerLayers {
        dynamic_broker: &dynamic_broker,
        dynamic_default: &dynamic_default,
        statics,
    };
    layers.value(name).map(|value| value.to_string())
}

/// What the log needs of a topic's settings.
pub fn log_config(topic: &TopicConfig, producer_id_expiration_ms: i64) -> LogConfig {
    let size = |bytes: i32| u32::try_from(bytes).unwrap_or(0);
    LogConfig {
        segment_bytes: size(topic.segment_bytes),
        segment_ms: topic.segment_ms,
        segment_jitter_ms: topic.segment_jitter_ms,
        index_interval_bytes: size(topic.index_interval_bytes),
        segment_index_bytes: size(topic.segment_index_bytes),
        retention_ms: topic.retention_ms,
        retention_bytes: topic.retention_bytes,
        delete: topic.cleanup_policy.delete,
        file_delete_delay_ms: topic.file_delete_delay_ms,
        producer_id_expiration_ms,
        sync: match topic.durability {
            Durability::Fsync => SyncMode::Durable,
            Durability::PageCache => SyncMode::PageCache,
        },
        ..LogConfig::default()
    }
}

/// What a Produce request is checked against, but for the time and the request's version.
pub fn validation_rules(topic: &TopicConfig) -> ValidationRules {
    let size = |bytes: i32| usize::try_from(bytes).unwrap_or(0);
    ValidationRules {
        timestamp_type: match topic.message_timestamp_type {
            TimestampType::CreateTime => odeon_records::TimestampType::CreateTime,
            TimestampType::LogAppendTime => odeon_records::TimestampType::LogAppendTime,
        },
        before_max_ms: topic.message_timestamp_before_max_ms,
        after_max_ms: topic.message_timestamp_after_max_ms,
        compacted: topic.cleanup_policy.compact,
        target: target(topic.compression),
        max_message_bytes: size(topic.max_message_bytes),
        max_segment_bytes: size(topic.segment_bytes),
        limits: Limits {
            max_record_bytes: size(topic.max_decompressed_message_bytes),
            ..Limits::default()
        },
        ..ValidationRules::default()
    }
}

fn target(compression: TopicCompression) -> TargetCompression {
    let codec = |compression, level| TargetCompression::Codec(Codec { compression, level });
    match compression {
        TopicCompression::Producer => TargetCompression::Producer,
        TopicCompression::Uncompressed => codec(Compression::None, None),
        TopicCompression::Gzip(level) => codec(Compression::Gzip, Some(level).filter(|l| *l >= 0)),
        TopicCompression::Snappy => codec(Compression::Snappy, None),
        TopicCompression::Lz4(level) => codec(Compression::Lz4, Some(level)),
        TopicCompression::Zstd(level) => codec(Compression::Zstd, Some(level)),
    }
}

/// How brokers show that they live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liveness {
    /// How often a broker sends a heartbeat (`broker.heartbeat.interval.ms`).
    pub heartbeat_interval: Duration,
    /// How long a broker may be silent before it is fenced (`broker.session.timeout.ms`).
    pub session_timeout: Duration,
}

/// What a node's properties say; where they say nothing, a node with others has the short times of
/// a cluster that fails over within seconds, and a lone one Kafka's.
pub fn liveness(statics: &ConfigMap) -> Liveness {
    let voters = statics.get("controller.quorum.voters");
    let others = voters.is_some_and(|voters| voters.contains(','))
        || statics
            .get("controller.quorum.bootstrap.servers")
            .is_some_and(|servers| !servers.is_empty());
    let (interval_ms, timeout_ms) = match others {
        true => (150, 1_500),
        false => (2_000, 9_000),
    };
    let set = |key: &str, otherwise: u64| {
        let text = statics.get(key).and_then(|text| text.trim().parse().ok());
        Duration::from_millis(text.unwrap_or(otherwise).max(1))
    };
    Liveness {
        heartbeat_interval: set("broker.heartbeat.interval.ms", interval_ms),
        session_timeout: set("broker.session.timeout.ms", timeout_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_with_others_are_missed_sooner_unless_told_otherwise() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            let statics = pairs.map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            let found = liveness(&statics.collect());
            let millis = (found.heartbeat_interval, found.session_timeout);
            (millis.0.as_millis(), millis.1.as_millis())
        };
        let three = ("controller.quorum.voters", "1@a:1,2@b:1,3@c:1");
        assert_eq!(of(&[]), (2_000, 9_000));
        assert_eq!(of(&[("controller.quorum.voters", "1@a:1")]), (2_000, 9_000));
        assert_eq!(of(&[three]), (150, 1_500));
        let set = [
            three,
            ("broker.heartbeat.interval.ms", "500"),
            ("broker.session.timeout.ms", "6000"),
        ];
        assert_eq!(of(&set), (500, 6_000));
    }
}
