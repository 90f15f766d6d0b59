//! A node's configs, typed: what the file `server.properties` says, with defaults and checks.
//!
//! Source: `kafka.server.KafkaConfig`.

use std::sync::Arc;

use super::broker_check;
use super::definition::DefaultValue;
use super::error::{ConfigError, shorten};
use super::layers::BrokerLayers;
use super::listeners::{HostPort, Listener, Voter};
use super::registry::{ConfigMap, broker_configs, find_broker_or_listener};
use super::value::validate;
use crate::NodeId;

mod read;

pub(super) use read::View;

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
    /// Whether the console kills actors on request.
    pub developer_kill_actors: bool,
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
    /// Whether a controller without a vote asks for one.
    pub auto_join: bool,
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
    /// Bytes a second that are read to compare logs with their checksums.
    pub scrub_bytes_per_second: i64,
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
            developer_kill_actors: view.boolean("odeon.developer.kill.actors"),
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
