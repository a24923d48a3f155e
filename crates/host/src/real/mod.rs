//! The real host: one thread a node, with a current-thread tokio runtime, real sockets, files and clocks.

use std::io;

use bytes::Bytes;
use trace::{CloseReason, ConnectFailure, EventId, EventKind, Name};

use crate::{Address, Connection, Entry, Entropy, Framing, Frame, LocalBoxFuture, Open, Time};

#[derive(Clone)]
pub(crate) struct RealHost;
#[allow(unused_variables)]
impl RealHost {
    pub fn name(&self) -> Name { todo!() }
    pub fn incarnation(&self) -> u32 { todo!() }
    pub fn now(&self) -> Time { todo!() }
    pub fn wall(&self) -> i64 { todo!() }
    pub fn spawn(&self, name: &'static str, future: LocalBoxFuture<()>) -> RealTask { todo!() }
    pub async fn sleep_until(&self, at: Time) { todo!() }
    pub fn exit(&self, cause: EventId) { todo!() }
    pub async fn listen(&self, port: u16, framing: Framing) -> io::Result<crate::Listener> { todo!() }
    pub async fn connect(&self, to: Address, framing: Framing, cause: EventId) -> Result<Connection, ConnectFailure> { todo!() }
    pub fn disk(&self) -> crate::Disk { todo!() }
    pub fn entropy(&self, stream: &str) -> Entropy { todo!() }
    pub fn emit(&self, cause: EventId, kind: EventKind) -> EventId { todo!() }
    pub fn wants_text(&self) -> bool { todo!() }
}
pub(crate) struct RealTask;
impl RealTask { pub fn cancel(&self) { todo!() } }
pub(crate) struct Listener;
impl Listener { pub async fn accept(&self) -> Connection { todo!() } }
#[derive(Clone)]
pub(crate) struct Sender;
#[allow(unused_variables)]
impl Sender {
    pub async fn send(&self, cause: EventId, frame: Bytes) -> Result<EventId, CloseReason> { todo!() }
    pub fn close(&self) { todo!() }
}
pub(crate) struct Receiver;
impl Receiver { pub async fn next(&mut self) -> Result<Frame, CloseReason> { todo!() } }
#[derive(Clone)]
pub(crate) struct Disk;
#[allow(unused_variables)]
impl Disk {
    pub fn create_dir_all(&self, path: &str) -> io::Result<()> { todo!() }
    pub fn open(&self, path: &str, open: Open) -> io::Result<File> { todo!() }
    pub fn list(&self, dir: &str) -> io::Result<Vec<Entry>> { todo!() }
    pub fn exists(&self, path: &str) -> bool { todo!() }
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> { todo!() }
    pub fn delete(&self, path: &str) -> io::Result<()> { todo!() }
    pub fn delete_dir_all(&self, path: &str) -> io::Result<()> { todo!() }
    pub fn free_space(&self) -> u64 { todo!() }
    pub async fn sync_dir(&self, dir: &str) -> io::Result<()> { todo!() }
    pub async fn admit(&self, bytes: usize) { todo!() }
}
#[derive(Clone)]
pub(crate) struct File;
#[allow(unused_variables)]
impl File {
    pub fn append(&self, bytes: &[u8]) -> io::Result<u64> { todo!() }
    pub fn write_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> { todo!() }
    pub fn read_at(&self, position: u64, length: usize) -> io::Result<Bytes> { todo!() }
    pub fn len(&self) -> u64 { todo!() }
    pub fn set_len(&self, length: u64) -> io::Result<()> { todo!() }
    pub async fn sync(&self) -> io::Result<()> { todo!() }
}
