//! `odradek show`: look into a trace.

use std::collections::BTreeMap;
use std::io::Write;

use state::{Causes, ClusterState, ConsumerGroup, ReplicaRole, describe};
use trace::{Event, EventId, EventKind, Header, Name, Partition};

use crate::Status;
use crate::arguments::Show;
use crate::failure::Failure;
use crate::input;

/// Shows what was asked for; without a question, an overview.
pub fn show(arguments: &Show) -> Result<Status, Failure> {
    let (header, events) = input::trace_so_far(&arguments.trace)?;
    let mut out = std::io::stdout().lock();
    let lists =
        arguments.from.is_some() || arguments.to.is_some() || arguments.node.is_some() || arguments.kind.is_some();
    if let Some(what) = &arguments.why {
        why(&mut out, &events, what)?;
    } else if let Some(at) = arguments.at {
        let mut state = ClusterState::default();
        events.iter().take_while(|event| event.at <= at).for_each(|event| state.apply(event));
        print_state(&mut out, &state, at)?;
    } else if !lists {
        overview(&mut out, &header, &events)?;
    }
    if lists {
        list(&mut out, arguments, &events)?;
    }
    Ok(Status::Good)
}

/// An event on one line.
pub fn line(event: &Event) -> String {
    let seconds = event.at as f64 / 1e9;
    format!(
        "{:>8} {seconds:>12.6}s {:<18} {} (because of {})",
        event.id,
        event.node,
        describe(&event.kind),
        event.cause
    )
}

fn overview(out: &mut impl Write, header: &Header, events: &[Event]) -> Result<(), Failure> {
    writeln!(out, "{}, seed {}; odradek {} ({})", header.scenario, header.seed, header.version, header.commit)?;
    let seconds = events.last().map_or(0.0, |event| event.at as f64 / 1e9);
    writeln!(out, "{} events over {seconds:.3} simulated seconds", events.len())?;
    if header.dropped > 0 {
        writeln!(out, "{} events before them were not kept", header.dropped)?;
    }
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    events.iter().for_each(|event| *counts.entry(event.kind.name()).or_default() += 1);
    writeln!(out)?;
    for (kind, count) in &counts {
        writeln!(out, "{count:>9} {kind}")?;
    }
    writeln!(out)?;
    let tells = |event: &&Event| {
        matches!(
            event.kind,
            EventKind::PhaseBegan { .. }
                | EventKind::FaultBegan { .. }
                | EventKind::FaultEnded { .. }
                | EventKind::FaultWithoutEffect { .. }
                | EventKind::NodePanicked { .. }
                | EventKind::Violation { .. }
        )
    };
    for event in events.iter().filter(tells) {
        writeln!(out, "{}", line(event))?;
    }
    writeln!(out, "\nask further with --at T, --from T --to T, --node N, --kind K, --why EVENT or --why violation:1")?;
    Ok(())
}

fn list(out: &mut impl Write, arguments: &Show, events: &[Event]) -> Result<(), Failure> {
    if let Some(kind) = &arguments.kind
        && !EventKind::names().contains(&kind.as_str())
    {
        let nearest = EventKind::names().iter().max_by(|a, b| {
            let likeness = |name: &str| strsim::jaro_winkler(&name.to_lowercase(), &kind.to_lowercase());
            likeness(a).total_cmp(&likeness(b))
        });
        let nearest = nearest.expect("there are kinds");
        return Err(Failure::input(format!("error: --kind {kind}: no such kind of event; did you mean `{nearest}`?")));
    }
    if let Some(node) = &arguments.node
        && !events.iter().any(|event| event.node.as_str() == node)
    {
        let nodes: std::collections::BTreeSet<_> = events.iter().map(|event| event.node).collect();
        let nodes: Vec<_> = nodes.iter().map(|node| node.as_str()).collect();
        return Err(Failure::input(format!(
            "error: --node {node}: the trace has no such node, only {}",
            nodes.join(", ")
        )));
    }
    let wanted = |event: &&Event| {
        arguments.from.is_none_or(|from| event.at >= from)
            && arguments.to.is_none_or(|to| event.at < to)
            && arguments.node.as_ref().is_none_or(|node| event.node.as_str() == node)
            && arguments.kind.as_ref().is_none_or(|kind| event.kind.name() == kind)
    };
    for event in events.iter().filter(wanted) {
        writeln!(out, "{}", line(event))?;
    }
    Ok(())
}

/// Prints the causal chain, the effect first.
pub fn why(out: &mut impl Write, events: &[Event], what: &str) -> Result<(), Failure> {
    let of = match what.strip_prefix("violation:") {
        Some(number) => {
            let violations: Vec<_> =
                events.iter().filter(|event| matches!(event.kind, EventKind::Violation { .. })).collect();
            let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let found = place.and_then(|place| violations.get(place));
            found
                .ok_or_else(|| {
                    let count = violations.len();
                    Failure::input(format!("error: --why {what}: the trace holds {count} violations, numbered from 1"))
                })?
                .id
        }
        None => {
            let number = what
                .parse()
                .map_err(|_| Failure::input(format!("error: --why {what}: want an event's number, or violation:N")))?;
            EventId(number)
        }
    };
    let chain = Causes::new(events).why(of);
    if chain.is_empty() {
        return Err(Failure::input(format!("error: --why {what}: the trace does not hold this event")));
    }
    tell(out, events, &chain)
}

/// Prints a chain: what says something in full, runs of mere transport as one line, nothing before the chaos began.
fn tell(out: &mut impl Write, events: &[Event], chain: &[&Event]) -> Result<(), Failure> {
    let began = |event: &&Event| matches!(event.kind, EventKind::PhaseBegan { phase: trace::Phase::Chaos });
    let chaos = events.iter().find(began).map_or(0, |event| event.at);
    let (told, before): (Vec<&Event>, Vec<&Event>) = chain.iter().partition(|event| event.at >= chaos);
    let told = if told.is_empty() { chain.to_vec() } else { told };
    let mut folded: Vec<&Event> = Vec::new();
    for (place, event) in told.iter().enumerate() {
        if place > 0 && is_transport(&event.kind) {
            folded.push(event);
            continue;
        }
        print_folded(out, &mut folded)?;
        writeln!(out, "{}", line(event))?;
    }
    print_folded(out, &mut folded)?;
    if !before.is_empty() && before.len() < chain.len() {
        writeln!(out, "{:>8} {} more steps, before the chaos began", "...", before.len())?;
    }
    Ok(())
}

/// Steps that only carry something on.
fn is_transport(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::FrameSent(_)
            | EventKind::FrameDelivered(_)
            | EventKind::ZabProposed { .. }
            | EventKind::ZabDelivered { .. }
            | EventKind::SessionView { .. }
    )
}

fn print_folded(out: &mut impl Write, folded: &mut Vec<&Event>) -> Result<(), Failure> {
    match folded.as_slice() {
        [] => {}
        [one] => writeln!(out, "{}", line(one))?,
        [first, .., last] => {
            let nodes: std::collections::BTreeSet<&str> = folded.iter().map(|event| event.node.as_str()).collect();
            let nodes: Vec<&str> = nodes.into_iter().collect();
            writeln!(
                out,
                "{:>8} {} frames between {}, {:.6}s to {:.6}s",
                "...",
                folded.len(),
                nodes.join(", "),
                last.at as f64 / 1e9,
                first.at as f64 / 1e9
            )?;
        }
    }
    folded.clear();
    Ok(())
}

fn print_state(out: &mut impl Write, state: &ClusterState, at: u64) -> Result<(), Failure> {
    let phase = state.phase.map_or("before the start".to_owned(), |(phase, _)| format!("{phase:?}").to_lowercase());
    writeln!(out, "at {:.6}s ({phase}), after event {}", at as f64 / 1e9, state.last)?;
    let controller = state.controller.map_or("none".to_owned(), |(name, epoch)| format!("{name} (epoch {epoch})"));
    let leader = state.zookeeper_leader().map_or("none", |name| name.as_str());
    writeln!(out, "controller {controller}; Zab leader {leader}; {} sessions", state.sessions.len())?;
    for (name, node) in state.nodes.iter().filter(|(_, node)| !node.up || node.paused) {
        writeln!(out, "{name} is {}", if node.up { "paused" } else { "down" })?;
    }
    for (name, fault) in state.faults.iter().filter(|(_, fault)| fault.ended.is_none()) {
        writeln!(out, "fault {name}: {} {} since {:.3}s", fault.kind, fault.target, fault.began as f64 / 1e9)?;
    }
    for (partition, it) in &state.partitions {
        let leader = it.leader.map_or("none".to_owned(), |id| id.to_string());
        writeln!(
            out,
            "\n{partition}  leader {leader}, epoch {}, ISR {} of {}",
            it.leader_epoch, it.isr, it.assignment
        )?;
        for (id, replica) in &it.replicas {
            let role = match replica.role {
                ReplicaRole::Offline => "offline".to_owned(),
                ReplicaRole::Leader => "leads".to_owned(),
                ReplicaRole::Follower(leader) => format!("follows {leader}"),
            };
            writeln!(
                out,
                "   broker-{id:<3} {role:<10} epoch {:<3} log {}..{}, high watermark {}, fsynced below {}",
                replica.leader_epoch,
                replica.log_start,
                replica.log_end,
                replica.high_watermark,
                replica.recovery_point
            )?;
        }
    }
    for (name, group) in &state.groups {
        print_group(out, *name, group)?;
    }
    writeln!(out)?;
    for (name, client) in &state.clients {
        writeln!(
            out,
            "{name}: sent {}, acknowledged {}, failed {}, unknown {}, polled {}, processed {}",
            client.sent, client.acked, client.failed, client.unknown, client.polled, client.processed
        )?;
    }
    Ok(())
}

fn print_group(out: &mut impl Write, name: Name, group: &ConsumerGroup) -> Result<(), Failure> {
    let ConsumerGroup { coordinator, state, generation, .. } = group;
    let state = format!("{state:?}");
    writeln!(out, "\ngroup {name}  coordinated by {coordinator}, generation {generation}, {state}")?;
    for (id, member) in &group.members {
        let partitions: Vec<String> = member.assigned.iter().map(Partition::to_string).collect();
        let owns = if partitions.is_empty() { "nothing".to_owned() } else { partitions.join(" ") };
        writeln!(out, "   {:<18} owns {owns}   ({id})", member.client.as_str())?;
    }
    let committed: Vec<String> = group.committed.iter().map(|(at, it)| format!("{at}:{}", it.offset)).collect();
    if !committed.is_empty() {
        writeln!(out, "   committed {}", committed.join(" "))?;
    }
    Ok(())
}
