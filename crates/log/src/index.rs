//! The sparse offset index of a segment: from an offset to a byte before which no wanted batch begins.

/// An entry: the last offset of a batch, relative to the segment's base offset, and the byte where that batch begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct IndexEntry {
    offset: u32,
    position: u32,
}

/// A segment's index. It is only a shortcut: any of its entries may be missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetIndex {
    base_offset: i64,
    interval: u32,
    entries: Vec<IndexEntry>,
    bytes_since_entry: u64,
}

impl OffsetIndex {
    /// An empty index with an entry about every `interval` bytes.
    pub fn new(base_offset: i64, interval: u32) -> OffsetIndex {
        OffsetIndex { base_offset, interval, entries: Vec::new(), bytes_since_entry: 0 }
    }

    /// Notes a batch at the segment's end.
    pub fn note(&mut self, last_offset: i64, position: u32, bytes: u32) {
        if self.bytes_since_entry > u64::from(self.interval) {
            let offset =
                u32::try_from(last_offset - self.base_offset).expect("a segment is rolled before 2^31 offsets");
            self.entries.push(IndexEntry { offset, position });
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += u64::from(bytes);
    }

    /// A byte at which a batch begins, at or before the batch that holds `offset`.
    pub fn lookup(&self, offset: i64) -> u32 {
        let relative = offset.saturating_sub(self.base_offset);
        let after = self.entries.partition_point(|entry| i64::from(entry.offset) <= relative);
        self.entries[..after].last().map_or(0, |entry| entry.position)
    }

    /// The index file's content: relative offset and position, four bytes each, as in Kafka.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len() * 8);
        for entry in &self.entries {
            bytes.extend_from_slice(&entry.offset.to_be_bytes());
            bytes.extend_from_slice(&entry.position.to_be_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of ten offsets and 100 bytes from offset 1000 on.
    fn index(interval: u32) -> OffsetIndex {
        let mut index = OffsetIndex::new(1000, interval);
        for n in 0..10 {
            index.note(1009 + i64::from(n) * 10, n * 100, 100);
        }
        index
    }

    #[test]
    fn a_lookup_never_leads_past_the_batch() {
        for interval in [0, 50, 100, 250, 10_000] {
            let index = index(interval);
            for offset in 1000..1100 {
                let position = index.lookup(offset);
                let batch = (offset - 1000) as u32 / 10 * 100;
                assert!(position <= batch && position.is_multiple_of(100), "interval {interval}, offset {offset}");
                assert!(batch - position <= interval + 200, "interval {interval}, offset {offset}");
            }
        }
    }

    #[test]
    fn entries_are_an_interval_apart() {
        assert_eq!(index(250).to_bytes().len(), 3 * 8);
        assert_eq!(index(10_000).to_bytes().len(), 0);
    }

    #[test]
    fn the_file_holds_last_offset_and_position_of_a_batch() {
        assert_eq!(index(250).to_bytes()[..8], [0, 0, 0, 39, 0, 0, 0x01, 0x2c]);
    }
}
