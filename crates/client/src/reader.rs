//! Reading a whole partition, for whoever wants to see what is in the end.

use std::time::Duration;

use host::{Address, Host};
use trace::Partition;

use crate::config::{ConsumerConfig, OffsetReset};
use crate::consumer::{Consumer, PolledRecord};
use crate::error::ClientError;

/// Reads a partition from its start to what is its end when this is called. Every record is recorded as polled by this host.
///
/// # Errors
/// If the end is not reached within `timeout`, or the partition cannot be read on.
pub async fn read_all(
    host: &Host,
    bootstrap: Vec<Address>,
    partition: Partition,
    timeout: Duration,
) -> Result<Vec<PolledRecord>, ClientError> {
    let deadline = host.now() + timeout;
    let config = ConsumerConfig { auto_offset_reset: OffsetReset::Earliest, ..ConsumerConfig::default() };
    let consumer = Consumer::new(host.clone(), bootstrap, config);
    let end = consumer.end_offsets(&[partition], timeout).await?[&partition];
    consumer.assign_partitions(&[partition]);
    let mut records = Vec::new();
    while consumer.position(partition).is_none_or(|position| position < end) {
        if let Some((partition, error)) = consumer.errors().first().copied() {
            return Err(ClientError::Consumer { partition, error });
        }
        let now = host.now();
        if now >= deadline {
            return Err(ClientError::TimedOut);
        }
        // Short waits: a log that ends with control records moves the position without a record to return.
        records.extend(consumer.poll(Duration::from_millis(50).min(deadline - now)).await);
    }
    records.retain(|record| record.offset < end);
    Ok(records)
}
