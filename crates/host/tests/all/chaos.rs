//! Whatever faults come together, the network keeps its promises.

use std::collections::{BTreeMap, BTreeSet};

use host::Entropy;
use host::sim::{DiskFault, HoldRule, Keep, Latency, World, WorldOptions};
use trace::{Event, EventId, EventKind, FrameInfo, Mode, Name};

use crate::support::*;

const NODES: [&str; 3] = ["n-0", "n-1", "n-2"];

fn pick(entropy: &mut Entropy) -> &'static str {
    NODES[entropy.below(3) as usize]
}

/// One random fault. Returns it if it must be healed.
fn strike(world: &World, entropy: &mut Entropy) -> EventId {
    let fault = fault(world);
    let (a, b) = (pick(entropy), pick(entropy));
    let links = [link(a, b)];
    match entropy.below(13) {
        0 | 1 => world.cut(fault, &links),
        2 => world.cut(fault, &[link(a, b), link(b, a)]),
        3 => world.lossy(fault, &links, entropy.below(1_000_000) as u32),
        4 => world.slow(fault, &links, Latency { p50_ns: entropy.below(SECOND), p99_ns: SECOND }),
        5 => world.limit_bandwidth(fault, &links, 1 + entropy.below(10_000)),
        6 => {
            let (from, to) = links[0];
            let rule = HoldRule {
                api: Name::new("Alpha"),
                response: entropy.chance(500_000),
                from: vec![from],
                to: vec![to],
                nth: 1,
            };
            world.hold(fault, rule);
        }
        7 => drop(world.reset_connections(fault, &names(&[a]), &names(&NODES))),
        8 => drop(world.kill(a, fault)),
        9 => drop(world.power_loss(a, fault, Keep::Random)),
        10 => drop(world.pause(a, fault)),
        11 => world.disk_fault(fault, a, DiskFault::Stalled),
        _ => world.jump_clock(a, entropy.below(2 * SECOND) as i64 - SECOND as i64),
    }
    fault
}

async fn storm(world: World, seed: u64) -> Vec<Event> {
    for name in NODES {
        node(&world, name, peer);
    }
    let mut entropy = Entropy::new(seed, &["storm"]);
    let mut faults = Vec::new();
    for _ in 0..60 {
        world.sleep(entropy.below(2 * SECOND)).await;
        faults.push(strike(&world, &mut entropy));
        if entropy.below(3) == 0 {
            let healed = faults.swap_remove(entropy.below(faults.len() as u64) as usize);
            world.heal(healed);
        }
        for name in NODES {
            match entropy.below(6) {
                0 if !world.is_up(name) => drop(world.start(name, ROOT)),
                1 => drop(world.resume(name, ROOT)),
                _ => {}
            }
        }
    }
    for fault in faults {
        world.heal(fault);
    }
    for name in NODES {
        world.resume(name, ROOT);
        if !world.is_up(name) {
            world.start(name, ROOT);
        }
    }
    world.sleep(20 * SECOND).await;
    let mark = EventKind::Mark { mark: Name::new("settled") };
    world.emit(ROOT, mark);
    world.sleep(5 * SECOND).await;
    world.finish().events
}

fn check(events: &[Event]) {
    let panic = events.iter().find(|event| matches!(event.kind, EventKind::NodePanicked { .. }));
    assert_eq!(panic, None);
    let mut sent: BTreeMap<(u32, bool), Vec<EventId>> = BTreeMap::new();
    let mut delivered: BTreeMap<(u32, bool), Vec<EventId>> = BTreeMap::new();
    let mut dropped: BTreeMap<(u32, bool), Vec<FrameInfo>> = BTreeMap::new();
    for event in events {
        match event.kind {
            EventKind::FrameSent(info) => sent.entry((info.connection, info.response)).or_default().push(event.id),
            EventKind::FrameDropped(info) => dropped.entry((info.connection, info.response)).or_default().push(info),
            EventKind::FrameDelivered(info) => {
                delivered.entry((info.connection, info.response)).or_default().push(event.cause);
            }
            _ => {}
        }
    }
    let closed = |event: &Event| match event.kind {
        EventKind::ConnectionClosed { connection, .. } => Some(connection),
        _ => None,
    };
    let mut closings: BTreeMap<u32, u32> = BTreeMap::new();
    for connection in events.iter().filter_map(closed) {
        *closings.entry(connection).or_default() += 1;
    }
    assert!(closings.values().all(|count| *count <= 2), "each end closes once");
    for (direction, sent) in &sent {
        let delivered = delivered.get(direction).map_or(&[][..], Vec::as_slice);
        let dropped = dropped.get(direction).map_or(0, Vec::len);
        assert!(sent.starts_with(delivered), "in order, without gaps or repetitions: {direction:?}");
        assert!(delivered.len() + dropped <= sent.len(), "delivered or dropped, not both: {direction:?}");
        let over = closings.get(&direction.0) == Some(&2);
        assert!(!over || delivered.len() + dropped == sent.len(), "nothing vanishes silently: {direction:?}");
    }
}

/// Pairs of nodes between which requests were answered after all was healed.
fn talking(events: &[Event]) -> BTreeSet<(Name, Name)> {
    let settled = events.iter().position(|event| matches!(event.kind, EventKind::Mark { .. })).unwrap();
    let answered = |event: &Event| match event.kind {
        EventKind::FrameDelivered(info) if info.response => Some((event.node, info.peer)),
        _ => None,
    };
    events[settled..].iter().filter_map(answered).collect()
}

#[test]
fn frames_arrive_in_order_once_or_are_dropped_and_after_healing_all_talk() {
    for seed in 0..15 {
        let latency = Latency { p50_ns: MS, p99_ns: 20 * MS };
        let options = WorldOptions { seed, schedule_seed: seed, latency, trace: Mode::Full, ..options() };
        let events = simulate_with(options, move |world| storm(world, seed));
        check(&events);
        assert_eq!(talking(&events).len(), 9, "seed {seed}");
    }
}
