//! The same broker and ensemble on real sockets and files, asked by a plain TCP client.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use broker::{BrokerConfig, Flaws};
use host::real::{Addresses, End, Limits, NodeOptions, NodeThread, SharedRecorder};
use host::{Address, Host, LocalBoxFuture};
use trace::{Mode, Name};
use wire::kafka::messages::{ApiVersionsRequest, MetadataRequest};
use wire::kafka::{Request, RequestHeader, Response, decode_response, encode_request};
use zookeeper::MemberConfig;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start(
    name: &str,
    root: &std::path::Path,
    addresses: &Arc<Addresses>,
    boot: impl FnOnce(Host) -> LocalBoxFuture<()> + Send + 'static,
) -> NodeThread {
    let options = NodeOptions {
        name: Name::new(name),
        incarnation: 0,
        data: root.join(name),
        addresses: addresses.clone(),
        recorder: Some(SharedRecorder::new(Mode::None)),
        seed: Some(1),
        limits: Limits::default(),
    };
    NodeThread::start(options, boot).unwrap()
}

fn ask(address: SocketAddr, version: i16, request: impl Into<Request>) -> Option<Response> {
    let request = request.into();
    let api = request.api();
    let frame = encode_request(&RequestHeader::new(api, version, 7, None), &request).unwrap();
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(&frame).ok()?;
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).ok()?;
    let mut answer = prefix.to_vec();
    answer.resize(4 + u32::from_be_bytes(prefix) as usize, 0);
    stream.read_exact(&mut answer[4..]).ok()?;
    let (correlation, response) = decode_response(api.key(), version, answer.into()).unwrap();
    assert_eq!(correlation, 7);
    Some(response)
}

#[test]
fn the_same_broker_serves_real_sockets() {
    let root: PathBuf = std::env::temp_dir().join(format!("odradek-broker-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&root);
    let socket = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let port = free_port();
    let addresses = Arc::new(Addresses::from([
        (Address::new("zk-1", 2181), socket(free_port())),
        (Address::new("zk-1", 2888), socket(free_port())),
        (Address::new("zk-1", 3888), socket(free_port())),
        (Address::new("broker-1", 9092), socket(port)),
    ]));
    let ensemble = start("zk-1", &root, &addresses, |host| {
        Box::pin(zookeeper::run_member(host, MemberConfig::new(1, BTreeMap::from([(1, Name::new("zk-1"))]))))
    });
    let broker = start("broker-1", &root, &addresses, move |host| {
        let config = BrokerConfig {
            id: 1,
            rack: None,
            port: 9092,
            // What a client is told is where it can really connect to.
            advertised: Address::new("127.0.0.1", port),
            zookeeper: vec![Address::new("zk-1", 2181)],
            settings: BTreeMap::new(),
            flaws: Flaws::NONE,
            data: "data".to_owned(),
        };
        Box::pin(broker::run_broker(host, config))
    });
    let begun = std::time::Instant::now();
    let known = loop {
        assert!(begun.elapsed() < Duration::from_secs(60), "the broker does not come up");
        match ask(socket(port), 12, MetadataRequest::default().with_topics(Some(Vec::new()))) {
            Some(Response::Metadata(response)) if !response.brokers.is_empty() => break response,
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    assert_eq!((known.controller_id.0, known.brokers[0].port), (1, i32::from(port)));
    let Some(Response::ApiVersions(versions)) = ask(socket(port), 3, ApiVersionsRequest::default()) else {
        panic!("no answer to ApiVersions")
    };
    assert!(versions.error_code == 0 && versions.api_keys.iter().any(|api| api.api_key == 0));
    for node in [broker, ensemble] {
        node.stopper.stop();
        assert_eq!(node.join(), End::Stopped);
    }
    let _ = std::fs::remove_dir_all(&root);
}
