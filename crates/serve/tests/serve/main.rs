//! The cluster on real sockets and files, judged from outside.

// Clients and files of the real world.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod cluster;
mod hostile;
mod load;
mod support;
