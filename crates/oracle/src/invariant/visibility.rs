//! O7: consumers are served only what is below the high watermark at that moment, and at an offset always the same bytes.
//!
//! From: `ConsistentRead` in Vanlightly/kafka-tlaplus; KAFKA-9835, KAFKA-9807 (torn reads), KAFKA-14704.
//! Legal: everything after an unclean election; what a new leader lost in a power loss or with its disk (committed-durability
//! tells of that, and inconsistent-offsets who saw it); below what a cleaner of the partition reached, a batch that lacks
//! records but keeps place and epoch.
//! Not checked: the last stable offset and aborted transactions (no transaction events yet); the bytes' way to the client
//! (TCP and the CRC guard that; inconsistent-offsets compares what arrived).

use trace::{EventId, EventKind};

use crate::finding::{Charge, Findings};
use crate::fold::LossCause;
use crate::judge::{Moment, Oracle};
use crate::sparse::Slots;

/// A batch as it was served first.
#[derive(Clone, Copy)]
struct Seen {
    base: i64,
    records: u32,
    crc: u32,
    epoch: i32,
    event: EventId,
}

#[derive(Default)]
pub(crate) struct Visibility {
    /// In offset order.
    served: Slots<Vec<Seen>>,
}

impl Oracle for Visibility {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let Some(place) = moment.place else { return };
        if let EventKind::BecameLeader { .. } = &moment.event.kind {
            self.forget_lost(moment, place);
        }
        let EventKind::Served { base_offset, high_watermark, records, crc, leader_epoch, client, .. } =
            &moment.event.kind
        else {
            return;
        };
        let fold = &moment.world.partitions[place];
        if fold.unclean.is_some() || moment.world.is_deleted(fold.partition) {
            return;
        }
        findings.fact();
        let (partition, name) = (fold.partition, moment.event.node);
        let end = base_offset.saturating_add(i64::from(*records));
        if end > *high_watermark {
            let summary = format!(
                "{partition}: {name} served offsets {base_offset} to {} to {client}, above its high watermark {high_watermark}",
                end - 1
            );
            findings.raise(Charge::at(moment.event, Some(partition), "above-high-watermark", summary));
        }
        let known = moment.world.replica(place, name).map_or(0, |replica| replica.hw);
        if *high_watermark > known {
            let summary = format!(
                "{partition}: {name} served {client} up to {high_watermark}, and its high watermark is {known}"
            );
            findings.raise(Charge::at(moment.event, Some(partition), "claims-high-watermark", summary));
        }
        let seen =
            Seen { base: *base_offset, records: *records, crc: *crc, epoch: *leader_epoch, event: moment.event.id };
        if let Some(first) = self.remember(place, seen, fold.cleaned) {
            let summary = format!(
                "{partition}: {name} served {client} a batch at offset {} of epoch {} (crc {:08x}); served before was one at {} of epoch {} (crc {:08x})",
                seen.base, seen.epoch, seen.crc, first.base, first.epoch, first.crc
            );
            let charge = Charge::at(moment.event, Some(partition), "changed", summary);
            findings.raise(charge.proven_by([first.event]));
        }
    }
}

impl Visibility {
    /// A leader that lost its memory begins: what it cannot know any more is not held against it.
    fn forget_lost(&mut self, moment: &Moment, place: usize) {
        let Some(leader) = moment.world.replica(place, moment.event.node) else { return };
        let end = leader.log.end;
        let loss = leader.loss_of(end, moment.event.id).map(|loss| loss.cause);
        if matches!(loss, Some(LossCause::PowerLoss | LossCause::DiskReplaced)) {
            self.served.at(place).retain(|seen| seen.base < end);
        }
    }

    /// Remembers what was served; gives back what was served there before, if it was something else.
    fn remember(&mut self, place: usize, seen: Seen, cleaned: i64) -> Option<Seen> {
        let served = self.served.at(place);
        let end = |seen: &Seen| seen.base.saturating_add(i64::from(seen.records));
        if served.last().is_none_or(|last| end(last) <= seen.base) {
            served.push(seen);
            return None;
        }
        let next = served.partition_point(|known| end(known) <= seen.base);
        let known = served[next];
        if known.base >= end(&seen) {
            served.insert(next, seen);
            return None;
        }
        let place = |seen: &Seen| (seen.base, seen.records, seen.epoch);
        let same = place(&known) == place(&seen) && (known.crc == seen.crc || seen.base < cleaned);
        (!same).then_some(known)
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("visibility")
    }

    #[test]
    fn what_is_committed_may_be_served_again_and_again() {
        story().commit(2).commit(1).serve(1, 2).serve(1, 0).serve(3, 0).serve(1, 2).quiet();
    }

    #[test]
    fn nothing_above_the_high_watermark_is_served() {
        story().commit(2).produce(1, 1).serve(1, 2).fires(&["above-high-watermark"]);
    }

    #[test]
    fn a_high_watermark_is_not_made_up() {
        story().commit(2).produce(1, 1).serve_claiming(1, 2, 3).fires(&["claims-high-watermark"]);
    }

    #[test]
    fn an_offset_never_changes_once_it_was_served() {
        let mut story = story();
        story.commit(1).serve(1, 0).truncate(3, 0).append(3, 0, 1, 0, 7).hw(3, 1).serve(3, 0).fires(&["changed"]);
    }

    #[test]
    fn a_leader_that_lost_its_memory_may_serve_other_bytes_but_one_that_cut_its_log_may_not() {
        let mut powerless = story();
        powerless.commit(1).serve(1, 0).power_loss(1).restart(1, 0).elect(1, &[1]).produce(1, 1).hw(1, 1);
        powerless.serve(1, 0).quiet();
        let mut cut = story();
        cut.commit(1).serve(1, 0).crash(1).truncate(2, 0).elect(2, &[2]).produce(2, 1).hw(2, 1);
        cut.serve(2, 0).fires(&["changed"]);
    }

    #[test]
    fn what_a_cleaner_left_of_a_batch_may_be_served_in_its_place() {
        let served_again = |upto: i64| {
            let mut story = story();
            story.commit(2).serve(1, 0).clean(1, upto).truncate(3, 0).append(3, 0, 2, 0, 7).hw(3, 2).serve(3, 0);
            story
        };
        served_again(2).quiet();
        served_again(0).fires(&["changed"]);
    }

    #[test]
    fn an_unclean_election_voids_it() {
        let mut story = story();
        story.isr(1, &[1, 2]).produce(1, 1).replicate(1, 2).hw(1, 1).serve(1, 0).crash(1);
        story.elect_unclean(3).produce(3, 1).hw(3, 1).serve(3, 0).quiet();
    }
}
