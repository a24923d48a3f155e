//! What each kind of fault does to the world when it begins.

use std::rc::Rc;

use host::sim::{ClockSetting, DiskFault, HoldRule};
use scenario::{Direction, Fault, FaultKind};
use trace::{EventId, Name};

use super::target::links;
use super::{Active, Effect, Healing, Injector};
use crate::services::Errand;

impl Injector {
    pub(super) fn apply(&self, place: usize, fault: &Fault, begun: EventId, first: &[Name], second: &[Name]) {
        let world = &self.0.world;
        let healing = match &fault.kind {
            FaultKind::Crash { .. }
            | FaultKind::KillClient { .. }
            | FaultKind::Shutdown { .. }
            | FaultKind::PowerLoss { .. }
            | FaultKind::ReplaceDisk { .. }
            | FaultKind::Pause { .. } => self.stop(&fault.kind, begun, first),
            FaultKind::Partition { direction, .. }
            | FaultKind::SlowLink { direction, .. }
            | FaultKind::LossyLink { direction, .. } => {
                self.harm_links(&fault.kind, begun, links(first, second, *direction))
            }
            FaultKind::Isolate { .. } => self.harm_links(&fault.kind, begun, links(first, second, Direction::Both)),
            FaultKind::Flap { direction, down, up, .. } => {
                self.flap(place, begun, links(first, second, *direction), (*down, *up))
            }
            FaultKind::Swizzle { gap, .. } => self.swizzle(place, begun, first, *gap),
            FaultKind::RollingRestart { down, gap, .. } => self.roll(place, begun, first, (*down, *gap)),
            FaultKind::AddMember { .. } | FaultKind::RemoveMember { .. } => {
                self.change_members(&fault.kind, begun, first);
                self.over(place, fault, begun, Effect::Hit);
                return;
            }
            FaultKind::SlowConsumer { .. } => Healing::Consumers(first.to_vec()),
            FaultKind::ResetConnections { .. } => {
                let effect = match world.reset_connections(begun, first, second) {
                    0 => Effect::Nothing("there was no connection between them".into()),
                    _ => Effect::Hit,
                };
                self.over(place, fault, begun, effect);
                return;
            }
            FaultKind::Hold { api, nth, response, .. } => {
                // `from` asks and `to` answers: a held answer flows the other way.
                let (from, to) = if *response { (second, first) } else { (first, second) };
                let rule = HoldRule {
                    api: Name::new(api),
                    response: *response,
                    from: from.to_vec(),
                    to: to.to_vec(),
                    nth: u64::from(*nth),
                };
                world.hold(begun, rule);
                Healing::Release
            }
            FaultKind::BitRot { .. }
            | FaultKind::SlowDisk { .. }
            | FaultKind::StallDisk { .. }
            | FaultKind::FullDisk { .. }
            | FaultKind::DiskError { .. } => self.harm_disks(&fault.kind, begun, first),
            FaultKind::Clock { jump, back, .. } => {
                let by = i64::try_from(jump.nanos()).unwrap_or(i64::MAX);
                for node in first {
                    world.jump_clock(*node, if *back { -by } else { by });
                }
                Healing::Clocks(first.to_vec())
            }
            FaultKind::DeleteTopic { .. } => self.ask_operator(place, fault, begun),
        };
        self.0.active.borrow_mut().insert(place, Active { begun, healing });
        match &fault.kind {
            FaultKind::Clock { .. } => self.set_drift(first),
            FaultKind::SlowConsumer { .. } => self.set_pace(first),
            _ => {}
        }
    }

    /// Faults that stop a process. Only nodes that run are stopped: who is down already is another fault's.
    fn stop(&self, kind: &FaultKind, begun: EventId, nodes: &[Name]) -> Healing {
        let world = &self.0.world;
        let hit: Vec<Name> = match kind {
            // A machine that is down can get another disk as well.
            FaultKind::ReplaceDisk { .. } => nodes.to_vec(),
            _ => nodes.iter().copied().filter(|node| world.is_up(*node)).collect(),
        };
        if let FaultKind::Pause { .. } = kind {
            let running: Vec<Name> = hit.into_iter().filter(|node| !world.is_paused(*node)).collect();
            for node in &running {
                world.pause(*node, begun);
            }
            return Healing::Resume(running);
        }
        for node in &hit {
            match kind {
                FaultKind::PowerLoss { keep, .. } => {
                    let keep = match keep {
                        scenario::Keep::Random => host::sim::Keep::Random,
                        scenario::Keep::None => host::sim::Keep::None,
                        scenario::Keep::All => host::sim::Keep::All,
                    };
                    world.power_loss(*node, begun, keep);
                }
                FaultKind::ReplaceDisk { .. } => {
                    world.power_loss(*node, begun, host::sim::Keep::None);
                    world.replace_disk(*node);
                }
                FaultKind::Shutdown { .. } if self.0.stops.ask(*node, begun) => {}
                _ => {
                    world.kill(*node, begun);
                }
            }
        }
        Healing::Start(hit)
    }

    /// Sends an operator off.
    fn ask_operator(&self, place: usize, fault: &Fault, begun: EventId) -> Healing {
        let errand = Rc::new(Errand::default());
        errand.asked.set(begun);
        self.0.ledger.errands.borrow_mut().insert(place, errand.clone());
        self.0.world.start(crate::services::operator(fault), begun);
        Healing::Operator(errand)
    }

    pub(super) fn harm_links(&self, kind: &FaultKind, begun: EventId, links: Vec<(Name, Name)>) -> Healing {
        let world = &self.0.world;
        match kind {
            FaultKind::SlowLink { latency, .. } => world.slow(begun, &links, crate::nodes::latency(latency)),
            FaultKind::LossyLink { loss, .. } => world.lossy(begun, &links, loss.0),
            _ => world.cut(begun, &links),
        }
        Healing::Links(links)
    }

    fn harm_disks(&self, kind: &FaultKind, begun: EventId, nodes: &[Name]) -> Healing {
        for node in nodes {
            let what = match kind {
                FaultKind::SlowDisk { sync, bandwidth, .. } => DiskFault::Slow {
                    sync: crate::nodes::latency(sync),
                    bandwidth: bandwidth.map(|bandwidth| bandwidth.0 / 8),
                },
                FaultKind::StallDisk { .. } => DiskFault::Stalled,
                FaultKind::FullDisk { .. } => DiskFault::Full,
                FaultKind::DiskError { .. } => DiskFault::Error { prefix: String::new() },
                FaultKind::BitRot { topic, partition, count, .. } => {
                    let Some(path) = self.log_file(*node, topic, *partition) else { continue };
                    DiskFault::BitRot { path: path.0, position: 0, length: path.1, flips: *count }
                }
                _ => unreachable!("{} is no disk fault", kind.name()),
            };
            self.0.world.disk_fault(begun, *node, what);
        }
        Healing::Disks(nodes.to_vec())
    }

    /// The longest log file of a replica, and its length.
    fn log_file(&self, node: Name, topic: &str, partition: u32) -> Option<(String, u64)> {
        let disk = self.0.world.disk(node);
        let directory = format!("data/{topic}-{partition}");
        let files = disk.list(&directory).ok()?.into_iter().filter(|entry| entry.name.ends_with(".log"));
        let measured = files.filter_map(|entry| {
            let path = format!("{directory}/{}", entry.name);
            let length = disk.read(&path).ok()?.len() as u64;
            Some((path, length))
        });
        measured.filter(|(_, length)| *length > 0).max_by_key(|(_, length)| *length)
    }

    /// Sets the nodes' drift: the sum of those that act on them now.
    fn set_drift(&self, nodes: &[Name]) {
        let active = self.0.active.borrow();
        for node in nodes {
            let drifts =
                active.iter().filter_map(|(place, active)| match (&active.healing, &self.0.plan.faults[*place].kind) {
                    (Healing::Clocks(hit), FaultKind::Clock { drift, back, .. }) if hit.contains(node) => {
                        let ppm = drift.0.min(500_000) as i32;
                        Some(if *back { -ppm } else { ppm })
                    }
                    _ => None,
                });
            let drift_ppm = drifts.sum::<i32>().clamp(-900_000, 900_000);
            self.0.world.set_clock(*node, ClockSetting { offset_ns: 0, drift_ppm });
        }
    }

    /// Lets clocks run true again, as far as this fault goes. What they gained by drift stays: no clock is set for that.
    pub(super) fn true_clocks(&self, fault: &Fault, nodes: &[Name]) {
        let FaultKind::Clock { jump, back, .. } = &fault.kind else { return };
        let by = i64::try_from(jump.nanos()).unwrap_or(i64::MAX);
        for node in nodes {
            self.0.world.jump_clock(*node, if *back { by } else { -by });
        }
        self.set_drift(nodes);
    }
}
