//! A node's clock: an offset, a drift, and jumps of the wall clock. Integers only.

use super::ClockSetting;
use crate::Time;

const MILLION: i128 = 1_000_000;

/// Converts between true time (ns since the start of the run) and a node's own.
#[derive(Clone, Debug)]
pub(super) struct NodeClock {
    setting: ClockSetting,
    /// True and local time where the present drift began.
    true_base: u64,
    local_base: u64,
    /// Wall minus monotonic time, in nanoseconds.
    wall_minus_monotonic: i128,
}

impl NodeClock {
    /// A clock whose monotonic side begins at `start` and whose wall clock shows `wall_ms` then.
    pub fn new(start: Time, wall_ms: i64) -> NodeClock {
        NodeClock {
            setting: ClockSetting::default(),
            true_base: 0,
            local_base: start.as_nanos(),
            wall_minus_monotonic: i128::from(wall_ms) * MILLION - i128::from(start.as_nanos()),
        }
    }

    /// The monotonic clock.
    pub fn now(&self, true_now: u64) -> Time {
        let passed = i128::from(true_now - self.true_base);
        let local = i128::from(self.local_base) + passed * (MILLION + i128::from(self.setting.drift_ppm)) / MILLION;
        Time::from_nanos(local as u64)
    }

    /// The wall clock, in milliseconds since the epoch.
    pub fn wall(&self, true_now: u64) -> i64 {
        let wall = i128::from(self.now(true_now).as_nanos()) + self.wall_minus_monotonic;
        wall.div_euclid(MILLION) as i64
    }

    /// The first true time at which the monotonic clock shows `local` or later, as it runs now.
    pub fn true_time(&self, local: Time) -> u64 {
        let Some(wait) = local.as_nanos().checked_sub(self.local_base) else {
            return self.true_base;
        };
        let rate = MILLION + i128::from(self.setting.drift_ppm);
        let passed = (i128::from(wait) * MILLION + rate - 1) / rate;
        u64::try_from(i128::from(self.true_base) + passed).unwrap_or(u64::MAX)
    }

    /// Gives the clock another offset and drift. The monotonic side goes on from where it is.
    pub fn set(&mut self, true_now: u64, setting: ClockSetting) {
        assert!(setting.drift_ppm > -1_000_000, "a clock cannot run backwards: {setting:?}");
        self.local_base = self.now(true_now).as_nanos();
        self.true_base = true_now;
        self.wall_minus_monotonic += i128::from(setting.offset_ns) - i128::from(self.setting.offset_ns);
        self.setting = setting;
    }

    /// Lets the wall clock jump, forwards or backwards.
    pub fn jump(&mut self, by_ns: i64) {
        self.wall_minus_monotonic += i128::from(by_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_fast_clock_gains_its_drift() {
        let mut clock = NodeClock::new(Time::from_nanos(7), 0);
        clock.set(0, ClockSetting { offset_ns: 0, drift_ppm: 200 });
        assert_eq!(clock.now(10_000 * SECOND).as_nanos(), 7 + 10_002 * SECOND);
        assert_eq!(clock.wall(10_000 * SECOND), 10_002_000);
    }

    #[test]
    fn a_deadline_converted_to_true_time_is_never_early() {
        for drift_ppm in [-500_000, -333, 0, 1, 777, 1_000_000] {
            let mut clock = NodeClock::new(Time::from_nanos(5), 0);
            clock.set(3, ClockSetting { offset_ns: 0, drift_ppm });
            for local in (10..100_000).step_by(997) {
                let due = clock.true_time(Time::from_nanos(local));
                assert!(clock.now(due) >= Time::from_nanos(local), "drift {drift_ppm}, local {local}");
            }
        }
    }

    #[test]
    fn the_wall_clock_jumps_and_the_monotonic_one_does_not() {
        let mut clock = NodeClock::new(Time::ZERO, 1000);
        let before = clock.now(SECOND);
        clock.jump(-500_000_000);
        assert_eq!(clock.wall(SECOND), 1500);
        clock.set(SECOND, ClockSetting { offset_ns: 2_000_000_000, drift_ppm: -100 });
        assert_eq!(clock.wall(SECOND), 3500);
        clock.set(SECOND, ClockSetting::default());
        assert_eq!(clock.wall(SECOND), 1500);
        assert_eq!(clock.now(SECOND), before);
    }
}
