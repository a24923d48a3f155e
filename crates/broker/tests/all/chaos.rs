//! Random crashes and cuts, one broker at a time: nothing acked by all in-sync replicas is lost, and logs agree.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use host::sim::World;
use trace::Name;

use crate::support::*;

const SETTINGS: &[(&str, &str)] = &[("zookeeper.session.timeout.ms", "6000"), ("replica.lag.time.max.ms", "6000")];

/// Writes one value after the other to whoever leads; returns the acked ones.
async fn write(cluster: &Cluster, done: &Cell<bool>) -> BTreeSet<String> {
    let mut acked = BTreeSet::new();
    let mut to = 1;
    for number in 0.. {
        if done.get() {
            break;
        }
        let value = format!("{number}");
        match cluster.produce_batch(to, -1, batch(&[&value]), 2_000).await {
            Ok(_) => {
                acked.insert(value);
            }
            Err(_) => to = to % 3 + 1,
        }
        cluster.world.sleep(SECOND / 20).await;
    }
    acked
}

/// Hurts one broker at a time for a simulated minute.
async fn hurt(world: World, seed: u64) {
    let mut entropy = world.entropy(&format!("chaos-{seed}"));
    let all = [1, 2, 3].map(name);
    for _ in 0..6 {
        world.sleep(entropy.below(3) * SECOND).await;
        let id = entropy.below(3) as i32 + 1;
        let length = (1 + entropy.below(12)) * SECOND;
        let (fault, kind, target) = (Name::new("chaos"), Name::new("test"), name(id));
        let fault = world.emit(ROOT, trace::EventKind::FaultBegan { fault, kind, target });
        match entropy.below(4) {
            0 => {
                world.kill(name(id), fault);
                world.sleep(length).await;
                world.start(name(id), fault);
            }
            1 => {
                world.pause(name(id), fault);
                world.sleep(length).await;
                world.resume(name(id), fault);
            }
            way => {
                let mut peers: Vec<Name> = all.iter().copied().filter(|other| *other != name(id)).collect();
                if way == 2 {
                    peers.push(Name::new("zk-1"));
                }
                world.cut(fault, &links(id, &peers));
                world.sleep(length).await;
                world.heal(fault);
            }
        }
    }
}

fn run(seed: u64) {
    simulate(seed, async move |world| {
        let mut cluster = Cluster::start(world, 3, SETTINGS).await;
        cluster.create_topic(1, 3, &[("min.insync.replicas", "2")]).await;
        let done = Rc::new(Cell::new(false));
        let (world, over) = (cluster.world.clone(), done.clone());
        let chaos = async move {
            hurt(world.clone(), seed).await;
            world.sleep(20 * SECOND).await;
            over.set(true);
        };
        let (acked, ()) = join(write(&cluster, &done), chaos).await;
        assert!(!acked.is_empty());
        cluster.await_partition(1, None, &[1, 2, 3]).await;
        let (leader, _, _) = cluster.partition(1).await.unwrap();
        let read: RefCell<BTreeSet<String>> = RefCell::default();
        let mut from = 0;
        loop {
            let (values, high_watermark) = cluster.fetch(leader, from).await.unwrap();
            from = values.last().map_or(high_watermark, |(offset, _)| offset + 1);
            read.borrow_mut().extend(values.into_iter().map(|(_, value)| value));
            if from >= high_watermark {
                break;
            }
        }
        let lost: Vec<&String> = acked.iter().filter(|value| !read.borrow().contains(*value)).collect();
        assert!(lost.is_empty(), "seed {seed} lost {lost:?} of {}", acked.len());
        let records = log_of(&mut cluster, leader).len();
        assert_equal_logs(&mut cluster, records).await;
        for id in 1..=3 {
            assert!(!cluster.kinds(name(id)).iter().any(|kind| matches!(kind, trace::EventKind::NodePanicked { .. })));
        }
    });
}

#[test]
fn nothing_acked_is_lost_while_one_broker_at_a_time_fails() {
    let seeds: u64 = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    (100..100 + seeds).for_each(run);
}
