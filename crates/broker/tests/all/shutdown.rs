//! A broker that ends well.

use std::rc::Rc;

use tokio::sync::Notify;
use trace::EventKind;

use crate::support::*;

const SETTINGS: &[(&str, &str)] = &[("zookeeper.session.timeout.ms", "6000")];

#[test]
fn a_broker_that_is_asked_to_stop_hands_over_and_needs_no_recovery() {
    simulate(30, async |world| {
        let stop = Rc::new(Notify::new());
        let asked = stop.clone();
        let boot = move |host| {
            let asked = asked.clone();
            let stop = async move {
                asked.notified().await;
                ROOT
            };
            broker::run_broker_until(host, broker_config(4, SETTINGS, broker::Flaws::NONE), stop)
        };
        let mut cluster = Cluster::start(world, 3, SETTINGS).await;
        add(&cluster.world, "broker-4", boot);
        cluster.world.start("broker-4", ROOT);
        cluster
            .until("broker 4 is known", async |cluster| {
                let metadata = cluster.metadata(1, &[]).await.unwrap();
                metadata.brokers.len() == 4
            })
            .await;
        cluster.create_topic_on(&[4, 1]).await;
        cluster.await_partition(1, Some(4), &[1, 4]).await;
        cluster.produce(4, -1, &["a"]).await.unwrap();

        stop.notify_one();
        cluster.until("it has ended", async |cluster| !cluster.world.is_up("broker-4")).await;
        let closed = |kind: &EventKind| matches!(kind, EventKind::SessionEnded { expired: false, .. });
        cluster
            .until("its session is closed, not left to expire", async |cluster| {
                cluster.kinds("zk-1").iter().any(closed)
            })
            .await;
        let (values, _) = cluster.fetch(1, 0).await.expect("broker 1 leads already");
        assert_eq!(values.len(), 1);
        cluster.await_partition(1, Some(1), &[1]).await;

        cluster.world.start("broker-4", ROOT);
        cluster.await_partition(1, Some(1), &[1, 4]).await;
        let clean =
            |kind: &EventKind| matches!(kind, EventKind::LogLoaded { clean: true, log_end: 1, high_watermark: 1, .. });
        assert!(cluster.kinds("broker-4").iter().any(clean));
    });
}
