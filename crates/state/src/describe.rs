//! Events as people read them: one line each.

use trace::{EventKind, FrameInfo, GroupState, Name, Partition};

fn frame(info: &FrameInfo) -> String {
    let what = if info.response { "response" } else { "request" };
    format!(
        "{} {what} #{} ({} B), connection {} with {}",
        info.api, info.correlation, info.bytes, info.connection, info.peer
    )
}

fn leader(id: i32) -> String {
    if id < 0 { "none".into() } else { id.to_string() }
}

fn error(what: &str, error: Name) -> String {
    format!("{what}: {error}")
}

/// One line that says what happened.
pub fn describe(kind: &EventKind) -> String {
    use EventKind as K;
    match kind {
        K::PhaseBegan { .. }
        | K::RunEnded
        | K::NodeStarted { .. }
        | K::NodeStopped { .. }
        | K::NodePaused
        | K::NodeResumed
        | K::NodePanicked { .. }
        | K::UnsyncedLost { .. }
        | K::FaultBegan { .. }
        | K::FaultEnded { .. }
        | K::FaultWithoutEffect { .. } => describe_world(kind),
        K::ConnectionOpened { .. }
        | K::ConnectionClosed { .. }
        | K::ConnectFailed { .. }
        | K::FrameSent(_)
        | K::FrameDelivered(_)
        | K::FrameDropped(_)
        | K::FrameHeld(_) => describe_network(kind),
        K::ZabRoleChanged { .. }
        | K::ZabProposed { .. }
        | K::ZabDelivered { .. }
        | K::ZabSynchronized { .. }
        | K::ZnodeChanged { .. }
        | K::SessionOpened { .. }
        | K::SessionEnded { .. }
        | K::SessionEstablished { .. }
        | K::SessionLost { .. }
        | K::SessionView { .. }
        | K::WatchFired { .. } => describe_ensemble(kind),
        K::ControllerElected { .. }
        | K::ControllerResigned { .. }
        | K::BrokerRegistered { .. }
        | K::PartitionCreated { .. }
        | K::LeadershipDecided { .. }
        | K::ControlApplied { .. }
        | K::ControlRefused { .. } => describe_controller(kind),
        K::RequestTimedOut { .. } => describe_client(kind),
        kind if kind.of_client() => describe_client(kind),
        kind if kind.of_coordinator() => describe_coordinator(kind),
        K::Mark { mark } => format!("mark {mark}"),
        K::NoteShown { note } => format!("note {note}"),
        K::Violation { oracle, summary, .. } => format!("VIOLATION of {oracle}: {summary}"),
        _ => describe_replica(kind),
    }
}

fn describe_world(kind: &EventKind) -> String {
    use EventKind as K;
    match kind {
        K::PhaseBegan { phase } => format!("phase {phase:?}").to_lowercase(),
        K::RunEnded => "the run ends".into(),
        K::NodeStarted { incarnation: 0 } => "starts".into(),
        K::NodeStarted { incarnation } => format!("starts again (incarnation {incarnation})"),
        K::NodeStopped { reason } => format!("stops: {}", format!("{reason:?}").to_lowercase()),
        K::NodePaused => "is paused".into(),
        K::NodeResumed => "resumes".into(),
        K::NodePanicked { message } => format!("PANIC: {message}"),
        K::UnsyncedLost { pages_kept, pages_lost, entries_lost } => {
            format!(
                "power loss: of the unsynced pages {pages_lost} lost, {pages_kept} kept; {entries_lost} directory entries lost"
            )
        }
        K::FaultBegan { fault, kind, target } => format!("fault {fault}: {kind} {target}"),
        K::FaultEnded { fault } => format!("fault {fault} healed"),
        K::FaultWithoutEffect { fault, reason } => format!("fault {fault} hit nothing: {reason}"),
        _ => unreachable!("not about the world: {kind:?}"),
    }
}

fn describe_network(kind: &EventKind) -> String {
    use EventKind as K;
    match kind {
        K::ConnectionOpened { connection, peer } => format!("connection {connection} with {peer} opened"),
        K::ConnectionClosed { connection, peer, reason } => {
            format!("connection {connection} with {peer} ended: {}", format!("{reason:?}").to_lowercase())
        }
        K::ConnectFailed { peer, reason } => {
            format!("no connection to {peer}: {}", format!("{reason:?}").to_lowercase())
        }
        K::FrameSent(info) => format!("sent {}", frame(info)),
        K::FrameDelivered(info) => format!("got {}", frame(info)),
        K::FrameDropped(info) => format!("lost {}", frame(info)),
        K::FrameHeld(info) => format!("held back {}", frame(info)),
        _ => unreachable!("not about the network: {kind:?}"),
    }
}

fn describe_ensemble(kind: &EventKind) -> String {
    use EventKind as K;
    match kind {
        K::ZabRoleChanged { role, epoch } => format!("is {} in Zab epoch {epoch}", format!("{role:?}").to_lowercase()),
        K::ZabProposed { zxid } => format!("proposes {zxid:#x}"),
        K::ZabDelivered { zxid, .. } => format!("delivers {zxid:#x}"),
        K::ZabSynchronized { zxid } => format!("tree is at {zxid:#x}"),
        K::ZnodeChanged { path, change, version, owner, zxid } => {
            let owner = if *owner == 0 { String::new() } else { format!(", of session {owner:#x}") };
            let change = match change {
                trace::ZnodeChange::Created => "created",
                trace::ZnodeChange::DataChanged => "set",
                trace::ZnodeChange::Deleted => "deleted",
            };
            format!("{path} {change} (version {version}, zxid {zxid:#x}{owner})")
        }
        K::SessionOpened { session, timeout, .. } => format!("session {session:#x} opened, timeout {timeout} ms"),
        K::SessionEnded { session, expired: true, .. } => format!("session {session:#x} expired"),
        K::SessionEnded { session, .. } => format!("session {session:#x} closed"),
        K::SessionEstablished { session, member } => format!("holds session {session:#x} at {member}"),
        K::SessionLost { session } => format!("learns that session {session:#x} expired"),
        K::SessionView { session, zxid } => format!("session {session:#x} has seen {zxid:#x}"),
        K::WatchFired { path, change, .. } => {
            format!("watch on {path} fires: {}", format!("{change:?}").to_lowercase())
        }
        _ => unreachable!("not about the ensemble: {kind:?}"),
    }
}

fn describe_controller(kind: &EventKind) -> String {
    use EventKind as K;
    match kind {
        K::ControllerElected { epoch } => format!("is the controller, epoch {epoch}"),
        K::ControllerResigned { epoch } => format!("no longer the controller (epoch {epoch})"),
        K::BrokerRegistered { broker_epoch, session } => {
            format!("registered, broker epoch {broker_epoch}, session {session:#x}")
        }
        K::PartitionCreated { partition, replicas } => format!("{partition} created on {replicas}"),
        K::LeadershipDecided { partition, leader: id, leader_epoch, isr, unclean, controller_epoch, .. } => {
            let unclean = if *unclean { ", UNCLEAN" } else { "" };
            let leader = leader(*id);
            format!(
                "{partition} leader {leader}, epoch {leader_epoch}, ISR {isr} (controller epoch {controller_epoch}{unclean})"
            )
        }
        K::ControlApplied { api, controller_epoch, .. } => {
            format!("applies {api} of controller epoch {controller_epoch}")
        }
        K::ControlRefused { api, controller_epoch, error: reason, .. } => {
            error(&format!("refuses {api} of controller epoch {controller_epoch}"), *reason)
        }
        _ => unreachable!("not about the controller: {kind:?}"),
    }
}

fn describe_replica(kind: &EventKind) -> String {
    use EventKind as K;
    match kind {
        K::LogLoaded { partition, log_start, log_end, high_watermark, clean } => {
            let how = if *clean { "cleanly" } else { "with recovery" };
            format!("{partition} loaded {how}: log {log_start}..{log_end}, high watermark {high_watermark}")
        }
        K::EpochsLoaded { partition, epochs } => {
            let known: Vec<String> = epochs.iter().map(|(epoch, start)| format!("{epoch} from {start}")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            format!("{partition} knows these leader epochs: {known}")
        }
        K::LogsClosed => "has flushed and closed all its logs".to_owned(),
        K::BecameLeader { partition, leader_epoch, log_end, isr, .. } => {
            format!("{partition} leads, epoch {leader_epoch} from offset {log_end}, ISR {isr}")
        }
        K::BecameFollower { partition, leader_epoch, leader: id, log_end } => {
            format!("{partition} follows {}, epoch {leader_epoch}, log end {log_end}", leader(*id))
        }
        K::ReplicaStopped { partition, deleted } => {
            format!("{partition} stopped{}", if *deleted { " and deleted" } else { "" })
        }
        K::Appended { partition, base_offset, records, leader_epoch, leading, .. } => {
            let how = if *leading { "appends" } else { "replicates" };
            let end = base_offset.saturating_add(i64::from(*records));
            format!("{partition} {how} {base_offset}..{end}, epoch {leader_epoch}")
        }
        K::Deduplicated { partition, base_offset, sequence, .. } => {
            format!("{partition} knows sequence {sequence} already, at offset {base_offset}")
        }
        K::Truncated { partition, to, from } => format!("{partition} truncated from {from} to {to}"),
        K::LogStartMoved { partition, to } => format!("{partition} log start {to}"),
        K::LogCleaned { partition, upto, kept, removed } => {
            format!("{partition} cleaned below {upto}: {removed} records removed, {kept} kept")
        }
        K::Flushed { partition, to } => format!("{partition} fsynced below {to}"),
        K::HighWatermarkMoved { partition, to, .. } => format!("{partition} high watermark {to}"),
        K::IsrProposed { partition, isr, .. } => format!("{partition} wants ISR {isr}"),
        K::IsrChanged { partition, isr, .. } => format!("{partition} ISR {isr}"),
        K::IsrRefused { partition, .. } => format!("{partition} ISR change refused"),
        K::ProduceAcked { partition, base_offset, records, acks, .. } => {
            let end = base_offset.saturating_add(i64::from(*records));
            let acks = if *acks == -1 { "all".to_owned() } else { acks.to_string() };
            format!("{partition} acknowledges {base_offset}..{end} (acks={acks})")
        }
        K::ProduceRefused { partition, error: reason } => error(&format!("{partition} refuses a produce"), *reason),
        K::Served { partition, base_offset, records, client, .. } => {
            let end = base_offset.saturating_add(i64::from(*records));
            format!("{partition} serves {base_offset}..{end} to {client}")
        }
        K::OffsetListed { partition, asked, offset, client, .. } => {
            let what = match asked {
                -1 => "its end".to_owned(),
                -2 => "its start".to_owned(),
                timestamp => format!("the first offset from timestamp {timestamp} on"),
            };
            format!("{partition} tells {client} {what}: {offset}")
        }
        _ => format!("{kind:?}"),
    }
}

fn partitions(all: &[Partition]) -> String {
    let names: Vec<String> = all.iter().map(Partition::to_string).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn describe_coordinator(kind: &EventKind) -> String {
    use EventKind as K;
    match kind {
        K::CoordinatorLoaded { partition, groups, offsets, .. } => {
            format!("coordinates the groups of {partition}: {groups} groups, {offsets} offsets loaded")
        }
        K::CoordinatorUnloaded { partition, .. } => format!("coordinates the groups of {partition} no more"),
        K::GroupStateChanged { group, state, generation, members } => {
            let state = match state {
                GroupState::Empty => "empty",
                GroupState::PreparingRebalance => "preparing a rebalance",
                GroupState::CompletingRebalance => "completing a rebalance",
                GroupState::Stable => "stable",
                GroupState::Dead => "dead",
            };
            format!("group {group} is {state}, generation {generation}, {members} members")
        }
        K::MemberJoined { group, member, instance, client, .. } => {
            let instance = if instance.as_str().is_empty() { String::new() } else { format!(", instance {instance}") };
            format!("{client} joins group {group} as {member}{instance}")
        }
        K::MemberLeft { group, member, reason, .. } => format!("{member} is out of group {group}: {reason}"),
        K::MemberAssigned { group, member, generation, partitions: all } => {
            format!("group {group}, generation {generation}: {member} owns {}", partitions(all))
        }
        K::OffsetCommitted { group, partition, offset, .. } => format!("group {group} commits {partition}:{offset}"),
        K::OffsetCommitRefused { group, partition, error: reason, .. } => {
            error(&format!("group {group} may not commit {partition}"), *reason)
        }
        K::OffsetForgotten { group, partition, offset, reason } => {
            format!("group {group} forgets {partition}:{offset} ({reason})")
        }
        K::OffsetServed { group, partition, offset: -1, client } => {
            format!("tells {client} that group {group} has committed nothing of {partition}")
        }
        K::OffsetServed { group, partition, offset, client } => {
            format!("tells {client} that group {group} is at {partition}:{offset}")
        }
        _ => unreachable!("not about a group: {kind:?}"),
    }
}

fn describe_client(kind: &EventKind) -> String {
    use EventKind as K;
    match kind {
        K::GroupJoined { group, member, generation, leads, protocol } => {
            let leads = if *leads { ", leads" } else { "" };
            format!("is {member} in generation {generation} of group {group} ({protocol}{leads})")
        }
        K::PartitionsAssigned { group, partitions: all, .. } => {
            format!("is given {} in group {group}", partitions(all))
        }
        K::PartitionsRevoked { group, lost, partitions: all, .. } => {
            let how = if *lost { "has lost" } else { "gives up" };
            format!("{how} {} in group {group}", partitions(all))
        }
        K::CommitAcked { group, partition, offset, .. } => format!("committed {partition}:{offset} for group {group}"),
        K::CommitFailed { group, partition, offset, error: reason, .. } => {
            error(&format!("could not commit {partition}:{offset} for group {group}"), *reason)
        }
        K::ProducerInitialized { producer_id, producer_epoch } => {
            format!("producer id {producer_id}, epoch {producer_epoch}")
        }
        K::RecordSent { partition, sequence, text, .. } => match &text.0 {
            Some(text) => format!("sends record {sequence} to {partition}: {} = {}", text.key, text.value),
            None => format!("sends record {sequence} to {partition}"),
        },
        K::RecordAcked { partition, offset, sequence } => {
            format!("record {sequence} acknowledged at {partition}:{offset}")
        }
        K::RecordFailed { partition, sequence, error: reason } => {
            error(&format!("record {sequence} for {partition} failed"), *reason)
        }
        K::RecordUnknown { partition, sequence, error: reason } => {
            error(&format!("record {sequence} for {partition} has an unknown outcome"), *reason)
        }
        K::RecordPolled { partition, offset, sequence, producer, .. } => {
            format!("polls {partition}:{offset} (record {sequence} of {producer})")
        }
        K::RecordProcessed { partition, offset, sequence, producer, .. } => {
            format!("processed {partition}:{offset} (record {sequence} of {producer})")
        }
        K::PositionReset { partition, from, to, reason } => format!("{partition} position {from} -> {to} ({reason})"),
        K::RequestTimedOut { peer, api, correlation } => format!("{api} request #{correlation} to {peer} timed out"),
        _ => unreachable!("not about a client: {kind:?}"),
    }
}
