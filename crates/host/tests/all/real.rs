//! What only the real host does: it serves clients of any kind, and bears with all they do.

// The clients are plain sockets.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use host::real::{Addresses, End, Limits, NodeOptions, NodeThread, SharedRecorder};
use host::{CloseReason, Host, LocalBoxFuture};
use trace::{EventKind, Mode, Name, StopReason};

use crate::conformance::{Directory, free_port, real_options};
use crate::support::*;

/// A node that echoes on a real port.
struct Echoing {
    thread: NodeThread,
    port: u16,
    recorder: SharedRecorder,
    _directory: Directory,
}

impl Echoing {
    fn start(name: &str, limits: Limits) -> Echoing {
        let (directory, recorder, port) = (Directory::new(name), SharedRecorder::new(Mode::None), free_port());
        let addresses = Addresses::from([(server(), ([127, 0, 0, 1], port).into())]);
        let options = NodeOptions { limits, ..real_options(&directory, addresses, &recorder) };
        let (ready, listening) = std::sync::mpsc::channel();
        let boot = move |host: Host| -> LocalBoxFuture<()> {
            Box::pin(async move {
                let listener = host.listen(PORT, FRAMING).await.unwrap();
                ready.send(()).unwrap();
                loop {
                    host.spawn("echo", echo(listener.accept().await));
                }
            })
        };
        let thread = NodeThread::start(options, boot).unwrap();
        listening.recv().unwrap();
        Echoing { thread, port, recorder, _directory: directory }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        client.set_nodelay(true).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        client
    }

    /// Ends it, which must have gone on until now.
    fn stop(self) {
        self.thread.stopper.stop();
        assert_eq!(self.thread.join(), End::Stopped);
    }
}

#[test]
fn a_real_node_answers_a_real_client_and_ends_when_stopped() {
    let node = Echoing::start("client", Limits::default());
    let recorder = node.recorder.clone();
    let mut client = node.connect();
    let request = frame(b'a', 42, b"over a real socket");
    client.write_all(&request[..7]).unwrap();
    client.write_all(&request[7..]).unwrap();
    let mut response = vec![0; request.len()];
    client.read_exact(&mut response).unwrap();
    assert_eq!(response, frame(0, 42, b"over a real socket"));
    client.write_all(&[0, 0, 0, 1, 9]).unwrap(); // shorter than any frame: the connection is closed
    assert_eq!(client.read(&mut response).unwrap(), 0);
    node.stop();
    let mut events = Vec::new();
    recorder.take_events(&mut events);
    let answer = events.iter().find_map(|event| match event.kind {
        EventKind::FrameSent(info) => Some((info.api.as_str(), info.correlation, info.response)),
        _ => None,
    });
    assert_eq!(answer, Some(("Alpha", 42, true)));
    let bad =
        |event: &trace::Event| matches!(event.kind, EventKind::ConnectionClosed { reason: CloseReason::BadFrame, .. });
    assert!(events.iter().any(bad));
}

/// Whether the node answers on this connection, or has closed it.
fn answers(client: &mut TcpStream) -> bool {
    let request = frame(b'a', 1, b"are you there?");
    let mut response = vec![0; request.len()];
    client.write_all(&request).and_then(|()| client.read_exact(&mut response)).is_ok()
}

#[test]
fn a_connection_too_many_is_closed_and_the_others_are_served() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let node = Echoing::start("many", limits);
    let (mut first, mut second) = (node.connect(), node.connect());
    assert!(answers(&mut first) && answers(&mut second));
    assert!(!answers(&mut node.connect()));
    assert!(answers(&mut first));
    drop(second);
    let begun = std::time::Instant::now();
    while !answers(&mut node.connect()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "its place is never free again");
    }
    node.stop();
}

#[test]
fn an_idle_connection_is_closed_also_in_the_middle_of_a_frame() {
    let limits = Limits { idle: Duration::from_millis(200), ..Limits::default() };
    let node = Echoing::start("idle", limits);
    let (mut silent, mut halting) = (node.connect(), node.connect());
    assert!(answers(&mut silent));
    halting.write_all(&frame(b'a', 1, b"whole")[..9]).unwrap();
    let mut byte = [0];
    assert_eq!(silent.read(&mut byte).unwrap(), 0);
    assert_eq!(halting.read(&mut byte).unwrap(), 0);
    assert!(answers(&mut node.connect()));
    node.stop();
}

#[test]
fn a_client_that_never_reads_its_answers_is_closed_when_it_was_idle_for_long() {
    let limits = Limits { idle: Duration::from_millis(500), ..Limits::default() };
    let node = Echoing::start("unread", limits);
    let mut client = node.connect();
    let request = frame(b'a', 1, &vec![0; 1 << 20]);
    // It reads no more once too many answers wait, and in the end closes.
    let refused = (0..10_000).find_map(|_| client.write_all(&request).err());
    assert!(refused.is_some(), "it takes gigabytes");
    node.stop();
}

#[test]
fn a_panic_on_the_real_host_is_a_finding_and_ends_the_node() {
    let (directory, recorder) = (Directory::new("panic"), SharedRecorder::new(Mode::None));
    let options = real_options(&directory, Addresses::new(), &recorder);
    let boot = |host: Host| -> LocalBoxFuture<()> {
        Box::pin(async move {
            host.spawn("faulty", async { panic!("broken") });
            std::future::pending::<()>().await;
        })
    };
    let End::Panicked(message) = NodeThread::start(options, boot).unwrap().join() else { panic!("it goes on") };
    assert!(message.starts_with("broken at ") && message.contains("real.rs:"), "{message}");
    let mut events = Vec::new();
    recorder.take_events(&mut events);
    let kinds: Vec<_> = events.into_iter().map(|event| event.kind).collect();
    let finding = EventKind::NodePanicked { message: Name::new(&message) };
    let stopped = EventKind::NodeStopped { reason: StopReason::Panic };
    assert_eq!(kinds[1..], [finding, stopped]);
}
