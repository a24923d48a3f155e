//! The only door to the world: clock, network, disk, entropy, tasks and tracer, behind one handle, [`Host`].
//!
//! Code above this crate never knows whether it is simulated (by [`sim`], on madsim) or real (by [`real`], on tokio).

// This crate is the boundary that the lints guard.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[cfg(not(madsim))]
compile_error!(
    "Odradek needs `--cfg madsim`. It stands in .cargo/config.toml, but the environment variable RUSTFLAGS replaces that file: \
     unset RUSTFLAGS, or add `--cfg madsim` to it."
);

mod clock;
mod disk;
mod entropy;
mod host;
mod network;
#[cfg(madsim)]
mod panic;
#[cfg(madsim)]
pub mod real;
#[cfg(madsim)]
pub mod sim;
#[cfg(madsim)]
mod world;

use std::future::Future;
use std::pin::Pin;

pub use clock::{Elapsed, Time};
pub use disk::{Disk, Entry, File, Open};
pub use entropy::Entropy;
pub use host::{Host, Task};
pub use network::{Address, BadFrame, Connection, Frame, FrameReceiver, FrameSender, Framing, Label, Listener};
pub use trace::{CloseReason, ConnectFailure};
pub use world::{DiskView, World};

/// A boxed future that stays on its thread.
pub type LocalBoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;
