//! `odradek plan`: validate, print the resolved timeline, run nothing.

use std::io::Write;

use scenario::{Core, FaultKind, Trigger};

use crate::Status;
use crate::arguments::Plan;
use crate::failure::Failure;
use crate::input;

/// Prints what would happen when.
pub fn plan(arguments: &Plan) -> Result<Status, Failure> {
    let plan = input::plan(&arguments.scenario, &arguments.changes, arguments.seed, None)?;
    let mut out = std::io::stdout().lock();
    if arguments.toml {
        out.write_all(plan.to_toml().as_bytes())?;
        return Ok(Status::Good);
    }
    writeln!(out, "{}, seed {} (schedule seed {})", plan.name, plan.seed, plan.schedule_seed)?;
    writeln!(out, "{}", plan.intent)?;
    writeln!(out)?;
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
