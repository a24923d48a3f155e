//! Cut and lossy links.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use host::sim::World;
use host::{CloseReason, ConnectFailure};
use trace::{EventKind, Name};

use crate::support::*;

/// What the two ends of a connection saw.
#[derive(Default)]
struct Seen {
    /// Numbers that arrived at the server, with the time in ms.
    arrived: RefCell<Vec<(i32, u64)>>,
    client_end: Cell<Option<(u64, CloseReason)>>,
    server_end: Cell<Option<(u64, CloseReason)>>,
}

/// A client that sends a number each `every`, to a server that never answers.
fn ticking(world: &World, every: Duration) -> Rc<Seen> {
    let seen = Rc::new(Seen::default());
    let (seen2, world2) = (seen.clone(), world.clone());
    idling(world, "server", move |host| {
        let (seen, world) = (seen2.clone(), world2.clone());
        async move {
            let listener = host.listen(PORT, FRAMING).await.unwrap();
            let mut connection = listener.accept().await;
            let reason = loop {
                match connection.receiver.next().await {
                    Ok(frame) => seen.arrived.borrow_mut().push((number(&frame.bytes), world.now_ns() / MS)),
                    Err(reason) => break reason,
                }
            };
            seen.server_end.set(Some((world.now_ns(), reason)));
        }
    });
    let (seen2, world2) = (seen.clone(), world.clone());
    idling(world, "client", move |host| {
        let (seen, world) = (seen2.clone(), world2.clone());
        async move {
            let connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
            let reason = 'ended: {
                for n in 0.. {
                    host.sleep(every).await;
                    if let Err(reason) = connection.sender.send(ROOT, frame(b'a', n, b"")).await {
                        break 'ended reason;
                    }
                }
                unreachable!()
            };
            seen.client_end.set(Some((world.now_ns(), reason)));
        }
    });
    seen
}

fn arrived(seen: &Seen) -> usize {
    seen.arrived.borrow().len()
}

#[test]
fn frames_sent_into_a_short_cut_arrive_in_order_after_it() {
    simulate(|world| async move {
        let seen = ticking(&world, Duration::from_secs(1));
        world.sleep(2500 * MS).await;
        assert_eq!(arrived(&seen), 2);
        let fault = fault(&world);
        world.cut(fault, &[link("client", "server")]);
        world.sleep(10 * SECOND).await;
        assert_eq!(arrived(&seen), 2, "nothing passes a cut");
        world.heal(fault);
        world.sleep(10 * SECOND).await;
        let numbers: Vec<i32> = seen.arrived.borrow().iter().map(|(n, _)| *n).collect();
        assert_eq!(numbers, (0..22).collect::<Vec<_>>());
        assert!(world.links_hit(fault) > 0);
        let held = events(&world).into_iter().filter(|event| matches!(event.kind, EventKind::FrameHeld(_)));
        let held: Vec<_> = held.map(|event| event.cause).collect();
        assert!(held.len() >= 10 && held.iter().all(|cause| *cause == fault), "each frame kept back says so: {held:?}");
    });
}

#[test]
fn retransmissions_back_off_exponentially() {
    simulate(|world| async move {
        let seen = ticking(&world, Duration::from_millis(2900));
        world.sleep(SECOND).await;
        let fault = fault(&world);
        world.cut(fault, &[link("client", "server")]);
        // Sent at about 2.902 s, repeated 0.2, 0.6, 1.4 and 3.0 s later: a heal after 1.5 s is noticed at 3.0 s.
        world.sleep(3402 * MS).await;
        world.heal(fault);
        world.sleep(3 * SECOND).await;
        let first = seen.arrived.borrow()[0].1;
        assert!((5902..5910).contains(&first), "{first}");
    });
}

#[test]
fn a_long_cut_breaks_the_connection_for_who_sends_and_idle_ends_notice_nothing() {
    simulate(|world| async move {
        let seen = ticking(&world, Duration::from_secs(1));
        world.sleep(2500 * MS).await;
        let fault = fault(&world);
        world.cut(fault, &[link("client", "server"), link("server", "client")]);
        world.sleep(60 * SECOND).await;
        let (at, reason) = seen.client_end.get().expect("the sender noticed");
        assert_eq!(reason, CloseReason::TimedOut);
        assert!((18 * SECOND..24 * SECOND).contains(&at), "{at}");
        assert_eq!(seen.server_end.get(), None, "who sends nothing notices nothing");
        let events = events(&world);
        let dropped = events.iter().filter(|event| matches!(event.kind, EventKind::FrameDropped(_)));
        let dropped: Vec<_> = dropped.map(|event| event.cause).collect();
        assert!(dropped.len() > 10 && dropped.iter().all(|cause| *cause == fault), "{dropped:?}");
        let closed = events.iter().find(|event| matches!(event.kind, EventKind::ConnectionClosed { .. })).unwrap();
        assert_eq!((closed.node, closed.cause), (Name::new("client"), fault));
    });
}

#[test]
fn a_cut_of_the_acknowledgements_lets_frames_through_until_the_connection_times_out() {
    simulate(|world| async move {
        let seen = ticking(&world, Duration::from_secs(1));
        world.sleep(2500 * MS).await;
        let fault = fault(&world);
        world.cut(fault, &[link("server", "client")]);
        world.sleep(10 * SECOND).await;
        assert_eq!(arrived(&seen), 12, "what flows towards the server arrives");
        world.sleep(50 * SECOND).await;
        let (at, reason) = seen.client_end.get().expect("nothing was acknowledged");
        assert_eq!(reason, CloseReason::TimedOut);
        assert!((18 * SECOND..24 * SECOND).contains(&at), "{at}");
        assert!(world.links_hit(fault) > 0);
    });
}

#[test]
fn a_healed_cut_of_the_acknowledgements_is_forgotten() {
    simulate(|world| async move {
        let seen = ticking(&world, Duration::from_secs(1));
        world.sleep(500 * MS).await;
        for _ in 0..5 {
            let fault = fault(&world);
            world.cut(fault, &[link("server", "client")]);
            world.sleep(10 * SECOND).await;
            world.heal(fault);
            world.sleep(10 * SECOND).await;
        }
        assert_eq!(seen.client_end.get(), None);
        assert_eq!(arrived(&seen), 100);
    });
}

#[test]
fn cuts_are_counted_by_fault_and_only_the_last_heal_opens_the_link() {
    simulate(|world| async move {
        let seen = ticking(&world, Duration::from_secs(1));
        let (first, second) = (fault(&world), fault(&world));
        world.sleep(500 * MS).await;
        world.cut(first, &[link("client", "server")]);
        world.cut(second, &[link("client", "server")]);
        world.sleep(2 * SECOND).await;
        world.heal(first);
        world.sleep(4 * SECOND).await;
        assert_eq!(arrived(&seen), 0);
        world.heal(second);
        world.sleep(4 * SECOND).await;
        assert!(arrived(&seen) >= 8);
        assert!(world.links_hit(first) > 0 && world.links_hit(second) > 0);
    });
}

#[test]
fn a_frame_in_the_air_does_not_cross_a_cut_that_begins_meanwhile() {
    simulate(|world| async move {
        let seen = ticking(&world, Duration::from_millis(100));
        world.sleep(102_500_000).await; // sent at about 102 ms, due at 103 ms
        let fault = fault(&world);
        world.cut(fault, &[link("client", "server")]);
        world.sleep(100 * MS).await;
        assert_eq!(arrived(&seen), 0);
        world.heal(fault);
        world.sleep(SECOND).await;
        assert!(arrived(&seen) > 5);
    });
}

#[test]
fn connecting_across_a_cut_takes_the_syn_timeout_in_either_direction() {
    for cut in [link("client", "server"), link("server", "client")] {
        simulate(move |world| async move {
            node(&world, "server", echo_server);
            let fault = fault(&world);
            world.cut(fault, &[cut]);
            let took = Rc::new(Cell::new(0));
            let took2 = took.clone();
            idling(&world, "client", move |host| {
                let took = took2.clone();
                async move {
                    let start = host.now();
                    assert_eq!(host.connect(server(), FRAMING, ROOT).await.err(), Some(ConnectFailure::TimedOut));
                    took.set((host.now() - start).as_millis());
                }
            });
            world.sleep(30 * SECOND).await;
            assert_eq!(took.get(), 10_000);
            assert_eq!(world.links_hit(fault), 4, "one SYN and three repetitions");
            let failed = events(&world).into_iter().find(|event| matches!(event.kind, EventKind::ConnectFailed { .. }));
            assert_eq!(failed.unwrap().cause, fault);
        });
    }
}

#[test]
fn a_syn_is_repeated_after_one_three_and_seven_seconds() {
    simulate(|world| async move {
        node(&world, "server", echo_server);
        let fault = fault(&world);
        world.cut(fault, &[link("client", "server")]);
        let took = Rc::new(Cell::new(0));
        let took2 = took.clone();
        idling(&world, "client", move |host| {
            let took = took2.clone();
            async move {
                let start = host.now();
                host.connect(server(), FRAMING, ROOT).await.unwrap();
                took.set((host.now() - start).as_millis());
            }
        });
        world.sleep(1500 * MS).await;
        world.heal(fault);
        world.sleep(30 * SECOND).await;
        assert_eq!(took.get(), 3002);
    });
}

#[test]
fn a_crash_behind_a_cut_is_noticed_only_after_it() {
    simulate(|world| async move {
        let seen = ticking(&world, Duration::from_secs(1));
        world.sleep(2500 * MS).await;
        let fault = fault(&world);
        world.cut(fault, &[link("client", "server")]);
        world.kill("client", ROOT);
        world.sleep(5 * SECOND).await;
        assert_eq!(seen.server_end.get(), None, "the FIN obeys the partition");
        world.heal(fault);
        world.sleep(5 * SECOND).await;
        assert_eq!(seen.server_end.get().unwrap().1, CloseReason::PeerClosed);
    });
}

#[test]
fn a_reset_does_not_cross_a_cut() {
    simulate(|world| async move {
        let seen = ticking(&world, Duration::from_secs(1));
        world.sleep(2500 * MS).await;
        let fault = fault(&world);
        world.kill("server", ROOT);
        world.cut(fault, &[link("server", "client")]);
        world.sleep(5 * SECOND).await;
        assert_eq!(seen.client_end.get(), None);
        world.heal(fault);
        world.sleep(10 * SECOND).await;
        assert_eq!(seen.client_end.get().unwrap().1, CloseReason::Reset);
    });
}

#[test]
fn a_lossy_link_delays_and_a_hopeless_one_breaks() {
    simulate(|world| async move {
        let seen = ticking(&world, Duration::from_secs(1));
        world.sleep(500 * MS).await;
        let fault = fault(&world);
        world.lossy(fault, &[link("client", "server")], 300_000);
        world.sleep(100 * SECOND).await;
        assert!(arrived(&seen) >= 95, "{}", arrived(&seen));
        let late = seen.arrived.borrow().iter().filter(|(n, at)| *at > 1000 * (*n as u64 + 1) + 100).count();
        assert!((10..60).contains(&late), "{late} of 100 were late");
        assert_eq!(seen.client_end.get(), None);
        world.heal(fault);
        world.lossy(fault, &[link("client", "server")], 1_000_000);
        world.sleep(60 * SECOND).await;
        assert_eq!(seen.client_end.get().unwrap().1, CloseReason::TimedOut);
    });
}

#[test]
fn a_full_window_over_a_cut_of_the_acknowledgements_holds_the_sender_up() {
    simulate(|world| async move {
        let sent = Rc::new(Cell::new(0));
        let sent2 = sent.clone();
        idling(&world, "server", |host| async move {
            let listener = host.listen(PORT, FRAMING).await.unwrap();
            let mut connection = listener.accept().await;
            while connection.receiver.next().await.is_ok() {}
        });
        idling(&world, "client", move |host| {
            let sent = sent2.clone();
            async move {
                let connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
                host.sleep(Duration::from_secs(1)).await;
                for n in 0.. {
                    if connection.sender.send(ROOT, frame(b'a', n, &[0; 100_000])).await.is_err() {
                        return;
                    }
                    sent.set(n);
                }
            }
        });
        world.sleep(500 * MS).await;
        world.cut(fault(&world), &[link("server", "client")]);
        world.sleep(10 * SECOND).await;
        assert_eq!(sent.get(), 10, "eleven frames of 100 kB fill a send buffer of 1 MiB");
    });
}
