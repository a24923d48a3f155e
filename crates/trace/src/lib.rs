//! The event vocabulary of Odradek, its recorder and its trace files.
//!
//! Everything that happens in a run is an [`Event`]: small, typed, and with the event that caused it. Oracles, the state
//! fold, digests and the visualizer read nothing else. This crate is data only: it knows no clock and no network.

mod about;
mod event;
mod file;
mod fingerprint;
mod kind;
mod line;
mod name;
mod recorder;

pub use event::{BrokerList, Event, EventId, Partition, broker_id, broker_name};
pub use file::{Header, SCHEMA_VERSION, TraceError, TraceReader, TraceWriter};
pub use fingerprint::Fingerprint;
pub use kind::{
    CloseReason, ConnectFailure, EventKind, FrameInfo, GroupState, Phase, Protocol, RecordText, StopReason, Text,
    ZabRole, ZnodeChange,
};
pub use name::Name;
pub use recorder::{Mode, Recorder};
