//! Power losses, at any point, of any member or all.

use bytes::Bytes;
use host::sim::Keep;
use zookeeper::{Client, CreateMode, ZkError};

use crate::setup::{CAUSE, create, with_snapshots};

/// Writes 1, 2, 3... to `/n`, each if the one before is there, and remembers the last acknowledged.
async fn write_on(client: &Client, acknowledged: &mut u32, rounds: u32) {
    for _ in 0..rounds {
        let next = *acknowledged + 1;
        let written = client.set_data(CAUSE, "/n", Bytes::from(next.to_string()), -1).await;
        match written {
            Ok(_) => *acknowledged = next,
            Err(ZkError::ConnectionLoss | ZkError::SessionExpired) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn read(client: &Client) -> u32 {
    loop {
        if client.sync(CAUSE, "/n").await.is_ok()
            && let Ok(reply) = client.get_data(CAUSE, "/n", false).await
        {
            return std::str::from_utf8(&reply.value.0).unwrap().parse().unwrap();
        }
    }
}

#[test]
fn a_power_loss_of_all_members_loses_nothing_acknowledged() {
    for seed in 0..6 {
        // Snapshots every few transactions, so that power fails while they are written too.
        with_snapshots(3, seed, 7, move |ensemble| async move {
            let client = ensemble.client("app").await;
            create(&client, "/n", CreateMode::Persistent).await;
            let mut acknowledged = 0;
            for round in 0..4 {
                write_on(&client, &mut acknowledged, 10 + round * 3).await;
                let keep = [Keep::None, Keep::Random, Keep::All][(seed as usize + round as usize) % 3];
                for member in &ensemble.members {
                    ensemble.world.power_loss(*member, CAUSE, keep);
                }
                ensemble.sleep(0.5).await;
                for member in &ensemble.members {
                    ensemble.world.start(*member, CAUSE);
                }
                let found = read(&client).await;
                assert!(found >= acknowledged, "{found} is left of {acknowledged}");
                acknowledged = found;
            }
        });
    }
}

#[test]
fn members_that_lose_power_in_turn_lose_nothing_acknowledged() {
    for seed in 10..14 {
        with_snapshots(3, seed, 9, move |ensemble| async move {
            let client = ensemble.client("app").await;
            create(&client, "/n", CreateMode::Persistent).await;
            let mut acknowledged = 0;
            for round in 0..8usize {
                let victim = ensemble.members[(seed as usize + round) % 3];
                let world = ensemble.world.clone();
                ensemble.world.spawn(async move {
                    // In the middle of the writes.
                    world.sleep(40_000_000).await;
                    world.power_loss(victim, CAUSE, Keep::Random);
                    world.sleep(2_000_000_000).await;
                    world.start(victim, CAUSE);
                });
                write_on(&client, &mut acknowledged, 20).await;
                ensemble.sleep(3.0).await;
                let found = read(&client).await;
                assert!(found >= acknowledged, "{found} is left of {acknowledged}");
                acknowledged = found;
            }
        });
    }
}

#[test]
fn a_stalled_disk_of_one_member_stops_nobody_else() {
    with_snapshots(3, 20, 10_000, |ensemble| async move {
        let client = ensemble.client("app").await;
        create(&client, "/n", CreateMode::Persistent).await;
        let leader = ensemble.leader().await;
        let slow = ensemble.others(leader)[0];
        let fault = ensemble.cut_links("stall", &[]);
        ensemble.world.disk_fault(fault, slow, host::sim::DiskFault::Stalled);
        let before = ensemble.now();
        let mut acknowledged = 0;
        while acknowledged < 20 {
            write_on(&client, &mut acknowledged, 1).await;
        }
        assert!(ensemble.now() - before < 10.0, "took {} s", ensemble.now() - before);
        ensemble.world.heal(fault);
        ensemble.sleep(15.0).await;
        assert!(ensemble.roles()[&slow].1 >= 1);
    });
}

#[test]
fn a_member_that_cannot_log_ends_and_comes_back_when_it_can() {
    with_snapshots(3, 21, 10_000, |ensemble| async move {
        let client = ensemble.client("app").await;
        create(&client, "/n", CreateMode::Persistent).await;
        let leader = ensemble.leader().await;
        let fault = ensemble.cut_links("full", &[]);
        ensemble.world.disk_fault(fault, leader, host::sim::DiskFault::Full);
        let mut acknowledged = 0;
        while acknowledged < 20 {
            write_on(&client, &mut acknowledged, 1).await;
        }
        assert!(!ensemble.world.is_up(leader), "nothing it cannot log may be acknowledged");
        ensemble.world.heal(fault);
        ensemble.world.start(leader, CAUSE);
        ensemble.sleep(3.0).await;
        assert_eq!(ensemble.roles()[&leader].0, trace::ZabRole::Following);
        assert_eq!(read(&client).await, acknowledged);
    });
}
