//! A node's configs, typed: what the file `server.properties` says, with defaults and checks.
//!
//! Source: `kafka.server.KafkaConfig`.

use std::sync::Arc;

use super::broker_check;
use super::definition::DefaultValue;
use super::error::{ConfigError, shorten};
use super::layers::BrokerLayers;
use super::listeners::{HostPort, Listener, Voter, parse_host_port, parse_voter};
use super::registry::{ConfigMap, broker_configs, find_broker_or_listener};
use super::value::{Value, validate};
use crate::NodeId;

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles {
    /// It holds partitions and serves clients.
    pub broker: bool,
    /// It takes part in the metadata quorum.
    pub controller: bool,
}

/// The configs of a node. Keys that topics take their defaults from are not here: resolve a
/// [`TopicConfig`](super::TopicConfig) instead.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerConfig {
    /// The node's id, 0 or more.
    pub node_id: NodeId,
    /// What the node does.
    pub roles: Roles,
    /// The rack, if one is named.
    pub rack: Option<String>,
    /// Directories for logs, at least one.
    pub log_dirs: Vec<String>,
    /// The directory of the metadata log; the first of `log_dirs` unless set.
    pub metadata_log_dir: String,
    /// Log directories that get no new partitions; `*` alone means all.
    pub cordoned_log_dirs: Vec<String>,
    /// The authorizer's name; empty allows everything.
    pub authorizer_class_name: String,
    /// How often a heartbeat goes to the controller.
    pub broker_heartbeat_interval_ms: i64,
    /// A broker silent for this time is fenced.
    pub broker_session_timeout_ms: i64,
    /// How long the first registration may take.
    pub initial_broker_registration_timeout_ms: i64,
    /// Whether a stopping broker hands over its leaderships first.
    pub controlled_shutdown_enable: bool,
    /// Listeners and connections.
    pub network: NetworkSettings,
    /// The metadata quorum.
    pub quorum: QuorumSettings,
    /// How topics are made.
    pub topics: TopicSettings,
    /// The care of logs.
    pub logs: LogSettings,
    /// Replication and leadership.
    pub replication: ReplicationSettings,
    /// Committed offsets and their topic.
    pub offsets: OffsetsSettings,
    /// Bounds of groups.
    pub groups: GroupSettings,
    /// Transactions and their topic.
    pub transactions: TransactionSettings,
    /// Everything that is set, as text, `broker.id` and `node.id` made equal: the static layer of
    /// [`BrokerLayers`].
    pub properties: Arc<ConfigMap>,
}

/// Listeners and connections.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkSettings {
    /// Everything the node listens on, controller listeners included.
    pub listeners: Vec<Listener>,
    /// What clients and brokers are told, without controller listeners. A host may be empty:
    /// then the machine's own name is to be told.
    pub advertised_listeners: Vec<Listener>,
    /// The names of the controller's listeners.
    pub controller_listener_names: Vec<String>,
    /// The name of the listener that brokers reach each other by.
    pub inter_broker_listener_name: String,
    /// Largest request, in bytes.
    pub socket_request_max_bytes: i64,
    /// Send buffer in bytes; -1 leaves it to the system.
    pub socket_send_buffer_bytes: i64,
    /// Receive buffer in bytes; -1 leaves it to the system.
    pub socket_receive_buffer_bytes: i64,
    /// Connections that may wait to be accepted.
    pub socket_listen_backlog_size: i64,
    /// A connection idle for this time is closed; negative is never.
    pub connections_max_idle_ms: i64,
    /// Longest life of a SASL session; 0 is without bound.
    pub connections_max_reauth_ms: i64,
    /// Pause before a failed authentication is answered.
    pub connection_failed_authentication_delay_ms: i64,
    /// Most connections.
    pub max_connections: i64,
    /// Most connections from one address.
    pub max_connections_per_ip: i64,
    /// Exceptions to that, by host.
    pub max_connections_per_ip_overrides: Vec<(String, i64)>,
    /// Most new connections per second.
    pub max_connection_creation_rate: i64,
    /// Most requests that wait.
    pub queued_max_requests: i64,
    /// Most bytes of requests that wait; negative is without bound.
    pub queued_max_request_bytes: i64,
    /// How long the node waits for answers to its own requests.
    pub request_timeout_ms: i64,
    /// Most bytes of a fetch response.
    pub fetch_max_bytes: i64,
    /// Most fetch sessions.
    pub max_incremental_fetch_session_cache_slots: i64,
    /// Most partitions in an answer to `DescribeTopicPartitions`.
    pub max_request_partition_size_limit: i64,
    /// SASL mechanisms that clients may use.
    pub sasl_enabled_mechanisms: Vec<String>,
}

/// The metadata quorum.
#[derive(Debug, Clone, PartialEq)]
pub struct QuorumSettings {
    /// The fixed voters; empty when they are found through `bootstrap_servers`.
    pub voters: Vec<Voter>,
    /// Where controllers can be found.
    pub bootstrap_servers: Vec<HostPort>,
    /// How long a candidate waits for votes.
    pub election_timeout_ms: i64,
    /// Upper bound of the pause between elections.
    pub election_backoff_max_ms: i64,
    /// How long a voter goes without its leader.
    pub fetch_timeout_ms: i64,
    /// How long a request of the quorum may take.
    pub request_timeout_ms: i64,
    /// How long the leader gathers writes.
    pub append_linger_ms: i64,
    /// Bytes of new metadata after which a snapshot is taken.
    pub max_record_bytes_between_snapshots: i64,
    /// Time after which a snapshot is taken; 0 is never by time.
    pub max_snapshot_interval_ms: i64,
}

/// How topics are made.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicSettings {
    /// Partitions unless a number is given.
    pub num_partitions: i32,
    /// Replicas unless a number is given.
    pub default_replication_factor: i16,
    /// Whether a metadata request may create a topic.
    pub auto_create_topics_enable: bool,
    /// Whether topics may be deleted.
    pub delete_topic_enable: bool,
    /// The policy that may refuse new topics, by name.
    pub create_topic_policy: Option<String>,
    /// The policy that may refuse changes of configs, by name.
    pub alter_config_policy: Option<String>,
}

/// The care of logs.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    /// How often expired segments are looked for.
    pub retention_check_interval_ms: i64,
    /// How often logs that are due for a sync are looked for.
    pub flush_scheduler_interval_ms: i64,
    /// How often recovery points are written.
    pub flush_offset_checkpoint_interval_ms: i64,
    /// How often log start offsets are written.
    pub flush_start_offset_checkpoint_interval_ms: i64,
    /// Pause before periodic work begins.
    pub initial_task_delay_ms: i64,
    /// How long a failed directory may go unreported.
    pub dir_failure_timeout_ms: i64,
    /// Threads per directory for recovery.
    pub num_recovery_threads_per_data_dir: i64,
    /// Whether logs are compacted.
    pub cleaner_enable: bool,
    /// Threads of the cleaner.
    pub cleaner_threads: i64,
    /// Memory for the cleaner's key tables, in bytes.
    pub cleaner_dedupe_buffer_bytes: i64,
    /// Pause of an idle cleaner.
    pub cleaner_backoff_ms: i64,
    /// How long a partition remembers a silent idempotent producer.
    pub producer_id_expiration_ms: i64,
    /// How often expired producers are looked for.
    pub producer_id_expiration_check_interval_ms: i64,
}

/// Replication and leadership.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicationSettings {
    /// A follower that lags for this time leaves the in-sync set.
    pub lag_time_max_ms: i64,
    /// Bytes asked for per partition.
    pub fetch_max_bytes: i64,
    /// Bytes asked for per fetch.
    pub fetch_response_max_bytes: i64,
    /// Bytes gathered before a fetch is answered.
    pub fetch_min_bytes: i64,
    /// Longest wait of a fetch at the leader.
    pub fetch_wait_max_ms: i64,
    /// Pause after a failed fetch.
    pub fetch_backoff_ms: i64,
    /// Fetchers per source.
    pub num_fetchers: i64,
    /// How often high watermarks are written to disk.
    pub high_watermark_checkpoint_interval_ms: i64,
    /// Whether leadership moves back to preferred replicas.
    pub auto_leader_rebalance_enable: bool,
    /// How often that is looked at.
    pub leader_imbalance_check_interval_seconds: i64,
    /// The selector of nearby replicas, by name.
    pub replica_selector_class: Option<String>,
}

/// Committed offsets and their topic.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetsSettings {
    /// Partitions of the offsets topic.
    pub topic_num_partitions: i32,
    /// Replicas of the offsets topic.
    pub topic_replication_factor: i16,
    /// Segment size of the offsets topic.
    pub topic_segment_bytes: i32,
    /// Codec of the offsets topic's batches, by number.
    pub topic_compression_codec: i8,
    /// How long offsets of an empty group are kept.
    pub retention_minutes: i64,
    /// How often expired offsets are looked for.
    pub retention_check_interval_ms: i64,
    /// Longest metadata of a committed offset.
    pub metadata_max_bytes: i64,
    /// How long a commit waits for its replicas.
    pub commit_timeout_ms: i64,
    /// Bytes read at a time at the load.
    pub load_buffer_bytes: i64,
}

/// Bounds of groups.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupSettings {
    /// How long a new classic group waits for more members.
    pub initial_rebalance_delay_ms: i64,
    /// Shortest session timeout of a classic member.
    pub min_session_timeout_ms: i64,
    /// Longest session timeout of a classic member.
    pub max_session_timeout_ms: i64,
    /// Most members of a classic group.
    pub max_size: i64,
    /// Most members of a consumer group.
    pub consumer_max_size: i64,
    /// Assignors of consumer groups, the default first.
    pub consumer_assignors: Vec<String>,
    /// Which live groups may change their protocol, in small letters.
    pub consumer_migration_policy: String,
    /// How often patterns are matched anew.
    pub consumer_regex_refresh_interval_ms: i64,
    /// Protocols that are switched on.
    pub rebalance_protocols: Vec<String>,
    /// Most members of a share group.
    pub share_max_size: i64,
    /// Most members of a streams group.
    pub streams_max_size: i64,
}

/// Transactions and their topic.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionSettings {
    /// Longest timeout that a producer may ask for.
    pub max_timeout_ms: i64,
    /// How long an unused transactional id is remembered.
    pub transactional_id_expiration_ms: i64,
    /// How often timed out transactions are looked for.
    pub abort_timed_out_interval_ms: i64,
    /// How often expired transactional ids are looked for.
    pub remove_expired_interval_ms: i64,
    /// Whether partition leaders verify transactions.
    pub partition_verification_enable: bool,
    /// Whether producers may take part in an outside two-phase commit.
    pub two_phase_commit_enable: bool,
    /// Partitions of the transaction topic.
    pub log_num_partitions: i32,
    /// Replicas of the transaction topic.
    pub log_replication_factor: i16,
    /// `min.insync.replicas` of the transaction topic.
    pub log_min_isr: i32,
    /// Segment size of the transaction topic.
    pub log_segment_bytes: i32,
    /// Bytes read at a time at the load.
    pub log_load_buffer_bytes: i64,
}

impl BrokerConfig {
    /// Reads what a properties file sets. Also returns the keys that nobody knows: they are
    /// kept, as in Kafka, and are worth a warning.
    ///
    /// # Errors
    /// The first key that is missing, not valid, or at odds with another.
    pub fn from_properties(set: &ConfigMap) -> Result<(Self, Vec<String>), ConfigError> {
        let mut set = set.clone();
        broker_check::same_node_id(&mut set)?;
        for def in broker_configs() {
            if def.default == DefaultValue::Required && !set.contains_key(def.name) {
                let message = format!("{} is missing: it has no default", def.name);
                return Err(ConfigError::new(def.name, message));
            }
        }
        let mut unknown = Vec::new();
        for (name, text) in &set {
            match find_broker_or_listener(name) {
                Some(def) => {
                    validate(def, text)?;
                }
                None => unknown.push(shorten(name)),
            }
        }
        let config = Self::read(set)?;
        broker_check::check(&config)?;
        Ok((config, unknown))
    }

    /// The same node with what is set at run time laid over its properties file. The field
    /// `properties` stays the file's.
    ///
    /// # Errors
    /// As [`BrokerConfig::from_properties`]; the old config stays in force then.
    pub fn with_dynamic(
        &self,
        dynamic_broker: &ConfigMap,
        dynamic_default: &ConfigMap,
    ) -> Result<Self, ConfigError> {
        let layers = BrokerLayers {
            dynamic_broker,
            dynamic_default,
            statics: &self.properties,
        };
        let (mut config, _) = Self::from_properties(&layers.merged())?;
        config.properties = Arc::clone(&self.properties);
        Ok(config)
    }

    /// The file's layer alone, for a topic's or group's configs and for descriptions.
    pub fn layers(&self) -> BrokerLayers<'_> {
        BrokerLayers::of_statics(&self.properties)
    }

    fn read(set: ConfigMap) -> Result<Self, ConfigError> {
        let view = View {
            layers: BrokerLayers::of_statics(&set),
        };
        let roles = view.list("process.roles");
        let log_dirs = match view.list("log.dirs") {
            dirs if dirs.is_empty() => view.list("log.dir"),
            dirs => dirs,
        };
        let first_dir = log_dirs.first().cloned().unwrap_or_default();
        Ok(Self {
            node_id: view.int("node.id"),
            roles: Roles {
                broker: roles.iter().any(|role| role == "broker"),
                controller: roles.iter().any(|role| role == "controller"),
            },
            rack: view.optional("broker.rack"),
            metadata_log_dir: view.optional("metadata.log.dir").unwrap_or(first_dir),
            log_dirs,
            cordoned_log_dirs: view.list("cordoned.log.dirs"),
            authorizer_class_name: view.text("authorizer.class.name"),
            broker_heartbeat_interval_ms: view.long("broker.heartbeat.interval.ms"),
            broker_session_timeout_ms: view.long("broker.session.timeout.ms"),
            initial_broker_registration_timeout_ms: view
                .long("initial.broker.registration.timeout.ms"),
            controlled_shutdown_enable: view.boolean("controlled.shutdown.enable"),
            network: view.network(&roles)?,
            quorum: view.quorum()?,
            topics: view.topics(),
            logs: view.logs(),
            replication: view.replication(),
            offsets: view.offsets(),
            groups: view.groups(),
            transactions: view.transactions(),
            properties: Arc::new(set),
        })
    }
}

/// Reads typed values out of the layers.
pub(super) struct View<'a> {
    pub(super) layers: BrokerLayers<'a>,
}

impl View<'_> {
    pub(super) fn long(&self, name: &str) -> i64 {
        self.layers
            .value(name)
            .and_then(|value| value.as_i64())
            .unwrap_or_default()
    }

    fn int(&self, name: &str) -> i32 {
        i32::try_from(self.long(name)).unwrap_or(i32::MAX)
    }

    fn short(&self, name: &str) -> i16 {
        i16::try_from(self.long(name)).unwrap_or(i16::MAX)
    }

    fn boolean(&self, name: &str) -> bool {
        self.layers
            .value(name)
            .and_then(|value| value.as_bool())
            .unwrap_or_default()
    }

    pub(super) fn optional(&self, name: &str) -> Option<String> {
        self.layers
            .value(name)
            .and_then(|value| value.as_str().map(str::to_owned))
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.optional(name).unwrap_or_default()
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        match self.layers.value(name) {
            Some(Value::List(entries)) => entries,
            _ => Vec::new(),
        }
    }

    fn network(&self, roles: &[String]) -> Result<NetworkSettings, ConfigError> {
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
        super::value::split_list(&self.text(key))
            .into_iter()
            .map(read)
            .collect()
    }

    fn quorum(&self) -> Result<QuorumSettings, ConfigError> {
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

    fn topics(&self) -> TopicSettings {
        TopicSettings {
            num_partitions: self.int("num.partitions"),
            default_replication_factor: self.short("default.replication.factor"),
            auto_create_topics_enable: self.boolean("auto.create.topics.enable"),
            delete_topic_enable: self.boolean("delete.topic.enable"),
            create_topic_policy: self.optional("create.topic.policy.class.name"),
            alter_config_policy: self.optional("alter.config.policy.class.name"),
        }
    }

    fn logs(&self) -> LogSettings {
        LogSettings {
            retention_check_interval_ms: self.long("log.retention.check.interval.ms"),
            flush_scheduler_interval_ms: self.long("log.flush.scheduler.interval.ms"),
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

    fn replication(&self) -> ReplicationSettings {
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

    fn offsets(&self) -> OffsetsSettings {
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

    fn groups(&self) -> GroupSettings {
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

    fn transactions(&self) -> TransactionSettings {
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
