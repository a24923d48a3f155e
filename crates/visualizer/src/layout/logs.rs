//! The logs of one partition's replicas, side by side on one scale of offsets.

use std::collections::BTreeMap;

use state::{BatchState, ClusterState, PartitionState, ReplicaRole, ReplicaState};
use trace::{BrokerList, EventKind, Name, Partition, broker_name};

use super::{Detail, format_time};
use crate::model::{Joined, Model, text_of};

/// Epoch runs and ghosts a row shows at most: more cannot be told apart.
const MOST_RUNS: usize = 2_000;
/// How long a removal counts as fresh, ns.
const FRESH: u64 = 1_000_000_000;

/// Which part of which logs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LogView {
    /// The partition.
    pub partition: Partition,
    /// The offset at the left edge.
    pub first: f64,
    /// Points an offset.
    pub cell: f32,
    /// Points in all.
    pub width: f32,
    /// Whether old removals are shown too.
    pub graveyard: bool,
}

impl LogView {
    /// The ends of the logs, in cells that text fits into.
    pub fn tail(state: &ClusterState, partition: Partition, width: f32) -> LogView {
        let end = end_of(state, partition);
        let cell = 56.0;
        let shown = f64::from(width / cell);
        LogView { partition, first: (end as f64 + 1.0 - shown).max(0.0), cell, width, graveyard: false }
    }

    /// The whole logs.
    pub fn fit(state: &ClusterState, partition: Partition, width: f32) -> LogView {
        let start = state.partitions.get(&partition).into_iter().flat_map(|state| state.replicas.values());
        let first = start.map(|replica| replica.log_start).min().unwrap_or(0).max(0);
        let length = end_of(state, partition).saturating_sub(first).saturating_add(1).max(1);
        let cell = (width / length as f32).min(56.0);
        LogView { partition, first: first as f64, cell, width, graveyard: false }
    }

    /// Where an offset's cell begins.
    pub fn x(&self, offset: i64) -> f32 {
        ((offset as f64 - self.first) * f64::from(self.cell)) as f32
    }

    /// The offset at an X.
    pub fn offset_at(&self, x: f32) -> i64 {
        (self.first + f64::from(x / self.cell.max(1e-6))).floor() as i64
    }

    fn shown(&self) -> (i64, i64) {
        (self.offset_at(0.0).max(0), self.offset_at(self.width).saturating_add(1).max(0))
    }

    /// X and width of `from..to`, clipped.
    fn clip(&self, from: i64, to: i64) -> Option<(f32, f32)> {
        let (begin, end) = (self.x(from).max(0.0), self.x(to).min(self.width));
        (end > begin).then_some((begin, end - begin))
    }
}

fn end_of(state: &ClusterState, partition: Partition) -> i64 {
    let replicas = state.partitions.get(&partition).into_iter().flat_map(|state| state.replicas.values());
    replicas.map(|replica| replica.log_end).max().unwrap_or(0)
}

/// What a replica is in its partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Standing {
    /// The stored leader.
    Leader,
    /// In the stored ISR.
    InSync,
    /// Not in the stored ISR.
    OutOfSync,
    /// Its process does not run, or it was stopped.
    Offline,
}

impl Standing {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Leader => "leader",
            Standing::InSync => "in sync",
            Standing::OutOfSync => "out of sync",
            Standing::Offline => "offline",
        }
    }
}

/// The replicas of a partition.
#[derive(Clone, PartialEq, Debug)]
pub struct ReplicaLogs {
    /// The partition.
    pub partition: Partition,
    /// How much a cell can show.
    pub detail: Detail,
    /// The first offset in view.
    pub first: i64,
    /// The offset after the last one in view.
    pub last: i64,
    /// The largest log end offset.
    pub end: i64,
    /// The stored leader.
    pub leader: Option<i32>,
    /// The stored leader epoch.
    pub leader_epoch: i32,
    /// The stored ISR.
    pub isr: BrokerList,
    /// The brokers that believe to lead and run: more than one is a split brain.
    pub believed_leaders: Vec<i32>,
    /// The leader's high watermark, in view or not.
    pub full_hw: Option<i64>,
    /// Leader first, then in sync, out of sync, offline.
    pub rows: Vec<ReplicaRow>,
    /// Acknowledged records in view that the leader's log does not hold.
    pub lost: Vec<LostCell>,
    /// The consumers of the partition.
    pub consumers: Vec<ConsumerFlag>,
}

/// A replica.
#[derive(Clone, PartialEq, Debug)]
pub struct ReplicaRow {
    /// Its broker.
    pub broker: i32,
    /// Its broker's node.
    pub node: Name,
    /// What it is.
    pub standing: Standing,
    /// Whether it is the preferred leader: the first one of the assignment.
    pub preferred: bool,
    /// Whether it runs and believes to lead.
    pub believes_leader: bool,
    /// The highest leader epoch it knows.
    pub leader_epoch: i32,
    /// Log start offset.
    pub log_start: i64,
    /// Log end offset.
    pub log_end: i64,
    /// Its own high watermark.
    pub high_watermark: i64,
    /// Below, all is fsynced.
    pub recovery_point: i64,
    /// The stretches in which it holds something else than the reference log (the leader's, else the newest one), in order.
    pub diverged: Vec<(i64, i64)>,
    /// The cells in view, with [`Detail::Text`] only.
    pub cells: Vec<Cell>,
    /// Stretches of one leader epoch in view.
    pub runs: Vec<EpochRun>,
    /// What it removed, in view.
    pub ghosts: Vec<Ghost>,
}

/// An offset of a replica's log.
#[derive(Clone, PartialEq, Debug)]
pub struct Cell {
    /// The offset.
    pub offset: i64,
    /// Where it begins.
    pub x: f32,
    /// Its batch's leader epoch.
    pub epoch: i32,
    /// Its batch's CRC.
    pub crc: u32,
    /// Whether its batch begins here.
    pub batch_first: bool,
    /// Whether it differs from the reference log.
    pub diverged: bool,
    /// Whether it was acknowledged, and the leader's log does not hold it.
    pub lost: bool,
    /// Whether it lies below the replica's high watermark.
    pub committed: bool,
    /// What lies there, where the trace tells.
    pub text: Option<CellText>,
}

/// A record as people read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CellText {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Its CreateTime, ms.
    pub timestamp: i64,
    /// The client that sent it.
    pub producer: Name,
    /// The client's own number for it.
    pub sequence: u64,
    /// Its `RecordSent`.
    pub sent: usize,
    /// Its `RecordAcked`, if that has happened.
    pub acked: Option<usize>,
}

impl Cell {
    /// What a screen reader says.
    pub fn label(&self, node: Name) -> String {
        let mut label = format!("{node} offset {} epoch {}", self.offset, self.epoch);
        if let Some(text) = &self.text {
            label.push_str(&format!(": {} = {}", text.key, text.value));
        }
        label + &self.flaws()
    }

    /// What is wrong with it, as the end of a sentence.
    pub fn flaws(&self) -> String {
        let words = [(self.diverged, ", diverged"), (self.lost, ", acknowledged but lost")];
        words.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word).collect()
    }
}

/// Adjacent offsets of one leader epoch.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct EpochRun {
    /// The first offset.
    pub from: i64,
    /// The offset after the last.
    pub to: i64,
    /// The leader epoch.
    pub epoch: i32,
    /// Where it begins.
    pub x: f32,
    /// How wide it is.
    pub width: f32,
}

/// Offsets that a replica removed.
#[derive(Clone, PartialEq, Debug)]
pub struct Ghost {
    /// The first offset.
    pub from: i64,
    /// The offset after the last.
    pub to: i64,
    /// The leader epoch of the first batch removed.
    pub epoch: i32,
    /// When, ns.
    pub at: u64,
    /// The event.
    pub index: usize,
    /// Whether it was removed within the last second.
    pub fresh: bool,
    /// Where it begins.
    pub x: f32,
    /// How wide it is.
    pub width: f32,
    /// What a tip says.
    pub label: String,
}

/// An acknowledged record that the leader's log does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LostCell {
    /// Where it was acknowledged.
    pub offset: i64,
    /// In which leader epoch.
    pub epoch: i32,
    /// Its `RecordSent`, where the trace holds it.
    pub sent: Option<usize>,
    /// Its `RecordAcked`.
    pub acked: usize,
    /// The brokers that still hold it.
    pub on: Vec<i32>,
}

/// A consumer's place in the log.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ConsumerFlag {
    /// The client.
    pub client: Name,
    /// The next offset it polls.
    pub position: Option<i64>,
    /// The offset after the last record it processed.
    pub processed_to: i64,
    /// Where its position lies, if in view.
    pub x_position: Option<f32>,
    /// Where what it processed ends, if in view.
    pub x_processed: Option<f32>,
    /// Records below the leader's high watermark that it has not processed.
    pub lag: i64,
}

/// Lays out the replicas of a partition; `state` is the one after the event `index`.
pub fn replica_logs(model: &Model, state: &ClusterState, index: usize, view: &LogView) -> ReplicaLogs {
    let (first, last) = view.shown();
    let empty = PartitionState::default();
    let partition = state.partitions.get(&view.partition).unwrap_or(&empty);
    let runs = |broker: i32| state.nodes.get(&broker_name(broker)).is_none_or(|node| node.up);
    let believed = partition.replicas.iter().filter(|(id, replica)| replica.role == ReplicaRole::Leader && runs(**id));
    let reference = reference(partition);
    let none = BTreeMap::new();
    let disagreements = model.history().disagreements.get(&view.partition).unwrap_or(&none);
    // Cells too small for a mark each are judged one a mark.
    let step = if view.cell >= 3.0 { 1 } else { ((3.0 / view.cell.max(1e-9)) as i64).max(1) };
    let lost = lost_cells(model, partition, index, view.partition, step, (first, last));
    let mut rows: Vec<ReplicaRow> = brokers(partition)
        .map(|broker| {
            let none = ReplicaState::default();
            let replica = partition.replicas.get(&broker).unwrap_or(&none);
            let mut row = row(partition, broker, replica, runs(broker));
            if let Some(reference) = reference {
                row.diverged = joined(differences(disagreements, reference, replica));
            }
            fill(&mut row, model, replica, index, view, &lost);
            row
        })
        .collect();
    rows.sort_by_key(|row| (row.standing, row.broker));
    ReplicaLogs {
        partition: view.partition,
        detail: Detail::of(view.cell),
        first,
        last,
        end: end_of(state, view.partition),
        leader: partition.leader,
        leader_epoch: partition.leader_epoch,
        isr: partition.isr,
        believed_leaders: believed.map(|(id, _)| *id).collect(),
        full_hw: partition.leading_replica().map(|leader| leader.high_watermark),
        rows,
        lost,
        consumers: consumers(state, partition, view),
    }
}

/// The assigned brokers, then others that hold a replica.
fn brokers(partition: &PartitionState) -> impl Iterator<Item = i32> {
    let others = partition.replicas.keys().copied().filter(|id| !partition.assignment.contains(*id));
    partition.assignment.iter().chain(others)
}

fn row(partition: &PartitionState, broker: i32, replica: &ReplicaState, runs: bool) -> ReplicaRow {
    let standing = match () {
        () if !runs || (replica.role == ReplicaRole::Offline && partition.replicas.contains_key(&broker)) => {
            Standing::Offline
        }
        () if partition.leader == Some(broker) => Standing::Leader,
        () if partition.isr.contains(broker) => Standing::InSync,
        () => Standing::OutOfSync,
    };
    ReplicaRow {
        broker,
        node: broker_name(broker),
        standing,
        preferred: partition.assignment.iter().next() == Some(broker),
        believes_leader: runs && replica.role == ReplicaRole::Leader,
        leader_epoch: replica.leader_epoch,
        log_start: replica.log_start,
        log_end: replica.log_end,
        high_watermark: replica.high_watermark,
        recovery_point: replica.recovery_point,
        diverged: Vec::new(),
        cells: Vec::new(),
        runs: Vec::new(),
        ghosts: Vec::new(),
    }
}

/// The stretches in which a log differs from the reference, in order. Behind the reference's end, what an older leader wrote
/// differs too: it will be truncated.
fn differences<'a>(
    disagreements: &'a BTreeMap<i64, i64>,
    reference: &'a ReplicaState,
    replica: &'a ReplicaState,
) -> impl Iterator<Item = (i64, i64)> + 'a {
    // Below, whoever copied a cleaned log has what is left of its batches.
    let cleaned = reference.cleaned.max(replica.cleaned);
    let differs = move |batch: &&BatchState| {
        (cleaned..reference.log_end).contains(&batch.base_offset)
            && reference.batch_at(batch.base_offset).is_some_and(|held| !held.is_same(batch))
    };
    let within = disagreements.iter().flat_map(|(from, to)| replica.batches.range(*from, *to));
    let behind =
        replica.batches.range(reference.log_end, i64::MAX).find(|batch| batch.base_offset >= reference.log_end);
    let overtaken =
        |batch: &&BatchState| reference.role == ReplicaRole::Leader && batch.leader_epoch < reference.leader_epoch;
    let within = within.filter(differs).map(|batch| (batch.base_offset, batch.end()));
    within.chain(behind.filter(overtaken).map(|batch| (batch.base_offset, replica.log_end)))
}

/// The same, with adjacent stretches as one, at most [`MOST_RUNS`].
fn joined(stretches: impl Iterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (from, to) in stretches {
        let count = joined.len();
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ if count == MOST_RUNS => break,
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// The stretches in which any replica of a partition differs from its leader, in order of their beginning.
pub fn diverged(model: &Model, state: &ClusterState, partition: Partition) -> Vec<(i64, i64)> {
    let none = BTreeMap::new();
    let disagreements = model.history().disagreements.get(&partition).unwrap_or(&none);
    let Some(partition) = state.partitions.get(&partition) else { return Vec::new() };
    let Some(reference) = reference(partition) else { return Vec::new() };
    let replicas = partition.replicas.values();
    let mut all: Vec<(i64, i64)> =
        replicas.flat_map(|replica| joined(differences(disagreements, reference, replica))).collect();
    all.sort_unstable();
    joined(all.into_iter())
}

/// What the others are compared with: the stored leader's log, else the newest one.
fn reference(partition: &PartitionState) -> Option<&ReplicaState> {
    let newest = || partition.replicas.values().max_by_key(|replica| (replica.leader_epoch, replica.log_end));
    partition.leading_replica().or_else(newest)
}

fn fill(row: &mut ReplicaRow, model: &Model, replica: &ReplicaState, index: usize, view: &LogView, lost: &[LostCell]) {
    let (first, last) = view.shown();
    let diverged = |offset: i64| {
        let next = row.diverged.partition_point(|(_, to)| *to <= offset);
        row.diverged.get(next).is_some_and(|(from, _)| *from <= offset)
    };
    let mut runs: Vec<EpochRun> = Vec::new();
    for (from, to, epoch) in epochs(replica, first, last, view.cell) {
        if let Some((x, width)) = view.clip(from.max(replica.log_start), to)
            && runs.len() < MOST_RUNS
        {
            runs.push(EpochRun { from, to, epoch, x, width });
        }
    }
    if Detail::of(view.cell) == Detail::Text {
        for batch in replica.batches.range(first, last) {
            for offset in batch.base_offset.max(first).max(replica.log_start)..batch.end().min(last) {
                let joined = model.records().get(view.partition, offset, batch.leader_epoch);
                row.cells.push(Cell {
                    offset,
                    x: view.x(offset),
                    epoch: batch.leader_epoch,
                    crc: batch.crc,
                    batch_first: offset == batch.base_offset,
                    diverged: diverged(offset),
                    lost: lost.iter().any(|lost| lost.offset == offset && lost.epoch == batch.leader_epoch),
                    committed: offset < replica.high_watermark,
                    text: joined.and_then(|joined| cell_text(model, joined, index)),
                });
            }
        }
    }
    row.runs = runs;
    row.ghosts = ghosts(model, row.broker, index, view);
}

/// Stretches of one epoch in `first..last`. Cells under 3 points are read at the places that fill one point each: a log of a
/// million batches costs no more than the width of the panel.
fn epochs(replica: &ReplicaState, first: i64, last: i64, cell: f32) -> Vec<(i64, i64, i32)> {
    let mut runs: Vec<(i64, i64, i32)> = Vec::new();
    let mut add = |from: i64, to: i64, epoch: i32| match runs.last_mut() {
        Some(run) if run.2 == epoch && run.1 >= from => run.1 = to,
        _ => runs.push((from, to, epoch)),
    };
    let visible = replica.batches.place_of(last).saturating_sub(replica.batches.place_of(first));
    if Detail::of(cell) != Detail::Density || visible < 4_096 {
        replica.batches.range(first, last).for_each(|batch| add(batch.base_offset, batch.end(), batch.leader_epoch));
        return runs;
    }
    let step = ((1.0 / cell.max(1e-9)) as i64).max(1);
    let end = last.min(replica.log_end);
    let mut offset = first;
    while offset < end {
        let next = offset.saturating_add(step).min(end);
        if let Some(batch) = replica.batch_at(offset) {
            add(offset, next, batch.leader_epoch);
        }
        offset = next;
    }
    runs
}

fn cell_text(model: &Model, joined: Joined, index: usize) -> Option<CellText> {
    let sent = joined.sent? as usize;
    let event = model.events().get(sent)?;
    let EventKind::RecordSent { sequence, .. } = &event.kind else { return None };
    let text = text_of(event)?;
    let acked = joined.acked.map(|acked| acked as usize).filter(|acked| *acked <= index);
    Some(CellText {
        key: text.key.clone(),
        value: text.value.clone(),
        timestamp: text.timestamp,
        producer: event.node,
        sequence: *sequence,
        sent,
        acked,
    })
}

fn ghosts(model: &Model, broker: i32, index: usize, view: &LogView) -> Vec<Ghost> {
    let removals = &model.history().removals;
    let past = &removals[..removals.partition_point(|removal| removal.index <= index)];
    let now = model.at(index);
    let mut ghosts = Vec::new();
    for removal in past.iter().rev().filter(|one| one.partition == view.partition && one.broker == broker) {
        let at = model.at(removal.index);
        let fresh = now.saturating_sub(at) <= FRESH;
        if !fresh && !view.graveyard {
            break;
        }
        let (Some(first), Some(last)) = (removal.batches.first(), removal.batches.last()) else { continue };
        let (from, to) = (first.base_offset, last.end());
        if let Some((x, width)) = view.clip(from, to)
            && ghosts.len() < MOST_RUNS
        {
            let label =
                format!("broker-{broker} removed {from}..{to} (epoch {}) at {}", first.leader_epoch, format_time(at));
            ghosts.push(Ghost {
                from,
                to,
                epoch: first.leader_epoch,
                at,
                index: removal.index,
                fresh,
                x,
                width,
                label,
            });
        }
    }
    ghosts
}

/// Acknowledged records at `first..last` that the stored leader's log does not hold; of those so near to each other that a
/// mark each has no room, one in `step` offsets.
fn lost_cells(
    model: &Model,
    partition: &PartitionState,
    index: usize,
    of: Partition,
    step: i64,
    (first, last): (i64, i64),
) -> Vec<LostCell> {
    let Some(leader) = partition.leading_replica() else { return Vec::new() };
    let holds = |replica: &ReplicaState, offset: i64, epoch: i32| {
        replica.batch_at(offset).is_some_and(|batch| batch.leader_epoch == epoch)
    };
    let mut found = Vec::new();
    let mut next = first.max(leader.log_start);
    while let Some((offset, _, _)) = model.records().range(of, next, last).next() {
        for (_, epoch, joined) in model.records().range(of, offset, offset.saturating_add(1)) {
            let acked = joined.acked.map(|acked| acked as usize).filter(|acked| *acked <= index);
            let (Some(acked), true) = (acked, epoch >= 0) else { continue };
            if holds(leader, offset, epoch) || epoch > leader.leader_epoch {
                continue;
            }
            let on = partition.replicas.iter().filter(|(_, replica)| holds(replica, offset, epoch));
            let on = on.map(|(id, _)| *id).collect();
            found.push(LostCell { offset, epoch, sent: joined.sent.map(|sent| sent as usize), acked, on });
        }
        next = offset.saturating_add(step);
    }
    found
}

/// The first record of a partition that was acknowledged and that its leader does not have.
pub fn first_lost(model: &Model, state: &ClusterState, index: usize, partition: Partition) -> Option<i64> {
    let replicas = state.partitions.get(&partition)?;
    let lost = lost_cells(model, replicas, index, partition, 1, (0, i64::MAX));
    lost.first().map(|lost| lost.offset)
}

fn consumers(state: &ClusterState, partition: &PartitionState, view: &LogView) -> Vec<ConsumerFlag> {
    let committed = partition.leading_replica().map_or(0, |leader| leader.high_watermark);
    let mut flags: BTreeMap<Name, ConsumerFlag> = BTreeMap::new();
    for (client, all) in &state.clients {
        let Some(own) = all.partitions.get(&view.partition) else { continue };
        if own.polled == 0 && own.position.is_none() {
            continue;
        }
        let in_view = |offset: i64| Some(view.x(offset)).filter(|x| (0.0..=view.width).contains(x));
        let flag = ConsumerFlag {
            client: *client,
            position: own.position,
            processed_to: own.processed_to,
            x_position: own.position.and_then(in_view),
            x_processed: in_view(own.processed_to),
            lag: committed.saturating_sub(own.processed_to).max(0),
        };
        flags.insert(*client, flag);
    }
    flags.into_values().collect()
}
