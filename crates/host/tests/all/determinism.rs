//! Same seeds, same run.

use host::sim::{DiskFault, Keep, Latency, WorldOptions};
use trace::Mode;

use crate::support::*;

/// Three nodes that talk, store and sync at random, under several faults. Returns the fingerprint.
fn fingerprint(options: WorldOptions) -> u64 {
    simulate_with(options, |world| async move {
        for name in ["n-0", "n-1", "n-2"] {
            node(&world, name, peer);
        }
        let pause = 5 * SECOND;
        world.sleep(pause).await;
        let (cut, slow, lossy) = (fault(&world), fault(&world), fault(&world));
        world.cut(cut, &[link("n-0", "n-1")]);
        world.slow(slow, &[link("n-1", "n-2")], Latency { p50_ns: 50 * MS, p99_ns: 500 * MS });
        world.lossy(lossy, &[link("n-2", "n-0")], 100_000);
        world.disk_fault(slow, "n-1", DiskFault::Stalled);
        world.sleep(pause).await;
        world.heal(cut);
        world.power_loss("n-2", cut, Keep::Random);
        world.sleep(pause).await;
        world.heal(slow);
        world.heal(lossy);
        world.start("n-2", cut);
        world.kill("n-0", lossy);
        world.start("n-0", lossy);
        world.sleep(pause).await;
        let finished = world.finish();
        assert!(finished.event_count > 1_000, "{} events", finished.event_count);
        finished.fingerprint
    })
}

fn seeded(seed: u64, schedule_seed: u64, trace: Mode) -> WorldOptions {
    let latency = Latency { p50_ns: MS, p99_ns: 10 * MS };
    WorldOptions { seed, schedule_seed, trace, latency, ..options() }
}

#[test]
fn the_same_seeds_give_the_same_run_in_every_trace_mode() {
    let first = fingerprint(seeded(1, 1, Mode::Full));
    for mode in [Mode::Full, Mode::Ring, Mode::None] {
        assert_eq!(fingerprint(seeded(1, 1, mode)), first);
    }
}

#[test]
fn another_seed_or_schedule_gives_another_run() {
    let first = fingerprint(seeded(1, 1, Mode::None));
    assert_ne!(fingerprint(seeded(2, 1, Mode::None)), first);
    assert_ne!(fingerprint(seeded(1, 2, Mode::None)), first);
}
