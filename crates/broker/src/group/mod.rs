//! The group coordinator. Each group belongs to the leader of one partition of `__consumer_offsets`, which holds its
//! committed offsets and its members.
//!
//! [`classic`], [`requests`], [`member`], [`offsets`]: decisions, without I/O. [`records`], [`protocol`]: formats.
//! [`coordinator`], [`loading`], [`store`], [`timers`]: the shell.

pub mod classic;
pub mod coordinator;
pub mod loading;
pub mod member;
pub mod offsets;
pub mod protocol;
pub mod records;
pub mod requests;
pub mod store;
#[cfg(test)]
mod tests;
pub mod timers;
pub mod turn;

pub use classic::Group;
pub use coordinator::GroupCoordinator;

/// The topic that groups are kept in.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";
