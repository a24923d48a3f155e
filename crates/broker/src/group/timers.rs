//! What groups do by themselves when their time comes, and the cleaning up of offsets.

use std::rc::Rc;

use host::Time;
use trace::EventId;

use super::classic::Group;
use super::coordinator::{decide, forget_in_log};
use crate::broker::Broker;
use crate::config::milliseconds;

/// Lets groups do what is due: sessions that end, rebalances that wait no longer.
pub async fn run_group_timers(broker: Rc<Broker>) {
    loop {
        let due = broker.groups.look_at_all(|_, group| group.deadline()).into_iter().flatten().min();
        broker.groups.next_due.set(due.unwrap_or(Time::NEVER));
        let Some(due) = due else {
            broker.groups.earlier.notified().await;
            continue;
        };
        let rest = due - broker.host.now();
        if !rest.is_zero() && broker.host.timeout(rest, broker.groups.earlier.notified()).await.is_ok() {
            continue;
        }
        let now = broker.host.now();
        let is_due = |group: &Group| group.deadline().is_some_and(|due| due <= now);
        for (index, name, cause) in chosen(&broker, is_due) {
            decide(&broker, index, &name, cause, |group, turn| group.expire(turn));
        }
    }
}

/// Groups of a kind: the partition, the name, and the event to cite.
fn chosen(broker: &Broker, is_chosen: impl Fn(&Group) -> bool) -> Vec<(i32, String, EventId)> {
    let found = broker.groups.look_at_all(|name, group| is_chosen(group).then(|| (name.to_owned(), group.last_event)));
    let place = |(name, last): (String, EventId)| (broker.groups.partition_for(&name).index, name, last);
    found.into_iter().flatten().map(place).collect()
}

/// Forgets expired offsets and useless groups every `offsets.retention.check.interval.ms`.
pub async fn run_offset_expiration(broker: Rc<Broker>) {
    let interval = milliseconds(broker.settings.offsets_retention_check_interval_ms);
    loop {
        broker.host.sleep(interval).await;
        for (index, name, cause) in chosen(&broker, |_| true) {
            let cleaned = decide(&broker, index, &name, cause, |group, turn| group.clean_up(turn));
            let Some((partitions, event)) = cleaned else { continue };
            // What is not written now is expired again at the next check.
            let _ = forget_in_log(&broker, index, &name, &partitions, event).await;
        }
    }
}

/// Forgets the offsets of partitions that no longer exist.
pub async fn forget_partitions(broker: Rc<Broker>, gone: Vec<trace::Partition>, cause: EventId) {
    let reads = |group: &Group| gone.iter().any(|partition| group.offsets.get(*partition).is_some());
    for (index, name, _) in chosen(&broker, reads) {
        let forgotten = decide(&broker, index, &name, cause, |group, turn| {
            let forgotten = gone.iter().copied().filter(|it| group.forget(*it, "deleted", turn).is_some()).collect();
            group.die_if_useless(turn);
            forgotten
        });
        let Some((partitions, event)): Option<(Vec<_>, _)> = forgotten else { continue };
        let _ = forget_in_log(&broker, index, &name, &partitions, event).await;
    }
}
