//! What may be set for a log, under Kafka's names.

/// Historical flaws that live in the log. All are off by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LogFlaws {
    /// A flush syncs files but not the directories that name them (KAFKA-3968): power loss removes whole segments.
    pub no_dir_fsync: bool,
    /// Opening a log rebuilds its epoch cache without epoch 0 (KAFKA-10432).
    pub epoch_zero_lost_in_recovery: bool,
    /// A repeated batch is refused as out of order instead of being recognised (Redpanda #3039).
    pub no_dedup: bool,
}

/// Which time a record's timestamp is (`message.timestamp.type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TimestampType {
    /// The producer's clock when the record was created.
    #[default]
    CreateTime,
    /// The leader's clock when it appended the batch.
    LogAppendTime,
}

/// A log's settings; the defaults are Kafka's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogConfig {
    /// A segment is rolled before it would exceed this many bytes (`segment.bytes`).
    pub segment_bytes: u32,
    /// A segment is rolled when a batch is this many ms younger than its first (`segment.ms`).
    pub segment_ms: i64,
    /// Bytes between two entries of the offset index (`index.interval.bytes`).
    pub index_interval_bytes: u32,
    /// The largest batch a leader accepts, in bytes (`max.message.bytes`).
    pub max_message_bytes: u32,
    /// A flush is due when this many messages are not flushed (`flush.messages`); `u64::MAX` means never.
    pub flush_messages: u64,
    /// A flush is due this many ms after the last (`flush.ms`), if there is anything to flush; `u64::MAX` means never.
    pub flush_ms: u64,
    /// An idle producer is forgotten after this many ms (`producer.id.expiration.ms`).
    pub producer_id_expiration_ms: i64,
    /// Whose clock stamps records (`message.timestamp.type`).
    pub timestamp_type: TimestampType,
    /// Whether the cleaner works on it (`cleanup.policy` has `compact`): then offsets may have gaps, but inside a segment only.
    pub compact: bool,
    /// How dirty the log must be before it is cleaned (`min.cleanable.dirty.ratio`), in thousandths.
    pub min_cleanable_dirty_permille: u64,
    /// Records younger than this many ms are left alone (`min.compaction.lag.ms`).
    pub min_compaction_lag_ms: i64,
    /// A log with a dirty record older than this many ms is cleaned however dirty it is (`max.compaction.lag.ms`).
    pub max_compaction_lag_ms: i64,
    /// A tombstone stays this many ms after it was first cleaned (`delete.retention.ms`).
    pub delete_retention_ms: i64,
    /// Flaws switched on.
    pub flaws: LogFlaws,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            index_interval_bytes: 4096,
            max_message_bytes: 1_048_588,
            flush_messages: u64::MAX,
            flush_ms: u64::MAX,
            producer_id_expiration_ms: 24 * 3_600_000,
            timestamp_type: TimestampType::CreateTime,
            compact: false,
            min_cleanable_dirty_permille: 500,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: 24 * 3_600_000,
            flaws: LogFlaws::default(),
        }
    }
}
