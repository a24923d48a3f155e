//! Connections as processes see them, without partitions.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use host::sim::{HoldRule, Latency, World, WorldOptions};
use host::{Address, CloseReason, ConnectFailure, Host};
use trace::{Event, EventId, EventKind, FrameInfo, Name};

use crate::support::*;

fn sent(event: &Event) -> Option<&FrameInfo> {
    match &event.kind {
        EventKind::FrameSent(info) => Some(info),
        _ => None,
    }
}

/// Sends the numbers 0..count in frames of `bytes` to a server that notes when each arrives.
fn stream(world: &World, count: i32, bytes: usize) -> Rc<RefCell<Vec<(i32, u64)>>> {
    let arrivals = Rc::new(RefCell::new(Vec::new()));
    let (arrivals2, world2) = (arrivals.clone(), world.clone());
    node(world, "server", move |host| {
        let (arrivals, world) = (arrivals2.clone(), world2.clone());
        async move {
            let listener = host.listen(PORT, FRAMING).await.unwrap();
            let mut connection = listener.accept().await;
            while let Ok(frame) = connection.receiver.next().await {
                arrivals.borrow_mut().push((number(&frame.bytes), world.now_ns()));
            }
            std::future::pending::<()>().await;
        }
    });
    idling(world, "client", move |host| async move {
        let connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
        for n in 0..count {
            connection.sender.send(ROOT, frame(b'a', n, &vec![0; bytes - 9])).await.unwrap();
        }
        host.sleep(Duration::from_secs(3600)).await;
    });
    arrivals
}

#[test]
fn events_tell_a_frames_story_and_responses_are_named_after_their_requests() {
    simulate(|world| async move {
        node(&world, "server", echo_server);
        idling(&world, "client", |host| async move {
            let mut connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
            let sender = connection.sender.clone();
            for (api, n) in [(b'a', 1), (b'b', 2)] {
                sender.send(ROOT, frame(api, n, b"")).await.unwrap();
            }
            for n in [1, 2] {
                assert_eq!(number(&connection.receiver.next().await.unwrap().bytes), n);
            }
        });
        world.sleep(SECOND).await;
        let events = events(&world);
        let story: Vec<_> = events.iter().filter_map(|event| Some((event.node.as_str(), sent(event)?))).collect();
        let apis: Vec<_> = story.iter().map(|(node, info)| (*node, info.api.as_str(), info.response)).collect();
        let alpha = [("client", "Alpha", false), ("client", "Beta", false)];
        let beta = [("server", "Alpha", true), ("server", "Beta", true)];
        assert_eq!(apis, [alpha, beta].concat());
        for event in &events {
            if let EventKind::FrameDelivered(delivered) = &event.kind {
                let cause = &events[event.cause.0 as usize - 1];
                let info = sent(cause).expect("its cause is its FrameSent");
                assert_eq!((info.peer, delivered.peer), (event.node, cause.node));
                assert!(event.at >= cause.at + MS, "a frame takes its latency");
            }
        }
    });
}

#[test]
fn frames_of_a_connection_keep_their_order_whatever_their_latencies() {
    let latency = Latency { p50_ns: MS, p99_ns: 200 * MS };
    simulate_with(WorldOptions { latency, ..options() }, |world| async move {
        let arrivals = stream(&world, 500, 100);
        world.sleep(60 * SECOND).await;
        let numbers: Vec<i32> = arrivals.borrow().iter().map(|(n, _)| *n).collect();
        assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    });
}

#[test]
fn bandwidth_spreads_frames_over_time() {
    simulate_with(WorldOptions { bandwidth: Some(1_000_000), ..options() }, |world| async move {
        let arrivals = stream(&world, 10, 100_000);
        world.sleep(60 * SECOND).await;
        let arrivals = arrivals.borrow();
        let took = arrivals[9].1 - arrivals[0].1;
        assert!((890 * MS..910 * MS).contains(&took), "{took}");
    });
}

#[test]
fn nobody_listening_refuses_at_once_and_no_such_node_is_unknown() {
    simulate(|world| async move {
        idling(&world, "server", |_| async {});
        idling(&world, "client", |host| async move {
            let start = host.now();
            let refused = host.connect(server(), FRAMING, ROOT).await.err();
            assert_eq!(refused, Some(ConnectFailure::Refused));
            assert_eq!((host.now() - start).as_millis(), 2);
            let unknown = host.connect(Address::new("nowhere", 1), FRAMING, ROOT).await.err();
            assert_eq!(unknown, Some(ConnectFailure::Unknown));
        });
        world.sleep(SECOND).await;
        assert!(world.is_up("client"));
    });
}

#[test]
fn a_port_is_listened_on_once_until_the_listener_is_dropped() {
    simulate(|world| async move {
        idling(&world, "server", |host| async move {
            let listener = host.listen(PORT, FRAMING).await.unwrap();
            let again = host.listen(PORT, FRAMING).await.err().map(|error| error.kind());
            assert_eq!(again, Some(std::io::ErrorKind::AddrInUse));
            drop(listener);
            host.listen(PORT, FRAMING).await.unwrap();
        });
        world.sleep(SECOND).await;
        assert!(world.is_up("server"));
    });
}

#[test]
fn a_receiver_that_does_not_read_holds_its_sender_up() {
    simulate(|world| async move {
        let sent = Rc::new(Cell::new(0));
        let sent2 = sent.clone();
        idling(&world, "server", |host| async move {
            let listener = host.listen(PORT, FRAMING).await.unwrap();
            let mut connection = listener.accept().await;
            host.sleep(Duration::from_secs(100)).await;
            for n in 0..100 {
                assert_eq!(number(&connection.receiver.next().await.unwrap().bytes), n);
            }
        });
        idling(&world, "client", move |host| {
            let sent = sent2.clone();
            async move {
                let connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
                for n in 0..100 {
                    connection.sender.send(ROOT, frame(b'a', n, &[0; 100_000 - 9])).await.unwrap();
                    sent.set(n + 1);
                }
                host.sleep(Duration::from_secs(1)).await;
            }
        });
        world.sleep(90 * SECOND).await;
        // A receive window and a send buffer of 1 MiB each.
        assert!((21..=23).contains(&sent.get()), "{}", sent.get());
        world.sleep(20 * SECOND).await;
        assert_eq!(sent.get(), 100);
        assert!(world.is_up("server"), "all arrived, in order");
    });
}

#[test]
fn a_closed_connection_delivers_what_was_sent_and_then_ends() {
    simulate(|world| async move {
        node(&world, "server", |host| async move {
            let listener = host.listen(PORT, FRAMING).await.unwrap();
            let mut connection = listener.accept().await;
            for n in 0..5 {
                assert_eq!(number(&connection.receiver.next().await.unwrap().bytes), n);
            }
            assert_eq!(connection.receiver.next().await.unwrap_err(), CloseReason::PeerClosed);
            std::future::pending::<()>().await;
        });
        idling(&world, "client", |host| async move {
            let connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
            for n in 0..5 {
                connection.sender.send(ROOT, frame(b'a', n, b"")).await.unwrap();
            }
        });
        world.sleep(SECOND).await;
        assert!(world.is_up("server"));
        let closed = |event: &Event| match event.kind {
            EventKind::ConnectionClosed { reason, .. } => Some((event.node.as_str(), reason)),
            _ => None,
        };
        let closed: Vec<_> = events(&world).iter().filter_map(closed).collect();
        assert_eq!(closed, [("client", CloseReason::Closed), ("server", CloseReason::PeerClosed)]);
    });
}

#[test]
fn after_a_half_close_the_other_direction_goes_on() {
    simulate(|world| async move {
        node(&world, "server", echo_server);
        idling(&world, "client", |host| async move {
            let mut connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
            connection.sender.send(ROOT, frame(b'a', 1, b"")).await.unwrap();
            connection.sender.close();
            let closed = connection.sender.send(ROOT, frame(b'a', 2, b"")).await;
            assert_eq!(closed, Err(CloseReason::Closed));
            assert_eq!(number(&connection.receiver.next().await.unwrap().bytes), 1);
            assert_eq!(connection.receiver.next().await.unwrap_err(), CloseReason::PeerClosed);
        });
        world.sleep(SECOND).await;
        assert!(world.is_up("client"));
    });
}

#[test]
fn sending_to_a_closed_end_is_answered_with_a_reset() {
    simulate(|world| async move {
        idling(&world, "server", |host| async move {
            let listener = host.listen(PORT, FRAMING).await.unwrap();
            drop(listener.accept().await);
        });
        idling(&world, "client", |host| async move {
            let connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
            host.sleep(Duration::from_millis(10)).await;
            connection.sender.send(ROOT, frame(b'a', 1, b"")).await.unwrap();
            host.sleep(Duration::from_millis(10)).await;
            assert_eq!(connection.sender.send(ROOT, frame(b'a', 2, b"")).await, Err(CloseReason::Reset));
        });
        world.sleep(SECOND).await;
        assert!(world.is_up("client"));
        let events = events(&world);
        let dropped = events.iter().find(|event| matches!(event.kind, EventKind::FrameDropped(_))).unwrap();
        let cause = &events[dropped.cause.0 as usize - 1];
        assert!(matches!(cause.kind, EventKind::ConnectionClosed { reason: CloseReason::Closed, .. }), "{cause:?}");
    });
}

#[test]
fn closing_with_unread_frames_resets_and_drops_them() {
    simulate(|world| async move {
        idling(&world, "server", |host| async move {
            let listener = host.listen(PORT, FRAMING).await.unwrap();
            let connection = listener.accept().await;
            host.sleep(Duration::from_millis(100)).await;
            drop(connection);
        });
        idling(&world, "client", |host| async move {
            let mut connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
            connection.sender.send(ROOT, frame(b'a', 1, b"")).await.unwrap();
            assert_eq!(connection.receiver.next().await.unwrap_err(), CloseReason::Reset);
        });
        world.sleep(SECOND).await;
        assert!(world.is_up("client"));
        assert_eq!(events(&world).iter().filter(|event| matches!(event.kind, EventKind::FrameDropped(_))).count(), 1);
    });
}

#[test]
fn a_frame_that_is_none_is_the_senders_bug() {
    simulate(|world| async move {
        node(&world, "server", echo_server);
        idling(&world, "client", |host| async move {
            let connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
            let two = [frame(b'a', 1, b""), frame(b'a', 2, b"")].concat();
            connection.sender.send(ROOT, Bytes::from(two)).await.unwrap();
        });
        world.sleep(SECOND).await;
        assert!(!world.is_up("client"));
    });
}

#[test]
fn next_and_accept_may_be_cancelled_and_lose_nothing() {
    simulate(|world| async move {
        node(&world, "server", |host| async move {
            let listener = host.listen(PORT, FRAMING).await.unwrap();
            let mut connection = loop {
                if let Ok(connection) = host.timeout(Duration::from_micros(700), listener.accept()).await {
                    break connection;
                }
            };
            let mut wanted = 0;
            while wanted < 20 {
                if let Ok(frame) = host.timeout(Duration::from_micros(700), connection.receiver.next()).await {
                    assert_eq!(number(&frame.unwrap().bytes), wanted);
                    wanted += 1;
                }
            }
        });
        idling(&world, "client", |host| async move {
            host.sleep(Duration::from_millis(10)).await;
            let connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
            for n in 0..20 {
                connection.sender.send(ROOT, frame(b'a', n, b"")).await.unwrap();
                host.sleep(Duration::from_micros(900)).await;
            }
            host.sleep(Duration::from_secs(1)).await;
        });
        world.sleep(SECOND).await;
        let exits = events(&world).into_iter().filter(|event| event.node == Name::new("server"));
        let exits =
            exits.filter(|event| matches!(event.kind, EventKind::NodeStopped { reason: trace::StopReason::Exit }));
        assert_eq!(exits.count(), 1, "the server saw all twenty");
    });
}

#[test]
fn a_cancelled_connect_leaves_no_connection_behind() {
    simulate(|world| async move {
        idling(&world, "server", |host| async move {
            let listener = host.listen(PORT, FRAMING).await.unwrap();
            assert!(host.timeout(Duration::from_secs(1), listener.accept()).await.is_err());
        });
        idling(&world, "client", |host| async move {
            let connecting = host.connect(server(), FRAMING, ROOT);
            assert!(host.timeout(Duration::from_micros(1500), connecting).await.is_err());
        });
        world.sleep(3 * SECOND).await;
        assert!(world.is_up("server"));
    });
}

#[test]
fn a_crashed_process_is_closed_by_its_kernel() {
    simulate(|world| async move {
        node(&world, "server", echo_server);
        idling(&world, "client", |host| async move {
            let mut connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
            assert_eq!(connection.receiver.next().await.unwrap_err(), CloseReason::PeerClosed);
            assert_eq!((host.now() - host.now()).as_millis(), 0);
            assert_eq!(host.connect(server(), FRAMING, ROOT).await.err(), Some(ConnectFailure::Refused));
        });
        world.sleep(SECOND).await;
        world.kill("server", ROOT);
        world.sleep(SECOND).await;
        assert!(world.is_up("client"));
        let events = events(&world);
        let stopped = events.iter().find(|event| matches!(event.kind, EventKind::NodeStopped { .. })).unwrap().id;
        let refused = events.iter().find(|event| matches!(event.kind, EventKind::ConnectFailed { .. })).unwrap();
        assert_eq!(refused.cause, stopped, "the refusal is explained by the crash");
        let died = EventKind::ConnectionClosed { connection: 1, peer: Name::new("client"), reason: CloseReason::Died };
        assert!(events.iter().any(|event| event.kind == died && event.cause == stopped));
    });
}

#[test]
fn what_a_process_sent_before_its_crash_still_arrives() {
    simulate(|world| async move {
        idling(&world, "server", |host| async move {
            let listener = host.listen(PORT, FRAMING).await.unwrap();
            let mut connection = listener.accept().await;
            assert_eq!(number(&connection.receiver.next().await.unwrap().bytes), 7);
            assert_eq!(connection.receiver.next().await.unwrap_err(), CloseReason::PeerClosed);
            host.exit(ROOT);
        });
        let world2 = world.clone();
        idling(&world, "client", move |host| {
            let world = world2.clone();
            async move {
                let connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
                let sent = connection.sender.send(ROOT, frame(b'a', 7, b"")).await.unwrap();
                world.kill("client", sent);
            }
        });
        world.sleep(SECOND).await;
        assert!(!world.is_up("client") && !world.is_up("server"));
        assert!(!events(&world).iter().any(|event| matches!(event.kind, EventKind::NodePanicked { .. })));
    });
}

/// A client that connects, waits until the server has lost its power, and reports when and how sending ended.
fn surviving_client(world: &World) -> Rc<RefCell<Option<(u64, CloseReason)>>> {
    let result = Rc::new(RefCell::new(None));
    let (result2, world2) = (result.clone(), world.clone());
    idling(world, "client", move |host| {
        let (result, world) = (result2.clone(), world2.clone());
        async move {
            let mut connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
            let idle = host.timeout(Duration::from_secs(60), connection.receiver.next()).await;
            assert!(idle.is_err(), "an idle connection notices nothing");
            let start = world.now_ns();
            connection.sender.send(ROOT, frame(b'a', 1, b"")).await.unwrap();
            let reason = connection.receiver.next().await.unwrap_err();
            result.replace(Some((world.now_ns() - start, reason)));
        }
    });
    result
}

#[test]
fn a_machine_without_power_is_silent_and_the_connection_times_out() {
    simulate(|world| async move {
        node(&world, "server", echo_server);
        let result = surviving_client(&world);
        world.sleep(SECOND).await;
        let stopped = world.power_loss("server", ROOT, host::sim::Keep::All);
        world.sleep(120 * SECOND).await;
        let (after, reason) = result.borrow().expect("the client noticed");
        assert_eq!(reason, CloseReason::TimedOut);
        assert!((15 * SECOND..19 * SECOND).contains(&after), "{after}");
        let dropped =
            events(&world).into_iter().find(|event| matches!(event.kind, EventKind::FrameDropped(_))).unwrap();
        assert_eq!(dropped.cause, stopped);
    });
}

#[test]
fn a_machine_that_is_back_answers_a_half_open_connection_with_a_reset() {
    simulate(|world| async move {
        node(&world, "server", echo_server);
        let result = surviving_client(&world);
        world.sleep(SECOND).await;
        world.power_loss("server", ROOT, host::sim::Keep::All);
        world.sleep(10 * SECOND).await;
        world.start("server", ROOT);
        world.sleep(120 * SECOND).await;
        let (after, reason) = result.borrow().expect("the client noticed");
        assert_eq!(reason, CloseReason::Reset);
        assert!(after < 3 * MS, "{after}");
    });
}

#[test]
fn connecting_to_a_machine_without_power_takes_the_syn_timeout() {
    simulate(|world| async move {
        node(&world, "server", echo_server);
        world.sleep(SECOND).await;
        let stopped = world.power_loss("server", ROOT, host::sim::Keep::All);
        let world2 = world.clone();
        idling(&world, "client", move |host| {
            let world = world2.clone();
            async move {
                let start = world.now_ns();
                assert_eq!(host.connect(server(), FRAMING, ROOT).await.err(), Some(ConnectFailure::TimedOut));
                assert_eq!((world.now_ns() - start) / MS, 10_000);
            }
        });
        world.sleep(20 * SECOND).await;
        assert!(world.is_up("client"));
        let failed = events(&world).into_iter().find(|event| matches!(event.kind, EventKind::ConnectFailed { .. }));
        assert_eq!(failed.unwrap().cause, stopped);
    });
}

#[test]
fn a_paused_process_is_served_by_its_kernel() {
    simulate(|world| async move {
        node(&world, "server", echo_server);
        let answered = Rc::new(Cell::new(0));
        let (answered2, world2) = (answered.clone(), world.clone());
        idling(&world, "client", move |host: Host| {
            let (answered, world) = (answered2.clone(), world2.clone());
            async move {
                host.sleep(Duration::from_secs(1)).await;
                // The kernel accepts, receives and acknowledges: nothing times out in a minute.
                let mut connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
                connection.sender.send(ROOT, frame(b'a', 1, b"")).await.unwrap();
                connection.receiver.next().await.unwrap();
                answered.set(world.now_ns());
            }
        });
        world.sleep(SECOND / 2).await;
        world.pause("server", ROOT);
        world.sleep(60 * SECOND).await;
        assert_eq!(answered.get(), 0);
        let resumed = world.now_ns();
        world.resume("server", ROOT);
        world.sleep(SECOND).await;
        assert!((resumed..resumed + 3 * MS).contains(&answered.get()));
    });
}

#[test]
fn reset_connections_ends_both_sides_at_once() {
    simulate(|world| async move {
        let ends = Rc::new(Cell::new(0));
        let count = |ends: &Rc<Cell<i32>>, reason: CloseReason| {
            assert_eq!(reason, CloseReason::Reset);
            ends.set(ends.get() + 1);
        };
        let (ends2, ends3) = (ends.clone(), ends.clone());
        idling(&world, "server", move |host| {
            let ends = ends2.clone();
            async move {
                let listener = host.listen(PORT, FRAMING).await.unwrap();
                let mut connection = listener.accept().await;
                count(&ends, connection.receiver.next().await.unwrap_err());
            }
        });
        idling(&world, "client", move |host| {
            let ends = ends3.clone();
            async move {
                let mut connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
                count(&ends, connection.receiver.next().await.unwrap_err());
            }
        });
        world.sleep(SECOND).await;
        let fault = fault(&world);
        assert_eq!(world.reset_connections(fault, &names(&["client"]), &names(&["other"])), 0);
        assert_eq!(world.reset_connections(fault, &names(&["client"]), &names(&["server"])), 1);
        world.sleep(SECOND).await;
        assert_eq!(ends.get(), 2);
        assert_eq!(world.links_hit(fault), 1);
    });
}

#[test]
fn a_hold_rule_keeps_the_nth_frame_and_all_behind_it_until_released() {
    simulate(|world| async move {
        let arrivals = stream(&world, 0, 9);
        world.sleep(10 * MS).await;
        world.kill("client", ROOT);
        drop(arrivals);
        let fault = fault(&world);
        let (from, to) = link("client2", "server2");
        world.hold(fault, HoldRule { api: Name::new("Beta"), response: false, from: vec![from], to: vec![to], nth: 2 });
        let got = Rc::new(RefCell::new(Vec::new()));
        let got2 = got.clone();
        idling(&world, "server2", move |host| {
            let got = got2.clone();
            async move {
                let listener = host.listen(PORT, FRAMING).await.unwrap();
                let mut connection = listener.accept().await;
                while let Ok(frame) = connection.receiver.next().await {
                    got.borrow_mut().push(number(&frame.bytes));
                }
            }
        });
        idling(&world, "client2", |host| async move {
            let connection = host.connect(Address::new("server2", PORT), FRAMING, ROOT).await.unwrap();
            for (n, api) in [b'a', b'b', b'a', b'b', b'a'].into_iter().enumerate() {
                connection.sender.send(ROOT, frame(api, n as i32, b"")).await.unwrap();
            }
            host.sleep(Duration::from_secs(1000)).await;
        });
        world.sleep(100 * SECOND).await;
        assert_eq!(*got.borrow(), [0, 1, 2], "the second Beta and what is behind it wait");
        assert!(world.hold_hit(fault));
        let held = |event: &&Event| matches!(event.kind, EventKind::FrameHeld(_)) && event.cause == fault;
        assert_eq!(events(&world).iter().filter(held).count(), 2);
        world.release(fault);
        world.sleep(SECOND).await;
        assert_eq!(*got.borrow(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_slow_link_is_slow_in_its_direction_until_healed() {
    simulate(|world| async move {
        node(&world, "server", echo_server);
        let round_trips = Rc::new(RefCell::new(Vec::new()));
        let round_trips2 = round_trips.clone();
        idling(&world, "client", move |host| {
            let round_trips = round_trips2.clone();
            async move {
                let mut connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
                loop {
                    let start = host.now();
                    connection.sender.send(ROOT, frame(b'a', 1, b"")).await.unwrap();
                    connection.receiver.next().await.unwrap();
                    round_trips.borrow_mut().push((host.now() - start).as_millis());
                    host.sleep(Duration::from_secs(1)).await;
                }
            }
        });
        world.sleep(500 * MS).await;
        let fault: EventId = fault(&world);
        world.slow(fault, &[link("server", "client")], Latency { p50_ns: 300 * MS, p99_ns: 300 * MS });
        world.sleep(SECOND).await;
        world.heal(fault);
        world.sleep(SECOND).await;
        assert_eq!(*round_trips.borrow(), [2, 301, 2]);
        assert_eq!(world.links_hit(fault), 1);
    });
}
