//! Properties of the assignors, over random groups.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use trace::{Name, Partition};

use super::{Assignment, Member, Strategy, assign};

const ALL: [Strategy; 4] = [Strategy::Range, Strategy::RoundRobin, Strategy::Sticky, Strategy::CooperativeSticky];

fn topic(number: usize) -> Name {
    Name::new(&format!("topic-{number}"))
}

fn member(number: usize, topics: BTreeSet<Name>) -> Member {
    let id = Name::new(&format!("member-{number}"));
    Member { id, instance: None, topics, owned: Vec::new(), generation: -1 }
}

/// `count` members that all want the topics with these many partitions each.
fn equal(count: usize, partitions: &[i32]) -> (Vec<Member>, BTreeMap<Name, i32>) {
    let counts: BTreeMap<Name, i32> = partitions.iter().enumerate().map(|(at, count)| (topic(at), *count)).collect();
    let members = (0..count).map(|number| member(number, counts.keys().copied().collect())).collect();
    (members, counts)
}

/// Members claim what they were given.
fn settle(members: &mut [Member], assignment: &Assignment, generation: i32) {
    for member in members {
        member.owned = assignment[&member.id].iter().copied().collect();
        member.generation = generation;
    }
}

fn owners(assignment: &Assignment) -> BTreeMap<Partition, Vec<Name>> {
    let mut owners: BTreeMap<Partition, Vec<Name>> = BTreeMap::new();
    for (member, partitions) in assignment {
        partitions.iter().for_each(|partition| owners.entry(*partition).or_default().push(*member));
    }
    owners
}

fn spread(assignment: &Assignment) -> usize {
    let sizes = || assignment.values().map(BTreeSet::len);
    sizes().max().unwrap_or(0) - sizes().min().unwrap_or(0)
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn each_partition_of_a_subscribed_topic_has_one_owner_among_its_subscribers(
        wants in prop::collection::vec(0_u8..16, 1..8),
        partitions in prop::array::uniform4(0_i32..9),
    ) {
        let counts: BTreeMap<Name, i32> = partitions.iter().enumerate().map(|(at, count)| (topic(at), *count)).collect();
        let topics = |bits: u8| (0..4).filter(|at| bits >> at & 1 == 1).map(topic).collect();
        let members: Vec<Member> = wants.iter().enumerate().map(|(at, bits)| member(at, topics(*bits))).collect();
        for strategy in ALL {
            let assignment = assign(strategy, &members, &counts, false);
            prop_assert_eq!(assignment.len(), members.len());
            let owners = owners(&assignment);
            for (topic, count) in &counts {
                let wanted = members.iter().any(|member| member.topics.contains(topic));
                for index in (0..*count).filter(|_| wanted) {
                    let found = &owners[&Partition { topic: *topic, index }];
                    prop_assert_eq!(found.len(), 1, "{:?}", strategy);
                    let owner = members.iter().find(|member| member.id == found[0]).unwrap();
                    prop_assert!(owner.topics.contains(topic));
                }
            }
            let expected: i32 = counts.iter().filter(|(topic, _)| members.iter().any(|it| it.topics.contains(*topic))).map(|(_, count)| count).sum();
            prop_assert_eq!(owners.len() as i32, expected);
        }
    }

    #[test]
    fn with_equal_subscriptions_shares_differ_by_one_at_most(
        count in 1_usize..12,
        partitions in prop::collection::vec(0_i32..20, 1..5),
    ) {
        let (members, counts) = equal(count, &partitions);
        for strategy in [Strategy::RoundRobin, Strategy::Sticky, Strategy::CooperativeSticky] {
            prop_assert!(spread(&assign(strategy, &members, &counts, false)) <= 1, "{strategy:?}");
        }
    }

    #[test]
    fn range_gives_each_member_a_run_of_each_topic(count in 1_usize..12, partitions in 0_i32..40) {
        let (members, counts) = equal(count, &[partitions]);
        let assignment = assign(Strategy::Range, &members, &counts, false);
        prop_assert!(spread(&assignment) <= 1);
        for share in assignment.values().filter(|share| !share.is_empty()) {
            let (first, last) = (share.first().unwrap().index, share.last().unwrap().index);
            prop_assert_eq!(share.len() as i32, last - first + 1);
        }
    }

    #[test]
    fn when_a_member_leaves_the_others_keep_what_they_have(
        count in 2_usize..12,
        partitions in prop::collection::vec(1_i32..20, 1..4),
        leaver in any::<prop::sample::Index>(),
    ) {
        let (mut members, counts) = equal(count, &partitions);
        let before = assign(Strategy::Sticky, &members, &counts, false);
        settle(&mut members, &before, 1);
        members.remove(leaver.index(count));
        let after = assign(Strategy::Sticky, &members, &counts, false);
        for member in &members {
            prop_assert!(before[&member.id].is_subset(&after[&member.id]));
        }
        prop_assert!(spread(&after) <= 1);
    }

    #[test]
    fn when_a_member_joins_partitions_move_to_nobody_else(
        count in 1_usize..12,
        partitions in prop::collection::vec(1_i32..20, 1..4),
    ) {
        let (mut members, counts) = equal(count, &partitions);
        let before = assign(Strategy::Sticky, &members, &counts, false);
        settle(&mut members, &before, 1);
        let newcomer = member(count, members[0].topics.clone());
        members.push(newcomer.clone());
        let after = assign(Strategy::Sticky, &members, &counts, false);
        for (member, share) in &before {
            prop_assert!(after[member].is_subset(share));
        }
        let total: usize = after.values().map(BTreeSet::len).sum();
        prop_assert_eq!(after[&newcomer.id].len(), total / (count + 1), "no more than balance asks for");
    }

    /// Plays generations of a group whose members come, go and change their minds; a member gives up what is not assigned to it any
    /// more only when it has its assignment.
    #[test]
    fn a_cooperative_partition_goes_to_a_new_owner_only_after_the_old_one_gave_it_up(
        steps in prop::collection::vec((0_usize..6, 0_u8..8), 1..25),
        partitions in prop::array::uniform3(1_i32..7),
    ) {
        let counts: BTreeMap<Name, i32> = partitions.iter().enumerate().map(|(at, count)| (topic(at), *count)).collect();
        let mut members: BTreeMap<usize, Member> = BTreeMap::new();
        for (generation, (number, wants)) in steps.into_iter().enumerate() {
            // Wanting nothing is leaving. What a member no longer wants it gives up before it joins.
            let topics: BTreeSet<Name> = (0..3).filter(|at| wants >> at & 1 == 1).map(topic).collect();
            if topics.is_empty() {
                members.remove(&number);
            } else {
                let changed = members.entry(number).or_insert_with(|| member(number, BTreeSet::new()));
                changed.owned.retain(|partition| topics.contains(&partition.topic));
                changed.topics = topics;
            }
            let mut settled = false;
            for round in 0..3 {
                let joined: Vec<Member> = members.values().cloned().collect();
                let assignment = assign(Strategy::CooperativeSticky, &joined, &counts, false);
                for (partition, owners) in owners(&assignment) {
                    prop_assert_eq!(owners.len(), 1);
                    let holds = |it: &&Member| it.owned.contains(&partition) && it.id != owners[0];
                    prop_assert_eq!(joined.iter().find(holds), None, "{:?} is still held", partition);
                }
                settled = joined.iter().all(|it| it.owned.iter().all(|owned| assignment[&it.id].contains(owned)));
                let mut after = joined;
                settle(&mut after, &assignment, (generation * 3 + round) as i32);
                members = members.into_keys().zip(after).collect();
                if settled {
                    break;
                }
            }
            prop_assert!(settled, "two generations settle a change");
        }
    }

    #[test]
    fn cooperative_and_eager_sticky_end_with_equally_large_shares(
        count in 2_usize..8,
        partitions in prop::collection::vec(1_i32..20, 1..3),
    ) {
        let (mut members, counts) = equal(count, &partitions);
        let newcomer = members.pop().unwrap();
        let first = assign(Strategy::CooperativeSticky, &members, &counts, false);
        settle(&mut members, &first, 1);
        members.push(newcomer);
        let second = assign(Strategy::CooperativeSticky, &members, &counts, false);
        settle(&mut members, &second, 2);
        let third = assign(Strategy::CooperativeSticky, &members, &counts, false);
        prop_assert!(spread(&third) <= 1);
        prop_assert_eq!(owners(&third).len() as i32, partitions.iter().sum::<i32>());
    }
}

/// Two members that both claim the only partition, from these generations.
fn rivals(left: i32, right: i32) -> (Vec<Member>, BTreeMap<Name, i32>) {
    let (mut members, counts) = equal(2, &[1]);
    for (member, generation) in members.iter_mut().zip([left, right]) {
        (member.owned, member.generation) = (vec![Partition { topic: topic(0), index: 0 }], generation);
    }
    (members, counts)
}

#[test]
fn a_member_that_missed_a_generation_is_not_believed() {
    for (left, right, owner) in [(4, 5, 1), (5, 4, 0)] {
        let (members, counts) = rivals(left, right);
        let assignment = assign(Strategy::Sticky, &members, &counts, false);
        assert_eq!(assignment[&members[owner].id].len(), 1, "{left} against {right}");
        assert_eq!(owners(&assignment).into_values().map(|owners| owners.len()).max(), Some(1));
    }
}

#[test]
fn with_the_flaw_a_partition_claimed_twice_is_owned_twice() {
    let (members, counts) = rivals(4, 5);
    let assignment = assign(Strategy::Sticky, &members, &counts, true);
    assert_eq!(owners(&assignment).into_values().map(|owners| owners.len()).max(), Some(2));
}

#[test]
fn a_partition_claimed_twice_in_one_generation_is_withheld_from_a_third_until_both_gave_it_up() {
    let (mut members, counts) = rivals(5, 5);
    members.push(member(2, members[0].topics.clone()));
    let assignment = assign(Strategy::CooperativeSticky, &members, &counts, false);
    assert!(assignment[&members[2].id].is_empty());
}

#[test]
fn static_members_keep_their_order_under_a_new_member_id() {
    let (mut members, counts) = equal(2, &[4]);
    members[0].instance = Some(Name::new("a"));
    members[1].instance = Some(Name::new("b"));
    let before = assign(Strategy::Range, &members, &counts, false);
    let renamed = Name::new("zzz");
    let old = std::mem::replace(&mut members[0].id, renamed);
    assert_eq!(assign(Strategy::Range, &members, &counts, false)[&renamed], before[&old]);
}
