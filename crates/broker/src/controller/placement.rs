//! Where a new topic's replicas go, without regard to racks.

/// There are fewer brokers than replicas wanted, or nothing was wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CannotPlace;

/// Replicas for each partition, preferred leader first, as Kafka's `AdminUtils` places them: first replicas go round
/// robin from `start`; the others follow at a distance that grows by one each time round, beginning with `shift`.
/// `start` and `shift` are drawn at random by the caller.
///
/// # Errors
/// If `factor` is 0 or exceeds the number of `brokers`, or there is no partition.
pub fn place(
    brokers: &[i32],
    partitions: usize,
    factor: usize,
    start: usize,
    shift: usize,
) -> Result<Vec<Vec<i32>>, CannotPlace> {
    let count = brokers.len();
    if factor == 0 || factor > count || partitions == 0 {
        return Err(CannotPlace);
    }
    let replicas = |partition: usize| {
        let first = (partition + start % count) % count;
        let shift = shift % count.max(2) + partition / count;
        let follower = |place: usize| brokers[(first + 1 + (shift + place) % (count - 1)) % count];
        std::iter::once(brokers[first]).chain((0..factor - 1).map(follower)).collect()
    };
    Ok((0..partitions).map(replicas).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn replicas_go_round_robin_as_in_kafkas_own_example() {
        // From AdminUtils' documentation: 5 brokers, 10 partitions, 3 replicas, start 0, shift 0.
        let placed = place(&[0, 1, 2, 3, 4], 10, 3, 0, 0).unwrap();
        let expected = [
            [0, 1, 2],
            [1, 2, 3],
            [2, 3, 4],
            [3, 4, 0],
            [4, 0, 1],
            [0, 2, 3],
            [1, 3, 4],
            [2, 4, 0],
            [3, 0, 1],
            [4, 1, 2],
        ];
        assert_eq!(placed, expected);
    }

    #[test]
    fn no_partition_has_two_replicas_on_one_broker_and_leaders_are_spread() {
        for (brokers, factor) in [(1, 1), (2, 2), (3, 2), (3, 3), (5, 3), (8, 8)] {
            let ids: Vec<i32> = (1..=brokers).collect();
            for start in 0..7 {
                let placed = place(&ids, 2 * ids.len(), factor, start, start * 5).unwrap();
                for replicas in &placed {
                    assert_eq!(BTreeSet::from_iter(replicas).len(), factor);
                }
                for id in &ids {
                    assert_eq!(placed.iter().filter(|replicas| replicas[0] == *id).count(), 2);
                }
            }
        }
    }

    #[test]
    fn too_few_brokers_are_refused() {
        assert_eq!(place(&[1, 2], 1, 3, 0, 0), Err(CannotPlace));
        assert_eq!(place(&[], 1, 1, 0, 0), Err(CannotPlace));
        assert_eq!(place(&[1], 1, 0, 0, 0), Err(CannotPlace));
        assert_eq!(place(&[1], 0, 1, 0, 0), Err(CannotPlace));
    }
}
