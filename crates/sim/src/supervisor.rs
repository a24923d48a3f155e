//! Starts the processes of services that gave up again, as the machines of real ones do.

use std::rc::Rc;

use host::World;
use scenario::Plan;
use trace::{EventId, Name};

use crate::services::SharedLedger;

/// Never before its process has ended, ns.
const SOON: u64 = 1_000_000;

/// Supervises the plan's services, if it wants any to be started again.
pub fn start(world: &World, plan: &Rc<Plan>, ledger: &SharedLedger) {
    if plan.consumers.iter().any(|consumer| consumer.restart.is_some()) {
        world.spawn(supervise(world.clone(), plan.clone(), ledger.clone()));
    }
}

async fn supervise(world: World, plan: Rc<Plan>, ledger: SharedLedger) {
    loop {
        ledger.one_gave_up.notified().await;
        for node in ledger.gave_up.take() {
            if let Some(after) = restart(&plan, node) {
                let own = world.clone();
                world.spawn(async move {
                    own.sleep(after.max(SOON)).await;
                    // A fault may have started it before.
                    if !own.is_up(node) {
                        own.start(node, EventId::ROOT);
                    }
                });
            }
        }
    }
}

/// How long after its end a node is started again, ns.
fn restart(plan: &Plan, node: Name) -> Option<u64> {
    let is_its = |consumer: &&scenario::Consumer| {
        plan.group(&consumer.name).unwrap_or_default().iter().any(|name| name == node.as_str())
    };
    Some(plan.consumers.iter().find(is_its)?.restart?.nanos())
}
