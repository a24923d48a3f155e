//! The socket server: one task a connection. A connection's requests are handled one after the other, as in Kafka,
//! which mutes a channel until its request is answered; so a producer's batches stay in order.

use std::rc::Rc;

use host::{Connection, Listener};
use trace::EventId;
use wire::kafka::{Api, Request, RequestError, decode_request, encode_response, unsupported_api_versions};

use crate::apis::{self, Context, Handled};
use crate::broker::Broker;

/// Accepts connections for as long as the broker runs.
pub async fn run_server(broker: Rc<Broker>, listener: Listener) {
    loop {
        let connection = listener.accept().await;
        broker.host.spawn("connection", serve(broker.clone(), connection));
    }
}

async fn serve(broker: Rc<Broker>, mut connection: Connection) {
    while let Ok(frame) = connection.receiver.next().await {
        let (header, request) = match decode_request(frame.bytes) {
            Ok(decoded) => decoded,
            Err(RequestError::UnsupportedVersion(header)) if header.api_key == Api::ApiVersions.key() => {
                let answer = unsupported_api_versions(header.correlation_id);
                if connection.sender.send(frame.cause, answer).await.is_err() {
                    return;
                }
                continue;
            }
            Err(_) => return,
        };
        let follower = follower(&request);
        let client_id = header.client_id.as_deref().unwrap_or_default();
        let context = Context { version: header.api_version, cause: frame.cause, peer: connection.peer };
        let (response, cause) = match apis::handle(&broker, context, client_id, request).await {
            Handled::Answer(reply) => reply,
            Handled::Silence => continue,
            Handled::Close => return,
        };
        let (key, version, correlation) = (header.api_key, header.api_version, header.correlation_id);
        // A response that its version cannot carry is a bug, but no reason to end a broker.
        let Ok(answer) = encode_response(key, version, correlation, &response) else { return };
        match connection.sender.send(cause, answer).await {
            Ok(sent) => answered(&broker, follower, sent),
            Err(_) => return,
        }
    }
}

/// The follower that fetches, if it is one.
fn follower(request: &Request) -> Option<i32> {
    match request {
        Request::Fetch(fetch) => Some(fetch.replica_id.0).filter(|id| *id >= 0),
        _ => None,
    }
}

fn answered(broker: &Broker, follower: Option<i32>, sent: EventId) {
    if let Some(follower) = follower {
        broker.replicas.follower_answered(follower, sent);
    }
}
