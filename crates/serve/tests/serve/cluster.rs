//! A cluster in one process whose nodes come and go.

use std::fs;

use serve::Node;
use trace::{CloseReason, EventKind, Name};

use crate::load::{Load, check_records, create_topic, is_in_sync, read_topic, until};
use crate::support::Served;

const MARKER: &str = ".kafka_cleanshutdown";

#[test]
fn what_was_acknowledged_stays_while_brokers_and_the_cluster_go_and_come_back() {
    let mut served = Served::start(3, 3, &[]);
    let bootstrap = served.layout.bootstrap();
    create_topic(&bootstrap, "orders");
    let load = Load::start("load", &bootstrap, "orders");
    load.wait_for(200);
    served.stop(Node::Broker(2));
    let marker = served.data.path().join("broker-2/data").join(MARKER);
    assert!(marker.exists(), "it ended well");
    load.wait_for(200);
    served.cluster.start(Node::Broker(2)).unwrap();
    served.wait_until_ready(&[Node::Broker(2)]);
    assert!(!marker.exists(), "it runs");
    load.wait_for(200);
    let acknowledged = load.finish();
    until("broker-2 catches up", || is_in_sync(&bootstrap, "orders"));
    // What is read now is what broker-2 has.
    served.stop(Node::Broker(1));
    served.stop(Node::Broker(3));
    check_records(&acknowledged, &read_topic(&bootstrap, "orders"));
    served.check_alive();
    let mut served = served.start_over();
    check_records(&acknowledged, &read_topic(&bootstrap, "orders"));
    served.end();
    let incarnation = fs::read_to_string(served.data.path().join("broker-2/incarnation")).unwrap();
    assert_eq!(incarnation.trim(), "3", "started three times");
}

#[test]
fn a_killed_broker_loses_nothing_and_the_others_go_on() {
    let mut served = Served::start(3, 1, &[]);
    let bootstrap = served.layout.bootstrap();
    create_topic(&bootstrap, "orders");
    let load = Load::start("load", &bootstrap, "orders");
    load.wait_for(100);
    served.cluster.kill(Node::Broker(1));
    served.cluster.wait(Node::Broker(1), crate::load::DEADLINE, &mut || ()).unwrap();
    load.wait_for(300);
    served.cluster.start(Node::Broker(1)).unwrap();
    until("broker-1 catches up", || is_in_sync(&bootstrap, "orders"));
    let acknowledged = load.finish();
    check_records(&acknowledged, &read_topic(&bootstrap, "orders"));
    served.check_alive();
    served.end();
}

#[test]
fn nodes_of_one_process_know_each_other_by_name_and_every_frame_has_its_cause() {
    let mut served = Served::start(2, 1, &[]);
    served.end();
    let (one, two) = (Name::new("broker-1"), Name::new("broker-2"));
    let events = served.events();
    let spoke = events.iter().any(|event| match event.kind {
        EventKind::FrameDelivered(info) => [(one, two), (two, one)].contains(&(event.node, info.peer)),
        _ => false,
    });
    assert!(spoke, "controller and broker speak");
    // Only frames of the probe, which is no node, come from nowhere.
    let strangers = events.iter().filter(|event| match event.kind {
        EventKind::FrameDelivered(info) => event.cause.0 == 0 && info.peer != Name::new("127.0.0.1"),
        EventKind::ConnectionClosed { reason, .. } => reason == CloseReason::BadFrame,
        _ => false,
    });
    assert_eq!(strangers.count(), 0);
    assert!(events.iter().enumerate().all(|(i, event)| event.id.0 == i as u64 + 1 && event.cause < event.id));
}

#[test]
fn a_listener_serves_no_more_connections_than_it_may() {
    use std::io::Read;
    use std::net::TcpStream;
    use std::time::Duration;

    let mut served = Served::start(1, 1, &["max.connections=8", "connections.max.idle.ms=600"]);
    let socket = served.layout.client_socket(Node::Broker(1));
    let mut closed = 0;
    let crowd: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(socket).unwrap()).collect();
    for mut stream in crowd {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // Some are closed because they are too many, the others because they say nothing.
        closed += usize::from(matches!(stream.read(&mut [0]), Ok(0)));
    }
    assert_eq!(closed, 20);
    let accepted = served.events().iter().filter(|event| {
        let name = event.node.as_str() == "broker-1";
        name && matches!(event.kind, EventKind::ConnectionOpened { peer, .. } if peer.as_str() == "127.0.0.1")
    });
    assert!(accepted.count() < 20);
    served.wait_until_ready(&[Node::Broker(1)]);
    served.check_alive();
    served.end();
}
