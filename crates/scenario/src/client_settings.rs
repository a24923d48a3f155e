//! Settings of topics, producers and consumers.

use crate::settings::{Fallback, Scope, Setting, bytes, choice, count, decimal, millis, switch, text};

const T: Scope = Scope::Topic;
const P: Scope = Scope::Producer;
const C: Scope = Scope::Consumer;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;
const MIB: i64 = 1 << 20;

/// Settings of topics; most fall back to a broker's setting.
#[rustfmt::skip] // a table reads best by the line
pub(crate) static TOPIC: &[Setting] = &[
    count(T, "min.insync.replicas", 1, 1, "With acks=all, a write fails while the ISR is smaller than this."),
    switch(T, "unclean.leader.election.enable", false, "Whether a replica outside the ISR may lead: available, but acked records may be lost."),
    bytes(T, "segment.bytes", 1 << 30, 14, "A segment is rolled at this size."),
    millis(T, "segment.ms", 7 * DAY, 1, "A segment is rolled at this age."),
    bytes(T, "segment.index.bytes", 10 * MIB, 4, "A segment is rolled when its index has this size."),
    bytes(T, "index.interval.bytes", 4096, 0, "How many bytes of records there are between two index entries."),
    count(T, "flush.messages", i64::MAX, 1, "The log is synced after so many records; by default never."),
    millis(T, "flush.ms", i64::MAX, 1, "The log is synced after this long; by default never."),
    millis(T, "retention.ms", 7 * DAY, -1, "Segments older than this are deleted."),
    bytes(T, "retention.bytes", -1, -1, "The oldest segments are deleted above this size."),
    millis(T, "file.delete.delay.ms", MINUTE, 0, "How long a deleted segment's files stay."),
    choice(T, "cleanup.policy", &["delete", "compact", "compact,delete"], "delete", "Whether old records are deleted, or compacted by key."),
    millis(T, "delete.retention.ms", DAY, 0, "How long a tombstone stays after cleaning."),
    decimal(T, "min.cleanable.dirty.ratio", 0.5, "The share of the log that must be dirty before it is cleaned."),
    millis(T, "min.compaction.lag.ms", 0, 0, "A record younger than this is not compacted."),
    bytes(T, "max.message.bytes", MIB + 12, 0, "The largest batch that is accepted."),
    choice(T, "message.timestamp.type", &["CreateTime", "LogAppendTime"], "CreateTime", "Whose clock stamps a record."),
    choice(T, "compression.type", &["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"], "producer", "How batches are compressed."),
];

/// Settings of producers.
#[rustfmt::skip] // a table reads best by the line
pub(crate) static PRODUCER: &[Setting] = &[
    choice(P, "acks", &["all", "1", "0"], "all", "Who must have a record before it counts as written: the whole ISR, the leader, nobody."),
    switch(P, "enable.idempotence", true, "Whether brokers drop what a retry sends twice (KIP-98)."),
    count(P, "retries", 2_147_483_647, 0, "How often a failed send is tried again."),
    millis(P, "delivery.timeout.ms", 120 * SECOND, 0, "A record not acknowledged after this long fails, retries included."),
    millis(P, "request.timeout.ms", 30 * SECOND, 0, "How long one request may take."),
    millis(P, "max.block.ms", 60 * SECOND, 0, "How long a send waits for metadata or for buffer space."),
    millis(P, "linger.ms", 0, 0, "How long a batch waits for more records (5 from Kafka 4.0)."),
    bytes(P, "batch.size", 16_384, 0, "A batch is sent at this size."),
    bytes(P, "buffer.memory", 32 * MIB, 0, "How much may wait to be sent."),
    bytes(P, "max.request.size", MIB, 0, "The largest request."),
    count(P, "max.in.flight.requests.per.connection", 5, 1, "Requests that may be unanswered on one connection."),
    millis(P, "retry.backoff.ms", 100, 0, "How long the first retry waits."),
    millis(P, "retry.backoff.max.ms", SECOND, 0, "How long a later retry waits at most."),
    millis(P, "reconnect.backoff.ms", 50, 0, "How long the first reconnection waits."),
    millis(P, "reconnect.backoff.max.ms", SECOND, 0, "How long a later reconnection waits at most."),
    millis(P, "socket.connection.setup.timeout.ms", 10 * SECOND, 1, "How long a connection may take to open."),
    millis(P, "metadata.max.age.ms", 5 * MINUTE, 0, "Metadata older than this is asked for again."),
    choice(P, "compression.type", &["none", "gzip", "snappy", "lz4", "zstd"], "none", "How batches are compressed."),
    text(P, "transactional.id", Fallback::Unset, "Names the producer across restarts, for transactions."),
    millis(P, "transaction.timeout.ms", 60 * SECOND, 1, "The coordinator aborts a transaction after this long."),
];

/// Settings of consumers.
#[rustfmt::skip] // a table reads best by the line
pub(crate) static CONSUMER: &[Setting] = &[
    choice(C, "auto.offset.reset", &["earliest", "latest", "none"], "latest", "Where to start without a valid offset."),
    choice(C, "isolation.level", &["read_uncommitted", "read_committed"], "read_uncommitted", "Whether records of aborted transactions are returned."),
    bytes(C, "fetch.min.bytes", 1, 0, "How much data a fetch waits for."),
    bytes(C, "fetch.max.bytes", 50 * MIB, 0, "The most that a fetch returns."),
    bytes(C, "max.partition.fetch.bytes", MIB, 0, "The most that a fetch returns of one partition."),
    millis(C, "fetch.max.wait.ms", 500, 0, "How long a fetch waits for data."),
    count(C, "max.poll.records", 500, 1, "Records that one poll returns at most."),
    millis(C, "request.timeout.ms", 30 * SECOND, 0, "How long one request may take."),
    millis(C, "default.api.timeout.ms", 60 * SECOND, 0, "How long a call such as commit may take."),
    millis(C, "retry.backoff.ms", 100, 0, "How long the first retry waits."),
    millis(C, "retry.backoff.max.ms", SECOND, 0, "How long a later retry waits at most."),
    millis(C, "reconnect.backoff.ms", 50, 0, "How long the first reconnection waits."),
    millis(C, "reconnect.backoff.max.ms", SECOND, 0, "How long a later reconnection waits at most."),
    millis(C, "socket.connection.setup.timeout.ms", 10 * SECOND, 1, "How long a connection may take to open."),
    switch(C, "allow.auto.create.topics", true, "Whether asking for an unknown topic creates it, if the brokers allow it."),
    millis(C, "metadata.max.age.ms", 5 * MINUTE, 0, "Metadata older than this is asked for again."),
    switch(C, "check.crcs", true, "Whether batches are checked against their CRC."),
    text(C, "client.rack", Fallback::Unset, "The client's rack: a follower there may serve it (KIP-392)."),
    millis(C, "session.timeout.ms", 45 * SECOND, 1, "A member not heard of for this long leaves the group."),
    millis(C, "heartbeat.interval.ms", 3 * SECOND, 1, "How often a member is heard of."),
    millis(C, "max.poll.interval.ms", 5 * MINUTE, 1, "A member that does not poll for this long leaves the group."),
    switch(C, "enable.auto.commit", true, "Whether poll commits what earlier polls returned."),
    millis(C, "auto.commit.interval.ms", 5 * SECOND, 0, "How often it does."),
    choice(C, "partition.assignment.strategy", &["range", "roundrobin", "sticky", "cooperative-sticky", "range,cooperative-sticky"], "range,cooperative-sticky", "How partitions are shared out in a group."),
    text(C, "group.instance.id", Fallback::Unset, "Names a member across restarts: static membership (KIP-345)."),
    choice(C, "group.protocol", &["classic", "consumer"], "classic", "Which group protocol: the classic one, or KIP-848's."),
];
