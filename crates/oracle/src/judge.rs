//! The judge: feeds every event to the fold and the oracles.

use std::collections::BTreeSet;

use trace::{Event, EventKind, Partition};

use crate::finding::{Findings, Ledger};
use crate::fold::World;
use crate::records::Records;
use crate::{Context, EndOfRun, Finding, OracleReport, history, invariant};

/// An event about to happen, and the world as it stood just before.
pub(crate) struct Moment<'a> {
    pub event: &'a Event,
    pub world: &'a World,
    pub records: &'a Records,
    pub context: &'a Context,
    /// The event's partition, as the world numbers them.
    pub place: Option<usize>,
}

/// The end of a run, and the world then.
pub(crate) struct Ending<'a> {
    pub end: &'a EndOfRun,
    pub world: &'a World,
    pub records: &'a Records,
    pub context: &'a Context,
}

/// One definition of what must never happen.
pub(crate) trait Oracle {
    /// Judges one event against the world before it.
    fn observe(&mut self, _moment: &Moment, _findings: &mut Findings) {}

    /// Judges what only shows when the run is over.
    fn finish(&mut self, _ending: &Ending, _findings: &mut Findings) {}
}

type Maker = fn() -> Box<dyn Oracle>;

/// Slug, one sentence, maker: in the order of reports.
const ORACLES: [(&str, &str, Maker); 26] = [
    ("committed-durability", "What was committed is in the log of every later leader.", || {
        Box::<invariant::committed_durability::CommittedDurability>::default()
    }),
    ("log-matching", "Replicas that hold the same offset and epoch hold the same batches up to there.", || {
        Box::<invariant::log_matching::LogMatching>::default()
    }),
    ("log-shape", "A log's offsets increase, its epochs never decrease, and its disk holds what was reported.", || {
        Box::<invariant::log_shape::LogShape>::default()
    }),
    ("one-leader-per-epoch", "At most one broker leads and appends in a leader epoch.", || {
        Box::<invariant::one_leader::OneLeader>::default()
    }),
    ("high-watermark", "High watermarks do not fall, and cover only what the whole ISR holds.", || {
        Box::<invariant::high_watermark::HighWatermark>::default()
    }),
    ("isr-safety", "Every running ISR member holds what any leader counts as committed.", || {
        Box::<invariant::isr_safety::IsrSafety>::default()
    }),
    ("visibility", "Consumers see only what is committed, and the same bytes forever.", || {
        Box::<invariant::visibility::Visibility>::default()
    }),
    (
        "control-fencing",
        "Brokers obey the newest controller only, and only requests meant for their incarnation.",
        || Box::<invariant::control_fencing::ControlFencing>::default(),
    ),
    (
        "ensemble",
        "ZooKeeper's transactions have one order, views never go back, ephemerals die with their session.",
        || Box::<invariant::ensemble::Ensemble>::default(),
    ),
    ("idempotence", "An idempotent producer's sequence numbers are in the log once and in order.", || {
        Box::<invariant::idempotence::Idempotence>::default()
    }),
    ("recovery", "A log loaded after a stop is a prefix of what it was, with all that was flushed.", || {
        Box::<invariant::recovery::Recovery>::default()
    }),
    (
        "retention",
        "Nothing above the high watermark is deleted or cleaned, and each key's latest value survives.",
        || Box::<invariant::retention::Retention>::default(),
    ),
    ("list-offsets", "The end of a partition, as clients are told it, never goes back.", || {
        Box::<invariant::list_offsets::ListOffsets>::default()
    }),
    ("liveness", "After healing, leaders and full ISRs return, requests are answered, consumers catch up.", || {
        Box::<invariant::liveness::Liveness>::default()
    }),
    ("assignment", "A partition has at most one owner in a generation of a group.", || {
        Box::<invariant::assignment::Assignment>::default()
    }),
    (
        "group-offsets",
        "A group's committed offsets change only by what its members may commit, and are not forgotten.",
        || Box::<invariant::group_offsets::GroupOffsets>::default(),
    ),
    (
        "client-contract",
        "A consumer's position moves only by delivery, seek or declared reset; a send resolves once.",
        || Box::<invariant::client_contract::ClientContract>::default(),
    ),
    ("lost-write", "An acknowledged record can be read at the end.", || {
        Box::<history::lost_write::LostWrite>::default()
    }),
    ("duplicate", "An idempotent producer's record is at one offset.", || {
        Box::<history::duplicate::Duplicate>::default()
    }),
    ("inconsistent-offsets", "Everybody who reads an offset reads the same record.", || {
        Box::<history::inconsistent_offsets::InconsistentOffsets>::default()
    }),
    ("nonmonotonic-poll", "A consumer's polls go forward.", || {
        Box::<history::nonmonotonic_poll::NonmonotonicPoll>::default()
    }),
    ("poll-skip", "A consumer's polls leave nothing out.", || Box::<history::poll_skip::PollSkip>::default()),
    ("unseen", "An acknowledged record was polled by every reader of its topic.", || {
        Box::<history::unseen::Unseen>::default()
    }),
    ("redelivery", "A group that commits before it processes does nothing twice.", || {
        Box::<history::redelivery::Redelivery>::default()
    }),
    ("unprocessed", "What a group committed it has done its work for.", || {
        Box::<history::unprocessed::Unprocessed>::default()
    }),
    ("out-of-order", "Records of one key are stored in the order sent, where that is promised.", || {
        Box::<history::out_of_order::OutOfOrder>::default()
    }),
];

/// The oracles of groups.
const OF_GROUPS: [&str; 4] = ["assignment", "group-offsets", "redelivery", "unprocessed"];

/// Every oracle's slug, in the order of reports.
pub const SLUGS: [&str; ORACLES.len()] = {
    let mut slugs = [""; ORACLES.len()];
    let mut place = 0;
    while place < slugs.len() {
        slugs[place] = ORACLES[place].0;
        place += 1;
    }
    slugs
};

/// What an oracle claims, in one sentence.
pub fn describe(slug: &str) -> Option<&'static str> {
    ORACLES.iter().find(|(known, ..)| *known == slug).map(|(_, claim, _)| *claim)
}

/// A word in `expect.always` that names no oracle.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no oracle `{0}`; `odradek explain oracles` lists them")]
pub struct UnknownOracle(pub String);

/// The oracles that `expect.always` asks for: `default` is all of them, `-slug` removes one.
///
/// # Errors
/// [`UnknownOracle`] for a word that is neither.
pub fn select<S: AsRef<str>>(always: &[S]) -> Result<Vec<&'static str>, UnknownOracle> {
    let mut chosen = [false; SLUGS.len()];
    for word in always {
        let word = word.as_ref();
        let (slug, wanted) = word.strip_prefix('-').map_or((word, true), |slug| (slug, false));
        if slug == "default" {
            chosen.fill(wanted);
            continue;
        }
        let place = SLUGS.iter().position(|known| *known == slug).ok_or_else(|| UnknownOracle(slug.into()))?;
        chosen[place] = wanted;
    }
    Ok(SLUGS.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(slug, _)| *slug).collect())
}

struct Seat {
    slug: &'static str,
    oracle: Box<dyn Oracle>,
    ledger: Ledger,
}

/// Judges one run.
pub struct Judge {
    context: Context,
    world: World,
    records: Records,
    seats: Vec<Seat>,
}

impl Judge {
    /// A judge with those oracles of these slugs (see [`select`]) that apply to such a run.
    ///
    /// # Panics
    /// If a slug is unknown: [`select`] gives known ones only.
    pub fn new<S: AsRef<str>>(context: Context, enabled: &[S]) -> Judge {
        let seat = |slug: &S| {
            let found = ORACLES.iter().find(|(known, ..)| *known == slug.as_ref());
            let (slug, _, make) = found.unwrap_or_else(|| panic!("no oracle `{}`", slug.as_ref()));
            Seat { slug, oracle: make(), ledger: Ledger::default() }
        };
        let seats = enabled.iter().filter(|slug| applies(slug.as_ref(), &context)).map(seat).collect();
        let records = Records::new(&context);
        Judge { context, world: World::default(), records, seats }
    }

    /// Judges the next event of the run; what it violates is pushed onto `findings`.
    pub fn observe(&mut self, event: &Event, findings: &mut Vec<Finding>) {
        let judged = matters(&event.kind) || (self.world.recreates && is_about_metadata(&event.kind));
        if !judged {
            return;
        }
        let place = self.world.locate(event);
        let moment = Moment { event, world: &self.world, records: &self.records, context: &self.context, place };
        for seat in &mut self.seats {
            let Seat { slug, oracle, ledger } = seat;
            oracle.observe(&moment, &mut Findings { slug, ledger, allow: &self.context.allow, out: findings });
        }
        self.world.apply(event, place);
        self.records.observe(event);
    }

    /// Judges what only shows when the run is over.
    pub fn finish(&mut self, end: &EndOfRun, findings: &mut Vec<Finding>) {
        // A partition that cannot recover may show a reader whatever a deposed leader still has.
        let excused = self.seats.iter().flat_map(|seat| seat.ledger.excused.iter().map(|(partition, _)| *partition));
        let excused: BTreeSet<Partition> = excused.collect();
        let mut end = end.clone();
        end.reads.retain(|read| !excused.contains(&read.partition));
        let ending = Ending { end: &end, world: &self.world, records: &self.records, context: &self.context };
        for seat in &mut self.seats {
            let Seat { slug, oracle, ledger } = seat;
            oracle.finish(&ending, &mut Findings { slug, ledger, allow: &self.context.allow, out: findings });
        }
    }

    /// How every oracle fared, in the order they were enabled.
    pub fn report(&self) -> Vec<OracleReport> {
        let row = |seat: &Seat| OracleReport {
            slug: seat.slug,
            facts: seat.ledger.facts,
            vacuous: seat.ledger.facts == 0,
            violations: seat.ledger.violations,
            allowed: seat.ledger.allowed,
            excused: seat.ledger.excused.iter().map(|(_, proof)| proof.clone()).collect(),
        };
        self.seats.iter().map(row).collect()
    }
}

/// Whether an oracle can see anything in such a run: what it has nothing of cannot be judged, such as groups where no client is in one,
/// or retention where nothing is ever deleted or cleaned. (The brokers' own topics hardly ever are.)
fn applies(slug: &str, context: &Context) -> bool {
    match slug {
        "retention" => {
            let own = context.topics.iter().filter(|(name, _)| !name.as_str().starts_with("__"));
            own.into_iter().any(|(_, topic)| topic.compacted || topic.expires)
        }
        slug if OF_GROUPS.contains(&slug) => context.clients.values().any(|facts| facts.group.is_some()),
        _ => true,
    }
}

/// Whether any oracle looks at such an event. Most events are frames, and no oracle judges those.
fn matters(kind: &EventKind) -> bool {
    !matches!(
        kind,
        EventKind::FrameSent(_)
            | EventKind::FrameDelivered(_)
            | EventKind::FrameDropped(_)
            | EventKind::FrameHeld(_)
            | EventKind::ConnectionOpened { .. }
            | EventKind::ConnectionClosed { .. }
            | EventKind::ConnectFailed { .. }
            | EventKind::RequestTimedOut { .. }
            | EventKind::WatchFired { .. }
            | EventKind::ZabProposed { .. }
            | EventKind::ProduceRefused { .. }
            | EventKind::Mark { .. }
            | EventKind::NoteShown { .. }
            | EventKind::Violation { .. }
    )
}

/// Whether a client asks for metadata or is answered: it may hear of a topic that was created anew.
fn is_about_metadata(kind: &EventKind) -> bool {
    matches!(kind, EventKind::FrameSent(info) | EventKind::FrameDelivered(info) if info.api.as_str() == "Metadata")
}

#[cfg(test)]
mod tests {
    use trace::GroupState;

    use super::*;
    use crate::story::Story;

    #[test]
    fn default_means_every_oracle_and_a_minus_takes_one_away() {
        assert_eq!(select(&["default"]).expect("known"), SLUGS);
        let fewer = select(&["default", "-liveness"]).expect("known");
        assert_eq!(fewer.len(), SLUGS.len() - 1);
        assert!(!fewer.contains(&"liveness"));
        assert_eq!(select(&["unseen", "lost-write"]).expect("known"), ["lost-write", "unseen"]);
        assert_eq!(select(&["-lost-wrte"]), Err(UnknownOracle("lost-wrte".into())));
    }

    /// A crash, a failover, a return, and clients that notice nothing but a delay.
    fn a_good_day() -> Story {
        let mut story = Story::grouped("liveness");
        story
            .compacted()
            .coordinator(2)
            .group_is(GroupState::Stable, 1)
            .takes("a", 1, &[0])
            .served_offset("a", -1)
            .initial("a", 0)
            .zab_leads(1, 1)
            .delivers(1, &[1, 2])
            .delivers(2, &[1, 2])
            .view(1, 2)
            .control(2, 1, 102);
        story.sent(0).produce_as(1, 1, 9, 0, 0).replicate(1, 2).replicate(1, 3).hw(1, 1).produce_acked(1, 0);
        story.acked(0, 0).hw(2, 1).serve(2, 0).polled(0, 0);
        story.sent(1).produce_as(1, 1, 9, 0, 1).replicate(1, 2).crash(1).elect(2, &[2, 3]).replicate(2, 3);
        story.hw(2, 2).produce_acked(2, 1).acked(1, 1).hw(3, 2).serve(2, 1).polled(1, 1);
        story.restart(1, 2).follows(1).settle().hw(1, 1).hw(1, 2).isr(2, &[1, 2, 3]);
        story.sent(2).produce_as(2, 1, 9, 0, 2).replicate(2, 1).replicate(2, 3).hw(2, 3).produce_acked(2, 2);
        story.list(2, -1, 3).clean(2, 1);
        story
            .acked(2, 2)
            .serve(2, 2)
            .polled(2, 2)
            .processes("a", 0)
            .processes("a", 1)
            .processes("a", 2)
            .commits("a", 1, 3)
            .wait(60)
            .verify();
        story.scan_all().read(&[(0, 0), (1, 1), (2, 2)]);
        story
    }

    #[test]
    fn a_good_day_is_judged_by_every_oracle_and_satisfies_it() {
        a_good_day().healthy();
    }

    #[test]
    fn a_finding_names_its_event_its_evidence_and_its_place() {
        let mut story = Story::of("lost-write");
        story.sent(0).produce(1, 1).acked(0, 0).crash(1).elect(2, &[2, 3]).read(&[]);
        let findings = story.findings();
        let lost = findings.iter().find(|finding| finding.oracle == "lost-write").expect("a lost write");
        assert_eq!(lost.signature, "lost-write/acked-all/after-election");
        assert_eq!(lost.partition, Some(Partition::new("email", 0)));
        assert_eq!(lost.evidence.len(), 2, "sent and acknowledged");
        assert!(lost.event > lost.evidence[1], "committed by the election that followed");
        assert!(lost.summary.contains("record 0") && lost.summary.contains("broker 2"), "{}", lost.summary);
    }

    #[test]
    fn many_violations_of_one_kind_are_counted_and_a_few_told() {
        let mut story = Story::of("lost-write");
        (0..9).for_each(|n| {
            story.sent(n).polled(n as i64, n).polled(n as i64, n);
        });
        let findings = story.findings();
        let back = findings.iter().filter(|finding| finding.oracle == "nonmonotonic-poll").count();
        assert_eq!(back, 3);
    }

    #[test]
    fn an_oracle_that_saw_nothing_is_vacuous() {
        let judge = Judge::new(Context::default(), &SLUGS);
        assert_eq!(
            judge.report().len(),
            SLUGS.len() - OF_GROUPS.len() - 1,
            "no client is in a group, and no topic is cleaned"
        );
        assert!(judge.report().iter().all(|report| report.vacuous && report.facts == 0));
        assert!(SLUGS.iter().all(|slug| describe(slug).is_some()));
    }
}
