//! Sharing out 1,000 partitions among 100 members, as the leader of a group does in each rebalance.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use odradek_client::assignor::{Member, Strategy, assign};
use trace::Name;

const MEMBERS: usize = 100;
const TOPICS: usize = 10;
const PARTITIONS: i32 = 100;

fn group() -> (Vec<Member>, BTreeMap<Name, i32>) {
    let counts: BTreeMap<Name, i32> =
        (0..TOPICS).map(|topic| (Name::new(&format!("topic-{topic}")), PARTITIONS)).collect();
    let member = |number| Member {
        id: Name::new(&format!("member-{number}")),
        instance: None,
        topics: counts.keys().copied().collect(),
        owned: Vec::new(),
        generation: -1,
    };
    ((0..MEMBERS).map(member).collect(), counts)
}

fn assignors(criterion: &mut Criterion) {
    let (members, counts) = group();
    for strategy in [Strategy::Range, Strategy::RoundRobin, Strategy::Sticky, Strategy::CooperativeSticky] {
        criterion.bench_function(&format!("assign/{}", strategy.name()), |bencher| {
            bencher.iter(|| black_box(assign(strategy, black_box(&members), &counts, false)));
        });
        // What happens most: one member of a settled group leaves.
        let settled = assign(strategy, &members, &counts, false);
        let mut rest = members.clone();
        rest.iter_mut().for_each(|member| {
            (member.owned, member.generation) = (settled[&member.id].iter().copied().collect(), 1);
        });
        rest.pop();
        criterion.bench_function(&format!("assign after a leave/{}", strategy.name()), |bencher| {
            bencher.iter(|| black_box(assign(strategy, black_box(&rest), &counts, false)));
        });
    }
}

criterion_group!(benches, assignors);
criterion_main!(benches);
