//! O8: a broker applies control requests of the newest controller it knows only, and only those meant for its incarnation; a
//! deposed controller's decision is not stored after its successor's epoch is; a controller epoch belongs to one broker.
//!
//! From: KAFKA-6082 (controller epoch checked within the write), KAFKA-1188, KIP-380 (broker epoch), KAFKA-9839.
//! A broker that has not registered since its start obeys no request for a registration that it had before.
//! Legal: a newer broker epoch than one's own (KAFKA-9839); a lower controller epoch after a restart (it is memory only); a
//! decision that was stored in time and only learned of late: zxids decide, not the order of events.
//! Not checked: requests that were refused.

use std::collections::BTreeMap;

use trace::{EventId, EventKind, Name, Partition};

use crate::finding::{Charge, Findings};
use crate::judge::{Moment, Oracle};
use crate::sparse::Table;

/// A decision waits until its znode change is known, and is then judged by zxid.
struct Waiting {
    partition: Partition,
    version: i32,
    controller_epoch: i32,
    event: EventId,
}

#[derive(Default)]
pub(crate) struct ControlFencing {
    /// The highest controller epoch applied, by broker: forgotten at a start.
    applied: Table<Name, (i32, EventId)>,
    elected: BTreeMap<i32, (Name, EventId)>,
    /// Version and zxid of every change of /controller_epoch.
    fences: BTreeMap<i32, u64>,
    /// Controller epoch minus version of /controller_epoch.
    offset: Option<i32>,
    /// Zxids of the partitions' state znodes, by partition and version.
    states: BTreeMap<(Partition, i32), u64>,
    paths: Table<Name, Option<Partition>>,
    waiting: Vec<Waiting>,
}

impl Oracle for ControlFencing {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let event = moment.event;
        match &event.kind {
            EventKind::NodeStarted { .. } => {
                self.applied.swap_remove(&event.node);
            }
            EventKind::ControlApplied { api, controller_epoch, broker_epoch, own_broker_epoch } => {
                let epochs = (*controller_epoch, *broker_epoch, *own_broker_epoch);
                self.applied(moment, *api, epochs, findings);
            }
            EventKind::ControllerElected { epoch } => self.elected(moment, *epoch, findings),
            EventKind::ZnodeChanged { path, version, zxid, .. } => self.znode(*path, *version, *zxid, moment, findings),
            EventKind::LeadershipDecided { partition, partition_epoch, controller_epoch, .. } => {
                findings.fact();
                let (version, controller_epoch) = (*partition_epoch, *controller_epoch);
                let waiting = Waiting { partition: *partition, version, controller_epoch, event: event.id };
                if !self.judge_write(moment, &waiting, findings) {
                    self.waiting.push(waiting);
                }
            }
            _ => {}
        }
    }
}

impl ControlFencing {
    fn applied(&mut self, moment: &Moment, api: Name, epochs: (i32, i64, i64), findings: &mut Findings) {
        let (controller_epoch, broker_epoch, own) = epochs;
        let event = moment.event;
        findings.fact();
        let highest = self.applied.entry(event.node).or_insert((controller_epoch, event.id));
        if controller_epoch < highest.0 {
            let summary = format!(
                "{} applied {api} of controller epoch {controller_epoch} after one of epoch {}",
                event.node, highest.0
            );
            findings.raise(Charge::at(event, None, "old-controller", summary).proven_by([highest.1]));
        } else if controller_epoch > highest.0 {
            *highest = (controller_epoch, event.id);
        }
        let registered = moment.world.node(event.node).map_or(-1, |node| node.broker_epoch);
        let since = if own >= 0 {
            format!("it is {own} since it registered again")
        } else {
            "it has started again since, and is not registered".to_owned()
        };
        if broker_epoch >= 0 && (broker_epoch < own || (own < 0 && broker_epoch <= registered)) {
            let summary = format!("{} applied {api} meant for its broker epoch {broker_epoch}; {since}", event.node);
            findings.raise(Charge::at(event, None, "old-incarnation", summary));
        }
    }

    fn elected(&mut self, moment: &Moment, epoch: i32, findings: &mut Findings) {
        findings.fact();
        let event = moment.event;
        let (holder, first) = *self.elected.entry(epoch).or_insert((event.node, event.id));
        if holder != event.node {
            let summary = format!("{} became the controller of epoch {epoch}, as {holder} did before", event.node);
            findings.raise(Charge::at(event, None, "two-controllers", summary).proven_by([first]));
        }
        // Another candidate may have raised the epoch since, so the largest difference is the true one.
        if let Some((version, _)) = self.fences.last_key_value() {
            let offset = epoch.saturating_sub(*version);
            self.offset = Some(self.offset.map_or(offset, |known| known.max(offset)));
        }
    }

    fn znode(&mut self, path: Name, version: i32, zxid: u64, moment: &Moment, findings: &mut Findings) {
        if path.as_str() == "/controller_epoch" {
            self.fences.insert(version, zxid);
            return;
        }
        let Some(partition) = *self.paths.entry(path).or_insert_with(|| state_of(path.as_str())) else { return };
        self.states.insert((partition, version), zxid);
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|waiting| {
            (waiting.partition, waiting.version) != (partition, version) || !self.judge_write(moment, waiting, findings)
        });
        self.waiting = waiting;
    }

    /// Whether a controller wrote after its epoch had passed; false if that cannot be told yet.
    fn judge_write(&self, moment: &Moment, write: &Waiting, findings: &mut Findings) -> bool {
        let stale = match (self.offset, self.states.get(&(write.partition, write.version))) {
            (Some(offset), Some(zxid)) => self
                .fences
                .get(&write.controller_epoch.saturating_add(1).saturating_sub(offset))
                .is_some_and(|fence| zxid > fence),
            (Some(_), None) => return false,
            // Without an ensemble in the trace only the order of events is left.
            (None, _) => self.elected.last_key_value().is_some_and(|(newest, _)| write.controller_epoch < *newest),
        };
        if stale {
            let newer = self.elected.range(write.controller_epoch.saturating_add(1)..).next();
            let summary = format!(
                "{}: the controller of epoch {} stored a decision (version {}) after epoch {} had begun",
                write.partition,
                write.controller_epoch,
                write.version,
                write.controller_epoch.saturating_add(1)
            );
            let evidence = [write.event, newer.map_or(EventId::ROOT, |(_, (_, event))| *event)];
            let charge = Charge::at(moment.event, Some(write.partition), "deposed-controller-wrote", summary);
            findings.raise(charge.proven_by(evidence));
        }
        true
    }
}

/// The partition whose state `/brokers/topics/TOPIC/partitions/INDEX/state` is.
fn state_of(path: &str) -> Option<Partition> {
    let rest = path.strip_prefix("/brokers/topics/")?.strip_suffix("/state")?;
    let (topic, index) = rest.split_once("/partitions/")?;
    Some(Partition::new(topic, index.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use trace::ZnodeChange::{Created, DataChanged};

    use crate::story::{STATE, Story};

    fn story() -> Story {
        Story::of("control-fencing")
    }

    #[test]
    fn brokers_follow_their_controllers_upwards() {
        story().control(2, 1, 102).controller(2, 2).control(2, 2, 102).control(1, 2, 101).quiet();
    }

    #[test]
    fn a_request_of_an_older_controller_must_be_refused() {
        story().control(2, 2, 102).control(2, 1, 102).fires(&["old-controller"]);
    }

    #[test]
    fn a_restarted_broker_remembers_no_controller_epoch() {
        story().control(2, 2, 102).crash(2).restart(2, 0).control(2, 1, 202).quiet();
    }

    #[test]
    fn a_request_for_an_earlier_incarnation_must_be_refused_and_a_later_one_may_be_applied() {
        // KIP-380, and KAFKA-9839 for its other side.
        story().crash(2).restart(2, 0).control(2, 1, 102).fires(&["old-incarnation"]);
        story().control(2, 1, 103).quiet();
    }

    #[test]
    fn a_broker_that_is_not_registered_yet_obeys_nothing_meant_for_its_former_registration() {
        story().crash(2).boot(2, 0).control_unregistered(2, 1, 102).fires(&["old-incarnation"]);
        story().crash(2).boot(2, 0).control_unregistered(2, 1, 202).quiet();
    }

    #[test]
    fn a_controller_epoch_belongs_to_one_broker() {
        story().controller(2, 2).controller(3, 2).fires(&["two-controllers"]);
    }

    #[test]
    fn a_deposed_controllers_write_must_not_land() {
        // zombie-controller-zk-write, KAFKA-6082: zxid 12 is after the fence at zxid 11.
        let mut story = story();
        story.znode("/controller_epoch", Created, 0, 0, 5).controller(1, 5).znode(
            "/controller_epoch",
            DataChanged,
            1,
            0,
            11,
        );
        story.controller(2, 6).znode(STATE, DataChanged, 9, 0, 12).decide_as(2, 1, &[2, 3], 9, 5);
        story.fires(&["deposed-controller-wrote"]);
    }

    #[test]
    fn a_write_in_time_may_be_learned_of_late() {
        let mut story = story();
        story.znode("/controller_epoch", Created, 0, 0, 5).controller(1, 5).znode(STATE, DataChanged, 9, 0, 10);
        story.znode("/controller_epoch", DataChanged, 1, 0, 11).controller(2, 6).decide_as(2, 1, &[2, 3], 9, 5).quiet();
    }
}
