//! Appending and reading batches of ten records of 100 bytes, on a simulated disk.
//!
//! Inside a simulation the clock is simulated too, so each measurement starts a world, runs all iterations in it, and is
//! timed from outside. Starting the world costs about a millisecond, spread over all iterations.

// The one place in this crate where real time matters.
#![allow(clippy::disallowed_types)]

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use host::Disk;
use host::sim::{World, WorldOptions};
use odradek_log::{Log, LogConfig};
use trace::EventId;
use wire::batch::BatchBuilder;

const BATCHES: usize = 1000;

fn ten_records(producer: i64, sequence: i32) -> Bytes {
    let mut builder = BatchBuilder::with_capacity(2048);
    builder.producer(producer, 0, sequence);
    for _ in 0..10 {
        builder.append(1_700_000_000_000, Some(b"key"), Some(&[7; 100]), &[]);
    }
    builder.build(0, -1)
}

/// How long a world takes in which `body` has a disk.
fn timed(body: impl Fn(&Disk) + Clone + Send + 'static) -> Duration {
    let start = Instant::now();
    let run = host::sim::run(WorldOptions::default(), move |world: World| {
        let done = Rc::new(Cell::new(false));
        let told = done.clone();
        world.add_node("broker-1", move |host| {
            let (body, told) = (body.clone(), told.clone());
            Box::pin(async move {
                body(&host.disk());
                told.set(true);
                std::future::pending().await
            })
        });
        Box::pin(async move {
            world.start("broker-1", EventId::ROOT);
            world.sleep(1_000_000).await;
            assert!(done.get(), "the body ran to its end");
        })
    });
    run.expect("the bench does not panic");
    start.elapsed()
}

fn open(disk: &Disk, directory: &str) -> Log {
    Log::open(disk, directory, LogConfig::default(), false, 0, 0, 0).expect("a healthy disk")
}

/// Starts anew now and then, so that the bench does not fill the memory.
fn append(log: &mut Log, batches: &[Bytes], count: u64) {
    for n in 0..count as usize {
        if n > 0 && n.is_multiple_of(batches.len()) {
            log.truncate_fully_and_start_at(0).expect("a healthy disk");
        }
        black_box(log.append_as_leader(batches[n % batches.len()].clone(), 0, 0).expect("sound"));
    }
}

fn filled(disk: &Disk) -> Log {
    let mut log = open(disk, "data/filled-0");
    append(&mut log, &vec![ten_records(-1, -1); BATCHES], BATCHES as u64);
    log
}

fn read(disk: &Disk, count: u64, batches: usize) {
    let log = filled(disk);
    let mut from = 0;
    for _ in 0..count {
        let end = log.end_offset() - 10 * batches as i64;
        from = (from + 10) % end;
        let max_bytes = batches * log.size() as usize / BATCHES;
        let read = log.read(from, max_bytes, i64::MAX, true).expect("in range");
        assert_eq!(read.batches.len(), batches);
        black_box(read);
    }
}

fn follow(disk: &Disk, count: u64) {
    let leader = filled(disk);
    let mut follower = open(disk, "data/follower-0");
    for _ in 0..count {
        if follower.end_offset() == leader.end_offset() {
            follower.truncate_fully_and_start_at(0).expect("a healthy disk");
        }
        let read = leader.read(follower.end_offset(), 1, i64::MAX, true).expect("in range");
        black_box(follower.append_as_follower(read.bytes).expect("continues"));
    }
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log");
    group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(10));
    for (name, producer) in [("leader appends", -1), ("leader appends, idempotent", 1)] {
        let sequence = |n: usize| if producer < 0 { -1 } else { n as i32 * 10 };
        let batches: Vec<Bytes> = (0..BATCHES).map(|n| ten_records(producer, sequence(n))).collect();
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let batches = batches.clone();
                timed(move |disk| append(&mut open(disk, "data/email-0"), &batches, count))
            });
        });
    }
    group.bench_function("follower fetches and appends", |bencher| {
        bencher.iter_custom(|count| timed(move |disk| follow(disk, count)));
    });
    group.bench_function("read 1 batch", |bencher| {
        bencher.iter_custom(|count| timed(move |disk| read(disk, count, 1)));
    });
    group.throughput(Throughput::Elements(1000));
    group.bench_function("read 100 batches", |bencher| {
        bencher.iter_custom(|count| timed(move |disk| read(disk, count, 100)));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
