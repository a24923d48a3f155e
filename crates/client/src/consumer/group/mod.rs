//! The consumer's side of consumer groups (the classic protocol).
//!
//! [`assignor`] and [`membership`] decide; [`protocol`] and [`offsets`] translate to and from Kafka's messages; [`shell`] is the member's own
//! task; [`handover`] and [`commits`] are what the application does inside its calls.

pub mod assignor;
mod commits;
mod handover;
mod membership;
mod offsets;
mod pattern;
mod protocol;
mod shell;

pub use self::handover::Polled;
pub use self::offsets::CommitOffset;
pub(super) use self::pattern::Pattern;
pub(super) use self::shell::Group;
