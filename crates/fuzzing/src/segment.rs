//! A log opened on a segment file of any bytes.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use host::sim::{World, WorldOptions};
use host::{Disk, Host, Open};
use log::{Log, LogConfig};
use trace::{EventId, Name};

const NOW_MS: i64 = 1_700_000_000_000;

/// A simulated disk on which one directory after the other is opened as a log.
pub struct LogSegment {
    inputs: Sender<Vec<u8>>,
    done: Receiver<()>,
    simulation: Option<JoinHandle<Result<(), host::sim::Panic>>>,
}

impl Default for LogSegment {
    fn default() -> LogSegment {
        let (inputs, received) = channel::<Vec<u8>>();
        let (finished, done) = channel();
        let simulation = std::thread::spawn(move || {
            host::sim::run(WorldOptions::default(), move |world| Box::pin(open_all(world, received, finished)))
        });
        LogSegment { inputs, done, simulation: Some(simulation) }
    }
}

impl LogSegment {
    /// Writes the input as a segment, recovers, reads, appends, truncates.
    ///
    /// # Panics
    /// If the log panics, or is not sound afterwards.
    pub fn feed(&mut self, input: &[u8]) {
        let _ = self.inputs.send(input.to_vec());
        if self.done.recv().is_err() {
            let ended = self.simulation.take().expect("it ends once").join().expect("its panics are caught");
            panic!("{}", ended.expect_err("it ends by a panic only"));
        }
    }
}

async fn open_all(world: World, inputs: Receiver<Vec<u8>>, finished: Sender<()>) {
    let (sender, hosts) = channel::<Host>();
    world.add_node(Name::new("disk"), move |host| {
        let _ = sender.send(host);
        Box::pin(std::future::pending())
    });
    world.start("disk", EventId::ROOT);
    world.sleep(1_000_000).await;
    let disk = hosts.recv().expect("the node has booted").disk();
    while let Ok(input) = inputs.recv() {
        open(&disk, &input);
        if finished.send(()).is_err() {
            return;
        }
    }
}

fn open(disk: &Disk, input: &[u8]) {
    const DIRECTORY: &str = "data/fuzzed-0";
    // Small, so that segments roll and the index has entries.
    let config = || LogConfig { segment_bytes: 600, index_interval_bytes: 100, ..LogConfig::default() };
    for clean in [true, false] {
        disk.create_dir_all(DIRECTORY).expect("a healthy disk");
        let name = format!("{:020}.log", 0);
        let file = disk.open(&format!("{DIRECTORY}/{name}"), Open::New).expect("a healthy disk");
        file.append(input).expect("a healthy disk");
        let mut log = Log::open(disk, DIRECTORY, config(), clean, 0, 9, NOW_MS).expect("any bytes can be opened");
        if !clean {
            let left = file.read_at(0, input.len() + 1).expect("a healthy disk").to_vec();
            let scanned = log::scan::scan(&[(name, left)], false);
            assert_eq!(
                (scanned.problems, scanned.log_end),
                (Vec::new(), log.end_offset()),
                "what recovery leaves is sound"
            );
        }
        let mut from = log.start_offset();
        while from < log.end_offset() {
            let read = log.read(from, 4_096, i64::MAX, true).expect("what was recovered can be read");
            from = read.batches.last().expect("a batch where there are offsets").last_offset + 1;
        }
        let _ = log.offset_for_timestamp(NOW_MS);
        let _ = log.offset_of_max_timestamp();
        let _ = log.epoch_end(1);
        let end = log.end_offset();
        let mut batch = wire::batch::BatchBuilder::default();
        batch.append(NOW_MS, None, Some(b"after"), &[]);
        // Offsets and epochs have an end, which the input may have reached.
        if log.append_as_leader(batch.build(0, -1), i32::MAX, NOW_MS).is_ok() {
            assert_eq!(log.end_offset(), end + 1);
        }
        log.truncate_to(log.start_offset() + (log.end_offset() - log.start_offset()) / 2).expect("a healthy disk");
        drop(log);
        disk.delete_dir_all(DIRECTORY).expect("a healthy disk");
    }
}
