//! Groups as data: a script of requests and passing time, and what the group says to each.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use host::Time;
use trace::{EventKind, Partition};
use wire::kafka::ErrorCode;

use super::classic::Group;
use super::offsets::Committed;
use super::records::OffsetValue;
use super::requests::{Join, Leave, Sync};
use super::turn::{Effect, JoinAnswer, Rules, SyncAnswer, Then, Ticket, Turn};
use crate::flaws::{Flaw, Flaws};

struct Script {
    group: Group,
    rules: Rules,
    now: Time,
    /// Who sent the request of a ticket.
    tickets: Vec<String>,
    writes: VecDeque<Then>,
}

/// Runs a script of `(command, what is said)`. Commands:
///
/// - `join ID`: a new member, which gets this id; `join4 ID`: likewise from version 4 on; `rejoin ID`: a known one;
///   each with `i=INSTANCE`, `p=PROTOCOLS` (best first), `v9`.
/// - `sync ID GENERATION`, `lead ID GENERATION` (each member is assigned its own id), `beat ID GENERATION`,
///   `commit ID GENERATION`, `leave ID`, each with `i=INSTANCE`; `-` stands for no id.
/// - `stored`, `failed`: the oldest write is replicated, or not. `+MS`: time passes. `moved`: another broker coordinates.
fn check(flaws: Flaws, script: &[(&str, &str)]) -> Group {
    let rules = Rules {
        initial_rebalance_delay: Duration::from_millis(3_000),
        max_size: 3,
        offsets_retention_ms: 100_000,
        flaws,
    };
    let group = Group::new("g");
    let mut it = Script { group, rules, now: Time::from_millis(1), tickets: Vec::new(), writes: VecDeque::new() };
    for (place, (command, expected)) in script.iter().enumerate() {
        assert_eq!(it.run(command), *expected, "step {place}: {command}");
    }
    it.group
}

impl Script {
    fn run(&mut self, command: &str) -> String {
        if let Some(ms) = command.strip_prefix('+') {
            return self.pass(Duration::from_millis(ms.parse().unwrap()));
        }
        let words: Vec<&str> = command.split(' ').collect();
        let option = |name: &str| words.iter().find_map(|it| it.strip_prefix(name)).map(str::to_owned);
        let id = words.get(1).copied().filter(|it| *it != "-").unwrap_or_default().to_owned();
        let generation = words.get(2).and_then(|it| it.parse().ok()).unwrap_or(-1);
        let instance = option("i=");
        let assignments = self.group.members().map(|it| (it.id.clone(), Bytes::from(it.id.clone()))).collect();
        let ticket = self.tickets.len() as Ticket;
        self.tickets.push(id.clone());
        let join = |member: &str, needs_id| Join {
            ticket,
            member: member.to_owned(),
            new_id: id.clone(),
            instance: instance.clone(),
            client_id: "client".to_owned(),
            client_host: "node".to_owned(),
            session_timeout: Duration::from_secs(10),
            rebalance_timeout: Duration::from_secs(60),
            protocol_type: "consumer".to_owned(),
            protocols: option("p=")
                .unwrap_or_else(|| "range".to_owned())
                .split(',')
                .map(|name| (name.to_owned(), Bytes::from(name.to_owned())))
                .collect(),
            needs_id,
            can_skip: words.contains(&"v9"),
        };
        let sync = |assignments: BTreeMap<String, Bytes>| Sync {
            ticket,
            member: id.clone(),
            instance: instance.clone(),
            generation,
            protocol_type: None,
            protocol: None,
            assignments,
        };
        let leave = Leave { member: id.clone(), instance: instance.clone() };
        let (group, mut turn) = (&mut self.group, Turn::new(&self.rules, self.now, 0));
        let mut answer = None;
        match words[0] {
            "join" => group.join(join("", false), &mut turn),
            "join4" => group.join(join("", instance.is_none()), &mut turn),
            "rejoin" => group.join(join(&id, false), &mut turn),
            "sync" => group.sync(sync(BTreeMap::new()), &mut turn),
            "lead" => group.sync(sync(assignments), &mut turn),
            "beat" => answer = Some(group.heartbeat(&id, instance.as_deref(), generation, &mut turn)),
            "commit" => answer = Some(group.check_commit(&id, instance.as_deref(), generation, &mut turn)),
            "leave" => answer = Some(group.leave(&leave, &mut turn)),
            "stored" => group.stored(self.writes.pop_front().unwrap(), ErrorCode::None, &mut turn),
            "failed" => {
                let then = self.writes.pop_front().unwrap();
                group.stored(then, ErrorCode::CoordinatorNotAvailable, &mut turn);
            }
            "moved" => group.unload(&mut turn),
            other => panic!("no command {other}"),
        }
        let effects = turn.effects;
        let mut said = self.say(effects);
        said.extend(answer.map(|it| it.map_or_else(|error| error.name().to_owned(), |()| "ok".to_owned())));
        said.join("; ")
    }

    fn pass(&mut self, duration: Duration) -> String {
        let (end, mut said) = (self.now + duration, Vec::new());
        while let Some(due) = self.group.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let mut turn = Turn::new(&self.rules, self.now, 0);
            self.group.expire(&mut turn);
            let effects = turn.effects;
            said.append(&mut self.say(effects));
        }
        self.now = end;
        said.join("; ")
    }

    fn say(&mut self, effects: Vec<Effect>) -> Vec<String> {
        let mut said = Vec::new();
        for effect in effects {
            said.push(match effect {
                Effect::Emit(EventKind::GroupStateChanged { state, generation, .. }) => {
                    format!("{state:?} {generation}")
                }
                Effect::Emit(EventKind::MemberJoined { member, .. }) => format!("+{member}"),
                Effect::Emit(EventKind::MemberLeft { member, reason, .. }) => format!("-{member} {reason}"),
                Effect::Emit(other) => panic!("{other:?}"),
                Effect::Joined(ticket, answer) => format!("{}: {}", self.tickets[ticket as usize], joined(&answer)),
                Effect::Synced(ticket, answer) => format!("{}: {}", self.tickets[ticket as usize], synced(&answer)),
                Effect::Store(value, then) => {
                    self.writes.push_back(then);
                    let members: Vec<String> = value.members.into_iter().map(|it| it.id).collect();
                    format!("store {} [{}]", value.generation, members.join(" "))
                }
            });
        }
        said
    }
}

fn joined(answer: &JoinAnswer) -> String {
    if !answer.error.is_none() {
        return answer.error.name().to_owned();
    }
    let members: Vec<&str> = answer.members.iter().map(|it| it.id.as_str()).collect();
    let protocol = answer.protocol.as_deref().unwrap_or("-");
    let skip = if answer.skip_assignment { " skips" } else { "" };
    format!("in {} {protocol} under {} [{}]{skip}", answer.generation, answer.leader, members.join(" "))
}

fn synced(answer: &SyncAnswer) -> String {
    match answer.error {
        ErrorCode::None => format!("owns {}", String::from_utf8_lossy(&answer.assignment)),
        error => error.name().to_owned(),
    }
}

/// A stable group of two: `a` leads.
const TWO: &[(&str, &str)] = &[
    ("join a", "+a; PreparingRebalance 0"),
    ("join b", "+b"),
    ("+6000", "CompletingRebalance 1; a: in 1 range under a [a b]; b: in 1 range under a []"),
    ("sync b 1", ""),
    ("lead a 1", "store 1 [a b]"),
    ("stored", "Stable 1; a: owns a; b: owns b"),
];

/// A stable group of two static members: `a` leads.
const STATIC: &[(&str, &str)] = &[
    ("join a i=x", "+a; PreparingRebalance 0"),
    ("join b i=y", "+b"),
    ("+6000", "CompletingRebalance 1; a: in 1 range under a [a b]; b: in 1 range under a []"),
    ("lead a 1 i=x", "store 1 [a b]"),
    ("stored", "Stable 1; a: owns a"),
    ("sync b 1 i=y", "b: owns b"),
];

fn check_after(before: &[(&str, &str)], script: &[(&str, &str)]) -> Group {
    check_flawed(Flaws::NONE, before, script)
}

fn check_flawed(flaws: Flaws, before: &[(&str, &str)], script: &[(&str, &str)]) -> Group {
    check(flaws, &[before, script].concat())
}

#[test]
fn an_empty_group_waits_for_more_members_as_long_as_they_come() {
    check(
        Flaws::NONE,
        &[
            ("join a", "+a; PreparingRebalance 0"),
            ("+2000", ""),
            ("join b", "+b"),
            ("+3000", ""),
            ("join c", "+c"),
            ("+3900", ""),
            (
                "+100",
                "CompletingRebalance 1; a: in 1 range under a [a b c]; b: in 1 range under a []; c: in 1 range under a []",
            ),
        ],
    );
}

#[test]
fn a_new_member_joins_when_all_others_have_joined_again() {
    check_after(
        TWO,
        &[
            ("beat b 1", "ok"),
            ("join c", "+c; PreparingRebalance 1"),
            ("beat b 1", "REBALANCE_IN_PROGRESS"),
            ("commit b 1", "ok"),
            ("sync b 1", "b: REBALANCE_IN_PROGRESS"),
            ("rejoin b", ""),
            (
                "rejoin a",
                "CompletingRebalance 2; a: in 2 range under a [a b c]; b: in 2 range under a []; c: in 2 range under a []",
            ),
            ("beat b 1", "ILLEGAL_GENERATION"),
            ("commit b 2", "REBALANCE_IN_PROGRESS"),
            ("rejoin c", "c: in 2 range under a []"),
            ("sync c 2", ""),
            ("rejoin b p=other", "b: INCONSISTENT_GROUP_PROTOCOL"),
            ("join d", "d: GROUP_MAX_SIZE_REACHED"),
        ],
    );
}

#[test]
fn who_does_not_join_again_in_time_is_out_and_another_one_leads() {
    check_after(
        TWO,
        &[
            ("rejoin a", "PreparingRebalance 1"),
            ("+9000", ""),
            ("beat b 1", "REBALANCE_IN_PROGRESS"),
            ("leave a", "a: UNKNOWN_MEMBER_ID; -a left; ok"),
            ("join c", "+c"),
            ("+9000", ""),
            ("beat b 1", "REBALANCE_IN_PROGRESS"),
            ("+10000", "-b session-timeout; CompletingRebalance 2; c: in 2 range under c [c]"),
            ("lead c 2", "store 2 [c]"),
            ("stored", "Stable 2; c: owns c"),
        ],
    );
}

#[test]
fn a_rebalance_waits_no_longer_than_its_timeout() {
    let mut script = vec![("rejoin b p=range,more", "PreparingRebalance 1")];
    // The leader is there, but does not join.
    script.extend([("+9000", ""), ("beat a 1", "REBALANCE_IN_PROGRESS")].repeat(6));
    script.push(("+6000", "-a rebalance-timeout; CompletingRebalance 2; b: in 2 range under b [b]"));
    check_after(TWO, &script);
}

#[test]
fn a_member_that_never_syncs_is_removed_after_the_rebalance_timeout() {
    let half = [
        ("join a", "+a; PreparingRebalance 0"),
        ("join b", "+b"),
        ("+6000", "CompletingRebalance 1; a: in 1 range under a [a b]; b: in 1 range under a []"),
        ("sync b 1", ""),
    ];
    let mut beats = Vec::new();
    beats.extend([("+9000", ""), ("beat a 1", "ok")].repeat(6));
    let removed = ("+6000", "-a rebalance-timeout; b: REBALANCE_IN_PROGRESS; PreparingRebalance 1");
    check_after(
        &half,
        &[&beats[..], &[removed, ("rejoin b", "CompletingRebalance 2; b: in 2 range under b [b]")]].concat(),
    );
    let flawed = Flaws::NONE.with(Flaw::SyncNeverArrives);
    check_flawed(flawed, &half, &[&beats[..], &[("+6000", ""), ("beat a 1", "ok")], &beats[..]].concat());
}

#[test]
fn the_last_member_leaves_an_empty_group() {
    let group = check_after(
        TWO,
        &[
            ("leave b", "-b left; PreparingRebalance 1; ok"),
            ("leave nobody", "UNKNOWN_MEMBER_ID"),
            ("commit - -1", "UNKNOWN_MEMBER_ID"),
            ("+10000", "-a session-timeout; Empty 2; store 2 []"),
            ("stored", ""),
            ("beat a 1", "UNKNOWN_MEMBER_ID"),
            ("commit - -1", "ok"),
            ("commit a 2", "UNKNOWN_MEMBER_ID"),
        ],
    );
    assert_eq!(group.deadline(), None);
}

#[test]
fn a_new_member_comes_again_with_the_id_it_was_given() {
    check(
        Flaws::NONE,
        &[
            ("join4 a", "a: MEMBER_ID_REQUIRED"),
            ("rejoin a", "+a; PreparingRebalance 0"),
            ("rejoin b", "b: UNKNOWN_MEMBER_ID"),
            ("+3000", "CompletingRebalance 1; a: in 1 range under a [a]"),
            ("join4 c", "c: MEMBER_ID_REQUIRED"),
            ("rejoin a p=range,other", "PreparingRebalance 1"),
            ("+9999", ""),
            ("+1", "CompletingRebalance 2; a: in 2 range under a [a]"),
            ("rejoin c", "c: UNKNOWN_MEMBER_ID"),
        ],
    );
}

#[test]
fn the_protocol_is_one_that_all_can_do_and_most_like() {
    check(
        Flaws::NONE,
        &[
            ("join a p=new,sticky,range", "+a; PreparingRebalance 0"),
            ("join b p=sticky,range", "+b"),
            ("join d p=new", "d: INCONSISTENT_GROUP_PROTOCOL"),
            ("join c p=range,sticky", "+c"),
            (
                "+9000",
                "CompletingRebalance 1; a: in 1 sticky under a [a b c]; b: in 1 sticky under a []; c: in 1 sticky under a []",
            ),
        ],
    );
}

#[test]
fn an_assignment_that_cannot_be_stored_is_nobodys() {
    check_after(
        &TWO[..5],
        &[
            ("failed", "a: COORDINATOR_NOT_AVAILABLE; b: COORDINATOR_NOT_AVAILABLE; PreparingRebalance 1"),
            ("rejoin a", ""),
            ("rejoin b", "CompletingRebalance 2; a: in 2 range under a [a b]; b: in 2 range under a []"),
        ],
    );
    check_after(
        &TWO[..5],
        &[("join c", "+c; a: REBALANCE_IN_PROGRESS; b: REBALANCE_IN_PROGRESS; PreparingRebalance 1"), ("stored", "")],
    );
}

#[test]
fn who_waits_when_the_coordinator_moves_is_sent_there() {
    check_after(&TWO[..4], &[("moved", "b: NOT_COORDINATOR")]);
    check_after(&TWO[..2], &[("moved", "a: NOT_COORDINATOR; b: NOT_COORDINATOR")]);
}

#[test]
fn a_static_member_comes_back_under_a_new_id_without_a_rebalance() {
    check_after(
        STATIC,
        &[
            ("join b2 i=y", "-b replaced; +b2; store 1 [a b2]"),
            ("stored", "b2: in 1 range under a []"),
            ("sync b2 1 i=y", "b2: owns b"),
            ("beat b 1 i=y", "FENCED_INSTANCE_ID"),
            ("commit b 1 i=y", "FENCED_INSTANCE_ID"),
            ("leave b i=y", "FENCED_INSTANCE_ID"),
            ("beat b2 1 i=y", "ok"),
            ("join a2 i=x", "-a replaced; +a2; store 1 [a2 b2]"),
            ("stored", "a2: in 1 range under a []"),
            ("join a3 i=x v9", "-a2 replaced; +a3; store 1 [a3 b2]"),
            ("stored", "a3: in 1 range under a3 [a3 b2] skips"),
            ("join a4 i=x p=other", "a4: INCONSISTENT_GROUP_PROTOCOL"),
            ("leave - i=y", "-b2 removed; PreparingRebalance 1; ok"),
        ],
    );
}

#[test]
fn a_static_member_whose_new_id_cannot_be_stored_keeps_the_old_one() {
    check_after(
        STATIC,
        &[
            ("join b2 i=y", "-b replaced; +b2; store 1 [a b2]"),
            ("failed", "-b2 replaced; +b; b2: COORDINATOR_NOT_AVAILABLE"),
            ("beat b 1 i=y", "ok"),
            ("beat b2 1 i=y", "FENCED_INSTANCE_ID"),
        ],
    );
    let unwritten = Flaws::NONE.with(Flaw::StaticRejoinNotPersisted);
    check_flawed(unwritten, STATIC, &[("join b2 i=y", "-b replaced; +b2; b2: in 1 range under a []")]);
}

#[test]
fn a_static_member_that_comes_back_while_the_leader_assigns_makes_all_join_again() {
    let back = "-b replaced; +b2; ";
    let before = [&STATIC[..3], &[("sync b 1 i=y", "")]].concat();
    let again = format!("b: FENCED_INSTANCE_ID; {back}PreparingRebalance 1");
    check_after(&before, &[("join b2 i=y", &again), ("lead a 1 i=x", "a: REBALANCE_IN_PROGRESS")]);
    let flawed = Flaws::NONE.with(Flaw::StaticJoinDuringCompleting);
    let told = format!("b: FENCED_INSTANCE_ID; {back}b2: in 1 range under a []");
    check_flawed(flawed, &before, &[("join b2 i=y", &told)]);
}

#[test]
fn a_second_member_of_the_same_instance_is_fenced_but_for_a_flaw() {
    check_after(
        &STATIC[..2],
        &[("join b2 i=y", "b: FENCED_INSTANCE_ID; -b replaced; +b2"), ("leave b i=y", "FENCED_INSTANCE_ID")],
    );
    let flawed = Flaws::NONE.with(Flaw::StaticDuplicateInstance);
    check_flawed(
        flawed,
        STATIC,
        &[("join b2 i=y", "+b2; PreparingRebalance 1"), ("beat b 1 i=y", "REBALANCE_IN_PROGRESS")],
    );
}

#[test]
fn a_static_member_that_is_away_stays_until_its_session_ends() {
    check_after(
        STATIC,
        &[
            ("rejoin a i=x", "PreparingRebalance 1"),
            ("+9999", ""),
            ("+1", "-b session-timeout; CompletingRebalance 2; a: in 2 range under a [a]"),
        ],
    );
}

#[test]
fn a_group_comes_back_from_its_record_with_fresh_sessions() {
    let group = check_after(TWO, &[]);
    let assignments = group.members().map(|it| (it.id.clone(), it.assignment.clone())).collect();
    let mut restored = Group::restore("g", group.value(&assignments), Time::from_millis(500_000));
    assert_eq!(restored.deadline(), Some(Time::from_millis(510_000)));
    let rules =
        Rules { initial_rebalance_delay: Duration::ZERO, max_size: 9, offsets_retention_ms: 1, flaws: Flaws::NONE };
    let mut turn = Turn::new(&rules, Time::from_millis(500_000), 0);
    assert_eq!(restored.heartbeat("b", None, 1, &mut turn), Ok(()));
    assert_eq!(restored.join_answer("a", true), group.join_answer("a", true));
    assert_eq!(restored.sync_answer("b"), group.sync_answer("b"));
}

fn commit(group: &mut Group, topic: &str, commit_timestamp: i64) {
    let (offset, leader_epoch, metadata, expire_timestamp) = (7, -1, String::new(), None);
    let value = OffsetValue { offset, leader_epoch, metadata, commit_timestamp, expire_timestamp };
    group.offsets.put(Partition::new(topic, 0), Committed { value, at: commit_timestamp });
}

/// What of `orders` (committed at 0) and `mail` (at 50 s) a group forgets at `wall`, 100 s being allowed.
fn check_expiry(group: &Group, flaws: Flaws, wall: i64, expected: &[&str]) -> Group {
    let mut group = group.clone();
    commit(&mut group, "orders", 0);
    commit(&mut group, "mail", 50_000);
    let initial_rebalance_delay = Duration::ZERO;
    let rules = Rules { initial_rebalance_delay, max_size: 9, offsets_retention_ms: 100_000, flaws };
    let mut turn = Turn::new(&rules, Time::ZERO, wall);
    let expired = group.clean_up(&mut turn);
    let topics: Vec<&str> = expired.iter().map(|partition| partition.topic.as_str()).collect();
    assert_eq!(topics, expected, "at {wall}");
    group
}

#[test]
fn offsets_expire_when_nobody_can_use_them_any_more() {
    let alone = Group::new("g");
    check_expiry(&alone, Flaws::NONE, 99_999, &[]);
    check_expiry(&alone, Flaws::NONE, 100_000, &["orders"]);
    let dead = check_expiry(&alone, Flaws::NONE, 150_000, &["mail", "orders"]);
    assert_eq!(dead.state(), trace::GroupState::Dead);
    // A group that became empty at 60 s: nothing expires before 160 s, then everything does.
    let mut empty = check_after(
        TWO,
        &[("leave a", "-a left; PreparingRebalance 1; ok"), ("leave b", "-b left; Empty 2; store 2 []; ok")],
    );
    empty.state_since = Some(60_000);
    check_expiry(&empty, Flaws::NONE, 159_999, &[]);
    check_expiry(&empty, Flaws::NONE, 160_000, &["mail", "orders"]);
}

#[test]
fn offsets_of_topics_that_a_member_reads_do_not_expire_but_for_a_flaw() {
    let mut live = check_after(TWO, &[]);
    let subscription = Bytes::from_static(b"\0\0\0\0\0\x01\0\x04mail\xff\xff\xff\xff");
    for member in live.members.values_mut() {
        member.protocols = vec![("range".to_owned(), subscription.clone())];
    }
    check_expiry(&live, Flaws::NONE, 1_000_000, &["orders"]);
    check_expiry(&live, Flaws::NONE.with(Flaw::OffsetsExpireWhileLive), 1_000_000, &["mail", "orders"]);
    // What they read cannot be told: it may be anything.
    check_expiry(&check_after(TWO, &[]), Flaws::NONE, 1_000_000, &[]);
}

#[test]
fn only_what_nobody_uses_can_be_deleted() {
    let mut live = check_after(TWO, &[]);
    commit(&mut live, "orders", 0);
    let rules =
        Rules { initial_rebalance_delay: Duration::ZERO, max_size: 9, offsets_retention_ms: 1, flaws: Flaws::NONE };
    let mut turn = Turn::new(&rules, Time::ZERO, 0);
    let orders = Partition::new("orders", 0);
    let used = vec![(orders, ErrorCode::GroupSubscribedToTopic)];
    assert_eq!(live.delete_offsets(&[orders], &mut turn), Ok(used));
    assert_eq!(live.delete(&mut turn), Err(ErrorCode::NonEmptyGroup));
    let mut alone = Group::new("g");
    commit(&mut alone, "orders", 0);
    alone.offsets.begin(Partition::new("mail", 0));
    let both = vec![Partition::new("mail", 0), orders];
    assert_eq!(alone.delete(&mut turn), Ok(both), "also what is on its way");
    assert_eq!(alone.delete(&mut turn), Err(ErrorCode::GroupIdNotFound));
}
