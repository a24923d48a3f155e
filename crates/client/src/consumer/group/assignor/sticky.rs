//! `sticky`: members keep what they had; what is free goes to who has least; then partitions move from who has most, one by one, as
//! long as that makes the shares more equal. So no partition moves twice, and none moves without need.

use std::collections::BTreeMap;

use super::{Place, Problem, Shares};

pub(super) fn share(problem: &Problem, trusts_all: bool) -> Shares {
    let mut shares = claims(problem, trusts_all);
    let mut taken: Vec<Vec<bool>> = problem.topics.iter().map(|topic| vec![false; topic.partitions as usize]).collect();
    for place in shares.iter().flatten() {
        taken[place.topic][place.index as usize] = true;
    }
    for place in problem.places() {
        if !taken[place.topic][place.index as usize] {
            let receiver = poorest(problem, &shares, place.topic);
            shares[receiver].push(place);
        }
    }
    while level(problem, &mut shares) {}
    shares
}

/// What members rightly claim. Of two claims the later generation's counts; two of one generation refute each other (KAFKA-12984,
/// KAFKA-13419, KAFKA-14639).
fn claims(problem: &Problem, trusts_all: bool) -> Shares {
    let mut shares = problem.no_shares();
    let mut latest: BTreeMap<Place, (i32, Option<usize>)> = BTreeMap::new();
    for (place, member) in problem.members.iter().enumerate() {
        for claimed in member.owned.iter().filter_map(|partition| problem.place(place, *partition)) {
            if trusts_all {
                shares[place].push(claimed);
                continue;
            }
            let best = latest.entry(claimed).or_insert((member.generation, Some(place)));
            if member.generation > best.0 {
                *best = (member.generation, Some(place));
            } else if member.generation == best.0 && best.1 != Some(place) {
                best.1 = None;
            }
        }
    }
    for (claimed, (_, owner)) in latest {
        if let Some(owner) = owner {
            shares[owner].push(claimed);
        }
    }
    shares
}

/// Who of a topic's subscribers has least.
fn poorest(problem: &Problem, shares: &Shares, topic: usize) -> usize {
    let subscribers = &problem.topics[topic].subscribers;
    *subscribers.iter().min_by_key(|member| shares[**member].len()).expect("a topic in the problem has subscribers")
}

/// Moves one partition from the richest member that can give to the poorest that can take it; whether there was one.
fn level(problem: &Problem, shares: &mut Shares) -> bool {
    let mut donors: Vec<usize> = (0..shares.len()).collect();
    donors.sort_by_key(|member| std::cmp::Reverse(shares[*member].len()));
    for donor in donors {
        let mut best: Option<(usize, usize, usize)> = None;
        let mut seen = None;
        for (place, given) in shares[donor].iter().enumerate().rev() {
            // Neighbours are mostly of one topic, and it has one poorest subscriber.
            if seen.replace(given.topic) == Some(given.topic) {
                continue;
            }
            let receiver = poorest(problem, shares, given.topic);
            let load = shares[receiver].len();
            if load + 1 < shares[donor].len() && best.is_none_or(|(least, ..)| load < least) {
                best = Some((load, place, receiver));
            }
        }
        if let Some((_, place, receiver)) = best {
            let moved = shares[donor].remove(place);
            shares[receiver].push(moved);
            return true;
        }
    }
    false
}
