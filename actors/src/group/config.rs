//! The settings of a group coordinator.

/// What a broker's configuration says about groups. The field docs name Kafka's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`: how long a new group waits for more members.
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`: members per group.
    pub max_size: usize,
    /// How long a member that joins for the first time may wait for the group, in ms. Kafka fixes
    /// it at five minutes.
    pub new_member_join_timeout_ms: i64,
    /// `offset.metadata.max.bytes`: the longest metadata of a commit, in UTF-16 units as in Kafka.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, in ms.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: i64,
    /// The largest batch that the log of `__consumer_offsets` takes (`max.message.bytes`), in
    /// bytes.
    pub max_batch_bytes: usize,
    /// How many members of a group may hold an id without having joined: a bound of ours.
    pub max_pending_members: usize,
}

/// More than a batch's header takes, in bytes.
const BATCH_OVERHEAD_BYTES: usize = 128;

impl GroupConfig {
    /// The largest record that fits in a batch of its own.
    pub(crate) fn max_record_bytes(&self) -> usize {
        self.max_batch_bytes.saturating_sub(BATCH_OVERHEAD_BYTES)
    }
}

impl Default for GroupConfig {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            max_size: i32::MAX as usize,
            new_member_join_timeout_ms: 300_000,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 600_000,
            max_batch_bytes: 1_048_588,
            max_pending_members: 10_000,
        }
    }
}
