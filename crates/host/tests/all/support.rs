//! A tiny protocol, and short ways to build worlds.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use host::sim::{Latency, World, WorldOptions};
use host::{Address, BadFrame, Connection, Framing, Host, Label, LocalBoxFuture, Open};
use trace::{Event, EventId, EventKind, Mode, Name, Protocol};

pub const ROOT: EventId = EventId::ROOT;
pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1_000_000_000;
pub const PORT: u16 = 9092;

/// length (4 bytes, of what follows), API (1 byte: `a` is "Alpha", `b` is "Beta", 0 leaves it out), correlation id (4), payload.
pub const FRAMING: Framing = Framing { protocol: Protocol::Other, maximum: 16 << 20, length, describe };

fn length(buffered: &[u8]) -> Result<Option<usize>, BadFrame> {
    let Some(prefix) = buffered.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*prefix) as usize;
    if length < 5 { Err(BadFrame) } else { Ok(Some(4 + length)) }
}

fn describe(frame: &[u8], _: bool) -> Label {
    let api = match frame[4] {
        b'a' => Some(Name::new("Alpha")),
        b'b' => Some(Name::new("Beta")),
        _ => None,
    };
    Label { api, correlation: i32::from_be_bytes(frame[5..9].try_into().unwrap()) }
}

pub fn frame(api: u8, correlation: i32, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(9 + payload.len());
    frame.put_u32(5 + payload.len() as u32);
    frame.put_u8(api);
    frame.put_i32(correlation);
    frame.put_slice(payload);
    frame.freeze()
}

/// A frame's correlation id.
pub fn number(frame: &[u8]) -> i32 {
    i32::from_be_bytes(frame[5..9].try_into().unwrap())
}

pub fn options() -> WorldOptions {
    let constant = |ns| Latency { p50_ns: ns, p99_ns: ns };
    WorldOptions { trace: Mode::Full, latency: constant(MS), disk_sync: constant(2 * MS), ..WorldOptions::default() }
}

/// Runs a world; panics if the run itself fails.
pub fn simulate<T: Send + 'static, F: Future<Output = T> + 'static>(
    main: impl FnOnce(World) -> F + Send + 'static,
) -> T {
    simulate_with(options(), main)
}

pub fn simulate_with<T: Send + 'static, F: Future<Output = T> + 'static>(
    options: WorldOptions,
    main: impl FnOnce(World) -> F + Send + 'static,
) -> T {
    host::sim::run(options, |world| Box::pin(main(world))).unwrap_or_else(|panic| panic!("{panic}"))
}

/// Adds a node and starts it.
pub fn node<F: Future<Output = ()> + 'static>(world: &World, name: &str, boot: impl Fn(Host) -> F + 'static) {
    world.add_node(name, move |host| -> LocalBoxFuture<()> { Box::pin(boot(host)) });
    world.start(name, ROOT);
}

/// Adds a node that runs `boot` once and then idles.
pub fn idling<F: Future<Output = ()> + 'static>(world: &World, name: &str, boot: impl Fn(Host) -> F + 'static) {
    let boot = Rc::new(boot);
    node(world, name, move |host| {
        let boot = boot.clone();
        async move {
            boot(host).await;
            std::future::pending::<()>().await;
        }
    });
}

/// A process that answers every request with an equal frame without API.
pub async fn echo_server(host: Host) {
    let listener = host.listen(PORT, FRAMING).await.unwrap();
    loop {
        let connection = listener.accept().await;
        host.spawn("echo", echo(connection));
    }
}

pub async fn echo(mut connection: Connection) {
    while let Ok(request) = connection.receiver.next().await {
        let response = frame(0, number(&request.bytes), &request.bytes[9..]);
        if connection.sender.send(request.cause, response).await.is_err() {
            return;
        }
    }
}

pub fn server() -> Address {
    Address::new("server", PORT)
}

pub fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|name| Name::new(name)).collect()
}

pub fn link(from: &str, to: &str) -> (Name, Name) {
    (Name::new(from), Name::new(to))
}

/// Events so far, as the judge sees them.
pub fn events(world: &World) -> Vec<Event> {
    let mut events = Vec::new();
    world.take_events(&mut events);
    events
}

/// A fault's beginning, to name a fault by.
pub fn fault(world: &World) -> EventId {
    let (fault, kind, target) = (Name::new("fault"), Name::new("test"), Name::new("test"));
    world.emit(ROOT, EventKind::FaultBegan { fault, kind, target })
}

/// A process of one of the nodes `n-0` to `n-2`: it calls the others, answers, stores and syncs, all at random.
pub async fn peer(host: Host) {
    let listener = host.listen(PORT, FRAMING).await.unwrap();
    let (host2, host3) = (host.clone(), host.clone());
    host.spawn("accept", async move {
        loop {
            host2.spawn("echo", echo(listener.accept().await));
        }
    });
    host.spawn("store", async move {
        let mut entropy = host3.entropy("store");
        let file = host3.disk().open("log", Open::Create).unwrap();
        loop {
            file.append(&vec![7; entropy.below(5_000) as usize]).unwrap();
            host3.sleep(Duration::from_micros(entropy.below(20_000))).await;
            if entropy.below(4) == 0 {
                let _ = file.sync().await;
            }
        }
    });
    let mut entropy = host.entropy("call");
    for n in 0.. {
        let to = Address::new(format!("n-{}", entropy.below(3)).as_str(), PORT);
        let call = async {
            let Ok(mut connection) = host.connect(to, FRAMING, ROOT).await else { return };
            for _ in 0..entropy.below(10) {
                let burst = 1 + entropy.below(5);
                for _ in 0..burst {
                    if connection.sender.send(ROOT, frame(b'a', n, b"payload")).await.is_err() {
                        return;
                    }
                }
                for _ in 0..burst {
                    let _ = connection.receiver.next().await;
                }
            }
        };
        let _ = host.timeout(Duration::from_millis(900), call).await;
        host.sleep(Duration::from_millis(1)).await;
    }
}
