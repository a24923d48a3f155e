//! Controller.
pub mod context;
pub mod election;
pub mod placement;
pub mod requests;
pub use requests::LEADER_DURING_DELETE;
