//! What goes between a member and its coordinator: the member's own task finds the coordinator, sends what is in the outbox, and is heard
//! of while the application works.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use host::{Address, Time};
use tokio::sync::{Notify, oneshot};
use trace::{EventId, EventKind, Name, Partition};
use wire::kafka::messages::FindCoordinatorRequest;
use wire::kafka::{ErrorCode, Request, Response};

use super::super::position::Question;
use super::super::{GroupMetadata, Shared};
use super::handover::Handover;
use super::membership::{Beat, Membership};
use super::offsets::{CommitOffset, Fetched, commit_errors, fetch_request, fetched};
use super::pattern::Pattern;
use super::protocol::{heartbeat_request, leave_request, text};
use crate::backoff::Backoff;
use crate::config::GroupConfig;
use crate::error::{CommitError, GroupError};
use crate::network::{Failure, FailureReason, Patience, Reply};
use crate::race::race;

/// A JoinGroup may be kept for the whole rebalance timeout, and its answer takes its time (as in Kafka's client).
const JOIN_GRACE: Duration = Duration::from_secs(5);

/// A member's part of the consumer.
pub(in crate::consumer) struct Group {
    pub(super) config: GroupConfig,
    pub(super) core: RefCell<Membership>,
    pub(super) pattern: RefCell<Option<Pattern>>,
    pub(super) handover: RefCell<Handover>,
    /// When the next automatic commit is due.
    pub(super) commit_at: Cell<Time>,
    /// The metadata's version when the leader began to wait for topics that it did not know.
    pub(super) waiting_since: Cell<Option<u64>>,
    /// Offsets of partitions given up, with the flaw `store-offset-after-revoke`.
    pub(super) stored: RefCell<BTreeMap<Partition, CommitOffset>>,
    /// Answers to JoinGroup and SyncGroup: they wait for the application to poll.
    pub(super) answers: RefCell<VecDeque<Notice>>,
    /// The last record that poll returned: what the application is busy with.
    pub(in crate::consumer) last_record: Cell<EventId>,
    coordinator: Cell<Option<i32>>,
    /// Whether a connection to the coordinator was begun since it was found.
    tried: Cell<bool>,
    outbox: RefCell<VecDeque<Ask>>,
    notices: RefCell<VecDeque<Notice>>,
    /// The last answer.
    last: Cell<EventId>,
    /// Wakes the member's task.
    pub(in crate::consumer) wake: Notify,
}

/// What came of a request.
pub(super) type Notice = (About, Result<Reply, Failure>);

/// A request that waits for the coordinator.
struct Ask {
    request: Request,
    patience: Patience,
    cause: EventId,
    about: About,
}

/// What a request is about.
pub(super) enum About {
    Join(u64),
    Sync(u64),
    Heartbeat(i32),
    Leave(Option<oneshot::Sender<()>>),
    Commit(Commit),
    /// First positions.
    Positions(Vec<Question>),
    /// Committed offsets for the application.
    Committed(oneshot::Sender<Result<Fetched, ErrorCode>>),
}

/// A commit on its way.
pub(super) struct Commit {
    pub(super) offsets: BTreeMap<Partition, CommitOffset>,
    pub(super) generation: i32,
    pub(super) report: Option<oneshot::Sender<Result<(), Refused>>>,
}

/// Why a commit was not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    /// It may be tried again.
    Passing,
    /// It may not.
    Final(CommitError),
}

impl Group {
    pub(in crate::consumer) fn new(config: GroupConfig, backoff: Backoff) -> Group {
        Group {
            core: RefCell::new(Membership::new(config.clone(), backoff)),
            config,
            pattern: RefCell::default(),
            handover: RefCell::default(),
            commit_at: Cell::new(Time::ZERO),
            waiting_since: Cell::new(None),
            stored: RefCell::default(),
            answers: RefCell::default(),
            last_record: Cell::new(EventId::ROOT),
            coordinator: Cell::new(None),
            tried: Cell::new(false),
            outbox: RefCell::default(),
            notices: RefCell::default(),
            last: Cell::new(EventId::ROOT),
            wake: Notify::new(),
        }
    }

    pub(in crate::consumer) fn set_subscription(&self, pattern: Option<Pattern>, topics: BTreeSet<Name>) {
        self.pattern.replace(pattern);
        self.core.borrow_mut().subscribe(topics);
    }

    pub(in crate::consumer) fn is_subscribed(&self) -> bool {
        self.pattern.borrow().is_some() || !self.core.borrow().topics().is_empty()
    }

    pub(in crate::consumer) fn owns(&self, partition: Partition) -> bool {
        self.core.borrow().owned().contains(&partition)
    }

    pub(in crate::consumer) fn failure(&self) -> Option<GroupError> {
        self.core.borrow().failure()
    }

    pub(in crate::consumer) fn metadata(&self) -> GroupMetadata {
        let core = self.core.borrow();
        let GroupConfig { id, instance, .. } = self.config;
        GroupMetadata { group: id, generation: core.generation(), member: core.member(), instance }
    }

    /// The last answer, or the record in hand if that is later.
    pub(super) fn latest(&self) -> EventId {
        self.last.get().max(self.last_record.get())
    }

    pub(super) fn ask(&self, cause: EventId, request: Request, about: About) {
        let patience = match about {
            About::Join(_) => Patience::Within(self.config.max_poll_interval + JOIN_GRACE),
            _ => Patience::Usual,
        };
        self.outbox.borrow_mut().push_back(Ask { request, patience, cause, about });
        self.wake.notify_one();
    }

    fn lose_coordinator(&self) {
        self.coordinator.set(None);
    }

    /// Tells the coordinator that this member leaves.
    pub(super) fn say_goodbye(
        &self,
        member: Name,
        cause: EventId,
        reason: &'static str,
        report: Option<oneshot::Sender<()>>,
    ) {
        self.ask(cause, leave_request(&self.config, member, reason), About::Leave(report));
    }
}

impl Shared {
    pub(in crate::consumer) async fn run_group(self: Rc<Self>) {
        let group = self.group.as_ref().expect("runs only for a group");
        let mut failures = 0;
        loop {
            self.take_group_notices(group);
            let wake_at = self.keep_alive(group).min(self.ask_positions(group));
            self.tidy(group);
            if group.outbox.borrow().is_empty() {
                race(group.wake.notified(), self.host.sleep_until(wake_at)).await;
                continue;
            }
            let Some(node) = group.coordinator.get() else {
                failures = if self.find_coordinator(group).await { 0 } else { failures + 1 };
                if failures > 0 {
                    self.host.sleep(self.network.config().retry().after(failures, self.network.random())).await;
                }
                continue;
            };
            let wake_at = self.flush(group, node).min(wake_at);
            let settled = || {
                let idle = group.outbox.borrow().is_empty();
                (!idle
                    && (self.network.is_ready(node) || self.network.retry_at(node).is_some_and(|_| group.tried.get())))
                .then_some(())
            };
            let woken = race(group.wake.notified(), self.network.wait_for(settled));
            race(woken, self.host.sleep_until(wake_at)).await;
        }
    }

    /// Drops requests that nobody waits for any more.
    fn tidy(&self, group: &Group) {
        let asks = std::mem::take(&mut *group.outbox.borrow_mut());
        let core = group.core.borrow();
        for ask in asks {
            let is_wanted = match &ask.about {
                About::Join(attempt) | About::Sync(attempt) => *attempt == core.attempt(),
                About::Heartbeat(generation) => *generation == core.generation(),
                About::Committed(report) => !report.is_closed(),
                About::Commit(Commit { report: Some(report), .. }) => !report.is_closed(),
                _ => true,
            };
            match ask.about {
                About::Commit(commit) if !is_wanted => self.report_failed(group, &commit, "TIMED_OUT"),
                _ if !is_wanted => {}
                _ => group.outbox.borrow_mut().push_back(ask),
            }
        }
    }

    /// Heartbeats and their lack; returns when to look again.
    fn keep_alive(&self, group: &Group) -> Time {
        let now = self.host.now();
        let mut core = group.core.borrow_mut();
        match core.beat(now) {
            Beat::Wait(at) => return at,
            Beat::Send => {
                core.beats(now);
                let request = heartbeat_request(&group.config, &core);
                group.ask(group.last.get(), request, About::Heartbeat(core.generation()));
            }
            Beat::Silence => {
                core.forget_silence(now);
                group.lose_coordinator();
            }
            Beat::Leave => {
                let cause = group.latest();
                if let Some(member) = core.leave(cause) {
                    group.say_goodbye(member, cause, "consumer poll timeout has expired.", None);
                }
            }
        }
        now
    }

    /// Asks for the committed offsets of partitions that begin there; returns when to look again.
    fn ask_positions(&self, group: &Group) -> Time {
        let now = self.host.now();
        let mut questions = Vec::new();
        let mut wake_at = Time::NEVER;
        for state in self.partitions.borrow_mut().values_mut() {
            if state.not_before() > now {
                wake_at = wake_at.min(state.not_before());
            }
            if let Some(question) = state.group_question(now) {
                state.asked();
                questions.push(question);
            }
        }
        if !questions.is_empty() {
            let request = fetch_request(&group.config, questions.iter().map(|question| question.partition));
            group.ask(group.last.get(), request, About::Positions(questions));
        }
        wake_at
    }

    /// Asks any broker for the coordinator; whether it is known now.
    async fn find_coordinator(&self, group: &Group) -> bool {
        let Some(node) = self.network.least_loaded() else { return false };
        let request: Request = FindCoordinatorRequest::default()
            .with_key_type(0)
            .with_coordinator_keys(vec![text(group.config.id)])
            .into();
        let answer = self.network.call(node, group.last.get(), &request).await;
        let (Ok(Reply { cause, .. }) | Err(Failure { cause, .. })) = &answer;
        group.last.set(*cause);
        let Ok(Reply { response: Some(Response::FindCoordinator(response)), .. }) = answer else { return false };
        let Some(found) = response.coordinators.first() else { return false };
        let (Ok(port), ErrorCode::None) = (u16::try_from(found.port), ErrorCode::from_code(found.error_code)) else {
            return false;
        };
        let address = Address::new(found.host.as_str(), port);
        let node = self.network.with_metadata(|metadata| metadata.set_coordinator(found.node_id.0, address));
        group.coordinator.set(Some(node));
        group.tried.set(false);
        true
    }

    /// Sends what waits, if the coordinator can be reached; returns when to look again.
    fn flush(self: &Rc<Self>, group: &Group, node: i32) -> Time {
        let cause = group.outbox.borrow().front().map_or(EventId::ROOT, |ask| ask.cause);
        if self.network.ready(node, cause) {
            group.tried.set(true);
            let asks = std::mem::take(&mut *group.outbox.borrow_mut());
            asks.into_iter().for_each(|ask| self.send_ask(node, ask));
            return Time::NEVER;
        }
        match self.network.retry_at(node) {
            None => group.tried.set(true),
            Some(at) if !group.tried.get() => return at,
            Some(_) => {
                group.lose_coordinator();
                let failed = |ask: Ask| {
                    let failure = Failure { reason: FailureReason::NotConnected, sent: None, cause: ask.cause };
                    (ask.about, Err(failure))
                };
                let asks = std::mem::take(&mut *group.outbox.borrow_mut());
                group.notices.borrow_mut().extend(asks.into_iter().map(failed));
                return self.host.now();
            }
        }
        Time::NEVER
    }

    fn send_ask(self: &Rc<Self>, node: i32, ask: Ask) {
        let Ask { request, patience, cause, about } = ask;
        let shared = self.clone();
        let done = Box::new(move |result| {
            let group = shared.group.as_ref().expect("it asked");
            group.notices.borrow_mut().push_back((about, result));
            group.wake.notify_one();
        });
        self.network.send_patiently(node, cause, &request, patience, done);
    }

    fn take_group_notices(&self, group: &Group) {
        loop {
            let notice = group.notices.borrow_mut().pop_front();
            let Some((about, result)) = notice else { return };
            if result.is_err() {
                group.lose_coordinator();
            }
            let (Ok(Reply { cause, .. }) | Err(Failure { cause, .. })) = &result;
            let cause = *cause;
            group.last.set(cause);
            match about {
                About::Join(_) | About::Sync(_) => {
                    self.look_for_moved_coordinator(group, &result);
                    group.answers.borrow_mut().push_back((about, result));
                }
                About::Heartbeat(generation) => self.heard(group, generation, &result, cause),
                About::Leave(report) => drop(report.map(|report| report.send(()))),
                About::Commit(commit) => self.committed(group, commit, result, cause),
                About::Positions(questions) => self.positions_found(group, questions, result, cause),
                About::Committed(report) => drop(report.send(self.read_fetched(group, result))),
            }
            self.arrival.notify_waiters();
        }
    }

    fn look_for_moved_coordinator(&self, group: &Group, result: &Result<Reply, Failure>) {
        let code = match result {
            Ok(Reply { response: Some(Response::JoinGroup(response)), .. }) => response.error_code,
            Ok(Reply { response: Some(Response::SyncGroup(response)), .. }) => response.error_code,
            _ => return,
        };
        self.mind(group, ErrorCode::from_code(code));
    }

    /// Forgets the coordinator if the error says that it is another.
    fn mind(&self, group: &Group, error: ErrorCode) {
        use ErrorCode as E;
        if matches!(error, E::NotCoordinator | E::CoordinatorNotAvailable | E::RequestTimedOut | E::NetworkException) {
            group.lose_coordinator();
        }
    }

    fn heard(&self, group: &Group, generation: i32, result: &Result<Reply, Failure>, cause: EventId) {
        let error = match result {
            Ok(Reply { response: Some(Response::Heartbeat(response)), .. }) => {
                ErrorCode::from_code(response.error_code)
            }
            _ => ErrorCode::NetworkException,
        };
        self.mind(group, error);
        group.core.borrow_mut().heard(self.host.now(), self.network.random(), generation, error, cause);
    }

    fn committed(&self, group: &Group, commit: Commit, result: Result<Reply, Failure>, cause: EventId) {
        let Commit { offsets, generation, report } = commit;
        let errors = match result {
            Ok(Reply { response: Some(Response::OffsetCommit(response)), .. }) => commit_errors(&response),
            _ => offsets.keys().map(|partition| (*partition, ErrorCode::NetworkException)).collect(),
        };
        let mut outcome = Ok(());
        for (partition, CommitOffset { offset, .. }) in offsets {
            let (group_name, error) =
                (group.config.id, errors.get(&partition).copied().unwrap_or(ErrorCode::UnknownServerError));
            if error.is_none() {
                let event = EventKind::CommitAcked { group: group_name, partition, offset, generation };
                self.host.emit(cause, event);
                continue;
            }
            let name = Name::new(error.name());
            let event = EventKind::CommitFailed { group: group_name, partition, offset, generation, error: name };
            self.host.emit(cause, event);
            self.mind(group, error);
            let refused = if error.retriable() {
                Refused::Passing
            } else {
                Refused::Final(group.core.borrow_mut().refused_commit(generation, error, cause))
            };
            // What is final says more.
            if !matches!(outcome, Err(Refused::Final(_))) {
                outcome = Err(refused);
            }
        }
        if matches!(outcome, Err(Refused::Passing)) && report.is_none() && group.config.auto_commit.is_some() {
            group.commit_at.set(self.host.now() + self.network.config().retry_backoff);
        }
        // The application may have stopped waiting.
        let _ = report.map(|report| report.send(outcome));
    }

    fn read_fetched(&self, group: &Group, result: Result<Reply, Failure>) -> Result<Fetched, ErrorCode> {
        let answer = match result {
            Ok(Reply { response: Some(Response::OffsetFetch(response)), .. }) => fetched(&response),
            _ => Err(ErrorCode::NetworkException),
        };
        if let Err(error) = answer {
            self.mind(group, error);
        }
        answer
    }

    fn positions_found(&self, group: &Group, questions: Vec<Question>, result: Result<Reply, Failure>, cause: EventId) {
        let answer = self.read_fetched(group, result);
        for question in questions {
            let found = match &answer {
                Ok(fetched) => fetched.get(&question.partition).copied().unwrap_or(Err(ErrorCode::UnknownServerError)),
                Err(error) => Err(*error),
            };
            let committed = match found {
                Ok(committed) => committed,
                Err(error) => {
                    self.failed(question, error, cause);
                    continue;
                }
            };
            let mut partitions = self.partitions.borrow_mut();
            let Some(state) = partitions.get_mut(&question.partition) else { continue };
            if state.answered(question)
                && let Some(moved) = state.committed(committed.map(|it| (it.offset, it.leader_epoch)))
            {
                self.report_move(cause, question.partition, moved);
            }
        }
        self.wake.notify_one();
    }
}
