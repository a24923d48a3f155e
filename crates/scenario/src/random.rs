//! Pure draws: the same inputs give the same number, on every machine.

use crate::Duration;
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

/// A named stream of draws: streams of other names never shift it.
pub(crate) struct Stream(u64);

impl Stream {
    /// The stream of this name under a seed.
    pub(crate) fn new(seed: u64, name: &str) -> Stream {
        Stream(mix(mix(seed) ^ of_name(name)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "nothing is below 0");
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below((high - low).saturating_add(1))
    }

    /// True once in `times`.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// Above 0, at most 1.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Exponentially distributed (libm, not the C library: the same on every machine).
    pub(crate) fn exponential(&mut self, mean: Duration) -> Duration {
        Duration::from_nanos((-libm::log(self.unit()) * mean.nanos() as f64) as u64)
    }

    /// Every order of magnitude between `low` and `high` is equally likely.
    pub(crate) fn scaled(&mut self, low: u64, high: u64) -> u64 {
        let (least, most) = (low.max(1) as f64, high.max(1) as f64);
        let drawn = least * libm::pow(most / least, self.unit());
        (drawn as u64).clamp(low, high)
    }

    /// As [`Stream::scaled`], in whole milliseconds.
    pub(crate) fn duration(&mut self, low_ms: u64, high_ms: u64) -> Duration {
        Duration::from_millis(self.scaled(low_ms, high_ms))
    }
}
