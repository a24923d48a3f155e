//! What is legal but probably not meant, above all timers that make a fault inert.

use crate::plan::Place;
use crate::report::locate;
use crate::{Diagnostic, Duration, Fault, FaultKind, Plan, Problem, Selector, Trigger};

/// Every warning, in the order of the file's sections.
pub(crate) fn find(plan: &Plan) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    ensemble(plan, &mut found);
    durability(plan, &mut found);
    // A fault that may be left out may be inert as well: drawn ones often are.
    for fault in plan.faults.iter().filter(|fault| !fault.optional) {
        if let Some(message) = inert(plan, fault) {
            found.push((format!("fault.{}", fault.id), Problem::new(message)));
        }
    }
    found.into_iter().map(|(path, problem)| diagnostic(plan, &path, problem)).collect()
}

type Found = Vec<(String, Problem)>;

fn diagnostic(plan: &Plan, path: &str, problem: Problem) -> Diagnostic {
    match plan.origin.places.get(path) {
        Some(place) => locate(&plan.origin.file, Place::clone(place), problem),
        None => Diagnostic::of_file(&plan.origin.file, format!("{path}: {}", problem.message), problem.help.as_deref()),
    }
}

/// ZooKeeper clamps sessions to 2 to 20 ticks, and an even ensemble tolerates no more than one member fewer.
fn ensemble(plan: &Plan, found: &mut Found) {
    let members = plan.cluster.zookeepers;
    if members.is_multiple_of(2) {
        let message = format!("{members} zookeepers tolerate no more failures than {}", members - 1);
        found.push(("cluster.zookeepers".into(), Problem::new(message)));
    }
    let (asked, granted) = sessions(plan);
    if asked != granted {
        let message = format!("zookeeper.session.timeout.ms is {asked}, but the ensemble makes it {granted}");
        let help = format!("tickTime is {}: sessions are 2 to 20 ticks", plan.cluster.config.duration("tickTime"));
        found.push(("cluster.config.zookeeper.session.timeout.ms".into(), Problem::with_help(message, help)));
    }
}

/// The session timeout that brokers ask for, and the one that the ensemble grants.
fn sessions(plan: &Plan) -> (Duration, Duration) {
    let config = &plan.cluster.config;
    let ticks = |count: u64| Duration::from_nanos(config.duration("tickTime").nanos().saturating_mul(count));
    let bound = |name: &str, default: u64| match config.integer(name) {
        -1 => ticks(default),
        _ => config.duration(name),
    };
    let (least, most) = (bound("minSessionTimeout", 2), bound("maxSessionTimeout", 20));
    let asked = config.duration("zookeeper.session.timeout.ms");
    (asked, asked.min(most).max(least))
}

fn durability(plan: &Plan, found: &mut Found) {
    for topic in &plan.topics {
        let least = topic.effective_config(&plan.cluster).integer("min.insync.replicas");
        let path = format!("topic.{}", topic.name);
        if least > i64::from(topic.replication) {
            let message = format!(
                "min.insync.replicas {least} is above replication {}: no write with acks=all can succeed",
                topic.replication
            );
            found.push((path, Problem::new(message)));
            continue;
        }
        for producer in plan.producers.iter().filter(|producer| producer.topic == topic.name) {
            let acks = producer.config.text("acks").unwrap_or_default();
            if least > 1 && acks != "all" {
                let message = format!(
                    "min.insync.replicas of `{}` does not bind `{}`, which has acks={acks}",
                    topic.name, producer.name
                );
                found.push((format!("producer.{}", producer.name), Problem::new(message)));
            }
        }
    }
}

/// Who a selector may mean.
#[derive(Clone, Copy, Default, PartialEq)]
struct Roles {
    brokers: bool,
    zookeepers: bool,
}

fn roles(selector: &Selector) -> Roles {
    let mut roles = Roles::default();
    selector.walk(&mut |part| match part {
        Selector::Node(name) => {
            roles.brokers |= name.starts_with("broker-");
            roles.zookeepers |= name.starts_with("zk-");
        }
        Selector::Group(name) => {
            roles.brokers |= name == "brokers";
            roles.zookeepers |= name == "zookeepers";
        }
        Selector::Leader(..)
        | Selector::Follower(..)
        | Selector::Controller
        | Selector::GroupCoordinator(_)
        | Selector::TransactionCoordinator(_) => roles.brokers = true,
        Selector::ZkLeader => roles.zookeepers = true,
        _ => {}
    });
    roles
}

/// Why a fault is too short for anybody to act on it.
fn inert(plan: &Plan, fault: &Fault) -> Option<String> {
    let (lasts, until_settle) = duration(plan, fault)?;
    let (_, session) = sessions(plan);
    let lag = plan.cluster.config.duration("replica.lag.time.max.ms");
    let name = fault.kind.name();
    let how = if until_settle { "lasts until settle," } else { "lasts" };
    let says = |timer: &str, value: Duration, so: &str| Some(format!("{name} {how} {lasts}, {timer} is {value}: {so}"));
    match &fault.kind {
        // A power loss is never too short: what was not synced is gone.
        FaultKind::Crash { node, .. } if roles(node).brokers => match lasts < session {
            true => {
                says("zookeeper.session.timeout.ms", session, "the broker's registration does not expire meanwhile")
            }
            false => None,
        },
        FaultKind::Pause { node, .. } | FaultKind::Isolate { node, .. } if roles(node).brokers => {
            match lasts < session && lasts < lag {
                true => says("zookeeper.session.timeout.ms", session, "no leader will change"),
                false => None,
            }
        }
        FaultKind::Partition { from, to, .. } => {
            let (from, to) = (roles(from), roles(to));
            if from.brokers && to.brokers && lasts < lag {
                return says("replica.lag.time.max.ms", lag, "the ISR will not shrink");
            }
            let ensemble = (from.brokers && to.zookeepers) || (from.zookeepers && to.brokers);
            match ensemble && !(from.brokers && to.brokers) && lasts < session {
                true => says("zookeeper.session.timeout.ms", session, "no session will expire"),
                false => None,
            }
        }
        _ => None,
    }
}

/// How long a fault lasts at most, and whether it is settle that ends it; `None` if that is not known beforehand.
fn duration(plan: &Plan, fault: &Fault) -> Option<(Duration, bool)> {
    let left = match fault.trigger {
        Trigger::At(at) => Some(Duration::from_nanos(plan.phases.chaos.nanos().saturating_sub(at.nanos()))),
        Trigger::When { .. } => None,
    };
    match (fault.kind.lasts(), left) {
        (Some(lasts), Some(left)) if left < lasts => Some((left, true)),
        (Some(lasts), _) => Some((lasts, false)),
        (None, Some(left)) => Some((left, true)),
        (None, None) => None,
    }
}
