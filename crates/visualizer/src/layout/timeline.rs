//! The timeline's lanes: density and severity, faults, leaders, ISRs, downtimes, operations.

use std::ops::Range;

use trace::{BrokerList, Name, Partition, Phase, StopReason};

use super::View;
use crate::model::{CaptionKind, Class, Model, Severity};

/// A column of the density lane.
#[derive(Clone, PartialEq, Debug)]
pub struct DensityColumn {
    /// Where it begins.
    pub x: f32,
    /// How wide it is.
    pub width: f32,
    /// Its events by class, in the order of `Class::ALL`.
    pub counts: [u32; Class::COUNT],
    /// The worst of its events.
    pub worst: Severity,
    /// Its events.
    pub events: Range<usize>,
}

impl DensityColumn {
    /// All its events.
    pub fn total(&self) -> u32 {
        self.counts.iter().sum()
    }
}

/// The indexes at which `columns` equal columns of a view begin, and where the last one ends.
fn bounds(model: &Model, view: &View, columns: usize) -> Vec<usize> {
    let range = view.range(model);
    let step = (view.to - view.from) / columns as f64;
    let inner = (1..columns).map(|column| view.first_at(model, view.from + step * column as f64));
    let mut bounds = Vec::with_capacity(columns + 1);
    bounds.push(range.start);
    bounds.extend(inner.map(|bound| bound.clamp(range.start, range.end)));
    bounds.push(range.end);
    bounds
}

/// Exact counts and the worst severity of each column, however far the view is zoomed out.
pub fn density(model: &Model, view: &View, columns: usize) -> Vec<DensityColumn> {
    let columns = columns.clamp(1, 8_192);
    let width = view.width / columns as f32;
    let bounds = bounds(model, view, columns);
    let counts = model.index().counts_between(&bounds);
    let columns = counts.into_iter().enumerate().map(|(column, counts)| {
        let events = bounds[column]..bounds[column + 1];
        let worst = model.index().worst(events.clone());
        DensityColumn { x: width * column as f32, width, counts, worst, events }
    });
    columns.collect()
}

/// A fault's bar.
#[derive(Clone, PartialEq, Debug)]
pub struct FaultBar {
    /// Its id in the plan.
    pub fault: Name,
    /// Its kind in the grammar.
    pub kind: Name,
    /// What it hit.
    pub target: Name,
    /// Its begin.
    pub index: usize,
    /// Where it begins.
    pub x: f32,
    /// How wide it is; 0 for what hit nothing.
    pub width: f32,
    /// Whether the trace ends before it was healed.
    pub open: bool,
    /// The row, so that bars in one do not overlap.
    pub row: usize,
}

/// The faults in view, in as few rows as they fit into.
pub fn fault_bars(model: &Model, view: &View) -> Vec<FaultBar> {
    let mut rows: Vec<usize> = Vec::new();
    let mut bars = Vec::new();
    for fault in &model.outline().faults {
        let end = fault.ended.map_or(usize::MAX, |(index, _)| index);
        // Rows come from the whole trace, so that a bar keeps its row when the view moves.
        let row = rows.iter().position(|until| *until <= fault.index).unwrap_or(rows.len());
        if row == rows.len() {
            rows.push(0);
        }
        rows[row] = end;
        if let Some((x, width)) = view.clip(model, fault.index, fault.ended.map(|(index, _)| index)) {
            bars.push(FaultBar {
                fault: fault.fault,
                kind: fault.kind,
                target: fault.target,
                index: fault.index,
                x,
                width,
                open: fault.ended.is_none(),
                row,
            });
        }
    }
    bars
}

/// A stretch of a lane.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Span {
    /// Where it begins.
    pub x: f32,
    /// How wide it is.
    pub width: f32,
    /// The event with which it begins.
    pub index: usize,
}

/// A time in which a broker believed to lead.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LeaderBlock {
    /// The broker.
    pub broker: i32,
    /// The leader epoch.
    pub epoch: i32,
    /// Where it begins.
    pub x: f32,
    /// How wide it is.
    pub width: f32,
    /// 0, or more where others believe to lead at the same time.
    pub row: usize,
    /// The event with which it begins.
    pub index: usize,
}

/// Who led a partition.
#[derive(Clone, PartialEq, Debug)]
pub struct LeaderLane {
    /// The partition.
    pub partition: Partition,
    /// Leaderships in view.
    pub blocks: Vec<LeaderBlock>,
    /// When nobody believed to lead, after somebody had.
    pub gaps: Vec<Span>,
    /// When several did: split brain.
    pub overlaps: Vec<Span>,
}

/// The leader lanes of these partitions.
pub fn leader_lanes(model: &Model, view: &View, partitions: &[Partition]) -> Vec<LeaderLane> {
    partitions.iter().map(|partition| leader_lane(model, view, *partition)).collect()
}

fn leader_lane(model: &Model, view: &View, partition: Partition) -> LeaderLane {
    let mut lane = LeaderLane { partition, blocks: Vec::new(), gaps: Vec::new(), overlaps: Vec::new() };
    let Some(spans) = model.history().leaders.get(&partition) else { return lane };
    let mut rows: Vec<usize> = Vec::new();
    let mut changes: Vec<(usize, i32)> = Vec::with_capacity(spans.len() * 2);
    for span in spans {
        let end = span.to.unwrap_or(usize::MAX);
        let row = rows.iter().position(|until| *until <= span.from).unwrap_or(rows.len());
        if row == rows.len() {
            rows.push(0);
        }
        rows[row] = end;
        changes.push((span.from, 1));
        changes.extend(span.to.map(|to| (to, -1)));
        if let Some((x, width)) = view.clip(model, span.from, span.to) {
            lane.blocks.push(LeaderBlock { broker: span.broker, epoch: span.epoch, x, width, row, index: span.from });
        }
    }
    // At one event an end comes before a beginning: an epoch that follows on another one is neither gap nor overlap.
    changes.sort_unstable();
    let mut leading = 0;
    for (place, (index, step)) in changes.iter().enumerate() {
        leading += step;
        let next = changes.get(place + 1).map(|(next, _)| *next);
        if next == Some(*index) || leading == 1 {
            continue;
        }
        if let Some((x, width)) = view.clip(model, *index, next) {
            let span = Span { x, width, index: *index };
            if leading == 0 { lane.gaps.push(span) } else { lane.overlaps.push(span) }
        }
    }
    lane
}

/// A time in which an ISR was stored.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct IsrSegment {
    /// Where it begins.
    pub x: f32,
    /// How wide it is.
    pub width: f32,
    /// The ISR.
    pub isr: BrokerList,
    /// The event that stored it.
    pub index: usize,
}

/// A partition's ISR over time.
#[derive(Clone, PartialEq, Debug)]
pub struct IsrLane {
    /// The partition.
    pub partition: Partition,
    /// The largest ISR there was: the height of the staircase.
    pub replication: usize,
    /// Its steps in view.
    pub steps: Vec<IsrSegment>,
}

/// The ISR lanes of these partitions.
pub fn isr_lanes(model: &Model, view: &View, partitions: &[Partition]) -> Vec<IsrLane> {
    let lane = |partition: &Partition| {
        let all = model.history().isr.get(partition).map_or(&[][..], Vec::as_slice);
        let segment = |(place, step): (usize, &crate::model::IsrStep)| {
            let end = all.get(place + 1).map(|next| next.index);
            let (x, width) = view.clip(model, step.index, end)?;
            Some(IsrSegment { x, width, isr: step.isr, index: step.index })
        };
        let replication = all.iter().map(|step| step.isr.len()).max().unwrap_or(0);
        IsrLane { partition: *partition, replication, steps: all.iter().enumerate().filter_map(segment).collect() }
    };
    partitions.iter().map(lane).collect()
}

/// A phase.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PhaseBand {
    /// Which.
    pub phase: Phase,
    /// Where it begins.
    pub x: f32,
    /// How wide it is.
    pub width: f32,
    /// The event with which it begins.
    pub index: usize,
}

/// The phases in view.
pub fn phases(model: &Model, view: &View) -> Vec<PhaseBand> {
    let all = &model.history().phases;
    let bands = all.iter().enumerate().filter_map(|(place, (index, phase))| {
        let (x, width) = view.clip(model, *index, all.get(place + 1).map(|(next, _)| *next))?;
        Some(PhaseBand { phase: *phase, x, width, index: *index })
    });
    bands.collect()
}

/// A time in which a process did not run.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Downed {
    /// Where it begins.
    pub x: f32,
    /// How wide it is.
    pub width: f32,
    /// Why it ended; `None` while it was only paused.
    pub reason: Option<StopReason>,
    /// The event with which it begins.
    pub index: usize,
}

/// A node's downtimes.
#[derive(Clone, PartialEq, Debug)]
pub struct NodeLane {
    /// The node.
    pub node: Name,
    /// Its downtimes in view.
    pub down: Vec<Downed>,
}

/// The downtimes of all nodes, in the outline's order.
pub fn node_lanes(model: &Model, view: &View) -> Vec<NodeLane> {
    let lane = |item: &crate::model::NodeItem| {
        let all = model.history().downtimes.get(&item.name).map_or(&[][..], Vec::as_slice);
        let down = all.iter().filter_map(|span| {
            let (x, width) = view.clip(model, span.from, span.to)?;
            Some(Downed { x, width, reason: span.reason, index: span.from })
        });
        NodeLane { node: item.name, down: down.collect() }
    };
    model.outline().nodes.iter().map(lane).collect()
}

/// What became of records in a stretch of time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OperationColumn {
    /// Where it begins.
    pub x: f32,
    /// How wide it is.
    pub width: f32,
    /// Records acknowledged.
    pub acked: u32,
    /// Records surely not written.
    pub failed: u32,
    /// Records of unknown outcome.
    pub unknown: u32,
}

/// Outcomes of client operations by column.
pub fn operations(model: &Model, view: &View, columns: usize) -> Vec<OperationColumn> {
    let columns = columns.clamp(1, 8_192);
    let width = view.width / columns as f32;
    let bounds = bounds(model, view, columns);
    let places = |of: usize| -> Vec<usize> {
        let all = &model.history().operations[of];
        bounds.iter().map(|bound| all.partition_point(|place| (*place as usize) < *bound)).collect()
    };
    let [acked, failed, unknown] = [places(0), places(1), places(2)];
    let count = |places: &[usize], column: usize| (places[column + 1] - places[column]) as u32;
    let column = |column: usize| OperationColumn {
        x: width * column as f32,
        width,
        acked: count(&acked, column),
        failed: count(&failed, column),
        unknown: count(&unknown, column),
    };
    (0..columns).map(column).collect()
}

/// A moment of the story on the scale.
#[derive(Clone, PartialEq, Debug)]
pub struct Marker {
    /// Where.
    pub x: f32,
    /// Its event.
    pub index: usize,
    /// What it tells of.
    pub kind: CaptionKind,
    /// Its caption.
    pub text: String,
}

/// The moments in view. A violation stands where it was committed, not where it was found.
pub fn markers(model: &Model, view: &View, language: &str) -> Vec<Marker> {
    let committed = |index: usize| {
        let item = model.outline().violations.iter().find(|item| item.index == index);
        item.and_then(|item| item.commits).unwrap_or(index)
    };
    let marker = |caption: crate::model::Caption| {
        let index = if caption.kind == CaptionKind::Violation { committed(caption.index) } else { caption.index };
        Marker { x: view.x_of(model, index), index, kind: caption.kind, text: caption.text }
    };
    let markers = model.captions(language).into_iter().map(marker);
    markers.filter(|marker| (0.0..=view.width).contains(&marker.x)).collect()
}
