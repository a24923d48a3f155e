//! Faults, time, the ensemble, clients, and what is found at the end.

use trace::{EventKind, Name, Phase, StopReason, Text, ZabRole, ZnodeChange};

use super::{CONSUMER, PRODUCER, SECOND, Story, broker, email};
use crate::FreshRead;
use crate::finding::{ScannedBatch, ScannedReplica};
use crate::fold::Batch;

/// Faults and time.
impl Story {
    pub fn crash(&mut self, id: i32) -> &mut Story {
        self.on(id, EventKind::NodeStopped { reason: StopReason::Crash })
    }

    pub fn power_loss(&mut self, id: i32) -> &mut Story {
        self.on(id, EventKind::NodeStopped { reason: StopReason::PowerLoss });
        self.on(id, EventKind::UnsyncedLost { pages_kept: 1, pages_lost: 1, entries_lost: 0 })
    }

    /// A broker that ends has closed its logs.
    pub fn close_logs(&mut self, id: i32) -> &mut Story {
        self.on(id, EventKind::LogsClosed)
    }

    pub(super) fn loaded(&mut self, id: i32, log_end: i64, clean: bool) {
        let partition = email();
        self.on(id, EventKind::LogLoaded { partition, log_start: 0, log_end, high_watermark: 0, clean });
    }

    /// What it knows of its log's epochs after a start.
    pub fn knows_epochs(&mut self, id: i32, epochs: &[(i32, i64)]) -> &mut Story {
        self.on(id, EventKind::EpochsLoaded { partition: email(), epochs: epochs.into() })
    }

    /// The process ends by itself.
    pub fn exit(&mut self, id: i32) -> &mut Story {
        self.on(id, EventKind::NodeStopped { reason: StopReason::Exit })
    }

    /// The process begins anew, and is not registered yet.
    pub fn boot(&mut self, id: i32, log_end: i64) -> &mut Story {
        self.on(id, EventKind::NodeStarted { incarnation: 1 }).loaded(id, log_end, false);
        self
    }

    /// The process begins anew, with a registration of its own, before it loads any log.
    pub fn restart_without_log(&mut self, id: i32) -> &mut Story {
        self.on(id, EventKind::NodeStarted { incarnation: 1 }).register(id)
    }

    /// A registration of the second incarnation.
    pub fn register(&mut self, id: i32) -> &mut Story {
        let (broker_epoch, session) = (200 + i64::from(id), 200 + id as u64);
        self.on(id, EventKind::BrokerRegistered { broker_epoch, session })
    }

    /// The process begins anew and finds its log ending there.
    pub fn restart(&mut self, id: i32, log_end: i64) -> &mut Story {
        self.restart_without_log(id).loaded(id, log_end, false);
        self
    }

    pub fn restart_clean(&mut self, id: i32, log_end: i64) -> &mut Story {
        self.restart_without_log(id).loaded(id, log_end, true);
        self
    }

    pub fn session_expired(&mut self, id: i32) -> &mut Story {
        self.session_ended(id as u64, 7)
    }

    pub fn fault(&mut self, kind: &str, target: &str) -> &mut Story {
        let (fault, kind, target) = (Name::new("f"), Name::new(kind), Name::new(target));
        self.tell("world", EventKind::FaultBegan { fault, kind, target })
    }

    pub fn wait(&mut self, seconds: u64) -> &mut Story {
        self.now += seconds * SECOND;
        self
    }

    pub fn settle(&mut self) -> &mut Story {
        self.tell("world", EventKind::PhaseBegan { phase: Phase::Settle })
    }

    pub fn verify(&mut self) -> &mut Story {
        self.tell("world", EventKind::PhaseBegan { phase: Phase::Verify })
    }
}

/// The ensemble.
impl Story {
    pub fn zab_leads(&mut self, member: i32, epoch: u32) -> &mut Story {
        self.tell(&format!("zk-{member}"), EventKind::ZabRoleChanged { role: ZabRole::Leading, epoch })
    }

    pub fn delivers(&mut self, member: i32, zxids: &[u64]) -> &mut Story {
        for zxid in zxids {
            self.tell(&format!("zk-{member}"), EventKind::ZabDelivered { zxid: *zxid, digest: zxid * 7 });
        }
        self
    }

    pub fn delivers_other(&mut self, member: i32, zxid: u64) -> &mut Story {
        self.tell(&format!("zk-{member}"), EventKind::ZabDelivered { zxid, digest: 0 })
    }

    pub fn synchronized(&mut self, member: i32, zxid: u64) -> &mut Story {
        self.tell(&format!("zk-{member}"), EventKind::ZabSynchronized { zxid })
    }

    pub fn view(&mut self, session: u64, zxid: u64) -> &mut Story {
        self.on(1, EventKind::SessionView { session, zxid })
    }

    pub fn session_ended(&mut self, session: u64, zxid: u64) -> &mut Story {
        self.tell("zk-1", EventKind::SessionEnded { session, expired: true, zxid })
    }

    pub fn znode(&mut self, path: &str, change: ZnodeChange, version: i32, owner: u64, zxid: u64) -> &mut Story {
        let path = Name::new(path);
        self.tell("zk-1", EventKind::ZnodeChanged { path, change, version, owner, zxid })
    }
}

/// Clients, and what is found at the end.
impl Story {
    pub fn sent(&mut self, sequence: u64) -> &mut Story {
        self.sent_with_key(sequence, sequence as u32)
    }

    pub fn sent_with_key(&mut self, sequence: u64, key: u32) -> &mut Story {
        let text = Text::default();
        self.tell(PRODUCER, EventKind::RecordSent { partition: email(), sequence, key, text })
    }

    pub fn acked(&mut self, sequence: u64, offset: i64) -> &mut Story {
        self.tell(PRODUCER, EventKind::RecordAcked { partition: email(), offset, sequence })
    }

    pub fn failed(&mut self, sequence: u64) -> &mut Story {
        let error = Name::new("MESSAGE_TOO_LARGE");
        self.tell(PRODUCER, EventKind::RecordFailed { partition: email(), sequence, error })
    }

    pub fn unknown(&mut self, sequence: u64) -> &mut Story {
        let error = Name::new("delivery.timeout.ms");
        self.tell(PRODUCER, EventKind::RecordUnknown { partition: email(), sequence, error })
    }

    pub fn polled(&mut self, offset: i64, sequence: u64) -> &mut Story {
        self.polled_by(CONSUMER, offset, sequence)
    }

    pub fn polled_by(&mut self, consumer: &str, offset: i64, sequence: u64) -> &mut Story {
        let (partition, producer) = (email(), Name::new(PRODUCER));
        let kind =
            EventKind::RecordPolled { partition, offset, sequence, producer, leader_epoch: 0, key: sequence as u32 };
        self.tell(consumer, kind)
    }

    pub fn reset(&mut self, from: i64, to: i64) -> &mut Story {
        let reason = Name::new("seek");
        self.tell(CONSUMER, EventKind::PositionReset { partition: email(), from, to, reason })
    }

    pub fn kill_client(&mut self, name: &str) -> &mut Story {
        self.tell(name, EventKind::NodeStopped { reason: StopReason::Crash })
    }

    pub fn restart_client(&mut self, name: &str) -> &mut Story {
        self.kill_client(name).tell(name, EventKind::NodeStarted { incarnation: 1 })
    }

    /// What a fresh reader gets: offsets and the producer's sequences.
    pub fn read(&mut self, records: &[(i64, u64)]) -> &mut Story {
        let producer = Name::new(PRODUCER);
        let records = records.iter().map(|(offset, sequence)| (*offset, producer, *sequence)).collect();
        self.end.reads = vec![FreshRead { partition: email(), records, error: None }];
        self
    }

    pub fn unreadable(&mut self, error: &str) -> &mut Story {
        self.end.reads = vec![FreshRead { partition: email(), records: Vec::new(), error: Some(error.to_owned()) }];
        self
    }

    /// The disk of a broker holds its first `batches` batches.
    pub fn scan(&mut self, id: i32, batches: usize) -> &mut Story {
        let scanned = |batch: &Batch| ScannedBatch {
            base_offset: batch.base,
            records: batch.records,
            leader_epoch: batch.epoch,
            crc: batch.crc,
            crc_ok: true,
        };
        let batches = self.batches(id).iter().take(batches).map(scanned).collect();
        let node = Name::new(&broker(id));
        self.end.disks.push(ScannedReplica { node, partition: email(), batches, problems: Vec::new() });
        self
    }

    pub fn scan_all(&mut self) -> &mut Story {
        self.scan(1, usize::MAX).scan(2, usize::MAX).scan(3, usize::MAX)
    }

    /// The disk of a broker holds its batches, the last with another CRC.
    pub fn scan_with_crc(&mut self, id: i32, crc: u32) -> &mut Story {
        self.scan(id, usize::MAX);
        let last = self.end.disks.last_mut().and_then(|disk| disk.batches.last_mut()).expect("a batch");
        last.crc = crc;
        self
    }
}
