//! The consumer's side of consumer groups (the classic protocol).
//!
//! [`assignor`] and [`membership`] decide; [`protocol`] and [`offsets`] translate to and from Kafka's messages; [`shell`] moves them.

pub mod assignor;
