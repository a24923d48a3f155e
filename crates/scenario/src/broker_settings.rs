//! Settings of brokers and of the ZooKeeper ensemble.

use crate::settings::{Scope, Setting, bytes, choice, count, decimal, millis, switch};

const B: Scope = Scope::Broker;
const Z: Scope = Scope::ZooKeeper;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const MIB: i64 = 1 << 20;

/// Settings of brokers.
#[rustfmt::skip] // a table reads best by the line
pub(crate) static BROKER: &[Setting] = &[
    // Replication
    millis(B, "replica.lag.time.max.ms", 30 * SECOND, 1, "A follower that has not caught up for this long leaves the ISR (checked every half of it)."),
    millis(B, "replica.fetch.wait.max.ms", 500, 0, "How long a follower's fetch waits for data."),
    millis(B, "replica.fetch.backoff.ms", SECOND, 0, "How long a fetcher waits after an error."),
    bytes(B, "replica.fetch.min.bytes", 1, 0, "How much data a follower's fetch waits for."),
    bytes(B, "replica.fetch.max.bytes", MIB, 0, "How much a follower fetches of one partition."),
    bytes(B, "replica.fetch.response.max.bytes", 10 * MIB, 0, "How much a follower fetches at once."),
    count(B, "num.replica.fetchers", 1, 1, "Fetchers per source broker."),
    millis(B, "replica.socket.timeout.ms", 30 * SECOND, 1, "How long a follower waits for a fetch response."),
    millis(B, "replica.high.watermark.checkpoint.interval.ms", 5 * SECOND, 1, "How often high watermarks are written to disk."),
    choice(B, "inter.broker.protocol.version", &["2.6", "2.7"], "2.6", "How a new follower finds where its log leaves the leader's: it asks by OffsetForLeaderEpoch (2.6), or is told by Fetch (2.7)."),
    // Safety
    count(B, "min.insync.replicas", 1, 1, "With acks=all, a write fails while the ISR is smaller than this."),
    count(B, "default.replication.factor", 1, 1, "Replicas of a topic that names no number."),
    count(B, "num.partitions", 1, 1, "Partitions of a topic that names no number."),
    switch(B, "unclean.leader.election.enable", false, "Whether a replica outside the ISR may lead: available, but acked records may be lost."),
    switch(B, "auto.leader.rebalance.enable", true, "Whether the controller moves leadership back to preferred replicas."),
    count(B, "leader.imbalance.check.interval.seconds", 300, 1, "How often the controller looks for misplaced leaders."),
    count(B, "leader.imbalance.per.broker.percentage", 10, 0, "The share of misplaced leaders that a broker may have."),
    switch(B, "auto.create.topics.enable", true, "Whether asking for an unknown topic creates it."),
    switch(B, "delete.topic.enable", true, "Whether topics can be deleted."),
    // Log
    bytes(B, "log.segment.bytes", 1 << 30, 14, "A segment is rolled at this size."),
    millis(B, "log.roll.ms", 7 * DAY, 1, "A segment is rolled at this age."),
    count(B, "log.roll.hours", 7 * 24, 1, "A segment is rolled at this age, unless `log.roll.ms` is given."),
    millis(B, "log.retention.ms", 7 * DAY, -1, "Segments older than this are deleted."),
    count(B, "log.retention.hours", 7 * 24, -1, "Segments older than this are deleted, unless `log.retention.ms` is given."),
    bytes(B, "log.retention.bytes", -1, -1, "A partition's oldest segments are deleted above this size."),
    millis(B, "log.retention.check.interval.ms", 5 * MINUTE, 1, "How often retention is applied."),
    millis(B, "log.segment.delete.delay.ms", MINUTE, 0, "How long a deleted segment's files stay."),
    bytes(B, "log.index.interval.bytes", 4096, 0, "How many bytes of records there are between two index entries."),
    bytes(B, "log.index.size.max.bytes", 10 * MIB, 4, "A segment is rolled when its index has this size."),
    count(B, "log.flush.interval.messages", i64::MAX, 1, "A log is synced after so many records; by default never."),
    millis(B, "log.flush.interval.ms", i64::MAX, 1, "A log is synced after this long; by default never."),
    millis(B, "log.flush.scheduler.interval.ms", i64::MAX, 1, "How often logs are looked at for syncing by age."),
    millis(B, "log.flush.offset.checkpoint.interval.ms", MINUTE, 1, "How often recovery points are written to disk."),
    millis(B, "log.flush.start.offset.checkpoint.interval.ms", MINUTE, 1, "How often log start offsets are written to disk."),
    choice(B, "log.cleanup.policy", &["delete", "compact", "compact,delete"], "delete", "Whether old records are deleted, or compacted by key."),
    choice(B, "log.message.timestamp.type", &["CreateTime", "LogAppendTime"], "CreateTime", "Whose clock stamps a record."),
    bytes(B, "message.max.bytes", MIB + 12, 0, "The largest batch that is accepted."),
    choice(B, "compression.type", &["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"], "producer", "How batches are compressed."),
    // Cleaner
    switch(B, "log.cleaner.enable", true, "Whether the cleaner runs."),
    millis(B, "log.cleaner.delete.retention.ms", DAY, 0, "How long a tombstone stays after cleaning."),
    decimal(B, "log.cleaner.min.cleanable.ratio", 0.5, "The share of a log that must be dirty before it is cleaned."),
    millis(B, "log.cleaner.min.compaction.lag.ms", 0, 0, "A record younger than this is not compacted."),
    millis(B, "log.cleaner.backoff.ms", 15 * SECOND, 1, "How long an idle cleaner waits."),
    // ZooKeeper session and controller
    millis(B, "zookeeper.session.timeout.ms", 18 * SECOND, 1, "A broker not heard of for this long loses its registration (the ensemble allows 2 to 20 ticks)."),
    millis(B, "zookeeper.connection.timeout.ms", 18 * SECOND, 1, "How long a broker waits for its first connection to the ensemble."),
    count(B, "zookeeper.max.in.flight.requests", 10, 1, "Requests to the ensemble that may be unanswered."),
    switch(B, "controlled.shutdown.enable", true, "Whether a stopping broker hands over its leaderships first."),
    count(B, "controlled.shutdown.max.retries", 3, 0, "How often it tries to."),
    millis(B, "controlled.shutdown.retry.backoff.ms", 5 * SECOND, 0, "How long it waits between two tries."),
    millis(B, "controller.socket.timeout.ms", 30 * SECOND, 1, "How long the controller waits for a broker's answer."),
    millis(B, "request.timeout.ms", 30 * SECOND, 1, "How long a request between brokers may take."),
    millis(B, "connections.max.idle.ms", 10 * MINUTE, -1, "An idle connection is closed after this long."),
    bytes(B, "socket.request.max.bytes", 100 * MIB, 1, "The largest request that is accepted."),
    count(B, "producer.purgatory.purge.interval.requests", 1000, 1, "How many finished produce requests are kept before they are purged."),
    count(B, "fetch.purgatory.purge.interval.requests", 1000, 1, "How many finished fetch requests are kept before they are purged."),
    count(B, "max.incremental.fetch.session.cache.slots", 1000, 0, "How many fetch sessions a broker keeps."),
    bytes(B, "fetch.max.bytes", 55 * MIB, 1024, "The most that a fetch returns."),
    // Producer state
    millis(B, "producer.id.expiration.ms", DAY, 1, "A producer's state is forgotten after this long without a write."),
    millis(B, "producer.id.expiration.check.interval.ms", 10 * MINUTE, 1, "How often that is checked."),
    // Groups
    millis(B, "group.initial.rebalance.delay.ms", 3 * SECOND, 0, "How long a new group waits for more members."),
    millis(B, "group.min.session.timeout.ms", 6 * SECOND, 0, "The shortest session a member may ask for."),
    millis(B, "group.max.session.timeout.ms", 30 * MINUTE, 0, "The longest session a member may ask for."),
    count(B, "group.max.size", i32::MAX as i64, 1, "The most members that a group may have."),
    bytes(B, "offset.metadata.max.bytes", 4096, 0, "The most metadata that a commit may carry."),
    count(B, "offsets.retention.minutes", 7 * 24 * 60, 1, "An empty group's offsets are forgotten after this long."),
    millis(B, "offsets.retention.check.interval.ms", 10 * MINUTE, 1, "How often that is checked."),
    count(B, "offsets.topic.num.partitions", 50, 1, "Partitions of `__consumer_offsets`."),
    count(B, "offsets.topic.replication.factor", 3, 1, "Replicas of `__consumer_offsets`."),
    bytes(B, "offsets.topic.segment.bytes", 100 * MIB, 14, "Segments of `__consumer_offsets` are rolled at this size."),
    bytes(B, "offsets.load.buffer.size", 5 * MIB, 1, "How much a new coordinator reads at once."),
    count(B, "offsets.commit.required.acks", -1, -1, "Which replicas a commit waits for: all that are in sync (-1)."),
    millis(B, "offsets.commit.timeout.ms", 5 * SECOND, 1, "How long a commit waits for its replicas."),
    // Transactions
    millis(B, "transaction.max.timeout.ms", 15 * MINUTE, 1, "The longest transaction timeout a producer may ask for."),
    millis(B, "transaction.abort.timed.out.transaction.cleanup.interval.ms", 10 * SECOND, 1, "How often timed-out transactions are looked for."),
    millis(B, "transactional.id.expiration.ms", 7 * DAY, 1, "An unused transactional id is forgotten after this long."),
    count(B, "transaction.state.log.num.partitions", 50, 1, "Partitions of `__transaction_state`."),
    count(B, "transaction.state.log.replication.factor", 3, 1, "Replicas of `__transaction_state`."),
    count(B, "transaction.state.log.min.isr", 2, 1, "`min.insync.replicas` of `__transaction_state`."),
];

/// Settings of the ZooKeeper ensemble.
#[rustfmt::skip] // a table reads best by the line
pub(crate) static ZOOKEEPER: &[Setting] = &[
    millis(Z, "tickTime", 3 * SECOND, 1, "ZooKeeper's unit of time in milliseconds (3000 in code, 2000 in the sample configuration)."),
    count(Z, "initLimit", 10, 1, "Ticks that a member has to join the leader."),
    count(Z, "syncLimit", 5, 1, "Ticks that a member may lag behind the leader."),
    millis(Z, "minSessionTimeout", -1, -1, "The shortest session; -1 is 2 ticks."),
    millis(Z, "maxSessionTimeout", -1, -1, "The longest session; -1 is 20 ticks."),
    count(Z, "snapCount", 100_000, 2, "Transactions between two snapshots."),
    switch(Z, "forceSync", true, "Whether a transaction is synced to disk before it is acknowledged."),
];
