//! What a world of real nodes promises: faults at its network door, processes that are stopped from outside, files that stay.

// Its sockets and files are real.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use host::real::{RealWorld, WorldOptions};
use host::sim::Latency;
use host::{Address, CloseReason, ConnectFailure, Connection, Host, LocalBoxFuture};
use trace::{Event, EventKind, Mode, Name};

use crate::support::*;

/// Runs a world whose files are removed in the end.
fn really<F: Future<Output = ()> + 'static>(test: &str, main: impl FnOnce(RealWorld) -> F + Send + 'static) {
    let data = std::env::temp_dir().join(format!("odradek-world-{}-{test}", std::process::id()));
    let options = WorldOptions { seed: 1, trace: Mode::Full, data: data.clone() };
    let done = host::real::run(options, |world| Box::pin(main(world)));
    let _ = std::fs::remove_dir_all(data);
    done.unwrap_or_else(|panic| panic!("{panic}"));
}

fn node<F: Future<Output = ()> + 'static>(world: &RealWorld, name: &str, boot: impl Fn(Host) -> F + 'static) {
    world.add_node(name, move |host| -> LocalBoxFuture<()> { Box::pin(boot(host)) });
    world.start(name, ROOT);
}

type Log = Rc<RefCell<Vec<i32>>>;

/// Waits until something is so; tests wait for conditions, never for times.
async fn until(world: &RealWorld, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = world.now_ns() + 20 * SECOND;
    while !holds() {
        assert!(world.now_ns() < deadline, "waited in vain until {what}");
        world.sleep(MS).await;
    }
}

/// A server that notes every frame's number and answers it.
async fn serve(host: Host, log: Log) {
    let listener = host.listen(PORT, FRAMING).await.unwrap();
    loop {
        let mut connection = listener.accept().await;
        assert_eq!(connection.peer, Name::new("client"));
        let log = log.clone();
        host.spawn("connection", async move {
            while let Ok(request) = connection.receiver.next().await {
                log.borrow_mut().push(number(&request.bytes));
                let answer = frame(0, number(&request.bytes), b"");
                if connection.sender.send(request.cause, answer).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn connect(host: &Host) -> Connection {
    loop {
        match host.connect(Address::new("server", PORT), FRAMING, ROOT).await {
            Ok(connection) => return connection,
            Err(_) => host.sleep(Duration::from_millis(5)).await,
        }
    }
}

/// A client that sends a frame every 2 ms, from number 0 on, over one connection.
async fn send(host: Host) {
    let connection = connect(&host).await;
    for n in 0.. {
        if connection.sender.send(ROOT, frame(b'a', n, b"")).await.is_err() {
            return;
        }
        host.sleep(Duration::from_millis(2)).await;
    }
}

fn links(from: &str, to: &str) -> [(Name, Name); 1] {
    [(Name::new(from), Name::new(to))]
}

fn events(world: &RealWorld) -> Vec<Event> {
    let mut events = Vec::new();
    world.take_events(&mut events);
    events
}

fn is_in_order(log: &Log) -> bool {
    log.borrow().iter().copied().eq(0..log.borrow().len() as i32)
}

/// A server and a client that sends to it; the server's log.
fn pair(world: &RealWorld) -> Log {
    let log = Log::default();
    let served = log.clone();
    node(world, "server", move |host| serve(host, served.clone()));
    node(world, "client", send);
    log
}

#[test]
fn a_cut_link_holds_frames_back_until_it_is_healed_and_they_arrive_in_order() {
    really("cut", |world| async move {
        let log = pair(&world);
        until(&world, "frames flow", || log.borrow().len() > 5).await;
        let fault = world.emit(ROOT, EventKind::RunEnded);
        world.cut(fault, &links("client", "server"));
        world.sleep(20 * MS).await; // what was on its way arrives
        let before = log.borrow().len();
        until(&world, "a frame waits at the door", || world.links_hit(fault) > 0).await;
        world.sleep(100 * MS).await;
        assert_eq!(log.borrow().len(), before, "nothing passes");
        world.heal(fault);
        until(&world, "what waited arrives", || log.borrow().len() > before + 20).await;
        assert!(is_in_order(&log), "{:?}", log.borrow());
    });
}

#[test]
fn connecting_over_a_cut_link_waits_and_over_none_to_nobody_is_refused() {
    really("connect", |world| async move {
        let fault = world.emit(ROOT, EventKind::RunEnded);
        world.cut(fault, &links("server", "client"));
        let answers = Rc::new(RefCell::new(Vec::new()));
        let got = answers.clone();
        node(&world, "server", |host| serve(host, Log::default()));
        node(&world, "client", move |host| {
            let got = got.clone();
            async move {
                let nobody = host.connect(Address::new("nobody", PORT), FRAMING, ROOT).await;
                got.borrow_mut().push(nobody.err());
                let connected = host.connect(Address::new("server", PORT), FRAMING, ROOT).await;
                got.borrow_mut().push(connected.err());
                pending().await
            }
        });
        until(&world, "it waits", || world.links_hit(fault) > 0).await;
        world.sleep(50 * MS).await;
        assert_eq!(*answers.borrow(), [Some(ConnectFailure::Refused)]);
        world.heal(fault);
        until(&world, "it connects", || answers.borrow().len() == 2).await;
        assert_eq!(answers.borrow()[1], None);
    });
}

#[test]
fn a_slow_link_delays_each_frame_but_not_one_after_the_other() {
    really("slow", |world| async move {
        let spent = Rc::new(RefCell::new(Vec::new()));
        let noted = spent.clone();
        node(&world, "server", |host| serve(host, Log::default()));
        let fault = world.emit(ROOT, EventKind::RunEnded);
        world.slow(fault, &links("client", "server"), Latency { p50_ns: 200 * MS, p99_ns: 200 * MS });
        node(&world, "client", move |host| {
            let noted = noted.clone();
            async move {
                let mut connection = connect(&host).await;
                let began = host.now();
                for n in 0..50 {
                    connection.sender.send(ROOT, frame(b'a', n, b"")).await.unwrap();
                }
                for _ in 0..50 {
                    connection.receiver.next().await.unwrap();
                    noted.borrow_mut().push(host.now() - began);
                }
                pending().await
            }
        });
        until(&world, "all are answered", || spent.borrow().len() == 50).await;
        assert!(spent.borrow()[0] >= Duration::from_millis(199), "{:?}", spent.borrow());
        assert!(
            spent.borrow()[49] < Duration::from_secs(5),
            "fifty times the latency would be 10 s: {:?}",
            spent.borrow()
        );
        assert!(world.links_hit(fault) >= 50);
    });
}

#[test]
fn a_paused_process_stands_still_while_its_kernel_takes_frames_and_goes_on_when_resumed() {
    really("pause", |world| async move {
        let log = pair(&world);
        until(&world, "frames flow", || log.borrow().len() > 5).await;
        world.pause("server", ROOT);
        assert!(world.is_up("server") && world.is_paused("server"));
        events(&world);
        let before = log.borrow().len();
        world.sleep(100 * MS).await;
        assert_eq!(log.borrow().len(), before);
        let while_paused = events(&world);
        assert!(while_paused.iter().all(|event| event.node != Name::new("server")), "{while_paused:?}");
        let sent = |event: &Event| matches!(event.kind, EventKind::FrameSent(_)) && event.node == Name::new("client");
        assert!(while_paused.iter().filter(|event| sent(event)).count() > 5, "the client goes on");
        world.resume("server", ROOT);
        until(&world, "it catches up", || log.borrow().len() > before + 20).await;
        assert!(is_in_order(&log) && !world.is_paused("server"));
    });
}

#[test]
fn killing_a_process_closes_its_connections_and_nobody_listens_any_more() {
    really("kill", |world| async move {
        let ends = Rc::new(RefCell::new(Vec::new()));
        let seen = ends.clone();
        node(&world, "server", |host| serve(host, Log::default()));
        node(&world, "client", move |host| {
            let seen = seen.clone();
            async move {
                let mut connection = connect(&host).await;
                seen.borrow_mut().push("connected".to_owned());
                let ended = connection.receiver.next().await.unwrap_err();
                assert!(matches!(ended, CloseReason::PeerClosed | CloseReason::Reset));
                let again = host.connect(Address::new("server", PORT), FRAMING, ROOT).await;
                seen.borrow_mut().push(format!("{:?}", again.err()));
                pending().await
            }
        });
        until(&world, "it is connected", || ends.borrow().len() == 1).await;
        let stopped = world.kill("server", ROOT);
        assert!(stopped > ROOT && !world.is_up("server"));
        assert_eq!(world.kill("server", ROOT), ROOT, "who is down stays down");
        until(&world, "its client knows", || ends.borrow().len() == 2).await;
        assert_eq!(ends.borrow()[1], "Some(Refused)");
        assert!(events(&world).iter().all(|event| !matches!(event.kind, EventKind::NodePanicked { .. })));
    });
}

#[test]
fn who_dies_behind_a_cut_link_is_not_missed_until_it_is_healed() {
    really("silent", |world| async move {
        let ended = Rc::new(RefCell::new(None));
        let (seen, connected) = (ended.clone(), Rc::new(RefCell::new(false)));
        let mark = connected.clone();
        node(&world, "server", |host| serve(host, Log::default()));
        node(&world, "client", move |host| {
            let (seen, mark) = (seen.clone(), mark.clone());
            async move {
                let mut connection = connect(&host).await;
                connection.sender.send(ROOT, frame(b'a', 0, b"")).await.unwrap();
                connection.receiver.next().await.unwrap();
                *mark.borrow_mut() = true;
                *seen.borrow_mut() = connection.receiver.next().await.err();
                pending().await
            }
        });
        until(&world, "they are connected", || *connected.borrow()).await;
        let fault = world.emit(ROOT, EventKind::RunEnded);
        world.cut(fault, &links("server", "client"));
        world.kill("server", fault);
        world.sleep(100 * MS).await;
        assert_eq!(*ended.borrow(), None);
        world.heal(fault);
        until(&world, "it is missed", || ended.borrow().is_some()).await;
    });
}

#[test]
fn reset_connections_end_at_both_ends_and_new_ones_succeed() {
    really("reset", |world| async move {
        let ends = Rc::new(RefCell::new(Vec::new()));
        let seen = ends.clone();
        node(&world, "server", |host| serve(host, Log::default()));
        node(&world, "client", move |host| {
            let seen = seen.clone();
            async move {
                loop {
                    let mut connection = connect(&host).await;
                    seen.borrow_mut().push(None);
                    let ended = connection.receiver.next().await.err();
                    seen.borrow_mut().push(ended);
                }
            }
        });
        until(&world, "they are connected", || !ends.borrow().is_empty()).await;
        world.sleep(20 * MS).await; // the other end accepts
        let fault = world.emit(ROOT, EventKind::RunEnded);
        assert_eq!(world.reset_connections(fault, &[Name::new("server")], &[Name::new("client")]), 1);
        until(&world, "they are connected anew", || ends.borrow().len() == 3).await;
        assert_eq!(*ends.borrow(), [None, Some(CloseReason::Reset), None]);
        let reset =
            |event: &&Event| matches!(event.kind, EventKind::ConnectionClosed { reason: CloseReason::Reset, .. });
        assert_eq!(events(&world).iter().filter(reset).map(|event| event.cause).collect::<Vec<_>>(), [fault, fault]);
    });
}

#[test]
fn a_restarted_node_finds_its_files_and_the_world_sees_them() {
    really("restart", |world| async move {
        let found = Rc::new(RefCell::new(Vec::new()));
        let noted = found.clone();
        node(&world, "server", move |host| {
            let noted = noted.clone();
            async move {
                noted.borrow_mut().push((host.incarnation(), host.disk().read("file").ok()));
                host.disk().write_atomically("file", b"kept").await.unwrap();
                pending().await
            }
        });
        let disk = world.disk("server");
        until(&world, "the file is there", || disk.read("file").is_ok()).await;
        let stopped = world.kill("server", ROOT);
        let started = world.start("server", stopped);
        until(&world, "it looks for it", || found.borrow().len() == 2).await;
        assert_eq!(*found.borrow(), [(0, None), (1, Some(b"kept".to_vec()))]);
        assert_eq!(disk.list("").unwrap().iter().filter(|entry| entry.name == "file").count(), 1);
        let event = events(&world).into_iter().find(|event| event.id == started).unwrap();
        assert_eq!((event.cause, event.kind), (stopped, EventKind::NodeStarted { incarnation: 1 }));
    });
}

#[test]
fn a_panic_of_a_node_is_a_finding_and_one_of_the_world_ends_the_run() {
    really("panic", |world| async move {
        node(&world, "server", |_| async { panic!("oh") });
        until(&world, "it is down", || !world.is_up("server")).await;
        let panicked = |event: &&Event| matches!(event.kind, EventKind::NodePanicked { .. });
        assert_eq!(events(&world).iter().filter(panicked).count(), 1);
    });
    let options = WorldOptions { seed: 1, trace: Mode::None, data: std::env::temp_dir() };
    let ended = host::real::run(options, |world| {
        Box::pin(async move {
            world.spawn(async { panic!("the harness broke") });
            pending::<()>().await
        })
    });
    assert!(ended.unwrap_err().message.contains("the harness broke"));
}
