//! Named streams of random numbers.

use std::cell::Cell;
use std::convert::Infallible;
use std::hash::Hasher;

use rand::{Rng, SeedableRng, TryRng};
use rand_chacha::ChaCha8Rng;
use siphasher::sip::SipHasher24;

/// Part of every stream's key: another generator or derivation must have another number, or old seeds silently change.
const STREAM_VERSION: u64 = 1;

thread_local! {
    /// How often this thread's world was reseeded, and with what the last time.
    static RESEEDED: Cell<(u32, u64)> = const { Cell::new((0, 0)) };
}

/// A stream of random numbers (ChaCha8), the same for the same seed and name on every machine.
#[derive(Clone, Debug)]
pub struct Entropy {
    numbers: ChaCha8Rng,
    /// Stands for seed and name: from it the stream is derived anew when its world is reseeded.
    identity: u64,
    /// How many reseedings of the world it has followed.
    reseeded: u32,
}

/// From here on every stream of this thread, old and new, gives other numbers, which `seed` decides.
pub(crate) fn reseed(seed: u64) {
    RESEEDED.set((RESEEDED.get().0 + 1, seed));
}

impl Entropy {
    /// The stream of `seed` with this name. Streams of different names are independent.
    pub fn new(seed: u64, name: &[&str]) -> Entropy {
        let mut hasher = SipHasher24::new_with_keys(seed, STREAM_VERSION);
        for part in name {
            hasher.write(part.as_bytes());
            hasher.write_u8(0xff); // no UTF-8 text contains it: ["a", "b"] is not ["ab"]
        }
        Entropy { numbers: generator(hasher), identity: hasher.finish(), reseeded: 0 }
    }

    /// The generator, derived anew if the world was reseeded since the last number.
    fn numbers(&mut self) -> &mut ChaCha8Rng {
        let (count, seed) = RESEEDED.get();
        if self.reseeded != count {
            let mut hasher = SipHasher24::new_with_keys(seed, STREAM_VERSION);
            hasher.write_u64(self.identity);
            hasher.write_u32(count);
            self.numbers = generator(hasher);
            self.reseeded = count;
        }
        &mut self.numbers
    }

    /// A number below `bound`, each equally likely (to within 2^-64); 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True with a probability of `ppm` in a million.
    pub fn chance(&mut self, ppm: u32) -> bool {
        self.below(1_000_000) < u64::from(ppm)
    }
}

fn generator(hasher: SipHasher24) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (place, bytes) in key.chunks_exact_mut(8).enumerate() {
        let mut part = hasher;
        part.write_u64(place as u64);
        bytes.copy_from_slice(&part.finish().to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

impl TryRng for Entropy {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.numbers().next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.numbers().next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.numbers().fill_bytes(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, name: &[&str]) -> u64 {
        Entropy::new(seed, name).next_u64()
    }

    #[test]
    fn a_stream_depends_on_seed_and_name_only() {
        assert_eq!(first(1, &["a", "b"]), first(1, &["a", "b"]));
        assert_ne!(first(1, &["a", "b"]), first(1, &["ab"]));
        assert_ne!(first(1, &["a"]), first(2, &["a"]));
    }

    #[test]
    fn a_reseeded_world_draws_other_numbers_from_streams_old_and_new() {
        let after = |seed: u64| {
            std::thread::spawn(move || {
                let mut old = Entropy::new(1, &["a"]);
                old.next_u64();
                reseed(seed);
                [old.next_u64(), first(1, &["b"]), first(1, &["a"])]
            })
            .join()
            .expect("it does not panic")
        };
        let [old, other, again] = after(7);
        assert_eq!([old, other, again], after(7), "the seed decides");
        assert_eq!(old, again, "a stream is its seed and its name");
        assert_ne!(old, other);
        assert!(after(8).iter().all(|number| !after(7).contains(number)));
        assert_ne!(other, first(1, &["b"]), "a world that was not reseeded draws as ever");
    }

    #[test]
    fn streams_of_version_1_never_change() {
        assert_eq!(first(42, &["odradek"]), 15_265_427_411_238_799_621);
    }
}
