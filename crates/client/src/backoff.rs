//! Exponential backoff with jitter, for reconnects and retries (KIP-144, KIP-580).

use std::time::Duration;

/// Doubles with every failure, up to a maximum, and is spread by 20 % both ways so that clients do not return in step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Backoff {
    /// After the first failure.
    pub(crate) initial: Duration,
    /// Never longer than this.
    pub(crate) maximum: Duration,
}

impl Backoff {
    /// How long to wait after `failures` failures in a row (from 1). `random` is any number.
    pub(crate) fn after(self, failures: u32, random: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        let doubled = self.initial.saturating_mul(1 << doublings);
        let jittered = doubled.min(self.maximum).saturating_mul(800 + (random % 401) as u32) / 1000;
        jittered.min(self.maximum.max(self.initial))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(100), maximum: Duration::from_millis(1000) };

    #[test]
    fn it_doubles_until_its_maximum() {
        let unjittered = |failures| BACKOFF.after(failures, 200).as_millis();
        assert_eq!([1, 2, 3, 4, 5, 100].map(unjittered), [100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn jitter_is_at_most_a_fifth_and_never_exceeds_the_maximum() {
        assert_eq!(BACKOFF.after(1, 0).as_millis(), 80);
        assert_eq!(BACKOFF.after(1, 400).as_millis(), 120);
        assert_eq!(BACKOFF.after(9, 400).as_millis(), 1000);
    }
}
