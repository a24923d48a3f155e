//! The connection to one broker: handshake, pipelining, correlation, timeouts, reconnects.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use host::{Address, Connection, Frame, FrameReceiver, FrameSender, Host, Task, Time};
use tokio::sync::Notify;
use trace::{EventId, EventKind};
use wire::kafka::messages::ApiVersionsRequest;
use wire::kafka::messages::api_versions_response::ApiVersion;
use wire::kafka::{
    Api, ErrorCode, Request, RequestHeader, Response, StrBytes, decode_response, describe_response, encode_request,
    versions,
};

use super::{Failure, FailureReason, Reply, Signal};
use crate::config::ClientConfig;
use crate::framing::{kafka_framing, name_of_api};
use crate::race::race;

/// The `FrameSent` event of a request, once the kernel has it.
pub(crate) type Sent = Rc<Cell<Option<EventId>>>;

/// Called once with the answer or the lack of it.
pub(crate) type Done = Box<dyn FnOnce(Result<Reply, Failure>)>;

/// The correlation id of ApiVersions; other requests count from 0.
const HANDSHAKE: i32 = -1;

/// What a request waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Patience {
    /// No answer: acks=0.
    NoAnswer,
    /// An answer within `request.timeout.ms`.
    Usual,
    /// An answer within this time: the broker may keep a JoinGroup for long.
    Within(Duration),
}

/// See the module.
pub(super) struct Link {
    host: Host,
    config: Rc<ClientConfig>,
    pub(super) address: Address,
    client_id: StrBytes,
    signal: Signal,
    state: RefCell<State>,
    to_send: Notify,
    deadlines: Notify,
    /// Tells that a deadline was added that is earlier than all others.
    sooner: Notify,
}

struct State {
    phase: Phase,
    versions: Vec<ApiVersion>,
    correlation: i32,
    in_flight: VecDeque<InFlight>,
    unsent: VecDeque<Unsent>,
    failures: u32,
    task: Option<Task>,
}

/// How far the connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Not connected, and not before this time.
    Idle(Time),
    /// Connecting, or shaking hands.
    Connecting,
    /// Requests can go out.
    Ready,
}

struct InFlight {
    correlation: i32,
    api: Api,
    version: i16,
    answered: bool,
    deadline: Time,
    cause: EventId,
    sent: Sent,
    done: Done,
}

struct Unsent {
    frame: Bytes,
    cause: EventId,
    correlation: i32,
    sent: Sent,
}

impl InFlight {
    fn fail(self, reason: FailureReason) {
        let sent = self.sent.get();
        (self.done)(Err(Failure { reason, sent, cause: sent.unwrap_or(self.cause) }));
    }
}

impl Link {
    pub(super) fn new(host: Host, config: Rc<ClientConfig>, address: Address, signal: Signal) -> Rc<Link> {
        let state = State {
            phase: Phase::Idle(Time::ZERO),
            versions: Vec::new(),
            correlation: 0,
            in_flight: VecDeque::new(),
            unsent: VecDeque::new(),
            failures: 0,
            task: None,
        };
        let client_id = StrBytes::from_static_str(host.name().as_str());
        Rc::new(Link {
            host,
            config,
            address,
            client_id,
            signal,
            state: RefCell::new(state),
            to_send: Notify::new(),
            deadlines: Notify::new(),
            sooner: Notify::new(),
        })
    }

    pub(super) fn phase(&self) -> Phase {
        self.state.borrow().phase
    }

    /// Requests handed over and not answered yet.
    pub(super) fn in_flight(&self) -> usize {
        self.state.borrow().in_flight.len()
    }

    /// Connects if that is allowed by now.
    pub(super) fn connect(self: &Rc<Link>, cause: EventId) {
        let mut state = self.state.borrow_mut();
        let Phase::Idle(at) = state.phase else { return };
        if at > self.host.now() {
            return;
        }
        state.phase = Phase::Connecting;
        let link = self.clone();
        state.task = Some(self.host.spawn("kafka connection", async move {
            link.run(cause).await;
            link.disconnected();
        }));
    }

    /// Sends a request; `done` is called exactly once, unless the link is closed. Without an expected answer it is called when
    /// the kernel has the frame, with no response.
    pub(super) fn send(&self, cause: EventId, request: &Request, patience: Patience, done: Done) -> Sent {
        let sent: Sent = Rc::default();
        let version = self.version(request.api());
        let reason = match (self.phase(), version) {
            (Phase::Ready, Some(version)) => {
                self.enqueue(cause, request, version, patience, sent.clone(), done);
                return sent;
            }
            (Phase::Ready, None) => FailureReason::UnsupportedVersion,
            _ => FailureReason::NotConnected,
        };
        done(Err(Failure { reason, sent: None, cause }));
        sent
    }

    fn version(&self, api: Api) -> Option<i16> {
        versions::highest_common(api, &self.state.borrow().versions)
    }

    fn enqueue(&self, cause: EventId, request: &Request, version: i16, patience: Patience, sent: Sent, done: Done) {
        let mut state = self.state.borrow_mut();
        let correlation = state.correlation;
        state.correlation = correlation.wrapping_add(1) & i32::MAX;
        let api = request.api();
        let header = RequestHeader::new(api, version, correlation, Some(self.client_id.clone()));
        // Requests of groups are built for versions that brokers have had since Kafka 3.0.
        let Ok(frame) = encode_request(&header, request) else {
            drop(state);
            return done(Err(Failure { reason: FailureReason::UnsupportedVersion, sent: None, cause }));
        };
        let timeout = if let Patience::Within(timeout) = patience { timeout } else { self.config.request_timeout };
        let deadline = self.host.now() + timeout;
        let answered = patience != Patience::NoAnswer;
        if state.in_flight.is_empty() {
            self.deadlines.notify_one();
        } else if state.in_flight.iter().all(|request| request.deadline > deadline) {
            self.sooner.notify_one();
        }
        state.unsent.push_back(Unsent { frame, cause, correlation, sent: sent.clone() });
        state.in_flight.push_back(InFlight { correlation, api, version, answered, deadline, cause, sent, done });
        self.to_send.notify_one();
    }

    /// Drops connection and requests; nobody is told.
    pub(super) fn close(&self) {
        let task = self.state.borrow_mut().task.take();
        if let Some(task) = task {
            task.cancel();
        }
        let (in_flight, _) = self.take_requests();
        drop(in_flight);
    }

    fn take_requests(&self) -> (VecDeque<InFlight>, VecDeque<Unsent>) {
        let mut state = self.state.borrow_mut();
        (std::mem::take(&mut state.in_flight), std::mem::take(&mut state.unsent))
    }

    fn disconnected(&self) {
        let random = self.signal.random();
        {
            let mut state = self.state.borrow_mut();
            state.failures += 1;
            let wait = self.config.reconnect().after(state.failures, random);
            state.phase = Phase::Idle(self.host.now() + wait);
        }
        let now = self.host.now();
        for request in self.take_requests().0 {
            let reason = if request.deadline <= now { FailureReason::TimedOut } else { FailureReason::Disconnected };
            request.fail(reason);
        }
        self.signal.disconnected();
    }

    async fn run(&self, cause: EventId) {
        let connecting = self.host.connect(self.address, kafka_framing(), cause);
        let connected = self.host.timeout(self.config.connection_setup_timeout, connecting).await;
        let Ok(Ok(Connection { sender, mut receiver, .. })) = connected else { return };
        let asked = Cell::new(None);
        let shaking = self.shake_hands(&sender, &mut receiver, cause, &asked);
        let versions = match self.host.timeout(self.config.request_timeout, shaking).await {
            Ok(Some(versions)) => versions,
            Ok(None) => return,
            Err(_) => return self.report_timeout(asked.get().unwrap_or(cause), Api::ApiVersions, HANDSHAKE),
        };
        {
            let mut state = self.state.borrow_mut();
            (state.versions, state.phase, state.failures) = (versions, Phase::Ready, 0);
        }
        self.signal.changed();
        let talking = pin!(race(self.receive(&mut receiver), self.transmit(&sender)));
        race(talking, self.watch_deadlines()).await;
    }

    /// ApiVersions; a broker that does not know our version of it tells which it knows, and is asked again (KIP-511).
    async fn shake_hands(
        &self,
        sender: &FrameSender,
        receiver: &mut FrameReceiver,
        mut cause: EventId,
        asked: &Cell<Option<EventId>>,
    ) -> Option<Vec<ApiVersion>> {
        let request: Request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("odradek"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")))
            .into();
        let mut version = Api::ApiVersions.range().maximum;
        for _ in 0..2 {
            let header = RequestHeader::new(Api::ApiVersions, version, HANDSHAKE, Some(self.client_id.clone()));
            let frame = encode_request(&header, &request).ok()?;
            asked.set(Some(sender.send(cause, frame).await.ok()?));
            let answer = receiver.next().await.ok()?;
            cause = answer.cause;
            let (_, response) = decode_response(Api::ApiVersions.key(), version, answer.bytes).ok()?;
            let Response::ApiVersions(response) = response else { return None };
            match ErrorCode::from_code(response.error_code) {
                ErrorCode::None => return Some(response.api_keys),
                ErrorCode::UnsupportedVersion => {
                    version = versions::highest_common(Api::ApiVersions, &response.api_keys)?;
                }
                _ => return None,
            }
        }
        None
    }

    async fn transmit(&self, sender: &FrameSender) {
        loop {
            let next = self.state.borrow_mut().unsent.pop_front();
            let Some(Unsent { frame, cause, correlation, sent }) = next else {
                self.to_send.notified().await;
                continue;
            };
            let Ok(event) = sender.send(cause, frame).await else { return };
            sent.set(Some(event));
            self.finish_unanswered(correlation, event);
        }
    }

    fn finish_unanswered(&self, correlation: i32, event: EventId) {
        let Some(request) = self.take_in_flight(correlation, false) else { return };
        (request.done)(Ok(Reply { response: None, cause: event }));
        self.signal.changed();
    }

    fn take_in_flight(&self, correlation: i32, answered: bool) -> Option<InFlight> {
        let mut state = self.state.borrow_mut();
        let wanted = |request: &InFlight| request.correlation == correlation && request.answered == answered;
        let place = state.in_flight.iter().position(wanted)?;
        state.in_flight.remove(place)
    }

    async fn receive(&self, receiver: &mut FrameReceiver) {
        while let Ok(frame) = receiver.next().await {
            if !self.answer(frame) {
                return;
            }
            self.signal.changed();
        }
    }

    /// Whether the frame answered a request of ours.
    fn answer(&self, frame: Frame) -> bool {
        let correlation = describe_response(&frame.bytes).correlation;
        let Some(request) = self.take_in_flight(correlation, true) else { return false };
        match decode_response(request.api.key(), request.version, frame.bytes) {
            Ok((_, response)) => {
                (request.done)(Ok(Reply { response: Some(response), cause: frame.cause }));
                true
            }
            Err(_) => {
                request.fail(FailureReason::Malformed);
                false
            }
        }
    }

    /// Returns when a request has waited too long.
    async fn watch_deadlines(&self) {
        loop {
            let earliest = self.state.borrow().in_flight.iter().map(|request| request.deadline).min();
            match earliest {
                None => self.deadlines.notified().await,
                Some(at) if at <= self.host.now() => return self.report_timeouts(),
                Some(at) => {
                    race(self.sooner.notified(), self.host.sleep_until(at)).await;
                }
            }
        }
    }

    fn report_timeouts(&self) {
        let now = self.host.now();
        for request in self.state.borrow().in_flight.iter().filter(|request| request.deadline <= now) {
            self.report_timeout(request.sent.get().unwrap_or(request.cause), request.api, request.correlation);
        }
    }

    fn report_timeout(&self, cause: EventId, api: Api, correlation: i32) {
        let (peer, api) = (self.address.host, name_of_api(api.key()));
        self.host.emit(cause, EventKind::RequestTimedOut { peer, api, correlation });
    }
}
