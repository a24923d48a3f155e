//! O18: a log loaded after its process stopped is a prefix of what it was. A crash loses nothing (the page cache stays); a
//! power loss loses nothing that was flushed, and, where every message is flushed, nothing that was acknowledged.
//!
//! From: KAFKA-3968 (directories are fsynced too), KAFKA-10471 (the clean-shutdown marker), crash-consistency work such as
//! ALICE (Pillai et al., OSDI 2014).
//! Legal: an unsynced truncation may be undone by a power loss; disks that a fault replaced or let rot; a marker that was
//! deleted but is back after a power loss; a marker that outlives a process which died before it loaded any log, or which was
//! killed after it had closed its logs.
//! Not checked: that the producer state equals a replay (no event tells it); checkpoint files.

use trace::EventKind;

use crate::finding::{Charge, Findings};
use crate::judge::{Moment, Oracle};
use crate::sparse::{Slots, Table};

#[derive(Default)]
pub(crate) struct Recovery {
    /// The end of what each broker acknowledged and has not cut since.
    acknowledged: Slots<Table<i32, i64>>,
}

impl Oracle for Recovery {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let Some(place) = moment.place else { return };
        let event = moment.event;
        match &event.kind {
            EventKind::LogLoaded { log_end, clean, .. } => self.loaded(moment, *log_end, *clean, findings),
            // A broker that found no log where one should be may say nothing of loading it.
            EventKind::BecameLeader { log_end, .. } | EventKind::BecameFollower { log_end, .. }
                if moment.world.replica(place, event.node).is_some_and(|replica| !replica.loaded) =>
            {
                self.loaded(moment, *log_end, false, findings);
            }
            EventKind::ProduceAcked { base_offset, records, .. } if moment.context.flush_every_message => {
                let end = base_offset.saturating_add(i64::from(*records));
                if let Some(broker) = moment.world.node(event.node).and_then(|node| node.broker) {
                    let known = self.acknowledged.at(place).entry(broker).or_default();
                    *known = end.max(*known);
                }
            }
            EventKind::Truncated { to, .. } => {
                let broker = moment.world.node(event.node).and_then(|node| node.broker);
                if let Some(known) = broker.and_then(|broker| self.acknowledged.at(place).get_mut(&broker)) {
                    *known = (*known).min(*to);
                }
            }
            _ => {}
        }
    }
}

impl Recovery {
    fn loaded(&mut self, moment: &Moment, end: i64, clean: bool, findings: &mut Findings) {
        let place = moment.place.expect("in a partition");
        let partition = moment.world.partitions[place].partition;
        let name = moment.event.node;
        let Some(node) = moment.world.node(name).filter(|node| !node.bad_disk) else { return };
        let Some(replica) = moment.world.replica(place, name) else { return };
        if replica.log.end == 0 && node.last_stop.is_none() {
            return;
        }
        findings.fact();
        let mut charge = |kind: &str, what: String| {
            let summary = format!("{partition}: {name} {what}");
            findings.raise(Charge::at(moment.event, Some(partition), kind, summary));
        };
        if clean && node.crashed_with_logs {
            charge("recovery-skipped", "believed its shutdown clean after a crash and recovered nothing".to_owned());
        }
        let (least, most) = replica.log.loadable(replica.power_lost);
        let after = if replica.power_lost { "power-loss" } else { "restart" };
        if end < least {
            let why = if replica.power_lost { "was flushed" } else { "was written (the page cache stays)" };
            charge(&format!("lost/after-{after}"), format!("loaded its log up to {end}, and all up to {least} {why}"));
        } else if end > most {
            charge(
                &format!("invented/after-{after}"),
                format!("loaded its log up to {end}; it never had more than {most}"),
            );
        }
        let broker = node.broker.unwrap_or(-1);
        if replica.amnesiac {
            // What it acknowledged went with the disk that was replaced.
            self.acknowledged.at(place).swap_remove(&broker);
        }
        let acknowledged = self.acknowledged.at(place).get(&broker).copied().unwrap_or(0);
        if (least..acknowledged).contains(&end) {
            let what =
                format!("loaded its log up to {end}, and had acknowledged all up to {acknowledged}, each flushed");
            charge("lost/acknowledged-unflushed", what);
            self.acknowledged.at(place).insert(broker, end);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("recovery")
    }

    #[test]
    fn a_crash_loses_nothing() {
        story().commit(3).crash(2).restart(2, 3).quiet();
        story().commit(3).crash(2).restart(2, 2).fires(&["lost/after-restart"]);
        story().commit(3).crash(2).restart(2, 4).fires(&["invented/after-restart"]);
    }

    #[test]
    fn a_process_that_is_killed_after_it_closed_its_logs_need_not_recover() {
        story().commit(1).close_logs(2).crash(2).restart_clean(2, 1).quiet();
        story()
            .commit(1)
            .close_logs(2)
            .crash(2)
            .restart_clean(2, 1)
            .crash(2)
            .restart_clean(2, 1)
            .fires(&["recovery-skipped"]);
    }

    #[test]
    fn a_power_loss_may_lose_what_was_not_flushed_only() {
        story().commit(1).commit(1).flush(2, 1).power_loss(2).restart(2, 1).quiet();
        story().commit(1).commit(1).flush(2, 1).power_loss(2).restart(2, 2).quiet();
        story().commit(1).commit(1).flush(2, 1).power_loss(2).restart(2, 0).fires(&["lost/after-power-loss"]);
    }

    #[test]
    fn a_log_that_vanished_with_its_directory_is_a_loss_too() {
        // no-dir-fsync, KAFKA-3968: the broker makes a new log when it is told to follow.
        story()
            .commit(1)
            .flush(2, 1)
            .power_loss(2)
            .restart_without_log(2)
            .follows_at(2, 0)
            .fires(&["lost/after-power-loss"]);
    }

    #[test]
    fn an_unsynced_truncation_may_be_undone_by_a_power_loss() {
        story().produce(1, 2).produce(1, 2).truncate(1, 2).power_loss(1).restart(1, 4).quiet();
        story().produce(1, 2).produce(1, 2).truncate(1, 2).crash(1).restart(1, 4).fires(&["invented/after-restart"]);
    }

    #[test]
    fn where_every_message_is_flushed_nothing_acknowledged_is_lost() {
        let mut story = story();
        story.flush_every_message().commit(1).produce_acked(1, 0).power_loss(1).restart(1, 0);
        story.fires(&["lost/acknowledged-unflushed"]);
    }

    #[test]
    fn a_crash_is_no_clean_shutdown() {
        story().commit(1).crash(2).restart_clean(2, 1).fires(&["recovery-skipped"]);
    }

    #[test]
    fn a_marker_outlives_a_process_that_died_before_it_loaded_a_log_and_no_other() {
        story().commit(1).exit(2).restart_without_log(2).crash(2).restart_clean(2, 1).quiet();
        // KAFKA-10471.
        story().commit(1).exit(2).restart_clean(2, 1).crash(2).restart_clean(2, 1).fires(&["recovery-skipped"]);
    }

    #[test]
    fn a_replaced_disk_owes_nothing() {
        story()
            .commit(1)
            .flush(2, 1)
            .crash(3)
            .restart(3, 1)
            .crash(2)
            .fault("replace-disk", "broker-2")
            .restart(2, 0)
            .quiet();
    }
}
