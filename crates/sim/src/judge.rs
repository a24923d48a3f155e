//! The judge: takes every event in order and tells oracles, state, digest, notes and triggers.
//!
//! It runs beside the cluster and never answers to it. What it finds is recorded as events of the world, so that a trace
//! holds its own verdict.

use std::cell::RefCell;
use std::rc::Rc;

use host::World;
use oracle::{EndOfRun, Finding, Tally};
use scenario::Plan;
use state::{ClusterState, DigestBuilder};
use trace::{Event, EventKind, Name};

use crate::expectation::Expectations;
use crate::progress::Progress;
use crate::triggers::Triggers;
use crate::view::View;

/// How often time alone may change a condition's truth (`blocked`, `leaderless`), ns.
const TICK: u64 = 100_000_000;

/// The judge of one run. Cloning shares it.
#[derive(Clone)]
pub struct Judge(Rc<Inner>);

struct Inner {
    world: World,
    plan: Rc<Plan>,
    triggers: Triggers,
    progress: Progress,
    folds: RefCell<Folds>,
}

struct Folds {
    state: ClusterState,
    oracles: oracle::Judge,
    tally: Tally,
    digest: DigestBuilder,
    expectations: Expectations,
    findings: Vec<Finding>,
    /// How many of the findings are in the trace.
    announced: usize,
}

/// What the judge knows at the end.
pub struct Judged {
    /// The last state.
    pub state: ClusterState,
    /// What each oracle saw.
    pub reports: Vec<oracle::OracleReport>,
    /// Records and times.
    pub tally: Tally,
    /// The story so far; the verdict closes it.
    pub digest: DigestBuilder,
    /// Violations, of oracles and of the scenario's own conditions.
    pub findings: Vec<Finding>,
    /// Marks reached.
    pub marks: std::collections::BTreeMap<&'static str, u64>,
}

impl Judge {
    /// The judge of a run of `plan` in `world`, which tells how far it has come.
    pub fn new(world: World, plan: Rc<Plan>, progress: Progress) -> Judge {
        let slugs = plan.expect.oracles();
        let notes = plan.notes.iter().map(|note| note.text.get("en").cloned().unwrap_or_default()).collect();
        let folds = Folds {
            state: ClusterState::default(),
            oracles: oracle::Judge::new(crate::run::context(&plan), &slugs),
            tally: Tally::new(&crate::run::context(&plan)),
            digest: DigestBuilder::new(crate::run::title(&plan), notes),
            expectations: Expectations::new(&plan),
            findings: Vec::new(),
            announced: 0,
        };
        Judge(Rc::new(Inner { world, plan, triggers: Triggers::default(), progress, folds: RefCell::new(folds) }))
    }

    /// The conditions that faults wait for.
    pub fn triggers(&self) -> &Triggers {
        &self.0.triggers
    }

    /// Asks the current state.
    pub fn view<T>(&self, ask: impl FnOnce(&View<'_>) -> T) -> T {
        let folds = self.0.folds.borrow();
        ask(&View { plan: &self.0.plan, state: &folds.state, now: self.0.world.now_ns() })
    }

    /// Judges for ever: woken by events, and by time.
    pub fn start(&self) {
        let judge = self.clone();
        self.0.world.spawn(async move {
            loop {
                judge.0.world.changed().await;
                judge.catch_up();
            }
        });
        if self.needs_ticks() {
            let judge = self.clone();
            self.0.world.spawn(async move {
                loop {
                    judge.0.world.sleep(TICK).await;
                    judge.catch_up();
                    judge.tick();
                }
            });
        }
    }

    fn needs_ticks(&self) -> bool {
        let plan = &self.0.plan;
        let waits = plan.faults.iter().any(|fault| matches!(fault.trigger, scenario::Trigger::When { .. }));
        waits || !plan.expect.never.is_empty() || !plan.expect.eventually.is_empty() || !plan.notes.is_empty()
    }

    /// Judges all that was recorded since the last time, what it records itself included.
    pub fn catch_up(&self) {
        let mut events = Vec::new();
        loop {
            self.0.world.take_events(&mut events);
            let Some(last) = events.last() else { return };
            self.0.progress.reach(last.at);
            for event in &events {
                self.observe(event);
            }
            self.announce();
        }
    }

    fn observe(&self, event: &Event) {
        let mut folds = self.0.folds.borrow_mut();
        let Folds { state, oracles, tally, digest, expectations, findings, .. } = &mut *folds;
        if let EventKind::NodePanicked { message } = &event.kind {
            findings.push(Finding {
                oracle: "panic",
                signature: format!(
                    "panic/{}",
                    event.node.as_str().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-')
                ),
                summary: format!("{} panicked: {message}", event.node),
                event: event.id,
                at: event.at,
                evidence: Vec::new(),
                partition: None,
            });
        }
        expectations.mark(event, state);
        state.apply(event);
        oracles.observe(event, findings);
        tally.observe(event);
        digest.observe(event, state);
        if may_change_a_condition(&event.kind) {
            let view = View { plan: &self.0.plan, state, now: event.at };
            self.0.triggers.look(&view, event.id);
            for note in expectations.look(&view, event.id, findings) {
                self.0.world.emit(event.id, EventKind::NoteShown { note });
            }
        }
    }

    /// Time passed.
    fn tick(&self) {
        let mut folds = self.0.folds.borrow_mut();
        let Folds { state, expectations, findings, .. } = &mut *folds;
        let view = View { plan: &self.0.plan, state, now: self.0.world.now_ns() };
        self.0.triggers.look(&view, state.last);
        for note in expectations.look(&view, state.last, findings) {
            self.0.world.emit(state.last, EventKind::NoteShown { note });
        }
    }

    /// Records the violations that are not in the trace yet.
    fn announce(&self) {
        let mut folds = self.0.folds.borrow_mut();
        let from = std::mem::replace(&mut folds.announced, usize::MAX);
        for finding in &folds.findings[from..] {
            let kind = EventKind::Violation {
                oracle: Name::new(finding.oracle),
                signature: Name::new(&finding.signature),
                summary: finding.summary.clone().into(),
            };
            self.0.world.emit(finding.event, kind);
        }
        folds.announced = folds.findings.len();
    }

    /// The end: `end` is what the checks after the run found.
    pub fn finish(&self, end: &EndOfRun) {
        self.catch_up();
        let mut folds = self.0.folds.borrow_mut();
        let Folds { state, oracles, tally, expectations, findings, .. } = &mut *folds;
        oracles.finish(end, findings);
        tally.finish(end);
        let excused = oracles.report().iter().any(|report| !report.excused.is_empty());
        findings.extend(expectations.finish(state.last, state.at, excused));
        drop(folds);
        self.announce();
        self.catch_up();
    }

    /// What the judge knows; call after [`Judge::finish`].
    pub fn into_judged(self) -> Judged {
        let mut folds = self.0.folds.borrow_mut();
        let plan = &self.0.plan;
        Judged {
            state: std::mem::take(&mut folds.state),
            reports: folds.oracles.report(),
            tally: std::mem::replace(&mut folds.tally, Tally::new(&crate::run::context(plan))),
            digest: std::mem::replace(&mut folds.digest, DigestBuilder::new(String::new(), Vec::new())),
            findings: std::mem::take(&mut folds.findings),
            marks: std::mem::take(&mut folds.expectations.marks),
        }
    }
}

/// Whether an event can change what conditions ask for. Most events (frames, transactions of the ensemble) cannot.
fn may_change_a_condition(kind: &EventKind) -> bool {
    !matches!(
        kind,
        EventKind::FrameSent(_)
            | EventKind::FrameDelivered(_)
            | EventKind::FrameDropped(_)
            | EventKind::FrameHeld(_)
            | EventKind::ConnectionOpened { .. }
            | EventKind::ConnectionClosed { .. }
            | EventKind::ConnectFailed { .. }
            | EventKind::ZabProposed { .. }
            | EventKind::ZabDelivered { .. }
            | EventKind::SessionView { .. }
            | EventKind::Served { .. }
            | EventKind::OffsetListed { .. }
            | EventKind::Flushed { .. }
    )
}
