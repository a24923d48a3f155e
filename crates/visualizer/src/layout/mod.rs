//! What stands where: the model and a view to plain structs, in points from the panel's own top left. No egui.

mod cluster;
mod inspector;
mod logs;
mod rows;
mod timeline;
mod traffic;
mod view;

pub use cluster::{Badge, Flight, Hull, Link, Ring, RingNode, cluster, cluster_at};
pub use inspector::{Inspection, WhyStep, inspect};
pub use logs::{
    Cell, CellText, ConsumerFlag, EpochRun, Ghost, LogView, LostCell, ReplicaLogs, ReplicaRow, Standing, diverged,
    first_lost, replica_logs,
};
pub use rows::{EventRow, EventRows, event_rows};
pub use timeline::{
    DensityColumn, Downed, FaultBar, IsrLane, IsrSegment, LeaderBlock, LeaderLane, Marker, NodeLane, OperationColumn,
    PhaseBand, Span, density, fault_bars, isr_lanes, leader_lanes, markers, node_lanes, operations, phases,
};
pub use traffic::{Arrow, SpaceTime, messages};
pub use view::{Axis, Detail, Tick, View, format_time, ticks};

#[cfg(test)]
mod tests;
