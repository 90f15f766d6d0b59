//! The settings that a log obeys. They change while it runs.

/// When an append counts as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncMode {
    /// `flushed` follows completed syncs.
    #[default]
    Durable,
    /// `flushed` follows the log end: the page cache and the other replicas are trusted.
    PageCache,
}

/// One log's settings, by the names of Kafka's topic configs; the defaults are Kafka's.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is closed before it grows beyond this.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment is closed once its records span this time.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: at most this is taken off `segment_ms`, differently for each segment.
    pub segment_jitter_ms: i64,
    /// `index.interval.bytes`: an index entry each so many bytes.
    pub index_interval_bytes: u32,
    /// `segment.index.bytes`: a segment is closed when an index reaches this size.
    pub segment_index_bytes: u32,
    /// `retention.ms`; below 0 is unlimited.
    pub retention_ms: i64,
    /// `retention.bytes`; below 0 is unlimited.
    pub retention_bytes: i64,
    /// Whether `cleanup.policy` names `delete`; otherwise only the log start deletes segments.
    pub delete: bool,
    /// `file.delete.delay.ms`: how long a removed segment stays as `.deleted`.
    pub file_delete_delay_ms: i64,
    /// `producer.id.expiration.ms`: an idle producer is forgotten after this.
    pub producer_id_expiration_ms: i64,
    /// Whether readers wait for syncs.
    pub sync: SyncMode,
    /// Whether disk blocks are reserved ahead of large appends.
    pub allocate_ahead: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            index_interval_bytes: 4096,
            segment_index_bytes: 10 << 20,
            retention_ms: 7 * DAY_MS,
            retention_bytes: -1,
            delete: true,
            file_delete_delay_ms: 60_000,
            producer_id_expiration_ms: DAY_MS,
            sync: SyncMode::Durable,
            allocate_ahead: true,
        }
    }
}

impl LogConfig {
    /// The entries an offset index may hold.
    pub(crate) fn max_index_entries(&self) -> u64 {
        u64::from(self.segment_index_bytes / 8).max(1)
    }

    /// The entries a time index may hold; one is kept free for the segment's end.
    pub(crate) fn max_time_entries(&self) -> u64 {
        u64::from(self.segment_index_bytes / 12).max(2) - 1
    }

    /// The age at which the segment at `base_offset` is closed. The jitter follows from the seed, so
    /// that many logs started together do not roll together, and a restart changes nothing.
    pub(crate) fn roll_age_ms(&self, seed: u64, base_offset: i64) -> i64 {
        let range = self.segment_jitter_ms.min(self.segment_ms);
        if range <= 0 {
            return self.segment_ms;
        }
        let mixed = (seed ^ base_offset.unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let jitter = (mixed ^ (mixed >> 29)) % range.unsigned_abs();
        self.segment_ms - i64::try_from(jitter).unwrap_or(0)
    }
}
