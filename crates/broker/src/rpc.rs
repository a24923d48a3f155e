//! Requests from one broker to another: one connection, one request at a time.

use std::time::Duration;

use host::{Address, Connection, Host};
use trace::{EventId, EventKind};
use wire::kafka::{Request, RequestHeader, Response, StrBytes, decode_response, encode_request};

use crate::framing::{api_name, kafka_framing};

/// A response and the event it came by.
#[derive(Debug)]
pub struct Answer {
    /// The response.
    pub response: Response,
    /// The frame that carried it.
    pub cause: EventId,
}

/// There was no answer; the connection is closed.
#[derive(Clone, Copy, Debug)]
pub struct NoAnswer {
    /// The event to cite: the request that was sent, its timeout, or what caused it.
    pub cause: EventId,
}

/// A peer to send requests to; it connects when there is something to send.
pub struct Rpc {
    host: Host,
    client_id: StrBytes,
    peer: Address,
    connection: Option<Connection>,
    correlation: i32,
}

impl Rpc {
    /// Requests to `peer` in the name of `client_id`.
    pub fn new(host: Host, client_id: String, peer: Address) -> Rpc {
        Rpc { host, client_id: StrBytes::from_string(client_id), peer, connection: None, correlation: 0 }
    }

    /// Sends a request and waits up to `timeout` for its response, connecting included.
    ///
    /// # Errors
    /// If there is no connection, it broke, or the answer is late or malformed: whether the peer acted on the request
    /// is unknown.
    pub async fn call(&mut self, cause: EventId, request: &Request, timeout: Duration) -> Result<Answer, NoAnswer> {
        let connection = self.connection.take();
        self.correlation = self.correlation.wrapping_add(1) & i32::MAX;
        let correlation = self.correlation;
        let mut sent = None;
        let exchange = exchange(self, connection, correlation, cause, request, &mut sent);
        let host = self.host.clone();
        let result = host.timeout(timeout, exchange).await;
        match result {
            Ok(Ok((connection, answer))) => {
                self.connection = Some(connection);
                Ok(answer)
            }
            Ok(Err(())) => Err(NoAnswer { cause: sent.unwrap_or(cause) }),
            Err(_elapsed) => {
                let late = EventKind::RequestTimedOut {
                    peer: self.peer.host,
                    api: api_name(request.api().key()),
                    correlation,
                };
                Err(NoAnswer { cause: self.host.emit(sent.unwrap_or(cause), late) })
            }
        }
    }
}

/// One request and its response. The connection comes back only if it is still good.
async fn exchange(
    rpc: &Rpc,
    connection: Option<Connection>,
    correlation: i32,
    cause: EventId,
    request: &Request,
    sent: &mut Option<EventId>,
) -> Result<(Connection, Answer), ()> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => rpc.host.connect(rpc.peer, kafka_framing(), cause).await.map_err(|_| ())?,
    };
    let api = request.api();
    let version = api.range().maximum;
    let header = RequestHeader::new(api, version, correlation, Some(rpc.client_id.clone()));
    let frame = encode_request(&header, request).expect("our own requests fit the version they are sent at");
    *sent = Some(connection.sender.send(cause, frame).await.map_err(|_| ())?);
    loop {
        let frame = connection.receiver.next().await.map_err(|_| ())?;
        let (answered, response) = decode_response(api.key(), version, frame.bytes).map_err(|_| ())?;
        if answered == correlation {
            return Ok((connection, Answer { response, cause: frame.cause }));
        }
    }
}
