//! Asks nodes from outside whether they serve, as a client would.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use wire::kafka::messages::MetadataRequest;
use wire::kafka::{Api, Request, RequestHeader, Response, decode_response, encode_request};

use crate::{Layout, Node};

const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);
const VERSION: i16 = 12;
/// A cluster of a few brokers without topics is described in far less.
const MOST: usize = 1 << 20;

/// Finds out, on a thread of its own, when nodes are ready: each broker answers Metadata with a controller and the
/// brokers that it should know, each member takes connections.
pub struct Probe {
    ready: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Probe {
    /// Begins to ask `nodes`. Where they are the whole cluster, all brokers must know of each other; else each of itself.
    pub fn start(layout: &Layout, nodes: &[Node]) -> Probe {
        let whole = nodes.len() == layout.nodes().len();
        let known = if whole { layout.brokers() as usize } else { 1 };
        let mut asked: Vec<(Node, SocketAddr)> =
            nodes.iter().map(|node| (*node, layout.client_socket(*node))).collect();
        let (ready, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (told, stopped) = (ready.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                asked.retain(|(node, socket)| !serves(*node, *socket, known));
                if asked.is_empty() {
                    return told.store(true, Ordering::Relaxed);
                }
                std::thread::sleep(PAUSE);
            }
        });
        Probe { ready, stop, thread: Some(thread) }
    }

    /// Whether all are ready.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it asks for at most a few seconds more
        }
    }
}

fn serves(node: Node, socket: SocketAddr, known: usize) -> bool {
    match node {
        Node::Member(_) => TcpStream::connect_timeout(&socket, PATIENCE).is_ok(),
        Node::Broker(id) => match describe_cluster(socket) {
            Ok(Response::Metadata(response)) => {
                let itself = response.brokers.iter().any(|broker| broker.node_id.0 == id);
                itself && response.brokers.len() >= known && response.controller_id.0 >= 0
            }
            _ => false,
        },
    }
}

/// Asks a broker for the cluster without its topics.
fn describe_cluster(socket: SocketAddr) -> io::Result<Response> {
    let request: Request = MetadataRequest::default().with_topics(Some(Vec::new())).into();
    let header = RequestHeader::new(Api::Metadata, VERSION, 1, None);
    let frame = encode_request(&header, &request).map_err(io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&socket, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&frame)?;
    let mut answer = vec![0; 4];
    stream.read_exact(&mut answer)?;
    let length = u32::from_be_bytes([answer[0], answer[1], answer[2], answer[3]]) as usize;
    if length > MOST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    answer.resize(4 + length, 0);
    stream.read_exact(&mut answer[4..])?;
    let (_, response) = decode_response(Api::Metadata.key(), VERSION, answer.into()).map_err(io::Error::other)?;
    Ok(response)
}
