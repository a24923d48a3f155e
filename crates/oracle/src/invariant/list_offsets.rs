//! O19: the end of a partition (LATEST), as leaders tell it to clients, never goes back: neither in a leader epoch nor from one
//! to a later one. Nobody is told more than the teller's high watermark, and the start (EARLIEST) is the teller's log start.
//!
//! From: KIP-207, KAFKA-2334 (a new leader's high watermark lags its predecessor's).
//! Legal: an answer of a leader that was deposed and does not know it yet, after one of its successor; everything after an
//! unclean election; what a new leader lost in a power loss or with its disk (committed-durability tells of that).
//! Not checked: which record a timestamp finds (no event tells the records' timestamps); the last stable offset.

use trace::{EventId, EventKind};

use crate::finding::{Charge, Findings};
use crate::fold::LossCause;
use crate::judge::{Moment, Oracle};
use crate::sparse::Slots;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// The largest end told in a leader epoch.
#[derive(Clone, Copy)]
struct Told {
    epoch: i32,
    end: i64,
    event: EventId,
}

#[derive(Default)]
pub(crate) struct ListOffsets {
    /// In epoch order.
    told: Slots<Vec<Told>>,
}

impl Oracle for ListOffsets {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let Some(place) = moment.place else { return };
        match &moment.event.kind {
            EventKind::BecameLeader { .. } => self.forget_lost(moment, place),
            EventKind::OffsetListed { asked, offset, leader_epoch, .. } => {
                let fold = &moment.world.partitions[place];
                if fold.unclean.is_some() || moment.world.is_deleted(fold.partition) {
                    return;
                }
                findings.fact();
                check_bounds(moment, place, *asked, *offset, findings);
                if *asked == LATEST {
                    let told = Told { epoch: *leader_epoch, end: *offset, event: moment.event.id };
                    self.check_end(moment, place, told, findings);
                }
            }
            _ => {}
        }
    }
}

impl ListOffsets {
    /// A leader that lost its memory begins: what it cannot know any more is not held against it.
    fn forget_lost(&mut self, moment: &Moment, place: usize) {
        let Some(leader) = moment.world.replica(place, moment.event.node) else { return };
        let end = leader.log.end;
        let loss = leader.loss_of(end, moment.event.id).map(|loss| loss.cause);
        if matches!(loss, Some(LossCause::PowerLoss | LossCause::DiskReplaced)) {
            self.told.at(place).retain(|told| told.end <= end);
        }
    }

    fn check_end(&mut self, moment: &Moment, place: usize, new: Told, findings: &mut Findings) {
        let told = self.told.at(place);
        let upto = told.partition_point(|known| known.epoch <= new.epoch);
        if let Some(before) = told[..upto].iter().max_by_key(|known| known.end).filter(|it| it.end > new.end) {
            let partition = moment.world.partitions[place].partition;
            let summary = format!(
                "{partition}: {} tells in epoch {} that the end is {}, and in epoch {} a client was told {}",
                moment.event.node, new.epoch, new.end, before.epoch, before.end
            );
            let kind = if before.epoch < new.epoch { "latest-went-back/after-election" } else { "latest-went-back" };
            findings.raise(Charge::at(moment.event, Some(partition), kind, summary).proven_by([before.event]));
            return;
        }
        match upto.checked_sub(1).filter(|last| told[*last].epoch == new.epoch) {
            Some(last) => told[last] = new,
            None => told.insert(upto, new),
        }
    }
}

fn check_bounds(moment: &Moment, place: usize, asked: i64, offset: i64, findings: &mut Findings) {
    let partition = moment.world.partitions[place].partition;
    let Some(replica) = moment.world.replica(place, moment.event.node) else { return };
    let (start, hw, name) = (replica.log.start, replica.hw, moment.event.node);
    if offset > hw {
        let summary = format!("{partition}: {name} told offset {offset}, and its high watermark is {hw}");
        findings.raise(Charge::at(moment.event, Some(partition), "above-high-watermark", summary));
    }
    if asked == EARLIEST && offset != start {
        let summary = format!("{partition}: {name} told that its log starts at {offset}; it starts at {start}");
        findings.raise(Charge::at(moment.event, Some(partition), "earliest/not-log-start", summary));
    }
}

#[cfg(test)]
mod tests {
    use super::{EARLIEST, LATEST};
    use crate::story::Story;

    fn story() -> Story {
        Story::of("list-offsets")
    }

    #[test]
    fn the_end_may_stand_still_and_grow_also_over_an_election() {
        let mut story = story();
        story.commit(2).list(1, LATEST, 2).list(1, LATEST, 2).commit(1).list(1, LATEST, 3).list(1, EARLIEST, 0);
        story.list(1, 1_000, 2).list(1, 9_000, -1).crash(1).elect(2, &[2, 3]).hw(2, 3).list(2, LATEST, 3).quiet();
    }

    #[test]
    fn a_new_leader_does_not_take_back_what_its_predecessor_told() {
        let mut story = story();
        story.commit(1).hw(2, 1).commit(1).list(1, LATEST, 2).crash(1).elect(2, &[2, 3]).list(2, LATEST, 1);
        story.fires(&["latest-went-back/after-election"]);
    }

    #[test]
    fn the_end_does_not_go_back_in_an_epoch() {
        story().commit(2).list(1, LATEST, 2).list(1, LATEST, 1).fires(&["latest-went-back"]);
    }

    #[test]
    fn a_deposed_leader_may_tell_less_than_its_successor() {
        let mut story = story();
        story.commit(1).elect(2, &[2, 3]).hw(2, 1).produce(2, 1).replicate(2, 3).hw(2, 2).list(2, LATEST, 2);
        story.list(1, LATEST, 1).quiet();
    }

    #[test]
    fn nobody_is_told_an_end_above_the_high_watermark() {
        story().commit(1).produce(1, 1).list(1, LATEST, 2).fires(&["above-high-watermark"]);
    }

    #[test]
    fn the_start_is_where_the_log_starts() {
        let mut story = story();
        story.commit(2).log_start(1, 1).list(1, EARLIEST, 1).quiet();
        story.list(1, EARLIEST, 0).fires(&["earliest/not-log-start"]);
    }

    #[test]
    fn a_leader_that_lost_its_memory_may_tell_less() {
        let mut story = story();
        story.commit(2).list(1, LATEST, 2).power_loss(1).restart(1, 0).elect(1, &[1]).list(1, LATEST, 0).quiet();
    }

    #[test]
    fn an_unclean_election_voids_it() {
        let mut story = story();
        story.isr(1, &[1, 2]).produce(1, 1).replicate(1, 2).hw(1, 1).list(1, LATEST, 1).crash(1);
        story.elect_unclean(3).list(3, LATEST, 0).quiet();
    }
}
