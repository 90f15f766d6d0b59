//! How the typed configs of a node are read out of its layers.

use super::{
    GroupSettings, LogSettings, NetworkSettings, OffsetsSettings, QuorumSettings,
    ReplicationSettings, TopicSettings, TransactionSettings,
};
use crate::config::broker_check;
use crate::config::error::{ConfigError, shorten};
use crate::config::layers::BrokerLayers;
use crate::config::listeners::{parse_host_port, parse_voter};
use crate::config::value::{Value, split_list};

/// Reads typed values out of the layers.
pub(in crate::config) struct View<'a> {
    pub(in crate::config) layers: BrokerLayers<'a>,
}

impl View<'_> {
    pub(in crate::config) fn long(&self, name: &str) -> i64 {
        self.layers
            .value(name)
            .and_then(|value| value.as_i64())
            .unwrap_or_default()
    }

    pub(super) fn int(&self, name: &str) -> i32 {
        i32::try_from(self.long(name)).unwrap_or(i32::MAX)
    }

    fn short(&self, name: &str) -> i16 {
        i16::try_from(self.long(name)).unwrap_or(i16::MAX)
    }

    pub(super) fn boolean(&self, name: &str) -> bool {
        self.layers
            .value(name)
            .and_then(|value| value.as_bool())
            .unwrap_or_default()
    }

    pub(in crate::config) fn optional(&self, name: &str) -> Option<String> {
        self.layers
            .value(name)
            .and_then(|value| value.as_str().map(str::to_owned))
    }

    pub(in crate::config) fn text(&self, name: &str) -> String {
        self.optional(name).unwrap_or_default()
    }

    pub(in crate::config) fn list(&self, name: &str) -> Vec<String> {
        match self.layers.value(name) {
            Some(Value::List(entries)) => entries,
            _ => Vec::new(),
        }
    }

    pub(super) fn network(&self, roles: &[String]) -> Result<NetworkSettings, ConfigError> {
        let names = broker_check::listener_names(self, roles)?;
        Ok(NetworkSettings {
            listeners: names.listeners,
            advertised_listeners: names.advertised,
            controller_listener_names: names.controller,
            inter_broker_listener_name: names.inter_broker,
            socket_request_max_bytes: self.long("socket.request.max.bytes"),
            socket_send_buffer_bytes: self.long("socket.send.buffer.bytes"),
            socket_receive_buffer_bytes: self.long("socket.receive.buffer.bytes"),
            socket_listen_backlog_size: self.long("socket.listen.backlog.size"),
            connections_max_idle_ms: self.long("connections.max.idle.ms"),
            connections_max_reauth_ms: self.long("connections.max.reauth.ms"),
            connection_failed_authentication_delay_ms: self
                .long("connection.failed.authentication.delay.ms"),
            max_connections: self.long("max.connections"),
            max_connections_per_ip: self.long("max.connections.per.ip"),
            max_connections_per_ip_overrides: self.connection_overrides()?,
            max_connection_creation_rate: self.long("max.connection.creation.rate"),
            queued_max_requests: self.long("queued.max.requests"),
            queued_max_request_bytes: self.long("queued.max.request.bytes"),
            request_timeout_ms: self.long("request.timeout.ms"),
            fetch_max_bytes: self.long("fetch.max.bytes"),
            max_incremental_fetch_session_cache_slots: self
                .long("max.incremental.fetch.session.cache.slots"),
            max_request_partition_size_limit: self.long("max.request.partition.size.limit"),
            sasl_enabled_mechanisms: self.list("sasl.enabled.mechanisms"),
        })
    }

    fn connection_overrides(&self) -> Result<Vec<(String, i64)>, ConfigError> {
        let key = "max.connections.per.ip.overrides";
        let read = |entry: String| {
            let pair = entry.rsplit_once(':');
            let count = pair.and_then(|(host, count)| Some((host, count.trim().parse().ok()?)));
            match count {
                Some((host, count)) if !host.is_empty() => Ok((host.trim().to_owned(), count)),
                _ => {
                    let message =
                        format!("{key}: '{}' is not of the form host:count", shorten(&entry));
                    Err(ConfigError::new(key, message))
                }
            }
        };
        split_list(&self.text(key)).into_iter().map(read).collect()
    }

    pub(super) fn quorum(&self) -> Result<QuorumSettings, ConfigError> {
        let (voters, servers) = (
            "controller.quorum.voters",
            "controller.quorum.bootstrap.servers",
        );
        let in_key = |key: &'static str| {
            move |reason: String| ConfigError::new(key, format!("{key}: {reason}"))
        };
        Ok(QuorumSettings {
            voters: self
                .list(voters)
                .iter()
                .map(|entry| parse_voter(entry))
                .collect::<Result<_, _>>()
                .map_err(in_key(voters))?,
            bootstrap_servers: self
                .list(servers)
                .iter()
                .map(|entry| parse_host_port(entry))
                .collect::<Result<_, _>>()
                .map_err(in_key(servers))?,
            auto_join: self.boolean("controller.quorum.auto.join.enable"),
            election_timeout_ms: self.long("controller.quorum.election.timeout.ms"),
            election_backoff_max_ms: self.long("controller.quorum.election.backoff.max.ms"),
            fetch_timeout_ms: self.long("controller.quorum.fetch.timeout.ms"),
            request_timeout_ms: self.long("controller.quorum.request.timeout.ms"),
            append_linger_ms: self.long("controller.quorum.append.linger.ms"),
            max_record_bytes_between_snapshots: self
                .long("metadata.log.max.record.bytes.between.snapshots"),
            max_snapshot_interval_ms: self.long("metadata.log.max.snapshot.interval.ms"),
        })
    }

    pub(super) fn topics(&self) -> TopicSettings {
        TopicSettings {
            num_partitions: self.int("num.partitions"),
            default_replication_factor: self.short("default.replication.factor"),
            auto_create_topics_enable: self.boolean("auto.create.topics.enable"),
            delete_topic_enable: self.boolean("delete.topic.enable"),
            create_topic_policy: self.optional("create.topic.policy.class.name"),
            alter_config_policy: self.optional("alter.config.policy.class.name"),
        }
    }

    pub(super) fn logs(&self) -> LogSettings {
        LogSettings {
            retention_check_interval_ms: self.long("log.retention.check.interval.ms"),
            flush_scheduler_interval_ms: self.long("log.flush.scheduler.interval.ms"),
            scrub_bytes_per_second: self.long("odeon.log.scrub.bytes.per.second"),
            flush_offset_checkpoint_interval_ms: self
                .long("log.flush.offset.checkpoint.interval.ms"),
            flush_start_offset_checkpoint_interval_ms: self
                .long("log.flush.start.offset.checkpoint.interval.ms"),
            initial_task_delay_ms: self.long("log.initial.task.delay.ms"),
            dir_failure_timeout_ms: self.long("log.dir.failure.timeout.ms"),
            num_recovery_threads_per_data_dir: self.long("num.recovery.threads.per.data.dir"),
            cleaner_enable: self.boolean("log.cleaner.enable"),
            cleaner_threads: self.long("log.cleaner.threads"),
            cleaner_dedupe_buffer_bytes: self.long("log.cleaner.dedupe.buffer.size"),
            cleaner_backoff_ms: self.long("log.cleaner.backoff.ms"),
            producer_id_expiration_ms: self.long("producer.id.expiration.ms"),
            producer_id_expiration_check_interval_ms: self
                .long("producer.id.expiration.check.interval.ms"),
        }
    }

    pub(super) fn replication(&self) -> ReplicationSettings {
        ReplicationSettings {
            lag_time_max_ms: self.long("replica.lag.time.max.ms"),
            fetch_max_bytes: self.long("replica.fetch.max.bytes"),
            fetch_response_max_bytes: self.long("replica.fetch.response.max.bytes"),
            fetch_min_bytes: self.long("replica.fetch.min.bytes"),
            fetch_wait_max_ms: self.long("replica.fetch.wait.max.ms"),
            fetch_backoff_ms: self.long("replica.fetch.backoff.ms"),
            num_fetchers: self.long("num.replica.fetchers"),
            high_watermark_checkpoint_interval_ms: self
                .long("replica.high.watermark.checkpoint.interval.ms"),
            auto_leader_rebalance_enable: self.boolean("auto.leader.rebalance.enable"),
            leader_imbalance_check_interval_seconds: self
                .long("leader.imbalance.check.interval.seconds"),
            replica_selector_class: self.optional("replica.selector.class"),
        }
    }

    pub(super) fn offsets(&self) -> OffsetsSettings {
        OffsetsSettings {
            topic_num_partitions: self.int("offsets.topic.num.partitions"),
            topic_replication_factor: self.short("offsets.topic.replication.factor"),
            topic_segment_bytes: self.int("offsets.topic.segment.bytes"),
            topic_compression_codec: i8::try_from(self.long("offsets.topic.compression.codec"))
                .unwrap_or_default(),
            retention_minutes: self.long("offsets.retention.minutes"),
            retention_check_interval_ms: self.long("offsets.retention.check.interval.ms"),
            metadata_max_bytes: self.long("offset.metadata.max.bytes"),
            commit_timeout_ms: self.long("offsets.commit.timeout.ms"),
            load_buffer_bytes: self.long("offsets.load.buffer.size"),
        }
    }

    pub(super) fn groups(&self) -> GroupSettings {
        GroupSettings {
            initial_rebalance_delay_ms: self.long("group.initial.rebalance.delay.ms"),
            min_session_timeout_ms: self.long("group.min.session.timeout.ms"),
            max_session_timeout_ms: self.long("group.max.session.timeout.ms"),
            max_size: self.long("group.max.size"),
            consumer_max_size: self.long("group.consumer.max.size"),
            consumer_assignors: self.list("group.consumer.assignors"),
            consumer_migration_policy: self
                .text("group.consumer.migration.policy")
                .to_ascii_lowercase(),
            consumer_regex_refresh_interval_ms: self
                .long("group.consumer.regex.refresh.interval.ms"),
            rebalance_protocols: self.list("group.coordinator.rebalance.protocols"),
            share_max_size: self.long("group.share.max.size"),
            streams_max_size: self.long("group.streams.max.size"),
        }
    }

    pub(super) fn transactions(&self) -> TransactionSettings {
        TransactionSettings {
            max_timeout_ms: self.long("transaction.max.timeout.ms"),
            transactional_id_expiration_ms: self.long("transactional.id.expiration.ms"),
            abort_timed_out_interval_ms: self
                .long("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            remove_expired_interval_ms: self
                .long("transaction.remove.expired.transaction.cleanup.interval.ms"),
            partition_verification_enable: self
                .boolean("transaction.partition.verification.enable"),
            two_phase_commit_enable: self.boolean("transaction.two.phase.commit.enable"),
            log_num_partitions: self.int("transaction.state.log.num.partitions"),
            log_replication_factor: self.short("transaction.state.log.replication.factor"),
            log_min_isr: self.int("transaction.state.log.min.isr"),
            log_segment_bytes: self.int("transaction.state.log.segment.bytes"),
            log_load_buffer_bytes: self.long("transaction.state.log.load.buffer.size"),
        }
    }
}
