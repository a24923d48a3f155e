//! Invariants of the cluster: they see every node. One file each.

pub(crate) mod assignment;
pub(crate) mod client_contract;
pub(crate) mod committed_durability;
pub(crate) mod control_fencing;
pub(crate) mod ensemble;
mod excuse;
pub(crate) mod group_offsets;
pub(crate) mod high_watermark;
pub(crate) mod idempotence;
pub(crate) mod isr_safety;
pub(crate) mod list_offsets;
pub(crate) mod liveness;
pub(crate) mod log_matching;
pub(crate) mod log_shape;
pub(crate) mod one_leader;
mod rebalance;
pub(crate) mod recovery;
pub(crate) mod retention;
pub(crate) mod visibility;
