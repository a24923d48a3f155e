//! The simulated host (stub being replaced right now; signatures are final).
#![allow(missing_docs, unused_variables)]
mod options;
use std::cell::Cell;
use std::future::Future;
use std::io;
use trace::{ConnectFailure, Event, EventId, EventKind, Name};
use crate::*;
pub use options::*;

#[derive(Clone)] pub(crate) struct SimHost;
impl SimHost {
    pub fn name(&self) -> Name { todo!() }
    pub fn incarnation(&self) -> u32 { todo!() }
    pub fn now(&self) -> Time { todo!() }
    pub fn wall(&self) -> i64 { todo!() }
    pub fn spawn(&self, name: &'static str, future: LocalBoxFuture<()>) -> SimTask { todo!() }
    pub async fn sleep_until(&self, at: Time) { todo!() }
    pub fn exit(&self, cause: EventId) { todo!() }
    pub async fn listen(&self, port: u16, framing: Framing) -> io::Result<crate::Listener> { todo!() }
    pub async fn connect(&self, to: Address, framing: Framing, cause: EventId) -> Result<Connection, ConnectFailure> { todo!() }
    pub fn disk(&self) -> crate::Disk { todo!() }
    pub fn entropy(&self, stream: &str) -> Entropy { todo!() }
    pub fn emit(&self, cause: EventId, kind: EventKind) -> EventId { todo!() }
    pub fn wants_text(&self) -> bool { todo!() }
}
pub(crate) struct SimTask;
impl SimTask { pub fn cancel(&self) { todo!() } }
#[derive(Clone)] pub struct World(std::rc::Rc<Cell<u32>>);
impl World {
    pub fn now_ns(&self) -> u64 { todo!() }
    pub async fn sleep(&self, ns: u64) { todo!() }
    pub async fn sleep_until(&self, ns: u64) { todo!() }
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) { todo!() }
    pub fn add_node(&self, name: impl Into<Name>, boot: impl Fn(Host) -> LocalBoxFuture<()> + 'static) { todo!() }
    pub fn start(&self, name: impl Into<Name>, cause: EventId) -> EventId { todo!() }
    pub fn kill(&self, name: impl Into<Name>, cause: EventId) -> EventId { todo!() }
    pub fn power_loss(&self, name: impl Into<Name>, cause: EventId, keep: Keep) -> EventId { todo!() }
    pub fn pause(&self, name: impl Into<Name>, cause: EventId) -> EventId { todo!() }
    pub fn resume(&self, name: impl Into<Name>, cause: EventId) -> EventId { todo!() }
    pub fn is_up(&self, name: impl Into<Name>) -> bool { todo!() }
    pub fn nodes(&self) -> Vec<Name> { todo!() }
    pub fn emit(&self, cause: EventId, kind: EventKind) -> EventId { todo!() }
    pub async fn changed(&self) { todo!() }
    pub fn take_events(&self, into: &mut Vec<Event>) { todo!() }
    pub fn entropy(&self, stream: &str) -> Entropy { todo!() }
    pub fn cut(&self, fault: EventId, links: &[(Name, Name)]) { todo!() }
    pub fn slow(&self, fault: EventId, links: &[(Name, Name)], latency: Latency) { todo!() }
    pub fn lossy(&self, fault: EventId, links: &[(Name, Name)], probability_ppm: u32) { todo!() }
    pub fn limit_bandwidth(&self, fault: EventId, links: &[(Name, Name)], bytes_per_second: u64) { todo!() }
    pub fn heal(&self, fault: EventId) { todo!() }
    pub fn reset_connections(&self, fault: EventId, from: &[Name], to: &[Name]) -> usize { todo!() }
    pub fn hold(&self, fault: EventId, rule: HoldRule) { todo!() }
    pub fn release(&self, fault: EventId) { todo!() }
    pub fn hold_hit(&self, fault: EventId) -> bool { todo!() }
    pub fn disk_fault(&self, fault: EventId, node: impl Into<Name>, what: DiskFault) { todo!() }
    pub fn replace_disk(&self, node: impl Into<Name>) { todo!() }
    pub fn disk(&self, node: impl Into<Name>) -> DiskView { todo!() }
    pub fn set_clock(&self, node: impl Into<Name>, setting: ClockSetting) { todo!() }
    pub fn jump_clock(&self, node: impl Into<Name>, by_ns: i64) { todo!() }
    pub fn links_hit(&self, fault: EventId) -> u64 { todo!() }
    pub fn finish(self) -> Finished { todo!() }
}
pub struct DiskView(());
impl DiskView {
    /// sorted
    pub fn list(&self, dir: &str) -> io::Result<Vec<Entry>> { todo!() }
    /// all files' paths, sorted
    pub fn files(&self) -> Vec<String> { todo!() }
    /// pristine content
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> { todo!() }
    /// content as a process reads it, faults included
    pub fn read_through_faults(&self, path: &str) -> io::Result<Vec<u8>> { todo!() }
    pub fn hash(&self) -> u64 { todo!() }
}
pub fn run<T: Send + 'static>(options: WorldOptions, main: impl FnOnce(World) -> LocalBoxFuture<T> + Send + 'static) -> Result<T, Panic> { todo!() }
pub(crate) mod net {
    use crate::*; use bytes::Bytes; use trace::*;
    pub struct Listener;
    impl Listener { pub async fn accept(&self) -> Connection { todo!() } }
    #[derive(Clone)] pub struct End;
    impl End {
        pub async fn send(&self, cause: EventId, frame: Bytes) -> Result<EventId, CloseReason> { todo!() }
        pub fn close(&self) { todo!() }
        pub async fn next(&mut self) -> Result<Frame, CloseReason> { todo!() }
    }
}
pub(crate) mod disk {
    pub(crate) use crate::real::{Disk as DiskHandle, File as FileHandle};
}
