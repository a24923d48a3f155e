//! What simulated and real hosts promise alike: each body runs on both.

// The client that the real host answers is a real one.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use host::real::{Addresses, End, Limits, NodeOptions, NodeThread, SharedRecorder};
use host::{Address, CloseReason, ConnectFailure, Connection, Host, LocalBoxFuture, Open, Time};
use rand::Rng;
use trace::{EventKind, Mode, Name, StopReason};

use crate::support::*;

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A directory that is removed in the end.
pub struct Directory(std::path::PathBuf);

impl Directory {
    pub fn new(name: &str) -> Directory {
        let directory = std::env::temp_dir().join(format!("odradek-host-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        Directory(directory)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn real_options(directory: &Directory, addresses: Addresses, recorder: &SharedRecorder) -> NodeOptions {
    NodeOptions {
        name: Name::new("server"),
        incarnation: 0,
        data: directory.0.clone(),
        addresses: Arc::new(addresses),
        recorder: Some(recorder.clone()),
        seed: Some(1),
        limits: Limits::default(),
    }
}

/// Runs `body` as the main function of a node called `server`, on both hosts; PORT is free to listen on.
fn conform<F: Future<Output = ()> + 'static>(name: &str, body: impl Fn(Host) -> F + Clone + Send + 'static) {
    let simulated = body.clone();
    simulate(|world| async move {
        node(&world, "server", simulated);
        world.sleep(100 * SECOND).await;
        check_events(&events(&world), "simulated");
    });
    let (directory, recorder) = (Directory::new(name), SharedRecorder::new(Mode::None));
    let address = (server(), ([127, 0, 0, 1], free_port()).into());
    let options = real_options(&directory, Addresses::from([address]), &recorder);
    let thread = NodeThread::start(options, move |host| -> LocalBoxFuture<()> { Box::pin(body(host)) }).unwrap();
    assert_eq!(thread.join(), End::Exited, "on the real host");
    let mut events = Vec::new();
    recorder.take_events(&mut events);
    check_events(&events, "real");
}

/// The node ran to its end, and every cause came before.
fn check_events(events: &[trace::Event], host: &str) {
    let panics = events.iter().find(|event| matches!(event.kind, EventKind::NodePanicked { .. }));
    assert_eq!(panics, None, "on the {host} host");
    let exit = EventKind::NodeStopped { reason: StopReason::Exit };
    assert_eq!(events.iter().filter(|event| event.kind == exit).count(), 1, "on the {host} host");
    assert!(events.iter().all(|event| event.cause < event.id), "on the {host} host");
    for event in events {
        if let EventKind::FrameDelivered(delivered) = event.kind {
            let cause = events.iter().find(|cause| cause.id == event.cause).map(|cause| &cause.kind);
            assert_eq!(cause, Some(&EventKind::FrameSent(delivered)), "on the {host} host");
        }
    }
}

/// A connection of the node to itself: its connecting and its accepting end.
async fn both_ends(host: &Host) -> (Connection, Connection) {
    let listener = host.listen(PORT, FRAMING).await.unwrap();
    let near = host.connect(server(), FRAMING, ROOT).await.ok().unwrap();
    (near, listener.accept().await)
}

#[test]
fn identity_clock_and_entropy() {
    conform("identity", |host| async move {
        assert_eq!((host.name().as_str(), host.incarnation()), ("server", 0));
        let before = host.now();
        host.sleep(Duration::from_millis(20)).await;
        assert!(host.now() >= before + Duration::from_millis(20));
        assert!(before > Time::ZERO);
        host.sleep_until(Time::ZERO).await;
        assert!(host.wall() > 1_600_000_000_000);
        assert_eq!(host.entropy("a").next_u64(), host.entropy("a").next_u64());
        assert_ne!(host.entropy("a").next_u64(), host.entropy("b").next_u64());
    });
}

#[test]
fn tasks_timeouts_and_cancellation() {
    conform("tasks", |host| async move {
        let log = Rc::new(RefCell::new(Vec::new()));
        let say = |what: &'static str, after: u64| {
            let (host, log) = (host.clone(), log.clone());
            async move {
                host.sleep(Duration::from_millis(after)).await;
                log.borrow_mut().push(what);
            }
        };
        host.spawn("late", say("late", 60));
        host.spawn("early", say("early", 20));
        host.spawn("never", say("never", 40)).cancel();
        assert!(host.timeout(Duration::from_millis(1), say("neither", 30)).await.is_err());
        assert_eq!(host.timeout(Duration::ZERO, async { 7 }).await, Ok(7));
        host.yield_now().await;
        host.sleep(Duration::from_millis(120)).await;
        assert_eq!(*log.borrow(), ["early", "late"]);
    });
}

#[test]
fn frames_flow_both_ways_in_order() {
    conform("frames", |host| async move {
        let (mut near, mut far) = both_ends(&host).await;
        assert_eq!(near.peer.as_str(), "server");
        for n in 0..100 {
            near.sender.send(ROOT, frame(b'a', n, &vec![n as u8; n as usize * 100])).await.unwrap();
        }
        for n in 0..100 {
            let request = far.receiver.next().await.unwrap();
            assert_eq!(request.bytes, frame(b'a', n, &vec![n as u8; n as usize * 100]));
            far.sender.send(request.cause, frame(0, n, b"")).await.unwrap();
        }
        for n in 0..100 {
            assert_eq!(number(&near.receiver.next().await.unwrap().bytes), n);
        }
    });
}

#[test]
fn back_pressure_holds_a_sender_up_until_the_receiver_reads() {
    conform("pressure", |host| async move {
        let (near, mut far) = both_ends(&host).await;
        let sending = async {
            for n in 0..100 {
                near.sender.send(ROOT, frame(b'a', n, &[0; 1 << 20])).await.unwrap();
            }
        };
        assert!(host.timeout(Duration::from_millis(500), sending).await.is_err());
        assert_eq!(number(&far.receiver.next().await.unwrap().bytes), 0);
        assert_eq!(number(&far.receiver.next().await.unwrap().bytes), 1, "a cancelled send leaves no half frame");
    });
}

#[test]
fn closing_ends_the_peer_after_what_was_sent() {
    conform("closing", |host| async move {
        let (near, mut far) = both_ends(&host).await;
        near.sender.send(ROOT, frame(b'a', 1, b"")).await.unwrap();
        drop(near);
        assert_eq!(number(&far.receiver.next().await.unwrap().bytes), 1);
        assert_eq!(far.receiver.next().await.unwrap_err(), CloseReason::PeerClosed);
        assert_eq!(far.receiver.next().await.unwrap_err(), CloseReason::PeerClosed);
    });
}

#[test]
fn half_closing_leaves_the_other_direction_open() {
    conform("half-closing", |host| async move {
        let (mut near, mut far) = both_ends(&host).await;
        near.sender.close();
        assert_eq!(near.sender.send(ROOT, frame(b'a', 1, b"")).await, Err(CloseReason::Closed));
        assert_eq!(far.receiver.next().await.unwrap_err(), CloseReason::PeerClosed);
        far.sender.send(ROOT, frame(b'a', 2, b"")).await.unwrap();
        assert_eq!(number(&near.receiver.next().await.unwrap().bytes), 2);
    });
}

#[test]
fn who_sends_to_a_peer_that_is_gone_learns_of_it() {
    conform("gone", |host| async move {
        let (mut near, far) = both_ends(&host).await;
        near.sender.send(ROOT, frame(b'a', 1, b"never read")).await.unwrap();
        host.sleep(Duration::from_secs(1)).await;
        drop(far);
        let ended = host.timeout(Duration::from_secs(10), near.receiver.next()).await.unwrap().unwrap_err();
        assert!(matches!(ended, CloseReason::Reset | CloseReason::PeerClosed), "{ended:?}");
        let sending = async {
            loop {
                if let Err(ended) = near.sender.send(ROOT, frame(b'a', 2, b"")).await {
                    return ended;
                }
                host.sleep(Duration::from_millis(10)).await;
            }
        };
        assert_eq!(host.timeout(Duration::from_secs(10), sending).await, Ok(CloseReason::Reset));
    });
}

#[test]
fn a_frame_may_come_in_pieces_larger_than_any_buffer() {
    conform("large", |host| async move {
        let (near, mut far) = both_ends(&host).await;
        let large = frame(b'a', 1, &vec![7; 3 << 20]);
        let sent = large.clone();
        host.spawn("sender", async move {
            near.sender.send(ROOT, sent).await.unwrap();
            near.sender.send(ROOT, frame(b'a', 2, b"after")).await.unwrap();
            drop(near);
        });
        assert!(far.receiver.next().await.unwrap().bytes == large);
        assert_eq!(number(&far.receiver.next().await.unwrap().bytes), 2);
    });
}

#[test]
fn waiting_for_a_frame_can_be_given_up_and_taken_up_again() {
    conform("waiting", |host| async move {
        let (near, mut far) = both_ends(&host).await;
        for n in 0..3 {
            assert!(host.timeout(Duration::from_millis(20), far.receiver.next()).await.is_err());
            near.sender.send(ROOT, frame(b'a', n, b"late")).await.unwrap();
            assert_eq!(number(&far.receiver.next().await.unwrap().bytes), n);
        }
    });
}

#[test]
fn several_senders_of_one_connection_never_mix_their_frames() {
    conform("senders", |host| async move {
        let (near, mut far) = both_ends(&host).await;
        for sender in 0..4 {
            let (host, connection) = (host.clone(), near.sender.clone());
            host.clone().spawn("sender", async move {
                for n in 0..50 {
                    let body = vec![sender as u8; 10_000];
                    connection.send(ROOT, frame(b'a', sender * 100 + n, &body)).await.unwrap();
                    host.yield_now().await;
                }
            });
        }
        let mut next = [0; 4];
        for _ in 0..200 {
            let number = number(&far.receiver.next().await.unwrap().bytes);
            let (sender, n) = ((number / 100) as usize, number % 100);
            assert_eq!(n, next[sender], "each sender's frames keep their order");
            next[sender] += 1;
        }
    });
}

#[test]
fn clocks_go_on_and_timers_fire_in_order() {
    conform("clock", |host| async move {
        let (now, wall) = (host.now(), host.wall());
        let fired = Rc::new(RefCell::new(Vec::new()));
        for after in [90_u64, 30, 60] {
            let (own, fired) = (host.clone(), fired.clone());
            host.spawn("timer", async move {
                own.sleep_until(now + Duration::from_millis(after)).await;
                assert!(own.now() >= now + Duration::from_millis(after), "no timer is early");
                fired.borrow_mut().push(after);
            });
        }
        host.sleep(Duration::from_millis(150)).await;
        assert_eq!(*fired.borrow(), [30, 60, 90]);
        assert!(host.now().since(now) >= Duration::from_millis(150));
        assert!(host.wall() - wall >= 100, "the wall clock goes on too");
        host.sleep(Duration::ZERO).await;
        assert!(host.timeout(Duration::ZERO, std::future::pending::<()>()).await.is_err());
    });
}

#[test]
fn connecting_to_nobody_fails() {
    conform("nobody", |host| async move {
        assert_eq!(host.connect(server(), FRAMING, ROOT).await.err(), Some(ConnectFailure::Refused));
        let nowhere = Address::new("no-such-node.invalid", 1);
        assert_eq!(host.connect(nowhere, FRAMING, ROOT).await.err(), Some(ConnectFailure::Unknown));
        let listener = host.listen(PORT, FRAMING).await.unwrap();
        assert_eq!(host.listen(PORT, FRAMING).await.err().map(|error| error.kind()), Some(ErrorKind::AddrInUse));
        drop(listener);
        host.listen(PORT, FRAMING).await.unwrap();
    });
}

#[test]
fn files_are_written_read_and_cut() {
    conform("files", |host| async move {
        let disk = host.disk();
        disk.admit(100).await;
        assert_eq!(disk.open("a", Open::Existing).err().map(|error| error.kind()), Some(ErrorKind::NotFound));
        let file = disk.open("a", Open::New).unwrap();
        assert_eq!(disk.open("a", Open::New).err().map(|error| error.kind()), Some(ErrorKind::AlreadyExists));
        assert_eq!(file.append(b"hello ").unwrap(), 0);
        assert_eq!(disk.open("a", Open::Create).unwrap().append(b"world").unwrap(), 6);
        assert_eq!(file.len(), 11);
        assert_eq!(file.read_at(6, 100).unwrap(), "world");
        assert_eq!(file.read_at(100, 1).unwrap(), "");
        file.write_at(0, b"HELLO").unwrap();
        file.write_at(13, b"!").unwrap();
        assert_eq!(disk.read("a").unwrap(), b"HELLO world\0\0!");
        file.set_len(5).unwrap();
        file.set_len(7).unwrap();
        file.sync().await.unwrap();
        assert_eq!(disk.read("a").unwrap(), b"HELLO\0\0");
        assert!(disk.free_space() > 0);
    });
}

#[test]
fn directories_are_listed_renamed_and_deleted() {
    conform("directories", |host| async move {
        let disk = host.disk();
        disk.create_dir_all("logs/orders-0").unwrap();
        disk.create_dir_all("logs/orders-0").unwrap();
        disk.open("logs/orders-0/2.log", Open::Create).unwrap();
        disk.open("logs/orders-0/10.log", Open::Create).unwrap().append(b"x").unwrap();
        let names = |dir: &str| -> Vec<(String, bool)> {
            disk.list(dir).unwrap().into_iter().map(|entry| (entry.name, entry.directory)).collect()
        };
        assert_eq!(names("logs/orders-0"), [("10.log".into(), false), ("2.log".into(), false)]);
        assert_eq!(names("logs"), [("orders-0".into(), true)]);
        disk.rename("logs/orders-0/10.log", "logs/orders-0/2.log").unwrap();
        assert_eq!(disk.read("logs/orders-0/2.log").unwrap(), b"x", "a file is replaced");
        disk.rename("logs/orders-0", "logs/orders-0.deleted").unwrap();
        disk.sync_dir("logs").await.unwrap();
        assert!(disk.exists("logs/orders-0.deleted/2.log") && !disk.exists("logs/orders-0"));
        disk.create_dir_all("other").unwrap();
        let taken = disk.rename("other", "logs").map_err(|error| error.kind());
        assert_eq!(taken, Err(ErrorKind::AlreadyExists));
        disk.delete("logs/orders-0.deleted/2.log").unwrap();
        let gone = disk.delete("logs/orders-0.deleted/2.log").map_err(|error| error.kind());
        assert_eq!(gone, Err(ErrorKind::NotFound));
        disk.delete_dir_all("logs").unwrap();
        assert_eq!(names(""), [("other".into(), true)]);
        assert_eq!(disk.list("logs").map_err(|error| error.kind()), Err(ErrorKind::NotFound));
    });
}

#[test]
fn the_disk_says_what_is_wrong() {
    conform("errors", |host| async move {
        let disk = host.disk();
        disk.create_dir_all("dir").unwrap();
        disk.open("dir/file", Open::New).unwrap().append(b"x").unwrap();
        let kind = |result: std::io::Result<()>| result.map_err(|error| error.kind());
        assert_eq!(kind(disk.create_dir_all("dir/file/below")), Err(ErrorKind::NotADirectory));
        assert_eq!(kind(disk.list("dir/file").map(drop)), Err(ErrorKind::NotADirectory));
        assert_eq!(kind(disk.delete("dir")), Err(ErrorKind::IsADirectory));
        assert_eq!(kind(disk.delete_dir_all("dir/file")), Err(ErrorKind::NotADirectory));
        assert_eq!(kind(disk.open("none/file", Open::Create).map(drop)), Err(ErrorKind::NotFound));
        assert_eq!(kind(disk.open("dir/none", Open::Existing).map(drop)), Err(ErrorKind::NotFound));
        assert_eq!(kind(disk.rename("none", "other")), Err(ErrorKind::NotFound));
        assert_eq!(kind(disk.rename("dir/file", "none/file")), Err(ErrorKind::NotFound));
        assert_eq!(kind(disk.delete_dir_all("none")), Err(ErrorKind::NotFound));
        assert_eq!(kind(disk.sync_dir("none").await), Err(ErrorKind::NotFound));
        assert_eq!(kind(disk.read("none").map(drop)), Err(ErrorKind::NotFound));
        assert_eq!(disk.read("dir/file").unwrap(), b"x", "nothing of that did anything");
    });
}

#[test]
fn an_open_file_outlives_its_name() {
    conform("names", |host| async move {
        let disk = host.disk();
        let file = disk.open("old", Open::New).unwrap();
        file.append(b"first").unwrap();
        file.sync().await.unwrap();
        disk.sync_dir("").await.unwrap();
        disk.rename("old", "new").unwrap();
        file.append(b" second").unwrap();
        assert_eq!(disk.read("new").unwrap(), b"first second");
        disk.delete("new").unwrap();
        file.append(b" third").unwrap();
        file.sync().await.unwrap();
        assert_eq!(file.read_at(0, 100).unwrap(), "first second third");
        assert!(!disk.exists("new") && !disk.exists("old"));
        let again = disk.open("new", Open::New).unwrap();
        assert_eq!((again.len(), file.len()), (0, 18), "a new file of that name is another");
    });
}

#[test]
fn an_atomic_write_replaces_a_file() {
    conform("atomic", |host| async move {
        host.disk().create_dir_all("meta").unwrap();
        for content in ["first, and longer", "second"] {
            host.disk().write_atomically("meta/checkpoint", content.as_bytes()).await.unwrap();
            assert_eq!(host.disk().read("meta/checkpoint").unwrap(), content.as_bytes());
        }
        assert_eq!(host.disk().list("meta").unwrap().len(), 1, "no temporary file stays");
    });
}
