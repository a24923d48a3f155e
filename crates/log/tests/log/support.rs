//! A machine with a disk, and batches to put on it.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use host::sim::{DiskFault, Keep, World, WorldOptions};
use host::{Disk, Host};
use log::{Appended, AppendedBatch, Log, LogConfig};
use trace::EventId;
use wire::batch::BatchBuilder;

pub const DIRECTORY: &str = "data/email-0";
pub const NOW_MS: i64 = 1_700_000_000_000;
const NODE: &str = "broker-1";

/// A node that does nothing but lend its disk.
pub struct Machine {
    world: World,
    host: Rc<RefCell<Option<Host>>>,
}

impl Machine {
    /// Starts the node; returns its new incarnation's disk.
    pub async fn start(&self) -> Disk {
        self.world.start(NODE, EventId::ROOT);
        while self.host.borrow().is_none() {
            self.world.sleep(1_000).await;
        }
        self.host.borrow().as_ref().expect("the node has booted").disk()
    }

    /// The process dies and comes back; the page cache stays.
    pub async fn crash(&self) -> Disk {
        self.world.kill(NODE, EventId::ROOT);
        self.host.take();
        self.start().await
    }

    /// The machine loses power and comes back.
    pub async fn lose_power(&self, keep: Keep) -> Disk {
        self.world.power_loss(NODE, EventId::ROOT, keep);
        self.host.take();
        self.start().await
    }

    /// From here on something is wrong with the disk.
    pub fn break_disk(&self, fault: DiskFault) {
        self.world.disk_fault(EventId::ROOT, NODE, fault);
    }

    /// The disk is whole again.
    pub fn mend_disk(&self) {
        self.world.heal(EventId::ROOT);
    }

    /// All files of the partition's directory, for the scan.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let disk = self.world.disk(NODE);
        let in_directory = |path: &String| path.strip_prefix(DIRECTORY)?.strip_prefix('/').map(str::to_owned);
        let read = |path: &String| Some((in_directory(path)?, disk.read(path).expect("a listed file")));
        disk.files().iter().filter_map(read).collect()
    }
}

/// Runs `test` on a machine whose disk behaves as `seed` says.
pub fn on_machine<T: Send + 'static>(seed: u64, test: impl AsyncFnOnce(Machine) -> T + Send + 'static) -> T {
    let options = WorldOptions { seed, ..WorldOptions::default() };
    let run = host::sim::run(options, move |world| {
        let host = Rc::new(RefCell::new(None));
        let slot = host.clone();
        world.add_node(NODE, move |host| {
            slot.replace(Some(host));
            Box::pin(std::future::pending())
        });
        Box::pin(async move { test(Machine { world, host }).await })
    });
    run.unwrap_or_else(|panic| panic!("{panic}"))
}

/// Runs `test` on a fresh disk.
pub fn on_disk(test: impl AsyncFnOnce(Disk) + Send + 'static) {
    on_machine(0, async move |machine: Machine| test(machine.start().await).await);
}

/// Small segments, and an index entry every few batches.
pub fn small() -> LogConfig {
    LogConfig { segment_bytes: 600, index_interval_bytes: 200, ..LogConfig::default() }
}

pub fn open(disk: &Disk, config: LogConfig) -> Log {
    reopen(disk, config, false, 0)
}

pub fn reopen(disk: &Disk, config: LogConfig, clean: bool, recovery_point: i64) -> Log {
    Log::open(disk, DIRECTORY, config, clean, recovery_point, 0, NOW_MS).expect("a healthy disk")
}

pub fn batch(records: usize) -> Bytes {
    produced(-1, -1, -1, records)
}

/// What producer `id` sends; every record's timestamp is now.
pub fn produced(id: i64, epoch: i16, sequence: i32, records: usize) -> Bytes {
    let mut builder = BatchBuilder::default();
    builder.producer(id, epoch, sequence);
    for n in 0..records {
        builder.append(NOW_MS, Some(b"key"), Some(format!("value {n}").as_bytes()), &[]);
    }
    builder.build(0, -1)
}

pub fn append(log: &mut Log, leader_epoch: i32, bytes: Bytes) -> AppendedBatch {
    match log.append_as_leader(bytes, leader_epoch, NOW_MS).expect("a sound batch") {
        Appended::New(batch) => batch,
        Appended::Duplicate { .. } => panic!("a new batch"),
    }
}

/// A log of ten batches of ten records, two in a segment.
pub fn ten_batches(disk: &Disk) -> Log {
    let mut log = open(disk, small());
    for _ in 0..10 {
        append(&mut log, 0, batch(10));
    }
    assert_eq!(log.segment_count(), 5);
    log
}

pub async fn flush(log: &mut Log) {
    let flushed = log.begin_flush().run().await.expect("a healthy disk");
    log.flushed(flushed, NOW_MS);
}

/// All batches of a log.
pub fn contents(log: &Log) -> Vec<AppendedBatch> {
    let mut batches = Vec::new();
    let mut from = log.start_offset();
    while from < log.end_offset() {
        let read = log.read(from, usize::MAX, i64::MAX, true).expect("in range");
        from = read.batches.last().expect("at least one").next_offset();
        batches.extend(read.batches);
    }
    batches
}
