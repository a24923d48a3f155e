//! `range`: of each topic the first members get one partition more if it does not divide evenly.

use super::{Place, Problem, Shares};

pub(super) fn share(problem: &Problem) -> Shares {
    let mut shares = problem.no_shares();
    for (topic, it) in problem.topics.iter().enumerate() {
        let members = it.subscribers.len() as i32;
        let (each, extra) = (it.partitions / members, it.partitions % members);
        let mut next = 0;
        for (rank, member) in it.subscribers.iter().enumerate() {
            let end = next + each + i32::from((rank as i32) < extra);
            shares[*member].extend((next..end).map(|index| Place { topic, index }));
            next = end;
        }
    }
    shares
}
