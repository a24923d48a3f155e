//! Why a partition cannot recover although a live core of machines is healed: the only ground on which liveness is excused.
//!
//! When settle heals a core alone, whoever is outside may stay half broken for ever: silent to its peers, yet alive to
//! ZooKeeper. ZooKeeper-mode Kafka deposes only brokers whose session ends, so such a broker can hold a partition up. An
//! excuse names the machine and the rule. From: TigerBeetle's liveness mode, which forgives by proof alone.

use std::collections::BTreeSet;

use trace::Name;

use crate::fold::{PartitionFold, World};

/// The proof that `fold` cannot recover; none if it should.
pub(super) fn excuse(
    world: &World,
    core: &BTreeSet<Name>,
    controller: Option<Name>,
    min_insync: i32,
    fold: &PartitionFold,
) -> Option<String> {
    let clings = |name: &Name| !core.contains(name) && world.node(*name).is_some_and(|it| it.alive && it.registered);
    if let Some(controller) = controller.filter(clings) {
        return Some(format!("the controller, {controller}, is outside the live core and its session lives"));
    }
    let decision = fold.decided.as_ref()?;
    if let Some(leader) = world.broker_name(decision.leader).filter(clings) {
        return Some(format!("its leader, {leader}, is outside the live core and its session lives"));
    }
    if !decision.isr.iter().any(|id| inside(world, core, id)) {
        return Some(format!("its in-sync copies are on brokers {} alone, all outside the live core", decision.isr));
    }
    starved(world, core, min_insync, fold)
}

fn inside(world: &World, core: &BTreeSet<Name>, id: i32) -> bool {
    world.broker_name(id).is_some_and(|name| core.contains(&name))
}

/// The proof that the core cannot fill `fold`'s ISR up to `min.insync.replicas`: its high watermark stands still then, and a
/// new leader cannot say where its log ends (KAFKA-15583, KIP-207).
fn starved(world: &World, core: &BTreeSet<Name>, min_insync: i32, fold: &PartitionFold) -> Option<String> {
    let replicas = fold.assigned.iter().filter(|id| inside(world, core, *id)).count();
    (replicas < min_insync.max(0) as usize).then(|| {
        format!("the live core has {replicas} of its replicas, and its high watermark waits for min.insync.replicas={min_insync}")
    })
}
