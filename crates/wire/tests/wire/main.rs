//! One test binary, so that one counting allocator serves all of it.

mod admin_samples;
mod allocation;
mod batches;
mod group_samples;
mod hostile_batches;
mod hostile_frames;
mod jute;
mod jute_samples;
mod round_trip;
mod samples;
mod traps;

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// The same cases at every run: a failure must be there again tomorrow.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(0x0d_7a_de_c5), failure_persistence: None, ..Default::default() }
}
