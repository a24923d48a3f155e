//! Small containers of the hot path.

use std::collections::BTreeMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Slots per page.
const PAGE: u64 = 256;

/// A vector over the whole `u64` range that only allocates the pages in use: offsets and sequences are dense, but a trace file
/// may claim any.
#[derive(Default)]
pub(crate) struct Sparse<T> {
    pages: BTreeMap<u64, Vec<T>>,
}

impl<T: Clone + Default> Sparse<T> {
    /// What is at `place`, if its page exists; empty slots hold the default.
    pub fn get(&self, place: u64) -> Option<&T> {
        Some(&self.pages.get(&(place / PAGE))?[(place % PAGE) as usize])
    }

    /// The slot at `place`.
    pub fn slot(&mut self, place: u64) -> &mut T {
        let page = self.pages.entry(place / PAGE).or_insert_with(|| vec![T::default(); PAGE as usize]);
        &mut page[(place % PAGE) as usize]
    }

    /// All slots of all pages in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.pages.iter().flat_map(|(page, slots)| (0..PAGE).map(move |place| page * PAGE + place).zip(slots))
    }
}

/// Values by a small index, made on first use.
#[derive(Default)]
pub(crate) struct Slots<T>(Vec<T>);

impl<T: Default> Slots<T> {
    /// The value at `index`.
    pub fn at(&mut self, index: usize) -> &mut T {
        if self.0.len() <= index {
            self.0.resize_with(index + 1, T::default);
        }
        &mut self.0[index]
    }

    /// The value at `index`, if it was ever used.
    pub fn get(&self, index: usize) -> Option<&T> {
        self.0.get(index)
    }
}

/// A fast, seedless hasher for keys that carry a good hash already (names) or are small integers.
#[derive(Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_i32(&mut self, value: i32) {
        self.write_u64(u64::from(value as u32));
    }
}

/// An insertion-ordered map with that hasher: the same iteration order on every run.
pub(crate) type Table<K, V> = indexmap::IndexMap<K, V, BuildHasherDefault<Mix>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparse_vector_holds_far_places_and_iterates_in_order() {
        let mut sparse = Sparse::<u32>::default();
        *sparse.slot(1 << 60) = 2;
        *sparse.slot(3) = 1;
        assert_eq!(sparse.get(3), Some(&1));
        assert_eq!(sparse.get(4), Some(&0));
        assert_eq!(sparse.get(1 << 20), None);
        let filled: Vec<_> = sparse.iter().filter(|(_, value)| **value > 0).collect();
        assert_eq!(filled, [(3, &1), (1 << 60, &2)]);
    }
}
