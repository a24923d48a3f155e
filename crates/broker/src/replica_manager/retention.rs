//! Retention: whole segments that are too old go, and producers that were silent too long are forgotten (KIP-854).

use std::rc::Rc;

use trace::EventKind;

use super::Replica;
use crate::broker::Broker;
use crate::config::milliseconds;

/// Looks at every log each `log.retention.check.interval.ms`.
pub async fn run_retention(broker: Rc<Broker>) {
    let interval = milliseconds(broker.settings.log_retention_check_interval_ms);
    loop {
        broker.host.sleep(interval).await;
        for replica in broker.replicas.all() {
            enforce(&broker, &replica);
        }
    }
}

/// Forgets silent producers each `producer.id.expiration.check.interval.ms`.
pub async fn run_producer_expiration(broker: Rc<Broker>) {
    let interval = milliseconds(broker.settings.producer_id_expiration_check_interval_ms);
    loop {
        broker.host.sleep(interval).await;
        let now = broker.host.wall();
        for replica in broker.replicas.all() {
            replica.state.borrow_mut().log.expire_producers(now);
        }
    }
}

/// Deletes segments all of whose records are older than `retention.ms`. (`retention.bytes` is not there yet.) The log itself keeps what is not below the high watermark (KAFKA-5634).
fn enforce(broker: &Broker, replica: &Replica) {
    let settings = replica.settings.borrow().clone();
    let now = broker.host.wall();
    let mut state = replica.state.borrow_mut();
    if settings.retention_ms < 0 || !settings.cleanup_policy.contains("delete") {
        return;
    }
    let before = state.log.start_offset();
    let oldest_kept = now.saturating_sub(settings.retention_ms);
    let first_kept = match state.log.offset_for_timestamp(oldest_kept) {
        Ok(Some((offset, _))) => offset,
        Ok(None) => state.log.high_watermark(),
        Err(_) => return,
    };
    match state.log.delete_segments_before(first_kept) {
        Ok(to) if to > before => {
            broker.host.emit(replica.became.get(), EventKind::LogStartMoved { partition: replica.partition, to });
        }
        Ok(_) => {}
        Err(_) => broker.replicas.halt(replica.became.get()),
    }
}
