//! `cooperative-sticky`: what another member still owns is given to nobody yet. Its owner gives it up when it sees that it is not
//! assigned any more, and joins again; the generation after that may give it away (KIP-429).

use std::collections::BTreeMap;

use trace::Partition;

use super::{Problem, Shares};

pub(super) fn withhold(problem: &Problem, shares: &mut Shares) {
    let mut owners: BTreeMap<Partition, Vec<usize>> = BTreeMap::new();
    for (place, member) in problem.members.iter().enumerate() {
        // Claims that were not believed too: whoever makes one may still be at work.
        member.owned.iter().for_each(|partition| owners.entry(*partition).or_default().push(place));
    }
    for (place, share) in shares.iter_mut().enumerate() {
        share.retain(|given| owners.get(&problem.partition(*given)).is_none_or(|owners| owners.contains(&place)));
    }
}
