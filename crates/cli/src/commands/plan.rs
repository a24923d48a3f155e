//! `odradek plan`: validate, print the resolved timeline, run nothing.

use std::io::Write;

use scenario::{Core, FaultKind, Trigger};

use crate::Status;
use crate::arguments::Plan;
use crate::failure::Failure;
use crate::input;

/// Prints what would happen when.
pub fn plan(arguments: &Plan) -> Result<Status, Failure> {
    let scenario = input::scenario(&arguments.scenario, &arguments.changes, arguments.variant.as_deref())?;
    let plan = input::resolve(&scenario, arguments.seed, None)?;
    input::warn([&plan]);
    let mut out = std::io::stdout().lock();
    if arguments.toml {
        out.write_all(plan.to_toml().as_bytes())?;
        return Ok(Status::Good);
    }
    let variant = scenario.variant().map(|variant| format!("/{variant}")).unwrap_or_default();
    writeln!(out, "{}{variant}, seed {} (schedule seed {})", plan.name, plan.seed, plan.schedule_seed)?;
    writeln!(out, "{}", plan.intent)?;
    writeln!(out)?;
    for variant in &scenario.variants {
        let chosen = if scenario.variant() == Some(&variant.name) { "  <- this one" } else { "" };
        let set: Vec<String> = variant.set.iter().map(|(path, value)| format!("{path} = {value}")).collect();
        let set = if set.is_empty() { "as it stands".to_owned() } else { set.join(", ") };
        writeln!(out, "variant   {}: {set}{chosen}", variant.name)?;
    }
    if !scenario.variants.is_empty() && scenario.variant().is_none() {
        writeln!(out, "          Below stands what they have in common; --variant V shows one of them.")?;
    }
    writeln!(out, "nodes     {}", plan.nodes().join(" "))?;
    for topic in &plan.topics {
        let min = topic.effective_config(&plan.cluster).integer("min.insync.replicas");
        writeln!(
            out,
            "topic     {}: {} partitions, replication {}, min.insync.replicas {min}",
            topic.name, topic.partitions, topic.replication
        )?;
    }
    if !plan.cluster.flaws.is_empty() {
        writeln!(out, "flaws     {}", plan.cluster.flaws.join(", "))?;
    }
    writeln!(out)?;
    let phases = &plan.phases;
    writeln!(out, "{:>10}  warmup: no faults", "0s")?;
    let chaos = phases.chaos_starts();
    writeln!(out, "{:>10}  chaos", chaos.to_string())?;
    let mut timed: Vec<_> = plan.faults.iter().collect();
    timed.sort_by_key(|fault| match &fault.trigger {
        Trigger::At(after) => after.nanos(),
        Trigger::When { .. } => u64::MAX,
    });
    for fault in timed {
        let when = match &fault.trigger {
            Trigger::At(after) => chaos.plus(*after).to_string(),
            Trigger::When { condition, after } => format!("when {condition} + {after}"),
        };
        let lasts = fault.kind.lasts().map_or(", until settle".to_owned(), |lasts| format!(", for {lasts}"));
        let optional = if fault.optional { " (optional)" } else { "" };
        writeln!(out, "{when:>10}  {}: {} {}{lasts}{optional}", fault.id, fault.kind.name(), target(&fault.kind))?;
    }
    let healed = match &plan.core {
        Core::Nodes(names) => format!("only {} healed, other faults stay", names.join(", ")),
        Core::All | Core::Random => "everything healed and restarted".to_owned(),
    };
    writeln!(out, "{:>10}  settle: {healed}", phases.settle_starts().to_string())?;
    writeln!(out, "{:>10}  producers stop", phases.producers_stop().to_string())?;
    writeln!(out, "{:>10}  end", phases.end().to_string())?;
    Ok(Status::Good)
}

/// Whom a fault hits, as its selectors say.
fn target(kind: &FaultKind) -> String {
    match (kind, kind.selectors()) {
        (FaultKind::Hold { api, nth, response, .. }, (from, Some(to))) => {
            let what = if *response { "answer" } else { "request" };
            format!("{api} {what} {nth} of {from} to {to}")
        }
        (FaultKind::DeleteTopic { topic, recreate }, _) => {
            let again = recreate.map_or(String::new(), |after| format!(", created again after {after}"));
            format!("{topic}{again}")
        }
        (FaultKind::Isolate { .. }, (node, Some(except))) => format!("{node} except {except}"),
        (
            FaultKind::Partition { direction, .. }
            | FaultKind::Flap { direction, .. }
            | FaultKind::LossyLink { direction, .. }
            | FaultKind::SlowLink { direction, .. },
            (from, Some(to)),
        ) => format!("{from} {direction} {to}"),
        (_, (first, Some(second))) => format!("{first} to {second}"),
        (_, (first, None)) => first.to_string(),
    }
}
