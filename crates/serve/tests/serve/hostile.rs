//! Whatever bytes come, they cost the connection that they came on and nothing else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serve::Node;
use wire::kafka::messages::ApiVersionsRequest;
use wire::kafka::{Api, Request, RequestHeader, encode_request};

use crate::load::create_topic_with;
use crate::support::Served;

fn connect(socket: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Whether the other side has closed the connection, after whatever it had to say.
fn closes(stream: &mut TcpStream) -> bool {
    let mut answer = [0; 1024];
    loop {
        match stream.read(&mut answer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// Whether a broker answers ApiVersions on this connection.
fn answers(stream: &mut TcpStream) -> bool {
    let request: Request = ApiVersionsRequest::default().into();
    let frame = encode_request(&RequestHeader::new(Api::ApiVersions, 0, 7, None), &request).unwrap();
    let mut prefix = [0; 4];
    stream.write_all(&frame).and_then(|()| stream.read_exact(&mut prefix)).is_ok()
        && u32::from_be_bytes(prefix) > 4
        && stream.read_exact(&mut vec![0; u32::from_be_bytes(prefix) as usize]).is_ok()
}

/// A frame with a request header of this API and version, and a body.
fn request(api: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&api.to_be_bytes());
    frame.extend_from_slice(&version.to_be_bytes());
    frame.extend_from_slice(&1_i32.to_be_bytes());
    frame.extend_from_slice(&(-1_i16).to_be_bytes()); // no client id
    frame.extend_from_slice(body);
    let length = frame.len() as u32 - 4;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

#[test]
fn a_hostile_frame_closes_one_connection_and_nothing_else() {
    let mut served = Served::start(1, 1, &[]);
    let socket = served.layout.client_socket(Node::Broker(1));
    let mut honest = connect(socket);
    assert!(answers(&mut honest));
    let hostile: [(&str, Vec<u8>); 7] = [
        ("text", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("a length of 2 GiB", [&0x7fff_ffff_u32.to_be_bytes()[..], &[0; 64]].concat()),
        ("a negative length", [&(-1_i32).to_be_bytes()[..], &[0; 64]].concat()),
        ("a length of 0", vec![0; 4]),
        ("a frame too short for a header", vec![0, 0, 0, 2, 0, 18]),
        ("Metadata with 2 billion topics", request(3, 1, &i32::MAX.to_be_bytes())),
        ("Metadata with a compact array of 2^32 topics", request(3, 12, &[0, 0xff, 0xff, 0xff, 0xff, 0x0f])),
    ];
    for (what, bytes) in &hostile {
        let mut stream = connect(socket);
        stream.write_all(bytes).unwrap();
        assert!(closes(&mut stream), "{what}");
        assert!(answers(&mut honest), "after {what}");
    }
    served.check_alive();
    served.end();
}

#[test]
fn half_a_frame_waits_for_its_rest_and_holds_nobody_up() {
    let mut served = Served::start(1, 1, &[]);
    let socket = served.layout.client_socket(Node::Broker(1));
    let frame = request(18, 0, &[]);
    let mut slow: Vec<TcpStream> = (0..frame.len()).map(|_| connect(socket)).collect();
    for (sent, stream) in slow.iter_mut().enumerate() {
        stream.write_all(&frame[..sent]).unwrap();
    }
    assert!(answers(&mut connect(socket)));
    for (sent, stream) in slow.iter_mut().enumerate() {
        stream.write_all(&frame[sent..]).unwrap();
        stream.read_exact(&mut [0; 8]).unwrap();
    }
    drop(slow);
    let mut halved = connect(socket);
    halved.write_all(&frame[..6]).unwrap();
    drop(halved);
    assert!(answers(&mut connect(socket)));
    served.check_alive();
    served.end();
}

#[test]
fn no_body_under_any_header_ends_a_broker() {
    let mut served = Served::start(1, 1, &[]);
    let socket = served.layout.client_socket(Node::Broker(1));
    let fillings: [&[u8]; 4] = [&[0xff; 64], &[0x7f, 0xff, 0xff, 0xff].repeat(16), &[0x01; 64], &[0; 64]];
    // Brokers believe each other, as in Kafka without authorization: what only brokers send is no client's to try.
    let of_clients = (-1..70).filter(|key| !matches!(key, 4..=7));
    for api in of_clients {
        for version in (0..14).chain([-1, i16::MAX]) {
            for filling in fillings {
                let mut stream = connect(socket);
                let _ = stream.write_all(&request(api, version, filling)); // it may be closed already
            }
        }
    }
    assert!(answers(&mut connect(socket)));
    served.check_alive();
    served.end();
}

#[test]
fn the_ensemble_bears_hostile_bytes_on_all_its_ports() {
    let mut served = Served::start(1, 3, &[]);
    let ports: Vec<SocketAddr> = served.layout.addresses().into_values().collect();
    for socket in ports.iter().copied() {
        for bytes in
            [&[0xff; 64][..], &[0x7f, 0xff, 0xff, 0xff, 1], &[0; 64], &[0, 0, 0, 8, 1, 1, 1, 1, 1, 1, 1, 1], b"ruok"]
        {
            let mut stream = connect(socket);
            let _ = stream.write_all(bytes);
            drop(stream);
        }
    }
    create_topic_with(&served.layout.bootstrap(), "after", 1);
    served.check_alive();
    served.end();
}
