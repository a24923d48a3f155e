//! What of a plan makes sense on real sockets and files.

use std::fmt;

use scenario::{Condition, Fault, FaultKind, Plan, Trigger};

/// A fault that a real run leaves out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Skipped {
    /// The fault.
    pub fault: String,
    /// Its kind.
    pub kind: &'static str,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.fault, self.kind, self.reason)
    }
}

/// The plan without what only a simulated world can do, and what that is, in the plan's order.
///
/// Buggify marks and reseeding are left out without a word: they change what is likely, never what happens to the cluster.
pub fn for_real(plan: &Plan) -> (Plan, Vec<Skipped>) {
    let mut real = plan.clone();
    let mut skipped: Vec<Skipped> = Vec::new();
    real.buggify.clear();
    real.reseeds.clear();
    // Who waits for a fault that is left out would wait for ever; and so on, until nobody does.
    loop {
        let before = skipped.len();
        real.faults.retain(|fault| {
            let reason = impossible(&fault.kind).map(str::to_owned).or_else(|| waits_in_vain(fault, &skipped));
            let Some(reason) = reason else { return true };
            skipped.push(Skipped { fault: fault.id.clone(), kind: fault.kind.name(), reason });
            false
        });
        if skipped.len() == before {
            break;
        }
    }
    let place = |skipped: &Skipped| plan.faults.iter().position(|fault| fault.id == skipped.fault);
    skipped.sort_by_key(place);
    (real, skipped)
}

/// Why a real world cannot do it.
fn impossible(kind: &FaultKind) -> Option<&'static str> {
    match kind {
        FaultKind::LossyLink { .. } => Some("the kernel's own TCP repeats what is lost before anybody could see it"),
        FaultKind::Hold { .. } => Some("single frames are held back in simulation only"),
        FaultKind::PowerLoss { .. } => Some("the machine keeps its power, and with it what was not synced"),
        FaultKind::ReplaceDisk { .. }
        | FaultKind::BitRot { .. }
        | FaultKind::SlowDisk { .. }
        | FaultKind::StallDisk { .. }
        | FaultKind::FullDisk { .. }
        | FaultKind::DiskError { .. } => Some("the disk is a real one"),
        FaultKind::Clock { .. } => Some("all nodes share the machine's clock"),
        FaultKind::Crash { .. }
        | FaultKind::Shutdown { .. }
        | FaultKind::RollingRestart { .. }
        | FaultKind::KillClient { .. }
        | FaultKind::AddMember { .. }
        | FaultKind::RemoveMember { .. }
        | FaultKind::SlowConsumer { .. }
        | FaultKind::Pause { .. }
        | FaultKind::Partition { .. }
        | FaultKind::Isolate { .. }
        | FaultKind::Flap { .. }
        | FaultKind::Swizzle { .. }
        | FaultKind::SlowLink { .. }
        | FaultKind::ResetConnections { .. }
        | FaultKind::DeleteTopic { .. } => None,
    }
}

fn waits_in_vain(fault: &Fault, skipped: &[Skipped]) -> Option<String> {
    let Trigger::When { condition, .. } = &fault.trigger else { return None };
    let condition: &Condition = condition;
    let text = condition.to_string();
    let gone = skipped.iter().find(|skipped| text.contains(&format!("done({})", skipped.fault)))?;
    Some(format!("it waits for {}, which is left out", gone.fault))
}

#[cfg(test)]
mod tests {
    use super::*;
    use scenario::Scenario;

    const CLUSTER: &str = r#"
        schema = 1
        name   = "filtered"
        intent = "Some faults are left out."

        [cluster]
        brokers    = 3
        zookeepers = 1

        [[topic]]
        name        = "orders"
        partitions  = 1
        replication = 3

        [[producer]]
        name  = "order-service"
        topic = "orders"
        rate  = "10/s"
        value = "100B"

        [phases]
        warmup = "5s"
        chaos  = "30s"
        settle = "15s"
    "#;

    #[test]
    fn what_only_a_simulated_world_has_is_left_out_and_who_waits_for_it_too() {
        let faults = r#"
            [[fault]]
            id = "first"
            at = "1s"
            kind = "crash"
            node = "leader(orders/0)"
            down = "2s"

            [[fault]]
            id = "third"
            when = "done(second)"
            kind = "crash"
            node = "broker-1"
            down = "2s"

            [[fault]]
            id = "second"
            when = "done(first)"
            kind = "power-loss"
            node = "broker-1"
            down = "2s"
        "#;
        let scenario = Scenario::parse("it", &format!("{CLUSTER}{faults}")).unwrap_or_else(|error| panic!("{error}"));
        let plan = scenario.resolve(1, None).unwrap_or_else(|error| panic!("{error}"));
        let (real, skipped) = for_real(&plan);
        assert_eq!(real.faults.iter().map(|fault| fault.id.as_str()).collect::<Vec<_>>(), ["first"]);
        let skipped: Vec<String> = skipped.iter().map(Skipped::to_string).collect();
        assert_eq!(
            skipped,
            [
                "third crash: it waits for second, which is left out",
                "second power-loss: the machine keeps its power, and with it what was not synced"
            ]
        );
        assert_eq!(for_real(&real), (real, Vec::new()));
    }
}
