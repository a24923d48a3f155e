//! A file's bytes: what the page cache shows, and what would survive a power loss.

use std::collections::BTreeMap;

use bytes::Bytes;
use rand::Rng;
use trace::EventId;

use super::super::Keep;
use crate::Entropy;

/// What the kernel writes back as one.
pub(super) const PAGE: usize = 4096;
/// What the device writes as one: a page can be torn between sectors.
const SECTOR: usize = 512;

/// The durable bytes of a page that is dirty, shorter than a page where the durable file ends in it.
type Image = Box<[u8]>;

/// The content of a file.
#[derive(Default)]
pub(super) struct Content {
    /// What a process reads, faults aside.
    data: Vec<u8>,
    durable_length: usize,
    /// Dirty pages and what they were when last captured by a sync.
    dirty: BTreeMap<usize, Image>,
    /// The dirty page written last: appending asks for it again and again.
    last_dirty: Option<usize>,
    /// What a sync in progress has captured.
    syncing: Option<Syncing>,
    /// What faults show instead of the data, as differences.
    masks: Vec<Mask>,
}

struct Syncing {
    pages: BTreeMap<usize, Image>,
    length: usize,
}

/// Bytes that a fault changes: exclusive-or of what is read and what was written.
struct Mask {
    fault: EventId,
    position: usize,
    bytes: Vec<u8>,
}

/// How many dirty pages survived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Survivors {
    pub kept: u32,
    pub lost: u32,
}

impl Content {
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// The data without faults.
    pub fn pristine(&self) -> &[u8] {
        &self.data
    }

    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || self.syncing.is_some() || self.durable_length != self.data.len()
    }

    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let position = self.data.len();
        self.touch(position, bytes.len());
        self.data.extend_from_slice(bytes);
        position
    }

    pub fn write(&mut self, position: usize, bytes: &[u8]) {
        let end = position + bytes.len();
        self.touch(position, bytes.len());
        if end > self.data.len() {
            self.data.resize(end, 0);
        }
        self.data[position..end].copy_from_slice(bytes);
    }

    pub fn set_len(&mut self, length: usize) {
        if length < self.data.len() {
            self.touch(length, self.data.len() - length);
        }
        self.data.resize(length, 0);
    }

    /// Returns what is read, and the faults that changed it.
    pub fn read(&self, position: u64, length: usize) -> (Bytes, Vec<EventId>) {
        let from = usize::try_from(position).unwrap_or(usize::MAX).min(self.data.len());
        let to = from.saturating_add(length).min(self.data.len());
        let pristine = &self.data[from..to];
        if self.masks.is_empty() {
            return (Bytes::copy_from_slice(pristine), Vec::new());
        }
        let (mut shown, mut faults) = (pristine.to_vec(), Vec::new());
        for mask in &self.masks {
            let mut hit = false;
            for (place, byte) in overlap(mask, from, to) {
                shown[place - from] ^= byte;
                hit |= *byte != 0;
            }
            faults.extend(hit.then_some(mask.fault));
        }
        (shown.into(), faults)
    }

    /// Keeps the durable state of the pages that are about to change, and ends faults on the bytes that are written anew.
    fn touch(&mut self, position: usize, length: usize) {
        if length == 0 {
            return;
        }
        for page in position / PAGE..=(position + length - 1) / PAGE {
            if self.last_dirty != Some(page) {
                self.keep_image(page);
            }
        }
        for mask in &mut self.masks {
            let from = position.clamp(mask.position, mask.position + mask.bytes.len()) - mask.position;
            let to = (position + length).clamp(mask.position, mask.position + mask.bytes.len()) - mask.position;
            mask.bytes[from..to].fill(0);
        }
    }

    fn keep_image(&mut self, page: usize) {
        self.last_dirty = Some(page);
        if self.dirty.contains_key(&page) {
            return;
        }
        let captured = self.syncing.as_ref().map_or(self.durable_length, |syncing| syncing.length);
        let end = ((page + 1) * PAGE).min(captured).min(self.data.len());
        let image = self.data.get(page * PAGE..end).unwrap_or_default();
        self.dirty.insert(page, image.into());
    }

    // ---- syncing

    /// A sync begins: it covers what was written up to here.
    pub fn begin_sync(&mut self) {
        assert!(self.syncing.is_none(), "a device syncs one at a time");
        self.last_dirty = None;
        let pages = std::mem::take(&mut self.dirty);
        self.syncing = Some(Syncing { pages, length: self.data.len() });
    }

    /// The sync is over. After an error nothing it captured is durable.
    pub fn end_sync(&mut self, ok: bool) {
        let syncing = self.syncing.take().expect("a sync was in progress");
        if ok {
            self.durable_length = syncing.length;
        } else {
            // The older image is the durable one.
            self.dirty.extend(syncing.pages);
            self.last_dirty = None;
        }
    }

    // ---- power loss

    /// The machine loses its power: `keep` of the unsynced pages survives.
    pub fn power_loss(&mut self, keep: Keep, entropy: &mut Entropy) -> Survivors {
        let captured = self.syncing.take().map_or_else(BTreeMap::new, |syncing| syncing.pages);
        let dirty = std::mem::take(&mut self.dirty);
        self.last_dirty = None;
        let current = std::mem::take(&mut self.data);
        let length = match keep {
            Keep::None => self.durable_length,
            Keep::All => current.len(),
            Keep::Random => random_length(self.durable_length, current.len(), entropy),
        };
        let pages: std::collections::BTreeSet<usize> = captured.keys().chain(dirty.keys()).copied().collect();
        let mut survivors = Survivors::default();
        let mut data = current.clone();
        data.resize(length.max(current.len()), 0);
        for page in pages {
            let durable = captured.get(&page).or(dirty.get(&page)).expect("a page of either");
            let versions = [Some(durable), dirty.get(&page)];
            let whole = restore_page(&mut data, &current, page, versions, keep, entropy);
            if whole { survivors.kept += 1 } else { survivors.lost += 1 }
        }
        data.truncate(length);
        self.data = data;
        self.durable_length = length;
        survivors
    }

    // ---- faults

    /// Flips `flips` bits of a range.
    pub fn rot(&mut self, fault: EventId, position: u64, length: u64, flips: u32, entropy: &mut Entropy) {
        let position = usize::try_from(position).unwrap_or(usize::MAX).min(self.data.len());
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(self.data.len() - position);
        if length == 0 {
            return;
        }
        let mut bytes = vec![0; length];
        for _ in 0..flips {
            bytes[entropy.below(length as u64) as usize] ^= 1 << entropy.below(8);
        }
        self.masks.push(Mask { fault, position, bytes });
    }

    /// Writes, but so that reads find the bytes at another place than the one meant. False if the file has no other place.
    pub fn write_elsewhere(&mut self, fault: EventId, position: usize, bytes: &[u8], entropy: &mut Entropy) -> bool {
        let before = self.data.len();
        let Some(room) = before.checked_sub(bytes.len()).filter(|room| *room > 0) else { return false };
        let wrong = entropy.below(room as u64) as usize / SECTOR * SECTOR;
        if wrong == position || bytes.is_empty() {
            return false;
        }
        let meant: Vec<u8> = bytes
            .iter()
            .enumerate()
            .map(|(place, byte)| byte ^ self.data.get(position + place).unwrap_or(&0))
            .collect();
        self.write(position, bytes);
        let there: Vec<u8> =
            self.data[wrong..wrong + bytes.len()].iter().zip(bytes).map(|(old, new)| old ^ new).collect();
        self.masks.push(Mask { fault, position, bytes: meant });
        self.masks.push(Mask { fault, position: wrong, bytes: there });
        true
    }

    pub fn heal(&mut self, fault: EventId) {
        self.masks.retain(|mask| mask.fault != fault);
    }
}

/// The bytes of `mask` that lie in `from..to`, with their places in the file.
fn overlap(mask: &Mask, from: usize, to: usize) -> impl Iterator<Item = (usize, &u8)> {
    let places = mask.position..mask.position + mask.bytes.len();
    places.zip(&mask.bytes).filter(move |(place, _)| (from..to).contains(place))
}

/// A file's length is metadata with a life of its own: it may persist before the data, or not at all.
fn random_length(durable: usize, current: usize, entropy: &mut Entropy) -> usize {
    let (low, high) = (durable.min(current), durable.max(current));
    match entropy.below(3) {
        0 => durable,
        1 => current,
        _ => low + entropy.below((high - low) as u64 + 1) as usize,
    }
}

/// Decides which version of a dirty page survives; true if it is the newest.
fn restore_page(
    data: &mut [u8],
    current: &[u8],
    page: usize,
    versions: [Option<&Image>; 2],
    keep: Keep,
    entropy: &mut Entropy,
) -> bool {
    let start = page * PAGE;
    let end = (start + PAGE).min(data.len());
    if start >= end {
        return keep == Keep::All;
    }
    let random = if keep == Keep::Random { entropy.next_u64() } else { 0 };
    // Which sectors survive: all, none, or any subset.
    let sectors: u8 = match (keep, random % 8) {
        (Keep::All, _) | (Keep::Random, 0..4) => 0xff,
        (Keep::None, _) | (Keep::Random, 4..6) => 0,
        (Keep::Random, _) => (random >> 8) as u8,
    };
    // A sync in progress may have written its own version already.
    let captured = versions[1].filter(|_| keep == Keep::Random && (random >> 16).is_multiple_of(2));
    let old = captured.or(versions[0]).expect("a dirty page has a durable version");
    for (offset, byte) in data[start..end].iter_mut().enumerate() {
        let written = start + offset < current.len() && sectors & (1 << (offset / SECTOR)) != 0;
        if !written {
            *byte = old.get(offset).copied().unwrap_or(0);
        }
    }
    sectors == 0xff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entropy(seed: u64) -> Entropy {
        Entropy::new(seed, &["test"])
    }

    fn synced(bytes: &[u8]) -> Content {
        let mut content = Content::default();
        content.append(bytes);
        content.begin_sync();
        content.end_sync(true);
        content
    }

    #[test]
    fn what_was_synced_survives_every_power_loss() {
        for keep in [Keep::None, Keep::All, Keep::Random] {
            let mut content = synced(&[7; 10_000]);
            assert_eq!(content.power_loss(keep, &mut entropy(1)), Survivors::default());
            assert_eq!(content.pristine(), [7; 10_000]);
        }
    }

    #[test]
    fn without_luck_the_file_is_as_it_was_synced() {
        let mut content = synced(&[1; 9000]);
        content.write(4000, &[2; 300]);
        content.append(&[3; 5000]);
        content.set_len(100);
        content.append(&[4; 50]);
        content.power_loss(Keep::None, &mut entropy(1));
        assert_eq!(content.pristine(), [1; 9000]);
    }

    #[test]
    fn what_is_written_during_a_sync_is_not_covered_by_it() {
        let mut content = synced(&[1; 100]);
        content.write(0, &[2; 100]);
        content.begin_sync();
        content.write(50, &[3; 50]);
        content.append(&[3; 10]);
        content.end_sync(true);
        content.power_loss(Keep::None, &mut entropy(1));
        assert_eq!(content.pristine(), [2; 100]);
    }

    #[test]
    fn a_failed_sync_makes_nothing_durable() {
        let mut content = synced(&[1; 100]);
        content.write(0, &[2; 100]);
        content.begin_sync();
        content.write(0, &[3; 100]);
        content.end_sync(false);
        content.power_loss(Keep::None, &mut entropy(1));
        assert_eq!(content.pristine(), [1; 100]);
    }

    #[test]
    fn a_random_power_loss_tears_pages_and_loses_any_subset() {
        let (mut torn, mut holes, mut zeros) = (false, false, false);
        for seed in 0..200 {
            let mut content = synced(&[1; 4 * PAGE]);
            content.write(0, &[2; 4 * PAGE]);
            content.append(&[2; PAGE]);
            content.power_loss(Keep::Random, &mut entropy(seed));
            let pages: Vec<&[u8]> = content.pristine().chunks(PAGE).collect();
            torn |= pages.iter().any(|page| page.contains(&1) && page.contains(&2));
            holes |= pages[0][0] == 1 && pages[1][0] == 2;
            zeros |= pages.len() == 5 && pages[4].contains(&0);
        }
        assert!(torn, "no page was torn");
        assert!(holes, "only prefixes survived");
        assert!(zeros, "the length never persisted before the data");
    }

    #[test]
    fn rot_is_seen_by_reads_until_healed_or_overwritten() {
        let fault = EventId(9);
        let mut content = synced(&[0; 1000]);
        content.rot(fault, 100, 10, 3, &mut entropy(1));
        let (read, faults) = content.read(0, 1000);
        assert_ne!(read, vec![0; 1000]);
        assert_eq!(faults, [fault]);
        assert_eq!(content.pristine(), [0; 1000]);
        content.write(100, &[0; 10]);
        assert_eq!(content.read(0, 1000), (vec![0; 1000].into(), vec![]));
    }

    #[test]
    fn a_misdirected_write_is_missing_here_and_found_there() {
        let fault = EventId(9);
        let mut content = synced(&[1; 10_000]);
        assert!(content.write_elsewhere(fault, 9_000, &[2; 100], &mut entropy(1)));
        let (read, _) = content.read(0, 10_000);
        assert!(read[9_000..9_100].iter().all(|byte| *byte == 1), "the old bytes are still there");
        assert_eq!(read.iter().filter(|byte| **byte == 2).count(), 100);
        content.heal(fault);
        assert!(content.read(9_000, 100).0.iter().all(|byte| *byte == 2));
    }
}
