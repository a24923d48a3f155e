//! O20: within a bound after everything is healed every partition has a leader and all its live replicas in the ISR; when the
//! clients stop, that still holds, every record got an outcome, and no consumer lags; every partition can be read; no broker
//! ends by itself once everything is healed; and a group's rebalance ends (see `rebalance`).
//!
//! From: the liveness properties of Vanlightly/kafka-tlaplus; KAFKA-13091, KAFKA-12890, KAFKA-9839, KAFKA-10706, KAFKA-3924.
//! Legal: a replica whose broker is down for good; records that were pending when their producer's process died; partitions of
//! a topic that was deleted and not created again; a broker that ended while a fault had hold of it; where only a core is healed, what provably cannot
//! recover (see `excuse`). Being unhealthy again after having recovered is only judged when the clients stop.
//! Not checked: transactions (no events yet), other delayed operations past their deadline.

use std::collections::BTreeSet;

use trace::{BrokerList, Event, EventKind, Name, Partition, Phase, StopReason};

use super::excuse::excuse;
use super::rebalance::Rebalances;
use crate::Context;
use crate::finding::{Charge, Findings};
use crate::fold::{PartitionFold, World};
use crate::judge::{Ending, Moment, Oracle};
use crate::records::{Outcome, Record, Records};

#[derive(Default)]
pub(crate) struct Liveness {
    /// Partitions that were healthy once since settle began.
    recovered: BTreeSet<Partition>,
    deadline_passed: bool,
    concluded: bool,
    controller: Option<Name>,
    /// Partitions that provably cannot recover.
    excused: BTreeSet<Partition>,
    rebalances: Rebalances,
}

impl Oracle for Liveness {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let event = moment.event;
        self.rebalances.observe(event, moment.context, findings);
        match event.kind {
            EventKind::ControllerElected { .. } => self.controller = Some(event.node),
            EventKind::ControllerResigned { .. } if self.controller == Some(event.node) => self.controller = None,
            _ => {}
        }
        let Some(settle) = moment.world.settle_at else { return };
        let is_broker = moment.world.node(event.node).is_some_and(|node| node.broker.is_some());
        let healed = moment.context.core.as_ref().is_none_or(|core| core.contains(&event.node));
        if matches!(event.kind, EventKind::NodeStopped { reason: StopReason::Exit }) && is_broker && healed {
            let summary = format!("{} ended by itself, although everything is healed", event.node);
            findings.raise(Charge::at(event, None, "halted", summary));
        }
        if !self.deadline_passed {
            // A state lasts until the event that changes it, so looking right before each change sees them all.
            if let (Some(place), true) = (moment.place, changes_health(&event.kind)) {
                let fold = &moment.world.partitions[place];
                if unhealthy(moment.world, moment.context, fold).is_none() {
                    self.recovered.insert(fold.partition);
                }
            }
            if event.at >= settle.saturating_add(moment.context.bounds.liveness()) {
                self.pass_deadline(moment.world, moment.context, event, findings);
            }
        }
        if matches!(event.kind, EventKind::PhaseBegan { phase: Phase::Verify }) {
            self.conclude(moment.world, moment.records, moment.context, event, findings);
        }
    }

    fn finish(&mut self, ending: &Ending, findings: &mut Findings) {
        self.rebalances.conclude(&ending.end.event(), ending.context, findings);
        if ending.world.settle_at.is_some() {
            self.conclude(ending.world, ending.records, ending.context, &ending.end.event(), findings);
        }
        for read in &ending.end.reads {
            findings.fact();
            if let Some(error) = &read.error
                && !self.excuses(ending.world, ending.context, read.partition, findings)
            {
                let summary = format!("{} cannot be read to its end: {error}", read.partition);
                findings.raise(Charge::late(ending.end, Some(read.partition), "unreadable", summary));
            }
        }
    }
}

fn changes_health(kind: &EventKind) -> bool {
    matches!(kind, EventKind::LeadershipDecided { .. } | EventKind::IsrChanged { .. } | EventKind::BecameLeader { .. })
}

/// The partitions the scenario promises, and those it added.
fn promised(world: &World, context: &Context) -> BTreeSet<Partition> {
    let declared = context.topics.iter();
    let declared = declared.flat_map(|(topic, facts)| (0..facts.partitions).map(|index| (*topic, index)));
    let mut all: BTreeSet<Partition> = declared.map(|(topic, index)| Partition { topic, index }).collect();
    all.extend(world.current().map(|(_, fold)| fold.partition).filter(|p| context.topics.contains_key(&p.topic)));
    all.retain(|partition| !world.is_deleted(*partition));
    all
}

/// What is wrong with a partition, if anything: kind and words.
fn unhealthy(world: &World, context: &Context, fold: &PartitionFold) -> Option<(&'static str, String)> {
    let Some(decision) = &fold.decided else {
        return Some(("leaderless", "has no leader: none was ever decided".to_owned()));
    };
    if decision.leader <= 0 || !world.broker(decision.leader).is_some_and(|node| node.alive) {
        return Some(("leaderless", format!("has no leader (stored: {}, ISR {})", decision.leader, decision.isr)));
    }
    let leads = fold
        .replica(decision.leader)
        .is_some_and(|leader| leader.role.leads() && leader.role.epoch() == decision.epoch);
    if !leads {
        let what = format!("is led by broker {} in epoch {}, which does not know it", decision.leader, decision.epoch);
        return Some(("leader-unaware", what));
    }
    let healed = |id: i32| {
        let Some(core) = &context.core else { return true };
        world.broker_name(id).is_some_and(|name| core.contains(&name))
    };
    let alive = |id: &i32| healed(*id) && world.broker(*id).is_some_and(|node| node.alive);
    let live = BrokerList::new(fold.assigned.iter().filter(alive));
    let full = if world.reassigned {
        let wanted = context.topics.get(&fold.partition.topic).map_or(1, |facts| facts.replication);
        decision.isr.len() >= wanted.max(1) as usize
    } else {
        live.iter().all(|id| decision.isr.contains(id))
    };
    (!full).then(|| ("isr-incomplete", format!("has the ISR {}, and alive are {live}", decision.isr)))
}

impl Liveness {
    /// Whether `partition` is gone, or provably cannot recover; the proof is kept for the report.
    fn excuses(&mut self, world: &World, context: &Context, partition: Partition, findings: &mut Findings) -> bool {
        if self.excused.contains(&partition) || world.is_deleted(partition) {
            return true;
        }
        let (Some(core), Some(fold)) = (&context.core, world.partition(partition)) else { return false };
        let min_insync = min_insync(context, fold);
        let Some(proof) = excuse(world, core, self.controller, min_insync, fold) else { return false };
        self.excused.insert(partition);
        findings.ledger.excused.push((partition, format!("{partition} cannot recover: {proof}")));
        true
    }

    fn pass_deadline(&mut self, world: &World, context: &Context, event: &Event, findings: &mut Findings) {
        self.deadline_passed = true;
        for partition in promised(world, context) {
            findings.fact();
            let wrong = match world.partition(partition) {
                None => Some(("leaderless", "was never created".to_owned())),
                Some(fold) => unhealthy(world, context, fold),
            };
            let wrong = wrong.filter(|_| !self.recovered.contains(&partition));
            if wrong.is_some() && self.excuses(world, context, partition, findings) {
                continue;
            }
            if let Some((kind, what)) = wrong {
                let seconds = context.bounds.liveness() / 1_000_000_000;
                let summary = format!("{partition} {what}, {seconds} s after everything was healed");
                findings.raise(Charge::at(event, Some(partition), kind, summary));
            } else {
                self.recovered.insert(partition);
            }
        }
    }

    /// The clients have stopped: nothing may be left undone.
    fn conclude(
        &mut self,
        world: &World,
        records: &Records,
        context: &Context,
        event: &Event,
        findings: &mut Findings,
    ) {
        if std::mem::replace(&mut self.concluded, true) {
            return;
        }
        if !self.deadline_passed {
            self.pass_deadline(world, context, event, findings);
        } else {
            for partition in promised(world, context) {
                let fold = world.partition(partition).filter(|_| self.recovered.contains(&partition));
                if let Some((kind, what)) = fold.and_then(|fold| unhealthy(world, context, fold))
                    && !self.excuses(world, context, partition, findings)
                {
                    let summary = format!("{partition} recovered, but at the end it {what}");
                    findings.raise(Charge::at(event, Some(partition), format!("relapsed/{kind}"), summary));
                }
            }
        }
        self.check_outcomes(world, records, context, event, findings);
        for (reader, topics) in readers(context) {
            self.check_lag(world, records, context, event, (reader, topics), findings);
        }
    }

    fn check_outcomes(
        &mut self,
        world: &World,
        records: &Records,
        context: &Context,
        event: &Event,
        findings: &mut Findings,
    ) {
        for (name, sender) in &records.senders {
            let mut left: Vec<(u64, &Record)> = Vec::new();
            for (sequence, record) in sender.records.iter().filter(|(_, record)| record.outcome != Outcome::Unsent) {
                findings.fact();
                let pending = record.outcome == Outcome::Pending && record.sent > sender.died;
                if pending && !self.excuses(world, context, records.partition(record.partition), findings) {
                    left.push((sequence, record));
                }
            }
            if let Some((sequence, record)) = left.first() {
                let partition = records.partition(record.partition);
                let more = left.len() - 1;
                let summary = format!(
                    "{name} never learned what became of its record {sequence} to {partition} and {more} more; sent at {:.3} s",
                    record.sent_at as f64 / 1e9
                );
                let charge = Charge::at(event, Some(partition), "unresolved-sends", summary);
                findings.raise(charge.proven_by([record.sent]).times(left.len() as u64));
            }
        }
    }

    fn check_lag(
        &mut self,
        world: &World,
        records: &Records,
        context: &Context,
        event: &Event,
        (members, topics): (Vec<Name>, Vec<Name>),
        findings: &mut Findings,
    ) {
        let alive = |name: &&Name| world.node(**name).is_none_or(|node| node.alive);
        let Some(spokesman) = members.iter().find(alive) else { return };
        for (_, fold) in world.current().filter(|(_, fold)| topics.contains(&fold.partition.topic)) {
            let Some(leader) = fold.leader() else { continue };
            findings.fact();
            let place = records.partitions.get_index_of(&fold.partition).map(|place| place as u32);
            let positions = members.iter().filter_map(|name| records.positions.get(&(*name, place?)));
            // A position in the former topic is none in one created anew.
            let positions = positions.filter(|position| fold.recreated < Some(position.event));
            let position = positions.map(|position| position.next).max().unwrap_or(leader.log.start);
            let left = leader.log.range(position, leader.hw).iter().any(|batch| !batch.is_control());
            if left && !self.excuses(world, context, fold.partition, findings) {
                let summary = format!(
                    "{}: {spokesman} stands at offset {position}, and the high watermark is {}",
                    fold.partition, leader.hw
                );
                findings.raise(Charge::at(event, Some(fold.partition), "lag", summary));
            }
        }
    }
}

fn min_insync(context: &Context, fold: &PartitionFold) -> i32 {
    context.topics.get(&fold.partition.topic).map_or(1, |facts| facts.min_insync)
}

/// Groups, and consumers without one, with their members and topics.
fn readers(context: &Context) -> Vec<(Vec<Name>, Vec<Name>)> {
    let mut readers: Vec<(Name, Vec<Name>, Vec<Name>)> = Vec::new();
    for (client, facts) in context.clients.iter().filter(|(_, facts)| !facts.topics.is_empty()) {
        let name = facts.group.unwrap_or(*client);
        match readers.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, members, _)) => members.push(*client),
            None => readers.push((name, vec![*client], facts.topics.clone())),
        }
    }
    readers.into_iter().map(|(_, members, topics)| (members, topics)).collect()
}

#[cfg(test)]
mod tests {
    use trace::GroupState;

    use crate::story::Story;

    fn story() -> Story {
        Story::of("liveness")
    }

    #[test]
    fn a_cluster_that_recovers_and_catches_up_is_live() {
        let mut story = story();
        story.crash(1).elect(2, &[2, 3]).restart(1, 0).settle().wait(5).follows(1).sent(0).produce(2, 1);
        story
            .replicate(2, 1)
            .replicate(2, 3)
            .hw(2, 1)
            .acked(0, 0)
            .isr(2, &[1, 2, 3])
            .polled(0, 0)
            .wait(60)
            .verify()
            .quiet();
    }

    #[test]
    fn a_partition_without_a_leader_is_not() {
        story().decide(-1, &[1]).settle().wait(31).verify().fires(&["leaderless"]);
        story().crash(1).settle().wait(31).verify().fires(&["leaderless"]);
    }

    #[test]
    fn a_leader_that_never_learns_of_it_does_not_lead() {
        story().decide(2, &[1, 2, 3]).settle().wait(31).verify().fires(&["leader-unaware"]);
    }

    #[test]
    fn a_live_replica_that_stays_out_of_the_isr_is_stuck_but_a_dead_one_is_not_missed() {
        story().isr(1, &[1, 2]).settle().wait(31).verify().fires(&["isr-incomplete"]);
        story().crash(3).isr(1, &[1, 2]).settle().wait(31).verify().quiet();
    }

    #[test]
    fn a_broker_that_ends_by_itself_after_healing_is_not_live_and_before_it_excused() {
        story().settle().exit(3).wait(31).verify().fires(&["halted"]);
        story().exit(3).isr(1, &[1, 2]).settle().wait(31).verify().quiet();
    }

    #[test]
    fn recovering_after_the_bound_is_too_late_and_before_it_in_time() {
        story().isr(1, &[1, 2]).settle().wait(31).isr(1, &[1, 2, 3]).verify().fires(&["isr-incomplete"]);
        story().isr(1, &[1, 2]).settle().wait(29).isr(1, &[1, 2, 3]).wait(9).verify().quiet();
    }

    #[test]
    fn being_in_trouble_again_at_the_very_bound_is_not_being_late() {
        let mut story = story();
        story.settle().wait(29).isr(1, &[1, 2]).wait(2).isr(1, &[1, 2, 3]).verify().quiet();
    }

    #[test]
    fn a_group_does_not_wait_for_ever_for_who_does_not_ask_for_its_assignment() {
        let waits = |seconds| {
            let mut story = Story::grouped("liveness");
            story.group_is(GroupState::CompletingRebalance, 2).wait(seconds);
            story
        };
        waits(20).group_is(GroupState::Stable, 2).fires(&["rebalance-stuck"]);
        waits(20).fires(&["rebalance-stuck"]);
        waits(12).group_is(GroupState::Stable, 2).quiet();
        let mut dead = waits(2);
        dead.crash(1).wait(20).coordinator(2).group_is(GroupState::Stable, 2).quiet();
    }

    #[test]
    fn only_the_live_core_must_recover() {
        let mut story = story();
        story.core(&["broker-1", "broker-2"]).isr(1, &[1, 2]).settle().wait(31).verify().quiet();
        story = self::story();
        story.core(&["broker-1", "broker-3"]).isr(1, &[1, 2]).settle().wait(31).verify().fires(&["isr-incomplete"]);
    }

    #[test]
    fn a_core_is_excused_by_proof_alone() {
        // Broker 1 is outside, in touch with ZooKeeper, and leads or controls: nobody deposes it.
        let mut story = story();
        story.core(&["broker-2", "broker-3"]).isr(1, &[1]).settle().wait(31).verify().quiet();
        // Without a session it would be deposed, so nothing holds the core up.
        story = self::story();
        story.core(&["broker-2", "broker-3"]).isr(2, &[2, 3]).controller(2, 2).elect(2, &[2]).crash(1);
        story.settle().wait(31).verify().fires(&["isr-incomplete"]);
    }

    #[test]
    fn a_relapse_counts_when_the_clients_stop() {
        story().settle().wait(31).isr(1, &[1, 2]).verify().fires(&["relapsed/isr-incomplete"]);
        story().settle().wait(31).isr(1, &[1, 2]).isr(1, &[1, 2, 3]).verify().quiet();
    }

    #[test]
    fn every_send_gets_an_outcome_unless_its_producer_died() {
        story().sent(0).settle().verify().fires(&["unresolved-sends"]);
        story().sent(0).kill_client("order-service-0").settle().verify().quiet();
        story().sent(0).unknown(0).settle().verify().quiet();
    }

    #[test]
    fn a_consumer_catches_up() {
        story().commit(2).settle().polled(0, 0).verify().fires(&["lag"]);
        story().commit(2).settle().polled(0, 0).polled(1, 1).verify().quiet();
    }

    #[test]
    fn a_topic_that_was_created_anew_must_be_healthy_and_read_and_one_that_is_gone_need_not() {
        let gone = || {
            let mut story = story();
            story.commit(4).initial("mail-service-0", 0).polled(0, 0).polled(1, 1).polled(2, 2).polled(3, 3);
            story.fault("delete-topic", "email");
            story
        };
        gone().stopped(1).stopped(2).stopped(3).sent(4).settle().wait(31).verify().unreadable("no leader").quiet();
        gone().recreate().settle().wait(31).verify().quiet();
        gone().recreate().isr(1, &[1, 2]).settle().wait(31).verify().fires(&["isr-incomplete"]);
        // Its position is beyond the new end, which is nowhere in the new topic.
        gone().recreate().commit(1).settle().wait(31).verify().fires(&["lag"]);
    }

    #[test]
    fn every_partition_can_be_read() {
        story().settle().verify().unreadable("no leader").fires(&["unreadable"]);
    }
}
