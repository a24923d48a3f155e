//! Pure draws: the same inputs give the same number, on every machine.

use crate::plan::SEED_LIMIT;

/// SplitMix64's finaliser (Steele, Lea, Flood 2014): spreads every input bit over all output bits.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number for a name: FNV-1a, 64 bits.
pub(crate) fn of_name(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The schedule seed of a run whose command line names none.
pub(crate) fn schedule_seed(seed: u64) -> u64 {
    mix(seed ^ of_name("schedule")) % SEED_LIMIT
}
