//! The log against a plain list of batches, through crashes and power losses.

use bytes::Bytes;
use host::Disk;
use host::sim::Keep;
use log::{Appended, AppendedBatch, EpochCache, Flush, Log, LogConfig, ProducerStates};
use proptest::prelude::*;
use wire::batch::BatchBuilder;

use crate::support::*;

#[derive(Clone, Debug)]
enum Step {
    /// A client produces; with 0 it has no producer id.
    Produce {
        producer: i64,
        records: usize,
    },
    /// The producer sends a batch again that the log remembers.
    Retry {
        producer: i64,
        back: usize,
    },
    /// This replica is elected, and may write or not.
    Elect,
    /// It follows another leader, which has less: all from this part of the log on goes.
    Truncate {
        part: prop::sample::Index,
    },
    /// It follows a leader whose log starts further on.
    StartAnew {
        gap: i64,
    },
    Flush,
    FlushWhatIsDue,
    /// A flush begins, and goes on in the background.
    BeginFlush,
    /// It ends, if neither a crash nor a power loss came before.
    EndFlush,
    /// The recovery point goes into its checkpoint file.
    Checkpoint,
    /// All is committed, and retention wants all below this part of the log to go.
    Retain {
        part: prop::sample::Index,
    },
    Crash,
    PowerLoss,
    Shutdown {
        power_loss: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0i64..4, 1usize..12).prop_map(|(producer, records)| Step::Produce { producer, records }),
        2 => (1i64..4, 0usize..5).prop_map(|(producer, back)| Step::Retry { producer, back }),
        2 => Just(Step::Elect),
        2 => any::<prop::sample::Index>().prop_map(|part| Step::Truncate { part }),
        1 => (0i64..30).prop_map(|gap| Step::StartAnew { gap }),
        3 => Just(Step::Flush),
        3 => Just(Step::FlushWhatIsDue),
        2 => Just(Step::BeginFlush),
        2 => Just(Step::EndFlush),
        2 => Just(Step::Checkpoint),
        2 => any::<prop::sample::Index>().prop_map(|part| Step::Retain { part }),
        1 => Just(Step::Crash),
        3 => Just(Step::PowerLoss),
        1 => any::<bool>().prop_map(|power_loss| Step::Shutdown { power_loss }),
    ]
}

/// What the log must be.
struct Model {
    /// All batches since the log last started anew, those that retention deleted included.
    batches: Vec<AppendedBatch>,
    /// Where the log starts.
    start: i64,
    end: i64,
    /// All below is on the disk for good.
    flushed: i64,
    /// Whether a cut may be undone by a power loss.
    cut_unsynced: bool,
    /// All batches there ever were.
    history: Vec<AppendedBatch>,
    epoch: i32,
    /// The content of the recovery-point checkpoint.
    checkpoint: i64,
    values: u64,
}

struct Run {
    machine: Machine,
    disk: Disk,
    log: Log,
    flush: Option<Flush>,
    model: Model,
}

impl Run {
    async fn start(machine: Machine) -> Run {
        let disk = machine.start().await;
        let log = open(&disk, config());
        let model = Model {
            batches: Vec::new(),
            start: 0,
            end: 0,
            flushed: 0,
            cut_unsynced: false,
            history: Vec::new(),
            epoch: 0,
            checkpoint: 0,
            values: 0,
        };
        Run { machine, disk, log, flush: None, model }
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Produce { producer, records } => self.produce(*producer, *records),
            Step::Retry { producer, back } => self.retry(*producer, *back),
            Step::Elect => {
                self.model.epoch += 1;
                self.log.start_epoch(self.model.epoch).unwrap();
            }
            Step::Truncate { part } => self.truncate(part),
            Step::StartAnew { gap } => self.start_anew(*gap).await,
            Step::Flush => self.flush_all().await,
            Step::FlushWhatIsDue => {
                let flush = self.log.begin_due_flush(NOW_MS);
                self.end_flush(flush).await;
            }
            Step::BeginFlush => self.flush = Some(self.log.begin_flush()),
            Step::EndFlush => {
                let flush = self.flush.take();
                self.end_flush(flush).await;
            }
            Step::Checkpoint => self.model.checkpoint = self.log.recovery_point(),
            Step::Retain { part } => {
                self.log.set_high_watermark(self.model.end);
                let offset = self.offset(part);
                self.model.start = self.log.delete_segments_before(offset).unwrap();
                assert!(self.model.start <= offset.max(self.model.start));
            }
            Step::Crash => {
                self.disk = self.machine.crash().await;
                self.reopen(false);
                self.check_unchanged();
            }
            Step::PowerLoss => {
                self.disk = self.machine.lose_power(Keep::Random).await;
                self.reopen(false);
                self.check_after_power_loss();
            }
            Step::Shutdown { power_loss } => {
                self.log.close().unwrap();
                self.flush_all().await;
                self.model.checkpoint = self.log.recovery_point();
                self.disk =
                    if *power_loss { self.machine.lose_power(Keep::Random).await } else { self.machine.crash().await };
                self.reopen(true);
                self.check_unchanged();
            }
        }
        assert_eq!((self.log.start_offset(), self.log.end_offset()), (self.model.start, self.model.end));
        assert!(self.log.recovery_point() <= self.model.flushed.max(self.model.start), "never beyond what is flushed");
    }

    fn produce(&mut self, producer: i64, records: usize) {
        let state = self.log.producers().get(producer);
        let sequence = state.map_or(0, |state| state.last_sequence() + 1);
        self.model.values += 1;
        let bytes = unique_batch(producer, sequence, records, self.model.values);
        let appended = self.log.append_as_leader(bytes, self.model.epoch, NOW_MS).unwrap();
        let Appended::New(batch) = appended else { panic!("a new batch: {appended:?}") };
        assert_eq!(batch.base_offset, self.model.end);
        self.model.end = batch.next_offset();
        self.model.batches.push(batch);
        self.model.history.push(batch);
    }

    fn retry(&mut self, producer: i64, back: usize) {
        let state = self.log.producers().get(producer);
        let Some(old) = state.and_then(|state| state.batches().iter().rev().nth(back)).copied() else { return };
        let records = (old.last_offset - old.base_offset + 1) as usize;
        let bytes = unique_batch(producer, old.first_sequence, records, 0);
        let appended = self.log.append_as_leader(bytes, self.model.epoch, NOW_MS).unwrap();
        assert!(matches!(appended, Appended::Duplicate { .. }));
        assert_eq!((appended.base_offset(), appended.last_offset()), (old.base_offset, old.last_offset));
    }

    fn offset(&self, part: &prop::sample::Index) -> i64 {
        self.model.start + part.index((self.model.end - self.model.start + 1) as usize) as i64
    }

    fn truncate(&mut self, part: &prop::sample::Index) {
        let offset = self.offset(part);
        self.log.truncate_to(offset).unwrap();
        if offset < self.model.end {
            self.model.batches.retain(|batch| batch.last_offset < offset);
            self.model.end = self.model.batches.last().map_or(self.model.start, AppendedBatch::next_offset);
            self.model.end = self.model.end.max(self.model.start);
            self.model.cut_unsynced = true;
        }
        self.model.flushed = self.model.flushed.min(self.model.end);
        // The broker's duty, as Kafka's LogManager.truncateTo does it.
        self.model.checkpoint = self.log.recovery_point();
        // What replaces it comes from a leader with a higher epoch.
        self.model.epoch += 1;
    }

    async fn start_anew(&mut self, gap: i64) {
        let offset = self.model.end + gap;
        self.log.truncate_fully_and_start_at(offset).unwrap();
        self.model.batches.clear();
        (self.model.start, self.model.end) = (offset, offset);
        self.model.epoch += 1;
        self.model.checkpoint = self.log.recovery_point();
        // Without this, a power loss may bring back any part of the old log.
        self.flush_all().await;
    }

    async fn flush_all(&mut self) {
        flush(&mut self.log).await;
        assert_eq!(self.log.recovery_point(), self.model.end);
        self.model.flushed = self.model.end;
        self.model.cut_unsynced = false;
    }

    async fn end_flush(&mut self, flush: Option<Flush>) {
        if let Some(flush) = flush {
            let flushed = flush.run().await.unwrap();
            self.log.flushed(flushed, NOW_MS);
            self.model.flushed = self.model.flushed.max(self.log.recovery_point());
        }
    }

    fn reopen(&mut self, clean: bool) {
        self.flush = None;
        self.log = reopen(&self.disk, config(), clean, self.model.checkpoint);
        self.check_derived_state();
    }

    /// Epoch cache and producers are what the log's batches make them, and the independent scan sees the same batches.
    fn check_derived_state(&self) {
        let batches = contents(&self.log);
        let mut epochs = EpochCache::default();
        for batch in &batches {
            epochs.assign(batch.leader_epoch, batch.base_offset);
        }
        assert_eq!(self.log.epochs(), &epochs);
        let mut producers = ProducerStates::default();
        let deleted = self.model.batches.iter().filter(|batch| batch.last_offset < self.log.start_offset());
        deleted.chain(&batches).for_each(|batch| producers.apply(batch));
        assert_eq!(self.log.producers(), &producers);
        let scanned = log::scan::scan(&self.machine.files(), false);
        assert_eq!(scanned.problems, []);
        assert_eq!((scanned.log_start, scanned.log_end), (self.log.start_offset(), self.log.end_offset()));
        let facts: Vec<_> =
            scanned.batches.iter().map(|b| (b.base_offset, b.last_offset, b.leader_epoch, b.crc)).collect();
        let expected: Vec<_> = batches.iter().map(|b| (b.base_offset, b.last_offset, b.leader_epoch, b.crc)).collect();
        assert_eq!(facts, expected);
    }

    fn check_unchanged(&self) {
        let start = self.model.start;
        let expected: Vec<_> = self.model.batches.iter().filter(|batch| batch.base_offset >= start).copied().collect();
        assert_eq!(contents(&self.log), expected);
        assert_eq!(self.log.recovery().cut, None);
    }

    /// What is left is a prefix with all that was flushed. Only a cut that was not flushed may be undone.
    fn check_after_power_loss(&mut self) {
        let found = contents(&self.log);
        let start = self.log.start_offset();
        assert!(start <= self.model.start, "the log starts at {start}, which loses what was not deleted");
        let deleted = self.model.batches.iter().filter(|batch| batch.last_offset < start);
        let whole: Vec<AppendedBatch> = deleted.chain(&found).copied().collect();
        let same = whole.iter().zip(&self.model.batches).take_while(|(found, expected)| found == expected).count();
        let survived = whole[..same].last().map_or(start, AppendedBatch::next_offset);
        assert!(survived >= self.model.flushed, "{survived} of {} flushed", self.model.flushed);
        if !self.model.cut_unsynced {
            assert_eq!(same, whole.len(), "a prefix of what was there");
        }
        for batch in &whole[same..] {
            assert!(self.model.history.contains(batch), "{batch:?} never was in the log");
        }
        self.model.cut_unsynced |= self.log.recovery().cut.is_some();
        self.model.start = start;
        self.model.end = self.log.end_offset();
        self.model.batches = whole;
        // What recovery brought back follows an older leader; the next one is of a higher epoch.
        self.model.epoch += 1;
    }
}

fn config() -> LogConfig {
    LogConfig { segment_bytes: 700, flush_messages: 60, ..small() }
}

fn unique_batch(producer: i64, sequence: i32, records: usize, value: u64) -> Bytes {
    let mut builder = BatchBuilder::default();
    if producer > 0 {
        builder.producer(producer, 0, sequence);
    }
    for _ in 0..records {
        builder.append(NOW_MS, None, Some(format!("value {value}").as_bytes()), &[]);
    }
    builder.build(0, -1)
}

fn holds(seed: u64, steps: Vec<Step>) {
    on_machine(seed, async move |machine: Machine| {
        let mut run = Run::start(machine).await;
        for step in &steps {
            run.step(step).await;
        }
        run.step(&Step::PowerLoss).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_its_batches_and_after_a_power_loss_a_prefix_with_all_that_was_flushed(
        seed: u64,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        holds(seed, steps);
    }
}
