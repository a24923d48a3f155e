//! `roundrobin`: all partitions in order, each to the next member that wants its topic.

use super::{Problem, Shares};

pub(super) fn share(problem: &Problem) -> Shares {
    let mut shares = problem.no_shares();
    let mut next = 0;
    for place in problem.places() {
        let subscribers = &problem.topics[place.topic].subscribers;
        let member = subscribers.iter().find(|member| **member >= next).unwrap_or(&subscribers[0]);
        shares[*member].push(place);
        next = (member + 1) % problem.members.len();
    }
    shares
}
